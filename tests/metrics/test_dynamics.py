import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import face_dynamics_deviation_mm

NEUTRAL = torch.tensor([[0.0, 0, 0], [1, 0, 0], [5, 5, 5]])
UPPER = torch.tensor([0, 1])


def moved(*heights_mm: tuple[float, float]) -> torch.Tensor:
    """One frame for each pair of heights of the upper face's two vertices over the neutral."""
    up = torch.tensor(heights_mm) / 1000
    vertices = NEUTRAL.repeat(len(up), 1, 1)
    vertices[:, :2, 1] += up
    return vertices


def test_a_case_worked_by_hand() -> None:
    # deviations: prediction 2 and 1 mm, truth 1 and 3 mm; differences +1 and -2
    predicted, truth = moved((0, 1), (4, 3)), moved((1, 0), (3, 6))
    found = face_dynamics_deviation_mm(predicted, truth, NEUTRAL, UPPER)
    assert found.signed_mm == pytest.approx(-0.5, rel=1e-4)
    assert found.absolute_mm == pytest.approx(1.5, rel=1e-4)


def test_a_still_face_misses_all_of_the_truth_s_motion() -> None:
    still, truth = moved((0, 0)), moved((1, 0), (3, 6))
    found = face_dynamics_deviation_mm(still, truth, NEUTRAL, UPPER)
    assert found.signed_mm == pytest.approx(-2, rel=1e-4) and found.absolute_mm == -found.signed_mm


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"truth must have shape \(any, 3, 3\), got \(1, 2, 3\)"):
        face_dynamics_deviation_mm(moved((0, 0)), torch.zeros(1, 2, 3), NEUTRAL, UPPER)
    with pytest.raises(InputError, match="predicted must have at least one frame"):
        face_dynamics_deviation_mm(torch.zeros(0, 3, 3), moved((0, 0)), NEUTRAL, UPPER)
    with pytest.raises(InputError, match="truth must be finite"):
        face_dynamics_deviation_mm(moved((0, 0)), moved((torch.inf, 0)), NEUTRAL, UPPER)
