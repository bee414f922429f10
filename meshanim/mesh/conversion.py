"""Meshes of other libraries, and back. Vertices and faces keep their order; nothing is merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from meshanim._check import InputError, MissingExtra

if TYPE_CHECKING:
    from meshanim.mesh.mesh import Mesh


def to_trimesh(mesh: Mesh) -> Any:
    """A ``trimesh.Trimesh`` (with ``process=False``); texture coordinates only where they have no seams.

    trimesh holds one texture coordinate for each vertex, so a mesh with seams goes without.
    """
    import trimesh  # a second to import, only needed here

    visual = None
    if mesh.uv is not None and mesh.uv_faces is not None and torch.equal(mesh.uv_faces, mesh.faces):
        visual = trimesh.visual.TextureVisuals(uv=mesh.uv.detach().cpu().numpy())
    vertices = mesh.vertices.detach().cpu().numpy()
    return trimesh.Trimesh(vertices, mesh.faces.cpu().numpy(), visual=visual, process=False)


def from_trimesh(other: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Vertices, faces and, where it has them, texture coordinates of a ``trimesh.Trimesh``."""
    vertices = torch.tensor(np.asarray(other.vertices), dtype=torch.float32)
    faces = torch.tensor(np.asarray(other.faces), dtype=torch.int64)
    uv = getattr(other.visual, "uv", None)
    fits = uv is not None and len(uv) == len(vertices)
    return vertices, faces, torch.tensor(np.asarray(uv), dtype=torch.float32) if fits else None


def to_pyg(mesh: Mesh) -> Any:
    """A ``torch_geometric.data.Data``: ``pos`` (V, 3), ``face`` (3, F), ``edge_index`` (2, 2 E)."""
    try:
        from torch_geometric.data import Data
    except ImportError as error:
        raise MissingExtra("torch-geometric", "geometric") from error
    edges = mesh.topology.edges.T
    both_ways = torch.cat([edges, edges.flip(0)], dim=1)
    order = torch.argsort(both_ways[0] * len(mesh.vertices) + both_ways[1])
    return Data(pos=mesh.vertices, face=mesh.faces.T.contiguous(), edge_index=both_ways[:, order])


def from_pyg(data: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and faces of a ``torch_geometric.data.Data`` with ``pos`` and ``face``.

    Raises:
        InputError: one of them is missing.
    """
    lacking = [name for name in ("pos", "face") if getattr(data, name, None) is None]
    if lacking:
        raise InputError(f"data must have pos and face, but it has no {' and no '.join(lacking)}")
    return data.pos, data.face.T.contiguous()


def _openmesh() -> Any:
    try:
        import openmesh
    except ImportError as error:
        raise MissingExtra("openmesh", "openmesh") from error
    return openmesh


def to_openmesh(mesh: Mesh) -> Any:
    """An ``openmesh.TriMesh``.

    Raises:
        InputError: the mesh is not an oriented manifold: OpenMesh would leave out faces.
    """
    openmesh = _openmesh()
    topology = mesh.topology
    faults = {
        "non-manifold edges": topology.non_manifold_edges,
        "inconsistent edges": topology.inconsistent_edges,
        "degenerate faces": topology.degenerate_faces,
        "duplicate faces": topology.duplicate_faces,
    }
    found = [f"{len(where)} {name}" for name, where in faults.items() if len(where)]
    if found:
        raise InputError(f"a mesh for OpenMesh must be an oriented manifold, got {', '.join(found)}")
    vertices = mesh.vertices.detach().cpu().double().numpy()
    return openmesh.TriMesh(vertices, mesh.faces.cpu().numpy())


def from_openmesh(other: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and faces of an ``openmesh.TriMesh``."""
    vertices = torch.tensor(other.points(), dtype=torch.float32)
    return vertices, torch.tensor(other.face_vertex_indices(), dtype=torch.int64).reshape(-1, 3)


def to_pytorch3d(mesh: Mesh) -> Any:
    """A ``pytorch3d.structures.Meshes`` of one mesh; gradients go through the vertices."""
    try:
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise MissingExtra("pytorch3d", "pytorch3d") from error
    return Meshes(verts=[mesh.vertices], faces=[mesh.faces])


def from_pytorch3d(other: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and faces of a ``pytorch3d.structures.Meshes`` of one mesh.

    Raises:
        InputError: it holds none or several.
    """
    if len(other) != 1:
        raise InputError(f"other must hold one mesh, got {len(other)}")
    return other.verts_list()[0], other.faces_list()[0]
