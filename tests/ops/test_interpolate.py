"""Interpolation over faces: values, gradients, laws and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.ops import interpolate, interpolate_reference, opposite_faces
from meshanim.ops._library import cpu_library

Target = tuple[torch.device, torch.dtype]

# Three products forward, some hundred in a vertex's gradient.
BOUND = {torch.float32: 2e-6, torch.float64: 1e-14}
SIZES = [  # (batch, vertices, faces, pixels, channels)
    (2, 300, 500, 4000, 7),
    (1, 4, 2, 9000, 3),
    (3, 20, 10, 5, 1),
    (2, 20, 10, 5, 33),
    (1, 3, 1, 1, 1),
    (0, 3, 1, 4, 2),
    (2, 3, 0, 4, 2),
    (2, 3, 1, 0, 2),
]


def _inputs(sizes: tuple[int, ...], target: Target) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, vertices, faces, pixels, channels = sizes
    generator, (device, dtype) = torch.Generator().manual_seed(0), target
    attributes = torch.randn(batch, vertices, channels, generator=generator, dtype=torch.float64)
    index = torch.randint(0, vertices, (faces, 3), generator=generator)
    face = torch.randint(-1, max(faces, 1), (batch, pixels), generator=generator).clamp(max=faces - 1)
    weights = torch.rand(batch, pixels, 3, generator=generator, dtype=torch.float64)
    floats = [value.to(device, dtype).requires_grad_() for value in (attributes, weights)]
    return floats[0], index.to(device), face.to(device), floats[1]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients_are_the_references(sizes: tuple, target: Target) -> None:
    attributes, faces, face, weights = _inputs(sizes, target)
    y = interpolate(attributes, faces, face, weights)
    exact = [value.detach().double().requires_grad_() for value in (attributes, weights)]
    wanted = interpolate_reference(exact[0], faces, face, exact[1])
    direction = torch.randn_like(y)
    assert y.dtype == target[1] and (y[face < 0] == 0).all()
    for given in ((0,), (1,), (0, 1)):
        leaves, exact_leaves = ([pair[i] for i in given] for pair in ((attributes, weights), exact))
        found = torch.autograd.grad(y, leaves, direction, retain_graph=True)
        truth = torch.autograd.grad(wanted, exact_leaves, direction.double(), retain_graph=True)
        for value, reference in zip((y, *found), (wanted, *truth), strict=True):
            assert value.shape == reference.shape
            if reference.numel():
                error = (value.double() - reference).abs().max() / reference.abs().max().clamp(min=1e-30)
                assert error <= BOUND[target[1]] * (10 if sizes[1] == 4 else 1)  # sums of 4000 products


@pytest.mark.usefixtures("instruction_set")
@pytest.mark.parametrize("sizes", SIZES[:4], ids=str)
def test_every_instruction_set_gives_the_references_values(sizes: tuple, target: Target) -> None:
    test_values_and_gradients_are_the_references(sizes, target)


def test_gradcheck_and_opcheck() -> None:
    attributes, faces, face, weights = _inputs((2, 9, 5, 6, 4), (torch.device("cpu"), torch.float64))
    assert torch.autograd.gradcheck(lambda a, w: interpolate(a, faces, face, w), (attributes, weights))
    torch.library.opcheck(torch.ops.meshanim.interpolate.default, (attributes, faces, face, weights))
    grad = torch.randn(2, 6, 4, dtype=torch.float64)
    arguments = (grad, attributes.detach(), faces, face, weights.detach(), True, True)
    torch.library.opcheck(torch.ops.meshanim.interpolate_backward.default, arguments)


def test_same_bits_at_every_thread_count() -> None:
    attributes, faces, face, weights = _inputs((2, 900, 700, 20000, 8), (torch.device("cpu"), torch.float32))
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            y = interpolate(attributes, faces, face, weights)
            results.append((y, *torch.autograd.grad(y.square().sum(), (attributes, weights))))
    finally:
        torch.set_num_threads(threads)
    if cpu_library() is not None:
        assert all(torch.equal(a[i], results[0][i]) for a in results for i in range(3))


WRONG: dict[str, dict[str, Any]] = {
    "attributes must have shape": {"attributes": torch.zeros(4, 3)},
    r"face must have shape \(2, any\)": {"face": torch.zeros(1, 5, dtype=torch.int64)},
    r"weights must have shape \(2, 5, 3\)": {"weights": torch.zeros(2, 5, 2)},
    "weights must be torch.float32": {"weights": torch.zeros(2, 5, 3, dtype=torch.float64)},
    r"faces must lie in \[0, 4\)": {"faces": torch.full((6, 3), 4)},
    r"face must lie in \[-1, 6\)": {"face": torch.full((2, 5), 6)},
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_arguments_are_named(words: str) -> None:
    arguments: dict[str, Any] = {
        "attributes": torch.zeros(2, 4, 3),
        "faces": torch.zeros(6, 3, dtype=torch.int64),
        "face": torch.zeros(2, 5, dtype=torch.int64),
        "weights": torch.zeros(2, 5, 3),
    }
    interpolate(**arguments)
    with pytest.raises(InputError, match=words):
        interpolate(**{**arguments, **WRONG[words]})


def test_opposite_faces_by_hand() -> None:
    """Two faces share the edge of 1 and 2, three that of 5 and 6; kept until the faces change."""
    faces = torch.tensor([[0, 1, 2], [1, 2, 3], [4, 5, 6], [5, 6, 7], [6, 5, 8]])
    found = opposite_faces(faces)
    assert found.tolist() == [[1, -1, -1], [-1, -1, 0], [-1] * 3, [-1] * 3, [-1] * 3]
    assert opposite_faces(faces) is found
    faces[4] = torch.tensor([9, 10, 11])
    assert opposite_faces(faces)[2].tolist() == [3, -1, -1]
    assert opposite_faces(faces[:0]).shape == (0, 3)
