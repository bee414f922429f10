"""Meshes of a scene and what moves them, as one mesh with one head motion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export.targets import Targets, beyond_unit
from meshanim.mesh import Mesh
from meshanim.performance import Performance

Floats = NDArray[np.float64]
RIGID = 1e-4
"""How far scale may change, or one mesh move against another, in units of the size, to count as still."""


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh of a scene, local.

    Args:
        name: of the node.
        vertices: (V, 3) at rest.
        faces: (F, 3).
        uv: (U, 2) texture coordinates, origin bottom left, and
        uv_faces: (F, 3) indices into them.
        names: K names.
        targets: (K, V, 3) displacements.
        weights: (T, K).
        places: (T, 4, 4) local to world.
        motion: (T, V, 3) positions, where the targets are not all that moves.
        groups: name to vertices.
        landmarks: name to vertex.
        face_model: name of the face model that it is the mesh of, where the file says so.
        posed: whether a head's motion takes it to its places, even to one and the same: our own files say so,
            in others what stands still is how the mesh is placed.
        upright: (3, 3) how what stands still of its places turns it, as from another up axis: the neutral is
            turned so too where that leaves the head's motion less to turn.
    """

    name: str
    vertices: Floats
    faces: NDArray[np.int64]
    uv: NDArray | None
    uv_faces: NDArray[np.int64] | None
    names: list[str]
    targets: NDArray[np.float32]
    weights: Floats
    places: Floats
    motion: NDArray[np.float32] | None = None
    groups: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    landmarks: dict[str, int] = field(default_factory=dict)
    face_model: str | None = None
    posed: bool = False
    upright: Floats = field(default_factory=lambda: np.eye(3))

    def placed(self, place: Floats) -> Part:
        """The part under a still transform (4, 4); one that mirrors turns the faces round."""
        if np.array_equal(place, np.eye(4)):
            return self
        turn, shift = place[:3, :3], place[:3, 3]
        mirrors = np.linalg.det(turn) < 0
        return replace(
            self,
            vertices=self.vertices @ turn.T + shift,
            targets=(self.targets @ turn.T).astype(np.float32),
            motion=None if self.motion is None else (self.motion @ turn.T + shift).astype(np.float32),
            faces=self.faces[:, ::-1] if mirrors else self.faces,
            uv_faces=self.uv_faces[:, ::-1] if mirrors and self.uv_faces is not None else self.uv_faces,
        )

    def positions(self) -> NDArray[np.float32]:
        """(T, V, 3) whatever moves them."""
        if self.motion is not None:
            return self.motion
        moved = np.einsum("tk,kvc->tvc", self.weights.astype(np.float32), self.targets)
        return (self.vertices + moved).astype(np.float32)


def turn_of(place: Floats) -> Floats:
    """Rotation (3, 3) of a still transform (4, 4); none where it mirrors or flattens, and scales stay out."""
    linear = place[:3, :3]
    if np.linalg.det(linear) <= 0:
        return np.eye(3)
    scaled = linear / np.linalg.norm(linear, axis=0)
    turn = Rotation.from_matrix(scaled).as_matrix()
    return scaled if np.abs(scaled - turn).max() < 1e-12 else turn


def _head_motion(places: Floats, posed: bool, upright: Floats) -> tuple[torch.Tensor | None, Floats]:
    """Head motion (T, 6), and the still transform (4, 4) that comes before it."""
    if not posed and np.abs(places - places[0]).max() <= 1e-9:
        return None, places[0]
    scale = np.linalg.norm(places[:, :3, :3], axis=1)
    if np.abs(scale - scale[0]).max() > RIGID * scale[0].max() or scale[0].min() == 0:
        raise InputError("its head grows while it moves, which is no motion of a head")
    if (np.linalg.det(places[:, :3, :3]) < 0).any():
        raise InputError("its head is mirrored while it moves, which is no motion of a head")
    # Rotations come in float32: what is near one is one, and positions stay as they are.
    scale[0] = np.where(np.abs(scale[0] - 1) < 1e-6, 1, scale[0])
    turned = places[:, :3, :3] / scale[:, None, :]
    # Some programs keep another's axes in the mesh, and turn it up by what moves the head.
    upright = min(
        (np.eye(3), upright), key=lambda turn: Rotation.from_matrix(turned @ turn.T).magnitude().mean()
    )
    turns = Rotation.from_matrix(turned @ upright.T).as_rotvec()
    motion = np.concatenate([turns, places[:, :3, 3]], axis=1)
    before = np.eye(4)
    before[:3, :3] = upright * scale[0]
    return torch.from_numpy(motion.astype(np.float32)), before


def _merged_targets(parts: list[Part]) -> tuple[list[str], NDArray[np.float32], Floats]:
    """Names, targets over the vertices of all parts, and weights; same name and weights, one target."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    columns: dict[str, tuple[NDArray[np.float32], Floats]] = {}
    for part, start in zip(parts, starts, strict=False):
        for name, target, weights in zip(part.names, part.targets, part.weights.T, strict=True):
            while name in columns and not np.allclose(columns[name][1], weights, atol=1e-6):
                name = f"{part.name}: {name}"
            basis = columns.setdefault(name, (np.zeros((starts[-1], 3), np.float32), weights))[0]
            basis[start : start + len(target)] += target
    if not columns:
        return ["still"], np.zeros((1, starts[-1], 3), np.float32), np.zeros((len(parts[0].places), 1))
    basis = np.stack([target for target, _ in columns.values()])
    return list(columns), basis, np.stack([weights for _, weights in columns.values()], axis=1)


def _mesh(parts: list[Part]) -> Mesh:
    vertices = np.concatenate([part.vertices for part in parts]).astype(np.float32)
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    mesh = Mesh(
        torch.from_numpy(vertices), torch.from_numpy(faces), None, None, *_named_places(parts, starts)
    )
    uvs = [part.uv for part in parts if part.uv is not None]
    if len(uvs) < len(parts):
        return mesh
    begins = np.cumsum([0] + [len(uv) for uv in uvs])
    uv_faces = [part.uv_faces + begin for part, begin in zip(parts, begins, strict=False)]
    return replace(
        mesh,
        uv=torch.from_numpy(np.concatenate(uvs).astype(np.float32)),
        uv_faces=torch.from_numpy(np.concatenate(uv_faces)),
    )


def _named_places(
    parts: list[Part], starts: NDArray[np.int64]
) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Landmarks and groups of all parts; groups of one name are one, of landmarks the first counts."""
    landmarks: dict[str, int] = {}
    groups: dict[str, list[NDArray[np.int64]]] = {}
    for part, start in zip(parts, starts.tolist(), strict=False):
        landmarks = {name: vertex + start for name, vertex in part.landmarks.items()} | landmarks
        for name, vertices in part.groups.items():
            groups.setdefault(name, []).append(vertices + start)
    return landmarks, {name: torch.from_numpy(np.concatenate(each)) for name, each in groups.items()}


def _gathered(parts: list[Part]) -> tuple[list[Part], torch.Tensor | None]:
    """The parts by the side of the leading one, the first that is not still, and the motion of its head."""
    lead = next((part for part in parts if part.names or part.motion is not None), parts[0])
    head, before = _head_motion(lead.places, lead.posed, lead.upright)
    to_head = np.eye(4) if head is None else np.linalg.inv(lead.places @ np.linalg.inv(before))
    gathered = []
    for part in parts:
        place = before[None] if part is lead else to_head @ part.places
        if np.abs(place - place[0]).max() > RIGID * max(1.0, float(np.abs(place[0]).max())):
            raise InputError(f"{part.name} moves against {lead.name}, and a performance is of one mesh")
        gathered.append(part.placed(place[0]))
    return gathered, head


def assemble(parts: list[Part], fps: float) -> Performance:
    """One mesh of all parts, in their order; what moves the first of them that moves is the head's motion.

    Raises:
        InputError: parts that move against each other, a head that grows.
    """
    parts, head = _gathered(parts)
    face_model = parts[0].face_model if len(parts) == 1 else None
    mesh, names, motion = _mesh(parts), [name for part in parts for name in part.names], None
    if any(part.motion is not None for part in parts):
        motion = torch.from_numpy(np.concatenate([part.positions() for part in parts], axis=1))
        if not names:
            return Performance(neutral=mesh, fps=fps, motion=motion, head_motion=head, face_model=face_model)
    names, basis, weights = _merged_targets(parts)
    found = beyond_unit(
        Targets(tuple(names), torch.from_numpy(basis), torch.from_numpy(weights).float(), 0.0, "")
    )
    tracks = {"weights": found.weights, "basis": found.basis, "weight_names": found.names}
    tracks |= {"face_model": face_model}
    known = Performance(neutral=mesh, fps=fps, head_motion=head, **tracks)  # type: ignore[arg-type]
    if motion is None:
        return known
    for start, chunk in known.chunks():
        motion[start : start + len(chunk)] -= chunk
    return replace(known, residual=motion)
