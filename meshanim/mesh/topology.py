"""What lies next to what: edges, neighbours, one-rings, boundaries, components and the faults among them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from meshanim.ops import HalfEdges, half_edges, one_rings
from meshanim.ops.arrays import IntArray


def unusable_faces(faces: IntArray) -> tuple[IntArray, IntArray]:
    """Indices of the faces that name a vertex twice, and of those that repeat an earlier face.

    A repeat has the same three vertices in the same cyclic order. Neither kind takes part in topology.
    """
    one, two, three = faces.T
    degenerate = (one == two) | (two == three) | (three == one)
    span = int(faces.max(initial=0)) + 1
    # a repeat repeats each of its half-edges, and few meshes have any
    ahead = np.sort(np.concatenate([one * span + two, two * span + three, three * span + one]))
    repeated = np.zeros(len(faces), dtype=bool)
    if (ahead[1:] == ahead[:-1]).any():
        first = np.argmin(faces, axis=1)
        turned = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
        order = np.lexsort(turned.T[::-1])
        repeated[order[1:]] = (turned[order[1:]] == turned[order[:-1]]).all(axis=1)
    return np.flatnonzero(degenerate), np.flatnonzero(repeated & ~degenerate)


def connected_labels(pairs: IntArray, count: int) -> IntArray:
    """(count,) label of the connected component of each node; components are numbered by lowest node.

    Every round each root hooks onto the lowest root next to it, and paths are shortened to their roots.
    """
    label = np.arange(count)
    while True:
        one, other = label[pairs[:, 0]], label[pairs[:, 1]]
        apart = one != other
        if not apart.any():
            return np.unique(label, return_inverse=True)[1].astype(np.int64)
        pairs, one, other = pairs[apart], one[apart], other[apart]
        np.minimum.at(label, np.maximum(one, other), np.minimum(one, other))
        shorter = label[label]
        while not np.array_equal(shorter, label):
            label, shorter = shorter, shorter[shorter]


def pad_rows(offsets: IntArray, values: IntArray) -> IntArray:
    """Rows of a CSR structure as one (rows, longest) array, -1 where a row ends."""
    length = np.diff(offsets)
    column = np.arange(int(length.max()) if len(length) else 0)
    padded = np.full((len(length), len(column)), -1, dtype=np.int64)
    padded[column < length[:, None]] = values
    return padded


class Topology:
    """Neighbourhoods of a triangle mesh; positions play no part. Computed once, when first asked for.

    Faces that name a vertex twice (``degenerate_faces``) and faces that repeat an earlier one
    (``duplicate_faces``) are reported and otherwise left out.

    Args:
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        vertex_count: V.
    """

    def __init__(self, faces: Tensor, vertex_count: int) -> None:
        self.vertex_count = vertex_count
        # A copy: a tensor that goes to a worker process moves, and an array over it would stay behind.
        self._faces = faces.detach().cpu().numpy().copy()

    def __repr__(self) -> str:
        return f"Topology(vertices={self.vertex_count}, faces={len(self._faces)})"

    @cached_property
    def _left_out(self) -> tuple[IntArray, IntArray]:
        return unusable_faces(self._faces)

    @cached_property
    def _half_edges(self) -> HalfEdges:
        left_out = np.concatenate(self._left_out)
        used = np.delete(self._faces, left_out, axis=0) if len(left_out) else self._faces
        return half_edges(used, self.vertex_count)

    @cached_property
    def _neighbours(self) -> tuple[IntArray, IntArray, IntArray]:
        return one_rings(self._half_edges, self.vertex_count)

    @property
    def usable_faces(self) -> Tensor:
        """(F', 3) the faces that take part: neither degenerate nor duplicate."""
        return torch.from_numpy(self._half_edges.origin.reshape(-1, 3))

    @property
    def edges(self) -> Tensor:
        """(E, 2) undirected edges, lower index first, sorted."""
        return torch.from_numpy(self._half_edges.edges)

    @property
    def half_edges(self) -> Tensor:
        """(H, 2) origin and target of every half-edge; three follow each other per usable face."""
        return torch.from_numpy(np.stack([self._half_edges.origin, self._half_edges.target], axis=1))

    @property
    def twins(self) -> Tensor:
        """(H,) index of the opposite half-edge, -1 at boundaries and along faulty edges."""
        return torch.from_numpy(self._half_edges.twin)

    @property
    def edge_face_count(self) -> Tensor:
        """(E,) number of faces at each edge: 1 at a boundary, more than 2 where non-manifold."""
        return torch.from_numpy(self._half_edges.face_count)

    @property
    def neighbour_offsets(self) -> Tensor:
        """(V + 1,) where each vertex's neighbours begin in ``neighbours``."""
        return torch.from_numpy(self._neighbours[0])

    @property
    def neighbours(self) -> Tensor:
        """(2 E,) neighbours of vertex 0, then of vertex 1, ..., each run ordered as in ``one_rings``."""
        return torch.from_numpy(self._neighbours[1])

    @property
    def degrees(self) -> Tensor:
        """(V,) number of neighbours."""
        return torch.from_numpy(np.diff(self._neighbours[0]))

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def one_rings(self) -> Tensor:
        """(V, largest degree) neighbours counter-clockwise seen from outside, -1 where a ring ends.

        An open ring begins at its boundary so that the fan is complete, a closed one at its lowest index.
        At a non-manifold vertex one fan follows the other.
        """
        return torch.from_numpy(pad_rows(*self._neighbours[:2]))

    @property
    def boundary_edges(self) -> Tensor:
        """(B, 2) edges with one face, in the direction in which that face runs along them."""
        half_edges = self._half_edges
        alone = half_edges.face_count[half_edges.edge] == 1
        return torch.from_numpy(np.stack([half_edges.origin[alone], half_edges.target[alone]], axis=1))

    @property
    def boundary_vertices(self) -> Tensor:
        """Sorted indices of the vertices on a boundary edge."""
        return torch.unique(self.boundary_edges)

    @cached_property
    def boundary_loops(self) -> int:
        """Number of separate boundaries (two that touch in a vertex count as one)."""
        vertices, edges = torch.unique(self.boundary_edges, return_inverse=True)
        return int(connected_labels(edges.numpy(), len(vertices)).max(initial=-1)) + 1

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def components(self) -> Tensor:
        """(V,) label of the connected component of each vertex, numbered by lowest vertex."""
        return torch.from_numpy(connected_labels(self._half_edges.edges, self.vertex_count))

    @property
    def component_count(self) -> int:
        """Number of connected components; an isolated vertex is one."""
        return int(self.components.max()) + 1

    @property
    def isolated_vertices(self) -> Tensor:
        """Indices of the vertices without a neighbour."""
        return torch.from_numpy(np.flatnonzero(np.diff(self._neighbours[0]) == 0))

    @property
    def euler_characteristic(self) -> int:
        """Vertices - edges + faces, isolated vertices and left out faces not counted."""
        used = self.vertex_count - len(self.isolated_vertices)
        return used - len(self._half_edges.edges) + len(self._half_edges.origin) // 3

    @property
    def degenerate_faces(self) -> Tensor:
        """Indices of the faces that name a vertex twice."""
        return torch.from_numpy(self._left_out[0])

    @property
    def duplicate_faces(self) -> Tensor:
        """Indices of the faces that repeat an earlier face, corner by corner."""
        return torch.from_numpy(self._left_out[1])

    @property
    def non_manifold_edges(self) -> Tensor:
        """(N, 2) edges with more than two faces."""
        return self.edges[self.edge_face_count > 2]

    @property
    def inconsistent_edges(self) -> Tensor:
        """(N, 2) edges whose two faces run along them the same way: one of them is turned inside out."""
        return self.edges[torch.from_numpy(self._half_edges.inconsistent)]

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def non_manifold_vertices(self) -> Tensor:
        """Sorted indices of the vertices whose faces do not form one fan, whichever way these are turned."""
        half_edges = self._half_edges
        if not (self._neighbours[2] > 1).any():
            return torch.empty(0, dtype=torch.int64)
        count = len(half_edges.origin)
        corner = np.arange(count)
        at = np.concatenate([half_edges.origin, half_edges.target])
        edge = np.concatenate([half_edges.edge, half_edges.edge])
        corner = np.concatenate([corner, corner - corner % 3 + (corner + 1) % 3])
        order = np.lexsort((edge, at))
        same = (np.diff(at[order]) == 0) & (np.diff(edge[order]) == 0)
        links = np.stack([corner[order[:-1][same]], corner[order[1:][same]]], axis=1)
        fan = connected_labels(links, count)
        owner = half_edges.origin[np.unique(fan, return_index=True)[1]]
        several = np.flatnonzero(np.bincount(owner, minlength=self.vertex_count) > 1)
        return torch.unique(torch.cat([torch.from_numpy(several), self.non_manifold_edges.flatten()]))
