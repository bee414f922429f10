"""A head that moves as one did in a clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from meshanim._check import InputError
from meshanim.audio.sound import Sound
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.performance import Performance
from meshanim.synthesis.clip_looping import read_in_loop


@dataclass(frozen=True)
class ClipHead:
    """The head motion that was seen in a clip, about where the head was on average, again and again.

    Args:
        clip: with head motion.

    Raises:
        InputError: a clip without head motion.
    """

    clip: Performance

    def __post_init__(self) -> None:
        if self.clip.head_motion is None:
            raise InputError("the clip must have head motion for a head to move like it, got none")

    def motion(self, sound: Sound, fps: float) -> Tensor:
        """Head motion (T, 6) as :class:`meshanim.performance.Performance` has it, as long as the sound."""
        times = torch.arange(sound.frame_count(fps), dtype=torch.float64) / fps
        return read_in_loop(_centred(self.clip), self.clip.fps, times)


def _centred(clip: Performance) -> Tensor:
    """(T, 6) a clip's head motion about its mean rotation and translation, which come to lie at rest."""
    assert clip.head_motion is not None
    turns, shifts = clip.head_motion.split(3, dim=1)
    back = axis_angle_to_matrix(turns.mean(dim=0)).mT
    turned = matrix_to_axis_angle(back @ axis_angle_to_matrix(turns))
    return torch.cat([turned, (shifts - shifts.mean(dim=0)) @ back.mT], dim=1)
