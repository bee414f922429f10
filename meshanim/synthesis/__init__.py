"""Models that make performances: a face and labels in, a 4D expression out."""

from meshanim.faces.facs import EXPRESSIONS
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.labels import expression_labels, parse_mixture
from meshanim.synthesis.pretrained import topology_digest
from meshanim.synthesis.prototypes import perform_prototype, prototype_weights
from meshanim.synthesis.timing import retime

__all__ = [
    "EXPRESSIONS",
    "ExpressionConfig",
    "ExpressionModel",
    "SpiralAutoencoder",
    "expression_labels",
    "parse_mixture",
    "perform_prototype",
    "prototype_weights",
    "retime",
    "topology_digest",
]
