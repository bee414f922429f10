"""Settings that every training run has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from meshanim._check import InputError, check_range, check_seed


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are those of Potamias et al. 2020, section 4, where it gives them.

    Attributes:
        epochs: passes over the data.
        batch_size: samples per step (not given in the paper).
        learning_rate: of Adam, in the first epoch.
        learning_rate_decay: factor on the learning rate after every epoch.
        weight_decay: of Adam.
        seed: of weights, order and everything else random; the same seed gives the same bytes on the same
            machine.
        checkpoint_steps: steps between checkpoints inside an epoch; there is one after every epoch anyway.
        name: what it is called where it was chosen, by which another run in its folder is told from it.
    """

    epochs: int = 100
    batch_size: int = 8
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.99
    weight_decay: float = 5e-5
    seed: int = 0
    checkpoint_steps: int = 50
    name: str = field(default="", kw_only=True, compare=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            self._check_kind(item.name, item.type)
        for name in ("epochs", "batch_size", "checkpoint_steps"):
            check_range(name, getattr(self, name), 1)
        for name in ("learning_rate", "learning_rate_decay"):
            check_range(name, getattr(self, name), 0, open_low=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_seed(self.seed)

    def _check_kind(self, name: str, kind: Any) -> None:
        """Raise unless a setting is a number of its kind; NumPy's become Python's, as JSON has them."""
        value = getattr(self, name)
        wanted = {"int": (Integral, "a whole number"), "float": (Real, "a number")}.get(kind)
        if wanted is None:
            return
        if not isinstance(value, wanted[0]) or isinstance(value, bool):
            raise InputError(f"{name} must be {wanted[1]}, got {value!r}")
        object.__setattr__(self, name, value.item() if isinstance(value, np.generic) else value)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Random numbers come from the seed; afterwards the caller's go on as if none had been drawn."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield
