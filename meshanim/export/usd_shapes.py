"""Blend shapes in USD, and the animation of their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshanim.export.joints import Rig
from meshanim.export.usd_skeleton import add_skeleton, bind_joints

if TYPE_CHECKING:
    from pxr import Usd


def add_blend_shapes(stage: Usd.Stage, root: str, mesh: Any, rig: Rig) -> None:
    """The shapes, and a SkelAnimation of their weights and of the joints' turns, bound to a skeleton."""
    from pxr import Sdf, Tf, UsdSkel, Vt

    targets = rig.targets
    skeleton, motion = add_skeleton(stage, root, rig)
    motion.CreateBlendShapesAttr(targets.names)
    weights = motion.CreateBlendShapeWeightsAttr()
    for frame, row in enumerate(targets.weights.numpy().astype(np.float32)):
        weights.Set(Vt.FloatArray.FromNumpy(row), frame)
    paths: list[Sdf.Path] = []
    for name, offsets in zip(targets.names, targets.basis, strict=True):
        word = Tf.MakeValidIdentifier(name)
        while stage.GetPrimAtPath(f"{mesh.GetPath()}/{word}"):
            word += "_"
        paths.append(mesh.GetPath().AppendChild(word))
        _add_shape(stage, str(paths[-1]), offsets.numpy().astype(np.float32))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    binding.CreateBlendShapesAttr(targets.names)
    binding.CreateBlendShapeTargetsRel().SetTargets(paths)
    if rig.skeleton is not None:
        bind_joints(binding, rig.skeleton)


def _add_shape(stage: Usd.Stage, path: str, offsets: NDArray[np.float32]) -> None:
    """A BlendShape; where most vertices stay, only the others are stored."""
    from pxr import UsdSkel, Vt

    shape = UsdSkel.BlendShape.Define(stage, path)
    moved = np.flatnonzero((offsets != 0).any(axis=1)).astype(np.int32)
    if len(moved) * 16 < len(offsets) * 12:
        # No index at all would mean all points.
        moved = moved if len(moved) else np.zeros(1, dtype=np.int32)
        shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(moved))
        offsets = offsets[moved]
    shape.CreateOffsetsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(offsets)))
