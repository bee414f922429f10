"""Hair that hangs over a face, told from its skin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from meshanim.capture.look import fit_light, shade
from meshanim.mesh import Mesh, landmark_vertices
from meshanim.rendering import Surroundings

_ABOVE, _BELOW_ENDS, _BESIDE = 0.12, 0.05, 0.05
"""How far above the brows hair may begin, how far below their ends they reach, and how far beside the eyes
hair may begin, in units of the distance between the outer corners of the eyes."""
_ABOVE_EYES, _BELOW_EYES, _ABOVE_LIP = 0.05, 0.09, 0.11
"""Where the strip of the brows ends, and where cheeks begin and end, in the same units."""
_UNLIKE = 3.5
"""Deviations of a person's skin from which something is no longer skin."""
_DARKER, _TINT = 0.08, 0.01
"""Least deviation of the logarithm of a skin's brightness, and of a share of red, green or blue: skins that
are alike all over have shades, and pictures noise."""
_STEPS = 4
"""Times that light and hair are found in turn."""
_FRINGE_DOWN = 0.7
"""Share of forehead and temples under hair from which it goes on over the brows. There its tint tells it:
brows are dark before all."""
_LEAST = 100
"""Pixels of cheeks that tell what a skin is like."""
_SHADED = 0.15
"""Share of the light on forehead and temples that is gone where hair hangs before or thinly over them."""
_FRINGE = 3
"""Pixels around hair that have some of it in them."""


def hair_line(mesh: Mesh) -> Tensor:
    """(V,) how far a vertex is within the part of a face that hair may hang over; negative where it may not.

    That is above the brows, beside them, and beside the eyes down to the tip of the nose: further down grow
    beards, which are a face's own.
    """
    points, unit = _landmarks(mesh)
    brows = points[17:27].numpy()
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    above = y - torch.from_numpy(np.interp(x.numpy(), brows[:, 0], brows[:, 1])).to(y) - _ABOVE * unit
    ends, corners = points[[17, 26]], points[[36, 45]]
    below = y < ends[:, 1].mean() - _BELOW_ENDS * unit
    side = torch.where(below, corners[:, 0].abs().amax() + _BESIDE * unit, ends[:, 0].abs().amax())
    beside = torch.minimum(x.abs() - side, y - points[30, 1])
    return torch.maximum(above, beside) / unit


def brow_band(mesh: Mesh) -> Tensor:
    """(V,) whether a vertex is in the strip of the brows: below that of :func:`hair_line`, above the eyes."""
    points, unit = _landmarks(mesh)
    x, y, line = mesh.vertices[:, 0], mesh.vertices[:, 1], hair_line(mesh)
    eyes = points[[37, 38, 43, 44], 1].mean()
    return (line <= 0) & (y > eyes + _ABOVE_EYES * unit) & (x.abs() < points[[17, 26], 0].abs().amax())


def cheeks(mesh: Mesh) -> Tensor:
    """(V,) whether a vertex is on the cheeks or the nose, where neither hair nor beard is."""
    points, unit = _landmarks(mesh)
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    below = y < points[[40, 41, 46, 47], 1].mean() - _BELOW_EYES * unit
    above = y > points[51, 1] + _ABOVE_LIP * unit
    return below & above & (x.abs() < points[[36, 45], 0].abs().amin())


def _landmarks(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """(68, 3) landmarks in metres, and the distance between the outer corners of the eyes."""
    points = mesh.vertices[landmark_vertices(mesh)]
    return points, (points[45] - points[36]).norm()


def find_hair(
    colours: Tensor, normals: Tensor, cheek: Tensor, may_be: Tensor, brow: Tensor
) -> tuple[Tensor, Tensor, Surroundings]:
    """Hair among places on a face, the skin's colour where it may hang, and the light, hair left out.

    Hair is darker than the cheeks, or of another tint; then than what is left of forehead and temples, which
    have fewer shades. Brows are let be, unless hair covers most of the forehead above them.

    Args:
        colours: (N, 3) linear.
        normals: (N, 3) of unit length, in the world.
        cheek: (N,) whether a place is on a cheek.
        may_be: (N,) whether hair may be there.
        brow: (N,) whether a place is in the strip of the brows.

    Returns:
        (N,) whether there is hair, (3,) reflectance relative to the mean, and the light.
    """
    hair, skin = torch.zeros_like(cheek), cheek
    for _ in range(_STEPS):
        light = fit_light(normals[~hair], colours[~hair])
        even = (colours / shade(normals, light)).clamp(min=1e-4)
        if int(skin.sum()) < _LEAST:
            break
        darker, off_tint = _deviations(even, skin)
        hair = hair | (may_be & (torch.maximum(darker, off_tint) > _UNLIKE))
        if float(hair[may_be].float().mean()) > _FRINGE_DOWN:
            hair = hair | (brow & (off_tint > _UNLIKE) & (darker < off_tint))
        bare = may_be & ~hair
        skin = bare if int(bare.sum()) >= _LEAST else cheek
    return hair, even[skin if skin.any() else ~hair].median(dim=0).values, light


def _deviations(even: Tensor, skin: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) how many deviations colours (N, 3) in even light are darker than some skin, and off its tint."""
    total = even.sum(dim=1, keepdim=True)
    tint, bright = even / total, total.log()
    (middle, spread), (usual, varies) = (_robust(values[skin]) for values in (tint, bright))
    darker = (usual - bright) / varies.clamp(min=_DARKER)
    return darker[:, 0], ((tint - middle) / spread.clamp(min=_TINT)).norm(dim=1)


def _robust(values: Tensor) -> tuple[Tensor, Tensor]:
    """(C,) median of values (N, C), and the standard deviation that their middle half has."""
    middle = values.median(dim=0).values
    return middle, 1.4826 * (values - middle).abs().median(dim=0).values


def in_shade(even: Tensor, bare: Tensor) -> Tensor:
    """(N,) where colours (N, 3) in even light are so much darker than bare skin (3,) that hair shades it."""
    return even.sum(dim=1) < (1 - _SHADED) * bare.sum()


def with_fringe(hair: Tensor, pixel: Tensor, side: int) -> Tensor:
    """(N,) whether places with pixels (N, 2) of a square picture have hair (N,) on them or beside them."""
    seen = torch.zeros(1, 1, side, side)
    seen[0, 0, pixel[:, 1], pixel[:, 0]] = hair.float()
    near = functional.max_pool2d(seen, 2 * _FRINGE + 1, 1, _FRINGE)[0, 0]
    return near[pixel[:, 1], pixel[:, 0]] > 0
