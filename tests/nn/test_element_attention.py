"""Attention among the elements of a frame: equations by hand, and frames that stay apart."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import ElementAttention, ElementCoAttention


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_it_is_the_equation_worked_out_head_by_head():
    layer = ElementAttention(24, heads=2, size=8).double()
    features = torch.randn(2, 5, 24, dtype=torch.float64)
    inner, elements = layer.attention, features.view(2, 5, 3, 8)
    query, known = inner.query(elements), inner.known(elements)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        keys, values = known[..., head], known[..., 8:][..., head]
        heads.append(torch.softmax(query[..., head] @ keys.mT / 4**0.5, dim=-1) @ values)
    expected = torch.layer_norm(elements + inner.out(torch.cat(heads, dim=-1)), (8,))
    assert torch.allclose(layer(features), expected.flatten(-2), atol=1e-12)


@pytest.mark.parametrize("layer", [ElementAttention(256), ElementCoAttention(256, 128)])
def test_frames_do_not_see_each_other(layer):
    features = torch.randn(1, 6, 256)
    changed = features.clone()
    changed[:, 2] += 1
    same = [0, 1, 3, 4, 5]
    assert torch.allclose(layer(changed)[:, same], layer(features)[:, same], atol=1e-6)
    assert not torch.allclose(layer(changed)[:, 2], layer(features)[:, 2], atol=1e-3)


def test_elements_of_another_order_come_out_in_that_order():
    layer, features = ElementAttention(256), torch.randn(2, 3, 4, 64)
    order = torch.tensor([2, 0, 3, 1])
    moved = layer(features[:, :, order].flatten(2))
    assert torch.allclose(
        moved, layer(features.flatten(2)).view(2, 3, 4, 64)[:, :, order].flatten(2), atol=1e-5
    )


def test_each_side_of_co_attention_hears_the_other_only():
    layer, features = ElementCoAttention(256, 128), torch.randn(1, 1, 256)
    heard, own = layer(features).view(4, 64), features.clone()
    own[..., :64] *= 2
    changed = layer(own).view(4, 64)
    assert torch.allclose(changed[1], heard[1], atol=1e-6)
    assert not torch.allclose(changed[2], heard[2], atol=1e-4)


def test_sizes_that_do_not_fit_say_so():
    assert repr(ElementAttention(1344)).startswith("ElementAttention(\n  21 elements of 64, heads=4")
    with pytest.raises(InputError, match="width must be a multiple of 64, got 100"):
        ElementAttention(100)
    with pytest.raises(InputError, match="heads must divide the size of an element 64, got 5"):
        ElementAttention(128, heads=5)
    with pytest.raises(InputError, match="first must be at least 64 and at most 64, got 128"):
        ElementCoAttention(128, 128)
