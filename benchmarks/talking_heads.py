"""Talking heads: polynomial fusion and TCSAN on real GRID clips, one table for each of the papers' tables.

Prints and stores, published figures in columns of their own: whether the judges can be trusted (known
shifts found, action units read); the main models beside a still reference and the training mean; what
another voice does to them, and silence, and noise alone; five fusions and the variants of TCSAN, trained
alike at a reduced size; speakers never trained on; frames a second and memory of a stream. The main models
are those of ``data/research``; runs of the comparisons that are not there yet are trained first, and go on
where they were stopped. Pages of pictures go to
``benchmarks/runs/talking_heads``: people on GRID's films are no part of the project.

    python benchmarks/talking_heads.py             # everything; training included, two hours and more
    python benchmarks/talking_heads.py minute blinks    # some parts; the others' figures stay as they were
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from report import RUNS, run_parts
from talking_heads_judge import GRID, Judge, Still, mean_frame, parameters, test_places
from talking_heads_pictures import write_pages
from talking_heads_rows import fusions, reduced, tcsan_fusions, tcsan_variants
from talking_heads_streams import LONG_SECONDS, SPEED_SECONDS, blinks, silence, streams
from talking_heads_tables import BLINKS, LIKE, MAIN, PLAIN, SYNC, UNITS, Rows, print_rows
from talking_heads_trusted import judges

from meshanim.datasets import GridVideos


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
    print_rows(f"{name}: 18 test clips of s1", rows, {**PLAIN, **SYNC, **LIKE, **UNITS, **BLINKS}, {})
    print(f"  LMD with another clip's voice: {rows[name]['lmd_with_other_voice']:.2f} times")
    return rows


def speakers() -> dict[str, Any]:
    """The ten clips of other people, never trained on."""
    found: dict[str, Any] = {}
    for name, (drawn, crop) in MAIN.items():
        judge = Judge(crop, places=test_places(True))
        found[name] = {"reference frame": judge.scores(Still()), name: judge.scores(drawn)}
        print_rows(f"{name}: 10 clips of other speakers", found[name], {**PLAIN, **SYNC, **LIKE}, {})
    return found


def pictures() -> list[str]:
    """Pages of pictures: reference, truth, each model, difference, frame by frame."""
    return [str(path.relative_to(RUNS.parent)) for path in write_pages(MAIN, reduced())]


PARTS: dict[str, Callable[[], Any]] = {
    "judges": judges,
    "polynomial": lambda: main_model("polynomial"),
    "tcsan": lambda: main_model("tcsan"),
    "minute": lambda: streams(SPEED_SECONDS),
    "ten_minutes": lambda: streams(LONG_SECONDS),
    "silence": silence,
    "blinks": blinks,
    "speakers": speakers,
    "fusions": fusions,
    "tcsan_fusions": tcsan_fusions,
    "tcsan_variants": tcsan_variants,
    "pictures": pictures,
}


if __name__ == "__main__":
    run_parts("talking_heads", PARTS)
