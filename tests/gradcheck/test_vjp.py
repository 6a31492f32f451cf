"""`check_vjp`: the backward pass of single layers."""

import numpy as np
import pytest
from told import causes

from ae_numpy import reference
from ae_numpy.gradcheck import check_vjp

rng = np.random.default_rng(0)
x, W, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)


def dense(x, W, b):
    return reference.dense_forward(x, W, b), (x, W)


def dense_backward(dout, cache):
    return reference.dense_backward(dout, *cache)


class Sigmoid:
    """A layer that keeps its output for the way back."""

    def forward(self, x):
        self.out = reference.sigmoid_forward(x)
        return self.out

    def backward(self, dout):
        return reference.sigmoid_backward(dout, self.out)


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_the_layers_of_the_reference_are_right(method):
    check_vjp(dense, dense_backward, (x, W, b), method=method).raise_if_failed()
    layer = Sigmoid()
    check_vjp(layer.forward, layer.backward, x, method=method).raise_if_failed()


def test_inputs_may_be_a_dict():
    def backward(dout, cache):
        return dict(zip("xWb", dense_backward(dout, cache), strict=True))

    report = check_vjp(dense, backward, {"x": x, "W": W, "b": b})
    report.raise_if_failed()
    assert "Jacobian of W" in str(report)


WRONG = {
    "dout is ignored": lambda d, c: (0 * d + 1) @ c[1].T,
    "not linear in dout": lambda d, c: d**3 @ c[1].T / 2,
    "a factor": lambda d, c: 1.0001 * d @ c[1].T,
    "zero": lambda d, c: 0 * c[0],
    "samples exchanged": lambda d, c: d[::-1] @ c[1].T,
    "one sample lost": lambda d, c: np.vstack([d[:-1] @ c[1].T, 0 * c[0][:1]]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_backward_passes_fail(name):
    def backward(dout, cache):
        return WRONG[name](dout, cache), *dense_backward(dout, cache)[1:]

    report = check_vjp(dense, backward, (x, W, b))
    wrong = {array.name for array in report.arrays if array.verdict == "wrong"}
    assert wrong == {"x", "Jacobian of x"}
    assert report.diagnosis


def test_a_bias_gradient_not_summed_is_named():
    def backward(dout, cache):
        return *dense_backward(dout, cache)[:2], dout

    report = check_vjp(dense, backward, (x, W, b))
    assert "not summed over the batch" in causes(report)


def test_abs_falls_back_to_central_differences():
    report = check_vjp(np.abs, lambda dout: dout * np.sign(x), x)
    report.raise_if_failed()
    assert "absolute" in str(report)


def test_large_outputs_are_sampled():
    report = check_vjp(np.sin, lambda dout: dout * np.cos(x), x, max_outputs=5)
    report.raise_if_failed()
    assert "60 of 144" in str(report)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="tuple with one gradient for each of the 3"):
        check_vjp(dense, lambda dout, cache: dout, (x, W, b))
    with pytest.raises(TypeError, match="a tuple of 4"):
        check_vjp(dense, lambda dout, cache: (x, W, b, b), (x, W, b))
    with pytest.raises(TypeError, match="a tuple of 2; x is one array"):
        check_vjp(np.sin, lambda dout: (dout, dout), x)
    with pytest.raises(TypeError, match="the inputs are a dict"):
        check_vjp(lambda x: np.sin(x), lambda dout: dout, {"x": x})
    with pytest.raises(TypeError, match=r"forward\(x\) is float32"):
        check_vjp(lambda x: np.sin(x).astype(np.float32), lambda dout: dout * np.cos(x), x)
    with pytest.raises(TypeError, match=r"does not take \['batch'\]"):
        check_vjp(np.sin, lambda dout: dout, x, batch=(x,))
    with pytest.raises(ValueError, match="max_outputs=0"):
        check_vjp(np.sin, lambda dout: dout, x, max_outputs=0)
    with pytest.raises(TypeError, match="an index or a label"):
        check_vjp(lambda W, i: W[i], lambda dout: (dout, None), (x, np.array([0, 1])))
    with pytest.raises(TypeError, match="floating point"):
        check_vjp(lambda x: np.sign(x).astype(int), lambda dout: dout, x)
    with pytest.raises(ValueError, match=r"gradient 'x' has shape \(4, 1\)"):
        check_vjp(np.sin, lambda dout: dout[:, :1], x)
