"""Pictures of meshes and performances: camera, differentiable rasterizer, light, heat maps, sheets."""

from meshanim.rendering.antialiasing import antialias
from meshanim.rendering.camera import Camera
from meshanim.rendering.charts import colour_bar, contact_sheet, heat_colours
from meshanim.rendering.materials import vertex_colours
from meshanim.rendering.preview import framing_camera, render_frames, render_mesh
from meshanim.rendering.rasterizer import Fragments, interpolate, rasterize
from meshanim.rendering.texture import mip_level, texture

__all__ = [
    "Camera",
    "Fragments",
    "antialias",
    "colour_bar",
    "contact_sheet",
    "framing_camera",
    "heat_colours",
    "interpolate",
    "mip_level",
    "rasterize",
    "render_frames",
    "render_mesh",
    "texture",
    "vertex_colours",
]
