"""Fusions over time: equation 1 by hand, how far they reach, and streams that equal the whole."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import TEMPORAL_FUSIONS, DilatedConv, temporal_fusion

WIDTH, HIDDEN = 192, 128


def fusion(name: str, **sizes: int):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return temporal_fusion(name, WIDTH, HIDDEN, first=64, **sizes).double()


def track(frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, frames, WIDTH, generator=generator, dtype=torch.float64)


def test_convolution_is_equation_1():
    layer = DilatedConv(1, 1, dilation=2)
    with torch.no_grad():
        layer.conv.bias.zero_()  # type: ignore[union-attr]
        # F(0), F(1), F(2) are 3, 2, 1: the first is of what is to come.
        layer.conv.weight.copy_(torch.tensor([[[1.0, 2.0, 3.0]]]))
    answer = layer(torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 4, 1)).flatten().tolist()
    assert answer == [3 * 100 + 2 * 1, 3 * 1000 + 2 * 10, 2 * 100 + 1 * 1, 2 * 1000 + 1 * 10]


def test_reversed_filters_answer_reversed_tracks():
    layer = DilatedConv(3, 2, dilation=4)
    mirrored = DilatedConv(3, 2, dilation=4)
    with torch.no_grad():
        mirrored.conv.weight.copy_(layer.conv.weight.flip(-1))
        mirrored.conv.bias = layer.conv.bias
    features = torch.randn(1, 20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mirrored(features.flip(1)), layer(features).flip(1), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in TEMPORAL_FUSIONS if name != "gru"])
@pytest.mark.parametrize(("layers", "reach"), [(1, 1), (3, 7)])
def test_a_frame_is_told_from_as_many_before_as_after(name, layers, reach):
    model, features = fusion(name, layers=layers), track(31)
    assert model.reach == reach
    features.requires_grad_(True)
    model(features)[:, 15].sum().backward()
    assert features.grad is not None
    seen = features.grad.abs().sum(dim=(0, 2)).nonzero().flatten().tolist()
    assert seen[0] == 15 - reach and seen[-1] == 15 + reach


def test_a_gru_does_not_look_ahead():
    model, features = fusion("gru"), track(9)
    changed = features.clone()
    changed[:, 5:] += 1
    assert torch.allclose(model(changed)[:, :5], model(features)[:, :5])


@pytest.mark.parametrize("name", TEMPORAL_FUSIONS)
@pytest.mark.parametrize("sizes", [(40,), (1, 1, 20, 3, 15), (16, 16, 8), (5,)])
def test_a_stream_equals_the_whole(name, sizes):
    model, features = fusion(name), track(sum(sizes))
    parts = list(model.stream(iter(features.split(sizes, dim=1))))
    assert torch.allclose(torch.cat(parts, dim=1), model(features), atol=1e-12)


def test_nothing_streams_to_nothing():
    assert list(fusion("tcsan").stream([])) == [] and list(fusion("gru").stream([])) == []


def test_tcsan_attends_in_every_layer_and_its_rivals_at_most_in_the_first():
    kinds = {
        name: [type(each).__name__ for each in fusion(name).mixers]
        for name in TEMPORAL_FUSIONS
        if name != "gru"
    }
    assert kinds == {
        "tcn": ["Identity"] * 3,
        "attention-tcn": ["ElementAttention", "Identity", "Identity"],
        "co-attention-tcn": ["ElementCoAttention", "Identity", "Identity"],
        "tcsan": ["ElementAttention"] * 3,
    }


def test_the_papers_features_are_21_elements():
    model = temporal_fusion("tcsan", 512 + 512 + 5 * 64, 512)
    assert "21 elements of 64" in repr(model) and "dilation=(4,)" in repr(model)


def test_wrong_settings_say_so():
    with pytest.raises(InputError, match=r"fusion must be one of gru, tcn, .*, got 'lstm'"):
        temporal_fusion("lstm", 128, 128)
    with pytest.raises(InputError, match="kernel must be an odd number, so that it has a middle, got 4"):
        DilatedConv(3, 3, kernel=4)
