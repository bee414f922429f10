"""glTF files as other programs write them become performances."""

import json
import struct
from typing import Any

import numpy as np
import pygltflib
import pytest
from reading import CORNERS, posed, read
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export.gltf_tracks import Track, moments_of

RISE = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]])


class Foreign:
    """A GLB as another program might write it: two meshes under a node that moves, keys of all kinds."""

    def __init__(self):
        self.blob, self.views, self.accessors = b"", [], []

    def add(self, values, kind="<f4", **more):
        values = np.atleast_2d(np.asarray(values, dtype=kind).T).T
        self.blob += b"\0" * (-len(self.blob) % 4)
        view = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": values.nbytes}
        self.views.append(view)
        self.blob += values.tobytes()
        types = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
        codes = {"<f4": 5126, "<u2": 5123, "|u1": 5121, "|i1": 5120}
        entry = {"bufferView": len(self.views) - 1, "componentType": codes[kind], "count": len(values)}
        self.accessors.append(entry | {"type": types[values.shape[1]]} | more)
        return len(self.accessors) - 1

    def save(self, path, **document):
        buffers = [{"byteLength": len(self.blob)}]
        document |= {"asset": {"version": "2.0"}, "bufferViews": self.views, "accessors": self.accessors}
        text = json.dumps(document | {"buffers": buffers}).encode()
        text += b" " * (-len(text) % 4)
        blob = self.blob + b"\0" * (-len(self.blob) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(blob))
        chunks = (
            struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
        )
        path.write_bytes(head + chunks)
        return path


def foreign(path, interpolation="LINEAR", **more):
    file = Foreign()
    corners, rise = file.add(CORNERS), file.add(RISE)
    times = file.add([0.0, 0.5, 1.0])
    values = np.array([0.0, 1.0, 0.5])
    if interpolation == "CUBICSPLINE":
        values = np.stack([[0, 0, 0], values, [0, 0, 0]], axis=1).ravel()
    weights = file.add(values)
    turns = file.add(Rotation.from_euler("Y", [[0.0], [1.0], [2.0]]).as_quat())
    shifts = file.add([[0.0, 0, 0], [0, 1, 0], [0, 2, 0]])
    samplers = [
        {"input": times, "output": weights, "interpolation": interpolation},
        {"input": times, "output": turns},
        {"input": times, "output": shifts},
    ]
    channels: list[dict[str, Any]] = [
        {"sampler": 0, "target": {"node": 1, "path": "weights"}},
        {"sampler": 0, "target": {"node": 2, "path": "weights"}},
        {"sampler": 1, "target": {"node": 0, "path": "rotation"}},
        {"sampler": 2, "target": {"node": 0, "path": "translation"}},
    ]
    mesh = {
        "primitives": [{"attributes": {"POSITION": corners}, "targets": [{"POSITION": rise}]}],
        "extras": {"targetNames": ["jawOpen"]},
    }
    document: dict[str, Any] = {
        "nodes": [
            {"name": "head", "children": [1, 2], "scale": [2, 2, 2]},
            {"name": "face", "mesh": 0},
            {"name": "teeth", "mesh": 0, "translation": [0, 0, 3]},
        ],
        "meshes": [mesh],
        "animations": [{"samplers": samplers[:1], "channels": channels[:2]}],
    }
    channels[2]["sampler"], channels[3]["sampler"] = 0, 1
    document["animations"].append({"samplers": samplers[1:], "channels": channels[2:]})
    return file.save(path, **document | more)


def test_meshes_of_another_program_become_one_that_a_head_carries(tmp_path):
    back = read(foreign(tmp_path / "a.glb"), fps=4)
    assert back.frame_count == 5 and back.weight_names == ("jawOpen",)
    assert back.weights[:, 0].tolist() == pytest.approx([0, 0.5, 1, 0.75, 0.5])
    for frame in range(5):
        turn = Rotation.from_euler("Y", frame / 2).as_matrix()
        local = CORNERS + back.weights[frame].numpy() * RISE
        wanted = np.concatenate([local, local + np.array([0, 0, 3])]) * 2 @ turn.T + [0, frame / 2, 0]
        assert posed(back)[frame] == pytest.approx(wanted, abs=1e-5)
    assert back.neutral.faces.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("fps", [24, 24 / 1.001, 30 / 1.001, 60, 12.5])
@pytest.mark.parametrize("seconds", [2, 1800])
def test_rounded_keys_tell_the_rate_that_was_meant(fps, seconds):
    times = (np.arange(round(seconds * fps)) / fps).astype(np.float32).astype(np.float64)
    for kept in (times, np.delete(times, np.arange(10, len(times), 3))):
        rate, moments = moments_of([Track(kept, kept[:, None], "LINEAR", False)], None)
        assert rate == pytest.approx(fps, rel=1e-12) and len(moments) == 1 + round(kept[-1] * fps)


def test_the_rate_is_that_of_the_keys(tmp_path):
    back = read(foreign(tmp_path / "a.glb"))
    assert back.fps == 2 and back.frame_count == 3


@pytest.mark.parametrize(
    ("frames", "interpolation", "rate"),
    [
        ([1, 10, 20], "LINEAR", 24),
        ([1, 13, 25], "LINEAR", 24),
        ([0, 12, 24], "LINEAR", 2),
        ([0, 12, 24], "CUBICSPLINE", 24),
        ([0, 12, 24.3], "LINEAR", 30),
    ],
)
def test_poses_set_by_hand_are_sampled_at_a_rate_that_has_them_on_frames(frames, interpolation, rate):
    times = np.array(frames, dtype=np.float32).astype(np.float64) / 24
    values = np.zeros((3, 3, 1) if interpolation == "CUBICSPLINE" else (3, 1))
    found, moments = moments_of([Track(times, values, interpolation, False)], None)
    assert found == rate and abs(moments[-1] - times[-1]) <= 0.5 / rate


def test_stepped_and_cubic_keys(tmp_path):
    stepped = read(foreign(tmp_path / "a.glb", "STEP"), fps=4)
    assert stepped.weights[:, 0].tolist() == pytest.approx([0, 0, 1, 1, 0.5])
    cubic = read(foreign(tmp_path / "a.glb", "CUBICSPLINE"), fps=8)
    # Flat tangents: 3 s^2 - 2 s^3 between the keys.
    assert cubic.weights[:5, 0].tolist() == pytest.approx([0, 0.15625, 0.5, 0.84375, 1])


def test_rotations_stay_rotations_between_keys():
    values = Rotation.from_euler("Z", [[0.0], [3.0]]).as_quat()
    moments = np.linspace(-1, 2, 7)
    found = Rotation.from_quat(Track(np.array([0.0, 1.0]), values, "LINEAR", True).at(moments)).as_rotvec()
    assert found[:, 2] == pytest.approx(3 * moments.clip(0, 1))


def test_integers_and_strides_are_read(tmp_path):
    file = Foreign()
    corners = file.add(np.concatenate([127 * CORNERS, np.zeros((3, 1))], axis=1), "|i1", normalized=True)
    file.views[0]["byteStride"], file.accessors[0]["type"] = 4, "VEC3"
    node = {"mesh": 0}
    mesh = {"primitives": [{"attributes": {"POSITION": corners}}]}
    path = file.save(tmp_path / "a.glb", nodes=[node], meshes=[mesh])
    assert read(path).neutral.vertices.tolist() == CORNERS.tolist()


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "needs KHR_draco_mesh_compression"),
        ({"nodes": [{"mesh": 0, "skin": 0}], "animations": []}, "number 0 of 0 skins"),
        ({"nodes": [{"mesh": 0, "skin": 0}], "skins": [{"joints": [0]}], "animations": []}, "no joints"),
        ({"nodes": [{"mesh": 7}], "animations": []}, "number 7 of 1 meshes"),
        ({"nodes": [{"children": [1]}, {"children": [0], "mesh": 0}], "animations": []}, "in a circle"),
        ({"nodes": [], "animations": []}, "has no mesh"),
        ({"animations": 3}, "damaged"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 1e30}}]}]}, "a.glb"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, more, wrong):
    with pytest.raises(InputError, match=wrong):
        read(foreign(tmp_path / "a.glb", **more))


@pytest.mark.parametrize("uri", ["my%20face.bin", "./my%20face.bin", "my face.bin"])
def test_a_buffer_beside_the_file_is_found_by_its_encoded_name(tmp_path, uri):
    path, file = tmp_path / "my face.gltf", pygltflib.GLTF2().load(str(foreign(tmp_path / "a.glb")))
    (tmp_path / "my face.bin").write_bytes(file.binary_blob())
    file.buffers[0].uri = uri
    path.write_text(file.to_json())
    assert np.array_equal(posed(read(path)), posed(read(tmp_path / "a.glb")))


@pytest.mark.parametrize("uri", ["../a.bin", "%2e%2e%2fa.bin", "/tmp/a.bin", "..", ""])
def test_a_buffer_elsewhere_is_refused(tmp_path, uri):
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": 36, "uri": uri}],
        "nodes": [{"mesh": 0}],
    }
    document |= {"bufferViews": [{"buffer": 0, "byteLength": 36}]}
    document |= {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}]}
    document |= {"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}]}
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match="must lie beside it"):
        read(tmp_path / "a.gltf")


@pytest.mark.parametrize(
    "name", ["KHR_texture_basisu", "EXT_texture_webp", "KHR_materials_volume", "KHR_lights_punctual"]
)
def test_extensions_that_move_nothing_may_be_required(tmp_path, name):
    plain = read(foreign(tmp_path / "a.glb"))
    assert np.array_equal(posed(read(foreign(tmp_path / "b.glb", extensionsRequired=[name]))), posed(plain))


def test_names_of_targets_may_stand_in_the_primitives(tmp_path):
    file = pygltflib.GLTF2().load(str(foreign(tmp_path / "a.glb")))
    mesh = file.meshes[0]
    mesh.primitives[0].extras, mesh.extras = mesh.extras, {}
    file.save(str(tmp_path / "b.glb"))
    assert read(tmp_path / "b.glb").weight_names == ("jawOpen",)


@pytest.mark.parametrize("extras", [["a", 1], "a note", 5])
def test_extras_may_be_anything(tmp_path, extras):
    file = pygltflib.GLTF2().load(str(foreign(tmp_path / "a.glb")))
    file.meshes[0].primitives[0].extras, file.meshes[0].extras = file.meshes[0].extras, extras
    file.save(str(tmp_path / "b.glb"))
    found = read(tmp_path / "b.glb")
    assert found.weight_names == ("jawOpen",)
    assert np.array_equal(posed(found), posed(read(tmp_path / "a.glb")))


def test_meshes_of_other_scenes_stay_out(tmp_path):
    nodes = [{"children": [1]}, {"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    scenes = [{"nodes": [2]}, {"nodes": [0]}]
    shown = read(foreign(tmp_path / "a.glb", nodes=nodes, scenes=scenes, scene=1, animations=[]))
    assert shown.neutral.vertices.tolist() == CORNERS.tolist()
    first = read(foreign(tmp_path / "b.glb", nodes=nodes, scenes=scenes, animations=[]))
    assert first.neutral.vertices.tolist() == (np.array([5, 0, 0]) + CORNERS).tolist()
    empty = read(foreign(tmp_path / "c.glb", nodes=nodes, scenes=[{}], animations=[]))
    assert len(empty.neutral.vertices) == 6


def test_parts_that_move_apart_are_named(tmp_path):
    path = foreign(tmp_path / "a.glb")
    file = pygltflib.GLTF2().load(str(path))
    file.animations[1].channels[1].target.node = 2
    file.save(str(path))
    with pytest.raises(InputError, match="moves against"):
        read(path)


def test_a_head_that_moves_below_a_node_that_turns_it_up_is_upright_without_its_motion(tmp_path):
    nodes = [
        {"children": [1], "rotation": [-(0.5**0.5), 0, 0, 0.5**0.5]},
        {"children": [2]},
        {"mesh": 0},
    ]
    file = Foreign()
    clock, turns = file.add([0.0, 1.0]), file.add(Rotation.from_euler("Z", [[0.0], [0.6]]).as_quat())
    mesh = {"primitives": [{"attributes": {"POSITION": file.add([[0, 0, 0], [1, 0, 0], [0, -0.2, 1]])}}]}
    animation = {
        "samplers": [{"input": clock, "output": turns}],
        "channels": [{"sampler": 0, "target": {"node": 1, "path": "rotation"}}],
    }
    back = read(file.save(tmp_path / "a.glb", nodes=nodes, meshes=[mesh], animations=[animation]))
    assert back.neutral.vertices.numpy() == pytest.approx(
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.2]]), abs=1e-6
    )
    assert back.head_motion[1].numpy() == pytest.approx(np.array([0, 0.6, 0, 0, 0, 0]), abs=1e-6)


def bend(points, angle):
    """Two joints: one stands still, one turns about Z at x = 0.5; each leads by its nearness, in x."""
    turned = (points - [0.5, 0, 0]) @ Rotation.from_euler("Z", angle).as_matrix().T + [0.5, 0, 0]
    share = points[:, :1]
    return (1 - share) * points + share * turned


def test_a_skin_of_another_program_moves_its_mesh(tmp_path):
    file = Foreign()
    times, rise = file.add([0.0, 0.5, 1.0]), file.add(RISE)
    turns = file.add(Rotation.from_euler("Z", [[0.0], [0.6], [1.2]]).as_quat())
    weights, shifts = file.add([0.0, 1.0, 0.5]), file.add([[0.0, 0, 0], [0, 1, 0], [0, 2, 0]])
    inverse = np.tile(np.eye(4), (2, 1, 1))
    # The second joint's bone stands at x = 0.5 and is twice the size; matrices by columns.
    inverse[1] = np.linalg.inv(np.array([[2, 0, 0, 0.5], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])).T
    attributes = {
        "POSITION": file.add(CORNERS),
        "JOINTS_0": file.add([[0, 1, 0, 0]] * 3, "|u1"),
        "WEIGHTS_0": file.add([[1 - x, x, 0, 0] for x in CORNERS[:, 0]]),
    }
    skin = {"joints": [2, 3], "inverseBindMatrices": file.add(inverse.reshape(2, 16))}
    samplers = [{"input": times, "output": output} for output in (weights, turns, shifts)]
    targets = [(0, "weights"), (3, "rotation"), (1, "translation")]
    channels = [
        {"sampler": index, "target": {"node": node, "path": path}}
        for index, (node, path) in enumerate(targets)
    ]
    path = file.save(
        tmp_path / "a.glb",
        # Where the skinned mesh hangs does not matter.
        nodes=[
            {"name": "face", "mesh": 0, "skin": 0, "translation": [9, 9, 9]},
            {"name": "rig", "children": [2]},
            {"name": "neck", "children": [3]},
            {"name": "jaw", "translation": [0.5, 0, 0], "scale": [2, 2, 2]},
        ],
        meshes=[{"primitives": [{"attributes": attributes, "targets": [{"POSITION": rise}]}]}],
        skins=[skin],
        animations=[{"samplers": samplers, "channels": channels}],
    )
    back = read(path)
    assert back.neutral.vertices.numpy() == pytest.approx(CORNERS)
    assert back.head_motion[:, 4].tolist() == [0, 1, 2] and back.weights[:, 0].tolist() == [0, 1, 0.5]
    for frame, weight in enumerate([0.0, 1.0, 0.5]):
        wanted = bend(CORNERS + weight * RISE, 0.6 * frame) + np.array([0, frame, 0])
        assert posed(back)[frame] == pytest.approx(wanted, abs=1e-6)


def test_texture_coordinates_are_where_their_texture_is_looked_up(tmp_path):
    file = Foreign()
    attributes = {
        "POSITION": file.add(CORNERS),
        "TEXCOORD_0": file.add([[0, 0], [1000, 0], [0, 2000]], "<u2"),
    }
    moved = {"offset": [0.1, 0.2], "scale": [0.001, 0.00025], "rotation": np.pi / 2}
    texture = {"index": 0, "extensions": {"KHR_texture_transform": moved}}
    path = file.save(
        tmp_path / "a.glb",
        extensionsRequired=["KHR_texture_transform", "KHR_mesh_quantization"],
        nodes=[{"mesh": 0}],
        meshes=[{"primitives": [{"attributes": attributes, "material": 0}]}],
        materials=[{"pbrMetallicRoughness": {"baseColorTexture": texture}}],
        textures=[{}],
    )
    # Scaled, turned from right to up and from down to right, shifted; our origin is at the bottom.
    assert read(path).neutral.uv.numpy() == pytest.approx(np.array([[0.1, 0.8], [0.1, 1.8], [0.6, 0.8]]))


@pytest.mark.parametrize("shared", [False, True])
def test_materials_of_another_program_are_groups(tmp_path, shared):
    file = Foreign()
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    corners, rises = file.add(square), file.add(np.repeat([[0, 0, 1]], 4, axis=0))
    primitives = []
    for number, triangle in ((0, [0, 1, 2]), (1, [0, 2, 3]), (0, [0, 1, 3])):
        own = corners if shared else file.add(square)
        index = file.add(np.array(triangle), "<u2")
        primitive = {"attributes": {"POSITION": own}, "targets": [{"POSITION": rises}], "indices": index}
        primitives.append(primitive | {"material": number})
    materials = [{"name": "skin"}, {}]
    meshes = [{"primitives": primitives, "weights": [1]}]
    back = read(file.save(tmp_path / "a.glb", nodes=[{"mesh": 0}], meshes=meshes, materials=materials))
    groups = {name: group.tolist() for name, group in back.neutral.groups.items()}
    if shared:
        assert len(back.neutral.vertices) == 4
        assert groups == {"skin": [0, 1, 2, 3], "material 1": [0, 2, 3]}
    else:
        assert len(back.neutral.vertices) == 12
        assert groups == {"skin": [0, 1, 2, 8, 9, 11], "material 1": [4, 6, 7]}
    seen = posed(back)[0][back.neutral.faces]
    wanted = square[[[0, 1, 2], [0, 2, 3], [0, 1, 3]]] + np.array([0, 0, 1])
    assert np.array_equal(seen, wanted)
