"""A face in one picture as a map of positions, and the map as a mesh: what a network learns, and its use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor, nn

from meshanim._check import check_shape
from meshanim._pretrained import Pretrained
from meshanim.mesh import Mesh, Similarity, fit_similarity
from meshanim.mesh.precision import exact, widened
from meshanim.nn import PositionMapNet, SmallPositionMapNet
from meshanim.rendering.camera import Camera
from meshanim.rendering.face_cutting import cut_out, detected_square, square_about, uncut
from meshanim.rendering.uv_layout import UvLayout

REACH = 1.5
"""Farthest position that a map can hold, in half pictures from the middle: heads may be cut by the frame."""
USUAL = 6.5
"""Half pictures that a metre takes in pictures cut out about a face: a head takes three quarters."""
SMOOTHNESS = 0.1
"""Weight of smooth deviation from the neutral mesh against a texel's position: vertices without texels, and
noise of single ones, follow their neighbours."""
_LOOKS = 2
_FAR = 1.0
"""Metres from the camera of a face whose distance no picture without perspective tells."""


def picture_positions(vertices: Tensor, camera: Camera) -> Tensor:
    """Where vertices are in a picture, (..., V, 3): aside, down and away from the camera.

    Counted from the middle of the picture, and in depth from the mean of the vertices, in halves of the
    picture's height; a metre of depth is as long as one aside at that mean.

    Args:
        vertices: (..., V, 3) in metres.
        camera: of the picture.
    """
    place = camera.project(vertices)
    height, width = camera.size
    flat = (place[..., :2] - place.new_tensor([width / 2, height / 2])) * (2 / height)
    deep = (place[..., 2] - place[..., 2].mean(-1, keepdim=True)) * picture_scale(vertices, camera)[..., None]
    return torch.cat([flat, deep.unsqueeze(-1)], dim=-1)


def picture_scale(vertices: Tensor, camera: Camera) -> Tensor:
    """(...) halves of the picture's height that a metre takes at the mean depth of vertices (..., V, 3)."""
    focal = camera.matrix[..., 1, 1] * (2 / camera.size[0])
    return focal / camera.project(vertices)[..., 2].mean(-1) if camera.perspective else focal


class MapReader:
    """Reads vertices out of position maps, by least squares over all texels at once.

    The vertices whose interpolation over the texels comes nearest to the map, with a deviation from the
    neutral mesh that is smooth over the surface (:data:`SMOOTHNESS`): a map drawn from a mesh gives that
    mesh, seams included, and vertices that no texel shows follow their neighbours.

    Args:
        layout: of the neutral mesh.
    """

    def __init__(self, layout: UvLayout) -> None:
        self.layout = layout
        mesh, seen = layout.mesh, layout.covered
        corners, weights = mesh.faces[layout.face[seen]], layout.weights[seen].double()
        rows = np.repeat(np.arange(len(corners)), 3)
        shape = (len(corners), len(mesh.vertices))
        entries = (weights.flatten().numpy(), (rows, corners.flatten().numpy()))
        self._spread = sparse.csr_matrix(entries, shape)
        smooth = _laplacian(mesh)
        normal = self._spread.T @ self._spread + SMOOTHNESS * (smooth.T @ smooth)
        # A trace of the identity holds pieces without any texel where they are in the neutral mesh.
        self._solver = splu((normal + 1e-6 * sparse.identity(shape[1])).tocsc())

    def vertices(self, positions: Tensor) -> Tensor:
        """Vertices (B, V, 3) of maps (B, R, R, 3) in the neutral mesh's axes, in metres."""
        seen, count = self.layout.covered, len(self.layout.mesh.vertices)
        neutral = self.layout.mesh.vertices.double()
        wanted = positions[:, seen].double() - self.layout.spread(self.layout.mesh.vertices)[seen].double()
        sides = self._spread.T @ wanted.permute(1, 0, 2).flatten(1).numpy()
        found = torch.from_numpy(self._solver.solve(sides)).view(count, len(positions), 3)
        return (neutral[:, None] + found).permute(1, 0, 2).to(positions.dtype)


def _laplacian(mesh: Mesh) -> sparse.csr_matrix:
    """(V, V) each vertex less the mean of its neighbours."""
    start, end = mesh.topology.edges.T.numpy()
    count = len(mesh.vertices)
    beside = sparse.coo_matrix((np.ones(len(start)), (start, end)), (count, count))
    beside = beside + beside.T
    degree = np.maximum(np.asarray(beside.sum(1)).ravel(), 1)
    return (sparse.identity(count) - sparse.diags(1 / degree) @ beside).tocsr()


class FoundFace(NamedTuple):
    """Faces of B pictures.

    Attributes:
        vertices: (B, V, 3) in the axes of the neutral mesh and about as large, in metres.
        camera: of the pictures, without perspective; its pose is the head's.
    """

    vertices: Tensor
    camera: Camera


class PositionMapModel(Pretrained):
    """A network from pictures of faces to position maps on one mesh, and what makes meshes of these.

    Args:
        mesh: neutral with texture coordinates, see :func:`meshanim.mesh.repacked`.
        width: of the network.
        size: pixels along each side of pictures and maps, a multiple of 32.
        directions: (K, V, 3) in which faces deviate from the neutral, in metres; with them the network is
            :class:`meshanim.nn.SmallPositionMapNet`, without :class:`meshanim.nn.PositionMapNet`.
    """

    kind = "PositionMapModel"

    def __init__(
        self, mesh: Mesh, width: int = 16, size: int = 256, directions: Tensor | None = None
    ) -> None:
        super().__init__()
        self.layout, self.directions = UvLayout(mesh, size), directions
        self.net: nn.Module = PositionMapNet(width)
        if directions is not None:
            check_shape("directions", directions, (None, *mesh.vertices.shape))
            middle = mesh.vertices.mean(0)
            rest, deviation = _seen(mesh.vertices - middle, self.layout), _seen(directions, self.layout)
            self.net = SmallPositionMapNet(rest, deviation, width)
        self._reader: MapReader | None = None

    def __repr__(self) -> str:
        return f"PositionMapModel({self.layout.mesh}, {self.net}, size={self.layout.size})"

    def forward(self, images: Tensor) -> Tensor:
        """Maps (B, R, R, 3), see :func:`picture_positions`, of pictures (B, R, R, 3) as displayed."""
        return self.located(images)[0]

    def located(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Maps as :meth:`forward`, and of a small network the heat maps of its landmarks."""
        size = self.layout.size
        check_shape("images", images, (None, size, size, 3))
        planes = images.permute(0, 3, 1, 2)
        if isinstance(self.net, SmallPositionMapNet):
            maps, heat = self.net.located(planes)
            return maps.permute(0, 2, 3, 1), heat
        return REACH * (2 * self.net(planes).permute(0, 2, 3, 1) - 1), None

    @torch.no_grad()
    def unproject(self, images: Tensor) -> FoundFace:
        """Meshes of pictures (B, R, R, 3) as displayed, in [0, 1], each cut out about a face."""
        return self.read(self(images))

    def find(self, image: NDArray[np.uint8]) -> FoundFace:
        """The largest face in a picture (H, W, 3): one mesh (V, 3), and the camera of the whole picture.

        A detector (extra ``vision``) says where to look; what is found there says where to look again.

        Raises:
            InputError: no face is found.
        """
        square = detected_square(image)
        for _ in range(_LOOKS):
            found = self.unproject(cut_out(image, square, self.layout.size)[None])
            camera = uncut(found.camera, square, image.shape[:2])
            square = square_about(camera.project(found.vertices[0])[:, :2])
        return FoundFace(found.vertices[0], camera)

    def read(self, positions: Tensor) -> FoundFace:
        """Meshes, and cameras that see them so, of position maps (B, R, R, 3).

        Without gradients; of maps in 16 bits in float32.
        """
        layout = self.layout
        check_shape("positions", positions, (None, layout.size, layout.size, 3))
        positions = widened(positions.detach())
        seen = layout.covered
        with exact(positions):
            pose = fit_similarity(layout.spread(layout.mesh.vertices)[seen], positions[:, seen])
            local = (positions - pose.translation[:, None, None]) @ pose.rotation[:, None]
        local = local / pose.scale[:, None, None, None]
        if self._reader is None:
            self._reader = MapReader(layout)
        return FoundFace(self._reader.vertices(local), _camera(pose, layout.size))

    def _settings(self) -> dict[str, Any]:
        return {"settings": {"width": self.net.width, "size": self.layout.size}}

    def _given(self) -> dict[str, Tensor]:
        mesh = self.layout.mesh
        assert mesh.uv is not None and mesh.uv_faces is not None
        drawn = {"vertices": mesh.vertices, "faces": mesh.faces, "uv": mesh.uv, "uv_faces": mesh.uv_faces}
        if self.directions is not None:
            drawn["directions"] = self.directions
        return {f"mesh.{name}": tensor for name, tensor in drawn.items()}

    @classmethod
    def _untrained(cls, settings: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        drawn = [tensors.pop(f"mesh.{part}") for part in ("vertices", "faces", "uv", "uv_faces")]
        directions = tensors.pop("mesh.directions", None)
        mesh = Mesh(drawn[0], drawn[1], drawn[2], drawn[3])
        return cls(mesh, **settings["settings"], directions=directions)


def _seen(vertices: Tensor, layout: UvLayout) -> Tensor:
    """(..., 3, R, R) maps of vertices (..., V, 3) seen from before in a usual picture."""
    place = vertices * vertices.new_tensor([1.0, -1.0, -1.0]) * USUAL
    return layout.spread(place).movedim(-1, -3).contiguous()


def _camera(pose: Similarity, size: int) -> Camera:
    """The camera without perspective that sees the neutral mesh's axes in a pose."""
    focal = pose.scale * (size / 2)
    matrix = torch.eye(3).to(focal).repeat(len(focal), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = focal
    matrix[:, :2, 2] = size / 2
    translation = pose.translation / pose.scale[:, None] + focal.new_tensor([0.0, 0.0, _FAR])
    return Camera(matrix, pose.rotation, translation, (size, size), perspective=False)
