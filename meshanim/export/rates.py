"""Frame rates that a file tells by its times alone, which are rounded."""

from __future__ import annotations


def nominal_rate(rate: float, slack: float) -> float:
    """What a measured rate was meant to be, within ``slack`` of it.

    The nearer of a whole number and one over 1.001, else a number of six digits; the rate itself where none
    is as near.
    """
    usual = min(float(round(rate)), round(1.001 * rate) / 1.001, key=lambda value: abs(value - rate))
    meant = (usual, float(f"{rate:.6g}"))
    return next((value for value in meant if value > 0 and abs(value - rate) <= slack), rate)
