"""`Network`: one flat vector, seen as layers; its passes; what it refuses."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from numeric import outputs
from strategies import cases, make_case, skip_without_compiler

from ae_numpy import Network, engine, network
from ae_numpy.validation import bias_mask, checked

ENGINES = ("numpy", "numba")


def test_examples_in_the_docstrings():
    for module in (network, engine):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


# ------------------------------------------------------------------------------- the flat vector


def test_weights_of_all_layers_come_before_the_biases():
    net = Network((2, 3, 1))
    net.parameters[:] = np.arange(13)
    encoder, decoder = net.layers
    np.testing.assert_array_equal(encoder.W, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(decoder.W, [[6], [7], [8]])
    np.testing.assert_array_equal(encoder.b, [9, 10, 11])
    np.testing.assert_array_equal(decoder.b, [12])


def test_layers_are_views_to_write_through():
    net = Network((2, 3, 1))
    net.layers[1].W[0, 0] = 5.0
    net.layers[0].b[:] = 7.0
    np.testing.assert_array_equal(net.parameters[[6, 9, 10, 11]], [5, 7, 7, 7])


@given(cases())
def test_names_and_flat_vector_hold_the_same(case):
    net = case.network
    named = net.as_dict()
    assert list(named) == [f"{kind}{k}" for k in range(len(net.layers)) for kind in "Wb"]
    np.testing.assert_array_equal(net.flatten(named), net.parameters)
    assert all(np.shares_memory(array, net.parameters) for array in named.values())


def test_gradient_has_the_layout_of_the_parameters():
    case = make_case((3, 2, 3), 0)
    gradients = case.gradients()
    assert {name: g.shape for name, g in gradients.items()} == {
        name: p.shape for name, p in case.parameters.items()
    }
    flat = case.network.backward(case.network.forward(case.X), case.target)
    np.testing.assert_array_equal(case.network.flatten(gradients), flat)


# ------------------------------------------------------------------------------------- passes


@pytest.mark.parametrize("name", ENGINES)
@given(case=cases())
def test_forward_returns_the_activations_of_every_layer(name, case):
    net = case.with_network(engine=name).network
    activations = net.forward(case.X)
    assert activations[0] is case.X
    assert [a.shape for a in activations] == [(len(case.X), n) for n in net.layer_sizes]
    # Some dozen roundings of 1e-16, of activations that are at least sigmoid(-5).
    np.testing.assert_allclose(activations[-1], outputs(case.parameters, case.X), rtol=1e-13)


@pytest.mark.parametrize("name", ENGINES)
def test_propagate_returns_the_layer_asked_for(name):
    # More samples than pass through together.
    case = make_case((5, 4, 3, 5), 0, n_samples=301, engine=name)
    activations = case.network.forward(case.X)
    for first in range(3):
        for last in range(first + 1, 4):
            a = case.network.propagate(activations[first], first=first, last=last)
            # Fewer rows at a time: matrix products may be summed in another order.
            np.testing.assert_allclose(a, activations[last], rtol=1e-13)


@pytest.mark.parametrize("name", ENGINES)
def test_no_samples_have_no_outputs_and_no_errors(name):
    network, nothing = Network((3, 2, 3), engine=name), np.empty((0, 3))
    assert network.propagate(nothing).shape == (0, 3)
    assert network.squared_errors(nothing).shape == (0,)


@pytest.mark.parametrize("name", ENGINES)
def test_squared_errors_are_sums_over_the_features_of_each_sample(name):
    case = make_case((5, 2, 5), 0, n_samples=301, engine=name)
    expected = ((outputs(case.parameters, case.X) - case.X) ** 2).sum(axis=1)
    # Differences of numbers below 1, rounded by 1e-16, are seldom below 1e-3.
    np.testing.assert_allclose(case.network.squared_errors(case.X), expected, rtol=1e-11)


@pytest.mark.parametrize("name", ENGINES)
def test_given_parameters_take_the_place_of_the_networks_own(name):
    case, other = (make_case((3, 2, 3), seed, engine=name) for seed in (0, 1))
    borrowed, net = other.network.parameters, case.network
    own = net.parameters.copy()
    np.testing.assert_array_equal(net.propagate(case.X, borrowed), other.network.propagate(case.X))
    np.testing.assert_array_equal(
        net.backward(net.forward(case.X, borrowed), case.X, borrowed),
        other.network.backward(other.network.forward(case.X), case.X),
    )
    np.testing.assert_array_equal(net.parameters, own)


def test_target_is_the_input_unless_given():
    case = make_case((3, 2, 3), 0)
    with_target = case.network.loss_and_gradients(case.parameters, case.X, case.X)
    without = case.network.loss_and_gradients(case.parameters, case.X)
    assert with_target[0] == without[0]
    for name, gradient in with_target[1].items():
        np.testing.assert_array_equal(gradient, without[1][name])


def test_loss_and_gradients_change_nothing():
    case = make_case((3, 2, 3), 0)
    kept, X = case.network.parameters.copy(), case.X.copy()
    given_parameters = {name: array + 1 for name, array in case.parameters.items()}
    copies = {name: array.copy() for name, array in given_parameters.items()}
    case.network.loss_and_gradients(given_parameters, case.X)
    np.testing.assert_array_equal(case.network.parameters, kept)
    np.testing.assert_array_equal(case.X, X)
    for name, array in given_parameters.items():
        np.testing.assert_array_equal(array, copies[name])


# -------------------------------------------------------------------------------------- masks


def test_bias_masks_in_all_their_forms():
    sizes = (3, 2, 3)
    assert bias_mask(checked("bias", True), sizes).tolist() == [True] * 5
    assert bias_mask(checked("bias", False), sizes).tolist() == [False] * 5
    mixed = [True, False, False, True, True]
    assert bias_mask(checked("bias", [[True, False], [False, True, True]]), sizes).tolist() == mixed
    assert bias_mask(checked("bias", ([1, 0], np.array([0, 1, 1]))), sizes).tolist() == mixed
    assert bias_mask(checked("bias", np.ones((2, 3), int)), (3, 3, 3)).all()


@pytest.mark.parametrize(
    "bias",
    [
        None,
        1,
        "True",
        [],
        [True, False],
        [[True, False]],
        [[True, False], [True, True]],
        [[True, 2], [True, True, True]],
        [[True, np.nan], [True, True, True]],
        [["yes", "no"], [True, True, True]],
        [[True, [False]], [True, True, True]],
    ],
)
def test_a_bad_bias_mask_is_named(bias):
    with pytest.raises((TypeError, ValueError), match="bias must be True, False or one boolean"):
        Network((3, 2, 3), bias=bias)


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1), (3, 2.0), (3, "2"), 3])
def test_bad_layer_sizes_are_named(sizes):
    with pytest.raises((TypeError, ValueError), match="layer_sizes"):
        Network(sizes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backprop", "sloppy"),
        ("engine", "fortran"),
        ("dtype", "float16"),
        ("dtype", "complex128"),
        ("dtype", "colour"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name} must be .*{value}"):
        Network((3, 2), **{name: value})


def test_parameters_of_other_names_or_shapes_are_named():
    case = make_case((3, 2, 3), 0)
    missing = {name: array for name, array in case.parameters.items() if name != "b1"}
    with pytest.raises(ValueError, match=r"parameters must be .*'b1'.*, got"):
        case.network.flatten(missing)
    with pytest.raises(ValueError, match=r"W0 must have shape \(3, 2\), got \(2, 3\)"):
        case.network.flatten(case.parameters | {"W0": np.zeros((2, 3))})


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("width", [1, 3, 5, 12])
def test_samples_of_another_width_are_refused(name, width):
    """A kernel checks no bounds: it would read past the end of the array."""
    case = make_case((4, 3, 4), 0, engine=name)
    wrong = np.full((2, width), 0.5)
    with pytest.raises(ValueError, match=r"\(2, 4\)|(?i:width|shape|dimension)"):
        case.network.loss_and_gradients(case.parameters, wrong, case.X[:2])
    with pytest.raises(ValueError, match=r"\(2, 4\)|(?i:width|shape|dimension)"):
        case.network.loss_and_gradients(case.parameters, case.X[:2], wrong)


def test_integer_parameters_are_refused():
    network = Network((2, 1, 2))
    whole = {name: np.ones(a.shape, int) for name, a in network.as_dict().items()}
    with pytest.raises(TypeError, match="parameters must hold floating-point numbers, got dtype"):
        network.loss_and_gradients(whole, np.ones((1, 2)))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("method", ["forward", "propagate", "squared_errors"])
def test_no_pass_reads_beyond_the_end_of_rows(engine, method):

    network = Network((3, 2, 3), engine=engine)
    for x in (np.ones((4, 2)), np.ones((4, 4)), np.ones(3)):
        with pytest.raises(ValueError, match=r"must have shape \(n_samples, 3\), got"):
            getattr(network, method)(x)


def test_a_target_of_another_width_is_refused():
    network = Network((3, 2, 3))
    activations = network.forward(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"target must have shape \(4, 3\), got \(4, 2\)"):
        network.backward(activations, np.ones((4, 2)))


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_precisions_may_be_mixed(engine):
    skip_without_compiler(engine)
    x = np.random.default_rng(0).random((4, 3))
    single = Network((3, 2, 3), dtype="float32", engine=engine)
    for output in (single.propagate(x), single.forward(x)[-1]):
        assert output.dtype == np.float32
    assert single.squared_errors(x).shape == (4,)
    double = Network((3, 2, 3), engine=engine)
    low = {name: array.astype(np.float32) for name, array in double.as_dict().items()}
    loss, gradients = double.loss_and_gradients(low, x.astype(np.float32))
    assert loss == pytest.approx(double.loss_and_gradients(double.as_dict(), x)[0], rel=1e-6)
    assert gradients["W0"].dtype == np.float64
