"""Hair is told from skin by its colour, where hair may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from meshanim.capture import capture
from meshanim.capture.hair import brow_band, cheeks, find_hair, hair_line, in_shade, with_fringe
from meshanim.capture.look import shade
from meshanim.faces import load_face
from meshanim.mesh import Mesh
from meshanim.rendering import Surroundings, texture
from meshanim.vision import read_video, write_image

SKINS = {"light": (0.62, 0.40, 0.30), "dark": (0.16, 0.09, 0.06)}
HAIRS = {"black": (0.012, 0.010, 0.009), "brown": (0.09, 0.05, 0.03), "grey": (0.35, 0.34, 0.33)}
COUNT = 6000
NOWHERE = torch.zeros(COUNT, dtype=torch.bool)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return load_face("anny").neutral


def face(skin: tuple[float, ...], hair: tuple[float, ...]) -> tuple[Tensor, ...]:
    """Colours and normals of a face in slanting light: cheeks, then a forehead whose last third is hair.

    Returns:
        Colours, normals, whether hair may be, whether it is, and the colours without hair and shades.
    """
    generator = torch.Generator().manual_seed(1)
    normals = functional.normalize(torch.randn(COUNT, 3, generator=generator).abs() + 0.2, dim=1)
    normals[::2, 0] *= -1
    coefficients = torch.zeros(9, 3)
    coefficients[0], coefficients[1], coefficients[3] = 3.0, 0.5, 0.4
    light = Surroundings(coefficients)
    albedo = torch.tensor(skin).repeat(COUNT, 1)
    may_be = torch.arange(COUNT) >= COUNT // 2
    hairy = torch.arange(COUNT) >= COUNT - COUNT // 6
    albedo[hairy] = torch.tensor(hair)
    albedo *= (0.06 * torch.randn(COUNT, 1, generator=generator)).exp()
    return albedo * shade(normals, light), normals, may_be, hairy, torch.tensor(skin) * shade(normals, light)


@pytest.mark.parametrize("hair", HAIRS)
@pytest.mark.parametrize("skin", SKINS)
def test_hair_is_found_on_any_skin(skin: str, hair: str) -> None:
    colours, normals, may_be, hairy, bare = face(SKINS[skin], HAIRS[hair])
    found, typical, seen = find_hair(colours, normals, ~may_be, may_be, NOWHERE)
    assert float(found[hairy].float().mean()) > 0.97
    assert float(found[~hairy].float().mean()) < 0.03
    assert not found[~may_be].any()
    # The light is what it would be without hair.
    assert torch.allclose(typical * shade(normals, seen), bare, rtol=0.15)


def test_a_bare_forehead_stays_and_so_do_beards() -> None:
    colours, normals, may_be, hairy, _ = face(SKINS["light"], SKINS["light"])
    assert float(find_hair(colours, normals, ~may_be, may_be, NOWHERE)[0].float().mean()) < 0.03
    colours, normals, may_be, hairy, _ = face(SKINS["light"], HAIRS["black"])
    assert not find_hair(colours, normals, ~may_be, may_be & ~hairy, NOWHERE)[0][hairy].any()


def test_only_a_full_fringe_goes_on_over_the_brows() -> None:
    """Grey hair over a strip of brows, that are dark themselves; and over a little forehead, or all of it."""
    colours, normals, half, grey, _ = face(SKINS["light"], HAIRS["grey"])
    dark = torch.arange(COUNT) >= COUNT - COUNT // 20
    colours[dark] *= 0.12
    brow = torch.arange(COUNT) >= COUNT - COUNT // 10
    for may_be in (half & ~brow, grey & ~brow):
        found, _, _ = find_hair(colours, normals, ~half, may_be, brow)
        full = torch.equal(may_be, grey & ~brow)
        assert float(found[brow & ~dark].float().mean()) == pytest.approx(float(full), abs=0.03)
        assert float(found[dark].float().mean()) < 0.03


def test_skin_that_hair_shades_is_not_skin() -> None:
    bare = torch.tensor(SKINS["light"])
    light = torch.tensor([1.2, 1.0, 0.9, 0.8, 0.5])
    assert in_shade(light[:, None] * bare, bare).tolist() == [False, False, False, True, True]


def test_without_cheeks_nothing_is_told() -> None:
    colours, normals, may_be, _, _ = face(SKINS["light"], HAIRS["black"])
    found, typical, _ = find_hair(colours, normals, NOWHERE, may_be, NOWHERE)
    assert not found.any() and bool(typical.isfinite().all())


def test_what_is_beside_hair_has_some_of_it() -> None:
    column, row = torch.arange(400) % 20, torch.arange(400) // 20
    near = with_fringe((column == 10) & (row == 10), torch.stack([column, row], dim=1), 20)
    assert torch.equal(near, ((column - 10).abs() <= 3) & ((row - 10).abs() <= 3))


def test_hair_hangs_over_forehead_and_temples(mesh: Mesh) -> None:
    line, cheek = hair_line(mesh), cheeks(mesh)
    points = {number: mesh.landmarks[f"landmark68_{number:02d}"] for number in range(68)}
    # Brows, eyes, nose, mouth and chin are the face's own.
    assert all(float(line[points[number]]) < 0 for number in (*range(3, 14), *range(18, 26), *range(27, 68)))
    y, z = mesh.vertices[:, 1], mesh.vertices[:, 2]
    brow = float(y[points[19]])
    forehead = (y > brow + 0.015) & (y < brow + 0.04) & (z > z[points[36]])
    assert forehead.any() and bool((line[forehead] > 0).all())
    assert bool(cheek[points[30]]) and not cheek[[points[8], points[51], points[37], points[19]]].any()
    assert not (cheek & (line > 0)).any()
    band = brow_band(mesh)
    assert bool(band[[points[number] for number in range(18, 26)]].all())
    assert not band[[points[number] for number in range(27, 68)]].any()
    assert not (band & ((line > 0) | cheek)).any()


def test_a_captured_forehead_is_without_its_fringe(mesh: Mesh, shared_data: Path, tmp_path: Path) -> None:
    """A man whose dark hair hangs over half of his forehead."""
    pytest.importorskip("dlib", reason="the extra vision is not installed")
    frame = next(read_video(shared_data / "grid_sample" / "speakers" / "sbwe5n.mpg").frames())
    write_image(tmp_path / "man.png", np.ascontiguousarray(frame))
    captured = capture(tmp_path / "man.png", load_face("anny"))
    skin, person = captured.appearance.skin, captured.performance.neutral
    assert skin is not None and mesh.uv is not None and mesh.uv_faces is not None
    places = torch.zeros(len(mesh.vertices), 2)
    places[mesh.faces] = mesh.uv[mesh.uv_faces]
    line = hair_line(person)
    front = person.vertices[:, 2] > person.vertices[person.landmarks["landmark68_36"], 2]
    forehead = texture(skin, places)[(line > 0) & (line < 0.5) & front].mean(dim=1)
    # With the fringe the darkest tenth has a quarter of the middle's light.
    assert float(forehead.quantile(0.1) / forehead.median()) > 0.6
    # With the shade of the fringe it is 0.19.
    assert float(forehead.std() / forehead.mean()) < 0.165
