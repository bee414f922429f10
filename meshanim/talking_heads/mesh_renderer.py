"""The rasterized mesh as a talking head: the renderer that asks for nothing but geometry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_size
from meshanim.performance import Performance
from meshanim.rendering import render_frames
from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.renderer import Renderer

_CHUNK = 16


class MeshRenderer(Renderer):
    """Draws a performance's mesh in a portrait studio, with the person's skin and eyes where these are known.

    Args:
        size: (height, width) in pixels.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.
    """

    name, needs, fps = "mesh", frozenset({"mesh"}), None

    def __init__(self, size: tuple[int, int] = (512, 512), yaw: float = 0.0) -> None:
        check_size(size, 16)
        self._size, self._yaw = size, yaw

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels."""
        return self._size

    def _chunks(
        self, performance: Performance, appearance: Appearance, generator: torch.Generator
    ) -> Iterator[Tensor]:
        known = appearance.face_model is not None and appearance.face_model == performance.face_model
        skin = appearance.skin if known and performance.neutral.uv is not None else None
        eyes = None if skin is None else appearance.eyes
        chunk: list[np.ndarray] = []
        for frame in render_frames(performance, self._size, self._yaw, skin, eyes):
            chunk.append(frame)
            if len(chunk) == _CHUNK:
                yield torch.from_numpy(np.stack(chunk))
                chunk = []
        if chunk:
            yield torch.from_numpy(np.stack(chunk))
