"""USD is read back by OpenUSD: UsdSkel evaluates it, its validators (those of ``usdchecker``) pass it."""

import io
import itertools
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from meshanim._check import InputError
from meshanim.export import export, read_performance
from meshanim.export import usd as usd_writer

pxr = pytest.importorskip("pxr")
from pxr import Ar, Gf, Sdf, Usd, UsdGeom, UsdMedia, UsdShade, UsdSkel, UsdValidation  # noqa: E402

FLOAT32_MM = 2e-4
"""Float32 positions, displacements and rotations at 0.1 m."""
SUFFIXES = ("usda", "usdc", "usdz")


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=-1).max()


def posed_by_usd(path, frames):
    """(N, V, 3) world positions of the mesh at time codes, blend shapes and skeleton applied by UsdSkel."""
    stage = Usd.Stage.Open(str(path))
    UsdSkel.BakeSkinning(Usd.PrimRange(stage.GetPseudoRoot()), Gf.Interval(min(frames), max(frames)))
    mesh = UsdGeom.Mesh(next(prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)))
    world = []
    for frame in frames:
        matrix = np.array(UsdGeom.XformCache(frame).GetLocalToWorldTransform(mesh.GetPrim()))
        points = np.array(mesh.GetPointsAttr().Get(frame), dtype=np.float64)
        world.append(points @ matrix[:3, :3] + matrix[3, :3])
    return np.stack(world)


def wanted_of(performance, frames):
    return performance.pose(performance.vertices()).numpy()[list(frames)]


def complaints(path):
    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadValidatorsByName(
        [data.name for data in registry.GetAllValidatorMetadata()]
    )
    found = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(path)))
    return [f"{error.GetName()}: {error.GetMessage()}" for error in found]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_named_weights_come_back(weighted, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}")
    frames = (0, 6, 11)
    assert millimetres(posed_by_usd(path, frames), wanted_of(weighted, frames)) < FLOAT32_MM
    stage = Usd.Stage.Open(str(path))
    motion = UsdSkel.Animation(next(prim for prim in stage.Traverse() if prim.IsA(UsdSkel.Animation)))
    assert list(motion.GetBlendShapesAttr().Get())[:4] == list(weighted.weight_names)
    weights = np.array([motion.GetBlendShapeWeightsAttr().Get(frame) for frame in range(12)])
    assert weights.min() >= 0 and weights.max() <= 1


@pytest.mark.parametrize("max_error", [1e-3, 1e-4, 1e-6])
def test_principal_components_keep_their_stated_error(moving, tmp_path, max_error):
    path = export(moving, tmp_path / "a.usdc", max_error=max_error)
    found = posed_by_usd(path, range(moving.frame_count))
    error = millimetres(found, wanted_of(moving, range(moving.frame_count)))
    assert error <= 1000 * max_error + FLOAT32_MM
    stage = Usd.Stage.Open(str(path))
    stated = stage.GetRootLayer().customLayerData["largestErrorMillimetres"]
    assert error == pytest.approx(stated, abs=FLOAT32_MM)


@pytest.mark.parametrize("name", ["straight", "arcs"])
def test_eyes_and_jaw_are_joints(request, tmp_path, name):
    performance, frames = request.getfixturevalue(name), (0, 4, 8)
    path = export(performance, tmp_path / "a.usdc")
    assert millimetres(posed_by_usd(path, frames), wanted_of(performance, frames)) <= 0.1 + FLOAT32_MM
    assert complaints(path) == []
    stage = Usd.Stage.Open(str(path))
    motion = UsdSkel.Animation(stage.GetPrimAtPath("/a/skeleton/motion"))
    assert list(motion.GetJointsAttr().Get()) == ["head", "head/jaw", "head/eye_left", "head/eye_right"]
    angles = [2 * np.degrees(np.arccos(turn.GetReal())) for turn in motion.GetRotationsAttr().Get(4)]
    assert angles[0] == 0 and min(angles[1:]) > 10


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_points_are_exact(moving, tmp_path, suffix):
    path = export(moving, tmp_path / f"a.{suffix}", targets="points")
    stage = Usd.Stage.Open(str(path))
    points = UsdGeom.Mesh(stage.GetPrimAtPath("/a/face")).GetPointsAttr()
    assert points.GetTimeSamples() == list(range(moving.frame_count))
    for frame in range(moving.frame_count):
        assert np.array_equal(np.array(points.Get(frame)), moving.motion[frame].numpy())
    frames = (0, 6, 11)
    assert millimetres(posed_by_usd(path, frames), wanted_of(moving, frames)) < FLOAT32_MM


@pytest.mark.parametrize("targets", ["auto", "points"])
def test_stage_says_unit_axis_and_time(moving, tmp_path, targets):
    stage = Usd.Stage.Open(str(export(moving, tmp_path / "my smile.usdc", targets=targets)))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert stage.GetTimeCodesPerSecond() == pytest.approx(23.976)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, moving.frame_count - 1)
    assert stage.GetDefaultPrim().GetName() == "my_smile"


def test_heads_turn_the_short_way_between_frames(moving, tmp_path):
    stage = Usd.Stage.Open(str(export(moving, tmp_path / "a.usdc")))
    turns = [
        UsdGeom.XformCache(time).GetLocalToWorldTransform(stage.GetDefaultPrim()).ExtractRotation()
        for time in np.arange(0, 11, 0.5)
    ]
    step = np.degrees(6.5 / 22)
    for one, other in itertools.pairwise(turns):
        angle = (one.GetInverse() * other).GetAngle()
        assert min(angle, 360 - angle) == pytest.approx(step, abs=0.01)


def test_faces_and_texture_coordinates_are_the_neutral_s(ball, weighted, tmp_path):
    stage = Usd.Stage.Open(str(export(weighted, tmp_path / "a.usda")))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/a/face"))
    assert np.array_equal(np.array(mesh.GetPointsAttr().Get(Usd.TimeCode.Default())), ball.vertices.numpy())
    assert np.array_equal(np.array(mesh.GetFaceVertexIndicesAttr().Get()), ball.faces.flatten().numpy())
    uv = UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").ComputeFlattened()
    assert np.array_equal(np.array(uv), ball.uv[ball.uv_faces].reshape(-1, 2).numpy())


def test_shapes_of_few_vertices_are_sparse(weighted, tmp_path):
    stage = Usd.Stage.Open(str(export(weighted, tmp_path / "a.usda")))
    shape = UsdSkel.BlendShape(stage.GetPrimAtPath("/a/face/jawOpen"))
    assert len(shape.GetPointIndicesAttr().Get()) == len(shape.GetOffsetsAttr().Get()) == 20
    whole = UsdSkel.BlendShape(stage.GetPrimAtPath("/a/face/mouthSmileLeft"))
    assert not whole.GetPointIndicesAttr().HasAuthoredValue()
    assert len(whole.GetOffsetsAttr().Get()) == len(weighted.neutral.vertices)


def test_parts_have_materials(weighted, tmp_path):
    stage = Usd.Stage.Open(str(export(weighted, tmp_path / "a.usda")))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/a/face"))
    subsets = UsdShade.MaterialBindingAPI(mesh).GetMaterialBindSubsets()
    assert [subset.GetPrim().GetName() for subset in subsets] == ["skin", "lips"]
    assert sum(len(subset.GetIndicesAttr().Get()) for subset in subsets) == len(weighted.neutral.faces)
    lips = subsets[1].GetIndicesAttr().Get()
    corners = weighted.neutral.faces[list(lips)]
    assert len(lips) and (((corners >= 20) & (corners < 26)).sum(1) >= 2).all()
    for subset in subsets:
        bound, _ = UsdShade.MaterialBindingAPI(subset.GetPrim()).ComputeBoundMaterial()
        assert bound.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_captured_texture_goes_along(weighted, painted, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}", appearance=painted)
    assert complaints(path) == []
    names = {file.name for file in tmp_path.iterdir()}
    assert names == ({path.name} if suffix == "usdz" else {path.name, "a.png", "a_sound.wav"})
    stage = Usd.Stage.Open(str(path))
    texture = UsdShade.Shader(stage.GetPrimAtPath("/a/materials/skin/colour"))
    file = texture.GetInput("file").Get()
    with Ar.GetResolver().OpenAsset(Ar.ResolvedPath(file.resolvedPath)) as data:
        picture = np.array(Image.open(io.BytesIO(data.GetBuffer())))
    height, width, _ = picture.shape
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/a/face"))
    uv = (
        np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").ComputeFlattened()).reshape(-1, 3, 2).mean(axis=1)
    )
    colours = picture[((1 - uv[:, 1]) * height).astype(int), (uv[:, 0] * width).astype(int)]
    own = weighted.neutral.uv[weighted.neutral.uv_faces].mean(dim=1).numpy()
    # Linear 1.6 x 0.25 = 0.4 is 0.665 in sRGB.
    assert np.abs(colours[own[:, 0] < 0.45] - [170, 0, 0]).max() <= 1
    assert colours[own[:, 0] > 0.55].max() == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_sound_goes_along(weighted, tmp_path, suffix, capfd):
    path = export(weighted, tmp_path / f"a.{suffix}")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "a_sound.wav").exists() == (suffix != "usdz")
    stage = Usd.Stage.Open(str(path))
    sound = UsdMedia.SpatialAudio(stage.GetPrimAtPath("/a/sound"))
    assert sound.GetAuralModeAttr().Get() == "nonSpatial" and sound.GetStartTimeAttr().Get() == 0
    assert sound.GetPlaybackModeAttr().Get() == "onceFromStart"  # to its end, whatever the end time says
    file = sound.GetFilePathAttr().Get()
    with Ar.GetResolver().OpenAsset(Ar.ResolvedPath(file.resolvedPath)) as data:
        content = io.BytesIO(data.GetBuffer())
    with wave.open(content) as played:
        assert (played.getframerate(), played.getnchannels()) == (16000, 1)
        samples = np.frombuffer(played.readframes(played.getnframes()), "<i2") / 32767
    assert samples == pytest.approx(weighted.waveform.numpy(), abs=1e-4)
    back = read_performance(path)
    assert back.waveform is not None and back.sample_rate == weighted.sample_rate
    assert back.waveform.numpy() == pytest.approx(weighted.waveform.numpy(), abs=1e-4)


def test_a_sound_that_begins_late_or_is_not_there_is_read_so(weighted, tmp_path):
    path = export(weighted, tmp_path / "a.usda")
    stage = Usd.Stage.Open(str(path))
    sound = UsdMedia.SpatialAudio(stage.GetPrimAtPath("/a/sound"))
    rate = weighted.sample_rate / stage.GetTimeCodesPerSecond()
    for start in (2, -2):
        sound.GetStartTimeAttr().Set(Sdf.TimeCode(start))
        stage.GetRootLayer().Save()
        moved, late = read_performance(path).waveform, round(start * rate)
        kept = np.pad(weighted.waveform.numpy(), (max(0, late), 0))[max(0, -late) :]
        assert moved is not None and moved.numpy() == pytest.approx(kept, abs=1e-4)
    (tmp_path / "a_sound.wav").write_bytes(b"RIFF and no more")
    with pytest.warns(UserWarning, match="a_sound.wav cannot be read: left out"):
        assert read_performance(path).waveform is None
    (tmp_path / "a_sound.wav").unlink()
    with pytest.warns(UserWarning, match="a_sound.wav is not there"):
        assert read_performance(path).waveform is None


def test_a_sound_whose_path_has_backslashes_is_read(weighted, tmp_path):
    path = export(weighted, tmp_path / "a.usda")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "a_sound.wav").rename(tmp_path / "sounds" / "said.wav")
    path.write_text(path.read_text().replace("@./a_sound.wav@", "@.\\sounds\\said.wav@"))
    read = read_performance(path).waveform
    assert read is not None and read.numpy() == pytest.approx(weighted.waveform.numpy(), abs=1e-4)


@pytest.mark.parametrize("targets", ["auto", "points"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_validators_pass_it(weighted, tmp_path, suffix, targets):
    assert complaints(export(weighted, tmp_path / f"a.{suffix}", targets=targets)) == []


def test_validators_would_complain(tmp_path):
    bare = Usd.Stage.CreateNew(str(tmp_path / "bare.usda"))
    UsdGeom.Mesh.Define(bare, "/mesh")
    bare.Save()
    assert complaints(tmp_path / "bare.usda")


def test_names_that_are_no_identifiers_stay(weighted, tmp_path):
    names = ("jaw-open", "jaw open", "1st", "lächeln")
    stage = Usd.Stage.Open(str(export(replace(weighted, weight_names=names), tmp_path / "a.usda")))
    binding = UsdSkel.BindingAPI(stage.GetPrimAtPath("/a/face"))
    assert list(binding.GetBlendShapesAttr().Get())[:4] == list(names)
    targets = binding.GetBlendShapeTargetsRel().GetTargets()
    assert len(set(targets)) == len(targets) and all(stage.GetPrimAtPath(target) for target in targets)


def test_points_that_no_container_holds_are_refused_before_writing(moving, tmp_path, monkeypatch):
    monkeypatch.setattr(usd_writer, "LARGEST_TEXT", 1000)
    with pytest.raises(InputError, match=r"a\.usda would hold .* choose \.usdc"):
        export(moving, tmp_path / "a.usda", targets="points")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [suffix.upper() for suffix in SUFFIXES])
def test_suffixes_may_be_capital(weighted, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}")
    assert millimetres(posed_by_usd(path, (6,)), wanted_of(weighted, (6,))) < FLOAT32_MM


def test_a_failed_export_does_not_stand_in_the_way_of_the_next(moving, tmp_path):
    broken = moving.motion.clone()
    broken[7, 3, 1] = float("nan")
    for name in ("a.usdc", "a.usda"):
        # The traceback, and so the layer, stays alive.
        with pytest.raises(InputError, match="frame 7") as caught:
            export(replace(moving, motion=broken), tmp_path / name, targets="points")
        assert export(moving, tmp_path / name, targets="points").exists()
        assert caught.tb is not None
    assert torch.isnan(broken).any()
