"""Talking heads: who a performance looks like, and renderers that draw it."""

from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.renderer import LANDMARKS, NEEDS, Renderer

__all__ = ["LANDMARKS", "NEEDS", "Appearance", "Renderer", "from_network", "to_network"]
