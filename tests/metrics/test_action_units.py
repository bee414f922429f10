import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import action_unit_scores, units_in_neither

PREDICTED = torch.tensor([[0.9, 0.1, 0.2], [0.6, 0.1, 0.8], [0.2, 0.4, 0.1], [0.7, 0.5, 0.2]])
TRUTH = torch.tensor([[1.0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]])


def test_a_case_worked_by_hand() -> None:
    scores = action_unit_scores(PREDICTED, TRUTH)
    # unit 0: 2 hits of 3 claimed and 3 there; unit 1 is neither; unit 2: 1 hit of 1 claimed and 2 there
    assert scores.f1.tolist() == pytest.approx([2 / 3, 0, 2 / 3])
    assert scores.accuracy.tolist() == pytest.approx([1 / 2, 1, 3 / 4])
    assert scores.mean == pytest.approx((4 / 9, 3 / 4))


def test_units_in_neither_track_are_known() -> None:
    assert units_in_neither(PREDICTED, TRUTH).tolist() == [False, True, False]
    assert not units_in_neither(PREDICTED, TRUTH, threshold=0.4).any()


def test_the_threshold_itself_is_absence() -> None:
    assert action_unit_scores(PREDICTED, TRUTH, threshold=0.4).accuracy[1] == 3 / 4


def test_one_frame_needs_no_dimension_of_its_own() -> None:
    for one, other in zip(PREDICTED, TRUTH, strict=True):
        assert action_unit_scores(one, other).mean == action_unit_scores(one[None], other[None]).mean


def test_it_is_torchmetrics_per_label() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    generator = torch.Generator().manual_seed(0)
    predicted = torch.rand(50, 5, generator=generator)
    truth = torch.rand(50, 5, generator=generator) > 0.6
    ours = action_unit_scores(predicted, truth)
    given = {"preds": predicted, "target": truth.int(), "num_labels": 5, "average": None}
    torch.testing.assert_close(ours.f1.float(), functional.multilabel_f1_score(**given))
    torch.testing.assert_close(ours.accuracy.float(), functional.multilabel_accuracy(**given))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"truth must have shape \(4, 3\), got \(4, 2\)"):
        action_unit_scores(PREDICTED, TRUTH[:, :2])
    with pytest.raises(InputError, match="predicted must have at least one frame"):
        action_unit_scores(PREDICTED[:0], TRUTH[:0])
    with pytest.raises(InputError, match="predicted must be finite"):
        action_unit_scores(PREDICTED / 0, TRUTH)
