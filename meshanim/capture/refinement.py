"""Photometric refinement: the look of a face from some frames, then all frames fitted to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._progress import Progress
from meshanim.capture.landmark_fit import LandmarkFit, Person
from meshanim.capture.look import TEXTURE_SIDE, Look, TextureMean, fit_light, shade
from meshanim.capture.photometric import SkinPictures
from meshanim.capture.residuals import State
from meshanim.capture.skin import Skin, Window
from meshanim.rendering.shading import to_display

Frames = Callable[[], Iterator[NDArray[np.uint8]]]
LOOK_FRAMES = 12
"""Frames that the look is taken from."""


class Refinement:
    """Fits the frames of one clip to how its face looks.

    Args:
        frames: gives the clip's frames, from the first, each time it is called.
        fit: of the clip, on a face model with texture coordinates.
        person: found by it.
        landmarks: (T, 68, 2) in pixels, NaN in frames that have none.
    """

    def __init__(self, frames: Frames, fit: LandmarkFit, person: Person, landmarks: Tensor) -> None:
        self._frames, self._fit, self._person = frames, fit, person
        self._known = ~landmarks.isnan().any(dim=(1, 2))
        self.window = Window(landmarks)
        self.skin = Skin(fit, person, self.window)
        known = self._known.nonzero().flatten()
        spread = torch.linspace(0, len(known) - 1, min(LOOK_FRAMES, len(known)))
        self._chosen = known[spread.round().long()]
        wanted = set(self._chosen.tolist())
        self._samples = [self.window.cut(image) for index, image in enumerate(frames()) if index in wanted]

    def look(self, state: State, side: int = TEXTURE_SIDE, least_facing: float = 0.0) -> Look:
        """Light and texture of the face, from frames spread over the clip, where the state puts the face.

        Args:
            state: of all frames.
            side: texels along each side.
            least_facing: cosine between a normal and the camera's axis from which skin goes into the texture.
        """
        sampled = zip(state.pose[self._chosen], state.weights[self._chosen], strict=True)
        seen = [self.skin.seen(pose, weights) for pose, weights in sampled]
        colours = [places.pick(image) for places, image in zip(seen, self._samples, strict=True)]
        light = fit_light(torch.cat([places.normals for places in seen]), torch.cat(colours))
        mean = TextureMean(side)
        for places, colour in zip(seen, colours, strict=True):
            # The window is black beyond the picture.
            kept = (places.normals[:, 2] >= least_facing) & (colour > 0).any(dim=1)
            mean.add(places.uv[kept], (colour / shade(places.normals, light))[kept])
        return Look(mean.texture(), light)

    def error(self, state: State, look: Look) -> float:
        """Mean absolute difference between frames and the face drawn, over skin seen, in levels of 255."""
        total, count = 0.0, 0
        for index, image in enumerate(self._frames()):
            if index >= len(self._known) or not self._known[index]:
                continue
            places = self.skin.seen(state.pose[index], state.weights[index])
            drawn = to_display(look.colours(places.uv, places.normals)).float()
            apart = drawn - to_display(places.pick(self.window.cut(image))).float()
            total, count = total + float(apart.abs().sum()), count + apart.numel()
        return total / max(count, 1)

    def refine(self, state: State, look: Look, progress: Progress | None = None) -> State:
        """Pose and weights of every frame, fitted to landmarks and look together."""
        remaining = self._frames()
        held: dict[int, Tensor] = {}

        def pictures(begin: int, end: int) -> SkinPictures:
            for index in [index for index in held if index < begin]:
                del held[index]
            for index in range(begin + len(held), end):
                held[index] = self.window.cut(next(remaining))
            images = [held[index] for index in range(begin, end)]
            return SkinPictures(self.skin, images, self._known[begin:end], look)

        return self._fit.refine(self._person, state, pictures, progress)
