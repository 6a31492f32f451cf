"""Checks of what users pass in: an error names the parameter, the value and what was expected.

Everything is checked before anything is changed. The messages about arrays use the words that
scikit-learn uses for the same faults.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROWS_AT_ONCE = 4096

LearningRate = float | Sequence[float] | Callable[[int], float]


def checked_integer(value: Any, name: str, minimum: int) -> int:
    """Return an integer that is at least `minimum`."""
    message = f"{name} must be an integer of at least {minimum}, got {value!r}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(message)
    if value < minimum:
        raise ValueError(message)
    return int(value)


def checked_bool(value: Any, name: str) -> bool:
    """Return a truth value; 0 and 1 are none, so that a swapped argument is noticed."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def checked_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return one of the choices."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {tuple(choices)}, got {value!r}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}, got {value!r}")
    return value


def checked_dtype(value: Any) -> np.dtype:
    """Return float32 or float64."""
    expected = "dtype must be 'float32' or 'float64'"
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise TypeError(f"{expected}, got {value!r}") from None
    if value is None or dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"{expected}, got {value!r}")
    return dtype


def checked_hidden_sizes(value: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers: one or more positive integers."""
    name = "hidden_layer_sizes"
    if isinstance(value, Integral):
        return (checked_integer(value, name, 1),)
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a positive integer or a tuple of them, got {value!r}")
    if len(value) == 0:
        raise ValueError(f"{name} must have one hidden layer or more, got {value!r}")
    return tuple(checked_integer(size, f"{name}[{i}]", 1) for i, size in enumerate(value))


def checked_learning_rates(learning_rate: LearningRate, epochs: int) -> tuple[float, ...]:
    """Return one learning rate per epoch.

    Parameters
    ----------
    learning_rate : float, sequence of float or callable
        A rate for all epochs, the rate of each, or a function of the epoch, counted from 1.
    epochs : int

    Returns
    -------
    tuple of `epochs` floats
    """
    name = "learning_rate"
    if callable(learning_rate):
        learning_rate = [learning_rate(epoch) for epoch in range(1, epochs + 1)]
    if isinstance(learning_rate, Real):
        return (checked_number(learning_rate, name),) * epochs
    if not _is_sequence(learning_rate):
        expected = "a number, one number per epoch, or a callable of the epoch"
        raise TypeError(f"{name} must be {expected}, got {learning_rate!r}")
    if len(learning_rate) != epochs:
        raise ValueError(
            f"{name} must have one rate for each of the {epochs} epochs, got {len(learning_rate)}"
        )
    return tuple(checked_number(rate, f"{name}[{i}]") for i, rate in enumerate(learning_rate))


def checked_number(value: Any, name: str) -> float:
    """Return a finite number of at least 0."""
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # 10**400 is beyond every float
        number = np.inf
    if not 0 <= number < np.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return number


def checked_seed(random_state: Any) -> int:
    """Turn a random_state into the seed of everything random in one training.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        A generator is asked for one number; None takes entropy from the operating system.

    Returns
    -------
    int
    """
    if random_state is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    expected = "None, an integer of at least 0 or a numpy.random.Generator"
    if not isinstance(random_state, Integral) or isinstance(random_state, bool):
        raise TypeError(f"random_state must be {expected}, got {random_state!r}")
    if random_state < 0:
        raise ValueError(f"random_state must be {expected}, got {random_state!r}")
    return int(random_state)


def checked_samples(
    X: ArrayLike, name: str, dtype: np.dtype, n_features: int | None = None
) -> NDArray[np.floating]:
    """Return samples as a C-contiguous matrix of this dtype; X itself where it is one already.

    Parameters
    ----------
    X : array-like, shape (n_samples, n_features)
        Finite numbers; one UserWarning where some lie outside [0, 1].
    name : str
        What the errors call it.
    dtype : numpy.dtype
    n_features : int, optional
        How many features there must be.

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
            f"(n_samples, n_features), got {given.shape}. Reshape your data: "
            f"{name}.reshape(len({name}), -1) makes rows of images, {name}.reshape(1, -1) makes "
            "a row of one sample."
        )
    for count, what in zip(given.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(
                f"Found array {name} with 0 {what}(s) (shape={given.shape}) while a minimum of 1 "
                "is required."
            )
    if n_features is not None and given.shape[1] != n_features:
        raise ValueError(
            f"{name} has {given.shape[1]} features, but Autoencoder is expecting {n_features} "
            "features as input."
        )
    with np.errstate(over="ignore"):  # a number too large for the dtype becomes inf, seen below
        samples = _converted(given, dtype)
    _check_values(samples, name, given.dtype)
    return samples


def _converted(given: NDArray, dtype: np.dtype) -> NDArray[np.floating]:
    """Return C-contiguous samples of this dtype; in parts, so that Ctrl-C need not wait."""
    if given.dtype == dtype and given.flags.c_contiguous:
        return given
    samples = np.empty(given.shape, dtype)
    for start in range(0, len(given), _ROWS_AT_ONCE):
        samples[start : start + _ROWS_AT_ONCE] = given[start : start + _ROWS_AT_ONCE]
    return samples


def _numeric_array(X: ArrayLike, name: str) -> NDArray:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError(
            f"{name} is a sparse {type(X).__name__}, but dense data is required: "
            f"pass {name}.toarray()."
        )
    try:
        given = np.asarray(X)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be a matrix of numbers: {error}") from None
    if given.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {given.dtype}.")
    if given.dtype.kind == "O":
        try:
            return given.astype(np.float64)
        except TypeError as error:
            raise TypeError(f"{name} must hold numbers: {error}") from None
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{name} must hold numbers: {error}") from None
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {given.dtype}.")
    return given


def _check_values(samples: NDArray[np.floating], name: str, given_dtype: np.dtype) -> None:
    """Reject what is not finite, and warn of what a sigmoid cannot reach."""
    lowest, highest = samples.min(), samples.max()  # both are NaN if there is one
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        row, column = np.argwhere(~np.isfinite(samples))[0]
        what = "NaN" if np.isnan(samples[row, column]) else "infinity"
        raise ValueError(
            f"Input {name} contains {what} (at row {row}, column {column}); expected finite "
            f"numbers that {samples.dtype} can hold."
        )
    if lowest < 0 or highest > 1:
        hint = " Divide by 255 to scale grey levels." if given_dtype.kind in "iu" else ""
        warnings.warn(
            f"{name} has values in [{lowest:g}, {highest:g}], but a sigmoid reaches (0, 1) only; "
            f"expected values in [0, 1].{hint}",
            UserWarning,
            stacklevel=level_of_the_caller(),
        )


def _is_sequence(value: Any) -> TypeGuard[Sequence]:
    """Whether this has a length and items that may be numbers; arrays of no dimension have not."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def level_of_the_caller() -> int:
    """Count the frames from the function that calls this up to the first outside the package."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level
