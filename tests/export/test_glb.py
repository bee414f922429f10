"""GLB files are read back with pygltflib and trimesh, and compared in millimetres."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export import export, glb_buffer, read_performance
from meshanim.mesh import Mesh
from meshanim.performance import Performance

FLOAT32_MM = 1e-4
"""A tenth of a micrometre: float32 positions, displacements and weights, added up by the reader."""


def millimetres(found, wanted):
    return 1000 * np.linalg.norm(found - np.asarray(wanted), axis=1).max()


def frames_of(performance):
    return (0, performance.frame_count // 2, performance.frame_count - 1)


def test_named_weights_come_back(weighted, tmp_path, read_glb):
    glb = read_glb(export(weighted, tmp_path / "a.glb"))
    count = len(weighted.neutral.vertices)
    for frame in frames_of(weighted):
        assert millimetres(glb.local(frame)[:count], weighted.vertices(frame, frame + 1)[0]) < FLOAT32_MM
    names = glb.extras["targetNames"]
    assert names[:4] == list(weighted.weight_names)
    assert glb.extras["largestErrorMillimetres"] == 0
    assert glb.extras["targetKind"] == "basis of the performance"
    assert glb.extras["fps"] == 30 and glb.extras["frames"] == weighted.frame_count
    assert len(glb.primitive.targets) == len(names)


def test_weights_stay_in_the_range_that_blender_keeps(weighted, moving, tmp_path, read_glb):
    for performance in (weighted, moving):
        weights = read_glb(export(performance, tmp_path / "a.glb")).weights()
        assert weights.min() >= 0 and weights.max() <= 1
    names = read_glb(export(weighted, tmp_path / "a.glb")).extras["targetNames"]
    assert names[4:] == ["mouthSmileLeft above 1", "browDownLeft below 0"]


def test_targets_of_few_vertices_are_sparse(weighted, tmp_path, read_glb):
    glb = read_glb(export(weighted, tmp_path / "a.glb"))
    shapes = [glb.document.accessors[target["POSITION"]] for target in glb.primitive.targets]
    assert shapes[0].sparse.count >= 20 and shapes[0].bufferView is None
    assert shapes[1].sparse is None and shapes[1].bufferView is not None
    assert shapes[3].sparse is None and shapes[3].bufferView is None


@pytest.mark.parametrize("max_error", [1e-3, 1e-4, 1e-6])
def test_principal_components_keep_their_stated_error(moving, tmp_path, max_error, read_glb):
    glb = read_glb(export(moving, tmp_path / "a.glb", max_error=max_error))
    count = len(moving.neutral.vertices)
    errors = [
        millimetres(glb.local(frame)[:count], moving.vertices(frame, frame + 1)[0])
        for frame in range(moving.frame_count)
    ]
    assert max(errors) <= 1000 * max_error + FLOAT32_MM
    assert max(errors) == pytest.approx(glb.extras["largestErrorMillimetres"], abs=2 * FLOAT32_MM)
    assert glb.extras["targetKind"] == "principal components"
    assert len(glb.extras["targetNames"]) <= 2 * moving.frame_count


def test_a_looser_bound_needs_fewer_targets(moving, tmp_path, read_glb):
    counts = [
        len(read_glb(export(moving, tmp_path / "a.glb", max_error=bound)).extras["targetNames"])
        for bound in (3e-3, 1e-4)
    ]
    assert counts[0] < counts[1]


class _Bent:
    """Moves as the basis does, but all vertices 3 mm up wherever the first weight is at 1/2."""

    def __init__(self, performance):
        self.performance = performance

    def vertices(self, weights):
        moved = self.performance.neutral.vertices + torch.einsum(
            "tk,kvc->tvc", weights, self.performance.basis
        )
        return moved + 0.012 * (weights[:, :1] * (1 - weights[:, :1]))[..., None] * torch.tensor([0.0, 1, 0])


def test_targets_of_a_mover_keep_their_names_and_tell_their_error(weighted, tmp_path, read_glb):
    bent = replace(weighted, mover=_Bent(weighted))
    found = read_glb(export(bent, tmp_path / "bent.glb"))
    assert found.extras["targetNames"][:4] == list(weighted.weight_names)
    share = weighted.weights[:, 0] * (1 - weighted.weights[:, 0])
    assert found.extras["largestErrorMillimetres"] == pytest.approx(12 * float(share.max()), abs=1e-3)
    back = read_performance(export(bent, tmp_path / "bent.npz"))
    assert back.weight_names == weighted.weight_names
    torch.testing.assert_close(back.vertices(), bent.vertices(), atol=1e-7, rtol=0)
    torch.testing.assert_close(back.straight(), bent.straight(), atol=1e-7, rtol=0)


def test_residual_decides_between_basis_and_components(weighted, tmp_path, read_glb):
    small = replace(weighted, residual=torch.full_like(weighted.vertices(), 2e-5))
    large = replace(weighted, residual=torch.full_like(weighted.vertices(), 2e-3))
    near, far = (read_glb(export(p, tmp_path / "a.glb")) for p in (small, large))
    assert near.extras["targetNames"][0] == "jawOpen"
    assert near.extras["largestErrorMillimetres"] == pytest.approx(0.02 * 3**0.5, rel=1e-4)
    assert far.extras["targetNames"][0] == "component_001"
    count = len(weighted.neutral.vertices)
    assert millimetres(far.local(5)[:count], large.vertices(5, 6)[0]) < 0.1 + FLOAT32_MM


def test_frames_as_targets_on_request(moving, tmp_path, read_glb):
    glb = read_glb(export(moving, tmp_path / "a.glb", targets="frames"))
    count = len(moving.neutral.vertices)
    for frame in range(moving.frame_count):
        assert millimetres(glb.local(frame)[:count], moving.vertices(frame, frame + 1)[0]) < FLOAT32_MM
    assert glb.extras["targetNames"][0] == "frame_000001"


def test_head_motion_is_on_the_node(moving, tmp_path, read_glb):
    glb = read_glb(export(moving, tmp_path / "a.glb", max_error=1e-6))
    count = len(moving.neutral.vertices)
    for frame in frames_of(moving):
        turn = Rotation.from_rotvec(moving.head_motion[frame, :3].double().numpy())
        wanted = (
            turn.apply(moving.vertices(frame, frame + 1)[0].numpy()) + moving.head_motion[frame, 3:].numpy()
        )
        # The bound that the components were asked for, and float32 quaternions at 0.1 m.
        assert millimetres(glb.posed(frame)[:count], wanted) < 1e-3 + FLOAT32_MM
    turns = glb.track("rotation")[1]
    assert ((turns[1:] * turns[:-1]).sum(1) > 0).all()


def test_times_are_frames_over_fps(moving, tmp_path, read_glb):
    times, _ = read_glb(export(moving, tmp_path / "a.glb")).track("weights")
    assert times == pytest.approx(np.arange(moving.frame_count) / 23.976, rel=1e-6)


def test_vertices_keep_their_order_and_seams_copy_them(ball, weighted, tmp_path, read_glb):
    glb = read_glb(export(weighted, tmp_path / "a.glb"))
    count, copies = len(ball.vertices), np.array(glb.extras["copiesOf"])
    positions, faces = glb.attribute("POSITION"), glb.numbers(glb.primitive.indices).reshape(-1, 3)
    assert glb.extras["vertices"] == count and len(positions) == count + len(copies)
    assert np.array_equal(positions[:count], ball.vertices.numpy())
    assert np.array_equal(positions[count:], positions[copies])
    source = np.concatenate([np.arange(count), copies])
    assert np.array_equal(source[faces], ball.faces.numpy())
    texture = glb.attribute("TEXCOORD_0")[faces]
    wanted = ball.uv[ball.uv_faces].numpy()
    assert np.allclose(texture[..., 0], wanted[..., 0]) and np.allclose(1 - texture[..., 1], wanted[..., 1])
    # A vertex appears as often as it has texture coordinates.
    pairs = {(int(v), int(t)) for v, t in zip(ball.faces.flatten(), ball.uv_faces.flatten(), strict=True)}
    assert len(positions) == len(pairs)


def test_normals_are_unit_and_colours_differ_by_group(weighted, tmp_path, read_glb):
    glb = read_glb(export(weighted, tmp_path / "a.glb"))
    assert np.linalg.norm(glb.attribute("NORMAL"), axis=1) == pytest.approx(1.0, abs=1e-6)
    outwards = glb.attribute("POSITION") / 0.1
    assert (glb.attribute("NORMAL") * outwards).sum(1).min() > 0.9
    colours = glb.attribute("COLOR_0")
    assert colours.dtype == np.uint16 and (colours[:, 3] == 65535).all()
    assert colours[22, 1] < colours[60, 1]


def test_trimesh_reads_the_base(ball, weighted, tmp_path):
    scene = trimesh.load_scene(export(weighted, tmp_path / "a.glb"), process=False)
    mesh = next(iter(scene.geometry.values()))
    assert millimetres(mesh.vertices[: len(ball.vertices)], ball.vertices) < FLOAT32_MM
    assert len(mesh.faces) == len(ball.faces)
    assert mesh.volume == pytest.approx(
        trimesh.Trimesh(ball.vertices, ball.faces, process=False).volume, rel=1e-5
    )


def test_without_texture_coordinates_nothing_is_copied(ball, tmp_path, read_glb):
    plain = Mesh(ball.vertices, ball.faces)
    still = Performance(neutral=plain, fps=25.0, motion=plain.vertices.expand(3, -1, -1))
    glb = read_glb(export(still, tmp_path / "a.glb"))
    assert len(glb.attribute("POSITION")) == len(plain.vertices)
    assert glb.primitive.attributes.TEXCOORD_0 is None
    assert glb.extras["targetNames"] == ["component_001"]
    assert millimetres(glb.local(1), plain.vertices) == 0


def test_a_captured_texture_goes_along(weighted, painted, tmp_path, read_glb):
    path = export(weighted, tmp_path / "a.glb", appearance=painted)
    glb = read_glb(path)
    (material,) = glb.document.materials
    assert material.pbrMetallicRoughness.baseColorTexture.index == 0
    assert (glb.attribute("COLOR_0") == 65535).all()
    assert (
        millimetres(glb.local(3)[: len(weighted.neutral.vertices)], weighted.vertices(3, 4)[0]) < FLOAT32_MM
    )

    mesh = next(iter(trimesh.load_scene(path, process=False).geometry.values()))
    picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    height, width, _ = picture.shape
    # trimesh counts texture coordinates from the bottom left.
    uv = mesh.visual.uv[mesh.faces].mean(axis=1)
    colours = picture[((1 - uv[:, 1]) * height).astype(int), (uv[:, 0] * width).astype(int)]
    own = weighted.neutral.uv[weighted.neutral.uv_faces].mean(dim=1).numpy()
    left = own[:, 0] < 0.45
    # Linear 1.6 x 0.25 = 0.4 is 0.665 in sRGB.
    assert np.abs(colours[left] - [170, 0, 0]).max() <= 1
    assert colours[own[:, 0] > 0.55].max() == 0


def test_formats_without_a_texture_take_an_appearance_all_the_same(weighted, painted, tmp_path):
    plain, dressed = (
        export(weighted, tmp_path / f"{name}.pc2", appearance=a)
        for name, a in (("plain", None), ("dressed", painted))
    )
    assert plain.read_bytes() == dressed.read_bytes()


def test_parts_that_a_preview_leaves_out_are_clear(ball, tmp_path, read_glb):
    lashes = Mesh(ball.vertices, ball.faces, groups={"lashes": torch.arange(10)})
    still = Performance(neutral=lashes, fps=25.0, motion=ball.vertices[None])
    glb = read_glb(export(still, tmp_path / "a.glb"))
    assert (glb.attribute("COLOR_0")[:10, 3] == 0).all() and (glb.attribute("COLOR_0")[10:, 3] == 65535).all()
    assert glb.document.materials[0].alphaMode == "MASK"


def test_more_than_four_gibibytes_are_refused_before_writing(moving, tmp_path, monkeypatch):
    monkeypatch.setattr(glb_buffer, "LARGEST", glb_buffer.ROOM_FOR_JSON + 10_000)
    for targets in ("frames", "components"):
        with pytest.raises(InputError, match="a GLB ends at 4 GiB"):
            export(moving, tmp_path / "a.glb", targets=targets)
    assert list(tmp_path.iterdir()) == []


def test_noise_that_no_basis_explains_is_named(ball, tmp_path, monkeypatch):
    monkeypatch.setattr("meshanim.mesh.principal.MOST_COMPONENTS", 8)
    noise = ball.vertices + 0.01 * torch.randn(
        20, *ball.vertices.shape, generator=torch.Generator().manual_seed(0)
    )
    with pytest.raises(InputError, match="more than 8 morph targets"):
        export(Performance(neutral=ball, fps=25.0, motion=noise), tmp_path / "a.glb")
    assert list(tmp_path.iterdir()) == []


def test_long_motion_goes_by_chunks(ball, tmp_path, monkeypatch, read_glb):
    monkeypatch.setattr("meshanim.export.frames.CHUNK_BYTES", 12 * len(ball.vertices) * 7)
    phase = torch.linspace(0, 20, 100)
    shapes = 0.01 * torch.randn(3, *ball.vertices.shape, generator=torch.Generator().manual_seed(2))
    mixed = torch.einsum("kt,kvc->tvc", torch.stack([phase.sin(), phase.cos(), (2 * phase).sin()]), shapes)
    performance = Performance(neutral=ball, fps=60.0, motion=ball.vertices + mixed)
    seen: list[tuple[int, int]] = []
    glb = read_glb(export(performance, tmp_path / "a.glb", progress=lambda *done: seen.append(done)))
    assert [name for name in glb.extras["targetNames"] if "below" not in name] == [
        "component_001",
        "component_002",
        "component_003",
    ]
    for frame in (0, 50, 99):
        assert (
            millimetres(glb.local(frame)[: len(ball.vertices)], performance.vertices(frame, frame + 1)[0])
            < 0.1
        )
    assert seen[0] == (7, 200) and seen[-1] == (200, 200) and len(seen) == 30


@pytest.mark.parametrize("options", [{"targets": "all"}, {"max_error": 0.0}])
def test_bad_options_are_named(moving, tmp_path, options):
    with pytest.raises(InputError, match=next(iter(options))):
        export(moving, tmp_path / "a.glb", **options)
