"""Comparison tables of talking heads: fusions and variants, trained alike at a reduced size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from report import RUNS, table
from talking_heads_judge import (
    CLASSIFIER,
    GRID,
    RESEARCH,
    Drawn,
    Judge,
    parameters,
    test_places,
    training_minutes,
)
from talking_heads_published import (
    DETECTED,
    POLYNOMIAL,
    POLYNOMIAL_COLUMNS,
    TCSAN_ABLATION,
    TCSAN_COLUMNS,
    TCSAN_FUSIONS,
    TCSAN_OTHERS,
    TCSAN_UNITS,
)
from talking_heads_tables import BLINKS, PLAIN, SYNC, UNITS, Rows, print_rows

from meshanim.audio import AudioToUnits
from meshanim.datasets import GridVideos
from meshanim.faces import load_face
from meshanim.talking_heads import PolynomialModel
from meshanim.training import POLYNOMIAL_RECIPES, TCSAN_VARIANTS, displaced_by, train_polynomial, train_tcsan
from meshanim.vision import POLYNOMIAL_CROP, TCSAN_CROP, FaceCrop, FaceFeatures, UnitClassifier

FUSIONS = ("cp", "tucker", "cmf", "cmf-sr", "concatenation", "full", "cp, mesh as third view")
ROWS_STEP = 3
"""Every so many test clips of s1 are drawn by the models of the comparison tables: six of them."""
_COLUMNS = {
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    **UNITS,
    "psnr_mouth_db": "mouth PSNR",
    "lmd_px": "LMD px",
    "minutes": "minutes",
}


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
    columns = {**PLAIN, "acd_dlib": "ACD dlib", **SYNC, **BLINKS}
    print_rows(
        "fusions, reduced, 6 test clips (Kefalas et al., Table 1)",
        rows,
        columns,
        POLYNOMIAL,
        POLYNOMIAL_COLUMNS,
    )
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


def tcsan_fusions() -> Rows:
    """Chen et al., Table 3, at the reduced size, on six test clips: five ways to fuse, trained alike."""
    rows = _variants(("gru", "tcn", "attention-tcn", "co-attention-tcn", "tcsan"))
    published = dict(zip(rows, TCSAN_FUSIONS.values(), strict=True))
    print_rows("Table 3: fusions", rows, _COLUMNS, published, TCSAN_COLUMNS)
    return rows


def tcsan_variants() -> Rows:
    """Chen et al., Tables 2, 4, 5 and 6, at the reduced size, on six test clips."""
    rows = _variants(tuple(TCSAN_VARIANTS))
    names = {"TCSAN": "tcsan", "Audio2AU": "gru+units", "TCSAN + Audio2AU": "full"}
    names |= {"with a discriminator": "full+gan", "units of the mesh": "full-mesh"}
    heard = {name: rows[place] for name, place in names.items()}
    print_rows("Table 4: units heard", heard, _COLUMNS, TCSAN_UNITS, TCSAN_COLUMNS)
    others = {"Lrec alone": rows["reconstruction"], "full": rows["full"]}
    published = {name: TCSAN_OTHERS[name] for name in others}
    print_rows("Table 5: CRAN and Speech2Vid are not built here", others, _COLUMNS, published, TCSAN_COLUMNS)
    order = ("reconstruction", "reconstruction+perceptual", "gru", "tcsan", "tcsan+unit-loss", "full")
    added = {name: rows[place] for name, place in zip(TCSAN_ABLATION, order, strict=True)}
    print_rows("Table 6: what each part adds", added, _COLUMNS, TCSAN_ABLATION, TCSAN_COLUMNS)
    seen = {"AU classifier": rows["full"]}
    title = "Table 2: units in frames of the full model, against captured labels"
    print_rows(title, seen, UNITS, DETECTED, "F1 acc.")
    return rows


def _variants(names: Sequence[str]) -> Rows:
    """Rows of some of the variants; those that are not there yet are trained."""
    train, others = ([*GridVideos(GRID, TCSAN_CROP, split)] for split in ("train", "validation"))
    features = FaceFeatures.from_pretrained(RESEARCH / "face-features-grid")
    judge, rows = Judge(TCSAN_CROP, places=test_places(False)[::ROWS_STEP], full=False), {}
    for name in names:
        folder = RUNS / "tcsan-variants" / name
        if not (folder / "config.json").is_file():
            classifier = UnitClassifier.from_pretrained(CLASSIFIER)
            hearing = AudioToUnits.from_pretrained(RESEARCH / "audio-units-grid")
            train_tcsan(train, others[::5], TCSAN_VARIANTS[name], folder, features, classifier, hearing)
        rows[name] = _row(judge, Drawn("tcsan", folder), folder)
    return rows


def reduced() -> dict[FaceCrop, dict[str, Drawn]]:
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
