"""The ops that prepare a mesh: the compiled code and the references give the same bits on any surface."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Topology
from meshanim.ops import (
    HalfEdges,
    edge_collapse,
    edge_collapse_reference,
    half_edges,
    half_edges_reference,
    nearest_faces,
    nearest_faces_reference,
    one_rings,
    one_rings_reference,
    spiral_order,
    spiral_order_reference,
    surface_distance,
    surface_distance_reference,
)
from meshanim.ops._library import cpu_library

Surface = tuple[np.ndarray, np.ndarray]
Rings = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
compiled = pytest.mark.skipif(cpu_library() is None, reason="no compiled library in use")


def same(found: tuple, wanted: tuple) -> bool:
    pairs = list(zip(found, wanted, strict=True))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def columns(edges: HalfEdges) -> tuple:
    return tuple(getattr(edges, field.name) for field in fields(edges))


def rings_and_distances(surface: Surface) -> Rings:
    """Arguments for spirals: some distances equal, some infinite, ties of differing width."""
    points, faces = surface
    offsets, neighbours, _ = one_rings_reference(half_edges_reference(faces, len(points)), len(points))
    distance = surface_distance_reference(points, faces, np.array([0]))
    generator = np.random.default_rng(len(points))
    return offsets, neighbours, distance.round(1), generator.choice([0, 1e-5, 0.1], len(points))


def check_coarser(surface: Surface) -> None:
    """Collapse two thirds, some vertices frozen; carry the others to the nearest faces that are left."""
    points, faces = surface
    topology = Topology(torch.from_numpy(faces), len(points))
    component, frozen = topology.components.numpy(), np.arange(len(points)) % 11 == 0
    room = np.maximum(np.bincount(component) - 3, 0)
    arguments = (points, faces, component, room, frozen, 2 * len(points) // 3)
    into = edge_collapse(*arguments)
    assert same((into,), (edge_collapse_reference(*arguments),))
    assert np.array_equal(into[into], into) and np.array_equal(into[frozen], np.flatnonzero(frozen))
    left = into[faces]
    left = left[(left != np.roll(left, 1, axis=1)).all(axis=1)]
    seeks = np.isin(into, left)
    towards = np.random.default_rng(len(points)).normal(size=(len(points) + len(left), 3))
    normals, face_normals = towards[: len(points)], towards[len(points) :]
    walk = (points[seeks], normals[seeks], into[seeks], points, left, face_normals)
    assert same(nearest_faces(*walk), nearest_faces_reference(*walk))


def check(surface: Surface) -> None:
    points, faces = surface
    edges = half_edges(faces, len(points))
    assert same(columns(edges), columns(half_edges_reference(faces, len(points))))
    assert same(one_rings(edges, len(points)), one_rings_reference(edges, len(points)))
    for sources in (np.array([len(points) - 1]), np.arange(0, len(points), 97)):
        arguments = (points, faces, sources)
        assert same((surface_distance(*arguments),), (surface_distance_reference(*arguments),))
    arrays = rings_and_distances(surface)
    for length, dilation in ((1, 1), (9, 1), (30, 1), (5, 3)):
        found = spiral_order(*arrays, length, dilation)
        assert found.shape == (len(points), length)
        assert same((found,), (spiral_order_reference(*arrays, length, dilation),))
    check_coarser(surface)


@compiled
def test_the_references_bits(surfaces: list[Surface]) -> None:
    for surface in surfaces:
        check(surface)


@compiled
def test_the_references_bits_on_the_ict_face(ict_surface: Surface) -> None:
    check(ict_surface)


def test_threads_change_nothing(surfaces: list[Surface]) -> None:
    points, faces = surfaces[-1]
    threads, found = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(spiral_order(*rings_and_distances((points, faces)), 9))
    torch.set_num_threads(threads)
    assert np.array_equal(found[0], found[1])


def test_arrays_with_gaps(surfaces: list[Surface]) -> None:
    points, faces = surfaces[-1]
    apart = np.asfortranarray(points), np.repeat(faces, 2, axis=0)[::2]
    edges = half_edges(apart[1], len(points))
    assert same(columns(edges), columns(half_edges(faces, len(points))))
    source = np.zeros(1, dtype=np.int64)
    assert np.array_equal(surface_distance(*apart, source), surface_distance(points, faces, source))
    arrays = rings_and_distances((points, faces))
    offsets, neighbours, distance, tie = (np.repeat(array, 2)[::2] for array in arrays)
    assert np.array_equal(spiral_order(offsets, neighbours, distance, tie, 9), spiral_order(*arrays, 9))


def test_wrong_arguments_are_named() -> None:
    faces, points = np.array([[0, 1, 2]]), np.eye(3)
    with pytest.raises(InputError, match=r"faces must lie in \[0, 2\)"):
        half_edges(faces, 2)
    with pytest.raises(InputError, match=r"sources must lie in \[0, 3\)"):
        surface_distance(points, faces, np.array([3]))
    component, room, frozen = np.zeros(3, dtype=np.int64), np.array([1]), np.zeros(3, dtype=bool)
    with pytest.raises(InputError, match=r"component must lie in \[0, 1\)"):
        edge_collapse(points, faces, component + 1, room, frozen, 1)
    with pytest.raises(InputError, match=r"frozen must have shape \(3,\), got \(2,\)"):
        edge_collapse(points, faces, component, room, frozen[:2], 1)
    offsets, neighbours, zero = np.array([0, 1, 2]), np.array([1, 0]), np.zeros(2)
    assert spiral_order(offsets, neighbours, zero, zero, 3).tolist() == [[0, 1, -1], [1, 0, -1]]
    for name, wrong in {
        "length and dilation must be at least 1, got 0 and 1": (offsets, neighbours, zero, zero, 0),
        r"tie must have shape \(3,\), got \(2,\)": (offsets, neighbours, np.zeros(3), zero, 3),
        "offsets must rise from 0 to the 2 neighbours": (offsets + 1, neighbours, zero, zero, 3),
        "offsets must rise": (np.array([0, 3, 2]), neighbours, zero, zero, 3),
        r"neighbours must lie in \[0, 2\)": (offsets, np.array([1, 2]), zero, zero, 3),
        "neighbours must be mutual": (np.array([0, 2, 2]), neighbours, zero, zero, 3),
    }.items():
        with pytest.raises(InputError, match=name):
            spiral_order(*wrong)
