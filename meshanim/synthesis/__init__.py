"""What makes performances: a face and labels or a voice in, a 4D expression or speech out."""

from meshanim.faces.facs import EXPRESSIONS
from meshanim.synthesis.acting import Acting
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.blinks import Blinks, ClipBlinks
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.gaze import ClipGaze, Gaze
from meshanim.synthesis.head_from_clip import ClipHead
from meshanim.synthesis.labels import expression_labels, parse_mixture
from meshanim.synthesis.pretrained import topology_digest
from meshanim.synthesis.prototypes import perform_prototype, prototype_weights
from meshanim.synthesis.speaking import speak, spoken_names
from meshanim.synthesis.timing import retime

__all__ = [
    "EXPRESSIONS",
    "Acting",
    "Blinks",
    "ClipBlinks",
    "ClipGaze",
    "ClipHead",
    "ExpressionConfig",
    "ExpressionModel",
    "Gaze",
    "SpiralAutoencoder",
    "expression_labels",
    "parse_mixture",
    "perform_prototype",
    "prototype_weights",
    "retime",
    "speak",
    "spoken_names",
    "topology_digest",
]
