"""Bad input: an error names the parameter, the value and what was expected; nothing has changed."""

from __future__ import annotations

import random
import re
from functools import partial

import numpy as np
import pytest
import small_models

from ae_numpy import Autoencoder, Network
from ae_numpy.datasets import load_idx_digits
from ae_numpy.engine import get_engine
from ae_numpy.sweep import run_jobs

X = np.random.default_rng(0).random((8, 4))
RNG = np.random.default_rng(5)
make = partial(
    small_models.make, hidden_layer_sizes=2, epochs=1, initial_parameters={"b0": np.zeros(2)}
)


class SparseMatrix:
    """What a sparse matrix of any library looks like."""

    shape, nnz = (8, 4), 3

    def toarray(self):
        return X


def with_entry(value, row=3, column=2) -> np.ndarray:
    changed = X.copy()
    changed[row, column] = value
    return changed


def snapshot(model) -> dict[str, str]:
    """Everything the estimator holds: which objects, and their contents."""
    held = {name: f"{id(value)} {value!r}" for name, value in vars(model).items()}
    if "network_" in held:
        network = model.network_
        held["numbers"] = f"{network.parameters.tobytes()} {network.bias_mask.tobytes()}"
    return held


def assert_refused(model, use, error, *says) -> None:
    """The call raises an error that says all this; the estimator, fitted or not, is unchanged."""
    before = snapshot(model)
    with pytest.raises(error) as raised:
        use(model)
    for pattern in says:
        assert re.search(pattern, str(raised.value), re.DOTALL), f"{pattern}: {raised.value}"
    assert snapshot(model) == before


# ------------------------------------------------------------------------------------- the data

TYPE, VALUE = TypeError, ValueError
MASKED = np.ma.array(with_entry(1e6), mask=with_entry(9) > 1)
# What is wrong with it, the error, what the message says in addition to the name.
BAD_DATA = {
    "NaN": (
        with_entry(np.nan),
        ValueError,
        r"contains NaN \(at row 3, column 2\).*expected finite",
    ),
    "NaN with a sign": (with_entry(-np.nan), ValueError, "contains NaN"),
    "infinity": (with_entry(np.inf), ValueError, r"contains infinity \(at row 3, column 2\)"),
    "minus infinity": (with_entry(-np.inf), ValueError, "contains infinity"),
    "too large for float32": (with_entry(1e300), ValueError, "contains infinity.*float32"),
    "NaN among objects": (with_entry(np.nan).astype(object), ValueError, "contains NaN"),
    "one dimension": (X[0], ValueError, r"Expected 2D array.*got \(4,\)"),
    "three dimensions": (X.reshape(2, 4, 4), ValueError, r"Expected 2D array.*got \(2, 4, 4\)"),
    "a number": (0.5, ValueError, r"Expected 2D array.*got \(\)"),
    "None": (None, ValueError, "Expected 2D array"),
    "no samples": (X[:0], ValueError, r"0 sample\(s\) \(shape=\(0, 4\)\)"),
    "no features": (X[:, :0], ValueError, r"0 feature\(s\) \(shape=\(8, 0\)\)"),
    "empty list": ([], ValueError, r"Expected 2D array.*got \(0,\)"),
    "rows of different lengths": ([[0.1, 0.2], [0.3]], ValueError, ""),
    "complex": (X + 1j, ValueError, "Complex data not supported.*complex128"),
    "complex among objects": ((X + 1j).astype(object), (TypeError, ValueError), ""),
    "strings": (X.astype(str), ValueError, "must hold numbers, got dtype <U"),
    "bytes": (X.astype("S"), ValueError, r"must hold numbers, got dtype \|S"),
    "objects": (np.full((8, 4), {}, object), TypeError, "must hold numbers"),
    "dates": (np.full((8, 4), "2020-01-01", "datetime64[D]"), ValueError, "must hold numbers"),
    "an integer beyond float64": ([[10**400, 0, 0, 0]], ValueError, ""),
    "sparse": (SparseMatrix(), TypeError, r"sparse SparseMatrix.*toarray\(\)"),
    "masked": (MASKED, ValueError, r"contains NaN \(at row 3, column 2\)"),
    "masked rows": (list(MASKED), ValueError, r"contains NaN \(at row 3, column 2\)"),
    "masked integers": (np.ma.masked_equal([[0, 1, 0, 7]], 7), VALUE, "NaN .*row 0, column 3"),
    "masked truth": (np.ma.array([[True] * 4], mask=[[0, 1, 0, 0]]), VALUE, "NaN .*column 1"),
}
bad_data = pytest.mark.parametrize("fault", BAD_DATA)


@bad_data
@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_fit_refuses(fault, method):
    data, error, says = BAD_DATA[fault]
    assert_refused(make(), lambda m: getattr(m, method)(data), error, r"\bX\b", says)


@bad_data
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fit_refuses_and_the_model_from_before_stays(fault, method):
    data, error, says = BAD_DATA[fault]
    assert_refused(make().fit(X), lambda m: getattr(m, method)(data), error, r"\bX\b", says)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-40, 1.0, 1 + 2.0**-13, -(2.0**-13)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros_of_either_sign_and_what_rounding_adds_are_no_reason_to_warn(value, dtype):
    make(dtype=dtype, initial_parameters=None).fit(with_entry(value).astype(dtype))


@pytest.mark.parametrize("fault", sorted(set(BAD_DATA) - {"None"}))  # None: there are none
def test_validation_data_are_refused_by_name(fault):
    data, error, says = BAD_DATA[fault]
    use = partial(Autoencoder.fit, X=X, validation_data=data)
    assert_refused(make(), use, error, "validation_data", says)


@bad_data
@pytest.mark.parametrize("method", ["encode", "decode", "reconstruct", "mse", "score"])
def test_a_fitted_model_refuses(fault, method):
    data, error, says = BAD_DATA[fault]
    name = "Z" if method == "decode" else "X"
    # A code as wide as the samples, so that the same data are bad for both.
    model = make(hidden_layer_sizes=4, initial_parameters=None).fit(X)
    assert_refused(model, lambda m: getattr(m, method)(data), error, rf"\b{name}\b", says)


@pytest.mark.parametrize(
    ("method", "name", "width"),
    [
        ("partial_fit", "X", 4),
        ("encode", "X", 4),
        ("decode", "Z", 2),
        ("reconstruct", "X", 4),
        ("mse", "X", 4),
        ("score", "X", 4),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_fitted_model_refuses_another_width(method, name, width, engine):
    says = f"{name} has 3 features, but Autoencoder is expecting {width} features"
    model = make(engine=engine).fit(X)
    assert_refused(model, lambda m: getattr(m, method)(X[:, :3]), ValueError, says)


def test_validation_data_of_another_width_are_refused():
    says = "validation_data has 3 features, but Autoencoder is expecting 4"
    assert_refused(make(), lambda m: m.fit(X, validation_data=X[:, :3]), ValueError, says)


def test_matrices_of_scipy_are_refused_as_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    for data in (sparse.csr_matrix(X), sparse.coo_array(X)):
        assert_refused(make(), lambda m, data=data: m.fit(data), TypeError, "X is a sparse")


def test_a_refused_fit_draws_nothing_from_the_generator():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for refused in (
        lambda: make(random_state=rng).fit(X * np.nan),
        lambda: make(random_state=rng, dtype="int8").fit(X),
    ):
        with pytest.raises(ValueError, match=r"X contains NaN|dtype must be"):
            refused()
        assert rng.bit_generator.state == before


def test_a_refused_fit_warns_of_nothing_else():
    """The error is what counts; warnings are errors in this suite."""
    with pytest.raises(ValueError, match="contains infinity"):
        make().fit(with_entry(np.inf) * 5)


# --------------------------------------------------------------------------------- the parameters

# Name: values, each with the error that it gets, and what else the message must say.
BAD_PARAMETERS = {
    "hidden_layer_sizes": (
        "a positive integer or a tuple of one or more of them",
        [
            (0, VALUE),
            (-3, VALUE),
            (2.0, TYPE),
            ("2", TYPE),
            (None, TYPE),
            (True, TYPE),
            ((), VALUE),
            ((3, 0), VALUE),
            ((3, 2.5), TYPE),
            ((3, "2"), TYPE),
            ({2, 3}, TYPE),
            (np.array([[2, 3]]), TYPE),
            (np.array(2), TYPE),
        ],
    ),
    "learning_rate": (
        "a finite number of at least 0|one rate for each",
        [
            (-0.1, VALUE),
            (np.nan, VALUE),
            (np.inf, VALUE),
            ("fast", TYPE),
            (None, TYPE),
            (True, TYPE),
            (0.1j, TYPE),
            ((0.1, 0.1), VALUE),
            ([], VALUE),
            (["0.1"], TYPE),
            ((-1.0,), VALUE),
            (np.array([np.nan]), VALUE),
            (np.array(0.1), TYPE),
            (lambda epoch: -1.0, VALUE),
            (lambda epoch: "fast", TYPE),
        ],
    ),
    "epochs": (
        "an integer of at least 0",
        [(-1, VALUE), (1.5, TYPE), ("1", TYPE), (None, TYPE), (True, TYPE)],
    ),
    "batch_size": (
        "an integer of at least 1",
        [(0, VALUE), (-1, VALUE), (2.0, TYPE), (None, TYPE), (True, TYPE)],
    ),
    "shuffle": ("True or False", [(1, TYPE), ("yes", TYPE), (None, TYPE)]),
    "weight_init": ("fan_in", [("zeros", VALUE), (None, TYPE), (1, TYPE)]),
    "backprop": ("raw_error", [("sloppy", VALUE), (None, TYPE), (True, TYPE)]),
    "engine": ("numba", [("fortran", VALUE), (None, TYPE), (("numpy",), TYPE)]),
    "dtype": (
        "float32",
        [("float16", VALUE), ("int8", VALUE), (complex, VALUE), (None, VALUE), ("colour", TYPE)],
    ),
    "random_state": (
        "integer of at least 0",
        [
            *(
                (-1, VALUE),
                (1.5, TYPE),
                ("0", TYPE),
                (True, TYPE),
                (random, TYPE),
                (object(), TYPE),
            ),
            *((np.random.PCG64(0), TYPE), (np.random.RandomState, TYPE), (random.Random(0), TYPE)),
        ],
    ),
    "verbose": (
        "True, False or an integer of at least 0",
        [(-1, VALUE), ("yes", TYPE), (None, TYPE), (1.0, TYPE)],
    ),
    "validation_fraction": (
        "None or a number between 0 and 1",
        [(0, VALUE), (1.0, VALUE), (-0.1, VALUE), (np.nan, VALUE), ("0.1", TYPE), (True, TYPE)],
    ),
    "early_stopping": ("True or False", [(1, TYPE), ("yes", TYPE), (None, TYPE)]),
    "n_iter_no_change": (
        "an integer of at least 1",
        [(0, VALUE), (2.0, TYPE), (None, TYPE), (True, TYPE)],
    ),
    "tol": (
        "a finite number of at least 0",
        [(-1e-4, VALUE), (np.nan, VALUE), (np.inf, VALUE), ("small", TYPE), (None, TYPE)],
    ),
    "bias": (
        "True, False or one boolean array per layer",
        [
            (None, (TYPE, VALUE)),
            (1, (TYPE, VALUE)),
            ("True", (TYPE, VALUE)),
            ([], VALUE),
            ([True, True], VALUE),
            ([np.ones(2)], VALUE),
            ([np.ones(2), np.ones(3)], VALUE),
            ([np.ones(2), np.full(4, 0.5)], VALUE),
            ([np.ones(2), np.full(4, np.nan)], VALUE),
            ([[True, [True]], [True] * 4], (TYPE, VALUE)),
            ([np.ma.masked_equal([1, 0], 0), np.ones(4)], VALUE),
        ],
    ),
    "initial_parameters": (
        "",
        [
            ([1, 2], TYPE),
            (np.ones(3), TYPE),
            (5, TYPE),
            ("W0", TYPE),
            ({"W9": np.ones((4, 2))}, VALUE),
            ({"W0": np.ones((2, 4))}, VALUE),
            ({"b0": 0.0}, VALUE),
            ({"b0": [0.0, np.nan]}, VALUE),
            ({"b0": [0.0, np.inf]}, VALUE),
            ({"b0": [0.0, 1e300]}, VALUE),
            ({"b0": [0.0, 1j]}, (TYPE, VALUE)),
            ({"b0": ["a", "b"]}, (TYPE, VALUE)),
            ({"b0": None}, (TYPE, VALUE)),
            ({"b0": [0.0, [1.0]]}, (TYPE, VALUE)),
            ({0: np.ones(2)}, (TYPE, VALUE)),
            ({"b0": np.ma.masked_equal([0.0, 7.0], 7)}, VALUE),
        ],
    ),
}
CASES = [
    pytest.param(name, value, error, expected, id=f"{name}-{index}-{value!r:.20}")
    for name, (expected, values) in BAD_PARAMETERS.items()
    for index, (value, error) in enumerate(values)
]


def test_every_parameter_of_the_constructor_is_tried():
    assert set(vars(Autoencoder())) == set(BAD_PARAMETERS)


@pytest.mark.parametrize(("name", "value", "error", "expected"), CASES)
def test_a_bad_parameter_is_refused_by_name(name, value, error, expected):
    model = make(**{name: value})
    assert_refused(model, lambda m: m.fit(X), error, f"^{name}", expected, "got ")


@pytest.mark.parametrize(("name", "value", "error", "expected"), CASES)
def test_a_bad_parameter_leaves_the_model_from_before(name, value, error, expected):
    model = make().fit(X)
    setattr(model, name, value)
    assert_refused(model, lambda m: m.fit(X), error, rf"^{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 1.5),
        ("batch_size", -7),
        ("shuffle", "sometimes"),
        ("weight_init", "zeros"),
        ("backprop", "sloppy"),
        ("engine", "fortran"),
        ("dtype", "float16"),
        ("random_state", -3),
        ("verbose", -2),
        ("learning_rate", -0.125),
        ("hidden_layer_sizes", -4),
        ("bias", "maybe"),
    ],
)
def test_the_error_shows_the_value(name, value):
    with pytest.raises((TypeError, ValueError), match=f"got {value!r}"):
        make(**{name: value}).fit(X)


@pytest.mark.parametrize("size", [10**12, 10**30, (10**7, 10**7)])
def test_what_no_memory_can_hold_is_refused_by_name(size):
    words = "hidden_layer_sizes must give a network that fits into memory"
    assert_refused(make(hidden_layer_sizes=size), lambda m: m.fit(X), ValueError, words)
    with pytest.raises(ValueError, match="layer_sizes must give a network that fits into memory"):
        Network((3, *np.atleast_1d(size).tolist(), 3))


@pytest.mark.parametrize("callbacks", [[None], ["print"], print, None, 3])
def test_callbacks_that_cannot_be_called_are_refused(callbacks):
    assert_refused(make(), lambda m: m.fit(X, callbacks=callbacks), TypeError, "callbacks must be")


# --------------------------------------------------------------------------- what is good enough


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layer_sizes": np.int64(2)},
        {"hidden_layer_sizes": [3, 2], "initial_parameters": None},
        {"hidden_layer_sizes": np.array([2])},
        {"epochs": np.int32(1)},
        {"batch_size": np.int64(3)},
        {"shuffle": np.False_},
        {"learning_rate": np.float32(0.1)},
        {"learning_rate": 1},
        {"dtype": np.float64},
        {"dtype": np.dtype("float32")},
        {"random_state": np.uint64(3)},
        {"random_state": RNG},
        {"random_state": np.random},
        {"validation_fraction": np.float32(0.5)},
        {"verbose": np.False_},
        {"bias": np.True_},
        {"bias": (np.ones(2), np.zeros(4, bool))},
        {"initial_parameters": {}},
        {"initial_parameters": {"b0": [1, 2]}},
    ],
    ids=repr,
)
def test_numbers_of_numpy_are_as_good_as_those_of_python(settings):
    assert make(**settings).fit(X).n_iter_ == 1


@pytest.mark.parametrize(
    "data",
    [
        *(X.tolist(), X.astype(object), np.asfortranarray(X), X[::-1, ::-1], X.astype(">f8")),
        *(X > 0.5, np.ma.array(X), np.ma.array(X, mask=np.zeros_like(X, bool))),
    ],
    ids=[
        *("list", "objects", "Fortran", "reversed", "big-endian"),
        *("boolean", "unmasked", "nothing masked"),
    ],
)
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_all_that_holds_numbers_is_taken(data, engine):
    plain = np.array(data, float)
    model, expected = (make(engine=engine).fit(given) for given in (data, plain))
    np.testing.assert_array_equal(model.network_.parameters, expected.network_.parameters)


# ------------------------------------------------------------------------- pandas' missing values


@pytest.mark.parametrize("dtype", ["Float64", "Int64", "boolean", "object"])
def test_missing_values_of_pandas_are_named_by_row_and_column(dtype):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(np.round(X), columns=list("abcd")).astype(
        bool if dtype == "boolean" else float
    )
    frame = frame.astype(dtype)
    expected = make().fit(frame.to_numpy(float)).network_.parameters
    np.testing.assert_array_equal(make().fit(frame).network_.parameters, expected)
    full = frame.copy()
    frame.iloc[5, 1] = pd.NA
    says = r"contains NaN \(at row 5, column 1\)"
    assert_refused(make(), lambda m: m.fit(frame), ValueError, "Input X", says)
    for name in ("target", "validation_data"):
        use = partial(Autoencoder.fit, X=full, **{name: frame})
        assert_refused(make(), use, ValueError, f"Input {name}", says)


# ------------------------------------------------------------------- NumPy that raises on underflow


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_what_is_too_small_for_the_dtype_is_zero_and_not_an_error(engine, dtype, batch_size):
    tiny = np.array([[1e-310, 1e-160, 1e-40, 0.5]] * 8)
    # Outputs of exp(-80) and exp(-700), whose squares no float32, and no float64, holds.
    start = {"b1": [-80.0, -80.0, -700.0, -700.0], "W0": np.full((4, 2), 1e-30)}
    settings = {"engine": engine, "dtype": dtype, "batch_size": batch_size}
    model = make(**settings, initial_parameters=start, learning_rate=1e-50)
    expected = make(**settings, initial_parameters=start, learning_rate=1e-50)
    expected.fit(tiny, validation_data=tiny)
    with np.errstate(all="raise"):
        model.fit(tiny, validation_data=tiny)
        assert model.mse(tiny) == expected.mse(tiny)
        model.decode(np.maximum(model.encode(tiny), 1e-310))
        model.partial_fit(tiny).score_samples(model.reconstruct(tiny))
    assert model.history_["val_mse"][:1] == expected.history_["val_mse"]


LONG = "x" * 100_000
NESTED = [[[[LONG] * 4] * 4] * 4] * 4  # 25 MB


@pytest.mark.parametrize(
    "use",
    [
        lambda: make(epochs=LONG).fit(X),
        lambda: make(bias=NESTED).fit(X),
        lambda: make(bias=[[1]] * 9999).fit(X),
        lambda: make(learning_rate={LONG: NESTED}).fit(X),
        lambda: make(initial_parameters={LONG: [1]}).fit(X),
        lambda: make(hidden_layer_sizes=10**4000).fit(X),
        lambda: Autoencoder().set_params(**{LONG: 1}),
        lambda: Network((3, 2)).flatten({LONG: X}),
        lambda: get_engine(LONG),
        lambda: load_idx_digits(".", prefix=NESTED),
        lambda: run_jobs(print, LONG, processes=1),
    ],
)
def test_errors_quote_a_little_of_long_values(use):
    with pytest.raises((TypeError, ValueError)) as raised:
        use()
    assert len(str(raised.value)) < 1000
