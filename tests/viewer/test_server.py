"""The door where it truly is: what raw sockets get from the running server."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

from meshanim._check import InputError, MissingExtra
from meshanim.viewer import close_server, open_server
from meshanim.viewer import server as module

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: viser-v1.1.1\r\n"
)


def ask(port: int, headers: str, path: str = "/") -> tuple[int, str]:
    """Status and the head of the answer."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        head = ""
        reader = line.makefile("rb")
        while (row := reader.readline()) not in (b"\r\n", b""):
            head += row.decode()
    return int(head.split()[1]), head


def test_its_own_page_comes_in(server) -> None:
    home = f"localhost:{server.get_port()}"
    status, head = ask(server.get_port(), f"Host: {home}\r\n")
    assert status == 200 and "X-Frame-Options: DENY" in head
    assert ask(server.get_port(), f"Host: {home}\r\nOrigin: http://{home}\r\n{UPGRADE}")[0] == 101


@pytest.mark.parametrize(
    "headers",
    [
        "Host: evil.example\r\n",
        "Host: evil.example\r\nOrigin: http://evil.example\r\n" + UPGRADE,
        "Host: localhost:{port}\r\nOrigin: http://evil.example\r\n" + UPGRADE,
        "Host: localhost:{port}\r\nOrigin: null\r\n" + UPGRADE,
        "Host: localhost:{port}\r\nOrigin: http://localhost:1\r\n" + UPGRADE,
        "Host: localhost:{port}\r\n" + UPGRADE,
        "Host: localhost:{port}\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nUpgrade: WEBSOCKET\r\nOrigin: http://localhost:{port}\r\n",
    ],
)
def test_strangers_are_refused(server, headers: str) -> None:
    status, head = ask(server.get_port(), headers.format(port=server.get_port()))
    assert status == 403
    assert "101" not in head.splitlines()[0]


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/..%5c..%5cetc/passwd"]
)
def test_no_file_outside_the_page_is_served(server, path: str) -> None:
    assert ask(server.get_port(), f"Host: localhost:{server.get_port()}\r\n", path)[0] == 404


def test_a_server_without_its_door_does_not_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_at_the_door", lambda door: contextlib.nullcontext())
    with pytest.raises(RuntimeError, match="lets strangers in"):
        open_server(port=0)


def test_no_page_can_open_the_server_to_the_world(server) -> None:
    assert server.request_share_url() is None


def test_other_servers_are_opened_as_ever(server) -> None:
    from websockets.asyncio import server as sockets

    assert sockets.serve.__module__ == "websockets.asyncio.server"


def test_a_port_that_is_taken_is_named(server) -> None:
    with pytest.raises(InputError, match=rf"cannot listen at 127\.0\.0\.1:{server.get_port()}: .*in use"):
        open_server(port=server.get_port())
    another = open_server()
    try:
        assert another.get_port() >= module.FIRST_PORT
    finally:
        close_server(another)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "no..host", 64 * "n"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(InputError, match=f"cannot listen at {host}"):
        open_server(host, 0)


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(MissingExtra, match=r"viser is not installed.*meshanim\[viewer\]"):
        open_server()
