"""Rasterization on CUDA tensors; arguments are checked by the ops."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_int64, c_void_p

import torch
from torch import Tensor

from meshanim.ops import _cuda
from meshanim.ops._cuda_faces import THREADS, FaceEntries, SortedFaces
from meshanim.ops._cuda_ops import blocks
from meshanim.ops._cuda_plans import pool_lists
from meshanim.ops._library import pointer

GROUP = 128
"""Faces of a group, and threads of a block that draws."""

TILES = {16: (8, 16), 32: (4, 16), 64: (4, 8)}
"""Rows and columns of a block's tile, by the most faces that a pixel may keep there."""

MOST_IMAGES = 65535
"""Blocks that a grid may have along its second side; each takes every so many images."""


class Picture(ctypes.Structure):
    """``Picture`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("points", "corners", "boxes", "groups")),
        *((name, c_double) for name in ("near", "radius")),
        ("batch", c_int64),
        *((name, c_int32) for name in ("vertices", "faces", "height", "width", "perspective")),
    )


class Rasterize(ctypes.Structure):
    """``RasterizeParameters`` of the CUDA sources."""

    _fields_ = (
        ("picture", Picture),
        *((name, c_void_p) for name in ("face", "weights", "depth")),
    )


class RasterizeGradient(ctypes.Structure):
    """``RasterizeGradientParameters`` of the CUDA sources."""

    _fields_ = (
        ("picture", Picture),
        ("entries", FaceEntries),
        *((name, c_void_p) for name in ("weights", "grad_weights", "grad_depth", "shares")),
        ("chunks", c_int64),
    )


class SoftRasterize(ctypes.Structure):
    """``SoftParameters`` of the CUDA sources."""

    _fields_ = (
        ("picture", Picture),
        *((name, c_void_p) for name in ("face", "weights", "depth", "distance")),
        ("kept", c_int32),
    )


class SoftGradient(ctypes.Structure):
    """``SoftGradientParameters`` of the CUDA sources."""

    _fields_ = (
        ("picture", Picture),
        ("entries", FaceEntries),
        *((name, c_void_p) for name in ("grad_weights", "grad_depth", "grad_distance", "shares")),
        ("chunks", c_int64),
        ("kept", c_int32),
    )


def takes(points: Tensor) -> bool:
    """Whether the CUDA kernels draw ``points``: those of float32, on a GPU that can."""
    return points.dtype == torch.float32 and _cuda.takes(points)


class _Scene:
    """Faces before a camera, and the picture's size (height, width)."""

    def __init__(
        self,
        points: Tensor,
        faces: Tensor,
        size: tuple[int, ...],
        perspective: bool,
        near: float = 0.0,
        radius: float = 0.0,
    ) -> None:
        self.points, self.size = points.contiguous(), size
        self.plan = pool_lists(faces, points.shape[1], "faces")
        batch, count = points.shape[0], faces.shape[0]
        self.groups = blocks(count, GROUP)
        self._boxes, self._around = (
            faces.new_empty((batch, number, 4), dtype=torch.int32) for number in (count, self.groups)
        )
        self.picture = Picture(
            *map(pointer, (self.points, self.plan.indices, self._boxes, self._around)),
            *(near, radius, batch, points.shape[1], count, *size, perspective),
        )

    def draw(self, op: str, kernel: str, tile: tuple[int, int], parameters: ctypes.Structure) -> None:
        """Find the boxes around faces, then launch a kernel for each tile of the picture."""
        images = min(self.points.shape[0], MOST_IMAGES)
        _cuda.launch(op, f"{op}_boxes", self.points, (self.groups, images, 1), GROUP, self.picture)
        tiles = blocks(self.size[0], tile[0]) * blocks(self.size[1], tile[1])
        _cuda.launch(op, kernel, self.points, (tiles, images, 1), GROUP, parameters)

    def gradient(self, op: str, entries: SortedFaces, shares: Tensor, parameters: ctypes.Structure) -> Tensor:
        """Launch the kernel that makes the shares, and add them to the gradient (B, V, 3) of the points."""
        grid = (blocks(entries.chunks, THREADS), 1, 1)
        _cuda.launch(op, f"{op}_gradient", self.points, grid, THREADS, parameters)
        result = torch.empty_like(self.points)
        entries.add_to_vertices(op, shares, self.plan, result)
        return result


def rasterize(
    points: Tensor, faces: Tensor, results: tuple[Tensor, Tensor, Tensor], perspective: bool, near: float
) -> None:
    """Fill face (B, H, W), weights (B, H, W, 3) and depth (B, H, W)."""
    scene = _Scene(points, faces, results[0].shape[1:], perspective, near)
    parameters = Rasterize(scene.picture, *map(pointer, results))
    scene.draw("rasterize", "rasterize", TILES[16], parameters)


def rasterize_gradient(
    points: Tensor,
    faces: Tensor,
    face: Tensor,
    values: tuple[Tensor | None, ...],
    perspective: bool,
) -> Tensor:
    """Gradient (B, V, 3) of the points; values are weights, and gradients of weights and depth or None."""
    scene = _Scene(points, faces, face.shape[1:], perspective)
    entries = SortedFaces(face.flatten(1), faces.shape[0])
    shares = entries.empty_shares(3, torch.float64)
    given = [None if value is None else value.contiguous() for value in values]
    arrays = map(pointer, (*given, shares))
    parameters = RasterizeGradient(scene.picture, entries.structure, *arrays, entries.chunks)
    return scene.gradient("rasterize", entries, shares, parameters)


def soft_rasterize(
    points: Tensor,
    faces: Tensor,
    results: tuple[Tensor, Tensor, Tensor, Tensor],
    perspective: bool,
    near: float,
    radius: float,
) -> None:
    """Fill face (B, H, W, K), weights (B, H, W, K, 3), depth and distance (B, H, W, K)."""
    *size, kept = results[0].shape[1:]
    scene = _Scene(points, faces, tuple(size), perspective, near, radius)
    tile = next(tile for most, tile in TILES.items() if most >= kept)
    parameters = SoftRasterize(scene.picture, *map(pointer, results), kept)
    scene.draw("soft_rasterize", f"soft_rasterize_{tile[0] * tile[1]}", tile, parameters)


def soft_rasterize_gradient(
    points: Tensor, faces: Tensor, face: Tensor, grads: list[Tensor | None], perspective: bool
) -> Tensor:
    """Gradient (B, V, 3) of the points from those of weights, depth and distance, or None."""
    *size, kept = face.shape[1:]
    scene = _Scene(points, faces, tuple(size), perspective)
    entries = SortedFaces(face.flatten(1), faces.shape[0])
    shares = entries.empty_shares(3, torch.float64)
    arrays = map(pointer, (*grads, shares))
    parameters = SoftGradient(scene.picture, entries.structure, *arrays, entries.chunks, kept)
    return scene.gradient("soft_rasterize", entries, shares, parameters)
