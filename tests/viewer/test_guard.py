"""Which requests come in, by their headers alone."""

import pytest

from meshanim.viewer.guard import Door, is_loopback

HOME = "localhost:8080"


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:9000", "localhost"]
)
def test_loopback_goes_by_its_names_at_any_port(host: str) -> None:
    door = Door.of("127.0.0.1")
    assert door.refusal([host], [], websocket=False) is None
    assert door.refusal([host], [f"http://{host}"], websocket=True) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example:8080", "localhost.evil.example", "192.168.0.7:8080", "", "[::1", "user@evil.example"],
)
def test_another_name_is_refused(host: str) -> None:
    assert Door.of("127.0.0.1").refusal([host], [], websocket=False) == (
        "this server does not go by that name"
    )


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "null",
        "file://",
        f"http://{HOME}.evil",
    ],
)
def test_another_page_is_refused(origin: str) -> None:
    for websocket in (False, True):
        refused = Door.of("127.0.0.1").refusal([HOME], [origin], websocket)
        assert refused == "requests must come from a page of this server"


def test_a_websocket_must_say_where_it_comes_from() -> None:
    assert "must say" in str(Door.of("localhost").refusal([HOME], [], websocket=True))


def test_headers_given_twice_are_refused() -> None:
    door = Door.of("localhost")
    assert door.refusal([HOME, HOME], [], websocket=False) is not None
    assert door.refusal([], [], websocket=False) is not None
    assert door.refusal([HOME], [f"http://{HOME}", "http://evil.example"], websocket=False) is not None


def test_on_the_network_numbers_will_do_and_strange_names_will_not() -> None:
    door = Door.of("0.0.0.0")
    assert door.refusal(["192.168.0.7:8080"], ["http://192.168.0.7:8080"], websocket=True) is None
    assert door.refusal(["evil.example"], ["http://evil.example"], websocket=True) is not None
    assert Door.of("face.lan").refusal(["face.lan:8080"], [], websocket=False) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)],
)
def test_loopback_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
