"""Learning which lips go with which sound, on made mouths that open as loud as the voice is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, Sound
from meshanim.training import LipSyncRecipe, train_lip_sync
from meshanim.training.lip_sync import LipSyncTask, contrast, found_offsets, put_off
from meshanim.vision import LipSyncNetwork

FRAMES = 60


@dataclass(frozen=True)
class Talking:
    frames: torch.Tensor
    landmarks: torch.Tensor
    sound: Sound
    fps: float = 25.0


def talking(seed: int) -> Talking:
    """A dark spot, twenty pixels wide, that is as high as the tone is loud."""
    generator = torch.Generator().manual_seed(seed)
    loud = torch.rand(FRAMES, generator=generator)
    landmarks = torch.full((FRAMES, 68, 2), 50.0)
    landmarks[:, [36, 39, 42, 45, 33]] = torch.tensor([[25.0, 40], [40, 41], [60, 41], [75, 40], [50, 68]])
    frames = torch.full((FRAMES, 120, 100, 3), 150, dtype=torch.uint8)
    for frame, level in enumerate(loud.tolist()):
        half = round(8 * level)
        frames[frame, 85 - half : 85 + half, 40:60] = 20
    time = torch.arange(FRAMES * SPEECH_RATE // 25) / SPEECH_RATE
    # Frame t is seen at t / 25 seconds, in the middle of its piece of sound.
    strength = loud[((time * 25).round().long()).clamp(max=FRAMES - 1)].square()
    return Talking(frames, landmarks, Sound(strength * (2 * math.pi * 300 * time).sin(), SPEECH_RATE))


def test_the_contrast_is_what_is_worked_by_hand() -> None:
    seen, heard = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Cosines over 0.5: rows [2, 1.2] and [0, 1.6], columns [2, 0] and [1.2, 1.6].
    rows = math.log(1 + math.exp(-0.8)) + math.log(1 + math.exp(-1.6))
    columns = math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-0.4))
    assert float(contrast(seen, heard, 0.5)) == pytest.approx((rows + columns) / 4)


def test_sound_is_put_off_in_silence() -> None:
    sound = Sound(torch.tensor([1.0, 2, 3, 4]), 4)
    assert put_off(sound, 0.5).waveform.tolist() == [0, 0, 1, 2]
    assert put_off(sound, -0.25).waveform.tolist() == [2, 3, 4, 0]
    assert put_off(sound, 0).waveform.tolist() == [1, 2, 3, 4]


def test_known_shifts_are_learned_to_be_found(tmp_path) -> None:
    clips, others = [talking(seed) for seed in range(6)], [talking(seed) for seed in (100, 101)]
    recipe = LipSyncRecipe(epochs=8, batch_size=2, width=4, features=16, frames=40, learning_rate=5e-3)
    model, report = train_lip_sync(clips, others, recipe, tmp_path, progress=False)
    assert report.finished and report.history[-1]["contrast"] < report.history[0]["contrast"]
    shifts = (-5, 0, 4)
    wrong = found_offsets(model, others, shifts) - torch.tensor(shifts)
    assert wrong.shape == (2, 3) and int(wrong.abs().max()) <= 1
    assert report.history[-1]["shifts_found"] == 1
    again = LipSyncNetwork.from_pretrained(tmp_path)
    assert torch.equal(found_offsets(again, others, shifts) - torch.tensor(shifts), wrong)


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path) -> None:
    clips = [talking(seed) for seed in range(2)]
    for epochs, folder in ((2, "whole"), (1, "halves"), (2, "halves")):
        recipe = LipSyncRecipe(epochs=epochs, batch_size=1, width=2, features=4, frames=20)
        train_lip_sync(clips, [], recipe, tmp_path / folder, progress=False)
    whole, halves = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves


def test_clips_must_fit(tmp_path) -> None:
    with pytest.raises(InputError, match="clips must hold at least one"):
        train_lip_sync([], [], LipSyncRecipe(), tmp_path)
    clip = talking(0)
    with pytest.raises(InputError, match="clips must have 25 frames/s, got 30"):
        LipSyncTask(
            LipSyncNetwork(4), [Talking(clip.frames, clip.landmarks, clip.sound, 30)], [], LipSyncRecipe()
        )
    with pytest.raises(InputError, match="clips must have at least 61 frames, got 60"):
        LipSyncTask(LipSyncNetwork(4), [clip], [], LipSyncRecipe(frames=61))
