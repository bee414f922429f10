"""PyTorch3D's rasterizer in the place of our own, to compare with it or to go on with what relies on it."""

from __future__ import annotations

import torch
from torch import Tensor

from meshanim._check import MissingExtra
from meshanim.rendering.camera import Camera


def rasterize(vertices: Tensor, faces: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Face (B, H, W), barycentric weights (B, H, W, 3) and depth (B, H, W) of vertices (B, V, 3).

    As :func:`meshanim.ops.rasterize` has them: -1 and zeros where no face is seen.

    Raises:
        MissingExtra: PyTorch3D is not installed.
    """
    try:
        from pytorch3d.renderer import (
            MeshRasterizer,
            OrthographicCameras,
            PerspectiveCameras,
            RasterizationSettings,
        )
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise MissingExtra("pytorch3d", "pytorch3d") from error
    kind = PerspectiveCameras if camera.perspective else OrthographicCameras
    settings = RasterizationSettings(
        image_size=camera.size, perspective_correct=camera.perspective, bin_size=0, cull_to_frustum=False
    )
    meshes = Meshes(verts=vertices, faces=faces.expand(len(vertices), -1, -1))
    rasterizer = MeshRasterizer(cameras=kind(**camera.to_pytorch3d()), raster_settings=settings)
    found = rasterizer(meshes)
    face, seen = found.pix_to_face[..., 0], found.pix_to_face >= 0
    weights = torch.where(seen, found.bary_coords[..., 0, :], 0)
    depth = torch.where(seen[..., 0], found.zbuf[..., 0], 0)
    return torch.where(face >= 0, face % len(faces), -1), weights, depth
