"""``meshanim studio``: sliders that move a face in the browser, and a button that makes files of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from meshanim.cli.options import Face, Host, Model, Port, folder_option

_BUILT_IN_MODEL = "anny-expressions"


def studio(
    face: Face = "anny",
    model: Model = None,
    folder: Annotated[
        Path | None,
        folder_option(
            help_text="Where the page may save files, made with the first; without it, it can only be asked "
            "to download them.",
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = None,
) -> None:
    """Make a performance in the browser: who, what expression, when, and the face's own shapes."""
    from meshanim.cli.serving import open_page, serve
    from meshanim.faces import load_face
    from meshanim.synthesis import ExpressionModel
    from meshanim.viewer import Studio, close_server

    server = open_page(host, port)
    try:
        who = load_face(face)
        named = model or (_BUILT_IN_MODEL if who.name == "anny" else None)
        trained = None if named is None else ExpressionModel.from_pretrained(named)
        page = Studio(server, who, trained, folder, face)
    except BaseException:
        close_server(server)
        raise
    serve(server, page.player)
