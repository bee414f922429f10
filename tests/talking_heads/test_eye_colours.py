"""Eyes that are drawn in a colour are found in it, in large pictures and in small ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces import load_face
from meshanim.mesh import landmark_vertices
from meshanim.performance import Performance
from meshanim.rendering import Camera, framing_camera
from meshanim.rendering.framing import head_points
from meshanim.rendering.preview import Preview
from meshanim.rendering.shading import from_display, to_display
from meshanim.talking_heads import Appearance, MeshRenderer
from meshanim.talking_heads.eye_colours import eye_colours

BROWN, HAZEL, BLUE = (0.05, 0.025, 0.015), (0.09, 0.07, 0.035), (0.10, 0.16, 0.20)
WHITE = (0.5, 0.45, 0.4)

Drawing = tuple[Tensor, Tensor]
"""A picture (1, H, W, 3) and its landmarks (1, 68, 2)."""


@pytest.fixture(scope="module")
def drawn() -> Callable[..., Drawing]:
    """Draws the built-in head with irises of a colour; an eye is about a twelfth of the side wide."""
    face = load_face("anny")
    mesh = face.neutral
    points = landmark_vertices(mesh)

    def draw(iris: tuple[float, ...], side: int = 512, blink: float = 0.0) -> Drawing:
        weights = torch.zeros(len(face.weight_names))
        for name in ("eyeBlinkLeft", "eyeBlinkRight"):
            weights[face.weight_names.index(name)] = blink
        vertices = face.vertices(weights=weights)
        camera = framing_camera(mesh.vertices, (side, side))
        frame = Preview(mesh, camera, eyes=torch.tensor([WHITE, iris])).frame(vertices)
        return torch.from_numpy(frame)[None], camera.project(vertices[points])[None, :, :2]

    return draw


def redness(colour: Tensor | tuple[float, ...]) -> float:
    """Red by blue, which tells brown from blue under any light."""
    return float(colour[0] / colour[2])


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_irises_have_the_colour_they_are_drawn_in(drawn: Callable[..., Drawing], side: int) -> None:
    found = {}
    for iris in (BROWN, HAZEL, BLUE):
        colours = eye_colours(*drawn(iris, side))
        assert colours is not None
        white, seen = colours
        found[iris] = redness(seen) / redness(white) * redness(WHITE)
        assert float(white.mean()) > 2 * float(seen.mean())
    assert found[BROWN] > found[HAZEL] > 1.2 > 1 > found[BLUE]
    # Small irises have something of lids and white in them.
    assert side < 512 or found[BROWN] == pytest.approx(redness(BROWN), rel=0.35)


def test_the_median_of_pictures_counts(drawn: Callable[..., Drawing]) -> None:
    pictures, landmarks = zip(drawn(BROWN), drawn(BROWN), drawn(BLUE), strict=True)
    found = eye_colours(torch.cat(pictures), torch.cat(landmarks))
    alone = eye_colours(*drawn(BROWN))
    assert found is not None and alone is not None
    assert redness(found[1]) == pytest.approx(redness(alone[1]), rel=0.3)


def test_light_changes_an_iris_wholly_and_the_white_by_half(drawn: Callable[..., Drawing]) -> None:
    """Half the light: half the iris, and a white of the square root of that."""
    picture, landmarks = drawn(HAZEL)
    bright = eye_colours(picture, landmarks)
    dark = eye_colours(to_display(from_display(picture / 255) / 2), landmarks)
    assert bright is not None and dark is not None
    assert torch.allclose(dark[1], bright[1] / 2, rtol=0.1)
    assert torch.allclose(dark[0], bright[0] / 2**0.5, rtol=0.15)


def test_shut_and_missing_eyes_say_nothing(drawn: Callable[..., Drawing]) -> None:
    shut, lids = drawn(BROWN, blink=1.0)
    assert eye_colours(shut, lids) is None
    _, open_lids = drawn(BROWN)
    assert eye_colours(shut, open_lids) is None
    assert eye_colours(torch.full_like(shut, 180), open_lids) is None
    assert eye_colours(shut, torch.zeros_like(lids)) is None
    with pytest.raises(InputError, match="landmarks must have shape"):
        eye_colours(shut, lids[:, :67])


def test_the_mesh_wears_the_eyes_of_the_picture(drawn: Callable[..., Drawing]) -> None:
    """Brown eyes in the picture are brown in the film, blue ones blue."""
    face = load_face("anny")
    light = torch.zeros(9, 3)
    light[0] = 3.5449
    still = Performance(face.neutral, 25.0, motion=face.neutral.vertices[None], face_model="anny")
    rednesses = []
    for iris in (BROWN, BLUE):
        picture, landmarks = drawn(iris)
        person = Appearance.cut(
            [picture[0].numpy()],
            landmarks,
            face_model="anny",
            texture=torch.full((8, 8, 3), 0.4),
            light=light,
            camera=Camera.looking_at((0, 0, 1), (0, 0, 0)),
        )
        frame = MeshRenderer((512, 512)).render(still, person)
        head = framing_camera(head_points(face.neutral))
        places = landmark_vertices(face.neutral)
        worn = eye_colours(frame, head.project(face.neutral.vertices[places])[None, :, :2])
        assert worn is not None
        rednesses.append(redness(worn[1]))
    assert rednesses[0] > 2 > 1 > rednesses[1]
