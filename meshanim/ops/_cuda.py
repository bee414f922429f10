"""The CUDA kernels: loaded into PyTorch's own context by the driver, launched on PyTorch's current stream.

A kernel is compiled and loaded when it is first launched; after that, a launch allocates nothing and waits
for nothing, so that it may be captured into a CUDA graph.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import warnings
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_void_p

import torch
from torch import Tensor

from meshanim.ops import _nvrtc
from meshanim.ops._library import choice

LOWEST_CAPABILITY = 80
"""Ampere: the first with matrix products of bfloat16."""

Grid = tuple[int, int, int]


def takes(x: Tensor) -> bool:
    """Whether the CUDA kernels do the work on ``x``; elsewhere the CPU ops or the references do.

    Raises:
        OSError: they were asked for by ``MESHANIM_KERNELS=cuda``, but cannot be had here.
    """
    return x.is_cuda and x.dtype in _nvrtc.SCALARS and available(x.device.index)


@functools.cache
def available(device: int) -> bool:
    """Whether a CUDA device can run the kernels; where it cannot, and should, one warning says why.

    Raises:
        OSError: they were asked for by ``MESHANIM_KERNELS=cuda``, but cannot be had here.
    """
    wanted = choice()
    if wanted in ("reference", "cpu"):
        return False
    try:
        if _capability(device) < LOWEST_CAPABILITY:
            raise OSError(
                f"{torch.cuda.get_device_name(device)} has compute capability {_capability(device) / 10}, "
                f"{LOWEST_CAPABILITY / 10} is needed"
            )
        _nvrtc.library()
        _driver()
    except OSError as error:
        if wanted == "cuda":
            raise OSError(f"MESHANIM_KERNELS=cuda, but the CUDA kernels cannot run: {error}") from None
        text = f"the CUDA kernels cannot run ({error}); slower PyTorch code runs instead"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
        return False
    return True


def launch(
    op: str, kernel: str, like: Tensor, grid: Grid, threads: int, parameters: ctypes.Structure
) -> None:
    """Launch a kernel of ``kernels/<op>/<op>.cu`` for the type of ``like``, on its device.

    Args:
        op: folder and file of the source.
        kernel: name in the source.
        like: a tensor on the device, of the type that the kernel is compiled for.
        grid: blocks in x, y, z; nothing happens where one of them is 0.
        threads: of a block.
        parameters: the structure that the kernel takes.
    """
    if 0 in grid:
        return
    device = like.device.index
    context, function = _function(op, kernel, like.dtype, device)
    stream = torch._C._cuda_getCurrentRawStream(device)
    arguments = (c_void_p * 1)(ctypes.addressof(parameters))
    driver = _driver()
    with _Current(driver, context):
        driver.call("cuLaunchKernel", function, *grid, threads, 1, 1, 0, stream, arguments, None)


class Driver:
    """The functions of the CUDA driver that are needed, with errors for result codes."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        signatures = {
            "cuCtxPopCurrent_v2": [POINTER(c_void_p)],
            "cuCtxPushCurrent_v2": [c_void_p],
            "cuDeviceGet": [POINTER(c_int), c_int],
            "cuDevicePrimaryCtxRetain": [POINTER(c_void_p), c_int],
            "cuDriverGetVersion": [POINTER(c_int)],
            "cuGetErrorString": [c_int, POINTER(c_char_p)],
            "cuLaunchKernel": [c_void_p, *([c_uint] * 7), c_void_p, c_void_p, c_void_p],
            "cuModuleGetFunction": [POINTER(c_void_p), c_void_p, c_char_p],
            "cuModuleLoadData": [POINTER(c_void_p), c_char_p],
        }
        self._functions = {name: getattr(self._library, name) for name in signatures}
        for name, arguments in signatures.items():
            self._functions[name].argtypes = arguments

    def call(self, name: str, *arguments: object) -> None:
        """Call a function.

        Raises:
            RuntimeError: what the driver says.
        """
        code = self._functions[name](*arguments)
        if code:
            text = c_char_p()
            self._functions["cuGetErrorString"](code, byref(text))
            raise RuntimeError(f"{name}: {(text.value or b'unknown error').decode()} (code {code})")

    def version(self) -> int:
        """The CUDA version that the driver speaks, as 13000 for 13.0."""
        found = c_int()
        self.call("cuDriverGetVersion", byref(found))
        return found.value


class _Current:
    """Makes a context current on this thread, and the former one again."""

    def __init__(self, driver: Driver, context: c_void_p) -> None:
        self._driver, self._context = driver, context

    def __enter__(self) -> None:
        self._driver.call("cuCtxPushCurrent_v2", self._context)

    def __exit__(self, *_: object) -> None:
        self._driver.call("cuCtxPopCurrent_v2", byref(c_void_p()))


@functools.cache
def _driver() -> Driver:
    return Driver()


@functools.cache
def _capability(device: int) -> int:
    major, minor = torch.cuda.get_device_capability(device)
    return 10 * major + minor


@functools.cache
def _context(device: int) -> c_void_p:
    """The context of a device that PyTorch works in."""
    handle, context = c_int(), c_void_p()
    _driver().call("cuDeviceGet", byref(handle), device)
    _driver().call("cuDevicePrimaryCtxRetain", byref(context), handle)
    return context


_lock = threading.Lock()
_functions: dict[tuple, tuple[c_void_p, c_void_p]] = {}
_modules: dict[tuple, c_void_p] = {}


def _function(op: str, kernel: str, dtype: torch.dtype, device: int) -> tuple[c_void_p, c_void_p]:
    """Context and kernel."""
    key = (op, kernel, dtype, device)
    found = _functions.get(key)
    if found is None:
        with _lock:
            found = _functions[key] = _load(op, kernel, dtype, device)
    return found


def _load(op: str, kernel: str, dtype: torch.dtype, device: int) -> tuple[c_void_p, c_void_p]:
    check_not_capturing(f"the CUDA kernel {kernel} is loaded")
    driver, context = _driver(), _context(device)
    with _Current(driver, context):
        module = _modules.get((op, dtype, device))
        if module is None:
            code = _nvrtc.compiled(op, dtype, _capability(device), driver.version())
            module = c_void_p()
            driver.call("cuModuleLoadData", byref(module), code)
            _modules[op, dtype, device] = module
        function = c_void_p()
        driver.call("cuModuleGetFunction", byref(function), module, kernel.encode())
    return context, function


def finished(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors that are kept, once they are made: any stream may read them from now on."""
    for device in {tensor.device for tensor in tensors if tensor.is_cuda}:
        torch.cuda.current_stream(device).synchronize()
    return tensors


def check_not_capturing(what: str) -> None:
    """Raise while a CUDA graph is captured: ``what`` is done at a first call, which must come before."""
    if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
        raise RuntimeError(f"{what} at the first call: call the op once before a CUDA graph is captured")
