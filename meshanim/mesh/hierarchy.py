"""A mesh at several levels of detail, with everything that spiral networks need of it."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from meshanim._check import InputError, check_indices, check_shape
from meshanim._files import atomic_path, cache_folder
from meshanim.mesh.decimation import decimate
from meshanim.mesh.mesh import Mesh
from meshanim.mesh.spirals import reference_vertices, spiral_sequences
from meshanim.mesh.upsampling import upsampling_matrix

# Counted up when the same mesh and settings would give other levels, spirals or matrices, so that
# no cache of an older version is taken for a new one.
_FORMAT = 2
_NAME = "meshanim-hierarchy"
_PER_LEVEL = ("spirals", "down", "up_indices", "up_weights")


@dataclass(frozen=True)
class _Settings:
    factors: tuple[float, ...]
    spiral_lengths: tuple[int, ...]
    dilations: tuple[int, ...]


def _per_level(name: str, value: int | Sequence[int], levels: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,) * levels
    if len(values) != levels or not all(isinstance(one, Integral) and one >= 1 for one in values):
        wanted = f"one whole number or {levels} of them, all at least 1"
        raise InputError(f"{name} must be {wanted}, got {value!r}")
    return tuple(map(int, values))


def _settings(
    factors: Sequence[float], spiral_lengths: int | Sequence[int], dilations: int | Sequence[int]
) -> _Settings:
    if not isinstance(factors, Iterable):
        raise InputError(f"factors must be one number for each step, as (4, 4, 4, 4), got {factors!r}")
    steps = tuple(float(f) for f in factors)
    if not all(math.isfinite(f) and f >= 1 for f in steps):
        raise InputError(f"factors must be at least 1 each, got {tuple(factors)}")
    levels = len(steps) + 1
    return _Settings(
        steps,
        _per_level("spiral_lengths", spiral_lengths, levels),
        _per_level("dilations", dilations, levels),
    )


def _digest(mesh: Mesh, settings: _Settings) -> str:
    """SHA-256 of geometry, topology, settings and the format's version."""
    head = json.dumps(
        [_FORMAT, vars(settings), str(mesh.vertices.dtype), *mesh.vertices.shape], sort_keys=True
    )
    digest = hashlib.sha256(head.encode())
    for tensor in (mesh.vertices, mesh.faces):
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_table(
    name: str, table: Tensor, rows: int, columns: int | None, count: int, lowest: int = 0
) -> None:
    check_shape(name, table, (rows,) if columns == 0 else (rows, columns))
    check_indices(name, table, count, lowest)


@dataclass(frozen=True, eq=False)
class MeshHierarchy:
    """Levels of detail of one mesh, spirals on each, and the matrices between them.

    Build it with ``MeshHierarchy.from_mesh(mesh)``: any template, in one line.

    Attributes:
        meshes: the n + 1 levels, finest first; level 0 is the mesh it was made from.
        spirals: for each level (V_i, L_i) int64, see ``spiral_sequences``; -1 = none.
        down: for each of the n steps (V_{i+1},) int64, the finer vertex that each coarse vertex is.
        up_indices: for each step (V_i, 3) int64 vertices of level i + 1.
        up_weights: for each step (V_i, 3) float32 barycentric weights; rows sum to one.
        digest: SHA-256 of geometry, topology and settings, in hexadecimal.

    ``(up_weights[i][..., None] * x[up_indices[i]]).sum(1)`` carries values x of level i + 1 to level i,
    ``x[down[i]]`` carries them back; down after up changes nothing.
    """

    meshes: tuple[Mesh, ...]
    spirals: tuple[Tensor, ...]
    down: tuple[Tensor, ...]
    up_indices: tuple[Tensor, ...]
    up_weights: tuple[Tensor, ...]
    digest: str

    def __post_init__(self) -> None:
        size = [len(mesh.vertices) for mesh in self.meshes]
        for level, spirals in enumerate(self.spirals):
            _check_table(f"spirals of level {level}", spirals, size[level], None, size[level], lowest=-1)
        for level, (fine, coarse) in enumerate(pairwise(size)):
            _check_table(f"down matrix {level}", self.down[level], coarse, 0, fine)
            _check_table(f"up matrix {level}", self.up_indices[level], fine, 3, coarse)
            check_shape(f"up weights {level}", self.up_weights[level], (fine, 3))

    def __repr__(self) -> str:
        return f"MeshHierarchy({' -> '.join(str(len(mesh.vertices)) for mesh in self.meshes)})"

    @classmethod
    def from_mesh(
        cls,
        mesh: Mesh,
        factors: Sequence[float] = (5, 5, 5, 5),
        spiral_lengths: int | Sequence[int] = 9,
        dilations: int | Sequence[int] = 1,
        cache: bool = True,
    ) -> MeshHierarchy:
        """Decimate a mesh step by step and prepare spirals and matrices for all levels.

        A level has its finer level's vertices divided by the factor, rounded up, or more where the
        components ask for more (see ``decimate``): four vertices each, for one thing.

        Args:
            mesh: the finest level.
            factors: how many times fewer vertices each step leaves, each at least 1.
            spiral_lengths: one length, or one for each level, finest first: ``len(factors) + 1``.
            dilations: likewise, see ``spiral_sequences``.
            cache: read and write ``cache_folder()/hierarchies``, by digest. A damaged file there is
                made again.

        Raises:
            InputError: a factor below 1, a length or dilation that is no whole number from 1 on, or too few
                or many of them.
        """
        settings = _settings(factors, spiral_lengths, dilations)
        digest = _digest(mesh, settings)
        if not cache:
            return _build(mesh, settings, digest)
        path = cache_folder() / "hierarchies" / f"{digest}.safetensors"
        cached = _from_cache(path, mesh, digest)
        if cached is None:
            cached = _build(mesh, settings, digest)
            try:
                cached.save(path)
            except OSError as error:
                warnings.warn(f"the mesh hierarchy cannot be cached: {error}", stacklevel=2)
        return cached

    def save(self, path: str | Path) -> None:
        """Write everything to one safetensors file; of the finest mesh, vertices and faces only."""
        tensors = {}
        for name in _PER_LEVEL:
            for level, tensor in enumerate(getattr(self, name)):
                tensors[f"{level}.{name}"] = tensor.contiguous()
        for level, mesh in enumerate(self.meshes):
            tensors[f"{level}.vertices"] = mesh.vertices.detach().cpu().contiguous()
            tensors[f"{level}.faces"] = mesh.faces.cpu().contiguous()
        metadata = {"format": _NAME, "version": str(_FORMAT), "digest": self.digest}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata)

    @classmethod
    def load(cls, path: str | Path) -> MeshHierarchy:
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is not a mesh hierarchy, is damaged, or comes from another version.
            OSError: it is missing or cannot be read.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise InputError(
                f"{path} must be a mesh hierarchy, but it is no safetensors file: {error}"
            ) from error
        if metadata.get("format") != _NAME or metadata.get("version") != str(_FORMAT):
            raise InputError(
                f"{path} must be a mesh hierarchy of version {_FORMAT}, "
                f"got {metadata.get('format', 'something else')} {metadata.get('version', '')}".rstrip()
            )
        try:
            return cls._from_tensors(tensors, metadata["digest"])
        except KeyError as error:
            raise InputError(f"{path} is damaged: it lacks {error}") from error
        except InputError as error:
            raise InputError(f"{path} is damaged: {error}") from error

    @classmethod
    def _from_tensors(cls, tensors: dict[str, Tensor], digest: str) -> MeshHierarchy:
        levels = range(sum(name.endswith(".vertices") for name in tensors))
        meshes = tuple(Mesh(tensors[f"{i}.vertices"], tensors[f"{i}.faces"]) for i in levels)
        spirals, down, up_indices, up_weights = (
            tuple(tensors[f"{i}.{name}"] for i in (levels if name == "spirals" else levels[:-1]))
            for name in _PER_LEVEL
        )
        return cls(meshes, spirals, down, up_indices, up_weights, digest)


def _build(mesh: Mesh, settings: _Settings, digest: str) -> MeshHierarchy:
    meshes, down, up = [mesh], [], []
    references = [reference_vertices(mesh)]
    for factor in settings.factors:
        fine = meshes[-1]
        step = decimate(fine, math.ceil(len(fine.vertices) / factor))
        meshes.append(step.mesh)
        down.append(step.kept)
        up.append(upsampling_matrix(fine, step))
        # the same reference on every level, so that spirals of all levels begin in the same direction
        references.append(step.merged_into[references[-1]])
    spirals = tuple(
        spiral_sequences(*arguments)
        for arguments in zip(meshes, settings.spiral_lengths, settings.dilations, references, strict=True)
    )
    indices, weights = tuple(i for i, _ in up), tuple(w for _, w in up)
    return MeshHierarchy(tuple(meshes), spirals, tuple(down), indices, weights, digest)


def _from_cache(path: Path, mesh: Mesh, digest: str) -> MeshHierarchy | None:
    try:
        cached = MeshHierarchy.load(path)
    except (InputError, OSError):
        return None
    return replace(cached, meshes=(mesh, *cached.meshes[1:])) if cached.digest == digest else None
