from collections.abc import Callable

import pytest
import torch

from meshanim.mesh import LANDMARKS, Mesh
from meshanim.performance import Performance
from meshanim.talking_heads import Appearance
from meshanim.vision import POLYNOMIAL_CROP


@pytest.fixture
def seen() -> Appearance:
    """Noise for a picture, in which the face lies as the crop has it."""
    frames = torch.randint(256, (1, 160, 160, 3), generator=torch.Generator().manual_seed(0))
    across, down = torch.arange(68.0) % 17, torch.arange(68.0) // 17
    landmarks = torch.stack([40 + 5 * across, 40 + 20 * down], dim=1)
    crop = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    assert POLYNOMIAL_CROP.places(landmarks[None].numpy()).shape == (1, 2, 3)
    return Appearance(frames.byte(), crop, landmarks[None])


@pytest.fixture
def speaking() -> Callable[..., Performance]:
    """Makes a performance of 68 landmarks that tremble, with noise for a voice."""

    def make(frames: int, rate: int = 16_000) -> Performance:
        generator = torch.Generator().manual_seed(frames)
        points = torch.rand(68, 3, generator=generator)
        mesh = Mesh(
            points, torch.tensor([[0, 1, 2]]), landmarks={name: at for at, name in enumerate(LANDMARKS)}
        )
        trembling = points + 0.01 * torch.randn(frames, 68, 3, generator=generator)
        voice = 0.1 * torch.randn(frames * rate // 25, generator=generator)
        return Performance(mesh, 25.0, motion=trembling, waveform=voice, sample_rate=rate)

    return make
