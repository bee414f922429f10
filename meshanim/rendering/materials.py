"""What the parts of a face look like: colours by vertex group, and eyes with iris and pupil."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.mesh import Mesh, Sphere, fit_sphere
from meshanim.rendering.texture import texture

SKIN = (0.62, 0.36, 0.26)
"""Linear RGB reflectance of what no group below names."""

ALBEDO: dict[str, tuple[float, float, float]] = {
    "lips": (0.50, 0.17, 0.15),
    "brows": (0.10, 0.06, 0.04),
    "mouth_inner": (0.11, 0.02, 0.02),
    "gums": (0.38, 0.12, 0.12),
    "tongue": (0.33, 0.085, 0.08),
    "teeth": (0.74, 0.69, 0.58),
    "eyes": (0.72, 0.68, 0.64),
}
"""Linear RGB reflectance by vertex group; where a vertex is in several, the last one counts."""

GLOSS: dict[str, float] = {"lips": 2.0, "tongue": 3.0, "teeth": 4.0, "eyes": 6.0}
"""Strength of highlights by vertex group, in units of the skin's."""

IRIS, PUPIL, LIMBUS = 0.40, 0.16, 0.03
"""Radii of iris and pupil, and half the width of their soft rims, in units of the eyeball's radius."""
MOST_ASIDE = 0.2
"""How far from straight ahead the middle of an iris at rest may be, in units of the eyeball's radius."""
IRIS_COLOUR = (0.10, 0.16, 0.20)
BROW_FROM, BROW_TO, BROW_HEIGHT, BROW_ARCH, BROW_THICKNESS = -0.28, 0.40, 0.21, 0.07, 0.075
"""Brows in brow coordinates: inner and outer end, height of the ends, rise to the peak, half thickness."""
BROW_COLOUR, BROW_DENSITY = (0.07, 0.04, 0.027), 0.88
WITHIN = ("eyes", "mouth_inner", "gums", "tongue", "teeth")
"""Groups that are seen through an opening of the skin, or stand before each other in it."""
SKIN_PART, EYES = 0, 1 + WITHIN.index("eyes")
"""Numbers of parts as :func:`part_numbers` gives them."""
HIDDEN = ("lashes", "eye_occlusion", "eye_blend", "lacrimal_fluid")
"""Groups of see-through or hair-thin parts, which would only hide what lies behind them."""


def group_mask(mesh: Mesh, *names: str) -> Tensor:
    """(V,) whether a vertex is in one of the groups."""
    mask = torch.zeros(mesh.vertices.shape[0], dtype=torch.bool)
    for name in names:
        if name in mesh.groups:
            mask[mesh.groups[name]] = True
    return mask


def shown(mesh: Mesh) -> Tensor:
    """(F,) whether a triangle is of another part than those of :data:`HIDDEN`."""
    return ~group_mask(mesh, *HIDDEN)[mesh.faces].all(1)


def shown_faces(mesh: Mesh) -> Tensor:
    """(F', 3) the triangles of a mesh but those of :data:`HIDDEN` parts."""
    return mesh.faces[shown(mesh)]


def part_numbers(mesh: Mesh) -> Tensor:
    """(V,) small numbers, one for each part that ends in an edge: skin 0, then what lies within it."""
    numbers = torch.zeros(mesh.vertices.shape[0], dtype=torch.uint8)
    for number, name in enumerate(WITHIN, start=1):
        numbers[group_mask(mesh, name)] = number
    return numbers


def _blend_neighbours(values: Tensor, faces: Tensor) -> Tensor:
    """(V, C) values, each the mean of itself and its faces' mean: softens the borders between groups."""
    over_faces = values[faces].mean(1)
    index = faces.flatten()
    total = torch.zeros_like(values).index_add_(0, index, over_faces.repeat_interleave(3, 0))
    count = values.new_zeros(len(values)).index_add_(0, index, values.new_ones(len(index)))
    return torch.where(count[:, None] > 0, 0.5 * values + 0.5 * total / count.clamp(min=1)[:, None], values)


def vertex_materials(mesh: Mesh) -> Tensor:
    """(V, 4) linear RGB reflectance and gloss of every vertex, from the mesh's groups."""
    materials = torch.tensor([*SKIN, 1.0], dtype=torch.float32).repeat(mesh.vertices.shape[0], 1)
    for name, colour in ALBEDO.items():
        materials[group_mask(mesh, name)] = torch.tensor([*colour, GLOSS.get(name, 1.0)]).to(materials)
    return _blend_neighbours(materials, mesh.faces)


def _eyeballs(mesh: Mesh) -> dict[str, Sphere]:
    """The eyes that the mesh names."""
    sides = ("eye_left", "eye_right")
    named = {name: mesh.groups[name] for name in sides if len(mesh.groups.get(name, ())) >= 4}
    return {name: fit_sphere(mesh.vertices[index].to(torch.float32)) for name, index in named.items()}


def eye_radius(mesh: Mesh) -> float | None:
    """Metres, the mean of the eyes that the mesh names; None where it names none."""
    radii = [float(ball.radius) for ball in _eyeballs(mesh).values()]
    return sum(radii) / len(radii) if radii else None


def _iris_axis(mesh: Mesh, name: str, ball: Sphere) -> Tensor:
    """(3,) where the iris of an eye at rest is, as a unit vector: halfway between the corners of the lids.

    Straight ahead where the mesh does not name them. Balls of MakeHuman's children stand 10 degrees nearer
    to the nose than the opening before them, and with irises straight ahead they squint.
    """
    corners = [mesh.landmarks.get(f"{name}_{corner}") for corner in ("inner", "outer")]
    aside = ball.radius.new_zeros(())
    if None not in corners:
        middle = mesh.vertices[corners].to(ball.centre).mean(0)
        aside = (middle - ball.centre)[0] / ball.radius.clamp(min=1e-6)
    aside = aside.clamp(-MOST_ASIDE, MOST_ASIDE)
    return torch.stack([aside, torch.zeros_like(aside), (1 - aside**2).sqrt()])


def eye_coordinates(mesh: Mesh) -> Tensor:
    """(V, 3) places on the eyeball at rest, in units of its radius, the iris about +Z; zero off the eyes.

    They travel with the vertices, so that iris and pupil turn with an eyeball that turns.
    """
    places = torch.zeros(mesh.vertices.shape[0], 3, dtype=torch.float32)
    for name, ball in _eyeballs(mesh).items():
        index = mesh.groups[name]
        arm = (mesh.vertices[index].to(torch.float32) - ball.centre) / ball.radius.clamp(min=1e-6)
        axis = _iris_axis(mesh, name, ball)
        across = torch.stack([axis[2], torch.zeros_like(axis[2]), -axis[0]])
        places[index] = torch.stack([arm @ across, arm[:, 1], arm @ axis], dim=1)
    return places


def straight_eyes(mesh: Mesh) -> list[tuple[Tensor, Tensor]]:
    """Vertices (N,) of each eye, and the turn (3, 3) that brings an iris at rest to look straight ahead.

    Normals that are so turned mirror a lamp at the same place of either iris; where lids open aside of the
    ball, one highlight would be on a pupil and the other beside it.
    """
    turns = []
    for name, ball in _eyeballs(mesh).items():
        across, _, ahead = _iris_axis(mesh, name, ball)
        zero = torch.zeros_like(ahead)
        rows = [(ahead, zero, -across), (zero, zero + 1, zero), (across, zero, ahead)]
        turns.append((mesh.groups[name], torch.stack([torch.stack(row) for row in rows])))
    return turns


def brow_coordinates(mesh: Mesh) -> Tensor:
    """(V, 2) places on the skin at rest beside and above the nearer eye, in units of the eyes' distance.

    The first counts outwards from the eyeball's centre, the second upwards. They travel with the vertices,
    so that brows rise and fall with the skin. Far below where the mesh has no two eyes, behind them, and off
    the skin.
    """
    eyes = _eyeballs(mesh)
    places = torch.full((mesh.vertices.shape[0], 2), -1.0, dtype=torch.float32)
    if len(eyes) < 2:
        return places
    left, right = eyes["eye_left"].centre, eyes["eye_right"].centre
    middle, distance = (left + right) / 2, (left - right).norm().clamp(min=1e-6)
    away = (mesh.vertices.to(torch.float32) - middle) / distance
    skin = group_mask(mesh, "skin") & (away[:, 2] > 0)
    places[skin] = torch.stack([away[skin, 0].abs() - 0.5, away[skin, 1]], 1)
    return places


def paint_brows(albedo: Tensor, places: Tensor, colour: Tensor | None = None) -> Tensor:
    """(N, 3) reflectance with brows, of BROW_COLOUR or another, where (N, 2) brow coordinates say so."""
    along = (places[:, 0] - BROW_FROM) / (BROW_TO - BROW_FROM)
    middle = BROW_HEIGHT + BROW_ARCH * (1 - ((along - 0.6) / 0.6) ** 2)
    half = BROW_THICKNESS * (1 - 0.75 * along.clamp(0, 1) ** 1.5)
    across = ((half - (places[:, 1] - middle).abs()) / (0.8 * half)).clamp(0, 1)
    ends = (along / 0.2).clamp(0, 1) * ((1 - along) / 0.2).clamp(0, 1)
    colour = torch.tensor(BROW_COLOUR).to(albedo) if colour is None else colour
    return torch.lerp(albedo, colour, BROW_DENSITY * (across * ends)[:, None])


def paint_eyes(albedo: Tensor, places: Tensor, colour: Tensor | None = None) -> Tensor:
    """(N, 3) reflectance with pupil and iris, of IRIS_COLOUR or another, by (N, 3) eye coordinates."""
    colour = torch.tensor(IRIS_COLOUR).to(albedo) if colour is None else colour
    length = places.norm(dim=1)
    on_eye = length > 0.5
    places = places[on_eye] / length[on_eye, None]
    off_axis = torch.where(places[:, 2] > 0, places[:, :2].norm(dim=1), 2.0)
    iris = ((IRIS + LIMBUS - off_axis) / (2 * LIMBUS)).clamp(0, 1)[:, None]
    pupil = ((PUPIL + LIMBUS - off_axis) / (2 * LIMBUS)).clamp(0, 1)[:, None]
    # The iris is lighter towards its pupil and has a dark rim.
    tint = colour * (1.6 - 1.4 * (off_axis / IRIS).clamp(0, 1) ** 2)[:, None]
    painted = albedo.clone()
    painted[on_eye] = torch.lerp(torch.lerp(albedo[on_eye], tint, iris), torch.full_like(tint, 0.005), pupil)
    return painted


def skin_coordinates(mesh: Mesh) -> Tensor:
    """(F, 3, 3) texture coordinates of each triangle's corners, and one where skin is, zero within it."""
    if mesh.uv is None or mesh.uv_faces is None:
        raise InputError("mesh must have texture coordinates, got one without")
    outside = (~group_mask(mesh, *WITHIN)[mesh.faces]).to(torch.float32)
    return torch.cat([mesh.uv[mesh.uv_faces].to(torch.float32), outside[..., None]], dim=2)


def paint_skin(albedo: Tensor, places: Tensor, skin: Tensor) -> Tensor:
    """(N, 3) reflectance that goes over to that of a skin (S, S, 3) where (N, 3) skin coordinates say so."""
    return torch.lerp(albedo, texture(skin, places[:, :2]), places[:, 2:])


def vertex_colours(mesh: Mesh) -> Tensor:
    """(V, 4) linear RGB and opacity of every vertex, for files that hold no finer picture.

    Iris and pupil are as fine as the eyes have vertices; parts that a preview leaves out are clear.
    """
    colours = paint_eyes(vertex_materials(mesh)[:, :3], eye_coordinates(mesh))
    opacity = (~group_mask(mesh, *HIDDEN)).to(colours)
    return torch.cat([colours, opacity[:, None]], dim=1)
