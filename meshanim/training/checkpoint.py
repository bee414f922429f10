"""Where a run stands, in one file that is whole or not there: tensors and, as JSON in its header, numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from meshanim._check import InputError
from meshanim._files import atomic_path
from meshanim.training.processes import Processes
from meshanim.training.recipe import Recipe

FORMAT = 3
NAME = "checkpoint.safetensors"
_MAY_CHANGE = ("epochs", "checkpoint_steps")
_CALLED = "recipe"
"""What the name of a recipe is kept as; it tells of a difference, and is none of its own."""


@dataclass
class Position:
    """How far a run is.

    Attributes:
        epoch: whole epochs done.
        step: steps done in the current one, and
        samples: how many samples these had.
        sums: of each loss over these samples.
        history: one row of numbers per whole epoch.
    """

    epoch: int = 0
    step: int = 0
    samples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def means(self) -> dict[str, float]:
        """Of each loss over the current epoch's samples, so that a short last batch counts as what it is."""
        return {name: total / self.samples for name, total in self.sums.items()}


def weights_digest(model: nn.Module | None) -> str:
    """What tells a network that a run begins with from others; ``none`` where there is none."""
    if model is None:
        return "none"
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _optimizer_tensors(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"optimizer.{key}.{names[parameter]}": value
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    random_states: dict[str, Tensor],
    position: Position,
    about: dict[str, Any],
) -> None:
    """Write weights, optimizers, all processes' random states, position; ``about`` says what run it is."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= _optimizer_tensors(model, optimizers) | random_states
    header = {"format": FORMAT, "about": about, "position": asdict(position)}
    with atomic_path(folder / NAME) as path:
        save_file(
            {k: v.detach().contiguous() for k, v in tensors.items()}, path, {"training": json.dumps(header)}
        )


def load_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    about: dict[str, Any],
    processes: Processes,
) -> Position:
    """Take up what :func:`save_checkpoint` wrote; a fresh position where there is none.

    Raises:
        InputError: the file is damaged or belongs to another run; the message names what differs.
    """
    path = folder / NAME
    if not path.exists():
        return Position()
    if path.is_dir():
        raise InputError(f"{path} must be a checkpoint, got a folder")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("training", "{}"))
            # cloned, so that every tensor is aligned as in a run that was never interrupted
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be a checkpoint, got {error}") from None
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise InputError(f"{path} must be a checkpoint of format {FORMAT}, got {found!r}")
    try:
        _check_same_run(path, header["about"], about)
        _take_up(tensors, model, optimizers)
        processes.set_random_states(tensors)
        return Position(**header["position"])
    except (KeyError, TypeError, RuntimeError) as error:
        lacking = "it lacks " * isinstance(error, KeyError) + " ".join(str(error).split())
        raise InputError(f"{path} must be a whole checkpoint of this model, but {lacking}") from None


def _take_up(
    tensors: Mapping[str, Tensor], model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> None:
    """Give a model its weights, and optimizers their states."""
    model.load_state_dict(
        {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    )
    names = dict(model.named_parameters())
    for optimizer in optimizers:
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name in (name for name, parameter in names.items() if id(parameter) in own):
            state = {
                key: _laid_out(tensors[f"optimizer.{key}.{name}"].to(names[name].device), names[name])
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"optimizer.{key}.{name}" in tensors
            }
            if state:
                optimizer.state[names[name]] = state


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """A number, or the same moments in memory as their parameter is: a fused optimiser runs along both."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def _differences(name: str, found: Any, wanted: Any) -> Iterator[str]:
    """What is unlike, entry by entry where both are dictionaries."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from _differences(f"{name}.{key}", found.get(key), wanted.get(key))
    elif found != wanted:
        yield f"{name} is {found!r} there and {wanted!r} here"


def _check_same_run(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    wanted = json.loads(json.dumps(wanted))
    known = (name for name in wanted if name in found and name not in _MAY_CHANGE)
    # A setting tells a person more than what it makes of a model.
    settings_first = sorted(known, key=lambda name: type(found[name]) is dict)
    unlike = {name: ", ".join(_differences(name, found[name], wanted[name])) for name in settings_first}
    told = [name for name in settings_first if unlike[name]]
    if told and told != [_CALLED]:
        raise InputError(
            f"{path} belongs to another run: {unlike[told[0]]}; choose another folder or remove it"
        )


def describe_run(recipe: Recipe, samples: int, **more: Any) -> dict[str, Any]:
    """What a checkpoint must agree in to be taken up, what tells most first.

    That is what somebody chose: the recipe, by what it is called, settings that it alone has, and the data.
    Those that every recipe has follow from that choice more often than they are one.
    """
    settings = asdict(recipe)
    common = {item.name: settings.pop(item.name) for item in fields(Recipe)}
    return {_CALLED: common.pop("name"), **settings, "samples": samples, **more, **common}
