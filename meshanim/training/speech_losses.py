"""Losses on lips, in millimetres on the mesh."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.faces.lips import lip_pairs, lip_vertices
from meshanim.metrics.vertex_error import MILLIMETRES

CLOSING = 6.0
"""How much more an error of the slit weighs where the lips meet than where they are wide apart."""
_MEETING_MM = 1.0
_LEAST = 1e-6


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of those values (B, T) whose mask is True."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


class LipMotion:
    """What ARKit's weights do to the lips of the mean face: linear, so that it costs little in every step.

    Args:
        face: a model with ARKit's units, the group ``lips`` and the 68 landmarks.
    """

    def __init__(self, face: FaceModel) -> None:
        units = torch.einsum("ak,kvc->avc", face.arkit_mapping, face.units) * MILLIMETRES
        lips, (upper, lower) = lip_vertices(face), lip_pairs(face)
        self.lips = units[:, lips].reshape(len(ARKIT_NAMES), -1)
        self.opening = (units[:, upper] - units[:, lower]).reshape(len(ARKIT_NAMES), -1)

    def positions(self, weights: Tensor) -> Tensor:
        """Displacements (..., L, 3) in mm of the lips' L vertices by weights (..., 52)."""
        return (weights @ self.lips).unflatten(-1, (-1, 3))

    def openings(self, weights: Tensor) -> Tensor:
        """How far (..., 3) in mm the pairs of the inner lips are further apart than at rest."""
        return (weights @ self.opening).unflatten(-1, (-1, 3))[..., 1]

    def largest_error(self, weights: Tensor, truth: Tensor) -> Tensor:
        """(...) in mm, how far the lip vertex that is furthest from its place lies from it."""
        return torch.linalg.vector_norm(self.positions(weights - truth), dim=-1).amax(dim=-1)

    def furthest(self, weights: Tensor, truth: Tensor, lasting: Tensor) -> Tensor:
        """Square of a distance in mm that is close to :meth:`largest_error`, but smooth; mean of the frames.

        It is the 8-norm of the distances of all lip vertices, so that not one of them alone is pulled at.
        """
        away = torch.linalg.vector_norm(self.positions(weights - truth) + _LEAST, dim=-1)
        return masked_mean(torch.linalg.vector_norm(away, ord=8, dim=-1).square(), lasting)

    def losses(self, weights: Tensor, truth: Tensor, lasting: Tensor) -> dict[str, Tensor]:
        """Of lip vertices, of their change from frame to frame, and of the slit, which matters when closed.

        Args:
            weights: (B, T, 52).
            truth: (B, T, 52).
            lasting: (B, T), False where a frame does not count.
        """
        away = self.positions(weights - truth)
        change = away[:, 1:] - away[:, :-1]
        lips, moving = ((part.square().sum(dim=-1) + _LEAST).sqrt().mean(dim=-1) for part in (away, change))
        apart = self.openings(truth)
        closing = 1 + CLOSING * torch.exp(-apart.clamp(min=0) / _MEETING_MM)
        slit = (closing * (self.openings(weights) - apart).abs()).mean(dim=-1)
        return {
            "lips_mm": masked_mean(lips, lasting),
            "moving_mm": masked_mean(moving, lasting[:, 1:]),
            "slit_mm": masked_mean(slit, lasting),
        }
