"""How an op meets PyTorch: registered for those who trace or transform it, called straight where nobody does.

The dispatcher and ``torch.library`` cost tens of microseconds of Python per call, as much as a small layer.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import has_torch_function

# The dispatch keys of ordinary tensors outside any mode: with no other, the kernel is all that would run.
_ORDINARY_KEYS = (
    *("CPU", "AutogradCPU", "AutocastCPU"),
    *("CUDA", "AutogradCUDA", "AutocastCUDA"),
    *("BackendSelect", "ADInplaceOrView"),
)


_keys_of, _bits_of = torch._C._dispatch_keys, torch._C.DispatchKeySet.raw_repr


def _bits(key: str) -> int:
    return torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, key)).raw_repr()


_OTHER_BITS = ~functools.reduce(operator.or_, map(_bits, _ORDINARY_KEYS))


def registered_op(
    name: str,
    kernel: Callable[..., Any],
    fake: Callable[..., Any],
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Register ``meshanim::name`` and return a function that calls it, by the shortest way.

    Ordinary tensors go to ``kernel`` at once, through an autograd function where a gradient is asked for.
    Under ``torch.compile``, fake tensors, tracing, subclasses and modes the registered op is called;
    ``torch.func`` sees the autograd function, and maps it by one call per member.

    Args:
        name: of the op, in the name space ``meshanim``.
        kernel: the op on real tensors; its annotations are the schema.
        fake: the same on shapes alone.
        setup_context: what the gradient needs, as ``torch.autograd.Function`` has it; None where the op has
            none, which a derivative then says.
        backward: gradients of all arguments, as ``torch.autograd.Function`` has it.
    """
    op = torch.library.custom_op(f"meshanim::{name}", kernel, mutates_args=())
    op.register_fake(fake)

    def direct(*arguments: Any) -> Any:
        return kernel(*arguments) if _ordinary(arguments) else op(*arguments)

    def no_backward(*_: Any) -> None:
        raise NotImplementedError(
            f"meshanim.{name} has no derivative of its own: gradients stop at first order"
        )

    def map_members(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        results = [call(*_member(arguments, in_dims, i)) for i in range(info.batch_size)]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(results[0])

    members = {"forward": direct, "setup_context": setup_context or _nothing_to_keep}
    members |= {"backward": backward or no_backward, "vmap": map_members}
    function: Any = type(name, (torch.autograd.Function,), {k: staticmethod(f) for k, f in members.items()})
    # What Function.apply does outside of torch.func, without reading the signature at every call.
    apply = super(torch.autograd.Function, function).apply

    def call(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return op(*arguments)
        if torch._C._are_functorch_transforms_active():
            return function.apply(*arguments)
        if forward_ad._current_level >= 0 or (torch.is_grad_enabled() and _wants_gradient(arguments)):
            return apply(*arguments)
        return direct(*arguments)

    op.register_autograd(backward or no_backward, setup_context=setup_context)
    op.register_vmap(map_members)
    return call


def _ordinary(arguments: tuple) -> bool:
    sets = map(_keys_of, [argument for argument in arguments if isinstance(argument, Tensor)])
    mode = torch._C._dispatch_tls_local_include_set().raw_repr()
    bits = functools.reduce(operator.or_, map(_bits_of, sets), mode)
    return not bits & _OTHER_BITS and not has_torch_function(arguments)


def _wants_gradient(arguments: tuple) -> bool:
    return any(isinstance(argument, Tensor) and argument.requires_grad for argument in arguments)


def _nothing_to_keep(ctx: Any, inputs: tuple, output: Any) -> None: ...


def _member(arguments: tuple, in_dims: tuple[int | None, ...], index: int) -> list[Any]:
    return [
        argument if dim is None else argument.select(dim, index)
        for argument, dim in zip(arguments, in_dims, strict=True)
    ]
