"""What the commands that open a page in the browser have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from viser import ViserServer

    from meshanim.viewer import Player


def open_page(host: str, port: int | None) -> ViserServer:
    """A server at an address, with a warning where others than this machine reach it."""
    from meshanim.viewer import open_server
    from meshanim.viewer.guard import is_loopback

    server = open_server(host, port)
    if not is_loopback(host):
        typer.echo(f"warning: whoever reaches {host} over the network can use this page", err=True)
    return server


def serve(server: ViserServer, player: Player) -> None:
    """Say where the page is and draw it until Ctrl-C, which is the way to end it."""
    from meshanim.viewer import close_server

    host = server.get_host()
    reached = f"[{host}]" if ":" in host else host
    try:
        typer.echo(f"http://{reached}:{server.get_port()} (Ctrl-C ends it)")
        player.run()
    except KeyboardInterrupt:
        pass
    finally:
        close_server(server)
