"""Parameters in whatever people keep them, and messages that say what is wrong with them."""

import dataclasses
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest

from ae_numpy.gradcheck import check_gradients

rng = np.random.default_rng(0)


@dataclasses.dataclass
class Layer:
    W: np.ndarray
    b: np.ndarray
    name: str = "dense"


class Pair(NamedTuple):
    first: Layer
    second: Layer


class Attributes(dict):
    """A dict whose keys can be read as attributes, and nothing else."""

    __getattr__ = dict.__getitem__


def layer():
    return Layer(rng.normal(size=(2, 3)), rng.normal(size=3))


def squares(p):
    """Loss and gradients of a dataclass, in one of its kind."""
    return np.sum(p.W**2) + np.sum(p.b**3), Layer(2 * p.W, 3 * p.b**2, p.name)


def test_a_dataclass_comes_back_as_one():
    report = check_gradients(squares, layer())
    assert report
    assert [array.name for array in report.arrays] == ["W", "b"]


def test_containers_nest():
    def loss(p):
        found = [squares(q) for q in p["layers"]]
        total = sum(value for value, _ in found) + p["scale"] ** 2
        return total, {"layers": [g for _, g in found], "scale": 2 * p["scale"]}

    report = check_gradients(loss, {"layers": [layer(), layer()], "scale": 1.5})
    assert report
    names = ["layers[0].W", "layers[0].b", "layers[1].W", "layers[1].b", "scale"]
    assert [array.name for array in report.arrays] == names


def test_named_tuples_and_ordered_dicts_nest():
    def loss(p):
        (first, d_first), (second, d_second) = squares(p["pair"].first), squares(p["pair"].second)
        return first + second, {"pair": Pair(d_first, d_second)}

    assert check_gradients(loss, OrderedDict(pair=Pair(layer(), layer())))


def test_a_wrong_array_deep_inside_is_named():
    def loss(p):
        value, gradient = squares(p[1]["deep"])
        return value + np.sum(p[0]), [np.ones(2), {"deep": dataclasses.replace(gradient, b=p[0])}]

    with pytest.raises(ValueError, match=r"'parameters\[1\].deep.b' has shape \(2,\)"):
        check_gradients(loss, [np.ones(2), {"deep": layer()}])


def test_keys_with_a_d_are_accepted_and_said():
    report = check_gradients(
        lambda p: (np.sum(p["W1"] ** 2) + np.sum(p["b1"]), {"dW1": 2 * p["W1"], "db1": np.ones(2)}),
        {"W1": np.ones((2, 2)), "b1": np.ones(2)},
    )
    assert report
    assert "the gradient of 'W1' was found as 'dW1'" in str(report)


def test_a_dict_with_attributes_is_a_dict():
    assert check_gradients(
        lambda p: (np.sum(p["w"] ** 2), {"w": 2 * p["w"]}), Attributes(w=np.ones(2))
    )


MATRIX = np.ones((1, 2)).view(np.matrix)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (MATRIX, "'parameters' is a NumPy matrix"),
        ({"W": np.ma.array([1.0, 2.0])}, "'W' is a NumPy masked array"),
        ([layer(), {"b": None}], r"'parameters\[1\].b' is a NoneType"),
    ],
)
def test_what_is_not_an_ordinary_array_is_refused_by_name(parameters, words):
    with pytest.raises(TypeError, match=words):
        check_gradients(lambda p: (0.0, p), parameters)


def test_a_matrix_as_gradient_is_refused_by_name():
    with pytest.raises(TypeError, match="gradient 'parameters' is a NumPy matrix"):
        check_gradients(lambda w: (np.sum(w**2), (2 * w).view(np.matrix)), np.ones((2, 2)))


def test_ragged_lists_are_named_in_our_own_words():
    with pytest.raises(ValueError, match="'W' is not an array of one shape") as caught:
        check_gradients(lambda p: (0.0, p), {"W": [[1.0], [1.0, 2.0]]})
    assert "inhomogeneous" not in str(caught.value)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1)])
@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_a_loss_of_size_one_may_have_any_shape(shape, method):
    report = check_gradients(
        lambda w: (np.sum(w**2).reshape(shape), 2 * w), np.array([1.0, 2.0]), method=method
    )
    assert report


def test_losses_that_differ_late_are_printed_until_they_differ():
    calls = iter(range(100))
    with pytest.raises(ValueError, match=r"gave the loss as 2 and 2\.00000001;"):
        check_gradients(lambda w: (2 + 1e-8 * next(calls), w), np.ones(2))


def test_a_function_that_takes_an_entry_out_is_told_so():
    def popping(p):
        w = p.pop("w")
        return np.sum(w**2), {"w": 2 * w}

    with pytest.raises(ValueError, match="removed 'w' from the container"):
        check_gradients(popping, {"w": np.ones(2)})


# --- the caller's objects ---------------------------------------------------------------


class Net:
    """A net that keeps what it is called with, as people's nets do."""

    def loss(self, p, X):
        self.params, self.X = p, X
        return np.sum((X @ p["w"]) ** 2), {"w": self.factor * 2 * X.T @ (X @ p["w"])}

    factor = 1.0


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_the_last_call_is_real_and_at_the_point(method, factor):
    net, w, X = Net(), rng.normal(size=3), rng.normal(size=(4, 3))
    net.factor = factor
    before = w.copy(), X.copy()
    report = check_gradients(net.loss, {"w": w}, batch=(X,), method=method)
    assert report.ok == (factor == 1.0)
    assert net.params["w"].dtype == np.float64
    np.testing.assert_array_equal(net.params["w"], before[0])
    np.testing.assert_array_equal(net.X, before[1])
    np.testing.assert_array_equal(w, before[0])


# --- slow functions and many arrays ---------------------------------------------------------------


def test_a_slow_check_says_what_it_costs(capsys, monkeypatch):
    monkeypatch.setattr("ae_numpy.gradcheck.function.SLOW", 0.0)
    check_gradients(lambda w: (np.sum(w**2), 2 * w), np.ones(30))
    said = capsys.readouterr().err
    assert "gradient check: about 80 calls of" in said
    assert "of about 80 calls\n" in said


def test_a_quick_check_is_silent(capsys):
    check_gradients(lambda w: (np.sum(w**2), 2 * w), np.ones(30))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize("wrong", [0, 1])
def test_of_many_arrays_only_the_wrong_ones_are_printed(wrong):
    p = {f"W{i}": rng.normal(size=2) for i in range(60)}

    def loss(p):
        gradients = {name: 2 * w for name, w in p.items()}
        if wrong:
            gradients["W33"] = -gradients["W33"]
        return sum(np.sum(w**2) for w in p.values()), gradients

    report = check_gradients(loss, p)
    for text in (str(report), report._repr_html_()):
        assert ("59 other arrays are right" if wrong else "all 60 arrays are right") in text
        assert ("W33" in text) == bool(wrong)
        assert "W12" not in text
