"""Photometric refinement: the look of a face from some frames, then all frames fitted to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meshanim._progress import Progress
from meshanim.capture.hair import brow_band, cheeks, find_hair, hair_line, in_shade, with_fringe
from meshanim.capture.landmark_fit import LandmarkFit, Person
from meshanim.capture.look import FAINT, FINE_SIDE, SQUARELY, Look, TextureMean, fit_light, shade, with_light
from meshanim.capture.photometric import SkinPictures
from meshanim.capture.residuals import State
from meshanim.capture.skin import Seen, Skin, Window, at_places
from meshanim.rendering.materials import group_mask
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

    def look(self, state: State) -> Look:
        """Light and texture of the face, hair and all: what frames are fitted to.

        Args:
            state: of all frames; the look is taken from some, spread over the clip.
        """
        seen, colours = self._seen(state)
        light = fit_light(torch.cat([places.normals for places in seen]), torch.cat(colours))
        mean = TextureMean()
        for places, colour in zip(seen, colours, strict=True):
            mean.add(places.uv, colour / shade(places.normals, light))
        return Look(mean.texture(), light)

    def bare_look(self, state: State) -> Look:
        """The look to keep: fine, of what is seen squarely, with skin where hair hangs over the face.

        Lids are lit as cheeks are: see :func:`with_light`.

        Args:
            state: of all frames, as for :meth:`look`.
        """
        seen, colours = self._seen(state)
        person = self._fit.face.neutral.with_vertices(self.skin.rest)
        lids = group_mask(person, "lids")
        parts = torch.stack(
            [cheeks(person).float(), hair_line(person), brow_band(person).float(), lids.float()], dim=1
        )
        places = Seen(*(torch.cat(part) for part in zip(*seen, strict=True)))
        cheek, line, brow, lid = at_places(parts, places.corners, places.weight).unbind(dim=1)
        colour, may_be = torch.cat(colours), line > 0
        hair, bare, light = find_hair(colour, places.normals, cheek > 0.5, may_be, brow > 0.5)
        even = colour / shade(places.normals, light)
        hair = hair | (may_be & in_shade(even, bare))
        frames = zip(hair.split([len(each.uv) for each in seen]), seen, strict=True)
        near = torch.cat([with_fringe(part, each.pixel, self.window.pixels) for part, each in frames])
        hair = hair | (near & may_be)
        clear = (places.normals[:, 2] >= SQUARELY) & ~hair
        mean = TextureMean(FINE_SIDE)
        even = with_light(even, even[cheek > 0.5], lid)
        mean.add(places.uv[clear], even[clear])
        mean.add(places.uv[hair], bare.expand(int(hair.sum()), 3), FAINT)
        return Look(mean.texture(), light)

    def _seen(self, state: State) -> tuple[list[Seen], list[Tensor]]:
        """Places of the sampled frames that the picture has, and their colours (N, 3)."""
        sampled = zip(state.pose[self._chosen], state.weights[self._chosen], strict=True)
        seen, colours = [], []
        for (pose, weights), image in zip(sampled, self._samples, strict=True):
            places = self.skin.seen(pose, weights)
            inside = (places.pick(image) > 0).any(dim=1)  # the window is black beyond the picture
            seen.append(Seen(*(part[inside] for part in places)))
            colours.append(seen[-1].pick(image))
        return seen, colours

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
