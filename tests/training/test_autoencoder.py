from pathlib import Path

import torch

from meshanim.mesh import Mesh, MeshHierarchy
from meshanim.metrics import vertex_error_mm
from meshanim.synthesis import SpiralAutoencoder
from meshanim.training import AutoencoderRecipe, train_autoencoder


def test_it_learns_a_handful_of_faces_by_heart(
    corpus, face: Mesh, hierarchy: MeshHierarchy, tmp_path: Path
) -> None:
    faces = torch.stack([sequence.vertices[len(sequence.vertices) // 2] for sequence in corpus[:8]])
    recipe = AutoencoderRecipe(epochs=120, batch_size=8, latent_size=8, widths=(8, 8), learning_rate=1e-2)
    model, report = train_autoencoder(
        faces, face, hierarchy, recipe, tmp_path, validation=faces, progress=False
    )
    assert report.finished
    mean = faces.mean(dim=0).expand_as(faces)
    before, after = (
        vertex_error_mm(mean, faces).mean_mm,
        vertex_error_mm(model(faces).detach(), faces).mean_mm,
    )
    assert after < 0.15 * before
    assert abs(report.history[-1]["validation_error_mm"] - after) < 1e-4
    assert torch.equal(SpiralAutoencoder.from_pretrained(tmp_path)(faces), model(faces))
