"""How alike two sets of pictures are as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from meshanim._check import InputError, check_shape
from meshanim.metrics._torchmetrics import torchmetrics

_CHUNK = 64


def frechet_distance(
    predicted: Iterable[Tensor], truth: Iterable[Tensor], extractor: nn.Module, size: tuple[int, int]
) -> float:
    """FID (Heusel et al. 2017): Frechet distance of two Gaussians, those of the features of two sets.

    The number means nothing without the extractor and what it makes of a picture's size: name both beside it.
    No weights are fetched.

    Args:
        predicted: stacks of frames (T, H, W, 3) uint8, all of one size.
        truth: the same, of other frames or more; features need not be paired.
        extractor: from (N, 3, H, W) uint8 to features (N, E); it resizes for itself.
        size: (H, W) of the frames.

    Raises:
        InputError: another shape, or fewer than two frames of either.
        MissingExtra: torchmetrics is not installed.
    """
    distance = torchmetrics("image.fid").FrechetInceptionDistance(extractor, input_img_size=(3, *size))
    for name, stacks, real in (("predicted", predicted, False), ("truth", truth, True)):
        count = 0
        for frames in stacks:
            check_shape(name, frames, (None, *size, 3))
            count += len(frames)
            for part in frames.split(_CHUNK):
                distance.update(part.movedim(-1, 1), real=real)
        if count < 2:
            raise InputError(f"{name} must have at least two frames, got {count}")
    return float(distance.compute())
