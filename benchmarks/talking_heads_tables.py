"""Rows of the tables of talking heads, and the main models that several of them are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from report import table
from talking_heads_judge import RESEARCH, Drawn

from meshanim.vision import POLYNOMIAL_CROP, TCSAN_CROP

Rows = dict[str, dict[str, float]]

MAIN = {
    "polynomial": (Drawn("polynomial", RESEARCH / "polynomial-grid"), POLYNOMIAL_CROP),
    "tcsan": (Drawn("tcsan", RESEARCH / "tcsan-grid"), TCSAN_CROP),
}
"""The main model of each paper, and the crop that it draws."""

PLAIN = {
    "psnr_mouth_db": "mouth PSNR dB",
    "ssim_mouth": "mouth SSIM",
    "lmd_px": "LMD px",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "cpbd": "CPBD",
}
SYNC = {"av_offset_frames": "AV offset", "av_confidence": "AV conf."}
LIKE = {"acd_dlib": "ACD dlib", "csim_dlib": "CSIM dlib"}
UNITS = {"au_f1_mean": "AU F1", "au_accuracy_mean": "AU acc."}
BLINKS = {"blinks_per_s": "blinks/s", "blink_duration_s": "blink s"}


def print_rows(
    title: str,
    rows: Rows,
    columns: Mapping[str, str],
    published: Mapping[str, Sequence[float]],
    figures: str = "",
) -> None:
    table(
        title,
        ("", *columns.values(), *([f"published: {figures}"] if published else [])),
        [
            (
                who,
                *(f"{row[key]:.3f}" if row.get(key) is not None else "" for key in columns),
                *([" ".join(f"{value:g}" for value in published.get(who, ()))] if published else []),
            )
            for who, row in rows.items()
        ],
    )
