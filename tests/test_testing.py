"""The strategies draw what they promise; the properties hold for right code only."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from ae_numpy import reference
from ae_numpy.network import Network
from ae_numpy.testing import (
    assert_additive,
    assert_adjoint,
    assert_gradient,
    assert_masks_respected,
    assert_permutation_invariant,
    batches,
    bias_masks,
    networks,
    well_conditioned,
)


@given(x=well_conditioned((3, 4), scale=10.0))
def test_well_conditioned_arrays_keep_away_from_zero_and_infinity(x):
    assert x.shape == (3, 4)
    assert np.all((np.abs(x) >= 2.5) & (np.abs(x) <= 10.0))
    assert len(np.unique(np.abs(x))) == x.size


@given(masks=bias_masks((5, 2, 3)))
def test_bias_masks_fit_the_layers(masks):
    assert [mask.shape for mask in masks] == [(2,), (3,)]
    assert all(mask.dtype == bool for mask in masks)


@given(network=networks(layers=(1, 3), units=(2, 4)))
def test_networks_are_within_their_bounds(network):
    assert 2 <= len(network.layer_sizes) <= 4
    assert all(2 <= n <= 4 for n in network.layer_sizes)
    assert network.layer_sizes[0] == network.layer_sizes[-1]
    assert np.all(network.parameters != 0)


@given(X=batches(3, rows=(2, 4)))
def test_batches_are_what_a_sigmoid_can_reach(X):
    assert 2 <= len(X) <= 4
    assert X.shape[1] == 3
    assert np.all((X >= 0.05) & (X <= 0.95))


@given(network=networks(), seed=bias_masks((1, 8)))
def test_all_properties_hold_of_our_networks(network, seed):
    X = np.random.default_rng(np.packbits(seed[0])).random((3, network.layer_sizes[0]))
    f, parameters = network.loss_and_gradients, network.as_dict()
    masks = {f"b{i}": layer.bias_mask for i, layer in enumerate(network.layers)}
    assert_masks_respected(f, parameters, masks, (X,))
    assert_additive(f, parameters, (X,))
    assert_permutation_invariant(f, parameters, (X,))


@given(x=well_conditioned((4, 3)), W=well_conditioned((3, 2)), b=well_conditioned(2))
def test_a_layer_in_three_lines(x, W, b):
    assert_adjoint(lambda x: reference.dense_forward(x, W, b), lambda dout: dout @ W.T, x)


net = Network((3, 2, 3), bias=[np.array([True, False]), np.ones(3, bool)])
net.parameters[:] = np.random.default_rng(0).normal(size=net.parameters.size)
X = np.random.default_rng(1).random((4, 3))


def wrong(change):
    def loss_and_gradients(p, X):
        loss, gradients = net.loss_and_gradients(p, X)
        return loss, {name: change(name, g, X) for name, g in gradients.items()}

    return loss_and_gradients


def test_a_wrong_gradient_is_refused():
    with pytest.raises(AssertionError, match="a factor 2"):
        assert_gradient(wrong(lambda name, g, X: 2 * g), net.as_dict(), (X,),
                        masks={"b0": net.layers[0].bias_mask})  # fmt: skip
    with pytest.raises(AssertionError, match="Gradient wrong"):
        assert_adjoint(np.sin, lambda dout: dout, X)


def test_a_sum_where_a_mean_belongs_is_refused():
    summed = wrong(lambda name, g, X: len(X) * g)
    with pytest.raises(AssertionError, match="the mean over the samples"):
        assert_additive(summed, net.as_dict(), (X,))
    with pytest.raises(AssertionError, match="the sum over the samples"):
        assert_additive(net.loss_and_gradients, net.as_dict(), (X,), reduction="sum")
    with pytest.raises(ValueError, match=r"reduction must be .*, got 'median'"):
        assert_additive(net.loss_and_gradients, net.as_dict(), (X,), reduction="median")


def test_an_order_that_matters_is_refused():
    with pytest.raises(AssertionError, match="another order"):
        assert_permutation_invariant(
            wrong(lambda name, g, X: g * X[0, 0]), net.as_dict(), (X,), random_state=2
        )


def test_at_a_minimum_the_order_does_not_matter_either():
    rng = np.random.default_rng(0)
    rows, target = rng.normal(size=(20, 3)), rng.normal(size=20)
    best = np.linalg.lstsq(rows, target, rcond=None)[0]

    def least_squares(w, X, y):
        return np.sum((X @ w - y) ** 2) / 2, X.T @ (X @ w - y)

    for seed in range(5):
        assert_permutation_invariant(least_squares, best, (rows, target), random_state=seed)


def test_a_function_may_reuse_its_buffer():
    gradient = np.zeros(3)

    def last_row_weighted(w, X):  # the order matters, and the same array is returned each time
        gradient[:] = X[-1]
        return np.sum(X), gradient

    with pytest.raises(AssertionError, match="another order"):
        assert_permutation_invariant(last_row_weighted, np.ones(3), (X,), random_state=2)


@pytest.mark.parametrize("batch", [(), (X, X[:2]), (X[:0],)])
def test_a_batch_without_samples_is_named(batch):
    for check in (assert_additive, assert_permutation_invariant):
        with pytest.raises(ValueError, match="one row per sample"):
            check(net.loss_and_gradients, net.as_dict(), batch)


def test_a_mask_that_is_ignored_is_refused():
    masks = {"b0": np.array([True, False])}
    with pytest.raises(AssertionError, match="entry that is held"):
        assert_masks_respected(wrong(lambda name, g, X: g + 1), net.as_dict(), masks, (X,))


def test_a_shape_that_differs_is_refused():
    def ragged(w, X):
        return np.sum(X @ w), X.sum(0) if len(X) > 1 else X

    with pytest.raises(AssertionError, match="shape"):
        assert_additive(ragged, np.ones(3), (X,), reduction="sum")


def test_lists_and_arrays_are_taken_too():
    def mean_square(p, X):
        return np.mean((X @ p[0]) ** 2) / 2, [X.T @ (X @ p[0]) / len(X)]

    assert_additive(mean_square, [np.ones(3)], (X,))
    assert_permutation_invariant(lambda w, X: (np.mean(X @ w), X.mean(0)), np.ones(3), (X,))


def test_without_hypothesis_the_properties_work_and_the_strategies_say_what_they_need():
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import numpy as np\n"
        "from ae_numpy.testing import assert_gradient, batches, networks, well_conditioned\n"
        "assert_gradient(lambda w: (np.sum(w**3), 3 * w**2), np.array([1.0, 2.0]))\n"
        "for strategy in (batches, networks, well_conditioned):\n"
        "    try:\n"
        "        strategy(3)\n"
        "    except ImportError as error:\n"
        "        assert 'needs Hypothesis: pip install' in str(error)\n"
        "    else:\n"
        "        raise SystemExit(strategy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
