"""Talking heads: who a performance looks like, and renderers that draw it."""

from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.renderer import LANDMARKS, NEEDS, Renderer
from meshanim.talking_heads.tcsan import TCSAN_CONFIGS, TcsanConfig, TcsanModel
from meshanim.talking_heads.tcsan_renderer import TcsanRenderer

__all__ = [
    "LANDMARKS",
    "NEEDS",
    "TCSAN_CONFIGS",
    "Appearance",
    "Renderer",
    "TcsanConfig",
    "TcsanModel",
    "TcsanRenderer",
    "from_network",
    "to_network",
]
