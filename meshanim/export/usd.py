"""USD: blend shapes under a SkelRoot, or a mesh whose points are sampled over time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meshanim import __version__
from meshanim._check import InputError, MissingExtra, check_choice, check_range
from meshanim._files import atomic_path
from meshanim._progress import Progress
from meshanim.audio import encode_wav
from meshanim.export.beside import picture_path, sound_path, writing_beside
from meshanim.export.frames import head_tracks, local_chunks
from meshanim.export.joints import Rig, fitting_rig, skeleton_of
from meshanim.export.picture import put_on
from meshanim.export.usd_materials import bind_materials
from meshanim.export.usd_places import FACE_MODEL, HEAD_MOTION, name_places
from meshanim.export.usd_shapes import add_blend_shapes
from meshanim.faces import FaceModel
from meshanim.performance import Performance
from meshanim.talking_heads.appearance import Appearance

if TYPE_CHECKING:
    from pxr import Usd

LARGEST_TEXT = 2**31
"""Bytes of positions that a ``.usda`` may spell out; beyond, no reader gets through it."""
LARGEST_PACKAGE = 2**32 - 2**16
"""Bytes of positions in a ``.usdz``, which is a ZIP file with 32-bit sizes."""
_PACKED = time.mktime((1980, 1, 1, 0, 0, 0, 0, 1, -1))
"""When the parts of a package were made, as it says: always at the first moment that a ZIP file can tell (in
local time), so that the same performance gives the same bytes."""


def require_usd() -> None:
    """Raise where OpenUSD's Python package is not installed."""
    try:
        import pxr.Usd  # noqa: F401
    except ImportError as error:
        raise MissingExtra("usd-core", "usd") from error


@contextmanager
def _saving(place: Path, stem: str) -> Iterator[Path]:
    """A file for a layer, which stands at ``place`` when the block ends, as it is or in a package.

    OpenUSD keeps one layer for a name for as long as anything refers to it, a traceback for example, so that
    each gets a folder of its own. Its errors, which have no number, become OSError.
    """
    from pxr import Tf, UsdUtils

    package = place.suffix.lower() == ".usdz"
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as folder:
        layer = Path(folder, stem + (".usdc" if package else place.suffix))
        try:
            yield layer
            if not package:
                layer.replace(place)
                return
            for part in Path(folder).iterdir():
                os.utime(part, (_PACKED, _PACKED))
            if not UsdUtils.CreateNewUsdzPackage(str(layer), str(place), layer.name):
                raise OSError("the package could not be written")
        except Tf.ErrorException as error:
            reasons = [fault.commentary for fault in error.args] or [str(error)]
            raise OSError(" ".join(str(reasons[0]).split())) from error


def _new_stage(layer: Path, performance: Performance, error: float) -> Usd.Stage:
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(layer))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetTimeCodesPerSecond(performance.fps)
    stage.SetFramesPerSecond(performance.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(performance.frame_count - 1)
    stage.SetMetadata("documentation", f"meshanim {__version__}")
    stage.GetRootLayer().customLayerData = {"largestErrorMillimetres": round(1000 * error, 6)}
    return stage


def _add_head_motion(root: Any, performance: Performance) -> None:
    """Rotation and translation of the root, a sample for each frame."""
    from pxr import Gf, UsdGeom

    if performance.head_motion is None:
        return
    rotation, translation = head_tracks(performance.head_motion)
    place, turn = root.AddTranslateOp(), root.AddOrientOp(UsdGeom.XformOp.PrecisionFloat)
    for frame, ((x, y, z, w), shift) in enumerate(zip(rotation.tolist(), translation.tolist(), strict=True)):
        place.Set(Gf.Vec3d(*shift), frame)
        turn.Set(Gf.Quatf(w, x, y, z), frame)


def _add_sound(stage: Usd.Stage, root: str, sound: str | None) -> None:
    """The file ``sound``, heard alike from everywhere, once, from time code 0 on, where one begins by itself.

    That is not spelled out: a time code as a value makes OpenUSD upgrade the file's version, with a warning.
    """
    from pxr import UsdMedia

    if sound is None:
        return
    audio = UsdMedia.SpatialAudio.Define(stage, f"{root}/sound")
    audio.CreateFilePathAttr(sound)
    audio.CreateAuralModeAttr(UsdMedia.Tokens.nonSpatial)
    audio.CreatePlaybackModeAttr(UsdMedia.Tokens.onceFromStart)


def _points(array: NDArray[np.float32]) -> Any:
    from pxr import Vt

    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(array, dtype=np.float32))


def _extent(points: NDArray[np.float32]) -> Any:
    return _points(np.stack([points.min(0), points.max(0)]))


def _add_mesh(stage: Usd.Stage, path: str, performance: Performance, picture: str | None) -> Any:
    """The neutral: points in their order, faces, texture coordinates, materials."""
    from pxr import Sdf, UsdGeom, Vt

    mesh = performance.neutral
    vertices, faces = mesh.vertices.numpy(), mesh.faces.numpy().astype(np.int32)
    shape = UsdGeom.Mesh.Define(stage, path)
    shape.CreatePointsAttr(_points(vertices))
    shape.CreateExtentAttr(_extent(vertices))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, dtype=np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.ravel()))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    if mesh.uv is not None and mesh.uv_faces is not None:
        primvars = UsdGeom.PrimvarsAPI(shape)
        uv = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
        uv.Set(Vt.Vec2fArray.FromNumpy(mesh.uv.numpy().astype(np.float32)))
        uv.SetIndices(Vt.IntArray.FromNumpy(mesh.uv_faces.numpy().astype(np.int32).ravel()))
    bind_materials(stage, shape, mesh, picture)
    name_places(shape, mesh)
    if performance.face_model:
        shape.GetPrim().SetCustomDataByKey(FACE_MODEL, performance.face_model)
    if performance.head_motion is not None:
        shape.GetPrim().SetCustomDataByKey(HEAD_MOTION, True)
    return shape


def _write_shapes(performance: Performance, layer: Path, name: str, rig: Rig, files: dict[str, str]) -> None:
    from pxr import UsdSkel

    stage = _new_stage(layer, performance, rig.targets.error)
    root = UsdSkel.Root.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    _add_head_motion(root, performance)
    mesh = _add_mesh(stage, f"/{name}/face", performance, files.get(".png"))
    _add_sound(stage, f"/{name}", files.get(".wav"))
    add_blend_shapes(stage, f"/{name}", mesh, rig)
    stage.Save()


def _write_points(
    performance: Performance, layer: Path, name: str, progress: Progress | None, files: dict[str, str]
) -> None:
    """Saved chunk by chunk: what is saved, OpenUSD keeps on disk."""
    from pxr import UsdGeom

    stage = _new_stage(layer, performance, 0.0)
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    _add_head_motion(root, performance)
    mesh = _add_mesh(stage, f"/{name}/face", performance, files.get(".png"))
    _add_sound(stage, f"/{name}", files.get(".wav"))
    points, extent = mesh.GetPointsAttr(), mesh.GetExtentAttr()
    for start, chunk in local_chunks(performance, progress):
        for index, positions in enumerate(chunk.numpy()):
            points.Set(_points(positions), start + index)
            extent.Set(_extent(positions), start + index)
        stage.Save()


def _check_room(performance: Performance, path: Path) -> None:
    """Raise where all positions would not fit into the container that ``path`` names."""
    room = {".usda": LARGEST_TEXT, ".usdz": LARGEST_PACKAGE}.get(path.suffix.lower())
    size = 12 * performance.frame_count * len(performance.neutral.vertices)
    if room is not None and size > room:
        raise InputError(
            f"{path} would hold {size / 2**30:.1f} GiB of positions, at most {room / 2**30:.0f} GiB fit; "
            "choose .usdc, or blend shapes"
        )


def _beside(performance: Performance, path: Path, picture: bytes | None) -> dict[Path, bytes]:
    """Files that the layer refers to."""
    found = {} if picture is None else {picture_path(path): picture}
    if performance.waveform is not None and performance.sample_rate is not None:
        found[sound_path(path)] = encode_wav(performance.waveform, performance.sample_rate)
    return found


def write_usd(
    performance: Performance,
    path: Path,
    progress: Progress | None = None,
    targets: str = "auto",
    max_error: float = 1e-4,
    appearance: Appearance | None = None,
    face: FaceModel | None = None,
    joints: bool = True,
) -> None:
    """Write one mesh with blend shapes and an animation of their weights, or with sampled points.

    Frame t stands at time code t, ``timeCodesPerSecond`` is the frame rate; metres, Y up. Head motion is the
    root's rotation and translation. Eyes and jaw turn as joints of the skeleton where the face has some, and
    the shapes hold what these leave, as in :func:`meshanim.export.glb.write_glb`, all with weights in [0, 1],
    which Blender clamps; the error really made stands in ``customLayerData``. Vertex groups are subsets of
    the mesh's points. The sound, where there is one, is a SpatialAudio that plays a WAV file: inside a
    ``.usdz``, else beside the file as ``NAME_sound.wav``. Blender plays a time code per frame at the rate of
    its scene, which must be set to this one.

    Args:
        performance: what to write.
        path: the ``.usda``, ``.usdc`` or ``.usdz`` file.
        progress: told the frames done and in all.
        targets: "auto", "components" (principal ones in any case), or "points": no blend shapes, but the
            positions of every frame, exact and large.
        max_error: metres.
        appearance: whose texture to put on: inside a ``.usdz``, else beside the file as ``.png``.
        face: the model whose joints these are; the built-in one is known by the performance's name of it.
        joints: False for blend shapes alone.

    Raises:
        MissingExtra: usd-core is not installed.
        InputError: more than 1,024 components for ``max_error``, more points than the container holds.
    """
    check_choice("targets", targets, ("auto", "components", "points"))
    check_range("max_error", max_error, 0, open_low=True)
    require_usd()
    from pxr import Tf

    name = Tf.MakeValidIdentifier(path.stem)
    if targets == "points":
        _check_room(performance, path)
    else:
        skeleton = skeleton_of(performance, face) if joints else None
        rig = fitting_rig(performance, skeleton, targets == "auto", max_error, progress)
    mesh, picture = put_on(performance.neutral, appearance)
    performance, beside = replace(performance, neutral=mesh), _beside(performance, path, picture)
    with ExitStack() as stack:
        place = stack.enter_context(atomic_path(path))
        if path.suffix.lower() != ".usdz":
            for file, content in beside.items():
                stack.enter_context(writing_beside(path, file, content))
        layer = stack.enter_context(_saving(place, path.stem))
        for file, content in beside.items():
            layer.with_name(file.name).write_bytes(content)
        files = {file.suffix: f"./{file.name}" for file in beside}
        if targets == "points":
            _write_points(performance, layer, name, progress, files)
        else:
            _write_shapes(performance, layer, name, rig, files)
