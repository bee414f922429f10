"""Sums over the pixels of faces on CUDA tensors, and interpolation with its gradients; arguments are checked
by the ops.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_void_p

import torch
from torch import Tensor

from meshanim.ops import _cuda
from meshanim.ops._cuda_ops import blocks
from meshanim.ops._cuda_plans import PoolLists, pool_lists
from meshanim.ops._library import pointer
from meshanim.ops._plans import check_count

CHUNK, THREADS = 16, 128
"""Entries that one thread adds up; threads of a block."""

PIXELS = 128
"""Pixels that one block interpolates."""


class FaceEntries(ctypes.Structure):
    """``FaceEntries`` of the CUDA sources."""

    _fields_ = (*((name, c_void_p) for name in ("keys", "order", "starts")), ("keyed", c_int64))


class VertexSums(ctypes.Structure):
    """``VertexSumsParameters`` of the CUDA sources."""

    _fields_ = (
        ("entries", FaceEntries),
        *((name, c_void_p) for name in ("shares", "starts", "corners", "out")),
        ("count", c_int64),
        *((name, c_int32) for name in ("vertices", "faces", "channels")),
    )


class Interpolate(ctypes.Structure):
    """``InterpolateParameters`` of the CUDA sources."""

    _fields_ = (
        *((name, c_void_p) for name in ("attributes", "corners", "face", "weights", "grad", "result")),
        *((name, c_int64) for name in ("count", "pixels")),
        *((name, c_int32) for name in ("vertices", "faces", "channels")),
    )


class InterpolateShares(ctypes.Structure):
    """``InterpolateSharesParameters`` of the CUDA sources."""

    _fields_ = (
        ("entries", FaceEntries),
        *((name, c_void_p) for name in ("weights", "grad", "shares")),
        ("count", c_int64),
        ("channels", c_int32),
    )


class SortedFaces:
    """Entries (B, N) that name faces, sorted by image and face on their device; nothing waits for it.

    Args:
        face: (B, N) int64; what is no face counts as none.
        count: of faces.
    """

    def __init__(self, face: Tensor, count: int) -> None:
        images = face.shape[0]
        self.faces, self.keyed = count, images * count
        check_count("faces of all pictures", self.keyed + 1)
        self.chunks = blocks(face.numel(), CHUNK)
        first = torch.arange(images, device=face.device).unsqueeze(1) * count
        keys = torch.where((face >= 0) & (face < count), face + first, self.keyed).to(torch.int32).flatten()
        self.keys, self.order = torch.sort(keys, stable=True)
        numbers = torch.arange(self.keyed + 1, device=face.device, dtype=torch.int32)
        self.starts = torch.searchsorted(self.keys, numbers, out_int32=True)

    @property
    def structure(self) -> FaceEntries:
        """For the kernels."""
        return FaceEntries(*map(pointer, (self.keys, self.order, self.starts)), self.keyed)

    def empty_shares(self, channels: int, dtype: torch.dtype) -> Tensor:
        """Room for the sums of each face in each chunk, by corner."""
        shares = self.chunks + self.keyed
        return torch.empty((shares, 3 * channels), dtype=dtype, device=self.keys.device)

    def add_to_vertices(self, op: str, shares: Tensor, faces: PoolLists, out: Tensor) -> None:
        """Fill ``out`` (B, V, C) with the sums over the faces around each vertex."""
        _, vertices, channels = out.shape
        arrays = map(pointer, (shares, *faces.inverse, out))
        parameters = VertexSums(self.structure, *arrays, out.numel(), vertices, self.faces, channels)
        grid = (blocks(out.numel(), THREADS), 1, 1)
        _cuda.launch(op, f"{op}_vertices", out, grid, THREADS, parameters)


def interpolate(attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    """The result (B, N, C)."""
    result = attributes.new_empty((*face.shape, attributes.shape[2]))
    _interpolate("interpolate", PIXELS, (attributes, faces, face, weights), None, result)
    return result


def interpolate_gradients(
    grad: Tensor, attributes: Tensor, faces: Tensor, face: Tensor, weights: Tensor, needs: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Gradients of attributes and weights, without elements where not needed."""
    to_attributes, to_weights = needs
    grad = grad.contiguous()
    grad_attributes = attributes.new_empty(attributes.shape if to_attributes else 0)
    grad_weights = weights.new_empty(weights.shape if to_weights else 0)
    if to_weights:
        _interpolate("interpolate_weights", THREADS, (attributes, faces, face, weights), grad, grad_weights)
    if to_attributes:
        channels, weights = attributes.shape[2], weights.contiguous()
        entries = SortedFaces(face, faces.shape[0])
        shares = entries.empty_shares(channels, torch.float32)
        count = entries.chunks * 3 * channels
        parameters = InterpolateShares(
            entries.structure, *map(pointer, (weights, grad, shares)), count, channels
        )
        grid = (blocks(count, THREADS), 1, 1)
        _cuda.launch("interpolate", "interpolate_shares", grad, grid, THREADS, parameters)
        plan = pool_lists(faces, attributes.shape[1], "faces")
        entries.add_to_vertices("interpolate", shares, plan, grad_attributes)
    return grad_attributes, grad_weights


def _interpolate(
    kernel: str, pixels: int, inputs: tuple[Tensor, ...], grad: Tensor | None, result: Tensor
) -> None:
    """Launch a kernel of which a block takes so many pixels."""
    attributes, faces, face, weights = inputs
    plan = pool_lists(faces, attributes.shape[1], "faces")
    attributes, face, weights = attributes.contiguous(), face.contiguous(), weights.contiguous()
    parameters = Interpolate(
        *map(pointer, (attributes, plan.indices, face, weights, grad, result)),
        *(face.numel(), face.shape[1], attributes.shape[1], faces.shape[0], attributes.shape[2]),
    )
    grid = (blocks(face.numel(), pixels), 1, 1)
    _cuda.launch("interpolate", kernel, attributes, grid, THREADS, parameters)
