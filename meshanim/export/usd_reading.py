"""A performance from a USD stage: blend shapes or sampled points, and what carries them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshanim._check import InputError, check_range
from meshanim.export.parts import Floats, Part, assemble, turn_of
from meshanim.export.skinning import joint_shares, skinned
from meshanim.export.usd import require_usd
from meshanim.export.usd_places import FACE_MODEL, HEAD_MOTION, read_places
from meshanim.performance import Performance

if TYPE_CHECKING:
    from pxr import Usd

MOST_FRAMES = 2**17
"""36 minutes at 60 fps; each is evaluated in Python."""


def _to_ours(stage: Usd.Stage) -> Floats:
    """(4, 4) from the stage's unit and axes to metres and Y up."""
    from pxr import UsdGeom

    matrix = np.eye(4)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        matrix[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    unit = UsdGeom.GetStageMetersPerUnit(stage)
    check_range("metersPerUnit", unit, 0, open_low=True)
    matrix[:3, :3] *= unit
    return matrix


def _drawn(stage: Usd.Stage) -> Iterator[Any]:
    """Prims of the meshes that a final picture has, in instances too: no guides, no stand-ins for others."""
    from pxr import Usd, UsdGeom

    walk = iter(Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()))
    for prim in walk:
        if prim.IsA(UsdGeom.PointInstancer):
            # What it copies is not drawn where it stands.
            walk.PruneChildren()
        mesh = UsdGeom.Mesh(prim)
        if mesh and mesh.GetPointsAttr().HasValue() and mesh.ComputePurpose() in ("default", "render"):
            yield prim


def _codes(stage: Usd.Stage, meshes: list[Any], fps: float | None) -> tuple[float, Floats]:
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

    skeleton, animation = _skeleton(mesh)
    yield from mesh.GetPointsAttr().GetTimeSamples()
    for prim in (mesh.GetPrim(), skeleton):
        for place in (prim, *_ancestors(prim)) if prim else ():
            yield from UsdGeom.Xformable(place).GetTimeSamples() if place.IsA(UsdGeom.Xformable) else ()
    for attribute in animation.GetPrim().GetAttributes() if animation else ():
        yield from attribute.GetTimeSamples()


def _skeleton(mesh: Any) -> tuple[Any, Any]:
    """Prim of the skeleton that a mesh is bound to, and the animation that drives it; false where none."""
    from pxr import UsdSkel

    skeleton = UsdSkel.BindingAPI(mesh.GetPrim()).GetInheritedSkeleton().GetPrim()
    source = UsdSkel.BindingAPI(skeleton or mesh.GetPrim()).GetInheritedAnimationSource()
    return skeleton, UsdSkel.Animation(source)


def _faces(
    mesh: Any, count: int, code: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Triangles (F, 3) as vertices, as corners of the file's polygons, and of which polygon (F,) each is.

    As they are at a time code: some programs sample over time what does not change.
    """
    sizes = np.array(mesh.GetFaceVertexCountsAttr().Get(code) or [], dtype=np.int64)
    index = np.array(mesh.GetFaceVertexIndicesAttr().Get(code) or [], dtype=np.int64)
    if (
        sizes.sum() != len(index)
        or (sizes < 3).any()
        or (len(index) and not 0 <= index.min() <= index.max() < count)
    ):
        raise InputError(f"{mesh.GetPath()} has faces that do not fit its {count} points")
    starts = np.cumsum(sizes) - sizes
    fans = sizes - 2
    step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
    first = np.repeat(starts, fans)
    corners = np.stack([first, first + step + 1, first + step + 2], axis=1)
    if str(mesh.GetOrientationAttr().Get()) == "leftHanded":
        corners = corners[:, ::-1]
    return index[corners], corners, np.repeat(np.arange(len(sizes)), fans)


def _uv(mesh: Any, faces: NDArray, corners: NDArray, code: float) -> tuple[NDArray | None, NDArray | None]:
    """Texture coordinates and their indices, where the mesh has some per corner or per point."""
    from pxr import UsdGeom

    for primvar in UsdGeom.PrimvarsAPI(mesh).GetPrimvarsWithValues():
        if "texCoord2" not in str(primvar.GetTypeName()):
            continue
        values, index = np.array(primvar.Get(code), dtype=np.float32), primvar.GetIndices(code)
        place = corners if primvar.GetInterpolation() == UsdGeom.Tokens.faceVarying else faces
        index = np.array(index, dtype=np.int64)[place] if index else place
        if len(values) and 0 <= index.min() <= index.max() < len(values):
            return values, index
    return None, None


def _shapes(mesh: Any, count: int) -> tuple[list[str], NDArray[np.float32]]:
    """Names and displacements (K, V, 3) of the mesh's blend shapes."""
    from pxr import UsdSkel

    binding = UsdSkel.BindingAPI(mesh.GetPrim())
    names = [str(name) for name in binding.GetBlendShapesAttr().Get() or []]
    targets = binding.GetBlendShapeTargetsRel().GetForwardedTargets() if names else []
    if len(names) != len(targets):
        raise InputError(f"{mesh.GetPath()} names {len(names)} blend shapes and has {len(targets)}")
    basis = np.zeros((len(names), count, 3), np.float32)
    for row, path in enumerate(targets):
        shape = UsdSkel.BlendShape(mesh.GetPrim().GetStage().GetPrimAtPath(path))
        if not shape or shape.GetInbetweens():
            raise InputError(f"blend shape {path} is missing, or has shapes between, which are not read")
        offsets = np.array(shape.GetOffsetsAttr().Get(), dtype=np.float32).reshape(-1, 3)
        index = np.array(shape.GetPointIndicesAttr().Get() or range(count), dtype=np.int64)
        if len(index) != len(offsets) or (len(index) and not 0 <= index.min() <= index.max() < count):
            raise InputError(f"blend shape {path} does not fit the {count} points of its mesh")
        basis[row, index] = offsets
    return names, basis


def _weights(mesh: Any, names: list[str], codes: Floats) -> Floats:
    """(T, K) weights of the animation that drives the mesh, by name; 0 for what it does not drive."""
    weights, (_, animation) = np.zeros((len(codes), len(names))), _skeleton(mesh)
    if not names or not animation:
        return weights
    driven = {str(name): place for place, name in enumerate(animation.GetBlendShapesAttr().Get() or [])}
    track = animation.GetBlendShapeWeightsAttr()
    if not driven:
        return weights
    moments = codes if track.GetNumTimeSamples() > 1 else codes[:1]
    values = np.array([track.Get(code) for code in moments], dtype=np.float64).reshape(len(moments), -1)
    if values.shape[1] != len(driven):
        raise InputError(f"{animation.GetPath()} has {values.shape[1]} weights of {len(driven)} shapes")
    for column, name in enumerate(names):
        if name in driven:
            weights[:, column] = values[:, driven[name]]
    return weights


def _world(prim: Any, codes: Floats) -> Floats:
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


def _upright(prim: Any, to_ours: Floats) -> Floats:
    """(3, 3) how a prim is turned by the axes and by those above it and itself that do not move."""
    from pxr import UsdGeom

    place = np.eye(4)
    for each in (prim, *_ancestors(prim)):
        if each.IsA(UsdGeom.Xformable) and not UsdGeom.Xformable(each).GetTimeSamples():
            # OpenUSD's matrices act on rows.
            place = np.array(UsdGeom.Xformable(each).GetLocalTransformation()).T @ place
    return turn_of(to_ours @ place)


def _ancestors(prim: Any) -> list[Any]:
    above = []
    while prim := prim.GetParent():
        above.append(prim)
    return above


def _skinned(mesh: Any, part: Part, codes: Floats, to_ours: Floats) -> Part:
    """The part as its joints move it, local to the skeleton; as it is where it has none."""
    from pxr import Usd, UsdSkel

    binding = UsdSkel.BindingAPI(mesh.GetPrim())
    if not binding.GetJointIndicesAttr().HasAuthoredValue():
        return part
    cache, root = UsdSkel.Cache(), UsdSkel.Root.Find(mesh.GetPrim())
    cache.Populate(root, Usd.TraverseInstanceProxies())
    skeleton = binding.GetInheritedSkeleton()
    query, skin = cache.GetSkelQuery(skeleton), cache.GetSkinningQuery(mesh.GetPrim())
    influences = skin.ComputeVaryingJointInfluences(len(part.vertices)) if skin else None
    if not query or influences is None:
        raise InputError(f"{mesh.GetPath()} has joints and no skeleton that they are of")
    if skin.GetSkinningMethod() != UsdSkel.Tokens.classicLinear:
        raise InputError(f"{mesh.GetPath()} is skinned by {skin.GetSkinningMethod()}, which is not read")
    order = list(query.GetJointOrder())
    own = list(binding.GetJointsAttr().Get() or order)
    if not set(own) <= set(order):
        raise InputError(f"{mesh.GetPath()} is moved by joints that its skeleton does not have")
    joints, weights = (np.array(each).reshape(len(part.vertices), -1) for each in influences)
    shares = joint_shares(joints, weights, len(own))
    columns = [order.index(joint) for joint in own]
    # OpenUSD's matrices act on rows.
    bind = np.array(skin.GetGeomBindTransform()).T

    def transforms(code: Any) -> Floats:
        moved = query.ComputeSkinningTransforms(code)
        if moved is None:
            raise InputError(f"{mesh.GetPath()} has a skeleton without a bind or rest pose")
        return np.array(moved)[columns].mT @ bind

    moved = np.stack([transforms(code) for code in codes])
    # The query's own prim would be that of an instance's prototype.
    places = to_ours @ _world(skeleton.GetPrim(), codes)
    rest = np.broadcast_to(bind, moved[0].shape)
    upright = _upright(skeleton.GetPrim(), to_ours)
    return replace(skinned(part, shares, rest, moved), places=places, upright=upright)


def _part(mesh: Any, codes: Floats, to_ours: Floats) -> Part:
    from pxr import Usd

    points = mesh.GetPointsAttr()
    rest = points.Get(Usd.TimeCode.Default())
    rest = np.array(points.Get(codes[0]) if rest is None else rest, dtype=np.float64).reshape(-1, 3)
    motion = None
    if points.GetNumTimeSamples() > 1:
        motion = np.empty((len(codes), *rest.shape), np.float32)
        for frame, code in enumerate(codes):
            motion[frame] = points.Get(code)
    faces, corners, polygons = _faces(mesh, len(rest), codes[0])
    names, targets = (
        _shapes(mesh, len(rest)) if motion is None else ([], np.zeros((0, len(rest), 3), np.float32))
    )
    places = to_ours @ _world(mesh.GetPrim(), codes)
    uv, uv_faces = _uv(mesh, faces, corners, codes[0])
    weights = _weights(mesh, names, codes)
    name = mesh.GetPrim().GetName()
    placed = read_places(mesh, faces, polygons, len(rest))
    said = [mesh.GetPrim().GetCustomDataByKey(key) for key in (FACE_MODEL, HEAD_MOTION)]
    part = Part(name, rest, faces, uv, uv_faces, names, targets, weights, places, motion, *placed, *said)
    part = replace(part, upright=_upright(mesh.GetPrim(), to_ours))
    return _skinned(mesh, part, codes, to_ours)


def read_usd(path: Path, fps: float | None = None) -> Performance:
    """Read all meshes of a stage as one: blend shapes with their weights, or points sampled over time.

    Guides, proxies and what a PointInstancer copies are left out, instances are not. Unit and up axis are
    converted. The motion of the first mesh that moves is the head's; polygons become triangles. What joints
    do by linear blending becomes the residual of the blend shapes, or the motion where there are none: all
    positions of all frames. Vertex groups are the subsets of the mesh.

    Args:
        path: the ``.usda``, ``.usdc`` or ``.usdz`` file.
        fps: frames per second; by default the stage's time codes.

    Raises:
        MissingExtra: usd-core is not installed.
        InputError: a damaged file, or what is not read.
    """
    require_usd()
    from pxr import Tf, Usd, UsdGeom

    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        raise InputError("OpenUSD cannot open it") from error
    meshes = [UsdGeom.Mesh(prim) for prim in _drawn(stage)]
    if not meshes:
        raise InputError("it has no mesh")
    rate, codes = _codes(stage, meshes, fps)
    to_ours = _to_ours(stage)
    return assemble([_part(mesh, codes, to_ours) for mesh in meshes], rate)
