"""Light and texture are what they were made from."""

import pytest
import torch
from torch.nn import functional

from meshanim.capture.look import Look, TextureMean, fit_light, shade, with_light
from meshanim.rendering import Surroundings

GENERATOR = torch.Generator().manual_seed(0)


def directions(count: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 3, generator=GENERATOR), dim=1)


def test_light_is_found_again() -> None:
    normals = directions(5000)
    coefficients = torch.zeros(9, 3)
    coefficients[0], coefficients[1], coefficients[2] = 2.1, 0.6, 0.3
    light = Surroundings(coefficients)
    found = fit_light(normals, shade(normals, light))
    # The preference for even light takes something off.
    assert float((found.diffuse(normals) - light.diffuse(normals)).abs().max()) < 0.05
    assert torch.equal(found.coefficients[:3].sign(), coefficients[:3].sign())


def test_a_texture_is_the_mean_of_what_was_seen_and_has_no_holes() -> None:
    mean = TextureMean()
    uv = 0.25 + 0.5 * torch.rand(200_000, 2, generator=GENERATOR)
    mean.add(uv, torch.stack([uv[:, 0], uv[:, 1], torch.ones(len(uv))], dim=1))
    texture = mean.texture()
    assert bool(texture.isfinite().all())
    assert float(texture[..., 2].min()) == pytest.approx(1, abs=1e-4)
    look = Look(texture, Surroundings.uniform(torch.ones(3)))
    places = torch.tensor([[0.4, 0.6], [0.5, 0.3]])
    colours = look.colours(places, torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3))
    # A texel is a 256th wide.
    assert float((colours[:, :2] - places).abs().max()) < 0.01


def test_lids_are_half_as_dark_and_nothing_else_changes() -> None:
    cheeks = torch.tensor([[0.4, 0.3, 0.2]]).repeat(9, 1)
    cheeks[7:] *= 2
    even, lid = torch.tensor([0.25, 1.0, 1.5])[:, None] * cheeks[:3], torch.ones(3)
    lit = with_light(even, cheeks, lid)
    assert torch.allclose(lit[0], 0.5 * cheeks[0]) and torch.allclose(lit[1:], even[1:])
    assert torch.allclose(with_light(even, cheeks, 0 * lid), even)
    assert torch.equal(with_light(even, cheeks[:0], lid), even)


def test_the_white_of_an_eye_is_no_skin_of_a_lid() -> None:
    """A dark skin of several shades; on a lid white goes, in other places and for fair skins it stays."""
    shades = torch.linspace(0.8, 1.2, 101)[:, None]
    white, skin = torch.full((1, 3), 0.7), torch.tensor([[0.3, 0.16, 0.08]])
    lid = torch.ones(1)
    drawn = with_light(white, shades * skin, lid)
    assert bool((drawn <= 1.2 * skin).all()) and bool((drawn >= skin).all())
    assert torch.allclose(with_light(white, shades * skin, 0 * lid), white)
    assert torch.allclose(with_light(1.15 * skin, shades * skin, lid), 1.15 * skin)
    assert torch.allclose(with_light(white, shades * white, lid), white)
