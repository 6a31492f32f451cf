"""`Autoencoder`: the estimator. It checks its arguments, then delegates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.architecture import Architecture, check_memory
from ae_numpy.engine import get_engine
from ae_numpy.initialization import initial_parameters
from ae_numpy.network import Network
from ae_numpy.progress import TrainingDisplay, compilation_notice
from ae_numpy.reference import Array
from ae_numpy.samples import Data, check_names, checked_data, checked_samples, feature_names
from ae_numpy.sklearn_protocol import EstimatorMixin, parameters_of
from ae_numpy.storage.checkpoint import CheckpointWriter, describe, read_checkpoint
from ae_numpy.storage.model_file import StoredModel, read_model, write_model
from ae_numpy.training import EarlyStopping, History, Recipe, State, empty_history, held_back, train
from ae_numpy.validation import (
    PARAMETERS,
    BiasMask,
    LearningRate,
    RandomState,
    bias_mask,
    callables,
    checked,
    drawn_seed,
    rates_of_epochs,
)

Callback = Callable[["Autoencoder"], bool | None]
Observer = CheckpointWriter | TrainingDisplay


class Autoencoder(EstimatorMixin):
    """A network of dense sigmoid layers that is trained to reproduce its input.

    Training minimizes half the squared error, summed over features and averaged over a batch, by
    gradient descent: ``J = 1/(2B) * sum((x' - x)**2)``. The reported error is the `mse`, the mean
    over all entries.

    Parameters
    ----------
    hidden_layer_sizes : int or tuple of int
        Units of the hidden layers. The narrowest one is the code (the first of them in a tie).
    bias : bool or sequence of bool arrays
        Which biases are trained: all, none, or one mask per layer. The others keep their initial
        value, 0 unless `initial_parameters` says otherwise.
    learning_rate : float, sequence of float or callable
        One rate, one rate per epoch, or a function of the epoch (counted from 1), which is
        evaluated for every epoch when `fit` starts.
    epochs : int
        Passes over the data.
    batch_size : int
        Samples per gradient step. The last batch of an epoch may be shorter.
    shuffle : bool
        Whether every epoch has a new order, or all keep the order of the data.
    weight_init : {"fan_in", "fan_out"}
        Standard deviation of the initial weights: 1 / sqrt(I) or 1 / sqrt(O).
    backprop : {"exact", "raw_error"}
        The gradient, or the rule of the published code: see `Network.backward`.
    engine : {"numba", "numpy"}
        Compiled, or plain NumPy. They agree to rounding.
    dtype : {"float32", "float64"}
        Of the parameters, and of everything that is computed.
    random_state : None, int, numpy.random.Generator, RandomState or the module numpy.random
        Decides the initial parameters and the orders. The same number gives the same bits. The
        module means its global RandomState.
    verbose : bool or int
        0 is silent. 1 shows a bar with the current error and the time left on a terminal (with
        tqdm), and writes a line per epoch elsewhere.
    initial_parameters : dict of arrays, optional
        Any of ``"W0"`` (I, O), ``"b0"`` (O,), ``"W1"``, ..., used instead of drawn ones.
    early_stopping : bool
        Whether `fit` ends when the error no longer falls. With validation data it is their error
        that counts, and `fit`, however it ends, keeps the parameters of the epoch where it was
        lowest; without, it is the training error, and `fit` keeps the last parameters.
    n_iter_no_change : int
        With `early_stopping`: training ends after this many epochs in a row without improvement.
    tol : float
        An improvement is an ``mse`` that is at least this much below the lowest so far.
    validation_fraction : float, optional
        The share of the samples that `fit` holds out as validation data if it is given none:
        to the nearest number, at least one sample, and not all. The seed decides which.

    Attributes
    ----------
    network_ : Network
        The trained network. ``network_.layers[0].W`` are the weights of the first layer.
    history_ : dict of lists
        ``epoch``, ``train_mse`` (the mean of the errors seen before each step), ``val_mse`` with
        validation data, ``seconds``: one entry per completed epoch.
    n_features_in_ : int
    feature_names_in_ : array of str, shape (n_features,)
        Present if `fit` was given a data frame whose column names are strings.
    n_iter_ : int
        Completed epochs.
    code_size_ : int
    compression_ratio_ : float
        ``n_features_in_ / code_size_``.
    learning_rates_ : tuple of float
        The rate of every epoch of `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).random((20, 6))
    >>> ae = Autoencoder(hidden_layer_sizes=2, epochs=3, random_state=0).fit(X)
    >>> ae.encode(X).shape
    (20, 2)
    >>> ae.compression_ratio_
    3.0
    >>> len(ae.history_["train_mse"])
    3
    """

    network_: Network
    history_: History
    learning_rates_: tuple[float, ...]
    _seed: int

    def __init__(
        self,
        hidden_layer_sizes: int | tuple[int, ...] = (28,),
        *,
        bias: BiasMask = True,
        learning_rate: LearningRate = 0.01,
        epochs: int = 50,
        batch_size: int = 1,
        shuffle: bool = True,
        weight_init: str = "fan_in",
        backprop: str = "exact",
        engine: str = "numba",
        dtype: str = "float32",
        random_state: RandomState = None,
        verbose: bool | int = 0,
        initial_parameters: Mapping[str, ArrayLike] | None = None,
        early_stopping: bool = False,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        validation_fraction: float | None = None,
    ) -> None:
        # Stored as given: `fit` checks them, so set_params and clone need no checks.
        given = locals()
        vars(self).update({name: given[name] for name in parameters_of(Autoencoder)})

    # ------------------------------------------------------------------------------- training

    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        target: ArrayLike | None = None,
        validation_data: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | os.PathLike | None = None,
    ) -> Self:
        """Train from the start, or resume from a checkpoint.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            Samples, with values in [0, 1]. Not changed.
        y : ignored
            Accepted for pipelines.
        target : array-like, shape (n_samples, n_features), optional
            What the output is compared with, with values in [0, 1]: X unless given. A denoising
            autoencoder is trained by ``fit(noisy, target=clean)``.
        validation_data : array-like, shape (n_validation, n_features), optional
            Samples whose mean squared error is computed after every epoch. With `target`, a tuple
            of samples and their targets.
        callbacks : sequence of callables
            Each is called with the estimator at the end of every epoch, when `network_` and
            `history_` are those of this epoch. Training stops when one returns True.
        checkpoint : str or path, optional
            A file that holds the state of training: written at the start, from time to time, and at
            the end, even if that is an error or Ctrl-C. If it already exists, training resumes from
            it, even in the middle of an epoch, and the result is bit for bit that of an
            uninterrupted run; on another processor the last bits may differ, and a warning says so.
            `epochs` may be larger than before. A process that is killed loses what it has trained
            since the file was last written: 5 seconds, or 50 times as long as writing takes, if
            that is longer.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data is unsuitable, or the checkpoint belongs to a training run
            with other data, settings or versions; the estimator is then unchanged.
        OSError
            If the checkpoint cannot be read or written.
        FloatingPointError
            If training diverges; the estimator then holds the last good state, or the best
            parameters: see `early_stopping`.

        Examples
        --------
        >>> X = np.random.default_rng(0).random((20, 6))
        >>> ae = Autoencoder(2, epochs=3, random_state=0).fit(X[:15], validation_data=X[15:])
        >>> ae.history_["epoch"], len(ae.history_["val_mse"])
        ([1, 2, 3], 3)
        >>> noisy = np.clip(X + np.random.default_rng(1).normal(scale=0.1, size=X.shape), 0, 1)
        >>> ae.fit(noisy[:15], target=X[:15], validation_data=(noisy[15:], X[15:])).n_iter_
        3
        """
        settings = self._settings()
        rates = rates_of_epochs(settings.learning_rate, settings.epochs)
        stored = None if checkpoint is None else read_checkpoint(checkpoint)
        if stored and not isinstance(settings.random_state, int):
            settings.seed = stored.seed
        stopping = EarlyStopping(settings.n_iter_no_change, settings.tol)
        recipe = _recipe(settings, rates, stopping if settings.early_stopping else None)
        names = feature_names(X)
        data = checked_data(X, y, target, (settings.dtype, names, None), validation_data)
        if validation_data is None and settings.validation_fraction is not None:
            data = _split(data, settings)
        callbacks = callables(callbacks, "callbacks")
        network = _new_network(data.X.shape[1], settings)
        state = State(network.parameters, empty_history(data.validation_data is not None))
        observers: list[Observer] = []
        if checkpoint is not None:
            description = describe(network, network.parameters, data.X, recipe, *data[1:])
            if stored is not None:
                state = stored.state_for(description, rates)
            observers.append(CheckpointWriter(checkpoint, description, rates, state))
        self._accept(settings, names)
        return self._train(network, data, recipe, state, callbacks, observers)

    def partial_fit(self, X: ArrayLike, y: Any = None, *, target: ArrayLike | None = None) -> Self:
        """Continue training with one pass over these samples; the first call starts afresh.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
            A part of the data, of any number of samples.
        y : ignored
        target : array-like, shape (n_samples, n_features), optional
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            As in `fit`. A `learning_rate` given as a sequence must have a rate for this pass:
            every pass counts as an epoch. `early_stopping` applies to `fit` only.

        Examples
        --------
        >>> X = np.random.default_rng(0).random((20, 6))
        >>> Autoencoder(2, random_state=0).partial_fit(X[:10]).partial_fit(X[10:]).n_iter_
        2
        """
        settings, fitted = self._settings(), self._is_fitted()
        epoch = self.n_iter_ if fitted else 0
        rates = settings.learning_rate
        if isinstance(rates, tuple):
            rates = rates[: epoch + 1]
        rates = rates_of_epochs(rates, epoch + 1)
        if fitted:
            settings.seed, names = self._seed, vars(self).get("feature_names_in_")
            network, history = self.network_, self.history_
            get_engine(network.engine)  # raises now if it is not installed
            data = checked_data(X, y, target, (network.dtype, names, self.n_features_in_))
        else:
            names, history = feature_names(X), empty_history(False)
            data = checked_data(X, y, target, (settings.dtype, names, None))
            network = _new_network(data.X.shape[1], settings)
            self._accept(settings, names)
        state = State(network.parameters, history, epoch)
        return self._train(network, data, _recipe(settings, rates), state)

    def _settings(self) -> SimpleNamespace:
        """The parameters of the constructor in the form used for computation."""
        given = {name: value for name, value in vars(self).items() if name in PARAMETERS}
        settings = SimpleNamespace(**{name: checked(name, value) for name, value in given.items()})
        # From a copy: `_accept` advances a generator.
        settings.seed = drawn_seed(deepcopy(settings.random_state))
        return settings

    def _accept(self, settings: SimpleNamespace, names: NDArray | None) -> None:
        """Called once nothing can be refused: advance a generator, keep the features' names."""
        drawn_seed(settings.random_state)
        self._keep_feature_names(names)

    def _train(
        self,
        network: Network,
        data: Data,
        recipe: Recipe,
        state: State,
        callbacks: Sequence[Callback] = (),
        observers: Sequence[Observer] = (),
    ) -> Self:
        """Train; however it ends, even by an error or an interrupt, keep the last or best state."""
        rates, seed = recipe.learning_rates, recipe.seed
        if self.verbose:
            observers = [*observers, TrainingDisplay(len(rates), data.X.shape, state)]
        self._keep(state, network_=network, learning_rates_=rates, _seed=seed)
        try:
            with ExitStack() as stack:
                if self.verbose and network.engine == "numba":
                    stack.enter_context(compilation_notice())
                for observer in observers:
                    stack.enter_context(observer)
                for reached in train(network, data.X, recipe, state, *data[1:]):
                    state = reached
                    for observer in observers:
                        observer.update(state)
                    if state.position == 0:
                        self._keep(state)
                        answers = [callback(self) for callback in callbacks]
                        if any(isinstance(one, bool | np.bool_) and one for one in answers):
                            break
        finally:
            self._keep(state, best=recipe.early_stopping is not None)
        return self

    def _keep(self, state: State, *, best: bool = False, **learned: Any) -> None:
        # All at once: an interrupt comes before or after.
        vars(self).update(learned, history_=state.history)
        chosen = state.best_parameters if best else None
        self.network_.parameters = state.parameters if chosen is None else chosen

    # ------------------------------------------------------------------------ the trained model

    @property
    def n_features_in_(self) -> int:
        """Features of the samples."""
        return self.network_.layer_sizes[0]

    @property
    def n_iter_(self) -> int:
        """Completed epochs."""
        return len(self.history_["epoch"])

    @property
    def _code_layer(self) -> int:
        """How many layers make the encoder: up to the narrowest hidden layer."""
        return 1 + int(np.argmin(self.network_.layer_sizes[1:-1]))

    @property
    def code_size_(self) -> int:
        """Units of the code."""
        return self.network_.layer_sizes[self._code_layer]

    @property
    def compression_ratio_(self) -> float:
        """Features per unit of the code."""
        return self.n_features_in_ / self.code_size_

    def encode(self, X: ArrayLike) -> Array:
        """Return the codes of samples.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, code size)

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If X is not numeric, not finite, or does not have `n_features_in_` columns.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.encode(np.eye(6)).shape
        (6, 2)
        """
        return self.network_.propagate(self._samples(X), last=self._code_layer)

    def decode(self, Z: ArrayLike) -> Array:
        """Return the samples that codes represent.

        Parameters
        ----------
        Z : array-like, shape (n_samples, code size)

        Returns
        -------
        array, shape (n_samples, n_features)

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If Z is not numeric, not finite, or does not have `code_size_` columns.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.decode([[0.5, 0.5]]).shape
        (1, 6)
        """
        if feature_names(Z) is not None:
            check_names(Z, self.get_feature_names_out(), "Z")
        Z = checked_samples(Z, "Z", self.network_.dtype, self.code_size_)
        return self.network_.propagate(Z, first=self._code_layer)

    def reconstruct(self, X: ArrayLike) -> Any:
        """Encode samples, and decode their codes.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, n_features)
            Or a data frame: see `set_output`. `predict` always returns an array.

        Raises
        ------
        NotFittedError, TypeError, ValueError, ImportError
            As `transform`.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> np.allclose(ae.reconstruct(np.eye(6)), ae.decode(ae.encode(np.eye(6))))
        True
        """
        return self._contained(self.predict(X), X, self._feature_names())

    def predict(self, X: ArrayLike) -> Array:
        """Return the result of `reconstruct`, always as an array.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        array, shape (n_samples, n_features)

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `encode`.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.predict(np.eye(6)).shape
        (6, 6)
        """
        return self.network_.propagate(self._samples(X))

    def mse(self, X: ArrayLike) -> float:
        """Return the mean squared error of the reconstruction, over all samples and features.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        float

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `encode`.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> np.isclose(ae.mse(np.eye(6)), np.mean((ae.reconstruct(np.eye(6)) - np.eye(6)) ** 2))
        np.True_
        """
        samples = self._samples(X)
        return float(self.network_.squared_errors(samples).sum()) / samples.size

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the negative mean squared error of each sample: low for unusual samples.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)

        Returns
        -------
        float64 array, shape (n_samples,)

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `encode`.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> np.isclose(ae.score_samples(np.eye(6)).mean(), -ae.mse(np.eye(6)))
        np.True_
        """
        samples = self._samples(X)
        # In float64, so that, up to the rounding of outputs, errors do not depend on the number of
        # samples.
        errors = np.subtract(self.network_.propagate(samples), samples, dtype=np.float64)
        return -np.einsum("ij,ij->i", errors, errors) / self.n_features_in_

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the negative `mse`: the higher, the better.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        float

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `encode`.

        Examples
        --------
        >>> ae = Autoencoder(2, epochs=0, random_state=0).fit(np.eye(6))
        >>> ae.score(np.eye(6)) == -ae.mse(np.eye(6))
        True
        """
        return -self.mse(X)

    def _samples(self, X: ArrayLike) -> Array:
        network = self.network_  # raises now if there is none
        check_names(X, vars(self).get("feature_names_in_"), "X")
        return checked_samples(X, "X", network.dtype, self.n_features_in_)

    # ---------------------------------------------------------------------------------- files

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted model to one .npz file, which `load` reads.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If a parameter of the constructor has a value that no file can hold.
        OSError
            If the file cannot be written; an existing file is unchanged.

        Examples
        --------
        >>> import os, tempfile
        >>> ae = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ae.save(os.path.join(folder, "model.npz"))
        ...     again = Autoencoder.load(os.path.join(folder, "model.npz"))
        >>> again.mse(np.eye(6)) == ae.mse(np.eye(6))
        True
        """
        names = vars(self).get("feature_names_in_")
        learned = self.network_, self.history_, self.learning_rates_, self._seed
        stored = StoredModel(*learned, self._kept_parameters(), names, self._chosen_container())
        write_model(path, stored)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read a model that `save` has written.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Autoencoder

        Raises
        ------
        ValueError
            If the file is not such a model.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> import os, tempfile
        >>> ae = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ae.save(os.path.join(folder, "model.npz"))
        ...     again = Autoencoder.load(os.path.join(folder, "model.npz"))
        >>> again.mse(np.eye(6)) == ae.mse(np.eye(6))
        True
        """
        # Files of earlier versions lack the newest settings; a constructor may set some that it
        # does not take.
        lacking = {"validation_fraction", "initial_parameters"}
        needed = [n for n in parameters_of(cls) if n in PARAMETERS and n not in lacking]
        stored = read_model(path, needed, cls._names_of_parameters())
        model = cls._made_of(stored.settings).set_output(transform=stored.container)
        model.network_, model.history_ = stored.network, stored.history
        model.learning_rates_, model._seed = stored.learning_rates, stored.seed
        model._keep_feature_names(stored.feature_names)
        return model


def _split(data: Data, settings: SimpleNamespace) -> Data:
    """Hold out some samples as validation data, with their targets."""
    rows = held_back(len(data.X), settings.validation_fraction, settings.seed)
    X, target = data.X, data.target
    of_rows, of_others = (None, None) if target is None else (target[rows], target[~rows])
    return Data(X[~rows], (X[rows], of_rows), of_others)


def _recipe(
    settings: SimpleNamespace, rates: tuple[float, ...], stopping: EarlyStopping | None = None
) -> Recipe:
    return Recipe(rates, settings.batch_size, settings.shuffle, settings.seed, stopping)


def _new_network(n_features: int, settings: SimpleNamespace) -> Network:
    """Return a network with its initial parameters."""
    sizes = (n_features, *settings.hidden_layer_sizes, n_features)
    check_memory(sizes, settings.dtype, "hidden_layer_sizes")
    mask = bias_mask(settings.bias, sizes)
    architecture = Architecture(sizes, mask, settings.backprop, settings.dtype, settings.engine)
    get_engine(settings.engine)  # raises now if it is not installed
    start = settings.weight_init, settings.seed, settings.initial_parameters
    return Network.of(architecture, initial_parameters(architecture, *start))
