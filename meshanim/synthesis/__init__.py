"""Models that make performances: a face and labels in, a 4D expression out."""

from meshanim.faces.facs import EXPRESSIONS
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.disentangling import RIGID_LANDMARKS, Disentangled, disentangle
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.expression_learner import ExpressionLearner, ExpressionLearnerConfig
from meshanim.synthesis.head_motion import HeadMotionConfig, HeadMotionModel
from meshanim.synthesis.labels import expression_labels, parse_mixture
from meshanim.synthesis.pretrained import topology_digest
from meshanim.synthesis.prototypes import perform_prototype, prototype_weights
from meshanim.synthesis.timing import retime

__all__ = [
    "EXPRESSIONS",
    "RIGID_LANDMARKS",
    "Disentangled",
    "ExpressionConfig",
    "ExpressionLearner",
    "ExpressionLearnerConfig",
    "ExpressionModel",
    "HeadMotionConfig",
    "HeadMotionModel",
    "SpiralAutoencoder",
    "disentangle",
    "expression_labels",
    "parse_mixture",
    "perform_prototype",
    "prototype_weights",
    "retime",
    "topology_digest",
]
