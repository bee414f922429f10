"""Writes ``anny_reference.safetensors`` with the anny package itself; takes minutes, run by hand.

People and weights are drawn at random; their vertices, every thirtieth, are those that anny computes, as
seen from its head bone, Y up.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

PEOPLE, STRIDE = 6, 30
PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions", "african", "asian", "caucasian")


def _y_up(points: Tensor) -> Tensor:
    return torch.stack([points[..., 0], points[..., 2], -points[..., 1]], dim=-1)


def main() -> None:
    import anny

    model = anny.Anny(
        rig="makehuman-head", topology="head", facial_actions="all", local_changes="all", phenotypes="all"
    )
    generator = torch.Generator().manual_seed(7)
    phenotypes = torch.rand(PEOPLE, len(PHENOTYPES), generator=generator, dtype=torch.float64)
    phenotypes[0, PHENOTYPES.index("age")] = -0.2  # between Anny's newborn and its baby
    count = len(model.local_change_labels)
    local = 2 * torch.rand(PEOPLE, count, generator=generator, dtype=torch.float64) - 1
    actions = torch.rand(PEOPLE, len(model.facial_action_labels), generator=generator, dtype=torch.float64)
    parts = ("cheek", "chin", "ear", "eyebrows", "eye", "forehead", "mouth", "nose")
    bare = [name.removeprefix("l-").removeprefix("r-").split("-")[0] for name in model.local_change_labels]
    local[:, [name not in parts for name in bare]] = 0
    coefficients = model._get_phenotype_blendshape_coefficients(
        torch.cat(
            [
                torch.full((PEOPLE, 1), 0.5, dtype=torch.float64)
                if label not in PHENOTYPES
                else phenotypes[:, [PHENOTYPES.index(label)]]
                for label in model.phenotype_labels
            ],
            dim=1,
        ),
        local,
        actions,
    )
    found = model.get_rest_model(coefficients)
    origin = _y_up(found["rest_bone_heads"][:, [model.bone_labels.index("head")]])
    tensors = {
        "phenotypes": phenotypes,
        "local": local[:, [name in parts for name in bare]],
        "actions": actions,
        "vertices": _y_up(found["rest_vertices"][:, ::STRIDE]) - origin,
    }
    used = [name for name, part in zip(model.local_change_labels, bare, strict=True) if part in parts]
    metadata = {
        "phenotypes": " ".join(PHENOTYPES),
        "local": " ".join(used),
        "actions": " ".join(model.facial_action_labels),
        "anny": anny.__version__,
    }
    path = Path(__file__).with_name("anny_reference.safetensors")
    save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, path, metadata)


if __name__ == "__main__":
    main()
