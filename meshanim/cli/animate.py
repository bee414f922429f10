"""``meshanim animate``: a face and a label in, files with a 4D expression out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import Face, Fps, Identity, Joints, Model, Output, Quiet
from meshanim.cli.writing import write_all

if TYPE_CHECKING:
    from torch import Tensor

    from meshanim.cli.progress import Steps
    from meshanim.faces import FaceModel
    from meshanim.mesh import Mesh
    from meshanim.performance import Performance
    from meshanim.synthesis import ExpressionModel

_BUILT_IN_MODEL = "anny-expressions"


def animate(
    output: Output,
    face: Face = "anny",
    expression: Annotated[
        str,
        typer.Option(help="happy, sad, surprise, angry, disgust, fear, or a mixture: happy:0.6,surprise:0.4"),
    ] = "happy",
    model: Model = None,
    identity: Identity = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Who: a person drawn at random from this seed, where the face has a choice."),
    ] = None,
    intensity: Annotated[float, typer.Option(help="Extremeness of the apex, 0 to 1.")] = 1.0,
    duration: Annotated[float | None, typer.Option(help="Seconds in all.")] = None,
    onset: Annotated[float | None, typer.Option(help="Seconds from neutral to apex.")] = None,
    apex: Annotated[float | None, typer.Option(help="Seconds at the apex.")] = None,
    offset: Annotated[float | None, typer.Option(help="Seconds back to neutral.")] = None,
    fps: Fps = 25.0,
    joints: Joints = True,
    quiet: Quiet = False,
) -> None:
    """Animate a face: it takes on an expression, holds it, and comes back."""
    from meshanim.cli.progress import Steps
    from meshanim.export import check_targets, keep_sources
    from meshanim.faces import load_face
    from meshanim.synthesis import expression_labels

    check_targets(output)
    keep_sources(output, face=face)
    labels = expression_labels(expression, duration, onset, apex, offset, fps, intensity)
    with Steps(quiet) as steps:
        mover = load_face(face)
        performance = _perform(mover, model, identity, seed, labels, fps, output, steps)
        write_all(performance, output, steps, mover, joints)


def _perform(
    face: FaceModel,
    model: str | None,
    identity: str | None,
    seed: int | None,
    labels: Tensor,
    fps: float,
    output: list[str],
    steps: Steps,
) -> Performance:
    from meshanim.cli.person import person
    from meshanim.export import check_targets
    from meshanim.synthesis import ExpressionModel, perform_prototype

    who = person(face, identity, seed)
    if model is None and face.name != "anny":
        check_targets(output, weight_names=face.weight_names)
        trained = [f"--model {name}" for name in ExpressionModel.shipped_for(face.neutral)]
        other = f" (trained on it: {', '.join(trained)})" if trained else ""
        steps.say(f"{face.name}: its own shapes perform the expression's action units{other}")
        return perform_prototype(face, labels, fps, who)

    expressions = ExpressionModel.from_pretrained(model or _BUILT_IN_MODEL)
    check_targets(output, weight_names=expressions.weight_names)
    neutral = face.neutral.with_vertices(face.vertices(who))
    _check_face(neutral, expressions)
    performance = expressions.animate(neutral, labels, fps, progress=steps.step("animating"))
    return replace(performance, face_model=face.name, identity=face.default_identity if who is None else who)


def _check_face(neutral: Mesh, expressions: ExpressionModel) -> None:
    """Raise, naming the option, where a trained model is of another face."""
    from meshanim._check import InputError
    from meshanim.faces.loading import ELSEWHERE
    from meshanim.synthesis.topology import check_topology

    try:
        check_topology("--face", neutral, expressions.template)
    except InputError as fault:
        kind = ELSEWHERE.get(len(expressions.template.vertices))
        raise InputError(f"{fault}" + (f"; the model is of {kind}" if kind else "")) from fault
