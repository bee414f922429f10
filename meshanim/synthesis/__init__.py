"""Models that make performances: a face and labels, or speech, in, a face that moves out."""

from meshanim.faces.facs import EXPRESSIONS
from meshanim.synthesis.acting import Acting
from meshanim.synthesis.autoencoder import SpiralAutoencoder
from meshanim.synthesis.blinks import Blinks, ClipBlinks
from meshanim.synthesis.disentangling import RIGID_LANDMARKS, Disentangled, disentangle
from meshanim.synthesis.expression import ExpressionConfig, ExpressionModel
from meshanim.synthesis.expression_learner import ExpressionLearner, ExpressionLearnerConfig
from meshanim.synthesis.expression_motion import ExpressionMotion
from meshanim.synthesis.expression_space import ExpressionSpace
from meshanim.synthesis.gaze import ClipGaze, Gaze
from meshanim.synthesis.head_from_clip import ClipHead, ClipHeadStyle
from meshanim.synthesis.head_motion import HeadMotionConfig, HeadMotionModel
from meshanim.synthesis.labels import expression_labels, parse_mixture
from meshanim.synthesis.prototypes import perform_prototype, prototype_weights
from meshanim.synthesis.speaking import speak, spoken_names
from meshanim.synthesis.speech import SpeechModel
from meshanim.synthesis.speech_config import SPEECH_CONFIGS, SpeechConfig
from meshanim.synthesis.timing import retime
from meshanim.synthesis.topology import topology_digest

__all__ = [
    "EXPRESSIONS",
    "RIGID_LANDMARKS",
    "SPEECH_CONFIGS",
    "Acting",
    "Blinks",
    "ClipBlinks",
    "ClipGaze",
    "ClipHead",
    "ClipHeadStyle",
    "Disentangled",
    "ExpressionConfig",
    "ExpressionLearner",
    "ExpressionLearnerConfig",
    "ExpressionModel",
    "ExpressionMotion",
    "ExpressionSpace",
    "Gaze",
    "HeadMotionConfig",
    "HeadMotionModel",
    "SpeechConfig",
    "SpeechModel",
    "SpiralAutoencoder",
    "disentangle",
    "expression_labels",
    "parse_mixture",
    "perform_prototype",
    "prototype_weights",
    "retime",
    "speak",
    "spoken_names",
    "topology_digest",
]
