"""The rasterized mesh as a talking head: the renderer that asks for nothing but geometry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_range
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.rendering import render_frames, texture
from meshanim.rendering.materials import HIDDEN, WITHIN, group_mask, vertex_materials
from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.renderer import Renderer

_CHUNK = 16


def skin_albedo(mesh: Mesh, appearance: Appearance) -> Tensor | None:
    """(V, 3) linear reflectance with the person's skin, where the appearance knows it for this face model.

    Eyes and what lies within the mouth keep the mesh's own colours: a picture shows little of them.
    """
    skin = appearance.skin
    if skin is None or mesh.uv is None or mesh.uv_faces is None:
        return None
    places = torch.zeros(len(mesh.vertices), 2)
    places[mesh.faces] = mesh.uv[mesh.uv_faces].to(places)
    own = vertex_materials(mesh)[:, :3]
    inner = group_mask(mesh, *WITHIN, *HIDDEN)
    return torch.where(inner[:, None], own, texture(skin.float(), places).clamp(0, 1))


class MeshRenderer(Renderer):
    """Draws a performance's mesh in a portrait studio, in the person's skin where that is known.

    Args:
        size: (height, width) in pixels.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.
    """

    name, needs, fps = "mesh", frozenset({"mesh"}), None

    def __init__(self, size: tuple[int, int] = (512, 512), yaw: float = 0.0) -> None:
        for side in size:
            check_range("size", side, 16)
        self._size, self._yaw = size, yaw

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels."""
        return self._size

    def _chunks(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator
    ) -> Iterator[Tensor]:
        known = appearance.face_model is not None and appearance.face_model == performance.face_model
        albedo = skin_albedo(performance.neutral, appearance) if known else None
        chunk: list[np.ndarray] = []
        for frame in render_frames(performance, self._size, self._yaw, albedo):
            chunk.append(frame)
            if len(chunk) == _CHUNK:
                yield torch.from_numpy(np.stack(chunk))
                chunk = []
        if chunk:
            yield torch.from_numpy(np.stack(chunk))
