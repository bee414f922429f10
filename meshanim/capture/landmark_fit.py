"""Who is seen, from where, and what they do: a face model fitted to landmarks (Gauss-Newton with bounds).

First the clip's own unknowns, identity and focal length, are found on some frames, the frames' unknowns
eliminated from the normal equations (Schur complement). Then every frame gets pose and weights, all frames
of a stretch at once, joined by what heads and faces can do from frame to frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from meshanim._progress import Progress
from meshanim.capture.chain import Chain, damped, free_unknowns, held
from meshanim.capture.landmark_points import LandmarkPoints
from meshanim.capture.priors import IdentityPrior, WeightPrior, speed_costs
from meshanim.capture.residuals import POSE, Linear, Pinhole, Residuals, Shape, State, interocular
from meshanim.faces import FaceModel

SAMPLES = 24
"""Frames from which identity and focal length are found."""
_INDEPENDENT = 6.0
"""All frames tell as much about the person as so many: where dlib errs, it errs in all alike."""
STRETCH, OVERLAP = 200, 20
"""Frames fitted at once, and how many of the next are looked at to know where the motion goes."""
FIELD_OF_VIEW = math.radians(30)
"""Expected vertical field of view."""
_FOCAL_DEVIATION = 0.2
"""Of the logarithm of the focal length."""
_TURN_JERK, _SHIFT_JERK = 0.004, 0.0007
"""Standard deviations of a head's acceleration: radians and metres per frame and frame, at 25 fps."""
_DEPTH_JERK = 0.0015
"""The same along the line of sight, which landmarks tell less about."""
_STEPS, _TRIES, _RENEWAL = 15, 8, 3
"""Most steps of a fit, dampings tried in each, and steps after which derivatives by identity are renewed."""
_PICTURE_STEPS = 2
_ENOUGH = 1e-3
"""Share of the cost by which a step must lower it for another to be worth it."""


class Pictures(Protocol):
    """What the pictures of a stretch of frames say about its state."""

    def system(self, state: State) -> tuple[Tensor, Tensor]:
        """Normal matrix (T, P, P) and descent (T, P) of each frame; fixes what :meth:`cost` looks at."""

    def cost(self, state: State) -> Tensor:
        """(T,) of each frame, where :meth:`system` last looked."""


@dataclass(frozen=True)
class Person:
    """What holds for a whole clip: identity (I,) and the focal length in pixels."""

    identity: Tensor
    focal: Tensor


class LandmarkFit:
    """Fits a face model to the landmarks of one clip.

    Args:
        face: the model.
        landmarks: (T, 68, 2) in pixels, NaN in frames that have none; at least one frame has them.
        size: (height, width) of the pictures.
        fps: frames per second.
        used: (68,) which landmarks count; all of them by default.
    """

    def __init__(
        self,
        face: FaceModel,
        landmarks: Tensor,
        size: tuple[int, int],
        fps: float,
        used: Tensor | None = None,
    ) -> None:
        self.face, self.landmarks, self._used = face, landmarks.double(), used
        self.camera, self.points = Pinhole(size), LandmarkPoints(face)
        self.names = [face.weight_names[column] for column in self.points.units.tolist()]
        self._weights = WeightPrior(self.names)
        self._people = IdentityPrior(face)
        self._log_focal = math.log(size[0] / (2 * math.tan(FIELD_OF_VIEW / 2)))
        self._speed = speed_costs(self.names, fps)
        pace = (fps / 25) ** 4
        jerk = torch.tensor([_TURN_JERK] * 3 + [_SHIFT_JERK] * 2 + [_DEPTH_JERK], dtype=torch.float64)
        self._jerk = pace / jerk.square()

    def residuals(self, index: Tensor | slice) -> Residuals:
        """Of some of the frames."""
        return Residuals(self.points, self.landmarks[index], self.camera, self._used)

    def shape(self, identity: Tensor, derivative: bool = False) -> Shape:
        """The face's points for one identity (I,)."""
        plain = self._plain(identity)
        rest, by_identity = self.points.rest(plain).double(), None
        if derivative:
            by_identity = self.points.derivative(plain, self._people.step)
        return Shape(rest, self.points.basis(plain), by_identity)

    def _plain(self, identity: Tensor) -> Tensor:
        """As the model computes."""
        return identity.to(self.face.neutral.vertices.dtype)

    def start(self, landmarks: Tensor, rest: Tensor, focal: Tensor) -> State:
        """Heads that look at the camera, at the place and distance that the landmarks (T, 68, 2) suggest."""
        flat = rest[:51]
        apart = (flat[45 - 17] - flat[36 - 17]).norm()
        depth = focal * apart / interocular(landmarks)
        across = (landmarks[:, 17:].mean(dim=1) - self.camera.middle) * depth[:, None] / focal
        place = torch.stack([across[:, 0], -across[:, 1], -depth], dim=1) - flat.mean(dim=0)
        pose = torch.cat([torch.zeros_like(place), place], dim=1)
        return State(pose, torch.zeros(len(pose), len(self.names), dtype=torch.float64))

    def person(self) -> Person:
        """Identity and focal length, from frames spread over the clip."""
        known = (~self.landmarks.isnan().any(dim=(1, 2))).nonzero().flatten()
        chosen = known[torch.linspace(0, len(known) - 1, min(SAMPLES, len(known))).round().long()]
        residuals = self.residuals(chosen)
        person = Person(self._people.mean, torch.tensor(self._log_focal, dtype=torch.float64).exp())
        shape = self.shape(person.identity, derivative=True)
        state = self.start(self.landmarks[chosen], shape.rest, person.focal)
        cost, damping = self._clip_cost(residuals, state, shape, person), 1e-3
        for step in range(_STEPS):
            linear = residuals.linearise(state, shape, person.focal).scaled(math.sqrt(_told(len(chosen))))
            for _ in range(_TRIES):
                tried_person, tried = self._clip_step(linear, state, person, damping)
                # Units are carried to the new person only once the step is taken: they change little.
                rest = self.points.rest(self._plain(tried_person.identity)).double()
                tried_shape = replace(shape, rest=rest)
                new = self._clip_cost(residuals, tried, tried_shape, tried_person)
                if new < cost:
                    break
                damping *= 10
            else:
                break
            gain, person, state, damping = float(1 - new / cost), tried_person, tried, damping / 5
            # How people differ hardly depends on the person: not worth finding anew after every step.
            anew = step % _RENEWAL == 0
            shape = self.shape(person.identity, derivative=True) if anew else tried_shape
            cost = self._clip_cost(residuals, state, shape, person)
            if gain < _ENOUGH:
                break
        return person

    def _clip_cost(self, residuals: Residuals, state: State, shape: Shape, person: Person) -> Tensor:
        who = self._people.cost(person.identity)
        lens = ((person.focal.log() - self._log_focal) / _FOCAL_DEVIATION).square()
        seen = _told(len(state.pose)) * residuals.cost(state, shape, person.focal)
        return (seen + self._weights.cost(state.weights)).sum() + who + lens

    def _frame_system(self, linear: Linear, state: State) -> tuple[Tensor, Tensor]:
        """Normal matrix (T, P, P) and descent (T, P) of each frame by itself."""
        matrix = linear.by_frame.mT @ linear.by_frame
        descent = -(linear.by_frame.mT @ linear.residual[..., None])[..., 0]
        matrix[:, POSE:, POSE:] += self._weights.curvature
        descent[:, POSE:] -= state.weights @ self._weights.curvature + self._weights.slope
        return matrix, descent

    def _clip_step(
        self, linear: Linear, state: State, person: Person, damping: float
    ) -> tuple[Person, State]:
        """One step of all unknowns together; the frames' are eliminated first."""
        assert linear.by_clip is not None
        matrix, descent = self._frame_system(linear, state)
        cross = linear.by_frame.mT @ linear.by_clip
        free = free_unknowns(state, descent)
        matrix, descent = held(damped(matrix, damping), descent, free)
        cross = cross * free[..., None]
        people = self._people
        shared = (linear.by_clip.mT @ linear.by_clip).sum(dim=0)
        shared_descent = -(linear.by_clip.mT @ linear.residual[..., None])[..., 0].sum(dim=0)
        shared[:-1, :-1] += people.precision
        shared_descent[:-1] -= people.precision @ (person.identity - people.mean)
        shared[-1, -1] += 1 / _FOCAL_DEVIATION**2
        shared_descent[-1] -= (person.focal.log() - self._log_focal) / _FOCAL_DEVIATION**2
        factor = torch.linalg.cholesky(matrix)
        solved = torch.cholesky_solve(torch.cat([cross, descent[..., None]], dim=-1), factor)
        reduced = damped(shared, damping) - (cross.mT @ solved[..., :-1]).sum(dim=0)
        reduced_descent = shared_descent - (cross.mT @ solved[..., -1:])[..., 0].sum(dim=0)
        outside = torch.cat([people.held(person.identity, shared_descent[:-1]), torch.tensor([False])])
        reduced, reduced_descent = held(reduced[None], reduced_descent[None], ~outside[None])
        step = torch.linalg.solve(reduced[0], reduced_descent[0])
        identity = torch.minimum(torch.maximum(person.identity + step[:-1], people.low), people.high)
        frames = solved[..., -1] - solved[..., :-1] @ step
        return Person(identity, person.focal * step[-1].clamp(-0.5, 0.5).exp()), state.moved(frames)

    def track(self, person: Person, progress: Progress | None = None) -> State:
        """Pose and weights of every frame; frames without landmarks are bridged."""
        rest = self.shape(person.identity).rest
        return self._walk(person, self._filled(self.start(self.landmarks, rest, person.focal)), progress)

    def refine(
        self,
        person: Person,
        state: State,
        pictures: Callable[[int, int], Pictures],
        progress: Progress | None,
    ) -> State:
        """The track again, from where it is, with what the pictures tell; ``pictures`` gives a stretch's."""
        return self._walk(person, state, progress, pictures)

    def _walk(
        self,
        person: Person,
        start: State,
        progress: Progress | None,
        pictures: Callable[[int, int], Pictures] | None = None,
    ) -> State:
        """Fit stretch by stretch, each on from the one before and with a look at the next."""
        count = len(self.landmarks)
        shape = self.shape(person.identity)
        done: list[State] = []
        for begin in range(0, count, STRETCH):
            end = min(begin + STRETCH + OVERLAP, count)
            before = done[-1].part(-2, None) if done else None
            residuals = self.residuals(slice(begin, end))
            seen = None if pictures is None else pictures(begin, end)
            fitted = self._stretch(start.part(begin, end), residuals, shape, person, before, seen)
            done.append(fitted.part(0, STRETCH))
            if progress is not None:
                progress(min(begin + STRETCH, count), count)
        return State(torch.cat([part.pose for part in done]), torch.cat([part.weights for part in done]))

    def _filled(self, state: State) -> State:
        """Frames without landmarks take the pose of the nearest ones that have them."""
        known = (~state.pose.isnan().any(dim=1)).nonzero().flatten()
        frames = torch.arange(len(state.pose))
        pose = np.stack([np.interp(frames, known, column[known]) for column in state.pose.T], axis=1)
        return State(torch.from_numpy(pose), state.weights)

    def _stretch(
        self,
        state: State,
        residuals: Residuals,
        shape: Shape,
        person: Person,
        before: State | None,
        pictures: Pictures | None,
    ) -> State:
        """Fit consecutive frames; ``before`` are the last two that are done already."""
        chain = Chain(self._jerk, self._speed, before)
        damping = 1e-3

        def total(state: State) -> Tensor:
            frames = residuals.cost(state, shape, person.focal) + self._weights.cost(state.weights)
            seen = 0.0 if pictures is None else pictures.cost(state).sum()
            return frames.sum() + chain.cost(state) + seen

        for _ in range(_STEPS if pictures is None else _PICTURE_STEPS):
            matrix, descent = self._frame_system(residuals.linearise(state, shape, person.focal), state)
            if pictures is not None:
                for known, more in zip((matrix, descent), pictures.system(state), strict=True):
                    known += more
            cost = total(state)
            for _ in range(_TRIES):
                tried = state.moved(chain.solve(damped(matrix, damping), descent, state))
                new = total(tried)
                if new < cost:
                    break
                damping *= 10
            else:
                break
            gain, state, damping = float(1 - new / cost), tried, damping / 5
            if gain < _ENOUGH:
                break
        return state


def _told(frames: int) -> float:
    """What one of so many frames counts for identity and focal length."""
    return min(1.0, _INDEPENDENT / frames)
