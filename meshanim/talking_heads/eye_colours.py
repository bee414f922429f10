"""The colours of somebody's eyes, from pictures in which they are open."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_shape
from meshanim.rendering.materials import ALBEDO
from meshanim.rendering.shading import from_display

_SIDE = 64
"""Samples along an eye, between its corners; half as many across."""
_RADIUS = 0.2
"""Of an iris: six millimetres where the corners are thirty apart. Lengths here are in units of that."""
_ASIDE, _UP_DOWN = 0.2, 0.12
"""How far from the middle of an eye its iris may be."""
_RING = (0.45, 0.85)
"""Where an iris shows its colour, between pupil and rim, in units of its radius."""
_BESIDE = 1.1
"""From where on there is no iris any more, in units of its radius."""
_WHITE = 0.9
"""Quantile of what lies beside an iris from which it counts as white, by the darkest channel: of skin and of
the corners' red that is dark."""
_OPEN = 0.2
"""Least height between the lids of an eye that tells."""
_DARKER = 0.55
"""Most light of an iris, in units of the white's: what is lighter is a lid, or a glare on glasses."""
_LEAST = 40
"""Samples that make a mean."""


def eye_colours(pictures: Tensor, landmarks: Tensor) -> Tensor | None:
    """(2, 3) linear colours of white and iris; None where no eye is open and seen well enough.

    The iris is as the pictures show it, the median of all eyes. The white is the geometric mean of what they
    show and a bare eye's: beside the white, small pictures have lids and their shade between the lids.

    Args:
        pictures: (N, H, W, 3) uint8, of one person.
        landmarks: (N, 68, 2) in their pixels.
    """
    check_shape("pictures", pictures, (None, None, None, 3))
    check_shape("landmarks", landmarks, (len(pictures), 68, 2))
    found = [
        _colours(from_display(picture / 255), points[first : first + 6].float())
        for picture, points in zip(pictures, landmarks, strict=True)
        for first in (36, 42)
    ]
    colours = [each for each in found if each is not None]
    if not colours:
        return None
    white, iris = torch.stack(colours).quantile(0.5, dim=0)
    return torch.stack([(white * torch.tensor(ALBEDO["eyes"])).sqrt(), iris])


def _colours(picture: Tensor, points: Tensor) -> Tensor | None:
    """(2, 3) white and iris between six landmarks (6, 2); None if they are not told apart."""
    middle, along = (points[0] + points[3]) / 2, points[3] - points[0]
    width = float(along.norm())
    if width == 0:
        return None
    axes = torch.stack([along, torch.stack([-along[1], along[0]])]) / width  # right and down
    lids = (points - middle) @ axes.mT / width
    if float(lids[4:, 1].mean() - lids[1:3, 1].mean()) < _OPEN:
        return None
    places = _between(lids)
    seen = _sampled(picture, middle + width * places @ axes)
    away = _away_from_iris(places, seen.mean(dim=1))
    ring = (away > _RING[0] * _RADIUS) & (away < _RING[1] * _RADIUS)
    beside = seen[away > _BESIDE * _RADIUS]
    if min(int(ring.sum()), len(beside)) < _LEAST:
        return None
    darkest = beside.amin(dim=1)
    white = beside[darkest >= darkest.quantile(_WHITE)].mean(dim=0)
    iris = seen[ring].median(dim=0).values
    return torch.stack([white, iris]) if float(iris.mean()) < _DARKER * float(white.mean()) else None


def _between(lids: Tensor) -> Tensor:
    """(P, 2) places between lids (6, 2), from corner to corner."""
    across = (torch.arange(_SIDE) + 0.5) / _SIDE - 0.5
    upper, lower = (
        torch.from_numpy(np.interp(across, *lids[order].mT.numpy())) for order in ([0, 1, 2, 3], [0, 5, 4, 3])
    )
    down = across[::2]
    inside = (down[:, None] > upper) & (down[:, None] < lower)
    row, column = inside.nonzero().unbind(dim=1)
    return torch.stack([across[column], down[row]], dim=1)


def _sampled(picture: Tensor, pixels: Tensor) -> Tensor:
    """(P, 3) of a picture (H, W, 3) at columns and rows (P, 2), bilinear."""
    grid = 2 * pixels / torch.tensor([picture.shape[1], picture.shape[0]]) - 1
    image = picture.permute(2, 0, 1)[None]
    found = functional.grid_sample(image, grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].mT


def _away_from_iris(places: Tensor, light: Tensor) -> Tensor:
    """(P,) distance of the places between lids from where the darkest disc lies, by their light (P,)."""
    centres = torch.cartesian_prod(
        torch.linspace(-_ASIDE, _ASIDE, 17), torch.linspace(-_UP_DOWN, _UP_DOWN, 9)
    )
    away = torch.cdist(centres, places)
    disc = (away < _RADIUS).float()
    count = disc.sum(dim=1)
    within, outside = disc @ light, (1 - disc) @ light
    contrast = outside / (len(light) - count).clamp(min=1) - within / count.clamp(min=1)
    enough = (count >= _LEAST) & (len(light) - count >= _LEAST)
    return away[torch.where(enough, contrast, -torch.inf).argmax()]
