"""Pages in the browser: a performance to look at, and a studio to make one. Extra ``viewer``."""

from meshanim.viewer.actor import Actor
from meshanim.viewer.comparing import words_on_lengths
from meshanim.viewer.loading import load
from meshanim.viewer.player import Player
from meshanim.viewer.server import close_server, open_server
from meshanim.viewer.settings import Settings
from meshanim.viewer.studio import Studio
from meshanim.viewer.view import view_performance

__all__ = [
    "Actor",
    "Player",
    "Settings",
    "Studio",
    "close_server",
    "load",
    "open_server",
    "view_performance",
    "words_on_lengths",
]
