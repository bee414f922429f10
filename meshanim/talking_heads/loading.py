"""Renderers by their names."""

from __future__ import annotations

from pathlib import Path

from meshanim._check import InputError, check_choice
from meshanim.talking_heads.mesh_renderer import MeshRenderer
from meshanim.talking_heads.renderer import Renderer
from meshanim.vision import POLYNOMIAL_CROP, TCSAN_CROP

RENDERERS = ("polynomial", "tcsan", "mesh")
CROPS = {"polynomial": POLYNOMIAL_CROP, "tcsan": TCSAN_CROP}
"""Where the frames of some have the face, so that a film can be cut likewise."""


def load_renderer(name: str, weights: str | Path | None = None) -> Renderer:
    """A renderer ready to draw.

    Args:
        name: one of :data:`RENDERERS`.
        weights: of a trained one, by name or folder; by default those of ``data/research`` in a checkout.

    Raises:
        InputError: an unknown name, weights that are not there or of another model, or weights for the mesh.
    """
    check_choice("renderer", name, RENDERERS)
    if name == "mesh":
        if weights is not None:
            raise InputError(f"weights must be left out for the mesh, which has none, got {str(weights)!r}")
        return MeshRenderer()
    if name == "polynomial":
        from meshanim.talking_heads.polynomial import PolynomialRenderer

        return PolynomialRenderer.from_pretrained(weights or "research/polynomial-grid")
    from meshanim.talking_heads.tcsan_renderer import TcsanRenderer

    return TcsanRenderer.from_pretrained(weights or "research/tcsan-grid")
