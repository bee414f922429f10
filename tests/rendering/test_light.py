"""Laws of light: harmonics against numeric integration, rotation, and what a lamp does."""

import math

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import axis_angle_to_matrix
from meshanim.rendering import Lamp, Surroundings
from meshanim.rendering.light import harmonics, mirrored

RANDOM = torch.Generator().manual_seed(0)


def sphere(rows=200, columns=400):
    """Directions (N, 3) and solid angles (N,): Gauss-Legendre along Z, even around it."""
    z, weight = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(rows))
    angle = (torch.arange(columns, dtype=torch.float64) + 0.5) * (2 * math.pi / columns)
    radius = (1 - z * z).sqrt()[:, None]
    parts = [radius * angle.cos(), radius * angle.sin(), z[:, None].expand(rows, columns)]
    directions = torch.stack(parts, dim=-1).view(-1, 3)
    return directions, (weight[:, None] * (2 * math.pi / columns)).expand(rows, columns).flatten()


def some_surroundings():
    return Surroundings(torch.randn(9, 3, generator=RANDOM, dtype=torch.float64))


def some_directions(count=8):
    return torch.nn.functional.normalize(
        torch.randn(count, 1, 3, generator=RANDOM, dtype=torch.float64), dim=-1
    )


def test_harmonics_are_orthonormal():
    directions, angle = sphere(20, 40)
    values = harmonics(directions)
    # Gauss-Legendre is exact for polynomials; float64 rounding only.
    torch.testing.assert_close(values.T @ (values * angle[:, None]), torch.eye(9, dtype=torch.float64))


def test_constants_are_those_of_the_paper():
    straight = harmonics(torch.tensor([0.0, 0.0, 1.0]))
    assert straight.tolist() == pytest.approx([0.282095, 0, 0.488603, 0, 0, 0, 2 * 0.315392, 0, 0], abs=1e-6)
    slanted = harmonics(torch.tensor([0.6, 0.8, 0.0]))
    wanted = [0.282095, 0.488603 * 0.8, 0, 0.488603 * 0.6, 1.092548 * 0.48, 0, -0.315392, 0, 0.546274 * -0.28]
    assert slanted.tolist() == pytest.approx(wanted, abs=1e-6)


def test_matt_light_is_the_integral_over_the_sphere():
    light, normals = some_surroundings(), some_directions()
    directions, angle = sphere()
    radiance = harmonics(directions) @ light.coefficients
    cosine = (normals @ directions.T).clamp(min=0)
    wanted = (cosine * angle) @ radiance / math.pi
    # The kink of the clamped cosine costs quadrature three digits.
    torch.testing.assert_close(light.diffuse(normals), wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shininess", [1.0, 8.0, 60.0])
def test_highlights_are_the_integral_of_phongs_lobe(shininess):
    light, looks = some_surroundings(), some_directions()
    directions, angle = sphere()
    lobe = (shininess + 1) / (2 * math.pi) * (looks @ directions.T).clamp(min=0) ** shininess
    wanted = (lobe * angle) @ (harmonics(directions) @ light.coefficients)
    torch.testing.assert_close(light.highlight(looks, shininess), wanted, atol=1e-3, rtol=0)


def test_a_lamps_highlight_has_the_energy_of_its_light():
    """Irradiance of a lamp is pi times its colour: spread over the sphere, so is what a mirror sends back."""
    lamp = Lamp(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    directions, angle = sphere()
    total = (lamp.highlight(directions[:, None], 10.0)[:, 0] * angle[:, None]).sum(0)
    assert total.tolist() == pytest.approx([math.pi] * 3, rel=1e-3)


def test_uniform_surroundings_look_the_same_everywhere():
    light = Surroundings.uniform(torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64))
    for seen in (light.diffuse(some_directions()), light.highlight(some_directions(), 20.0)):
        torch.testing.assert_close(seen, torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64).expand_as(seen))


def test_turning_surroundings_turns_the_light():
    light, normals = some_surroundings(), some_directions()
    turn = axis_angle_to_matrix(torch.tensor([0.4, -1.2, 0.7], dtype=torch.float64))
    turned = light.rotated(turn)
    torch.testing.assert_close(turned.diffuse(normals @ turn.T), light.diffuse(normals))
    torch.testing.assert_close(turned.rotated(turn.T).coefficients, light.coefficients)


def test_a_lamp_follows_the_cosine():
    lamp = Lamp(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([1.0, 0.5, 0.25]))
    angles = torch.tensor([0.0, 1.0, 2.0])
    normals = torch.stack([angles.sin(), torch.zeros(3), angles.cos()], dim=-1)[:, None]
    wanted = angles.cos().clamp(min=0)[:, None, None] * torch.tensor([1.0, 0.5, 0.25])
    torch.testing.assert_close(lamp.diffuse(normals), wanted)


def test_each_picture_of_a_batch_has_its_own_light():
    normals = some_directions(6).view(2, 3, 1, 3)
    pair = torch.randn(2, 9, 3, generator=RANDOM, dtype=torch.float64)
    both = Surroundings(pair).diffuse(normals)
    for index in range(2):
        torch.testing.assert_close(both[index], Surroundings(pair[index]).diffuse(normals[index]))
    lamps = Lamp(pair[:, 0], pair[:, 1])
    torch.testing.assert_close(lamps.diffuse(normals)[1], Lamp(pair[1, 0], pair[1, 1]).diffuse(normals[1]))


def test_a_mirror_throws_back_at_equal_angles():
    normal, view = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.6, 0.0, 0.8])
    torch.testing.assert_close(mirrored(normal, view), torch.tensor([-0.6, 0.0, 0.8]))


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="coefficients must have a shape ending in"):
        Surroundings(torch.zeros(4, 3))
    with pytest.raises(InputError, match="direction must have a shape ending in"):
        Lamp(torch.zeros(2), torch.ones(3))
    with pytest.raises(InputError, match=r"colour must be a tensor, got numpy\.ndarray"):
        Lamp(torch.ones(3), torch.ones(3).numpy())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"coefficients must be a tensor, got numpy\.ndarray"):
        Surroundings(torch.zeros(9, 3).numpy())  # type: ignore[arg-type]
