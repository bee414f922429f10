import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import summarise_mm, vertex_distances_mm, vertex_error_mm


def test_a_case_worked_by_hand() -> None:
    truth = torch.zeros(2, 2, 3)
    predicted = torch.tensor([[[0.003, 0.004, 0], [0, 0, 0]], [[0, 0.001, 0], [0, 0, 0.002]]])
    distances = vertex_distances_mm(predicted, truth)
    torch.testing.assert_close(distances, torch.tensor([[5.0, 0], [1, 2]]))
    error = vertex_error_mm(predicted, truth)
    # mean of 5, 0, 1, 2; squared deviations from it are 9, 4, 1, 0
    assert error.mean_mm == pytest.approx(2.0, rel=1e-6)
    assert error.median_mm == pytest.approx(1.5, rel=1e-6)
    assert error.deviation_mm == pytest.approx((14 / 4) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("mask", [torch.tensor([False, True]), torch.tensor([1])])
def test_masked_vertices_do_not_count(mask: torch.Tensor) -> None:
    predicted, truth = torch.tensor([[9.0, 9, 9], [0.003, 0, 0]]), torch.zeros(2, 3)
    assert vertex_error_mm(predicted, truth, mask).mean_mm == pytest.approx(3.0)


def test_moving_both_alike_changes_nothing() -> None:
    first, second = torch.randn(3, 7, 3).double(), torch.randn(3, 7, 3).double()
    moved = vertex_error_mm(first + 2, second + 2)
    assert moved.mean_mm == pytest.approx(vertex_error_mm(first, second).mean_mm, rel=1e-12)


def test_odd_counts_have_a_middle() -> None:
    assert summarise_mm(torch.tensor([7.0, 1, 3])).median_mm == 3.0


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"truth must have shape \(4, 3\), got \(5, 3\)"):
        vertex_distances_mm(torch.zeros(4, 3), torch.zeros(5, 3))
    for mask, said in {
        (True, False, True): r"mask must have shape \(4,\), got \(3,\)",
        (3, 4): r"mask must lie in \[0, 4\)",
        (-1, 0): r"mask must lie in \[0, 4\)",
    }.items():
        with pytest.raises(InputError, match=said):
            vertex_error_mm(torch.zeros(2, 4, 3), torch.zeros(2, 4, 3), torch.tensor(mask))
    with pytest.raises(InputError, match="mask must be bool, or vertex indices as int64"):
        vertex_error_mm(torch.zeros(4, 3), torch.zeros(4, 3), torch.tensor([2, 3]).byte())
    with pytest.raises(InputError, match="at least one vertex"):
        vertex_error_mm(torch.zeros(0, 4, 3), torch.zeros(0, 4, 3))
