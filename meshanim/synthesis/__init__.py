"""Models that make performances: a face and labels, or speech, in, a face that moves out."""

from meshanim.faces.facs import EXPRESSIONS
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.expression_motion import ExpressionMotion
from meshanim.synthesis.expression_space import ExpressionSpace
from meshanim.synthesis.labels import expression_labels, parse_mixture
from meshanim.synthesis.pretrained import topology_digest
from meshanim.synthesis.prototypes import perform_prototype, prototype_weights
from meshanim.synthesis.speech import SpeechModel
from meshanim.synthesis.speech_config import SPEECH_CONFIGS, SpeechConfig
from meshanim.synthesis.timing import retime

__all__ = [
    "EXPRESSIONS",
    "SPEECH_CONFIGS",
    "ExpressionConfig",
    "ExpressionModel",
    "ExpressionMotion",
    "ExpressionSpace",
    "SpeechConfig",
    "SpeechModel",
    "SpiralAutoencoder",
    "expression_labels",
    "parse_mixture",
    "perform_prototype",
    "prototype_weights",
    "retime",
    "topology_digest",
]
