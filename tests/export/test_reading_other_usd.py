"""USD files as other programs write them become performances."""

from dataclasses import replace

import numpy as np
import pytest
from reading import CORNERS, FLOAT32_MM, millimetres, posed, read
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export import export


def test_faces_and_texture_coordinates_that_are_sampled_over_time(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Sdf, Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    mesh = UsdGeom.Mesh.Define(stage, "/square")
    uv = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, "vertex")
    for code in (1, 2, 3):
        mesh.CreatePointsAttr().Set([(0, 0, code), (1, 0, 0), (1, 1, 0), (0, 1, 0)], code)
        mesh.CreateFaceVertexCountsAttr().Set([4], code)
        mesh.CreateFaceVertexIndicesAttr().Set([0, 1, 2, 3], code)
        uv.Set([(0, 0), (1, 0), (1, 1), (0, 1)], code)
    stage.Save()
    back = read(tmp_path / "a.usda")
    assert back.neutral.faces.tolist() == back.neutral.uv_faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert back.neutral.uv.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert posed(back)[:, 0, 2].tolist() == [1, 2, 3]


def test_usd_of_other_axes_units_and_polygons(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageUpAxis(stage, "Z")
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    mesh = UsdGeom.Mesh.Define(stage, "/top/square")
    mesh.CreatePointsAttr([(0, 0, 0), (100, 0, 0), (100, 0, 100), (0, 0, 100), (0, 50, 50)])
    mesh.CreateFaceVertexCountsAttr([4, 3])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3, 0, 1, 4])
    stage.Save()
    back = read(tmp_path / "a.usda")
    # Z up in centimetres: (x, y, z) is (x, z, -y) / 100.
    wanted = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0.5, -0.5]]
    assert posed(back)[0] == pytest.approx(np.array(wanted), abs=1e-6)
    assert back.neutral.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 4]]


@pytest.mark.parametrize("turned_by", ["axis", "prim"])
def test_a_head_that_moves_in_usd_with_z_up_is_upright_without_its_motion(tmp_path, turned_by):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    UsdGeom.SetStageUpAxis(stage, "Z" if turned_by == "axis" else "Y")
    top, head = (UsdGeom.Xform.Define(stage, path) for path in ("/top", "/top/head"))
    if turned_by == "prim":
        top.AddRotateXOp().Set(-90)
    place, turn = head.AddTranslateOp(), head.AddRotateZOp()
    for code, angle in ((0, 0), (1, 30)):
        place.Set((0, 0, 10 * code), code)
        turn.Set(angle, code)
    mesh = UsdGeom.Mesh.Define(stage, "/top/head/mesh")
    mesh.CreatePointsAttr([(0, 0, 0), (100, 0, 0), (0, -20, 100)])
    mesh.CreateFaceVertexCountsAttr([3])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
    stage.Save()
    back = read(tmp_path / "a.usda")
    # Up is along Y, in front along Z, in metres; a turn about the vertical is one about Y.
    assert back.neutral.vertices.numpy() == pytest.approx(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.2]]), abs=1e-6
    )
    assert back.head_motion.numpy() == pytest.approx(
        np.array([[0] * 6, [0, np.pi / 6, 0, 0, 0.1, 0]]), abs=1e-6
    )


def test_a_mesh_that_is_turned_up_by_what_moves_the_head_keeps_its_own_axes(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Gf, Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    UsdGeom.SetStageUpAxis(stage, "Z")
    mesh = UsdGeom.Mesh.Define(stage, "/mesh")
    turn = mesh.AddOrientOp()
    for code, angle in ((0, 0.0), (1, 0.5)):
        x, y, z, w = (Rotation.from_euler("X", np.pi / 2) * Rotation.from_euler("Y", angle)).as_quat()
        turn.Set(Gf.Quatf(w, x, y, z), code)
    mesh.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (0, 1, 0.2)])
    mesh.CreateFaceVertexCountsAttr([3])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
    stage.Save()
    back = read(tmp_path / "a.usda")
    assert back.neutral.vertices[2].tolist() == pytest.approx([0, 1, 0.2])
    assert back.head_motion[1].numpy() == pytest.approx(np.array([0, 0.5, 0, 0, 0, 0]), abs=1e-6)


def joint_in_usd(path, shift, count, method="classicLinear"):
    """Bind all of our mesh to the joint of its skeleton, and move that by ``shift`` in frame 5."""
    from pxr import Gf, Usd, UsdSkel, Vt

    stage = Usd.Stage.Open(str(path))
    binding = UsdSkel.BindingAPI(stage.GetPrimAtPath("/a/face"))
    binding.CreateJointIndicesPrimvar(False, 1).Set(Vt.IntArray(count))
    binding.CreateJointWeightsPrimvar(False, 1).Set(Vt.FloatArray(count, 1.0))
    motion = UsdSkel.Animation(stage.GetPrimAtPath("/a/skeleton/motion"))
    motion.CreateJointsAttr(["head"])
    motion.CreateRotationsAttr([Gf.Quatf(1)])
    motion.CreateScalesAttr([Gf.Vec3h(1)])
    motion.CreateTranslationsAttr().Set([Gf.Vec3f(0)], 4)
    motion.GetTranslationsAttr().Set([Gf.Vec3f(0, shift, 0)], 5)
    binding.CreateSkinningMethodAttr(method)
    stage.Save()


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_joints_of_usd_move_their_mesh(weighted, tmp_path, shift):
    pytest.importorskip("pxr")
    path = export(replace(weighted, head_motion=None), tmp_path / "a.usda")
    joint_in_usd(path, shift, len(weighted.neutral.vertices))
    back = read(path)
    wanted = weighted.vertices().numpy()
    wanted[5:, :, 1] += shift
    assert millimetres(posed(back), wanted) < FLOAT32_MM
    assert back.weight_names == weighted.weight_names and (back.residual is None) == (shift == 0)


def test_skinning_that_is_not_linear_is_named(weighted, tmp_path):
    pytest.importorskip("pxr")
    path = export(weighted, tmp_path / "a.usda")
    joint_in_usd(path, 0.1, len(weighted.neutral.vertices), "dualQuaternion")
    with pytest.raises(InputError, match="skinned by dualQuaternion, which is not read"):
        read(path)


def test_subsets_of_faces_are_groups(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    mesh = UsdGeom.Mesh.Define(stage, "/square")
    mesh.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0.5, 0.5)])
    mesh.CreateFaceVertexCountsAttr([4, 3])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3, 0, 1, 4])
    for name, face in (("lips", 0), ("eyes", 1)):
        UsdGeom.Subset.CreateGeomSubset(mesh, name, UsdGeom.Tokens.face, [face])
    stage.Save()
    groups = {name: group.tolist() for name, group in read(tmp_path / "a.usda").neutral.groups.items()}
    assert groups == {"lips": [0, 1, 2, 3], "eyes": [0, 1, 4]}


def test_shapes_that_an_animation_of_joints_does_not_drive_stay_at_rest(weighted, tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd

    path = export(replace(weighted, head_motion=None), tmp_path / "a.usda")
    joint_in_usd(path, 0.1, len(weighted.neutral.vertices))
    stage = Usd.Stage.Open(str(path))
    for name in ("blendShapes", "blendShapeWeights"):
        stage.GetPrimAtPath("/a/skeleton/motion").RemoveProperty(name)
    stage.Save()
    back = read(path)
    wanted = weighted.neutral.vertices.expand(back.frame_count, -1, -1).clone()
    wanted[5:, :, 1] += 0.1
    assert not back.weights.any() and millimetres(posed(back), wanted) < FLOAT32_MM


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_instances_are_read(weighted, tmp_path, shift):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    path = export(weighted, tmp_path / "a.usda")
    joint_in_usd(path, shift, len(weighted.neutral.vertices))
    stage = Usd.Stage.CreateNew(str(tmp_path / "b.usda"))
    UsdGeom.SetStageUpAxis(stage, "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    stage.SetTimeCodesPerSecond(30)
    top = stage.DefinePrim("/top")
    top.GetReferences().AddReference("./a.usda")
    top.SetInstanceable(True)
    stage.Save()
    alone, back = read(path), read(tmp_path / "b.usda")
    assert back.weight_names == weighted.weight_names
    assert np.array_equal(posed(back), posed(alone)) and (back.residual is None) == (shift == 0)


@pytest.mark.parametrize("suffix", ["usda", "usdc"])
def test_a_usd_may_be_named_so_whatever_is_in_it(weighted, tmp_path, suffix):
    path = export(weighted, tmp_path / f"a.{suffix}")
    alone = read(path)
    back = read(path.rename(tmp_path / "a.usd"))
    assert np.array_equal(posed(back), posed(alone)) and back.waveform is not None


def test_guides_and_proxies_are_left_out(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    for height, purpose in enumerate(("guide", "default", "proxy", "render")):
        above = UsdGeom.Xform.Define(stage, f"/{purpose}")
        above.CreatePurposeAttr(purpose)
        mesh = UsdGeom.Mesh.Define(stage, f"/{purpose}/mesh")
        mesh.CreatePointsAttr([(0, height, 0), (1, height, 0), (0, height, 1)])
        mesh.CreateFaceVertexCountsAttr([3])
        mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
    stage.Save()
    assert posed(read(tmp_path / "a.usda"))[0, :, 1].tolist() == [1, 1, 1, 3, 3, 3]


def test_hidden_meshes_are_left_out(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    for height, name in enumerate(("hidden", "blinking", "shown")):
        above = UsdGeom.Xform.Define(stage, f"/{name}")
        mesh = UsdGeom.Mesh.Define(stage, f"/{name}/mesh")
        mesh.CreatePointsAttr([(0, height, 0), (1, height, 0), (0, height, 1)])
        mesh.CreateFaceVertexCountsAttr([3])
        mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
        if name == "hidden":
            above.MakeInvisible()
        elif name == "blinking":
            above.CreateVisibilityAttr().Set("invisible", 1)
            above.GetVisibilityAttr().Set("inherited", 2)
    stage.Save()
    assert posed(read(tmp_path / "a.usda"))[0, :, 1].tolist() == [1, 1, 1, 2, 2, 2]
    for name in ("blinking", "shown"):
        stage.RemovePrim(f"/{name}")
    stage.Save()
    with pytest.raises(InputError, match="no mesh that is shown"):
        read(tmp_path / "a.usda")


def test_meshes_that_are_not_drawn_by_themselves_are_left_out(tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "a.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    UsdGeom.PointInstancer.Define(stage, "/hair")
    UsdGeom.Mesh.Define(stage, "/of_no_points")
    for path in ("/hair/strand", "/face"):
        mesh = UsdGeom.Mesh.Define(stage, path)
        mesh.CreatePointsAttr([tuple(corner) for corner in CORNERS.tolist()])
        mesh.CreateFaceVertexCountsAttr([3])
        mesh.CreateFaceVertexIndicesAttr([0, 1, 2])
    stage.Save()
    assert read(tmp_path / "a.usda").neutral.vertices.tolist() == CORNERS.tolist()


@pytest.mark.parametrize("count", [0, 4])
def test_points_that_come_or_go_are_named(moving, tmp_path, count):
    pytest.importorskip("pxr")
    from pxr import Sdf, Usd, UsdGeom

    path = export(moving, tmp_path / "a.usda", targets="points")
    stage = Usd.Stage.Open(str(path))
    points = next(UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)).GetPointsAttr()
    # a value that is blocked hides the mesh
    points.Set([(0, 0, 0)] * count if count else Sdf.ValueBlock(), 2)
    stage.Save()
    with pytest.raises(InputError, match=f"as many points at all times, got .* and {count} at time code 2"):
        read(path)


@pytest.mark.parametrize("name", ["metersPerUnit", "timeCodesPerSecond"])
@pytest.mark.parametrize("value", ["0", "-1", "inf"])
def test_units_of_a_stage_that_are_none_are_named(weighted, tmp_path, name, value):
    pytest.importorskip("pxr")
    path = export(weighted, tmp_path / "a.usda")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(f"    {name} = {value}\n" if name in line else line for line in lines))
    with pytest.raises(InputError, match=f"{name} must be above 0"):
        read(path)


def test_a_blend_shape_may_move_nothing(weighted, tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdSkel

    path = export(replace(weighted, head_motion=None), tmp_path / "a.usda")
    stage = Usd.Stage.Open(str(path))
    shape = UsdSkel.BlendShape(stage.GetPrimAtPath("/a/face/jawOpen"))
    shape.GetOffsetsAttr().Set([])
    shape.CreatePointIndicesAttr([])
    stage.GetPrimAtPath("/a/face/browDownLeft").RemoveProperty("offsets")
    stage.Save()
    back = read(path)
    moves = dict(zip(back.weight_names, back.basis.any(dim=(1, 2)).tolist(), strict=True))
    assert not moves["jawOpen"] and not moves["browDownLeft"] and moves["mouthSmileLeft"]


def test_joints_of_a_mesh_below_no_skelroot_are_named(weighted, tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd

    path = export(weighted, tmp_path / "a.usda")
    joint_in_usd(path, 0.1, len(weighted.neutral.vertices))
    stage = Usd.Stage.Open(str(path))
    stage.GetPrimAtPath("/a").SetTypeName("Xform")
    stage.Save()
    with pytest.raises(InputError, match="stands below no SkelRoot"):
        read(path)


@pytest.mark.parametrize("interpolation", ["uniform", "constant"])
def test_texture_coordinates_of_whole_faces_are_passed_over(weighted, tmp_path, interpolation):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    path = export(weighted, tmp_path / "a.usda")
    stage = Usd.Stage.Open(str(path))
    UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/a/face")).GetPrimvar("st").SetInterpolation(interpolation)
    stage.Save()
    assert read(path).neutral.uv is None


def without_range(path):
    """Our own stage as one whose root layer says nothing about times."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(line for line in lines if "startTimeCode" not in line and "endTimeCode" not in line)
    )


@pytest.mark.parametrize("kept", ["weights", "head"])
def test_a_stage_without_a_range_lasts_as_long_as_what_moves_in_it(weighted, tmp_path, kept):
    pytest.importorskip("pxr")
    wanted = replace(weighted, head_motion=None) if kept == "weights" else weighted
    if kept == "head":
        wanted = replace(weighted, weights=weighted.weights * 0)
    without_range(export(wanted, tmp_path / "a.usda"))
    back = read(tmp_path / "a.usda")
    assert back.fps == weighted.fps and millimetres(posed(back), posed(wanted)) < FLOAT32_MM


def test_a_stage_that_refers_to_another_has_its_motion(weighted, tmp_path):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    export(weighted, tmp_path / "a.usda")
    stage = Usd.Stage.CreateNew(str(tmp_path / "b.usda"))
    UsdGeom.SetStageUpAxis(stage, "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    stage.SetTimeCodesPerSecond(30)
    stage.OverridePrim("/top").GetReferences().AddReference("./a.usda")
    stage.Save()
    back = read(tmp_path / "b.usda")
    assert back.fps == 30 and millimetres(posed(back), posed(weighted)) < FLOAT32_MM
