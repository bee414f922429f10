"""Action units and what emotions do with them: numbers, and what faces show, in millimetres."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, EXPRESSIONS, FaceModel, articulate
from meshanim.faces.facs import (
    ACTION_UNITS,
    EMOTION_PROTOTYPES,
    UNIT_OCCURS,
    UNIT_READINGS,
    action_units_from_arkit,
    arkit_weights,
    occurring_units,
)

MIRROR = torch.tensor([-1.0, 1.0, 1.0])
BROWS_IN, BROWS_OUT, CORNERS = (21, 22), (17, 26), (48, 54)
LIDS_UPPER, LIDS_LOWER = (37, 38, 43, 44), (41, 40, 47, 46)
LIP_UPPER, LIP_UPPER_INNER, LIP_LOWER_INNER = 51, 62, 66


@pytest.fixture(scope="module", params=["anny", "ict"])
def drawn_face(request: pytest.FixtureRequest) -> FaceModel:
    """Faces with ARKit's shapes and Multi-PIE's 68 landmarks."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def people(drawn_face: FaceModel) -> Tensor:
    """The mean and some others; of the built-in head a child and an old man too."""
    drawn = drawn_face.sample_identity(torch.Generator().manual_seed(5), 5)
    chosen = [drawn_face.default_identity]
    if drawn_face.name == "anny":
        chosen += [drawn_face.identity(gender=1, age=7), drawn_face.identity(gender=0, age=75)]
    return torch.cat([torch.stack(chosen), drawn])


def _landmarks(face: FaceModel) -> Tensor:
    return torch.tensor([face.neutral.landmarks[f"landmark68_{place:02d}"] for place in range(68)])


def _weights(face: FaceModel, expression: str, level: float) -> Tensor:
    return face.weights_from_arkit(level * arkit_weights(EMOTION_PROTOTYPES[expression], ARKIT_NAMES))


def _shown(face: FaceModel, identity: Tensor, level: float) -> dict[str, dict[str, float]]:
    """What each expression changes on a face, millimetres: up, apart and open are positive."""
    weights = torch.stack(
        [torch.zeros(len(face.weight_names)), *(_weights(face, e, level) for e in EXPRESSIONS)]
    )
    points = 1000 * articulate(face, weights, identity)[:, _landmarks(face)]
    height = points[..., 1]
    measures = {
        "corners": height[:, CORNERS].mean(dim=1),
        "mouth width": points[:, CORNERS[1], 0] - points[:, CORNERS[0], 0],
        "mouth": height[:, LIP_UPPER_INNER] - height[:, LIP_LOWER_INNER],
        "upper lip": height[:, LIP_UPPER],
        "inner brows": height[:, BROWS_IN].mean(dim=1),
        "outer brows": height[:, BROWS_OUT].mean(dim=1),
        "between brows": points[:, BROWS_IN[1], 0] - points[:, BROWS_IN[0], 0],
        "eyes": (height[:, LIDS_UPPER] - height[:, LIDS_LOWER]).mean(dim=1),
    }
    return {
        expression: {name: float(value[row] - value[0]) for name, value in measures.items()}
        for row, expression in enumerate(EXPRESSIONS, start=1)
    }


def test_arkit_has_52_names_in_order():
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert list(ARKIT_NAMES) == sorted(ARKIT_NAMES)


def test_action_units_move_shapes_that_there_are():
    assert {name for shapes in ACTION_UNITS.values() for name in shapes} <= set(ARKIT_NAMES)


def test_emotions_are_made_of_known_units():
    assert EXPRESSIONS == ("happy", "sad", "surprise", "angry", "disgust", "fear")
    for units in EMOTION_PROTOTYPES.values():
        assert set(units) <= set(ACTION_UNITS)
        assert all(0 < intensity <= 1 for intensity in units.values())


def test_weights_follow_the_names_asked_for_and_stay_in_range():
    weights = arkit_weights(
        {15: 0.5, 6: torch.tensor([0.0, 5.0])}, ("mouthFrownLeft", "cheekSquintRight", "else")
    )
    assert weights.tolist() == [[0.5, 0.0, 0.0], [0.5, 1.0, 0.0]]


def test_what_is_symmetric_in_the_prototypes_is_so_in_the_weights():
    for units in EMOTION_PROTOTYPES.values():
        weights = dict(zip(ARKIT_NAMES, arkit_weights(units, ARKIT_NAMES).tolist(), strict=True))
        assert all(weights[name] == weights[name.replace("Left", "Right")] for name in ARKIT_NAMES)


def test_symmetric_faces_stay_symmetric(drawn_face):
    places = _landmarks(drawn_face)
    rest = drawn_face.neutral.vertices[places]
    distance, other = torch.cdist(MIRROR * rest, rest, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
    assert distance.max() < 1e-5 and sorted(other.tolist()) == list(range(68))
    weights = torch.stack([_weights(drawn_face, expression, 1.0) for expression in EXPRESSIONS])
    moved = articulate(drawn_face, weights)[:, places] - rest
    # MakeHuman drew jawOpen by hand: its chin goes 0.4 mm to the side at weight 1.
    assert (moved - MIRROR * moved[:, other]).norm(dim=-1).max() < 6e-4
    assert moved.norm(dim=-1).amax(dim=1).min() > 4e-3


@pytest.mark.parametrize("level", [0.5, 1.0], ids=["half-way", "apex"])
def test_expressions_show_what_the_manual_describes(drawn_face, people, level):
    for identity in people:
        shown = _shown(drawn_face, identity, level)
        happy, sad, surprise, angry, disgust, fear = (shown[expression] for expression in EXPRESSIONS)
        assert happy["corners"] > 5 * level and happy["mouth width"] > 7 * level
        assert happy["eyes"] < -0.8 * level
        assert sad["corners"] < -1.5 * level and sad["inner brows"] > 1.5 * level
        assert sad["outer brows"] < sad["inner brows"] - 2 * level and sad["mouth"] < 0
        assert surprise["inner brows"] > 2 * level and surprise["outer brows"] > 2 * level
        assert surprise["mouth"] > 12 * level and surprise["mouth width"] < 0 and surprise["eyes"] > level
        assert angry["inner brows"] < -2 * level and angry["inner brows"] < angry["outer brows"] - 0.5 * level
        assert angry["between brows"] < -3 * level and angry["eyes"] < -0.4 * level
        assert angry["mouth width"] < 0 and angry["mouth"] < -level
        assert disgust["upper lip"] > 1.5 * level and disgust["inner brows"] < -3 * level
        assert disgust["eyes"] < -1.2 * level
        assert fear["mouth width"] > 6 * level and 0 < fear["mouth"] < 0.8 * surprise["mouth"]
        assert fear["between brows"] < surprise["between brows"] - 2 * level and fear["eyes"] > 1.4 * level


def test_units_are_read_back_from_the_weights_that_perform_them():
    units = tuple(UNIT_READINGS)
    for unit in (10, 14, 20, 26):
        for intensity in (0.0, 0.4, 1.0):
            weights = arkit_weights({unit: intensity}, ARKIT_NAMES)
            read = action_units_from_arkit(weights, ARKIT_NAMES, units)
            assert float(read[units.index(unit)]) == pytest.approx(intensity)


def test_read_units_are_of_known_shapes_and_the_same_on_both_sides():
    for shapes in UNIT_READINGS.values():
        assert set(shapes) <= set(ARKIT_NAMES)
        assert all(shapes.get(name.replace("Left", "Right")) == share for name, share in shapes.items())
    assert set(UNIT_OCCURS) == set(UNIT_READINGS)


def test_lips_part_as_the_unit_says(anny):
    """The reading of 25 is in units of 10 mm between the inner lips of the built-in head."""
    upper, lower = (
        torch.tensor([anny.neutral.landmarks[f"landmark68_{n}"] for n in numbers])
        for numbers in ((61, 62, 63), (67, 66, 65))
    )

    def gap(weights: Tensor) -> Tensor:
        points = 1000 * articulate(anny, anny.weights_from_arkit(weights))
        return (points[:, upper, 1] - points[:, lower, 1]).mean(dim=1)

    shapes = sorted(UNIT_READINGS[25])
    alone = torch.zeros(len(shapes) + 1, len(ARKIT_NAMES))
    alone[torch.arange(len(shapes)), [ARKIT_NAMES.index(name) for name in shapes]] = 1
    parted = (gap(alone) - gap(alone[-1:]))[:-1]
    assert torch.allclose(parted / 10, torch.tensor([UNIT_READINGS[25][s] for s in shapes]), atol=0.06)


def test_lips_that_close_over_an_open_jaw_do_not_part():
    weights = torch.zeros(2, len(ARKIT_NAMES))
    weights[:, ARKIT_NAMES.index("jawOpen")] = 0.3
    weights[1, ARKIT_NAMES.index("mouthClose")] = 0.3
    assert occurring_units(weights, ARKIT_NAMES, (25, 26)).tolist() == [[True, True], [False, True]]


def test_a_unit_occurs_from_its_least_intensity_on():
    weights = torch.zeros(3, len(ARKIT_NAMES), dtype=torch.float64)
    weights[:, ARKIT_NAMES.index("jawOpen")] = torch.tensor([0.0999, 0.1, 0.1001], dtype=torch.float64)
    assert occurring_units(weights, ARKIT_NAMES, (26,))[:, 0].tolist() == [False, True, True]


def test_units_that_cannot_be_read_are_named():
    with pytest.raises(InputError, match="unit must be one of 10, 14, 20, 25, 26, got 1"):
        action_units_from_arkit(torch.zeros(1, 52), ARKIT_NAMES, (1,))
