"""The loop behind a page: timeline, sound, and whatever a widget asks for, one thing after the other."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import Tensor

from meshanim._check import InputError
from meshanim.viewer.sound import audio_element
from meshanim.viewer.stage import SETTLING, Stage
from meshanim.viewer.timeline import Timeline

if TYPE_CHECKING:
    from viser import GuiButtonHandle, GuiEvent, GuiInputHandle, ViserServer

_IDLE = 0.5
"""Seconds between looks at nothing, so that an interrupt is noticed on every system."""


class Shown(NamedTuple):
    """What is drawn: vertices (V, 3) in metres, head motion (6,), linear colours (V, 3)."""

    vertices: Tensor
    head_motion: Tensor | None = None
    colours: Tensor | None = None


class Source(Protocol):
    """Where a player's frames come from."""

    waveform: Tensor | None
    sample_rate: int | None

    def frame(self, index: int) -> Shown:
        """What frame ``index`` shows."""


class Player:
    """Draws the frames of a source; widgets of the page post changes, which this loop makes in their order.

    Widgets call back on threads of their own. All that changes anything goes through :meth:`post`, so that
    nothing else needs a lock; changes that pile up while a frame is drawn are made together before the next,
    those of one widget as one: a slider that is dragged faster than a change is made still shows frames.

    Args:
        server: the page.
        stage: where frames are drawn.
        timeline: which frame it is.
        source: what it shows.
    """

    def __init__(self, server: ViserServer, stage: Stage, timeline: Timeline, source: Source) -> None:
        self.server, self.stage, self.timeline, self.source = server, stage, timeline, source
        self._changes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stale, self._ended = True, False
        self._drawn, self._round = -1, 0
        self._add_widgets()

    def _add_widgets(self) -> None:
        gui, last = self.server.gui, self.timeline.frame_count - 1
        moves = last > 0
        self._play = gui.add_button("Play", visible=moves)
        self._slider = gui.add_slider("Frame", 0, max(last, 1), 1, 0, visible=moves)
        self._loop = gui.add_checkbox("Loop", self.timeline.loop, visible=moves)
        self._wireframe = gui.add_checkbox("Wireframe", False)
        self._sound = gui.add_html("")
        self.on_click(self._play, self._toggle)
        self.on_change(self._slider, self.seek)
        self.on_change(self._loop, self._set_loop)
        self.on_change(self._wireframe, self._set_wireframe)

    def on_change(self, widget: GuiInputHandle, change: Callable) -> None:
        """Call ``change`` with the widget's latest value when a person has moved it."""

        def latest() -> None:
            change(widget.value)

        @widget.on_update
        def _(event: GuiEvent) -> None:
            if event.client is not None:  # else the loop itself has moved it
                self.post(latest)

    def on_click(self, button: GuiButtonHandle, change: Callable[[], None]) -> None:
        """Call ``change`` when a person has pressed the button."""
        button.on_click(lambda _: self.post(lambda: change()))  # each press is a change of its own

    def post(self, change: Callable[[], None]) -> None:
        """Have the loop make a change, and draw again."""
        self._changes.put(change)

    def end(self) -> None:
        """Leave the loop."""
        self.post(lambda: setattr(self, "_ended", True))

    def resize(self, frame_count: int, fps: float) -> None:
        """Have another number of frames or another frame rate."""
        self.timeline.resize(frame_count, fps, time.monotonic())
        self._slider.max = max(frame_count - 1, 1)

    def seek(self, frame: int) -> None:
        """Put the playhead at a frame; the sound comes along."""
        now = time.monotonic()
        self.timeline.seek(int(frame), now)
        if self.timeline.playing:
            self._sound_from(now)

    def tell(self, title: str, sentence: str) -> None:
        """Say something to all who look at the page."""
        for client in self.server.get_clients().values():
            client.add_notification(title, sentence, auto_close_seconds=8.0)

    def _toggle(self) -> None:
        now = time.monotonic()
        if self.timeline.playing:
            self.timeline.pause(now)
        else:
            self.timeline.play(now)
        self._sound_from(now)

    def _set_loop(self, loop: bool) -> None:
        now = time.monotonic()
        self.timeline.seek(self.timeline.frame(now), now)
        self.timeline.loop = loop

    def _set_wireframe(self, wireframe: bool) -> None:
        self.stage.wireframe = wireframe

    def _sound_from(self, now: float) -> None:
        """Let the sound begin where the playhead is, or end."""
        playing = self.timeline.playing
        self._play.label = "Pause" if playing else "Play"
        waveform, rate = self.source.waveform, self.source.sample_rate
        if waveform is None or rate is None:
            return
        start = self.timeline.seconds(now)
        self._sound.content = audio_element(waveform, rate, start, time.time()) if playing else ""

    def _follow_sound(self, now: float) -> None:
        """Let the sound begin again when the playhead does."""
        before, self._round = self._round, self.timeline.round(now)
        if self.timeline.playing and self._round > before:
            self._sound_from(now)

    def run(self) -> None:
        """Draw until :meth:`end`, or an interrupt."""
        while not self._ended:
            self.step(self._patience())

    def _patience(self) -> float:
        """Seconds until there is something to do."""
        if self._stale:
            return 0.0
        settling = _IDLE if self.stage.turned else SETTLING
        return min(settling, self.timeline.until_next(time.monotonic()))

    def step(self, patience: float) -> None:
        """Make the changes that come within ``patience`` seconds, then draw if there is anything new."""
        self._make_changes(patience)
        now = time.monotonic()
        if self.timeline.ended(now):
            self.timeline.pause(now)
            self._sound_from(now)
        self._follow_sound(now)
        frame = self.timeline.frame(now)
        if self._stale or frame != self._drawn:
            self._draw(frame)
        else:
            self.stage.settle()

    def _make_changes(self, patience: float) -> None:
        waiting = []
        try:
            waiting.append(
                self._changes.get(timeout=patience) if patience > 0 else self._changes.get_nowait()
            )
            while True:
                waiting.append(self._changes.get_nowait())
        except queue.Empty:
            pass
        for change in dict.fromkeys(waiting):
            change()
            self._stale = True

    def _draw(self, frame: int) -> None:
        self._drawn, self._stale = frame, False
        self._slider.value = frame  # type: ignore[misc]
        try:
            self.stage.show(*self.source.frame(frame))
        except InputError as fault:
            self.tell(f"Frame {frame} cannot be drawn", str(fault))
