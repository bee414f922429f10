"""Vertex groups and landmarks in USD: subsets of points, and custom data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError
from meshanim.mesh import Mesh

FAMILY = "vertexGroups"
"""Of the subsets that are vertex groups; materials have one of their own."""
LANDMARKS, FACE_MODEL, HEAD_MOTION = "landmarks", "faceModel", "headMotion"


def name_places(shape: Any, mesh: Mesh) -> None:
    """Give the mesh prim ``shape`` the mesh's vertex groups and landmarks."""
    from pxr import Tf, UsdGeom, Vt

    for name, vertices in mesh.groups.items():
        subset = UsdGeom.Subset.CreateUniqueGeomSubset(
            shape,
            f"group_{Tf.MakeValidIdentifier(name)}",
            UsdGeom.Tokens.point,
            Vt.IntArray.FromNumpy(vertices.numpy().astype(np.int32)),
            FAMILY,
            UsdGeom.Tokens.unrestricted,
        )
        subset.GetPrim().SetDisplayName(name)
    if mesh.landmarks:
        numbers = {name: int(vertex) for name, vertex in mesh.landmarks.items()}
        shape.GetPrim().SetCustomDataByKey(LANDMARKS, numbers)


def read_places(
    mesh: Any, faces: NDArray[np.int64], polygons: NDArray[np.int64], count: int
) -> tuple[dict[str, NDArray[np.int64]], dict[str, int]]:
    """Groups and landmarks of a mesh prim; the subsets of its faces where it has none of its points.

    Args:
        mesh: the prim, of ``count`` points.
        faces: (F, 3) triangles.
        polygons: (F,) of which polygon of the file each is a part.
    """
    from pxr import UsdGeom

    subsets = UsdGeom.Subset.GetAllGeomSubsets(mesh)
    own = [subset for subset in subsets if subset.GetFamilyNameAttr().Get() == FAMILY]
    groups = {}
    for subset in own or subsets:
        prim, index = subset.GetPrim(), np.array(subset.GetIndicesAttr().Get() or [], dtype=np.int64)
        name, kind = prim.GetDisplayName() or prim.GetName(), subset.GetElementTypeAttr().Get()
        if kind == UsdGeom.Tokens.face:
            index = np.unique(faces[np.isin(polygons, index)])
        elif kind != UsdGeom.Tokens.point:
            continue
        if len(index) and not 0 <= index.min() <= index.max() < count:
            raise InputError(f"{prim.GetPath()} names points that its mesh does not have")
        groups[name] = index
    found = mesh.GetPrim().GetCustomDataByKey(LANDMARKS) or {}
    return groups, {str(name): int(vertex) for name, vertex in found.items()}
