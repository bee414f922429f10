import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import mouth_landmark_distance


def face() -> torch.Tensor:
    landmarks = torch.randn(2, 68, 2, generator=torch.Generator().manual_seed(0))
    landmarks[:, 36], landmarks[:, 45] = torch.tensor([0.0, 0.0]), torch.tensor([30.0, 40.0])
    return landmarks


def test_it_is_what_is_worked_by_hand() -> None:
    truth, predicted = face(), face()
    predicted[0, 48:58] += torch.tensor([3.0, 4.0])
    predicted[1, 67] += torch.tensor([0.0, 10.0])
    # Ten landmarks are 5 pixels off and one 10, of forty; the eyes are 50 pixels apart.
    found = mouth_landmark_distance(predicted, truth)
    assert found.px == pytest.approx(1.5, rel=1e-5) and found.interocular == pytest.approx(0.03, rel=1e-5)


def test_only_the_mouth_counts_and_nothing_is_aligned() -> None:
    truth, predicted = face(), face()
    predicted[:, :48] += 7
    assert mouth_landmark_distance(predicted, truth) == (0, 0)
    assert mouth_landmark_distance(truth + torch.tensor([2.0, 0.0]), truth).px == pytest.approx(2, rel=1e-5)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"predicted must have shape \(2, 68, 2\), got \(1, 68, 2\)"):
        mouth_landmark_distance(face()[:1], face())
    with pytest.raises(InputError, match="predicted must be finite"):
        mouth_landmark_distance(face() * torch.nan, face())
    with pytest.raises(InputError, match="eyes apart"):
        mouth_landmark_distance(face(), torch.zeros(2, 68, 2))
    with pytest.raises(InputError, match="at least one frame"):
        mouth_landmark_distance(face()[:0], face()[:0])
