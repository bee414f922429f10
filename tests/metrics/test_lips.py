import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import (
    lip_vertex_error_mm2,
    lip_vertex_error_root_mm,
    mouth_opening_difference_mm,
    mouth_opening_mm,
)

TRUTH = torch.zeros(2, 3, 3)
PREDICTED = torch.tensor(
    [[[0.003, 0.004, 0], [0, 0.001, 0], [9, 9, 9]], [[0, 0, 0.001], [0.002, 0, 0], [9, 9, 9]]]
)
LIPS = torch.tensor([0, 1])


def test_lip_vertex_error_worked_by_hand() -> None:
    # the worst of each frame is 5 mm and 2 mm away; 25 and 4 square millimetres are 14.5 in mean
    assert lip_vertex_error_mm2(PREDICTED, TRUTH, LIPS) == pytest.approx(14.5, rel=1e-5)
    assert lip_vertex_error_root_mm(PREDICTED, TRUTH, LIPS) == pytest.approx(14.5**0.5, rel=1e-5)
    assert lip_vertex_error_mm2(PREDICTED, TRUTH, torch.tensor([True, True, False])) == pytest.approx(14.5)


def test_it_is_torchmetrics_of_vertices_in_millimetres() -> None:
    functional = pytest.importorskip("torchmetrics.functional.multimodal")
    predicted, truth = torch.randn(2, 7, 20, 3, generator=torch.Generator().manual_seed(0)).double() / 100
    theirs = functional.lip_vertex_error(1000 * predicted, 1000 * truth, [3, 5, 11])
    assert lip_vertex_error_mm2(predicted, truth, torch.tensor([3, 5, 11])) == pytest.approx(float(theirs))


UPPER, LOWER = torch.tensor([0, 1]), torch.tensor([2, 3])


def test_mouth_opening_worked_by_hand() -> None:
    truth = torch.zeros(2, 4, 3)
    truth[0, 2, 1] = -0.004
    truth[1, 3] = torch.tensor([0.003, -0.004, 0])
    torch.testing.assert_close(mouth_opening_mm(truth, UPPER, LOWER), torch.tensor([[4.0, 0], [0, 5]]))
    shut = torch.zeros(2, 4, 3)
    assert mouth_opening_difference_mm(shut, truth, UPPER, LOWER) == pytest.approx(9 / 4)


def test_a_mouth_that_moves_with_its_head_has_no_other_opening() -> None:
    truth = torch.randn(2, 4, 3).double()
    assert mouth_opening_difference_mm(truth + 1, truth, UPPER, LOWER) == pytest.approx(0, abs=1e-9)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"lips must lie in \[0, 3\)"):
        lip_vertex_error_mm2(PREDICTED, TRUTH, torch.tensor([3]))
    with pytest.raises(InputError, match=r"lips must have shape \(3,\), got \(2,\)"):
        lip_vertex_error_mm2(PREDICTED, TRUTH, torch.tensor([True, False]))
    with pytest.raises(InputError, match="at least one frame and one lip vertex"):
        lip_vertex_error_mm2(PREDICTED, TRUTH, torch.tensor([], dtype=torch.int64))
    with pytest.raises(InputError, match="must be finite, got nan"):
        lip_vertex_error_mm2(PREDICTED * torch.nan, TRUTH, LIPS)
    with pytest.raises(InputError, match=r"lower must have shape \(2,\), got \(1,\)"):
        mouth_opening_mm(TRUTH, torch.tensor([0, 1]), torch.tensor([2]))
    with pytest.raises(InputError, match="at least one frame and one pair"):
        mouth_opening_difference_mm(TRUTH[:0], TRUTH[:0], torch.tensor([0]), torch.tensor([1]))
