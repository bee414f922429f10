import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import av_offset


@pytest.mark.parametrize("late", [-9, -1, 0, 4])
def test_a_late_picture_is_found(late: int) -> None:
    track = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
    found = av_offset(track[20 - late : 80 - late], track[20:80])
    assert found.frames == late and found.confidence > 1


def test_confidence_worked_by_hand() -> None:
    seen = torch.tensor([[0.0], [1.0], [0.0], [0.0]])
    heard = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    # The picture is one late. Distances at offset -1 are 0, 1, 0; at 0 they are 1, 1, 0, 0; at 1 all are 0.
    found = av_offset(seen, heard, reach=1)
    assert found.frames == 1 and found.confidence == pytest.approx(1 / 3)


def test_what_does_not_fit_is_named() -> None:
    track = torch.zeros(20, 4)
    with pytest.raises(InputError, match="reach must be at least 0 and at most 10, got 15"):
        av_offset(track, track)
    with pytest.raises(InputError, match=r"heard must have shape \(20, 4\)"):
        av_offset(track, track[:-1])
    with pytest.raises(InputError, match="seen must be finite"):
        av_offset(track / 0, track)
    with pytest.raises(InputError, match="at least one window"):
        av_offset(track[:0], track[:0])
