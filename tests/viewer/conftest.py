"""A small performance that moves, turns its head and speaks; servers that are closed again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.viewer import close_server, open_server

FRAMES, FPS, RATE = 20, 10.0, 8000


@pytest.fixture
def speaking() -> Performance:
    """A tetrahedron that grows over two seconds while it turns, with a tone."""
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) / 10
    mesh = Mesh(corners, torch.tensor([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]))
    growth = torch.linspace(1, 2, FRAMES)[:, None, None]
    turn = torch.zeros(FRAMES, 6)
    turn[:, 1], turn[:, 5] = torch.linspace(0, 1, FRAMES), 0.05
    tone = 0.5 * torch.sin(torch.arange(2 * RATE) * 2 * torch.pi * 440 / RATE)
    return Performance(mesh, FPS, motion=growth * corners, head_motion=turn, waveform=tone, sample_rate=RATE)


@pytest.fixture
def server() -> Iterator:
    """A page on any free port."""
    pytest.importorskip("viser", reason="the extra viewer is not installed")
    opened = open_server(port=0)
    yield opened
    close_server(opened)
