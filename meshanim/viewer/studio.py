"""The page with the sliders: a face that acts while they move, and a button that makes files of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from meshanim._check import InputError, MissingExtra
from meshanim.export import FORMATS
from meshanim.faces import EXPRESSIONS, FaceModel
from meshanim.performance import Performance
from meshanim.rendering.framing import reach
from meshanim.synthesis import ExpressionModel
from meshanim.viewer.actor import Actor
from meshanim.viewer.exporting import packed, save
from meshanim.viewer.player import Player, Shown
from meshanim.viewer.settings import LONGEST, Settings
from meshanim.viewer.stage import Stage
from meshanim.viewer.timeline import Timeline

if TYPE_CHECKING:
    from viser import GuiSliderHandle, ViserServer

LEADING = 9
"""Identity coefficients that stand open on the page; further ones are in a folder below them."""
STEPS = 100
"""Steps of a slider."""


class _Acting:
    """Frames of an actor as a player's source; silent."""

    waveform: Tensor | None = None
    sample_rate: int | None = None

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def frame(self, index: int) -> Shown:
        """What frame ``index`` shows."""
        return Shown(self._actor.vertices(index, index + 1)[0])


class Studio:
    """A page that acts: sliders for who it is, what it expresses and when, and the face's own shapes.

    Args:
        server: the page.
        face: who can be played.
        model: trained on the face's topology; without one the face performs by its ARKit shapes.
        folder: where files go besides to the browser, made with the first; nothing outside it is written.
        spec: what :func:`meshanim.faces.load_face` made the face of; nothing is written over that.
    """

    def __init__(
        self,
        server: ViserServer,
        face: FaceModel,
        model: ExpressionModel | None = None,
        folder: Path | None = None,
        spec: str | None = None,
    ) -> None:
        self.actor, self._server, self._folder, self._spec = Actor(face, model), server, folder, spec
        settings = self.actor.settings
        still = Performance(face.neutral, settings.fps, motion=face.neutral.vertices[None])
        timeline = Timeline(len(self.actor.labels), settings.fps)
        self.player = Player(server, Stage(server, face.neutral, reach(still)), timeline, _Acting(self.actor))
        tabs = server.gui.add_tab_group()
        with tabs.add_tab("Expression"):
            self._add_expression(settings)
        with tabs.add_tab("Person"):
            self._add_person(face)
        with tabs.add_tab("Shapes"):
            self._add_named("weights", {name: (0.0, 1.0, 0.0) for name in face.weight_names})
        with tabs.add_tab("File"):
            self._add_export()
        self.player.seek(round((settings.onset + settings.apex / 2) * settings.fps))

    def _add_slider(self, label: str, low: float, high: float, value: float) -> GuiSliderHandle[float]:
        return self._server.gui.add_slider(label, low, high, (high - low) / STEPS, value)

    def _add_named(self, field: str, ranges: dict[str, tuple[float, float, float]]) -> None:
        """A slider for each name of a field, by lowest, highest and first value."""
        for name, (low, high, value) in ranges.items():
            slider = self._add_slider(name, low, high, value)

            def change(moved: float, name: str = name, low: float = low, high: float = high) -> None:
                self.act(self.actor.settings.named(field, name, min(max(moved, low), high)))

            self.player.on_change(slider, change)

    def _add_expression(self, settings: Settings) -> None:
        first = settings.mixture
        self._add_named("mixture", {name: (0.0, 1.0, first.get(name, 0.0)) for name in EXPRESSIONS})
        for name, high in {"intensity": 1.0, "onset": LONGEST, "apex": LONGEST, "offset": LONGEST}.items():
            slider = self._add_slider(name, 0.0, high, getattr(settings, name))

            def change(moved: float, name: str = name, high: float = high) -> None:
                self.act(self.actor.settings.changed(**{name: min(max(moved, 0.0), high)}))

            self.player.on_change(slider, change)

    def _add_person(self, face: FaceModel) -> None:
        values = zip(face.identity_ranges, face.default_identity.tolist(), strict=True)
        ranges = {
            name: (low, high, value)
            for name, ((low, high), value) in zip(face.identity_names, values, strict=True)
        }
        leading = dict(list(ranges.items())[:LEADING])
        self._add_named("identity", leading)
        with self._server.gui.add_folder("Further shapes", expand_by_default=False):
            self._add_named("identity", {name: ranges[name] for name in ranges if name not in leading})

    def _add_export(self) -> None:
        gui = self._server.gui
        self._name = gui.add_text("File name", "expression.glb", hint=f"Ends in {', '.join(FORMATS)}")
        self.player.on_click(gui.add_button("Download"), self._download)
        if self._folder is not None:
            self.player.on_click(gui.add_button("Save"), self._save)

    def act(self, settings: Settings) -> None:
        """Act out other settings; to be called by the player's loop."""
        before = self.actor.settings
        self.actor.settings = settings
        if settings.identity != before.identity:
            self.player.stage.recolour(self.actor.neutral)
        if len(self.actor.labels) != self.player.timeline.frame_count:
            self.player.resize(len(self.actor.labels), settings.fps)

    def _download(self) -> None:
        try:
            name, content = packed(self.actor.perform(), self._name.value)
        except (InputError, MissingExtra, OSError) as fault:
            return self.player.tell("Nothing was made", str(fault))
        self._server.send_file_download(name, content, save_immediately=True)

    def _save(self) -> None:
        assert self._folder is not None
        try:
            files = save(self.actor.perform(), self._folder, self._name.value, self._spec)
        except (InputError, MissingExtra, OSError) as fault:
            return self.player.tell("Nothing was made", str(fault))
        self.player.tell("Written", ", ".join(map(str, files)))
