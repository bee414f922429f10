"""``meshanim train``: the recipes that made the shipped weights, for anyone to run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from meshanim.cli.options import Epochs, Out, Quiet
from meshanim.cli.train_on_video import (
    audio_units,
    face_features,
    lip_sync,
    polynomial,
    tcsan,
    unit_classifier,
)
from meshanim.cli.training import adjusted, keep_models, say_where

VALIDATED = 4
"""Every fourth utterance of the validation set scores a speech model after every epoch."""

app = typer.Typer(help="Train a model; a run that was stopped goes on where it was.", no_args_is_help=True)


@app.command()
def expression(
    out: Out,
    face: Annotated[str, typer.Option(help="anny, ict=PATH or flame=PATH.")] = "anny",
    variant: Annotated[str, typer.Option(help="identity, paper, pca or pca-deep.")] = "identity",
    epochs: Epochs = None,
    batch_size: Annotated[int, typer.Option(help="Sequences per step.")] = 8,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
    corpus_seed: Annotated[int, typer.Option(help="Of the corpus.")] = 0,
    subjects: Annotated[int, typer.Option(help="People in the corpus.")] = 180,
    quiet: Quiet = False,
) -> None:
    """Train 4D expression synthesis on Expressions4D, by the recipe that made the shipped weights."""
    from meshanim._check import check_choice
    from meshanim.cli.progress import Steps
    from meshanim.datasets import Expressions4D
    from meshanim.faces import load_face
    from meshanim.mesh import MeshHierarchy
    from meshanim.training import RECIPES, paper_factors, train_expression

    check_choice("variant", variant, RECIPES)
    recipe = adjusted(RECIPES[variant], epochs=epochs, batch_size=batch_size, seed=seed)
    with Steps(quiet) as steps:
        model = load_face(face)
        corpus = Expressions4D(model, "train", corpus_seed, subjects=subjects, progress=steps.step("corpus"))
        hierarchy = MeshHierarchy.from_mesh(model.neutral, factors=paper_factors(model.neutral))
    _, report = train_expression(corpus, model.neutral, hierarchy, recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


@app.command()
def unprojection(
    out: Out,
    face: Annotated[str, typer.Option(help="anny or ict=PATH.")] = "anny",
    network: Annotated[str, typer.Option(help="small, for two cores, or paper.")] = "small",
    width: Annotated[
        int | None, typer.Option(help="Channels of its first level; the recipe's by default.")
    ] = None,
    size: Annotated[
        int, typer.Option(help="Pixels along each side of pictures and maps, a multiple of 32.")
    ] = 256,
    pictures: Annotated[int, typer.Option(help="Pictures to draw and keep.")] = 2400,
    samples: Annotated[int, typer.Option(help="Pictures in an epoch, taken at random.")] = 600,
    epochs: Epochs = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures per step; the recipe's by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and pictures.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the network from a picture to a position map, on faces drawn once and kept in the cache."""
    from meshanim._check import check_choice
    from meshanim.datasets import KeptFaces
    from meshanim.faces import load_face
    from meshanim.training import UNPROJECTION_RECIPES, train_unprojection

    check_choice("network", network, UNPROJECTION_RECIPES)
    sizes = {"width": width, "size": size, "pictures": pictures, "samples": samples, "name": network}
    base = UNPROJECTION_RECIPES[network]
    recipe = adjusted(base, **sizes, epochs=epochs, batch_size=batch_size, seed=seed)
    kept = KeptFaces(load_face(face), pictures, seed, size)
    _, report = train_unprojection(kept, recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


@app.command()
def speech(
    out: Out,
    config: Annotated[str, typer.Option(help="small, for two cores, or paper.")] = "small",
    grid: Annotated[
        Path | None, typer.Option(help="Folder of GRID clips to learn from instead; their captures are here.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Model to go on from, by name or folder.")] = None,
    window: Annotated[
        int | None, typer.Option(help="Frames of a training sequence; the recipe's by default.")
    ] = None,
    size: Annotated[int, typer.Option(help="Utterances of the made corpus.")] = 600,
    epochs: Epochs = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Utterances per step; the recipe's by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train a model from speech to a face that speaks, on speech that is made once and kept in the cache."""
    from meshanim.cli.progress import Steps
    from meshanim.datasets import CapturedGrid, MadeSpeech
    from meshanim.faces import load_face
    from meshanim.synthesis import SpeechModel
    from meshanim.training import SPEECH_RECIPES, train_speech

    keep_models(out, start)
    name = "made" if grid is None else "grid"
    sizes = {"config": config, "window": window, "name": name}
    recipe = adjusted(SPEECH_RECIPES[name], **sizes, epochs=epochs, batch_size=batch_size, seed=seed)
    begun = None if start is None else SpeechModel.from_pretrained(start)
    with Steps(quiet) as steps:
        if grid is None:
            spoken = [*MadeSpeech("train", size, progress=steps.step("corpus"))]
            unheard = MadeSpeech("validation", size)[::VALIDATED]
        else:
            spoken, unheard = ([*CapturedGrid(grid, split)] for split in ("train", "validation"))
    _, report = train_speech(spoken, load_face("anny"), recipe, out, unheard, begun, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


@app.command()
def speech_motion(
    out: Out,
    model: Annotated[
        str, typer.Option(help="Speech model whose expressions are shown, by name or folder.")
    ] = "speech-small",
    face: Annotated[str, typer.Option(help="anny, ict=PATH or flame=PATH.")] = "anny",
    size: Annotated[int, typer.Option(help="Utterances of the made corpus.")] = 600,
    epochs: Epochs = None,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the spiral decoder that shows a speech model's expressions on a mesh, jaws on their arcs."""
    import torch

    from meshanim.cli.progress import Steps
    from meshanim.datasets import MadeSpeech
    from meshanim.faces import load_face
    from meshanim.mesh import MeshHierarchy
    from meshanim.synthesis import SpeechModel
    from meshanim.training import ExpressionMotionRecipe, paper_factors, train_expression_motion

    keep_models(out, model)
    recipe = adjusted(ExpressionMotionRecipe(), epochs=epochs, seed=seed)
    space = SpeechModel.from_pretrained(model).space
    with Steps(quiet) as steps:
        moved = load_face(face)
        spoken = MadeSpeech("train", size, progress=steps.step("corpus"))
        hierarchy = MeshHierarchy.from_mesh(moved.neutral, factors=paper_factors(moved.neutral))
    weights = torch.cat([each.weights for each in spoken])
    _, report = train_expression_motion(space, weights, moved, hierarchy, recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


@app.command()
def head_motion(
    out: Out,
    size: Annotated[int, typer.Option(help="Utterances of the corpus.")] = 600,
    epochs: Epochs = None,
    batch_size: Annotated[int, typer.Option(help="Utterances per step.")] = 16,
    seed: Annotated[int, typer.Option(help="Of weights, order and manners.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train head motion in the manner of a reference, on speech that is made once and kept in the cache."""
    from meshanim.cli.progress import Steps
    from meshanim.datasets import MadeSpeech
    from meshanim.training import HeadMotionRecipe, train_head_motion

    recipe = adjusted(HeadMotionRecipe(), epochs=epochs, batch_size=batch_size, seed=seed)
    with Steps(quiet) as steps:
        spoken = MadeSpeech("train", size, progress=steps.step("corpus"))
        unheard = MadeSpeech("validation", size)
    _, report = train_head_motion(spoken, recipe, out, unheard, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


for command in (audio_units, face_features, lip_sync, polynomial, tcsan, unit_classifier):
    app.command()(command)
