"""A head that moves as one did in a clip: the same motion, or in its manner."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from meshanim._check import InputError, check_finite
from meshanim.audio.sound import Sound
from meshanim.mesh.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from meshanim.performance import Performance
from meshanim.synthesis.clip_looping import read_in_loop
from meshanim.synthesis.head_motion import HeadMotionModel


@dataclass(frozen=True)
class ClipHead:
    """The head motion that was seen in a clip, about where the head was on average, again and again.

    Args:
        clip: with head motion.

    Raises:
        InputError: a clip without head motion, or with some that is not finite.
    """

    clip: Performance

    def __post_init__(self) -> None:
        if self.clip.head_motion is None:
            raise InputError("the clip must have head motion for a head to move like it, got none")
        check_finite("the clip's head motion", self.clip.head_motion)

    def head_motion(self, sound: Sound, *, fps: float) -> Tensor:
        """Head motion (T, 6) as :class:`meshanim.performance.Performance` has it, as long as the sound."""
        times = torch.arange(sound.frame_count(fps), dtype=torch.float64) / fps
        return read_in_loop(_centred(self.clip), self.clip.fps, times)


@dataclass(frozen=True)
class ClipHeadStyle:
    """Head motion that goes with what is said, in the manner of a clip.

    Args:
        model: which moves.
        clip: with head motion and sound.

    Raises:
        InputError: a clip without one of them, or with head motion that is not finite.
    """

    model: HeadMotionModel
    clip: Performance

    def __post_init__(self) -> None:
        if self.clip.head_motion is None or self.clip.waveform is None:
            raise InputError("the clip must have head motion and sound to move in its manner, got not both")
        check_finite("the clip's head motion", self.clip.head_motion)

    def head_motion(self, sound: Sound, *, fps: float) -> Tensor:
        """As :meth:`ClipHead.head_motion`."""
        clip = self.clip
        assert clip.waveform is not None and clip.sample_rate is not None
        heard = Sound(clip.waveform.to("cpu", torch.float32), clip.sample_rate)
        return self.model.head_motion(sound, self.model.style(heard, _centred(clip), clip.fps), fps)


def _centred(clip: Performance) -> Tensor:
    """(T, 6) a clip's head motion about its mean rotation and translation, which come to lie at rest."""
    assert clip.head_motion is not None
    turns, shifts = axis_angle_to_matrix(clip.head_motion[:, :3]), clip.head_motion[:, 3:]
    # Axes and angles jump at half a turn: their mean is none of the rotations.
    mean = Rotation.from_rotvec(clip.head_motion[:, :3].detach().cpu().double().numpy()).mean()
    back = torch.from_numpy(mean.inv().as_matrix()).to(turns)
    turned = matrix_to_axis_angle(back @ turns)
    return torch.cat([turned, (shifts - shifts.mean(dim=0)) @ back.mT], dim=1)
