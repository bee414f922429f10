"""Several processes that train one model together, each on its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from meshanim._check import SEEDS, MissingExtra


class Processes:
    """This process among those that ``accelerate launch`` or ``torchrun`` started; alone without them.

    Every process draws the same order and takes its share of each batch; gradients are averaged over the
    whole batch, so that n processes take the steps of one that has the batch for itself, but for what is
    random inside a step, and for what a loss or a batch norm takes over a batch as a whole: of sequences of
    unequal length, each process has a mean of its own.
    """

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.index = 0
        self._accelerate: Any = None
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.count > 1:
            self._join()

    def _join(self) -> None:
        try:
            import accelerate  # an extra, and slow to import
        except ImportError:
            raise MissingExtra("accelerate", "train") from None
        state = accelerate.PartialState(cpu=not torch.cuda.is_available())
        self.index, self.count, self.device = state.process_index, state.num_processes, state.device
        self._accelerate = accelerate

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and shows."""
        return self.index == 0

    def share(self, items: Sequence[int]) -> list[int]:
        """This process's part of a batch, never empty: a batch of fewer than n items begins again."""
        filled = [items[place % len(items)] for place in range(max(len(items), self.count))]
        return filled[self.index :: self.count]

    def average(self, tensors: Iterable[Tensor], weight: float = 1.0) -> None:
        """Put in place of each tensor its mean over the processes, weighted by ``weight`` of each."""
        every = list(tensors)
        if self._accelerate is None or not every:
            return
        flat = torch.cat([tensor.flatten().to(self.device, torch.float32) for tensor in every])
        joined = torch.cat([flat * weight, flat.new_tensor([weight])])
        total = self._accelerate.utils.reduce(joined, reduction="sum")
        start = 0
        for tensor in every:
            part = total[start : start + tensor.numel()] / total[-1]
            tensor.copy_(part.view_as(tensor))
            start += tensor.numel()

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Random numbers come from a seed and this process; afterwards the caller's go on as before."""
        graphics = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if graphics else []):
            own = (seed + 1_000_003 * self.index) % SEEDS
            torch.default_generator.manual_seed(own)
            if graphics:
                torch.cuda.manual_seed(own)
            yield

    def random_states(self) -> dict[str, Tensor]:
        """By name, where the random numbers of each process stand, on its GPU too where it has one."""
        states = {"random_state": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda_random_state"] = torch.cuda.get_rng_state(self.device)
        return {
            f"{name}.{index}": own
            for name, state in states.items()
            for index, own in enumerate(self.every(state))
        }

    def set_random_states(self, states: Mapping[str, Tensor]) -> None:
        """Go on with the numbers that :meth:`random_states` told of; a GPU that had no part keeps its own."""
        torch.set_rng_state(states[f"random_state.{self.index}"])
        on_gpu = states.get(f"cuda_random_state.{self.index}")
        if self.device.type == "cuda" and on_gpu is not None:
            torch.cuda.set_rng_state(on_gpu, self.device)

    def every(self, tensor: Tensor) -> list[Tensor]:
        """The tensor of each process, in order."""
        if self._accelerate is None:
            return [tensor]
        gathered = self._accelerate.utils.gather(tensor[None].to(self.device))
        return [each.to(tensor.device) for each in gathered]

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self._accelerate is not None:
            torch.distributed.barrier()
