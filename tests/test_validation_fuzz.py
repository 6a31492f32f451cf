"""Anything at all where a parameter or samples are expected.

It is accepted, or refused with TypeError or ValueError, which leaves the estimator unchanged.
"""

from __future__ import annotations

import enum
import inspect
import io
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((4, 3))


class Colour(enum.Enum):
    RED = 1


class Odd:
    """Objects that raise when they are looked at closely."""

    def __len__(self):
        raise ValueError("no length")

    def __array__(self, *args, **kwargs):
        raise TypeError("no array")


# No larger than 30: a number of epochs, or of units, may well be enormous, and take forever.
numbers = st.one_of(
    st.integers(-5, 30),
    st.sampled_from([-(10**400), -(2**64), -(10**30)]),
    st.floats(max_value=30) | st.just(float("inf")),
    st.complex_numbers(),
    st.fractions(max_value=30),
    st.decimals(max_value=30),
    hnp.from_dtype(np.dtype("f2")),
    hnp.from_dtype(np.dtype("i1"), max_value=30),
    hnp.from_dtype(np.dtype("M8[s]")),
    st.booleans().map(np.bool_),
)
things = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from(
        [
            *("numpy", "float32", "float64", "fan_in", "fan_out", "exact", "raw_error"),
            *(int, float, np.float32, np.dtype("f8"), np.dtype([("a", "f4")]), object, Colour),
            *(len, print, np.add, lambda epoch: 1 / 0 if epoch > 9 else 0.1, lambda: 1),
            *(Colour.RED, Odd(), object(), ..., NotImplemented, range(3), slice(3), io, iter([1])),
            *(np.random.default_rng(0), np.random.RandomState(0), np.random.PCG64(0)),
            *(Fraction(1, 3), Decimal("0.1"), frozenset([1]), memoryview(b"ab"), bytearray(b"a")),
            *(np.ma.masked, np.array(None), np.array([None, 1]), np.array({})),
        ]
    ),
    hnp.arrays(
        st.sampled_from(["f4", "f8", "i8", "b1", "c8", "U3", "M8[s]"]),
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    ),
)
names = st.sampled_from(["W0", "b0", "W1", "b1"])
junk = st.recursive(
    things,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(names | st.text(max_size=3) | st.integers(), inner, max_size=3),
    ),
    max_leaves=5,
)
PARAMETERS = sorted(inspect.signature(Autoencoder).parameters)


def snapshot(model) -> dict:
    """What an estimator holds: which objects, and the numbers."""
    held = {name: id(value) for name, value in vars(model).items()}
    if "network_" in held:
        held["numbers"] = model.network_.parameters.tobytes()
    return held


def check_use(model, use) -> None:
    """It works, or raises TypeError or ValueError and has changed nothing."""
    before = snapshot(model)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("ignore")
        refused = tried(model, use)
    assert not refused or snapshot(model) == before


def tried(model, use) -> bool:
    """Whether it was refused; training may also diverge."""
    try:
        use(model)
    except (TypeError, ValueError) as error:
        return bool(str(error)) or pytest.fail("an error without a word")
    except FloatingPointError as error:
        return "diverged" not in str(error)
    return False


def small(**changes) -> Autoencoder:
    model = Autoencoder(2, epochs=1, engine="numpy", random_state=0)
    for name, value in changes.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize("name", PARAMETERS)
@settings(max_examples=80)
@given(value=junk)
def test_any_value_of_a_parameter(name, value):
    check_use(small(**{name: value}), lambda model: model.fit(X))
    fitted = small().fit(X)
    setattr(fitted, name, value)
    check_use(fitted, lambda model: model.fit(X))
    check_use(fitted, lambda model: model.partial_fit(X))


@pytest.mark.parametrize(
    "use", ["fit", "partial_fit", "encode", "decode", "reconstruct", "mse", "score"]
)
@settings(max_examples=80)
@given(data=junk)
def test_any_samples(use, data):
    check_use(small().fit(X), lambda model: getattr(model, use)(data))


@settings(max_examples=80)
@given(data=junk)
def test_any_validation_data(data):
    check_use(small(), lambda model: model.fit(X, validation_data=data))


HUGE = 10**400


@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, Fraction(HUGE), np.float64(1e308), 1e-320], ids=lambda v: f"{v!r:.20}"
)
@pytest.mark.parametrize("name", ["learning_rate", "random_state", "batch_size", "verbose"])
def test_numbers_of_any_size(name, value):
    check_use(small(**{name: value}), lambda model: model.fit(X))
    check_use(small(**{name: [value]}), lambda model: model.fit(X))
