"""The encoder learns to name what faces differ in, on faces it has not seen too."""

import torch

from meshanim.nn import MeshLevels
from meshanim.synthesis.neutral_encoder import NeutralEncoder


def test_it_names_the_components_of_unseen_faces(face, hierarchy) -> None:
    torch.manual_seed(0)
    modes = torch.randn(3, len(face.vertices), 3)
    people = face.vertices + 0.01 * torch.einsum("sk,kvc->svc", torch.randn(60, 3), modes)
    encoder = NeutralEncoder(MeshLevels.of(hierarchy), face.faces, (6, 8), 3)
    encoder.calibrate(people[:40])
    centred = (people - encoder.mean).flatten(1)
    axes = torch.linalg.svd(centred[:40], full_matrices=False)
    truth = centred[40:] @ axes.Vh[:3].mT / axes.S[:3] * 39**0.5
    # taught for seconds, not to the end: nine tenths of the variance must be named
    assert float((encoder(people[40:]).code - truth).square().mean()) < 0.1


def test_the_mean_face_has_no_stretch(face, hierarchy) -> None:
    encoder = NeutralEncoder(MeshLevels.of(hierarchy), face.faces, (6, 8), 3)
    encoder.calibrate(face.vertices + 0.001 * torch.randn(5, len(face.vertices), 3))
    condition = encoder(encoder.mean[None])
    assert float(condition.stretch.abs().max()) < 1e-5
    grown = encoder(1.5 * encoder.mean[None]).stretch
    # half as much again along the surface, unchanged along its normal
    trace = grown.unflatten(-1, (3, 3)).diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace, torch.ones_like(trace), atol=1e-4, rtol=0)
