"""Meshes to pixels through cameras: attributes, gradients, batches, and an independent ray caster."""

import math
import sys

import numpy as np
import pytest
import torch

from meshanim._check import InputError, MissingExtra
from meshanim.mesh import Mesh
from meshanim.mesh.rotations import axis_angle_to_matrix
from meshanim.rendering import Camera, antialias, interpolate, rasterize


def slanted(dtype=torch.float32):
    """Two slanted faces that share an edge, and a camera that sees them from the side."""
    camera = Camera.looking_at((0.2, 0.1, 0.8), (0, 0, 0), 40, (50, 60))
    vertices = [[-0.3, -0.2, 0.2], [0.3, -0.25, -0.3], [0.05, 0.3, 0.1], [0.4, 0.3, -0.6]]
    return torch.tensor(vertices, dtype=dtype), torch.tensor([[0, 1, 2], [1, 3, 2]]), camera.to(dtype)


@pytest.mark.parametrize("perspective", [True, False])
def test_interpolated_positions_project_onto_their_pixels(perspective):
    vertices, faces, camera = slanted()
    camera = camera if perspective else camera.weak_perspective(0.8)
    got = rasterize(vertices, faces, camera)
    assert int(got.covered.sum()) > 300
    places = interpolate(got, vertices)
    assert (places[~got.covered] == 0).all()
    projected = camera.project(places[got.covered])
    row, column = got.covered.nonzero(as_tuple=True)
    # Screen-linear weights would be off by whole pixels on these slanted faces; this is float32 rounding.
    assert (projected[:, :2] - torch.stack([column, row], 1) - 0.5).abs().max() < 1e-3
    assert torch.allclose(projected[:, 2], got.depth[got.covered], atol=1e-5)


def test_front_is_the_counter_clockwise_side():
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 40, (20, 20))
    vertices = torch.tensor([[-0.1, -0.1, 0.0], [0.1, -0.1, 0.0], [0.0, 0.1, 0.0]])
    for faces, front in ((torch.tensor([[0, 1, 2]]), True), (torch.tensor([[0, 2, 1]]), False)):
        got = rasterize(vertices, faces, camera)
        assert got.covered.any() and (got.front == (got.covered & front)).all()
        batch = rasterize(vertices.expand(2, 1, 3, 3), faces, camera)
        assert torch.equal(batch.front[1, 0], got.front)
    nothing = rasterize(vertices, torch.zeros(0, 3, dtype=torch.int64), camera)
    assert not nothing.front.any() and not nothing.covered.any()


def test_meshes_and_cameras_broadcast():
    vertices, faces, _ = slanted()
    eyes = torch.tensor([[0.2, 0.1, 0.8], [-0.2, 0.3, 0.9], [0.0, 0.0, 1.2]])
    cameras = Camera.looking_at(eyes, torch.zeros(3), 40, (50, 60))
    moved = torch.stack([vertices, vertices * 0.9]).unsqueeze(1)
    colours = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    got = rasterize(moved, faces, cameras)
    painted, shared = interpolate(got, colours), interpolate(got, colours[0, 0])
    assert got.face.shape == (2, 3, 50, 60) and painted.shape == (2, 3, 50, 60, 5)
    for i in range(2):
        for j in range(3):
            alone = rasterize(moved[i, 0], faces, Camera.looking_at(eyes[j], torch.zeros(3), 40, (50, 60)))
            # Batched matrix products may round the projections differently.
            assert (alone.face == got.face[i, j]).float().mean() > 0.999
            same = alone.face == got.face[i, j]
            assert torch.allclose(interpolate(alone, colours[i, 0])[same], painted[i, j][same], atol=1e-4)
            assert torch.allclose(interpolate(alone, colours[0, 0])[same], shared[i, j][same], atol=1e-4)


def picture(vertices, faces, camera, colours, outlined=True):
    """Colours on the mesh before a graded background, silhouettes blended."""
    got = rasterize(vertices, faces, camera)
    row = torch.linspace(0, 1, camera.size[0], dtype=vertices.dtype)[:, None, None]
    image = torch.where(got.covered[..., None], interpolate(got, colours), row)
    return antialias(image, got) if outlined else image


def numeric(function, value, step):
    """Central differences of a scalar function for each element."""
    result = torch.zeros_like(value)
    for i in range(value.numel()):
        moved = [value.detach().clone() for _ in range(2)]
        for sign, copy in zip((1, -1), moved, strict=True):
            copy.view(-1)[i] += sign * step
        result.view(-1)[i] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return result


def scene(perspective=True):
    """A tetrahedron before a slanted face, in float64."""
    camera = Camera.looking_at((0.13, 0.21, 1.4), (0.01, 0.02, 0), 30, (24, 31)).to(torch.float64)
    camera = camera if perspective else camera.weak_perspective(1.4)
    vertices = [[0.2, 0.02, 0], [-0.1, 0.17, 0.03], [-0.12, -0.16, 0.05], [0.01, 0.02, 0.2]]
    vertices += [[-0.4, -0.3, -0.2], [0.42, -0.25, -0.3], [0.05, 0.4, -0.15]]
    faces = torch.tensor([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1], [4, 5, 6]])
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    weight = torch.randn(24, 31, 2, generator=generator, dtype=torch.float64)
    return torch.tensor(vertices, dtype=torch.float64), faces, camera, colours, weight


@pytest.mark.parametrize("perspective", [True, False])
def test_gradients_of_a_picture_are_its_differences(perspective):
    """Vertices, attributes and camera, silhouettes included: steps of 1e-7 move edges by 1e-5 pixels."""
    vertices, faces, camera, colours, weight = scene(perspective)
    leaves = {"vertices": vertices, "colours": colours}
    leaves |= {name: getattr(camera, name) for name in ("matrix", "rotation", "translation")}
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}

    def loss(**changed):
        now = {**leaves, **changed}
        seen = Camera(now["matrix"], now["rotation"], now["translation"], camera.size, perspective)
        return (picture(now["vertices"], faces, seen, now["colours"]) * weight).sum()

    loss().backward()
    for name, leaf in leaves.items():
        with torch.no_grad():
            wanted = numeric(lambda value, name=name: loss(**{name: value}), leaf, 1e-7)
        assert leaf.grad is not None and leaf.grad.abs().max() > 0
        error = (leaf.grad - wanted).abs()
        if name == "matrix":  # its last row is 0, 0, 1 by definition
            error = error[:2]
        assert error.max() <= 2e-5 * wanted.abs().max()


def test_silhouettes_carry_most_of_the_gradient():
    """Without blending nothing in the picture says where the outline of a one-coloured mesh is."""
    vertices, faces, camera, _, weight = scene()
    vertices.requires_grad_()
    colours = torch.ones(7, 2, dtype=torch.float64)
    hard = (picture(vertices, faces, camera, colours, outlined=False) * weight).sum()
    (inside,) = torch.autograd.grad(hard, vertices)
    (whole,) = torch.autograd.grad((picture(vertices, faces, camera, colours) * weight).sum(), vertices)
    assert inside.abs().max() < 1e-9 < 0.1 < whole.abs().max()


def test_a_displaced_and_turned_mesh_finds_back(head):
    """From its own picture, by gradients that silhouettes and shading give."""
    camera = Camera.looking_at((0, 0, 0.9), (0, -0.03, 0), 25, (96, 96))
    colours = (head.vertices - head.vertices.amin(0)) / 0.3

    def render(motion):
        turned = head.vertices @ axis_angle_to_matrix(motion[:3]).mT + 0.1 * motion[3:]
        got = rasterize(turned, head.faces, camera)
        return antialias(interpolate(got, colours), got)

    truth = torch.tensor([0.15, -0.2, 0.1, 0.2, -0.15, 0.3])
    wanted = render(truth)
    motion = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.Adam([motion], lr=0.03)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)
    for _ in range(160):
        optimizer.zero_grad()
        (render(motion) - wanted).square().mean().backward()
        optimizer.step()
        schedule.step()
    # Radians, and tenths of a metre: 0.0005 are 0.05 mm here, an eightieth of a pixel, and the last steps are
    # of 0.001. Silhouettes that jump as pixels change faces leave about a fifth of it.
    assert (motion.detach() - truth).abs().max() < 5e-4


def ray_cast(vertices, faces, camera):
    """Nearest face and depth by trimesh with Embree, an independent program, in batches of all pixels."""
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("embreex")
    height, width = camera.size
    mesh = trimesh.Trimesh(vertices.double().numpy(), faces.numpy(), process=False)
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([column, row], -1).reshape(-1, 2).double() + 0.5
    camera = camera.to(torch.float64)
    ahead = camera.unproject(pixels, torch.ones(len(pixels), dtype=torch.float64))
    direction = ahead - camera.position
    origin = camera.position.expand_as(direction)
    tracer = trimesh.ray.ray_pyembree.RayMeshIntersector(mesh)
    hits = tracer.intersects_location(origin.numpy(), direction.numpy(), multiple_hits=False)
    place, ray, face = hits
    seen, depth = np.full(height * width, -1), np.zeros(height * width)
    seen[ray] = face
    depth[ray] = camera.project(torch.from_numpy(place))[:, 2].numpy()
    return torch.from_numpy(seen).view(height, width), torch.from_numpy(depth).view(height, width)


def near_an_edge(points, faces, size, within):
    """(H, W) whether a pixel's middle lies within some pixels of any edge, hidden ones as well."""
    height, width = size
    near = torch.zeros(height, width, dtype=torch.bool)
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values.unique(dim=0)
    depth = points[..., 2:].double()
    space = torch.cat([points[..., :2].double() * torch.where(depth > 0, depth, 1), depth], dim=-1)[edges]
    seen = space[..., 2] > 1e-3
    space, seen = space[seen.any(1)], seen[seen.any(1)]
    cut = (1e-3 - space[:, :1, 2:]) / (space[:, 1:, 2:] - space[:, :1, 2:])
    at_cut = space[:, :1] + cut * (space[:, 1:] - space[:, :1])
    space = torch.where(seen[..., None], space, at_cut)
    ends = space[..., :2] / space[..., 2:]
    low, high = ends.amin(1) - within - 0.5, ends.amax(1) + within - 0.5
    high = high.clamp(min=-1.0)  # far beside the picture
    limit = torch.tensor([width - 1.0, height - 1.0])
    first = low.ceil().clamp(min=0)
    count = (high.floor().minimum(limit) - first + 1).clamp(min=0).long()
    source = torch.repeat_interleave(count.prod(1))
    step = torch.arange(len(source)) - (count.prod(1).cumsum(0) - count.prod(1))[source]
    place = first.long()[source] + torch.stack([step % count[source, 0], step // count[source, 0]], 1)
    start, way = ends[source, 0], ends[source, 1] - ends[source, 0]
    away = place + 0.5 - start
    share = ((away * way).sum(1) / way.square().sum(1).clamp(min=1e-30)).clamp(0, 1)
    close = place[(away - share[:, None] * way).norm(dim=1) <= within]
    near[close[:, 1], close[:, 0]] = True
    return near


def compare_with_rays(vertices, faces, camera, depth_error):
    got = rasterize(vertices, faces, camera)
    seen, depth = ray_cast(vertices, faces, camera)
    clear = ~near_an_edge(got.points, faces, camera.size, 1e-3)
    assert clear.float().mean() > 0.9
    assert torch.equal(got.covered[clear], (seen >= 0)[clear])
    both = clear & got.covered
    error = (got.depth.double() - depth).abs()[both] / depth[both]
    assert error.max() < depth_error
    return got.face[both], seen[both]


def test_rays_hit_random_triangles_where_pixels_see_them():
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        corners = torch.randn(400, 1, 3, generator=generator) * 0.3
        size = 10 ** (-2 * torch.rand(400, 1, 1, generator=generator))
        vertices = (corners + size * 0.4 * torch.randn(400, 3, 3, generator=generator)).view(-1, 3)
        camera = Camera.looking_at((0.3, 0.2, 3.0), (0, 0, 0), 30, (120, 160))
        depth = camera.project(vertices)[:, 2].view(-1, 3)
        faces = torch.arange(1200).view(-1, 3)[(depth > 0.1).all(1)]
        # Embree works in single precision, about 1e-6 of a distance of 3 metres times a few for slant.
        ours, theirs = compare_with_rays(vertices, faces, camera, 1e-4)
        assert (ours == theirs).float().mean() > 0.999


def test_rays_hit_random_triangles_around_the_camera():
    """Many reach behind it. Those within a millimetre, which pixels do not see, are too few to matter."""
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        corners = torch.randn(60, 1, 3, generator=generator)
        vertices = (corners + torch.randn(60, 3, 3, generator=generator)).view(-1, 3)
        camera = Camera.looking_at((0.03, 0.02, 0.1), (0, 0, -1), 60, (120, 160))
        faces = torch.arange(180).view(-1, 3)
        behind = camera.project(vertices)[:, 2].view(-1, 3) < 0
        ours, theirs = compare_with_rays(vertices, faces, camera, 1e-4)
        assert (ours == theirs).float().mean() > 0.999
        assert (behind[ours].any(1) & ~behind[ours].all(1)).float().mean() > 0.3


def test_rays_hit_a_real_face_where_pixels_see_it(shared_data):
    packed = np.load(shared_data / "ict_facekit" / "ict_facekit_light.npz")
    mesh = Mesh(torch.tensor(packed["mean"]) / 100, torch.tensor(packed["faces"], dtype=torch.int64))
    camera = Camera.looking_at((0.3, 0.1, 1.2), mesh.vertices.mean(0), 22, (512, 512))
    ours, theirs = compare_with_rays(mesh.vertices, mesh.faces, camera, 1e-4)
    assert len(ours) > 50000 and (ours == theirs).float().mean() > 0.999


def test_bad_input_is_named_or_defined():
    vertices, faces, camera = slanted()
    with pytest.raises(InputError, match=r"faces must lie in \[0, 4\)"):
        rasterize(vertices, faces + 2, camera)
    with pytest.raises(InputError, match="points must have a shape ending in"):
        rasterize(vertices[:, :2], faces, camera)
    with pytest.raises(InputError, match="image must have shape"):
        antialias(torch.zeros(50, 61, 3), rasterize(vertices, faces, camera))
    with pytest.raises(InputError, match="height must be at least 1"):
        Camera.looking_at((0, 0, 1), (0, 0, 0), 40, (0, 0))
    behind = rasterize(vertices + torch.tensor([0.0, 0, 5]), faces, camera)
    assert not behind.covered.any()
    nothing = rasterize(vertices[:0], faces[:0], camera)
    assert torch.equal(antialias(torch.ones(50, 60, 1), nothing), torch.ones(50, 60, 1))
    broken = rasterize(torch.full_like(vertices, math.nan), faces, camera)
    assert not broken.covered.any() and torch.equal(
        antialias(torch.ones(50, 60, 1), broken), torch.ones(50, 60, 1)
    )


def test_silhouettes_of_a_mesh_around_the_camera_have_gradients():
    """What reaches behind it has no silhouette there, and spoils no other."""
    vertices, faces, camera = slanted(torch.float64)
    behind = torch.tensor([[0.3, 0.0, 1.2], [0.1, 0.03, 0.45], [0.05, 0.0, 0.2]], dtype=torch.float64)
    vertices = torch.cat([vertices, behind]).requires_grad_()
    got = rasterize(vertices, torch.cat([faces, torch.tensor([[4, 5, 6]])]), camera)
    assert (got.points[4, 2] < 0) and {0, 2} <= set(got.face.unique().tolist())
    image = antialias(torch.where(got.covered[..., None], 1.0, 0.0).double(), got)
    (gradient,) = torch.autograd.grad(image.square().sum(), vertices)
    assert gradient.isfinite().all() and gradient[:4].abs().max() > 1


@pytest.mark.parametrize("perspective", [True, False])
def test_pytorch3d_sees_the_same(perspective):
    pytest.importorskip("pytorch3d.renderer", reason="PyTorch3D is an extra")
    vertices, faces, camera = slanted()
    camera = camera if perspective else camera.weak_perspective(0.8)
    vertices = torch.stack([vertices, vertices + 0.05]).requires_grad_()
    ours, theirs = (rasterize(vertices, faces, camera, of) for of in ("meshanim", "pytorch3d"))
    # middles that fall onto an edge, or within its rounding, may go either way
    same = ours.face == theirs.face
    assert same.float().mean() > 0.999 and ours.covered.any(dim=(1, 2)).all()
    both = same & ours.covered
    # PyTorch3D works in float32 all through
    assert torch.allclose(ours.depth[both], theirs.depth[both], rtol=1e-4)
    assert torch.allclose(ours.barycentric[both], theirs.barycentric[both], atol=1e-3)
    weights = torch.rand_like(ours.depth)[both]
    own, other = (torch.autograd.grad((of.depth[both] * weights).sum(), vertices)[0] for of in (ours, theirs))
    assert torch.allclose(own, other, rtol=1e-2, atol=1e-2 * float(own.abs().max()))


def test_a_missing_pytorch3d_is_named(monkeypatch):
    vertices, faces, camera = slanted()
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer", None)
    with pytest.raises(MissingExtra, match=r"pip install 'meshanim\[pytorch3d\]'"):
        rasterize(vertices, faces, camera, "pytorch3d")
