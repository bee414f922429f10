"""PSNR and SSIM against what is worked by hand, and the mouth's rectangle."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from meshanim._check import InputError
from meshanim.metrics import Region, mouth_region, psnr_db, ssim

pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")


def noise(count: int, height: int = 16, width: int = 20, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, height, width, 3), generator=generator, dtype=torch.uint8)


def test_psnr_worked_by_hand() -> None:
    truth = torch.full((2, 4, 4, 3), 100, dtype=torch.uint8)
    predicted = truth.clone()
    predicted[0] += 5
    predicted[1, :, :, 0] += 30
    # Mean squares are 25 and 900 / 3: dB of each frame, then their mean.
    expected = (10 * math.log10(255**2 / 25) + 10 * math.log10(255**2 / 300)) / 2
    assert psnr_db(predicted, truth) == pytest.approx(expected, rel=1e-6)
    assert psnr_db(truth, truth) == math.inf


def test_ssim_of_flat_pictures_worked_by_hand() -> None:
    truth, predicted = (torch.full((1, 16, 16, 3), value, dtype=torch.uint8) for value in (100, 150))
    # Without variance, what is left is (2 m n + C) / (m^2 + n^2 + C) of the means, C = (0.01 * 255)^2.
    expected = (2 * 100 * 150 + 2.55**2) / (100**2 + 150**2 + 2.55**2)
    # Variances are differences of squares up to 65,025 in float32, to 0.01 or so; they stand beside 58.5.
    assert ssim(predicted, truth) == pytest.approx(expected, rel=5e-4)


def test_ssim_is_the_definition_over_frames_mirrored_at_their_borders() -> None:
    truth = noise(2)
    truth[:, 8:] = 200
    predicted = (truth.int() + 20 * noise(2, seed=1).int() // 255).clamp(max=255).byte()

    def blurred(channel: np.ndarray) -> np.ndarray:
        return gaussian_filter(channel, 1.5, mode="mirror", radius=5)

    def expected(one: np.ndarray, other: np.ndarray) -> float:
        first, second = blurred(one), blurred(other)
        together = blurred(one * other) - first * second
        spread = blurred(one**2) - first**2 + blurred(other**2) - second**2
        low, high = 2.55**2, 7.65**2
        near = (2 * first * second + low) / (first**2 + second**2 + low)
        return float((near * (2 * together + high) / (spread + high)).mean())

    channels = [
        np.moveaxis(frames.double().numpy(), -1, 1).reshape(-1, 16, 20) for frames in (predicted, truth)
    ]
    wanted = np.mean([expected(one, other) for one, other in zip(*channels, strict=True)])
    assert ssim(predicted, truth) == pytest.approx(wanted, abs=1e-4)


def test_ssim_takes_each_channel_on_its_own() -> None:
    truth, other = noise(3), noise(3, seed=1)
    assert ssim(truth, truth) == pytest.approx(1)
    mixed = truth.clone()
    mixed[..., 2] = other[..., 2]
    blue = [frames[..., 2:].expand(-1, -1, -1, 3) for frames in (other, truth)]
    assert ssim(mixed, truth) == pytest.approx((2 + ssim(*blue)) / 3)


def test_many_frames_are_the_mean_of_each() -> None:
    truth, other = noise(70), noise(70, seed=1)
    for measure in (psnr_db, ssim):
        each = [measure(one[None], two[None]) for one, two in zip(other, truth, strict=True)]
        assert measure(other, truth) == pytest.approx(sum(each) / 70)


def test_the_mouth_has_one_rectangle_in_all_frames() -> None:
    landmarks = torch.zeros(2, 68, 2)
    landmarks[:, 36], landmarks[:, 45] = torch.tensor([20.0, 30.0]), torch.tensor([70.0, 30.0])
    landmarks[:, 48:] = torch.tensor([45.0, 80.0])
    landmarks[0, 48], landmarks[1, 54], landmarks[1, 57] = (
        torch.tensor([35.5, 80.0]),
        torch.tensor([60.0, 80.0]),
        torch.tensor([45.0, 92.0]),
    )
    # The eyes are 50 pixels apart, so that 10 are added on each side.
    region = mouth_region(landmarks, (128, 96))
    assert region == Region(70, 102, 25, 70)
    assert region.cut(torch.zeros(2, 128, 96, 3)).shape == (2, 32, 45, 3)
    assert mouth_region(landmarks, (90, 66)) == Region(70, 90, 25, 66)
    with pytest.raises(InputError, match="must have the mouth in frames of 60 x 60"):
        mouth_region(landmarks, (60, 60))
    with pytest.raises(InputError, match="landmarks must have at least one frame"):
        mouth_region(landmarks[:0], (60, 60))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"predicted must have shape \(1, 16, 20, 3\), got \(1, 16, 16, 3\)"):
        psnr_db(noise(1, width=16), noise(1))
    with pytest.raises(InputError, match="predicted must be uint8 frames"):
        ssim(noise(1).float(), noise(1))
    with pytest.raises(InputError, match="frames must be at least 11 pixels high and wide, got 16 x 8"):
        ssim(noise(1, width=8), noise(1, width=8))
    with pytest.raises(InputError, match="predicted must be uint8 frames"):
        psnr_db(noise(0), noise(0))
