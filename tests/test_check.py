"""Validators are tested from both sides: what fits passes, what does not is named with what came."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from meshanim import _check
from meshanim._check import InputError, MissingExtra


def test_counts_are_whole_numbers_from_one_on() -> None:
    for fits in (1, np.int64(7)):
        _check.check_count("length", fits)
    for wrong in (0, 2.5, "9", None, float("nan")):
        with pytest.raises(InputError, match=rf"^length must be a whole number, at least 1, got {wrong!r}$"):
            _check.check_count("length", wrong)


def test_shape_lets_fitting_shapes_pass() -> None:
    _check.check_shape("v", torch.zeros(5, 3), (None, 3))
    _check.check_shape("v", torch.zeros(2, 7, 5, 3), (None, 3), batched=True)
    _check.check_shape("scalar", torch.zeros(()), ())


@pytest.mark.parametrize(
    ("shape", "batched"), [((5, 4), False), ((3,), False), ((2, 5, 3), False), ((3,), True)]
)
def test_shape_names_input_wish_and_what_came(shape: tuple[int, ...], batched: bool) -> None:
    with pytest.raises(InputError, match=r"^vertices must have .*\(any, 3\), got \(.*\d.*\)$"):
        _check.check_shape("vertices", torch.zeros(shape), (None, 3), batched=batched)


@pytest.mark.parametrize(
    ("value", "kind"), [(np.zeros((5, 3), np.float32), "numpy.ndarray"), ([0.0], "list"), (None, "NoneType")]
)
def test_what_is_no_tensor_is_named_by_its_kind(value: object, kind: str) -> None:
    for check in (_check.check_tensor, _check.check_finite):
        with pytest.raises(InputError, match=f"^vertices must be a tensor, got {kind}$"):
            check("vertices", value)  # type: ignore[arg-type]


def test_shapes_are_those_of_tensors_and_arrays() -> None:
    _check.check_shape("vertices", np.zeros((5, 3)), (None, 3))
    with pytest.raises(InputError, match=r"^vertices must have shape \(any, 3\), got \(5, 4\)$"):
        _check.check_shape("vertices", np.zeros((5, 4)), (None, 3))
    with pytest.raises(InputError, match=r"^vertices must be a tensor, got list$"):
        _check.check_shape("vertices", [0.0], (None, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_finite_names_the_first_place(bad: float) -> None:
    value = torch.zeros(4, 3)
    _check.check_finite("vertices", value)
    value[2, 1] = bad
    with pytest.raises(InputError, match=r"vertices must be finite, got -?(nan|inf) at index \[2, 1\]"):
        _check.check_finite("vertices", value)


def test_indices_see_both_ends() -> None:
    _check.check_indices("faces", torch.tensor([[0, 1, 4]]), 5)
    _check.check_indices("faces", torch.tensor([[-1, 4]]), 5, lowest=-1)
    _check.check_indices("faces", torch.zeros((0, 3), dtype=torch.int64), 0)
    for wrong in ([0, 5], [-1, 4]):
        with pytest.raises(InputError, match=r"faces must lie in \[0, 5\), got values from"):
            _check.check_indices("faces", torch.tensor(wrong), 5)


@pytest.mark.parametrize(
    ("value", "limits", "words"),
    [
        (-1.0, {"low": 0}, "duration must be at least 0, got -1"),
        (0.0, {"low": 0, "open_low": True}, "duration must be above 0, got 0"),
        (2.0, {"low": 0, "high": 1}, "duration must be at least 0 and at most 1, got 2"),
        (math.nan, {"low": 0}, "duration must be at least 0 and finite, got nan"),
        (math.inf, {"low": 0}, "duration must be at least 0 and finite, got inf"),
    ],
)
def test_range_names_limits_and_value(value: float, limits: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        _check.check_range("duration", value, **limits)
    assert str(caught.value) == words


def test_range_lets_its_ends_pass() -> None:
    _check.check_range("duration", 0, low=0, high=1)
    _check.check_range("duration", 1, low=0, high=1)


def test_sizes_are_pairs_of_pixels() -> None:
    _check.check_size((1, 512))
    _check.check_size(torch.zeros(3, 4).shape, 3, 4)
    for wrong in (256, None, (256,), (3, 256, 256)):
        with pytest.raises(InputError) as caught:
            _check.check_size(wrong)
        assert str(caught.value) == f"size must be a pair (height, width) in pixels, got {wrong!r}"
    with pytest.raises(InputError, match=r"^width must be at least 1, got 0$"):
        _check.check_size((2, 0))
    with pytest.raises(InputError, match=r"^height must be at least 16 and at most 32, got 33$"):
        _check.check_size((33, 16), 16, 32)


def test_seeds_are_what_both_libraries_take() -> None:
    for seed in (0, 2**62):
        _check.check_seed(seed)
        torch.Generator().manual_seed(seed)
        np.random.default_rng(seed)
    for wrong in (-1, 2**64):
        with pytest.raises(InputError, match="seed must be at least 0 and at most"):
            _check.check_seed(wrong)


def test_items_count_from_either_end() -> None:
    assert [_check.check_item("item", item, 3) for item in range(-3, 3)] == [0, 1, 2] * 2
    for item in (-4, 3):
        with pytest.raises(IndexError, match=f"item must be at least -3 and at most 2, got {item}"):
            _check.check_item("item", item, 3)
    with pytest.raises(IndexError):
        _check.check_item("item", 0, 0)


def test_choice_lists_what_is_known() -> None:
    _check.check_choice("expression", "happy", ("happy", "sad"))
    with pytest.raises(InputError, match="expression must be one of happy, sad, got 'glad'"):
        _check.check_choice("expression", "glad", ("happy", "sad"))


def test_a_missing_extra_says_how_to_get_it() -> None:
    error = MissingExtra("openmesh", "openmesh")
    assert isinstance(error, ImportError)
    assert "openmesh is not installed" in str(error) and "pip install 'meshanim[openmesh]'" in str(error)


def test_finite_lets_traced_values_pass() -> None:
    def checked(value: torch.Tensor) -> torch.Tensor:
        _check.check_finite("vertices", value)
        return 2 * value

    values = torch.ones(2, 3)
    assert torch.equal(torch.func.vmap(checked)(values), 2 * values)
    assert torch.equal(torch.compile(checked, fullgraph=True, backend="eager")(values), 2 * values)
