"""Checkpoints: whatever ends a training run, the next call continues it exactly, or says why."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from math import inf, nan

import numpy as np
import pytest
from small_models import X_TEST, X, make

import ae_numpy
from ae_numpy import kernels, training
from ae_numpy.storage import checkpoint
from ae_numpy.storage.checkpoint import read_checkpoint

ENGINES = ("numpy", "numba")


def assert_same_model(model, other) -> None:
    """Equal to the bit, but for the time they took."""
    np.testing.assert_array_equal(model.network_.parameters, other.network_.parameters)
    assert model.history_.keys() == other.history_.keys()
    for key in model.history_.keys() - {"seconds"}:
        assert model.history_[key] == other.history_[key], key
    assert model.learning_rates_ == other.learning_rates_


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of about seven samples: an epoch of 23 has four, or fewer of larger batches."""
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch: max(7 // batch, 1) * batch)


def interrupt(monkeypatch, engine, k, error=KeyboardInterrupt):
    """Let the k-th training step from now on raise an error instead of doing its work."""
    module = {"numpy": training, "numba": kernels}[engine]
    step, calls = module.train_batches, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == k:
            raise error
        return step(*args)

    monkeypatch.setattr(module, "train_batches", interrupted)


def train_in_part(monkeypatch, path, k, X=X, **settings):
    """Train up to the k-th chunk, and interrupt there."""
    model = make(**settings)
    with monkeypatch.context() as patch:
        interrupt(patch, model.engine, k)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, validation_data=X_TEST, checkpoint=path)
    return model


# --------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("k", range(1, 13))
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_call_goes_on_from_any_chunk(monkeypatch, path, engine, shuffle, k):
    settings = {"engine": engine, "shuffle": shuffle}
    part = train_in_part(monkeypatch, path, k, **settings)
    assert part.n_iter_ == (k - 1) // 4
    assert read_checkpoint(path).state.position == 7 * ((k - 1) % 4)
    whole = make(**settings).fit(X, validation_data=X_TEST)
    assert_same_model(part.fit(X, validation_data=X_TEST, checkpoint=path), whole)


@pytest.mark.parametrize("batch_size", [3, 23])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_interruptions_change_nothing(monkeypatch, path, batch_size, dtype):
    settings = {"batch_size": batch_size, "dtype": dtype, "epochs": 5}
    settings["hidden_layer_sizes"] = (4, 2, 4)
    for _ in range(3):
        train_in_part(monkeypatch, path, 2, **settings)
    model = make(**settings).fit(X, validation_data=X_TEST, checkpoint=path)
    assert_same_model(model, make(**settings).fit(X, validation_data=X_TEST))


@pytest.mark.parametrize("k", [1, 3, 6, None])
@pytest.mark.parametrize("shuffle", [True, False])
def test_more_epochs_than_before(monkeypatch, path, shuffle, k):
    if k is None:
        make(shuffle=shuffle, epochs=2).fit(X, checkpoint=path, validation_data=X_TEST)
    else:
        train_in_part(monkeypatch, path, k, shuffle=shuffle, epochs=2)
    model = make(shuffle=shuffle, epochs=5).fit(X, checkpoint=path, validation_data=X_TEST)
    whole = make(shuffle=shuffle, epochs=5).fit(X, validation_data=X_TEST)
    assert_same_model(model, whole)
    assert len(model.learning_rates_) == 5


def test_rates_of_epochs_to_come_may_be_others(path):
    make(epochs=2, learning_rate=[0.5, 0.25]).fit(X, checkpoint=path)
    rates = [0.5, 0.25, 0.125]
    model = make(learning_rate=rates).fit(X, checkpoint=path)
    assert_same_model(model, make(learning_rate=rates).fit(X))


def test_no_epochs_are_a_start(path):
    assert_same_model(make(epochs=0).fit(X, checkpoint=path), make(epochs=0).fit(X))
    assert_same_model(make().fit(X, checkpoint=path), make().fit(X))


def test_a_completed_training_is_not_repeated(monkeypatch, path):
    whole = make().fit(X, checkpoint=path)
    interrupt(monkeypatch, "numpy", 1, AssertionError("trained again"))
    again = make().fit(X, checkpoint=path)
    assert_same_model(again, whole)
    assert again.history_ == whole.history_  # the seconds too


def test_without_a_seed_that_of_the_checkpoint_counts(monkeypatch, path):
    train_in_part(monkeypatch, path, 6, random_state=None)
    seed = read_checkpoint(path).seed
    model = make(random_state=None).fit(X, validation_data=X_TEST, checkpoint=path)
    assert_same_model(model, make(random_state=seed).fit(X, validation_data=X_TEST))


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_a_generator_need_not_be_where_it_was(monkeypatch, path, kind):
    """A notebook cell is run again: the seed is the file's."""
    rng, same = kind(5), kind(5)
    train_in_part(monkeypatch, path, 6, random_state=rng)
    model = make(random_state=rng).fit(X, validation_data=X_TEST, checkpoint=path)
    assert_same_model(model, make(random_state=same).fit(X, validation_data=X_TEST))
    same.random()
    assert_same_model(
        make(random_state=same).fit(X, validation_data=X_TEST, checkpoint=path), model
    )


def test_a_training_that_a_callback_has_ended_goes_on(path):
    make().fit(X, checkpoint=path, callbacks=[lambda model: model.n_iter_ == 1])
    seen = []
    model = make().fit(X, checkpoint=path, callbacks=[lambda model: seen.append(model.n_iter_)])
    assert seen == [2, 3]
    assert_same_model(model, make().fit(X))


@pytest.mark.parametrize("error", [FloatingPointError, MemoryError])
def test_any_error_leaves_a_checkpoint(monkeypatch, path, error):
    with monkeypatch.context() as patch:
        interrupt(patch, "numpy", 6, error)
        with pytest.raises(error):
            make().fit(X, checkpoint=path)
    state = read_checkpoint(path).state
    assert (state.epoch, state.position) == (1, 7)
    assert_same_model(make().fit(X, checkpoint=path), make().fit(X))


def test_an_error_of_a_callback_leaves_a_checkpoint(path):
    with pytest.raises(ZeroDivisionError):
        make().fit(X, checkpoint=path, callbacks=[lambda model: 1 // 0])
    assert read_checkpoint(path).state.epoch == 1


@pytest.mark.parametrize("k", [1, 3, 6, 11, None])
def test_early_stopping_goes_on_with_the_best_parameters(monkeypatch, path, k):
    # The rate is so large that the error falls and rises.
    settings = {"early_stopping": True, "n_iter_no_change": 2, "learning_rate": 8.0, "epochs": 30}
    whole = make(**settings).fit(X, validation_data=X_TEST)
    assert 2 < whole.n_iter_ < 30
    if k is None:
        make(**settings).fit(X, validation_data=X_TEST, checkpoint=path)
        interrupt(monkeypatch, "numpy", 1, AssertionError("trained again"))
    else:
        train_in_part(monkeypatch, path, k, **settings)
    again = make(**settings).fit(X, validation_data=X_TEST, checkpoint=path)
    assert_same_model(again, whole)
    assert again.mse(X_TEST) == min(again.history_["val_mse"])


def test_names_of_features_are_those_of_the_call(monkeypatch, path):
    train_in_part(monkeypatch, path, 6)
    model = make().fit(X, validation_data=X_TEST, checkpoint=str(path))
    assert not hasattr(model, "feature_names_in_")
    assert "checkpoint" not in vars(model)


# ------------------------------------------------------------------------------ another processor


@pytest.mark.parametrize("engine", ENGINES)
def test_a_checkpoint_of_another_processor_goes_on_with_one_warning(monkeypatch, path, engine):
    there, here = ["z80", "+adx", "+sse2"], ["z80", "+adx", "+avx2"]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "processor", lambda engine: there)
        train_in_part(patch, path, 7, engine=engine)
    monkeypatch.setattr(checkpoint, "processor", lambda engine: here)
    message = r"\['\+avx2'\] here and \['\+sse2'\] there: the last bits may differ"
    with pytest.warns(UserWarning, match=message) as caught:
        model = make(engine=engine).fit(X, validation_data=X_TEST, checkpoint=path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.n_iter_ == 3


def test_a_long_list_of_features_is_named_in_few_letters():
    state = training.State(np.zeros(17), training.empty_history(False))
    there = {"processor": [f"+feature{i}" for i in range(999)]}
    with pytest.warns(UserWarning, match="another processor") as caught:
        checkpoint.Checkpoint("run.npz", there, [], state).state_for({"processor": ["-"]}, ())
    assert len(str(caught[0].message)) < 400


@pytest.mark.parametrize("junk", [None, 5, {"CPU": 1}, "z80"])
def test_a_processor_that_no_writer_has_named_is_unknown(junk):
    state = training.State(np.zeros(17), training.empty_history(False))
    stored = checkpoint.Checkpoint("run.npz", {"processor": junk}, [], state)
    assert stored.state_for({"processor": ["z80"]}, ()) is state


TRAIN = """
import sys, warnings
from ae_numpy import Autoencoder
import numpy as np
X = np.random.default_rng(0).random((9, 6))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    Autoencoder(3, epochs=1, random_state=0, engine=sys.argv[2]).fit(X, checkpoint=sys.argv[1])
print(*(warning.message for warning in caught), "numba" in sys.modules, sep="\\n")
"""


def train_elsewhere(path, engine, **environment):
    command = [sys.executable, "-c", TRAIN, str(path), engine]
    environment = os.environ | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("engine", "there", "here", "message"),
    [
        ("numba", "NUMBA_DISABLE_JIT=1", "NUMBA_DISABLE_JIT=0", "'NUMBA_DISABLE_JIT=0'"),
        ("numba", "NUMBA_DISABLE_JIT=1 NUMBA_CPU_NAME=nehalem", "NUMBA_DISABLE_JIT=1", "'nehalem'"),
        (
            "numpy",
            "OPENBLAS_CORETYPE=Nehalem",
            "OPENBLAS_CORETYPE=Sandybridge",
            "BLAS Neh",
        ),
    ],
)
def test_settings_of_the_real_processor_are_noticed(path, engine, there, here, message):
    there, here = (dict(word.split("=") for word in words.split()) for words in (there, here))
    if engine == "numpy":
        pytest.importorskip("threadpoolctl")
        if "BLAS" not in str(checkpoint.processor("numpy")) or platform.machine() not in (
            "x86_64",
            "AMD64",
        ):
            pytest.skip("a BLAS that does not tell its kernel, or has none of these")
    first = train_elsewhere(path, engine, **there).stdout.split("\n")
    assert not any("processor" in line for line in first)
    again = train_elsewhere(path, engine, **there).stdout.split("\n")
    assert not any("processor" in line for line in again)
    *said, has_numba = train_elsewhere(path, engine, **here).stdout.strip().split("\n")
    (warned,) = (line for line in said if "processor" in line)
    assert message in warned
    assert has_numba == str(engine == "numba")


# ----------------------------------------------------------------------------------------- refused

# What changes; what the message calls it, here and there.
OTHERS = {
    "data": ({}, X[::-1], X_TEST, "X is .*SHA-256 .* here and .*SHA-256 .* there"),
    "number of samples": ({}, X[:20], X_TEST, r"X is .*\(20, 6\).* here and .*\(23, 6\).* there"),
    "validation data": ({}, X, X_TEST[:5], r"validation_data is .*\(5, 6\)"),
    "no validation data": ({}, X, None, "validation_data is None here"),
    "layers": ({"hidden_layer_sizes": 2}, X, X_TEST, r"layer sizes is \[6, 2, 6\] here"),
    "bias": ({"bias": False}, X, X_TEST, "bias is"),
    "batch_size": ({"batch_size": 2}, X, X_TEST, "batch_size is 2 here and 1 there"),
    "shuffle": ({"shuffle": False}, X, X_TEST, "shuffle is False here and True there"),
    "seed": ({"random_state": 1}, X, X_TEST, "seed is 1 here and 0 there"),
    "init": ({"weight_init": "fan_out"}, X, X_TEST, "initial parameters is"),
    "given": ({"initial_parameters": {"b0": np.ones(3)}}, X, X_TEST, "initial parameters is"),
    "rule": ({"backprop": "raw_error"}, X, X_TEST, "backprop is 'raw_error' here and 'exact' th"),
    "engine": ({"engine": "numba"}, X, X_TEST, "engine is 'numba' here and 'numpy' there"),
    "dtype": ({"dtype": "float64"}, X, X_TEST, "dtype is 'float64' here and 'float32' there"),
    "rate": ({"learning_rate": 0.25}, X, X_TEST, "learning_rate of epoch 1 is 0.25 here and 0.5 t"),
    "epochs": ({"epochs": 1}, X, X_TEST, "epochs is 1 here and epoch 2 has begun there"),
    "stopping": ({"early_stopping": True}, X, X_TEST, "early_stopping is {.*} here and None there"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_training_is_refused_by_name(monkeypatch, path, other):
    train_in_part(monkeypatch, path, 7)
    settings, samples, validation_data, message = OTHERS[other]
    model, content = make(**settings).fit(X), path.read_bytes()
    before, random = dict(vars(model)), model.network_.parameters.copy()
    with pytest.raises(ValueError, match=f"belongs to another training: .*{message}"):
        model.fit(samples, validation_data=validation_data, checkpoint=path)
    assert vars(model) == before
    np.testing.assert_array_equal(model.network_.parameters, random)
    assert path.read_bytes() == content


def test_all_differences_are_named(monkeypatch, path):
    train_in_part(monkeypatch, path, 7)
    with pytest.raises(ValueError, match=r"batch_size is 2 .*; seed is 1 .*; learning_rate of"):
        make(batch_size=2, random_state=1, learning_rate=1.0).fit(
            X, validation_data=X_TEST, checkpoint=path
        )


@pytest.mark.parametrize(
    ("module", "name"), [(ae_numpy, "version of ae_numpy"), (np, "version of numpy")]
)
def test_another_version_is_refused(monkeypatch, path, module, name):
    make().fit(X, checkpoint=path)
    monkeypatch.setattr(module, "__version__", "99.0")
    with pytest.raises(ValueError, match=f"{name} is '99.0' here and '.*' there"):
        make().fit(X, checkpoint=path)


def test_other_chunks_are_refused(monkeypatch, path):
    """Where a chunk ends decides the last bits."""
    make().fit(X, checkpoint=path)
    monkeypatch.setattr(checkpoint, "chunk_size", lambda network, batch_size: 5)
    with pytest.raises(ValueError, match="samples in a chunk is 5 here"):
        make().fit(X, checkpoint=path)


def test_other_files_are_refused_and_kept(path, tmp_path):
    make().fit(X).save(path)
    (tmp_path / "text").write_text("my thesis")
    np.save(tmp_path / "array.npy", X)
    model = make().fit(X)
    for other in (path, tmp_path / "text", tmp_path / "array.npy"):
        before, content = dict(vars(model)), other.read_bytes()
        with pytest.raises(ValueError, match=f"{other} is not a whole ae_numpy checkpoint file"):
            model.fit(X, checkpoint=other)
        assert vars(model) == before
        assert other.read_bytes() == content


# Contents that no version has written, by the part that is wrong.
WRONG_HEADERS = {
    "history missing": (
        lambda h: h.pop("history"),
        "header must .* got no 'history'",
    ),
    "epoch a text": (lambda h: h.update(epoch="3"), "epoch must be an integer .*, got '3'"),
    "position negative": (lambda h: h.update(position=-1), "position must be .*, got -1"),
    "epoch of another history": (lambda h: h.update(epoch=2), "history"),
    "text in the history": (lambda h: h["history"].update(seconds=["1"] * 3), "history"),
    "a history from epoch 7": (lambda h: h["history"].update(epoch=[7, 8, 9]), "epoch from 1 on"),
    "NaN in the history": (lambda h: h["history"].update(train_mse=[0.1, 0.1, nan]), "history"),
    "a history of validation data": (lambda h: h["history"].update(val_mse=[0.1] * 3), "history"),
    "an error of infinity": (lambda h: h.update(squared_error=inf), "squared_error must be .* inf"),
    "a negative time": (lambda h: h.update(seconds=-1.0), "seconds must be .*, got -1.0"),
    "position in a chunk": (
        lambda h: h.update(position=3, learning_rates=[0.5] * 4),
        "position must be the end of one of the chunks of 23 samples, got 3",
    ),
    "position beyond the data": (
        lambda h: h.update(position=49, learning_rates=[0.5] * 4),
        "position must be the end of one of the chunks of 23 samples, got 49",
    ),
    "position after the last rate": (lambda h: h.update(position=7), "each of 4 epochs"),
    "no fingerprint": (lambda h: h["description"].update(X="my X"), "X must be a fing.* 'my X'"),
    "no samples": (
        lambda h: h["description"].update(X="float32 of shape (0, 6), SHA-256 0..."),
        "X must be a fingerprint",
    ),
    "no batch": (lambda h: h["description"].pop("batch_size"), "batch_size must be .* got None"),
    "a key unknown": (lambda h: h.update(colour="red"), "got an unknown 'colour'"),
    "too few rates": (
        lambda h: h.update(learning_rates=[0.5]),
        "learning_rates must cover each of",
    ),
    "no sizes": (lambda h: h["description"].pop("layer sizes"), "layer sizes must be .*, got None"),
    "sizes below zero": (lambda h: h["description"].update({"layer sizes": [6, -3]}), "sizes"),
    "dtype": (lambda h: h["description"].update(dtype="object"), "dtype must be .*, got 'object'"),
    "seed": (lambda h: h["description"].update(seed=-1), "seed must be .*, got -1"),
    "validation data": (lambda h: h["description"].update(validation_data=1), "history"),
}


@pytest.mark.parametrize("wrong", WRONG_HEADERS)
def test_wrong_headers_are_refused(path, wrong):
    make().fit(X, checkpoint=path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())
    change, message = WRONG_HEADERS[wrong]
    change(header)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=f"not a whole ae_numpy checkpoint file: .*{message}"):
        make().fit(X, checkpoint=path)


# ----------------------------------------------------------------------------------------- writing


def test_a_path_that_cannot_be_written_is_an_error_before_anything_changes(tmp_path):
    model = make(random_state=np.random.default_rng(0)).fit(X)
    before, position = dict(vars(model)), repr(model.random_state.bit_generator.state)
    for path in (tmp_path / "nowhere" / "run.npz", tmp_path):
        with pytest.raises(OSError, match=re.escape(str(path.parent))):
            model.fit(X, checkpoint=path)
        assert vars(model) == before
        assert repr(model.random_state.bit_generator.state) == position


class Disk:
    """A disk that counts what is written, can be slow, and can be full."""

    def __init__(self, monkeypatch, seconds_per_chunk, seconds_per_write):
        self.now, self.written, self.full = 0.0, [], False
        self._seconds_per_write = seconds_per_write
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(checkpoint, "_write_state", self._write)
        update = checkpoint.CheckpointWriter.update

        def later(writer, state):
            self.now += seconds_per_chunk if state.position else 0
            update(writer, state)

        monkeypatch.setattr(checkpoint.CheckpointWriter, "update", later)

    def _write(self, path, training, state):
        self.now += self._seconds_per_write
        if self.full:
            raise OSError(28, "No space left on device")
        self.written.append((state.epoch, state.position))


def test_a_write_every_five_seconds_and_at_both_ends(monkeypatch, path):
    disk = Disk(monkeypatch, seconds_per_chunk=2.0, seconds_per_write=0.01)
    make(epochs=2).fit(X, checkpoint=path)
    assert disk.written == [(0, 0), (0, 21), (1, 14), (2, 0)]


def test_a_slow_disk_costs_two_percent_at_the_most(monkeypatch, path):
    disk = Disk(monkeypatch, seconds_per_chunk=2.0, seconds_per_write=1.0)
    make(epochs=100).fit(X, checkpoint=path)
    writing = 1.0 * (len(disk.written) - 2)  # but for the first and the last
    assert 0.01 * disk.now < writing <= 0.02 * disk.now


def test_a_disk_that_is_full_for_a_while_does_not_end_the_training(monkeypatch, path):
    disk = Disk(monkeypatch, seconds_per_chunk=6.0, seconds_per_write=0.0)

    def fill(model):
        disk.full = model.n_iter_ == 1

    with pytest.warns(RuntimeWarning, match=r"run\.npz could not be written: .*No space") as caught:
        make().fit(X, checkpoint=path, callbacks=[fill])
    assert len(caught) == 4
    assert caught[0].filename == __file__
    assert disk.written[-1] == (3, 0)


def test_a_disk_that_is_full_at_the_end_is_an_error(monkeypatch, path):
    disk = Disk(monkeypatch, seconds_per_chunk=0.0, seconds_per_write=0.0)
    model = make()

    def fill(model):
        disk.full = True

    with pytest.raises(OSError, match="No space"):
        model.fit(X, checkpoint=path, callbacks=[fill])
    assert_same_model(model, make().fit(X))


@pytest.mark.filterwarnings("ignore:the checkpoint:RuntimeWarning")
def test_a_full_disk_does_not_hide_the_interrupt(monkeypatch, path):
    disk = Disk(monkeypatch, seconds_per_chunk=0.0, seconds_per_write=0.0)

    def fill_and_interrupt(model):
        disk.full = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make().fit(X, checkpoint=path, callbacks=[fill_and_interrupt])
