"""From a coarse mesh back to the fine one: every fine vertex as a point on a coarse face."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from meshanim.mesh.decimation import Decimation
from meshanim.mesh.geometry import face_normals, vertex_normals
from meshanim.mesh.mesh import Mesh
from meshanim.ops import nearest_faces


def upsampling_matrix(fine: Mesh, decimation: Decimation) -> tuple[Tensor, Tensor]:
    """The matrix that carries values at coarse vertices to the fine ones, three entries in each row.

    A vertex that stayed takes its own value. Any other takes those at the corners of the nearest coarse
    face with barycentric weights (section 3.2 of Potamias et al., "Learning to Generate Customized
    Dynamic 3D Facial Expressions", ECCV 2020; Ranjan et al., "Generating 3D Faces using Convolutional
    Mesh Autoencoders", ECCV 2018). Nearest is meant along the surface: the search begins where the
    decimation merged the vertex to and goes from face to neighbouring face while it comes closer, and
    passes over faces that look the other way. So it stays within the component, and does not reach
    across from one lip to the other where they touch, but for the ends of a slit that the coarse mesh has
    closed: there a face has corners on both.

    Returns:
        (V, 3) int64 coarse vertex indices and (V, 3) float32 weights, none negative, rows of sum one.
    """
    coarse, into = decimation.mesh, decimation.merged_into.numpy()
    indices = np.repeat(into[:, None], 3, axis=1)
    weights = np.zeros((len(into), 3))
    weights[:, 0] = 1
    seeks = np.isin(into, coarse.faces.numpy())
    seeks[decimation.kept.numpy()] = False
    vertices = fine.vertices.detach().cpu().double()
    normals = vertex_normals(vertices, fine.faces.cpu()).numpy()
    coarse_vertices, coarse_faces = coarse.vertices.double(), coarse.faces
    face, found = nearest_faces(
        vertices.numpy()[seeks],
        normals[seeks],
        into[seeks],
        coarse_vertices.numpy(),
        coarse_faces.numpy(),
        face_normals(coarse_vertices, coarse_faces).numpy(),
    )
    indices[seeks], weights[seeks] = coarse_faces.numpy()[face], found
    return torch.from_numpy(indices), torch.from_numpy(weights).float()
