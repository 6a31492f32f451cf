"""The diagnosis: the cause that was put in is named, and no other one is called certain."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from told import causes, kinds

from ae_numpy.gradcheck import check_gradients, check_network
from ae_numpy.network import Network

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gradcheck_diagnosis.py"


@pytest.fixture(scope="module")
def table():
    """A small sample of the measurement in the documentation: 4 trials of each bug."""
    spec = importlib.util.spec_from_file_location("gradcheck_diagnosis", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark  # where its dataclasses look up their module
    spec.loader.exec_module(benchmark)
    return benchmark, benchmark.measure(trials=4, seed=1)


def test_at_least_95_percent_of_the_bugs_are_named(table):
    benchmark, rows = table
    known = [rows[name] for name, _, _ in benchmark.BUGS]
    assert sum(row.named for row in known) >= 0.95 * sum(row.trials for row in known)


def test_every_bug_is_caught_and_correct_code_passes(table):
    _, rows = table
    assert {name: row.passed for name, row in rows.items() if row.passed} == {}
    assert {name: row.false_alarms for name, row in rows.items() if row.false_alarms} == {}


def test_no_wrong_cause_is_called_certain(table):
    _, rows = table
    assert {name: row.wrong_certain for name, row in rows.items() if row.wrong_certain} == {}


def regression(w, X, y):
    """Mean over the samples of half the squared error of a linear model."""
    error = X @ w - y
    return np.sum(error**2) / (2 * len(y)), X.T @ error / len(y)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=3), (rng.normal(size=(2, 3)), rng.normal(size=2))


def test_causes_with_the_same_numbers_are_named_together(data):
    w, batch = data  # two samples: a missing mean and a factor 2 are the same thing
    report = check_gradients(
        lambda w, X, y: (regression(w, X, y)[0], 2 * regression(w, X, y)[1]), w, batch=batch
    )
    (finding,) = report.diagnosis.findings
    assert finding.certain
    assert finding.causes == ("a factor 2", "a sum over the batch where a mean belongs")
    assert finding.kinds == ("factor", "batch_factor")


@pytest.mark.parametrize(
    ("held", "other", "kinds"),
    [
        (lambda p, right: 0.01 * p["held"], None, {"mask", "weight_decay"}),
        (lambda p, right: right["c"], None, {"swapped"}),
        (None, lambda p, right: 0 * right["c"], {"zero", "swapped"}),
        (lambda p, right: right["c"] / 3, None, {"mask"}),
    ],
    ids=["decay", "another's", "mixed up with another's", "mask"],
)
def test_of_a_held_array_not_only_the_mask_may_be_wrong(held, other, kinds):
    rng = np.random.default_rng(7)
    p = {"W": rng.normal(size=(3, 2)), "held": rng.normal(size=2), "c": rng.normal(size=2)}
    batch = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))

    def loss_and_gradients(p, X, Y):
        error = X @ p["W"] + p["held"] + 3 * p["c"] - Y
        right = {"W": X.T @ error, "held": np.zeros(2), "c": 3 * error.sum(axis=0)}
        wrong = {"held": held, "c": other}
        return np.sum(error**2) / 2, right | {n: f(p, right) for n, f in wrong.items() if f}

    masks = {"held": np.zeros(2, bool)}
    report = check_gradients(loss_and_gradients, p, batch=batch, masks=masks)
    (finding,) = report.diagnosis.findings
    assert finding.certain
    assert set(finding.kinds) == kinds


def test_without_a_batch_nobody_is_told_to_pass_one(data):
    w, batch = data
    report = check_gradients(lambda w: (regression(w, *batch)[0], 2 * regression(w, *batch)[1]), w)
    (finding,) = report.diagnosis.findings
    assert finding.causes == ("a factor 2", "the number of samples, if there are 2")
    assert "batch=" not in str(report)


def test_a_sample_is_never_certain(data):
    w = np.random.default_rng(0).normal(size=200)
    report = check_gradients(lambda w: (np.sum(w**3), 6 * w**2), w, max_entries=20)
    assert "a factor 2" in causes(report)
    assert not any(finding.certain for finding in report.diagnosis.findings)


def test_directions_are_never_certain():
    w = np.random.default_rng(0).normal(size=200)
    for method in ("directional",):
        report = check_gradients(lambda w: (np.sum(w**3), -3 * w**2), w, method=method)
        assert "the wrong sign" in causes(report)
        assert not any(finding.certain for finding in report.diagnosis.findings)


def test_a_loss_that_does_not_use_its_argument_is_named():
    outside = np.array([1.0, 2.0])
    report = check_gradients(lambda w: (np.sum(outside**2), 2 * outside), outside.copy())
    assert "the loss does not depend on it" in causes(report)
    assert "handed" in str(report)


def test_one_entry_proves_nothing():
    report = check_gradients(lambda w: (w**2, 1.7 * w), np.float64(3.0))
    assert not any(finding.certain for finding in report.diagnosis.findings)


def test_what_is_in_no_table_is_said_to_be_unknown(data):
    w, batch = data
    report = check_gradients(
        lambda w, X, y: (regression(w, X, y)[0], np.sin(regression(w, X, y)[1])), w, batch=batch
    )
    assert report.diagnosis.findings == ()
    assert report.diagnosis.unexplained == ("parameters",)
    assert "no known cause" in str(report)


def test_a_bias_gradient_that_was_not_summed_is_no_shape_error():
    rng = np.random.default_rng(0)
    p = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    X = rng.normal(size=(4, 3))

    def layer(p, X):
        out = X @ p["W"] + p["b"]
        return np.sum(out**2), {"W": 2 * X.T @ out, "b": 2 * out}

    report = check_gradients(layer, p, batch=(X,))
    assert report.verdict == "wrong"
    (finding,) = report.diagnosis.findings
    assert finding.causes == ("not summed over the batch",)
    assert finding.certain
    assert "shape(4,2)" in str(report)
    (finding,) = check_gradients(lambda p: layer(p, X), p).diagnosis.findings
    assert not finding.certain


# --- networks ------------------------------------------------------------------------------------


def network(**options):
    net = Network((4, 3, 3, 4), bias=[np.array([1, 0, 1]), np.ones(3), np.array([1, 1, 0, 0])],
                  **options)  # fmt: skip
    net.parameters[:] = np.random.default_rng(0).normal(size=net.parameters.size)
    return net


X = np.random.default_rng(1).random((5, 4))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_our_networks_pass(engine, dtype):
    check_network(network(engine=engine, dtype=dtype), X).raise_if_failed()
    check_network(network(engine=engine, dtype=dtype), X, X[::-1]).raise_if_failed()


def test_the_published_rule_is_named():
    report = check_network(network(backprop="raw_error"), X)
    assert [a.name for a in report.arrays if a.verdict == "wrong"] == ["W0", "b0", "W1", "b1"]
    (finding,) = report.diagnosis.findings
    assert finding.causes == ('the rule "raw_error"',)
    assert finding.certain
    assert "raw_error" in kinds(report)


def test_the_published_rule_is_right_where_there_is_no_hidden_layer():
    net = Network((4, 4), backprop="raw_error")
    net.parameters[:] = np.random.default_rng(0).normal(size=net.parameters.size)
    check_network(net, X).raise_if_failed()


def test_a_mask_that_is_ignored_is_named():
    def ignoring(p, X, T):
        full = Network((4, 3, 3, 4))
        return full.loss_and_gradients(p, X, T)

    report = check_network(network(), X, loss_and_gradients=ignoring)
    (finding,) = report.diagnosis.findings
    assert finding.causes == ("the mask is ignored",)
    assert finding.arrays == ("b0", "b2")
    assert finding.certain


def student_without(layer):
    """A student's network in a list of parameters, one sigmoid derivative missing."""

    def loss_and_gradients(p, X):
        h = 1 / (1 + np.exp(-X @ p[0] - p[1]))
        out = 1 / (1 + np.exp(-h @ p[2] - p[3]))
        d1 = 2 * (out - X) * (out * (1 - out) if layer != 1 else 1)
        d0 = d1 @ p[2].T * (h * (1 - h) if layer != 0 else 1)
        return np.sum((out - X) ** 2), [X.T @ d0, d0.sum(0), h.T @ d1, d1.sum(0)]

    return loss_and_gradients


@pytest.mark.parametrize("layer", [0, 1])
def test_the_layer_of_a_missing_derivative_is_found_in_anybodys_network(layer):
    rng = np.random.default_rng(0)
    parameters = [rng.normal(size=s) for s in ((4, 3), (3,), (3, 4), (4,))]
    check_gradients(student_without(None), parameters, batch=(X,)).raise_if_failed()
    report = check_gradients(student_without(layer), parameters, batch=(X,))
    (finding,) = report.diagnosis.findings
    assert finding.causes == (
        f"the derivative of the sigmoid is missing at parameters[{2 * layer}]",
    )
    assert finding.certain
