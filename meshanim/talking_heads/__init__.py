"""Talking heads: who a performance looks like, and renderers that draw it."""

from meshanim.talking_heads.appearance import Appearance
from meshanim.talking_heads.loading import CROPS, RENDERERS, load_renderer
from meshanim.talking_heads.mesh_renderer import MeshRenderer
from meshanim.talking_heads.pictures import from_network, to_network
from meshanim.talking_heads.polynomial import PolynomialRenderer
from meshanim.talking_heads.polynomial_config import POLYNOMIAL_CONFIGS, PolynomialConfig
from meshanim.talking_heads.polynomial_model import PolynomialModel
from meshanim.talking_heads.renderer import NEEDS, Renderer
from meshanim.talking_heads.tcsan import TCSAN_CONFIGS, TcsanConfig, TcsanModel
from meshanim.talking_heads.tcsan_renderer import TcsanRenderer

__all__ = [
    "CROPS",
    "NEEDS",
    "POLYNOMIAL_CONFIGS",
    "RENDERERS",
    "TCSAN_CONFIGS",
    "Appearance",
    "MeshRenderer",
    "PolynomialConfig",
    "PolynomialModel",
    "PolynomialRenderer",
    "Renderer",
    "TcsanConfig",
    "TcsanModel",
    "TcsanRenderer",
    "from_network",
    "load_renderer",
    "to_network",
]
