"""What the parts of a face look like in USD: a preview surface each, coloured by the vertices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from meshanim.mesh import Mesh
from meshanim.rendering import vertex_colours
from meshanim.rendering.materials import ALBEDO, GLOSS, HIDDEN, group_mask

if TYPE_CHECKING:
    from pxr import Usd

ROUGHNESS = 0.5
"""Of skin; a part with more gloss is smoother by the square root."""


def _parts(mesh: Mesh) -> dict[str, Tensor]:
    """Faces (N,) of every part that has a look of its own: those with two corners in its group, else skin."""
    part = torch.zeros(len(mesh.faces), dtype=torch.int64)
    names = ["skin", *ALBEDO, "clear"]
    masks = [group_mask(mesh, name) for name in ALBEDO] + [group_mask(mesh, *HIDDEN)]
    for number, mask in enumerate(masks, start=1):
        part[mask[mesh.faces].sum(dim=1) >= 2] = number
    found = {name: (part == number).nonzero()[:, 0] for number, name in enumerate(names)}
    return {name: faces for name, faces in found.items() if len(faces)}


def _add_colour(stage: Usd.Stage, path: str, picture: str | None) -> Any:
    """The output that the surface takes its colour from: of the vertices, or of the picture."""
    from pxr import Sdf, UsdShade

    reader = UsdShade.Shader.Define(stage, f"{path}/{'place' if picture else 'colour'}")
    reader.CreateIdAttr("UsdPrimvarReader_float2" if picture else "UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st" if picture else "displayColor")
    kind = Sdf.ValueTypeNames.Float2 if picture else Sdf.ValueTypeNames.Float3
    result = reader.CreateOutput("result", kind)
    if picture is None:
        return result
    texture = UsdShade.Shader.Define(stage, f"{path}/colour")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(picture)
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(result)
    return texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)


def _add_material(stage: Usd.Stage, path: str, name: str, picture: str | None) -> Any:
    """A preview surface in the colours of the vertices or a picture; what a preview leaves out is clear."""
    from pxr import Sdf, UsdShade

    material = UsdShade.Material.Define(stage, f"{path}/{name}")
    surface = UsdShade.Shader.Define(stage, f"{path}/{name}/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    roughness = ROUGHNESS / math.sqrt(GLOSS.get(name, 1.0))
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(roughness)
    surface.CreateInput("opacity", Sdf.ValueTypeNames.Float).Set(0.0 if name == "clear" else 1.0)
    colour = _add_colour(stage, f"{path}/{name}", picture)
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(colour)
    result = surface.CreateOutput("surface", Sdf.ValueTypeNames.Token)
    material.CreateSurfaceOutput().ConnectToSource(result)
    return material


def bind_materials(stage: Usd.Stage, shape: Any, mesh: Mesh, picture: str | None) -> None:
    """Give the mesh prim ``shape`` its vertices' colours, and each of its parts a material.

    Where there is a ``picture``, a file beside the layer, the materials take their colours from it.
    """
    from pxr import UsdGeom, UsdShade, Vt

    colours = vertex_colours(mesh).numpy()[:, :3].clip(0, 1).astype(np.float32)
    shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(
        Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(colours))
    )
    UsdGeom.Scope.Define(stage, shape.GetPath().GetParentPath().AppendChild("materials"))
    place = f"{shape.GetPath().GetParentPath()}/materials"
    for name, faces in _parts(mesh).items():
        material = _add_material(stage, place, name, picture)
        indices = Vt.IntArray.FromNumpy(faces.numpy().astype(np.int32))
        subset = UsdGeom.Subset.CreateGeomSubset(
            shape, name, UsdGeom.Tokens.face, indices, UsdShade.Tokens.materialBind, UsdGeom.Tokens.partition
        )
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)
