from collections.abc import Iterator

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import PrincipalComponents


def samples() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 60, generator=generator) * torch.tensor([8.0, 5, 3, 2, 0.1, 0.05])[:, None]
    return (torch.randn(200, 6, generator=generator) @ mixing + 3).view(200, 20, 3)


def fitted(count: int) -> PrincipalComponents:
    data = samples()

    def blocks() -> Iterator[torch.Tensor]:
        yield from data.split(37)

    return PrincipalComponents(20, count).fit(blocks)


def test_it_agrees_with_the_singular_value_decomposition() -> None:
    data, found = samples(), fitted(4)
    flat = (data - data.mean(dim=0)).flatten(1).double()
    _, values, axes = torch.linalg.svd(flat, full_matrices=False)
    # float32 passes over values of some ten units
    torch.testing.assert_close(found.deviation.double(), values[:4] / 200**0.5, rtol=1e-4, atol=0)
    alike = (found.components.flatten(1).double() @ axes[:4].T).abs()
    torch.testing.assert_close(alike, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-3)


def test_coefficients_have_unit_variance_and_decode_back() -> None:
    data, found = samples(), fitted(6)
    coefficients = found.encode(data)
    torch.testing.assert_close(coefficients.std(dim=0, correction=0), torch.ones(6), rtol=1e-3, atol=0)
    # rank six is all there is; float32 of values around ten
    torch.testing.assert_close(found.decode(coefficients), data, rtol=0, atol=1e-3)


def test_the_same_data_gives_the_same_bytes() -> None:
    first, second = fitted(4), fitted(4)
    assert all(torch.equal(one, second.state_dict()[name]) for name, one in first.state_dict().items())


def test_too_few_samples_are_named() -> None:
    with pytest.raises(InputError, match="more than 4 samples, got 3"):
        PrincipalComponents(5, 4).fit(lambda: [torch.randn(3, 5, 3)])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_samples_and_components_may_have_different_types(kind: torch.dtype) -> None:
    found = PrincipalComponents(20, 4).to(kind).fit(lambda: samples().double().split(37))
    assert found.components.dtype == kind
    # float32 passes over values of some ten units
    torch.testing.assert_close(found.deviation.double(), fitted(4).deviation.double(), rtol=1e-4, atol=0)


def test_what_cannot_be_fitted_is_named() -> None:
    with pytest.raises(InputError, match="components must be at least 1 and at most 12, got 64"):
        PrincipalComponents(4, 64).fit(lambda: [torch.randn(99, 4, 3)])
    with pytest.raises(InputError, match=r"samples must have shape \(any, 5, 3\), got \(9, 6, 3\)"):
        PrincipalComponents(5, 4).fit(lambda: [torch.randn(9, 6, 3)])
    with pytest.raises(InputError, match=r"samples must be finite, got nan at index \[0, 0, 0\]"):
        PrincipalComponents(5, 4).fit(lambda: [torch.full((9, 5, 3), torch.nan)])


def test_repr() -> None:
    assert repr(PrincipalComponents(20, 4)) == "PrincipalComponents(components=4, vertices=20)"
