"""`Autoencoder`: what the public interface promises, promise by promise."""

from __future__ import annotations

import doctest
import inspect
import pickle
import re
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import small_models
from numeric import check_complex_step, outputs
from small_models import X_TEST, X, parameters
from strategies import skip_without_compiler

import ae_numpy
from ae_numpy import Autoencoder, autoencoder, kernels, training

ENGINES = ("numpy", "numba")
make = partial(small_models.make, epochs=2, dtype="float64")


def without_seconds(history) -> dict:
    return {key: values for key, values in history.items() if key != "seconds"}


def assert_same_model(model, other) -> None:
    """Equal to the bit."""
    np.testing.assert_array_equal(parameters(model), parameters(other))
    assert without_seconds(model.history_) == without_seconds(other.history_)


# ---------------------------------------------------------------------------------- the signature


def test_signature_and_defaults():
    signature = inspect.signature(Autoencoder)
    assert {name: p.default for name, p in signature.parameters.items()} == {
        "hidden_layer_sizes": (28,),
        "bias": True,
        "learning_rate": 0.01,
        "epochs": 50,
        "batch_size": 1,
        "shuffle": True,
        "weight_init": "fan_in",
        "backprop": "exact",
        "engine": "numba",
        "dtype": "float32",
        "random_state": None,
        "verbose": 0,
        "initial_parameters": None,
        "early_stopping": False,
        "n_iter_no_change": 10,
        "tol": 1e-4,
        "validation_fraction": None,
    }


def test_parameters_are_stored_as_given():
    given = {name: object() for name in inspect.signature(Autoencoder).parameters}
    assert vars(Autoencoder(**given)) == given


def test_examples_in_the_docstrings():
    result = doctest.testmod(autoencoder)
    assert result.attempted > 0
    assert result.failed == 0


def test_importing_the_package_does_not_import_numba():
    """Numba takes longer to import than all the rest."""
    code = "import sys, ae_numpy; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_has_a_version():
    assert ae_numpy.__version__.count(".") == 2


# --------------------------------------------------------------------------------------- history


def test_history_has_one_entry_per_epoch():
    model = make(epochs=3).fit(X)
    assert list(model.history_) == ["epoch", "train_mse", "seconds"]
    assert model.history_["epoch"] == [1, 2, 3]
    assert len(model.history_["train_mse"]) == len(model.history_["seconds"]) == 3
    assert all(seconds > 0 for seconds in model.history_["seconds"])
    assert model.n_iter_ == 3


def test_validation_error_is_that_of_the_model_after_the_epoch():
    model = make(epochs=2).fit(X, validation_data=X_TEST)
    after_one = make(epochs=1).fit(X)
    assert list(model.history_) == ["epoch", "train_mse", "val_mse", "seconds"]
    assert model.history_["val_mse"] == [after_one.mse(X_TEST), model.mse(X_TEST)]


@pytest.mark.parametrize("engine", ENGINES)
def test_train_mse_is_the_mean_of_the_errors_before_each_step(engine):
    # Without learning, all errors are those of the initial parameters.
    model = make(learning_rate=0.0, engine=engine).fit(X)
    assert model.history_["train_mse"] == pytest.approx([model.mse(X)] * 2, rel=1e-13)
    # All samples in one batch: the error before the first step.
    model = make(epochs=1, batch_size=len(X), engine=engine).fit(X)
    start = make(epochs=0, engine=engine).fit(X)
    assert model.history_["train_mse"] == pytest.approx([start.mse(X)], rel=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sizes", [3, (4, 2, 4)])
def test_training_reduces_the_error(engine, sizes):
    model = make(hidden_layer_sizes=sizes, epochs=30, engine=engine).fit(X, validation_data=X)
    before = make(hidden_layer_sizes=sizes, epochs=0).fit(X).mse(X)
    # The initial outputs are far from the mean of the data, which is quickly learned.
    assert model.mse(X) < 0.9 * before
    assert model.history_["val_mse"][-1] < model.history_["val_mse"][0] < before


@pytest.mark.parametrize("engine", ENGINES)
def test_no_epochs_leave_the_initial_parameters_and_empty_lists(engine):
    model = make(epochs=0, engine=engine).fit(X, validation_data=X_TEST)
    assert model.history_ == {"epoch": [], "train_mse": [], "val_mse": [], "seconds": []}
    frozen = make(epochs=1, learning_rate=0.0, shuffle=False).fit(X)
    np.testing.assert_array_equal(parameters(model), parameters(frozen))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_fit_starts_afresh(engine):
    model = make(engine=engine).fit(X[:, :4], validation_data=X_TEST[:, :4])
    assert_same_model(model.fit(X), make(engine=engine).fit(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_bits(engine, dtype):
    settings = {"engine": engine, "dtype": dtype}
    assert_same_model(make(**settings).fit(X), make(**settings).fit(X))
    other = make(**settings, random_state=1).fit(X)
    assert (parameters(other) != parameters(make(**settings).fit(X))).any()


@pytest.mark.parametrize("batch_size", [1, 4, 23, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_engines_agree(batch_size, shuffle):
    settings = {"batch_size": batch_size, "shuffle": shuffle, "hidden_layer_sizes": (4, 2, 5)}
    numpy, numba = (make(engine=name, **settings).fit(X) for name in ENGINES)
    start = parameters(make(epochs=0, **settings).fit(X))
    difference = np.abs(parameters(numba) - parameters(numpy)).max()
    # Of the sum of all updates: 46 steps of some dozen roundings of 1e-16.
    assert difference <= 1e-12 * np.abs(parameters(numpy) - start).max()


def test_batches_steps_and_rule_matter():
    """None of the settings above is ignored."""
    changes = [{}, {"batch_size": 4}, {"shuffle": False}, {"backprop": "raw_error"}]
    ends = [tuple(parameters(make(**change).fit(X))) for change in changes]
    assert len(set(ends)) == len(ends)


# ---------------------------------------------------------------------------- initial parameters


def initial(**settings) -> dict[str, np.ndarray]:
    return make(epochs=0, **settings).fit(X).network_.as_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"engine": "numba"},
        {"batch_size": 7},
        {"shuffle": False},
        {"backprop": "raw_error"},
        {"learning_rate": 0.25},
    ],
)
@pytest.mark.parametrize("weight_init", ["fan_in", "fan_out"])
def test_initial_parameters_do_not_depend_on(change, weight_init):
    for name, array in initial(weight_init=weight_init).items():
        np.testing.assert_array_equal(initial(weight_init=weight_init, **change)[name], array)


def test_initial_parameters_do_not_depend_on_the_number_of_epochs():
    kept = [make(epochs=n, learning_rate=0.0).fit(X) for n in (0, 1, 3)]
    for model in kept[1:]:
        np.testing.assert_array_equal(parameters(model), parameters(kept[0]))


@pytest.mark.parametrize("weight_init", ["fan_in", "fan_out"])
def test_models_with_and_without_bias_share_their_weights(weight_init):
    masks = [[True, False, True], [False] * 5 + [True]]
    everything = initial(weight_init=weight_init)
    for bias in (False, masks):
        some = initial(weight_init=weight_init, bias=bias)
        for name in ("W0", "W1"):
            np.testing.assert_array_equal(some[name], everything[name])
        for name, mask in zip(("b0", "b1"), masks if bias else (False, False), strict=True):
            np.testing.assert_array_equal(some[name], np.where(mask, everything[name], 0))


def test_standard_deviation_of_the_initial_parameters():
    wide = np.full((1, 400), 0.5)
    for rule, stds in {
        "fan_in": {"W0": 400**-0.5, "W1": 100**-0.5, "b0": 0, "b1": 0},
        "fan_out": {"W0": 100**-0.5, "W1": 400**-0.5, "b0": 100**-0.5, "b1": 400**-0.5},
    }.items():
        model = make(hidden_layer_sizes=100, epochs=0, weight_init=rule).fit(wide)
        for name, std in stds.items():
            drawn = model.network_.as_dict()[name]
            # The mean of n squared normal numbers is off by sqrt(2 / n); four times that is
            # exceeded once in 16,000 times, and the seed is fixed.
            error = 4 * np.sqrt(2 / drawn.size)
            assert (drawn**2).mean() == pytest.approx(std**2, rel=error, abs=0), name
            assert abs(drawn.mean()) <= 4 * std / np.sqrt(drawn.size), name


def test_given_initial_parameters_take_the_place_of_drawn_ones():
    W1, b0 = np.arange(18.0).reshape(3, 6) / 18, [0.1, 0.2, 0.3]
    start = initial(initial_parameters={"W1": W1, "b0": b0})
    np.testing.assert_array_equal(start["W1"], W1)
    np.testing.assert_array_equal(start["b0"], b0)
    np.testing.assert_array_equal(start["W0"], initial()["W0"])
    np.testing.assert_array_equal(start["b1"], initial()["b1"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_held_biases_stay_where_initial_parameters_put_them(engine, batch_size):
    given = {"b0": np.array([0.1, 0.2, 0.3]), "b1": np.full(6, -0.7)}
    mask = [[True, False, True], [False] * 6]
    settings = {"engine": engine, "batch_size": batch_size, "initial_parameters": given}
    encoder, decoder = make(bias=mask, **settings).fit(X).network_.layers
    assert encoder.b[1] == 0.2
    assert (encoder.b[[0, 2]] != [0.1, 0.3]).all()
    np.testing.assert_array_equal(decoder.b, given["b1"])
    np.testing.assert_array_equal(given["b0"], [0.1, 0.2, 0.3])  # a copy was trained


@pytest.mark.parametrize("engine", ENGINES)
def test_without_bias_all_biases_stay_zero(engine):
    for layer in make(bias=False, weight_init="fan_out", engine=engine).fit(X).network_.layers:
        assert not layer.b.any()


# --------------------------------------------------------------------------------- learning rate


def test_forms_of_the_learning_rate():
    rates = (0.5, 0.25)
    expected = make(learning_rate=rates).fit(X)
    assert expected.learning_rates_ == rates
    for form in ([0.5, 0.25], np.array(rates), lambda epoch: 0.5 / epoch):
        model = make(learning_rate=form).fit(X)
        assert model.learning_rates_ == rates
        assert_same_model(model, expected)
    assert make(learning_rate=0.25).fit(X).learning_rates_ == (0.25, 0.25)


def test_a_callable_is_evaluated_when_fit_starts():
    calls = []

    def rate(epoch):
        calls.append(epoch)
        return 0.1

    def at_the_end_of_an_epoch(model):
        assert calls == [1, 2, 3]

    make(learning_rate=rate, epochs=3).fit(X, callbacks=[at_the_end_of_an_epoch])
    assert calls == [1, 2, 3]


# ------------------------------------------------------------------------------ nothing else moves


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_data_are_never_changed(engine, dtype, batch_size):
    for data in (X.astype(dtype), np.asfortranarray(X, dtype), np.round(X).astype(int)):
        kept = data.copy()
        model = make(engine=engine, dtype=dtype, batch_size=batch_size)
        model.fit(data, validation_data=data).partial_fit(data).reconstruct(data)
        np.testing.assert_array_equal(data, kept)
        assert data.dtype == kept.dtype


@pytest.mark.parametrize("engine", ENGINES)
def test_data_may_be_read_only(engine):
    data = X.copy()
    data.setflags(write=False)
    assert_same_model(make(engine=engine).fit(data), make(engine=engine).fit(X))


def test_training_a_model_changes_no_other_model():
    given = {"W0": np.full((6, 3), 0.1)}
    first = make(initial_parameters=given).fit(X)
    kept = parameters(first)
    make(initial_parameters=given).fit(X)
    make(initial_parameters=first.network_.as_dict()).fit(X)
    np.testing.assert_array_equal(parameters(first), kept)
    np.testing.assert_array_equal(given["W0"], np.full((6, 3), 0.1))


def test_training_neither_uses_nor_changes_global_state():
    before, errors = np.random.get_state(), np.geterr()  # noqa: NPY002
    model = make(random_state=0).fit(X)
    for given, kept in zip(np.random.get_state(), before, strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(given, kept)
    assert np.geterr() == errors
    np.random.seed(99)  # noqa: NPY002
    try:
        assert_same_model(make(random_state=0).fit(X), model)
    finally:
        np.random.set_state(before)  # noqa: NPY002


def test_parameters_are_never_changed_by_fit():
    mask = [[True, False, True], [True] * 6]
    model = make(bias=mask, learning_rate=[0.5, 0.2])
    kept = {name: getattr(model, name) for name in inspect.signature(Autoencoder).parameters}
    model.fit(X).partial_fit  # noqa: B018
    assert all(getattr(model, name) is value for name, value in kept.items())
    assert mask == [[True, False, True], [True] * 6]


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_random_state_may_be_a_generator(kind):
    same = [make(random_state=kind(5)).fit(X) for _ in range(2)]
    assert_same_model(*same)
    rng = kind(5)
    first, second = (make(random_state=rng).fit(X) for _ in range(2))
    assert (parameters(first) != parameters(second)).any()


def test_random_state_may_be_the_module_for_its_global_state():
    before = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(5)  # noqa: NPY002
        first, second = (make(random_state=np.random).fit(X) for _ in range(2))
    finally:
        np.random.set_state(before)  # noqa: NPY002
    assert_same_model(first, make(random_state=np.random.RandomState(5)).fit(X))
    assert (parameters(first) != parameters(second)).any()


def test_models_without_a_seed_differ():
    first, second = (make(random_state=None).fit(X) for _ in range(2))
    assert (parameters(first) != parameters(second)).any()


# --------------------------------------------------------------------------------- the other words


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_model_can_be_asked(engine, dtype):
    model = make(engine=engine, dtype=dtype).fit(X)
    Z = model.encode(X_TEST)
    assert Z.shape == (9, 3)
    assert Z.dtype == dtype
    images = model.decode(Z)
    assert images.shape == X_TEST.shape
    np.testing.assert_array_equal(images, model.reconstruct(X_TEST))
    # Roundings of 6e-8 or 1e-16, in sums of a few terms.
    rtol = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(images, outputs(model.network_.as_dict(), X_TEST), rtol=rtol)
    mse = ((model.reconstruct(X_TEST).astype(float) - X_TEST.astype(dtype)) ** 2).mean()
    assert model.mse(X_TEST) == pytest.approx(mse, rel=rtol)
    assert isinstance(model.mse(X_TEST), float)
    each = model.score_samples(X_TEST)
    assert each.dtype == np.float64
    np.testing.assert_allclose(each, [-model.mse(X_TEST[[n]]) for n in range(9)], rtol=rtol)
    assert model.score(X_TEST) == model.score(X_TEST, None) == -model.mse(X_TEST)


def test_second_names_mean_the_same():
    model = make().fit(X)
    Z = model.encode(X)
    np.testing.assert_array_equal(model.transform(X), Z)
    np.testing.assert_array_equal(model.inverse_transform(Z), model.decode(Z))
    np.testing.assert_array_equal(model.predict(X), model.reconstruct(X))
    assert type(model.predict(X)) is type(model.reconstruct(X)) is np.ndarray
    np.testing.assert_array_equal(make().fit_transform(X), Z)
    assert make().fit(X, None).partial_fit(X, None).score(X, None) < 0  # y is ignored


@pytest.mark.parametrize(
    ("sizes", "code", "layer"),
    [(3, 3, 1), ((5,), 5, 1), ((5, 2), 2, 2), ((2, 5), 2, 1), ((4, 2, 4), 2, 2), ((3, 2, 2), 2, 2)],
)
def test_the_code_is_the_narrowest_hidden_layer(sizes, code, layer):
    model = make(hidden_layer_sizes=sizes, epochs=1).fit(X)
    hidden = (sizes,) if isinstance(sizes, int) else sizes
    assert model.network_.layer_sizes == (6, *hidden, 6)
    assert model.code_size_ == code
    assert model.compression_ratio_ == 6 / code
    np.testing.assert_array_equal(model.encode(X), model.network_.forward(X)[layer])
    np.testing.assert_allclose(model.decode(model.encode(X)), model.reconstruct(X), rtol=1e-15)


def test_layers_are_there_to_be_read():
    model = make(hidden_layer_sizes=(4, 2)).fit(X)
    assert [layer.W.shape for layer in model.network_.layers] == [(6, 4), (4, 2), (2, 6)]
    assert [layer.b.shape for layer in model.network_.layers] == [(4,), (2,), (6,)]


@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_of_a_trained_model_fit_a_gradient_check(engine):
    model = make(engine=engine).fit(X)
    network = model.network_
    masks = {f"b{k}": layer.bias_mask for k, layer in enumerate(network.layers)}
    check_complex_step(
        lambda p, x, target: network.loss_and_gradients(p, x)[1], network.as_dict(), X, X, masks
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.encode(X),
        lambda model: model.decode(X),
        lambda model: model.reconstruct(X),
        lambda model: model.mse(X),
        lambda model: model.score(X),
        lambda model: model.save("never.npz"),
        lambda model: model.history_,
        lambda model: model.network_,
        lambda model: model.code_size_,
        lambda model: model.n_features_in_,
    ],
)
def test_before_fit_is_too_early(use):
    with pytest.raises((ValueError, AttributeError), match="not fitted yet: call fit") as caught:
        use(make())
    # scikit-learn's error, where another test has loaded it, or the package's own.
    assert caught.type.__name__ == "NotFittedError"


def test_a_model_can_be_pickled():
    model = make().fit(X)
    assert_same_model(pickle.loads(pickle.dumps(model)), model)


# -------------------------------------------------------------------------------------- partial_fit


@pytest.mark.parametrize("engine", ENGINES)
def test_partial_fit_is_an_epoch_at_a_time(engine):
    """Passes over the same data are what fit does, orders and all."""
    model = make(engine=engine)
    for _ in range(3):
        assert model.partial_fit(X) is model
    assert_same_model(model, make(engine=engine, epochs=3).fit(X))
    assert model.n_iter_ == 3


def test_partial_fit_goes_on_after_fit():
    model = make(epochs=2).fit(X).partial_fit(X)
    assert_same_model(model, make(epochs=3).fit(X))


def test_partial_fit_takes_parts_of_any_size_and_its_rate_of_the_epoch():
    model = make(learning_rate=[0.5, 0.0, 0.1], bias=False).partial_fit(X)
    after_one = parameters(model)
    np.testing.assert_array_equal(parameters(model.partial_fit(X[:5])), after_one)
    assert (parameters(model.partial_fit(X[:1])) != after_one).any()
    with pytest.raises(ValueError, match="learning_rate must have one rate for each"):
        model.partial_fit(X)


# --------------------------------------------------------------------------------------- callbacks


def test_callbacks_see_every_epoch():
    seen = []
    model = make(epochs=3).fit(X, callbacks=[lambda m: seen.append((m.n_iter_, m.mse(X)))])
    singles = [make(epochs=n).fit(X).mse(X) for n in (1, 2, 3)]
    assert seen == list(zip((1, 2, 3), singles, strict=True))
    assert model.n_iter_ == 3


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_a_callback_that_returns_true_ends_the_training(kind):
    model = make(epochs=5).fit(X, callbacks=[lambda m: kind(m.n_iter_ == 2)])
    assert_same_model(model, make(epochs=2).fit(X))


@pytest.mark.parametrize("answer", [1, "stop", X, np.array(True), [True], NotImplemented], ids=type)
def test_nothing_else_that_a_callback_returns_ends_it(answer):
    assert make().fit(X, callbacks=[lambda _: answer]).n_iter_ == 2


def test_verbose_reports_every_epoch_on_the_error_stream(capsys):
    make(verbose=1).fit(X)
    reported = capsys.readouterr()
    assert reported.out == ""
    assert [line.split(",")[0] for line in reported.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(r"epoch 1/2, train mse 0\.\d{5}, \d+\.\d\d s", reported.err.splitlines()[0])
    for silent in (0, False, np.False_):
        make(verbose=silent).fit(X)
        assert capsys.readouterr() == ("", "")
    make(verbose=True).fit(X)
    assert capsys.readouterr().err.startswith("epoch 1/2")


# --------------------------------------------------------------------- values outside of [0, 1]


def warned_by(use) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use()
    return caught


@pytest.mark.parametrize("engine", ENGINES)
def test_values_that_a_sigmoid_cannot_reach_are_accepted_with_one_warning(engine):
    caught = warned_by(lambda: make(engine=engine).fit(2 * X - 0.5))
    lowest, highest = (2 * X - 0.5).min(), (2 * X - 0.5).max()
    assert len(caught) == 1
    assert caught[0].category is UserWarning
    assert f"X has values in [{lowest:g}, {highest:g}]" in str(caught[0].message)
    assert "ivide by 255" not in str(caught[0].message)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_a_rounding_error_beyond_0_and_1_is_not_warned_of(kind):
    beyond = np.stack([np.nextafter(np.ones(6), 2, dtype=kind), np.full(6, -np.finfo(kind).eps)])
    if kind == "f2":  # whose roundings are larger than those of what is computed with
        beyond = np.nextafter(np.array([[1, 0]], "f4"), np.array([[2, -1]], "f4"))
    assert warned_by(lambda: make(dtype="f4").fit(beyond).mse(beyond)) == []
    (warning,) = warned_by(lambda: make().fit(1.01 * np.eye(6)))
    assert "[0, 1.01]" in str(warning.message)


def test_grey_levels_are_to_be_divided_by_255():
    levels = (255 * X).astype(np.uint8)
    caught = warned_by(lambda: make().fit(levels))
    assert len(caught) == 1
    assert f"[{levels.min()}, {levels.max()}]" in str(caught[0].message)
    assert "Divide by 255" in str(caught[0].message)


def test_validation_data_are_warned_of_by_name():
    caught = warned_by(lambda: make().fit(X, validation_data=3 * X_TEST))
    assert len(caught) == 1
    assert "validation_data has values in" in str(caught[0].message)


@pytest.mark.parametrize("values", [np.zeros((2, 6)), np.ones((2, 6)), np.eye(6, dtype=bool)])
def test_nothing_is_said_of_values_from_0_to_1(values):
    assert warned_by(lambda: make().fit(values).mse(values)) == []


@pytest.mark.parametrize("method", ["fit", "partial_fit", "encode", "reconstruct", "mse", "score"])
def test_the_warning_points_at_the_line_that_gave_the_data(method):
    """Python shows a warning once per line: it must be the caller's, not one of the package's."""
    model = make().fit(X)
    caught = warned_by(lambda: getattr(model, method)(2 * X))
    assert [warning.filename for warning in caught] == [__file__]


# ---------------------------------------------------------------- divergence, and interruptions


def small_chunks(monkeypatch):
    """Chunks of seven samples: 23 of them are four chunks."""
    for size in ("chunk_size", "call_size"):
        monkeypatch.setattr(training, size, lambda network, batch_size: 7)


def failing(step, k, error):
    """The training step, which raises an error when it is called for the k-th time."""
    calls = []

    def wrapped(*args):
        calls.append(args)
        if len(calls) == k:
            raise error
        return step(*args)

    return wrapped


def break_step(monkeypatch, engine, k, error):
    module, name = {"numpy": (training, "train_batches"), "numba": (kernels, "train_batches")}[
        engine
    ]
    monkeypatch.setattr(module, name, failing(getattr(module, name), k, error))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("k", "epochs", "chunks"), [(1, 0, 0), (3, 0, 2), (6, 1, 1)])
def test_an_interrupt_keeps_the_state_after_the_last_chunk(monkeypatch, engine, k, epochs, chunks):
    small_chunks(monkeypatch)
    model = make(engine=engine, epochs=3)
    start = make(engine=engine, epochs=0).fit(X).network_
    recipe = training.Recipe((0.5,) * 3, seed=0)
    state = training.State(start.parameters, training.empty_history(False))
    states = [state, *training.train(start, X, recipe, state)]
    # An epoch is four chunks and the state after its evaluation.
    expected = states[epochs * 5 + chunks]
    with monkeypatch.context() as patch:
        break_step(patch, engine, k, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    np.testing.assert_array_equal(parameters(model), expected.parameters)
    assert model.n_iter_ == epochs
    assert without_seconds(model.history_) == without_seconds(expected.history)
    assert 0 < model.mse(X) < 1  # it can be evaluated and trained further
    assert model.partial_fit(X).n_iter_ == epochs + 1
    assert_same_model(model.fit(X), make(engine=engine, epochs=3).fit(X))


@pytest.mark.parametrize("engine", ENGINES)
def test_divergence_keeps_the_state_after_the_last_good_chunk(monkeypatch, engine):
    small_chunks(monkeypatch)
    nan_from_now = {"numpy": (training, "train_batches"), "numba": (kernels, "train_batches")}
    module, name = nan_from_now[engine]
    step, calls = getattr(module, name), []

    def diverges_in_the_sixth_chunk(*args):
        trained, errors = step(*args)
        calls.append(trained.copy())
        return (trained * np.nan, errors * np.nan) if len(calls) == 6 else (trained, errors)

    monkeypatch.setattr(module, name, diverges_in_the_sixth_chunk)
    model = make(engine=engine, shuffle=False)
    with pytest.raises(FloatingPointError, match=r"diverged in epoch 2 at sample 7\b"):
        model.fit(X)
    np.testing.assert_array_equal(parameters(model), calls[4])
    assert model.n_iter_ == 1
    assert np.isfinite(model.mse(X))


@pytest.mark.parametrize("engine", ENGINES)
def test_training_that_diverges_at_once_leaves_the_initial_parameters(engine):
    skip_without_compiler(engine)
    # float32 holds no 1e39: the first step goes to infinity, and infinity times 0 is NaN.
    settings = {"engine": engine, "dtype": "float32"}
    model = make(learning_rate=1e39, **settings)
    with pytest.raises(FloatingPointError, match=r"epoch 1 at sample \d+.*learning_rate below"):
        model.fit(X, validation_data=X_TEST)
    np.testing.assert_array_equal(parameters(model), parameters(make(epochs=0, **settings).fit(X)))
    assert model.history_["train_mse"] == model.history_["val_mse"] == []
    assert 0 < model.mse(X) < 1
