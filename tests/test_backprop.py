"""The gradient-check suite: backpropagation against derivatives computed by other methods.

Small random networks of 1 to 4 layers, in float64, with pre-activations within +-5.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numeric import (
    COMPLEX_STEP,
    assert_adjoint,
    assert_close,
    check_batch_is_mean_of_samples,
    check_complex_step,
    check_taylor_remainder,
    loss,
    random_direction,
    relative_error,
    trained,
)
from strategies import Case, cases, make_case, seeds

from ae_numpy import Network
from ae_numpy.engine import get_engine
from ae_numpy.training import train_batches

ENGINES = ("numpy", "numba")
by_engine = pytest.mark.parametrize("engine", ENGINES)


# ------------------------------------------------------------------------ the gradient is right


@by_engine
@given(data=st.data())
def test_every_partial_derivative_equals_its_complex_step(engine, data):
    case = data.draw(cases(engine=engine))
    check_complex_step(case.gradients, *case.point)


@by_engine
@given(data=st.data())
def test_remainder_of_the_linear_approximation_is_of_second_order(engine, data):
    case = data.draw(cases(engine=engine))
    assume(case.X.any())  # a network of one layer and no bias does not notice its weights else
    check_taylor_remainder(case.gradients, *case.point)


@by_engine
@given(data=st.data())
def test_loss_is_half_the_squared_error_per_sample(engine, data):
    case = data.draw(cases(engine=engine))
    given_loss, _ = case.network.loss_and_gradients(case.parameters, case.X, case.target)
    expected = loss(case.parameters, case.X, case.target)
    # A few dozen roundings of 1e-16, of terms that are all positive.
    assert given_loss == pytest.approx(expected, rel=1e-13, abs=0)


@given(cases())
def test_loss_of_complex_parameters_carries_the_derivative(case):
    """The network's own loss is analytic, so that a complex step can differentiate it."""
    v = random_direction(np.random.default_rng(0), trained(case.parameters, case.bias_masks))
    moved = {name: array + 1j * COMPLEX_STEP * v[name] for name, array in case.parameters.items()}
    value, _ = case.network.loss_and_gradients(moved, case.X, case.target)
    g = case.gradients()
    terms = [(g[name] * v[name]).sum() for name in g]
    # Gradient terms of both signs may cancel: rounding is measured by their sizes.
    size = sum(np.abs(g[name] * v[name]).sum() for name in g)
    assert abs(value.imag / COMPLEX_STEP - sum(terms)) <= 1e-13 * size


# ----------------------------------------------------------- forward and backward are transposes


@by_engine
@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))
def test_dense_backward_is_the_adjoint_of_dense_forward(engine, seed, B, I, O):
    layer, rng = get_engine(engine), np.random.default_rng(seed)
    x, W, b = rng.normal(size=(B, I)), rng.normal(size=(I, O)), rng.normal(size=O)
    dx, dW, db = v = [rng.normal(size=array.shape) for array in (x, W, b)]
    u = rng.normal(size=(B, O))
    Jv = dx @ W + x @ dW + db  # product rule
    assert_adjoint(u, Jv, v, layer.dense_backward(u, x, W))


@by_engine
@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_sigmoid_backward_is_the_adjoint_of_sigmoid_forward(engine, seed, B, O):
    layer, rng = get_engine(engine), np.random.default_rng(seed)
    z, v, u = rng.uniform(-5, 5, (B, O)), rng.normal(size=(B, O)), rng.normal(size=(B, O))
    Jv = (1 / (1 + np.exp(-z - 1j * COMPLEX_STEP * v))).imag / COMPLEX_STEP
    assert_adjoint(u, Jv, [v], [layer.sigmoid_backward(u, layer.sigmoid_forward(z))])


@by_engine
@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_half_squared_error_backward_is_the_adjoint_of_its_forward(engine, seed, B, O):
    layer, rng = get_engine(engine), np.random.default_rng(seed)
    output, target, v = rng.random((B, O)), rng.random((B, O)), rng.normal(size=(B, O))
    moved = output + 1j * COMPLEX_STEP * v
    Jv = (((moved - target) ** 2).sum() / (2 * B)).imag / COMPLEX_STEP
    d_output = layer.half_squared_error_backward(output, target)
    # Jv is one number, in which B * O terms of both signs may cancel: rounding is measured by
    # the size of the terms, not of their sum.
    assert abs(Jv - (d_output * v).sum()) <= 1e-13 * np.abs(d_output * v).sum()


@by_engine
@given(data=st.data())
def test_backward_of_the_network_is_the_adjoint_of_its_forward(engine, data):
    case = data.draw(cases(engine=engine))
    network, rng = case.network, np.random.default_rng(0)
    v = network.flatten(random_direction(rng, trained(case.parameters, case.bias_masks)))
    Jv = network.forward(case.X, network.parameters + 1j * COMPLEX_STEP * v)[-1].imag / COMPLEX_STEP
    activations = network.forward(case.X)
    # Half the squared error hands (output - target) / B to the network: that is u.
    target = activations[-1] - rng.normal(size=Jv.shape)
    u = (activations[-1] - target) / len(case.X)
    assert_adjoint(u, Jv, [v], [network.backward(activations, target)])


# ------------------------------------------------------------------------------------- symmetry


@by_engine
@given(data=st.data())
def test_gradient_of_a_batch_is_the_mean_of_its_samples_gradients(engine, data):
    case = data.draw(cases(engine=engine, min_samples=2))
    check_batch_is_mean_of_samples(case.gradients, *case.point[:3])


@by_engine
@given(data=st.data())
def test_permuting_hidden_units_permutes_the_gradient(engine, data):
    case = data.draw(cases(engine=engine, min_layers=2))
    layer = data.draw(st.integers(0, len(case.network.layers) - 2), "hidden layer")
    order = data.draw(st.permutations(range(case.network.layer_sizes[layer + 1])), "order")

    def permuted(arrays):
        result = dict(arrays)
        result[f"W{layer}"] = arrays[f"W{layer}"][:, order]
        result[f"b{layer}"] = arrays[f"b{layer}"][order]
        result[f"W{layer + 1}"] = arrays[f"W{layer + 1}"][order]
        return result

    masks = [mask for _, mask in sorted(case.bias_masks.items())]
    masks[layer] = masks[layer][order]
    shuffled = case.with_network(bias=masks)
    given_gradients = shuffled.gradients(permuted(case.parameters))
    for name, expected in permuted(case.gradients()).items():
        # The same terms, added in another order: some dozen EPS, more where they cancel.
        assert_close(given_gradients[name], expected, 1e-12, f"d{name}")


@by_engine
@given(data=st.data())
def test_a_second_backward_pass_gives_the_same_bits(engine, data):
    case = data.draw(cases(engine=engine))
    activations = case.network.forward(case.X)
    before = [a.copy() for a in activations]
    first = case.network.backward(activations, case.target)
    np.testing.assert_array_equal(case.network.backward(activations, case.target), first)
    for a, copy in zip(activations, before, strict=True):
        np.testing.assert_array_equal(a, copy)


@by_engine
@given(data=st.data())
def test_no_residual_no_gradient(engine, data):
    case = data.draw(cases(engine=engine))
    activations = case.network.forward(case.X)
    assert not case.network.backward(activations, activations[-1]).any()


# -------------------------------------------------------------------------------- the bias mask


@by_engine
@given(data=st.data())
def test_held_biases_have_gradient_zero_and_the_others_do_not_notice(engine, data):
    case = data.draw(cases(engine=engine))
    everything = case.with_network(bias=True).gradients()
    for name, given_gradient in case.gradients().items():
        mask = case.bias_masks.get(name, True)
        np.testing.assert_array_equal(given_gradient, np.where(mask, everything[name], 0))


@by_engine
@given(data=st.data())
def test_a_mask_of_ones_is_no_mask_bit_for_bit(engine, data):
    case = data.draw(cases(engine=engine, masked=False, autoencoder=True))
    ones = case.with_network(bias=[np.ones(n) for n in case.network.layer_sizes[1:]])
    np.testing.assert_array_equal(ones.gradient(), case.gradient())


# -------------------------------------------------------------------- saturation, and the dtypes


@by_engine
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=seeds)
def test_saturated_units_give_finite_gradients_and_no_warning(engine, dtype, seed):
    case = make_case((4, 3, 2, 4), seed, reach=np.inf, dtype=dtype, engine=engine)
    case.network.parameters *= 1000 / np.abs(case.network.parameters).max()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradients = case.network.loss_and_gradients(case.parameters, case.X, case.target)
    assert np.isfinite(value)
    assert all(np.isfinite(array).all() for array in gradients.values())


@by_engine
@given(data=st.data())
def test_float32_and_float64_agree(engine, data):
    case = data.draw(cases(engine=engine))
    # The same numbers in both: those that float32 can hold.
    single = case.with_network(dtype="float32")
    double = single.with_network(dtype="float64")
    # float32 rounds an activation near 1 by 3e-8; at |z| = 5, 1 - a = 0.0067 is then off by
    # 5e-6, in each of up to four layers, and so is a residual of that size.
    for name, expected in double.gradients().items():
        given_gradient = single.gradients()[name]
        assert given_gradient.dtype == np.float32
        assert_close(given_gradient.astype(float), expected, 2e-4, f"d{name}")


@pytest.mark.parametrize("backprop", ["exact", "raw_error"])
@given(data=st.data())
def test_numpy_and_numba_agree(backprop, data):
    case = data.draw(cases(backprop=backprop))
    compiled = case.with_network(engine="numba").gradients()
    for name, expected in case.gradients().items():
        assert_close(compiled[name], expected, 1e-12, f"d{name}")


# ---------------------------------------------------------------------------- the published rule


@by_engine
@given(data=st.data())
def test_raw_error_is_the_gradient_in_the_last_layer_only(engine, data):
    case = data.draw(cases(min_layers=2, backprop="raw_error", engine=engine, min_samples=2))
    last = len(case.network.layers) - 1
    check_complex_step(case.gradients, *case.point, names=[f"W{last}", f"b{last}"])
    for layer in range(last):
        for name in (f"W{layer}", f"b{layer}"):
            if not case.gradients()[name].any():
                continue  # biases that are all held, or inputs that are all 0: right by any rule
            with pytest.raises(AssertionError, match=f"d{name} is off"):
                check_complex_step(case.gradients, *case.point, names=[name])


@by_engine
@given(data=st.data())
def test_raw_error_is_the_gradient_where_nothing_is_hidden(engine, data):
    case = data.draw(cases(max_layers=1, backprop="raw_error", engine=engine))
    exact = case.with_network(backprop="exact")
    np.testing.assert_array_equal(case.gradient(), exact.gradient())


@by_engine
@given(data=st.data())
def test_raw_error_passes_the_error_down_without_derivatives(engine, data):
    """e_l = e_(l+1) @ W_(l+1).T and delta_l = e_l * a_l * (1 - a_l), sample by sample."""
    case = data.draw(cases(backprop="raw_error", engine=engine))
    activations = case.network.forward(case.X)
    e = activations[-1] - case.target
    for layer in reversed(range(len(case.network.layers))):
        x, a = activations[layer], activations[layer + 1]
        delta = e * a * (1 - a)
        expected = np.einsum("ni,no->io", x, delta) / len(x)
        assert_close(case.gradients()[f"W{layer}"], expected, 1e-12, f"dW{layer}")
        e = e @ case.parameters[f"W{layer}"].T


# ------------------------------------------------------------------------------ a step, and by hand


def one_step(case, rate, rows=(0,)):
    """Parameters after one step of training, by the engine of the case."""
    network = case.network
    batch = np.array(rows)
    if network.engine == "numpy":
        return train_batches(network, network.parameters, case.X, batch, len(batch), rate)[0]
    kernels = get_engine("numba")
    X = kernels.prepare(case.X)
    return kernels.train_batches(network, network.parameters, X, batch, len(batch), rate)[0]


def updated_too_early(case, rate):
    """One step on the first sample in which every layer is updated before dx is taken of it."""
    network, step = case.network, case.network.parameters.copy()
    activations = network.forward(case.X[:1])
    da = activations[-1] - case.target[:1]
    for index, layer in reversed(list(enumerate(network.views(step)))):
        x, a = activations[index], activations[index + 1]
        delta = da * a * (1 - a)
        layer.W[...] -= rate * x.T @ delta
        layer.b[...] -= rate * np.where(layer.bias_mask, delta[0], 0)
        da = delta @ layer.W.T
    return step


@by_engine
@given(data=st.data())
def test_backward_pass_uses_the_weights_from_before_the_step(engine, data):
    case = data.draw(cases(engine=engine, min_layers=2, autoencoder=True, reach=2.0))
    rate = 10.0  # an update as large as the weights: which ones were used then shows
    gradients = case.gradients(X=case.X[:1], target=case.target[:1])
    expected = case.network.parameters - rate * case.network.flatten(gradients)
    step = one_step(case, rate)
    update = step - case.network.parameters
    assert_close(update, expected - case.network.parameters, 1e-12)
    too_early = updated_too_early(case, rate) - case.network.parameters
    if case.X[0].any():  # else the first layer's weights, which are what differs, do not move
        assert relative_error(update, too_early) > 1e-9


@pytest.mark.parametrize("n_samples", [1, 5])
@by_engine
def test_a_step_is_the_learning_rate_times_the_gradient(engine, n_samples):
    case = make_case((4, 3, 2, 4), 0, n_samples=n_samples, engine=engine)
    step = one_step(case, 0.5, rows=range(n_samples))
    expected = -0.5 * case.gradient()
    # The update is as large as the parameters, whose rounding is 1e-16.
    assert_close(step - case.network.parameters, expected, 1e-12)


LOG3 = np.log(3)  # sigmoid(log 3) = 3/4, sigmoid(-log 3) = 1/4


def network_by_hand(engine, backprop):
    """A 2-2-2 network whose activations for the input (1, 0) are simple fractions."""
    network = Network((2, 2, 2), engine=engine, backprop=backprop)
    encoder, decoder = network.layers
    encoder.W[...] = [[LOG3, -LOG3], [1, 2]]
    encoder.b[...] = [0, 0]
    # z = (1 log3 + 0 * 1, -1 log3 + 0 * 2) = (log 3, -log 3), so the code is (3/4, 1/4).
    decoder.W[...] = [[1, 2], [-3, -6]]
    decoder.b[...] = [0, LOG3]
    # z = (3/4 * 1 - 1/4 * 3, 3/4 * 2 - 1/4 * 6 + log 3) = (0, log 3): the output is (1/2, 3/4).
    # The target is (1, 0), so the error e is (-1/2, 3/4) and J = (1/4 + 9/16) / 2 = 13/32.
    return network


# delta1 = e * a * (1 - a) = (-1/2 * 1/4, 3/4 * 3/16) = (-1/8, 9/64).
DELTA1 = np.array([-1 / 8, 9 / 64])
# dW1[i, o] = code[i] * delta1[o]: 3/4 * -1/8, 3/4 * 9/64; 1/4 * -1/8, 1/4 * 9/64.
DW1 = np.array([[-3 / 32, 27 / 256], [-1 / 32, 9 / 256]])
# Exact: da[i] = W1[i] . delta1: 1 * -1/8 + 2 * 9/64 = 10/64; -3 * -1/8 - 6 * 9/64 = -30/64.
# delta0 = da * a * (1 - a) = (10/64 * 3/16, -30/64 * 3/16) = (15/512, -45/512).
# Raw error: da[i] = W1[i] . e: 1 * -1/2 + 2 * 3/4 = 1; -3 * -1/2 - 6 * 3/4 = -3.
# delta0 = (1 * 3/16, -3 * 3/16) = (3/16, -9/16).
DELTA0 = {"exact": np.array([15 / 512, -45 / 512]), "raw_error": np.array([3 / 16, -9 / 16])}


@pytest.mark.parametrize("backprop", DELTA0)
@by_engine
def test_one_training_step_worked_out_by_hand(engine, backprop):
    network = network_by_hand(engine, backprop)
    x = np.array([[1.0, 0.0]])
    # dW0[i, o] = x[i] * delta0[o]: delta0 in the first row, 0 in the second.
    expected = {
        "W0": np.array([DELTA0[backprop], [0, 0]]),
        "b0": DELTA0[backprop],
        "W1": DW1,
        "b1": DELTA1,
    }
    value, gradients = network.loss_and_gradients(network.as_dict(), x)
    assert value == pytest.approx(13 / 32, rel=1e-14)  # log 3 is rounded, all else is exact
    step = network.as_dict(one_step(Case(network, x, x), 2.0))
    for name, gradient in expected.items():
        assert_close(gradients[name], gradient, 1e-14, name)
        # p - 2 * gradient, rounded once or twice more
        np.testing.assert_allclose(
            step[name], network.as_dict()[name] - 2 * gradient, rtol=1e-14, atol=1e-15
        )
