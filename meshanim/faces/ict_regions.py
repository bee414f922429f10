"""Vertex groups and landmarks of ICT-FaceKit beyond its seventeen geometries."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meshanim.faces._ict_layout import LANDMARKS, NAMED_LANDMARKS, PAIRS, RANGES

_TONGUE = ((16547, 16566), (16611, 17039))
_LID_UNITS = ("eyeBlink", "eyeWide", "eyeSquint", "eyeLookUp", "eyeLookDown")
_LID_MOTION, _LID_REACH = 5e-4, 0.028
_STILL = 0.02
_NECK_HEIGHT, _NECK_DEPTH, _NECK_SLOPE = -0.035, -0.06, -0.6
_LIP_DEPTH, _LIP_SHARE = 0.02, 0.99
_BROW_MARGIN = 0.01


def ict_landmarks() -> dict[str, int]:
    """Multi-PIE's 68 points as ``landmark68_00`` ... ``landmark68_67``, and some of them by name."""
    numbered = {f"landmark68_{place:02d}": vertex for place, vertex in enumerate(LANDMARKS)}
    return numbered | {name: LANDMARKS[place] for name, place in NAMED_LANDMARKS.items()}


def _inside(points: Tensor, polygon: Tensor) -> Tensor:
    """(N,) whether points (N, 2) lie in a polygon (M, 2), by counting the sides that a ray crosses."""
    start, end = polygon, polygon.roll(-1, 0)
    x, y = points[:, None].unbind(dim=-1)
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    return (crosses & (x < start[:, 0] + slope * (y - start[:, 1]))).sum(dim=1) % 2 == 1


def _between(count: int, first: int, end: int) -> Tensor:
    index = torch.arange(count)
    return (index >= first) & (index < end)


def _largest(units: Mapping[str, Tensor], stems: tuple[str, ...], count: int) -> Tensor:
    """(V,) the largest displacement in metres of any unit whose name begins so."""
    moved = [unit.norm(dim=1) for name, unit in units.items() if name.startswith(stems)]
    return torch.stack([torch.zeros(count), *moved]).amax(dim=0)


def ict_groups(mean: Tensor, units: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Vertex groups of the mean face (V, 3) with its units.

    ``lids`` holds what rides on them too: lashes, tear fluid, the inner sides and the shadow before the eye.
    """
    parts = {name: _between(len(mean), *ends) for name, ends in RANGES.items()}
    _, y, z = mean.unbind(dim=1)
    landmarks = mean[list(LANDMARKS)]
    skin = parts["face"] | parts["head_and_neck"]
    eyes = parts["eye_left"] | parts["eye_right"]
    tongue = _between(len(mean), *_TONGUE[0]) | _between(len(mean), *_TONGUE[1])
    centres = torch.stack([mean[parts[f"eye_{side}"]].mean(dim=0) for side in ("left", "right")])
    by_eye = torch.cdist(mean, centres).amin(dim=1) < _LID_REACH
    lip_depth = landmarks[48:, 2].amin() - _LIP_DEPTH
    # landmarks are vertices: an outline through them would take some in and leave their mirror images out
    red = torch.lerp(landmarks[48:60, :2].mean(dim=0), landmarks[48:60, :2], _LIP_SHARE)
    below = y < _NECK_HEIGHT + _NECK_SLOPE * (z - _NECK_DEPTH)
    masks = {
        **parts,
        **{name: parts[f"{name}_left"] | parts[f"{name}_right"] for name in PAIRS},
        "skin": skin,
        "lips": parts["face"] & _inside(mean[:, :2], red) & (z > lip_depth),
        "lids": ~eyes & by_eye & (_largest(units, _LID_UNITS, len(mean)) > _LID_MOTION),
        "eyes": eyes,
        "eye_sockets": parts["eye_socket_left"] | parts["eye_socket_right"],
        "gums": parts["gums_and_tongue"] & ~tongue,
        "tongue": tongue,
        "mouth_inner": parts["mouth_socket"],
        "upper_face": parts["face"] & (y > centres[:, 1].mean() - _BROW_MARGIN),
        "neck": skin & below & (_largest(units, ("",), len(mean)) < _STILL),
    }
    return {name: mask.nonzero().flatten() for name, mask in masks.items()}
