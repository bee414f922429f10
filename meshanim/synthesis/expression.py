"""From a neutral face and a label track to a 4D expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor

from meshanim._check import InputError, check_choice, check_range, check_shape, check_tensor
from meshanim._pretrained import settings_from
from meshanim._progress import Progress
from meshanim.audio.timing import read_linearly
from meshanim.faces.facs import EXPRESSIONS
from meshanim.faces.lid_clearing import clear_lids
from meshanim.mesh import Mesh
from meshanim.nn import HasLevels, LabelEncoder, MeshLevels, SpiralDecoder
from meshanim.performance import Performance
from meshanim.synthesis.identity_motion import IdentityMotion
from meshanim.synthesis.labels import check_labels, expression_spans, with_short_phases
from meshanim.synthesis.mesh_model import MeshModel
from meshanim.synthesis.motion_decoders import BlendshapeMotion, Blocks, SpiralMotion
from meshanim.synthesis.neutral_encoder import Condition, NeutralEncoder
from meshanim.synthesis.timing import frames_needed, read_smoothly
from meshanim.synthesis.topology import check_topology

CHUNK = 64
"""Frames that are decoded at once."""
LEAD, TAIL = 1 / 3, 1 / 4
"""Seconds of neutral labels before and after an expression, the most that sequences of Expressions4D have: an
LSTM that was shown no more of them wanders off after half a second, and takes the face along."""
LONGEST_CHANGE, LONGEST_HOLD = 5 / 6, 4 / 3
"""Seconds that expressions of Expressions4D take to come or go, and are held, at most: in slower ones an LSTM
that has seen no others leaps ahead of the labels, in longer ones it wanders."""


@dataclass(frozen=True)
class ExpressionConfig:
    """Architecture of an :class:`ExpressionModel`; the defaults are the paper's.

    Attributes:
        decoder: ``spiral`` (Potamias et al. 2020, Table 1) or ``pca``, the blendshape baseline: a fixed
            basis of the training motion's leading principal components, as many as the latent size.
        identity: ``spiral`` lets a spiral encoder of the neutral face condition the decoder; None decodes
            the same motion for every face.
        latent_size: Z, of the LSTM's output.
        widths: channels of the decoder, coarsest level first; three more for the displacement follow.
        frame_rate: frames per second at which the LSTM runs.
        bidirectional: the LSTM reads the label track in both directions.
        lstm_layers: LSTMs one upon the other.
        identity_size: of the neutral face's code.
        identity_widths: channels of the neutral face's encoder, finest level first.
        identity_dropout: share of the code that is dropped while training.
        identity_warm_up: training steps before the conditioned spiral decoder takes part.
    """

    decoder: Literal["spiral", "pca"] = "spiral"
    identity: Literal["spiral"] | None = None
    latent_size: int = 64
    widths: tuple[int, ...] = (64, 32, 16, 8)
    frame_rate: float = 12.0
    bidirectional: bool = False
    lstm_layers: int = 1
    identity_size: int = 16
    identity_widths: tuple[int, ...] = (16, 16, 32, 32)
    identity_dropout: float = 0.1
    identity_warm_up: int = 0

    def __post_init__(self) -> None:
        check_choice("decoder", self.decoder, ("spiral", "pca"))
        check_choice("identity", self.identity, (None, "spiral"))
        check_range("latent_size", self.latent_size, 1)
        check_range("lstm_layers", self.lstm_layers, 1)
        check_range("frame_rate", self.frame_rate, 0, open_low=True)
        check_range("identity_dropout", self.identity_dropout, 0, 0.9)
        if self.decoder == "pca" and self.identity is not None:
            raise InputError("identity must be None for the pca decoder, whose basis is fixed")


PAPER = ExpressionConfig()


class ExpressionModel(MeshModel):
    r"""4D expressions from a neutral face and a label track (Potamias et al. 2020).

    .. math:: \hat x_t = D(z_t) + x_{id}, \qquad z_t = E(e_t) \qquad\text{(eq 4)}

    E is an LSTM over the label track at the model's own frame rate, D a spiral decoder or the blendshape
    baseline. With ``identity="spiral"`` the decoder knows the face,
    :math:`\hat x_t = D(z_t, x_{id}) + x_{id}`, and the path is told from that of a track without labels,
    :math:`z_t = E(e)_t - E(0)_t`, at which nothing moves: without a label the neutral face comes back to the
    bit.

    Args:
        template: mesh whose topology every neutral face shares.
        hierarchy: of that mesh, with as many steps as ``config.widths`` has entries.
        config: the architecture.
    """

    kind = "ExpressionModel"

    def __init__(self, template: Mesh, hierarchy: HasLevels, config: ExpressionConfig = PAPER) -> None:
        super().__init__(template, hierarchy)
        self.config = config
        self.encoder = LabelEncoder(
            len(EXPRESSIONS), config.latent_size, config.bidirectional, config.lstm_layers
        )
        self.motion: BlendshapeMotion | SpiralMotion | IdentityMotion
        if config.decoder == "pca":
            self.motion = BlendshapeMotion(len(template.vertices), config.latent_size)
        elif config.identity is None:
            decoder = SpiralDecoder(self.levels, config.latent_size, (*config.widths, 3))
            self.motion = SpiralMotion(decoder)
        else:
            looking = NeutralEncoder(
                self.levels, template.faces, config.identity_widths, config.identity_size
            )
            self.motion = IdentityMotion(
                self.levels,
                config.latent_size,
                config.widths,
                looking,
                config.identity_dropout,
                config.identity_warm_up,
            )

    def settings(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return asdict(self.config)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Of its performances: mean and components of the blendshape baseline; a spiral one has none."""
        if not isinstance(self.motion, BlendshapeMotion):
            return ()
        return ("mean", *(f"component{index}" for index in range(self.config.latent_size)))

    @classmethod
    def build(cls, template: Mesh, levels: MeshLevels, settings: dict[str, Any]) -> Self:
        """The untrained model that :meth:`settings` describes."""
        return cls(template, levels, settings_from(ExpressionConfig, settings))

    @torch.no_grad()
    def calibrate(self, neutrals: Tensor, displacements: Blocks) -> None:
        """Set what is measured and not learned: mean face, scale of motion, the baseline's basis.

        Args:
            neutrals: (S, V, 3) training subjects at rest, metres.
            displacements: called once per pass; yields blocks (N, V, 3) in metres.
        """
        self.mean.copy_(neutrals.mean(dim=0))
        self.motion.calibrate(neutrals, displacements)

    def encode(self, labels: Tensor) -> Tensor:
        """Paths in the latent space (..., T, Z) of label tracks (..., T, 6) at the model's frame rate."""
        check_tensor("labels", labels)
        check_shape("labels", labels, (None, len(EXPRESSIONS)), batched=True)
        if not labels.numel():
            return labels.new_zeros(*labels.shape[:-1], self.config.latent_size)
        tracks = labels.to(self.mean).reshape(-1, *labels.shape[-2:])
        path = self.encoder(tracks)
        if self.config.identity is not None:
            path = path - self.encoder(torch.zeros_like(tracks))
        return path.view(*labels.shape[:-1], -1)

    def encode_at(self, labels: Tensor, fps: float) -> Tensor:
        """Path (T, Z) of a label track (T, 6) at any frame rate.

        The LSTM runs at the model's frame rate on the track as it reads there, and its path is read back on
        a smooth curve, so that motion does not depend on the frame rate. What takes longer than
        :data:`LONGEST_CHANGE` to come or go, or is held longer than :data:`LONGEST_HOLD`, is read as so long,
        and slowly. Expressions with more than :data:`LEAD` and :data:`TAIL` between them are read each by
        itself, and the path stands still where nothing is asked; not so with ``identity``, where the face
        comes to rest by construction.
        """
        own = self.config.frame_rate
        count = frames_needed(len(labels), fps, own)
        native = read_linearly(labels, torch.arange(count, dtype=torch.float64) * (fps / own))
        wanted = torch.arange(len(labels), dtype=torch.float64) * (own / fps)
        return read_smoothly(self._encode_spans(native), wanted)

    def _encode_spans(self, labels: Tensor) -> Tensor:
        """Path (T, Z) of a track (T, 6) at the model's frame rate."""
        known_lengths = LEAD, TAIL, LONGEST_CHANGE, LONGEST_HOLD
        lead, tail, change, hold = (round(seconds * self.config.frame_rate) for seconds in known_lengths)
        apart = expression_spans(labels, lead, tail) or [(0, 1)]
        path = self.mean.new_empty(0, self.config.latent_size)
        for start, stop in apart if self.config.identity is None else [(0, len(labels))]:
            known, places = with_short_phases(labels[start:stop], change, hold)
            said = read_smoothly(self.encode(known), places)
            path = torch.cat([path, _held(path if len(path) else said[:1], start - len(path)), said])
        return torch.cat([path, _held(path, len(labels) - len(path))])

    def condition(self, neutral: Tensor) -> Condition | None:
        """What the decoder learns about faces (S, V, 3), in metres; None for one that does not look."""
        return self.motion.condition(neutral)

    def displacements(
        self, code: Tensor, condition: Condition | None = None, lengths: Sequence[int] | None = None
    ) -> Tensor:
        """Displacements (N, V, 3) in metres of codes (N, Z), ``lengths`` frames for each subject in turn."""
        return self.motion(code, condition, lengths)

    def decode(self, code: Tensor, neutral: Tensor) -> Tensor:
        """Vertices (N, V, 3) in metres of codes (N, Z) on one neutral face (V, 3)."""
        check_shape("code", code, (None, self.config.latent_size))
        check_shape("neutral", neutral, tuple(self.mean.shape))
        return neutral + self.displacements(code, self.condition(neutral[None]))

    def forward(self, labels: Tensor, neutral: Tensor) -> Tensor:
        """Vertices (S, T, V, 3) of labels (S, T, 6) at the model's frame rate on neutral faces (S, V, 3).

        Differentiable in both.

        Raises:
            InputError: shapes that are not these, such as one neutral face beside two label tracks.
        """
        check_tensor("labels", labels)
        check_tensor("neutral", neutral)
        check_shape("labels", labels, (None, None, len(EXPRESSIONS)))
        count, frames = labels.shape[:2]
        check_shape("neutral", neutral, (count, *self.mean.shape))
        labels, neutral = labels.to(self.mean), neutral.to(self.mean)
        if not labels.numel():
            return neutral[:, None].expand(count, frames, *self.mean.shape)
        code = self.encode(labels).flatten(0, 1)
        moved = self.displacements(code, self.condition(neutral), [frames] * count)
        return neutral[:, None] + moved.view(count, frames, *moved.shape[1:])

    @torch.no_grad()
    def animate(
        self,
        neutral: Mesh,
        labels: Tensor,
        fps: float = 25.0,
        progress: Progress | None = None,
    ) -> Performance:
        """Perform a label track on a face, without gradients, which :meth:`forward` has.

        Args:
            neutral: the face at rest; the model's topology.
            labels: (T, 6), see :func:`meshanim.synthesis.expression_labels`.
            fps: frames per second of the labels and of the result.
            progress: called with frames done and their number.

        Returns:
            T frames, lids in front of the eyeballs; of the blendshape baseline as weights over its basis,
            with a residual where lids had to be put there.

        Raises:
            InputError: another topology, labels of a wrong shape or outside [0, 1], fps not positive.
        """
        check_range("fps", fps, 0, open_low=True)
        check_labels(labels)
        check_topology("neutral", neutral, self.template)
        path = self.encode_at(labels.to(self.mean), fps)
        if isinstance(self.motion, BlendshapeMotion):
            blended = self._blended(self.motion, neutral, labels, fps, path)
            return _with_clear_lids(blended, progress)
        training = self.training
        self.eval()
        try:
            motion = self._decode_by_chunks(path, neutral, progress)
        finally:
            self.train(training)
        return Performance(neutral=neutral, fps=fps, motion=motion, labels=labels)

    def _decode_by_chunks(self, path: Tensor, neutral: Mesh, progress: Progress | None) -> Tensor:
        condition = self.condition(neutral.vertices.to(self.mean)[None])
        # types of 16 bits hold displacements, but tell places on a face some tenths of a millimetre apart
        rest = neutral.vertices.to(self.mean.device, torch.promote_types(self.mean.dtype, torch.float32))
        motion = rest.new_empty(len(path), *rest.shape)
        for start in range(0, len(path), CHUNK):
            part = path[start : start + CHUNK]
            moved = rest + self.displacements(part, condition)
            motion[start : start + len(part)] = clear_lids(neutral, moved)
            if progress is not None:
                progress(start + len(part), len(path))
        return motion

    def _blended(
        self, motion: BlendshapeMotion, neutral: Mesh, labels: Tensor, fps: float, path: Tensor
    ) -> Performance:
        weights, basis = motion.weights(path), motion.basis
        scaled = basis.components * basis.deviation[:, None, None]
        return Performance(
            neutral=neutral,
            fps=fps,
            weights=torch.cat([weights.new_ones(len(weights), 1), weights], dim=1),
            basis=torch.cat([basis.mean[None], scaled]),
            weight_names=self.weight_names,
            labels=labels,
        )


def _held(path: Tensor, count: int) -> Tensor:
    """The last point of a path (T, Z), (count, Z)."""
    return path[-1:].expand(count, -1)


def _with_clear_lids(blended: Performance, progress: Progress | None) -> Performance:
    """The same weights, and what brings lids in front of the eyeballs as the residual, where it takes any."""
    parts = []
    for start in range(0, blended.frame_count, CHUNK):
        stop = min(start + CHUNK, blended.frame_count)
        straight = blended.straight(start, stop)
        parts.append(clear_lids(blended.neutral, straight) - straight)
        if progress is not None:
            progress(stop, blended.frame_count)
    residual = torch.cat(parts)
    return replace(blended, residual=residual) if bool(residual.any()) else blended
