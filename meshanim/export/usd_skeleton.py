"""A skeleton in USD, and the animation of its joints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from meshanim.export.frames import quaternions
from meshanim.export.joints import Rig, Skeleton

if TYPE_CHECKING:
    from pxr import Usd


def add_skeleton(stage: Usd.Stage, root: str, rig: Rig) -> tuple[Any, Any]:
    """A skeleton whose joint ``head`` stands still, the rig's joints below it, and the animation it plays."""
    from pxr import Gf, UsdSkel, Vt

    joints, places = ["head"], [Gf.Vec3d(0)]
    if rig.skeleton is not None:
        joints += [f"head/{name}" for name in rig.skeleton.names]
        places += [Gf.Vec3d(*place) for place in rig.skeleton.positions.tolist()]
    still = Vt.Matrix4dArray([Gf.Matrix4d(1).SetTranslate(place) for place in places])
    skeleton = UsdSkel.Skeleton.Define(stage, f"{root}/skeleton")
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateBindTransformsAttr(still)
    skeleton.CreateRestTransformsAttr(still)
    motion = UsdSkel.Animation.Define(stage, f"{root}/skeleton/motion")
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion.GetPath()])
    if rig.turns is None:
        return skeleton, motion
    motion.CreateJointsAttr(joints)
    motion.CreateTranslationsAttr([Gf.Vec3f(place) for place in places])
    motion.CreateScalesAttr([Gf.Vec3h(1)] * len(joints))
    rotations = motion.CreateRotationsAttr()
    tracks = np.stack([quaternions(turn) for turn in rig.turns.unbind(dim=1)], axis=1).tolist()
    for frame, turns in enumerate(tracks):
        rotations.Set([Gf.Quatf(1), *(Gf.Quatf(w, x, y, z) for x, y, z, w in turns)], frame)
    return skeleton, motion


def bind_joints(binding: Any, skeleton: Skeleton) -> None:
    """Say which joints lead each vertex of the mesh that ``binding`` is of, and by how much."""
    from pxr import Gf, Vt

    joints, weights = (each.numpy() for each in skeleton.influences())
    size = joints.shape[1]
    indices = Vt.IntArray.FromNumpy(joints.astype(np.int32).ravel())
    binding.CreateJointIndicesPrimvar(False, size).Set(indices)
    binding.CreateJointWeightsPrimvar(False, size).Set(Vt.FloatArray.FromNumpy(weights.ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
