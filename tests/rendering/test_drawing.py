"""Drawing a mesh: laws of the picture, and gradients to everything it is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import axis_angle_to_matrix
from meshanim.rendering import (
    Camera,
    Gloss,
    Lamp,
    Surroundings,
    Texture,
    render,
    soft_blend,
    soft_rasterize,
)

from .conftest import ball

WHITE = Surroundings.uniform(torch.ones(3))


def a_ball():
    return ball(0.1, (0.0, 0.0, 0.0))


def camera_at(distance=0.8, size=(48, 48)):
    return Camera.looking_at((0.0, 0.0, distance), (0.0, 0.0, 0.0), 20.0, size)


def test_a_white_ball_in_uniform_light_is_flat():
    vertices, faces = a_ball()
    colour = torch.tensor([0.2, 0.5, 0.9])
    image, alpha = render(
        vertices, faces, camera_at(), torch.ones_like(vertices), Surroundings.uniform(colour)
    )
    assert image.shape == (48, 48, 3) and alpha.shape == (48, 48, 1)
    assert (alpha == 0).any() and (alpha == 1).any() and ((alpha > 0) & (alpha < 1)).any()
    # Over black, colours are the cover's share of the light.
    torch.testing.assert_close(image, alpha * colour, atol=1e-6, rtol=0)


def test_the_side_towards_a_lamp_is_brighter():
    vertices, faces = a_ball()
    lamp = Lamp(torch.tensor([-1.0, 0.0, 1.0]), torch.ones(3))
    image, _ = render(vertices, faces, camera_at(), torch.ones_like(vertices), lamp)
    assert image[24, :24].sum() > 1.5 * image[24, 24:].sum()
    brightest = int(image[24, :, 0].argmax())
    # 45 degrees aside on a ball of radius 17 pixels: 12 to the left of the middle.
    assert abs(brightest - 12) <= 2


@pytest.mark.parametrize("perspective", [True, False])
def test_turning_the_world_changes_nothing(perspective):
    vertices, faces = a_ball()
    generator = torch.Generator().manual_seed(1)
    # Uneven, so that no edge lies exactly along a row, where rounding would decide.
    vertices = vertices.double() + 0.002 * torch.randn(vertices.shape, generator=generator).double()
    camera = camera_at().to(torch.float64)
    camera = camera if perspective else camera.weak_perspective(0.8)
    around = Surroundings(torch.rand(9, 3, generator=generator, dtype=torch.float64))
    lamp = Lamp(torch.tensor([-1.0, 0.5, 1.0]).double(), torch.ones(3).double())
    looks, gloss = torch.rand(vertices.shape, generator=generator, dtype=torch.float64), Gloss(0.2, 12.0)
    turn = axis_angle_to_matrix(torch.tensor([0.5, -0.8, 0.3], dtype=torch.float64))
    turned_camera = replace(camera, rotation=camera.rotation @ turn.T)
    lamp_turned = Lamp(turn @ lamp.direction, lamp.colour)
    one = render(vertices, faces, camera, looks, around, lamp, gloss=gloss)
    other = render(
        vertices @ turn.T, faces, turned_camera, looks, around.rotated(turn), lamp_turned, gloss=gloss
    )
    torch.testing.assert_close(other.alpha, one.alpha)
    torch.testing.assert_close(other.image, one.image)


def test_turning_a_ball_and_its_light_under_a_resting_camera_changes_only_where_light_falls():
    """A quarter turn about the view: the picture of a ball turns with its light."""
    vertices, faces = a_ball()
    quarter = axis_angle_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2]))
    lamp = Lamp(torch.tensor([1.0, 0.2, 1.0]), torch.ones(3))
    looks = torch.ones_like(vertices)
    one, _ = render(vertices, faces, camera_at(), looks, lamp)
    other, _ = render(
        vertices @ quarter.T, faces, camera_at(), looks, Lamp(quarter @ lamp.direction, lamp.colour)
    )
    # Counter-clockwise in the picture; pixels on silhouettes may see the other of two faces.
    assert ((torch.rot90(one) - other).abs().amax(-1) > 1e-4).float().mean() < 0.01


def test_a_texture_of_one_colour_is_that_colour():
    vertices, faces = a_ball()
    uv = vertices[:, :2] * 4 + 0.5
    colour = torch.tensor([0.3, 0.6, 0.1])
    looks = Texture(colour.expand(16, 16, 3), uv, faces)
    by_texture = render(vertices, faces, camera_at(), looks, WHITE)
    by_vertex = render(vertices, faces, camera_at(), colour.expand_as(vertices), WHITE)
    torch.testing.assert_close(by_texture.image, by_vertex.image)


def test_highlights_are_where_the_lamp_is_mirrored():
    vertices, faces = a_ball()
    lamp = Lamp(torch.tensor([0.0, 0.0, 1.0]), torch.ones(3))
    black = torch.zeros_like(vertices)
    image, _ = render(vertices, faces, camera_at(size=(49, 49)), black, lamp, gloss=Gloss(0.04, 50.0))
    assert divmod(int(image[..., 0].argmax()), 49) == (24, 24)
    # (s + 1) / 2 times the strength where the lamp is mirrored straight back.
    assert float(image.max()) == pytest.approx(0.04 * 25.5, rel=0.05)
    assert image[0, 0].sum() == 0


def test_batches_are_pictures_one_by_one():
    vertices, faces = a_ball()
    pair = torch.stack([vertices, 0.7 * vertices])
    cameras = Camera.looking_at(
        torch.tensor([[0.0, 0, 0.8], [0.3, 0, 0.9]]), torch.zeros(2, 3), 20.0, (32, 40)
    )
    light = Surroundings(torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0)))
    looks = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(1))
    both = render(pair, faces, cameras, looks, light, gloss=Gloss(0.1, 9.0))
    for index in range(2):
        parts = (getattr(cameras, name) for name in ("matrix", "rotation", "translation"))
        matrix, rotation, translation = (part[index] if part.shape[0] == 2 else part for part in parts)
        camera = Camera(matrix, rotation, translation, cameras.size)
        one = render(
            pair[index], faces, camera, looks, Surroundings(light.coefficients[index]), gloss=Gloss(0.1, 9.0)
        )
        torch.testing.assert_close(both.image[index], one.image)


def tetrahedron():
    corners = [[0.0, 0.09, 0.01], [-0.08, -0.05, 0.03], [0.083, -0.052, 0.02], [0.01, 0.004, 0.06]]
    faces = torch.tensor([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])
    return torch.tensor(corners, dtype=torch.float64), faces


@pytest.mark.parametrize("textured", [False, True])
def test_gradients_reach_everything(textured):
    """Vertices, looks, lights and camera, against finite differences, silhouettes included."""
    vertices, faces = tetrahedron()
    generator = torch.Generator().manual_seed(3)
    fixed = camera_at(size=(7, 6)).to(torch.float64)
    # Fewer texels than pixels: level 0, whose choice has no gradient.
    uv = 0.4 + 0.2 * torch.rand(4, 2, generator=generator, dtype=torch.float64)

    def picture(vertices, looks, coefficients, direction, translation):
        surface = Texture(looks, uv, faces) if textured else looks
        camera = replace(fixed, translation=translation)
        lights = Surroundings(coefficients), Lamp(direction, torch.ones(3, dtype=torch.float64))
        return tuple(render(vertices, faces, camera, surface, *lights, gloss=Gloss(0.1, 5.0)))

    looks = torch.rand((5, 5, 3) if textured else (4, 3), generator=generator, dtype=torch.float64)
    inputs = (
        vertices,
        looks,
        torch.rand(9, 3, generator=generator, dtype=torch.float64),
        torch.tensor([-0.5, 0.7, 1.0], dtype=torch.float64),
        fixed.translation + 0.001,
    )
    wanted = [value.clone().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(picture, wanted, fast_mode=True)


@pytest.mark.parametrize("perspective", [True, False])
def test_the_camera_follows_the_type_of_the_vertices(perspective):
    """A few triangles in float64 before a camera made in float32, against finite differences."""
    vertices, faces = tetrahedron()
    camera = camera_at(size=(7, 6))
    camera = camera if perspective else camera.weak_perspective(0.8)
    assert camera.matrix.dtype == torch.float32
    white = torch.ones(3, dtype=torch.float64)
    lamp = Lamp(torch.tensor([-0.5, 0.7, 1.0], dtype=torch.float64), white)

    def picture(vertices, looks):
        return tuple(render(vertices, faces, camera, looks, lamp, gloss=Gloss(0.1, 5.0)))

    looks = 0.6 * torch.ones_like(vertices)
    assert all(part.dtype == torch.float64 for part in picture(vertices, looks))
    assert torch.autograd.gradcheck(
        picture, (vertices.requires_grad_(), looks.requires_grad_()), fast_mode=True
    )
    drawn = render(vertices.float(), faces, camera.to(torch.float64), looks.float(), WHITE)
    assert drawn.alpha.dtype == torch.float32


def test_looks_and_lights_follow_the_type_of_the_vertices():
    vertices, faces = a_ball()
    around = Surroundings(torch.rand(9, 3, generator=torch.Generator().manual_seed(0)))
    lamp, looks = Lamp(torch.tensor([-1.0, 0.5, 1.0]), torch.ones(3)), torch.full_like(vertices, 0.5)
    gloss = Gloss(torch.tensor([0.2]), torch.tensor([12.0]))
    wanted = render(vertices, faces, camera_at(), looks, lamp, around, gloss=gloss).image
    found = render(vertices.double(), faces, camera_at(), looks, lamp, around, gloss=gloss).image
    assert found.dtype == torch.float64
    assert (found - wanted).abs().quantile(0.99) < 1e-5  # of outlines, rounding decides
    soft = soft_rasterize(vertices.double(), faces, camera_at())
    assert soft_blend(soft, looks, torch.zeros(3)).dtype == torch.float64


def test_mixed_precision_moves_no_pixel():
    vertices, faces = a_ball()
    around = Surroundings(torch.rand(9, 3, generator=torch.Generator().manual_seed(0)))

    def picture():
        camera = Camera.looking_at((0.3, 0.1, 0.8), (0.0, 0.0, 0.0), 20.0, (48, 48))
        drawn = render(vertices, faces, camera, torch.ones_like(vertices), around, gloss=Gloss(0.1, 9.0))
        blended = soft_blend(soft_rasterize(vertices, faces, camera), vertices, torch.zeros(3))
        return torch.cat([*drawn, blended], dim=-1)

    with torch.autocast("cpu", torch.bfloat16):
        mixed = picture()
    assert torch.equal(mixed, picture())


def test_bad_arguments_are_named():
    vertices, faces = a_ball()
    with pytest.raises(InputError, match="lights must hold at least one light"):
        render(vertices, faces, camera_at(), torch.ones_like(vertices))
    with pytest.raises(InputError, match="looks must have a shape ending in"):
        render(vertices, faces, camera_at(), torch.ones(7, 3), WHITE)
    with pytest.raises(InputError, match=r"looks must be a tensor, got numpy\.ndarray"):
        render(vertices, faces, camera_at(), np.ones((len(vertices), 3)), WHITE)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"vertices must be a tensor, got numpy\.ndarray"):
        render(vertices.numpy(), faces, camera_at(), torch.ones_like(vertices), WHITE)
    with pytest.raises(InputError, match=r"faces must be a tensor, got numpy\.ndarray"):
        render(vertices, faces.numpy(), camera_at(), torch.ones_like(vertices), WHITE)
    image, uv, corners = torch.ones(4, 4, 3), torch.zeros(3, 2), torch.tensor([[0, 1, 2]])
    with pytest.raises(InputError, match=r"image must be a tensor, got numpy\.ndarray"):
        Texture(image.numpy(), uv, corners)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"uv_faces must have shape \(any, 3\), got \(3,\)"):
        Texture(image, uv, corners[0])
    with pytest.raises(InputError, match="shininess must be above 0"):
        Gloss(0.1, 0.0)
