"""The CUDA kernels on a CPU, as they are launched; and what their tests share.

Every ``.cu`` file is compiled by the host's C++ compiler with ``emulation.h`` for what only a GPU has, and
the ops run on it as they would on a device. What this cannot see: speed, and a GPU that behaves otherwise
than its manual says.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from meshanim.ops import _cuda, _nvrtc

HERE = Path(__file__).parent
DTYPES = list(_nvrtc.SCALARS)
LAUNCH = _cuda.launch

# One rounding of a result in its own type, relative to the largest; sums are in single precision.
ROUNDING = {torch.float32: 2e-6, torch.float16: 2**-11, torch.bfloat16: 2**-8}
# Gradients of 16-bit types round the slope of the activation and sums of rows on the way: a few roundings.
GRADIENT_FACTOR = 4


class Gpu:
    """Launches kernels where they belong, and notes which."""

    def __init__(self) -> None:
        self.backwards = False
        self.launched: set[tuple[str, str]] = set()

    def launch(self, op: str, kernel: str, *others: Any) -> None:
        LAUNCH(op, kernel, *others)
        self.launched.add((op, kernel))


class Emulator:
    """Launches kernels on a CPU; compiles their sources at the first use of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libraries: dict[tuple[str, torch.dtype], ctypes.CDLL] = {}
        self.backwards = False
        self.launched: set[tuple[str, str]] = set()

    def launch(
        self,
        op: str,
        kernel: str,
        like: Tensor,
        grid: _cuda.Grid,
        threads: int,
        parameters: ctypes.Structure,
    ) -> None:
        if 0 in grid:
            return
        assert max(grid[1:]) < 2**16 and grid[0] < 2**31, "a GPU takes no larger grid"
        function = getattr(self._library(op, like.dtype), kernel)
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_uint, ctypes.c_bool]
        size = ctypes.sizeof(parameters)
        function(ctypes.addressof(parameters), size, (ctypes.c_uint * 3)(*grid), threads, self.backwards)
        self.launched.add((op, kernel))

    def kernels(self, op: str, dtype: torch.dtype) -> set[str]:
        """Names of all kernels of an op."""
        library = self._library(op, dtype)
        names = re.findall(rb"\0([a-z][a-z_]*(?:_\d+(?:x\d+)?)?)(?=\0)", Path(library._name).read_bytes())
        own = {name.decode() for name in names if name.startswith(op.split("_")[0].encode())}
        return {name for name in own if hasattr(library, name)}

    def _library(self, op: str, dtype: torch.dtype) -> ctypes.CDLL:
        if (op, dtype) not in self._libraries:
            compiler = shutil.which("c++") or shutil.which("g++")
            if compiler is None:
                pytest.skip("there is no C++ compiler to run the CUDA sources on a CPU with")
            source = _nvrtc.source_folder() / op / f"{op}.cu"
            target = self._folder / f"{op}-{str(dtype).removeprefix('torch.')}.so"
            options = [*_nvrtc.source_options(dtype), f"-I{HERE}", "-DMESHANIM_EMULATED", "-O1", "-w"]
            command = [compiler, "-x", "c++", *options, "-shared", "-fPIC", "-o", str(target), str(source)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            self._libraries[op, dtype] = ctypes.CDLL(str(target))
        return self._libraries[op, dtype]


def here(tensor: Tensor) -> Tensor:
    return tensor.to(torch.get_default_device())


def random_leaves(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Leaves amid NaN, so that a read from beside them shows."""
    generator = torch.Generator().manual_seed(0)
    values = (torch.randn(shape, generator=generator, device="cpu") for shape in shapes)
    return [amid_nan(value.to(dtype), 16) for value in values]


def amid_nan(tensor: Tensor, before: int) -> Tensor:
    buffer = torch.full((before + tensor.numel() + 16,), torch.nan, dtype=tensor.dtype)
    inner = buffer[before : before + tensor.numel()].view(tensor.shape)
    return inner.copy_(tensor).requires_grad_()


def results_of(call: Callable[..., Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """What a call gives, and the gradients of its arguments in a fixed direction."""
    result = call(*leaves)
    return [result.detach(), *torch.autograd.grad(result, leaves, direction_of(result, leaves[0].dtype))]


def direction_of(result: Tensor, dtype: torch.dtype) -> Tensor:
    values = torch.randn(result.shape, generator=torch.Generator().manual_seed(2), device="cpu")
    return here(values.to(dtype).to(result.dtype))


def check_close(found: list[Tensor], wanted: list[Tensor], factor: int = 1, values_factor: int = 1) -> None:
    for i, (value, exact) in enumerate(zip(found, wanted, strict=True)):
        assert value.shape == exact.shape
        if exact.numel():
            error = (value.double() - exact).abs().max() / exact.abs().max().clamp(min=1e-30)
            assert error <= ROUNDING[value.dtype] * (GRADIENT_FACTOR * factor if i else values_factor)


def same_bits(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def decode_inputs(
    sizes: tuple[int, ...], dtype: torch.dtype
) -> tuple[list[Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Leaves; and indices, weights and spirals, where half of the spirals stay among neighbours."""
    batch, coarse, fine, corners, length, channels, outputs = sizes
    generator = torch.Generator().manual_seed(1)
    indices = torch.randint(0, coarse, (fine, corners), generator=generator, device="cpu")
    up_weights = torch.rand((fine, corners), generator=generator, device="cpu")
    up_weights /= up_weights.sum(1, keepdim=True)
    spirals = torch.randint(-1, fine, (fine, length), generator=generator, device="cpu")
    neighbours = torch.arange(fine // 2, device="cpu").unsqueeze(1) + torch.arange(length, device="cpu")
    spirals[: fine // 2] = neighbours
    spirals[spirals >= fine] = -1
    shapes = ((batch, coarse, channels), (outputs, length * channels), (outputs,))
    return random_leaves(dtype, *shapes), (here(indices), here(up_weights.to(dtype)), here(spirals))
