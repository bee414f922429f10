"""Talking heads: who a performance looks like, and renderers that draw it."""

from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.polynomial import PolynomialRenderer
from meshanim.talking_heads.polynomial_config import POLYNOMIAL_CONFIGS, PolynomialConfig
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.talking_heads.renderer import LANDMARKS, NEEDS, Renderer

__all__ = [
    "LANDMARKS",
    "NEEDS",
    "POLYNOMIAL_CONFIGS",
    "Appearance",
    "PolynomialConfig",
    "PolynomialModel",
    "PolynomialRenderer",
    "Renderer",
    "from_network",
    "to_network",
]
