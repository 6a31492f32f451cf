"""The library's own networks and layers, tested with the properties that it offers its users."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ae_numpy import Network, reference
from ae_numpy.gradcheck import check_network
from ae_numpy.testing import (
    assert_additive,
    assert_adjoint,
    assert_masks_respected,
    assert_permutation_invariant,
    batches,
    networks,
    well_conditioned,
)

ENGINES = st.sampled_from(["numpy", "numba"])


@given(st.data())
def test_gradients_of_any_network_are_right_and_masks_respected(data):
    network = data.draw(networks(engine=data.draw(ENGINES)))
    X = data.draw(batches(network))
    masks = {f"b{i}": layer.bias_mask for i, layer in enumerate(network.layers)}
    assert_masks_respected(network.loss_and_gradients, network.as_dict(), masks, (X,))
    check_network(network, X).raise_if_failed()


@given(st.data())
def test_a_batch_is_the_mean_of_its_samples_in_any_order(data):
    rule = data.draw(st.sampled_from(["exact", "raw_error"]))
    network = data.draw(networks(engine=data.draw(ENGINES), backprop=rule))
    X = data.draw(batches(network))
    assert_additive(network.loss_and_gradients, network.as_dict(), (X,))
    assert_permutation_invariant(network.loss_and_gradients, network.as_dict(), (X,))


@given(well_conditioned((3, 4)), well_conditioned((4, 2)), well_conditioned(2))
def test_backward_passes_are_the_adjoints_of_the_forward_passes(x, W, b):
    z, a = reference.dense_forward(x, W, b), reference.sigmoid_forward(x)
    assert z.shape == (3, 2)
    assert_adjoint(
        lambda x: reference.dense_forward(x, W, b),
        lambda dz: reference.dense_backward(dz, x, W)[0],
        x,
    )
    assert_adjoint(
        lambda W: reference.dense_forward(x, W, b),
        lambda dz: reference.dense_backward(dz, x, W)[1],
        W,
    )
    assert_adjoint(
        lambda b: reference.dense_forward(x, W, b),
        lambda dz: reference.dense_backward(dz, x, W)[2],
        b,
    )
    assert_adjoint(reference.sigmoid_forward, lambda da: reference.sigmoid_backward(da, a), x)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_the_published_rule_fails_and_is_named(engine):
    network = Network((5, 3, 5), backprop="raw_error", engine=engine)
    rng = np.random.default_rng(0)
    network.parameters[:] = rng.normal(size=network.parameters.size)
    report = check_network(network, rng.random((4, 5)))
    assert not report.ok
    assert "raw_error" in str(report.diagnosis)
    with pytest.raises(AssertionError, match="raw_error"):
        report.raise_if_failed()
