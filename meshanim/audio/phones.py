"""Sounds of speech in time, and which of them show on the lips.

Symbols are espeak-ng's mnemonics, in ASCII: ``p``, ``S`` (*sh*), ``T`` (*th*), ``aI`` (*eye*), ``@`` (the *a*
of *about*), ``_`` (a pause).
"""

from __future__ import annotations

from typing import NamedTuple

PAUSES = frozenset({"_", "_:", "_!", "_|", "_::"})
BILABIALS = frozenset({"p", "b", "m"})
"""Consonants that the lips close for."""
STOPS = frozenset({"p", "b", "t", "d", "k", "g", "tS", "dZ", "?", "t2", "t#", "t["})
"""Consonants that stop the breath, affricates among them."""
OPEN_VOWELS = frozenset({"a", "aa", "A:", "A@", "0", "aI", "aI2", "aI3", "aI@", "aU", "aU@"})
"""Vowels that the jaw is low for, glides that begin so among them."""


class Phone(NamedTuple):
    """One sound.

    Attributes:
        symbol: espeak-ng's mnemonic, without its mark of stress.
        start, end: seconds; a stop begins with its closure.
        stress: of its syllable, carried by the vowel: 0 none, 1 secondary, 2 primary.
        release: seconds at which the closure of a stop opens; other sounds have none.
    """

    symbol: str
    start: float
    end: float
    stress: int = 0
    release: float | None = None

    @property
    def centre(self) -> float:
        """Seconds: the middle of a stop's closure, and of any other sound."""
        return (self.start + (self.end if self.release is None else self.release)) / 2

    def later(self, seconds: float) -> Phone:
        """The same sound so much later."""
        release = None if self.release is None else self.release + seconds
        return self._replace(start=self.start + seconds, end=self.end + seconds, release=release)


class Word(NamedTuple):
    """One written word and the seconds between which it is spoken."""

    text: str
    start: float
    end: float
