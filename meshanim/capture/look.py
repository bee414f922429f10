"""How a face looks: a texture under light of low frequency, taken from the frames of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.rendering import Surroundings, texture
from meshanim.rendering.light import HARMONICS, matt_basis

TEXTURE_SIDE = 256
"""Texels along each side of a texture that frames are fitted to."""
FINE_SIDE = 1024
"""The same of a texture that is kept: the built-in face takes up a quarter of either side."""
SQUARELY = 0.5
"""Cosine between normal and the camera's axis from which skin goes into a texture that is kept: nearer to
the outline, a pixel of error in the fit brings in what is behind."""
FAINT = 0.01
"""Weight of a place whose colour is a guess: skin within some millimetres goes before it."""
_EVEN = 0.005
"""How much of the data's weight says that light comes from everywhere alike, alike for all coefficients,
so that it prefers no direction."""
_DARKEST = 0.15
"""Least shade, in units of the mean one: texture is not read where there is hardly light."""

_SHADE = 0.5
"""Share of what lids are darker than cheeks, on a logarithmic scale, that is shade and not their colour."""
_LIGHTEST = 0.9
"""Quantile of cheeks that skin of lids is not lighter than."""


def fit_light(normals: Tensor, colours: Tensor) -> Surroundings:
    """Light under which a white matt surface with normals (N, 3) looks most like colours (N, 3)."""
    basis = matt_basis(normals)
    even = _EVEN * len(basis) * torch.eye(HARMONICS).to(basis)
    even[0, 0] = 0
    return Surroundings(torch.linalg.solve(basis.mT @ basis + even, basis.mT @ colours))


def shade(normals: Tensor, light: Surroundings) -> Tensor:
    """(N, 3) light that a white surface with normals (N, 3) sends back, never quite dark."""
    mean = light.coefficients[0] / math.sqrt(4 * math.pi)
    return light.diffuse(normals).maximum(_DARKEST * mean)


def with_light(even: Tensor, cheeks: Tensor, lid: Tensor) -> Tensor:
    """Reflectance (N, 3) with half the shade gone that brows and lashes cast on lids, and no white of eyes.

    Light of low frequency does not know that shade, and so it counts as reflectance. On lids that shut it
    would be brown paint. What is lighter there than cheeks are is an eyeball that a lid of the fit is before.

    Args:
        even: (N, 3) colours in even light.
        cheeks: (M, 3) the same of cheeks.
        lid: (N,) how far a place is on a lid, in [0, 1].
    """
    if not len(cheeks):
        return even
    lighter = (cheeks.median(dim=0).values / even.clamp(min=1e-4)).clamp(min=1)
    darker = (cheeks.quantile(_LIGHTEST, dim=0) / even.clamp(min=1e-4)).clamp(max=1)
    return even * lighter ** (_SHADE * lid)[:, None] * darker ** lid[:, None]


@dataclass(frozen=True, eq=False)
class Look:
    """Reflectance (S, S, 3) over texture coordinates, relative to the mean, and light; both linear."""

    texture: Tensor
    light: Surroundings

    def colours(self, uv: Tensor, normals: Tensor) -> Tensor:
        """(N, 3) linear colours at texture coordinates (N, 2) with unit normals (N, 3)."""
        return texture(self.texture, uv) * shade(normals, self.light)


class TextureMean:
    """Gathers colours at places of a texture; texels that none reached take them from their surroundings.

    Args:
        side: S, a power of two.
    """

    def __init__(self, side: int = TEXTURE_SIDE) -> None:
        self._side = side
        self._sum = torch.zeros(side * side, 4)

    def add(self, uv: Tensor, colours: Tensor, weight: float = 1.0) -> None:
        """Colours (N, 3) seen at texture coordinates (N, 2), shared among the four nearest texels.

        Args:
            uv: (N, 2) texture coordinates.
            colours: (N, 3) seen there.
            weight: of each; one that is small is only heard where little else is near.
        """
        place = torch.stack([uv[:, 0], 1 - uv[:, 1]], dim=1) * self._side - 0.5
        corner = place.floor()
        part = place - corner
        values = weight * torch.cat([colours, torch.ones_like(colours[:, :1])], dim=1)
        for across, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
            share = (part[:, 0] if across else 1 - part[:, 0]) * (part[:, 1] if down else 1 - part[:, 1])
            column, row = (corner + torch.tensor([across, down])).clamp(0, self._side - 1).long().unbind(1)
            self._sum.index_add_(0, row * self._side + column, values * share[:, None])

    def texture(self) -> Tensor:
        """(S, S, 3)."""
        level = self._sum.T.view(1, 4, self._side, self._side)
        levels = [level]
        while levels[-1].shape[-1] > 1:
            levels.append(4 * functional.avg_pool2d(levels[-1], 2))
        filled = levels[-1]
        for finer in reversed(levels[:-1]):
            guess = functional.interpolate(filled, size=finer.shape[-2:], mode="bilinear")
            guess = guess / guess[:, 3:].clamp(min=1e-9)
            # A texel that was seen a tenth of a time is filled up to one with what is around it.
            filled = finer + guess * (1 - finer[:, 3:]).clamp(min=0)
        return (filled[0, :3] / filled[0, 3:].clamp(min=1e-9)).permute(1, 2, 0)
