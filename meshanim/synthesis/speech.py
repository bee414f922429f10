"""From speech to expressions, frame after frame, and to a face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from meshanim._check import check_finite, check_shape, check_tensor
from meshanim.audio import SPEECH_RATE, EncoderStream, LogMelEncoder, Sound, frames_beside, resample
from meshanim.audio.sound import check_samples
from meshanim.faces import ARKIT_NAMES, FaceModel
from meshanim.faces.lid_clearing import clear_lids
from meshanim.performance import Performance
from meshanim.synthesis.expression_motion import ExpressionMotion
from meshanim.synthesis.speech_encoding import Hearing, OverlappingHearing
from meshanim.synthesis.speech_memory import PersonalMemory
from meshanim.synthesis.speech_network import SpeechNetwork
from meshanim.synthesis.speech_stream import SpeechStream
from meshanim.synthesis.topology import check_topology

CHUNK = 64
"""Frames whose vertices are decoded at once."""


class SpeechModel(SpeechNetwork):
    """A :class:`SpeechNetwork` (Huang et al. 2023) put to use on sounds, whole or as they come in, and faces.

    Expressions reach a mesh by the ARKit weights that they stand for
    (:class:`meshanim.synthesis.ExpressionSpace`) or by a spiral decoder
    (:class:`meshanim.synthesis.ExpressionMotion`), the caller's choice.

    Args:
        config: the architecture.
        encoder: wav2vec 2.0 in place of the untrained one that a configuration with it begins with.
    """

    def _voice(self, hearing: Hearing, identity: Tensor | None, fps: float) -> SpeechStream:
        given = self.identity_mean if identity is None else identity
        check_tensor("identity", given)
        given = given.to(self.identity_mean)
        check_shape("identity", given, (self.config.identity_size,))
        check_finite("identity", given)
        recalling = None
        if self.memory is not None:
            recalling = EncoderStream(PersonalMemory(self.memory, self._standard(given[None])[0]))
        return SpeechStream(self, hearing, given, fps, recalling)

    def _overlapping(self) -> Hearing:
        if isinstance(self.encoder, LogMelEncoder):
            return EncoderStream(self.encoder)
        return OverlappingHearing(self.encoder, self.config.frame_rate)

    def _at_once(self, waveform: Tensor) -> Hearing:
        """What hears a waveform (N,) as a whole, where that makes a difference."""
        if isinstance(self.encoder, LogMelEncoder):
            return EncoderStream(self.encoder)
        frames = len(waveform) // self.frame_samples + 1
        return OverlappingHearing(self.encoder, self.config.frame_rate, answered=frames)

    @torch.no_grad()
    def expressions(self, sound: Sound, identity: Tensor | None = None, fps: float = 25.0) -> Tensor:
        """Expressions (T, E) of a sound, T = duration * fps, rounded, at least 1; without gradients.

        Args:
            sound: at any sample rate.
            identity: (I,) of who speaks; the mean of the people of the training without one.
            fps: frames per second of the result.
        """
        waveform = resample(sound, SPEECH_RATE).waveform
        stream = self._voice(self._at_once(waveform), identity, fps)
        return torch.cat([stream.push(waveform), stream.finish()])

    def weights(self, sound: Sound, identity: Tensor | None = None, fps: float = 25.0) -> Tensor:
        """ARKit weights (T, 52) of a sound, in [0, 1]; the arguments of :meth:`expressions`."""
        return self.space(self.expressions(sound, identity, fps)).clamp(0, 1)

    def weights_of(self, waveforms: Tensor, identities: Tensor | None = None) -> Tensor:
        """ARKit weights (B, T, 52) of whole waveforms (B, N) at the model's frame rate, differentiable.

        What :meth:`weights` gives of each, but with gradients, and in memory that grows with the sound.

        Args:
            waveforms: at 16 kHz.
            identities: (B, I) of who speaks; the mean of the people of the training without them.
        """
        check_shape("waveforms", waveforms, (None, None))
        check_samples("waveforms", waveforms)
        given = self.identity_mean.expand(len(waveforms), -1) if identities is None else identities
        check_shape("identities", given, (len(waveforms), self.config.identity_size))
        check_finite("identities", given)
        heard = waveforms.to(self.identity_mean)
        frames = frames_beside(heard.shape[1], self.config.frame_rate)
        if not len(heard):
            return heard.new_zeros(0, frames, len(ARKIT_NAMES))
        if isinstance(self.encoder, LogMelEncoder):
            heard = self.encoder.padded(heard, frames)
        else:  # it attends to the whole, which is whole frames
            whole = round(frames * SPEECH_RATE / self.config.frame_rate)
            heard = functional.pad(heard, (0, whole - heard.shape[1]))
        return self.space(self.perform(heard, given.to(self.identity_mean))).clamp(0, 1)

    @torch.no_grad()
    def stream(
        self, blocks: Iterable[Tensor], identity: Tensor | None = None, fps: float = 25.0
    ) -> Iterator[Tensor]:
        """ARKit weights in blocks (n, 52) while sound comes in, in memory that does not grow.

        With the log-mel encoder the blocks together are what :meth:`weights` gives of the whole, to rounding,
        and each frame comes as soon as the sound is there that it depends on. wav2vec 2.0 attends to the
        whole file: here it hears windows of 14 s that overlap by 4 s. Untrained ones of 4 and 12 blocks gave
        expressions that were off by 1 % of their deviation in the mean square, by 13 % at most, on 29 s of
        speech; no trained one was at hand.

        No gradients reach the blocks; :meth:`weights_of` has them.

        Args:
            blocks: waveforms (n,) at 16 kHz, of any lengths.
            identity: as in :meth:`expressions`.
            fps: frames per second of the result.
        """
        stream = self._voice(self._overlapping(), identity, fps)
        for block in blocks:
            yield self.space(stream.push(block)).clamp(0, 1)
        yield self.space(stream.finish()).clamp(0, 1)

    @torch.no_grad()
    def animate(
        self,
        sound: Sound,
        face: FaceModel,
        identity: Tensor | None = None,
        fps: float = 25.0,
        motion: ExpressionMotion | None = None,
    ) -> Performance:
        """Perform a sound on a face, without gradients, which :meth:`weights_of` has.

        Args:
            sound: at any sample rate.
            face: any face model.
            identity: (I,) coefficients of that model; its mean face without one. The built-in face's are the
                style too.
            fps: frames per second.
            motion: moves the vertices; without one the face's own units do, by ARKit's names.

        Returns:
            T = duration * fps frames with the sound, as weights over the face's basis or, with ``motion``, as
            vertices.
        """
        own = face.name == "anny" and identity is not None
        said = self.expressions(sound, identity if own else None, fps)
        neutral = face.neutral.with_vertices(face.rest(identity))
        known: dict[str, Any] = {
            "face_model": face.name,
            "identity": face.default_identity if identity is None else identity,
            "waveform": sound.waveform.detach(),
            "sample_rate": sound.sample_rate,
        }
        if motion is None:
            weights = face.weights_from_arkit(self.space(said).clamp(0, 1))
            basis, names = face.basis(identity), face.weight_names
            return Performance(neutral, fps, weights=weights, basis=basis, weight_names=names, **known)
        motion.check_space(self.space)
        check_topology("face", neutral, motion.template)
        moved = [clear_lids(neutral, neutral.vertices + motion(part)) for part in said.split(CHUNK)]
        return Performance(neutral, fps, motion=torch.cat(moved), **known)
