"""Changed pictures show their vertices where they are said to be."""

import torch
from torch.nn import functional

from meshanim.training.picture_changes import varied

SIDE = 64


def blobs(positions):
    """Pictures (B, S, S, 3) with a bright spot at each of three positions, one in each channel."""
    middle = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    away = (middle[None, None, None] - positions[:, :, 0, None, None]).square() + (
        middle[None, None, :, None] - positions[:, :, 1, None, None]
    ).square()
    return torch.exp(-away / 0.005).movedim(1, -1)


def test_positions_move_with_what_they_show():
    torch.manual_seed(3)
    positions = 0.8 * torch.rand(24, 3, 3) - 0.4
    images, moved = varied(blobs(positions), positions, torch.tensor([1, 0, 2]))
    flat = moved[..., None, None, :2]
    # A mirrored face has its left vertex where the right one's spot is: channels 0 and 1 change places.
    flipped = (moved[:, 0, 2] / positions[:, 1, 2] - moved[:, 2, 2] / positions[:, 2, 2]).abs() < 1e-4
    assert 4 < int(flipped.sum()) < 20
    planes = torch.where(flipped[:, None, None, None], images[..., [1, 0, 2]], images).movedim(-1, 1)
    inside = (moved[..., :2].abs() < 0.85).all(-1)
    at = functional.grid_sample(planes.flatten(0, 1)[:, None], flat.flatten(0, 1), align_corners=False)
    peak = planes.flatten(2).amax(2)
    assert (at.view(24, 3)[inside] > 0.8 * peak[inside]).all()


def test_depth_and_place_are_resized_alike():
    torch.manual_seed(0)
    positions = torch.rand(16, 5, 3) - 0.5
    _, moved = varied(torch.rand(16, 32, 32, 3), positions, torch.arange(5))
    before, after = (torch.cdist(p[..., :2], p[..., :2])[:, 0, 1] for p in (positions, moved))
    deep = (moved[:, 0, 2] - moved[:, 1, 2]) / (positions[:, 0, 2] - positions[:, 1, 2])
    torch.testing.assert_close(after / before, deep)
    assert deep.std() > 0.05
