"""The captured mesh on the frames that it was captured from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from meshanim.mesh import Mesh, face_normals
from meshanim.performance import Performance
from meshanim.rendering import Camera, rasterize
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
        self._shown = _front_of_face(performance.neutral)
        self._faces = performance.neutral.faces[self._shown[performance.neutral.faces].all(dim=1)]

    def frame(self, image: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The picture (H, W, 3) of frame ``index`` with the mesh on it, enlarged where it is small."""
        local = self._performance.vertices(index, index + 1)
        vertices = self._performance.pose(local, index)[0]
        height, width = self._camera.size
        picture = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
        pixels = self._camera.project(vertices[self._shown])[:, :2]
        left, top = pixels.amin(dim=0).floor().int().clamp(min=0).tolist()
        right, bottom = (int(edge) for edge in pixels.amax(dim=0).ceil())
        size = (min(bottom, height) - top, min(right, width) - left)
        if min(size) > 0:
            # Only the square around the face is drawn and blended.
            place = (slice(top, top + size[0]), slice(left, left + size[1]))
            picture[place] = self._blended(picture[place], vertices, self._camera.cropped((top, left), size))
        return picture

    def _blended(self, under: NDArray[np.uint8], vertices: Tensor, camera: Camera) -> NDArray[np.uint8]:
        """A picture with the mesh drawn over it, as far as its front's own faces turn to the camera."""
        normals = face_normals(vertices, self._faces)
        view = vertices[self._faces].mean(dim=1) - camera.position
        front = self._faces[(normals * view).sum(dim=1) < 0]
        covered = rasterize(vertices, front, camera).covered.numpy()
        mask = Image.fromarray(covered.astype(np.uint8) * round(255 * _COVER))
        drawn = Image.fromarray(self._preview.seen_by(camera).frame(vertices))
        return np.asarray(Image.composite(drawn, Image.fromarray(under), mask))

    def frames(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """All frames in turn."""
        for index, image in enumerate(images):
            if index < self._performance.frame_count:
                yield self.frame(image, index)
