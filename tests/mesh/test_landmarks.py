"""The 68 landmarks of a face's mesh."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import LANDMARKS, Mesh, landmark_vertices


def marked(names: tuple[str, ...]) -> Mesh:
    landmarks = {name: 67 - place for place, name in enumerate(names)}
    return Mesh(torch.rand(68, 3), torch.tensor([[0, 1, 2]]), landmarks=landmarks)


def test_vertices_come_in_the_order_of_the_numbers() -> None:
    assert landmark_vertices(marked(LANDMARKS)).tolist() == list(range(67, -1, -1))
    assert landmark_vertices(marked(LANDMARKS[::-1])).tolist() == list(range(68))
    assert (LANDMARKS[0], LANDMARKS[8], LANDMARKS[67]) == ("landmark68_00", "landmark68_08", "landmark68_67")


def test_a_landmark_that_a_mesh_lacks_is_named() -> None:
    with pytest.raises(InputError, match="got no landmark68_67"):
        landmark_vertices(marked(LANDMARKS[:-1]))
