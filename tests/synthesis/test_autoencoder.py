from pathlib import Path

import torch

from meshanim.mesh import Mesh, MeshHierarchy
from meshanim.synthesis import SpiralAutoencoder


def faces(template: Mesh, count: int) -> torch.Tensor:
    """Smooth variations of a face, 1 mm or so."""
    generator = torch.Generator().manual_seed(0)
    bend = 1 + 0.05 * torch.randn(count, 3, 3, generator=generator)
    return template.vertices + 0.02 * template.vertices @ bend


def test_shapes_and_one_line(face: Mesh, hierarchy: MeshHierarchy) -> None:
    model = SpiralAutoencoder(face, hierarchy, latent_size=5, widths=(8, 8))
    meshes = faces(face, 6).view(2, 3, -1, 3)
    assert model.latent(meshes).shape == (2, 3, 5)
    assert model.reconstruct(meshes).shape == meshes.shape
    torch.testing.assert_close(model.decode(model.latent(meshes)), model(meshes))


def test_its_default_widths_fit_any_number_of_levels(face: Mesh) -> None:
    for factors in ((4,), (2, 2), (2, 2, 2)):
        model = SpiralAutoencoder(face, MeshHierarchy.from_mesh(face, factors=factors))
        assert model.widths == (16,) * (len(factors) - 1) + (32,)
        assert model(face.vertices).shape == face.vertices.shape


def test_saved_and_loaded_it_gives_the_same_bytes(
    face: Mesh, hierarchy: MeshHierarchy, tmp_path: Path
) -> None:
    model, meshes = SpiralAutoencoder(face, hierarchy, 5, (8, 8)), faces(face, 4)
    model.calibrate(meshes)
    loaded = SpiralAutoencoder.from_pretrained(model.save_pretrained(tmp_path))
    assert torch.equal(loaded(meshes), model(meshes))
