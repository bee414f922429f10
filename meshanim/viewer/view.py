"""The page that plays a performance, coloured where wanted by how far it is from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from meshanim._check import InputError, check_finite
from meshanim.performance import Performance
from meshanim.rendering import colour_bar, heat_colours
from meshanim.rendering.framing import reach
from meshanim.rendering.shading import from_display
from meshanim.viewer.comparing import Comparison
from meshanim.viewer.player import Player, Shown
from meshanim.viewer.stage import Stage
from meshanim.viewer.timeline import Timeline

if TYPE_CHECKING:
    from viser import ViserServer


class _Playback:
    """Frames of a performance as a player's source; ``comparison`` gives colours while it is ``coloured``."""

    def __init__(self, performance: Performance, comparison: Comparison | None) -> None:
        self._performance, self._comparison = performance, comparison
        self.waveform, self.sample_rate = performance.waveform, performance.sample_rate
        self.coloured = comparison is not None

    def frame(self, index: int) -> Shown:
        """What frame ``index`` shows."""
        vertices = self._performance.vertices(index, index + 1)[0].detach().to(torch.float32)
        check_finite("vertices", vertices)
        motion = self._performance.head_motion
        colours = None
        if self.coloured and self._comparison is not None:
            heat = heat_colours(self._comparison.distances(index), self._comparison.scale)
            colours = from_display(heat)
        return Shown(vertices, None if motion is None else motion[index], colours)


def view_performance(
    server: ViserServer, performance: Performance, other: Performance | None = None
) -> Player:
    """Put a performance on a page.

    Args:
        server: the page.
        performance: what to play.
        other: what to measure its distance from, vertex by vertex; past its end, from its last frame.

    Returns:
        What draws it: call its ``run``.

    Raises:
        InputError: a mesh without faces, which would not be seen; ``other`` has other vertices.
    """
    if not len(performance.neutral.faces):
        raise InputError("the mesh to view must have faces, got points alone")
    comparison = None if other is None else Comparison(performance, other)
    source = _Playback(performance, comparison)
    stage = Stage(server, performance.neutral, reach(performance))
    player = Player(server, stage, Timeline(performance.frame_count, performance.fps), source)
    if comparison is not None:
        coloured = server.gui.add_checkbox("Distance to the other file", True)
        player.on_change(coloured, lambda wanted: setattr(source, "coloured", wanted))
        legend = colour_bar(comparison.scale, "mm", size=(320, 96))
        server.gui.add_image(legend, label="Distance, millimetres", format="png")
    return player
