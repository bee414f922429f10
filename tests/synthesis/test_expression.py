import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from meshanim._check import InputError
from meshanim._pretrained import settings_from
from meshanim.faces import load_face
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh, MeshHierarchy
from meshanim.synthesis import ExpressionConfig, ExpressionModel, expression_labels

SMALL = ExpressionConfig(latent_size=8, widths=(12, 6), identity_widths=(5, 7), identity_size=4)
CONFIGS = {
    "paper": SMALL,
    "identity": replace(SMALL, identity="spiral"),
    "pca": replace(SMALL, decoder="pca"),
}


def _calibrated(variant: str, face: Mesh, hierarchy: MeshHierarchy) -> ExpressionModel:
    torch.manual_seed(0)
    model = ExpressionModel(face, hierarchy, CONFIGS[variant])
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter)
    neutrals = face.vertices + 0.002 * torch.randn(12, *face.vertices.shape)
    model.calibrate(neutrals, lambda: (0.001 * torch.randn(200, *face.vertices.shape)).split(50))
    return model.eval()


_MADE: dict[str, ExpressionModel] = {}


def make(variant: str, face: Mesh, hierarchy: MeshHierarchy) -> ExpressionModel:
    """A copy of a model with nothing at its initial zeros, calibrated once on noise."""
    if variant not in _MADE:
        _MADE[variant] = _calibrated(variant, face, hierarchy)
    return copy.deepcopy(_MADE[variant])


@pytest.fixture(params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest, face: Mesh, hierarchy: MeshHierarchy) -> ExpressionModel:
    return make(request.param, face, hierarchy)


def test_forward_is_the_neutral_face_plus_displacements(model: ExpressionModel, face: Mesh) -> None:
    labels, neutral = torch.rand(2, 7, 6), face.vertices + 0.002 * torch.randn(2, *face.vertices.shape)
    moved = model(labels, neutral)
    assert moved.shape == (2, 7, *face.vertices.shape)
    one = model.decode(model.encode(labels[1]), neutral[1])
    # the same sums in another batch layout, of values around 5 cm
    torch.testing.assert_close(moved[1], one, rtol=0, atol=1e-6)


def test_gradients_reach_the_labels_and_the_neutral_face(model: ExpressionModel, face: Mesh) -> None:
    labels, neutral = torch.rand(1, 5, 6, requires_grad=True), face.vertices[None].clone().requires_grad_()
    (model(labels, neutral) - neutral).square().sum().backward()
    assert labels.grad is not None and bool(labels.grad.any())
    assert neutral.grad is not None
    # only a model that looks at the face moves differently when the face changes
    assert bool(neutral.grad.any()) == (model.config.identity is not None)


def test_it_animates_at_any_frame_rate_alike(model: ExpressionModel, face: Mesh) -> None:
    phases = {"onset": 0.5, "apex": 1, "offset": 0.5, "duration": 3}
    fast = model.animate(face, expression_labels("happy", **phases, fps=60), 60)
    native = model.animate(face, expression_labels("happy", **phases, fps=12), 12)
    assert fast.frame_count == 180 and native.frame_count == 36 and fast.labels is not None
    # the track reads the same at the model's own 12 fps, and the curve goes through its frames
    torch.testing.assert_close(fast.vertices()[::5], native.vertices(), rtol=0, atol=1e-6)


def test_the_motion_between_native_frames_is_smooth(model: ExpressionModel) -> None:
    path = model.encode_at(expression_labels("fear", duration=3, fps=240), 240).detach()
    native = model.encode_at(expression_labels("fear", duration=3, fps=12), 12).detach()
    # no jump: a step in 1/240 s is a small part of the largest step in 1/12 s
    assert float(path.diff(dim=0).norm(dim=1).max()) < 0.2 * float(native.diff(dim=0).norm(dim=1).max())


def test_no_label_no_motion(face: Mesh, hierarchy: MeshHierarchy) -> None:
    """Exactly so for the model that knows the face, whatever its weights are."""
    model = make("identity", face, hierarchy)
    still = model.animate(face, torch.zeros(40, 6), 25)
    assert torch.equal(still.vertices(), face.vertices.expand(40, -1, -1))


def test_the_face_makes_a_difference_only_to_the_model_that_looks(
    face: Mesh, hierarchy: MeshHierarchy
) -> None:
    labels, other = torch.rand(9, 6), face.with_vertices(face.vertices * torch.tensor([1.2, 1, 0.9]))
    for variant in CONFIGS:
        model = make(variant, face, hierarchy)
        moves = [model.animate(f, labels, 12).vertices() - f.vertices for f in (face, other)]
        # without a look the displacements are the same up to float32 rounding at 5 cm
        assert (float((moves[0] - moves[1]).abs().max()) > 1e-7) == (variant == "identity")


def test_blendshapes_come_as_weights(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model = make("pca", face, hierarchy)
    labels = torch.rand(9, 6)
    performed = model.animate(face, labels, 12)
    assert performed.weights is not None and performed.weights.shape == (9, 9)
    decoded = model.decode(model.encode(labels), face.vertices)
    torch.testing.assert_close(performed.vertices(), decoded.detach(), rtol=0, atol=1e-6)


def test_chunks_do_not_show(face: Mesh, hierarchy: MeshHierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    model, labels, told = make("identity", face, hierarchy), torch.rand(30, 6), []
    whole = model.animate(face, labels, 12).vertices()
    monkeypatch.setattr("meshanim.synthesis.expression.CHUNK", 7)
    parts = model.animate(face, labels, 12, progress=lambda done, total: told.append((done, total)))
    # other batch sizes may sum in another order
    torch.testing.assert_close(parts.vertices(), whole, rtol=0, atol=1e-7)
    assert told == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_animating_leaves_the_mode_alone(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model = make("identity", face, hierarchy).train()
    first, second = (model.animate(face, torch.full((5, 6), 0.5), 12).vertices() for _ in range(2))
    assert model.training and torch.equal(first, second)


def test_interpolating_codes_interpolates_blendshapes(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model = make("pca", face, hierarchy)
    ends = torch.randn(2, 8)
    decoded = model.decode(torch.cat([ends, ends.mean(dim=0, keepdim=True)]), face.vertices)
    torch.testing.assert_close(decoded[2], decoded[:2].mean(dim=0), rtol=0, atol=1e-6)


def test_saved_and_loaded_it_gives_the_same_bytes(model: ExpressionModel, face: Mesh, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    loaded = ExpressionModel.from_pretrained(tmp_path / "model")
    assert not loaded.training and loaded.config == model.config
    assert torch.equal(loaded.template.faces, face.faces)
    labels = torch.rand(11, 6)
    assert torch.equal(loaded.animate(face, labels).vertices(), model.animate(face, labels).vertices())
    loaded.save_pretrained(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_another_topology_is_one_sentence(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model = make("paper", face, hierarchy)
    turned = Mesh(face.vertices, face.faces.roll(1, dims=1).flip(0))
    assert model.animate(turned, torch.rand(2, 6)).frame_count == 2
    with pytest.raises(InputError, match="162 vertices and 320 triangles, got 161 vertices and"):
        model.animate(Mesh(face.vertices[:161], face.faces[(face.faces < 161).all(dim=1)]), torch.rand(2, 6))
    with pytest.raises(InputError, match="connected or ordered otherwise"):
        model.animate(Mesh(face.vertices, (face.faces + 1) % 162), torch.rand(2, 6))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": torch.rand(3, 5)}, r"labels must have shape \(any, 6\)"),
        ({"labels": torch.full((3, 6), 2.0)}, r"labels must lie in \[0, 1\]"),
        ({"fps": -25}, "fps must be above 0, got -25"),
    ],
)
def test_bad_input_is_named(
    arguments: dict[str, object], message: str, face: Mesh, hierarchy: MeshHierarchy
) -> None:
    model = make("paper", face, hierarchy)
    with pytest.raises(InputError, match=message):
        model.animate(face, **{"labels": torch.rand(3, 6), **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "neutral", "message"),
    [
        ((5, 6), (162, 3), r"labels must have shape \(any, any, 6\), got \(5, 6\)"),
        ((2, 5, 6), (1, 162, 3), r"neutral must have shape \(2, 162, 3\), got \(1, 162, 3\)"),
        ((1, 5, 6), (1, 161, 3), r"neutral must have shape \(1, 162, 3\), got \(1, 161, 3\)"),
        ((1, 5, 7), (1, 162, 3), r"labels must have shape \(any, any, 6\), got \(1, 5, 7\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    model: ExpressionModel, labels: tuple[int, ...], neutral: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        model(torch.rand(labels), torch.rand(neutral))


def test_arrays_are_refused_by_name(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model, labels = make("paper", face, hierarchy), torch.rand(1, 3, 6).numpy()
    calls: list[Callable[[Any], object]] = [model.encode, lambda given: model(given, face.vertices[None])]
    for call in (*calls, lambda given: model.animate(face, given[0])):
        with pytest.raises(InputError, match=r"labels must be a tensor, got numpy\.ndarray"):
            call(labels)


def test_vertices_and_single_codes_are_refused_by_name(model: ExpressionModel, face: Mesh) -> None:
    with pytest.raises(InputError, match=r"neutral must be a Mesh, .* got Tensor"):
        model.animate(face.vertices, torch.rand(3, 6))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"code must have shape \(any, 8\), got \(8,\)"):
        model.decode(torch.zeros(8), face.vertices)


@pytest.mark.parametrize(("count", "frames"), [(0, 5), (2, 0), (0, 0)])
def test_nothing_gives_nothing(model: ExpressionModel, face: Mesh, count: int, frames: int) -> None:
    labels, neutral = torch.rand(count, frames, 6), face.vertices.expand(count, -1, -1)
    assert model(labels, neutral).shape == (count, frames, 162, 3)
    assert model.encode(labels).shape == (count, frames, 8)
    assert model.decode(torch.zeros(0, 8), face.vertices).shape == (0, 162, 3)


def test_other_floating_types_are_taken(model: ExpressionModel, face: Mesh) -> None:
    labels, neutral = torch.rand(1, 5, 6), face.vertices[None]
    assert torch.equal(model(labels.double(), neutral.double()), model(labels, neutral))
    assert torch.equal(model.encode(labels.double()), model.encode(labels))


# bfloat16 rounds the mean face by tenths of a millimetre, of the 2 that people differ by here
@pytest.mark.parametrize(("kind", "bound"), [(torch.bfloat16, 0.35), (torch.float16, 0.05)])
def test_models_of_16_bits_move_a_face_as_far(
    kind: torch.dtype, bound: float, face: Mesh, hierarchy: MeshHierarchy
) -> None:
    labels = expression_labels("happy", fps=10)
    for variant in ("paper", "identity"):
        model = make(variant, face, hierarchy)
        wanted = model.animate(face, labels, 10).vertices() - face.vertices
        moved = model.to(kind).animate(face, labels, 10).vertices() - face.vertices
        assert moved.dtype == torch.float32
        assert float((moved - wanted).norm() / wanted.norm()) < bound, variant


def test_configurations_are_checked() -> None:
    with pytest.raises(InputError, match="decoder must be one of spiral, pca"):
        ExpressionConfig(decoder="mlp")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="identity must be None for the pca decoder"):
        ExpressionConfig(decoder="pca", identity="spiral")
    with pytest.raises(InputError, match=r"settings must be among .*, got depth"):
        settings_from(ExpressionConfig, {"depth": 3})
    written = json.loads(json.dumps(SMALL.__dict__))
    assert settings_from(ExpressionConfig, written) == SMALL


def test_lids_stay_in_front_of_the_eyes():
    face = load_face("anny")
    # without care, the lower lids of this person would sink into the eyes by 1.6 mm
    person = face.sample_population(torch.Generator().manual_seed(5), 3)[0]
    neutral = face.neutral.with_vertices(face.vertices(person))
    labels = expression_labels("disgust", duration=1.0, fps=6.0)
    motion = ExpressionModel.from_pretrained("anny-expressions").animate(neutral, labels, fps=6.0).vertices()
    assert (clear_lids(neutral, motion) - motion).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["anny-expressions-pca", "anny-expressions-paper"])
def test_a_face_that_nothing_is_asked_of_any_more_stays_at_rest(name: str) -> None:
    """Long after an expression, and before the next; sequences to train on end a moment after theirs."""
    neutral, model = load_face("anny").neutral, ExpressionModel.from_pretrained(name)
    once = expression_labels("happy", onset=1, apex=0.5, offset=1, duration=8, fps=12)
    labels = torch.cat([torch.zeros_like(once), once, once])
    moved = model.animate(neutral, labels, 12).vertices() - neutral.vertices
    asked = torch.nn.functional.max_pool1d(labels.amax(dim=1)[None], 3, stride=1, padding=1)[0] > 0
    largest = moved.norm(dim=-1).amax(dim=1)
    # the models leave up to 0.7 mm where their sequences end
    assert float(largest[~asked].max()) < 1e-3 and float(largest.max()) > 1e-2
    assert torch.equal(moved[30:90], moved[30:31].expand(60, -1, -1))


@pytest.mark.parametrize("name", ["ict-expressions", "ict-expressions-paper", "anny-expressions-paper"])
def test_a_long_hold_is_a_short_one_slowly(name: str) -> None:
    """The LSTM wanders where it is held for longer than ever in its training; mouths then pumped."""
    model = ExpressionModel.from_pretrained(name)
    deepest = {}
    for apex in (1.0, 9.0):
        labels = expression_labels("surprise", onset=0.5, apex=apex, offset=0.5, duration=apex + 2, fps=12)
        path = model.encode_at(labels, 12).detach()
        largest = model.displacements(path, None).detach().norm(dim=-1).amax(dim=1)
        held = largest[(labels.amax(dim=1) == 1)]
        deepest[apex] = float(largest.max())
        # people of the corpus slacken by 12 % while they hold an expression
        assert float(held[len(held) // 4 :].min()) > 0.8 * float(held.max())
    assert deepest[9.0] == pytest.approx(deepest[1.0], rel=0.1)
    # tenths of a millimetre a frame; the mouth that pumped went up to 0.45
    middle = model.displacements(path, None)[36:84].detach()
    assert float(middle.diff(dim=0).norm(dim=-1).max()) < 3e-4


@pytest.mark.parametrize("name", ["anny-expressions", "anny-expressions-paper", "anny-expressions-pca"])
def test_a_slow_onset_is_a_quick_one_slowly(name: str) -> None:
    """An LSTM that has seen no slow onset brought 60 % of the face in the first of four seconds."""
    model = ExpressionModel.from_pretrained(name)
    labels = expression_labels("angry", onset=4, apex=1, offset=4, fps=12)
    moved = model.animate(model.template, labels, 12).vertices() - model.template.vertices
    apex = moved[54]
    level = (moved * apex).sum(dim=(1, 2)) / apex.square().sum()
    assert float(level[12]) < 0.45 and float(level[24]) < 0.8 and float(level[96]) < 0.3
    # no step over two frames is more than three times the mean step of the onset
    assert float(level.diff().abs().max()) < 3 / 48
    # at another rate the ends of phases fall between other frames
    fast = model.animate(model.template, expression_labels("angry", onset=4, apex=1, offset=4, fps=60), 60)
    apart = fast.vertices()[::5] - model.template.vertices - moved
    assert float(apart.norm(dim=-1).max()) < 0.03 * float(apex.norm(dim=-1).max())


def test_expressions_far_apart_are_read_each_by_itself(model: ExpressionModel, face: Mesh) -> None:
    one, other = torch.rand(5, 6), torch.rand(7, 6)
    labels = torch.cat([one, torch.zeros(40, 6), other])
    path, alone = model.encode_at(labels, 12), model.encode_at(one, 12)
    if model.config.identity is None:
        assert torch.equal(path[:5], alone) and torch.equal(path[9:40], path[8:9].expand(31, -1))
    else:
        assert torch.equal(path, model.encode(labels))
    # in the model's type, whatever that of the labels is
    wide = copy.deepcopy(model).double()
    assert wide.encode_at(labels, 12).dtype == torch.float64
    assert len(model.encode_at(labels[:0], 12)) == 0


def test_lids_of_blendshapes_stay_in_front_of_the_eyes() -> None:
    face = load_face("anny")
    child = face.neutral.with_vertices(face.vertices(face.identity(age=5.0)))
    model = ExpressionModel.from_pretrained("anny-expressions-pca")
    performed = model.animate(child, expression_labels("disgust", duration=2, fps=12), 12)
    vertices = performed.vertices()
    # float32 rounds positions of 0.1 m to a hundred-millionth
    torch.testing.assert_close(vertices, clear_lids(child, vertices), rtol=0, atol=1e-7)
    sunk = (performed.straight() - vertices).norm(dim=-1)
    assert float(sunk.max()) > 5e-4 and float((sunk > 0).float().mean()) < 0.2


def test_the_model_of_the_ict_face_moves_it_and_rests_where_nothing_is_asked():
    model = ExpressionModel.from_pretrained("ict-expressions-paper")
    assert len(model.template.vertices) == 26_719
    labels = expression_labels("surprise", duration=1.0, fps=6.0)
    motion = model.animate(model.template, labels, fps=6.0).vertices()
    moved = (motion - model.template.vertices).norm(dim=-1).amax(dim=1)
    assert moved[len(moved) // 2] > 0.02
    assert moved[0] < 0.003
