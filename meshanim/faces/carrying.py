"""Takes what one face does to others of its topology: joints, and the displacements of its units."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim.faces.face_model import Joint
from meshanim.mesh import Mesh, Similarity, deformation_gradients, face_areas, fit_similarity

SMOOTHNESS = 0.012
"""Metres around a vertex over which its deformation gradient is averaged (one standard deviation)."""
_LED = 0.9
_LEAST = 4
_NEIGHBOURS = 16


class Carrier:
    """Carries joints and displacements from one face to others of its topology.

    Skin takes a displacement by the deformation gradient between the two faces (Sumner and Popovic 2004),
    averaged over 12 mm around each vertex: a unit moves lips by centimetres, and what one small face does
    between two people would tear them. Loose parts that follow a joint (teeth and tongue, eyeballs) take it
    by the similarity of the whole, so that teeth stay in line and eyeballs stay round; the joint itself moves
    by that same map, or where it has no loose part by that of the skin that follows it.

    Args:
        mesh: the source face (V).
        joints: its joints.
    """

    def __init__(self, mesh: Mesh, joints: Mapping[str, Joint]) -> None:
        self._mesh, self._joints = mesh, dict(joints)
        components = mesh.topology.components
        self._loose = components != components.bincount().argmax()
        self._led = {name: self._followers(joint) for name, joint in joints.items()}
        self._smooth = _Smoother(mesh, ~self._loose, SMOOTHNESS)

    def _followers(self, joint: Joint) -> Tensor:
        follows = joint.weights > _LED
        loose = follows & self._loose
        return (loose if int(loose.sum()) >= _LEAST else follows).nonzero().flatten()

    def _motion(self, name: str, vertices: Tensor) -> Similarity:
        led = self._led[name]
        return fit_similarity(self._mesh.vertices[led].to(vertices.device), vertices[..., led, :])

    def joints(self, vertices: Tensor) -> dict[str, Joint]:
        """Joints of the face with vertices (V, 3); one that nothing follows stays where it is."""
        check_shape("vertices", vertices, tuple(self._mesh.vertices.shape))
        found = {}
        for name, joint in self._joints.items():
            position, axis = joint.position.to(vertices), joint.axis.to(vertices)
            if len(self._led[name]) >= _LEAST:
                motion = self._motion(name, vertices)
                position, axis = motion.point(position), motion.direction(axis)
            found[name] = joint._replace(position=position, axis=axis)
        return found

    def maps(self, vertices: Tensor) -> Tensor:
        """Linear maps (..., V, 3, 3) that carry displacements to the faces with vertices (..., V, 3)."""
        faces = self._mesh.faces.to(vertices.device)
        exact = deformation_gradients(self._mesh.vertices.to(vertices), vertices, faces)
        smooth = self._smooth(exact.flatten(-2)).unflatten(-1, (3, 3))
        for name, joint in self._joints.items():
            if len(self._led[name]) >= _LEAST:
                share = torch.where(self._loose, joint.weights, torch.zeros_like(joint.weights))
                whole = self._motion(name, vertices).linear[..., None, :, :]
                smooth = smooth + share[:, None, None].to(vertices.device) * (whole - smooth)
        return smooth


class _Smoother:
    """Averages values of a surface (V) over places a standard deviation apart, and spreads them again.

    An average of averages: each takes half of the variance.
    """

    def __init__(self, mesh: Mesh, skin: Tensor, deviation: float) -> None:
        # Not at the top: most who load a face never carry a unit, and this takes its time to import.
        from scipy.spatial import cKDTree

        points = mesh.vertices.double()
        corners = face_areas(points, mesh.faces).repeat_interleave(3)
        area = torch.zeros_like(points[:, 0]).index_add(0, mesh.faces.flatten(), corners)
        area = torch.where(skin, area, torch.zeros_like(area))
        index = (area > 0).nonzero().flatten()
        places = points[index[_spaced(points[index], deviation)]]
        distance, near = cKDTree(places).query(points, range(1, 1 + min(_NEIGHBOURS, len(places))))
        self._near, self._count = torch.from_numpy(near), len(places)
        share = torch.softmax(-torch.from_numpy(distance).square() / deviation**2, dim=1)
        given = share * area[:, None]
        total = torch.zeros_like(places[:, 0]).index_add(0, self._near.flatten(), given.flatten())
        self._share, self._given = share.float(), (given / total[self._near]).float()

    def __call__(self, values: Tensor) -> Tensor:
        """Smooth values (..., V, C) of the skin, for all vertices (..., V, C)."""
        near = self._near.to(values.device)
        offered = (values[..., None, :] * self._given[..., None].to(values)).flatten(-3, -2)
        gathered = values.new_zeros(*values.shape[:-2], self._count, values.shape[-1])
        gathered = gathered.index_add(-2, near.flatten(), offered)
        return (gathered[..., near, :] * self._share[..., None].to(values)).sum(dim=-2)


def _spaced(points: Tensor, spacing: float) -> Tensor:
    """Indices of points (N, 3), the first out of each cube of side ``spacing``."""
    cell = ((points - points.amin(dim=0)) / spacing).long()
    found, place = torch.unique(cell, dim=0, return_inverse=True)
    first = torch.full((len(found),), len(points))
    return first.scatter_reduce(0, place, torch.arange(len(points)), reduce="amin")
