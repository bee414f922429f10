"""dlib and the weights it needs, from the extra ``vision``."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from meshanim._check import MissingExtra

_EXTRA = "vision"


def dlib() -> Any:
    """The package dlib.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise MissingExtra("dlib", _EXTRA) from error


def _weights(name: str) -> str:
    """Path of a weight file in the package face-recognition-models.

    The package is never imported: it asks for ``pkg_resources``, which setuptools no longer has.
    """
    found = find_spec("face_recognition_models")
    places = found.submodule_search_locations if found is not None else None
    path = Path(next(iter(places or [""]))) / "models" / name
    if not path.is_file():
        raise MissingExtra("face-recognition-models", _EXTRA)
    return str(path)


@cache
def face_detector() -> Any:
    """dlib's detector of frontal faces: histograms of gradients, faces from 80 pixels on."""
    return dlib().get_frontal_face_detector()


@cache
def shape_predictor() -> Any:
    """dlib's predictor of 68 landmarks: regression trees trained on iBUG 300-W."""
    return dlib().shape_predictor(_weights("shape_predictor_68_face_landmarks.dat"))


@cache
def embedding_network() -> Any:
    """dlib's residual network from an aligned face to 128 numbers."""
    return dlib().face_recognition_model_v1(_weights("dlib_face_recognition_resnet_model_v1.dat"))
