"""Checks of what users pass in: one table of parameters, and the samples.

The table serves whatever takes a parameter: `fit`, the set-up of a network, the loading of a file.
Everything is checked before anything is changed. An error says what must be what, and what it is;
about samples it uses the words that scikit-learn uses for the same faults.
"""

from __future__ import annotations

import reprlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.engine import ENGINES

_ROWS_AT_ONCE = 4096

BiasMask = bool | Sequence[ArrayLike]
LearningRate = float | Sequence[float] | Callable[[int], float]
Samples = NDArray[np.floating]


# ---------------------------------------------------------------------------- kinds of parameters

Converter = Callable[[Any], Any]  # raises TypeError or ValueError, without words

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def shown(value: Any) -> str:
    """Return a value as a message shows it: a file may hold a text of any length."""
    is_large = isinstance(value, np.ndarray) and value.size > 8
    return f"an array of shape {value.shape}" if is_large else _short.repr(value)


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
    require(mask.ndim == 1 and bool(np.isin(mask, (0, 1)).all()))
    return mask.astype(bool)


def _dtype(value: Any) -> np.dtype:
    require(value is not None)  # which is float64 to NumPy
    require(isinstance(value, str | type | np.dtype), TypeError)
    if isinstance(value, str):  # one type, and not a list of fields, of whatever length
        require(value.lstrip("<=").isalnum())
    require(np.dtype(value) in (np.float32, np.float64))
    return np.dtype(value)


# -------------------------------------------------------------------------------------- the table

_TRUTH = bool | np.bool_
_DRAWN_FROM = np.random.Generator | np.random.RandomState | None

flag = Rule("True or False", of(_TRUTH, to=bool))
number = Rule("a finite number of at least 0", of(Real, lambda x: 0 <= float(x) < np.inf, float))
callables = Rule("a sequence of callables", each(of(Callable)))
_size = integer(1).convert
_sizes = either(each(_size, at_least=1), lambda size: (_size(size),))
_rates = either(of(Callable), either(each(number.convert), number.convert))

PARAMETERS: dict[str, Rule] = {
    "layer_sizes": Rule("two or more positive integers", each(_size, at_least=2)),
    "hidden_layer_sizes": Rule("a positive integer or a tuple of one or more of them", _sizes),
    "bias": Rule("True, False or one boolean array per layer", either(flag.convert, each(_mask))),
    "learning_rate": Rule(f"{number.expected}, one per epoch or a callable of the epoch", _rates),
    "epochs": integer(0),
    "batch_size": integer(1),
    "shuffle": flag,
    "weight_init": one_of("fan_in", "fan_out"),
    "backprop": one_of("exact", "raw_error"),
    "engine": one_of(*ENGINES),
    "dtype": Rule("'float32' or 'float64'", _dtype),
    "random_state": Rule(
        f"None, {integer(0).expected} or a numpy.random.Generator",
        either(of(_DRAWN_FROM), integer(0).convert),
    ),
    "verbose": integer(0),
    "initial_parameters": Rule("a dict of arrays", of(Mapping | None, to=lambda x: x or {})),
    "early_stopping": flag,
    "n_iter_no_change": integer(1),
    "tol": number,
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
        raise ValueError(f"bias must be {expected}, of sizes {sizes}, got sizes {given}")
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


# ------------------------------------------------------------------------------------ the samples


class Data(NamedTuple):
    """Samples to train on, samples to evaluate on, and targets where they are not the samples."""

    X: Samples
    validation_data: Any = None  # a matrix; with `target`, a tuple of samples and targets
    target: Samples | None = None


def checked_data(
    X: ArrayLike,
    y: Any,
    target: ArrayLike | None,
    dtype: np.dtype,
    validation_data: Any = None,
    n_features: int | None = None,
) -> Data:
    """Return what `fit` is given, checked; warn of a `y` that looks like targets."""
    samples, target = _checked_pair(X, target, ("X", "target"), dtype, n_features)
    name, width = "validation_data", samples.shape[1]
    if validation_data is not None and target is None:
        validation_data = checked_samples(_ALONE(validation_data, name), name, dtype, width)
    elif validation_data is not None:
        pair, names = _IN_A_PAIR(validation_data, name), (f"{name}[0]", f"{name}[1]")
        validation_data = _checked_pair(pair[0], pair[1], names, dtype, width)
    if target is None:
        _warn_of_targets(y, samples)
    return Data(samples, validation_data, target)


_IN_A_PAIR = Rule(
    "a tuple (X, target), as there is a target",
    of(tuple, lambda pair: len(pair) == 2 and pair[1] is not None),
)
_ALONE = Rule(
    "one matrix, as there is no target: pass the first of a tuple alone",
    of(object, lambda samples: not isinstance(samples, tuple)),
)


def _checked_pair(
    X: Any, target: Any, names: tuple[str, str], dtype: np.dtype, n_features: int | None
) -> tuple[Samples, Samples | None]:
    X = checked_samples(X, names[0], dtype, n_features, in_reach=target is None)
    if target is not None:
        target = checked_samples(target, names[1], dtype)
        if target.shape != X.shape:
            expected = f"have the shape of {names[0]}, {X.shape}"
            raise ValueError(f"{names[1]} must {expected}, got {target.shape}")
    return X, target


def _warn_of_targets(y: Any, X: Samples) -> None:
    try:
        given = np.asarray(y)
        looks_like_them = given.shape == X.shape and not np.array_equal(given.astype(X.dtype), X)
    except (TypeError, ValueError):  # no numbers
        return
    if looks_like_them:
        _warn("y is ignored; to compare the output with it, and not with X, pass it as target")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=level_of_the_caller())


def checked_samples(
    X: ArrayLike, name: str, dtype: np.dtype, n_features: int | None = None, in_reach: bool = True
) -> Samples:
    """Return samples as a C-contiguous matrix of this dtype; X itself where it is one already.

    Parameters
    ----------
    X : array-like, shape (n_samples, n_features)
        Finite numbers.
    name : str
        What the errors call it.
    dtype : numpy.dtype
    n_features : int, optional
        How many features there must be.
    in_reach : bool
        Whether a sigmoid is to reach them: values outside [0, 1] are a UserWarning then.

    Returns
    -------
    array, shape (n_samples, n_features)

    Raises
    ------
    TypeError
        If X is sparse, or not numeric.
    ValueError
        If X is complex, not two-dimensional, empty, of another width, or not finite.
    """
    given = _numeric_array(X, name)
    if given.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {given.ndim}D array instead: {name} must have shape "
            f"(n_samples, n_features), got {given.shape}. Reshape your data: {name}.reshape("
            f"len({name}), -1) makes rows of images, {name}.reshape(1, -1) a row of one sample."
        )
    for count, what in zip(given.shape, ("sample", "feature"), strict=True):
        if count == 0:
            found = f"Found array {name} with 0 {what}(s) (shape={given.shape})"
            raise ValueError(f"{found} while a minimum of 1 is required.")
    if n_features is not None and given.shape[1] != n_features:
        found = f"{name} has {given.shape[1]} features"
        raise ValueError(f"{found}, but Autoencoder is expecting {n_features} features as input.")
    samples = _converted(given, dtype)
    _check_values(samples, name, in_reach, given.dtype.kind in "iu")
    return samples


def _converted(given: NDArray, dtype: np.dtype) -> Samples:
    """Return C-contiguous samples of this dtype; in parts, so that Ctrl-C need not wait."""
    if given.dtype == dtype and given.flags.c_contiguous:
        return given
    samples = np.empty(given.shape, dtype)
    with np.errstate(over="ignore"):  # a number too large for the dtype becomes inf, refused later
        for start in range(0, len(given), _ROWS_AT_ONCE):
            samples[start : start + _ROWS_AT_ONCE] = given[start : start + _ROWS_AT_ONCE]
    return samples


def _numeric_array(X: ArrayLike, name: str) -> NDArray:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        what = f"{name} is a sparse {type(X).__name__}, but dense data is required"
        raise TypeError(f"{what}: pass {name}.toarray().")
    try:
        given = np.asarray(X)
        if given.dtype.kind == "O":
            given = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # rows of different lengths, for one
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} must hold numbers: {error}") from None
    if given.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {given.dtype}.")
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {given.dtype}.")
    return given


def _check_values(samples: Samples, name: str, in_reach: bool, are_integers: bool) -> None:
    """Refuse what is not finite, and warn of what a sigmoid cannot reach."""
    lowest, highest = samples.min(), samples.max()  # both are NaN if there is one
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        row, column = np.argwhere(~np.isfinite(samples))[0]
        what = "NaN" if np.isnan(samples[row, column]) else "infinity"
        found = f"Input {name} contains {what} (at row {row}, column {column})"
        raise ValueError(f"{found}; expected finite numbers that {samples.dtype} can hold.")
    if in_reach and (lowest < 0 or highest > 1):
        hint = " Divide by 255 to scale grey levels." if are_integers else ""
        found = f"{name} has values in [{lowest:g}, {highest:g}]"
        _warn(f"{found}, but a sigmoid reaches (0, 1) only; expected values in [0, 1].{hint}")


def level_of_the_caller() -> int:
    """Count the frames from the function that calls this up to the first outside the package."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level
