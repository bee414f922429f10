"""Expression synthesis at the paper's scale: the ICT face, 26,719 vertices beside the paper's 28,431.

Per-vertex error of the shipped models, the architecture of Potamias et al. 2020 and blendshapes that read
labels with a larger LSTM, on the 27 unseen subjects of Expressions4D on the ICT face, beside a static face
and what ``animate`` does without a model: the face's own shapes perform the expression's action units. How
far normals are off at the apex says how lumpy a surface is. Draws the errors at the apex.

    python benchmarks/expression_ict.py
"""

from __future__ import annotations

from pathlib import Path

from expression import ORDER, Predictor, epochs_trained, measure, moving_vertices, predictor
from report import table, take_no_arguments, write_results
from torch import Tensor

from meshanim.datasets import Expressions4D
from meshanim.faces import FaceModel, load_face
from meshanim.faces.facs import EXPRESSIONS
from meshanim.mesh.geometry import vertex_normals
from meshanim.metrics import vertex_distances_mm
from meshanim.rendering import contact_sheet, heat_colours, render_mesh
from meshanim.synthesis import ExpressionModel, perform_prototype
from meshanim.vision import write_image

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
MODELS = {"paper's model": "ict-expressions-paper", "PCA blendshapes, deep": "ict-expressions"}


def own_shapes(face: FaceModel, test: Expressions4D) -> Predictor:
    """The expression's action units on the face's shapes, as they are for anyone."""

    def predict(item: int) -> Tensor:
        identity = test.identities[test[item].subject]
        return perform_prototype(face, test.labels(item), test[item].fps, identity).vertices()

    return predict


def apex_of(test: Expressions4D, item: int) -> int:
    """The frame in the middle of a sequence's apex."""
    sequence = test[item]
    return round((sequence.timing.apex + sequence.timing.offset) / 2 * sequence.fps)


def noting_apexes(test: Expressions4D, predict: Predictor, apexes: dict[int, Tensor]) -> Predictor:
    """The same predictor; what it says at the apex of each sequence is kept, and the other frames are not."""

    def predict_and_note(item: int) -> Tensor:
        said = predict(item)
        apexes[item] = said[apex_of(test, item)].clone()
        return said

    return predict_and_note


def normals_off(test: Expressions4D, apexes: dict[int, Tensor]) -> float:
    """Degrees between said and true normals at the apex, root mean square where the face moves by 1 mm."""
    faces, squares, count = test.face.neutral.faces, 0.0, 0
    for item, said in apexes.items():
        sequence = test[item]
        true = sequence.vertices[apex_of(test, item)]
        moves = vertex_distances_mm(true, sequence.neutral) > 1
        cosine = (vertex_normals(true, faces) * vertex_normals(said, faces)).sum(dim=1)[moves].clamp(-1, 1)
        squares += float(cosine.acos().rad2deg().square().sum())
        count += int(moves.sum())
    return (squares / count) ** 0.5


def draw(test: Expressions4D, apexes: dict[str, dict[int, Tensor]], largest_mm: float = 6.0) -> None:
    """Truth, and every contestant coloured by its error, at the apex of six expressions of one subject."""
    images, labels = [], []
    mesh = test.face.neutral.with_vertices(test[0].neutral)
    truth = {column: test[column].vertices[apex_of(test, column)] for column in range(len(EXPRESSIONS))}
    for name, said in {"truth": truth, **apexes}.items():
        for column, expression in enumerate(EXPRESSIONS):
            colours = heat_colours(vertex_distances_mm(said[column], truth[column]), largest_mm)
            images.append(render_mesh(mesh, said[column], size=(256, 256), colours=colours))
            labels.append(f"{expression}, {name}")
    sheet = contact_sheet(images, columns=len(EXPRESSIONS), labels=labels)
    write_image(Path(__file__).parent / "results" / "expression_ict.png", sheet)


def main() -> None:
    face = load_face(f"ict={ICT}")
    train, test = Expressions4D(face, "train"), Expressions4D(face, "test")
    contestants: dict[str, Predictor] = {
        "static face": lambda item: test[item].neutral.expand_as(test[item].vertices),
        "the face's own shapes": own_shapes(face, test),
    }
    for name, model in MODELS.items():
        contestants[name] = predictor(test, ExpressionModel.from_pretrained(model))
    apexes: dict[str, dict[int, Tensor]] = {name: {} for name in contestants}
    noted = {name: noting_apexes(test, predict, apexes[name]) for name, predict in contestants.items()}
    rows = measure(test, noted, moving_vertices(train))
    draw(test, apexes)
    shown = []
    for name, row in rows.items():
        row["normals_off_degrees"] = normals_off(test, apexes[name])
        errors = [row["error_mm"][key] for key in (*ORDER, "total")] + [row["face_error_mm"]]
        shown.append((name, *(f"{error:.3f}" for error in errors), f"{row['normals_off_degrees']:.2f}"))
    header = ("model", *ORDER, "total", "moving part", "normals off, degrees")
    count = len(face.neutral.vertices)
    table(f"ICT face, {count} vertices: per-vertex error on 27 unseen subjects, mm", header, shown)
    content = {"vertices": count, "epochs": {name: epochs_trained(model) for name, model in MODELS.items()}}
    content["errors"] = rows
    print(f"written: {write_results('expression_ict', content)} and a picture beside it")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
