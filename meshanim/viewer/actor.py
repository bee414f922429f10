"""A face that acts settings out, a frame at a time as they change, or the whole for a file."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.faces import ARKIT_NAMES, Articulation, FaceModel
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.synthesis import ExpressionModel, prototype_weights
from meshanim.viewer.settings import Settings

CHUNK = 64
"""Frames that are worked out at once."""


class _Person:
    """What depends on the identity alone; what is slow is made when it is first needed."""

    def __init__(self, face: FaceModel, model: ExpressionModel | None, identity: Tensor | None) -> None:
        self._face, self.identity = face, identity
        self.neutral = face.neutral.with_vertices(face.rest(identity))
        self.condition = None if model is None else model.condition(self.neutral.vertices[None])

    @cached_property
    def articulation(self) -> Articulation:
        """The face's own shapes on this person."""
        return Articulation(self._face, self.identity)


class Actor:
    """Acts with a trained model, or without one by the expressions' action units on the face's own shapes.

    Either way the weights that are held come on top, along arcs. What a change of settings leaves as it was
    is not made again: the person, the track, the face's shapes on that person.

    Args:
        face: who can be played.
        model: trained on the face's topology.

    Raises:
        InputError: no model, and a face without ARKit shapes.
    """

    def __init__(self, face: FaceModel, model: ExpressionModel | None = None) -> None:
        if model is None and not set(face.weight_names) & set(ARKIT_NAMES):
            raise InputError(f"face {face.name} must have ARKit shapes to act without a trained model")
        self.face, self._model = face, None if model is None else model.eval()
        self._settings: Settings | None = None
        self.settings = Settings()

    @property
    def settings(self) -> Settings:
        """What is acted out."""
        assert self._settings is not None
        return self._settings

    @settings.setter
    @torch.no_grad()
    def settings(self, new: Settings) -> None:
        old = self._settings
        if old is None or new.identity != old.identity:
            self._person = _Person(self.face, self._model, new.person(self.face))
        if old is None or new.changed(identity={}, weights={}) != old.changed(identity={}, weights={}):
            self.labels = new.labels()
            self._read_track(new.fps)
        self._held = new.held(self.face)
        self._settings = new

    def _read_track(self, fps: float) -> None:
        """The model's path (T, Z) along the labels, or weights (T, K) that perform them."""
        if self._model is not None:
            self._path = self._model.encode_at(self.labels, fps)
            self._performed = torch.zeros(len(self.labels), len(self.face.weight_names))
        else:
            self._performed = self.face.weights_from_arkit(prototype_weights(self.labels))

    @property
    def neutral(self) -> Mesh:
        """The person at rest."""
        return self._person.neutral

    @torch.no_grad()
    def vertices(self, start: int, stop: int) -> Tensor:
        """(stop - start, V, 3) positions in metres of some frames."""
        weights = self._performed[start:stop] + self._held
        rest = self.neutral.vertices
        if bool((weights != 0).any()):
            points = self._person.articulation.vertices(weights)
        else:
            points = rest.expand(stop - start, *rest.shape)
        if self._model is not None:
            points = points + self._model.displacements(self._path[start:stop], self._person.condition)
        return clear_lids(self.neutral, points)

    @torch.no_grad()
    def perform(self) -> Performance:
        """The whole performance, by the face's named shapes as far as they go; the residual has the rest."""
        weights = self._performed + self._held
        basis, rest = self.face.basis(self._person.identity), self.neutral.vertices
        residual = torch.cat(
            [
                self.vertices(start, start + len(part)) - rest - torch.einsum("tk,kvc->tvc", part, basis)
                for start, part in zip(range(0, len(weights), CHUNK), weights.split(CHUNK), strict=True)
            ]
        )
        return Performance(
            self.neutral,
            self.settings.fps,
            weights=weights,
            basis=basis,
            weight_names=tuple(self.face.weight_names),
            residual=residual,
            face_model=self.face.name,
            identity=self._person.identity,
            labels=self.labels,
        )
