"""How much a face in pictures is the one in a reference."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import InputError, check_finite, check_shape


def content_distance(embeddings: Tensor, reference: Tensor) -> float:
    """ACD (after Tulyakov et al. 2018): Euclidean distance from the reference's embedding, mean over frames.

    The number means nothing without its embedding. With dlib's (:func:`meshanim.vision.embed_face`) pictures
    of one person are mostly less than 0.6 apart.

    Args:
        embeddings: (T, E) of the frames.
        reference: (E,) of the reference picture.

    Raises:
        InputError: different sizes, no frame, a value that is not finite.
    """
    _check(embeddings, reference)
    return float(torch.linalg.vector_norm(embeddings - reference, dim=-1).mean(dtype=torch.float64))


def cosine_similarity(embeddings: Tensor, reference: Tensor) -> float:
    """CSIM: cosine between each frame's embedding and the reference's, in mean over frames, 1 for the same.

    As for :func:`content_distance`, name the embedding beside it.
    """
    _check(embeddings, reference)
    return float(functional.cosine_similarity(embeddings.double(), reference.double()[None]).mean())


def _check(embeddings: Tensor, reference: Tensor) -> None:
    check_shape("reference", reference, (None,))
    check_shape("embeddings", embeddings, (None, len(reference)))
    if len(embeddings) == 0:
        raise InputError("embeddings must have at least one frame, got none")
    for name, values in (("embeddings", embeddings), ("reference", reference)):
        check_finite(name, values)
