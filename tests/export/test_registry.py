"""Whatever goes wrong ends in one sentence, leaves nothing behind and keeps the older file."""

import errno
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from meshanim._check import InputError, MissingExtra
from meshanim.export import FORMATS, SEQUENCES, check_targets, export, write_obj, written_files
from meshanim.export.registry import POINTS
from meshanim.mesh import Mesh

SMALL: dict[str, dict[str, Any]] = {".mp4": {"size": (32, 32)}, ".gif": {"size": (32, 32)}}
SLOW = (".abc", ".fbx", ".blend")
"""What starts a Blender, see ``test_blender.py``."""
TARGETS = [*(f"a{suffix}" for suffix in FORMATS if suffix not in SLOW), "a_obj/", "a_ply/"]
ALL_TARGETS = [*TARGETS, *(f"a{suffix}" for suffix in SLOW)]
WITH_VERTICES = [target for target in TARGETS if target != "a.csv"]


def write(performance, folder, target):
    options = {"format": "ply"} if "ply" in target else SMALL.get(Path(target).suffix, {})
    return export(performance, f"{folder}/{target}", **options)


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_a_new_file_stands_alone(weighted, tmp_path, target):
    written = write(weighted, tmp_path, f"new/deep/{target}")
    assert written.exists()
    standing = {file.name for file in (tmp_path / "new" / "deep").iterdir()}
    beside = {"a.pc2": {"a.obj"}, "a.mdd": {"a.obj"}, "a.usda": {"a_sound.wav"}, "a.usdc": {"a_sound.wav"}}
    assert standing == {written.name} | beside.get(target, set())


@pytest.mark.parametrize("target", TARGETS)
def test_a_full_disk_leaves_nothing_behind(weighted, files_no_larger_than, tmp_path, target):
    with files_no_larger_than(700), pytest.raises(OSError, match="cannot be written: ") as caught:
        write(weighted, tmp_path, f"new/{target}")
    assert "File too large" in str(caught.value) and "Errno" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_full_disk_keeps_the_older_file(weighted, files_no_larger_than, tmp_path, target):
    write(weighted, tmp_path, target)
    before = tree(tmp_path)
    with files_no_larger_than(700), pytest.raises(OSError, match="cannot be written: "):
        write(weighted.slice(0, 5), tmp_path, target)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("target", WITH_VERTICES)
def test_a_frame_that_is_not_finite_is_named(moving, tmp_path, target):
    write(moving, tmp_path, target)
    before = tree(tmp_path)
    broken = moving.motion.clone()
    broken[7, 3, 1] = float("nan")
    with pytest.raises(InputError, match="vertices must be finite, got a NaN or an infinity in frame 7"):
        write(replace(moving, motion=broken), tmp_path, target)
    assert tree(tmp_path) == before


def test_no_space_left_is_said_as_such(moving, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"a\.npz cannot be written: No space left on device"):
        export(moving, tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_interruption_leaves_nothing_behind(moving, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    for target in WITH_VERTICES:
        with pytest.raises(KeyboardInterrupt):
            export(moving, f"{tmp_path}/{target}", progress=stop, **SMALL.get(Path(target).suffix, {}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.stl", "a.obj", "a"])
def test_unknown_suffix_names_the_known_ones(moving, tmp_path, name):
    with pytest.raises(InputError, match=r"must end in one of \.glb, \.gltf, \.npz, .*\.usda, .*\.gif, or"):
        export(moving, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_folder_where_a_file_should_go(moving, tmp_path, suffix):
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(InputError, match=rf"a\{suffix} must be a file to write, but it is a folder"):
        export(moving, tmp_path / f"a{suffix}")


@pytest.mark.parametrize("target", [*ALL_TARGETS, "a.glb/"])
def test_a_file_where_a_folder_should_go(moving, tmp_path, target):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"must lie in a folder, but .*file is a file"):
        write(moving, tmp_path / "file", target)
    if target.endswith("/"):
        (tmp_path / target).write_text("x")
        with pytest.raises(InputError, match=r"must be a folder to write, but it is a file"):
            write(moving, tmp_path, target)


@pytest.mark.parametrize("target", ALL_TARGETS)
def test_a_read_only_folder_is_one_sentence(moving, tmp_path, monkeypatch, target):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"a.* cannot be written: no permission to write in .*\S$"):
        write(moving, tmp_path, target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_that_turns_out_to_be_read_only(weighted, target):
    # The kernel lets nobody make files in /proc, not even root, whom permissions do not stop.
    with pytest.raises(OSError, match=r"^/proc/a.* cannot be written: [^\n]*$"):
        write(weighted, "/proc", target)


def test_a_sequence_needs_the_folder_that_its_own_lies_in(moving, tmp_path, monkeypatch):
    folder = write(moving, tmp_path, "a_obj/")
    before = tree(tmp_path)
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path)
    with pytest.raises(PermissionError, match=f"a_obj cannot be written: no .* in {tmp_path}$"):
        write(moving, tmp_path, "a_obj/")
    monkeypatch.undo()
    (folder / "inner").mkdir()
    with pytest.raises(InputError, match="so it must hold files only, got folder inner"):
        check_targets([f"{folder}/"])
    assert tree(tmp_path) == before


def test_targets_are_checked_before_any_work(tmp_path):
    assert check_targets([tmp_path / "a.glb", f"{tmp_path}/b/"]) == [tmp_path / "a.glb", tmp_path / "b"]
    with pytest.raises(InputError, match=r"a\.glb is given twice"):
        check_targets([tmp_path / "a.glb", f"{tmp_path}/./a.glb"])
    with pytest.raises(InputError, match="must end in one of"):
        check_targets([tmp_path / "a.glb", tmp_path / "a.xyz"])
    with pytest.raises(InputError, match="must be a path, got an empty one"):
        check_targets([""])
    with pytest.raises(InputError, match=r"b\.mp4 must lie in a folder, but .*a\.glb is a file to write"):
        check_targets([tmp_path / "a.glb", tmp_path / "a.glb" / "b.mp4"])
    assert check_targets([f"{tmp_path}/b/", tmp_path / "b" / "c.mp4"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["x/a.npz", "a.npz", "x/a_obj/"])
def test_a_folder_that_takes_no_files_is_said_before_any_work(tmp_path, target):
    with pytest.raises(OSError, match=r"^/proc/(a|x/a).* cannot be written: /proc takes no files"):
        check_targets([tmp_path / "a.npz", f"/proc/{target}"])


def test_a_link_to_nothing_is_no_folder_to_write_in(moving, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"must lie in a folder, but .*link is a link to what is not there"):
        check_targets([tmp_path / "link" / "a.npz"])
    # A sequence goes where a link leads, whether that is there yet or not.
    assert check_targets([f"{tmp_path}/link/"])
    assert (export(moving, f"{tmp_path}/link/") / "..").resolve() == tmp_path
    assert (tmp_path / "nowhere").is_dir()


BESIDE = {"a.pc2": "a.obj", "a.mdd": "a.obj", "a.usda": "a_sound.wav", "a.usdc": "a_sound.wav"}


@pytest.mark.parametrize("target", BESIDE)
def test_what_goes_beside_a_file_never_takes_the_place_of_somebody_elses(weighted, tmp_path, target):
    file = tmp_path / BESIDE[target]
    file.write_text("mine")
    for attempt in (
        lambda: check_targets([tmp_path / target], sound=True),
        lambda: write(weighted, tmp_path, target),
    ):
        with pytest.raises(InputError, match=rf"{file.name} is written beside {target}, so that .* must be"):
            attempt()
        assert tree(tmp_path) == {file.name: b"mine"}


@pytest.mark.parametrize("target", BESIDE)
def test_what_went_beside_an_earlier_file_is_replaced(weighted, tmp_path, target):
    write(weighted, tmp_path, target)
    file = tmp_path / BESIDE[target]
    assert written_files(weighted, tmp_path / target) == [tmp_path / target, file]
    first = file.read_bytes()
    grown = weighted.neutral.with_vertices(2 * weighted.neutral.vertices)
    assert check_targets([tmp_path / target], sound=True)
    write(replace(weighted, neutral=grown, waveform=weighted.waveform / 2), tmp_path, target)
    assert file.read_bytes() != first


@pytest.mark.parametrize("target", BESIDE)
def test_what_was_changed_beside_an_earlier_file_stays(weighted, tmp_path, target):
    write(weighted, tmp_path, target)
    file = tmp_path / BESIDE[target]
    file.write_text("mine")
    os.utime(file, (written := (tmp_path / target).stat().st_mtime + 5, written))
    before = tree(tmp_path)
    for attempt in (
        lambda: check_targets([tmp_path / target], sound=True),
        lambda: write(weighted, tmp_path, target),
    ):
        with pytest.raises(InputError, match=rf"{file.name} is written beside .* newer than {target}; give"):
            attempt()
        assert tree(tmp_path) == before


def test_what_two_formats_share_is_as_old_as_the_first(weighted, tmp_path):
    """Written anew for the second one, it would seem changed to the first."""
    targets = [tmp_path / "a.pc2", tmp_path / "a.mdd"]
    export(weighted, targets[0])
    aged = targets[0].stat().st_mtime - 60
    for file in (tmp_path / "a.obj", targets[0]):
        os.utime(file, (aged, aged))
    export(weighted, targets[1])
    assert check_targets(targets) == targets


def test_two_formats_share_what_is_the_same_beside_them(weighted, tmp_path):
    targets = [tmp_path / "a.pc2", tmp_path / "a.mdd"]
    assert check_targets(targets)
    for target in targets:
        export(weighted, target)
    (tmp_path / "a.mdd").unlink()
    grown = weighted.neutral.with_vertices(2 * weighted.neutral.vertices)
    before = tree(tmp_path)
    with pytest.raises(InputError, match=r"not of an earlier a\.mdd"):
        export(replace(weighted, neutral=grown), tmp_path / "a.mdd")
    assert tree(tmp_path) == before


def test_a_texture_has_a_place_only_where_one_is_written(weighted, painted, tmp_path):
    (tmp_path / "a.png").write_text("mine")
    assert check_targets([tmp_path / "a.usda"])
    with pytest.raises(InputError, match=r"a\.png is written beside a\.usda"):
        check_targets([tmp_path / "a.usda"], texture=True)
    assert written_files(weighted, tmp_path / "a.usdz", painted) == [tmp_path / "a.usdz"]
    with pytest.raises(InputError, match=r"a\.png is written beside a\.usda"):
        export(weighted, tmp_path / "a.usda", appearance=painted)
    assert tree(tmp_path) == {"a.png": b"mine"}


def test_the_texture_of_an_older_sequence_is_replaced_and_anothers_picture_is_not(
    weighted, painted, tmp_path
):
    assert painted.texture is not None
    folder = tmp_path / "a"
    export(weighted, f"{folder}/", appearance=painted)
    first = (folder / "a.png").read_bytes()
    export(weighted, f"{folder}/", appearance=replace(painted, texture=painted.texture.flip(1)))
    assert (folder / "a.png").read_bytes() != first
    for file in folder.glob("*.obj"):
        file.unlink()
    (folder / "a.png").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(InputError, match=r"a\.png is written beside a_000001\.obj"):
        export(weighted, f"{folder}/", appearance=painted)
    assert tree(tmp_path) == before


def test_what_goes_beside_a_file_is_no_other_target(tmp_path):
    with pytest.raises(InputError, match=r"a\.png is given as a file to write, but it is written beside"):
        check_targets([tmp_path / "a.png", tmp_path / "a.usdc"], (".png",), texture=True)


def test_curves_need_arkit_names_before_any_work(tmp_path):
    assert check_targets([tmp_path / "a.csv"]) and check_targets([tmp_path / "a.csv"], (), ("jawOpen", "x"))
    for names in ((), ("component0", "JawOpen")):
        with pytest.raises(InputError, match="ARKit's 52 weights, and the performance has none"):
            check_targets([tmp_path / "a.glb", tmp_path / "a.csv"], weight_names=names)
        assert check_targets([tmp_path / "a.glb", f"{tmp_path}/a.csv/"], weight_names=names)


@pytest.mark.parametrize(("suffix", "package"), [(".usdz", "usd-core"), (".fbx", "bpy")])
def test_a_missing_package_is_said_before_any_work(tmp_path, monkeypatch, suffix, package):
    monkeypatch.delenv("MESHANIM_BLENDER", raising=False)
    monkeypatch.setitem(sys.modules, "pxr.Usd", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=package):
        check_targets([tmp_path / "a.glb", tmp_path / f"a{suffix}"])


def test_a_blender_that_is_not_there_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("MESHANIM_BLENDER", str(tmp_path / "blender"))
    with pytest.raises(
        InputError, match=r"MESHANIM_BLENDER must name a Blender .*, got .*blender, which is no"
    ):
        check_targets([tmp_path / "a.glb", tmp_path / "a.fbx"])


def test_unknown_kind_of_sequence_is_named(moving, tmp_path):
    with pytest.raises(InputError, match="format must be one of obj, ply"):
        export(moving, f"{tmp_path}/x/", format="stl")
    assert set(SEQUENCES) == {"obj", "ply"}


@pytest.mark.parametrize("target", TARGETS)
def test_same_performance_gives_the_same_bytes(weighted, tmp_path, target):
    write(weighted, tmp_path / "once", target)
    write(weighted, tmp_path / "again", target)
    assert tree(tmp_path / "once") == tree(tmp_path / "again")


@pytest.mark.parametrize("target", ["a.npz", "a.usdz"])
def test_packages_do_not_say_when_they_were_made(weighted, tmp_path, target):
    with zipfile.ZipFile(write(weighted, tmp_path, target)) as package:
        assert {part.date_time for part in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def asking(performance):
    """The performance with gradients asked for by everything that can have some."""
    tensors = {name: value for name, value in vars(performance).items() if isinstance(value, torch.Tensor)}
    neutral = performance.neutral.with_vertices(performance.neutral.vertices.clone().requires_grad_())
    asked = {name: value.clone().requires_grad_() for name, value in tensors.items()}
    return replace(performance, neutral=neutral, **asked)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_a_performance_that_asks_for_gradients_is_written_as_one_that_does_not(
    moving, weighted, tmp_path, target
):
    for performance in [weighted] if target == "a.csv" else [moving, weighted]:
        write(performance, tmp_path / "without", target)
        write(asking(performance), tmp_path / "with", target)
        assert tree(tmp_path / "with") == tree(tmp_path / "without")
    assert torch.is_grad_enabled()


def test_the_mesh_of_a_face_that_asks_for_gradients_is_written(moving, tmp_path):
    write_obj(asking(moving).neutral, tmp_path / "a.obj")
    write_obj(moving.neutral, tmp_path / "b.obj")
    assert (tmp_path / "a.obj").read_bytes() == (tmp_path / "b.obj").read_bytes()


@pytest.mark.parametrize("name", ["a.glb", "a.usda", "a.npz", "a.mdd", "a.csv"])
@pytest.mark.parametrize("fps", [np.float32(30), np.int64(30), np.array(30.0)])
def test_frame_rates_may_be_numbers_of_numpy(weighted, tmp_path, name, fps):
    export(weighted, tmp_path / "first" / name)
    export(replace(weighted, fps=fps), tmp_path / "second" / name)
    assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_points_without_faces_are_refused_where_a_format_needs_some(weighted, tmp_path, target):
    points = replace(weighted, neutral=Mesh(weighted.neutral.vertices, weighted.neutral.faces[:0]))
    if Path(target).suffix in POINTS:
        write(points, tmp_path, target)
        return
    with pytest.raises(InputError, match="must be of a mesh with faces, got none"):
        write(points, tmp_path, target)
    assert not tree(tmp_path)
