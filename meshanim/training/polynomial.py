"""Training of the talking head by polynomial fusion, in three stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from torch import Tensor

from meshanim._check import InputError, check_choice, check_range
from meshanim.datasets import TalkingClip
from meshanim.faces import FaceModel
from meshanim.nn import FUSIONS
from meshanim.performance import Performance
from meshanim.talking_heads.polynomial import landmark_displacements
from meshanim.talking_heads.polynomial_config import POLYNOMIAL_CONFIGS, PolynomialConfig
from meshanim.talking_heads.polynomial_judges import SNIPPET
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.training.checkpoint import weights_digest
from meshanim.training.head_start import ChanceRecipe, PolynomialHearingRecipe, give_head_start
from meshanim.training.loop import TrainingReport, train_and_save
from meshanim.training.polynomial_task import PolynomialTask
from meshanim.training.recipe import Recipe
from meshanim.training.talking_batches import Displace, SeenClip
from meshanim.training.voices import Voices


@dataclass(frozen=True)
class PolynomialRecipe(Recipe):
    """Recipe of a talking head by polynomial fusion.

    The defaults are those of Kefalas et al. 2020, section 3.1, where it gives them.

    Attributes:
        config: one of :data:`meshanim.talking_heads.POLYNOMIAL_CONFIGS`.
        fusion: one of :data:`meshanim.nn.FUSIONS`.
        epochs: with this fusion, the encoders being fixed.
        encoder_epochs: before, of encoders and all with concatenation as the fusion.
        hearing: before that, of the encoder of sound alone.
        chance: and of that of noise.
        stretches: taken of each clip in an epoch, at random.
        frames: of a stretch; the paper takes all 75 of three seconds.
        judge_rate: learning rate of the judge of frames.
        slow_judge_rate: of those of sequences and synchrony.
        betas: of every Adam, which the paper does not give.
        lower: lambda_1, of the L1 distance in the lower half, whose grey levels go from -1 to 1.
        lips: of that around the lips, once more.
        eyes: of that around the eyes, once more.
        upper: of that in the upper half, which the paper leaves to the judges.
        size: lambda_2, of the fusion's Frobenius norm over the root of the number of its parameters, so that
            it asks the same of large and small fusions, and the norm of a million parameters does not drown
            all else.
        frame, sequence, synchrony: of the judges.
        looks: frames, and snippets, that judges are shown of a stretch.
        silent: share of the stretches in which nothing is heard, and the reference stays.
        voices: that every stretch is heard in, drawn anew in every step.
        judge_width: channels of the judges at half size.
    """

    epochs: int = 60
    batch_size: int = 8
    learning_rate: float = 1e-4
    learning_rate_decay: float = 1.0
    weight_decay: float = 0.0
    config: str = "paper"
    fusion: str = "cp"
    encoder_epochs: int = 60
    hearing: PolynomialHearingRecipe = field(default_factory=PolynomialHearingRecipe)
    chance: ChanceRecipe = field(default_factory=ChanceRecipe)
    stretches: int = 1
    frames: int = 74
    judge_rate: float = 1e-4
    slow_judge_rate: float = 1e-5
    betas: tuple[float, float] = (0.5, 0.999)
    lower: float = 600.0
    lips: float = 600.0
    eyes: float = 300.0
    upper: float = 200.0
    size: float = 100.0
    frame: float = 1.0
    sequence: float = 0.2
    synchrony: float = 0.8
    looks: int = 8
    silent: float = 0.1
    voices: Voices = field(default_factory=Voices)
    judge_width: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("config", self.config, POLYNOMIAL_CONFIGS)
        check_choice("fusion", self.fusion, FUSIONS)
        for name in ("encoder_epochs", "stretches", "looks", "judge_width"):
            check_range(name, getattr(self, name), 1)
        check_range("frames", self.frames, SNIPPET)
        for name in ("judge_rate", "slow_judge_rate"):
            check_range(name, getattr(self, name), 0, open_low=True)
        for name in ("lower", "lips", "eyes", "upper", "size", "frame", "sequence", "synchrony"):
            check_range(name, getattr(self, name), 0)
        check_range("silent", self.silent, 0, 1)

    @property
    def sizes(self) -> PolynomialConfig:
        """Of the model."""
        return POLYNOMIAL_CONFIGS[self.config].fused_by(self.fusion)


_TWO_CORES = PolynomialRecipe(
    epochs=20,
    batch_size=2,
    learning_rate=5e-4,
    learning_rate_decay=0.87,
    encoder_epochs=1,
    stretches=5,
    frames=12,
    slow_judge_rate=1e-4,
    looks=2,
    judge_width=16,
)

POLYNOMIAL_RECIPES = {
    "paper": PolynomialRecipe(),
    "cores": _TWO_CORES,
    "reduced": replace(
        _TWO_CORES, config="small", epochs=3, learning_rate_decay=0.6, stretches=4, judge_width=8
    ),
}
"""The paper's settings, for a GPU; its sizes in the time that two cores have; and half its sizes, for tables
of many rows."""


def train_encoders(
    clips: Sequence[SeenClip],
    recipe: PolynomialRecipe,
    folder: str | Path,
    validation: Sequence[SeenClip] = (),
    progress: bool = True,
) -> tuple[PolynomialModel, TrainingReport]:
    """Train a model whose fusion is concatenation, with its encoders: the baseline (Vougioukas et al. 2019).

    Args:
        clips: to learn from.
        recipe: the settings; its fusion plays no part.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before;
            those of the head start are in its ``head-start``.
        validation: clips that are drawn whole after every epoch.
        progress: show a bar.
    """
    place = Path(folder)
    sizes = replace(POLYNOMIAL_CONFIGS[recipe.config], motion=0).fused_by("concatenation")
    with recipe.seeded():
        model = PolynomialModel(sizes)
        begun = give_head_start(
            model,
            clips,
            replace(recipe.hearing, seed=recipe.seed),
            replace(recipe.chance, seed=recipe.seed),
            place / "head-start",
            validation,
            progress,
        )
        if not begun:
            return model, TrainingReport([], False)
        stage = replace(recipe, epochs=recipe.encoder_epochs, fusion="concatenation")
        task = PolynomialTask(model, clips, validation, stage, frozen=False)
        return train_and_save(model, task, stage, place, progress, model=asdict(sizes))


def train_polynomial(
    clips: Sequence[TalkingClip],
    recipe: PolynomialRecipe,
    folder: str | Path,
    validation: Sequence[TalkingClip] = (),
    encoders: PolynomialModel | None = None,
    displace: Displace | None = None,
    progress: bool = True,
) -> tuple[PolynomialModel, TrainingReport]:
    """Train a talking head and save it in ``folder``; a stopped run goes on where it was.

    As in section 3.1 of the paper, encoders are trained with concatenation as the fusion, and fixed; then
    fusion and generator are trained anew.

    Args:
        clips: training set at 25 fps in :data:`meshanim.vision.POLYNOMIAL_CROP`, with captured weights, such
            as :class:`meshanim.datasets.GridVideos`.
        recipe: the settings.
        folder: gets ``config.json`` and ``model.safetensors`` when the run is finished, checkpoints before;
            those of the encoders are in its ``encoders``.
        validation: clips that are drawn whole after every epoch.
        encoders: a model whose encoders are taken, in place of training them first.
        displace: gives the displacements of a clip's mesh, where its motion is a view.
        progress: show a bar.

    Raises:
        InputError: no clip; clips without captured weights, at another rate, or too short; encoders of other
            sizes; or no displacements where they are a view.
    """
    sizes, place = recipe.sizes, Path(folder)
    if not clips:
        raise InputError("clips must hold at least one, got none")
    if sizes.motion and displace is None:
        raise InputError(f"{recipe.config} must be told how meshes are displaced, got nothing")
    begun_with = weights_digest(encoders)
    seen, unseen = ([SeenClip.of(clip, displace) for clip in part] for part in (clips, validation))
    if encoders is None:
        encoders, report = train_encoders(seen, recipe, place / "encoders", unseen, progress)
        if not report.goes_on:
            return encoders, TrainingReport([], False)
    with recipe.seeded():
        model = PolynomialModel(sizes)
        take_encoders(model, encoders)
        task = PolynomialTask(model, seen, unseen, recipe, frozen=True)
        about = {"model": asdict(sizes), "encoders": begun_with}
        return train_and_save(model, task, recipe, place, progress, **about)


def displaced_by(face: FaceModel) -> Displace:
    """Displacements of the landmarks of a face as clips were captured on it."""

    def displace(clip: TalkingClip) -> Tensor:
        assert clip.weights is not None
        identity = face.default_identity if clip.identity is None else clip.identity
        performance = Performance(
            face.neutral.with_vertices(face.rest(identity)),
            clip.fps,
            weights=face.weights_from_arkit(clip.weights),
            basis=face.basis(identity),
            weight_names=face.weight_names,
        )
        return landmark_displacements(performance)

    return displace


def take_encoders(model: PolynomialModel, other: PolynomialModel) -> None:
    """Give a model the encoders of another one, and its tracks' scales.

    Raises:
        InputError: they are of other sizes.
    """
    for name in ("audio", "identity", "noise", "width"):
        wanted, given = getattr(model.config, name), getattr(other.config, name)
        if wanted != given:
            raise InputError(f"encoders must have {name} of {wanted}, got {given}")
    for own, taken in zip(model.encoders, other.encoders, strict=True):
        own.load_state_dict(taken.state_dict())
    tracks: list[tuple[Tensor, Tensor]] = [
        (model.track_mean, other.track_mean),
        (model.track_spread, other.track_spread),
    ]
    for scale, taken_scale in tracks:
        scale.copy_(taken_scale)
