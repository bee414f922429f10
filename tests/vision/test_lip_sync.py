"""The judge of lips and voice: sizes, what pictures of mouths leave out, and that folders give it back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.vision import LipSyncNetwork, mouth_pictures
from meshanim.vision.lip_sync import MOUTH_CROP


@pytest.fixture
def model() -> LipSyncNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LipSyncNetwork(width=4, features=16).eval()


def face(count: int = 8, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames with a mouth that is a dark spot and opens and shuts, and their landmarks."""
    landmarks = np.tile(np.random.default_rng(0).uniform(20, 80, (68, 2)), (count, 1, 1))
    landmarks[:, [36, 39, 42, 45, 33]] = np.array([[25, 40], [40, 41], [60, 41], [75, 40], [50, 68]])
    frames = np.full((count, 120, 100, 3), 150, np.uint8)
    for frame, half in enumerate((np.arange(count) % 4) + 1):
        frames[frame, 85 - half : 85 + half, 40:60] = 20
    return np.kron(frames, np.ones((1, int(scale), int(scale), 1), np.uint8)), landmarks * scale


def test_mouths_are_where_the_crop_puts_them() -> None:
    frames, landmarks = face()
    pictures = mouth_pictures(frames, landmarks)
    assert pictures.shape == (8, *MOUTH_CROP.size) and pictures.dtype == torch.float32
    # What changes lies about row 85: 45 pixels below the eyes, which are 50 apart in the crop and here.
    rows = pictures.var(dim=0).sum(dim=1)
    assert abs(int(rows.argmax()) - (-25 + 45)) <= 4 and float(rows[:10].sum()) == 0


def test_light_and_scale_of_a_clip_do_not_matter() -> None:
    frames, landmarks = face()
    usual = mouth_pictures(frames, landmarks)
    assert float(usual.mean(dim=0).abs().max()) < 1e-5 and float(usual.std()) == pytest.approx(1)
    darker = mouth_pictures((frames // 2).astype(np.uint8), landmarks)
    assert torch.allclose(darker, usual, atol=0.1)
    larger = mouth_pictures(*face(scale=2.0))
    # Of a variance of 1; the spot's edges fall elsewhere between pixels.
    assert float((larger - usual).square().mean()) < 0.1


def test_a_still_mouth_shows_nothing() -> None:
    frames, landmarks = face(1)
    assert not bool(mouth_pictures(np.repeat(frames, 3, axis=0), np.repeat(landmarks, 3, axis=0)).any())


def test_windows_lie_in_one_space(model: LipSyncNetwork) -> None:
    seen, heard = model(torch.randn(2, 9, 48, 48), torch.randn(2, 9, 40, 20))
    assert seen.shape == heard.shape == (2, 5, 16)
    for features in (seen, heard):
        assert torch.allclose(features.norm(dim=-1), torch.ones(2, 5), atol=1e-5)


def test_a_window_sees_five_frames_and_hears_its_middle(model: LipSyncNetwork) -> None:
    mouths, sound = torch.randn(1, 9, 48, 48), torch.randn(1, 9, 40, 20)
    changed, other = mouths.clone(), sound.clone()
    changed[:, 6] += 1
    other[:, 4] += 5
    moved = (model.see(changed) - model.see(mouths)).abs().amax(dim=-1)[0] > 1e-4
    assert moved.tolist() == [False, False, True, True, True]
    moved = (model.hear(other) - model.hear(sound)).abs().amax(dim=-1)[0] > 1e-4
    assert moved.tolist() == [False, False, True, False, False]


def test_folders_give_the_model_back(model: LipSyncNetwork, tmp_path) -> None:
    model.save_pretrained(tmp_path)
    again, mouths = LipSyncNetwork.from_pretrained(tmp_path), torch.randn(1, 6, 48, 48)
    assert (again.width, again.features, again.fps) == (4, 16, 25)
    assert torch.equal(again.see(mouths), model.see(mouths))


def test_what_does_not_fit_is_named(model: LipSyncNetwork) -> None:
    with pytest.raises(InputError, match="mouths must have at least 5 frames, got 4"):
        model.see(torch.zeros(1, 4, 48, 48))
    with pytest.raises(InputError, match=r"sound must have shape \(any, any, 40, 20\)"):
        model.hear(torch.zeros(1, 9, 12, 28))
    with pytest.raises(InputError, match=r"landmarks must have shape \(2, 68, 2\)"):
        mouth_pictures(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 68, 2)))
