"""Bad input is reported by name, and never as a wrong gradient."""

from typing import NamedTuple

import numpy as np
import pytest
from told import causes

from ae_numpy.gradcheck import check_gradients

w = np.array([1.0, 2.0])


def good(w):
    return np.sum(w**2), 2 * w


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda w: (w**2, 2 * w), ValueError, r"loss has shape \(2,\)"),
        (lambda w: (np.float32(1), 2 * w), TypeError, "the loss is float32"),
        (lambda w: (float("nan"), 2 * w), ValueError, "the loss contains nan"),
        (lambda w: ("1", 2 * w), TypeError, "the loss has dtype"),
        (lambda w: np.sum(w**2), TypeError, "pair"),
        (lambda w: (np.sum(w**2), 2 * w[:1]), ValueError, r"shape \(1,\).* shape \(2,\)"),
        (lambda w: (np.sum(w**2), np.array([1, np.nan])), ValueError, r"nan at index \(1,\)"),
        (lambda w: (np.sum(w**2), np.array([np.inf, 1])), ValueError, r"inf at index \(0,\)"),
        (lambda w: (np.sum(w**2), np.array(["a", "b"])), TypeError, "gradient 'parameters'"),
        (lambda w: (np.sum(w**2), 2j * w), TypeError, "complex"),
        (lambda w: (np.sum(w**2), None), TypeError, "gradient 'parameters' is None"),
        (lambda w: (np.sum(w**2), [[1.0], [1.0, 2.0]]), ValueError, "gradient 'parameters' is not"),
        (lambda w: ({"w": w}, np.sum(w**2)), TypeError, r"loss is a dict.*\(loss, gradients\)"),
    ],
)
def test_what_the_function_returns(function, error, words):
    with pytest.raises(error, match=words):
        check_gradients(function, w)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        (np.array([1, 2]), TypeError, "dtype int64"),
        ({"W": np.array([1, 2])}, TypeError, "parameter 'W'"),
        (np.array([1.0, np.nan]), ValueError, r"nan at index \(1,\)"),
        (np.array([1.0 + 0j]), TypeError, "complex"),
        ({}, ValueError, "no array"),
        ({"W": w, "b": None}, TypeError, "'b' is a NoneType"),
        ({"W": [[1.0], [1.0, 2.0]]}, ValueError, "'W' is not an array of one shape"),
        ({1: w, "1": w}, ValueError, "two keys"),
    ],
)
def test_parameters(parameters, error, words):
    with pytest.raises(error, match=words):
        check_gradients(good, parameters)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=r"no entry for \['b'\]"):
        check_gradients(lambda p: (np.sum(p["w"]), {"w": 1.0}), {"w": w, "b": w})


def test_containers_must_fit():
    with pytest.raises(TypeError, match="dict of"):
        check_gradients(lambda p: (np.sum(p["w"]), [w]), {"w": w})
    with pytest.raises(TypeError, match="list"):
        check_gradients(lambda p: (np.sum(p[0]), w), [w])
    with pytest.raises(ValueError, match="holds 2 arrays"):
        check_gradients(lambda p: (np.sum(p[0]), [w, w]), [w])


def test_a_transposed_shape_is_called_by_its_name():
    with pytest.raises(ValueError, match="transposed"):
        check_gradients(lambda W: (np.sum(W**2), 2 * W.T), np.ones((2, 3)))


def test_keepdims_is_called_by_its_name():
    with pytest.raises(ValueError, match="keepdims"):
        check_gradients(lambda b: (np.sum(b), np.ones((1, 2))), w)


def test_a_function_that_changes_its_parameters():
    def updating(p):
        gradient = 2 * p["w"]
        loss = np.sum(p["w"] ** 2)
        p["w"] -= 0.1 * gradient
        return loss, {"w": gradient}

    with pytest.raises(ValueError, match="changed its argument 'w'"):
        check_gradients(updating, {"w": w})
    np.testing.assert_array_equal(w, [1.0, 2.0])


def test_a_function_that_changes_its_batch():
    def scaling(w, X):
        X /= 2
        return np.sum((X @ w) ** 2), 2 * X.T @ (X @ w)

    X = np.eye(2)
    with pytest.raises(ValueError, match=r"changed its argument batch\[0\]"):
        check_gradients(scaling, w, batch=(X,))
    np.testing.assert_array_equal(X, np.eye(2))


def test_a_function_that_is_not_deterministic():
    rng = np.random.default_rng(0)

    def dropout(w):
        kept = rng.random(w.shape) < 0.5
        return np.sum((w * kept) ** 2) + 1, 2 * w * kept

    with pytest.raises(ValueError, match="not deterministic"):
        check_gradients(dropout, np.ones(20))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "forward"}, ValueError, "method='forward'"),
        ({"tolerance": 0.0}, ValueError, "tolerance"),
        ({"max_entries": 0}, ValueError, "max_entries"),
        ({"max_entries": 2.5}, ValueError, "max_entries"),
        ({"directions": "8"}, ValueError, "directions"),
        ({"tolerance": "small"}, ValueError, "tolerance"),
        ({"method": ["central"]}, ValueError, "method"),
        ({"batch": np.ones((2, 2))}, TypeError, "batch must be a tuple"),
        ({"masks": {"v": np.ones(2)}}, ValueError, "masks names 'v'"),
        ({"masks": np.ones(3)}, ValueError, "mask 'parameters'"),
    ],
)
def test_options(options, error, words):
    with pytest.raises(error, match=words):
        check_gradients(good, w, **options)


def test_what_is_not_callable():
    with pytest.raises(TypeError, match="callable"):
        check_gradients((1.0, w), w)


def test_float32_is_widened_and_said_so():
    report = check_gradients(good, w.astype(np.float32))
    assert report.ok
    assert "widened to float64" in str(report)


def test_float32_batches_are_widened():
    def linear(w, X):
        assert X.dtype == np.float64
        return np.sum((X @ w) ** 2), 2 * X.T @ (X @ w)

    X = np.eye(2, dtype=np.float32)
    assert check_gradients(linear, w.astype(np.float32), batch=(X,)).ok


def test_a_function_that_computes_in_float32_does_not_pass_and_is_not_called_wrong():
    def inside(w):
        narrow = np.asarray(w.real, dtype=np.float32)
        return float(np.sum(np.exp(narrow))) / 3, np.exp(w) / 3

    point = np.array([0.3, 0.7])  # no float32 numbers
    for method in ("complex_step", "central", "directional"):
        assert check_gradients(inside, point, method=method).verdict == "cannot tell"
        twice = check_gradients(lambda w: (inside(w)[0], 2 * inside(w)[1]), point, method=method)
        assert twice.verdict == "wrong"


def test_a_float_around_a_float32_loss_does_not_hide_it():
    with pytest.raises(TypeError, match="the loss holds float32 numbers"):
        check_gradients(lambda w: (float(np.sum(np.float32(w.real) ** 2)), 2 * w), np.ones(3) / 3)


def test_buffers_that_are_never_set_to_zero_are_named():
    total = np.zeros(2)

    def adding(w):
        total[:] += 2 * w.real
        return np.sum(w**2), total

    with pytest.raises(ValueError, match="not set to zero"):
        check_gradients(adding, w)


class Pair(NamedTuple):
    W: np.ndarray
    b: np.ndarray


def test_a_namedtuple_is_handed_on_as_one():
    def layer(p):
        return np.sum(p.W**2) + np.sum(p.b), Pair(2 * p.W, np.ones(2))

    assert check_gradients(layer, Pair(np.ones((2, 2)), w)).ok


def test_a_function_that_raises_outside_of_its_domain_is_checked_inside():
    def log_loss(w, X):
        if np.any(w.real <= 0) or len(X) < 2:
            raise ValueError("positive weights and two samples, please")
        return np.sum(np.log(w)) * np.sum(X), np.sum(X) / w

    narrow = np.array([1e-3, 5.0])  # the first step of the differences would leave the domain
    X = np.ones((3, 2))
    for method in ("complex_step", "central", "directional"):
        assert check_gradients(log_loss, narrow, batch=(X,), method=method).ok
        wrong = check_gradients(
            lambda w, X: (log_loss(w, X)[0], 2 * log_loss(w, X)[1]), narrow, batch=(X,),
            method=method,
        )  # fmt: skip
        assert "a factor 2" in causes(wrong)


def test_extreme_claims_do_not_break_the_report():
    for claim in (1e300, -1e-300, 0.0):
        report = check_gradients(lambda w, c=claim: (1e-200 * np.sum(w**2), c + 0 * w), w)
        assert report.verdict == "wrong"
        assert str(report)


def test_a_batch_of_nested_lists_is_diagnosed_as_arrays_are():
    def wrong(parameters, X):
        W, x = parameters["W"], np.asarray(X)
        return 0.5 * np.sum((x @ W) ** 2), {"W": -(x.T @ x @ W)}

    report = check_gradients(wrong, {"W": np.ones((2, 2))}, batch=([[1.0, 2.0], [3.0, 4.0]],))
    assert not report.ok
    assert "the wrong sign" in causes(report)


def test_a_bare_mask_does_not_pass_for_that_of_the_first_parameter():
    parameters = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(
        ValueError, match=r"masks names 'parameters'; the parameters are \['a', 'b'\]"
    ):
        check_gradients(lambda p: (0.0, p), parameters, masks=np.zeros(2, bool))
