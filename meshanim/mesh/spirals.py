"""Spiral sequences: an order for the neighbourhood of every vertex that is the same in every shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from meshanim._check import InputError, check_count, check_indices
from meshanim.mesh.mesh import Mesh
from meshanim.ops import spiral_order, surface_distance
from meshanim.ops.arrays import IntArray, cross, norm

# Two distances that differ by less than this part of their component's size count as equal: rounding of
# float32 positions is a hundredth of it, so that turning or moving the mesh cannot turn a spiral.
_TIE = 1e-5


def _lowest_index(candidate: IntArray, label: IntArray, count: int) -> IntArray:
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, label[candidate], candidate)
    return lowest


def reference_vertices(mesh: Mesh) -> Tensor:
    """One vertex for each connected component, (C,): the one nearest to the component's centre of area.

    Of several that are equally near (to 1e-5 of the component's radius) it is the one of lowest index.
    The choice depends on shape alone, not on position or orientation.
    """
    points = mesh.vertices.detach().cpu().double().numpy()
    faces = mesh.faces.cpu().numpy()
    corner = points[faces[:, 0]]
    area = norm(cross(points[faces[:, 1]] - corner, points[faces[:, 2]] - corner))
    weight = np.bincount(faces.reshape(-1), area.repeat(3), minlength=len(points))
    weight = weight + (np.finfo(np.float64).tiny + 1e-9 * weight.max())  # without area, a centre all the same
    label, count = mesh.topology.components.numpy(), mesh.topology.component_count
    total = np.bincount(label, weight, minlength=count)
    centre = [np.bincount(label, weight * axis, minlength=count) / total for axis in points.T]
    distance = norm(points - np.stack(centre, axis=1)[label])
    nearest, farthest = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(nearest, label, distance)
    np.maximum.at(farthest, label, distance)
    near = distance <= (nearest + _TIE * farthest)[label]
    return torch.from_numpy(_lowest_index(np.flatnonzero(near), label, count))


def _sources(mesh: Mesh, references: Sequence[int] | Tensor | None) -> IntArray:
    """The references that were given, and the rule's for the components that have none."""
    chosen = reference_vertices(mesh).numpy()
    if references is None:
        return chosen
    vertices = torch.as_tensor(references).flatten()
    if vertices.numel() and (vertices.is_floating_point() or vertices.dtype == torch.bool):
        raise InputError(f"references must hold vertex indices, got {vertices.dtype}")
    check_indices("references", vertices, len(mesh.vertices))
    given = vertices.cpu().numpy().astype(np.int64)
    label = mesh.topology.components.numpy()
    return np.concatenate([given, chosen[~np.isin(label[chosen], label[given])]])


def spiral_sequences(
    mesh: Mesh, length: int = 9, dilation: int = 1, references: Sequence[int] | Tensor | None = None
) -> Tensor:
    r"""The vertices around each vertex along a spiral.

    The spiral of v is v, its one-ring, its two-ring, ... (eqs 1 and 2):

    .. math::
        S(v, k) = \{ring^{(0)}(v), ring^{(1)}(v), \dots, ring^{(k)}(v)\}

    each ring counter-clockwise seen from outside. The one-ring begins at the neighbour that is nearest,
    along the surface, to the reference vertex of the connected component (equally near: lowest index);
    every further ring goes on where the one before ends. The sequence is cut to ``length``, or padded
    with -1 where the component has no more vertices. At a boundary the ring is an open fan; the spiral
    runs to its end and goes on at its beginning.

    Bouritsas et al., "Neural 3D Morphable Models: Spiral Convolutional Networks for 3D Shape
    Representation Learning and Generation", ICCV 2019; dilation from Gong et al., "SpiralNet++: A Fast
    and Highly Efficient Mesh Convolution Operator", ICCV Workshops 2019.

    Args:
        mesh: V vertices.
        length: L, the centre counted.
        dilation: take every so manieth vertex of a spiral of ``length * dilation``.
        references: vertex indices to use instead of ``reference_vertices`` in the components they lie in.

    Returns:
        (V, L) int64, the vertex itself first, -1 = none.

    Raises:
        InputError: length or dilation below one or no whole number, a reference out of range.
    """
    check_count("length", length)
    check_count("dilation", dilation)
    topology, points = mesh.topology, mesh.vertices.detach().cpu().double().numpy()
    distance = surface_distance(points, topology.usable_faces.numpy(), _sources(mesh, references))
    label = topology.components.numpy()
    size = np.zeros(topology.component_count)
    np.maximum.at(size, label, distance)
    rings = topology.neighbour_offsets.numpy(), topology.neighbours.numpy()
    spirals = spiral_order(*rings, distance, _TIE * size[label], length, dilation)
    return torch.from_numpy(spirals)
