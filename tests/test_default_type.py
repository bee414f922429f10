"""Callers who make double precision PyTorch's default: what ships stays as it is, what they build follows."""

from pathlib import Path

import torch

from meshanim.audio import Sound
from meshanim.export import export, read_performance
from meshanim.faces import load_face
from meshanim.mesh import MeshHierarchy
from meshanim.rendering import render_frames
from meshanim.synthesis import ExpressionModel, SpeechModel, SpiralAutoencoder, expression_labels, speak

LABELS = expression_labels("happy", onset=0.1, apex=0.1, offset=0.1, fps=25)


def test_performances_are_the_same(doubles, tmp_path: Path, cache_folder: Path) -> None:
    with doubles():
        face, model = load_face("anny"), ExpressionModel.from_pretrained("anny-expressions")
        found = model.animate(face.neutral, LABELS)
        path = export(found, tmp_path / "a.glb")
        next(render_frames(found, (32, 32)))
    face, model = load_face("anny"), ExpressionModel.from_pretrained("anny-expressions")
    assert torch.equal(found.vertices(), model.animate(face.neutral, LABELS).vertices())
    assert torch.equal(read_performance(path).neutral.vertices, face.neutral.vertices)


def test_a_voice_moves_the_face(doubles, tmp_path: Path, cache_folder: Path) -> None:
    with doubles():
        face, lips = load_face("anny"), SpeechModel.from_pretrained("speech-small")
        voice = Sound(0.1 * torch.rand(8000, dtype=torch.float32), 16_000)
        talk = speak(voice, face, lips, emotion="happy:0.5")
        assert talk.vertices().dtype == torch.float32
        export(talk, tmp_path / "a.glb")


def test_own_networks_follow(doubles, cache_folder: Path) -> None:
    with doubles():
        neutral = load_face("anny").neutral
        hierarchy = MeshHierarchy.from_mesh(neutral, factors=(5, 5))
        network = SpiralAutoencoder(neutral, hierarchy, latent_size=4)
        assert network.reconstruct(neutral.vertices).dtype == torch.float64
        model = ExpressionModel(neutral, MeshHierarchy.from_mesh(neutral, factors=(4, 4, 4, 4)))
        assert model(LABELS[None], neutral.vertices[None]).dtype == torch.float64
