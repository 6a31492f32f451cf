"""What is named in functions whose loss and layers are not known, and what is not said."""

import numpy as np
import pytest

from ae_numpy.gradcheck import check_gradients, check_vjp
from ae_numpy.gradcheck.verdict import KINDS, Diagnosis, table


def kinds(report, certain=False):
    found = (f for f in report.diagnosis.findings if f.certain or not certain)
    return {kind for finding in found for kind in finding.kinds}


def test_every_cause_has_a_kind_and_words():
    words = table("causes.toml")
    assert set(KINDS) == {
        "sign", "factor", "batch_factor", "transposed", "permuted", "repeated_rows", "not_summed",
        "zero", "one_sample", "swapped", "weight_decay", "l1", "activation_derivative",
        "wrong_input", "untransposed_weights", "updated_weights", "cross_terms", "time_steps",
        "broadcast", "mask", "missing_term", "clipped", "unused", "rounding", "raw_error",
    }  # fmt: skip
    assert all(
        cause["label"] and cause["sentence"].endswith((".", "?")) for cause in words.values()
    )


# --- layers --------------------------------------------------------------------------------------


def sizes(rng, shapes, scale=1.0):
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def net(bug=None):
    """Two tanh layers and a linear one, weights (outputs, inputs), in a mean squared error."""

    def loss_and_gradients(p, X, y):
        a1 = np.tanh(X @ p["W1"].T + p["b1"])
        a2 = np.tanh(a1 @ p["W2"].T + p["b2"])
        e = (a2 @ p["W3"].T + p["b3"] - y) / len(X)
        dW3 = e.T @ (a1 if bug == "input" else a2)
        W3 = p["W3"] - 0.3 * dW3 if bug == "updated" else p["W3"]
        slope = {"missing": 1.0, "sigmoid": a2 * (1 - a2), "of a": 1 - np.tanh(a2) ** 2,
                 "stale": 1 - a1**2}.get(bug, 1 - a2**2)  # fmt: skip
        d2 = e @ W3 * slope
        d1 = d2 @ (p["W2"].T if bug == "turned" else p["W2"]) * (1 - a1**2)
        decay = 0.1 * sum(np.sum(p[W] ** 2) for W in ("W1", "W2", "W3")) / 2
        gradients = {
            "W1": d1.T @ X + 0.1 * p["W1"], "b1": d1.sum(0),
            "W2": d2.T @ a1 + 0.1 * p["W2"], "b2": d2.sum(0),
            "W3": dW3 + 0.1 * p["W3"], "b3": e.sum(0),
        }  # fmt: skip
        return np.sum((e * len(X)) ** 2) / 2 / len(X) + decay, gradients

    return loss_and_gradients


SHAPES = {"W1": (5, 4), "b1": (5,), "W2": (5, 5), "b2": (5,), "W3": (2, 5), "b3": (2,)}


def check_net(bug, scale=1.0):
    rng = np.random.default_rng(0)
    parameters = sizes(rng, SHAPES, scale)
    batch = (rng.normal(size=(6, 4)), rng.normal(size=(6, 2)))
    return check_gradients(net(bug), parameters, batch=batch)


@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize(
    ("bug", "kind", "words"),
    [
        ("missing", "activation_derivative", "the derivative of tanh is missing at W2"),
        ("sigmoid", "activation_derivative", "a * (1 - a) is used for the derivative of tanh"),
        ("of a", "activation_derivative", "1 - tanh(a)**2 is used for the derivative of tanh"),
        ("stale", "wrong_input", "the derivative at W2 is taken from the values of W1"),
        ("input", "wrong_input", "the output of W1 is used as the input of W3"),
        ("turned", "untransposed_weights", "W2 carried the error down"),
        ("updated", "updated_weights", "the weights were already updated"),
    ],
)
def test_a_piece_of_a_layer_is_named_whatever_the_scale(bug, kind, words, scale):
    report = check_net(bug, scale)
    assert kinds(report) == {kind}
    assert words in report.diagnosis.findings[0].causes[0]


def test_the_net_itself_is_right():
    check_net(None).raise_if_failed()


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ("twice", "once too often at w"),
        ("missing", "the derivative of the sigmoid is missing"),
    ],
)
def test_a_derivative_at_the_output_of_a_classifier_is_named(used, words):
    """Cross-entropy with sigmoids has no derivative there; the squared error has one."""
    rng = np.random.default_rng(1)
    parameters = {"w": rng.normal(size=5), "b": np.float64(0.3)}

    def loss_and_gradients(p, X, y):
        a = 1 / (1 + np.exp(-(X @ p["w"] + p["b"])))
        if used == "twice":
            loss = -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))
            d = (a - y) * a * (1 - a) / len(X)
        else:
            loss, d = np.mean((a - y) ** 2) / 2, (a - y) / len(X)
        return loss, {"w": X.T @ d, "b": d.sum()}

    batch = rng.normal(size=(8, 5)), (rng.random(8) < 0.5) * 1.0
    report = check_gradients(loss_and_gradients, parameters, batch=batch)
    assert kinds(report) == {"activation_derivative"}
    assert words in str(report.diagnosis)


# --- time, samples, terms ------------------------------------------------------------------------


def recurrent(bug=None):
    """A many-to-many recurrent net, time first."""

    def loss_and_gradients(p, X, Y):
        h, loss = [np.zeros((X.shape[1], 4))], 0.0
        for x, y in zip(X, Y, strict=True):
            h.append(np.tanh(x @ p["U"] + h[-1] @ p["W"] + p["b"]))
            loss = loss + np.sum((h[-1] @ p["V"] - y) ** 2) / 2
        g = {name: np.zeros(array.shape) for name, array in p.items()}
        if np.iscomplexobj(loss):
            return loss, g
        future = 0.0
        for t in reversed(range(len(X))):
            do = h[t + 1] @ p["V"] - Y[t]
            da = (do @ p["V"].T + future) * (1 - h[t + 1] ** 2)
            now = {"U": X[t].T @ da, "W": h[t].T @ da, "b": da.sum(0), "V": h[t + 1].T @ do}
            for name, part in now.items():
                keep = 0.0 if bug == "assigned" and name != "V" else 1.0
                g[name] = keep * g[name] + part
            future = da @ (p["W"] if bug == "turned" else p["W"].T)
            future = future * (0.0 if bug == "no future" else 1.0)
        return loss, g

    return loss_and_gradients


@pytest.mark.parametrize(
    ("bug", "kind"),
    [("assigned", "time_steps"), ("no future", "time_steps"), ("turned", "untransposed_weights")],
)
def test_what_is_wrong_between_time_steps_is_named(bug, kind):
    rng = np.random.default_rng(2)
    p = sizes(rng, {"U": (3, 4), "W": (4, 4), "b": (4,), "V": (4, 2)})
    batch = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 2))
    check_gradients(recurrent(), p, batch=batch).raise_if_failed()
    report = check_gradients(recurrent(bug), p, batch=batch)
    assert kind in kinds(report)


def linear(w, X, y):
    e = X @ w - y
    return np.sum(e**2) / 2 / len(y), X.T @ e / len(y)


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    return rng.normal(size=4), (rng.normal(size=(6, 4)), rng.normal(size=6))


def wrong(gradient, penalty=lambda w: 0.0):
    """A linear regression with a penalty, and a gradient of one's own."""
    return lambda w, X, y: (linear(w, X, y)[0] + penalty(w), gradient(w, X, y))


@pytest.mark.parametrize(
    ("kind", "gradient", "penalty"),
    [
        ("l1", lambda w, X, y: linear(w, X, y)[1] + 0.2, lambda w: 0.2 * np.sum(np.abs(w))),
        ("weight_decay", lambda w, X, y: linear(w, X, y)[1], lambda w: 0.2 * np.sum(w**2)),
        ("missing_term", lambda w, X, y: linear(w, X, y)[1], lambda w: 0.2 * np.sqrt(np.sum(w**2))),
        ("batch_factor", lambda w, X, y: 6 * linear(w, X, y)[1] + w, lambda w: np.sum(w**2) / 2),
        ("broadcast", lambda w, X, y: X.T @ ((X @ w)[:, None] - y).sum(1) / 6, lambda w: 0.0),
        ("permuted", lambda w, X, y: linear(w, X, y)[1][::-1], lambda w: 0.0),
        ("one_sample", lambda w, X, y: X[-1] * (X[-1] @ w - y[-1]), lambda w: 0.0),
        ("clipped", lambda w, X, y: linear(w, X, y)[1] / np.linalg.norm(linear(w, X, y)[1]),
         lambda w: 0.0),
    ],
)  # fmt: skip
def test_one_array_is_enough_to_name(kind, gradient, penalty, data):
    w, batch = data
    report = check_gradients(wrong(gradient, penalty), w, batch=batch)
    assert kinds(report) == {kind}
    assert report.diagnosis.unexplained == ()


def test_rows_that_overwrite_each_other_are_named():
    E, index = np.random.default_rng(4).normal(size=(5, 2)), np.array([0, 3, 3, 1])

    def loss_and_gradients(E, index):
        dE = np.zeros(E.shape)
        dE[index] += 3 * E[index].real ** 2
        return np.sum(E[index] ** 3), dE

    report = check_gradients(loss_and_gradients, E, batch=(index,))
    assert kinds(report) == {"repeated_rows"}
    assert "2 of 10 entries are wrong, all in row 3" in " ".join(report.diagnosis.located)


def test_the_diagonal_of_a_softmax_is_named():
    def softmax(z):
        return np.exp(z) / np.sum(np.exp(z))

    z = np.random.default_rng(5).normal(size=5)
    report = check_vjp(softmax, lambda dout: dout * softmax(z) * (1 - softmax(z)), z)
    assert "cross_terms" in kinds(report)


def test_a_term_of_its_own_is_told_from_the_rest():
    """The divergence of a variational autoencoder has no part in the decoder."""
    rng = np.random.default_rng(6)
    p = sizes(rng, {"W": (4, 2), "b": (2,), "D": (2, 4)})

    def loss_and_gradients(p, X):
        m = X @ p["W"] + p["b"]
        e = m @ p["D"] - X
        dm = e @ p["D"].T  # and m, the derivative of the second term
        loss = np.sum(e**2) / 2 + np.sum(m**2) / 2
        return loss, {"W": X.T @ dm, "b": dm.sum(0), "D": m.T @ e}

    report = check_gradients(loss_and_gradients, p, batch=(rng.normal(size=(6, 4)),))
    assert kinds(report) == {"missing_term"}
    assert not kinds(report, certain=True)


# --- location ------------------------------------------------------------------------------------


def test_an_error_is_located_between_right_and_wrong_arrays():
    rng = np.random.default_rng(0)

    def noisy(p, X, y):
        loss, g = net()(p, X, y)
        return loss, {**g, "b2": g["b2"] * np.cos(np.arange(5.0))}

    batch = (rng.normal(size=(6, 4)), rng.normal(size=(6, 2)))
    report = check_gradients(noisy, sizes(rng, SHAPES), batch=batch)
    assert report.diagnosis.located[0].startswith("W2 is right and b2 is not")


# --- what is not said ----------------------------------------------------------------------------


def test_one_entry_gets_no_constant_of_its_own():
    report = check_gradients(lambda w: (np.sum(w**2), 1.7 * w), np.array([3.0]))
    assert report.diagnosis.findings == ()
    report = check_gradients(
        lambda p: (np.sum(p["W"] ** 2) + np.sum(p["b"] ** 2), {k: 1.7 * v for k, v in p.items()}),
        {"W": np.arange(1.0, 5.0), "b": np.array([3.0])},
    )
    assert report.diagnosis.findings[0].arrays == ("W", "b")


def test_entries_that_were_not_looked_at_are_no_factor_1():
    def one_wrong(w):
        gradient = 3 * w**2
        gradient[np.argsort(np.abs(gradient))[len(w) // 2]] *= 1.5
        return np.sum(w**3), gradient

    w = np.random.default_rng(7).normal(size=400)
    report = check_gradients(one_wrong, w, max_entries=20)
    assert not any("factor" in kind for kind in kinds(report))


def test_dividing_by_the_batch_size_twice_is_once_too_often(data):
    w, batch = data
    report = check_gradients(wrong(lambda w, X, y: linear(w, X, y)[1] / len(y)), w, batch=batch)
    (finding,) = report.diagnosis.findings
    assert finding.causes == ("divided by the batch size once too often",)
    assert "adds up" not in str(report)


def test_a_constant_that_happens_to_be_the_batch_size_is_told_by_half_the_batch(data):
    w, batch = data
    report = check_gradients(wrong(lambda w, X, y: 6.0 * linear(w, X, y)[1]), w, batch=batch)
    assert kinds(report) == {"factor", "batch_factor"}
    report = check_gradients(wrong(lambda w, X, y: len(y) * linear(w, X, y)[1]), w, batch=batch)
    assert kinds(report) == {"batch_factor"}


@pytest.mark.parametrize(("factor", "certain"), [(lambda y: 6.0, False), (len, True)])
def test_one_entry_is_certain_of_the_batch_size_only_if_it_follows_the_batch(factor, certain, data):
    w, batch = data
    p = {"w": w, "b": np.ones(1)}

    def loss_and_gradients(p, X, y):
        error = X @ p["w"] + p["b"] - y
        db = factor(y) * np.mean(error, keepdims=True)
        return np.mean(error**2) / 2, {"w": X.T @ error / len(y), "b": db}

    (finding,) = check_gradients(loss_and_gradients, p, batch=batch).diagnosis.findings
    assert finding.kinds == ("batch_factor",)
    assert finding.certain == certain


def test_equal_labels_are_said_once():
    rng = np.random.default_rng(8)
    names = [f"W{i}" for i in range(6)]
    p = {name: rng.normal(size=(2, 3)) for name in names}

    def loss_and_gradients(p):
        return sum(np.sum(a**3) for a in p.values()), {n: -3 * a**2 for n, a in p.items()}

    (finding,) = check_gradients(loss_and_gradients, p).diagnosis.findings
    assert finding.arrays == tuple(names)
    assert finding.causes == ("the wrong sign",)


def test_nothing_is_said_where_nothing_is_wrong(data):
    w, batch = data
    assert check_gradients(linear, w, batch=batch).diagnosis == Diagnosis()


def test_places_are_seen_beside_a_penalty(data):
    """The data's part is transposed, the penalty's is where it belongs."""
    rng = np.random.default_rng(9)
    W, X, Y = (rng.normal(size=s) for s in ((3, 3), (6, 3), (6, 3)))

    def loss_and_gradients(W, X, Y):
        e = X @ W - Y
        return np.sum(e**2) / 2 + 0.05 * np.sum(W**2), e.T @ X + 0.1 * W

    (finding,) = check_gradients(loss_and_gradients, W, batch=(X, Y)).diagnosis.findings
    assert finding.causes == ("transposed",)


def test_the_derivative_of_a_parameters_own_exponential_is_named():
    x = np.random.default_rng(10).normal(size=(8, 3))

    def loss_and_gradients(log_sigma):
        sigma = np.exp(log_sigma)
        by_sigma = np.sum(-(x**2) / sigma**3 + 1 / sigma, axis=0)
        return np.sum(x**2 / sigma**2 / 2 + log_sigma), by_sigma

    report = check_gradients(loss_and_gradients, np.array([0.3, -0.2, 0.1]))
    assert kinds(report) == {"activation_derivative"}
    assert "exp(w)" in str(report)


def test_rounding_to_half_precision_is_named(data):
    w, batch = data
    half = wrong(lambda *p: linear(*p)[1].astype(np.float16).astype(float))
    assert kinds(check_gradients(half, w, batch=batch)) == {"rounding"}


def test_a_mask_that_is_forgotten_on_the_way_back_is_named():
    rng = np.random.default_rng(11)
    p = sizes(rng, {"W1": (4, 6), "b1": (6,), "W2": (6, 2), "b2": (2,)})
    keep = np.array([1, 0, 1, 1, 0, 1]) / 0.6

    def loss_and_gradients(p, X, Y):
        a = 1 / (1 + np.exp(-(X @ p["W1"] + p["b1"])))
        e = a * keep @ p["W2"] + p["b2"] - Y
        d = e @ p["W2"].T * a * (1 - a)
        return np.sum(e**2) / 2, {"W1": X.T @ d, "b1": d.sum(0), "W2": (a * keep).T @ e,
                                  "b2": e.sum(0)}  # fmt: skip

    batch = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    assert kinds(check_gradients(loss_and_gradients, p, batch=batch), certain=True) == {"mask"}
