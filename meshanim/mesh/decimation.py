"""Fewer vertices, the same surface: quadric edge collapse that keeps a subset of the vertices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from meshanim._check import check_count
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.topology import Topology
from meshanim.ops import edge_collapse
from meshanim.ops.arrays import BoolArray, IntArray

# The vertices that each connected component keeps at least: a closed surface needs as many.
FEWEST_VERTICES = 4
# A component keeps at least this part of its proportional share, so that a head does not pay for the four
# vertices of each of its fifty lashes and teeth.
_SHARE = 0.75


class Decimation(NamedTuple):
    """A decimated mesh and where its vertices come from.

    Attributes:
        kept: (V',) sorted indices of the vertices that stay.
        mesh: the coarse mesh: positions and faces only.
        merged_into: (V,) the coarse vertex that each vertex was merged to; its own for one that stays.
    """

    kept: Tensor
    mesh: Mesh
    merged_into: Tensor


def _room(size: IntArray, count: int) -> IntArray:
    """How many of its ``size`` vertices each component can lose, ``count`` being wanted in all."""
    share = np.ceil(size * (_SHARE * min(1.0, count / size.sum()))).astype(np.int64)
    return size - np.maximum(np.minimum(size, FEWEST_VERTICES), share)


def _frozen(topology: Topology) -> BoolArray:
    """True for faulty vertices and their neighbours: around them the link condition alone is no promise."""
    frozen = np.zeros(topology.vertex_count, dtype=bool)
    frozen[topology.non_manifold_vertices.numpy()] = True
    edges = topology.edges.numpy()
    frozen[edges[frozen[edges].any(axis=1)].reshape(-1)] = True
    return frozen


def decimate(mesh: Mesh, count: int) -> Decimation:
    """Take away vertices, those first that the surface misses least, until ``count`` are left.

    Edges are collapsed onto one of their ends in order of the quadric error (Garland and Heckbert,
    "Surface Simplification Using Quadric Error Metrics", SIGGRAPH 1997), in rounds of collapses that do
    not meddle with each other. No face turns over, boundaries stay boundaries, and a manifold stays a
    manifold of the same kind: as many components and holes. Deterministic.

    More than ``count`` vertices are left where the components ask for them, each for four (or all it has)
    and for three quarters of its proportional share, or where every further collapse would break the
    surface. Faces that ``Topology`` leaves out are gone in the coarse mesh.

    Args:
        mesh: V vertices.
        count: how many are wanted; all stay if there are no more.

    Raises:
        InputError: count below one, or no whole number.
    """
    check_count("count", count)
    topology, points = mesh.topology, mesh.vertices.detach().cpu().double().numpy()
    faces, component = topology.usable_faces.numpy(), topology.components.numpy()
    room = _room(np.bincount(component), count)
    near_origin = points - points.mean(axis=0)
    into = edge_collapse(near_origin, faces, component, room, _frozen(topology), len(points) - count)
    kept = np.flatnonzero(into == np.arange(len(into)))
    place = np.full(len(into), -1)
    place[kept] = np.arange(len(kept))
    vertices = mesh.vertices.detach().cpu()[torch.from_numpy(kept)]
    corners = place[into][faces]
    left = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    coarse = Mesh(vertices, torch.from_numpy(corners[left]))
    return Decimation(torch.from_numpy(kept), coarse, torch.from_numpy(place[into]))
