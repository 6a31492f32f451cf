"""Stochastic gradient descent: the engines agree, and training can stop and continue anywhere."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numeric import assert_close
from strategies import make_case, skip_without_compiler

from ae_numpy import training
from ae_numpy.training import (
    Recipe,
    State,
    call_size,
    chunk_size,
    empty_history,
    epoch_order,
    train,
)

ENGINES = ("numpy", "numba")
N_SAMPLES = 23  # a prime: the last batch is short for every size but 1


def start_of(case) -> State:
    return State(case.network.parameters, empty_history(False))


def final(states) -> State:
    return list(states)[-1]


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of about seven samples, so that an epoch has several."""
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch: max(7 // batch, 1) * batch)


# ------------------------------------------------------------------------------ the engines agree


def masks(sizes):
    rng = np.random.default_rng(5)
    return (True, False, [rng.random(n) < 0.5 for n in sizes[1:]])


@pytest.mark.parametrize("batch_size", [1, 5, N_SAMPLES, 100])
@pytest.mark.parametrize("sizes", [(6, 6), (6, 3, 6), (6, 4, 2, 6), (6, 5, 2, 4, 6)])
def test_numpy_and_numba_train_alike(sizes, batch_size):
    for shuffle, backprop, bias in product((True, False), ("exact", "raw_error"), masks(sizes)):
        case = make_case(sizes, 1, n_samples=N_SAMPLES, bias=bias, backprop=backprop)
        compiled = case.with_network(engine="numba")
        recipe = Recipe((0.5, 0.3), batch_size, shuffle, seed=2)
        start = case.network.parameters
        expected = final(train(case.network, case.X, recipe, start_of(case)))
        given = final(train(compiled.network, case.X, recipe, start_of(case)))
        # What is compared is the sum of all gradients, for the rates are of the order of one:
        # rounding of 1e-16 in each of up to 46 steps, handed on from step to step.
        assert_close(given.parameters - start, expected.parameters - start, 1e-12)
        for given_mse, mse in zip(
            given.history["train_mse"], expected.history["train_mse"], strict=True
        ):
            assert given_mse == pytest.approx(mse, rel=1e-12, abs=0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_float32_and_float64_train_alike(engine, batch_size):
    single = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, dtype="float32", engine=engine)
    double = single.with_network(dtype="float64")
    recipe = Recipe((0.5, 0.5), batch_size)
    start = double.network.parameters
    expected = final(train(double.network, double.X, recipe, start_of(double))).parameters
    given = final(train(single.network, single.X, recipe, start_of(single))).parameters
    # 46 steps, each off by some 6e-8 of the parameters, which the next inherits.
    assert_close(given.astype(float) - start, expected - start, 1e-4)


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_one_gradient_step_per_batch(engine, batch_size):
    """Against a loop that is written out: batches in order, the last one short."""
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, bias=[[1, 0, 1], [1] * 6], engine=engine)
    parameters = case.parameters
    squared_error = 0.0
    for start in range(0, N_SAMPLES, batch_size):
        x = case.X[start : start + batch_size]
        loss, gradients = case.network.loss_and_gradients(parameters, x)
        squared_error += 2 * len(x) * loss
        parameters = {name: p - 0.5 * gradients[name] for name, p in parameters.items()}
    recipe = Recipe((0.5,), batch_size, shuffle=False)
    end = final(train(case.network, case.X, recipe, start_of(case)))
    update = case.network.flatten(parameters) - case.network.parameters
    assert_close(end.parameters - case.network.parameters, update, 1e-12)  # some dozen EPS
    # The mean of the errors seen before each step: no second pass over the data.
    assert end.history["train_mse"] == pytest.approx([squared_error / case.X.size], rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_mask_of_ones_trains_as_no_mask_bit_for_bit(engine, batch_size):
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    ones = case.with_network(bias=[np.ones(3), np.ones(6)])
    recipe = Recipe((0.5, 0.5), batch_size)
    results = [final(train(c.network, c.X, recipe, start_of(c))).parameters for c in (case, ones)]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
def test_held_biases_keep_their_bits(engine, batch_size, backprop):
    mask = [[True, False, True], [False] * 3 + [True] * 3]
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, bias=mask, engine=engine, backprop=backprop)
    end = final(train(case.network, case.X, Recipe((0.5,) * 3, batch_size), start_of(case)))
    layers = zip(case.network.layers, case.network.views(end.parameters), strict=True)
    for before, after in layers:
        held = ~before.bias_mask
        np.testing.assert_array_equal(after.b[held].view("u8"), before.b[held].view("u8"))
        assert (after.b[~held] != before.b[~held]).all()


# ---------------------------------------------------------------------------------- order, rates


def test_order_depends_on_seed_and_epoch_alone():
    recipe = Recipe((0.1,), seed=3)
    order = epoch_order(50, 0, recipe)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(order, epoch_order(50, 0, replace(recipe, batch_size=7)))
    assert (order != epoch_order(50, 1, recipe)).any()
    assert (order != epoch_order(50, 0, replace(recipe, seed=4))).any()


def test_without_shuffling_the_order_is_that_of_the_data():
    recipe = Recipe((0.1,), shuffle=False)
    np.testing.assert_array_equal(epoch_order(5, 3, recipe), np.arange(5))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_epoch_has_its_own_rate(engine, batch_size):
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    recipe = Recipe((0.5, 0.0, 0.25), batch_size)
    states = train(case.network, case.X, recipe, start_of(case))
    ends = {state.epoch: state.parameters for state in states if state.position == 0}
    assert (ends[1] != case.network.parameters).any()
    np.testing.assert_array_equal(ends[2], ends[1])
    assert (ends[3] != ends[2]).any()


@pytest.mark.parametrize("batch_size", [1, 7, 100_000])
def test_a_chunk_is_whole_batches_and_at_least_one(batch_size):
    network = make_case((6, 3, 6), 0).network
    size = chunk_size(network, batch_size)
    assert size >= batch_size
    assert size % batch_size == 0


@pytest.mark.parametrize("batch_size", [1, 3, 200, 1000])
def test_where_a_call_ends_changes_no_bit(batch_size, monkeypatch):
    """Of parameters and errors: chunks are folded in one by one, whichever are one call."""
    case = make_case((12, 9, 12), 1, n_samples=1000, engine="numba")
    X, recipe = np.where(case.X < 0.9, 0.01, case.X), Recipe((0.5, 0.5), batch_size)
    monkeypatch.setattr(training, "chunk_size", lambda network, B: max(70 // B, 1) * B)
    ends = []
    for chunks in (1, 3, 100):
        size = chunks * training.chunk_size(case.network, batch_size)
        monkeypatch.setattr(training, "call_size", lambda network, B, size=size: size)
        ends.append(final(train(case.network, X, recipe, start_of(case), X[:4])))
    same(ends[0], ends[1])
    same(ends[0], ends[2])


@pytest.mark.parametrize("batch_size", [1, 32, 1024, 8192])
def test_a_call_is_whole_chunks_and_not_much_more_work_than_four(batch_size):
    network = make_case((784, 28, 784), 0).network
    size, chunk = call_size(network, batch_size), chunk_size(network, batch_size)
    assert size % chunk == 0
    assert (size > chunk) == (16 <= batch_size < 8192)
    assert chunk <= size <= max(chunk, 4 * chunk_size(network, 1))


# --------------------------------------------------------------------------- stopping, going on


def same(state, other):
    """Equal to the bit, but for the time they took."""
    np.testing.assert_array_equal(state.parameters, other.parameters)
    assert (state.epoch, state.position, state.squared_error) == (
        other.epoch,
        other.position,
        other.squared_error,
    )
    for key in state.history.keys() - {"seconds"}:
        assert state.history[key] == other.history[key]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_going_on_from_any_state_gives_the_same_bits(engine, batch_size):
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    recipe = Recipe((0.5, 0.3), batch_size, seed=2)
    states = list(train(case.network, case.X, recipe, start_of(case), case.X[:4]))
    assert len(states) == 2 * (4 + 1)  # 23 samples are four chunks of seven or six, and the end
    for index, state in enumerate(states):
        rest = list(train(case.network, case.X, recipe, state, case.X[:4]))
        assert len(rest) == len(states) - index - 1
        for resumed, straight in zip(rest, states[index + 1 :], strict=True):
            same(resumed, straight)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_never_changes_once_it_is_made(engine):
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    before, kept = [], []
    for state in train(case.network, case.X, Recipe((0.5, 0.5)), start_of(case)):
        history = {key: list(values) for key, values in state.history.items()}
        kept.append(state)
        before.append(replace(state, parameters=state.parameters.copy(), history=history))
    for state, copy in zip(kept, before, strict=True):
        same(state, copy)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_where_chunks_end_changes_no_more_than_rounding(engine, batch_size, monkeypatch):
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    recipe = Recipe((0.5, 0.5), batch_size)
    start = case.network.parameters
    whole = final(train(case.network, case.X, recipe, start_of(case)))
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch: batch)
    pieces = final(train(case.network, case.X, recipe, start_of(case)))
    # A chunk folds in what was kept aside, which rounds the weights once: 23 times an EPS.
    assert_close(pieces.parameters - start, whole.parameters - start, 1e-12)


def test_training_leaves_the_network_and_the_data_alone():
    for engine in ENGINES:
        case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
        parameters, X = case.network.parameters.copy(), case.X.copy()
        final(train(case.network, case.X, Recipe((0.5,)), start_of(case)))
        np.testing.assert_array_equal(case.network.parameters, parameters)
        np.testing.assert_array_equal(case.X, X)


# ------------------------------------------------------------------------------------ divergence


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_divergence_names_epoch_and_sample(engine, batch_size):
    skip_without_compiler(engine)
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    case.X[17, 2] = np.nan  # in the third chunk, in the sixth batch of three
    states = []
    with pytest.raises(FloatingPointError, match=r"in epoch 1 at sample 17\b.*learning_rate"):
        states.extend(
            train(case.network, case.X, Recipe((0.5,), batch_size, False), start_of(case))
        )


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("engine", ENGINES)
def test_states_before_a_divergence_are_yielded(engine):
    skip_without_compiler(engine)
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine)
    case.X[17, 2] = np.nan
    training_run = train(case.network, case.X, Recipe((0.5,), 1, False), start_of(case))
    assert [next(training_run).position for _ in range(2)] == [7, 14]
    with pytest.raises(FloatingPointError):
        next(training_run)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_rate_that_float32_cannot_hold_diverges_without_a_warning(engine, batch_size):
    skip_without_compiler(engine)
    case = make_case((6, 3, 6), 1, n_samples=N_SAMPLES, engine=engine, dtype="float32")
    with pytest.raises(FloatingPointError, match="in epoch 1 at sample"):
        final(train(case.network, case.X, Recipe((1e300,), batch_size), start_of(case)))
