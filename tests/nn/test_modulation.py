import torch

from meshanim.nn import FeatureModulation, Modulation


def test_each_subject_has_its_own_scale_and_shift() -> None:
    scale, shift, features = torch.randn(3, 4, 2), torch.randn(3, 4, 2), torch.randn(6, 4, 2)
    result = Modulation(scale, shift, (1, 2, 3)).apply(features)
    owner = torch.tensor([0, 1, 1, 2, 2, 2])
    torch.testing.assert_close(result, features * scale[owner] + shift[owner])


def test_it_begins_as_the_identity() -> None:
    made = FeatureModulation(5, 2)(torch.randn(3, 4, 5))
    assert torch.equal(made.scale, torch.ones(3, 4, 2)) and torch.equal(made.shift, torch.zeros(3, 4, 2))
