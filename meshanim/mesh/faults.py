"""What is wrong with a mesh, found and named."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim.mesh.geometry import face_areas
from meshanim.mesh.mesh import Mesh

# A triangle is without area where its height is less than this part of its longest side.
_FLAT = 1e-6
_EXAMPLES = 3


@dataclass(frozen=True)
class Fault:
    """One kind of fault: what it is, why it matters, and where.

    Attributes:
        name: the kind, as ``"non-manifold edges"``.
        effect: what follows from it, for a person.
        where: (N,) indices of faces or vertices, or (N, 2) edges.
    """

    name: str
    effect: str
    where: Tensor

    def __str__(self) -> str:
        shown = ", ".join(str(place) for place in self.where[:_EXAMPLES].tolist())
        more = ", ..." if len(self.where) > _EXAMPLES else ""
        return f"{len(self.where)} {self.name} ({shown}{more}): {self.effect}"


@dataclass(frozen=True)
class MeshReport:
    """Counts of a mesh and its faults; ``lines()`` reads as text.

    Attributes:
        vertices, faces, edges, components, boundary_loops, boundary_edges, euler_characteristic: counts.
        size: (3,) extent along X, Y and Z in metres.
        faults: those that were found, none if the mesh is a clean oriented manifold.
    """

    vertices: int
    faces: int
    edges: int
    components: int
    boundary_loops: int
    boundary_edges: int
    euler_characteristic: int
    size: tuple[float, float, float]
    faults: tuple[Fault, ...]

    def lines(self) -> list[str]:
        """One readable line for each property and each fault."""
        size = " x ".join(f"{extent:.4g}" for extent in self.size)
        lines = [
            f"{self.vertices} vertices, {self.edges} edges, {self.faces} triangles",
            f"{self.components} connected component{'' if self.components == 1 else 's'}, "
            f"Euler characteristic {self.euler_characteristic}",
            f"{self.boundary_loops} boundar{'y' if self.boundary_loops == 1 else 'ies'} "
            f"with {self.boundary_edges} edges",
            f"size {size} m",
        ]
        return lines + [str(fault) for fault in self.faults] + ([] if self.faults else ["no faults found"])


def _flat_faces(mesh: Mesh) -> Tensor:
    sides = mesh.vertices[mesh.faces] - mesh.vertices[mesh.faces.roll(1, dims=1)]
    longest = sides.square().sum(-1).amax(-1)
    flat = 2 * face_areas(mesh.vertices, mesh.faces) <= _FLAT * longest
    flat[mesh.topology.degenerate_faces] = False
    return flat.nonzero().flatten()


def _coincident_vertices(mesh: Mesh) -> Tensor:
    _, place, count = torch.unique(mesh.vertices, dim=0, return_inverse=True, return_counts=True)
    return (count[place] > 1).nonzero().flatten()


def find_faults(mesh: Mesh) -> tuple[Fault, ...]:
    """All faults of a mesh, each kind once; empty for a clean oriented manifold.

    Coincident vertices and isolated vertices are named too: nothing breaks, but a mesh that was cut along
    its texture seams falls into pieces there, which is seldom meant.
    """
    topology = mesh.topology
    found = [
        Fault("faces that name a vertex twice", "they are left out", topology.degenerate_faces),
        Fault("faces without area", "they have no normal", _flat_faces(mesh)),
        Fault("duplicate faces", "all but the first are left out", topology.duplicate_faces),
        Fault("non-manifold edges", "more than two faces meet there", topology.non_manifold_edges),
        Fault("non-manifold vertices", "separate fans of faces meet there", topology.non_manifold_vertices),
        Fault("inconsistent edges", "one of their faces is inside out", topology.inconsistent_edges),
        Fault("isolated vertices", "no face uses them", topology.isolated_vertices),
        Fault("coincident vertices", "the mesh may be cut along texture seams", _coincident_vertices(mesh)),
    ]  # fmt: skip
    return tuple(fault for fault in found if len(fault.where))


def mesh_report(mesh: Mesh) -> MeshReport:
    """Counts, size and faults of a mesh."""
    topology = mesh.topology
    x, y, z = (mesh.vertices.amax(0) - mesh.vertices.amin(0)).tolist()
    return MeshReport(
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        edges=len(topology.edges),
        components=topology.component_count,
        boundary_loops=topology.boundary_loops,
        boundary_edges=len(topology.boundary_edges),
        euler_characteristic=topology.euler_characteristic,
        size=(x, y, z),
        faults=find_faults(mesh),
    )
