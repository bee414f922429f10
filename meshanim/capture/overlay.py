"""The captured face on the frames that it was captured from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from meshanim.capture.look import shade
from meshanim.mesh import Mesh, face_normals
from meshanim.performance import Performance
from meshanim.rendering import Camera, Surroundings, interpolate, rasterize
from meshanim.rendering.preview import SUPERSAMPLING, Preview
from meshanim.talking_heads.appearance import Appearance

_COVER = 0.75
"""How far the mesh covers the picture."""
_BELOW, _ABOVE = 0.05, 0.35
"""How far the face goes below the chin and above the brows, in units of what is between them."""
_FADE = 0.02
"""Over which distance it begins, in the same units."""
_LEAST_SIDE = 576
"""Pixels of the shorter side of what is drawn: smaller frames are enlarged, so that the mesh can be seen."""
_LINES = (
    range(17, 22),
    range(22, 27),
    range(27, 31),
    range(31, 36),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
"""Landmarks along brows, nose, lids and lips. A skin has these painted where the film had them: only lines
show where the mesh has them."""
_LINE, _LINE_SAMPLES = 0.7, 4
"""How white lines are, and samples along each side of a pixel."""


def _within_face(mesh: Mesh) -> Tensor:
    """(V,) how far vertices are within the face, between ears, chin and hair; negative outside of it."""
    brow, chin, ears = (
        mesh.vertices[[mesh.landmarks[f"landmark68_{place:02d}"] for place in places]].mean(dim=0)
        for places in ((19, 24), (8,), (0, 16))
    )
    height = brow[1] - chin[1]
    _, y, z = mesh.vertices.unbind(dim=1)
    borders = (z - ears[2], y - chin[1] + _BELOW * height, brow[1] + _ABOVE * height - y)
    return torch.stack(borders).amin(dim=0) / height


class Overlay:
    """Draws the face of a performance over frames; hair, ears and neck stay as they are in the picture.

    It has the skin, eyes and light that were captured, with the film shining through, and lines where the
    mesh has brows, nose, lids and lips: by these one sees how well it fits.

    Args:
        performance: what was captured.
        appearance: captured with it; its camera is that of the frames.
    """

    def __init__(self, performance: Performance, appearance: Appearance) -> None:
        mesh, camera, light = performance.neutral, appearance.camera, appearance.light
        assert camera is not None
        self._performance = performance
        self._camera = camera.scaled(max(1, round(_LEAST_SIDE / min(camera.size))))
        film = None if light is None else partial(shade, light=Surroundings(light))
        self._preview = Preview(mesh, self._camera, appearance.skin, appearance.eyes, film)
        self._within = _within_face(mesh)
        self._faces = mesh.faces[(self._within > 0)[mesh.faces].any(dim=1)]
        self._landmarks = [mesh.landmarks[f"landmark68_{number:02d}"] for number in range(68)]

    def frame(self, image: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The picture (H, W, 3) of frame ``index`` with the mesh on it, enlarged where it is small."""
        local = self._performance.vertices(index, index + 1)
        vertices = self._performance.pose(local, index)[0]
        height, width = self._camera.size
        picture = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
        pixels = self._camera.project(vertices[self._within > 0])[:, :2]
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
        drawn = Image.fromarray(self._preview.seen_by(camera).frame(vertices))
        blended = Image.composite(drawn, Image.fromarray(under), self._cover(vertices, camera))
        blended.paste((255, 255, 255), mask=self._lines(vertices, camera))
        return np.asarray(blended)

    def _cover(self, vertices: Tensor, camera: Camera) -> Image.Image:
        normals = face_normals(vertices, self._faces)
        view = vertices[self._faces].mean(dim=1) - camera.position
        front = self._faces[(normals * view).sum(dim=1) < 0]
        fragments = rasterize(vertices, front, camera.scaled(SUPERSAMPLING))
        within = interpolate(fragments, self._within[:, None])[..., 0]
        cover = (within / _FADE).clamp(0, 1) * fragments.covered
        cover = functional.avg_pool2d(cover[None], SUPERSAMPLING)[0]
        return Image.fromarray((255 * _COVER * cover).round().byte().numpy())

    def _lines(self, vertices: Tensor, camera: Camera) -> Image.Image:
        height, width = camera.size
        places = (_LINE_SAMPLES * camera.project(vertices[self._landmarks])[:, :2]).tolist()
        lines = Image.new("L", (_LINE_SAMPLES * width, _LINE_SAMPLES * height))
        pen = ImageDraw.Draw(lines)
        thick = round(_LINE_SAMPLES * max(1, min(self._camera.size) / _LEAST_SIDE))
        for line in _LINES:
            pen.line([tuple(places[number]) for number in line], round(255 * _LINE), thick, joint="curve")
        return lines.reduce(_LINE_SAMPLES)

    def frames(self, images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """All frames in turn."""
        for index, image in enumerate(images):
            if index < self._performance.frame_count:
                yield self.frame(image, index)
