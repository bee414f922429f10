"""``meshanim doctor``: what is installed, which kernels run, where caches lie."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform

import typer

_REQUIRED = (
    "torch",
    "numpy",
    "scipy",
    "trimesh",
    "anny",
    "tensorly",
    "threadpoolctl",
    "safetensors",
    "av",
    "pillow",
    "platformdirs",
    "typer",
    "rich",
)
_EXTRAS = {
    "geometric": ("torch-geometric",),
    "openmesh": ("openmesh",),
    "pytorch3d": ("easypytorch3d",),
    "metrics": ("torchmetrics",),
    "speech": ("espeakng-loader", "transformers"),
    "train": ("accelerate", "tensorboard"),
    "usd": ("usd-core",),
    "blender": ("bpy",),
    "viewer": ("viser",),
    "vision": ("dlib-bin", "face-recognition-models"),
}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _folder_size(folder: os.PathLike[str]) -> float:
    files = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return sum(os.path.getsize(path) for path in files if os.path.isfile(path)) / 1e6


def _kernels() -> str:
    """Which run, or why those that were asked for cannot."""
    from meshanim._check import InputError
    from meshanim.ops import kernels_in_use

    try:
        return kernels_in_use()
    except (InputError, OSError) as error:
        return f"none: {error}"


def _line(name: str, value: str) -> None:
    typer.echo(f"  {name:<18}{value}")


def doctor() -> None:
    """Say which versions, kernels and extras are found, and where caches lie."""
    import torch

    import meshanim
    from meshanim._files import cache_folder

    typer.echo("meshanim")
    _line("version", meshanim.__version__)
    _line("python", f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores")
    typer.echo("packages")
    for package in _REQUIRED:
        _line(package, _version(package))
    typer.echo("extras")
    for extra, packages in _EXTRAS.items():
        found = {package: _version(package) for package in packages}
        hint = f" (pip install 'meshanim[{extra}]')" if "missing" in found.values() else ""
        _line(extra, ", ".join(f"{package} {version}" for package, version in found.items()) + hint)
    typer.echo("kernels")
    _line("in use", _kernels())
    _line("torch threads", str(torch.get_num_threads()))
    _line("cuda", torch.cuda.get_device_name() if torch.cuda.is_available() else "no device")
    typer.echo("caches")
    folder = cache_folder()
    if not folder.is_dir():
        _line("empty", str(folder))
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        _line(place.name, f"{_folder_size(place):.1f} MB in {place}")
