"""Who a face is: what ``--identity`` and ``--seed`` say."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from meshanim.faces import FaceModel


def person(face: FaceModel, named: str | None, seed: int | None) -> Tensor | None:
    """Identity (I,) from ``age=30,gender=0.2`` or from a seed; None, which is the mean face, from neither.

    Raises:
        InputError: both, what the face has no name for, or a seed for a face that is fixed.
    """
    import torch

    from meshanim._check import InputError, check_seed
    from meshanim.faces.anny import OLDEST, YOUNGEST

    if named is not None and seed is not None:
        raise InputError("the person must come from --identity or from --seed, got both")
    if seed is not None:
        check_seed(seed)
        if not face.identity_names:
            raise InputError(
                f"--seed draws a person, and the face must have a choice of them, got seed {seed} "
                "for a face that is fixed"
            )
        return face.sample_identity(torch.Generator().manual_seed(seed), 1)[0]
    values = {} if named is None else _named_values(named)
    who = None if named is None else face.identity(**values)
    if face.name == "anny" and values.get("age", YOUNGEST) < YOUNGEST:
        warnings.warn(
            f"age={values['age']:g} is below {YOUNGEST}: shapes and models are made for {YOUNGEST} to "
            f"{OLDEST} years, and stretch smaller faces too far",
            stacklevel=2,
        )
    return who


def _named_values(text: str) -> dict[str, float]:
    from meshanim._check import InputError

    values = {}
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name in values:
            raise InputError(f"--identity must name each coefficient once, got {name} twice")
        try:
            values[name] = float(number)
        except ValueError:
            raise InputError(f"--identity must read like age=30,gender=0.2, got {part!r}") from None
    return values
