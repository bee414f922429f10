"""The object of a performance: mesh, texture coordinates, vertex groups, shape keys."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .axes import to_z_up
from .performance import Performance


def _build_mesh(found: Performance, name: str) -> bpy.types.Mesh:
    """A mesh with the file's vertices in the file's order."""
    faces = found["faces"].astype(np.int32)
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(found["neutral"]))
    mesh.vertices.foreach_set("co", to_z_up(found["neutral"]).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    if "uv" in found and "uv_faces" in found:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.uv.foreach_set("vector", found["uv"][found["uv_faces"].ravel()].astype(np.float32).ravel())
    mesh.shade_smooth()
    return mesh


def build_object(collection: bpy.types.Collection, found: Performance, name: str) -> bpy.types.Object:
    """The neutral as an object in ``collection``, Z up, one vertex group for each group of the file."""
    mesh = _build_mesh(found, name)
    thing = bpy.data.objects.new(name, mesh)
    collection.objects.link(thing)
    for group, indices in found.groups.items():
        thing.vertex_groups.new(name=group).add(indices.tolist(), 1.0, "REPLACE")
    return thing


def rest_name(names: list[str]) -> str:
    """What the shape key at rest is called: as Blender calls it, where no shape is called so."""
    return "Basis" if "Basis" not in names else "Rest"


def add_shape_keys(thing: bpy.types.Object, names: list[str], basis: NDArray) -> list[str]:
    """Add the K shapes of (K, V, 3) displacements, Y up, and return the names that Blender gave them."""
    rest = np.empty(3 * len(thing.data.vertices), np.float32)
    thing.data.vertices.foreach_get("co", rest)
    thing.shape_key_add(name=rest_name(names), from_mix=False)
    given = []
    for name, shape in zip(names, basis, strict=True):
        key = thing.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", rest + to_z_up(shape).ravel())
        given.append(key.name)
    return given
