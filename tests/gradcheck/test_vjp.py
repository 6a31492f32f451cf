"""`check_vjp`: the backward pass of single layers."""

import numpy as np
import pytest
from told import causes, kinds

from ae_numpy import reference
from ae_numpy.gradcheck import check_module, check_vjp

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


# --- several outputs, names, cost, modules --------------------------------------------------------


def polar(r, phi):
    return r * np.cos(phi), r * np.sin(phi), (r, phi)


def polar_backward(dx, dy, cache):
    r, phi = cache
    return dx * np.cos(phi) + dy * np.sin(phi), r * (dy * np.cos(phi) - dx * np.sin(phi))


r, phi = rng.uniform(1, 2, size=4), rng.normal(size=4)


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_several_outputs(method):
    report = check_vjp(polar, polar_backward, (r, phi), outputs=2, method=method)
    report.raise_if_failed()
    assert [array.name for array in report.arrays[:2]] == ["r", "phi"]


def test_several_outputs_without_a_cache():
    report = check_vjp(
        lambda r: (r**2, np.sin(r)), lambda da, db: 2 * r * da + np.cos(r) * db, r, outputs=2
    )
    assert report


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_output_is_wrong_and_explained(lost):
    def backward(dx, dy, cache):
        return polar_backward(*((0 * dx, dy) if lost == 0 else (dx, 0 * dy)), cache)

    report = check_vjp(polar, backward, (r, phi), outputs=2)
    assert report.verdict == "wrong"
    assert report.diagnosis


def test_a_wrong_number_of_outputs_is_said():
    with pytest.raises(TypeError, match="forward returned 3 things; with outputs=1"):
        check_vjp(polar, polar_backward, (r, phi))
    with pytest.raises(TypeError, match="forward returned 1 thing; with outputs=2"):
        check_vjp(np.sin, lambda a, b: a, r, outputs=2)
    with pytest.raises(ValueError, match="outputs=0"):
        check_vjp(np.sin, lambda a: a, r, outputs=0)


def test_inputs_have_the_names_of_the_signature():
    names = [array.name for array in check_vjp(dense, dense_backward, (x, W, b)).arrays]
    assert names == ["x", "W", "b", "Jacobian of x", "Jacobian of W", "Jacobian of b"]
    report = check_vjp(lambda *both: both[0] + both[1], lambda dout: (dout, dout), (x, x))
    assert [array.name for array in report.arrays[:2]] == ["x[0]", "x[1]"]


def test_a_wrong_input_is_diagnosed_under_its_name():
    report = check_vjp(dense, lambda d, c: (d @ c[1].T, -(c[0].T @ d), d.sum(0)), (x, W, b))
    assert [(f.arrays, f.kinds) for f in report.diagnosis.findings] == [(("W",), ("sign",))]


def test_one_forward_pass_gives_a_column_of_the_jacobian():
    """About one call per input entry, whatever the number of outputs."""
    calls = []

    def forward(x, W):
        calls.append(1)
        return np.tanh(x @ W), (x, W)

    def backward(dout, cache):
        x, W = cache
        d = dout * (1 - np.tanh(x @ W) ** 2)
        return d @ W.T, x.T @ d

    for width in (2, 40):
        calls.clear()
        inputs = rng.normal(size=(10, 20)), rng.normal(size=(20, width))
        assert check_vjp(forward, backward, inputs)
        entries, rows = 200 + 20 * width, min(10 * width, 100)
        assert len(calls) < entries + rows + 150  # 150: whether the complex step applies


class Linear:
    """A layer as courses have it: dicts of parameters and gradients."""

    def __init__(self, rows, columns):
        self.params = {"W": rng.normal(size=(rows, columns)), "b": rng.normal(size=columns)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads["W"], self.grads["b"] = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.params["W"].T


class Net:
    """Five lines that make a list of layers one module."""

    def __init__(self, layers):
        self.layers = layers
        self.params, self.grads = [a.params for a in layers], [a.grads for a in layers]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


def test_a_module_is_checked_as_it_is_and_left_as_it_was():
    layer = Linear(3, 2)
    before = dict(layer.params)
    report = check_module(layer, x)
    report.raise_if_failed()
    assert [array.name for array in report.arrays[:3]] == ["x", "W", "b"]
    assert all(layer.params[name] is before[name] for name in before)
    assert layer.x.dtype == layer.grads["W"].dtype == np.float64
    np.testing.assert_array_equal(layer.x, x)


def test_a_list_of_layers_is_a_module():
    net = Net([Linear(3, 4), Linear(4, 2)])
    report = check_module(net, x)
    report.raise_if_failed()
    net.layers[0].backward = lambda dout: Linear.backward(net.layers[0], 2 * dout)
    report = check_module(net, x)
    wrong = [array.name for array in report.arrays[:5] if array.verdict == "wrong"]
    assert wrong == ["x", "parameters[0].W", "parameters[0].b"]
    assert "factor" in kinds(report)


def test_a_first_layer_gives_no_gradient_of_its_input():
    class First(Linear):
        def backward(self, dout):
            super().backward(dout)

    report = check_module(First(3, 2), x)
    report.raise_if_failed()
    assert [array.name for array in report.arrays[:2]] == ["W", "b"]


def test_indices_are_no_inputs_to_differentiate():
    class Embedding:
        def __init__(self):
            self.params, self.grads = {"E": rng.normal(size=(5, 2))}, {}

        def forward(self, index):
            self.index = index
            return self.params["E"][index]

        def backward(self, dout):
            self.grads["E"] = np.zeros((5, 2))
            np.add.at(self.grads["E"], self.index, dout)

    assert check_module(Embedding(), np.array([1, 3, 1]))


def test_an_object_that_is_no_module_is_told_what_it_lacks():
    with pytest.raises(TypeError, match="has no backward and no params and no grads"):
        check_module(Sigmoid.__new__(type("Half", (), {"forward": Sigmoid.forward})), x)
