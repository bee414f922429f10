"""Readers of published 4D face corpora, which their owners hand out: CoMA, VOCASET, 4DFAB.

Each reads a folder as its owner publishes it and walks through its recordings; frames are read from disk when
a recording is asked for its performance, so that a whole corpus is never held at once. Files that need pickle
(VOCASET's ``*.pkl``) are not read: its mesh sequences and ``templates`` folder hold the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh, read_mesh
from meshanim.performance import Performance

_MESH_SUFFIXES = (".ply", ".obj")


@dataclass(frozen=True)
class Recording:
    """One sequence of registered meshes.

    Attributes:
        subject: the owner's name of the person.
        name: the owner's name of the sentence or expression.
        fps: frames per second.
        frames: mesh files in time order.
        scale: metres per unit of the files.
        template: mesh file of the person at rest; the first frame stands in where there is none.
        sound: sound file, where there is one.
    """

    subject: str
    name: str
    fps: float
    frames: tuple[Path, ...]
    scale: float = 1.0
    template: Path | None = None
    sound: Path | None = None

    def performance(self, step: int = 1) -> Performance:
        """Read every ``step``-th frame.

        Raises:
            InputError: a frame that cannot be read, or whose faces differ from the template's.
        """
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
        return Performance(rest, self.fps / step, motion=torch.stack(moved))

    def _mesh(self, path: Path) -> Mesh:
        mesh = read_mesh(path)
        return mesh.with_vertices(mesh.vertices * self.scale)


def _frames(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in _MESH_SUFFIXES))


def _sequences(
    folder: str | Path, depth: int, layout: str
) -> Iterator[tuple[tuple[str, ...], tuple[Path, ...]]]:
    """Folders ``depth`` below ``folder`` that hold meshes: the names on the way and the files."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} must be a folder laid out as {layout}, but there is no such folder")
    found = False
    for place in sorted(root.glob("/".join(["*"] * depth))):
        frames = _frames(place) if place.is_dir() else ()
        if frames:
            found = True
            yield place.relative_to(root).parts, frames
    if not found:
        raise InputError(f"{root} must be laid out as {layout}, but no mesh files were found there")


def read_coma(folder: str | Path) -> Iterator[Recording]:
    """CoMA (Ranjan et al. 2018): 12 subjects, 12 extreme expressions, 60 fps, 5,023 vertices, metres.

    Args:
        folder: ``trainingdata`` as published: ``FaceTalk_*_TA/<expression>/<expression>.000001.ply``.
    """
    for (subject, name), frames in _sequences(folder, 2, "<subject>/<expression>/*.ply"):
        yield Recording(subject, name, 60.0, frames)


def read_vocaset(folder: str | Path) -> Iterator[Recording]:
    """VOCASET (Cudeiro et al. 2019): 12 subjects, 40 sentences each, 60 fps, 5,023 vertices, metres.

    Args:
        folder: where the published archives were unpacked side by side: ``unposedcleaneddata`` (or
            ``registereddata``) with ``FaceTalk_*_TA/sentence01/*.ply``, and, where present, ``templates``
            with ``FaceTalk_*_TA.ply`` and ``audio`` with ``FaceTalk_*_TA/sentence01.wav``.
    """
    root = Path(folder)
    meshes = next(
        (root / name for name in ("unposedcleaneddata", "registereddata") if (root / name).is_dir()), root
    )
    for (subject, name), frames in _sequences(meshes, 2, "unposedcleaneddata/<subject>/<sentence>/*.ply"):
        template = root / "templates" / f"{subject}.ply"
        sound = root / "audio" / subject / f"{name}.wav"
        yield Recording(
            subject,
            name,
            60.0,
            frames,
            template=template if template.is_file() else None,
            sound=sound if sound.is_file() else None,
        )


def read_4dfab(folder: str | Path) -> Iterator[Recording]:
    """4DFAB (Cheng et al. 2018): 180 subjects, six posed expressions, 60 fps, registered, millimetres.

    Args:
        folder: one folder a subject, one folder an expression in it, one mesh (OBJ or PLY) a frame.
    """
    for (subject, name), frames in _sequences(folder, 2, "<subject>/<expression>/*.obj"):
        yield Recording(subject, name, 60.0, frames, scale=1e-3)
