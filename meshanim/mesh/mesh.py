"""A triangle mesh with what animation needs beside it: texture coordinates, landmarks, vertex groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_indices, check_shape, check_tensor
from meshanim.mesh import conversion
from meshanim.mesh.topology import Topology


def _triangulate(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Split (F, 4) polygons (last column -1: triangle) into triangles and the polygon each came from."""
    count = faces.shape[0]
    quad = faces[:, 3] >= 0
    first, second = faces[:, :3], faces[quad][:, [0, 2, 3]]
    source = torch.cat([torch.arange(count), torch.arange(count)[quad]])
    order = torch.argsort(source, stable=True)
    return torch.cat([first, second])[order], source[order]


def _check_whole(name: str, indices: Tensor) -> None:
    if indices.is_floating_point() or indices.dtype == torch.bool:
        raise InputError(f"{name} must hold integers, got {indices.dtype}")


def _as_triangles(name: str, faces: Tensor) -> Tensor:
    if faces.ndim != 2 or faces.shape[1] not in (3, 4):
        raise InputError(f"{name} must have shape (F, 3) or (F, 4), got {tuple(faces.shape)}")
    _check_whole(name, faces)
    faces = faces.to(torch.int64)
    return faces if faces.shape[1] == 3 else _triangulate(faces)[0]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangle mesh; immutable, compared by identity.

    Args:
        vertices: (V, 3) positions in metres, Y up, the face looking along +Z; float32 or float64.
        faces: (F, 3) vertex indices, counter-clockwise; quads as (F, 4), where a triangle among them
            has -1 in its last column, are split along their 0-2 diagonal.
        uv: (U, 2) texture coordinates, origin bottom left.
        uv_faces: (F, 3) or (F, 4) indices into ``uv``, corner by corner as ``faces``.
        landmarks: name to vertex index.
        groups: name to (N,) vertex indices; a vertex may be in several groups.

    Raises:
        InputError: no vertices, a wrong shape, a value that is not finite, an index out of range.
    """

    vertices: Tensor
    faces: Tensor
    uv: Tensor | None = None
    uv_faces: Tensor | None = None
    landmarks: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vertices = torch.as_tensor(self.vertices)
        if not vertices.is_floating_point():
            vertices = vertices.to(torch.float32)
        check_shape("vertices", vertices, (None, 3))
        if vertices.shape[0] == 0:
            raise InputError("vertices must hold at least one vertex, got an empty mesh")
        check_finite("vertices", vertices)
        faces = _as_triangles("faces", torch.as_tensor(self.faces))
        check_indices("faces", faces, vertices.shape[0])
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        if (self.uv is None) != (self.uv_faces is None):
            raise InputError("uv and uv_faces must come together, got only one of them")
        if self.uv is not None and self.uv_faces is not None:
            self._set_uv(torch.as_tensor(self.uv), torch.as_tensor(self.uv_faces))
        for name, index in self.landmarks.items():
            check_indices(f"landmark {name}", torch.tensor([index]), vertices.shape[0])
        for name, indices in self.groups.items():
            check_tensor(f"group {name}", indices)
            check_shape(f"group {name}", indices, (None,))
            _check_whole(f"group {name}", indices)
            check_indices(f"group {name}", indices, vertices.shape[0])

    def _set_uv(self, uv: Tensor, uv_faces: Tensor) -> None:
        check_shape("uv", uv, (None, 2))
        check_finite("uv", uv)
        uv_faces = _as_triangles("uv_faces", uv_faces)
        check_shape("uv_faces", uv_faces, (self.faces.shape[0], 3))
        check_indices("uv_faces", uv_faces, uv.shape[0])
        object.__setattr__(self, "uv", uv)
        object.__setattr__(self, "uv_faces", uv_faces)

    def __repr__(self) -> str:
        extras = [f"uv={len(self.uv)}"] if self.uv is not None else []
        extras += [f"landmarks={len(self.landmarks)}"] if self.landmarks else []
        extras += [f"groups={len(self.groups)}"] if self.groups else []
        return f"Mesh({', '.join([f'vertices={len(self.vertices)}', f'faces={len(self.faces)}', *extras])})"

    def with_vertices(self, vertices: Tensor) -> Mesh:
        """The same topology, landmarks and groups over other (V, 3) positions."""
        check_shape("vertices", vertices, tuple(self.vertices.shape))
        moved = replace(self, vertices=vertices)
        if "topology" in self.__dict__:
            moved.__dict__["topology"] = self.topology
        return moved

    @cached_property
    def topology(self) -> Topology:
        """Neighbourhoods, boundaries, components and faults; computed once."""
        return Topology(self.faces, len(self.vertices))

    def to_trimesh(self) -> Any:
        """A ``trimesh.Trimesh``; texture coordinates go along where they have no seams."""
        return conversion.to_trimesh(self)

    @classmethod
    def from_trimesh(cls, other: Any) -> Mesh:
        """From a ``trimesh.Trimesh``: positions, faces, texture coordinates."""
        vertices, faces, uv = conversion.from_trimesh(other)
        return cls(vertices, faces, uv, faces if uv is not None else None)

    def to_pyg(self) -> Any:
        """A ``torch_geometric.data.Data`` with ``pos``, ``face`` and ``edge_index``.

        Raises:
            MissingExtra: torch-geometric is not installed.
        """
        return conversion.to_pyg(self)

    @classmethod
    def from_pyg(cls, data: Any) -> Mesh:
        """From a ``torch_geometric.data.Data`` with ``pos`` and ``face``."""
        return cls(*conversion.from_pyg(data))

    def to_openmesh(self) -> Any:
        """An ``openmesh.TriMesh``.

        Raises:
            MissingExtra: openmesh is not installed.
            InputError: the mesh is not an oriented manifold.
        """
        return conversion.to_openmesh(self)

    @classmethod
    def from_openmesh(cls, other: Any) -> Mesh:
        """From an ``openmesh.TriMesh``: positions and faces."""
        return cls(*conversion.from_openmesh(other))

    def to_pytorch3d(self) -> Any:
        """A ``pytorch3d.structures.Meshes`` of this mesh alone, differentiable in its vertices.

        Raises:
            MissingExtra: PyTorch3D is not installed.
        """
        return conversion.to_pytorch3d(self)

    @classmethod
    def from_pytorch3d(cls, other: Any) -> Mesh:
        """From a ``pytorch3d.structures.Meshes`` that holds one mesh: positions and faces."""
        return cls(*conversion.from_pytorch3d(other))
