"""FLAME (Li et al., "Learning a model of facial shape and expression from 4D scans", SIGGRAPH Asia 2017).

The model itself is licensed by the Max Planck Society to each user; none of it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from meshanim.faces._flame_files import FlameArrays, read_flame
from meshanim.faces.carrying import Carrier
from meshanim.faces.face_model import FaceModel, Joint
from meshanim.faces.looks import look_turns
from meshanim.mesh import Mesh
from meshanim.mesh.rotations import axis_angle_to_matrix

JOINTS = {"jaw": 2, "eye_left": 3, "eye_right": 4}
"""FLAME's joints by number; 0 is the root, 1 the neck, which turns the head."""
JAW_OPEN, JAW_ASIDE = 0.44, 0.1
"""Radians that the jaw turns at weight 1 of ``jawOpen``, and of ``jawLeft`` and ``jawRight``."""
IDENTITY_LIMIT = 2.0
"""Standard deviations within which sampled coefficients are held."""
EXPRESSION_LIMIT = 3.0
"""Standard deviations that an expression component may reach either way."""
_NECK, _FOLLOWS, _BROW_MARGIN = 1, 0.5, 0.01


def _pose_turns() -> dict[str, tuple[str, Tensor]]:
    """Weight name to the joint that it turns and its rotation vector (3,) at weight 1."""
    turns = {
        "jawOpen": ("jaw", JAW_OPEN * torch.tensor([1.0, 0.0, 0.0])),
        "jawLeft": ("jaw", JAW_ASIDE * torch.tensor([0.0, 1.0, 0.0])),
        "jawRight": ("jaw", JAW_ASIDE * torch.tensor([0.0, -1.0, 0.0])),
    }
    return turns | look_turns()


class FlameFace(FaceModel):
    """FLAME: 5,023 vertices, 300 shape and 100 expression components, a jaw and two eyes.

    Identity: coefficients ``shape000`` ..., standard normal among people. Weights: ``expression000`` ...,
    then poses under the names of the ARKit shapes that they make: ``jawOpen`` (25 degrees at weight 1),
    ``jawLeft``, ``jawRight`` (6 degrees) and the eight looks (25 degrees), with pose correctives where the
    file has them; the other ARKit shapes are not in FLAME. Like all units these are straight lines;
    :func:`meshanim.faces.articulate` turns the joints. The origin is the neck joint, about which the head
    turns: ``origin`` (3,) is its place in FLAME's own frame.

    Args:
        arrays: as :func:`read_flame` gives them; :meth:`from_path` does both.
    """

    def __init__(self, arrays: FlameArrays) -> None:
        self.origin = arrays.joint_regressor[_NECK] @ arrays.template
        self._regressor, self._shapes = arrays.joint_regressor, arrays.shapes
        self._skinning = arrays.skinning
        mean = arrays.template - self.origin
        places = self._joint_places(mean)
        poses = {
            name: _posed(mean, arrays, JOINTS[joint], places[JOINTS[joint]], turn)
            for name, (joint, turn) in _pose_turns().items()
        }
        units = torch.cat([arrays.expressions, torch.stack(list(poses.values()))])
        expressions = tuple(f"expression{index:03d}" for index in range(len(arrays.expressions)))
        neutral = Mesh(mean, arrays.faces)
        neutral = Mesh(
            mean,
            arrays.faces,
            landmarks={"nose_tip": int(mean[:, 2].argmax())},
            groups=_groups(neutral, arrays.skinning, places),
        )
        shapes = tuple(f"shape{index:03d}" for index in range(len(arrays.shapes)))
        super().__init__("flame", neutral, units, (*expressions, *poses), shapes)

    @classmethod
    def from_path(cls, path: str | Path) -> FlameFace:
        """The face from an NPZ or safetensors file with FLAME's own keys; pickles are not opened.

        Raises:
            InputError: a file that is missing, is of another kind, or lacks arrays.
        """
        return cls(read_flame(path))

    def _joint_places(self, vertices: Tensor) -> Tensor:
        """Joints (..., 5, 3) of faces (..., V, 3) at rest."""
        origin = self.origin.to(vertices)
        return self._regressor.to(vertices) @ (vertices + origin) - origin

    def rest(self, identity: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) at rest: the template plus shape components times coefficients (..., I)."""
        if identity is None:
            return self.neutral.vertices
        identity = self._checked(identity, batched=True)
        moved = identity @ self._shapes.flatten(1).to(identity)
        return self.neutral.vertices.to(identity) + moved.unflatten(-1, (-1, 3))

    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        """Coefficients (count, I), standard normal, held within two standard deviations."""
        shape = count, len(self.identity_names)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float32)
        return drawn.clamp(-IDENTITY_LIMIT, IDENTITY_LIMIT)

    @property
    def weight_bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest weight (K,): expression components go both ways, poses from 0 to 1."""
        low, high = super().weight_bounds
        expression = torch.tensor([name.startswith("expression") for name in self.weight_names])
        return low - EXPRESSION_LIMIT * expression, torch.where(expression, EXPRESSION_LIMIT, high)

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def _carrier(self) -> Carrier:
        return Carrier(self.neutral, self.joints())

    def carry_to(self, vertices: Tensor) -> Tensor:
        """Maps (..., V, 3, 3) that carry units to other faces: local ones on skin, one for each eyeball."""
        return self._carrier.maps(vertices)

    def joints(self, identity: Tensor | None = None) -> Mapping[str, Joint]:
        """Jaw and eyes where FLAME's regressor places them on the identity (I,), and its skinning weights."""
        places = self._joint_places(self.rest(None if identity is None else self._checked(identity)))
        axis = torch.tensor([1.0, 0.0, 0.0]).to(places)
        return {
            name: Joint(places[number], axis, self._skinning[:, number].clamp(0, 1))
            for name, number in JOINTS.items()
        }


def _posed(mean: Tensor, arrays: FlameArrays, joint: int, place: Tensor, turn: Tensor) -> Tensor:
    """Displacement (V, 3) of the mean face when a joint turns: linear blend skinning and pose correctives."""
    change = axis_angle_to_matrix(turn) - torch.eye(3)
    corrected = torch.zeros_like(mean)
    if arrays.pose_correctives is not None:
        first = 9 * (joint - 1)
        corrected = arrays.pose_correctives[..., first : first + 9] @ change.flatten()
    arm = mean + corrected - place
    return corrected + arrays.skinning[:, joint, None] * (arm @ change.mT)


def _groups(mesh: Mesh, skinning: Tensor, places: Tensor) -> dict[str, Tensor]:
    """Vertex groups by which joint moves them; FLAME has no teeth, tongue or inside of the mouth."""
    follows = skinning > _FOLLOWS
    left, right = follows[:, JOINTS["eye_left"]], follows[:, JOINTS["eye_right"]]
    skin = ~(left | right)
    height = places[JOINTS["eye_left"], 1] - _BROW_MARGIN
    masks = {
        "skin": skin,
        "eyes": left | right,
        "eye_left": left,
        "eye_right": right,
        "upper_face": skin & (mesh.vertices[:, 1] > height) & (mesh.vertices[:, 2] > 0),
        "neck": skin & follows[:, 0],
    }
    return {name: mask.nonzero().flatten() for name, mask in masks.items()}
