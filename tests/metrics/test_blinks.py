import math

import pytest
import torch

from meshanim._check import InputError
from meshanim.metrics import eye_aspect_ratio, eye_closure, find_blinks


def eyes(height: float) -> torch.Tensor:
    """The 68 landmarks (68, 2) of two eyes three wide and so high."""
    landmarks = torch.zeros(68, 2)
    for first in (36, 42):
        landmarks[first : first + 6, 0] = torch.tensor([0.0, 1, 2, 3, 2, 1])
        landmarks[first : first + 6, 1] = height / 2 * torch.tensor([0.0, 1, 1, 0, -1, -1])
    return landmarks


def test_eye_aspect_ratio_worked_by_hand() -> None:
    # each eye: two heights of 1.2 over twice the width of 3
    assert float(eye_aspect_ratio(eyes(1.2))) == pytest.approx(0.4)


def test_closure_tells_from_the_clip_s_own_open_eyes() -> None:
    closure = eye_closure(torch.stack([eyes(h) for h in (1.2, 1.2, 1.2, 0.3, 0.0)]))
    torch.testing.assert_close(closure, torch.tensor([0.0, 0, 0, 0.75, 1]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_closure_has_the_type_of_the_landmarks(dtype: torch.dtype) -> None:
    closure = eye_closure(torch.stack([eyes(h) for h in (1.5, 1.5, 1.5, 0.75, 0.0)]).to(dtype))
    torch.testing.assert_close(closure, torch.tensor([0.0, 0, 0, 0.5, 1]).to(dtype))


def test_blinks_worked_by_hand() -> None:
    # the dip to 0.3 in the first one does not end it; the last one is still shut at the end
    track = [0, 0.4, 0.9, 0.3, 0.9, 0.1, 0, 0.34, 0, 0.5, 0.1, 0, 0.8]
    blinks = find_blinks(torch.tensor(track), fps=20)
    assert blinks.spans == ((1, 5), (9, 10), (12, 13))
    assert blinks.rate_per_s == pytest.approx(3 / (13 / 20))
    assert blinks.mean_duration_s == pytest.approx((4 + 1) / 2 / 20)


def test_open_eyes_do_not_blink() -> None:
    blinks = find_blinks(torch.zeros(50), fps=25)
    assert (blinks.rate_per_s, blinks.mean_duration_s) == (0.0, None)


def test_blinks_do_not_depend_on_the_frame_rate() -> None:
    def closure(fps: float) -> torch.Tensor:
        time = torch.arange(round(6 * fps)) / fps
        return (
            (1 - ((time[:, None] - torch.tensor([1.0, 2.5, 4.75])) / 0.15).square()).amax(dim=1).clamp(min=0)
        )

    few, many = (find_blinks(closure(fps), fps) for fps in (25, 100))
    assert few.rate_per_s == pytest.approx(many.rate_per_s)
    assert few.mean_duration_s is not None and many.mean_duration_s is not None
    assert math.isclose(few.mean_duration_s, many.mean_duration_s, abs_tol=1 / 25)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"landmarks must have shape \(\.\.\., 68, D\), got \(5, 2\)"):
        eye_aspect_ratio(torch.zeros(5, 2))
    with pytest.raises(InputError, match="landmarks must have at least one frame"):
        eye_closure(torch.zeros(0, 68, 2))
    with pytest.raises(InputError, match="closure must have at least one frame"):
        find_blinks(torch.zeros(0), 25)
    with pytest.raises(InputError, match="closure must be finite"):
        find_blinks(torch.tensor([0.0, torch.nan]), 25)
    with pytest.raises(InputError, match="fps must be above 0"):
        find_blinks(torch.zeros(2), 0)
    with pytest.raises(InputError, match=r"shut_above must be at least 0\.5, got 0\.35"):
        find_blinks(torch.zeros(2), 25, open_below=0.5)
