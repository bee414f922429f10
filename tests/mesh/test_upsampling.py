import numpy as np
import pytest
import torch

from meshanim.mesh import decimate, upsampling_matrix
from meshanim.ops.nearest_faces import closest_on_triangle


def up(values, indices, weights):
    return (values[indices] * weights[..., None]).sum(1)


@pytest.mark.parametrize(
    "name", ["sphere", "torus", "grid", "strip", "ict", "with_isolated", "single_vertex"]
)
def test_rows_sum_to_one_keep_what_stayed_and_stay_in_their_component(name, request):
    mesh = request.getfixturevalue(name)
    ready = name == "ict"
    step = request.getfixturevalue("ict_step") if ready else decimate(mesh, max(4, len(mesh.vertices) // 5))
    indices, weights = upsampling_matrix(mesh, step)
    assert (weights >= 0).all()
    # float32 weights: three roundings
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=2e-7, rtol=0)
    values = torch.randn(len(step.kept), 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(up(values, indices, weights)[step.kept], values)
    label = mesh.topology.components
    assert torch.equal(label[step.kept][indices], label[:, None].expand(-1, 3))


def test_linear_functions_are_exact_on_a_plane(grid):
    step = decimate(grid, 60)
    found = up(step.mesh.vertices, *upsampling_matrix(grid, step))
    # float32 positions of size one
    torch.testing.assert_close(found, grid.vertices, atol=1e-6, rtol=0)


def test_as_near_as_the_nearest_point_of_the_component(sphere):
    step = decimate(sphere, 200)
    found = up(step.mesh.vertices, *upsampling_matrix(sphere, step))
    coarse = step.mesh.vertices[step.mesh.faces].double().numpy()
    point = sphere.vertices.double().numpy()
    every = np.stack(
        [closest_on_triangle(point, np.broadcast_to(triangle, (len(point), 3, 3)))[1] for triangle in coarse]
    )
    distance = (found.double() - sphere.vertices).norm(dim=-1).numpy()
    # float32 weights and positions
    np.testing.assert_allclose(distance, np.sqrt(every.min(axis=0)), atol=3e-7)


def test_lips_do_not_stick_together(ict, ict_step, shared_data):
    """Opening the coarse jaw opens the fine mouth: no upper lip vertex hangs on a lower lip face."""
    data = np.load(shared_data / "ict_facekit/ict_facekit_light.npz")
    k = data["expression_names"].tolist().index("jawOpen")
    opened = torch.from_numpy(data["expression"][k] * data["expression_scale"][k]) / 100
    error = (up(opened[ict_step.kept], *upsampling_matrix(ict, ict_step)) - opened).norm(dim=-1)[:9409]
    # The jaw opens by 30 mm and more: vertices on the wrong lip would be off by that. 5 mm is what the
    # coarse mesh cannot follow in the corners of the mouth.
    assert opened.norm(dim=-1).max() > 0.03
    assert error.max() < 0.01 and error.mean() < 2e-4
