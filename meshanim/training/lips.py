"""Which of the captured weights are the lips'."""

from __future__ import annotations

from meshanim.faces import ARKIT_NAMES

LIPS = [place for place, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth"))]
"""Places of the weights that move jaw and mouth."""
JAW = LIPS.index(ARKIT_NAMES.index("jawOpen"))
"""The jaw's opening among them."""
