"""Whether the judges of talking heads can be trusted, on true clips."""

from __future__ import annotations

from typing import Any

import torch
from report import table
from talking_heads_judge import CLASSIFIER, GRID, LIP_SYNC, test_places
from talking_heads_published import UNIT_CLASSIFIER, UNIT_CLASSIFIER_MEAN

from meshanim.datasets import GridVideos
from meshanim.metrics import action_unit_scores
from meshanim.training.lip_sync import found_offsets
from meshanim.training.unit_classifier import read_units
from meshanim.vision import POLYNOMIAL_CROP, TCSAN_CROP, LipSyncNetwork, UnitClassifier

SHIFTS = range(-6, 7)


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
