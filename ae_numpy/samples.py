"""Checks of the samples that users pass in: arrays, lists and data frames.

An error says what must be what, and what it is, in the words that scikit-learn uses for the same
faults. A data frame is checked by the names of its columns too.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.validation import Rule, level_of_the_caller, of

_ROWS_AT_ONCE = 4096
# How far beyond 0 and 1 counts as rounding: it adds its square to a squared error, 2**-24, which is
# what float32 rounds 1 by. Scaling in float32 is off by less, unless the data are far from 0.
_ROUNDING = 2.0**-12

Samples = NDArray[np.floating]
# What samples must agree with: a dtype, the names of features, and their number, if known already.
Known = tuple[np.dtype, NDArray | None, int | None]


class Data(NamedTuple):
    """Samples to train on, samples to evaluate on, and targets where they are not the samples."""

    X: Samples
    validation_data: tuple[Samples, Samples | None] | None = None  # with their targets
    target: Samples | None = None


def checked_data(
    X: ArrayLike, y: Any, target: ArrayLike | None, known: Known, validation_data: Any = None
) -> Data:
    """Return what `fit` is given, checked; warn of a `y` that looks like targets."""
    samples, targets = _checked_pair(X, target, ("X", "target"), known)
    if validation_data is not None:
        name, known = "validation_data", (*known[:2], samples.shape[1])
        names = (name, "") if target is None else (f"{name}[0]", f"{name}[1]")
        pair = (_ALONE if target is None else _IN_A_PAIR)(validation_data, name)
        validation_data = _checked_pair(pair[0], pair[1], names, known)
    if target is None:
        _warn_of_targets(y, samples)
    return Data(samples, validation_data, targets)


_IN_A_PAIR = Rule(
    "a tuple (X, target), as there is a target",
    of(tuple, lambda pair: len(pair) == 2 and pair[1] is not None),
)
_ALONE = Rule(
    "one matrix, as there is no target: pass the first of a tuple alone",
    of(object, lambda samples: not isinstance(samples, tuple), lambda samples: (samples, None)),
)


def _checked_pair(
    X: Any, target: Any, names: tuple[str, str], known: Known
) -> tuple[Samples, Samples | None]:
    dtype, columns, n_features = known
    check_names(X, columns, names[0])
    X = checked_samples(X, names[0], dtype, n_features, in_reach=target is None)
    if target is not None:
        check_names(target, columns, names[1])
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
    # A number too large for the dtype becomes inf, refused later; one too small becomes 0.
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, len(given), _ROWS_AT_ONCE):
            samples[start : start + _ROWS_AT_ONCE] = given[start : start + _ROWS_AT_ONCE]
    return samples


def _numeric_array(X: ArrayLike, name: str) -> NDArray:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        what = f"{name} is a sparse {type(X).__name__}, but dense data is required"
        raise TypeError(f"{what}: pass {name}.toarray().")
    try:
        given = np.asarray(_with_nan(X))
        if given.dtype.kind == "O":
            given = _without_pandas_na(given).astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # rows of different lengths, for one
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} must hold numbers: {error}") from None
    if given.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {given.dtype}.")
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, got dtype {given.dtype}.")
    return given


def _with_nan(X: Any) -> Any:
    """Put NaN in place of masked entries, those of masked rows in a list too."""
    if isinstance(X, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in X):
        X = np.ma.array(X)
    if np.ma.is_masked(X):  # in a dtype that has a NaN
        return X.astype(np.result_type(X.dtype, np.float32)).filled(np.nan)
    return X


def _without_pandas_na(given: NDArray) -> NDArray:
    """Put NaN in place of pandas' own sign for a missing value, which is not a number."""
    missing = getattr(sys.modules.get("pandas"), "NA", None)  # without pandas there is none
    # By identity: pandas.isna compares, which some objects (a signalling Decimal) refuse.
    number = np.frompyfunc(lambda value: np.nan if value is missing else value, 1, 1)
    return np.asarray(number(given), dtype=object)


def _check_values(samples: Samples, name: str, in_reach: bool, are_integers: bool) -> None:
    """Refuse what is not finite, and warn of what a sigmoid cannot reach."""
    # Read as integers, the bits of the numbers from 0 to 1 are in the order of the numbers, and the
    # bits of all others (-0 too) are larger. So one pass shows that there is nothing to report.
    bits = samples.view(f"u{samples.itemsize}")
    if bits.max() <= samples.dtype.type(1).view(bits.dtype):
        return
    lowest, highest = samples.min(), samples.max()  # both are NaN if there is one
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        row, column = np.argwhere(~np.isfinite(samples))[0]
        what = "NaN" if np.isnan(samples[row, column]) else "infinity"
        found = f"Input {name} contains {what} (at row {row}, column {column})"
        raise ValueError(f"{found}; expected finite numbers that {samples.dtype} can hold.")
    if in_reach and (lowest < -_ROUNDING or highest > 1 + _ROUNDING):
        hint = " Divide by 255 to scale grey levels." if are_integers else ""
        found = f"{name} has values in [{lowest:g}, {highest:g}]"
        _warn(f"{found}, but a sigmoid reaches (0, 1) only; expected values in [0, 1].{hint}")


# ------------------------------------------------------------------------------- names of features


def feature_names(X: Any) -> NDArray | None:
    """Return the names of a data frame's columns, if they are strings.

    Parameters
    ----------
    X : array-like

    Returns
    -------
    object array, shape (n_features,), or None

    Raises
    ------
    TypeError
        If some names are strings and others are not.
    """
    columns: Any = getattr(X, "columns", None)
    strings = [isinstance(name, str) for name in ([] if columns is None else columns)]
    if any(strings) and not all(strings):
        kinds = sorted({type(name).__name__ for name in columns})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your "
            f"input has {kinds} as column names. Use X.columns = X.columns.astype(str)."
        )
    return np.asarray(columns, dtype=object) if any(strings) else None


def check_names(X: Any, fitted: NDArray | None, name: str) -> None:
    """Compare the columns of a data frame with the names that `fit` has seen.

    Parameters
    ----------
    X : array-like
    fitted : array of str, shape (n_features,), or None
    name : str
        What the messages call X.

    Raises
    ------
    ValueError
        If there are names on both sides, and they differ. Names on one side alone are a
        UserWarning.
    TypeError
        If some names are strings and others are not.
    """
    given = feature_names(X)
    if given is not None and fitted is not None:
        if list(given) != list(fitted):
            raise ValueError(_names_that_differ(list(given), list(fitted), name))
    elif given is not None:
        _warn(f"{name} has feature names, but Autoencoder was fitted without feature names")
    elif fitted is not None:
        lacks = f"{name} does not have valid feature names"
        _warn(f"{lacks}, but Autoencoder was fitted with feature names")


def _names_that_differ(given: list[str], fitted: list[str], name: str) -> str:
    """Say how the names of features differ, in scikit-learn's words."""
    of_what = "" if name == "X" else f"{name}: "
    lines = [f"{of_what}The feature names should match those that were passed during fit."]
    differing = set(given) - set(fitted), set(fitted) - set(given)
    titles = "unseen at fit time", "seen at fit time, yet now missing"
    for title, names in zip(titles, map(sorted, differing), strict=True):
        if names:
            more = ["- ..."] if len(names) > 5 else []
            lines += [f"Feature names {title}:", *(f"- {name:.200}" for name in names[:5]), *more]
    if not any(differing):
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join([*lines, ""])
