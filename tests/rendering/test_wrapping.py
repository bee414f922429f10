"""Captured skin on the skin, usual colours where no camera looks."""

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh
from meshanim.rendering import Surroundings, framing_camera, render, wrap
from meshanim.rendering.materials import ALBEDO

WHITE_LIGHT = Surroundings.uniform(torch.ones(3))


def mapped(head: Mesh, tile: float = 0.0) -> Mesh:
    """The head seen from the front as its own texture map; ``tile`` moves its skin beside the first tile."""
    low, high = head.vertices[:, :2].amin(0), head.vertices[:, :2].amax(0)
    uv = (head.vertices[:, :2] - low) / (high - low)
    skin = torch.zeros(len(uv), 1)
    skin[head.groups["skin"]] = tile
    return Mesh(head.vertices, head.faces, uv + torch.cat([skin, 0 * skin], 1), head.faces, {}, head.groups)


def drawn(mesh: Mesh, skin: torch.Tensor) -> torch.Tensor:
    camera = framing_camera(mesh.vertices, (128, 128))
    return render(mesh.vertices, mesh.faces, camera, wrap(mesh, skin), WHITE_LIGHT).image


def halves(side: int = 64) -> torch.Tensor:
    """Green on the left, blue on the right."""
    skin = torch.zeros(side, side, 3)
    skin[:, : side // 2, 1] = skin[:, side // 2 :, 2] = 0.5
    return skin


def test_skin_goes_where_the_texture_map_says(head):
    image = drawn(mapped(head), halves())
    assert image[85, 58].tolist() == pytest.approx([0, 0.5, 0], abs=1e-3)
    assert image[85, 70].tolist() == pytest.approx([0, 0, 0.5], abs=1e-3)


def test_eyes_have_white_iris_and_pupil_whatever_the_skin(head):
    image = drawn(mapped(head), halves())[:, 64:]  # the character's left eye
    # Of what is drawn, only eyes have all three channels.
    white = (image > 0.2).all(-1).nonzero()
    assert len(white) > 20
    (top, left), (bottom, right) = white.amin(0).tolist(), white.amax(0).tolist()
    assert float(image[top:bottom, left:right].amax(-1).min()) < 0.03


def test_eyes_have_the_colours_that_are_known(head):
    white, iris = torch.tensor([[0.6, 0.5, 0.4], [0.08, 0.04, 0.02]])
    known = wrap(mapped(head), halves(), torch.stack([white, iris])).image
    own = wrap(mapped(head), halves()).image
    side = halves().shape[1] * (known.shape[1] // halves().shape[1])
    assert torch.equal(known[:side], own[:side])
    eye = known[side:, : known.shape[0] - side]
    middle = len(eye) // 2
    assert torch.allclose(eye[0, 0], white)
    ring = eye[middle, middle + round(0.3 * 0.48 * len(eye))]
    assert torch.allclose(ring / ring.sum(), iris / iris.sum(), atol=1e-3)


def test_skin_of_other_tiles_has_the_median(head):
    skin = torch.full((64, 64, 3), 0.3)
    skin[:8] = 0.9
    image = drawn(mapped(head, tile=1.0), skin)
    assert image[85, 58].tolist() == pytest.approx([0.3, 0.3, 0.3], abs=1e-3)


def test_parts_within_the_mouth_keep_their_colours(head):
    mouth = head.groups["skin"][:200]
    groups = {**head.groups, "mouth_inner": mouth}
    mesh = mapped(Mesh(head.vertices, head.faces, groups=groups))
    wrapped = wrap(mesh, halves())
    inside = torch.zeros(len(head.vertices), dtype=torch.bool)
    inside[mouth] = True
    uv = wrapped.uv[wrapped.uv_faces[inside[mesh.faces].all(1)]].reshape(-1, 2)
    height, width, _ = wrapped.image.shape
    row, column = ((1 - uv[:, 1]) * height).long(), (uv[:, 0] * width).long()
    assert torch.equal(wrapped.image[row, column], torch.tensor(ALBEDO["mouth_inner"]).expand(len(uv), 3))


def test_a_mesh_without_a_texture_map_is_named(head):
    with pytest.raises(InputError, match="mesh must have texture coordinates"):
        wrap(Mesh(head.vertices, head.faces), halves())
