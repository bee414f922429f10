import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import SmallPositionMapNet
from meshanim.nn.small_position_map_net import SPREAD, expected_places


def make(size=64):
    torch.manual_seed(0)
    return SmallPositionMapNet(
        0.1 * torch.randn(3, size, size), 0.01 * torch.randn(5, 3, size, size), 4
    ).eval()


def frame(net, pictures):
    """Middle (B, 2, 1, 1) and size (B, 1, 1, 1) of the landmarks that a network finds."""
    places = expected_places(net.located(pictures)[1])
    middle = places.mean(1)
    spread = (places - middle[:, None]).square().sum(2).mean(1).sqrt()
    return middle[:, :, None, None], (spread / SPREAD)[:, None, None, None]


def test_it_begins_with_the_face_at_rest_where_its_landmarks_are():
    net, pictures = make(), torch.rand(2, 3, 64, 64)
    middle, size = frame(net, pictures)
    maps, heat = net.located(pictures)
    assert maps.shape == (2, 3, 64, 64) and heat.shape == (2, 68, 8, 8)
    torch.testing.assert_close(maps[:, :2], middle + size * net.rest[:2])
    torch.testing.assert_close(maps[:, 2:], size * net.rest[2:])
    assert repr(net) == "SmallPositionMapNet(directions=5, width=4)"


def test_maps_are_what_the_formula_says():
    """Pose and shares set by hand: the rest turned a quarter about the third axis, moved, and stretched."""
    net, pictures = make(), torch.rand(1, 3, 64, 64)
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shift, shares = torch.tensor([0.1, -0.2, 0.0]), torch.tensor([1.0, 0.0, -2.0, 0.0, 0.0])
    with torch.no_grad():
        net.code[-1].bias.copy_(torch.cat([(quarter - torch.eye(3)).flatten(), shift, shares]))
    face = net.rest + net.directions[0] - 2 * net.directions[2]
    middle, size = frame(net, pictures)
    wanted = size * torch.stack([-face[1] + 0.1, face[0] - 0.2, face[2]])
    wanted[:, :2] += middle
    torch.testing.assert_close(net(pictures), wanted)


def test_places_are_expectations_over_the_cells():
    heat = torch.full((1, 2, 4, 8), -1e4)
    heat[0, 0, 0, 0] = heat[0, 1, 1, 2] = heat[0, 1, 1, 3] = 0
    torch.testing.assert_close(expected_places(heat), torch.tensor([[[-0.875, -0.75], [-0.25, -0.25]]]))


def test_the_light_of_a_picture_plays_no_part():
    net, pictures = make(), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(net(0.3 * pictures + 0.2), net(pictures), atol=1e-5, rtol=0)


def test_gradients_reach_every_weight_and_heat_from_itself_alone():
    net = make().train()
    for layer in (net.code[-1], net.decoder[-2]):
        torch.nn.init.normal_(layer.weight)
    maps, heat = net.located(torch.rand(2, 3, 64, 64))
    (maps * torch.rand_like(maps)).sum().backward(retain_graph=True)
    assert net.heat.weight.grad is None
    (heat * torch.rand_like(heat)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="directions must have shape"):
        SmallPositionMapNet(torch.zeros(3, 64, 64), torch.zeros(2, 3, 32, 64))
    with pytest.raises(InputError, match="pictures must have shape"):
        make()(torch.zeros(1, 3, 32, 64))
    with pytest.raises(InputError, match="multiples of 32"):
        SmallPositionMapNet(torch.zeros(3, 48, 64), torch.zeros(2, 3, 48, 64))
