"""A performance from a USD stage: blend shapes or sampled points, and what carries them."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional

from meshanim._check import InputError
from meshanim.audio import read_sound
from meshanim.export.parts import Floats, Part, assemble
from meshanim.export.skinning import joint_shares, skinned
from meshanim.export.usd import require_usd
from meshanim.export.usd_places import FACE_MODEL, HEAD_MOTION, read_places
from meshanim.export.usd_stage import codes_of, drawn, skeleton_of, to_ours_of, upright_of, world
from meshanim.mesh.obj import fans
from meshanim.performance import Performance


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
    corners, polygon = fans(sizes)
    if str(mesh.GetOrientationAttr().Get()) == "leftHanded":
        corners = corners[:, ::-1]
    return index[corners], corners, polygon


def _uv(mesh: Any, faces: NDArray, corners: NDArray, code: float) -> tuple[NDArray | None, NDArray | None]:
    """Texture coordinates and their indices, where the mesh has some per corner or per point."""
    from pxr import UsdGeom

    tokens = UsdGeom.Tokens
    for primvar in UsdGeom.PrimvarsAPI(mesh).GetPrimvarsWithValues():
        placed = primvar.GetInterpolation() in (tokens.faceVarying, tokens.vertex, tokens.varying)
        if "texCoord2" not in str(primvar.GetTypeName()) or not placed:
            continue
        values, index = np.array(primvar.Get(code), dtype=np.float32), primvar.GetIndices(code)
        place = corners if primvar.GetInterpolation() == tokens.faceVarying else faces
        index = np.array(index, dtype=np.int64)[place] if index else place
        if len(values) and index.size and 0 <= index.min() <= index.max() < len(values):
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
        offsets = np.array(shape.GetOffsetsAttr().Get() or [], dtype=np.float32).reshape(-1, 3)
        if not len(offsets):
            continue  # moves nothing
        index = np.array(shape.GetPointIndicesAttr().Get() or range(count), dtype=np.int64)
        if len(index) != len(offsets) or (len(index) and not 0 <= index.min() <= index.max() < count):
            raise InputError(f"blend shape {path} does not fit the {count} points of its mesh")
        basis[row, index] = offsets
    return names, basis


def _weights(mesh: Any, names: list[str], codes: Floats) -> Floats:
    """(T, K) weights of the animation that drives the mesh, by name; 0 for what it does not drive."""
    weights, (_, animation) = np.zeros((len(codes), len(names))), skeleton_of(mesh)
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


def _skinned(mesh: Any, part: Part, codes: Floats, to_ours: Floats) -> Part:
    """The part as its joints move it, local to the skeleton; as it is where it has none."""
    from pxr import Usd, UsdSkel

    binding = UsdSkel.BindingAPI(mesh.GetPrim())
    if not binding.GetJointIndicesAttr().HasAuthoredValue():
        return part
    cache, root = UsdSkel.Cache(), UsdSkel.Root.Find(mesh.GetPrim())
    if not root:
        raise InputError(
            f"{mesh.GetPath()} has joints, and stands below no SkelRoot, where they would move it"
        )
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
    places = to_ours @ world(skeleton.GetPrim(), codes)
    rest = np.broadcast_to(bind, moved[0].shape)
    upright = upright_of(skeleton.GetPrim(), to_ours)
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
            placed = points.Get(code) or []
            if len(placed) != len(rest):
                raise InputError(
                    f"{mesh.GetPath()} must have as many points at all times, got {len(rest)} at first and "
                    f"{len(placed)} at time code {code:g}"
                )
            motion[frame] = placed
    faces, corners, polygons = _faces(mesh, len(rest), codes[0])
    names, targets = (
        _shapes(mesh, len(rest)) if motion is None else ([], np.zeros((0, len(rest), 3), np.float32))
    )
    places = to_ours @ world(mesh.GetPrim(), codes)
    uv, uv_faces = _uv(mesh, faces, corners, codes[0])
    weights = _weights(mesh, names, codes)
    name = mesh.GetPrim().GetName()
    placed = read_places(mesh, faces, polygons, len(rest))
    said = [mesh.GetPrim().GetCustomDataByKey(key) for key in (FACE_MODEL, HEAD_MOTION)]
    part = Part(name, rest, faces, uv, uv_faces, names, targets, weights, places, motion, *placed, *said)
    part = replace(part, upright=upright_of(mesh.GetPrim(), to_ours))
    return _skinned(mesh, part, codes, to_ours)


def _heard(stage: Any, codes: Floats) -> dict[str, Any]:
    """The first sound of a stage as a performance with frames at time codes has it."""
    from pxr import Ar, UsdMedia

    found = (UsdMedia.SpatialAudio(prim) for prim in stage.Traverse() if prim.IsA(UsdMedia.SpatialAudio))
    audio = next(found, None)
    asset = None if audio is None else audio.GetFilePathAttr().Get()
    if audio is None or not asset:
        return {}
    place = asset.resolvedPath
    if not place:
        # as some programs on Windows part folders, and OpenUSD elsewhere does not
        layer = audio.GetFilePathAttr().GetPropertyStack()[0].layer
        place = layer.ComputeAbsolutePath(asset.path.replace("\\", "/"))
    content = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(place))
    if content is None:
        warnings.warn(f"the sound {asset.path} is not there: left out", stacklevel=2)
        return {}
    with tempfile.TemporaryDirectory() as folder:  # it may lie inside of a .usdz
        copy = Path(folder) / "sound"
        copy.write_bytes(bytes(content.GetBuffer()))
        try:
            sound = read_sound(copy)
        except InputError:
            warnings.warn(f"the sound {asset.path} cannot be read: left out", stacklevel=2)
            return {}
    start = float(audio.GetStartTimeAttr().Get())
    if start > codes[-1]:
        return {}
    late = round((start - float(codes[0])) / stage.GetTimeCodesPerSecond() * sound.sample_rate)
    waveform = functional.pad(sound.waveform[max(0, -late) :], (max(0, late), 0))
    return {"waveform": waveform, "sample_rate": sound.sample_rate} if len(waveform) else {}


def read_usd(path: Path, fps: float | None = None) -> Performance:
    """Read all meshes of a stage as one: blend shapes with their weights, or points sampled over time.

    Guides, proxies, what is hidden and what a PointInstancer copies are left out, instances are not. Unit and
    up axis are converted. The motion of the first mesh that moves is the head's; polygons become triangles.
    What joints do by linear blending becomes the residual of the blend shapes, or the motion where there are
    none: all positions of all frames. Vertex groups are the subsets of the mesh. The first sound goes along;
    one whose file is not there, or cannot be read, is left out, with a warning.

    Args:
        path: the ``.usd``, ``.usda``, ``.usdc`` or ``.usdz`` file.
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
    meshes = [UsdGeom.Mesh(prim) for prim in drawn(stage)]
    if not meshes:
        raise InputError("it has no mesh that is shown")
    rate, codes = codes_of(stage, meshes, fps)
    to_ours = to_ours_of(stage)
    read = assemble([_part(mesh, codes, to_ours) for mesh in meshes], rate)
    return replace(read, **_heard(stage, codes))
