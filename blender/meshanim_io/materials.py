"""Materials of the parts of a face, by vertex group; eyes get iris and pupil."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .axes import to_z_up
from .performance import Performance

SKIN = ((0.62, 0.36, 0.26), 0.5)
"""Linear base colour and roughness of what no group below names."""
PARTS: dict[str, tuple[tuple[float, float, float], float]] = {
    "lips": ((0.52, 0.21, 0.18), 0.4),
    "brows": ((0.10, 0.06, 0.04), 0.6),
    "mouth_inner": ((0.16, 0.03, 0.03), 0.4),
    "gums": ((0.40, 0.13, 0.13), 0.35),
    "tongue": ((0.42, 0.13, 0.13), 0.35),
    "teeth": ((0.74, 0.69, 0.58), 0.25),
    "eyes": ((0.80, 0.77, 0.74), 0.15),
}
"""The same by vertex group; where a face is in several, the last one counts."""
CLEAR = ("lashes", "eye_occlusion", "eye_blend", "lacrimal_fluid")
"""Groups of see-through or hair-thin parts, which would only hide what lies behind them."""
IRIS_STOPS = (
    (0.15, (0.005, 0.005, 0.005, 1.0)),
    (0.17, (0.14, 0.22, 0.28, 1.0)),
    (0.36, (0.05, 0.09, 0.11, 1.0)),
    (0.43, (0.80, 0.77, 0.74, 1.0)),
)
"""Colours from the middle of the pupil outwards, in units of the eyeball's radius."""
LIDS = {eye: (f"{eye}_inner", f"{eye}_outer") for eye in ("eye_left", "eye_right")}
"""Landmarks between which an iris is at rest, by the eyeball's group."""
EYE_PLACE = "eye_place"
"""The attribute that says where on its eyeball a vertex is at rest."""


def _material(name: str, colour: tuple[float, float, float], roughness: float) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.diffuse_color = (*colour, 1.0)
    surface = _surface(material)
    surface.inputs["Base Color"].default_value = (*colour, 1.0)
    surface.inputs["Roughness"].default_value = roughness
    return material


def _surface(material: bpy.types.Material) -> bpy.types.Node:
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def _eyeball(points: NDArray) -> tuple[NDArray, float]:
    """Centre (3,) and radius of the sphere nearest to (N, 3) points, by linear least squares."""
    middle = points.mean(0)
    arms = points - middle
    system = np.concatenate([2 * arms, np.ones((len(arms), 1))], axis=1)
    solved = np.linalg.lstsq(system, (arms**2).sum(1), rcond=None)[0]
    return middle + solved[:3], float(np.sqrt(solved[3] + solved[:3] @ solved[:3]))


def _eye_places(found: Performance) -> NDArray | None:
    """(V, 3) directions from the eyeballs' centres, the iris about -Y, zero elsewhere; None without eyes.

    The iris of an eye at rest is halfway between the corners of the lids, where the file names them.
    """
    rest = to_z_up(found["neutral"]).astype(np.float64)
    places = np.zeros_like(rest)
    for side in LIDS:
        indices = found.groups.get(side, np.empty(0, np.int64))
        if len(indices) < 4:
            continue
        centre, radius = _eyeball(rest[indices])
        corners = [index for name, index in found.landmarks.items() if name in LIDS[side]]
        aside = (rest[corners].mean(0)[0] - centre[0]) / radius if len(corners) == 2 else 0.0
        angle = np.arcsin(np.clip(aside, -0.2, 0.2))
        turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        places[indices] = (rest[indices] - centre) @ turn.T
    return places if places.any() else None


def _paint_iris(material: bpy.types.Material) -> None:
    """Colour by the distance from the iris's axis; sharp however few vertices an eyeball has."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    place = nodes.new("ShaderNodeAttribute")
    place.attribute_name = EYE_PLACE
    unit, across, length = (nodes.new("ShaderNodeVectorMath") for _ in range(3))
    unit.operation, across.operation, length.operation = "NORMALIZE", "MULTIPLY", "LENGTH"
    across.inputs[1].default_value = (1, 0, 1)
    ramp = nodes.new("ShaderNodeValToRGB")
    stops = ramp.color_ramp.elements
    while len(stops) < len(IRIS_STOPS):
        stops.new(1.0)
    for stop, (position, colour) in zip(stops, IRIS_STOPS, strict=True):
        stop.position, stop.color = position, colour
    links.new(place.outputs["Vector"], unit.inputs[0])
    links.new(unit.outputs["Vector"], across.inputs[0])
    links.new(across.outputs["Vector"], length.inputs[0])
    links.new(length.outputs["Value"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], _surface(material).inputs["Base Color"])


def add_materials(thing: bpy.types.Object, found: Performance) -> None:
    """One material for the skin, and one for each part that the file's groups name."""
    mesh, faces = thing.data, found["faces"]
    mesh.materials.append(_material("skin", *SKIN))
    slots = np.zeros(len(faces), np.int32)
    for part in [name for name in (*PARTS, *CLEAR) if name in found.groups]:
        inside = np.zeros(len(found["neutral"]), bool)
        inside[found.groups[part]] = True
        chosen = inside[faces].all(1)
        if not chosen.any():
            continue
        slots[chosen] = len(mesh.materials)
        material = _material(part, *PARTS.get(part, SKIN))
        mesh.materials.append(material)
        if part in CLEAR:
            _surface(material).inputs["Alpha"].default_value = 0.0
        places = _eye_places(found) if part == "eyes" else None
        if places is not None:
            attribute = mesh.attributes.new(EYE_PLACE, "FLOAT_VECTOR", "POINT")
            attribute.data.foreach_set("vector", places.astype(np.float32).ravel())
            _paint_iris(material)
    mesh.polygons.foreach_set("material_index", slots)
