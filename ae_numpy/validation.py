"""Checks of the parameters that users pass in: one table.

It serves whatever takes a parameter: `fit`, the set-up of a network, the loading of a file.
Everything is checked before anything is changed. An error says what must be what, and what it is.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.engine import ENGINES

BiasMask = bool | Sequence[ArrayLike]
RandomState = int | np.random.Generator | np.random.RandomState | ModuleType | None
LearningRate = float | Sequence[float] | Callable[[int], float]


# ---------------------------------------------------------------------------- kinds of parameters

Converter = Callable[[Any], Any]  # raises TypeError or ValueError, without words

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlevel = 3  # more of what is nested would be cut anyway
_MOST_SHOWN = 200  # characters


def shown(value: Any) -> str:
    """Return a value as a message shows it: a file may hold a text of any length."""
    is_large = isinstance(value, np.ndarray) and value.size > 8
    text = f"an array of shape {value.shape}" if is_large else _short.repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


class Rule(NamedTuple):
    """What a value must be, in words, and how it takes the form that is computed with."""

    expected: str
    convert: Converter

    def __call__(self, value: Any, name: str) -> Any:
        """Return the converted value; the error says what the value of this name must be."""
        try:
            return self.convert(value)
        except (TypeError, ValueError, OverflowError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{name} must be {self.expected}, got {shown(value)}") from None


def require(condition: bool, error: type[Exception] = ValueError) -> None:
    """Raise an error unless the condition holds; a `Rule` has the words for it."""
    if not condition:
        raise error


def of(kind: Any, allowed: Converter = lambda _: True, to: Converter = lambda x: x) -> Converter:
    """Convert a value of this kind; no truth value is a number, so that swapped ones are seen."""

    def convert(value: Any) -> Any:
        require(isinstance(value, kind), TypeError)
        require(kind is _TRUTH or not isinstance(value, bool), TypeError)
        require(allowed(value))
        return to(value)

    return convert


def each(convert: Converter, at_least: int = 0) -> Converter:
    """Convert the items of a sequence, of this many or more."""

    def convert_all(value: Any) -> tuple:
        is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        require(is_sequence or (isinstance(value, np.ndarray) and value.ndim > 0), TypeError)
        require(len(value) >= at_least)
        return tuple(map(convert, value))

    return convert_all


def either(first: Converter, second: Converter) -> Converter:
    """Convert as the first does, or, what is of another type, as the second does."""

    def convert(value: Any) -> Any:
        try:
            return first(value)
        except TypeError:
            return second(value)

    return convert


def integer(minimum: int) -> Rule:
    """Return the rule of an integer."""
    return Rule(f"an integer of at least {minimum}", of(Integral, lambda n: n >= minimum, int))


def one_of(*choices: str) -> Rule:
    """Return the rule of one of these words."""
    return Rule(f"one of {choices}", of(str, choices.__contains__))


def _mask(value: ArrayLike) -> NDArray[np.bool_]:
    mask = np.asarray(value)  # a ValueError where rows have different lengths
    require(mask.ndim == 1 and not np.ma.is_masked(value) and bool(np.isin(mask, (0, 1)).all()))
    return mask.astype(bool)


def _dtype(value: Any) -> np.dtype:
    require(value is not None)  # which is float64 to NumPy
    require(isinstance(value, str | type | np.dtype), TypeError)
    if isinstance(value, str):  # one type, and not a list of fields, of whatever length
        require(value.lstrip("<=").isalnum())
    require(np.dtype(value) in (np.float32, np.float64))
    return np.dtype(value)


def _drawn_from(value: Any) -> Any:
    """Whatever draws random numbers; NumPy's module stands for its global one, a RandomState."""
    return of(_DRAWN_FROM)(np.random.mtrand._rand if value is np.random else value)


# -------------------------------------------------------------------------------------- the table

_TRUTH = bool | np.bool_
_DRAWN_FROM = np.random.Generator | np.random.RandomState | None

flag = Rule("True or False", of(_TRUTH, to=bool))
number = Rule("a finite number of at least 0", of(Real, lambda x: 0 <= float(x) < np.inf, float))
callables = Rule("a sequence of callables", each(of(Callable)))
_count, _size = integer(0), integer(1).convert
_sizes = either(each(_size, at_least=1), lambda size: (_size(size),))
_rates = either(of(Callable), either(each(number.convert), number.convert))

PARAMETERS: dict[str, Rule] = {
    "layer_sizes": Rule("two or more positive integers", each(_size, at_least=2)),
    "hidden_layer_sizes": Rule("a positive integer or a tuple of one or more of them", _sizes),
    "bias": Rule("True, False or one boolean array per layer", either(flag.convert, each(_mask))),
    "learning_rate": Rule(f"{number.expected}, one per epoch or a callable of the epoch", _rates),
    "epochs": _count,
    "batch_size": integer(1),
    "shuffle": flag,
    "weight_init": one_of("fan_in", "fan_out"),
    "backprop": one_of("exact", "raw_error"),
    "engine": one_of(*ENGINES),
    "dtype": Rule("'float32' or 'float64'", _dtype),
    "random_state": Rule(
        f"None, {_count.expected}, a numpy.random.Generator, a RandomState or numpy.random",
        either(_drawn_from, _count.convert),
    ),
    "verbose": Rule(f"True, False or {_count.expected}", either(flag.convert, _count.convert)),
    "initial_parameters": Rule("a dict of arrays", of(Mapping | None, to=lambda x: x or {})),
    "early_stopping": flag,
    "n_iter_no_change": integer(1),
    "tol": number,
    "container": one_of("default", "pandas", "polars"),
    "validation_fraction": Rule(
        "None or a number between 0 and 1, both excluded",
        of(Real | None, lambda x: x is None or 0 < x < 1),
    ),
}


def checked(name: str, value: Any) -> Any:
    """Return a parameter of the table in the form that is computed with."""
    return PARAMETERS[name](value, name)


def checked_integer(value: Any, name: str, minimum: int) -> int:
    """Return an integer that is at least `minimum`."""
    return integer(minimum)(value, name)


# -------------------------------------------------- parameters of which one depends on another


def bias_mask(bias: bool | tuple[NDArray[np.bool_], ...], layer_sizes: Sequence[int]) -> NDArray:
    """Lay out the masks of all layers as one vector."""
    sizes = tuple(layer_sizes[1:])
    if isinstance(bias, bool):
        return np.full(sum(sizes), bias)
    given = tuple(mask.size for mask in bias)
    if given != sizes:
        expected = PARAMETERS["bias"].expected
        raise ValueError(f"bias must be {expected}, of sizes {sizes}, got sizes {given!r:.200}")
    return np.concatenate(bias)


def rates_of_epochs(learning_rate: Any, epochs: int) -> tuple[float, ...]:
    """Return one learning rate per epoch; a callable is asked for each, counted from 1."""
    if callable(learning_rate):
        steps = range(1, epochs + 1)
        return tuple(number(learning_rate(n), f"learning_rate({n})") for n in steps)
    rates = learning_rate if isinstance(learning_rate, tuple) else (learning_rate,) * epochs
    if len(rates) != epochs:
        expected = f"one rate for each of the {epochs} epochs"
        raise ValueError(f"learning_rate must have {expected}, got {len(rates)}")
    return rates


def drawn_seed(random_state: Any) -> int:
    """Return the seed of everything random in one training run; a generator gives one number."""
    if isinstance(random_state, int):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(np.random.default_rng(random_state).integers(2**63))  # None: from the system


def level_of_the_caller() -> int:
    """Count the frames from the function that calls this up to the first outside the package."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level
