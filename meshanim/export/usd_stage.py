"""What all parts of a USD stage share: its unit and axes, its time codes, and where its prims are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from meshanim._check import InputError, check_range
from meshanim.export.parts import Floats, turn_of

if TYPE_CHECKING:
    from pxr import Usd

MOST_FRAMES = 2**17
"""36 minutes at 60 fps; each is evaluated in Python."""


def to_ours_of(stage: Usd.Stage) -> Floats:
    """(4, 4) from the stage's unit and axes to metres and Y up."""
    from pxr import UsdGeom

    matrix = np.eye(4)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        matrix[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    unit = UsdGeom.GetStageMetersPerUnit(stage)
    check_range("metersPerUnit", unit, 0, open_low=True)
    matrix[:3, :3] *= unit
    return matrix


def drawn(stage: Usd.Stage) -> Iterator[Any]:
    """Prims of the meshes that a final picture has, in instances too: no guides, no stand-ins, none hidden.

    One that is hidden for some of the time is drawn.
    """
    from pxr import Usd, UsdGeom

    walk = iter(Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()))
    for prim in walk:
        if prim.IsA(UsdGeom.PointInstancer):
            # What it copies is not drawn where it stands.
            walk.PruneChildren()
        mesh = UsdGeom.Mesh(prim)
        if not mesh or not mesh.GetPointsAttr().HasValue() or mesh.ComputeVisibility() == "invisible":
            continue
        if mesh.ComputePurpose() in ("default", "render"):
            yield prim


def codes_of(stage: Usd.Stage, meshes: list[Any], fps: float | None) -> tuple[float, Floats]:
    """Frame rate and the time codes of all frames: the stage's range, else that of all that moves a mesh."""
    rate = stage.GetTimeCodesPerSecond()
    check_range("timeCodesPerSecond", rate, 0, open_low=True)
    if stage.HasAuthoredTimeCodeRange():
        first, last = stage.GetStartTimeCode(), stage.GetEndTimeCode()
    else:
        samples = {time for mesh in meshes for time in _samples(mesh)}
        first, last = min(samples, default=0.0), max(samples, default=0.0)
    count = round((last - first) * (fps or rate) / rate) + 1
    if not 1 <= count <= MOST_FRAMES:
        raise InputError(
            f"its time codes from {first:g} to {last:g} must be 1 to {MOST_FRAMES} frames, got {count}"
        )
    return fps or rate, first + np.arange(count) * rate / (fps or rate)


def _samples(mesh: Any) -> Iterator[float]:
    """Time codes at which something is said of a mesh: its points, its weights, joints, what carries it."""
    from pxr import UsdGeom

    skeleton, animation = skeleton_of(mesh)
    yield from mesh.GetPointsAttr().GetTimeSamples()
    for prim in (mesh.GetPrim(), skeleton):
        for place in (prim, *_ancestors(prim)) if prim else ():
            yield from UsdGeom.Xformable(place).GetTimeSamples() if place.IsA(UsdGeom.Xformable) else ()
    for attribute in animation.GetPrim().GetAttributes() if animation else ():
        yield from attribute.GetTimeSamples()


def skeleton_of(mesh: Any) -> tuple[Any, Any]:
    """Prim of the skeleton that a mesh is bound to, and the animation that drives it; false where none."""
    from pxr import UsdSkel

    skeleton = UsdSkel.BindingAPI(mesh.GetPrim()).GetInheritedSkeleton().GetPrim()
    source = UsdSkel.BindingAPI(skeleton or mesh.GetPrim()).GetInheritedAnimationSource()
    return skeleton, UsdSkel.Animation(source)


def _ancestors(prim: Any) -> list[Any]:
    above = []
    while prim := prim.GetParent():
        above.append(prim)
    return above


def world(prim: Any, codes: Floats) -> Floats:
    """(T, 4, 4) local to world, worked out once where nothing moves."""
    from pxr import UsdGeom

    above = [UsdGeom.Xformable(place) for place in (prim, *_ancestors(prim))]
    moves = any(place and place.TransformMightBeTimeVarying() for place in above)
    # OpenUSD's matrices act on rows.
    found = [
        np.array(UsdGeom.XformCache(code).GetLocalToWorldTransform(prim)).T
        for code in (codes if moves else codes[:1])
    ]
    return np.broadcast_to(np.stack(found), (len(codes), 4, 4))


def upright_of(prim: Any, to_ours: Floats) -> Floats:
    """(3, 3) how a prim is turned by the axes and by those above it and itself that do not move."""
    from pxr import UsdGeom

    place = np.eye(4)
    for each in (prim, *_ancestors(prim)):
        if each.IsA(UsdGeom.Xformable) and not UsdGeom.Xformable(each).GetTimeSamples():
            # OpenUSD's matrices act on rows.
            place = np.array(UsdGeom.Xformable(each).GetLocalTransformation()).T @ place
    return turn_of(to_ours @ place)
