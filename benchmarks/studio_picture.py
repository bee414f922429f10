"""Takes the picture ``results/studio.png`` of the studio, in a browser without a window.

Needs the extra ``viewer``, selenium, and Chromium with its driver.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from browser import missing_programs, open_browser, save_picture, text_on_page
from report import RESULTS, take_no_arguments

from meshanim.faces import load_face
from meshanim.synthesis import ExpressionModel
from meshanim.viewer import Studio, close_server, open_server

SIZE = (1280, 860)
SETTLED = 3.0
"""Seconds after which the page stands still."""


def take(path: Path) -> None:
    """Open the studio as it is at first and save what the browser shows."""
    server = open_server(port=0)
    studio = Studio(server, load_face("anny"), ExpressionModel.from_pretrained("anny-expressions"))
    loop = threading.Thread(target=studio.player.run)
    loop.start()
    try:
        with tempfile.TemporaryDirectory() as downloads, open_browser(Path(downloads), SIZE) as browser:
            browser.get(f"http://localhost:{server.get_port()}")
            while not server.get_clients():
                time.sleep(0.1)
            text_on_page(browser, "Expression")
            time.sleep(SETTLED)
            save_picture(browser, path)
    finally:
        studio.player.end()
        loop.join()
        close_server(server)


if __name__ == "__main__":
    take_no_arguments(__doc__)
    if missing := missing_programs():
        raise SystemExit(f"not on this machine: {', '.join(missing)}")
    take(RESULTS / "studio.png")
    print(RESULTS / "studio.png")
