"""Long training runs: when they stop by themselves, what they show, and Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from small_models import X_TEST, X, make, parameters
from train_in_a_process import samples

from ae_numpy import Autoencoder, progress, training
from ae_numpy.storage.checkpoint import read_checkpoint
from ae_numpy.training import EarlyStopping, Recipe, stops_early

# ---------------------------------------------------------------------------------- early stopping


@pytest.mark.parametrize(
    ("errors", "stops"),
    [
        ([], False),
        ([0.5, 0.4, 0.3, 0.2], False),
        ([0.5, 0.4, 0.4, 0.4], True),  # two epochs without improvement
        ([0.5, 0.4, 0.4], False),
        ([0.5, 0.4, 0.6, 0.5], True),  # better than the one before is not better than the best
        ([0.5, 0.4, 0.6, 0.25], False),
        ([0.5, 0.375, 0.375], False),
        ([0.5, 0.45, 0.4], True),  # less than tol below the lowest, which is now 0.4
        ([0.5, 0.45, 0.375], False),  # 0.45 is the lowest, and 0.375 more than 0.0625 below it
    ],
)
@pytest.mark.parametrize("watched", ["val_mse", "train_mse"])
def test_when_a_training_stops(errors, stops, watched):
    recipe = Recipe((0.1,), early_stopping=EarlyStopping(n_iter_no_change=2, tol=0.0625))
    history = {"train_mse": [1.0 / (n + 1) for n in range(len(errors))], watched: errors}
    assert stops_early(recipe, history) is stops
    assert not stops_early(Recipe((0.1,)), history)


def test_without_improvement_a_training_stops_after_so_many_epochs():
    # Without learning nothing improves: the first epoch does, on nothing, and three do not.
    settings = {"learning_rate": 0.0, "epochs": 50, "n_iter_no_change": 3}
    assert make(early_stopping=True, **settings).fit(X).n_iter_ == 4
    assert make(early_stopping=True, **settings).fit(X, validation_data=X_TEST).n_iter_ == 4
    assert make(early_stopping=False, **settings).fit(X).n_iter_ == 50


def test_tol_is_what_counts_as_improvement():
    settings = {"epochs": 20, "early_stopping": True, "n_iter_no_change": 1}
    few, many = (make(tol=tol, **settings).fit(X).n_iter_ for tol in (0.01, 0.0))
    assert few < many


def test_with_validation_data_the_best_epoch_is_kept():
    settings = {"learning_rate": 8.0, "epochs": 30, "n_iter_no_change": 2}
    seen = []
    model = make(early_stopping=True, **settings)
    model.fit(X, validation_data=X_TEST, callbacks=[lambda m: seen.append(parameters(m))])
    errors = model.history_["val_mse"]
    best = int(np.argmin(errors))
    assert best < len(errors) - 1 < 29  # it has stopped, and gone back
    np.testing.assert_array_equal(parameters(model), seen[best])
    assert model.mse(X_TEST) == errors[best]
    # Callbacks saw the parameters of every epoch, those of a training run without early stopping.
    plain = make(**settings | {"epochs": model.n_iter_}).fit(X, validation_data=X_TEST)
    np.testing.assert_array_equal(seen[-1], parameters(plain))


def test_with_validation_data_the_best_epoch_is_kept_when_epochs_run_out_too():
    settings = {"learning_rate": 8.0, "epochs": 3, "early_stopping": True}
    model = make(**settings).fit(X, validation_data=X_TEST)
    assert model.n_iter_ == 3
    assert model.mse(X_TEST) == min(model.history_["val_mse"]) < model.history_["val_mse"][-1]


class EndError(Exception):
    pass


def raising(error, epoch):
    def callback(model):
        if model.n_iter_ == epoch:
            raise error

    return callback


def overshooting(epoch):
    return 8.0 if epoch < 4 else np.finfo(float).max


ENDS = {
    "Ctrl-C": ({}, raising(KeyboardInterrupt, 3), KeyboardInterrupt),
    "an error in a callback": ({}, raising(EndError, 3), EndError),
    "a callback that says so": ({}, lambda model: model.n_iter_ == 3, None),
    "divergence": ({"learning_rate": overshooting}, lambda model: None, FloatingPointError),
}


@pytest.mark.parametrize("end", ENDS)
def test_any_end_keeps_the_best_epoch_and_its_checkpoint_the_last(end, tmp_path):
    changes, callback, error = ENDS[end]
    settings = {"learning_rate": 8.0, "epochs": 9, "early_stopping": True} | changes
    model, seen, path = make(**settings), [], tmp_path / "run.npz"
    data = {"validation_data": X_TEST, "checkpoint": path}
    with nullcontext() if error is None else pytest.raises(error):
        model.fit(X, **data, callbacks=[lambda m: seen.append(parameters(m)), callback])
    errors = model.history_["val_mse"]
    best = int(np.argmin(errors))
    assert best < len(errors) - 1
    np.testing.assert_array_equal(parameters(model), seen[best])
    state = read_checkpoint(path).state
    assert state.epoch == len(errors) == len(seen)
    assert (state.parameters != seen[best]).any()
    if error is not FloatingPointError:
        whole = make(**settings).fit(X, validation_data=X_TEST)
        np.testing.assert_array_equal(
            parameters(make(**settings).fit(X, **data)), parameters(whole)
        )


def test_an_interrupt_within_an_epoch_keeps_the_best_epoch(monkeypatch):
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch_size: 7)
    step, calls = training.train_batches, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 14:  # of four in each epoch
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(training, "train_batches", interrupted)
    model = make(learning_rate=8.0, epochs=9, early_stopping=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, validation_data=X_TEST)
    assert len(model.history_["val_mse"]) == 3
    assert model.mse(X_TEST) == min(model.history_["val_mse"]) < model.history_["val_mse"][-1]


# ----------------------------------------------------------------------- samples that are held back


@pytest.mark.parametrize(
    ("n", "fraction", "expected"),
    [(20, 0.25, 5), (30, 0.1, 3), (10, 0.001, 1), (10, 0.999, 9), (2, 0.5, 1), (7, 0.5, 4)],
)
def test_a_share_of_the_samples_is_held_back(n, fraction, expected):
    rows = training.held_back(n, fraction, seed=3)
    assert (len(rows), rows.sum()) == (n, expected)
    assert (rows == training.held_back(n, fraction, seed=3)).all()
    more = training.held_back(n, (1 + fraction) / 2, seed=3)
    assert (more | ~rows).all()  # the last of one permutation


@pytest.mark.parametrize("target", [None, X[::-1]], ids=["samples", "target"])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_samples_held_back_validate_and_are_not_trained_on(engine, target):
    rows = training.held_back(len(X), 0.25, seed=0)
    settings = {"engine": engine, "early_stopping": True, "learning_rate": 8.0, "epochs": 9}
    if target is None:
        split = {"validation_data": X[rows]}
    else:
        split = {"target": target[~rows], "validation_data": (X[rows], target[rows])}
    expected = make(**settings).fit(X[~rows], **split)
    model = make(**settings, validation_fraction=0.25).fit(X, target=target)
    np.testing.assert_array_equal(parameters(model), parameters(expected))
    assert model.history_["val_mse"] == expected.history_["val_mse"]


def test_samples_are_held_back_by_fit_alone_and_where_nothing_is_given():
    given = make(validation_fraction=0.25).fit(X, validation_data=X_TEST)
    np.testing.assert_array_equal(
        parameters(given), parameters(make().fit(X, validation_data=X_TEST))
    )
    for other in (make(validation_fraction=0.25), make()):
        other.partial_fit(X)
        assert "val_mse" not in other.history_
    with pytest.raises(ValueError, match=r"validation_fraction must be None where X is 1 sample"):
        make(validation_fraction=0.25).fit(X[:1])


@pytest.mark.parametrize("random_state", [0, None])
def test_a_checkpoint_goes_on_with_the_same_samples_held_back(random_state, tmp_path):
    settings = {"validation_fraction": 0.25, "random_state": random_state}
    data = {"X": X, "checkpoint": tmp_path / "run.npz"}
    with pytest.raises(KeyboardInterrupt):
        make(**settings).fit(**data, callbacks=[raising(KeyboardInterrupt, 2)])
    seed = read_checkpoint(tmp_path / "run.npz").seed
    expected = make(**settings | {"random_state": seed}).fit(X)
    model = make(**settings).fit(**data)
    np.testing.assert_array_equal(parameters(model), parameters(expected))
    assert model.history_["val_mse"] == expected.history_["val_mse"]


def test_without_validation_data_the_last_parameters_are_kept():
    model = make(learning_rate=8.0, epochs=30, early_stopping=True, n_iter_no_change=2).fit(X)
    assert model.n_iter_ < 30
    plain = make(learning_rate=8.0, epochs=model.n_iter_).fit(X)
    np.testing.assert_array_equal(parameters(model), parameters(plain))


def test_partial_fit_never_stops():
    model = make(learning_rate=0.0, early_stopping=True, n_iter_no_change=1)
    for _ in range(4):
        model.partial_fit(X)
    assert model.n_iter_ == 4


# -------------------------------------------------------------------------------- what is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch, stream, **settings) -> str:
    """What a training run writes to this standard error stream."""
    monkeypatch.setattr(sys, "stderr", stream)
    make(verbose=1, **settings).fit(X, validation_data=X_TEST)
    monkeypatch.undo()
    return stream.getvalue()


def test_a_terminal_sees_a_bar(monkeypatch):
    pytest.importorskip("tqdm")
    text = shown(monkeypatch, Terminal())
    assert text.count("\r") >= 2
    last = text.strip("\n").split("\r")[-1]
    assert last.startswith("epoch 3/3: 100%|")
    for part in ("gone", "00:00 left", "train mse 0.", "validation mse 0."):
        assert part in last


def test_the_bar_moves_within_an_epoch(monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch_size: 7)
    moves = []
    monkeypatch.setattr(tqdm.tqdm, "update", lambda bar, n: moves.append(n))
    shown(monkeypatch, Terminal(), epochs=1)
    assert moves == pytest.approx([7 / 23, 7 / 23, 7 / 23, 2 / 23, 0.0], abs=1e-12)


def test_a_bar_goes_on_where_the_checkpoint_ends(monkeypatch, tmp_path):
    pytest.importorskip("tqdm")
    path = tmp_path / "run.npz"
    make(epochs=2).fit(X, checkpoint=path)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    make(verbose=1, epochs=4).fit(X, checkpoint=path)
    assert "50%|" in stream.getvalue().split("\r")[1]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_without_a_terminal_or_without_tqdm_there_are_lines(monkeypatch, stream):
    if stream is Terminal:
        monkeypatch.setattr(progress, "bar_class", lambda: None)
    lines = shown(monkeypatch, stream()).splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(", train mse 0." in line and ", validation mse 0." in line for line in lines)


class BrokenPipe(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


class BrokenTerminal(Terminal, BrokenPipe):
    pass


def closed_stream() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream",
    [BrokenPipe(), BrokenTerminal(), closed_stream(), None],
    ids=lambda s: type(s).__name__,
)
def test_a_stream_that_cannot_be_written_does_not_end_a_training(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    threads = threading.active_count()
    assert make(verbose=1).fit(X).n_iter_ == 3
    assert threading.active_count() == threads  # none that would wait for the stream


# ------------------------------------------------------------------------- the end of a process

# An epoch takes a fraction of a second, in the compiled engine, or else in the plain one.
COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
N_SAMPLES = 4000 if COMPILED else 400
LONG = {
    "hidden_layer_sizes": 112,
    "engine": "numba" if COMPILED else "numpy",
    "random_state": 0,
    "epochs": 1000,
}


def start_training(path, settings=LONG, n_samples=N_SAMPLES) -> subprocess.Popen:
    """Start a process; return when it trains."""
    script = Path(__file__).with_name("train_in_a_process.py")
    process = subprocess.Popen(
        [sys.executable, script, path, json.dumps(settings), str(n_samples)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(training.__file__).parents[1])},
    )
    assert process.stdout.readline() == "trains\n"
    return process


def wait_for(condition) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError


def has_begun(path) -> bool:
    """Whether the checkpoint of another process is there, and not of the start."""
    stored = read_checkpoint(path)
    return stored is not None and stored.state.epoch + stored.state.position > 0


def finished(path, epochs: int) -> tuple[Autoencoder, Autoencoder]:
    """The model that continues from the file, and one that was never interrupted."""
    settings = LONG | {"epochs": epochs}
    data = samples(N_SAMPLES)
    resumed = Autoencoder(**settings).fit(data, checkpoint=path)
    return resumed, Autoencoder(**settings).fit(data)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_is_answered_at_once_and_loses_nothing(tmp_path):
    path = tmp_path / "run.npz"
    with start_training(path) as process:
        wait_for(lambda: has_begun(path))
        time.sleep(0.1)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        answered, n_iter, mse = map(float, process.stdout.readline().split())
    assert process.returncode == 0
    # Measured: 0.02 s. A machine that is busy with other things may take longer by far; without
    # chunks it would be the minute, or the hours, that the training has still to go.
    assert answered - sent < 1.0
    assert 0 < mse < 1  # of the interrupted estimator
    state = read_checkpoint(path).state
    assert state.epoch == n_iter
    resumed, whole = finished(path, state.epoch + 1)
    np.testing.assert_array_equal(parameters(resumed), parameters(whole))
    assert resumed.history_["train_mse"] == whole.history_["train_mse"]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows these signals by name only")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_killed_process_goes_on_from_its_last_checkpoint(tmp_path, name):
    path = tmp_path / "run.npz"
    with start_training(path) as process:
        wait_for(lambda: has_begun(path))
        process.send_signal(getattr(signal, name))
    assert process.returncode == -getattr(signal, name)
    epoch = read_checkpoint(path).state.epoch
    resumed, whole = finished(path, epoch + 1)
    np.testing.assert_array_equal(parameters(resumed), parameters(whole))


# --------------------------------------------------------------------------------- large batches


@pytest.mark.parametrize("batch_size", [40, 200])
@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_that_is_long_in_the_making_is_made_in_parts(monkeypatch, batch_size, shuffle):
    """So that Ctrl-C need not wait for a single call of a kernel."""
    data = np.random.default_rng(3).random((100, 6))
    settings = {"batch_size": batch_size, "dtype": "float64", "epochs": 4, "shuffle": shuffle}
    start = parameters(make(dtype="float64", epochs=0).fit(data))
    whole = [make(engine=engine, **settings).fit(data) for engine in ("numpy", "numba")]
    monkeypatch.setattr(
        training, "chunk_size", lambda network, size: max(7 // size, 1) * size
    )  # batches of more than four chunks
    parts = [make(engine=engine, **settings).fit(data) for engine in ("numpy", "numba")]
    for model in (whole[1], *parts):
        difference = parameters(model) - parameters(whole[0])
        # Of the sum of all updates, of which each has a hundred roundings of 1e-16.
        assert np.abs(difference).max() <= 1e-12 * np.abs(parameters(whole[0]) - start).max()
        assert model.history_["train_mse"] == pytest.approx(whole[0].history_["train_mse"], 1e-12)
