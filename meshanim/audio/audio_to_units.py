"""From speech to the action units about the mouth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from meshanim._check import check_range, check_shape
from meshanim._pretrained import Pretrained
from meshanim.audio.features import COEFFICIENTS, STEPS, mfcc_windows
from meshanim.audio.sound import Sound
from meshanim.audio.timing import read_linearly

SPEECH_UNITS: tuple[int, ...] = (10, 14, 20, 25, 26)
"""Action units that speech moves (Chen et al. 2022, Fig. 3): upper lip raiser, dimpler, lip stretcher, lips
part, jaw drop."""
UNIT_FEATURES = 64
"""Of a frame and a unit, for the renderers."""


State = tuple[Tensor, Tensor]
"""Of LSTM layers between two chunks of a track: hidden and cell states."""


class UnitNetwork(nn.Module):
    """One action unit's network (Chen et al. 2022, section 3.1): features of it in every frame.

    Convolutions along frequency, then along time, within each frame's window; two LSTM layers from frame to
    frame, forwards only; three fully connected layers, of which ``occurs`` is the last. The paper gives the
    order of the layers and the 64 features; the other sizes are chosen here.

    Args:
        hidden: of the LSTM layers.

    Shapes:
        windows (B, T, 12, 28), of mean 0 and deviation 1; features (B, T, 64).
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.frequency = nn.Sequential(
            nn.Conv2d(1, 16, (3, 1), stride=(2, 1), padding=(1, 0)),
            nn.ReLU(),
            nn.Conv2d(16, 16, (3, 1), stride=(2, 1), padding=(1, 0)),
            nn.ReLU(),
        )
        self.time = nn.Sequential(
            nn.Conv2d(16, 32, (1, 3), stride=(1, 2), padding=(0, 1)),
            nn.ReLU(),
            nn.Conv2d(32, 32, (1, 3), stride=(1, 2), padding=(0, 1)),
            nn.ReLU(),
        )
        self.lstm = nn.LSTM(32 * (COEFFICIENTS // 4) * (STEPS // 4), hidden, num_layers=2, batch_first=True)
        self.connected = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, UNIT_FEATURES), nn.ReLU()
        )
        self.occurs = nn.Linear(UNIT_FEATURES, 1)

    def go_on(self, windows: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Features of windows that follow on those that left ``state``, and the state after them."""
        described = self.time(self.frequency(windows.flatten(0, 1).unsqueeze(1)))
        remembered, after = self.lstm(described.flatten(1).unflatten(0, windows.shape[:2]), state)
        return self.connected(remembered), after

    def forward(self, windows: Tensor) -> Tensor:
        """Features; ``occurs`` of them are logits (B, T, 1)."""
        return self.go_on(windows)[0]


class AudioToUnits(Pretrained):
    """Whether action units occur, from MFCC windows: a network for each (Chen et al. 2022, section 3.1).

    Args:
        units: A action units by their numbers.
        hidden: of the LSTM layers.
        fps: frames per second at which the LSTM layers run.

    Shapes:
        windows (B, T, 12, 28) of :func:`meshanim.audio.mfcc_windows` at ``fps``; probabilities (B, T, A).
    """

    kind = "audio-to-units"

    def __init__(self, units: Sequence[int] = SPEECH_UNITS, hidden: int = 64, fps: float = 25.0) -> None:
        super().__init__()
        check_range("hidden", hidden, 1)
        check_range("fps", fps, 0, open_low=True)
        self.units, self.hidden, self.fps = tuple(units), hidden, fps
        self.networks = nn.ModuleList([UnitNetwork(hidden) for _ in self.units])
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(COEFFICIENTS, 1))
        self.register_buffer("deviation", torch.ones(COEFFICIENTS, 1))

    def standardise(self, windows: Tensor) -> Self:
        """Take mean and deviation of the coefficients from windows (..., 12, 28) of the training set."""
        by_coefficient = windows.movedim(-2, 0).flatten(1)
        self.mean.copy_(by_coefficient.mean(dim=1, keepdim=True))
        self.deviation.copy_(by_coefficient.std(dim=1, keepdim=True).clamp(min=1e-3))
        return self

    def features(self, windows: Tensor) -> Tensor:
        """(B, T, A, 64) of the layers before the last; flattened, the 320 features that renderers take."""
        return self.go_on(windows)[0]

    def go_on(
        self, windows: Tensor, states: Sequence[State] | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Features of windows that follow on those that left ``states``, and the states after them.

        Chunk after chunk they are the features of the whole.
        """
        check_shape("windows", windows, (None, None, COEFFICIENTS, STEPS))
        normal = (windows - self.mean) / self.deviation
        before: Sequence[State | None] = states or [None] * len(self.units)
        told = [unit.go_on(normal, state) for unit, state in zip(self._units(), before, strict=True)]
        return torch.stack([features for features, _ in told], dim=2), tuple(state for _, state in told)

    def _units(self) -> list[UnitNetwork]:
        return [each for each in self.networks if isinstance(each, UnitNetwork)]

    def logits(self, windows: Tensor) -> Tensor:
        """(B, T, A)."""
        pairs = zip(self._units(), self.features(windows).unbind(dim=2), strict=True)
        return torch.cat([network.occurs(described) for network, described in pairs], dim=2)

    def forward(self, windows: Tensor) -> Tensor:
        """Probabilities (B, T, A) that the units occur."""
        return self.logits(windows).sigmoid()

    @torch.no_grad()
    def listen(self, sound: Sound, fps: float) -> Tensor:
        """Probabilities (T, A) beside a sound: heard at the network's rate, read linearly at ``fps``."""
        heard = self(mfcc_windows(sound, self.fps)[None].to(self.mean))[0]
        return read_linearly(heard, torch.arange(sound.frame_count(fps)) * (self.fps / fps))

    def _settings(self) -> dict[str, Any]:
        return {"units": list(self.units), "hidden": self.hidden, "fps": self.fps}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls(settings["units"], settings["hidden"], settings["fps"])
