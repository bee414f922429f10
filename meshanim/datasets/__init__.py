"""Corpora made here, and readers of published ones."""

from meshanim.datasets.captured_grid import CapturedGrid
from meshanim.datasets.expressions4d import Expressions4D, ExpressionSequence
from meshanim.datasets.kept_faces import KeptFaces
from meshanim.datasets.made_speech import MadeSpeech
from meshanim.datasets.published import Recording, read_4dfab, read_biwi, read_coma, read_vocaset
from meshanim.datasets.rendered_faces import RenderedFace, RenderedFaces
from meshanim.datasets.spoken_clips import (
    SpokenClip,
    TimedLabel,
    read_crema_d,
    read_grid,
    read_tcd_timit,
    split_by_speaker,
)
from meshanim.datasets.talking_clips import GridVideos, TalkingClip, TalkingClips
from meshanim.datasets.utterances import Utterance

__all__ = [
    "CapturedGrid",
    "ExpressionSequence",
    "Expressions4D",
    "GridVideos",
    "KeptFaces",
    "MadeSpeech",
    "Recording",
    "RenderedFace",
    "RenderedFaces",
    "SpokenClip",
    "TalkingClip",
    "TalkingClips",
    "TimedLabel",
    "Utterance",
    "read_4dfab",
    "read_biwi",
    "read_coma",
    "read_crema_d",
    "read_grid",
    "read_tcd_timit",
    "read_vocaset",
    "split_by_speaker",
]
