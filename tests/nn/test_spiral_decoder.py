import pytest
import torch
from torch import nn

from meshanim._check import InputError
from meshanim.nn import FeatureModulation, SpiralDecoder, SpiralEncoder, UpSpiralConv

PAPER_MESH = (28431, 5687, 1138, 228, 46)


def test_layers_have_the_sizes_of_the_papers_table_1(make_levels) -> None:
    """Layer by layer, input and output dimension as the paper prints them."""
    decoder = SpiralDecoder(make_levels(*PAPER_MESH))
    seen: list[tuple[int, ...]] = []
    up_sampled: list[tuple[int, ...]] = []

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        seen.extend((tuple(inputs[0].shape[1:]), tuple(output.shape[1:])))
        if isinstance(layer, UpSpiralConv):
            up_sampled.append((len(layer.up_indices), layer.in_channels))

    for layer in decoder.modules():
        if isinstance(layer, nn.Linear | UpSpiralConv):
            layer.register_forward_hook(note)
    with torch.no_grad():
        assert decoder(torch.randn(1, 64)).shape == (1, 28431, 3)
    assert seen[:2] == [(64,), (46 * 64,)]
    # in, between up-sampling and convolution, out
    assert list(zip(seen[2::2], up_sampled, seen[3::2], strict=True)) == [
        ((46, 64), (228, 64), (228, 32)),
        ((228, 32), (1138, 32), (1138, 16)),
        ((1138, 16), (5687, 16), (5687, 8)),
        ((5687, 8), (28431, 8), (28431, 3)),
    ]
    assert [layer.activation for layer in decoder.modules() if isinstance(layer, UpSpiralConv)] == [
        "relu",
        "relu",
        "relu",
        None,
    ]


def test_parameter_count_of_table_1_with_spirals_of_nine(make_levels) -> None:
    fully_connected = 64 * 46 * 64 + 46 * 64
    convolutions = sum(9 * before * after + after for before, after in [(64, 32), (32, 16), (16, 8), (8, 3)])
    decoder = SpiralDecoder(make_levels(*PAPER_MESH))
    assert sum(parameter.numel() for parameter in decoder.parameters()) == fully_connected + convolutions


def test_leading_dimensions_and_batch_order(make_levels) -> None:
    decoder = SpiralDecoder(make_levels(60, 20, 5), 7, (6, 4, 3))
    code = torch.randn(2, 5, 7)
    decoded = decoder(code)
    assert decoded.shape == (2, 5, 60, 3)
    # the same numbers in another batch layout: sums may be taken in another order
    torch.testing.assert_close(decoder(code[1, 3][None])[0], decoded[1, 3], rtol=1e-5, atol=1e-6)
    order = torch.randperm(5)
    torch.testing.assert_close(decoder(code[0, order]), decoder(code[0])[order], rtol=1e-5, atol=1e-6)


def test_a_frame_does_not_depend_on_its_batch(make_levels) -> None:
    """From equal coarse features on to the bit: what stands still in one batch stands still in all."""
    decoder = SpiralDecoder(make_levels(60, 20, 5), 7, (6, 4, 3))
    still = torch.zeros(21, 7)
    assert torch.equal(decoder(still), decoder(still[:1]).expand(21, -1, -1))


def test_a_modulation_begins_as_the_identity_and_learns(make_levels) -> None:
    torch.manual_seed(0)
    decoder, maker = SpiralDecoder(make_levels(60, 20, 5), 7, (6, 4, 3)), FeatureModulation(2, 6)
    code, condition = torch.randn(5, 7), torch.randn(2, 5, 2)

    def decode() -> torch.Tensor:
        return decoder(code, maker(condition).repeated([2, 3]))

    torch.testing.assert_close(decode(), decoder(code))
    nn.init.normal_(maker.linear.weight)
    decode().sum().backward()
    gradient = maker.linear.weight.grad
    assert gradient is not None and bool(gradient.any())


def test_encoder_mirrors_it(make_levels) -> None:
    encoder = SpiralEncoder(make_levels(*PAPER_MESH))
    features = [tuple(part.shape[1:]) for part in encoder.features(torch.randn(1, 28431, 3))]
    assert features == [(28431, 8), (5687, 16), (1138, 32), (228, 64), (46, 64)]
    assert encoder.fully_connected.in_features == 46 * 64
    small = SpiralEncoder(make_levels(60, 20, 5), 7, (3, 4, 6))
    inputs = torch.randn(2, 5, 60, 3)
    assert small(inputs).shape == (2, 5, 7)
    torch.testing.assert_close(small(inputs[1, 3][None])[0], small(inputs)[1, 3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [SpiralDecoder, SpiralEncoder])
def test_one_width_per_level(kind: type, make_levels) -> None:
    with pytest.raises(InputError, match="widths must be 3"):
        kind(make_levels(60, 20, 5), 7, (6, 3))


def test_repr(make_levels) -> None:
    text = repr(SpiralDecoder(make_levels(60, 20), 7, (6, 3)))
    assert "UpSpiralConv(6, 3, vertices=60, length=9, activation=None, bias=True, corners=3)" in text
