"""Files back to performances, and files that are damaged or lie."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reading import FLOAT32_MM, millimetres, posed, read

from meshanim._check import InputError
from meshanim.export import export
from meshanim.rendering import vertex_colours

LOSSLESS = ("a.glb", "a.gltf", "a.usda", "a.usdc", "a.usdz", "a.pc2", "a.mdd", "a_ply/")


def write(performance, folder, name):
    options: dict[str, Any] = {"format": "ply"} if "ply" in name else {}
    return export(performance, f"{folder}/{name}", **options)


def stated(name):
    """The frame rate, for formats that do not state it."""
    return 30.0 if name in ("a.pc2", "a_ply/", "a_obj/") else None


@pytest.mark.parametrize("name", [*LOSSLESS, "a_obj/"])
def test_positions_come_back(weighted, tmp_path, name):
    back = read(write(weighted, tmp_path, name), fps=stated(name))
    # OBJ has six decimals of a metre.
    assert millimetres(posed(back), posed(weighted)) < (1e-3 if "obj" in name else FLOAT32_MM)
    assert back.fps == pytest.approx(30) and back.frame_count == weighted.frame_count
    assert torch.equal(back.neutral.faces, weighted.neutral.faces)


@pytest.mark.parametrize("name", ["a.glb", "a.usdc"])
def test_weights_names_and_head_come_back(weighted, tmp_path, name):
    back = read(write(weighted, tmp_path, name))
    assert back.weight_names == weighted.weight_names
    assert torch.allclose(back.weights, weighted.weights, atol=1e-6)
    assert torch.allclose(back.basis, weighted.basis, atol=1e-7)
    assert torch.allclose(back.head_motion, weighted.head_motion, atol=1e-6)
    assert torch.equal(back.neutral.vertices, weighted.neutral.vertices)
    mesh, again = weighted.neutral, back.neutral
    assert torch.allclose(again.uv[again.uv_faces], mesh.uv[mesh.uv_faces], atol=1e-6)


@pytest.mark.parametrize("name", ["a.glb", "a.usdc"])
def test_a_head_that_turns_far_and_a_fraction_of_a_rate_come_back(moving, tmp_path, name):
    back = read(export(moving, tmp_path / name, max_error=1e-6))
    assert back.fps == pytest.approx(23.976) and back.frame_count == moving.frame_count
    assert millimetres(posed(back), posed(moving)) < 1e-3 + FLOAT32_MM


@pytest.mark.parametrize("name", ["a.glb", "a.gltf", "a.usda"])
@pytest.mark.parametrize("frames", [1, 3])
def test_a_head_that_is_held_still_stays_out_of_the_mesh(weighted, tmp_path, name, frames):
    cut = weighted.slice(0, frames)
    held = replace(cut, head_motion=weighted.head_motion[:1].expand(frames, 6))
    back = read(write(held, tmp_path, name))
    assert torch.equal(back.neutral.vertices, held.neutral.vertices)
    assert torch.allclose(back.head_motion, held.head_motion, atol=1e-6)
    none = read(write(replace(held, head_motion=None), tmp_path, name))
    assert none.head_motion is None and torch.equal(none.neutral.vertices, held.neutral.vertices)


@pytest.mark.parametrize("fps", [25.0, 30 / 1.001, 12.5])
def test_times_of_an_mdd_tell_the_rate_that_was_meant(moving, tmp_path, fps):
    back = read(export(replace(moving, fps=fps), tmp_path / "a.mdd"))
    assert back.fps == pytest.approx(fps, rel=1e-12)


@pytest.mark.parametrize("fps", [24.0, 30 / 1.001])
def test_times_of_an_mdd_may_begin_late(moving, tmp_path, fps):
    """As in films, whose first frame has the number 1001."""
    path = export(replace(moving, fps=fps), tmp_path / "a.mdd")
    data, times = bytearray(path.read_bytes()), (1001 + np.arange(moving.frame_count)) / fps
    data[8 : 8 + 4 * len(times)] = times.astype(">f4").tobytes()
    path.write_bytes(data)
    assert read(path).fps == pytest.approx(fps, rel=1e-12)


def test_an_mdd_is_resampled_and_not_played_at_another_speed(moving, tmp_path):
    path = export(moving, tmp_path / "a.mdd")
    back = read(path, fps=2 * moving.fps)
    assert back.frame_count == 2 * moving.frame_count and back.duration == pytest.approx(moving.duration)
    assert millimetres(back.motion[::2].numpy(), posed(moving)) < FLOAT32_MM
    data = bytearray(path.read_bytes())
    times = np.zeros(moving.frame_count, ">f4")
    data[8 : 8 + times.nbytes] = times.tobytes()
    path.write_bytes(data)
    assert read(path, fps=50).fps == 50
    times[:] = np.arange(len(times)) ** 2
    data[8 : 8 + times.nbytes] = times.tobytes()
    path.write_bytes(data)
    with pytest.raises(InputError, match="times must be at even steps, got some from 1 to 21 s"):
        read(path)


def test_points_of_usd_come_back_to_the_last_bit(moving, tmp_path):
    back = read(export(moving, tmp_path / "a.usdc", targets="points"))
    assert torch.equal(back.motion, moving.motion) and back.weights is None
    assert millimetres(posed(back), posed(moving)) < FLOAT32_MM


def test_every_format_becomes_every_other(weighted, tmp_path):
    for first in LOSSLESS:
        middle = read(write(weighted, tmp_path, first), fps=stated(first))
        for second in ("b.usdc", "b.glb", "b.mdd"):
            back = read(export(middle, tmp_path / second))
            # Positions alone become principal components, within a tenth of a millimetre.
            assert millimetres(posed(back), posed(weighted)) < 0.1 + FLOAT32_MM


def test_a_list_of_copies_that_fits_no_more_is_passed_over(weighted, tmp_path):
    path = export(weighted, tmp_path / "a.gltf")
    document = json.loads(path.read_text())
    document["meshes"][0]["extras"]["copiesOf"].pop()
    path.write_text(json.dumps(document))
    back = read(path)
    count = len(weighted.neutral.vertices)
    assert len(back.neutral.vertices) > count
    assert millimetres(posed(back)[:, :count], posed(weighted)) < FLOAT32_MM


NUMBERS = (
    "bufferView",
    "byteOffset",
    "byteLength",
    "count",
    "componentType",
    "input",
    "output",
    "node",
    "mesh",
)


def test_lies_about_numbers_end_in_one_sentence(weighted, tmp_path):
    """Every number of the document is replaced by some that lie."""
    data = export(weighted, tmp_path / "a.glb").read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    places = []

    def walk(entry, path):
        for key, value in entry.items() if isinstance(entry, dict) else enumerate(entry):
            if isinstance(value, dict | list):
                walk(value, (*path, key))
            elif key in NUMBERS or path[-1:] == ("copiesOf",):
                places.append((*path, key))

    walk(document, ())
    step, named = max(1, len(places) // 60), 0
    for place in places[::step]:
        for lie in (-1, 2**31, 10**9):
            lying = json.loads(data[20 : 20 + size])
            entry = lying
            for key in place[:-1]:
                entry = entry[key]
            entry[place[-1]] = lie
            text = json.dumps(lying).encode()
            text += b" " * (-len(text) % 4)
            head = struct.pack(
                "<4sIII4s", b"glTF", 2, 20 + len(text) + len(data) - 20 - size, len(text), b"JSON"
            )
            (tmp_path / "lie.glb").write_bytes(head + text + data[20 + size :])
            try:
                read(tmp_path / "lie.glb")
            except InputError as error:
                named += 1
                assert "\n" not in str(error)
    # Normals and colours are not read, and some lies harm nobody.
    assert named > len(places[::step])


@pytest.mark.parametrize("name", ["a.glb", "a.usdc", "a.usdz", "a.pc2", "a.mdd", "a.npz"])
def test_files_cut_short_end_in_one_sentence(weighted, tmp_path, name):
    # The sound is the last part of a package, whose directory at the end OpenUSD does not need.
    path = export(replace(weighted, waveform=None, sample_rate=None), tmp_path / name)
    data = path.read_bytes()
    for share in (0, 0.002, 0.1, 0.5) if name == "a.usdz" else (0, 0.002, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match="a\\.") as caught:
            read(path, fps=stated(name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["glb", "gltf", "usda", "usdc", "usdz", "pc2", "mdd", "npz", "csv"])
def test_noise_ends_in_one_sentence(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(3000))
    with pytest.raises(InputError, match="a\\.") as caught:
        read(path, fps=30, face=object())
    assert "\n" not in str(caught.value)


def test_counts_that_lie_are_named(weighted, tmp_path):
    path = export(weighted, tmp_path / "a.pc2")
    data = bytearray(path.read_bytes())
    for offset, kind, value, wrong in (
        (28, "<i", 2**31 - 1, "cut short"),
        (28, "<i", -5, "states -5 frames"),
        (16, "<i", 7, "moves 7 vertices"),
        (16, "<i", 0, "of 0 vertices"),
    ):
        lying = bytearray(data)
        struct.pack_into(kind, lying, offset, value)
        path.write_bytes(lying)
        with pytest.raises(InputError, match=wrong):
            read(path, fps=30)


def test_what_a_format_lacks_is_asked_for(weighted, tmp_path):
    for name in ("a.pc2", "a_ply/"):
        with pytest.raises(InputError, match="does not state its frame rate"):
            read(write(weighted, tmp_path, name))
    (tmp_path / "a.obj").unlink()
    with pytest.raises(InputError, match=r"needs its base mesh beside it, a\.obj"):
        read(tmp_path / "a.pc2", fps=30)
    with pytest.raises(InputError, match="must hold one sequence of numbered OBJ or PLY files, got none"):
        read(tmp_path, fps=30)
    with pytest.raises(FileNotFoundError, match=r"none\.glb does not exist"):
        read(tmp_path / "none.glb")
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match=r"must end in one of \.npz, \.csv, \.glb"):
        read(tmp_path / "a.mp4")


def test_a_sequence_with_another_mesh_in_it_is_named(weighted, tmp_path):
    folder = write(weighted, tmp_path, "a_obj/")
    (folder / "a_obj_000003.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match=r"a_obj_000003\.obj must have 98 vertices, got 3"):
        read(folder, fps=30)


def test_files_that_macos_puts_beside_others_are_passed_over(weighted, tmp_path):
    folder = write(weighted, tmp_path, "a_obj/")
    for path in list(folder.iterdir()):
        (folder / f"._{path.name}").write_bytes(b"of macOS")
    assert read(folder, fps=30).frame_count == weighted.frame_count


def test_two_files_of_one_number_in_a_sequence_are_named(weighted, tmp_path):
    folder = write(weighted, tmp_path, "a_obj/")
    (folder / "a_obj_03.obj").write_bytes((folder / "a_obj_000001.obj").read_bytes())
    with pytest.raises(InputError, match=r"one file of each number, got a_obj_000003\.obj and a_obj_03\.obj"):
        read(folder, fps=30)


def test_a_gap_in_a_sequence_is_named(weighted, tmp_path):
    folder = write(weighted, tmp_path, "a_obj/")
    for number in range(1, weighted.frame_count + 1, 2):
        (folder / f"a_obj_{number:06d}.obj").unlink()
    even = read(folder, fps=15)
    assert millimetres(posed(even), posed(weighted)[1::2]) < 1e-3
    (folder / "a_obj_000006.obj").unlink()
    with pytest.raises(InputError, match=r"in equal steps, got a gap after a_obj_000004\.obj"):
        read(folder, fps=15)


def test_a_cache_stays_on_disk(weighted, tmp_path):
    path = export(weighted, tmp_path / "a.pc2")
    motion = read(path, fps=30).motion
    assert str(path) in Path("/proc/self/maps").read_text()
    motion[0] += 1
    assert millimetres(read(path, fps=30).motion.numpy(), posed(weighted)) < FLOAT32_MM


@pytest.mark.parametrize("name", ["a.glb", "a.gltf", "a.usda", "a.usdz"])
def test_groups_and_landmarks_come_back(weighted, tmp_path, name):
    mesh = weighted.neutral
    first = read(export(weighted, tmp_path / "a.npz"))
    back = read(export(read(export(first, tmp_path / name)), tmp_path / "b.npz")).neutral
    assert list(back.groups) == list(mesh.groups) and back.landmarks == mesh.landmarks
    assert all(torch.equal(back.groups[name], group) for name, group in mesh.groups.items())
    assert torch.equal(vertex_colours(back), vertex_colours(mesh))


def test_unused_tracks_do_no_harm(weighted, tmp_path):
    bare = replace(weighted, head_motion=None, waveform=None, sample_rate=None)
    for name in ("a.glb", "a.usdc"):
        back = read(export(bare, tmp_path / name))
        assert back.head_motion is None and millimetres(posed(back), posed(bare)) < FLOAT32_MM
