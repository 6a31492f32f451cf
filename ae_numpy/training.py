"""Stochastic gradient descent: the order of samples, the batches, and the state kept along the way.

Training is a sequence of states. `train` yields one after every few chunks of samples, so that
Python regains control every few hundredths of a second; a state never changes once it is made. So a
caller can stop or be interrupted anywhere and still hold everything needed to resume, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ae_numpy.architecture import Architecture
from ae_numpy.engine import get_engine
from ae_numpy.network import Network
from ae_numpy.reference import Array

History = dict[str, list]
ValidationData = Array | tuple[Array, Array | None]
Steps = Callable[[Array, NDArray, float], tuple[Array, Array]]

# How much work a chunk is, in multiply-adds: about 20 ms on one core. Counted in operations rather
# than seconds, because where a chunk ends decides the last bits of the result.
_CHUNK_WORK = 500_000_000
_WORK_PER_UNIT = 60  # a sigmoid and its derivative, in multiply-adds
# A call of the engine is this many chunks, because all weights are copied between two calls: 1 to
# 4 % of the time. Batches below 16 move all weights for a few samples; there a chunk takes up to
# 0.1 s, and is a call of its own, because Ctrl-C waits for the end of a call. A batch of more
# chunks is left to the plain twin.
_FAST_BATCH = 16
_CHUNKS_IN_A_CALL = 4


@dataclass(frozen=True)
class EarlyStopping:
    """When a training run ends before its last epoch.

    The rule is that of scikit-learn's `MLPRegressor`; Prechelt, Early stopping - but when?, 1998,
    compares others.

    Attributes
    ----------
    n_iter_no_change : int
        Training ends after this many epochs in a row without improvement.
    tol : float
        How far below the lowest error so far an error must be to count as an improvement.

    Examples
    --------
    >>> stopping = EarlyStopping(n_iter_no_change=2, tol=0.01)
    >>> recipe = Recipe(learning_rates=(0.1,) * 9, early_stopping=stopping)
    >>> stops_early(recipe, {"train_mse": [0.5, 0.4, 0.395, 0.392]})
    True
    """

    n_iter_no_change: int
    tol: float


@dataclass(frozen=True)
class Recipe:
    """How to train: everything the result depends on besides network and data.

    Attributes
    ----------
    learning_rates : tuple of float
        One per epoch; their number is the number of epochs.
    batch_size : int
    shuffle : bool
        Whether every epoch has a new order.
    seed : int
        Decides the orders.
    early_stopping : EarlyStopping, optional

    Examples
    --------
    >>> recipe = Recipe(learning_rates=(0.1, 0.1, 0.05), batch_size=32)
    >>> len(recipe.learning_rates), recipe.shuffle
    (3, True)
    """

    learning_rates: tuple[float, ...]
    batch_size: int = 1
    shuffle: bool = True
    seed: int = 0
    early_stopping: EarlyStopping | None = None


@dataclass(frozen=True)
class State:
    """The state of a training run at the end of a chunk.

    Attributes
    ----------
    parameters : array, shape (P,)
    history : dict of lists
        ``epoch``, ``train_mse``, ``seconds``, and ``val_mse`` if there is validation data: one
        entry per completed epoch.
    epoch : int
        Completed epochs.
    position : int
        Samples of the current epoch that have been trained on.
    squared_error : float
        The sum over these samples, each before its step.
    seconds : float
        Wall-clock time spent on them.
    best_parameters : array, shape (P,), optional
        Those after the epoch with the lowest ``val_mse`` so far.

    Examples
    --------
    >>> start = State(np.zeros(17), history=empty_history(with_validation=False))
    >>> start.epoch, start.position
    (0, 0)
    """

    parameters: Array
    history: History
    epoch: int = 0
    position: int = 0
    squared_error: float = 0.0
    seconds: float = 0.0
    best_parameters: Array | None = None


def train(
    network: Architecture,
    X: Array,
    recipe: Recipe,
    state: State,
    validation_data: ValidationData | None = None,
    target: Array | None = None,
) -> Iterator[State]:
    """Train a network to reproduce its target; yield states at ends of chunks and of epochs.

    This is stochastic gradient descent (Robbins and Monro, A stochastic approximation method,
    1951), whose step `train_batches` takes.

    Parameters
    ----------
    network : Architecture
    X : array, shape (n_samples, n_features)
        Of the network's dtype.
    recipe : Recipe
    state : State
        Where to start or resume.
    validation_data : array, shape (n_validation, n_features), optional
        Its mean squared error is computed at the end of every epoch. A tuple of samples and what
        their outputs are compared with, if that is not the samples themselves.
    target : array, shape (n_samples, n_features), optional
        What the outputs are compared with: X unless given.

    Yields
    ------
    State

    Raises
    ------
    FloatingPointError
        When an error or a parameter is not finite. The state before it has been yielded.

    Examples
    --------
    >>> network, X = Network((3, 2, 3)), np.ones((4, 3))
    >>> recipe = Recipe(learning_rates=(0.5, 0.5), batch_size=2)
    >>> *_, last = train(network, X, recipe, State(network.parameters, empty_history(False)))
    >>> first_mse, second_mse = last.history["train_mse"]
    >>> last.epoch, second_mse < first_mse
    (2, True)
    """
    step_through = _bound_steps(network, X, target, recipe.batch_size)
    chunk, at_once = (size(network, recipe.batch_size) for size in (chunk_size, call_size))
    while state.epoch < len(recipe.learning_rates) and not stops_early(recipe, state.history):
        order = epoch_order(len(X), state.epoch, recipe)
        while state.position < len(X):
            rows = order[state.position : state.position + at_once]
            state = _after_call(step_through, rows, recipe, chunk, state)
            yield state
        state = _after_epoch(network, X, validation_data, state)
        yield state


def _bound_steps(network: Architecture, X: Array, target: Array | None, batch_size: int) -> Steps:
    """Return the engine's `train_batches` for this network, these samples and their targets.

    Its remaining arguments are the parameters to start from, the rows to train on, and the rate. A
    batch too large for one kernel call is left to the plain twin, whatever the engine.
    """
    memory: tuple = ()
    step = train_batches
    if network.engine == "numba" and batch_size <= _CHUNKS_IN_A_CALL * chunk_size(network, 1):
        kernels = get_engine("numba")
        X, target = kernels.prepare(X), None if target is None else kernels.prepare(target)
        memory = kernels.new_memory(network, X, batch_size), chunk_size(network, batch_size)
        step = kernels.train_batches
    return lambda flat, rows, rate: step(network, flat, X, rows, batch_size, rate, target, *memory)


def _after_call(
    step_through: Steps, rows: NDArray, recipe: Recipe, chunk: int, state: State
) -> State:
    """Train on these rows."""
    started = time.perf_counter()
    rate = recipe.learning_rates[state.epoch]
    parameters, squared_errors = step_through(state.parameters, rows, rate)
    finite = np.isfinite(squared_errors)
    if not (finite.all() and np.isfinite(parameters).all()):
        sample = rows[-1] if finite.all() else rows[np.argmin(finite)]
        raise FloatingPointError(
            f"training diverged in epoch {state.epoch + 1} at sample {sample}: not all errors "
            f"and parameters are finite. Try a learning_rate below {rate:g}."
        )
    total = state.squared_error
    for start in range(0, len(rows), chunk):  # the same bits wherever a call began
        total += float(squared_errors[start : start + chunk].sum(dtype=np.float64))
    return replace(
        state,
        parameters=parameters,
        position=state.position + len(rows),
        squared_error=total,
        seconds=state.seconds + time.perf_counter() - started,
    )


def _after_epoch(
    network: Architecture, X: Array, validation_data: ValidationData | None, state: State
) -> State:
    """Evaluate, and record the epoch in the history."""
    started = time.perf_counter()
    entry = {"epoch": state.epoch + 1, "train_mse": state.squared_error / X.size}
    if validation_data is not None:
        samples, target = in_pair(validation_data)
        errors = Network.of(network, state.parameters).squared_errors(samples, target=target)
        entry["val_mse"] = float(errors.sum()) / samples.size
    entry["seconds"] = state.seconds + time.perf_counter() - started
    best = state.best_parameters
    if "val_mse" in entry and entry["val_mse"] < min(state.history.get("val_mse") or [np.inf]):
        best = state.parameters
    history = {key: [*values, entry.get(key, np.nan)] for key, values in state.history.items()}
    return State(state.parameters, history, epoch=state.epoch + 1, best_parameters=best)


def in_pair(validation_data: ValidationData) -> tuple[Array, Array | None]:
    """Return samples and their targets, None if these are the samples themselves.

    Parameters
    ----------
    validation_data : array, shape (n_validation, n_features), or a tuple of two

    Returns
    -------
    samples : array, shape (n_validation, n_features)
    target : array, shape (n_validation, n_features), or None

    Examples
    --------
    >>> samples, target = in_pair(np.ones((2, 3)))
    >>> samples.shape, target is None
    ((2, 3), True)
    """
    return validation_data if isinstance(validation_data, tuple) else (validation_data, None)


def stops_early(recipe: Recipe, history: History) -> bool:
    """Return whether the last epochs have improved too little: see `EarlyStopping`.

    Parameters
    ----------
    recipe : Recipe
    history : dict of lists
        ``val_mse`` counts if present, ``train_mse`` otherwise.

    Returns
    -------
    bool
        False if the recipe has no early stopping.

    Examples
    --------
    >>> stops_early(Recipe(learning_rates=(0.1,)), {"train_mse": [0.5, 0.5, 0.5]})
    False
    """
    if recipe.early_stopping is None:
        return False
    lowest, waited = np.inf, 0
    for error in history.get("val_mse", history["train_mse"]):
        waited = 0 if error <= lowest - recipe.early_stopping.tol else waited + 1
        lowest = min(lowest, error)
    return waited >= recipe.early_stopping.n_iter_no_change


def empty_history(with_validation: bool) -> History:
    """Return the history of a training run before its first epoch.

    Parameters
    ----------
    with_validation : bool
        Whether there will be a ``val_mse``.

    Returns
    -------
    dict of lists

    Examples
    --------
    >>> empty_history(with_validation=True)
    {'epoch': [], 'train_mse': [], 'val_mse': [], 'seconds': []}
    """
    keys = ("epoch", "train_mse", *(("val_mse",) if with_validation else ()), "seconds")
    return {key: [] for key in keys}


def train_batches(
    network: Architecture,
    parameters: Array,
    X: Array,
    rows: NDArray,
    batch_size: int,
    rate: float,
    target: Array | None = None,
) -> tuple[Array, Array]:
    """Take a gradient step after each batch: ``parameters -= rate * gradient``.

    The rule of Rumelhart, Hinton and Williams, Nature 323 (1986) 533-536, equation 8.

    Parameters
    ----------
    network : Architecture
    parameters : array, shape (P,)
        Where to start; not changed.
    X : array, shape (n_samples, n_features)
    rows : int array, shape (n,)
        The rows of X to train on, in this order.
    batch_size : int
        How many of them make a batch; the last one may be shorter.
    rate : float
        Learning rate.
    target : array, shape (n_samples, units of the last layer), optional
        What the output is compared with: X unless given.

    Returns
    -------
    parameters : array, shape (P,)
    squared_errors : array, shape (n,)
        Squared error of each sample, summed over its features, before the step taken on it.

    Examples
    --------
    >>> network, X = Network((2, 1, 2)), np.array([[1.0, 0.0]])
    >>> parameters, errors = train_batches(network, network.parameters, X, np.array([0]), 1, 0.5)
    >>> network.as_dict(parameters)["b1"], errors
    (array([ 0.0625, -0.0625]), array([0.5]))
    """
    network = Network.of(network, parameters.copy())
    target = X if target is None else target
    squared_errors = np.empty(len(rows), parameters.dtype)
    # Divergence is reported once, by the caller, which checks the errors. What is too small for the
    # dtype is 0.
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start in range(0, len(rows), batch_size):
            batch = slice(start, start + batch_size)
            gradient, squared_errors[batch] = _batch_gradient(network, X, target, rows[batch])
            network.parameters -= parameters.dtype.type(rate) * gradient
    return network.parameters, squared_errors


def _batch_gradient(
    network: Network, X: Array, target: Array, batch: NDArray
) -> tuple[Array, Array]:
    """Return the gradient of a batch, and the squared error of each of its samples."""
    at_once = chunk_size(network, 1)
    if len(batch) > at_once:  # a mean over parts: the parts' means, weighted by their sizes
        gradient = np.zeros_like(network.parameters)
        errors = np.empty(len(batch), gradient.dtype)
        for start in range(0, len(batch), at_once):
            part = slice(start, start + at_once)
            share = gradient.dtype.type(len(batch[part]) / len(batch))
            of_part, errors[part] = _batch_gradient(network, X, target, batch[part])
            gradient += share * of_part
        return gradient, errors
    x = X[batch]  # (B, I)
    targets = x if target is X else target[batch]  # (B, O)
    activations = network.forward(x)
    squared_errors = get_engine(network.engine).squared_errors(activations[-1], targets)
    return network.backward(activations, targets), squared_errors


def epoch_order(n_samples: int, epoch: int, recipe: Recipe) -> NDArray[np.int64]:
    """Return the order of the samples in one epoch.

    It depends only on the seed and the epoch, so that a resumed training run continues in the same
    order, and two models with the same seed see the samples in the same order.

    Parameters
    ----------
    n_samples : int
    epoch : int
        Counted from 0.
    recipe : Recipe
        Its `seed` and `shuffle`.

    Returns
    -------
    int64 array, shape (n_samples,)

    Examples
    --------
    >>> epoch_order(4, 0, Recipe(learning_rates=(0.1,), shuffle=False))
    array([0, 1, 2, 3])
    """
    if not recipe.shuffle:
        return np.arange(n_samples)
    sequence = np.random.SeedSequence(recipe.seed, spawn_key=(1, epoch))
    return np.random.default_rng(sequence).permutation(n_samples)


def held_back(n_samples: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return which samples are held out for validation: the last of a permutation.

    Parameters
    ----------
    n_samples : int
    fraction : float
        How many, as a share of all, to the nearest number; at least one, and not all.
    seed : int
        Decides the permutation.

    Returns
    -------
    bool array, shape (n_samples,)

    Raises
    ------
    ValueError
        If there is a single sample.

    Examples
    --------
    >>> int(held_back(20, 0.25, seed=0).sum())
    5
    """
    if n_samples < 2:
        raise ValueError(f"validation_fraction must be None where X is 1 sample, got {fraction}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    n_held_back = min(max(round(fraction * n_samples), 1), n_samples - 1)
    return rng.permutation(n_samples).argsort() >= n_samples - n_held_back


def chunk_size(network: Architecture, batch_size: int) -> int:
    """Return how many samples make a chunk: whole batches, at least one.

    Parameters
    ----------
    network : Architecture
    batch_size : int

    Returns
    -------
    int

    Examples
    --------
    >>> chunk_size(Network((784, 28, 784)), batch_size=32) % 32
    0
    """
    sizes = network.layer_sizes
    work = 3 * network.n_parameters + _WORK_PER_UNIT * sum(sizes[1:])
    return max(1, _CHUNK_WORK // work // batch_size) * batch_size


def call_size(network: Architecture, batch_size: int) -> int:
    """Return how many samples an engine trains on in one call: whole chunks, at least one.

    Parameters
    ----------
    network : Architecture
    batch_size : int

    Returns
    -------
    int

    Examples
    --------
    >>> network = Network((784, 28, 784))
    >>> [call_size(network, B) // chunk_size(network, B) for B in (1, 32, 8192)]
    [1, 4, 1]
    """
    chunk = chunk_size(network, batch_size)
    if batch_size < _FAST_BATCH:
        return chunk
    return max(1, _CHUNKS_IN_A_CALL * chunk_size(network, 1) // chunk) * chunk


def ends_a_chunk(position: int, network: Architecture, batch_size: int, n_samples: int) -> bool:
    """Return whether a state can have this position.

    Parameters
    ----------
    position : int
        Samples of an epoch that have been trained on.
    network : Architecture
    batch_size : int
    n_samples : int

    Returns
    -------
    bool

    Examples
    --------
    >>> network = Network((784, 28, 784))
    >>> [ends_a_chunk(k, network, 32, 60_000) for k in (0, 7, chunk_size(network, 32), 60_000)]
    [True, False, True, True]
    """
    starts = range(0, n_samples, chunk_size(network, batch_size))
    return position == n_samples or position in starts
