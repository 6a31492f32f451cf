"""The numerical derivatives and their claimed errors, against known derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_numpy.gradcheck.derivative import central, complex_step, roughness
from ae_numpy.gradcheck.verdict import CANNOT_TELL, RIGHT, WRONG, Comparison

# Functions of t about 0, given a number p, with their derivatives at 0.
FUNCTIONS = {
    "exp": (lambda t, p: np.exp(p * (1 + t)), lambda p: p * np.exp(p)),
    "cubic": (lambda t, p: (p + t) ** 3, lambda p: 3 * p**2),
    "tanh": (lambda t, p: np.tanh(p + t), lambda p: 1 - np.tanh(p) ** 2),
    "sine": (lambda t, p: np.sin(3 * (p + t)), lambda p: 3 * np.cos(3 * p)),
    "log": (lambda t, p: np.log(2 + (p + t) ** 2), lambda p: 2 * p / (2 + p**2)),
}
points = st.floats(0.1, 1.5)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(p=points)
def test_complex_step_is_exact_to_rounding(name, p):
    f, derivative = FUNCTIONS[name]
    # 8 units in the last place: the function itself is not more exact than that.
    assert complex_step(lambda t: complex(f(t, p))) == pytest.approx(derivative(p), rel=2e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(p=points, offset=st.sampled_from([0.0, 1.0, 1e3]), step=st.sampled_from([1.0, 0.1, 1e-2]))
def test_central_error_covers_the_true_error(name, p, offset, step):
    f, derivative = FUNCTIONS[name]
    noise = np.finfo(float).eps * max(1.0, abs(f(0.0, p) + offset))
    value, error, jump = central(lambda t: float(f(t, p) + offset), step, noise)
    assert abs(value - derivative(p)) <= 3 * error  # the margin `Comparison` adds
    assert jump == 0


def test_central_reaches_ten_digits():
    value, error, *_ = central(lambda t: float(np.exp(t)), 0.1, 2e-16)
    assert abs(value - 1) < 1e-11
    assert error < 1e-10


@given(kink=st.floats(-2, 2).filter(lambda k: abs(k) > 1e-3))
def test_a_kink_is_seen_and_its_jump_measured(kink):
    found = central(lambda t: float(np.exp(t) + kink * max(t, 0.0)), 0.1, 2e-16)
    assert found.jump == pytest.approx(kink, rel=1e-4)
    assert found.error == np.inf  # any slope may be claimed


def test_straight_pieces_hide_no_kink():
    """Two levels of the plain differences agree exactly here, long before the pieces are seen."""
    found = central(lambda t: max(t, 0.0) + abs(t - 0.02) + abs(t + 0.02), 0.1, 1e-17)
    assert found.error == np.inf


def test_roughness_is_rounding_and_not_a_kink():
    assert roughness(lambda t: np.exp(t) + abs(t), 1e-6) < 1e-15
    assert 1e-9 < roughness(lambda t: float(np.float32(np.exp(t))), 1e-6) < 1e-7


def test_a_kink_beside_the_point_does_not_matter():
    value, error, jump = central(lambda t: float(max(t - 1e-3, 0.0) + np.exp(t)), 0.1, 2e-16)
    assert value == pytest.approx(1.0, rel=1e-10)
    assert error < 1e-9
    assert jump == 0


def test_an_oscillation_inside_the_step_is_not_taken_for_a_derivative():
    value, error, *_ = central(lambda t: float(np.sin(1e6 * t)), 0.1, 2e-16)
    assert abs(value - 1e6) <= 3 * error


def test_the_edge_of_the_domain_is_avoided():
    with np.errstate(invalid="ignore"):
        value, error, *_ = central(lambda t: float(np.sqrt(1e-3 + t)), 0.1, 2e-16)
    assert abs(value - 0.5 / np.sqrt(1e-3)) <= 3 * error < 1e-6


def test_nothing_is_claimed_where_the_loss_is_nan():
    assert central(lambda t: float("nan"), 0.1, 2e-16).error == np.inf


def comparison(given, expected, uncertainty=0.0):
    given, expected = np.array(given), np.array(expected)
    return Comparison(
        given,
        expected,
        np.full(given.shape, uncertainty),
        np.full(given.shape, np.abs(expected).max()),
        1e-9,
        1e-5,
    )


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_verdicts_do_not_depend_on_the_scale(scale):
    expected = np.array([1.0, 0.5]) * scale
    assert comparison(expected, expected).verdict == RIGHT
    assert comparison(expected * (1 + 1e-8), expected).verdict == WRONG
    assert comparison(0 * expected, expected).verdict == WRONG


def test_a_verdict_is_not_stronger_than_its_evidence():
    assert comparison([1.0], [1.0], uncertainty=1e-3).verdict == CANNOT_TELL
    assert comparison([1.001], [1.0], uncertainty=1e-3).verdict == CANNOT_TELL
    assert comparison([1.01], [1.0], uncertainty=1e-3).verdict == WRONG


def test_expected_zero_allows_only_zero():
    assert comparison([0.0], [0.0]).verdict == RIGHT
    assert comparison([1e-300], [0.0]).verdict == WRONG
    assert comparison([1e-300], [0.0]).errors == np.inf
