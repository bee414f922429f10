"""Mixed precision: features in a lower type meet weights in float32 within ``torch.autocast`` only."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import mesh_pool, spiral_conv, spiral_decode

INDICES = torch.randint(0, 5, (9, 3), generator=torch.Generator().manual_seed(0))
SPIRALS = torch.randint(-1, 9, (9, 4), generator=torch.Generator().manual_seed(1))
SHARES = torch.rand(9, 3, generator=torch.Generator().manual_seed(2))
OPS: dict[str, tuple[int, Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    "spiral_conv": (9, lambda x, weight, bias: spiral_conv(x, SPIRALS, weight, bias, "elu")),
    "mesh_pool": (5, lambda x, weight, bias: mesh_pool(x, INDICES, SHARES)),
    "spiral_decode": (5, lambda x, weight, bias: spiral_decode(x, INDICES, SHARES, SPIRALS, weight, bias)),
}


@pytest.mark.parametrize("name", OPS)
def test_weights_take_the_type_of_features(name: str) -> None:
    count, op = OPS[name]
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(2, count, 6, generator=generator)
    weight, bias = (torch.randn(size, generator=generator).requires_grad_() for size in ((5, 24), (5,)))
    lowered = features.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found, exact = op(lowered, weight, bias), op(features, weight, bias)
    assert found.dtype == torch.bfloat16 and exact.dtype == torch.float32
    # bfloat16 has 8 bits, and 24 products are added
    torch.testing.assert_close(found.float(), exact, rtol=0.03, atol=0.15)
    found.float().sum().backward()
    assert lowered.grad is not None and lowered.grad.dtype == torch.bfloat16
    if name != "mesh_pool":
        assert weight.grad is not None and weight.grad.dtype == torch.float32
    with pytest.raises(InputError, match=r"must be torch.bfloat16 as x is, got torch.float32"):
        op(lowered, weight, bias)
