"""The compiled library: found, loaded and checked once, on first use.

It is a plain C library bound through ctypes, so that one build serves every PyTorch. Where it is missing the
ops run on their references, PyTorch and NumPy code, and one warning says so. The environment variable
``MESHANIM_KERNELS`` forces a choice: ``reference`` everywhere, ``cpu`` (an error where the library is
missing; CUDA tensors take the references) or ``cuda`` (an error where the CUDA kernels cannot run, or
PyTorch sees no device).
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import warnings
from ctypes import POINTER, c_double, c_int32, c_int64, c_void_p
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from meshanim._check import InputError

ABI_VERSION = 6
"""Number of the C interface that this Python code speaks; the library carries the same."""

_COMPILED_TYPES = (torch.float32, torch.float64)

CHOICES = ("reference", "cpu", "cuda")

ACTIVATIONS = ("none", "relu", "elu")
"""Activations of the convolutions, as compiled code numbers them."""


class SpiralConvShape(ctypes.Structure):
    """Sizes of one spiral convolution, as the C side declares them."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "vertices", "length", "channels_in", "channels_out")),
        *((name, c_int32) for name in ("is_double", "activation", "threads")),
    )


class SpiralConvBackward(ctypes.Structure):
    """Arrays of one backward pass, as the C side declares them; None where not wanted."""

    _fields_ = (
        *((name, c_void_p) for name in ("grad_out", "x", "weight", "out", "slots")),
        ("slot_stride", c_int64),
        *((name, c_void_p) for name in ("starts", "sources", "places")),
        *((name, c_void_p) for name in ("grad_x", "grad_weight", "grad_bias")),
    )


class MeshPoolShape(ctypes.Structure):
    """Sizes of one pooling, as the C side declares them."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "coarse", "fine", "width", "channels")),
        *((name, c_int32) for name in ("is_double", "threads")),
    )


class CollapseRules(ctypes.Structure):
    """How edges are chosen and refused, as the C side declares it."""

    _fields_ = tuple((name, c_double) for name in ("round", "length", "boundary", "turn", "flat"))


class SpiralDecodeShape(ctypes.Structure):
    """Sizes of one up-sampling with spiral convolution, as the C side declares them."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "coarse", "fine", "corners", "length")),
        *((name, c_int64) for name in ("channels_in", "channels_out")),
        *((name, c_int32) for name in ("is_double", "activation", "threads")),
    )


class SpiralDecodeTables(ctypes.Structure):
    """Indices of its forward pass, as the C side declares them."""

    _fields_ = (
        *(("corners", c_void_p), ("slots", c_void_p), ("slot_stride", c_int64)),
        *((name, c_void_p) for name in ("patch_counts", "vertices", "rows", "patch_coarse")),
        *((name, c_void_p) for name in ("places", "patch_corners")),
        *((name, c_int64) for name in ("patches", "patch_size", "patch_rows", "patch_coarse_size")),
    )


class SpiralDecodeBackward(ctypes.Structure):
    """Arrays of its backward pass, as the C side declares them; None where not wanted."""

    _fields_ = (
        *((name, c_void_p) for name in ("grad_out", "x", "up_weights", "weight", "out")),
        *((name, c_void_p) for name in ("starts", "sources", "places")),
        *((name, c_void_p) for name in ("grad_x", "grad_weight", "grad_bias")),
    )


class RasterizeShape(ctypes.Structure):
    """Sizes of one rasterization, as the C side declares them."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "vertices", "faces", "height", "width")),
        *((name, c_double) for name in ("near", "radius")),
        *((name, c_int32) for name in ("kept", "perspective", "is_double", "threads")),
    )


class RasterizeBackward(ctypes.Structure):
    """Arrays of its backward pass, as the C side declares them; None for gradients that are not given."""

    _fields_ = tuple(
        (name, c_void_p)
        for name in (
            *("points", "faces", "face", "barycentric", "depth", "grad_barycentric", "grad_depth"),
            *("starts", "entries", "grad_points"),
        )
    )


class SoftRasterizeBackward(ctypes.Structure):
    """Arrays of the backward pass with several faces, as the C side declares them; None where not given."""

    _fields_ = tuple(
        (name, c_void_p)
        for name in (
            *("points", "faces", "face", "grad_weights", "grad_depth", "grad_distance"),
            *("starts", "entries", "grad_points"),
        )
    )


class InterpolateShape(ctypes.Structure):
    """Sizes of one interpolation, as the C side declares them."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "vertices", "pixels", "channels")),
        *((name, c_int32) for name in ("is_double", "threads")),
    )


class InterpolateArrays(ctypes.Structure):
    """Arrays of one interpolation, as the C side declares them; None where not wanted."""

    _fields_ = tuple(
        (name, c_void_p)
        for name in (
            *("attributes", "faces", "face", "weights", "grad_out"),
            *("out", "grad_attributes", "grad_weights"),
        )
    )


_SIGNATURES: dict[str, list[type]] = {
    "meshanim_edge_collapse": [
        *(c_void_p, c_int64, c_void_p, c_int64),
        *(c_void_p, c_void_p, c_int64, c_void_p, c_int64),
        *(POINTER(CollapseRules), c_void_p),
    ],
    "meshanim_half_edges": [c_void_p, c_int64, c_int64, *([c_void_p] * 6)],
    "meshanim_interpolate_backward": [POINTER(InterpolateShape), POINTER(InterpolateArrays)],
    "meshanim_interpolate_forward": [POINTER(InterpolateShape), POINTER(InterpolateArrays)],
    "meshanim_inverse_decode": [
        *(c_void_p, c_int64, c_int64, c_int64),
        *(c_void_p, c_int64, c_int64),
        *([c_void_p] * 3),
    ],
    "meshanim_inverse_lists": [c_void_p, c_int64, c_int64, c_int64, c_void_p, c_void_p],
    "meshanim_inverse_by_vertex": [POINTER(SpiralConvShape)],
    "meshanim_inverse_list_count": [c_int64, c_int64, c_int32],
    "meshanim_inverse_spirals": [c_void_p, c_int64, c_int64, c_int64, c_int32, c_void_p, c_void_p, c_void_p],
    "meshanim_mesh_pool_backward": [POINTER(MeshPoolShape), *([c_void_p] * 5)],
    "meshanim_mesh_pool_forward": [POINTER(MeshPoolShape), *([c_void_p] * 4)],
    "meshanim_nearest_faces": [
        *(c_void_p, c_void_p, c_void_p, c_int64),
        *(c_void_p, c_int64, c_void_p, c_void_p, c_int64),
        *(c_double, c_void_p, c_void_p),
    ],
    "meshanim_one_rings": [c_void_p, c_void_p, c_int64, c_int64, *([c_void_p] * 3)],
    "meshanim_rasterize_backward": [POINTER(RasterizeShape), POINTER(RasterizeBackward)],
    "meshanim_rasterize_forward": [POINTER(RasterizeShape), *([c_void_p] * 5)],
    "meshanim_slot_padding": [],
    "meshanim_soft_rasterize_backward": [POINTER(RasterizeShape), POINTER(SoftRasterizeBackward)],
    "meshanim_soft_rasterize_forward": [POINTER(RasterizeShape), *([c_void_p] * 6)],
    "meshanim_spiral_conv_backward": [POINTER(SpiralConvShape), POINTER(SpiralConvBackward)],
    "meshanim_spiral_conv_forward": [
        POINTER(SpiralConvShape),
        c_void_p,
        c_void_p,
        c_int64,
        *([c_void_p] * 3),
    ],
    "meshanim_spiral_decode_backward": [POINTER(SpiralDecodeShape), POINTER(SpiralDecodeBackward)],
    "meshanim_spiral_decode_patch_size": [POINTER(SpiralDecodeShape)],
    "meshanim_spiral_decode_forward": [
        *(POINTER(SpiralDecodeShape), POINTER(SpiralDecodeTables)),
        *([c_void_p] * 5),
    ],
    "meshanim_spiral_order": [
        *(c_void_p, c_void_p, c_int64),
        *(c_void_p, c_void_p, c_int64, c_int64, c_void_p),
    ],
    "meshanim_spiral_patches": [c_void_p, *([c_int64] * 4), c_void_p],
    "meshanim_surface_distance": [
        *(c_void_p, c_int64, c_void_p, c_int64),
        *(c_void_p, c_int64, c_double, c_double, c_void_p),
    ],
    "meshanim_use_instruction_set": [ctypes.c_char_p],
}


def library_path() -> Path:
    """Where the compiled library lies, beside this file."""
    return Path(__file__).parent / ("libmeshanim_kernels" + (".dylib" if sys.platform == "darwin" else ".so"))


def _open(path: Path) -> ctypes.CDLL:
    if not path.exists():
        raise OSError(f"{path} does not exist")
    library = ctypes.CDLL(str(path))
    library.meshanim_instruction_set.restype = ctypes.c_char_p
    found = int(library.meshanim_abi_version())
    if found != ABI_VERSION:
        raise OSError(f"{path} is of interface version {found}, version {ABI_VERSION} is needed")
    for name, arguments in _SIGNATURES.items():
        getattr(library, name).argtypes = arguments
    return library


def choice() -> str | None:
    """What ``MESHANIM_KERNELS`` asks for; None where it is not set."""
    wanted = os.environ.get("MESHANIM_KERNELS") or None
    if wanted is not None and wanted not in CHOICES:
        raise InputError(f"MESHANIM_KERNELS must be one of {', '.join(CHOICES)}, got {wanted!r}")
    return wanted


@functools.cache
def cpu_library() -> ctypes.CDLL | None:
    """The compiled CPU ops, or None where the references do the work (asked for, or nothing was built).

    Raises:
        OSError: what ``MESHANIM_KERNELS`` asks for cannot be had here.
    """
    wanted = choice()
    if wanted == "reference":
        return None
    if wanted == "cuda" and not torch.cuda.is_available():
        raise OSError("MESHANIM_KERNELS=cuda, but PyTorch sees no CUDA device")
    try:
        return _open(library_path())
    except (OSError, AttributeError) as error:
        way_out = "install a C++ compiler and reinstall meshanim (in a checkout: make kernels)"
        if wanted == "cpu":
            raise OSError(
                f"MESHANIM_KERNELS=cpu, but the compiled ops are missing: {error}; {way_out}"
            ) from None
        text = f"the compiled ops are missing ({error}); slower PyTorch code runs instead: {way_out}"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None


def kernels_in_use() -> str:
    """One line for people: which code the ops run on a CPU."""
    library = cpu_library()
    return (
        "reference (PyTorch)" if library is None else f"cpu ({library.meshanim_instruction_set().decode()})"
    )


def library_for(x: Tensor) -> ctypes.CDLL | None:
    """The compiled ops that can take ``x``, or None for the reference."""
    return cpu_library() if x.is_cpu and x.dtype in _COMPILED_TYPES else None


remembered = functools.lru_cache(4096)
"""For functions from shapes to structures, which the C side only reads: calls of like tensors share one."""


def pointer(x: Tensor | None) -> int | None:
    """Address of the first element, None for no tensor."""
    return None if x is None else x.data_ptr()


def address(x: np.ndarray) -> int:
    """Address of the first element of an array without gaps."""
    assert x.flags.c_contiguous
    return x.ctypes.data


def check_result(code: int) -> None:
    """Raise where the C side reports that memory ran out."""
    if code:
        raise MemoryError("no memory left for a compiled op")
