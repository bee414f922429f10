"""What happens: the motion of one mesh over time, with what is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_range, check_shape, check_tensor
from meshanim.mesh import Mesh
from meshanim.mesh.geometry import unit
from meshanim.mesh.precision import exact
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle

MOST_FRAMES = 2_000_000
"""Nine hours at 60 frames a second; a track is held whole."""
_TRACKS = ("motion", "weights", "residual", "labels", "head_motion", "gaze", "action_units")


def check_frames(duration: float, fps: float) -> None:
    """Raise where seconds at a frame rate are more than :data:`MOST_FRAMES` frames."""
    check_range("frames, duration times fps,", duration * fps, 0, MOST_FRAMES)


def _interpolate_rotations(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Shortest-arc interpolation of (..., 3) axis-angle rotations; ``share`` (..., 1) in [0, 1]."""
    start = axis_angle_to_matrix(first)
    turn = matrix_to_axis_angle(start.mT @ axis_angle_to_matrix(second))
    return matrix_to_axis_angle(start @ axis_angle_to_matrix(share * turn))


def _interpolate(name: str, track: Tensor, position: Tensor) -> Tensor:
    """Read ``track`` (T, ...) at fractional frame positions (N,), linearly; rotations and looks on an arc."""
    low = position.floor().long().clamp(0, track.shape[0] - 1)
    high = (low + 1).clamp(max=track.shape[0] - 1)
    share = (position - low).to(track).view(-1, *([1] * (track.ndim - 1)))
    straight = torch.lerp(track[low], track[high], share)
    if name == "gaze":
        return torch.where(share > 0, unit(straight), straight)
    if name != "head_motion":
        return straight
    turned = _interpolate_rotations(track[low, :3], track[high, :3], share)
    return torch.cat([turned, straight[:, 3:]], dim=1)


class Mover(Protocol):
    """Moves a face by weights on other paths than straight lines, as jaws and lids do."""

    def vertices(self, weights: Tensor) -> Tensor:
        """Positions (n, V, 3) in metres of weights (n, K)."""


@dataclass(frozen=True, eq=False)
class Performance:
    """Motion of a mesh at a steady frame rate; immutable.

    The motion is either ``motion``, or ``weights`` over ``basis`` plus an optional ``residual``; either way
    :meth:`vertices` gives positions for any span of frames, so that no reader ever needs them all at once.
    With a ``mover`` these lie on its arcs, while formats that hold shapes and weights keep to the basis.
    Vertices are head-local: ``head_motion`` is applied once, by the reader, and never baked in.

    Args:
        neutral: the mesh at rest; its V vertices, faces, texture coordinates, landmarks and groups hold
            for every frame.
        fps: frames per second, any positive number; frame t is seen at t / fps seconds.
        motion: (T, V, 3) positions in metres.
        weights: (T, K) weights of any type; vertices are ``neutral + weights @ basis + residual``.
        basis: (K, V, 3) displacements in metres.
        weight_names: K names, ARKit's camelCase where the shape is ARKit's.
        residual: (T, V, 3) displacements in metres that the basis does not explain.
        mover: gives the positions of weights in place of ``neutral + weights @ basis``.
        face_model: name of the face model that the mesh comes from.
        identity: (I,) identity coefficients of that model.
        labels: (T, 6) expression label track, in [0, 1].
        head_motion: (T, 6) axis-angle in radians, then translation in metres, canonical to posed head.
        gaze: (T, 2, 3) unit directions of left and right eye, head-local.
        action_units: (T, A) intensities.
        waveform: (N,) mono samples in [-1, 1].
        sample_rate: samples per second of ``waveform``.

    Raises:
        InputError: no motion or two, tracks of different lengths, a wrong shape, fps not positive, a weight's
            name given twice.
    """

    neutral: Mesh
    fps: float
    motion: Tensor | None = None
    weights: Tensor | None = None
    basis: Tensor | None = None
    weight_names: tuple[str, ...] = ()
    residual: Tensor | None = None
    mover: Mover | None = None
    face_model: str | None = None
    identity: Tensor | None = None
    labels: Tensor | None = None
    head_motion: Tensor | None = None
    gaze: Tensor | None = None
    action_units: Tensor | None = None
    waveform: Tensor | None = None
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        check_range("fps", self.fps, 0, open_low=True)
        # NumPy's numbers, as from a file, are none to those who write JSON or USD.
        object.__setattr__(self, "fps", float(self.fps))
        for name in (*_TRACKS, "basis", "waveform"):
            if getattr(self, name) is not None:
                check_tensor(name, getattr(self, name))
        if (self.motion is None) == (self.weights is None):
            raise InputError("a performance needs either motion or weights, got both or neither")
        if (self.weights is None) != (self.basis is None):
            raise InputError("weights and basis must come together, got only one of them")
        if self.mover is not None and self.weights is None:
            raise InputError("a mover must come with the weights that it moves by, got none")
        if (self.waveform is None) != (self.sample_rate is None):
            raise InputError("waveform and sample_rate must come together, got only one of them")
        if self.sample_rate is not None:
            check_range("sample_rate", self.sample_rate, 1)
        self._check_shapes()

    def _check_shapes(self) -> None:
        count, frames = self.neutral.vertices.shape[0], self.frame_count
        if frames == 0:
            raise InputError("a performance must have at least one frame, got none")
        if self.motion is not None:
            check_shape("motion", self.motion, (frames, count, 3))
        if self.weights is not None and self.basis is not None:
            check_shape("weights", self.weights, (frames, None))
            check_finite("weights", self.weights)
            if self.weights.shape[1] == 0:
                raise InputError("weights must be of at least one shape, got none")
            check_shape("basis", self.basis, (self.weights.shape[1], count, 3))
            if len(self.weight_names) != self.weights.shape[1]:
                raise InputError(
                    f"weight_names must name {self.weights.shape[1]} weights, got {len(self.weight_names)}"
                )
            if len(set(self.weight_names)) < len(self.weight_names):
                twice = next(name for name in self.weight_names if self.weight_names.count(name) > 1)
                raise InputError(f"weight_names must differ from one another, got {twice!r} twice")
        wanted: dict[str, tuple[int | None, ...]] = {
            "residual": (frames, count, 3),
            "labels": (frames, 6),
            "head_motion": (frames, 6),
            "gaze": (frames, 2, 3),
            "action_units": (frames, None),
        }
        for name, shape in wanted.items():
            track = getattr(self, name)
            if track is not None:
                check_shape(name, track, shape)
        if self.waveform is not None:
            check_shape("waveform", self.waveform, (None,))

    def __repr__(self) -> str:
        known = [item.name for item in fields(self)[2:] if getattr(self, item.name) not in (None, ())]
        span = f"{self.frame_count} frames at {self.fps:g} fps"
        return f"Performance({span} of {self.neutral!r}: {', '.join(known)})"

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        track = self.motion if self.motion is not None else self.weights
        assert track is not None
        return int(track.shape[0])

    @property
    def duration(self) -> float:
        """Seconds, T / fps."""
        return self.frame_count / self.fps

    def _span(self, start: int, stop: int | None) -> tuple[int, int]:
        end = self.frame_count if stop is None else stop
        if not 0 <= start < end <= self.frame_count:
            raise InputError(f"frames must be a span within 0 to {self.frame_count}, got {start} to {end}")
        return start, end

    def vertices(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Positions (stop - start, V, 3) in metres of frames ``start`` up to, without, ``stop``."""
        start, end = self._span(start, stop)
        if self.motion is not None:
            return self.motion[start:end]
        assert self.weights is not None
        if self.mover is None:
            placed = self.straight(start, end)
        else:
            placed = self.mover.vertices(self.weights[start:end])
        return placed if self.residual is None else placed + self.residual[start:end]

    def straight(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Positions (stop - start, V, 3) in metres by the basis alone, ``neutral + weights @ basis``.

        Raises:
            InputError: the performance has no weights.
        """
        start, end = self._span(start, stop)
        if self.weights is None or self.basis is None:
            raise InputError("a performance must have weights to move along straight lines, got motion")
        weights = self.weights[start:end].to(self.basis)
        return self.neutral.vertices + torch.einsum("tk,kvc->tvc", weights, self.basis)

    def chunks(self, size: int = 64) -> Iterator[tuple[int, Tensor]]:
        """Walk through the performance: pairs of first frame and (n <= size, V, 3) positions in metres."""
        for start in range(0, self.frame_count, size):
            yield start, self.vertices(start, min(start + size, self.frame_count))

    def pose(self, points: Tensor, start: int = 0) -> Tensor:
        """Where the head's motion takes head-local points (n, N, 3) of the n frames from ``start`` on.

        In metres, as they come back; unchanged where no head motion is known.
        """
        check_shape("points", points, (None, None, 3))
        start, end = self._span(start, start + len(points))
        if self.head_motion is None:
            return points
        motion = self.head_motion[start:end].to(points)
        with exact(points):
            return points @ axis_angle_to_matrix(motion[:, :3]).mT + motion[:, None, 3:]

    def detach(self) -> Performance:
        """The same performance without gradients, for readers that have no use for them."""
        return self._with_each(Tensor.detach)

    def to(self, dtype: torch.dtype) -> Performance:
        """The same performance in another floating type."""
        return self._with_each(lambda tensor: tensor.to(dtype))

    def _with_each(self, change: Callable[[Tensor], Tensor]) -> Performance:
        """The same performance, all its tensors changed alike; what a mover holds stays as it is."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        changed: dict[str, Any] = {
            name: change(value) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, neutral=self.neutral.with_vertices(change(self.neutral.vertices)), **changed)

    def slice(self, start: int, stop: int | None = None) -> Performance:
        """The frames ``start`` up to, without, ``stop``, with the sound that belongs to them."""
        start, end = self._span(start, stop)
        tracks = {name: getattr(self, name) for name in _TRACKS}
        cut: dict[str, Any] = {name: track[start:end] for name, track in tracks.items() if track is not None}
        if self.waveform is not None and self.sample_rate is not None:
            first, last = (round(t / self.fps * self.sample_rate) for t in (start, end))
            cut["waveform"] = self.waveform[first:last]
        return replace(self, **cut)

    def resample(self, fps: float) -> Performance:
        """The same performance at another frame rate; its duration stays within half a new frame.

        Tracks are interpolated linearly, head rotations and directions of gaze on their shortest arc; after
        the last old frame its value is held.

        Raises:
            InputError: fps not positive, or so high that frames are more than :data:`MOST_FRAMES`.
        """
        check_range("fps", fps, 0, open_low=True)
        check_frames(self.duration, fps)
        count = max(1, round(self.frame_count * fps / self.fps))
        position = (torch.arange(count, dtype=torch.float64) * (self.fps / fps)).clamp(
            max=self.frame_count - 1
        )
        tracks = {name: getattr(self, name) for name in _TRACKS}
        read: dict[str, Any] = {
            name: _interpolate(name, track, position) for name, track in tracks.items() if track is not None
        }
        return replace(self, fps=fps, **read)

    def lasting(self, frame_count: int) -> Performance:
        """The same performance with ``frame_count`` frames, and its sound as long as they are.

        What is too long is cut; what is too short goes on with its last frame, or with silence.
        """
        check_range("frame_count", frame_count, 1)
        rows = torch.arange(frame_count).clamp(max=self.frame_count - 1)
        same = frame_count == self.frame_count
        tracks = {name: getattr(self, name) for name in _TRACKS}
        held: dict[str, Any] = {
            name: track if same else track[rows] for name, track in tracks.items() if track is not None
        }
        if self.waveform is not None and self.sample_rate is not None:
            length = round(frame_count / self.fps * self.sample_rate)
            missing = max(0, length - len(self.waveform))
            filled = torch.nn.functional.pad(self.waveform, (0, missing)) if missing else self.waveform
            held["waveform"] = filled[:length]
        return replace(self, **held)

    def concatenate(self, other: Performance) -> Performance:
        """This performance, then ``other``; both must have the same mesh, fps and kinds of tracks.

        Raises:
            InputError: what differs between the two.
        """
        if other.fps != self.fps:
            raise InputError(f"fps must be {self.fps:g} to follow this performance, got {other.fps:g}")
        if not torch.equal(other.neutral.vertices, self.neutral.vertices) or not torch.equal(
            other.neutral.faces, self.neutral.faces
        ):
            raise InputError("the neutral mesh must be the same to follow this performance, got another")
        if other.weight_names != self.weight_names or other.sample_rate != self.sample_rate:
            raise InputError("weight names and sample rate must be the same to follow this performance")
        if self.basis is not None and other.basis is not None and not torch.equal(self.basis, other.basis):
            raise InputError("the basis must be the same to follow this performance, got another")
        if (self.mover is None) != (other.mover is None):
            raise InputError("a mover must be known in both performances or in neither")
        joined: dict[str, Any] = {}
        mine = self.lasting(self.frame_count)
        for name in (*_TRACKS, "waveform"):
            first, second = getattr(mine, name), getattr(other, name)
            if (first is None) != (second is None):
                raise InputError(f"{name} must be known in both performances or in neither")
            if first is not None:
                joined[name] = torch.cat([first, second])
        return replace(self, **joined)
