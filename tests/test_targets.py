"""`target=`: the output is compared with the given targets, not with the samples."""

from __future__ import annotations

import re
import warnings
from functools import partial

import numpy as np
import pytest
from numeric import assert_close
from small_models import X_TEST, X, make, parameters
from strategies import make_case

from ae_numpy import kernels, training
from ae_numpy.storage.checkpoint import read_checkpoint
from ae_numpy.training import Recipe, State, empty_history, train

ENGINES = ("numpy", "numba")
N = len(X)
CLEAN = np.random.default_rng(2).random(X.shape)
CLEAN_TEST = np.random.default_rng(3).random(X_TEST.shape)

every_engine = pytest.mark.parametrize("engine", ENGINES)
every_size = pytest.mark.parametrize("batch_size", [1, 7, N])


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of about seven samples, so that an epoch has several."""
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch: max(7 // batch, 1) * batch)


def bits(model) -> tuple:
    return parameters(model).tobytes(), model.history_["train_mse"], model.history_.get("val_mse")


# ------------------------------------------------------------------------------------- the training


@every_engine
@every_size
@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
def test_training_is_one_gradient_step_per_batch(engine, batch_size, backprop):
    """Against a loop that is written out: the gradients are those of the check."""
    case = make_case((6, 3, 6), 1, n_samples=N, engine=engine, backprop=backprop)
    network, expected, squared_error = case.network, case.parameters, 0.0
    for start in range(0, N, batch_size):
        rows = slice(start, start + batch_size)
        loss, gradients = network.loss_and_gradients(expected, case.X[rows], CLEAN[rows])
        squared_error += 2 * len(CLEAN[rows]) * loss
        expected = {name: p - 0.5 * gradients[name] for name, p in expected.items()}
    recipe = Recipe((0.5,), batch_size, shuffle=False)
    start = State(network.parameters, empty_history(False))
    *_, end = train(network, case.X, recipe, start, target=CLEAN)
    update = network.flatten(expected) - network.parameters
    # Of the sum of all updates, of which each has some dozen roundings of 1e-16.
    assert_close(end.parameters - network.parameters, update, 1e-12)
    assert end.history["train_mse"] == pytest.approx([squared_error / X.size], rel=1e-12)


@every_size
@pytest.mark.parametrize("sizes", [2, 9, (4, 2, 5)])
def test_the_engines_agree(batch_size, sizes):
    settings = {"batch_size": batch_size, "dtype": "float64", "hidden_layer_sizes": sizes}
    numpy, numba = (make(engine=engine, **settings).fit(X, target=CLEAN) for engine in ENGINES)
    start = parameters(make(epochs=0, **settings).fit(X))
    # As above, of 69 steps at the most.
    assert_close(parameters(numba) - start, parameters(numpy) - start, 1e-12)
    assert numba.history_["train_mse"] == pytest.approx(numpy.history_["train_mse"], rel=1e-12)


@every_engine
@every_size
def test_float32_and_float64_agree(engine, batch_size):
    settings = {"batch_size": batch_size, "engine": engine}
    single, double = (make(dtype=d, **settings).fit(X, target=CLEAN) for d in ("f4", "f8"))
    start = parameters(make(dtype="f8", epochs=0).fit(X))
    # 69 steps, each off by some 6e-8 of the parameters, which the next inherits.
    assert_close(parameters(single).astype(float) - start, parameters(double) - start, 1e-4)


@every_engine
@every_size
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_samples_as_target_change_no_bit(engine, batch_size, dtype):
    model = make(engine=engine, batch_size=batch_size, dtype=dtype)
    without = bits(model.fit(X, validation_data=X_TEST))
    given = model.fit(X, target=X.copy(), validation_data=(X_TEST, X_TEST.copy()))
    assert bits(given) == without


@pytest.mark.usefixtures("small_chunks")
@every_engine
def test_a_batch_that_is_made_in_parts_has_the_same_targets(engine):
    """Batches of more than four chunks."""
    settings = {"batch_size": 100, "dtype": "float64"}
    data = np.tile(X, (5, 1))[:100]
    clean = np.tile(CLEAN, (5, 1))[:100]
    model = make(engine=engine, epochs=1, **settings).fit(data, target=clean)
    start = make(epochs=0, **settings).fit(data).network_
    gradient = start.backward(start.forward(data), clean)
    assert_close(parameters(model) - start.parameters, -0.5 * gradient, 1e-12)


@every_engine
def test_errors_are_those_against_the_targets(engine):
    model = make(engine=engine, learning_rate=0.0, dtype="float64")
    model.fit(X, target=CLEAN, validation_data=(X_TEST, CLEAN_TEST))
    trained = np.mean((model.reconstruct(X) - CLEAN) ** 2)
    evaluated = np.mean((model.reconstruct(X_TEST) - CLEAN_TEST) ** 2)
    # Rounding of sums of 138 and 54 numbers of the order of 0.1.
    assert model.history_["train_mse"] == pytest.approx([trained] * 3, rel=1e-13)
    assert model.history_["val_mse"] == pytest.approx([evaluated] * 3, rel=1e-13)
    assert model.mse(X_TEST) == pytest.approx(np.mean((model.reconstruct(X_TEST) - X_TEST) ** 2))


def test_early_stopping_looks_at_the_validation_targets():
    settings = {"learning_rate": 8.0, "epochs": 30, "n_iter_no_change": 2, "early_stopping": True}
    model = make(**settings).fit(X, target=CLEAN, validation_data=(X_TEST, CLEAN_TEST))
    errors = model.network_.squared_errors(X_TEST, target=CLEAN_TEST)
    assert errors.sum() / X_TEST.size == min(model.history_["val_mse"])
    assert model.n_iter_ < 30


@every_engine
@every_size
def test_partial_fit_is_an_epoch_at_a_time(engine, batch_size):
    model = make(engine=engine, batch_size=batch_size)
    for _ in range(3):
        model.partial_fit(X, target=CLEAN)
    assert bits(model) == bits(make(engine=engine, batch_size=batch_size).fit(X, target=CLEAN))


def test_data_are_never_changed():
    noisy, clean = X.astype(np.float32), CLEAN.astype(np.float32)
    make().fit(noisy, target=clean).partial_fit(noisy, target=clean)
    np.testing.assert_array_equal(noisy, X.astype(np.float32))
    np.testing.assert_array_equal(clean, CLEAN.astype(np.float32))


# -------------------------------------------------------------------------------------- checkpoints


@pytest.mark.usefixtures("small_chunks")
@every_engine
@pytest.mark.parametrize("k", [1, 3, 6])
def test_a_checkpoint_is_continued_bit_for_bit(monkeypatch, tmp_path, engine, k):
    module = {"numpy": training, "numba": kernels}[engine]
    step, calls = module.train_batches, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == k:
            raise KeyboardInterrupt
        return step(*args)

    data = {"target": CLEAN, "validation_data": (X_TEST, CLEAN_TEST)}
    path = tmp_path / "run.npz"
    with monkeypatch.context() as patch:
        patch.setattr(module, "train_batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(engine=engine).fit(X, **data, checkpoint=path)
    resumed = make(engine=engine).fit(X, **data, checkpoint=path)
    assert bits(resumed) == bits(make(engine=engine).fit(X, **data))


OTHERS = {
    "another target": ({"target": X}, "target is .* here and .* there"),
    "no target": ({"target": None, "validation_data": X_TEST}, "target is None here"),
    "another validation target": (
        {"validation_data": (X_TEST, X_TEST)},
        "target of validation_data is .* here and .* there",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_target_is_another_training(tmp_path, other):
    data = {"target": CLEAN, "validation_data": (X_TEST, CLEAN_TEST)}
    changes, message = OTHERS[other]
    make().fit(X, **data, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match=f"belongs to another training: .*{message}"):
        make().fit(X, **(data | changes), checkpoint=tmp_path / "run.npz")


def test_a_checkpoint_names_targets_only_where_there_are_some(tmp_path):
    """So that those of earlier versions, which knew none, are continued."""
    make().fit(X, checkpoint=tmp_path / "run.npz")
    assert not [
        name for name in read_checkpoint(tmp_path / "run.npz").description if "targ" in name
    ]


# ------------------------------------------------------------------------------- what is refused

FAULTS = {
    "another height": ({"target": CLEAN[:5]}, r"target must have the shape of X, \(23, 6\), got"),
    "another width": ({"target": CLEAN[:, :5]}, r"target must have the shape of X, .* \(23, 5\)"),
    "NaN": ({"target": np.where(CLEAN < 0.01, np.nan, CLEAN)}, "target contains NaN"),
    "strings": ({"target": CLEAN.astype(str)}, "target must hold numbers"),
    "a matrix to validate": (
        {"target": CLEAN, "validation_data": X_TEST},
        r"validation_data must be a tuple \(X, target\), as .*got an array of shape \(9, 6\)",
    ),
    "three to validate": (
        {"target": CLEAN, "validation_data": (X_TEST, X_TEST, X_TEST)},
        r"validation_data must be a tuple \(X, target\)",
    ),
    "no validation target": (
        {"target": CLEAN, "validation_data": (X_TEST, None)},
        r"validation_data must be a tuple \(X, target\)",
    ),
    "a validation target of another shape": (
        {"target": CLEAN, "validation_data": (X_TEST, CLEAN)},
        r"validation_data\[1\] must have the shape of validation_data\[0\], .*got \(23, 6\)",
    ),
    "a tuple without target": (
        {"validation_data": (X_TEST, CLEAN_TEST)},
        "validation_data must be one matrix.*pass the first of a tuple alone, got",
    ),
    "rows in a tuple without target": (
        {"validation_data": tuple(map(tuple, X_TEST))},
        "validation_data must be one matrix",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_by_name(fault):
    data, message = FAULTS[fault]
    model = make().fit(X)
    before, numbers = dict(vars(model)), parameters(model)
    with pytest.raises((TypeError, ValueError), match=re.compile(message, re.DOTALL)):
        model.fit(X, **data)
    assert vars(model) == before
    np.testing.assert_array_equal(parameters(model), numbers)


@pytest.mark.parametrize("fault", [name for name in FAULTS if set(FAULTS[name][0]) == {"target"}])
def test_partial_fit_refuses_the_same(fault):
    data, message = FAULTS[fault]
    with pytest.raises(ValueError, match=message):
        make().fit(X).partial_fit(X, **data)


# ------------------------------------------------------------------------------------ the warnings


def warned_by(use) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use()
    assert all(warning.filename == __file__ for warning in caught)
    assert all(warning.category is UserWarning for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, np.float32])
def test_a_y_that_looks_like_targets_is_warned_of(method, form):
    (message,) = warned_by(lambda: getattr(make(), method)(X, form(CLEAN)))
    assert message.startswith("y is ignored")
    assert "target" in message


@pytest.mark.parametrize(
    "y",
    [
        None,
        X,
        X.copy(),
        X.astype(np.float32),
        X.tolist(),
        np.arange(N),
        ["a"] * N,
        "labels",
        [[1], []],
    ],
    ids=lambda y: f"{type(y).__name__} {np.size(y) if not isinstance(y, list) else len(y)}",
)
def test_any_other_y_is_not(y):
    assert warned_by(lambda: make().fit(X, y).partial_fit(X, y)) == []


def test_nothing_is_said_of_y_beside_a_target():
    assert warned_by(lambda: make().fit(X, CLEAN, target=CLEAN)) == []


def test_only_targets_must_be_within_reach_of_a_sigmoid():
    fit = partial(make().fit, 3 * X - 1, target=CLEAN)
    assert warned_by(lambda: fit(validation_data=(3 * X_TEST - 1, CLEAN_TEST))) == []
    (message,) = warned_by(lambda: make().fit(X, target=3 * CLEAN))
    assert message.startswith("target has values in")
    (message,) = warned_by(lambda: fit(validation_data=(X_TEST, 3 * CLEAN_TEST)))
    assert message.startswith("validation_data[1] has values in")
