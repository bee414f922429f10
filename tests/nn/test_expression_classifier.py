import torch

from meshanim.nn import ExpressionClassifier, PrincipalComponents


def classifier() -> ExpressionClassifier:
    basis = PrincipalComponents(5, 3)
    basis.components.copy_(torch.linalg.qr(torch.randn(15, 3)).Q.T.view(3, 5, 3))
    return ExpressionClassifier(basis, classes=4, frames=6)


def test_sequences_of_any_length_are_described_alike() -> None:
    model = classifier()
    ends = torch.randn(2, 5, 3)
    short = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, 3)[:, None, None])
    long = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, 40)[:, None, None])
    # a straight motion reads the same however densely it was sampled
    torch.testing.assert_close(model.describe(short), model.describe(long), rtol=1e-4, atol=1e-5)
    assert model.describe(long).shape == (18,)
    assert model.describe(ends[:1]).shape == (18,)


def test_it_names_a_class() -> None:
    model = classifier()
    assert model.classify(torch.randn(9, 5, 3)) in range(4)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in model.layers) == 3
