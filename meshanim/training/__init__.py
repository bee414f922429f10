"""One training loop, losses, recipes, checkpoints."""

from meshanim.training.audio_units import AudioUnitsRecipe, train_audio_units
from meshanim.training.autoencoder import AutoencoderRecipe, train_autoencoder
from meshanim.training.classifier import ClassifierRecipe, train_classifier
from meshanim.training.expression import RECIPES, VARIANTS, ExpressionRecipe, paper_factors, train_expression
from meshanim.training.expression_learner import ExpressionLearnerRecipe, train_expression_learner
from meshanim.training.expression_motion import ExpressionMotionRecipe, train_expression_motion
from meshanim.training.face_features import FaceFeaturesRecipe, train_face_features
from meshanim.training.head_motion import HeadMotionRecipe, train_head_motion
from meshanim.training.lip_sync import LipSyncRecipe, train_lip_sync
from meshanim.training.loop import TrainingReport, train
from meshanim.training.losses import motion_losses
from meshanim.training.polynomial import POLYNOMIAL_RECIPES, PolynomialRecipe, displaced_by, train_polynomial
from meshanim.training.recipe import Recipe
from meshanim.training.speech import SPEECH_RECIPES, SpeechRecipe, train_speech
from meshanim.training.task import Task
from meshanim.training.tcsan import TCSAN_RECIPES, TCSAN_VARIANTS, TcsanRecipe, train_tcsan
from meshanim.training.unit_classifier import UnitClassifierRecipe, read_units, train_unit_classifier
from meshanim.training.unit_losses import audio_unit_losses, unit_weights
from meshanim.training.unprojection import UNPROJECTION_RECIPES, UnprojectionRecipe, train_unprojection

__all__ = [
    "POLYNOMIAL_RECIPES",
    "RECIPES",
    "SPEECH_RECIPES",
    "TCSAN_RECIPES",
    "TCSAN_VARIANTS",
    "UNPROJECTION_RECIPES",
    "VARIANTS",
    "AudioUnitsRecipe",
    "AutoencoderRecipe",
    "ClassifierRecipe",
    "ExpressionLearnerRecipe",
    "ExpressionMotionRecipe",
    "ExpressionRecipe",
    "FaceFeaturesRecipe",
    "HeadMotionRecipe",
    "LipSyncRecipe",
    "PolynomialRecipe",
    "Recipe",
    "SpeechRecipe",
    "Task",
    "TcsanRecipe",
    "TrainingReport",
    "UnitClassifierRecipe",
    "UnprojectionRecipe",
    "audio_unit_losses",
    "displaced_by",
    "motion_losses",
    "paper_factors",
    "read_units",
    "train",
    "train_audio_units",
    "train_autoencoder",
    "train_classifier",
    "train_expression",
    "train_expression_learner",
    "train_expression_motion",
    "train_face_features",
    "train_head_motion",
    "train_lip_sync",
    "train_polynomial",
    "train_speech",
    "train_tcsan",
    "train_unit_classifier",
    "train_unprojection",
    "unit_weights",
]
