"""Scores of what models make of speech, on the built-in face and on the person who speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from meshanim.audio.phones import BILABIALS, OPEN_VOWELS
from meshanim.datasets import Utterance
from meshanim.faces import ARKIT_NAMES, load_face
from meshanim.faces.lips import lip_pairs, lip_vertices, upper_face_vertices
from meshanim.metrics import (
    correlation,
    face_dynamics_deviation_mm,
    lip_vertex_error_mm2,
    motion_offset_frames,
    mouth_opening_difference_mm,
)
from meshanim.synthesis import SpeechModel

JAW = ARKIT_NAMES.index("jawOpen")
MILLIMETRES = 1000
CLOSED_MM, OPEN_MM = 1.0, 4.0
Contestant = Callable[[Utterance], Tensor]
"""What a contestant says of an utterance: ARKit weights (T, 52)."""


def fitted_to(frames: int, track: Tensor) -> Tensor:
    """A track (T, ...) cut to so many frames, its last one held where it is shorter."""
    return track[torch.arange(frames).clamp(max=len(track) - 1)]


def speaks(model: SpeechModel) -> Contestant:
    """A speech model as a contestant."""

    def say(item: Utterance) -> Tensor:
        return fitted_to(item.frame_count, model.weights(item.sound, item.identity, item.fps))

    return say


class Judge:
    """Vertices that speech is judged on, of any utterance's person, and the scores on them."""

    def __init__(self) -> None:
        self.face = load_face("anny")
        pairs = lip_pairs(self.face)
        parts = (lip_vertices(self.face), upper_face_vertices(self.face), pairs.upper, pairs.lower)
        self.seen, places = torch.cat(parts).unique(return_inverse=True)
        self.lips, self.upper, *pair = places.split([len(part) for part in parts])
        self.pair = (pair[0], pair[1])

    def vertices(self, item: Utterance, weights: Tensor) -> Tensor:
        """(T, S, 3) metres."""
        basis = self.face.basis(item.identity)[:, self.seen]
        moved = torch.einsum("tk,kvc->tvc", self.face.weights_from_arkit(weights), basis)
        return self.face.rest(item.identity)[self.seen] + moved

    def gap_mm(self, vertices: Tensor) -> Tensor:
        """(T,) mean height of the inner upper lip over the lower one; below 0 where they press."""
        upper, lower = self.pair
        return (vertices[:, upper, 1] - vertices[:, lower, 1]).mean(dim=1) * MILLIMETRES

    def scores(self, say: Contestant, corpus: Sequence[Utterance]) -> dict[str, float]:
        """Of a contestant: means over the utterances of a corpus or, where the name says so, medians."""
        rows = torch.tensor([self._one(say(item), item) for item in corpus], dtype=torch.float64)
        mean, middle = rows.mean(dim=0).tolist(), rows.quantile(0.5, dim=0).tolist()
        return {
            "lve_root_mm": mean[0] ** 0.5,
            "mod_mm": mean[1],
            "fdd_signed_mm": mean[2],
            "fdd_absolute_mm": mean[3],
            "jaw_correlation_median": middle[4],
            "offset_frames_median": middle[5],
            "offset_within_one_frame": float((rows[:, 5].abs() <= 1).double().mean()),
        }

    def _one(self, weights: Tensor, item: Utterance) -> tuple[float, ...]:
        said, true = self.vertices(item, weights), self.vertices(item, item.weights)
        rest = self.face.rest(item.identity)[self.seen]
        dynamics = face_dynamics_deviation_mm(said, true, rest, self.upper)
        return (
            lip_vertex_error_mm2(said, true, self.lips),
            mouth_opening_difference_mm(said, true, *self.pair),
            dynamics.signed_mm,
            dynamics.absolute_mm,
            correlation(weights[:, JAW], item.weights[:, JAW]),
            motion_offset_frames(self.gap_mm(said), self.gap_mm(true)).frames,
        )

    def closures(self, say: Contestant, corpus: Sequence[Utterance]) -> dict[str, float]:
        """How often lips meet where they should, and part where they should.

        A p, b or m counts by the gap in the middle of its closure, an open vowel by the widest gap in it.
        """
        closed, opened = [], []
        for item in corpus:
            gap = self.gap_mm(self.vertices(item, say(item)))
            for phone in item.phones:
                first, last = (min(round(t * item.fps), len(gap) - 1) for t in (phone.start, phone.end))
                if phone.symbol in BILABIALS:
                    closed.append(float(gap[min(round(phone.centre * item.fps), len(gap) - 1)]))
                elif phone.symbol in OPEN_VOWELS:
                    opened.append(float(gap[first : last + 1].max()))
        meet, part = torch.tensor(closed), torch.tensor(opened)
        return {
            "bilabials": len(meet),
            "bilabials_under_1_mm": float((meet < CLOSED_MM).double().mean()),
            "open_vowels": len(part),
            "open_vowels_over_4_mm": float((part > OPEN_MM).double().mean()),
        }
