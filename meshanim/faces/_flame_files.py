"""Reads FLAME's arrays from NPZ or safetensors, under the keys of the published model."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from meshanim._check import InputError, check_finite, check_indices, check_shape

EXPRESSION_COUNT = 100
JOINT_COUNT = 5
_NEEDED = ("v_template", "shapedirs", "f", "weights", "J_regressor")
_OPTIONAL = ("posedirs", "kintree_table")
_PARENTS = [0, 1, 1, 1]
CONVERSION = (
    'convert it once where chumpy and scipy are: python -c "import pickle, numpy as np; '
    "d = pickle.load(open('flame.pkl', 'rb'), encoding='latin1'); np.savez('flame.npz', **{k: np.asarray("
    "d[k].todense() if hasattr(d[k], 'todense') else getattr(d[k], 'r', d[k])) "
    f'for k in {[*_NEEDED, *_OPTIONAL]}}})"'
)


class FlameArrays(NamedTuple):
    """FLAME's arrays in this project's shapes, in metres.

    ``template`` (V, 3), ``faces`` (F, 3), ``shapes`` (I, V, 3), ``expressions`` (E, V, 3),
    ``skinning`` (V, 5), ``joint_regressor`` (5, V), ``pose_correctives`` (V, 3, 36) or None.
    """

    template: Tensor
    faces: Tensor
    shapes: Tensor
    expressions: Tensor
    skinning: Tensor
    joint_regressor: Tensor
    pose_correctives: Tensor | None


def read_flame(path: str | Path) -> FlameArrays:
    """FLAME from an NPZ or safetensors file; the last 100 of ``shapedirs`` are expressions.

    Raises:
        InputError: the file is missing, a pickle, or not FLAME's.
    """
    place = Path(path)
    if not place.is_file():
        raise InputError(f"flame={place} must be an NPZ or safetensors file, got no file there")
    if place.suffix.lower() in (".pkl", ".pickle"):
        raise InputError(f"{place} is a pickle, which can run any code and is not opened here; {CONVERSION}")
    stored = _load_tensors(place) if place.suffix.lower() == ".safetensors" else _load_npz(place)
    missing = [key for key in _NEEDED if key not in stored]
    if missing:
        raise InputError(f"{place} must be a FLAME model, got a file without {', '.join(missing)}")
    return _arranged(stored)


def _load_tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as fault:
        raise InputError(
            f"{path} must be a safetensors file, got a file that does not read as one"
        ) from fault


def _load_npz(path: Path) -> Mapping[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys = [key for key in (*_NEEDED, *_OPTIONAL) if key in stored]
            return {key: _plain(path, key, stored) for key in keys}
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, ValueError, TypeError, AttributeError) as fault:
        raise InputError(
            f"{path} must be an NPZ or safetensors file, got a file that reads as neither"
        ) from fault


def _plain(path: Path, key: str, stored: Mapping[str, np.ndarray]) -> Tensor:
    try:
        return torch.from_numpy(np.asarray(stored[key]).copy())
    except (ValueError, TypeError) as fault:
        raise InputError(
            f"{key} in {path} must be an array of numbers, got Python objects, "
            f"which are not unpickled here; {CONVERSION}"
        ) from fault


def _arranged(stored: Mapping[str, Tensor]) -> FlameArrays:
    template = stored["v_template"].float()
    check_shape("v_template", template, (None, 3))
    check_finite("v_template", template)
    count = len(template)
    faces = stored["f"].to(torch.int64)
    check_shape("f", faces, (None, 3))
    check_indices("f", faces, count)
    directions = stored["shapedirs"].float()
    check_shape("shapedirs", directions, (count, 3, None))
    if directions.shape[2] <= EXPRESSION_COUNT:
        raise InputError(
            f"shapedirs must hold shapes and then {EXPRESSION_COUNT} expressions, "
            f"got {directions.shape[2]} in all"
        )
    check_shape("weights", stored["weights"], (count, JOINT_COUNT))
    check_shape("J_regressor", stored["J_regressor"], (JOINT_COUNT, count))
    correctives = stored.get("posedirs")
    if correctives is not None:
        check_shape("posedirs", correctives, (count, 3, 9 * (JOINT_COUNT - 1)))
    _check_parents(stored.get("kintree_table"))
    directions = directions.permute(2, 0, 1).contiguous()
    return FlameArrays(
        template,
        faces,
        directions[:-EXPRESSION_COUNT],
        directions[-EXPRESSION_COUNT:],
        stored["weights"].float(),
        stored["J_regressor"].float(),
        None if correctives is None else correctives.float(),
    )


def _check_parents(tree: Tensor | None) -> None:
    """Root, neck, and on the neck jaw, left and right eye: else the joints' numbers mean something else."""
    if tree is not None:
        check_shape("kintree_table", tree, (2, JOINT_COUNT))
        parents = tree[0, 1:].tolist()
        if parents != _PARENTS:
            raise InputError(f"kintree_table must give joints 1 to 4 the parents {_PARENTS}, got {parents}")
