import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import SpiralConv

SPIRALS = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, -1], [3, -1, -1]])


def layer(**options: object) -> SpiralConv:
    torch.manual_seed(0)
    return SpiralConv(SPIRALS, 2, 5, **options)  # type: ignore[arg-type]


def test_it_is_a_matrix_per_spiral_position() -> None:
    convolve, features = layer().double(), torch.randn(3, 4, 2, dtype=torch.float64)
    padded = torch.cat([features, torch.zeros(3, 1, 2, dtype=torch.float64)], dim=1)
    filters = convolve.weight.view(5, 3, 2)
    expected = sum((padded[:, SPIRALS[:, j]] @ filters[:, j].T for j in range(3)), start=torch.zeros(())) + (
        convolve.bias if convolve.bias is not None else 0
    )
    # float64 sums of six products: rounding only
    torch.testing.assert_close(convolve(features), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "function"), [("relu", torch.relu), ("elu", torch.nn.functional.elu)])
def test_activation_comes_after(name: str, function: object) -> None:
    features = torch.randn(2, 4, 2)
    plain = layer()(features)
    torch.testing.assert_close(layer(activation=name)(features), function(plain))  # type: ignore[operator]


def test_relabelling_the_vertices_relabels_the_result() -> None:
    new_of_old = torch.tensor([2, 0, 3, 1])
    old_of_new = new_of_old.argsort()
    renamed = torch.where(SPIRALS < 0, SPIRALS, new_of_old[SPIRALS])[old_of_new]
    first, features = layer(), torch.randn(2, 4, 2)
    second = SpiralConv(renamed, 2, 5)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second(features[:, old_of_new]), first(features)[:, old_of_new])


def test_permuting_the_batch_permutes_the_result() -> None:
    convolve, features = layer(), torch.randn(5, 4, 2)
    order = torch.randperm(5)
    assert torch.equal(convolve(features[order]), convolve(features)[order])


def test_gradients_reach_inputs_and_weights() -> None:
    convolve, features = layer(), torch.randn(2, 4, 2, requires_grad=True)
    convolve(features).square().sum().backward()
    for tensor in (features, convolve.weight, convolve.bias):
        assert tensor is not None and tensor.grad is not None and bool(tensor.grad.abs().sum() > 0)


def test_the_state_holds_weights_alone() -> None:
    assert set(layer().state_dict()) == {"weight", "bias"}
    assert set(layer(bias=False).state_dict()) == {"weight"}


def test_repr() -> None:
    assert repr(layer(activation="relu")) == (
        "SpiralConv(2, 5, vertices=4, length=3, activation=relu, bias=True)"
    )


@pytest.mark.parametrize("spirals", [torch.tensor([[0, 4]]), torch.tensor([[0, -2]]), torch.zeros(3)])
def test_bad_spirals_are_named(spirals: torch.Tensor) -> None:
    with pytest.raises(InputError, match="spirals"):
        SpiralConv(spirals, 1, 1)
