"""Evaluation of expression synthesis on the 27 unseen subjects of Expressions4D.

Prints and stores, each beside the figures of Potamias et al. 2020: per-vertex error (Table 2), expression
classification (Table 3) and error per frame (Fig. 5); and draws error maps (Fig. 3), expressions over time
(Fig. 4) and a walk through the latent space (Fig. 6).

    python benchmarks/expression.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import matplotlib
import torch
from report import table, take_no_arguments, write_results
from torch import Tensor

from meshanim.datasets import Expressions4D, ExpressionSequence
from meshanim.faces import load_face
from meshanim.faces.facs import EXPRESSIONS
from meshanim.metrics import classification_scores, vertex_distances_mm
from meshanim.rendering import contact_sheet, heat_colours, render_mesh
from meshanim.synthesis import ExpressionModel, expression_labels
from meshanim.training import ClassifierRecipe, train_classifier
from meshanim.vision import write_image

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).parents[1] / "data"
ORDER = ("happy", "angry", "sad", "surprise", "fear", "disgust")
MODELS = {
    "PCA blendshapes": "anny-expressions-pca",
    "paper's model": "anny-expressions-paper",
    "identity-aware": "anny-expressions",
}
PAPER = "paper's model"
PUBLISHED_ERROR = {
    "PCA blendshapes": (0.49, 0.37, 0.37, 0.48, 0.43, 0.45, 0.44),
    "paper's model": (0.37, 0.35, 0.36, 0.43, 0.42, 0.42, 0.39),
}
PUBLISHED_SCORES = {
    "truth": (0.70, 0.70, 0.68),
    "PCA blendshapes": (0.58, 0.57, 0.57),
    "paper's model": (0.69, 0.69, 0.68),
}
PHASES = ("before", "onset", "apex", "offset", "after")
Predictor = Callable[[int], Tensor]


def predictor(test: Expressions4D, model: ExpressionModel) -> Predictor:
    """What a model makes of the label track and the face of a test sequence."""

    def predict(item: int) -> Tensor:
        with torch.inference_mode():
            labels, subject = test.labels(item), test[item].neutral
            return model(labels[None], subject[None])[0]

    return predict


def predictors(test: Expressions4D) -> dict[str, Predictor]:
    """Name of each contestant, and the vertices (T, V, 3) it gives for a test sequence."""

    def still(item: int) -> Tensor:
        sequence = test[item]
        return sequence.neutral.expand_as(sequence.vertices)

    learned = {
        name: predictor(test, ExpressionModel.from_pretrained(folder)) for name, folder in MODELS.items()
    }
    return {"static face": still, **learned, "oracle": test.oracle}


def epochs_trained(folder: str) -> int:
    """How many epochs a shipped model has behind it, from the history that ships with it."""
    return len(json.loads((DATA / folder / "history.json").read_text()))


def moving_vertices(train: Expressions4D) -> Tensor:
    """Vertices that move by more than half a millimetre on average over the training apexes: the face."""
    moved = torch.stack([_apex(train[item]) for item in range(0, len(train), 7)])
    return moved.mean(dim=0) > 0.5


def _apex(sequence: ExpressionSequence) -> Tensor:
    middle = round((sequence.timing.apex + sequence.timing.offset) / 2 * sequence.fps)
    return vertex_distances_mm(sequence.vertices[middle], sequence.neutral)


def measure(test: Expressions4D, contestants: dict[str, Predictor], face: Tensor) -> dict[str, dict]:
    """Distances of every contestant on every test sequence, summed up as the tables and plots need them."""
    rows: dict[str, dict] = {}
    for name, predict in contestants.items():
        by_expression: dict[str, list[Tensor]] = {expression: [] for expression in EXPRESSIONS}
        on_face: list[Tensor] = []
        phases: list[Tensor] = []
        frames: list[Tensor] = []
        for item in range(len(test)):
            sequence = test[item]
            distances = vertex_distances_mm(predict(item), sequence.vertices)
            by_expression[sequence.expression].append(distances.mean(dim=1))
            on_face.append(distances[:, face].mean(dim=1))
            frames.append(distances.mean(dim=1))
            phases.append(_phase(sequence))
        means = {expression: float(torch.cat(parts).mean()) for expression, parts in by_expression.items()}
        whole, phase = torch.cat(frames), torch.cat(phases)
        rows[name] = {
            "error_mm": means | {"total": float(whole.mean())},
            "median_mm": float(whole.median()),
            "deviation_mm": float(whole.std()),
            "face_error_mm": float(torch.cat(on_face).mean()),
            "per_phase_mm": {p: float(whole[phase == k].mean()) for k, p in enumerate(PHASES)},
            "per_frame_mm": _per_frame(frames),
        }
        print(f"  {name}: {rows[name]['error_mm']['total']:.4f} mm", file=sys.stderr)
    return rows


def _phase(sequence: ExpressionSequence) -> Tensor:
    """Number of the phase (T,) that each frame of a sequence is in."""
    timing = sequence.timing
    ends = torch.tensor([timing.onset, timing.apex, timing.offset, timing.rest])
    return torch.bucketize(torch.arange(len(sequence.vertices)) / sequence.fps, ends, right=True)


def _per_frame(frames: list[Tensor]) -> list[float]:
    """Mean error at each frame number, as far as at least a third of the sequences reach."""
    longest = max(map(len, frames))
    counts = [sum(len(track) > t for track in frames) for t in range(longest)]
    enough = [t for t in range(longest) if counts[t] >= len(frames) / 3]
    return [float(torch.stack([track[t] for track in frames if len(track) > t]).mean()) for t in enough]


def judge(train: Expressions4D, test: Expressions4D, contestants: dict[str, Predictor]) -> dict[str, dict]:
    """Precision, recall and F1 of a classifier trained on true motion (section 5.3)."""

    with tempfile.TemporaryDirectory() as folder:
        classifier = train_classifier(train, ClassifierRecipe(), folder, progress=False)
    truth = torch.tensor([EXPRESSIONS.index(test[item].expression) for item in range(len(test))])
    scores = {}
    for name, predict in {"truth": lambda item: test[item].vertices, **contestants}.items():
        moved = [predict(item) - test[item].neutral for item in range(len(test))]
        found = torch.tensor([classifier.classify(motion) for motion in moved])
        result = classification_scores(found, truth, len(EXPRESSIONS))
        scores[name] = {
            "macro": result.macro,
            **{e: tuple(float(part[i]) for part in result) for i, e in enumerate(EXPRESSIONS)},
        }
    return scores


def draw_per_frame(rows: dict[str, dict]) -> None:
    """Fig. 5: mean error at each frame."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, row in rows.items():
        track = row["per_frame_mm"]
        axes.plot([5 * t for t in range(len(track))], track, label=name)
    axes.set(xlabel="frame at 60 fps", ylabel="mean per-vertex error (mm)", ylim=(0, None))
    axes.legend()
    figure.savefig(RESULTS / "expression_per_frame.png", dpi=120)
    plt.close(figure)


def draw_error_maps(test: Expressions4D, contestants: dict[str, Predictor], largest_mm: float = 4.0) -> None:
    """Fig. 3: error at the apex on the mesh, one row a contestant, one column an expression."""
    images, labels = [], []
    names = ["PCA blendshapes", "paper's model", "identity-aware"]
    for name in names:
        for column, expression in enumerate(EXPRESSIONS):
            sequence = test[column]
            middle = round((sequence.timing.apex + sequence.timing.offset) / 2 * sequence.fps)
            shown = contestants[name](column)[middle]
            colours = heat_colours(vertex_distances_mm(shown, sequence.vertices[middle]), largest_mm)
            mesh = test.face.neutral.with_vertices(sequence.neutral)
            images.append(render_mesh(mesh, shown, size=(256, 256), colours=colours))
            labels.append(f"{expression}, {name}")
    sheet = contact_sheet(images, columns=len(EXPRESSIONS), labels=labels)
    write_image(RESULTS / "expression_error_maps.png", sheet)


def draw_over_time(test: Expressions4D, model: ExpressionModel, columns: int = 8) -> None:
    """Fig. 4: six expressions over time on one unseen subject, as the identity-aware model performs them."""
    mesh = test.face.neutral.with_vertices(test[0].neutral)
    images, labels = [], []
    for expression in EXPRESSIONS:
        track = expression_labels(expression, duration=2.4, fps=12.0)
        motion = model.animate(mesh, track, fps=12.0).vertices()
        for t in torch.linspace(0, len(track) - 1, columns).round().long().tolist():
            images.append(render_mesh(mesh, motion[t], size=(224, 224)))
            labels.append(f"{expression} {float(track[t].max()):.2f}")
    write_image(RESULTS / "expression_over_time.png", contact_sheet(images, columns=columns, labels=labels))


def draw_latent_walks(test: Expressions4D, model: ExpressionModel, steps: int = 7) -> None:
    """Fig. 6: straight lines in the latent space between the apexes of two expressions."""
    mesh = test.face.neutral.with_vertices(test[0].neutral)
    images, labels = [], []
    with torch.inference_mode():
        for first, second in (("happy", "surprise"), ("angry", "fear"), ("sad", "disgust")):
            ends = [
                model.encode(expression_labels(e, 1.2, 0.6, 0.6, 0.0, fps=12.0))[-1] for e in (first, second)
            ]
            share = torch.linspace(0, 1, steps)[:, None]
            shown = model.decode((1 - share) * ends[0] + share * ends[1], mesh.vertices)
            images += [render_mesh(mesh, vertices, size=(224, 224)) for vertices in shown]
            labels += [f"{first} to {second} {float(a):.2f}" for a in share]
    write_image(RESULTS / "expression_latent_walks.png", contact_sheet(images, columns=steps, labels=labels))


def print_errors(rows: dict[str, dict]) -> None:
    """Table 2: two columns a figure, what was published and what was measured here."""
    header = ("model", "epochs", "data", *ORDER, "total", "median", "deviation", "moving part")
    lines = []
    for name, row in rows.items():
        if name in PUBLISHED_ERROR:
            published = (f"{value:.2f}" for value in PUBLISHED_ERROR[name])
            lines.append((name, "100", "published: 4DFAB", *published, "", "", ""))
        errors = [row["error_mm"][key] for key in (*ORDER, "total")]
        errors += [row["median_mm"], row["deviation_mm"], row["face_error_mm"]]
        trained = str(row.get("epochs", ""))
        lines.append((name, trained, "measured: Expressions4D", *(f"{value:.3f}" for value in errors)))
    table("Per-vertex error on 27 unseen subjects, mm (Table 2)", header, lines)


def print_phases(rows: dict[str, dict]) -> None:
    """Where in time the errors are."""
    lines = [(name, *(f"{row['per_phase_mm'][phase]:.3f}" for phase in PHASES)) for name, row in rows.items()]
    table("Per-vertex error by phase of the label, mm", ("model", *PHASES), lines)


def print_scores(scores: dict[str, dict]) -> None:
    """Table 3."""
    lines = []
    for name, row in scores.items():
        if name in PUBLISHED_SCORES:
            lines.append((name, "published: 4DFAB", *(f"{v:.2f}" for v in PUBLISHED_SCORES[name])))
        lines.append((name, "measured: Expressions4D", *(f"{value:.2f}" for value in row["macro"])))
    table(
        "Classified expressions, mean over six (Table 3)",
        ("sequences", "data", "precision", "recall", "F1"),
        lines,
    )


def main() -> None:
    face = load_face("anny")
    train, test = Expressions4D(face, "train"), Expressions4D(face, "test")
    contestants = predictors(test)
    rows = measure(test, contestants, moving_vertices(train))
    for name, folder in MODELS.items():
        rows[name]["epochs"] = epochs_trained(folder)
    scores = judge(train, test, contestants)
    totals = {name: row["error_mm"]["total"] for name, row in rows.items()}
    ratio = totals["identity-aware"] / totals["PCA blendshapes"]
    print_errors(rows)
    print_phases(rows)
    print_scores(scores)
    print(f"identity-aware / PCA blendshapes: {ratio:.3f} (bar: 0.80)")
    print(f"oracle / PCA blendshapes:         {totals['oracle'] / totals['PCA blendshapes']:.3f}")
    print(f"identity-aware / paper's model:   {totals['identity-aware'] / totals[PAPER]:.3f} (bar: below 1)")
    draw_per_frame(rows)
    draw_error_maps(test, contestants)
    model = ExpressionModel.from_pretrained(MODELS["identity-aware"])
    draw_over_time(test, model)
    draw_latent_walks(test, model)
    content = {
        "corpus": {"seed": test.seed, "predictable": test.predictable, "test_subjects": test.test_subjects},
        "errors": rows,
        "scores": scores,
        "identity_over_pca": ratio,
        "oracle_over_pca": totals["oracle"] / totals["PCA blendshapes"],
        "published": {"errors_mm": PUBLISHED_ERROR, "order": [*ORDER, "total"], "scores": PUBLISHED_SCORES},
    }
    print(f"written: {write_results('expression', content)} and four pictures beside it")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
