from pathlib import Path

import torch

from meshanim.faces import ARKIT_NAMES
from meshanim.faces.anny import AnnyFace
from meshanim.mesh import MeshHierarchy
from meshanim.synthesis import ExpressionMotion, ExpressionSpace
from meshanim.training import ExpressionMotionRecipe, train_expression_motion
from meshanim.training.expression_motion import ExpressionMotionTask


def test_a_decoder_learns_an_opening_jaw(tmp_path: Path) -> None:
    face, space = AnnyFace(), ExpressionSpace(2)
    weights = torch.zeros(64, 52)
    weights[:, ARKIT_NAMES.index("jawOpen")] = torch.linspace(0, 0.6, 64)
    space.fit(weights)
    hierarchy = MeshHierarchy.from_mesh(face.neutral, factors=(8, 8))
    recipe = ExpressionMotionRecipe(epochs=8, samples=64, batch_size=8, widths=(16, 8), learning_rate=1e-2)
    model, report = train_expression_motion(space, weights, face, hierarchy, recipe, tmp_path, progress=False)
    assert report.finished
    truth = ExpressionMotionTask(model, face, weights, 64).displacements(weights)
    loaded = ExpressionMotion.from_pretrained(tmp_path)
    loaded.check_space(space)
    with torch.no_grad():
        error = (loaded(space.encode(weights)) - truth).norm(dim=-1).mean()
    assert float(error) < 0.3 * float(truth.norm(dim=-1).mean())
