import torch

from meshanim.nn import HeadMotionNet, StatisticsDiscriminator
from meshanim.nn.head_motion_net import moments

STEPS, BANDS = 2, 8


def make() -> HeadMotionNet:
    torch.manual_seed(0)
    return HeadMotionNet(STEPS, BANDS, features=16, style_size=8)


def test_a_frame_depends_on_its_context_and_on_nothing_else() -> None:
    net, sound = make(), torch.randn(1, 100, STEPS * BANDS)
    features = net.describe(sound)
    assert features.shape == (1, 100 - 2 * net.context, 16)
    changed = sound.clone()
    changed[:, 50] += 1
    moved = (net.describe(changed) != features).any(dim=-1)[0].nonzero().flatten()
    # sound 50 lies in the context of the frames 10 to 50, whose own sound is that of 30 to 70
    assert moved.tolist() == list(range(50 - 2 * net.context, 51))


def test_parts_of_a_sound_come_to_the_same_as_the_whole() -> None:
    net, sound = make(), torch.randn(1, 80, STEPS * BANDS)
    whole, part = net.describe(sound), net.describe(sound[:, 10:70])
    torch.testing.assert_close(part, whole[:, 10 : 70 - 2 * net.context])


def test_a_style_writes_the_last_layer() -> None:
    net, features = make(), torch.randn(2, 5, 16)
    motion, style = torch.randn(2, 9, 6), net.style(torch.randn(2, 9, 16), torch.randn(2, 9, 6))
    assert style.shape == (2, 8) and motion.shape == (2, 9, 6)
    written = net.write(style).view(2, 6, 17)
    expected = torch.einsum("bcf,btf->btc", written[..., :16], features) + written[:, None, :, 16]
    torch.testing.assert_close(net(features, style), expected)


def test_gradients_reach_the_reference() -> None:
    net = make()
    motion = torch.randn(1, 9, 6, requires_grad=True)
    net(torch.randn(1, 5, 16), net.style(torch.randn(1, 9, 16), motion)).sum().backward()
    assert motion.grad is not None and bool(motion.grad.any())


def test_moments_worked_by_hand_and_finite_at_rest() -> None:
    mean, deviation = moments(torch.tensor([[1.0, 2], [3, 2]]))
    assert mean.tolist() == [2, 2]
    torch.testing.assert_close(deviation, torch.tensor([1.0, 0]), atol=2e-4, rtol=0)
    still = torch.zeros(4, 6, requires_grad=True)
    moments(still)[1].sum().backward()
    assert still.grad is not None and bool(still.grad.isfinite().all())


def test_the_discriminator_sees_statistics_only() -> None:
    judge, motion = StatisticsDiscriminator(), torch.randn(3, 20, 6)
    torch.testing.assert_close(judge(motion.flip(1)), judge(motion))
    assert judge(motion).shape == (3,) and not torch.allclose(judge(2 * motion), judge(motion))


def test_it_says_its_sizes() -> None:
    assert "features=16, context=20" in repr(make())
