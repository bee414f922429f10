"""Position maps: what is drawn from a mesh is read back as that mesh, in its pose."""

from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import AnnyFace
from meshanim.mesh import axis_angle_to_matrix, repacked
from meshanim.rendering import Camera, PositionMapModel, UvLayout, picture_positions, picture_scale
from meshanim.rendering.position_map import MapReader


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


@pytest.fixture(scope="module")
def model(face):
    torch.manual_seed(0)
    return PositionMapModel(repacked(face.neutral), 1, 96).eval()


def test_positions_are_worked_by_hand():
    """A picture 100 high of 2 x 1 metres at depth 2: halves of its height are half a metre."""
    matrix = torch.tensor([[200.0, 0, 100], [0, 200, 50], [0, 0, 1]])
    camera = Camera(matrix, torch.eye(3), torch.zeros(3), (100, 200))
    points = torch.tensor([[0.5, 0.0, 2.0], [-0.5, 0.25, 2.0], [0.0, 0.0, 1.9], [0.0, 0.0, 2.1]])
    wanted = torch.tensor([[1.0, 0, 0], [-1.0, 0.5, 0], [0, 0, -0.2], [0, 0, 0.2]])
    torch.testing.assert_close(picture_positions(points, camera), wanted)
    assert float(picture_scale(points, camera)) == pytest.approx(2.0)
    flat = camera.weak_perspective(2.0)
    torch.testing.assert_close(picture_positions(points, flat), wanted)


def test_a_map_drawn_from_a_mesh_is_read_as_that_mesh(face, model):
    weights = torch.zeros(2, len(face.weight_names))
    weights[0, face.weight_names.index("jawOpen")] = 0.6
    weights[1, face.weight_names.index("mouthSmileLeft")] = 0.8
    local = face.vertices(weights=weights)
    turn = axis_angle_to_matrix(torch.tensor([[0.1, 0.7, 0.0], [-0.2, -0.3, 0.1]]))
    posed = local @ turn.mT
    camera = Camera.looking_at((0.0, 0.0, 0.9), (0.02, 0.0, 0.0), 20.0, (96, 96)).weak_perspective(0.9)
    positions = picture_positions(posed, camera)
    found = model.read(model.layout.spread(positions))
    again = picture_positions(found.vertices, found.camera)
    away = (again - positions).norm(dim=-1) / picture_scale(posed, camera)
    assert away.mean() < 3e-4 and away[:, face.neutral.groups["face"]].amax() < 4e-3
    # Pose and size are those that bring the neutral head nearest: an open jaw tilts it a little.
    assert (found.camera.rotation - camera.rotation @ turn).abs().max() < 0.03
    assert (found.vertices - local).norm(dim=-1).mean() < 2e-3
    assert not found.camera.perspective and (found.camera.project(found.vertices)[..., 2] > 0).all()


def test_maps_of_any_type_are_read_alike(face, model):
    camera = Camera.looking_at((0.3, 0.1, 0.9), (0.0, 0.0, 0.0), 20.0, (96, 96)).weak_perspective(0.9)
    positions = model.layout.spread(picture_positions(face.neutral.vertices, camera))[None]
    wanted = model.read(positions)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        found = model.read(positions.to(dtype).requires_grad_())
        assert found.vertices.dtype == torch.promote_types(dtype, torch.float32)
        rounding = 0.3 * torch.finfo(dtype).eps + 1e-6  # of a head, in metres
        torch.testing.assert_close(found.vertices.float(), wanted.vertices, atol=rounding, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.read(positions).vertices, wanted.vertices)


def test_noise_of_single_texels_is_averaged(face):
    """At 256 texels a side there are eight for each vertex in the mean, but fewer in the face."""
    layout = UvLayout(repacked(face.neutral), 256)
    truth = layout.spread(face.neutral.vertices)[None]
    noise = 0.002 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    reader = MapReader(layout)
    torch.testing.assert_close(reader.vertices(truth)[0], face.neutral.vertices, atol=1e-6, rtol=0)
    away = (reader.vertices(truth + noise)[0] - face.neutral.vertices).norm(dim=-1)
    assert away.mean() < 0.8 * noise.norm(dim=-1).mean()


def test_a_model_comes_back_from_its_folder(model, tmp_path: Path):
    images = torch.rand(2, 96, 96, 3, generator=torch.Generator().manual_seed(0))
    again = PositionMapModel.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert repr(again).endswith("PositionMapNet(width=1), size=96)")
    assert torch.equal(again(images), model(images))
    assert torch.equal(again.unproject(images).vertices, model.unproject(images).vertices)


def test_a_small_model_begins_with_the_neutral_face(face, tmp_path: Path):
    """Seen from before, in the middle of the picture; its directions come back from its folder, too."""
    torch.manual_seed(0)
    directions = 0.01 * torch.randn(2, len(face.neutral.vertices), 3)
    small = PositionMapModel(repacked(face.neutral), 2, 96, directions).eval()
    images = torch.rand(1, 96, 96, 3)
    found = small.unproject(images)
    torch.testing.assert_close(found.vertices[0], face.neutral.vertices, atol=2e-4, rtol=0)
    torch.testing.assert_close(
        found.camera.rotation[0], torch.diag(torch.tensor([1.0, -1, -1])), atol=1e-4, rtol=0
    )
    for weight in small.net.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    again = PositionMapModel.from_pretrained(small.save_pretrained(tmp_path / "model"))
    assert again.directions is not None and torch.equal(again.directions, directions)
    assert torch.equal(again(images), small(images))


def test_bad_arguments_are_named(model, tmp_path: Path):
    with pytest.raises(InputError, match="images must have shape"):
        model(torch.zeros(1, 64, 64, 3))
    with pytest.raises(InputError, match="positions must have shape"):
        model.read(torch.zeros(96, 96, 3))
    with pytest.raises(InputError, match="or a folder"):
        PositionMapModel.from_pretrained(tmp_path / "nothing")
