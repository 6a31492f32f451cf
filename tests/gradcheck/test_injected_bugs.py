"""Proof that the checks can fail: wrong gradients, each of which has to be rejected.

A bug is planted either in one line of `reference`, or in the gradient that a right network gives.
It is then handed to the same functions that the gradient-check suite calls.
"""

from __future__ import annotations

import numpy as np
import pytest
from numeric import check_batch_is_mean_of_samples, check_complex_step, check_taylor_remainder
from strategies import make_case

from ae_numpy import reference

RATE = 0.1


@pytest.fixture
def case():
    """Square layers, so that a transposed matrix fits; one held bias in each layer."""
    held = [np.arange(4) != k for k in (0, 1, 2)]
    return make_case((4, 4, 4, 4), 7, n_samples=5, bias=held)


# ----------------------------------------------------------------- a wrong line in `reference.py`

dense_backward = reference.dense_backward


def replaced(index, formula):
    """dense_backward, with one of its three results computed by another formula."""

    def wrong(dz, x, W):
        results = list(dense_backward(dz, x, W))
        results[index] = formula(dz, x, W)
        return tuple(results)

    return wrong


WRONG_LINES = {
    "missing sigmoid'": ("sigmoid_backward", lambda da, a: da),
    "missing factor a": ("sigmoid_backward", lambda da, a: da * (1 - a)),
    "missing factor 1 - a": ("sigmoid_backward", lambda da, a: da * a),
    "sigmoid' as that of tanh": ("sigmoid_backward", lambda da, a: da * (1 - a**2)),
    "sigmoid' off by 1e-6": ("sigmoid_backward", lambda da, a: da * a * (1 - a) * (1 + 1e-6)),
    "wrong sign of the error": (
        "half_squared_error_backward",
        lambda output, target: (target - output) / len(output),
    ),
    "sum over the batch where J is a mean": (
        "half_squared_error_backward",
        lambda output, target: output - target,
    ),
    "mean over all entries where J is a sum": (
        "half_squared_error_backward",
        lambda output, target: (output - target) / output.size,
    ),
    "factor 2 of the square not cancelled": (
        "half_squared_error_backward",
        lambda output, target: 2 * (output - target) / len(output),
    ),
    "W in place of its transpose": ("dense_backward", replaced(0, lambda dz, x, W: dz @ W)),
    "dW transposed": ("dense_backward", replaced(1, lambda dz, x, W: dz.T @ x)),
    "dW of the last sample only": (
        "dense_backward",
        replaced(1, lambda dz, x, W: np.outer(x[-1], dz[-1])),
    ),
    "dW averaged over the batch twice": (
        "dense_backward",
        replaced(1, lambda dz, x, W: x.T @ dz / len(x)),
    ),
    "dW of samples in another order": (
        "dense_backward",
        replaced(1, lambda dz, x, W: x[::-1].T @ dz),
    ),
    "bias gradient averaged": ("dense_backward", replaced(2, lambda dz, x, W: dz.mean(axis=0))),
    "bias gradient of the first sample": ("dense_backward", replaced(2, lambda dz, x, W: dz[0])),
    "bias gradient missing": ("dense_backward", replaced(2, lambda dz, x, W: 0 * dz[0])),
}


# ---------------------------------------------------------------------- a wrong gradient as such


def wrong_entry(case, factor):
    """One entry, the largest of the first layer's weights, off by a factor."""
    gradients = case.gradients()
    flat = gradients["W0"].reshape(-1)
    flat[np.argmax(np.abs(flat))] *= factor
    return gradients


def mask_ignored(case):
    return case.with_network(bias=True).gradients()


def mask_inverted(case):
    masks = [~layer.bias_mask for layer in case.network.layers]
    return case.with_network(bias=masks).gradients()


def stale_weights(case):
    """Forward with the weights of now, backward with those from before the last step."""
    network = case.network
    before = network.parameters + RATE * case.gradient()
    activations = network.forward(case.X)
    return network.as_dict(network.backward(activations, case.target, before))


def updated_weights(case):
    """Backward with the weights that the step has already changed."""
    network = case.network
    after = network.parameters - RATE * case.gradient()
    activations = network.forward(case.X)
    return network.as_dict(network.backward(activations, case.target, after))


def layer_below_updated_first(case):
    """Each layer is updated before the error is passed through it to the layer below."""
    network, updated = case.network, case.network.parameters.copy()
    gradient = np.empty_like(updated)
    activations = network.forward(case.X)
    da = (activations[-1] - case.target) / len(case.X)
    layers = zip(network.views(updated), network.views(gradient), strict=True)
    for index, (layer, d_layer) in reversed(list(enumerate(layers))):
        x, a = activations[index], activations[index + 1]
        delta = da * a * (1 - a)
        d_layer.W[...], d_layer.b[...] = x.T @ delta, delta.sum(axis=0) * layer.bias_mask
        layer.W[...] -= RATE * d_layer.W
        da = delta @ layer.W.T
    return network.as_dict(gradient)


def float32_result(case):
    return {name: g.astype(np.float32).astype(float) for name, g in case.gradients().items()}


def float32_inside(case):
    gradients = case.with_network(dtype="float32").network.loss_and_gradients(
        {name: array.astype(np.float32) for name, array in case.parameters.items()},
        case.X,
        case.target,
    )[1]
    return {name: array.astype(float) for name, array in gradients.items()}


def other_samples(case):
    return case.gradients(X=case.X[:-1], target=case.target[:-1])


def scaled(case, factor):
    return {name: factor * array for name, array in case.gradients().items()}


def with_one(case, name, change):
    gradients = case.gradients()
    return gradients | {name: change(gradients[name])}


WRONG_GRADIENTS = {
    "the published rule": lambda case: case.with_network(backprop="raw_error").gradients(),
    "mask ignored": mask_ignored,
    "mask inverted": mask_inverted,
    "held bias with a tiny gradient": lambda case: with_one(
        case, "b0", lambda db: np.where(db == 0, 1e-300, db)
    ),
    "stale weights": stale_weights,
    "weights already updated": updated_weights,
    "layers updated on the way down": layer_below_updated_first,
    "last sample left out": other_samples,
    "an entry off by 1e-4": lambda case: wrong_entry(case, 1 + 1e-4),
    "an entry off by 1e-6": lambda case: wrong_entry(case, 1 + 1e-6),
    "an entry of the wrong sign": lambda case: wrong_entry(case, -1),
    "an entry missing": lambda case: wrong_entry(case, 0),
    "an entry NaN": lambda case: wrong_entry(case, np.nan),
    "rounded to float32": float32_result,
    "computed in float32": float32_inside,
    "zero": lambda case: scaled(case, 0.0),
    "of the opposite sign": lambda case: scaled(case, -1.0),
    "half": lambda case: scaled(case, 0.5),
    "clipped": lambda case: {n: np.clip(g, -0.01, 0.01) for n, g in case.gradients().items()},
    "normalised": lambda case: scaled(case, 1 / np.linalg.norm(case.gradient())),
    "with weight decay": lambda case: with_one(
        case, "W1", lambda dW: dW + 1e-4 * case.parameters["W1"]
    ),
    "two layers exchanged": lambda case: with_one(
        case, "W1", lambda dW: case.gradients()["W2"].copy()
    ),
    "rows exchanged": lambda case: with_one(case, "W1", lambda dW: dW[::-1]),
    "of one column too few": lambda case: with_one(case, "W1", lambda dW: dW[:, :-1]),
    "an array missing": lambda case: {n: g for n, g in case.gradients().items() if n != "b1"},
}


def gradients_of(case, wrong=None):
    """The function that a check takes: right, or with a wrong gradient in its place."""

    def gradients(parameters, X, target):
        at = case.with_network()
        at.network.parameters[:] = at.network.flatten(parameters)
        at = type(case)(at.network, X, target)
        return at.gradients() if wrong is None else wrong(at)

    return gradients


def test_the_right_gradient_passes_every_check(case):
    check_complex_step(gradients_of(case), *case.point)
    check_taylor_remainder(gradients_of(case), *case.point)
    check_batch_is_mean_of_samples(gradients_of(case), *case.point[:3])


@pytest.mark.parametrize("bug", WRONG_LINES)
def test_complex_step_rejects_a_wrong_line(bug, case, monkeypatch):
    monkeypatch.setattr(reference, *WRONG_LINES[bug])
    with pytest.raises(AssertionError, match="is off by"):
        check_complex_step(gradients_of(case), *case.point)


@pytest.mark.parametrize("bug", WRONG_GRADIENTS)
def test_complex_step_rejects_a_wrong_gradient(bug, case):
    with pytest.raises(AssertionError):
        check_complex_step(gradients_of(case, WRONG_GRADIENTS[bug]), *case.point)


# The Taylor remainder sees a gradient through one number, its component in one direction; an
# error of 1e-6 drowns in the quadratic term, unless the steps are small.
SEEN_BY_TAYLOR = sorted(set(WRONG_LINES) - {"sigmoid' off by 1e-6"})


@pytest.mark.parametrize("bug", SEEN_BY_TAYLOR)
def test_taylor_remainder_rejects_a_wrong_line(bug, case, monkeypatch):
    monkeypatch.setattr(reference, *WRONG_LINES[bug])
    with pytest.raises(AssertionError, match="the remainder falls as"):
        check_taylor_remainder(gradients_of(case), *case.point)


@pytest.mark.parametrize(
    "bug",
    [
        "sum over the batch where J is a mean",
        "dW of the last sample only",
        "dW averaged over the batch twice",
        "dW of samples in another order",
        "bias gradient averaged",
        "bias gradient of the first sample",
    ],
)
def test_mean_over_samples_rejects_what_mixes_them_up(bug, case, monkeypatch):
    monkeypatch.setattr(reference, *WRONG_LINES[bug])
    with pytest.raises(AssertionError, match="of a batch is off"):
        check_batch_is_mean_of_samples(gradients_of(case), *case.point[:3])
