"""Who a performance looks like: pictures of a person, and where in them the person's head is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim._check import InputError, check_finite, check_shape
from meshanim.rendering import Camera, Surroundings


@dataclass(frozen=True, eq=False)
class Appearance:
    """Reference frames of one person, N of them; immutable.

    Args:
        frames: (N, S, S, 3) uint8, square crops around the face.
        crop: (N, 2, 3) affine maps from the whole picture's pixels, as (column, row, 1), to the crop's.
        landmarks: (N, 68, 2) in the whole picture's pixels.
        head_motion: (N, 6) axis-angle in radians, then translation in metres, canonical to posed head.
        weights: (N, K) weights of the face model's units.
        camera: of the whole picture.
        face_model: name of the face model.
        identity: (I,) identity coefficients of that model.
        texture: (S, S, 3) linear reflectance over the mesh's texture coordinates, relative to the mean,
            row 0 on top, where it is known.
        light: (9, 3) coefficients of :class:`meshanim.rendering.Surroundings` in world axes, where known.

    Raises:
        InputError: no frames, or a wrong shape.
    """

    frames: Tensor
    crop: Tensor
    landmarks: Tensor
    head_motion: Tensor
    weights: Tensor
    camera: Camera
    face_model: str
    identity: Tensor
    texture: Tensor | None = None
    light: Tensor | None = None

    def __post_init__(self) -> None:
        count = len(self.frames)
        if count == 0:
            raise InputError("an appearance must have at least one frame, got none")
        if self.frames.dtype != torch.uint8:
            raise InputError(f"frames must be uint8, got {self.frames.dtype}")
        check_shape("frames", self.frames, (count, None, None, 3))
        shapes: dict[str, tuple[int | None, ...]] = {
            "crop": (count, 2, 3),
            "landmarks": (count, 68, 2),
            "head_motion": (count, 6),
            "weights": (count, None),
            "identity": (None,),
        }
        for name, shape in shapes.items():
            check_shape(name, getattr(self, name), shape)
            check_finite(name, getattr(self, name))
        if self.texture is not None:
            check_shape("texture", self.texture, (None, None, 3))
        if self.light is not None:
            check_shape("light", self.light, (9, 3))

    @property
    def skin(self) -> Tensor | None:
        """(S, S, 3) linear colour over the texture coordinates, as the light shows it that faces the camera.

        Only the product of texture and light is seen in a picture; this is what readers that bring a light
        of their own want as base colour. None where no texture is known.
        """
        if self.texture is None or self.light is None:
            return self.texture
        towards = -self.camera.rotation[..., 2, :].to(self.light)
        return self.texture * Surroundings(self.light).diffuse(towards)

    def __repr__(self) -> str:
        known = [name for name in ("texture", "light") if getattr(self, name) is not None]
        extra = f", {', '.join(known)}" if known else ""
        return f"Appearance({len(self.frames)} frames of {self.face_model}{extra})"
