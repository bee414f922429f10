import json
import struct

import numpy as np
import pytest
import torch
import trimesh

from meshanim._check import InputError
from meshanim.mesh import Mesh, read_mesh

CUBE = """# a cube of quads, cut open in texture space
mtllib none.mtl
o cube
v 0 0 0
v 1 0 0 # corner
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
v 9 9 9
vt 0 0
vt 1 0
vt 1 1
vt 0 1
vn 0 0 1
s off
g sides
f 1/1/1 4/2/1 3/3/1 2/4/1
f 5/1/1 6/2/1 7/3/1 8/4/1
usemtl skin
f 1/1/1 2/2/1 6/3/1 5/4/1
f 2/1/1 3/2/1 7/3/1 6/4/1
g top \\
 lid
f 3/1/1 4/2/1 8/3/1 7/4/1
f 4/4/1 1/3/1 5/2/1
f -2/1/1 -6/2/1 -5/3/1
"""


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / "cube.obj"
    path.write_text(CUBE)
    return path


def test_obj_keeps_the_files_vertices_along_seams_and_without_faces(cube):
    mesh = read_mesh(cube)
    assert mesh.vertices.shape == (9, 3)
    assert mesh.vertices[6].tolist() == [1, 1, 1]
    assert mesh.faces[:2].tolist() == [[0, 3, 2], [0, 2, 1]]
    assert mesh.faces[-2:].tolist() == [[3, 0, 4], [7, 3, 4]]
    assert mesh.uv is not None and mesh.uv_faces is not None
    assert mesh.uv.shape == (4, 2) and mesh.uv_faces[-2:].tolist() == [[3, 2, 1], [0, 1, 2]]
    assert mesh.topology.isolated_vertices.tolist() == [8]
    assert mesh.topology.euler_characteristic == 2
    assert {name: len(group) for name, group in mesh.groups.items()} == {"sides": 8, "top lid": 6}


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n \t", " \n\t"])
def test_obj_line_endings_and_blanks(cube, ending):
    expected = read_mesh(cube)
    cube.write_bytes(CUBE.replace("\\\n", "").replace("\n", ending).encode())
    found = read_mesh(cube)
    assert torch.equal(found.vertices, expected.vertices) and torch.equal(found.faces, expected.faces)


@pytest.mark.parametrize(
    ("corners", "has_uv"),
    [("1 2 3", False), ("1/1 2/2 3/3", True), ("1//1 2//1 3//1", False), ("1/ 2/ 3/", False)],
)
def test_obj_corner_notations(tmp_path, corners, has_uv):
    path = tmp_path / "x.OBJ"
    path.write_text(
        f"v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nvt 0 0 0\nvt 1 0 0\nvt 0 1 0\nf {corners}\n"
    )
    mesh = read_mesh(path)
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert (mesh.uv is not None) == has_uv


def test_obj_polygons_become_fans(tmp_path):
    path = tmp_path / "x.obj"
    points = "".join(f"v {x} {y} 0\n" for x, y in [(0, 0), (1, 0), (2, 1), (1, 2), (0, 1)])
    path.write_text(points + "f 1 2 3 4 5\nf +1 -2 3")
    assert read_mesh(path).faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 3, 2]]


def test_obj_indices_from_below_count_to_their_line(tmp_path):
    path = tmp_path / "x.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 1\nf -4 -2 -1\n")
    assert read_mesh(path).faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_the_ict_face_through_obj(ict, tmp_path):
    points = "".join(f"v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in ict.vertices.tolist())
    faces = "".join(
        f"f {a + 1}//{a + 1} {b + 1}//{b + 1} {c + 1}//{c + 1}\n" for a, b, c in ict.faces.tolist()
    )
    (tmp_path / "ict.obj").write_text(points + faces)
    found = read_mesh(tmp_path / "ict.obj")
    # nine digits hold a float32 exactly
    assert torch.equal(found.vertices, ict.vertices) and torch.equal(found.faces, ict.faces)


@pytest.mark.parametrize("end", ["g", "s 1\n", "o", "usemtl\n", "\n\n", "#"])
def test_an_obj_may_end_with_any_line(tmp_path, end):
    path = tmp_path / "x.obj"
    path.write_text(TRIANGLE + "usemtl skin\nf 1 2 3\n" + end)
    assert read_mesh(path).faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".off", ".glb", ".gltf", ".npz"])
def test_order_is_kept(torus, tmp_path, suffix):
    """Written by others: trimesh, numpy."""
    spare = torch.cat([torus.vertices, torch.tensor([[7.0, 7, 7]])])  # used by no face, and no matter
    order = torch.randperm(len(spare), generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    mesh = Mesh(spare[order], place[torus.faces])
    path = tmp_path / f"torus{suffix}"
    if suffix == ".npz":
        np.savez(path, vertices=mesh.vertices.numpy(), faces=mesh.faces.numpy().astype(np.uint16))
    elif suffix == ".gltf":
        for name, data in mesh.to_trimesh().scene().export(file_type="gltf").items():
            (tmp_path / name.replace("model.gltf", path.name)).write_bytes(data)
    else:
        mesh.to_trimesh().export(path)
    found = read_mesh(path)
    # text formats are written with eight digits
    torch.testing.assert_close(found.vertices, mesh.vertices, atol=1e-6, rtol=0)
    assert torch.equal(found.faces, mesh.faces)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\n"),
        (
            "ply",
            "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
            "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
            "0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n",
        ),
        ("off", "OFF\n4 1 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n"),
    ],
)
def test_a_text_may_begin_with_the_mark_of_utf_8(tmp_path, suffix, text):
    (tmp_path / f"a.{suffix}").write_text(text, encoding="utf-8-sig")
    mesh = read_mesh(tmp_path / f"a.{suffix}")
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert mesh.faces.tolist() == [[0, 1, 2]]


POLYGONS = [(0, 1, 2, 3), (0, 1, 4), (0, 1, 2, 3, 4)]


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("polygons", [POLYGONS, POLYGONS[:2], POLYGONS[1:2], []])
def test_polygons_of_a_ply_may_be_of_any_size(tmp_path, form, polygons):
    """On average as many corners as the first has: by the file's length they could all be alike."""
    points = np.arange(15.0, dtype=np.float32).reshape(5, 3) / 8
    header = f"ply\nformat {form} 1.0\ncomment of no matter\nelement vertex 5\n"
    header += "".join(f"property float {name}\n" for name in ("x", "y", "z", "s", "t", "jaw"))
    header += f"element face {len(polygons)}\nproperty uchar red\nproperty list uchar uint vertex_indices\n"
    header += "element edge 1\nproperty int vertex1\nend_header\n"
    rows = [[*point.tolist(), *(1 - point[:2]).tolist(), 0.5] for point in points]
    if form == "ascii":
        text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
        text += "".join(f"200 {len(each)} {' '.join(map(str, each))}\n" for each in polygons)
        content = (header + text + "7\n").encode()
    else:
        order = "<" if "little" in form else ">"
        body = b"".join(struct.pack(f"{order}6f", *row) for row in rows)
        body += b"".join(struct.pack(f"{order}BB{len(each)}I", 200, len(each), *each) for each in polygons)
        content = header.encode() + body + struct.pack(f"{order}i", 7)
    (tmp_path / "a.ply").write_bytes(content)
    if not polygons:
        with pytest.raises(InputError, match="it has no faces"):
            read_mesh(tmp_path / "a.ply")
        return
    mesh = read_mesh(tmp_path / "a.ply")
    wanted = [[each[0], each[k], each[k + 1]] for each in polygons for k in range(1, len(each) - 1)]
    assert mesh.uv is not None and mesh.uv_faces is not None
    assert mesh.faces.tolist() == mesh.uv_faces.tolist() == wanted
    assert np.array_equal(mesh.vertices, points) and np.array_equal(mesh.uv, 1 - points[:, :2])
    (tmp_path / "b.ply").write_bytes(content[:-9])
    with pytest.raises(InputError, match=r"cut short|as PLY"):
        read_mesh(tmp_path / "b.ply")


@pytest.mark.parametrize("head", ["OFF\n# of no matter\n5 3 0\n", "OFF 5 3 0\n", "COFF\n5 3 0\n"])
def test_polygons_of_an_off_may_be_of_any_size(tmp_path, head):
    colour = " 1 0 0 1" if head.startswith("C") else ""
    points = np.arange(15.0, dtype=np.float32).reshape(5, 3)
    text = head + "".join(f"{x} {y} {z}{colour}\n" for x, y, z in points.tolist())
    text += "".join(f"{len(each)} {' '.join(map(str, each))} 0.5 0.5 0.5\n" for each in POLYGONS)
    (tmp_path / "a.off").write_text(text)
    mesh = read_mesh(tmp_path / "a.off")
    assert mesh.faces.tolist() == [
        [each[0], each[k], each[k + 1]] for each in POLYGONS for k in range(1, len(each) - 1)
    ]
    assert np.array_equal(mesh.vertices, points)
    for wrong in (
        "".join(text.splitlines(keepends=True)[:-1]),
        text.replace("3 0 1 4", "2 0 1"),
        text.replace("3 0 1 4 0.5 0.5 0.5", "3 0 1"),
    ):
        (tmp_path / "b.off").write_text(wrong)
        with pytest.raises(InputError, match=r"cut short|at least 3 corners"):
            read_mesh(tmp_path / "b.off")


def test_stl_corners_become_vertices(torus, tmp_path):
    torus.to_trimesh().export(tmp_path / "torus.stl")
    found = read_mesh(tmp_path / "torus.stl")
    assert len(found.vertices) == len(torus.vertices) and found.topology.euler_characteristic == 0
    assert torch.equal(found.vertices[found.faces], torus.vertices[torus.faces])
    first_seen = torch.unique(found.faces.flatten()[: 3 * 10])
    assert found.faces[0].tolist() == [0, 1, 2] and first_seen.tolist() == list(range(len(first_seen)))


def in_parts(mesh, folder, name):
    """Write what trimesh makes a glTF of: its document comes back, its buffers are called after ``name``."""
    files = mesh.to_trimesh().scene().export(file_type="gltf")
    document = json.loads(files["model.gltf"])
    for number, buffer in enumerate(document["buffers"]):
        (folder / f"{name} {number}.bin").write_bytes(files[buffer["uri"]])
        buffer["uri"] = f"{name} {number}.bin".replace(" ", "%20")
    return document


def test_buffers_of_a_gltf_have_encoded_names(torus, tmp_path):
    (tmp_path / "a.gltf").write_text(json.dumps(in_parts(torus, tmp_path, "my torus")))
    assert torch.equal(read_mesh(tmp_path / "a.gltf").faces, torus.faces)


def test_texture_coordinates_of_a_gltf_come_without_a_material(torus, tmp_path):
    document = in_parts(torus, tmp_path, "a")
    assert "materials" not in document and read_mesh_of(document, tmp_path).uv is None
    uv = np.random.default_rng(0).random((len(torus.vertices), 2), dtype=np.float32)
    (tmp_path / "uv.bin").write_bytes(uv.tobytes())
    document["buffers"].append({"uri": "uv.bin", "byteLength": uv.nbytes})
    document["bufferViews"].append({"buffer": len(document["buffers"]) - 1, "byteLength": uv.nbytes})
    accessor = {"bufferView": len(document["bufferViews"]) - 1, "componentType": 5126, "type": "VEC2"}
    document["accessors"].append(accessor | {"count": len(uv)})
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    attributes["TEXCOORD_0"] = len(document["accessors"]) - 1
    # Our origin is at the bottom left, glTF's at the top left.
    assert read_mesh_of(document, tmp_path).uv.numpy() == pytest.approx(uv * [1, -1] + [0, 1])


def read_mesh_of(document, folder):
    (folder / "a.gltf").write_text(json.dumps(document))
    return read_mesh(folder / "a.gltf")


def test_a_compressed_gltf_is_refused_and_no_mesh_of_zeros(torus, tmp_path):
    """Its accessors have no data: that lies compressed in a view that an extension names."""
    document = in_parts(torus, tmp_path, "a")
    for accessor in document["accessors"]:
        del accessor["bufferView"]
    packed = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    document["meshes"][0]["primitives"][0]["extensions"] = packed
    document |= {"extensionsUsed": list(packed), "extensionsRequired": list(packed)}
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match="it needs KHR_draco_mesh_compression, which is not read"):
        read_mesh(tmp_path / "a.gltf")


def test_glb_meshes_are_placed_and_joined(tmp_path, tetrahedron):
    scene = trimesh.Scene()
    move, mirror = np.eye(4), np.diag([-1.0, 1, 1, 1])
    move[:3, 3] = 10, 0, 0
    scene.add_geometry(tetrahedron.to_trimesh(), node_name="left", transform=move)
    scene.add_geometry(tetrahedron.to_trimesh(), node_name="right", transform=mirror)
    scene.export(tmp_path / "two.glb")
    mesh = read_mesh(tmp_path / "two.glb")
    assert mesh.vertices.shape == (8, 3) and mesh.topology.component_count == 2
    left, right = mesh.vertices[mesh.groups["left"]], mesh.vertices[mesh.groups["right"]]
    assert torch.equal(left, tetrahedron.vertices + torch.tensor([10.0, 0, 0]))
    assert torch.equal(right, tetrahedron.vertices * torch.tensor([-1.0, 1, 1]))
    # both are still right side out: positive volume
    assert all(part.volume > 0 for part in mesh.to_trimesh().split(only_watertight=False))


def test_npz_of_a_sequence_gives_its_neutral(tmp_path, tetrahedron):
    arrays = {"neutral": tetrahedron.vertices.numpy(), "faces": tetrahedron.faces.numpy()}
    np.savez(tmp_path / "x.npz", vertices=np.zeros((5, 4, 3)), fps=25, **arrays)
    assert torch.equal(read_mesh(tmp_path / "x.npz").vertices, tetrahedron.vertices)


OTHERS = (".glb", ".gltf", ".ply", ".stl", ".off", ".npz")
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


def bad_files(folder):
    def write(name, content):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
        return name

    noise = np.random.default_rng(0).bytes(2000)
    npz, pickled, single = (folder / name for name in ("few.npz", "pickled.npz", "one.npz"))
    np.savez(npz, vertices=np.zeros((3, 3)))
    np.savez(pickled, vertices=np.array([{"a": 1}], dtype=object), faces=np.zeros((1, 3), dtype=int))
    np.savez(single, vertices=np.zeros((3, 3)), faces=np.zeros((1, 3)))
    gltf = json.dumps({"asset": {"version": "2.0"}, "scenes": [{"nodes": []}], "scene": 0})
    return [
        ("gone.obj", "no such file"),
        (".", "it is a folder"),
        (write("mesh.blend", noise), r"must end in one of \.obj, .*, got \.blend"),
        (write("mesh", noise), "got no suffix"),
        (write("letter.obj", "Dear reader,\nthis is no mesh.\n"), "it has 0 v lines and 0 f lines"),
        (write("empty.obj", ""), "it has 0 v lines"),
        (write("points.obj", TRIANGLE), "3 v lines and 0 f lines"),
        (write("nan.obj", TRIANGLE.replace("1 0 0", "1 nan 0") + "f 1 2 3\n"), "must be finite, got nan"),
        (write("inf.obj", TRIANGLE.replace("1 0 0", "1 1e999 0") + "f 1 2 3\n"), "must be finite"),
        (write("range.obj", TRIANGLE + "f 1 2 4\n"), "a face names vertex 4, but there are 3 vertices"),
        (write("zero.obj", TRIANGLE + "f 0 1 2\n"), "a face names vertex 0"),
        (write("below.obj", TRIANGLE + "f -4 1 2\n"), "a face names vertex"),
        (write("edge.obj", TRIANGLE + "f 1 2\n"), "at least 3 corners, got 2"),
        (write("word.obj", TRIANGLE + "f one two three\n"), "cannot be read as OBJ"),
        (write("many.obj", TRIANGLE + "f 1/1/1/1 2 3\n"), "something else than v, v/vt"),
        (write("slash.obj", TRIANGLE + "f /1 2 3\n"), "something else than v, v/vt"),
        (write("score.obj", TRIANGLE + "f 1_0 2 3\n"), "something else than v, v/vt"),
        (write("bare.obj", TRIANGLE + "f \n"), "at least 3 corners, got 0"),
        (write("word2.obj", TRIANGLE + "v a b c\nf 1 2 3\n"), "cannot be read as OBJ"),
        (write("short.obj", TRIANGLE + "v 1 2\nf 1 2 3\n"), "v lines must have 3 numbers or more"),
        (write("huge.obj", TRIANGLE + "f 1 2 99999999999999999999\n"), "cannot be read as OBJ"),
        (write("noise.obj", noise), "cannot be read"),
        *((write(f"noise{suffix}", noise), "cannot be read") for suffix in OTHERS),
        *((write(f"none{suffix}", b""), "cannot be read") for suffix in OTHERS),
        (write("nothing.gltf", gltf), "it has no faces"),
        (write("range.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n"), "cannot be read"),
        ("few.npz", "it lacks faces among vertices"),
        ("pickled.npz", "cannot be read as NPZ: .*pickle"),
        ("one.npz", "faces must hold integers"),
    ]


def test_bad_files_are_one_sentence_that_names_file_and_fault(tmp_path):
    for name, message in bad_files(tmp_path):
        with pytest.raises(InputError, match=message) as caught:
            read_mesh(tmp_path / name)
        sentence = str(caught.value)
        assert str(tmp_path / name) in sentence and "\n" not in sentence and len(sentence) < 500


def test_a_face_index_out_of_range_is_found_in_every_format(tmp_path):
    ply = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    ply += (
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n"
    )
    (tmp_path / "x.ply").write_text(ply)
    with pytest.raises(InputError, match=r"faces must lie in \[0, 3\)"):
        read_mesh(tmp_path / "x.ply")
