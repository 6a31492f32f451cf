"""`check_gradients`: right passes, wrong fails, and bad input is neither."""

import numpy as np
import pytest

from ae_numpy.gradcheck import check_gradients
from ae_numpy.gradcheck.run import probability_of_missing

METHODS = ("complex_step", "central", "directional")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def student(p, X):
    """A student's autoencoder: loss and gradients, all right."""
    h = sigmoid(X @ p["W0"] + p["b0"])
    out = sigmoid(h @ p["W1"] + p["b1"])
    d1 = (out - X) / len(X) * out * (1 - out)
    d0 = d1 @ p["W1"].T * h * (1 - h)
    gradients = {"W0": X.T @ d0, "b0": d0.sum(0), "W1": h.T @ d1, "b1": d1.sum(0)}
    return np.sum((out - X) ** 2) / (2 * len(X)), gradients


@pytest.fixture
def parameters():
    rng = np.random.default_rng(0)
    shapes = {"W0": (5, 3), "b0": (3,), "W1": (3, 5), "b1": (5,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.fixture(name="X")
def batch():
    return np.random.default_rng(1).random((4, 5))


def changed(change):
    """`student` with its gradients changed in place by `change(gradients, p, X)`."""

    def loss_and_gradients(p, X):
        loss, gradients = student(p, X)
        change(gradients, p, X)
        return loss, gradients

    return loss_and_gradients


def set_entry(name, index, value):
    def change(g, p, X):
        g[name][index] = value(g[name][index])

    return change


WRONG = {
    "relative error 1e-4": lambda g, p, X: g.update(W0=g["W0"] * (1 + 1e-4)),
    "relative error 1e-6": lambda g, p, X: g.update(W0=g["W0"] * (1 + 1e-6)),
    "relative error 1e-6 in one entry": set_entry("W1", (1, 2), lambda v: v * (1 + 1e-6)),
    "relative error 1e-7 in a bias": lambda g, p, X: g.update(b1=g["b1"] * (1 + 1e-7)),
    "rounded to float32": lambda g, p, X: g.update(W0=g["W0"].astype(np.float32)),
    "factor 2": lambda g, p, X: g.update(W0=2 * g["W0"]),
    "missing mean": lambda g, p, X: g.update({k: len(X) * v for k, v in g.items()}),
    "sign": lambda g, p, X: g.update(b0=-g["b0"]),
    "all zero": lambda g, p, X: g.update({k: 0 * v for k, v in g.items()}),
    "one entry zero": set_entry("W0", (0, 0), lambda v: 0.0),
    "two entries exchanged": lambda g, p, X: g["b1"].__setitem__([0, 1], g["b1"][[1, 0]]),
    "the gradient before an update": lambda g, p, X: g.update(
        student({k: p[k] + 0.01 * g[k] for k in p}, X)[1]
    ),
    "last sample only": lambda g, p, X: g.update(student(p, X[-1:])[1]),
    "weight decay": lambda g, p, X: g.update(W1=g["W1"] + 1e-3 * p["W1"]),
    "noise": lambda g, p, X: g.update(W1=g["W1"] + 1e-6 * np.cos(1e3 * p["W1"])),
    "constant offset": lambda g, p, X: g.update(b1=g["b1"] + 1e-8),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_correct_gradient_passes(method, parameters, X):
    report = check_gradients(student, parameters, batch=(X,), method=method)
    report.raise_if_failed()
    assert not report.diagnosis
    assert report.max_relative_error < 1e-9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_fails(name, method, parameters, X):
    report = check_gradients(changed(WRONG[name]), parameters, batch=(X,), method=method)
    assert report.verdict == "wrong"
    with pytest.raises(AssertionError, match="Gradient wrong"):
        report.raise_if_failed()


@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1.0, 1e12])
@pytest.mark.parametrize("method", ["complex_step", "central"])
def test_small_gradients_are_held_to_the_same_digits(scale, method, parameters, X):
    def scaled(factor):
        def loss_and_gradients(p):
            loss, gradients = student(p, X)
            return scale * loss, {k: factor * scale * v for k, v in gradients.items()}

        return loss_and_gradients

    assert check_gradients(scaled(1.0), parameters, method=method).ok
    for factor in (0.0, 1 + 1e-6):
        report = check_gradients(scaled(factor), parameters, method=method)
        assert report.verdict == "wrong"


def test_worst_names_the_entry(parameters, X):
    wrong = changed(set_entry("W1", (2, 3), lambda v: v + 1))
    name, index, given, expected = check_gradients(wrong, parameters, batch=(X,)).worst
    assert (name, index) == ("W1", (2, 3))
    assert given - expected == pytest.approx(1)


def half_square(w):
    return 0.5 * np.sum(w**2), 1.0 * w


def test_parameters_may_be_an_array_a_list_a_tuple_or_a_scalar():
    rng = np.random.default_rng(0)
    assert check_gradients(half_square, rng.normal(size=(2, 3))).ok
    assert check_gradients(half_square, 1.5).ok
    for kind in (list, tuple):
        report = check_gradients(
            lambda p: (np.sum(p[0] ** 2) * p[1], [2 * p[0] * p[1], np.sum(p[0] ** 2)]),
            kind([rng.normal(size=3), np.array(0.5)]),
        )
        assert report.ok
        assert [a.name for a in report.arrays] == ["parameters[0]", "parameters[1]"]


def test_the_users_arrays_are_left_alone(parameters, X):
    before = {k: v.copy() for k, v in parameters.items()}
    check_gradients(student, parameters, batch=(X,))
    for name, array in parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_an_unused_parameter_must_have_gradient_zero():
    def unused(extra):
        return lambda p: (np.sum(p["w"] ** 2), {"w": 2 * p["w"], "u": np.full(2, extra)})

    point = {"w": np.array([1.0, 2.0]), "u": np.array([3.0, 4.0])}
    for method in METHODS:
        assert check_gradients(unused(0.0), point, method=method).ok
        assert not check_gradients(unused(1e-20), point, method="complex_step").ok


def normalised(p, X):
    """A bias in front of a normalisation: its gradient is zero by cancellation only."""
    z = X @ p["W"] + p["b"]
    centred = z - z.mean(0)
    s = np.sqrt((centred**2).mean(0) + 1e-5)
    y = centred / s
    dy = 3 * y**2
    dcentred = dy / s - centred * (dy * centred).sum(0) / s**3 / len(X)
    dz = dcentred - dcentred.mean(0)
    return np.sum(y**3), {"W": X.T @ dz, "b": dz.sum(0)}


@pytest.mark.parametrize("method", METHODS)
def test_zero_by_cancellation_passes(method, X):
    rng = np.random.default_rng(0)
    parameters = {"W": rng.normal(size=(5, 3)), "b": rng.normal(size=3)}
    assert check_gradients(normalised, parameters, batch=(X,), method=method).ok


def test_a_gradient_that_vanishes_at_this_point_only_is_not_called_right():
    # At the minimum every multiple of the gradient is rounding: nothing can be said there.
    minimum = np.array([0.1, 0.3]) * 3
    report = check_gradients(lambda w: (np.sum((w / 3 - 0.1) ** 4 + 1), 0 * w), minimum)
    assert not report.ok


def test_masks_hold_entries():
    mask = np.array([True, False, True])
    w = np.array([1.0, 2.0, 3.0])
    masked = lambda w: (0.5 * np.sum(w**2), w * mask)  # noqa: E731
    assert check_gradients(masked, w, masks=mask).ok
    assert check_gradients(masked, w, masks=mask, method="directional").ok
    assert not check_gradients(masked, w).ok
    assert not check_gradients(half_square, w, masks=mask).ok
    assert not check_gradients(half_square, w, masks=mask, method="directional").ok


# --- functions that are not analytic -------------------------------------------------------------


def with_abs(w):
    return np.sum(np.abs(w) ** 3), 3 * w * np.abs(w)


def with_cast(w):
    return float(np.sum(np.asarray(w, dtype=float) ** 2)), 2 * w


def with_real(w):
    return np.sum(w.real**2), 2 * w


def with_abs_in_one_term(w):
    return np.sum(w**2) + 1e-6 * abs(w[1]), 2 * w + np.array([0, 1e-6 * np.sign(w[1].real), 0])


@pytest.mark.parametrize("function", [with_abs, with_cast, with_real, with_abs_in_one_term])
def test_a_function_that_is_not_analytic_is_checked_by_central_differences(function):
    w = np.array([1.0, -2.0, 0.5])
    report = check_gradients(function, w)
    report.raise_if_failed()
    assert report.method == "central differences"
    assert "not analytic" in str(report)
    assert not check_gradients(lambda w: (function(w)[0], 2 * function(w)[1]), w).ok


@pytest.mark.parametrize(("function", "culprit"), [(with_abs, "absolute"), (with_cast, "float")])
def test_the_operation_that_is_not_analytic_is_named(function, culprit):
    assert culprit in str(check_gradients(function, np.array([1.0, -2.0])))


def test_a_gradient_that_is_cut_the_same_way_in_forward_and_backward_does_not_pass():
    # Loss and gradient both lose the derivative: the complex step alone would see 0 = 0.
    def loss(w):
        return np.sum(w.real**2) + (0j if np.iscomplexobj(w) else 0.0)

    report = check_gradients(lambda w: (loss(w), 0 * w.real), np.array([1.0, 2.0]))
    assert report.verdict == "wrong"


def relu_layer(p, X):
    h = np.maximum(X @ p["W"] + p["b"], 0)
    return np.sum(h**2), {"W": X.T @ (2 * h), "b": (2 * h).sum(0)}


def test_relu_is_analytic_away_from_its_kink(X):
    rng = np.random.default_rng(0)
    report = check_gradients(
        relu_layer, {"W": rng.normal(size=(5, 3)), "b": np.ones(3)}, batch=(X,)
    )
    assert report.ok
    assert report.method == "complex step"


def relu_sum(w):
    return np.sum(np.maximum(w, 0))


def abs_sum(w):
    return np.sum(np.abs(w))


# Loss, slopes that are claimed where the pieces meet, point, verdict.
KINKS = [
    (relu_sum, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], "right"),
    (relu_sum, [0.7, 0.7, 0.7], [0.0, 0.0, 0.0], "right"),
    (relu_sum, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], "right"),
    (relu_sum, [5.0, 5.0, 5.0], [0.0, 0.0, 0.0], "wrong"),
    (relu_sum, [0.5, -0.1, 0.5], [0.0, 0.0, 0.0], "wrong"),
    (relu_sum, [1.0, 0.3, 0.0], [2.0, 0.0, -1.0], "right"),
    (relu_sum, [1.0, 1.3, 0.0], [2.0, 0.0, -1.0], "wrong"),
    (abs_sum, [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0], "right"),
    (abs_sum, [1.5, 0.0, 0.0], [0.0, 0.0, 0.0], "wrong"),
    (np.max, [1.0, 0.0], [2.0, 2.0], "right"),
    (np.max, [0.5, 0.5], [2.0, 2.0], "right"),
    (np.max, [1.0, 1.0], [2.0, 2.0], "wrong"),  # between along each entry; not along (1, 1)
    (np.max, [0.0, 0.0], [2.0, 2.0], "wrong"),
    (np.max, [0.25] * 4, [1.0] * 4, "right"),
    (np.max, [1.0] * 4, [1.0] * 4, "wrong"),
]


@pytest.mark.parametrize(("loss", "claim", "point", "verdict"), KINKS)
def test_at_a_kink_a_slope_between_is_right_and_one_outside_is_wrong(loss, claim, point, verdict):
    report = check_gradients(lambda w: (loss(w), np.array(claim)), np.array(point))
    assert report.verdict == verdict
    assert ("subgradient" in str(report)) == report.ok


def test_a_kink_hides_no_error_of_another_entry():
    report = check_gradients(
        lambda w: (np.sum(np.maximum(w, 0)), (w > 0) * 1.0 + (w > 0.5)), np.array([1.0, 0.0, -2.0])
    )
    assert report.verdict == "wrong"
    assert report.worst.index == (0,)


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
@pytest.mark.parametrize("loss", ["absolute", "square"])
def test_units_at_their_kink_raise_no_false_alarm(method, loss):
    """Dead units above a bias of zero: their kinks meet along one direction, and may cancel."""

    def relu_net(p, X, T):
        h = np.maximum(X @ p["W"], 0)
        z = h @ p["V"] + p["b"]
        a = np.maximum(z, 0)
        e = a @ p["U"] - T
        value, de = (np.sum(np.abs(e)), np.sign(e)) if loss == "absolute" else (np.sum(e**2), 2 * e)
        dz = de @ p["U"].T * (z > 0)
        dh = dz @ p["V"].T * (h > 0)
        return value, {"W": X.T @ dh, "V": h.T @ dz, "b": dz.sum(axis=0), "U": a.T @ de}

    rng = np.random.default_rng(3)
    for _ in range(8):
        X, T = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
        p = {name: rng.normal(size=shape) for name, shape in
             {"W": (3, 2), "V": (2, 4), "b": (4,), "U": (4, 2)}.items()}  # fmt: skip
        p["b"][:] = 0
        assert check_gradients(relu_net, p, batch=(X, T), method=method).verdict != "wrong"


@pytest.mark.parametrize("method", ["complex_step", "central"])
def test_a_small_term_that_is_not_analytic_is_not_overlooked(method):
    """An L1 penalty that the gradient forgot, 1e-7 of the gradient."""
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(6, 4)), rng.normal(size=4)

    def lasso(w):
        r = X @ w
        return np.sum(r**2) / 2 + 1e-6 * np.sum(np.abs(w)), X.T @ r

    assert check_gradients(lasso, w, method=method).verdict == "wrong"


@pytest.mark.parametrize("depth", [16, 20, 25, 30, 33, 37, 40, 100])
def test_a_saturated_layer_raises_no_false_alarm(depth):
    """There a * (1 - a) keeps few digits, or none; the complex step keeps all of them."""
    rng = np.random.default_rng(0)
    X, T = np.abs(rng.normal(size=(5, 4))), rng.random((5, 3))

    def layer(W, factor=1.0):
        a = 1 / (1 + np.exp(-X @ W))
        return np.sum((a - T) ** 2) / 10, factor * X.T @ ((a - T) * a * (1 - a) / 5)

    W = np.abs(rng.normal(size=(4, 3))) / 5 + depth / 4
    assert check_gradients(layer, W).verdict != "wrong"
    assert not check_gradients(lambda W: layer(W, 1.01), W).ok


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
@pytest.mark.parametrize("claim", ["formula", "zero"])
def test_a_bias_in_front_of_a_normalisation(method, claim):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 4))

    def normalised(p):
        z = X @ p["W"] + p["b"]
        c = z - z.mean(axis=0)
        s = np.sqrt((c**2).mean(axis=0) + 1e-5)
        n = c / s
        d = 3 * n**2
        dz = (d - d.mean(axis=0) - n * (d * n).mean(axis=0)) / s
        db = dz.sum(axis=0) if claim == "formula" else np.zeros(3)
        return np.sum(n**3), {"W": X.T @ dz, "b": db}

    point = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
    assert check_gradients(normalised, point, method=method).ok

    def off(p):
        loss, gradients = normalised(p)
        return loss, {**gradients, "b": gradients["b"] + 1e-8}

    assert check_gradients(off, point, method=method).verdict == "wrong"


def test_central_says_when_the_loss_has_too_few_digits():
    # 1e16 + w: the loss moves in steps of 2, no difference quotient can see the slope.
    report = check_gradients(
        lambda w: (1e16 + np.sum(w), np.ones(2)), np.array([1.0, 2.0]), method="central"
    )
    zero = check_gradients(
        lambda w: (1e16 + np.sum(w), np.zeros(2)), np.array([1.0, 2.0]), method="central"
    )
    assert report.verdict == zero.verdict == "cannot tell"
    with pytest.raises(AssertionError, match="cannot tell"):
        report.raise_if_failed()


# --- samples and directions ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["complex_step", "directional"])
def test_one_wrong_entry_among_many_is_found(method):
    def wrong(w):
        gradient = 4 * w**3
        gradient[777] *= 1 + 1e-4  # not among the largest
        return np.sum(w**4), gradient

    w = np.random.default_rng(0).normal(size=3000)
    report = check_gradients(wrong, w, method=method, max_entries=50)
    assert report.verdict == "wrong"
    right = check_gradients(lambda w: (np.sum(w**4), 4 * w**3), w, method=method, max_entries=50)
    right.raise_if_failed()
    assert right.arrays[0].checked == (50 if method == "complex_step" else 0)


def test_a_sample_is_declared(parameters, X):
    report = check_gradients(student, parameters, batch=(X,), max_entries=4)
    assert "4 of 15" in str(report)
    assert "sample" in str(report)


def test_the_probability_of_missing_an_entry_is_an_upper_bound():
    size, tolerance, error = 50, 1e-2, 0.1  # coarse, so that it happens
    bound = probability_of_missing(size, 1, tolerance, error)
    g = np.ones(size)
    v = np.random.default_rng(0).standard_normal((20000, size))
    missed = np.mean(np.abs(v[:, 0] * error) <= tolerance * np.linalg.norm(g))
    assert missed <= bound + 0.02
    assert bound < 0.6


def test_the_same_seed_gives_the_same_report(parameters, X):
    reports = [
        str(check_gradients(student, parameters, batch=(X,), max_entries=4, random_state=3))
        for _ in range(2)
    ]
    assert reports[0] == reports[1]
