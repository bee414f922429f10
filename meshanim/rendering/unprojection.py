"""From pictures back to surfaces: depth to points, what is visible, and pictures carried onto a mesh."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_shape
from meshanim.mesh.geometry import unit, vertex_normals
from meshanim.mesh.precision import exact, widened
from meshanim.mesh.rotations import axis_angle_to_matrix, axis_angle_to_quaternion
from meshanim.rendering.camera import Camera
from meshanim.rendering.filling import fill_smoothly
from meshanim.rendering.rasterizer import Fragments, rasterize
from meshanim.rendering.texture import texture
from meshanim.rendering.uv_layout import UvLayout

SLACK = 1e-3
"""Metres that a visible place may lie behind the surface that the pixels around it see."""
JUMP = 8.0
"""Difference of depth, in widths of a pixel, at which neighbouring pixels no longer see one surface."""
SHARPNESS = 4.0
"""Exponent on the cosine between normal and view: what is seen from the front counts most."""
TRUSTED = 0.02
"""Weight (a view from 68 degrees aside) from which a texel shows its own colour alone."""


def depth_points(fragments: Fragments, camera: Camera) -> Tensor:
    """World points (..., H, W, 3) in metres that the middles of pixels see; NaN where they see nothing."""
    height, width = camera.size
    depth = torch.where(fragments.covered, fragments.depth, torch.nan)
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle = torch.stack([column, row], dim=-1).to(depth).flatten(0, 1) + 0.5
    pixels = middle.expand(*depth.shape[:-2], *middle.shape)
    return camera.unproject(pixels, depth.flatten(-2)).unflatten(-2, (height, width))


def visible(points: Tensor, fragments: Fragments, camera: Camera) -> Tensor:
    """Whether (..., N, 3) points of the drawn surface are seen, (..., N).

    A point counts as seen where the four pixels around its place in the picture all see one surface, with no
    silhouette among them, and that surface does not lie before it by more than :data:`SLACK`.

    Args:
        points: world points in metres, vertices or others.
        fragments: of :func:`rasterize` with ``camera``, of the mesh and all that may hide it.
        camera: of the picture.
    """
    place = camera.project(points)
    check_shape("points", points, (*fragments.depth.shape[:-2], None, 3))
    height, columns = camera.size
    depth = fragments.depth.detach().flatten(-2)
    corner = (place[..., :2].detach() - 0.5).clamp(-2, 1 << 24).floor()
    share = place[..., :2] - 0.5 - corner
    covered = fragments.covered.flatten(-2)
    nearest, farthest = (torch.full_like(place[..., 2], end) for end in (torch.inf, -torch.inf))
    surface = torch.zeros_like(nearest)
    inside = (place[..., 2] > 0) | (not camera.perspective)
    for right in (0, 1):
        for below in (0, 1):
            column, row = (corner + corner.new_tensor([right, below])).long().unbind(-1)
            inside = inside & (column >= 0) & (column < columns) & (row >= 0) & (row < height)
            pixel = row.clamp(0, height - 1) * columns + column.clamp(0, columns - 1)
            z = depth.gather(-1, pixel)
            inside = inside & covered.gather(-1, pixel)
            nearest, farthest = nearest.minimum(z), farthest.maximum(z)
            part = (share[..., 0] - (1 - right)).abs() * (share[..., 1] - (1 - below)).abs()
            # On a plane in perspective 1 / depth is linear over the picture.
            surface = surface + part * (1 / z.clamp(min=1e-6) if camera.perspective else z)
    surface = 1 / surface.clamp(min=1e-6) if camera.perspective else surface
    width = surface if camera.perspective else torch.ones_like(surface)
    width = width / camera.matrix[..., 0, 0].unsqueeze(-1)
    return inside & (farthest - nearest < JUMP * width) & (place[..., 2] < surface + SLACK)


class Unprojected(NamedTuple):
    """What pictures say about a texture.

    Attributes:
        texture: (R, R, 3) colours, zero where nothing is known.
        weight: (R, R) how well the best picture shows a texel: one from straight ahead, zero where none does.
    """

    texture: Tensor
    weight: Tensor


def unproject_texture(images: Tensor, vertices: Tensor, camera: Camera, layout: UvLayout) -> Unprojected:
    """Carry pictures of a face onto its texture map.

    A texel takes its colour from where its place on the mesh is seen, bilinear, with the weight
    :math:`\\cos^4` of the angle between normal and view; several pictures are blended by their weights. Give
    linear colours to blend light, or display colours, which come back as they are from a single picture.

    Args:
        images: (H, W, 3) or several (B, H, W, 3).
        vertices: (V, 3) or (B, V, 3) where the mesh is in each, in metres.
        camera: of each picture, or one for all.
        layout: of the mesh.
    """
    images = images[None] if images.ndim == 3 else images
    check_shape("images", images, (None, *camera.size, 3))
    if not images.is_floating_point():
        raise InputError(f"images must be of a floating type, got {images.dtype}")
    count = len(images)
    check_shape("vertices", vertices, (len(layout.mesh.vertices), 3), batched=True)
    if vertices.ndim > 2:
        check_shape("vertices", vertices, (count, None, 3))
    vertices = vertices.expand(count, *vertices.shape[-2:])
    fragments = rasterize(vertices, layout.mesh.faces, camera)
    chosen = layout.covered
    normals = vertex_normals(vertices, layout.mesh.faces)
    places, normals = (layout.spread(values)[:, chosen] for values in (vertices, normals))
    weight = _facing(places, normals, camera) ** SHARPNESS * visible(places, fragments, camera)
    colours = _sampled(images, camera.project(places)[..., :2])
    total = weight.sum(0).clamp(min=1e-12)
    mean = (weight.unsqueeze(-1) * colours).sum(0) / total.unsqueeze(-1)
    texels = images.new_zeros(layout.size, layout.size, 4)
    texels[chosen] = torch.cat([mean, weight.amax(0).unsqueeze(-1)], dim=-1).to(texels)
    return Unprojected(texels[..., :3], texels[..., 3])


def complete_texture(seen: Unprojected, layout: UvLayout) -> Tensor:
    """A whole texture (R, R, 3): what was not seen comes from the other side of the face, or from around.

    A texel that is seen well (:data:`TRUSTED`) keeps its colour; from there on that of its mirror image is
    blended in, as far as that is seen; what remains open, seams and the room between islands included, is
    filled smoothly.
    """
    check_shape("texture", seen.texture, (layout.size, layout.size, 3))
    own = (seen.weight / TRUSTED).clamp(max=1).unsqueeze(-1)
    known = torch.cat([seen.texture * own, own], dim=-1)
    other = torch.where(layout.covered.unsqueeze(-1), texture(known, layout.mirrored_uv.to(known)), 0)
    known = known + (1 - own) * other
    share = known[..., 3]
    return fill_smoothly(known[..., :3] / share.clamp(min=1e-6).unsqueeze(-1), share)


def frontal_frame(head_motion: Tensor) -> int:
    """The frame (of T) whose head is turned least: the one that shows most of a face.

    Args:
        head_motion: (T, 6) axis-angle in radians, then translation, as in a performance.
    """
    check_shape("head_motion", head_motion, (None, 6))
    if not len(head_motion):
        raise InputError("head_motion must hold at least one frame, got none")
    # The real part of a quaternion is the cosine of half the angle, whole turns included.
    return int(axis_angle_to_quaternion(head_motion[:, :3])[:, 3].abs().argmax())


def repose(vertices: Tensor, motion_from: Tensor, motion_to: Tensor) -> Tensor:
    r"""Vertices (..., V, 3) of one frame in the pose of another, the expression kept.

    Chen et al. 2020, eq 1: :math:`V_t = R_t^{-1} (R_M V_M + T_M - T_t)`, in which R and T take a frame's head
    to the one that all frames share. Motions here are the inverse, :math:`x = Q X + s` from the shared
    (canonical) head to a frame's, as in a performance; put in, :math:`V_t = Q_t Q_M^{-1} (V_M - s_M) + s_t`.

    Args:
        vertices: of frame M, in metres.
        motion_from: (..., 6) axis-angle in radians and translation in metres of frame M.
        motion_to: (..., 6) of frame t.
    """
    for name, motion in (("motion_from", motion_from), ("motion_to", motion_to)):
        check_shape(name, motion, (6,), batched=True)
    check_shape("vertices", vertices, (None, 3), batched=True)
    motion_from, motion_to = motion_from.to(vertices), motion_to.to(vertices)
    turned_from, turned_to = (axis_angle_to_matrix(motion[..., :3]) for motion in (motion_from, motion_to))
    with exact(vertices):
        canonical = (vertices - motion_from[..., None, 3:]) @ turned_from
        return canonical @ turned_to.mT + motion_to[..., None, 3:]


def _facing(points: Tensor, normals: Tensor, camera: Camera) -> Tensor:
    """(B, N) cosine between normal and view, zero where a surface faces away."""
    if camera.perspective:
        view = unit(camera.position[..., None, :] - points)
    else:
        view = -camera.rotation[..., None, 2, :]
    return (unit(normals) * view).sum(-1).clamp(0, 1)


def _sampled(images: Tensor, place: Tensor) -> Tensor:
    """(B, N, 3) bilinear colours at columns and rows (B, N, 2)."""
    extent = place.new_tensor([images.shape[2], images.shape[1]])
    wide = widened(images.permute(0, 3, 1, 2))
    grid = (2 * place / extent - 1).to(wide).unsqueeze(1)
    found = functional.grid_sample(wide, grid, padding_mode="border", align_corners=False)
    return found[:, :, 0].mT.to(images)
