import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import BiasedCausalAttention


def layer(**options: int) -> BiasedCausalAttention:
    torch.manual_seed(0)
    return BiasedCausalAttention(8, **{"heads": 2, "period": 3, "window": 10, **options}).double()


def features(steps: int = 23) -> torch.Tensor:
    return torch.randn(2, steps, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_it_is_equation_2_written_out() -> None:
    attend, given = layer(), features()
    query, keys, values = (part.unflatten(-1, (2, 4)) for part in attend.project(given).chunk(3, dim=-1))
    heads = []
    for h, slope in enumerate([2.0**-4, 2.0**-8]):
        score = torch.einsum("bic,bjc->bij", query[:, :, h], keys[:, :, h]) / 2
        for i in range(23):
            for j in range(23):
                score[:, i, j] += -slope * ((i - j) // 3) if 0 <= i - j < 10 else -torch.inf
        heads.append(score.softmax(dim=-1) @ values[:, :, h])
    expected = attend.out(torch.cat(heads, dim=-1))
    # float64: rounding only
    torch.testing.assert_close(attend(given)[0], expected, rtol=1e-12, atol=1e-12)


def test_of_equal_steps_the_nearer_weighs_no_less() -> None:
    bias = layer().bias(10)[:, -1]
    assert bool((bias.diff(dim=1) >= 0).all()) and bool((bias[:, -1] == 0).all())
    assert bool((bias[:, 0] < 0).all())


def test_what_comes_later_or_lies_beyond_the_window_plays_no_part() -> None:
    attend, given = layer(), features().requires_grad_()
    attend(given)[0][:, 14].sum().backward()
    assert given.grad is not None
    seen = given.grad.abs().amax(dim=(0, 2)) > 0
    assert seen.nonzero().flatten().tolist() == list(range(5, 15))


@pytest.mark.parametrize("parts", [[1] * 23, [9, 1, 13], [23]])
def test_with_a_cache_parts_come_to_the_whole(parts: list[int]) -> None:
    attend, cache, heard = layer(), None, []
    for part in features().split(parts, dim=1):
        read, cache = attend(part, cache)
        heard.append(read)
        assert cache.keys.shape[2] <= 9
    torch.testing.assert_close(torch.cat(heard, dim=1), attend(features())[0], rtol=1e-12, atol=1e-12)


def test_a_window_of_one_sees_itself_alone() -> None:
    attend = layer(window=1)
    values = attend.project(features())[..., 16:]
    torch.testing.assert_close(attend(features())[0], attend.out(values), rtol=1e-12, atol=1e-12)


def test_repr_and_checks() -> None:
    assert repr(layer()).startswith("BiasedCausalAttention(\n  8, heads=2, period=3, window=10")
    assert set(layer().state_dict()) == {"project.weight", "project.bias", "out.weight", "out.bias"}
    with pytest.raises(InputError, match="heads must divide the width 8, got 3"):
        layer(heads=3)
    with pytest.raises(InputError, match="window must be at least 1, got 0"):
        layer(window=0)
