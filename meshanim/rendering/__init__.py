"""Pictures of meshes and performances, and back: camera, rasterizer, light, unprojection, charts."""

from meshanim.rendering.antialiasing import antialias
from meshanim.rendering.camera import Camera
from meshanim.rendering.charts import colour_bar, contact_sheet, heat_colours
from meshanim.rendering.drawing import Gloss, Picture, Texture, render
from meshanim.rendering.framing import framing_camera
from meshanim.rendering.light import Lamp, Light, Surroundings
from meshanim.rendering.materials import vertex_colours
from meshanim.rendering.position_map import FoundFace, PositionMapModel, picture_positions, picture_scale
from meshanim.rendering.preview import render_frames, render_mesh
from meshanim.rendering.rasterizer import Fragments, interpolate, rasterize
from meshanim.rendering.soft import SoftFragments, soft_blend, soft_rasterize
from meshanim.rendering.texture import mip_level, texture
from meshanim.rendering.unprojection import (
    Unprojected,
    complete_texture,
    depth_points,
    frontal_frame,
    repose,
    unproject_texture,
    visible,
)
from meshanim.rendering.uv_layout import UvLayout
from meshanim.rendering.wrapping import wrap

__all__ = [
    "Camera",
    "FoundFace",
    "Fragments",
    "Gloss",
    "Lamp",
    "Light",
    "Picture",
    "PositionMapModel",
    "SoftFragments",
    "Surroundings",
    "Texture",
    "Unprojected",
    "UvLayout",
    "antialias",
    "colour_bar",
    "complete_texture",
    "contact_sheet",
    "depth_points",
    "framing_camera",
    "frontal_frame",
    "heat_colours",
    "interpolate",
    "mip_level",
    "picture_positions",
    "picture_scale",
    "rasterize",
    "render",
    "render_frames",
    "render_mesh",
    "repose",
    "soft_blend",
    "soft_rasterize",
    "texture",
    "unproject_texture",
    "vertex_colours",
    "visible",
    "wrap",
]
