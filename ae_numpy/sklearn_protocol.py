"""scikit-learn's estimator protocol, without depending on scikit-learn.

`EstimatorMixin` provides what pipelines, grid searches and `clone` expect of any estimator, and
nothing about autoencoders: parameters that can be read and set, feature names, data frames as
output, and a "not fitted yet" error. scikit-learn is used only if it is already loaded.
"""

from __future__ import annotations

import inspect
import sys
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.validation import PARAMETERS


class NotFittedError(ValueError, AttributeError):
    """The estimator was used before it was fitted."""


def not_fitted_error(message: str) -> Exception:
    """Return scikit-learn's own error if it is loaded, because its tools catch that one.

    Parameters
    ----------
    message : str

    Returns
    -------
    Exception
        A ValueError and an AttributeError in either case.
    """
    exceptions = sys.modules.get("sklearn.exceptions")
    return (exceptions.NotFittedError if exceptions else NotFittedError)(message)


def parameters_of(constructor: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that a class or its constructor names, without ``*`` and ``**``.

    Parameters
    ----------
    constructor : callable

    Returns
    -------
    dict of str to inspect.Parameter

    Examples
    --------
    >>> list(parameters_of(lambda code, **rest: None))
    ['code']
    """
    rest = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    named = inspect.signature(constructor).parameters.items()
    return {name: one for name, one in named if one.kind not in rest}


class EstimatorMixin:
    """Parameters, feature names and output containers, as scikit-learn defines them.

    A class that uses it must have ``fit``, ``encode`` and ``decode`` (what `transform` and
    `inverse_transform` return, as arrays), ``n_features_in_`` and ``code_size_``; it counts as
    fitted once it has a ``network_``.
    """

    fit: Any
    encode: Any
    decode: Any

    # ----------------------------------------------------------------------------- parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        If the constructor of a derived class passes parameters on (``**``), or does not keep one
        that it takes, those of its base classes are included.

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
        own = parameters_of(type(self))
        takes_rest = len(inspect.signature(type(self)).parameters) > len(own)
        # A constructor that keeps all it takes hides those of its base classes.
        if own.keys() <= vars(self).keys() and not takes_rest:
            return {name: vars(self)[name] for name in own}
        return self._kept_parameters()

    @classmethod
    def _names_of_parameters(cls) -> list[str]:
        """Every parameter of every constructor, base classes included."""
        with_constructor = [one for one in cls.__mro__[:-1] if "__init__" in vars(one)]
        return list(dict.fromkeys(n for one in with_constructor for n in parameters_of(one)))

    def _kept_parameters(self) -> dict[str, Any]:
        return {n: vars(self)[n] for n in self._names_of_parameters() if n in vars(self)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor; `fit` checks their values.

        Whatever a derived class's constructor computes from a parameter is updated too.

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
            If there is no such parameter; then none is set.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> Autoencoder().set_params(epochs=7, batch_size=32)
        Autoencoder(epochs=7, batch_size=32)
        """
        valid = sorted(self._names_of_parameters())
        for name in sorted(params.keys() - set(valid)):
            invalid = f"Invalid parameter {name!r:.200} for estimator {self!r:.200}."
            raise ValueError(f"{invalid} Valid parameters are: {valid!r}.")
        # What a derived class's constructor computes from its own parameters changes with them.
        own = {n: value for n, value in vars(self).items() if n in parameters_of(type(self))}
        before, after = (self._made_of(own | new)._kept_parameters() for new in ({}, params))
        changed = {n: value for n, value in after.items() if repr(value) != repr(before.get(n))}
        vars(self).update(changed | params)
        return self

    @classmethod
    def _made_of(cls, params: dict[str, Any]) -> Self:
        """Return an estimator with these parameters, whatever its class's constructor takes."""
        takes = parameters_of(cls)
        given = {name: params[name] for name in takes if name in params}
        needed = {name for name, one in takes.items() if one.default is one.empty}
        made = cls(**given) if needed <= given.keys() else cls.__new__(cls)
        vars(made).update(params)
        return made

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy; a module (numpy.random as random state) cannot be copied."""
        kept = deepcopy(self._kept_parameters(), {id(np.random): np.random})
        return self._made_of(kept).set_output(transform=self._chosen_container())

    def __repr__(self) -> str:
        own, params = parameters_of(type(self)), self.get_params()
        usual = {name: one.default for name, one in own.items()}
        if params.keys() - own.keys():  # others: as its constructor sets them
            usual = vars(self._made_of({n: v for n, v in params.items() if n in own})) | usual
        changed = [f"{n}={v!r}" for n, v in params.items() if repr(v) != repr(usual.get(n))]
        return f"{type(self).__name__}({', '.join(changed)})"

    # ------------------------------------------------------------------------- fitted, or not

    def _is_fitted(self) -> bool:
        return "network_" in vars(self)

    __sklearn_is_fitted__ = _is_fitted

    def __getattr__(self, name: str) -> Any:
        """Say that `fit` is missing when a learned attribute is accessed before it."""
        learned = name.endswith("_") and not name.startswith("_")
        if learned and not self._is_fitted():
            this = f"This {type(self).__name__} instance"
            raise not_fitted_error(f"{this} is not fitted yet: call fit before using {name}.")
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

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Return a name for each unit of the code: ``"autoencoder0"``, ``"autoencoder1"``, ...

        Parameters
        ----------
        input_features : array-like of str, shape (n_features,), optional
            Must be those given to `fit`, if any.

        Returns
        -------
        object array, shape (code size,)

        Raises
        ------
        ValueError
            If the names in `input_features` differ, or their number does.

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
                expected = f"number of features ({self.n_features_in_}), got {len(given)}"
                raise ValueError(f"input_features should have length equal to {expected}")
        return np.asarray(names, dtype=object)

    # ------------------------------------------------------------------------------ the output

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform`, `inverse_transform` and `reconstruct` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            An array, or a data frame of one of these libraries. None changes nothing.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If it is not one of these.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> type(ae.set_output(transform="default").transform(np.eye(6))).__name__
        'ndarray'
        """
        if transform is not None:
            # scikit-learn also looks for it under this name.
            PARAMETERS["container"](transform, "transform")
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
        return self._contained(self.encode(X), X, self.get_feature_names_out())

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Return the samples of codes, as `decode` does, in the container of `set_output`.

        Parameters
        ----------
        Z : array-like, shape (n_samples, code size)

        Returns
        -------
        array or data frame, shape (n_samples, n_features)

        Raises
        ------
        NotFittedError, TypeError, ValueError, ImportError
            As `transform`.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.inverse_transform(ae.transform(np.eye(6))).shape
        (6, 6)
        """
        return self._contained(self.decode(Z), Z, self._feature_names())

    def _feature_names(self) -> list[str]:
        """The feature names, or scikit-learn's defaults if there are none: x0, x1, ..."""
        unnamed = [f"x{feature}" for feature in range(self.n_features_in_)]
        return list(vars(self).get("feature_names_in_", unnamed))

    def _contained(self, values: NDArray, given: Any, names: Any) -> Any:
        """Put the rows into the chosen container, under these names."""
        container = self._chosen_container()
        if container is None and "sklearn" in sys.modules:  # for all of its estimators
            container = sys.modules["sklearn"].get_config()["transform_output"]
        if container == "pandas":
            import pandas as pd

            index = given.index if isinstance(given, pd.DataFrame) else None
            return pd.DataFrame(values, index=index, columns=names)
        if container == "polars":
            import polars as pl

            return pl.DataFrame(values, schema=list(names), orient="row")
        return values

    def _chosen_container(self) -> str | None:
        return vars(self).get("_sklearn_output_config", {}).get("transform")

    def fit_transform(self, X: ArrayLike, y: Any = None, **fit_params: Any) -> Any:
        """Fit to samples and return their codes.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : ignored
        **fit_params
            Further arguments of `fit`.

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
