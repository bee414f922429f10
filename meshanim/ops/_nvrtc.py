"""CUDA sources to machine code by NVRTC, the compiler that CUDA builds of PyTorch bring; kept on disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path

import torch

from meshanim._files import atomic_path, cache_folder

SCALARS = {torch.float32: "float", torch.float16: "meshanim::Half", torch.bfloat16: "meshanim::Bfloat16"}
"""Types that the kernels are compiled for, and what the sources call them."""


DEVICE_CODE = ("--device-as-default-execution-space",)
"""Unlike nvcc, NVRTC takes generic lambdas inside of kernels for host code, which it refuses."""

IN_DOUBLES = ("rasterize", "soft_rasterize")
"""Ops on float32 alone that work in double precision and, without fused multiply-add, round as on a CPU."""


def source_folder() -> Path:
    """Where the CUDA sources lie: inside an installed package, beside it in a source tree."""
    installed = Path(__file__).parent / "kernels"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "kernels"


def source_options(dtype: torch.dtype) -> list[str]:
    """What every compiler of the sources is told."""
    narrow = ["-DMESHANIM_NARROW"] if dtype == torch.float32 else []
    return ["--std=c++17", f"-I{source_folder()}", f"-DMESHANIM_SCALAR={SCALARS[dtype]}", *narrow]


def device_options(op: str) -> list[str]:
    """What compilers for a GPU are told besides."""
    return ["--fmad=false"] if op in IN_DOUBLES else []


def compiled(op: str, dtype: torch.dtype, capability: int, driver: int) -> bytes:
    """Machine code of all kernels of an op for a type of tensor, from the disk cache where it is there.

    Args:
        op: folder and file in ``kernels``, such as ``spiral_conv``.
        dtype: one of ``SCALARS``.
        capability: of the device, as 90 for 9.0. A device that NVRTC does not know yet gets PTX, which its
            driver translates.
        driver: version, as CUDA counts it; a new one makes new files.

    Raises:
        OSError: NVRTC is not there, or knows no such device.
        RuntimeError: the source does not compile.
    """
    nvrtc = library()
    options = [*source_options(dtype), *device_options(op), *DEVICE_CODE]
    options += [f"--gpu-architecture={_architecture(nvrtc, capability)}"]
    place = cache_folder() / "cuda" / f"{op}-{_key(nvrtc, op, options, driver)}.cubin"
    if place.is_file():
        return place.read_bytes()
    source = source_folder() / op / f"{op}.cu"
    code = nvrtc.compile(source.read_text(), source.name, options)
    try:
        with atomic_path(place) as temporary:
            temporary.write_bytes(code)
    except OSError:  # a disk that cannot be written to costs time at every start, no more
        pass
    return code


@functools.cache
def library() -> Nvrtc:
    """The compiler, loaded at the first call.

    Raises:
        OSError: there is none that loads; names what was tried.
    """
    tried = []
    for path in _candidates():
        try:
            return Nvrtc(path)
        except OSError as error:
            tried.append(str(error))
    raise OSError(
        "NVRTC is missing: " + ("; ".join(tried) or "no libnvrtc lies beside PyTorch or in CUDA_HOME")
    )


class Nvrtc:
    """The functions of ``libnvrtc`` that are needed, with errors for result codes."""

    def __init__(self, path: Path) -> None:
        # NVRTC opens its second half by name when it compiles, and not every build of it looks beside itself.
        for half in path.parent.glob("libnvrtc-builtins.so*"):
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(half))
        self._library = ctypes.CDLL(str(path))
        self._library.nvrtcGetErrorString.restype = c_char_p
        self._library.nvrtcCompileProgram.argtypes = [c_void_p, c_int, POINTER(c_char_p)]
        for name in ("CUBIN", "PTX", "ProgramLog"):
            getattr(self._library, f"nvrtcGet{name}Size").argtypes = [c_void_p, POINTER(c_size_t)]
            getattr(self._library, f"nvrtcGet{name}").argtypes = [c_void_p, c_char_p]

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = c_int(), c_int()
        self._call("nvrtcVersion", byref(major), byref(minor))
        return major.value, minor.value

    @functools.cached_property
    def capabilities(self) -> list[int]:
        """Compute capabilities that it makes code for, ascending, as 90 for 9.0."""
        count = c_int()
        self._call("nvrtcGetNumSupportedArchs", byref(count))
        found = (c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", found)
        return sorted(found)

    def compile(self, source: str, name: str, options: list[str]) -> bytes:
        """Machine code, or PTX where the options name a virtual architecture.

        Raises:
            RuntimeError: what the compiler says.
        """
        program = c_void_p()
        self._call("nvrtcCreateProgram", byref(program), source.encode(), name.encode(), 0, None, None)
        try:
            arguments = (c_char_p * len(options))(*(option.encode() for option in options))
            if self._library.nvrtcCompileProgram(program, len(options), arguments):
                log = self._read(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
                raise RuntimeError(f"{name} does not compile with NVRTC {self.version}: {log}")
            virtual = any(option.startswith("--gpu-architecture=compute") for option in options)
            return self._read(program, "PTX" if virtual else "CUBIN")
        finally:
            self._library.nvrtcDestroyProgram(byref(program))

    def _read(self, program: c_void_p, what: str) -> bytes:
        size = c_size_t()
        self._call(f"nvrtcGet{what}Size", program, byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, text)
        return text.raw

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise RuntimeError(f"{name}: {self._library.nvrtcGetErrorString(code).decode()}")


def _candidates() -> list[Path]:
    """Files that may be NVRTC: those of PyTorch's own CUDA version first."""
    torch_folder = Path(torch.__file__).parent
    spec = importlib.util.find_spec("nvidia")
    packages = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    folders = [torch_folder / "lib"]
    folders += [place / "lib" for package in packages for place in sorted(package.iterdir(), reverse=True)]
    home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    folders += [Path(home) / "lib64"]
    found = [path for folder in folders for path in sorted(folder.glob("libnvrtc.so*"), reverse=True)]
    major = (torch.version.cuda or "").split(".")[0]
    return sorted(found, key=lambda path: not path.name.endswith(f".so.{major}"))


def _architecture(nvrtc: Nvrtc, capability: int) -> str:
    if capability in nvrtc.capabilities:
        return f"sm_{capability}"
    older = [known for known in nvrtc.capabilities if known < capability]
    if not older:
        raise OSError(f"NVRTC {nvrtc.version} makes no code for compute capability {capability / 10}")
    return f"compute_{older[-1]}"


def _key(nvrtc: Nvrtc, op: str, options: list[str], driver: int) -> str:
    """Digest of all that the code depends on; where the sources lie does not count, what they say does."""
    digest = hashlib.sha256(repr((op, nvrtc.version, driver)).encode())
    digest.update(repr([option for option in options if not option.startswith("-I")]).encode())
    folder = source_folder()
    for path in sorted(path for suffix in ("cu", "cuh") for path in folder.rglob(f"*.{suffix}")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
