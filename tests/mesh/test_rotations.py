import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck, gradgradcheck

from meshanim.mesh import (
    axis_angle_to_matrix,
    axis_angle_to_quaternion,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    quaternion_to_axis_angle,
    quaternion_to_matrix,
)


def vectors() -> torch.Tensor:
    """Axis-angle vectors of every size below pi: ordinary, tiny, nearly half a turn, zero."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.nn.functional.normalize(
        torch.randn(480, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    angle = torch.rand(480, 1, generator=generator, dtype=torch.float64) * torch.pi
    angle[:50] = torch.logspace(-12, -1, 50, dtype=torch.float64)[:, None]
    angle[50:100] = torch.pi - torch.logspace(-9, -1, 50, dtype=torch.float64)[:, None]
    angle[100] = 0
    return axis * angle


def test_against_scipy():
    given = vectors()
    oracle = Rotation.from_rotvec(given.numpy())
    # a few float64 roundings
    torch.testing.assert_close(
        axis_angle_to_matrix(given), torch.tensor(oracle.as_matrix()), atol=1e-14, rtol=0
    )
    quaternion = axis_angle_to_quaternion(given)
    torch.testing.assert_close(quaternion, torch.tensor(oracle.as_quat(canonical=True)), atol=1e-14, rtol=0)


def test_round_trips():
    given = vectors()
    matrix = axis_angle_to_matrix(given)
    # Near half a turn rounding of the matrix is the rounding of the angle: no digits are lost.
    torch.testing.assert_close(matrix_to_axis_angle(matrix), given, atol=1e-13, rtol=0)
    quaternion = matrix_to_quaternion(matrix)
    torch.testing.assert_close(quaternion_to_axis_angle(quaternion), given, atol=1e-13, rtol=0)
    torch.testing.assert_close(quaternion_to_matrix(quaternion), matrix, atol=1e-14, rtol=0)


def test_float32_stays_float32_and_exact():
    given = vectors().float()
    back = matrix_to_axis_angle(axis_angle_to_matrix(given))
    assert back.dtype == torch.float32
    # float32 rounding of a matrix whose entries are of size one
    torch.testing.assert_close(
        axis_angle_to_matrix(back).double(), axis_angle_to_matrix(given.double()), atol=2e-6, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits_have_rest_and_small_turns(dtype):
    given = torch.tensor([[0.0, 0, 0], [1e-4, 2e-4, 0], [0, 1e-3, 0], [0.02, -0.01, 0.5]]).to(dtype)
    matrix, quaternion = axis_angle_to_matrix(given), axis_angle_to_quaternion(given)
    assert matrix.dtype == quaternion.dtype == dtype
    # Two roundings of numbers of size one.
    close = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(matrix.double(), axis_angle_to_matrix(given.double()), atol=close, rtol=0)
    for back in (quaternion_to_axis_angle(quaternion), matrix_to_axis_angle(matrix)):
        torch.testing.assert_close(back.double(), given.double(), atol=close, rtol=0)


def test_right_handed():
    quarter = axis_angle_to_matrix(torch.tensor([0.0, 0.0, torch.pi / 2]))
    torch.testing.assert_close(
        quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-7, rtol=0
    )


def test_leading_dimensions():
    given = vectors().reshape(2, 3, 80, 3)
    matrix = axis_angle_to_matrix(given)
    assert matrix.shape == (2, 3, 80, 3, 3)
    assert matrix_to_axis_angle(matrix).shape == (2, 3, 80, 3)
    assert axis_angle_to_matrix(torch.zeros(0, 3)).shape == (0, 3, 3)


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e-3, 1.0, 3.0])
def test_derivatives(size):
    given = torch.tensor([[0.6, -0.48, 0.64]], dtype=torch.float64) * size
    given.requires_grad_()
    assert gradcheck(axis_angle_to_matrix, given)
    assert gradgradcheck(axis_angle_to_matrix, given, atol=1e-4)
    assert gradcheck(lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)), given, atol=1e-4)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"axis_angle must have a shape ending in \(3,\), got \(4,\)"):
        axis_angle_to_matrix(torch.zeros(4))
    with pytest.raises(ValueError, match="matrix must have"):
        matrix_to_quaternion(torch.zeros(3, 4))
