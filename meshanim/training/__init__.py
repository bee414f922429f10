"""One training loop, losses, recipes, checkpoints."""

from meshanim.training.autoencoder import AutoencoderRecipe, train_autoencoder
from meshanim.training.classifier import ClassifierRecipe, train_classifier
from meshanim.training.expression import RECIPES, VARIANTS, ExpressionRecipe, paper_factors, train_expression
from meshanim.training.expression_motion import ExpressionMotionRecipe, train_expression_motion
from meshanim.training.loop import Task, TrainingReport, train
from meshanim.training.losses import motion_losses
from meshanim.training.recipe import Recipe
from meshanim.training.speech import SPEECH_RECIPES, SpeechRecipe, among, train_speech
from meshanim.training.unprojection import UNPROJECTION_RECIPES, UnprojectionRecipe, train_unprojection

__all__ = [
    "RECIPES",
    "SPEECH_RECIPES",
    "UNPROJECTION_RECIPES",
    "VARIANTS",
    "AutoencoderRecipe",
    "ClassifierRecipe",
    "ExpressionMotionRecipe",
    "ExpressionRecipe",
    "Recipe",
    "SpeechRecipe",
    "Task",
    "TrainingReport",
    "UnprojectionRecipe",
    "among",
    "motion_losses",
    "paper_factors",
    "train",
    "train_autoencoder",
    "train_classifier",
    "train_expression",
    "train_expression_motion",
    "train_speech",
    "train_unprojection",
]
