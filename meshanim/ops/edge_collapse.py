"""Fewer vertices, the same surface: edges collapsed onto one of their ends in order of the quadric error."""

from __future__ import annotations

import numpy as np

from meshanim._check import check_indices, check_shape
from meshanim.ops._collapse import Neighbourhood, first_of_each, independent, keeps_manifold, keeps_sides
from meshanim.ops._library import CollapseRules, address, check_result, cpu_library
from meshanim.ops._quadrics import quadric_error, quadric_weight, vertex_quadrics
from meshanim.ops.arrays import BoolArray, FloatArray, IntArray, dot, starts

# One round looks at the cheapest edges, this many for each vertex: with less the result is no nearer to
# collapsing one edge at a time (mean distance on the ICT face 0.099 mm either way), with 2 it is 0.113 mm.
_ROUND = 0.25
# Weight of edge length beside the distance to the planes. It keeps triangles round and, where lips touch
# and all planes are alike, vertices on their own lip: against 1e-3 the ICT face's 57 expressions, carried
# down and up by a factor of 5, lose a quarter less, and the neutral face a fifth more (0.25 mm on average).
_LENGTH = 1e-2
# A boundary edge counts as a face across it, of its length squared times this: outlines of eyes and lips
# hold their shape before the skin does.
_BOUNDARY = 10.0
# A face may turn by 80 degrees in one collapse: thin ones do without harm, a fold turns farther.
_TURN = 0.17
# A face whose height is less than this part of its longest side counts as a line.
_FLAT = 1e-3


def edge_collapse(
    points: FloatArray,
    faces: IntArray,
    component: IntArray,
    room: IntArray,
    frozen: BoolArray,
    surplus: int,
) -> IntArray:
    """Merge vertices into neighbours, those first that the surface misses least.

    Edges are collapsed onto one of their ends in order of the quadric error (Garland and Heckbert,
    "Surface Simplification Using Quadric Error Metrics", SIGGRAPH 1997), in rounds: each looks at the
    cheapest edges and collapses those that do not meddle with each other. No face turns over, a boundary
    vertex goes along its boundary, and both ends of an edge share as many neighbours as it has faces, so
    that the surface keeps its kind.

    Args:
        points: (V, 3) positions, best near the origin.
        faces: (F, 3) vertex indices, none twice in a face.
        component: (V,) the connected component of each vertex.
        room: (C,) how many vertices each component can lose.
        frozen: (V,) True where a vertex must stay.
        surplus: how many vertices to lose in all.

    Returns:
        (V,) the vertex that each was merged into in the end; its own for one that stays.

    Raises:
        InputError: an index out of range, or arrays that do not fit together.
    """
    check_shape("points", points, (None, 3))
    check_shape("faces", faces, (None, 3))
    for name, value in (("component", component), ("frozen", frozen)):
        check_shape(name, value, (len(points),))
    check_indices("faces", faces, len(points))
    check_indices("component", component, len(room))
    library = cpu_library()
    if library is None:
        return edge_collapse_reference(points, faces, component, room, frozen, surplus)
    points, frozen = np.ascontiguousarray(points, np.float64), np.ascontiguousarray(frozen, np.bool_)
    faces, component, room = (np.ascontiguousarray(array, np.int64) for array in (faces, component, room))
    merged_into = np.empty(len(points), dtype=np.int64)
    surface = (address(points), len(points), address(faces), faces.size)
    limits = (address(component), address(room), len(room), address(frozen), surplus)
    rules = CollapseRules(_ROUND, _LENGTH, _BOUNDARY, _TURN, _FLAT)
    check_result(library.meshanim_edge_collapse(*surface, *limits, rules, address(merged_into)))
    return merged_into


def edge_collapse_reference(
    points: FloatArray,
    faces: IntArray,
    component: IntArray,
    room: IntArray,
    frozen: BoolArray,
    surplus: int,
) -> IntArray:
    """The same as :func:`edge_collapse`, a round at once."""
    state = _Collapsing(points, faces, component, room, frozen, surplus)
    state.run()
    into = state.merged_into
    while not np.array_equal(into, into[into]):
        into = into[into]
    return into


def _first_of_label(limit: IntArray, label: IntArray) -> IntArray:
    """Places of the first ``limit[label]`` of each label, in the order given."""
    order = np.argsort(label, kind="stable")
    count = np.bincount(label, minlength=len(limit))
    place = np.empty_like(order)
    place[order] = np.arange(len(label)) - np.repeat(starts(count), count)
    return np.flatnonzero(place < limit[label])


class _Collapsing:
    """A mesh on its way to fewer vertices, which keep their numbers."""

    def __init__(
        self,
        points: FloatArray,
        faces: IntArray,
        component: IntArray,
        room: IntArray,
        frozen: BoolArray,
        surplus: int,
    ) -> None:
        self.points, self.faces = points, faces
        self.component, self.room, self.frozen, self.surplus = component, room, frozen, surplus
        self.quadrics = vertex_quadrics(points, faces, _BOUNDARY)
        self.merged_into = np.arange(len(points))
        self.saw_all = False

    def _cheapest(self, hood: Neighbourhood, part: float) -> IntArray:
        """The cheapest directed edges, in order; a boundary vertex goes along its boundary only."""
        origin = hood.origin
        inside = ~hood.boundary[origin] | (hood.face_count[hood.edge] == 1)
        directed = np.flatnonzero(inside & ~self.frozen[origin] & (self.room[self.component[origin]] > 0))
        self.saw_all = not len(directed)
        if self.saw_all:
            return directed
        origin, target = origin[directed], hood.target[directed]
        side = self.points[origin] - self.points[target]
        cost = quadric_error(self.quadrics[origin], self.points[target])
        cost += quadric_error(self.quadrics, self.points)[target]
        cost += _LENGTH * quadric_weight(self.quadrics)[origin] * dot(side, side)
        wanted = min(len(directed), max(1, int(part * np.count_nonzero(hood.degree))))
        self.saw_all = wanted == len(directed)
        cheap = np.flatnonzero(cost <= np.partition(cost, wanted - 1)[wanted - 1])
        return directed[cheap[np.argsort(cost[cheap], kind="stable")]]

    def collapse(self, part: float) -> int:
        """Collapse what can be done together among the cheapest edges; return how many these were."""
        hood = Neighbourhood(self.faces, len(self.points))
        directed = self._cheapest(hood, part)
        directed = directed[keeps_manifold(hood, directed)[0]]
        directed = directed[keeps_sides(hood, directed, self.points, _TURN, _FLAT)]
        directed = directed[first_of_each(hood.origin[directed])]
        directed = independent(hood, directed)
        directed = directed[_first_of_label(self.room, self.component[hood.origin[directed]])]
        directed = directed[: self.surplus]
        origin, target = hood.origin[directed], hood.target[directed]
        self.merged_into[origin] = target
        np.add.at(self.quadrics, target, self.quadrics[origin])
        self.room = self.room - np.bincount(self.component[origin], minlength=len(self.room))
        self.surplus -= len(directed)
        faces = self.merged_into[self.faces]
        self.faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
        return len(directed)

    def run(self) -> None:
        """Go on until the surplus is gone, or not a single edge can be collapsed."""
        part = _ROUND
        while self.surplus > 0 and len(self.faces):
            done = self.collapse(part)
            if not done and self.saw_all:
                return
            part = _ROUND if done else 2 * part
