"""Speech: how the models behind ``meshanim speak`` do on real clips and on made sentences never heard before.

Prints and stores, with the published figures in columns of their own: lips, jaw and timing of the small
model beside a face at rest, the training mean and the linear expression learner, on the GRID sample's test
clips, its unseen speakers and held-out made sentences and voices; closures and open vowels; silence and
noise; the effect of the sequence length k (Huang et al. 2023, Table 1), by models trained here for it; action
units (Chen et al. 2022, Table 1); head motion in unseen styles; ten minutes of speech at 60 fps.

    python benchmarks/speech.py                    # everything; half an hour on two cores
    python benchmarks/speech.py lips stillness     # some parts; the others' figures stay as they were
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from processes import in_new_process
from report import RUNS, run_parts, table
from speech_judge import Contestant, Judge, fitted_to, speaks
from torch import Tensor

from meshanim.audio import SPEECH_RATE, AudioToUnits, Sound
from meshanim.datasets import CapturedGrid, MadeSpeech, Utterance
from meshanim.datasets.head_styles import HELD_OUT_STYLES
from meshanim.faces import ARKIT_NAMES
from meshanim.metrics import action_unit_scores
from meshanim.synthesis import HeadMotionModel, SpeechModel
from meshanim.training import (
    ExpressionLearnerRecipe,
    SpeechRecipe,
    train_expression_learner,
    train_speech,
)
from meshanim.training.audio_units import hear_units
from meshanim.training.head_motion import head_clips, style_gaps

ROOT = Path(__file__).parents[1]
GRID = ROOT.parent / "shared" / "data" / "grid_sample"
RESEARCH = ROOT / "data" / "research"

SMALL, REAL, UNITS = "speech-small", RESEARCH / "speech-small-grid", RESEARCH / "audio-units-grid"
LENGTHS = (1, 10, 50, 100, 200)
PUBLISHED_LENGTHS = {
    1: (2.556, 4.201),
    10: (2.273, 4.505),
    50: (1.626, 6.873),
    100: (1.477, 7.071),
    200: (1.650, 6.929),
}
"""LMD and AVConf by sequence length, on the paper's videos."""
PUBLISHED_UNITS = {
    10: (0.875, 0.886),
    14: (0.752, 0.9107),
    20: (0.896, 0.8985),
    25: (0.979, 0.9638),
    26: (0.854, 0.8218),
}
"""F1 and accuracy on GRID's test images, of a classifier that sees them."""
LONG_SECONDS, LONG_FPS = 600, 60.0
LENGTH_FRAMES, LENGTH_STRETCHES, LENGTH_STEPS = 800, 100, 200
"""Most frames and most stretches of a step, and steps, of the models of all sequence lengths."""


def contestants(train: Sequence[Utterance], judge: Judge, **models: SpeechModel) -> dict[str, Contestant]:
    """Those that the models have to beat, fitted to a training set, and the models."""
    mean = torch.cat([item.weights for item in train]).mean(dim=0)
    # a third of ten thousands of frames: the fit is by least squares and takes minutes
    some = train[::3] if len(train) > 200 else train
    learner = train_expression_learner(some, judge.face, ExpressionLearnerRecipe())
    names = judge.face.weight_names

    def learned(item: Utterance) -> Tensor:
        own = learner.weights(item.sound, judge.face, item.identity, item.fps)
        weights = torch.zeros(len(own), len(ARKIT_NAMES))
        weights[:, [ARKIT_NAMES.index(name) for name in names]] = own.float()
        return fitted_to(item.frame_count, weights)

    rivals: dict[str, Contestant] = {
        "face at rest": lambda item: torch.zeros_like(item.weights),
        "training mean": lambda item: mean.expand_as(item.weights),
        "linear learner": learned,
    }
    return rivals | {name: speaks(model) for name, model in models.items()}


def lips(judge: Judge, made: SpeechModel, real: SpeechModel) -> dict[str, Any]:
    """Every contestant on every corpus."""
    grid = {part: CapturedGrid(GRID, part)[:] for part in ("train", "test")}
    sets = {
        "GRID test clips of s1": (
            grid["train"],
            [item for item in grid["test"] if item.speaker == "s1"],
            real,
        ),
        "GRID, other speakers": (
            grid["train"],
            [item for item in grid["test"] if item.speaker != "s1"],
            real,
        ),
        "made, unheard": (MadeSpeech("train")[:], MadeSpeech("test")[:], made),
    }
    rows: dict[str, Any] = {}
    for name, (train, test, model) in sets.items():
        models = {"small": model} | ({} if model is made else {"small, never heard GRID": made})
        rows[name] = {
            who: judge.scores(say, test) for who, say in contestants(train, judge, **models).items()
        }
        best = min(row["lve_root_mm"] for who, row in rows[name].items() if not who.startswith("small"))
        rows[name]["small"]["lve_of_best_rival"] = rows[name]["small"]["lve_root_mm"] / best
        _print_lips(f"{name} ({len(test)})", rows[name])
    return rows


def _print_lips(title: str, rows: dict[str, dict[str, float]]) -> None:
    table(
        title,
        (
            "",
            "LVE root mm",
            "MOD mm",
            "FDD mm",
            "|FDD| mm",
            "jaw corr.",
            "offset",
            "within 1",
            "of best rival",
        ),
        [
            (
                who,
                *(f"{row[key]:.3f}" for key in list(row)[:5]),
                f"{row['offset_frames_median']:+.0f}",
                f"{row['offset_within_one_frame']:.0%}",
                f"{row['lve_of_best_rival']:.3f}" if "lve_of_best_rival" in row else "",
            )
            for who, row in rows.items()
        ],
    )


def lip_contacts(judge: Judge, model: SpeechModel) -> dict[str, Any]:
    """Closures and open vowels of the truth and of a model, on held-out made sentences."""
    test = MadeSpeech("test")[:]
    rows = {
        "truth": judge.closures(lambda item: item.weights, test),
        "small": judge.closures(speaks(model), test),
    }
    table(
        "inner lips, made, unheard",
        ("", "p b m under 1 mm", "open vowels over 4 mm"),
        [
            (
                who,
                f"{row['bilabials_under_1_mm']:.1%} of {row['bilabials']}",
                f"{row['open_vowels_over_4_mm']:.1%} of {row['open_vowels']}",
            )
            for who, row in rows.items()
        ],
    )
    return rows


def stillness(judge: Judge, models: Mapping[str, SpeechModel]) -> dict[str, Any]:
    """Largest distance of a lip vertex from rest, in millimetres, in silence and in noise alone."""
    person = MadeSpeech("test")[0]
    noise = torch.randn(10 * SPEECH_RATE, generator=torch.Generator().manual_seed(0))
    sounds = {"silence": 0 * noise} | {
        f"white noise at {level} dB": noise * 10 ** (level / 20) for level in (-50, -30, -15)
    }

    def moved(model: SpeechModel, waveform: Tensor) -> float:
        # a model of one man is asked for his rest, as it knows no other
        identity = person.identity if model.memory is None else model.identity_mean
        shown = replace(person, identity=identity)
        weights = model.weights(Sound(waveform.clamp(-1, 1), SPEECH_RATE), identity)
        away = judge.vertices(shown, weights) - judge.vertices(shown, 0 * weights)
        return 1000 * float(away[:, judge.lips].norm(dim=-1).max())

    rows = {
        sound: {name: moved(model, waveform) for name, model in models.items()}
        for sound, waveform in sounds.items()
    }
    table(
        "lips from rest, largest, mm",
        ("sound", *models),
        [(sound, *(f"{value:.3f}" for value in row.values())) for sound, row in rows.items()],
    )
    return rows


def sequence_lengths(judge: Judge) -> dict[str, Any]:
    """Models trained alike but for k, on long held-out utterances."""
    train = MadeSpeech("train")[:]
    test = [item for item in MadeSpeech("test")[:] if item.duration >= 8]
    rows = {}
    for length in LENGTHS:
        batch = min(LENGTH_STRETCHES, LENGTH_FRAMES // length)
        epochs = round(LENGTH_STEPS / -(-len(train) // batch))
        recipe = SpeechRecipe(
            epochs=epochs, window=length, batch_size=batch, learning_rate_decay=0.1 ** (1 / epochs)
        )
        model, _ = train_speech(train, judge.face, recipe, RUNS / f"speech-k{length}")
        rows[length] = judge.scores(speaks(model.eval()), test)
    table(
        f"sequence length, {len(test)} made utterances of 8 s and more",
        ("k", "LVE root mm", "offset", "within 1", "LMD, published", "AVConf, published"),
        [
            (
                str(length),
                f"{row['lve_root_mm']:.3f}",
                f"{row['offset_frames_median']:+.0f}",
                f"{row['offset_within_one_frame']:.0%}",
                *(f"{value:.3f}" for value in PUBLISHED_LENGTHS[length]),
            )
            for length, row in rows.items()
        ],
    )
    return {str(length): row for length, row in rows.items()}


def action_units() -> dict[str, Any]:
    """What is heard of action units on the test clips of s1, beside saying always or never."""
    model = AudioToUnits.from_pretrained(UNITS)
    test = [item for item in CapturedGrid(GRID, "test")[:] if item.speaker == "s1"]
    said, shown = hear_units(model, test)
    answers = {"heard": said, "always on": torch.ones_like(shown), "always off": torch.zeros_like(shown)}
    scores = {name: action_unit_scores(answer, shown) for name, answer in answers.items()}
    units = [*(f"AU{unit}" for unit in model.units), "mean"]
    rows: dict[str, Any] = {"occurrence": shown.double().mean(dim=0).tolist()}
    for name, score in scores.items():
        f1, accuracy = score.mean
        rows[name] = {"f1": [*score.f1.tolist(), f1], "accuracy": [*score.accuracy.tolist(), accuracy]}
    published = [PUBLISHED_UNITS[unit] for unit in model.units] + [(0.871, 0.8962)]
    table(
        "action units on GRID test clips of s1 (F1, accuracy); published: seen on GRID's images",
        ("", *answers, "published"),
        [
            (
                unit,
                *(f"{rows[name]['f1'][place]:.3f} {rows[name]['accuracy'][place]:.1%}" for name in answers),
                f"{published[place][0]:.3f} {published[place][1]:.1%}",
            )
            for place, unit in enumerate(units)
        ],
    )
    return rows


def head_styles() -> dict[str, Any]:
    """How far predicted motion is from unseen styles, after a reference and in the default style."""
    model = HeadMotionModel.from_pretrained()
    with torch.inference_mode():
        clips = head_clips(
            model, [item for item in MadeSpeech("test")[:] if item.head_style in HELD_OUT_STYLES]
        )
        referred, default = style_gaps(model, clips)
    row = {
        "clips": len(clips),
        "after_reference": referred,
        "default_style": default,
        "share": referred / default,
    }
    table(
        f"head motion, {len(clips)} clips in unseen styles",
        ("distance of mean and deviation from the style's", "standard deviations"),
        [("default style", f"{default:.3f}"), (f"after a reference ({row['share']:.0%})", f"{referred:.3f}")],
    )
    return row


def _streamed(name: str, seconds: int) -> dict[str, float]:
    """Stream made speech, over and over, through a model; in a process of its own."""
    model = SpeechModel.from_pretrained(name)
    voice = torch.cat([item.sound.waveform for item in MadeSpeech("test")[:20]])
    waveform = voice.repeat(-(-seconds * SPEECH_RATE // len(voice)))[: seconds * SPEECH_RATE]
    start = time.perf_counter()
    blocks, ends, total = [], [], 0
    for block in model.stream(waveform.split(SPEECH_RATE), fps=LONG_FPS):
        total += len(block)
        ends.append(total)
        blocks.append(block)
    elapsed = time.perf_counter() - start
    weights = torch.cat(blocks)
    shake = weights.diff(n=2, dim=0).abs().amax(dim=1)
    borders = torch.tensor([end for end in ends if 2 <= end <= len(shake)]).unique()
    at = torch.zeros(len(shake), dtype=torch.bool)
    at[borders - 1] = at[(borders - 2).clamp(min=0)] = True
    return {
        "frames": len(weights),
        "seconds": elapsed,
        "times_real_time": seconds / elapsed,
        "largest_acceleration_at_borders": float(shake[at].max()),
        "largest_acceleration_elsewhere": float(shake[~at].max()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def ten_minutes(name: str) -> dict[str, Any]:
    """Speed, seams and memory of a long stream; its sound and curves themselves are 42 MB in ten minutes."""
    rows = {seconds: in_new_process(_streamed, name, seconds) for seconds in (60, LONG_SECONDS)}
    table(
        f"stream at {LONG_FPS:g} fps",
        ("speech", "times real time", "acceleration at borders", "elsewhere", "peak memory"),
        [
            (
                f"{seconds} s",
                f"{row['times_real_time']:.1f}",
                f"{row['largest_acceleration_at_borders']:.4f}",
                f"{row['largest_acceleration_elsewhere']:.4f}",
                f"{row['peak_mb']:.0f} MB",
            )
            for seconds, row in rows.items()
        ],
    )
    return {str(seconds): row for seconds, row in rows.items()}


def main() -> None:
    """Run the parts that are asked for, or all; what they share is loaded by the first that needs it."""
    judge, model = cache(Judge), cache(SpeechModel.from_pretrained)
    run_parts(
        "speech",
        {
            "lips": lambda: lips(judge(), model(SMALL), model(REAL)),
            "contacts": lambda: lip_contacts(judge(), model(SMALL)),
            "stillness": lambda: stillness(judge(), {"small": model(SMALL), "small, on GRID": model(REAL)}),
            "head_motion": head_styles,
            "action_units": action_units,
            "ten_minutes": lambda: ten_minutes(SMALL),
            "sequence_lengths": lambda: sequence_lengths(judge()),
        },
    )


if __name__ == "__main__":
    main()
