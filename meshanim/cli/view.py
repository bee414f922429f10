"""``meshanim view``: a performance or a mesh in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from meshanim.cli.options import Host, Port, fps_option


def view(
    path: Annotated[str, typer.Argument(help="A performance, a folder of OBJ or PLY files, or a mesh file.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="Another such file: colours show how far each vertex is from its place there; "
            "the last frame of a shorter one is held."
        ),
    ] = None,
    fps: Annotated[
        float | None, fps_option("Frames per second; by default the file's, 25 where it states none.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = None,
) -> None:
    """Play a file in the browser: orbit, wireframe, timeline, sound, distance to a second file."""
    from meshanim.cli.serving import open_page, serve
    from meshanim.viewer import close_server, load, view_performance, words_on_lengths

    performance = load(path, fps)
    other = None if against is None else load(against, fps)
    server = open_page(host, port)
    try:
        player = view_performance(server, performance, other)
    except BaseException:
        close_server(server)
        raise
    if other is not None and (told := words_on_lengths(performance, other)):
        typer.echo(told, err=True)
    serve(server, player)
