"""Who may talk to the viewer's server: pages that it served itself, under a name of its own.

A browser lets any page open a websocket to any address, and a page whose name comes to point to this machine
(DNS rebinding) even read the answers. The page's origin and the name it asked for tell such pages apart.
"""

from __future__ import annotations

import http
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """The name or address in a Host header, without its port; empty where it has none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class Door:
    """Which requests come in.

    Args:
        names: host names under which the server may be asked.
        by_address: any numeric address will do as well; no name service can make one point elsewhere.
    """

    names: frozenset[str]
    by_address: bool = False

    @classmethod
    def of(cls, host: str) -> Door:
        """The door of a server that listens at ``host``: on loopback, loopback's names and no other."""
        if is_loopback(host):
            return cls(LOOPBACK | {host.lower()})
        return cls(LOOPBACK | {host.lower(), socket.gethostname().lower()}, by_address=True)

    def refusal(self, hosts: Sequence[str], origins: Sequence[str], websocket: bool) -> str | None:
        """Why a request stays outside, or None.

        Args:
            hosts: its Host headers.
            origins: its Origin headers; every browser sends one when it opens a websocket.
            websocket: whether it asks for one.
        """
        if len(hosts) != 1 or len(origins) > 1:
            return "a request must have one Host and at most one Origin"
        host, name = hosts[0].lower(), _name(hosts[0])
        if name not in self.names and not (self.by_address and _is_address(name)):
            return "this server does not go by that name"
        if origins and origins[0].lower() not in (f"http://{host}", f"https://{host}"):
            return "requests must come from a page of this server"
        if websocket and not origins:
            return "a websocket must say which page it comes from"
        return None

    def before(self, answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """A ``process_request`` of the websockets package that refuses, or else does what ``answer`` does.

        Pages that are served may not be framed by others, whose clicks would then be this page's.
        """

        def process(connection: Any, request: Any) -> Any:
            headers = request.headers
            response = answer(connection, request)
            hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
            refusal = self.refusal(hosts, origins, websocket=response is None)
            if refusal is not None:
                return connection.respond(http.HTTPStatus.FORBIDDEN, refusal + "\n")
            if response is not None:
                response.headers["X-Frame-Options"] = "DENY"
            return response

        return process
