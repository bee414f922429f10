"""Where to look at a head from, so that it fills the picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from meshanim._check import InputError, check_size
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.rendering.camera import Camera
from meshanim.rendering.materials import group_mask

FOV = 20.0
"""Vertical field of view in degrees: that of a portrait lens."""
MARGIN = 1.12
"""Room around the head."""
REACH_WAYS = 5
"""Steps along each axis between the directions in which a head's outermost points are sought: no direction
is more than 20 degrees from one of them, so that what is missed is half of the margin at most."""
JAW_ROOM = 0.03
"""How far below its middle the camera looks at a head, in units of its height: jaws open downwards."""


def framing_camera(points: Tensor, size: tuple[int, int] = (512, 512), yaw: float = 0.0) -> Camera:
    """Camera that has the (N, 3) points of a head in its picture, and would have them at any yaw.

    Of what is as wide on top as in its middle, such as a box, it may cut off a fiftieth of the height.

    Args:
        points: (N, 3) in metres.
        size: (height, width) in pixels.
        yaw: degrees that the camera stands to the side; positive shows more of the head's left side.

    Raises:
        InputError: points at one place, or too far apart for a number to say how far.
    """
    check_size(size)
    low, high = points.amin(0), points.amax(0)
    centre = (low + high) / 2 - JAW_ROOM * points.new_tensor([0.0, float(high[1] - low[1]), 0.0])
    reach = (points - centre)[:, [0, 2]].norm(dim=1).amax()
    half_height = max(float(high[1] - low[1]) / 2, float(reach) * size[0] / size[1])
    distance = MARGIN * half_height / math.tan(math.radians(FOV) / 2) + float(reach) / 2
    if not 0 < distance < math.inf:
        raise InputError(f"points must lie apart, and less than endlessly, got {2 * half_height:g} m")
    angle = math.radians(yaw)
    direction = points.new_tensor([math.sin(angle), 0.0, math.cos(angle)])
    return Camera.looking_at(centre + distance * direction, centre, FOV, size)


def head_points(mesh: Mesh) -> Tensor:
    """(N, 3) what a picture should be filled with: all vertices but those of the neck."""
    head = ~group_mask(mesh, "neck")
    return mesh.vertices[head if head.any() else ~head].to(torch.float32)


def reach(performance: Performance) -> Tensor:
    """(N, 3) the neutral head; where the head moves, the outermost of its points in all poses.

    A box around it would not do: the corners of one turn far outside of the head, which then is small.
    """
    head = head_points(performance.neutral)
    if performance.head_motion is None:
        return head
    ways = torch.cartesian_prod(*3 * [torch.linspace(-1, 1, REACH_WAYS, dtype=head.dtype)])
    outer = head[(head @ ways.T).argmax(dim=0).unique()]
    return performance.pose(outer.expand(performance.frame_count, -1, 3)).reshape(-1, 3)
