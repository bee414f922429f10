"""Commands of ``meshanim train`` that learn from films of people, which are for research."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meshanim.cli.options import Epochs, Out, Quiet
from meshanim.cli.training import adjusted, keep_models, say_where

if TYPE_CHECKING:
    from meshanim.datasets import TalkingClip
    from meshanim.vision import FaceCrop

VALIDATED = 5
"""Every fifth clip of the validation set scores TCSAN after every epoch."""

ClipsPerStep = Annotated[int, typer.Option(help="Clips per step.")]
Grid = Annotated[Path, typer.Option(help="Folder of GRID clips; their captures are here.")]


def lip_sync(
    out: Out,
    grid: Annotated[Path, typer.Option(help="Folder of GRID clips, s1/*.mpg and speakers/*.mpg.")],
    epochs: Epochs = None,
    batch_size: ClipsPerStep = 8,
    seed: Annotated[int, typer.Option(help="Of weights, order and changes of the pictures.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the judge of whether lips and voice go together, on real clips, which are for research."""
    from meshanim.training import LipSyncRecipe, train_lip_sync
    from meshanim.vision import POLYNOMIAL_CROP

    recipe = adjusted(LipSyncRecipe(), epochs=epochs, batch_size=batch_size, seed=seed)
    _, report = train_lip_sync(*_filmed(grid, POLYNOMIAL_CROP, quiet), recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


def audio_units(
    out: Out,
    grid: Grid,
    epochs: Epochs = None,
    batch_size: ClipsPerStep = 8,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the networks that hear action units, on captured GRID clips."""
    from meshanim.datasets import CapturedGrid
    from meshanim.training import AudioUnitsRecipe, train_audio_units

    recipe = adjusted(AudioUnitsRecipe(), epochs=epochs, batch_size=batch_size, seed=seed)
    spoken, unheard = ([*CapturedGrid(grid, split)] for split in ("train", "validation"))
    _, report = train_audio_units(spoken, unheard, recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


def unit_classifier(
    out: Out,
    grid: Grid,
    epochs: Epochs = None,
    batch_size: ClipsPerStep = 8,
    seed: Annotated[int, typer.Option(help="Of weights, order and frames.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the network that reads action units off the lower face, on captured GRID clips."""
    from meshanim.training import UnitClassifierRecipe, train_unit_classifier
    from meshanim.vision import TCSAN_CROP

    recipe = adjusted(UnitClassifierRecipe(), epochs=epochs, batch_size=batch_size, seed=seed)
    _, report = train_unit_classifier(*_filmed(grid, TCSAN_CROP, quiet), recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


def face_features(
    out: Out,
    grid: Grid,
    epochs: Epochs = None,
    batch_size: ClipsPerStep = 8,
    seed: Annotated[int, typer.Option(help="Of weights, order and frames.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the network whose features tell how alike faces look, on captured GRID clips."""
    from meshanim.training import FaceFeaturesRecipe, train_face_features
    from meshanim.vision import TCSAN_CROP

    recipe = adjusted(FaceFeaturesRecipe(), epochs=epochs, batch_size=batch_size, seed=seed)
    _, report = train_face_features(*_filmed(grid, TCSAN_CROP, quiet), recipe, out, progress=not quiet)
    say_where(report, recipe.epochs, out, quiet)


def tcsan(
    out: Out,
    grid: Grid,
    recipe: Annotated[
        str,
        typer.Option(
            help="paper, for a GPU; small, its sizes on two cores; reduced, about half of them, for "
            "comparisons; or the name of one of these: tcn, gru, full+gan, full-mesh and more."
        ),
    ] = "small",
    vgg: Annotated[
        Path | None, typer.Option(help="VGG-19's ImageNet weights as torchvision names them, safetensors.")
    ] = None,
    features: Annotated[
        str, typer.Option(help="Network of the perceptual loss where there is no VGG-19, by name or folder.")
    ] = "research/face-features-grid",
    classifier: Annotated[
        str, typer.Option(help="Network that reads action units, by name or folder.")
    ] = "research/unit-classifier-grid",
    hearing: Annotated[
        str, typer.Option(help="Networks that hear action units, by name or folder.")
    ] = "research/audio-units-grid",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the clips that teach to draw; the recipe's by default.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips per step; the recipe's by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and windows.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train a talking head from picture, speech and action units on GRID clips (Chen et al. 2022)."""
    from meshanim._check import check_choice
    from meshanim.audio import AudioToUnits
    from meshanim.training import TCSAN_RECIPES, TCSAN_VARIANTS, train_tcsan
    from meshanim.vision import TCSAN_CROP, FaceFeatures, UnitClassifier, Vgg19Features

    keep_models(out, features, classifier, hearing)
    recipes = {**TCSAN_RECIPES, **TCSAN_VARIANTS}
    check_choice("recipe", recipe, recipes)
    chosen = adjusted(recipes[recipe], name=recipe, epochs=epochs, batch_size=batch_size, seed=seed)
    judge = FaceFeatures.from_pretrained(features) if vgg is None else Vgg19Features.from_file(vgg)
    if not quiet:
        typer.echo(f"perceptual loss: {judge.name}")
    reader, ears = UnitClassifier.from_pretrained(classifier), AudioToUnits.from_pretrained(hearing)
    filmed, unseen = _filmed(grid, TCSAN_CROP, quiet)
    validated = unseen[::VALIDATED]
    _, report = train_tcsan(filmed, validated, chosen, out, judge, reader, ears, progress=not quiet)
    say_where(report, chosen.epochs, out, quiet)


def _filmed(grid: Path, crop: FaceCrop, quiet: bool) -> tuple[list[TalkingClip], list[TalkingClip]]:
    """Clips to train and to validate on."""
    from meshanim.cli.progress import Steps
    from meshanim.datasets import GridVideos

    with Steps(quiet) as steps:
        train, validation = (
            [*GridVideos(grid, crop, split, progress=steps.step(f"crops to {what}"))]
            for split, what in (("train", "train on"), ("validation", "validate on"))
        )
    return train, validation


def polynomial(
    grid: Grid,
    out: Out,
    recipe: Annotated[str, typer.Option(help="cores, reduced, or paper, which wants a GPU.")] = "cores",
    fusion: Annotated[str, typer.Option(help="cp, tucker, cmf, cmf-sr, full or concatenation.")] = "cp",
    mesh: Annotated[
        bool, typer.Option("--mesh", help="Let the captured mesh's motion be a view too.")
    ] = False,
    encoders: Annotated[
        str | None,
        typer.Option(help="Model whose encoders are taken, by name or folder; trained first without it."),
    ] = None,
    epochs: Epochs = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train the talking head by polynomial fusion on GRID: first encoders with concatenation, then fusion."""
    from meshanim._check import check_choice
    from meshanim.faces import load_face
    from meshanim.talking_heads import PolynomialModel
    from meshanim.training import POLYNOMIAL_RECIPES, displaced_by, train_polynomial
    from meshanim.vision import POLYNOMIAL_CROP

    keep_models(out, encoders)
    check_choice("recipe", recipe, POLYNOMIAL_RECIPES)
    base = POLYNOMIAL_RECIPES[recipe]
    config = f"{base.config}-mesh" if mesh else base.config
    chosen = adjusted(base, name=recipe, config=config, fusion=fusion, epochs=epochs, seed=seed)
    taken = None if encoders is None else PolynomialModel.from_pretrained(encoders)
    clips, unseen = _filmed(grid, POLYNOMIAL_CROP, quiet)
    displace = displaced_by(load_face("anny")) if mesh else None
    _, report = train_polynomial(clips, chosen, out, unseen, taken, displace, progress=not quiet)
    say_where(report, chosen.epochs, out, quiet)
