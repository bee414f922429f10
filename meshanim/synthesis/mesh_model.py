"""A model of one mesh topology, which saves itself together with that mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from meshanim._check import check_shape
from meshanim._pretrained import Pretrained, shipped_configs
from meshanim.mesh import Mesh
from meshanim.nn import HasLevels, MeshLevels
from meshanim.synthesis.topology import topology_digest

_LEVELS, _FACES = "levels.", "mesh.faces"


class MeshModel(Pretrained):
    """Base of models on a fixed topology; weights never depend on a hierarchy computed anew.

    Args:
        template: mesh whose vertices and faces all inputs share in number and order.
        hierarchy: of that mesh.

    Buffers:
        mean: (V, 3) metres, the template's vertices until a model measures the mean of its training data.
    """

    mean: Tensor
    faces: Tensor

    def __init__(self, template: Mesh, hierarchy: HasLevels) -> None:
        super().__init__()
        self.levels = MeshLevels.of(hierarchy)
        check_shape("template's vertices", template.vertices, (self.levels.vertex_counts[0], 3))
        self.register_buffer("mean", template.vertices.to(torch.get_default_dtype()).clone())
        self.register_buffer("faces", template.faces.clone(), persistent=False)

    @property
    def template(self) -> Mesh:
        """The mean mesh, with the faces that every input shares."""
        return Mesh(self.mean, self.faces)

    @classmethod
    def shipped_for(cls, mesh: Mesh) -> list[str]:
        """Names of the shipped models of this kind that are of a mesh's topology."""
        said = {"model": cls.kind, "topology": topology_digest(mesh)}
        return [name for name, config in shipped_configs().items() if said.items() <= config.items()]

    def settings(self) -> dict[str, Any]:
        """What the model is built from beside its mesh, as JSON values."""
        raise NotImplementedError

    @classmethod
    def build(cls, template: Mesh, levels: MeshLevels, settings: dict[str, Any]) -> Self:
        """The untrained model that :meth:`settings` describes."""
        return cls(template, levels, **settings)

    def _settings(self) -> dict[str, Any]:
        return {"topology": topology_digest(self.template), "settings": self.settings()}

    def _given(self) -> dict[str, Tensor]:
        levels = {_LEVELS + name: tensor for name, tensor in self.levels.tensors().items()}
        return {**levels, _FACES: self.faces.to(torch.int32)}

    @classmethod
    def _untrained(cls, settings: Mapping[str, Any], tensors: dict[str, Tensor]) -> Self:
        named = [key for key in tensors if key.startswith(_LEVELS)]
        levels = MeshLevels.from_tensors({key.removeprefix(_LEVELS): tensors.pop(key) for key in named})
        return cls.build(Mesh(tensors["mean"], tensors.pop(_FACES)), levels, settings["settings"])
