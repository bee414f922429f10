"""A model of one mesh topology, which saves itself together with that mesh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from meshanim._check import check_shape
from meshanim._pretrained import assembling, find_model, load_model, save_model
from meshanim.mesh import Mesh
from meshanim.nn import HasLevels, MeshLevels
from meshanim.synthesis.pretrained import topology_digest

if TYPE_CHECKING:
    from meshanim.mesh import MeshHierarchy

_LEVELS, _FACES = "levels.", "mesh.faces"


class MeshModel(nn.Module):
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
        self.register_buffer("mean", template.vertices.float().clone())
        self.register_buffer("faces", template.faces.clone(), persistent=False)

    @classmethod
    def from_hierarchy(cls, hierarchy: MeshHierarchy, **settings: Any) -> Self:
        """An untrained model on the mesh of a hierarchy; ``settings`` as the class takes them."""
        return cls(hierarchy.meshes[0], hierarchy, **settings)

    @property
    def template(self) -> Mesh:
        """The mean mesh, with the faces that every input shares."""
        return Mesh(self.mean, self.faces)

    def settings(self) -> dict[str, Any]:
        """What the model is built from beside its mesh, as JSON values."""
        raise NotImplementedError

    @classmethod
    def build(cls, template: Mesh, levels: MeshLevels, settings: dict[str, Any]) -> Self:
        """The untrained model that :meth:`settings` describes."""
        raise NotImplementedError

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors``, mesh hierarchy included, whole or not at all."""
        config = {
            "model": type(self).__name__,
            "topology": topology_digest(self.template),
            "settings": self.settings(),
        }
        levels = {_LEVELS + name: tensor for name, tensor in self.levels.tensors().items()}
        return save_model(folder, config, {**self.state_dict(), **levels, _FACES: self.faces.to(torch.int32)})

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """A shipped model by its name, or one from a folder, in evaluation mode.

        Raises:
            InputError: no such model, or files that are damaged or do not belong together.
        """
        folder = find_model(name)
        config, tensors = load_model(folder, cls.__name__)
        with assembling(folder, cls.__name__):
            named = [key for key in tensors if key.startswith(_LEVELS)]
            levels = MeshLevels.from_tensors({key.removeprefix(_LEVELS): tensors.pop(key) for key in named})
            model = cls.build(Mesh(tensors["mean"], tensors.pop(_FACES)), levels, config["settings"])
            model.load_state_dict(tensors)
        return model.eval()
