"""An appearance checks what it is given."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera
from meshanim.talking_heads import Appearance


def parts(count: int = 2) -> dict:
    return {
        "frames": torch.zeros(count, 8, 8, 3, dtype=torch.uint8),
        "crop": torch.zeros(count, 2, 3),
        "landmarks": torch.zeros(count, 68, 2),
        "head_motion": torch.zeros(count, 6),
        "weights": torch.zeros(count, 5),
        "camera": Camera.looking_at((0, 0, 1), (0, 0, 0)),
        "face_model": "anny",
        "identity": torch.zeros(3),
    }


def test_repr_says_what_is_known() -> None:
    assert repr(Appearance(**parts())) == "Appearance(2 frames of anny)"
    lit = Appearance(**parts(), light=torch.zeros(9, 3), texture=torch.zeros(4, 4, 3))
    assert repr(lit) == "Appearance(2 frames of anny, texture, light)"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("frames", torch.zeros(0, 8, 8, 3, dtype=torch.uint8), "at least one frame"),
        ("frames", torch.zeros(2, 8, 8, 3), "frames must be uint8"),
        ("landmarks", torch.zeros(2, 60, 2), "landmarks must have shape"),
        ("head_motion", torch.zeros(3, 6), "head_motion must have shape"),
        ("crop", torch.full((2, 2, 3), torch.nan), "crop must be finite"),
        ("light", torch.zeros(4, 3), "light must have shape"),
    ],
)
def test_what_does_not_fit_is_named(name: str, value: torch.Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Appearance(**(parts() | {name: value}))
