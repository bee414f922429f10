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
from torch.nn import Parameter
from torch.overrides import has_torch_function

# The dispatch keys of ordinary tensors outside any mode: with no other, the kernel is all that would run.
_ORDINARY_KEYS = (
    *("CPU", "AutogradCPU", "AutocastCPU"),
    *("CUDA", "AutogradCUDA", "AutocastCUDA"),
    *("BackendSelect", "ADInplaceOrView"),
)


_keys_of, _bits_of = torch._C._dispatch_keys, torch._C.DispatchKeySet.raw_repr
_modes = torch._C._dispatch_tls_local_include_set
_look = operator.attrgetter("shape", "dtype", "device", "requires_grad")
_VALUES = frozenset((bool, int, float, str, type(None)))
_MOST_REMEMBERED = 4096


def _bits(key: str) -> int:
    return torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, key)).raw_repr()


_OTHER_BITS = ~functools.reduce(operator.or_, map(_bits, _ORDINARY_KEYS))


def registered_op(
    name: str,
    kernel: Callable[..., Any],
    fake: Callable[..., Any],
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    check: Callable[..., tuple] | None = None,
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
        check: of the arguments of every call; looks at nothing of tensors but shapes, types, devices and
            ``requires_grad``, and returns the arguments, or others in their place that would pass as they
            are. Calls that are like an earlier one are not checked again.
    """
    op = torch.library.custom_op(f"meshanim::{name}", kernel, mutates_args=())
    op.register_fake(fake)
    checked = _checked_once(check)

    def direct(*arguments: Any) -> Any:
        return kernel(*arguments) if _ordinary(_signature(arguments), arguments) else op(*arguments)

    def no_backward(*_: Any) -> None:
        raise NotImplementedError(
            f"meshanim.{name} has no derivative of its own: gradients stop at first order"
        )

    def map_members(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        results = [call(*_member(arguments, in_dims, i)) for i in range(info.batch_size)]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(results[0])

    def function(forward: Callable[..., Any]) -> Any:
        members = {"forward": forward, "setup_context": setup_context or _nothing_to_keep}
        members |= {"backward": backward or no_backward, "vmap": map_members}
        return type(name, (torch.autograd.Function,), {k: staticmethod(f) for k, f in members.items()})

    transformed = function(direct)
    # What Function.apply does outside of torch.func, without reading the signature at every call.
    apply, apply_kernel = (super(torch.autograd.Function, f).apply for f in (transformed, function(kernel)))

    def call(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return op(*(check(*arguments) if check else arguments))
        signature, arguments = checked(arguments)
        if torch._C._are_functorch_transforms_active():
            return transformed.apply(*arguments)
        ordinary = _ordinary(signature, arguments)
        if forward_ad._current_level >= 0 or (torch.is_grad_enabled() and _wants_gradient(arguments)):
            return apply_kernel(*arguments) if ordinary else apply(*arguments)
        return kernel(*arguments) if ordinary else op(*arguments)

    op.register_autograd(backward or no_backward, setup_context=setup_context)
    op.register_vmap(map_members)
    return call


def _checked_once(check: Callable[..., tuple] | None) -> Callable[[tuple], tuple[tuple | None, tuple]]:
    """From arguments to their signature and what a check makes of them, unless like ones have passed."""
    passed: set[tuple] = set()

    def checked(arguments: tuple) -> tuple[tuple | None, tuple]:
        signature = _signature(arguments)
        if check is None or signature in passed:
            return signature, arguments
        arguments = check(*arguments)
        signature = _signature(arguments)
        if len(passed) >= _MOST_REMEMBERED:
            passed.clear()
        if signature is not None:
            passed.add(signature)
        return signature, arguments

    return checked


def _signature(arguments: tuple) -> tuple | None:
    """Dispatch keys that ordinary tensors lack, then what checks look at; None for other kinds of values."""
    bits, seen = _bits_of(_modes()), []
    for argument in arguments:
        kind = type(argument)
        if kind is Tensor or kind is Parameter:
            bits |= _bits_of(_keys_of(argument))
            seen.append(_look(argument))
        elif kind in _VALUES:
            seen.append(argument)
        else:  # subclasses may have symbolic sizes, which have no hash
            return None
    return bits & _OTHER_BITS, *seen


def _ordinary(signature: tuple | None, arguments: tuple) -> bool:
    return signature is not None and not signature[0] and not has_torch_function(arguments)


def _wants_gradient(arguments: tuple) -> bool:
    return any(isinstance(argument, Tensor) and argument.requires_grad for argument in arguments)


def _nothing_to_keep(ctx: Any, inputs: tuple, output: Any) -> None: ...


def _member(arguments: tuple, in_dims: tuple[int | None, ...], index: int) -> list[Any]:
    return [
        argument if dim is None else argument.select(dim, index)
        for argument, dim in zip(arguments, in_dims, strict=True)
    ]
