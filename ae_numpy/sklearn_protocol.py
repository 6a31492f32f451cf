"""What makes an estimator a citizen of scikit-learn, without depending on it.

`EstimatorMixin` brings what pipelines, grid searches and `clone` ask of any estimator, and nothing
about autoencoders: parameters that can be read and set, names of features, data frames as output,
and a word for "not fitted yet". scikit-learn is looked at where it is loaded already.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.validation import level_of_the_caller

CONTAINERS = ("default", "pandas", "polars")


class NotFittedError(ValueError, AttributeError):
    """The estimator was used before it was fitted."""


def not_fitted_error(message: str) -> Exception:
    """Return scikit-learn's own error where it is loaded, for that is what its tools catch.

    Parameters
    ----------
    message : str

    Returns
    -------
    Exception
        Both a ValueError and an AttributeError, wherever it comes from.
    """
    exceptions = sys.modules.get("sklearn.exceptions")
    return (exceptions.NotFittedError if exceptions else NotFittedError)(message)


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
    columns = getattr(X, "columns", None)
    if columns is None or len(columns) == 0:
        return None
    strings = [isinstance(name, str) for name in columns]
    if any(strings) and not all(strings):
        kinds = sorted({type(name).__name__ for name in columns})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your "
            f"input has {kinds} as column names. Use X.columns = X.columns.astype(str)."
        )
    return np.asarray(columns, dtype=object) if all(strings) else None


class EstimatorMixin:
    """Parameters, names of features and output containers, as scikit-learn knows them.

    A class that uses it has ``fit``, ``encode`` (what `transform` returns, as an array),
    ``n_features_in_`` and ``code_size_``; it is fitted once it has a ``network_``.
    """

    fit: Any
    encode: Any

    # ----------------------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep : ignored
            No parameter is an estimator.

        Returns
        -------
        dict of str to object

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> Autoencoder(4, epochs=7).get_params()["epochs"]
        7
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor; `fit` checks their values.

        Parameters
        ----------
        **params
            By name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no such parameter; none is set then.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> Autoencoder().set_params(epochs=7, batch_size=32)
        Autoencoder(epochs=7, batch_size=32)
        """
        valid = sorted(self.get_params())
        for name in params:
            if name not in valid:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self!r}. "
                    f"Valid parameters are: {valid!r}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    # ------------------------------------------------------------------------- fitted, or not

    def _is_fitted(self) -> bool:
        return "network_" in vars(self)

    __sklearn_is_fitted__ = _is_fitted

    def __getattr__(self, name: str) -> Any:
        """Say what is missing when a learned attribute is asked for before there is one."""
        learned = name.endswith("_") and not name.startswith("_")
        if learned and not self._is_fitted():
            raise not_fitted_error(
                f"This {type(self).__name__} instance is not fitted yet: call fit before using "
                f"{name}."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            # The codes have the dtype of the parameters, whatever that of the samples.
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(),
        )

    # ------------------------------------------------------------------------------ the names

    def _keep_feature_names(self, names: NDArray | None) -> None:
        vars(self).pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names

    def _check_feature_names(self, X: Any) -> None:
        """Compare the columns of a data frame with those of `fit`."""
        given, fitted = feature_names(X), vars(self).get("feature_names_in_")
        name = type(self).__name__
        if given is None and fitted is not None:
            warnings.warn(
                f"X does not have valid feature names, but {name} was fitted with feature names",
                stacklevel=level_of_the_caller(),
            )
        elif given is not None and fitted is None:
            warnings.warn(
                f"X has feature names, but {name} was fitted without feature names",
                stacklevel=level_of_the_caller(),
            )
        elif given is not None and fitted is not None and list(given) != list(fitted):
            raise ValueError(_names_that_differ(list(given), list(fitted)))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return a name for each unit of the code: ``"autoencoder0"``, ``"autoencoder1"``, ...

        Parameters
        ----------
        input_features : array-like of str, shape (n_features,), optional
            Must be those of `fit`, if there were any.

        Returns
        -------
        object array, shape (code size,)

        Raises
        ------
        ValueError
            If `input_features` are others, or of another number.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.get_feature_names_out()
        array(['autoencoder0', 'autoencoder1'], dtype=object)
        """
        names = [f"{type(self).__name__.lower()}{unit}" for unit in range(self.code_size_)]
        if input_features is not None:
            given, fitted = list(np.asarray(input_features)), vars(self).get("feature_names_in_")
            if fitted is not None and given != list(fitted):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(given) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(given)}"
                )
        return np.asarray(names, dtype=object)

    # ------------------------------------------------------------------------------ the output

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            An array, or a data frame of one of these libraries. None changes nothing.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If it is none of these.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> type(ae.set_output(transform="default").transform(np.eye(6))).__name__
        'ndarray'
        """
        if transform is not None:
            if transform not in CONTAINERS:
                raise ValueError(f"transform must be one of {CONTAINERS}, got {transform!r}")
            # Under this name scikit-learn's clone carries it over.
            self._sklearn_output_config = {"transform": transform}
        return self

    def transform(self, X: ArrayLike) -> Any:
        """Return the codes of samples, as `encode` does, in the container of `set_output`.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        array or data frame, shape (n_samples, code size)

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `encode`.
        ImportError
            If the library of the container is not installed.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> np.array_equal(ae.transform(np.eye(6)), ae.encode(np.eye(6)))
        True
        """
        codes = self.encode(X)
        container = self._container()
        if container == "pandas":
            import pandas as pd

            index = X.index if isinstance(X, pd.DataFrame) else None
            return pd.DataFrame(codes, index=index, columns=self.get_feature_names_out())
        if container == "polars":
            import polars as pl

            return pl.DataFrame(codes, schema=list(self.get_feature_names_out()), orient="row")
        return codes

    def _container(self) -> str:
        """The container chosen for this estimator, or else for all of scikit-learn."""
        chosen = vars(self).get("_sklearn_output_config", {}).get("transform")
        if chosen is None and "sklearn" in sys.modules:
            chosen = sys.modules["sklearn"].get_config()["transform_output"]
        return chosen or "default"

    def fit_transform(self, X: ArrayLike, y: Any = None, **fit_params: Any) -> Any:
        """Fit to samples, and return their codes.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : ignored
        **fit_params
            What else `fit` takes.

        Returns
        -------
        array or data frame, shape (n_samples, code size)

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            As `fit`.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> Autoencoder(2, epochs=1, random_state=0).fit_transform(np.eye(6)).shape
        (6, 2)
        """
        return self.fit(X, y, **fit_params).transform(X)


def _names_that_differ(given: list[str], fitted: list[str]) -> str:
    """Say how the names of features differ, in scikit-learn's words."""
    message = "The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(given) - set(fitted)), sorted(set(fitted) - set(given))
    for names, what in (
        (unseen, "Feature names unseen at fit time:\n"),
        (missing, "Feature names seen at fit time, yet now missing:\n"),
    ):
        if names:
            more = ["- ...\n"] if len(names) > 5 else []
            message += what + "".join([*(f"- {name}\n" for name in names[:5]), *more])
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message
