import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import content_distance, cosine_similarity


def test_both_are_what_is_worked_by_hand() -> None:
    embeddings, reference = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([0.0, 1.0])
    # distances sqrt(9 + 9) and 1; cosines 4/5 and 1
    assert content_distance(embeddings, reference) == pytest.approx((18**0.5 + 1) / 2)
    assert cosine_similarity(embeddings, reference) == pytest.approx(0.9)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"embeddings must have shape \(any, 2\), got \(1, 3\)"):
        content_distance(torch.zeros(1, 3), torch.zeros(2))
    with pytest.raises(InputError, match="at least one frame"):
        cosine_similarity(torch.zeros(0, 2), torch.zeros(2))
    with pytest.raises(InputError, match="reference must be finite"):
        cosine_similarity(torch.zeros(1, 2), torch.full((2,), torch.nan))
