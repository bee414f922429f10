"""Random numbers of one part of a corpus, which do not depend on what else was drawn."""

from __future__ import annotations

import numpy as np
import torch


def generator_of(*key: int) -> torch.Generator:
    """A generator for a key, such as the corpus' seed and an item's number; near keys have nothing alike."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
