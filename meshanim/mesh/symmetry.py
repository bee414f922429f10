"""Which place of a face is whose mirror image: left and right of a mesh that is symmetric, or nearly."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from meshanim.mesh.geometry import face_normals, unit, vertex_normals
from meshanim.mesh.mesh import Mesh
from meshanim.ops import nearest_faces

_MIRROR = (-1.0, 1.0, 1.0)
"""Faces look along +Z with Y up, so that left and right are mirrored in X."""


def mirrored_vertices(mesh: Mesh) -> Tensor:
    """(V,) for each vertex the one nearest to its mirror image, among those that faces have."""
    used = torch.unique(mesh.faces)
    places = mesh.vertices.detach().double().cpu()
    image = places * places.new_tensor(_MIRROR)
    nearest = cKDTree(places[used].numpy()).query(image.numpy())[1]
    return used[torch.as_tensor(nearest)]


def mirrored_places(mesh: Mesh, face: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The mirror images of places on a mesh, as places on the mesh.

    Each is sought along the surface from the mirror image of a vertex nearby, on the side that faces the
    same way, so that an upper lip does not end on the lower one. Halves that are triangulated otherwise do
    no harm.

    Args:
        mesh: left and right alike up to small differences, as the neutral of a face model is.
        face: (N,) index of the face of each place.
        weights: (N, 3) of its corners.

    Returns:
        Face (N,) and weights (N, 3) of the mirror images.
    """
    corners = mesh.faces[face]
    mirror = mesh.vertices.new_tensor(_MIRROR)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    places, looks = (
        (weights.unsqueeze(-1).to(value) * value[corners]).sum(1) * mirror
        for value in (mesh.vertices, normals)
    )
    nearest = corners.gather(1, weights.argmax(1, keepdim=True))[:, 0]
    start = mirrored_vertices(mesh)[nearest]
    surface = (mesh.vertices, mesh.faces, face_normals(mesh.vertices, mesh.faces))
    arrays = [np.asarray(value.detach().cpu()) for value in (places, unit(looks), start, *surface)]
    found, share = nearest_faces(*arrays)
    return torch.as_tensor(found), torch.as_tensor(share).to(weights)
