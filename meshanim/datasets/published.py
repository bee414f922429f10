"""Readers of published 4D face corpora, which their owners hand out: CoMA, VOCASET, BIWI, 4DFAB.

Each checks a folder as its owner publishes it and walks through its recordings; frames are read from disk
when a recording is asked for its performance, so that a whole corpus is never held at once. Files that need
pickle (``templates.pkl`` and its like) are not read: the owners' mesh files hold the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from meshanim._check import InputError, check_count, check_finite, check_numbering
from meshanim.datasets._layout import at_least_one, beside, corpus_folder, visible
from meshanim.mesh import Mesh, read_mesh
from meshanim.mesh.geometry import face_areas
from meshanim.performance import Performance

_MESH_SUFFIXES = (".ply", ".obj")

VOCASET_SPLIT = {
    "train": (
        "FaceTalk_170725_00137_TA",
        "FaceTalk_170728_03272_TA",
        "FaceTalk_170811_03274_TA",
        "FaceTalk_170904_00128_TA",
        "FaceTalk_170904_03276_TA",
        "FaceTalk_170912_03278_TA",
        "FaceTalk_170913_03279_TA",
        "FaceTalk_170915_00223_TA",
    ),
    "validation": ("FaceTalk_170811_03275_TA", "FaceTalk_170908_03277_TA"),
    "test": ("FaceTalk_170731_00024_TA", "FaceTalk_170809_00138_TA"),
}
"""Subjects by part, as in VOCA (Cudeiro et al. 2019) and all who follow it."""
_VOCASET_SHARED = 20
"""Many subjects speak the first sentences, so that VOCA tests and validates on those after them."""

BIWI_TRAIN_SUBJECTS = ("F2", "F3", "F4", "M3", "M4", "M5")
"""Six of the 14 subjects, as in FaceFormer (Fan et al. 2022) and all who follow it."""


@dataclass(frozen=True)
class Recording:
    """One sequence of registered meshes.

    Attributes:
        subject: the owner's name of the person.
        name: the owner's name of the sentence or expression.
        fps: frames per second.
        frames: mesh files in time order, or one ``.npy`` file of all positions (T, 3 V).
        scale: metres per unit of the files.
        template: mesh file of the person at rest; the first frame stands in where there is none.
        topology: mesh file with the faces, where neither frames nor template have them.
        sound: sound file, where there is one.
        split: part of the published split that it belongs to, where there is one.
    """

    subject: str
    name: str
    fps: float
    frames: tuple[Path, ...]
    scale: float = 1.0
    template: Path | None = None
    topology: Path | None = None
    sound: Path | None = None
    split: str | None = None

    def performance(self, step: int = 1) -> Performance:
        """Read every ``step``-th frame.

        Raises:
            InputError: a frame that is missing or cannot be read, or whose faces differ from the template's;
                a step that is no whole number from 1 on.
        """
        check_count("step", step)
        if self.frames[0].suffix == ".npy":
            rest, moved = self._from_array(step)
        else:
            rest, moved = self._from_meshes(step)
        return Performance(rest, self.fps / step, motion=moved)

    def _from_meshes(self, step: int) -> tuple[Mesh, Tensor]:
        check_numbering(self.frames, [_number(path) for path in self.frames])
        rest = self._mesh(self.template or self.frames[0])
        moved = []
        for path in self.frames[::step]:
            mesh = self._mesh(path)
            if not torch.equal(mesh.faces, rest.faces) or mesh.vertices.shape != rest.vertices.shape:
                raise InputError(
                    f"{path} must have the template's {len(rest.vertices)} vertices and its faces, "
                    f"got {len(mesh.vertices)} vertices and {len(mesh.faces)} faces of another topology"
                )
            moved.append(mesh.vertices)
        return rest, torch.stack(moved)

    def _from_array(self, step: int) -> tuple[Mesh, Tensor]:
        mesh_file = self.template or self.topology
        assert mesh_file is not None, "readers give one of them beside an array"
        rest = self._mesh(mesh_file)
        moved = _positions(self.frames[0], len(rest.vertices), step) * self.scale
        return (rest if self.template else rest.with_vertices(moved[0])), moved

    def _mesh(self, path: Path) -> Mesh:
        mesh = read_mesh(path)
        return mesh.with_vertices(mesh.vertices * self.scale)


@dataclass(frozen=True)
class _Normalised(Recording):
    """One whose frames, unlike its template, were turned upright, centred and divided by root area."""

    def _from_array(self, step: int) -> tuple[Mesh, Tensor]:
        assert self.template is not None
        scan = self._mesh(self.template)
        size = float(face_areas(scan.vertices, scan.faces).sum().sqrt())
        if not 0.05 < size < 1:  # metres; a face from ear to ear has 0.25
            raise InputError(
                f"{self.template} must be a face in millimetres, got one of root area {size:g} m"
            )
        turned = (scan.vertices - scan.vertices.mean(dim=0)) * torch.tensor([1.0, -1.0, -1.0])
        return scan.with_vertices(turned), size * _positions(self.frames[0], len(turned), step)


def _positions(path: Path, count: int, step: int) -> Tensor:
    """Every ``step``-th frame (T, V, 3) of an array (T, 3 V), of which only these are read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} must be an array of positions, and cannot be read as one") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path} must hold numbers, got {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 3 * count or not len(array):
        raise InputError(f"{path} must have shape (any, {3 * count}), got {tuple(array.shape)}")
    positions = torch.from_numpy(np.array(array[::step], dtype=np.float32)).view(-1, count, 3)
    check_finite(str(path), positions)
    return positions


def _frames(folder: Path) -> tuple[Path, ...]:
    """Mesh files in the order of their numbers, 9 before 10."""
    found = (path for path in visible(folder.iterdir()) if path.suffix.lower() in _MESH_SUFFIXES)
    return tuple(sorted(found, key=lambda path: (_number(path), path.name)))


def _arrays(root: Path) -> list[Path]:
    """Arrays of sentences by name."""
    return sorted(visible((root / "vertices_npy").glob("*_*.npy")))


def _number(path: Path) -> int:
    """What a file's name ends in; 0 where that is no number."""
    digits = re.search(r"\d+$", path.stem)
    return int(digits[0]) if digits else 0


def _sequences(root: Path, layout: str) -> Iterator[tuple[str, str, tuple[Path, ...]]]:
    """Subject, name and frames of every folder two below that holds meshes."""
    places = (place for place in sorted(root.glob("*/*")) if place.is_dir())
    found = ((place.parent.name, place.name, _frames(place)) for place in places)
    return at_least_one((row for row in found if row[2]), root, layout, "mesh files")


def read_coma(folder: str | Path) -> Iterator[Recording]:
    """CoMA (Ranjan et al. 2018): 12 subjects, 12 extreme expressions, 60 fps, 5,023 vertices, metres.

    Args:
        folder: ``trainingdata`` as published: ``FaceTalk_*_TA/<expression>/<expression>.000001.ply``.
    """
    layout = "<subject>/<expression>/*.ply"
    sequences = _sequences(corpus_folder(folder, layout), layout)
    return (Recording(subject, name, 60.0, frames) for subject, name, frames in sequences)


def read_4dfab(folder: str | Path) -> Iterator[Recording]:
    """4DFAB (Cheng et al. 2018): 180 subjects, six posed expressions, 60 fps, registered, millimetres.

    Args:
        folder: one folder a subject, one folder an expression in it, one mesh (OBJ or PLY) a frame.
    """
    layout = "<subject>/<expression>/*.obj"
    sequences = _sequences(corpus_folder(folder, layout), layout)
    return (Recording(subject, name, 60.0, frames, scale=1e-3) for subject, name, frames in sequences)


def read_vocaset(folder: str | Path) -> Iterator[Recording]:
    """VOCASET (Cudeiro et al. 2019): 12 subjects, 40 sentences each, 60 fps, 5,023 vertices, metres.

    The split is VOCA's, see :data:`VOCASET_SPLIT`; the shared sentences 1 to 20 of the subjects for
    validation and test belong to no part.

    Args:
        folder: either where the published archives were unpacked side by side: ``unposedcleaneddata`` (or
            ``registereddata``) with ``FaceTalk_*_TA/sentence01/*.ply``, and, where present, ``templates``
            with ``FaceTalk_*_TA.ply`` and ``audio`` with ``FaceTalk_*_TA/sentence01.wav``; or, as since
            FaceFormer, ``vertices_npy`` with ``FaceTalk_*_TA_sentence01.npy`` (T, 15069), ``wav`` with
            files of the same names, and ``templates`` with any mesh of that topology.
    """
    root = corpus_folder(folder, "unposedcleaneddata/<subject>/<sentence>/*.ply")
    if (root / "vertices_npy").is_dir():
        return _vocaset_arrays(root)
    meshes = next(
        (root / name for name in ("unposedcleaneddata", "registereddata") if (root / name).is_dir()), root
    )
    sequences = _sequences(meshes, "unposedcleaneddata/<subject>/<sentence>/*.ply")
    return (
        _voca_sentence(root, subject, name, frames, root / "audio" / subject / f"{name}.wav")
        for subject, name, frames in sequences
    )


def _vocaset_arrays(root: Path) -> Iterator[Recording]:
    layout = "vertices_npy/<subject>_<sentence>.npy beside templates/*.ply"
    topology = next(iter(_frames(root / "templates")), None) if (root / "templates").is_dir() else None
    if topology is None:
        raise InputError(f"{root} must be laid out as {layout}, but no mesh was found in templates")
    named = ((path, path.stem.rpartition("_")) for path in _arrays(root))
    found = (
        _voca_sentence(root, subject, name, (path,), root / "wav" / f"{path.stem}.wav", topology)
        for path, (subject, _, name) in named
    )
    return at_least_one(found, root, layout, "arrays")


def _voca_sentence(
    root: Path,
    subject: str,
    name: str,
    frames: tuple[Path, ...],
    sound: Path,
    topology: Path | None = None,
) -> Recording:
    number = re.search(r"\d+$", name)
    split = next((part for part, subjects in VOCASET_SPLIT.items() if subject in subjects), None)
    if split != "train" and (number is None or int(number[0]) <= _VOCASET_SHARED):
        split = None
    template = beside(root / "templates" / f"{subject}.ply")
    return Recording(subject, name, 60.0, frames, 1.0, template, topology, beside(sound), split)


def read_biwi(folder: str | Path) -> Iterator[Recording]:
    """BIWI, or B3D(AC)2 (Fanelli et al. 2010): 14 subjects, 40 sentences without and with emotion, 25 fps.

    The arrays in use since FaceFormer have 23,370 vertices a frame, of no unit: each frame was turned half
    round X, moved to its mean, and divided by the root of its area. The scans, in millimetres, give the size
    back, the same one to all frames of a subject.

    The split is FaceFormer's, of the sentences with emotion: the six :data:`BIWI_TRAIN_SUBJECTS` speak e01 to
    e32 to train on, e33 to e36 for validation and e37 to e40 as ``test-a``; the other eight speak e37 to e40
    as ``test-b``.

    Args:
        folder: ``vertices_npy`` with ``F2_e01.npy`` (T, 70110), ``rigid_scans`` with ``F2.obj``, and, where
            present, ``wav`` with ``F2_e01.wav``.
    """
    layout = "vertices_npy/<subject>_<sentence>.npy beside rigid_scans/<subject>.obj"
    root = corpus_folder(folder, layout)
    arrays = _arrays(root)
    for subject in sorted({path.stem.partition("_")[0] for path in arrays}):
        if not (root / "rigid_scans" / f"{subject}.obj").is_file():
            raise InputError(f"{root} must be laid out as {layout}, but rigid_scans has no {subject}.obj")
    return at_least_one((_biwi_sentence(root, path) for path in arrays), root, layout, "arrays")


def _biwi_sentence(root: Path, path: Path) -> Recording:
    subject, _, name = path.stem.partition("_")
    scan, sound = root / "rigid_scans" / f"{subject}.obj", root / "wav" / f"{path.stem}.wav"
    split = _biwi_split(subject, name)
    return _Normalised(
        subject, name, 25.0, (path,), scale=1e-3, template=scan, sound=beside(sound), split=split
    )


def _biwi_split(subject: str, name: str) -> str | None:
    """The part of a sentence with emotion, ``e01`` to ``e40``; None where FaceFormer leaves it out."""
    number = int(name[1:]) if re.fullmatch(r"e\d\d", name) else 0
    if subject not in BIWI_TRAIN_SUBJECTS:
        return "test-b" if 37 <= number <= 40 else None
    parts = {"train": range(1, 33), "validation": range(33, 37), "test-a": range(37, 41)}
    return next((part for part, numbers in parts.items() if number in numbers), None)
