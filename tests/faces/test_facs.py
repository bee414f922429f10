"""Action units and what emotions do with them."""

from __future__ import annotations

import torch

from meshanim.faces import ARKIT_NAMES, EXPRESSIONS
from meshanim.faces.facs import ACTION_UNITS, EMOTION_PROTOTYPES, arkit_weights


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
