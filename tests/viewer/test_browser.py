"""The studio in a real browser: a slider moves the face, a button makes a file, the sound keeps time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from meshanim.export import read_performance
from meshanim.faces import load_face
from meshanim.performance import Performance
from meshanim.synthesis import ExpressionModel
from meshanim.viewer import Player, Studio, view_performance

pytest.importorskip("viser", reason="the extra viewer is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from browser import missing_programs, open_browser, save_picture, slider, text_on_page
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = pytest.mark.skipif(
    bool(missing_programs()), reason=f"not on this machine: {', '.join(missing_programs())}"
)

ARTEFACTS = Path(__file__).parents[2] / "build" / "artefacts"
"""Pictures to look at after a run; not part of the project."""
PATIENCE = 60.0
"""Seconds: the browser draws on the processor, which others may be using."""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[WebDriver]:
    with open_browser(downloads, (720, 520)) as opened:
        yield opened


@contextmanager
def running(player: Player) -> Iterator[None]:
    """The player's loop on a thread of its own."""
    loop = threading.Thread(target=player.run)
    loop.start()
    try:
        yield
    finally:
        player.end()
        loop.join()


def wait(condition: Callable[[], object]) -> None:
    """Until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def visit(browser: WebDriver, server) -> None:
    browser.get(f"http://localhost:{server.get_port()}")
    wait(server.get_clients)


def picture(server) -> np.ndarray:
    """(H, W, 4) what the browser draws from the front; clear where there is nothing but backdrop."""
    (client,) = server.get_clients().values()
    view = server.initial_camera
    return client.get_render(
        96,
        96,
        position=view.position,
        wxyz=(0.0, 1.0, 0.0, 0.0),
        fov=view.fov,
        transport_format="png",
        timeout=PATIENCE,
    ).astype(float)


def is_face(image: np.ndarray) -> bool:
    """Whether the middle has the colour of skin, which the grey backdrop has not."""
    red, _, blue, _ = image[36:60, 36:60].mean(axis=(0, 1))
    return red > blue + 20


def test_a_slider_moves_the_face_and_a_button_makes_a_file(browser, downloads, server, tmp_path) -> None:
    studio = Studio(
        server, load_face("anny"), ExpressionModel.from_pretrained("anny-expressions"), folder=tmp_path
    )
    with running(studio.player):
        visit(browser, server)
        smiling = picture(server)
        assert is_face(smiling)
        slider(browser, "surprise").send_keys(Keys.END)
        wait(lambda: studio.actor.settings.mixture.get("surprise") == 1.0 and studio.player.stage.turned)
        wait(lambda: (np.abs(picture(server) - smiling).max(axis=2) > 40).sum() > 100)
        assert is_face(picture(server))
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        save_picture(browser, ARTEFACTS / "studio.png")

        text_on_page(browser, "File").click()
        text_on_page(browser, "Download").click()
        wait(lambda: list(downloads.glob("*.glb")))
        face: Any = trimesh.load_scene(downloads / "expression.glb").to_geometry()
        assert len(face.faces) == len(studio.actor.neutral.faces) and np.isfinite(face.vertices).all()

        name = browser.find_element("css selector", "input[value='expression.glb']")
        name.send_keys(Keys.CONTROL, "a")
        name.send_keys("mine.npz")
        wait(lambda: studio._name.value == "mine.npz")
        text_on_page(browser, "Save").click()
        wait(lambda: (tmp_path / "mine.npz").exists())
        saved = read_performance(tmp_path / "mine.npz")
        wanted = studio.actor.perform()
        assert torch.equal(saved.vertices(), wanted.vertices()) and saved.weight_names == wanted.weight_names


def test_playing_keeps_time_with_the_sound_and_the_face_in_view(browser, server) -> None:
    face, seconds, rate = load_face("anny"), 60, 8000
    weights = torch.zeros(seconds * 10, len(face.weight_names))
    weights[:, face.weight_names.index("jawOpen")] = torch.linspace(0, 1, seconds * 10)
    spoken = Performance(
        face.neutral,
        10.0,
        weights=weights,
        basis=face.units,
        weight_names=face.weight_names,
        waveform=0.1 * torch.sin(torch.arange(seconds * rate) / 4),
        sample_rate=rate,
    )
    player = view_performance(server, spoken)
    with running(player):
        visit(browser, server)
        wait(lambda: is_face(picture(server)))
        text_on_page(browser, "Play").click()
        heard = "const a = document.querySelector('audio'); return a ? a.currentTime : 0"
        wait(lambda: browser.execute_script(heard) > 0.5)
        before = player.timeline.seconds(time.monotonic())
        sound = browser.execute_script(heard)
        after = player.timeline.seconds(time.monotonic())
        assert before - 0.3 < sound < after + 0.1
        assert all(is_face(picture(server)) for _ in range(4))
