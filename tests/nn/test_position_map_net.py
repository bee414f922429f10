import subprocess
import sys

import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import PositionMapNet, ResidualBlock


def test_sizes_are_the_papers():
    """At width 16: 8 x 8 x 512 in the middle, ten blocks, seventeen layers back."""
    net = PositionMapNet(16)
    small = PositionMapNet(2).eval()
    pictures = torch.rand(2, 3, 64, 96)
    assert small.encoder(pictures).shape == (2, 64, 2, 3)
    assert small(pictures).shape == pictures.shape
    assert sum(isinstance(layer, ResidualBlock) for layer in net.encoder) == 10
    back = [m for m in net.decoder.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))]
    assert len(back) == 17 and all(layer.kernel_size == (4, 4) for layer in back)
    assert back[0].in_channels == 512
    assert [layer.out_channels for layer in back] == [512] + 3 * [256] + 3 * [128] + 3 * [64] + [32] * 2 + [
        16
    ] * 2 + [3] * 3
    assert repr(net) == "PositionMapNet(width=16)"


def test_values_are_shares_and_gradients_reach_every_weight():
    torch.manual_seed(0)
    net = PositionMapNet(2)
    maps = net(torch.rand(2, 3, 64, 64))
    assert maps.min() > 0 and maps.max() < 1
    (maps * torch.rand_like(maps)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_pictures_with_channels_last_are_learned_from_as_others():
    """In a process of its own, as this once ended in one that was torn down."""
    code = """if True:
        import torch
        from meshanim.nn import PositionMapNet
        torch.manual_seed(0)
        net, last = PositionMapNet(4), torch.rand(4, 64, 64, 3)
        for pictures in (last.permute(0, 3, 1, 2), last.permute(0, 3, 1, 2).contiguous()):
            net(pictures).permute(0, 2, 3, 1).square().sum().backward()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_block_without_change_of_shape_adds_its_input():
    block = ResidualBlock(4, 4).eval()
    torch.nn.init.zeros_(block.widen.weight)
    x = torch.rand(1, 4, 8, 8)
    # An untrained normalisation divides by sqrt(1 + 1e-5).
    torch.testing.assert_close(block(x), x, atol=1e-4, rtol=0)
    assert ResidualBlock(4, 6, 2)(x).shape == (1, 6, 4, 4)


def test_bad_pictures_are_named():
    with pytest.raises(InputError, match="multiples of 32"):
        PositionMapNet(1)(torch.zeros(1, 3, 48, 64))
    with pytest.raises(InputError, match="pictures must have shape"):
        PositionMapNet(1)(torch.zeros(3, 64, 64))
