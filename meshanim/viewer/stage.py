"""The scene in the browser: a lit face on a backdrop, drawn without a flicker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from meshanim.mesh import Mesh
from meshanim.mesh.rotations import axis_angle_to_quaternion
from meshanim.rendering import framing_camera
from meshanim.rendering.framing import FOV
from meshanim.rendering.shading import background, to_display
from meshanim.viewer.surface import Surface

if TYPE_CHECKING:
    from viser import GlbHandle, ViserServer

SETTLING = 0.04
"""Seconds that a browser gets to read a new picture before it is turned to; until then the old one stands."""
LAMPS = {
    "key": ((-0.8, 0.8, 1.0), (255, 244, 230), 3.0),
    "fill": ((1.0, 0.1, 0.9), (225, 235, 255), 0.6),
    "rim": ((0.75, 0.6, -0.8), (240, 240, 255), 1.5),
}
"""Place, sRGB colour and strength of each lamp: the previews' lamps, as three.js measures light."""
SKY, GROUND, AROUND = (222, 226, 233), (188, 172, 164), 1.1
"""sRGB colours and strength of the light from all around. A picture of a room would be finer, but takes a
browser without a graphics card half a minute."""
WIRE = (70, 90, 120)


def _posed(head_motion: Tensor | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Rotation (W first, as viser has it) and translation in metres of a head motion (6,)."""
    if head_motion is None:
        return (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    x, y, z, w = axis_angle_to_quaternion(head_motion[:3].detach().to(torch.float64)).tolist()
    return (w, x, y, z), tuple(head_motion[3:].tolist())


class Stage:
    """Shows one mesh, frame after frame.

    The browser takes a moment to read a picture. So there are two: the one that is seen, and a hidden one
    that takes the next frame; they change places when the next but one comes, or at :meth:`settle`.

    Args:
        server: where the scene is.
        neutral: the mesh at rest.
        reach: (N, 3) points in metres that the first view should have in it.
    """

    def __init__(self, server: ViserServer, neutral: Mesh, reach: Tensor) -> None:
        self._server, self._surface = server, Surface(neutral)
        self.own_colours = self._surface.own_colours
        self._light()
        self._frame_view(reach)
        self._head = server.scene.add_frame("/head", show_axes=False)
        first = self._surface.glb(neutral.vertices, self.own_colours)
        self._pictures: list[GlbHandle] = [
            server.scene.add_glb(f"/head/{name}", first, visible=not index, cast_shadow=False)
            for index, name in enumerate(("even", "odd"))
        ]
        self._wires = server.scene.add_mesh_simple(
            "/head/wires",
            neutral.vertices.numpy(),
            neutral.faces.numpy(),
            color=WIRE,
            wireframe=True,
            visible=False,
        )
        self._pose = _posed(None)  # of the picture that was drawn last
        self.turned = True
        self.wireframe = False

    def _light(self) -> None:
        scene = self._server.scene
        scene.set_up_direction("+y")
        scene.configure_default_lights(False)
        scene.configure_environment_map(None)
        scene.add_light_hemisphere("/lamps/around", sky_color=SKY, ground_color=GROUND, intensity=AROUND)
        for name, (place, colour, strength) in LAMPS.items():
            scene.add_light_directional(f"/lamps/{name}", position=place, color=colour, intensity=strength)
        scene.set_background_image(to_display(background((256, 4))).numpy(), format="png")

    def _frame_view(self, reach: Tensor) -> None:
        camera = framing_camera(reach.to(torch.float32))
        eye = -camera.rotation.mT @ camera.translation
        middle = (reach.amin(0) + reach.amax(0)) / 2
        view = self._server.initial_camera
        view.position = eye.numpy()
        view.look_at = torch.stack([eye[0], eye[1], middle[2]]).numpy()
        view.fov = math.radians(FOV)

    def recolour(self, neutral: Mesh) -> None:
        """Paint irises and brows where they stand on another neutral of the same topology."""
        self.own_colours = self._surface.paint(neutral)

    def show(
        self, vertices: Tensor, head_motion: Tensor | None = None, colours: Tensor | None = None
    ) -> None:
        """Draw a frame.

        Args:
            vertices: (V, 3) positions in metres, head-local.
            head_motion: (6,) axis-angle and translation, which go to the node and not into the vertices.
            colours: (V, 3) linear colours instead of the face's own.
        """
        self.settle()
        with self._server.atomic():
            self._pose = _posed(head_motion)
            if self.wireframe:
                self._wires.vertices = vertices.detach().numpy().astype(np.float32)
                self._see(self._wires)
                return
            painted = self.own_colours if colours is None else self._surface.spread(colours)
            self._pictures[1].glb_data = self._surface.glb(vertices, painted)
            self.turned = False

    def settle(self) -> None:
        """Turn to the picture that was drawn last."""
        if not self.turned:
            self._pictures.reverse()
            self._see(self._pictures[0])
            self.turned = True

    def _see(self, node: object) -> None:
        """Have one picture seen, or the wires, with the head where it was drawn."""
        with self._server.atomic():
            self._head.wxyz, self._head.position = self._pose  # type: ignore[assignment]
            for other in (*self._pictures, self._wires):
                other.visible = other is node
