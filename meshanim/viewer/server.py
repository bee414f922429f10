"""The viser server behind a door: opened, tried, and closed again."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from meshanim._check import InputError, MissingExtra, check_range
from meshanim.viewer.guard import Door

if TYPE_CHECKING:
    from viser import ViserServer

FIRST_PORT = 8080
_PATIENCE = 5.0
"""Seconds within which a server on this machine answers."""


@contextlib.contextmanager
def _at_the_door(door: Door) -> Iterator[None]:
    """Give servers that are opened meanwhile a door: viser has no hook for the requests that it takes.

    Its server calls ``websockets.asyncio.server.serve`` once, when it starts; :func:`open_server` tries
    afterwards whether the door is really there.
    """
    from websockets.asyncio import server as sockets

    plain = sockets.serve

    def guarded(handler, host, port, *, process_request, **options):
        return plain(handler, host, port, process_request=door.before(process_request), **options)

    sockets.serve = guarded  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        sockets.serve = plain  # type: ignore[misc]


def _check_address(host: str, port: int) -> None:
    """Raise unless a server can be opened there; port 0 is any."""
    check_range("port", port, 0, 65535)
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except (OSError, UnicodeError) as error:
        place = f"{host}:{port}" if port else host
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the viewer cannot listen at {place}: {reason}") from error


def _status(host: str, port: int, headers: dict[str, str]) -> int:
    """Status code that a request with these headers gets."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, port), _PATIENCE) as line:
        line.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        return int(line.makefile("rb").readline().split()[1])


def _is_guarded(host: str, port: int) -> bool:
    """Whether a stranger's page and a stranger's websocket are both refused."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    stranger = {"Host": "stranger.example"}
    page = {"Host": f"localhost:{port}", "Origin": "http://stranger.example"} | upgrade
    return all(_status(reached, port, headers) == 403 for headers in (stranger, page))


def open_server(host: str = "127.0.0.1", port: int | None = None) -> ViserServer:
    """A server that only its own pages can talk to, see :class:`meshanim.viewer.guard.Door`.

    Args:
        host: address to listen at; by default only this machine reaches it.
        port: by default the first free one from 8080 on; 0 is any that is free.

    Raises:
        MissingExtra: viser is not installed.
        InputError: no such address on this machine, or the port is taken.
    """
    try:
        import viser
    except ImportError as error:
        raise MissingExtra("viser", "viewer") from error
    _check_address(host, port or 0)
    with _at_the_door(Door.of(host)), contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host, FIRST_PORT if port is None else port, verbose=False)
    if not _is_guarded(host, server.get_port()):
        server.stop()
        raise RuntimeError("the viewer's server lets strangers in, so it is closed: viser must be 1.1.1")
    # viser would open this server to the world through a tunnel whenever a page asks for it.
    server.request_share_url = lambda verbose=True: None  # type: ignore[method-assign]
    server.gui.configure_theme(show_share_button=False, show_logo=False)
    server.gui.main_panel.dock_right()
    return server


def close_server(server: ViserServer) -> None:
    """Stop listening, without viser's word about it."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()
