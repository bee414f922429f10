"""The captured mesh on the frames that it was captured from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from meshanim.mesh import Mesh, face_normals
from meshanim.performance import Performance
from meshanim.rendering import Camera
from meshanim.rendering.preview import Preview

_COVER = 0.75
"""How far the mesh covers the picture."""
_BELOW, _ABOVE = 0.05, 0.35
"""How far the face goes below the chin and above the brows, in units of what is between them."""
_LEAST_SIDE = 576
"""Pixels of the shorter side of what is drawn: smaller frames are enlarged, so that the mesh can be seen."""


def _front_of_face(mesh: Mesh) -> Tensor:
    """(V,) vertices between ears, chin and hair."""
    brow, chin, ears = (
        mesh.vertices[[mesh.landmarks[f"landmark68_{place:02d}"] for place in places]].mean(dim=0)
        for places in ((19, 24), (8,), (0, 16))
    )
    height = brow[1] - chin[1]
    _, y, z = mesh.vertices.unbind(dim=1)
    return (z > ears[2]) & (y > chin[1] - _BELOW * height) & (y < brow[1] + _ABOVE * height)


class Overlay:
    """Draws the face of a performance over frames; hair, ears and neck stay as they are in the picture.

    Args:
        performance: what was captured.
        camera: that the frames were taken with.
    """

    def __init__(self, performance: Performance, camera: Camera) -> None:
        self._performance = performance
        self._camera = camera.scaled(max(1, round(_LEAST_SIDE / min(camera.size))))
        self._preview = Preview(performance.neutral, self._camera)
        shown = _front_of_face(performance.neutral)
        self._faces = performance.neutral.faces[shown[performance.neutral.faces].all(dim=1)]

    def _mask(self, vertices: Tensor) -> NDArray[np.float32]:
        """(H, W, 1) cover of the face's front by posed vertices (V, 3)."""
        normals = face_normals(vertices, self._faces)
        view = vertices[self._faces].mean(dim=1) - self._camera.position
        front = (normals * view).sum(dim=1) < 0
        corners = self._camera.project(vertices)[:, :2][self._faces[front]].flatten(1)
        height, width = self._camera.size
        mask = Image.new("L", (width, height))
        draw = ImageDraw.Draw(mask)
        for corner in corners.tolist():
            draw.polygon(corner, fill=255)
        return (np.asarray(mask, dtype=np.float32) / np.float32(255))[..., None]

    def frame(self, image: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The picture (H, W, 3) of frame ``index`` with the mesh on it, enlarged where it is small."""
        local = self._performance.vertices(index, index + 1)
        vertices = self._performance.pose(local, index)[0]
        cover = _COVER * self._mask(vertices)
        size = self._camera.size[::-1]
        under = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        blended = under + cover * (self._preview.frame(vertices) - under)
        return np.clip(np.round(blended), 0, 255).astype(np.uint8)

    def frames(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """All frames in turn."""
        for index, image in enumerate(images):
            if index < self._performance.frame_count:
                yield self.frame(image, index)
