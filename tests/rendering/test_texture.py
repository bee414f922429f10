"""Textures: which texel is where, gradients, and levels of detail against worked cases."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.rendering import Camera, interpolate, mip_level, rasterize, texture


def test_texels_are_where_their_middles_are():
    image = torch.arange(12.0).view(3, 4, 1)
    # Origin bottom left: row 0 of the picture has the highest v.
    for row in range(3):
        for column in range(4):
            uv = torch.tensor([(column + 0.5) / 4, 1 - (row + 0.5) / 3])
            assert float(texture(image, uv)) == pytest.approx(float(image[row, column, 0]), abs=1e-5)
    between = texture(image, torch.tensor([[0.25, 0.5], [0.0, 1.0], [5.0, 0.5]]))
    assert between.flatten().tolist() == pytest.approx([4.5, 0.0, 7.0], abs=1e-5)


def test_levels_are_means_of_smaller_copies():
    image = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(0))
    uv = torch.tensor([0.3, 0.6])
    coarsest = texture(image, uv, torch.tensor(3.0))
    assert torch.allclose(coarsest, image.mean((0, 1)), atol=1e-6)
    assert torch.allclose(texture(image, uv, torch.tensor(99.0)), coarsest)
    half = image.view(4, 2, 4, 2, 3).mean((1, 3))
    assert torch.allclose(texture(image, uv, torch.tensor(1.0)), texture(half, uv), atol=1e-6)
    mixed = 0.75 * texture(image, uv) + 0.25 * texture(half, uv)
    assert torch.allclose(texture(image, uv, torch.tensor(0.25)), mixed, atol=1e-6)


@pytest.mark.parametrize("size", [(64, 64), (385, 1000), (1023, 511)])
def test_smaller_copies_stay_in_their_place(size):
    ramps = torch.meshgrid(*((torch.arange(side) + 0.5) / side for side in size), indexing="ij")
    image = torch.stack([ramps[1], 1 - ramps[0]], dim=-1)
    uv = torch.rand(99, 2, generator=torch.Generator().manual_seed(0))
    for level in range(6):
        # Beyond the outermost middles colours are held.
        least = 0.5 / torch.tensor([max(1, side >> level) for side in size]).flip(0)
        wanted = uv.clamp(least, 1 - least)
        # Of a texel that two share, each takes the middle: at most 4 % of a texel of the copy.
        near = 0.04 / torch.tensor([max(1, side >> level) for side in size]).flip(0) + 1e-5
        assert ((texture(image, uv, torch.full((99,), float(level))) - wanted).abs() < near).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_places_stay_exact_in_pictures_of_16_bits(dtype):
    image = (torch.arange(2048) % 2).to(dtype).expand(8, 2048)[..., None]
    column = torch.arange(2048)
    uv = torch.stack([(column + 0.5) / 2048, torch.full((2048,), 0.5)], dim=1)
    assert torch.equal(texture(image, uv)[:, 0], image[0, :, 0])
    large = torch.rand(1024, 1024, 3).to(dtype)
    torch.testing.assert_close(texture(large, uv), texture(large.float(), uv).to(dtype))


def test_no_places_have_no_colours():
    for level in (None, torch.zeros(0)):
        assert texture(torch.rand(4, 4, 3), torch.zeros(0, 2), level).shape == (0, 3)


def test_gradients_of_picture_and_places():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(5, 6, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    uv = torch.rand(2, 4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    level = torch.rand(2, 4, generator=generator, dtype=torch.float64) * 2
    assert torch.autograd.gradcheck(lambda i, p: texture(i, p, level), (image, uv))
    assert torch.autograd.gradcheck(texture, (image, uv))


def square(angle, size=(64, 64)):
    """A unit square, turned about the vertical axis, that fills a square picture when it is not."""
    half = torch.tensor([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    turn = torch.tensor(angle)
    cosine, sine = float(turn.cos()), float(turn.sin())
    vertices = half @ torch.tensor([[cosine, 0.0, -sine], [0, 1, 0], [sine, 0, cosine]])
    fov = 2 * float(torch.rad2deg(torch.atan(torch.tensor(0.5 / 10))))
    camera = Camera.looking_at((0, 0, 10), (0, 0, 0), fov, size)
    return vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]), camera, half[:, :2] + 0.5


@pytest.mark.parametrize("perspective", [True, False])
def test_level_is_texels_per_pixel(perspective):
    """512 texels on 64 pixels are 8 to a pixel, level 3; turned by 60 degrees twice as many, level 4."""
    image = torch.zeros(512, 512, 1)
    for angle, wanted in ((0.0, 3.0), (torch.pi / 3, 4.0)):
        vertices, faces, camera, uv = square(angle)
        camera = camera if perspective else camera.weak_perspective(10.0)
        got = rasterize(vertices, faces, camera)
        level = mip_level(got, uv, faces, image)
        middle = level[32, 32]
        assert float(middle) == pytest.approx(wanted, abs=0.01)
        # From 10 metres, the near and the far side differ by one part in ten, squared where slanted.
        assert (level[got.covered] - wanted).abs().max() < 0.15
        assert (level[~got.covered] == 0).all()
    vertices, faces, camera, uv = square(0.0)
    small = mip_level(rasterize(vertices.expand(2, 4, 3), faces, camera), uv, faces, torch.zeros(16, 16, 1))
    assert small.shape == (2, 64, 64) and (small == 0).all()


def test_level_is_the_footprint_by_differences():
    """Of neighbouring pixels on a face close to the camera, where perspective is strong."""
    vertices = torch.tensor([[-1.0, -0.5, 0.5], [1.0, -0.5, -3.0], [0.0, 1.5, -2.0]], dtype=torch.float64)
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 60, (400, 400)).to(torch.float64)
    faces = torch.tensor([[0, 1, 2]])
    got = rasterize(vertices, faces, camera)
    uv = torch.tensor([[0.0, 0.0], [1.0, 0.1], [0.2, 0.9]], dtype=torch.float64)
    level = mip_level(got, uv, faces, torch.zeros(4096, 4096, 1))
    texels = 4096 * interpolate(got, uv)
    steps = [(texels.roll(-1, d) - texels.roll(1, d)).norm(dim=-1) / 2 for d in (0, 1)]
    wanted = torch.maximum(*steps).log2()
    inside = got.covered.clone()
    for d in (0, 1):
        inside &= got.covered.roll(1, d) & got.covered.roll(-1, d)
    assert inside.sum() > 10000
    assert (level - wanted)[inside].abs().max() < 0.02


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="image must have shape"):
        texture(torch.zeros(4, 4), torch.zeros(2))
    for image in (torch.zeros(4, 4, 3).byte(), torch.zeros(0, 4, 3)):
        with pytest.raises(InputError, match="image must be of a floating type and have texels"):
            texture(image, torch.zeros(2))
    with pytest.raises(InputError, match="level must have shape"):
        texture(torch.zeros(4, 4, 1), torch.zeros(5, 2), torch.zeros(4))
