"""Corpora made here, and readers of published ones."""

from meshanim.datasets.expressions4d import Expressions4D, ExpressionSequence
from meshanim.datasets.kept_faces import KeptFaces
from meshanim.datasets.made_speech import MadeSpeech
from meshanim.datasets.published import Recording, read_4dfab, read_coma, read_vocaset
from meshanim.datasets.rendered_faces import RenderedFace, RenderedFaces
from meshanim.datasets.utterances import Utterance

__all__ = [
    "ExpressionSequence",
    "Expressions4D",
    "KeptFaces",
    "MadeSpeech",
    "Recording",
    "RenderedFace",
    "RenderedFaces",
    "Utterance",
    "read_4dfab",
    "read_coma",
    "read_vocaset",
]
