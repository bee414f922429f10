"""Light that can be learned: lamps far away and surroundings of second order, on matt and on glossy surfaces.

All light is linear, RGB, in the world's axes. A lamp's colour is what a white matt surface that faces it
sends back, so that colours near one are a well-lit picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from meshanim._check import check_shape, check_tensor
from meshanim.mesh.geometry import unit
from meshanim.mesh.precision import exact

HARMONICS = 9
_BAND = (0, 1, 1, 1, 2, 2, 2, 2, 2)
"""Order l of each coefficient."""
_COSINE = (math.pi, 2 * math.pi / 3, math.pi / 4)
"""What the clamped cosine keeps of each order: A_l of Ramamoorthi and Hanrahan 2001."""


def harmonics(directions: Tensor) -> Tensor:
    r"""Real spherical harmonics :math:`Y_{lm}` (..., 9) of unit vectors (..., 3), up to second order.

    In the order (0, 0), (1, -1), (1, 0), (1, 1), (2, -2), ..., (2, 2) and with the constants of Ramamoorthi
    and Hanrahan, "An Efficient Representation for Irradiance Environment Maps", SIGGRAPH 2001:
    0.282095; 0.488603 (y, z, x); 1.092548 (xy, yz), 0.315392 (3z^2 - 1), 1.092548 xz, 0.546274 (x^2 - y^2).
    They are orthonormal over the sphere.
    """
    check_shape("directions", directions, (3,), batched=True)
    x, y, z = directions.unbind(-1)
    first, second = math.sqrt(3 / (4 * math.pi)), math.sqrt(15 / (4 * math.pi))
    values = [
        torch.full_like(x, math.sqrt(1 / (4 * math.pi))),
        first * y,
        first * z,
        first * x,
        second * x * y,
        second * y * z,
        math.sqrt(5 / (16 * math.pi)) * (3 * z * z - 1),
        second * x * z,
        0.5 * second * (x * x - y * y),
    ]
    return torch.stack(values, dim=-1)


def matt_basis(normals: Tensor) -> Tensor:
    r""":math:`A_l Y_{lm}(n) / \pi` (..., 9): what each coefficient adds to a white matt surface."""
    return harmonics(normals) * normals.new_tensor([_COSINE[band] / math.pi for band in _BAND])


class Light(Protocol):
    """What a surface needs to know of light."""

    def diffuse(self, normals: Tensor) -> Tensor:
        """Light (..., H, W, 3) that a white matt surface sends back, by its unit normals (..., H, W, 3)."""

    def highlight(self, mirrored: Tensor, shininess: float | Tensor) -> Tensor:
        r"""Light (..., H, W, 3) around the direction (..., H, W, 3) that a surface mirrors to the camera.

        Phong's lobe :math:`\cos^s`, of unit weight over the sphere: uniform surroundings are mirrored as
        bright as they are, whatever the ``shininess`` s.
        """


@dataclass(frozen=True, eq=False)
class Lamp:
    """A lamp so far away that its light comes from one direction; nothing casts a shadow.

    Args:
        direction: (..., 3) towards the lamp, of any length but zero; leading dimensions are the pictures'.
        colour: (..., 3) linear RGB that a white matt surface sends back which faces the lamp.
    """

    direction: Tensor
    colour: Tensor

    def __post_init__(self) -> None:
        for name, vector in (("direction", self.direction), ("colour", self.colour)):
            check_tensor(name, vector)
            check_shape(name, vector, (3,), batched=True)

    def diffuse(self, normals: Tensor) -> Tensor:
        """Lambert's cosine law; black where a surface faces away."""
        return self._cosine(normals).clamp(min=0) * _over_picture(self.colour)

    def highlight(self, mirrored: Tensor, shininess: float | Tensor) -> Tensor:
        """Phong's highlight, see :class:`Light`."""
        lobe = self._cosine(mirrored).clamp(min=0) ** shininess
        return 0.5 * (shininess + 1) * lobe * _over_picture(self.colour)

    def _cosine(self, vectors: Tensor) -> Tensor:
        return (vectors * _over_picture(unit(self.direction))).sum(-1, keepdim=True)


@dataclass(frozen=True, eq=False)
class Surroundings:
    r"""Light from all sides that varies slowly with direction, in nine spherical harmonics a colour.

    .. math:: L(\omega) = \sum_{lm} L_{lm} Y_{lm}(\omega) \qquad
              E(n) = \sum_{lm} A_l L_{lm} Y_{lm}(n) \qquad A = (\pi, \tfrac{2\pi}{3}, \tfrac{\pi}{4})

    A matt surface sends back :math:`E / \pi` (Ramamoorthi and Hanrahan 2001). Light is not clamped: an
    environment that nine harmonics cannot draw may come out negative in places.

    Args:
        coefficients: (..., 9, 3) :math:`L_{lm}`, linear RGB, in the order of :func:`harmonics`; leading
            dimensions are the pictures'.
    """

    coefficients: Tensor

    def __post_init__(self) -> None:
        check_tensor("coefficients", self.coefficients)
        check_shape("coefficients", self.coefficients, (HARMONICS, 3), batched=True)

    @classmethod
    def uniform(cls, colour: Tensor) -> Surroundings:
        """The same light (..., 3) from all sides."""
        check_shape("colour", colour, (3,), batched=True)
        rest = torch.zeros_like(colour).unsqueeze(-2).expand(*colour.shape[:-1], HARMONICS - 1, 3)
        return cls(torch.cat([math.sqrt(4 * math.pi) * colour.unsqueeze(-2), rest], dim=-2))

    def diffuse(self, normals: Tensor) -> Tensor:
        """Irradiance over pi."""
        return self._total(matt_basis(normals))

    def highlight(self, mirrored: Tensor, shininess: float | Tensor) -> Tensor:
        """Phong's lobe keeps (s + 1) / (s + 2) of the first order and s / (s + 3) of the second."""
        one = torch.ones_like(torch.as_tensor(shininess, dtype=self.coefficients.dtype))
        first, second = (shininess + 1) / (shininess + 2) * one, shininess / (shininess + 3) * one
        kept = torch.stack([one, first, second], dim=-1)
        return self._total(harmonics(mirrored) * kept[..., list(_BAND)])

    def rotated(self, rotation: Tensor) -> Surroundings:
        """The surroundings turned by a rotation (3, 3) of the world."""
        check_shape("rotation", rotation, (3, 3))
        # Harmonics of each order turn among themselves, so that a few directions tell how.
        few = torch.randn(4 * HARMONICS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        few = unit(few).to(rotation)
        with exact(rotation):
            turned = torch.linalg.lstsq(harmonics(few), harmonics(few @ rotation)).solution
            return Surroundings(turned.to(self.coefficients) @ self.coefficients)

    def _total(self, values: Tensor) -> Tensor:
        coefficients = self.coefficients.to(values)
        with exact(values):
            if coefficients.ndim == 2:
                return values @ coefficients
            return torch.einsum("...hwk,...kc->...hwc", values, coefficients)


def mirrored(normals: Tensor, to_camera: Tensor) -> Tensor:
    """Directions (..., 3) from which a surface mirrors light to the camera; all of unit length."""
    return 2 * (normals * to_camera).sum(-1, keepdim=True) * normals - to_camera


def _over_picture(value: Tensor) -> Tensor:
    """A value (..., 3) of each picture with room for its rows and columns."""
    return value if value.ndim == 1 else value[..., None, None, :]
