"""Checkpoints: an interrupted training run resumes from its file, bit for bit.

A file holds the state of a training run and a description of everything its result depends on. The
run that resumes must have the same description; only the number of epochs may differ, and the
processor, which brings a warning. The file is replaced atomically: at any moment it is either the
old or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ae_numpy.architecture import Architecture, n_parameters
from ae_numpy.reference import Array
from ae_numpy.storage.model_file import HISTORY, RATES
from ae_numpy.storage.npz import Shapes, check_header, expect, read_npz, write_npz
from ae_numpy.training import Recipe, State, chunk_size, empty_history, ends_a_chunk, in_pair
from ae_numpy.validation import PARAMETERS, Rule, integer, level_of_the_caller, number, of, shown

_FORMAT, _VERSION = "ae_numpy checkpoint", 1

# A file is written when this many seconds have passed since the last one, and this many times the
# time that writing it took: saving costs at most 2 % of a training run, even on a slow disk.
_SECONDS_BETWEEN_WRITES = 5.0
_WRITING_PAYS_AFTER = 50

_ROWS_PER_HASH_UPDATE = 4096  # Python handles signals between two updates


def describe(
    network: Architecture,
    parameters: Array,
    X: Array,
    recipe: Recipe,
    validation_data: Array | tuple[Array, Array | None] | None = None,
    target: Array | None = None,
) -> dict[str, Any]:
    """Describe what the bits of a training run depend on, except its learning rates.

    Parameters
    ----------
    network : Architecture
    parameters : array, shape (P,)
        The initial ones.
    X : array, shape (n_samples, n_features)
    recipe : Recipe
    validation_data : array, shape (n_validation, n_features), optional
        A tuple of samples and targets, if these differ.
    target : array, shape (n_samples, n_features), optional

    Returns
    -------
    dict
        JSON-compatible. Arrays are represented by their hashes, under names the user knows.

    Examples
    --------
    >>> network, recipe = Architecture((3, 2, 3), np.ones(5, bool)), Recipe((0.1,), seed=7)
    >>> described = describe(network, np.zeros(17), np.ones((4, 3)), recipe)
    >>> described["layer sizes"], described["seed"], described["validation_data"]
    ([3, 2, 3], 7, None)
    """
    settings = asdict(recipe)
    del settings["learning_rates"]  # only those used so far are compared
    samples, their_target = (None, None) if validation_data is None else in_pair(validation_data)
    targets = {"target": target, "target of validation_data": their_target}
    return {
        "X": _fingerprint(X),
        "validation_data": None if samples is None else _fingerprint(samples),
        **{name: _fingerprint(array) for name, array in targets.items() if array is not None},
        "layer sizes": list(network.layer_sizes),
        "bias": _fingerprint(network.bias_mask),
        "initial parameters": _fingerprint(parameters),
        "backprop": network.backprop,
        "engine": network.engine,
        "dtype": network.dtype.name,
        **settings,
        "samples in a chunk": chunk_size(network, recipe.batch_size),
        # The package that contains this module has been imported before it.
        "version of ae_numpy": sys.modules[__name__.partition(".")[0]].__version__,
        "version of numpy": np.__version__,
        "version of numba": version("numba") if network.engine == "numba" else None,
        "processor": processor(network.engine),
    }


def _fingerprint(array: NDArray) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(array), _ROWS_PER_HASH_UPDATE):
        digest.update(np.ascontiguousarray(array[start : start + _ROWS_PER_HASH_UPDATE]).data)
    return f"{array.dtype} of shape {array.shape}, SHA-256 {digest.hexdigest()[:16]}..."


def processor(engine: str) -> list[str]:
    """Name what computes beside the versions, as far as it can be known.

    Parameters
    ----------
    engine : {"numpy", "numba"}

    Returns
    -------
    list of str
        A name and the features for which code is compiled; or NumPy's, and the kernel of BLAS.

    Examples
    --------
    >>> processor("numba")[0]
    'NUMBA_DISABLE_JIT=0'
    """
    words: list[str] = []
    with suppress(ImportError, AttributeError, LookupError):  # of inner parts and optional packages
        if engine == "numba":
            words += [f"NUMBA_DISABLE_JIT={import_module('numba').config.DISABLE_JIT}"]
            codegen = import_module("numba.core.registry").cpu_target.target_context.codegen()
            words += ",".join(codegen.magic_tuple()[1:]).split(",")  # name and features
        else:
            words += np.show_config("dicts")["SIMD Extensions"].get("found", [])
            libraries = import_module("threadpoolctl").threadpool_info()
            # The first that was loaded: NumPy's.
            words += [f"BLAS {a['architecture']}" for a in libraries if a["user_api"] == "blas"][:1]
    return words


def _samples_of(fingerprint: str) -> int:
    """Return how many samples an array had."""
    found = re.match(r"\w+ of shape \((\d{1,18}),", fingerprint)
    return int(found[1]) if found else 0


# The parts of a state that are not arrays, the rest of a header, and what is read of a description.
_COUNT = integer(0)
_PROGRESS = {"history": HISTORY, "epoch": _COUNT, "position": _COUNT}
_PROGRESS |= {"squared_error": number, "seconds": number}
_HEADER = {**_PROGRESS, "description": Rule("an object", of(dict)), "learning_rates": RATES}
_DESCRIPTION = {
    "layer sizes": PARAMETERS["layer_sizes"],
    "dtype": PARAMETERS["dtype"],
    "seed": _COUNT,
    "batch_size": PARAMETERS["batch_size"],
    "X": Rule("a fingerprint", of(str, _samples_of)),
}


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes
    ----------
    path : Path
        Where it was read from.
    description : dict
        See `describe`.
    learning_rates : list of float
    state : State

    Examples
    --------
    >>> state = State(np.zeros(17), empty_history(False))
    >>> checkpoint = Checkpoint(Path("training.npz"), {"seed": 3}, [0.1], state)
    >>> checkpoint.seed
    3
    """

    path: Path
    description: dict[str, Any]
    learning_rates: list[float]
    state: State

    @property
    def seed(self) -> int:
        """The seed of the training run."""
        return self.description["seed"]

    def state_for(self, description: dict[str, Any], learning_rates: tuple[float, ...]) -> State:
        """Return the state, if it belongs to this training run.

        Parameters
        ----------
        description : dict
            See `describe`.
        learning_rates : tuple of float
            One per epoch.

        Returns
        -------
        State

        Raises
        ------
        ValueError
            If it belongs to another run; the message names what differs.

        Warns
        -----
        UserWarning
            If it was computed by another processor, so that the bits may become others.

        Examples
        --------
        >>> state = State(np.zeros(17), empty_history(False))
        >>> checkpoint = Checkpoint(Path("training.npz"), {"seed": 3}, [0.1], state)
        >>> checkpoint.state_for({"seed": 4}, (0.1,))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: checkpoint training.npz belongs to another training: seed is 4 here and 3...
        """
        # As JSON returns them: a tuple becomes a list.
        given = json.loads(json.dumps(description))
        names = dict.fromkeys((*given, *self.description))
        differences = [
            f"{name:.60} is {shown(given.get(name))} here and "
            f"{shown(self.description.get(name))} there"
            for name in names
            if name != "processor" and given.get(name) != self.description.get(name)
        ]
        differences += self._differences_in_rates(learning_rates)
        if differences:
            raise ValueError(
                f"checkpoint {self.path} belongs to another training: {'; '.join(differences)}. "
                "Repeat the call it was made by, or name another file to start afresh."
            )
        here, there = given.get("processor"), self.description.get("processor")
        # Files of earlier versions do not say.
        if isinstance(there, list) and here and here != there:
            ours = shown([word for word in here if word not in there])
            theirs = shown([word for word in there if word not in here])
            warnings.warn(
                f"checkpoint {self.path} is of another processor, {ours} here and {theirs} there: "
                "the last bits may differ from those of a training that was never interrupted",
                stacklevel=level_of_the_caller(),
            )
        return self.state

    def _differences_in_rates(self, learning_rates: tuple[float, ...]) -> list[str]:
        """Compare the rates of the epochs that have begun, and how many epochs there are."""
        begun = self.state.epoch + (self.state.position > 0)
        if begun > len(learning_rates):
            return [f"epochs is {len(learning_rates)} here and epoch {begun} has begun there"]
        rates = zip(learning_rates, self.learning_rates[:begun], strict=False)
        return [
            f"learning_rate of epoch {epoch} is {here!r} here and {there!r} there"
            for epoch, (here, there) in enumerate(rates, 1)
            if here != there
        ][:1]


def read_checkpoint(path: str | os.PathLike) -> Checkpoint | None:
    """Read a checkpoint file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Checkpoint, or None if there is no such file

    Raises
    ------
    ValueError
        If the file is not a checkpoint.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> read_checkpoint("no such file") is None
    True
    """
    path = Path(path)
    if not path.exists():
        return None
    header, arrays = read_npz(path, _FORMAT, _VERSION, _shapes)
    progress = {name: header[name] for name in _PROGRESS}
    state = State(arrays["parameters"], best_parameters=arrays.get("best_parameters"), **progress)
    return Checkpoint(path, header["description"], header["learning_rates"], state)


def _shapes(header: dict[str, Any]) -> Shapes:
    """Check a header, and return the dtype and shape of the arrays that belong to it."""
    check_header(header, _HEADER)
    description = header["description"]
    sizes, dtype, *_ = (rule(description.get(name), name) for name, rule in _DESCRIPTION.items())
    with_validation = description.get("validation_data") is not None
    _check_progress(header, Architecture(sizes, np.ones(0, bool)), with_validation)
    has_best = with_validation and header["epoch"] > 0
    names = ("parameters", "best_parameters") if has_best else ("parameters",)
    return dict.fromkeys(names, (dtype, (n_parameters(sizes),)))


def _check_progress(header: dict[str, Any], network: Architecture, with_validation: bool) -> None:
    """Refuse states that no training run can reach."""
    epoch, position, description = header["epoch"], header["position"], header["description"]
    columns, history = list(empty_history(with_validation)), header["history"]
    is_whole = list(history) == columns and len(history["epoch"]) == epoch
    expect(is_whole, f"history must be {columns} with {epoch} numbers each", shown(history))
    begun, rates = epoch + (position > 0), header["learning_rates"]
    expect(len(rates) >= begun, f"learning_rates must cover each of {begun} epochs", shown(rates))
    n = _samples_of(description["X"])
    is_end = ends_a_chunk(position, network, description["batch_size"], n)
    expect(is_end, f"position must be the end of one of the chunks of {n} samples", position)


class CheckpointWriter:
    """Writes the states of a training run to a file, from time to time and on leaving the block.

    Parameters
    ----------
    path : str or path
    description : dict
        See `describe`.
    learning_rates : tuple of float
    state : State
        The first one. It is written at once, so that a path that cannot be written to is reported
        before training starts.

    Raises
    ------
    OSError
        If the file cannot be written. During training this is only a warning, because the next
        attempt may succeed; at the end it is an error again.

    Examples
    --------
    >>> import os, tempfile
    >>> network, recipe = Architecture((3, 2, 3), np.ones(5, bool)), Recipe((0.1, 0.1))
    >>> start = State(np.zeros(17), empty_history(False))
    >>> training = describe(network, start.parameters, np.ones((4, 3)), recipe), (0.1, 0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "training.npz")
    ...     with CheckpointWriter(path, *training, start) as writer:
    ...         writer.update(State(np.ones(17), empty_history(False), position=4))
    ...     read_checkpoint(path).state.position
    4
    """

    def __init__(
        self,
        path: str | os.PathLike,
        description: dict[str, Any],
        learning_rates: tuple[float, ...],
        state: State,
    ) -> None:
        self._path = Path(path)
        self._training = {"description": description, "learning_rates": learning_rates}
        self._state = state
        self._written: State | None = None
        self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if kind is None:
            self._write()
        else:  # the caller should see what ended the training run
            self._write_or_warn()

    def update(self, state: State) -> None:
        """Receive the next state, and write it if it is time to.

        Parameters
        ----------
        state : State
        """
        self._state = state
        if time.monotonic() >= self._next_write:
            self._write_or_warn()

    def _write(self) -> None:
        """Write the last state, unless it is already written."""
        state = self._state
        if state is self._written:
            return
        started = time.monotonic()
        try:
            _write_state(self._path, self._training, state)
            self._written = state
        finally:
            now = time.monotonic()
            pause = max(_SECONDS_BETWEEN_WRITES, _WRITING_PAYS_AFTER * (now - started))
            self._next_write = now + pause

    def _write_or_warn(self) -> None:
        try:
            self._write()
        except OSError as error:
            warnings.warn(
                f"the checkpoint {self._path} could not be written: {error}",
                RuntimeWarning,
                stacklevel=level_of_the_caller(),
            )


def _write_state(path: Path, training: dict[str, Any], state: State) -> None:
    header = training | {name: getattr(state, name) for name in _PROGRESS}
    arrays = {"parameters": state.parameters}
    if state.best_parameters is not None:
        arrays["best_parameters"] = state.best_parameters
    write_npz(path, _FORMAT, _VERSION, header, arrays)
