"""Pictures of meshes and performances: camera, software rasterizer, light, heat maps, contact sheets."""

from meshanim.rendering.camera import Camera
from meshanim.rendering.charts import colour_bar, contact_sheet, heat_colours
from meshanim.rendering.materials import vertex_colours
from meshanim.rendering.preview import framing_camera, render_frames, render_mesh
from meshanim.rendering.rasterizer import Fragments, rasterize

__all__ = [
    "Camera",
    "Fragments",
    "colour_bar",
    "contact_sheet",
    "framing_camera",
    "heat_colours",
    "rasterize",
    "render_frames",
    "render_mesh",
    "vertex_colours",
]
