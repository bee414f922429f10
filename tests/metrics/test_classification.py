import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import classification_scores, confusion_matrix

TRUTH = torch.tensor([0, 0, 0, 1, 1, 2])
PREDICTED = torch.tensor([0, 0, 1, 1, 1, 0])


def test_a_case_worked_by_hand() -> None:
    assert confusion_matrix(PREDICTED, TRUTH, 3).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    scores = classification_scores(PREDICTED, TRUTH, 3)
    assert scores.precision.tolist() == pytest.approx([2 / 3, 2 / 3, 0])
    assert scores.recall.tolist() == pytest.approx([2 / 3, 1, 0])
    assert scores.f1.tolist() == pytest.approx([2 / 3, 4 / 5, 0])
    assert scores.macro == pytest.approx((4 / 9, 5 / 9, 22 / 45))


def test_renaming_the_classes_renames_the_scores() -> None:
    names = torch.tensor([2, 0, 1])
    renamed = classification_scores(names[PREDICTED], names[TRUTH], 3)
    plain = classification_scores(PREDICTED, TRUTH, 3)
    assert torch.equal(renamed.f1[names], plain.f1)


def test_swapping_truth_and_prediction_swaps_precision_and_recall() -> None:
    one, other = classification_scores(PREDICTED, TRUTH, 3), classification_scores(TRUTH, PREDICTED, 3)
    assert torch.equal(one.precision, other.recall) and torch.equal(one.f1, other.f1)


def test_an_absent_class_scores_nothing() -> None:
    assert classification_scores(PREDICTED, TRUTH, 5).f1.tolist()[3:] == [0, 0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_small_whole_numbers_count_as_large_ones(dtype: torch.dtype) -> None:
    truth = torch.arange(60)
    predicted = truth.roll(7)
    wanted = confusion_matrix(predicted, truth, 60)
    assert torch.equal(confusion_matrix(predicted.to(dtype), truth.to(dtype), 60), wanted)


def test_a_class_out_of_range_is_named() -> None:
    with pytest.raises(InputError, match="predicted must hold whole numbers of classes"):
        confusion_matrix(torch.zeros(2), torch.zeros(2), 2)
    with pytest.raises(InputError, match=r"predicted must lie in \[0, 2\)"):
        classification_scores(torch.tensor([2]), torch.tensor([0]), 2)
