"""A user's own mesh, of a topology that a face model knows, made to perform."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces.carrying import Carrier
from meshanim.faces.face_model import FaceModel, Joint
from meshanim.faces.lid_carrying import LidCarrier
from meshanim.mesh import Mesh

_SIZE_LIMIT = 4.0
"""How many times larger or smaller than the model a head may be before its unit is taken to be another."""


class MeshFace(FaceModel):
    """The model ``face`` with the shape of ``mesh``: one identity, to which units and joints are carried.

    Made by :func:`face_from_mesh`, which checks what comes.
    """

    def __init__(self, mesh: Mesh, face: FaceModel) -> None:
        carrier = Carrier(face.neutral, face.joints())
        maps = carrier.maps(mesh.vertices)
        units = torch.einsum("vij,kvj->kvi", maps, face.units)
        lids = LidCarrier(face.neutral, face.units, face.weight_names)
        if lids.columns:
            units[lids.columns] += lids.corrections(mesh.vertices, maps)
        textured = mesh if mesh.uv is not None else face.neutral
        neutral = Mesh(
            mesh.vertices,
            textured.faces,
            textured.uv,
            textured.uv_faces,
            landmarks=face.neutral.landmarks,
            groups=face.neutral.groups,
        )
        self._joints, self._mapping = carrier.joints(mesh.vertices), face.arkit_mapping
        super().__init__(face.name, neutral, units, face.weight_names, ())

    def rest(self, identity: Tensor | None = None) -> Tensor:
        """The mesh's vertices (..., V, 3), for as many identities (..., 0) as are asked for."""
        if identity is None:
            return self.neutral.vertices
        identity = self._checked(identity, batched=True)
        return self.neutral.vertices.to(identity).expand(*identity.shape[:-1], -1, -1)

    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        """(count, 0): there is one identity only."""
        return torch.zeros(count, 0, dtype=torch.float32)

    def joints(self, identity: Tensor | None = None) -> Mapping[str, Joint]:
        """The model's joints, carried to the mesh."""
        if identity is None:
            return dict(self._joints)
        kind = self._checked(identity)
        return {
            name: joint._replace(position=joint.position.to(kind), axis=joint.axis.to(kind))
            for name, joint in self._joints.items()
        }

    @property
    def arkit_mapping(self) -> Tensor:
        """(52, K) the model's."""
        return self._mapping


def face_from_mesh(mesh: Mesh, face: FaceModel) -> FaceModel:
    """A face that looks like ``mesh`` and moves like ``face``.

    Units are carried by the local deformation gradient from the model's mean face to the mesh (Sumner and
    Popovic 2004), teeth, tongue and eyeballs each as one body; groups and landmarks are the model's, texture
    coordinates the mesh's where it has any.

    Args:
        mesh: of the model's topology, vertices in its order; quads may be split along either diagonal.
        face: the model.

    Raises:
        InputError: another topology, or a unit of length that is not the metre.
    """
    known = face.neutral
    mesh = mesh.with_vertices(mesh.vertices.to(known.vertices))
    came = f"{len(mesh.vertices)} vertices and {len(mesh.faces)} triangles"
    wanted = f"{len(known.vertices)} vertices and {len(known.faces)} triangles"
    if len(mesh.vertices) != len(known.vertices) or len(mesh.faces) != len(known.faces):
        raise InputError(f"mesh must have the topology of {face.name}, {wanted}, got {came}")
    strange = _strange_edges(mesh, known)
    if strange:
        raise InputError(
            f"mesh must join the vertices of {face.name} in their order, {wanted}, "
            f"got {came} with {strange} edges that join others"
        )
    size = float((_extent(mesh) / _extent(known)).mean())
    if not 1 / _SIZE_LIMIT < size < _SIZE_LIMIT:
        raise InputError(
            f"mesh must be in metres, about {float(_extent(known)):.2f} across as {face.name}, "
            f"got {float(_extent(mesh)):.3g} across"
        )
    return MeshFace(mesh, face)


def _extent(mesh: Mesh) -> Tensor:
    """Length () of the bounding box's diagonal."""
    vertices = mesh.vertices.detach()
    return (vertices.amax(dim=0) - vertices.amin(dim=0)).norm()


def _edge_keys(first: Tensor, second: Tensor, count: int) -> Tensor:
    """One number for each undirected edge."""
    return torch.minimum(first, second) * count + torch.maximum(first, second)


def _strange_edges(mesh: Mesh, known: Mesh) -> int:
    """How many edges of ``mesh`` are neither edges of ``known`` nor other diagonals of two of its faces."""
    count = len(known.vertices)
    faces = known.faces
    keys = torch.cat([_edge_keys(faces[:, i], faces[:, (i + 1) % 3], count) for i in range(3)])
    facing = torch.cat([faces[:, (i + 2) % 3] for i in range(3)])
    keys, order = keys.sort()
    facing = facing[order]
    shared = keys[1:] == keys[:-1]
    diagonals = _edge_keys(facing[1:][shared], facing[:-1][shared], count)
    own = torch.cat(
        [_edge_keys(mesh.faces[:, i], mesh.faces[:, (i + 1) % 3], count) for i in range(3)]
    ).unique()
    return int((~torch.isin(own, torch.cat([keys, diagonals]))).sum())
