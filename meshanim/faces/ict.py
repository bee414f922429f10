"""ICT-FaceKit Light: a face with eyes, teeth, tongue and lashes, 100 identity modes and 53 shapes or more.

Source: Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; the model is published
by the USC Institute for Creative Technologies under the MIT licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from meshanim.faces import _ict_layout as layout
from meshanim.faces._ict_files import IctShapes, read_ict
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.faces.carrying import Carrier
from meshanim.faces.face_model import FaceModel, Joint
from meshanim.faces.ict_regions import ict_groups, ict_landmarks
from meshanim.faces.joint_fitting import fit_hinge, follow_share, turn_displacement
from meshanim.faces.lid_carrying import BLINKS
from meshanim.faces.looks import look_turns
from meshanim.mesh import Mesh, fit_sphere

ORIGIN = (0.0, -0.0055, 0.0)
"""The origin's place in ICT's own frame, metres: between the ears, at the height of the jaw's hinge."""
IDENTITY_LIMIT = 2.0
"""Standard deviations within which sampled coefficients are held."""
_BLINK = 1.1
"""How far blinks go, in units of the published ones: until nothing of the ball is seen, front or side."""
_CORNEA = 0.64
"""Cosine against the gaze (50 degrees) of where the cornea's bulge ends and the round white begins."""


class IctFace(FaceModel):
    """ICT-FaceKit Light, its names in ARKit's manner (``browDown_L`` is ``browDownLeft``).

    Identity: coefficients ``id000`` ... ``id099`` of the principal components, standard normal among people.
    Weights: ICT's 53 shapes with ``browInnerUp`` and ``cheekPuff`` divided into sides, and where the files
    have them ``cheekRaiser`` and ``pupilDilate`` of both sides; there is no ``tongueOut``. The published
    shapes leave the eyeballs alone when eyes look; here they turn with the lids, by 25 degrees at weight 1.
    The published blinks leave a slit of half a millimetre; here they go a tenth further.

    Vertex groups: ICT's seventeen geometries (``face``, ``head_and_neck``, ``mouth_socket``, ...), and those
    that all faces share. The origin is between the ears at the height of the jaw's hinge, about which the
    head turns; :data:`ORIGIN` is its place in ICT's frame.

    Args:
        shapes: as :func:`read_ict` gives them; :meth:`from_path` does both.
    """

    def __init__(self, shapes: IctShapes) -> None:
        mean = shapes.mean - torch.tensor(ORIGIN).to(shapes.mean)
        units = dict(zip(shapes.unit_names, shapes.units, strict=True))
        joints = _fit_joints(mean, units)
        _turn_eyeballs(units, mean, joints)
        for name in BLINKS:
            if name in units:
                units[name] = _BLINK * units[name]
        neutral = Mesh(
            mean,
            shapes.faces,
            shapes.uv,
            shapes.uv_faces,
            landmarks=ict_landmarks(),
            groups=ict_groups(mean, units),
        )
        self._modes, self._joints = shapes.modes, joints
        stacked = torch.stack(list(units.values()))
        super().__init__("ict", neutral, stacked, shapes.unit_names, shapes.identity_names)

    @classmethod
    def from_path(cls, path: str | Path) -> IctFace:
        """The face from ICT-FaceKit's folder of OBJ files (``FaceXModel``) or all of it in one NPZ.

        Raises:
            InputError: a file is missing or is not ICT-FaceKit's.
        """
        return cls(read_ict(path))

    def rest(self, identity: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) at rest: the mean face plus the modes times the coefficients (..., I)."""
        if identity is None:
            return self.neutral.vertices
        identity = self._checked(identity, batched=True)
        moved = identity @ self._modes.flatten(1).to(identity)
        return self.neutral.vertices.to(identity) + moved.unflatten(-1, (-1, 3))

    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        """Coefficients (count, I), standard normal, held within two standard deviations."""
        shape = count, len(self.identity_names)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float32)
        return drawn.clamp(-IDENTITY_LIMIT, IDENTITY_LIMIT)

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def _carrier(self) -> Carrier:
        return Carrier(self.neutral, self._joints)

    def carry_to(self, vertices: Tensor) -> Tensor:
        """Maps (..., V, 3, 3) that carry units to other faces: local on skin, one for each rigid part."""
        return self._carrier.maps(vertices)

    def joints(self, identity: Tensor | None = None) -> Mapping[str, Joint]:
        """Jaw hinge, fitted to the lower teeth in ``jawOpen``, and eyeballs; carried to the identity (I,)."""
        if identity is None:
            return dict(self._joints)
        return self._carrier.joints(self.rest(self._checked(identity)))

    @property
    def arkit_mapping(self) -> Tensor:
        """(52, K) matrix from ARKit weights: by name; ``browInnerUp`` and ``cheekPuff`` drive both sides."""
        mapping = super().arkit_mapping
        for name, sides in layout.BOTH_SIDES.items():
            for side in sides:
                if side in self.weight_names:
                    mapping[ARKIT_NAMES.index(name), self.weight_names.index(side)] = 1.0
        return mapping


def _fit_joints(mean: Tensor, units: Mapping[str, Tensor]) -> dict[str, Joint]:
    """Jaw and eyes of the mean face (V, 3)."""
    joints = {name: _fit_eye(name, mean) for name in layout.SCLERA}
    if "jawOpen" in units:
        opened = units["jawOpen"]
        teeth = slice(*layout.LOWER_TEETH)
        hinge = fit_hinge(mean[teeth], mean[teeth] + opened[teeth])
        turned = turn_displacement(mean, hinge.position, hinge.angle * hinge.axis)
        joints["jaw"] = Joint(hinge.position, hinge.axis, follow_share(opened, turned))
    return joints


def _fit_eye(name: str, mean: Tensor) -> Joint:
    """One eyeball: the sphere through the sclera without the cornea, which bulges from it."""
    sclera = mean[slice(*layout.SCLERA[name])]
    centre = fit_sphere(sclera).centre
    arm = sclera - centre
    white = arm[:, 2] < _CORNEA * arm.norm(dim=1)
    weights = mean.new_zeros(len(mean))
    weights[slice(*layout.RANGES[name])] = 1.0
    return Joint(fit_sphere(sclera[white]).centre, torch.tensor([1.0, 0.0, 0.0]).to(mean), weights)


def _turn_eyeballs(units: dict[str, Tensor], mean: Tensor, joints: Mapping[str, Joint]) -> None:
    """Let the eyeballs turn in the looks of ``units``, which move only what is around them."""
    for name, (eye, turn) in look_turns().items():
        if name in units:
            ball = slice(*layout.RANGES[eye])
            units[name] = units[name].clone()
            units[name][ball] = turn_displacement(mean[ball], joints[eye].position, turn)
