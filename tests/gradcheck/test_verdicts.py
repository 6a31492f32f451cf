"""Verdicts that deserve trust: rounding is not a bug, a small bug is not rounding."""

import numpy as np
import pytest
from told import causes, kinds

from ae_numpy.gradcheck import check_gradients, check_vjp


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def claiming(function, factor):
    """The function with its gradients multiplied."""

    def loss_and_gradients(*arguments):
        loss, gradient = function(*arguments)
        if isinstance(gradient, dict):
            return loss, {name: factor * array for name, array in gradient.items()}
        return loss, factor * gradient

    return loss_and_gradients


# --- a report is true if it is right ------------------------------------------------------------


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (2.0, "wrong")])
def test_a_report_is_true_only_if_it_is_right(factor, verdict):
    w = np.array([1.0, 2.0])
    reports = [
        check_gradients(lambda w: (np.sum(w**2), 2 * factor * w), w),
        check_gradients(lambda w: (np.sum(w**2), 2 * factor * w), w, method="directional"),
        check_vjp(np.sin, lambda dout: factor * dout * np.cos(w), w),
    ]
    for report in reports:
        assert report.verdict == verdict
        assert bool(report) == report.ok == (verdict == "right")


def test_what_cannot_be_told_is_not_true():
    assert not check_gradients(lambda w: (1e16 + w**2, 2 * w), 1.5, method="central")


# --- rounding ------------------------------------------------------------------------------------

REGRESSIONS = {
    "all of class 0": lambda a, y: (-np.sum(np.log(1 - a)), a),
    "sum": lambda a, y: (-np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)), a - y),
    "mean": lambda a, y: (-np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)), (a - y) / len(y)),
}


@pytest.mark.parametrize("scale", [1, 3, 10, 15, 20, 30])
@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_saturated_regression_is_never_called_wrong(name, scale):
    """1 - a has three digits left at z = 30, and one at 36."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, y, w = rng.normal(size=(6, 2)), rng.integers(0, 2, 6), scale * rng.normal(size=2)

        def regression(w, X=X, y=y):
            loss, delta = REGRESSIONS[name](sigmoid(X @ w), y)
            return loss, X.T @ delta

        with np.errstate(divide="ignore", invalid="ignore"):
            if not np.isfinite(regression(w)[0]):
                continue
            assert check_gradients(regression, w).verdict != "wrong"
            assert check_gradients(claiming(regression, 2.0), w).verdict == "wrong"
            assert not check_gradients(claiming(regression, 1.01), w)


def test_the_log_of_one_minus_a():
    X = np.array([[1.0, 0.3], [0.5, -1.0], [0.9, 0.8]])
    report = check_gradients(
        lambda w: (-np.sum(np.log(1 - sigmoid(X @ w))), X.T @ sigmoid(X @ w)), np.array([30.0, 1.0])
    )
    assert report.verdict != "wrong"


@pytest.mark.parametrize("times", [1, 10, 40])
@pytest.mark.parametrize("stable", [False, True])
def test_a_fitted_softmax_is_never_called_wrong(times, stable):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, W = rng.normal(size=(6, 5)), times * rng.normal(size=(5, 4))
        rows, labels = np.arange(6), np.argmax(X @ W, axis=1)

        def softmax(W, X=X, rows=rows, labels=labels):
            z = X @ W
            z = z - z.max(axis=1, keepdims=True)
            total = np.exp(z).sum(axis=1, keepdims=True)
            P = np.exp(z) / total
            logs = z - np.log(total) if stable else np.log(P)
            return -logs[rows, labels].mean(), X.T @ (P - np.eye(4)[labels]) / 6

        assert check_gradients(softmax, W).verdict != "wrong"
        assert not check_gradients(claiming(softmax, 1.01), W)


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_a_large_argument_of_the_sine_is_not_called_wrong(method):
    t = 1e6 * np.random.default_rng(0).normal(size=5)
    sine = lambda t: (np.sum(np.sin(t)), np.cos(t))  # noqa: E731
    assert check_gradients(sine, t, method=method).verdict != "wrong"
    assert not check_gradients(claiming(sine, 1.01), t, method=method)


@pytest.mark.parametrize("condition", [1e6, 1e8])
@pytest.mark.parametrize("method", ["complex_step", "central"])
def test_an_ill_conditioned_system_is_not_called_wrong(condition, method):
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.normal(size=(5, 5)))[0] for _ in range(2))
    p = {"A": U @ np.diag(np.geomspace(1, 1 / condition, 5)) @ V, "b": rng.normal(size=5)}
    y = rng.normal(size=5)

    def solve(p):
        x = np.linalg.solve(p["A"], p["b"])
        adjoint = np.linalg.solve(p["A"].T, x - y)
        return np.sum((x - y) ** 2) / 2, {"A": -np.outer(adjoint, x), "b": adjoint}

    assert check_gradients(solve, p, method=method).verdict != "wrong"
    assert not check_gradients(claiming(solve, 1.01), p, method=method)


SQUASHED = {
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "sigmoid": (sigmoid, lambda a: a * (1 - a)),
}


@pytest.mark.parametrize("w", [[20.0, 25.0], [40.0, 60.0], [300.0, 340.0], [0.5, 300.0]])
@pytest.mark.parametrize("name", SQUASHED)
@pytest.mark.parametrize("method", ["complex_step", "directional"])
def test_a_derivative_that_saturation_rounds_to_zero_is_not_called_wrong(method, name, w):
    """At 40 both claims are 0; the complex step sees 1e-34 and 1e-18, at 300 still 1e-131."""
    g, derivative = SQUASHED[name]
    squash = lambda w: (np.sum(g(w)), derivative(g(w)))  # noqa: E731
    verdict = check_gradients(squash, np.array(w), method=method).verdict
    assert verdict != "wrong"
    assert (verdict == "right") or w[0] > 1
    assert (verdict == "cannot tell") or w[0] != 40


@pytest.mark.parametrize("power", [3, 30])
@pytest.mark.parametrize("size", [1e-4, 1e-3, 1.0, 100.0])
def test_a_small_gradient_that_was_given_as_zero_is_wrong(power, size):
    w = size * np.random.default_rng(0).normal(size=4)
    report = check_gradients(lambda w: (1 + np.sum(w**power), 0 * w), w)
    assert report.verdict == "wrong"


def test_at_the_minimum_rounding_is_not_called_wrong():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    best = np.linalg.lstsq(X, y, rcond=None)[0]
    report = check_gradients(lambda w: (np.sum((X @ w - y) ** 2) / 2, X.T @ (X @ w - y)), best)
    assert report.verdict != "wrong"


# --- small parameters, digits --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_one_percent_beside_a_large_constant(method):
    x = 1e-3 * np.random.default_rng(0).normal(size=4)
    report = check_gradients(lambda x: (100 + np.sum(x**3), 3.03 * x**2), x, method=method)
    assert report.verdict == "wrong"
    report = check_gradients(lambda x: (100 + np.sum(x**3), 3 * x**2), x, method=method)
    assert report.verdict == ("cannot tell" if method == "central" else "right")


def recurrent(p, X, T):
    """A recurrent net of four steps with a sum of squares."""
    states, loss = [np.zeros((5, 3))], 0
    for x, t in zip(X, T, strict=True):
        states.append(np.tanh(x @ p["Wx"] + states[-1] @ p["Wh"]))
        loss = loss + np.sum((states[-1] @ p["V"] - t) ** 2) / 2
    gradients = {name: np.zeros(array.shape) for name, array in p.items()}
    if np.iscomplexobj(loss):
        return loss, gradients
    later = 0
    for i in reversed(range(len(X))):
        error = states[i + 1] @ p["V"] - T[i]
        delta = (error @ p["V"].T + later) * (1 - states[i + 1] ** 2)
        gradients["Wx"] += X[i].T @ delta
        gradients["Wh"] += states[i].T @ delta
        gradients["V"] += states[i + 1].T @ error
        later = delta @ p["Wh"].T
    return loss, gradients


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("error", [1e-2, 1e-4, 3e-7])
def test_small_initialisations_hide_no_error(scale, error):
    rng = np.random.default_rng(0)
    p = {name: scale * rng.normal(size=shape) for name, shape in
         {"Wx": (2, 3), "Wh": (3, 3), "V": (3, 2)}.items()}  # fmt: skip
    batch = rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 2))
    assert check_gradients(lambda p: recurrent(p, *batch), p)

    def wrong(p):
        loss, gradients = recurrent(p, *batch)
        return loss, {**gradients, "Wh": (1 + error) * gradients["Wh"]}

    assert check_gradients(wrong, p).verdict == "wrong"


def test_right_says_its_digits():
    report = check_gradients(lambda w: (np.sum(w**3), 3 * w**2), np.array([1.0, 2.0]))
    assert report.digits >= 14
    assert str(report).startswith(f"Gradient right, to {report.digits} digits: complex step")
    narrow = check_gradients(
        lambda w: (1e4 + np.sum(np.sin(w)), np.cos(w)), np.array([1.0, 2.0]), method="central"
    )
    assert narrow
    assert 5 <= narrow.digits <= 10


def test_a_tolerance_that_was_given_is_held():
    for error, ok in ((0.9e-2, True), (1.1e-2, False)):
        for method in ("complex_step", "central"):
            report = check_gradients(
                lambda w, error=error: (np.sum(w**3), (1 + error) * 3 * w**2),
                np.array([1.0, 2.0]), method=method, tolerance=1e-2,
            )  # fmt: skip
            assert report.ok == ok
    rough = check_gradients(
        lambda w: (100 + np.sum(w**3), 3 * w**2), np.full(3, 1e-3), method="central",
        tolerance=1e-12,
    )  # fmt: skip
    assert rough.verdict == "cannot tell"


# --- entries of very different size --------------------------------------------------------------


def flat_layers(depth, width=3):
    """Sigmoid layers whose parameters are one vector, as optimisers have them; the vector too."""
    rng = np.random.default_rng(0)
    size = width * width + width
    X, Y = rng.normal(size=(5, width)), rng.random((5, width))

    def net(v, factor=1.0):
        layers = [(q[:-width].reshape(width, width), q[-width:]) for q in v.reshape(depth, size)]
        a = [X]
        for W, b in layers:
            a.append(sigmoid(a[-1] @ W + b))
        gradient, e = [], (a[-1] - Y) / 5
        for (W, _), x, out in reversed(list(zip(layers, a[:-1], a[1:], strict=True))):
            delta = e * out * (1 - out)
            gradient.append(np.append(x.T @ delta, delta.sum(axis=0)))
            e = delta @ W.T
        gradient[-1] = factor * gradient[-1]  # the first layer
        return np.sum((a[-1] - Y) ** 2) / 10, np.concatenate(gradient[::-1])

    return net, rng.normal(size=depth * size)


@pytest.mark.parametrize("depth", [3, 14, 20])
def test_the_first_of_many_layers_in_one_vector(depth):
    net, v = flat_layers(depth)
    assert check_gradients(net, v)
    for factor in (2.0, 1.01, -1.0):
        report = check_gradients(lambda v, f=factor: net(v, f), v)
        assert report.verdict == "wrong"
        assert report.worst.index[0] < 12 * (depth if factor == 2 else 1)


@pytest.mark.parametrize("weight", [1.0, 1e-9])
@pytest.mark.parametrize("entry", [0, 2, 3])
def test_a_sign_beside_a_timestamp(weight, entry):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.normal(size=20)
    X[:, 1] = 1.6e9 + 1e6 * X[:, 1]

    def regression(w, sign=1.0):
        error = X @ w - y
        gradient = X.T @ error / 20
        gradient[entry] *= sign
        return np.mean(error**2) / 2, gradient

    w = np.array([1.0, weight, 1.0, 1.0])
    assert check_gradients(regression, w)
    report = check_gradients(lambda w: regression(w, -1.0), w)
    assert (report.verdict, report.worst.index) == ("wrong", (entry,))


# --- what hides from the complex step ------------------------------------------------------------

HIDDEN = {
    "norm": lambda x: np.linalg.norm(x) ** 2,
    "abs": lambda x: np.sum(np.abs(x)),
    "vdot": lambda x: np.vdot(x, x).real,
    "real": lambda x: np.sum(x.real**2),
    "conj": lambda x: np.sum(x * x.conj()).real,
}


@pytest.mark.parametrize("name", HIDDEN)
def test_right_claims_no_digits_that_a_hidden_part_may_spoil(name):
    x = np.random.default_rng(0).normal(size=5)

    def loss(x, constant):
        return constant + np.sum(np.sin(x)) + 1e-7 * HIDDEN[name](x), np.cos(x)

    report = check_gradients(lambda x: loss(x, 1e8), x)
    assert report.verdict != "wrong"
    assert report.digits <= 6
    assert check_gradients(lambda x: loss(x, 0.0), x).verdict == "wrong"


def test_a_real_part_that_is_only_compared_hides_nothing():
    def softplus(x):
        stable = np.where(x.real > 0, x + np.log1p(np.exp(-x)), np.log1p(np.exp(x)))
        return np.sum(stable), sigmoid(x)

    assert check_gradients(softplus, np.array([-2.0, 0.5, 3.0])).digits >= 14


# --- a derivative of zero ------------------------------------------------------------------------

FLAT = {
    "a minimum": (lambda w: np.sum(w**2), np.zeros(3)),
    "round": (lambda w: np.sum(np.round(w)), np.array([0.3, 1.2, 5.0])),
    "argmax": (lambda w: float(np.argmax(w)), np.array([0.3, 1.2, 5.0])),
    "a dead relu": (lambda w: np.sum(np.maximum(0, w)), -np.ones(3)),
}


@pytest.mark.parametrize("name", FLAT)
def test_a_derivative_that_is_zero_here_is_not_called_unused(name):
    loss, point = FLAT[name]
    report = check_gradients(lambda w: (loss(w), 2 * w.real + 1), point)
    assert report.verdict == "wrong"
    assert "unused" not in kinds(report)
    assert "depend" not in str(report)


def test_a_loss_that_ignores_its_argument_is_said_to():
    report = check_gradients(lambda w: (3.0 + 0 * np.sum(w), np.ones(3)), np.ones(3))
    assert kinds(report) == ["unused"]
    assert "the loss does not depend on it" in causes(report)


# --- blind spots ---------------------------------------------------------------------------------


def linear(p, X):
    out = X @ p["W"] + p["b"]
    return np.mean(out**2) / 2, {"W": X.T @ out / out.size, "b": out.sum(axis=0) / out.size}


def test_notes_name_what_cannot_be_seen_here():
    rng = np.random.default_rng(0)
    p, X = {"W": rng.normal(size=(3, 1)), "b": np.zeros(1)}, rng.normal(size=(5, 3))
    said = str(check_gradients(linear, p, batch=(X,)))
    assert "b: all zero" in said
    assert "W: all zero" not in said
    assert "one sample" not in said
    assert "one sample" in str(check_gradients(linear, p, batch=(X[:1],)))


def test_a_loss_that_does_not_add_up_over_the_rows_is_noted():
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(6, 3)), rng.normal(size=3)
    words = "neither the sum nor the mean"

    def normalised(w, X):
        z = X @ w
        return np.sum((z - z.mean()) ** 3), 3 * X.T @ ((z - z.mean()) ** 2 - np.var(z))

    assert words in str(check_gradients(normalised, w, batch=(X,)))
    for reduce in (np.sum, np.mean):
        for penalty in (0.0, 0.3):

            def regression(w, X, reduce=reduce, penalty=penalty):
                loss = reduce((X @ w) ** 2) + penalty * np.sum(w**2)
                share = 1 if reduce is np.sum else len(X)
                return loss, 2 * X.T @ (X @ w) / share + 2 * penalty * w

            report = check_gradients(regression, w, batch=(X,))
            assert report
            assert words not in str(report)
