"""Light and texture are what they were made from."""

import pytest
import torch
from torch.nn import functional

from meshanim.capture.look import Look, TextureMean, fit_light, shade, spherical_harmonics

GENERATOR = torch.Generator().manual_seed(0)


def directions(count: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, 3, generator=GENERATOR), dim=1)


def test_harmonics_are_orthogonal_over_the_sphere() -> None:
    basis = spherical_harmonics(directions(200_000))
    products = basis.mT @ basis / len(basis)
    apart = products - torch.diag(products.diagonal())
    # Monte Carlo over 200,000 directions.
    assert float(apart.abs().max()) < 0.01


def test_light_is_found_again() -> None:
    normals = directions(5000)
    light = torch.zeros(9, 3)
    light[0], light[2], light[3] = 0.6, 0.2, 0.1
    found = fit_light(normals, shade(normals, light))
    # The preference for even light takes something off.
    assert float((found - light).abs().max()) < 0.05
    assert torch.equal(found.sign()[[0, 2, 3]], light.sign()[[0, 2, 3]])


def test_a_texture_is_the_mean_of_what_was_seen_and_has_no_holes() -> None:
    mean = TextureMean()
    uv = 0.25 + 0.5 * torch.rand(200_000, 2, generator=GENERATOR)
    mean.add(uv, torch.stack([uv[:, 0], uv[:, 1], torch.ones(len(uv))], dim=1))
    texture = mean.texture()
    assert bool(texture.isfinite().all())
    assert float(texture[..., 2].min()) == pytest.approx(1, abs=1e-4)
    look = Look(texture, torch.cat([torch.ones(1, 3), torch.zeros(8, 3)]))
    places = torch.tensor([[0.4, 0.6], [0.5, 0.3]])
    colours = look.colours(places, torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3))
    # A texel is a 256th wide.
    assert float((colours[:, :2] - places).abs().max()) < 0.01
