"""Milliseconds from a slider of the studio to the changed face: in the server, and in a browser's picture.

The server's are from a change that a slider posts until the face is on its way to the browser. Another person
whose shapes move takes longest: all units of the face are carried. In the browser, keys move "happy" from
end to end, and the page's canvas is compared before each repaint; it has no graphics card here, so that its
drawing on the processor is most of what is measured. That part needs selenium, and Chromium with its driver;
without them it is left out.

    python benchmarks/bench_studio.py
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from report import spread, table, take_no_arguments, write_results

from meshanim.faces import FaceModel, load_face
from meshanim.synthesis import ExpressionModel
from meshanim.viewer import Studio, close_server, open_server

ICT = Path(__file__).parents[2] / "shared/data/ict_facekit/ict_facekit_light.npz"
WARM_UP, MOVES = 10, 30
SIZE, KEY_WARM_UP, KEYS = (720, 520), 3, 15
PAUSE = 0.5
"""Seconds between two keys, in which the page comes to rest."""
KEEP_PIXELS = """
const plain = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  const keep = kind.startsWith("webgl") ? {...options, preserveDrawingBuffer: true} : options;
  return plain.call(this, kind, keep);
};
"""
WATCH = """
const small = document.createElement("canvas"); small.width = small.height = 48;
const pen = small.getContext("2d", {willReadFrequently: true});
const size = canvas => canvas.width * canvas.height;
const scene = [...document.querySelectorAll("canvas")].sort((a, b) => size(b) - size(a))[0];
const look = () => { pen.drawImage(scene, 0, 0, 48, 48); return pen.getImageData(0, 0, 48, 48).data.join(); };
window.latencies = [];
document.addEventListener("keydown", () => {
  const began = performance.now(), before = look();
  const wait = () => {
    if (look() === before) requestAnimationFrame(wait);
    else window.latencies.push(performance.now() - began);
  };
  requestAnimationFrame(wait);
}, true);
"""


@contextmanager
def opened(face: FaceModel, model: ExpressionModel | None) -> Iterator[tuple[Studio, int]]:
    """A studio and the port of its page."""
    server = open_server(port=0)
    try:
        yield Studio(server, face, model), server.get_port()
    finally:
        close_server(server)


def moved(studio: Studio, field: str, name: str) -> dict[str, float]:
    """Milliseconds of one slider's moves, each to a place of its own."""
    player, face, found = studio.player, studio.actor.face, []
    low, high = 0.0, 1.0
    if field == "identity":
        low, high = face.identity_ranges[face.identity_names.index(name)]
    for index in range(WARM_UP + MOVES):
        value = low + (high - low) * (0.3 + 0.4 * (index % 2) + 0.1 * index / (WARM_UP + MOVES))
        settings = studio.actor.settings.named(field, name, value)
        begin = time.perf_counter()
        player.post(lambda settings=settings: studio.act(settings))  # type: ignore[misc]
        player.step(0.0)
        found.append(1000 * (time.perf_counter() - begin))
        player.step(0.0)
    return spread(found[WARM_UP:])


def in_server(face: FaceModel, model: ExpressionModel | None) -> dict[str, dict[str, float]]:
    """The sliders of a page, one kind after the other; the last with a shape held."""
    person = face.identity_names[0]
    with opened(face, model) as (studio, _):
        return {
            "expression": moved(studio, "mixture", "happy"),
            "person": moved(studio, "identity", person),
            "shape": moved(studio, "weights", "jawOpen"),
            "person, a shape held": moved(studio, "identity", person),
        }


def missing_in_browser() -> list[str]:
    """What the browser's part needs and is not on this machine."""
    if find_spec("selenium") is None:
        return ["selenium"]
    from browser import missing_programs

    return missing_programs()


def in_browser(face: FaceModel, model: ExpressionModel) -> dict[str, float]:
    """Keys on a slider of the page, until the picture is another."""
    from browser import open_browser, slider
    from selenium.webdriver.common.keys import Keys

    with opened(face, model) as (studio, port), tempfile.TemporaryDirectory() as downloads:
        loop = threading.Thread(target=studio.player.run)
        loop.start()
        try:
            with open_browser(Path(downloads), SIZE) as browser:
                browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_PIXELS})
                browser.get(f"http://localhost:{port}")
                browser.implicitly_wait(60)
                thumb = slider(browser, "happy")
                time.sleep(3)
                browser.execute_script(WATCH)
                for index in range(KEY_WARM_UP + KEYS):
                    thumb.send_keys(Keys.END if index % 2 else Keys.HOME)
                    end = time.monotonic() + 10
                    while browser.execute_script("return window.latencies.length") <= index:
                        if time.monotonic() > end:
                            raise RuntimeError(f"key {index + 1} has not changed the picture")
                        time.sleep(0.05)
                    time.sleep(PAUSE)
                return spread(browser.execute_script("return window.latencies")[KEY_WARM_UP:])
        finally:
            studio.player.end()
            loop.join()


def main() -> None:
    built_in, model = load_face("anny"), ExpressionModel.from_pretrained("anny-expressions")
    server = {"Anny, trained model": in_server(built_in, model), "Anny": in_server(built_in, None)}
    if ICT.is_file():
        server["ICT"] = in_server(load_face(f"ict={ICT}"), None)
    kinds = next(iter(server.values()))
    rows = [[face, *(f"{row[kind]['median']:.0f}" for kind in kinds)] for face, row in server.items()]
    table("Slider to scene in the server, ms", ["face", *kinds], rows)
    content: dict[str, Any] = {
        "settings": {"moves": MOVES, "window": SIZE, "keys": KEYS},
        "server_ms": server,
    }
    if missing := missing_in_browser():
        print(f"the browser's part is left out, not on this machine: {', '.join(missing)}")
    else:
        content["browser_ms"] = found = in_browser(built_in, model)
        names = ["median", "lower_quartile", "upper_quartile"]
        table("Slider to picture, ms", names, [[f"{found[name]:.0f}" for name in names]])
    print(f"written: {write_results('bench_studio', content)}")


if __name__ == "__main__":
    take_no_arguments(__doc__)
    main()
