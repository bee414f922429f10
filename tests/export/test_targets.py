"""Morph targets: the same motion, whatever range weights are brought to and back from."""

import pytest
import torch

from meshanim.export.targets import Targets, beyond_unit, scaled, within_unit

NAMES = ("jawOpen", "mouthPucker", "still")


@pytest.fixture
def targets() -> Targets:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(3, 7, 3, generator=generator)
    weights = torch.tensor([[0.0, 0.2, 0.0], [1.6, -0.9, 0.0], [-0.4, 0.3, 0.0]])
    return Targets(NAMES, basis, weights, 0.0, "basis of the performance")


def motion(targets: Targets) -> torch.Tensor:
    return torch.einsum("tk,kvc->tvc", targets.weights, targets.basis)


def test_scaled_weights_peak_at_one_in_the_same_motion(targets: Targets) -> None:
    found = scaled(targets)
    assert found.weights.amax(0).tolist() == [1, 1, 0] and float(found.weights.min()) > -1
    torch.testing.assert_close(motion(found), motion(targets))


def test_weights_within_one_are_the_same_motion_and_come_back(targets: Targets) -> None:
    found = within_unit(targets)
    assert found.names == (*NAMES, "jawOpen above 1", "jawOpen below 0", "mouthPucker below 0")
    assert float(found.weights.min()) >= 0 and float(found.weights.max()) <= 1
    torch.testing.assert_close(motion(found), motion(targets))
    back = beyond_unit(found)
    assert back.names == NAMES
    torch.testing.assert_close(back.weights, targets.weights)


def test_a_target_that_only_bears_such_a_name_stays(targets: Targets) -> None:
    """One that is no multiple of the shape it is named after, and one after no shape at all."""
    named = Targets(("jawOpen", "jawOpen below 0", "smirk above 1"), targets.basis, targets.weights, 0.0, "")
    found = beyond_unit(named)
    assert found.names == named.names and torch.equal(motion(found), motion(named))
