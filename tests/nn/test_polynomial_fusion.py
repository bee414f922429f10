import string
from itertools import combinations

import pytest
import tensorly
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.nn import (
    Concatenation,
    CoupledFusion,
    CPFusion,
    Fusion,
    PolynomialFusion,
    TuckerFusion,
    make_fusion,
)
from meshanim.nn.polynomial_factors import FUSIONS
from meshanim.nn.polynomial_fusion import evaluate

POLYNOMIALS = [kind for kind in FUSIONS if kind != "concatenation"]
SIZES = (5, 4, 3)


def make(kind: str, views: int, order: int | None = None, out_size: int = 6) -> PolynomialFusion:
    torch.manual_seed(0)
    made = make_fusion(kind, SIZES[:views], out_size, 4, (4, 3, 2, 2)[: views + 1], order).double()
    assert isinstance(made, PolynomialFusion)
    return made


def encodings(views: int, *lead: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*lead, size, generator=generator, dtype=torch.float64) for size in SIZES[:views]]


def by_definition(fusion: PolynomialFusion, views: list[Tensor]) -> Tensor:
    """Eq 1, one Einstein sum for each set of views."""
    total = torch.zeros(())
    for term, block in fusion.reconstruct().items():
        modes = string.ascii_lowercase[1 : 1 + len(term)]
        vectors = "".join(f",...{mode}" for mode in modes)
        total = total + torch.einsum(f"a{modes}{vectors}->...a", block, *(views[view] for view in term))
    return total


@pytest.mark.parametrize(
    ("views", "order"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)], ids=lambda value: str(value)
)
@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_factors_come_to_the_full_polynomial(kind: str, views: int, order: int) -> None:
    fusion, given = make(kind, views, order), encodings(views, 7)
    expected = by_definition(fusion, given)
    error = (fusion(*given) - expected).abs().max() / expected.abs().max()
    assert error.item() < 1e-12  # rounding of float64 only; 1e-6 is asked for
    torch.testing.assert_close(evaluate(fusion.reconstruct(), given), expected)


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_the_terms_are_all_sets_of_up_to_so_many_views(kind: str) -> None:
    blocks = make(kind, 3, 2).reconstruct()
    assert list(blocks) == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    for term, block in blocks.items():
        assert block.shape == (6, *(SIZES[view] for view in term))
    assert list(make(kind, 3).reconstruct())[-1] == (0, 1, 2)


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_degree_in_each_view_is_one_and_orders_stop_where_asked(kind: str) -> None:
    fusion, given = make(kind, 3, 2), encodings(3)
    second = [given[0], given[1], 2 * given[2]]
    third = [given[0], given[1], 3 * given[2]]
    first, doubled, tripled = fusion(*given), fusion(*second), fusion(*third)
    torch.testing.assert_close(tripled - doubled, doubled - first)
    # Without an interaction of three, scaling one view changes the response to another by no third view.
    assert (0, 1, 2) not in fusion.reconstruct()

    def mixed(scale: float) -> Tensor:
        """The part in which views 0 and 1 interact, seen beside ``scale`` times view 2."""
        on, off = given[:2], [torch.zeros_like(view) for view in given[:2]]
        parts = [
            (-1) ** (left + right) * fusion([on, off][left][0], [on, off][right][1], scale * given[2])
            for left in (0, 1)
            for right in (0, 1)
        ]
        return torch.stack(parts).sum(0)

    torch.testing.assert_close(mixed(0), mixed(5))


@pytest.mark.parametrize("kind", FUSIONS)
def test_leading_dimensions_are_broadcast(kind: str) -> None:
    fusion = make_fusion(kind, (5, 4), 9, 4, (4, 3, 2)).double()
    sound, identity = torch.randn(2, 7, 5).double(), torch.randn(2, 1, 4).double()
    result = fusion(sound, identity)
    assert result.shape == (2, 7, 9)
    torch.testing.assert_close(result[1, 3], fusion(sound[1, 3], identity[1, 0]))


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_gradients_are_those_of_differences(kind: str, views: int) -> None:
    fusion, given = make(kind, views), encodings(views, 2)
    names = [name for name, _ in fusion.named_parameters()]

    def run(*inputs: Tensor) -> Tensor:
        parameters = dict(zip(names, inputs[views:], strict=True))
        return torch.func.functional_call(fusion, parameters, inputs[:views])

    inputs = [value.detach().requires_grad_() for value in (*given, *fusion.parameters())]
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_reconstruction_can_be_learned_through(kind: str) -> None:
    fusion = make(kind, 2)
    fusion.reconstruct()[0, 1].square().sum().backward()
    found = [parameter.grad for parameter in fusion.parameters() if parameter.grad is not None]
    assert found and all(bool(grad.isfinite().all()) for grad in found)
    assert tensorly.get_backend() == "numpy"  # whatever the caller has chosen stays


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("cp", 128 * (384 + 257 + 129)),
        ("tucker", 192 * 128 * 64 + 384 * 192 + 257 * 128 + 129 * 64),
        ("cmf", 384 + 384 * 128 + 2 * 128 * (256 + 128)),
        ("cmf-sr", 384 + 384 * 128 + 128 * (256 + 128)),
        ("full", 384 * 257 * 129),
        ("concatenation", 0),
    ],
)
def test_parameters_at_the_sizes_of_the_paper(kind: str, count: int) -> None:
    made = make_fusion(kind, (256, 128), 384)
    assert sum(parameter.numel() for parameter in made.parameters()) == count


@pytest.mark.parametrize("kind", POLYNOMIALS)
def test_unit_variance_in_gives_unit_variance_out_of_all_terms_alike(kind: str) -> None:
    torch.manual_seed(0)
    fusion = make_fusion(kind, (60, 50), 200, 64, (64, 40, 30))
    views = torch.randn(400, 60), torch.randn(400, 50)
    assert 0.7 < float(fusion(*views).var()) < 1.4
    assert isinstance(fusion, PolynomialFusion)
    for term, block in fusion.reconstruct().items():
        part = evaluate({term: block}, views)
        assert 0.1 < float(part.square().mean()) < 0.5, term  # a quarter each


def test_rows_are_shared_where_asked() -> None:
    shared, free = make("cmf-sr", 2), make("cmf", 2)
    assert isinstance(shared, CoupledFusion) and isinstance(free, CoupledFusion)
    blocks = shared.reconstruct()
    columns, rows = shared.columns, [shared.rows[name] for name in ("0", "1")]
    torch.testing.assert_close(blocks[0,], columns @ rows[0].T)
    torch.testing.assert_close(blocks[0, 1], torch.einsum("mk,ak,dk->mad", columns, *rows))
    assert len(free.rows) == 4


def test_the_penalty_is_the_norm_of_all_parameters() -> None:
    fusion = CPFusion((2, 1), 3, rank=2)
    for parameter in fusion.parameters():
        torch.nn.init.constant_(parameter, 2.0)
    # 3 x 2, 3 x 2 and 2 x 2 twos
    assert float(fusion.penalty()) == pytest.approx((16 * 4) ** 0.5)
    assert float(Concatenation((2, 1)).penalty()) == 0


def test_concatenation_puts_views_side_by_side() -> None:
    views = torch.randn(3, 2), torch.randn(3, 4)
    assert torch.equal(Concatenation((2, 4))(*views), torch.cat(views, dim=1))


def test_it_says_its_sizes() -> None:
    assert "5, 4 -> 6, order=2" in repr(make("cp", 2))
    assert "2, 4 -> 6" in repr(Concatenation((2, 4)))


def test_all_kinds_come_by_name() -> None:
    made = [make_fusion(kind, (5, 4), 9, 4, (4, 3, 2)) for kind in FUSIONS]
    assert all(isinstance(each, Fusion) for each in made) and len(set(map(repr, made))) == len(FUSIONS)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make_fusion("sum", (5, 4), 9), "fusion must be one of cp, tucker"),
        (lambda: CPFusion((5, 4), 9, 0), "rank must be at least 1, got 0"),
        (lambda: CPFusion((5, 4), 9, 4, order=3), "order must be at least 1 and at most 2, got 3"),
        (lambda: CPFusion((5, 0), 9, 4), "sizes must be at least 1, got 0"),
        (lambda: TuckerFusion((5, 4), 9, (4, 3)), "ranks must be 3, of the result and each view, got 2"),
        (lambda: make_fusion("concatenation", (5, 4), 8), "out_size of a concatenation must be 9, got 8"),
        (lambda: make("cp", 2)(*encodings(1)), "views must be 2, got 1"),
        (lambda: make("cp", 2)(*encodings(2)[::-1]), "view must have a shape ending in"),
    ],
)
def test_bad_input_is_one_sentence(build, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build()


def test_four_views_interact_by_threes_at_most() -> None:
    fusion = CPFusion((2, 2, 2, 2), 3, rank=2)
    assert fusion.order == 3 and len(fusion.terms) == sum(len([*combinations(range(4), n)]) for n in range(4))
