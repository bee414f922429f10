"""A face by one word: the built-in head, a model at a path, or a mesh file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from meshanim._check import InputError
from meshanim.faces.face_model import FaceModel

if TYPE_CHECKING:
    from meshanim.mesh import Mesh

FORMS = "anny, ict=PATH, flame=PATH or a mesh file of the built-in head's topology"
ELSEWHERE = {
    26719: "ICT-FaceKit, whose shapes come with ict=PATH",
    5023: "FLAME, whose shapes come with flame=PATH",
}
"""Models that are not built in, by their number of vertices."""
_TURN_LIMIT = 60.0
"""Degrees that a file's head may be turned before its axes are taken to be others than the model's."""


def load_face(spec: str) -> FaceModel:
    """The face model that a specification names.

    Args:
        spec: ``anny`` (built in); ``ict=PATH``, a folder of ICT-FaceKit's OBJ files or a packed NPZ;
            ``flame=PATH``, an NPZ or safetensors file of FLAME; or the path of a mesh file (OBJ, PLY, GLB,
            ...) with the built-in head's vertices in their order, in metres, Y up, looking along Z.

    Raises:
        InputError: nothing of these, or a file that is missing or does not fit.
    """
    kind, separator, place = spec.partition("=")
    if spec == "anny":
        from meshanim.faces.anny import AnnyFace

        return AnnyFace()
    if separator and kind in ("ict", "flame"):
        return _from_files(kind, place)
    path = Path(spec)
    if path.is_dir():
        raise InputError(
            f"face must be {FORMS}, got the folder {spec} (a model's folder is given as ict={spec})"
        )
    if path.is_file():
        return _from_mesh_file(path)
    if path.suffix:
        raise InputError(f"face must be {FORMS}, got {spec}, where there is no file")
    raise InputError(f"face must be {FORMS}, got {spec!r}")


def _from_files(kind: str, place: str) -> FaceModel:
    if not place:
        raise InputError(f"face {kind}=PATH must name a path, got nothing after the sign of equality")
    path = Path(place).expanduser()
    if kind == "ict":
        from meshanim.faces.ict import IctFace

        return IctFace.from_path(path)
    from meshanim.faces.flame import FlameFace

    return FlameFace.from_path(path)


def _from_mesh_file(path: Path) -> FaceModel:
    from meshanim.faces.anny import AnnyFace
    from meshanim.faces.from_mesh import face_from_mesh
    from meshanim.mesh.reading import read_mesh

    mesh, known = read_mesh(path), AnnyFace()
    try:
        face = face_from_mesh(mesh, known)
    except InputError as fault:
        hint = ELSEWHERE.get(len(mesh.vertices))
        raise InputError(f"{path}: {fault}" + (f"; that many has {hint}" if hint else "")) from fault
    turn = _turn(known.neutral, mesh)
    if turn > _TURN_LIMIT:
        raise InputError(
            f"{path}: mesh must have Y up and look along Z, as {known.name}, "
            f"got one turned by {turn:.0f} degrees"
        )
    return face


def _turn(first: Mesh, second: Mesh) -> float:
    """Angle in degrees between two meshes of the same topology."""
    from meshanim.mesh import fit_similarity, matrix_to_axis_angle

    rotation = fit_similarity(first.vertices, second.vertices).rotation
    return float(matrix_to_axis_angle(rotation).norm().rad2deg())
