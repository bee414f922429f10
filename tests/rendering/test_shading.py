"""Laws of the light: brighter towards it, never negative, and display values that come back."""

import pytest
import torch

from meshanim.rendering.shading import (
    CATCH,
    GROUND,
    KEY,
    SKY,
    background,
    encode_srgb,
    from_display,
    shade,
    surroundings,
    to_display,
)


def test_what_faces_the_key_light_is_brightest():
    normals = torch.nn.functional.normalize(
        torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    normals[:, 2] = -normals[:, 2].abs()
    grey, matt = torch.full((500, 3), 0.5), torch.zeros(500)
    light = shade(normals, grey, matt)
    assert (light >= 0).all() and torch.isfinite(light).all()
    brightest = normals[light.sum(1).argmax()]
    # Up and to the left, towards the camera: X right, Y down, Z into the picture.
    assert brightest[0] < 0 and brightest[1] < 0 and brightest[2] < 0
    assert torch.allclose(shade(normals, 2 * grey, matt), 2 * light, rtol=1e-5)
    assert (shade(normals, grey, matt + 3.0) >= light).all()


def test_display_values_come_back():
    values = torch.linspace(0, 1, 64)
    back = to_display(from_display(values)).float() / 255
    # Below the shoulder at linear 0.7, sRGB 0.85, only rounding to 255 steps is left.
    assert (back - values)[values < 0.85].abs().max() < 0.003
    assert (back.diff() >= 0).all()
    assert torch.allclose(encode_srgb(from_display(values)), values, atol=1e-6)
    assert encode_srgb(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([0, 1])


def test_what_is_brighter_than_white_is_still_told_apart():
    shown = to_display(torch.tensor([0.7, 0.9, 1.2, 2.0, 4.0, 8.0])).int()
    assert (shown.diff() > 0).all() and shown[-1] < 255
    # 0.7 + 0.3 * 0.3 / 0.6 at white
    assert int(to_display(torch.ones(1))) == round(255 * float(encode_srgb(torch.tensor(0.85))))


def test_what_no_lamp_reaches_has_the_light_from_all_around():
    """Downwards that of the ground, upwards that of the sky."""
    below = torch.nn.functional.normalize(torch.tensor([[-0.1, 0.9, 0.3]]), dim=1)
    lit = shade(below, torch.ones(1, 3), torch.zeros(1))[0]
    upwards = 0.5 - 0.5 * float(below[0, 1])
    torch.testing.assert_close(lit, torch.lerp(torch.tensor(GROUND), torch.tensor(SKY), upwards))


def test_a_flat_surface_has_no_hollows_and_a_pit_has():
    depth = torch.full((40, 40), 1.0)
    mean, surrounded = surroundings(depth, 3)
    assert torch.allclose(mean, depth)
    assert surrounded[20, 20] == 1 and surrounded[0, 20] < 1
    depth[20, 20] = 1.1
    assert surroundings(depth, 3)[0][20, 20] < 1.02
    depth[:, 30:] = torch.nan
    mean, surrounded = surroundings(depth, 3)
    assert torch.isfinite(mean).all() and surrounded[10, 35] == 0 and surrounded[10, 29] < 0.3


def test_a_ball_has_no_hollows():
    """It turns away from its outline, and is no darker before it."""
    radius = 60
    y, x = (torch.arange(161.0) - 80).expand(161, 161).T + 0.3, torch.arange(161.0) - 80.1
    height = radius**2 - x**2 - y**2
    depth = torch.where(height > 0, 1000 - height.clamp(min=0).sqrt(), torch.nan)
    for reach in (2, 4):
        mean, surrounded = surroundings(depth, reach)
        behind = ((depth - mean).clamp(min=0) * surrounded).nan_to_num(0)
        assert behind.max() < 0.001 * 2 * radius


def test_lips_mirror_the_key_light_alone():
    """The lamp beside the camera made white dots of the corners of the mouth."""
    camera = torch.tensor([0.0, 0.0, -1.0])
    halves = [
        torch.nn.functional.normalize(torch.tensor(lamp.direction), dim=0) + camera for lamp in (KEY, CATCH)
    ]
    normals = torch.nn.functional.normalize(torch.stack(halves), dim=1)
    lips, eyes = (shade(normals, torch.zeros(2, 3), torch.full((2,), gloss))[:, 0] for gloss in (2.0, 6.0))
    assert lips[1] < 0.5 * lips[0]
    assert eyes[1] > 0.9 * eyes[0]


def test_the_backdrop_is_neutral():
    backdrop = background((8, 6))
    assert backdrop.shape == (8, 6, 3)
    assert (backdrop == backdrop[..., :1]).all() and backdrop.min() > 0.5
