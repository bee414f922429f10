"""All figures of a film beside the true one, on noise with landmarks at any place; and a real face."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, Sound
from meshanim.metrics import Film, measure_offset, mouth_region, psnr_db, score_talking_head
from meshanim.vision import LipSyncNetwork, read_video

pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")

EMBEDDING = ("mean", lambda picture, landmarks: np.array([picture.mean(), 1.0]))


def film(count: int = 40, seed: int = 0) -> Film:
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (count, 40, 36, 3), generator=generator, dtype=torch.uint8)
    landmarks = 8 + 16 * torch.rand(68, 2, generator=generator).expand(count, 68, 2)
    return Film(frames, landmarks, 25.0, Sound(torch.randn(640 * count, generator=generator), SPEECH_RATE))


@pytest.fixture
def judge() -> LipSyncNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LipSyncNetwork(width=2, features=4).eval()


def test_figures_are_those_of_the_metrics(judge: LipSyncNetwork) -> None:
    predicted, truth = film(seed=0), film(seed=1)
    scores = score_talking_head(predicted, truth, None, judge, EMBEDDING)
    assert scores["psnr_db"] == psnr_db(predicted.frames, truth.frames)
    mouth = mouth_region(truth.landmarks, (40, 36))
    assert scores["psnr_mouth_db"] == psnr_db(mouth.cut(predicted.frames), mouth.cut(truth.frames))
    shown = predicted.frames[::5].float().mean(dim=(1, 2, 3)) - truth.frames[0].float().mean()
    assert scores["acd_mean"] == pytest.approx(float(shown.abs().mean()), rel=1e-4)
    assert truth.sound is not None and predicted.sound is not None
    for ending, each in (("", predicted), ("_truth", truth)):
        found = measure_offset(judge, each, each.sound or truth.sound)
        assert found is not None and scores[f"av_offset_frames{ending}"] == found.frames
        assert scores[f"blinks_per_s{ending}"] == 0 and f"blink_duration_s{ending}" not in scores


def test_a_film_beside_itself_is_perfect() -> None:
    truth = film()
    scores = score_talking_head(truth, truth, embedding=EMBEDDING)
    assert scores["psnr_db"] == math.inf and scores["ssim"] == pytest.approx(1) and scores["lmd_px"] == 0
    assert all(scores[name] == scores[f"{name}_truth"] for name in ("cpbd", "acd_mean", "csim_mean"))


def test_what_no_judge_is_there_for_is_left_out(judge: LipSyncNetwork) -> None:
    truth = replace(film(), sound=None)
    for scores in (
        score_talking_head(truth, truth, lip_sync=judge, embedding=None),
        score_talking_head(film(20), film(20), lip_sync=judge, embedding=None),
    ):
        assert not any(name.startswith(("av", "acd", "csim", "au")) for name in scores)


def test_a_silent_prediction_is_judged_beside_the_true_sound(judge: LipSyncNetwork) -> None:
    truth = film()
    scores = score_talking_head(replace(truth, sound=None), truth, lip_sync=judge, embedding=None)
    assert scores["av_confidence"] == scores["av_confidence_truth"]


def test_action_units_are_told_by_what_is_passed_in() -> None:
    def bright(frames: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        return (frames.float().mean(dim=(1, 2)) > 127.5).float()

    first, second = film(seed=0), film(seed=1)
    assert score_talking_head(first, first, embedding=None, units=bright)["au_accuracy"] == 1
    assert 0 < score_talking_head(first, second, embedding=None, units=bright)["au_accuracy"] < 1


def test_a_film_at_another_rate_is_judged_at_the_networks(judge: LipSyncNetwork) -> None:
    whole = film(80)
    assert whole.sound is not None
    fast = Film(whole.frames.repeat_interleave(2, 0), whole.landmarks.repeat_interleave(2, 0), 50.0)
    assert measure_offset(judge, fast, whole.sound) == measure_offset(judge, whole, whole.sound)


def test_a_face_is_watched(shared_data: Path) -> None:
    pytest.importorskip("dlib")
    frames = read_video(shared_data / "grid_sample" / "speakers" / "brbk7n.mpg").frames()
    watched = Film.watch(torch.from_numpy(np.stack(list(itertools.islice(frames, 6)))), 25.0)
    scores = score_talking_head(watched, watched.first(6), watched.frames[3])
    # dlib's embeddings of one person lie less than 0.6 apart.
    assert 0 < scores["acd_dlib"] < 0.6 and 0.9 < scores["csim_dlib"] < 1
    wall = torch.full((3, 60, 60, 3), 90, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"wall.mp4 must show a face, got none in 3 frames"):
        Film.watch(wall, 25.0, name="wall.mp4")
    with pytest.raises(InputError, match="reference must show a face, got none"):
        score_talking_head(watched, watched, wall[0])


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"predicted frames must have shape \(40, 40, 36, 3\)"):
        score_talking_head(film(39), film(40))
    with pytest.raises(InputError, match="predicted must have the truth's 25 frames/s, got 30"):
        score_talking_head(replace(film(), fps=30.0), film())
    with pytest.raises(InputError, match=r"landmarks must have shape \(40, 68, 2\)"):
        replace(film(), landmarks=torch.zeros(39, 68, 2))
