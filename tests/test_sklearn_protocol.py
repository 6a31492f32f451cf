"""What scikit-learn asks of an estimator, where scikit-learn is not there."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from small_models import make

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((12, 4))


class Frame:
    """What a data frame of any library looks like."""

    def __init__(self, values, columns):
        self.values, self.columns = values, columns

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


NAMED = Frame(X, ["a", "b", "c", "d"])


# --------------------------------------------------------------------------------- parameters


def test_parameters_can_be_read_and_set():
    model = make()
    assert model.get_params() == vars(model)
    assert model.set_params(epochs=7, tol="whatever") is model
    assert (model.epochs, model.tol) == (7, "whatever")  # fit checks
    assert Autoencoder(**model.get_params()).get_params() == model.get_params()


def test_an_unknown_parameter_is_refused_before_any_is_set():
    model = make()
    with pytest.raises(ValueError, match=r"Invalid parameter 'layers' .*'hidden_layer_sizes'"):
        model.set_params(epochs=7, layers=3)
    assert model.epochs == 3


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Autoencoder()) == "Autoencoder()"
    assert repr(Autoencoder(3, bias=[np.ones(2)])) == (
        "Autoencoder(hidden_layer_sizes=3, bias=[array([1., 1.])])"
    )


# ---------------------------------------------------------------------------- not fitted, and so on


def test_without_scikit_learn_nothing_of_it_is_imported():
    """The error is the package's own then, both a ValueError and an AttributeError."""
    code = """
import sys, numpy as np
from ae_numpy import Autoencoder
model = Autoencoder(2, epochs=1, engine="numpy")
try:
    model.history_
except (ValueError, AttributeError) as error:
    assert type(error).__module__ == "ae_numpy.sklearn_protocol"
    assert isinstance(error, ValueError) and isinstance(error, AttributeError)
else:
    raise AssertionError
model.fit_transform(np.ones((3, 4)) / 2)
assert not any(name.split(".")[0] in ("sklearn", "pandas", "polars") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_attributes_are_attribute_errors():
    for model in (make(), make().fit(X)):
        with pytest.raises(AttributeError, match="no attribute 'colour'"):
            getattr(model, "colour")  # noqa: B009
    assert not hasattr(make().fit(X), "feature_names_in_")  # fitted to an array


# ------------------------------------------------------------------------------ names of features


def test_names_of_features_are_those_of_the_last_fit():
    model = make().fit(NAMED)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    assert list(make().partial_fit(NAMED).feature_names_in_) == ["a", "b", "c", "d"]
    assert not hasattr(model.fit(X), "feature_names_in_")
    assert not hasattr(model.fit(Frame(X, [0, 1, 2, 3])), "feature_names_in_")


@pytest.mark.parametrize("method", ["encode", "transform", "reconstruct", "mse", "partial_fit"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b", "c", "e"], "unseen at fit time:\n- e\nFeature names seen .* missing:\n- d\n"),
        (["d", "c", "b", "a"], "must be in the same order"),
        ([f"x{i}" for i in range(7)], r"- x4\n- \.\.\.\n"),
    ],
)
def test_other_names_are_refused(method, columns, message):
    model = make().fit(NAMED)
    before = model.network_.parameters
    with pytest.raises(ValueError, match=f"(?s)should match those .*{message}"):
        getattr(model, method)(Frame(X, columns))
    assert model.network_.parameters is before


def test_names_on_one_side_alone_are_a_warning():
    named, plain = make().fit(NAMED), make().fit(X)
    with pytest.warns(UserWarning, match="X does not have valid feature names") as caught:
        named.encode(X)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="X has feature names, but Autoencoder was fitted without"):
        plain.encode(NAMED)


def test_names_that_are_strings_in_part_are_refused():
    model = make().fit(NAMED)
    before = dict(vars(model))
    for use in (model.fit, model.encode):
        with pytest.raises(TypeError, match=r"input has \['int', 'str'\] as column names"):
            use(Frame(X, ["a", 1, 2, 3]))
    assert vars(model) == before


def test_names_of_the_code():
    model = make().fit(NAMED)
    assert list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert list(model.get_feature_names_out(["a", "b", "c", "d"])) == list(
        model.get_feature_names_out()
    )
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        model.get_feature_names_out(["a", "b", "c", "e"])
    with pytest.raises(ValueError, match=r"number of features \(4\), got 3"):
        make().fit(X).get_feature_names_out(["a", "b", "c"])


# ------------------------------------------------------------------------------------- containers


def test_unknown_containers_are_refused():
    model = make()
    with pytest.raises(ValueError, match=r"transform must be one of .* got 'arrow'"):
        model.set_output(transform="arrow")
    assert model.set_output() is model
    assert vars(model) == vars(make())


def test_codes_as_data_frames():
    pd = pytest.importorskip("pandas")
    model = make().fit(X)
    rows = pd.DataFrame(X, index=range(100, 112))
    for given, index in ((rows, list(rows.index)), (X, list(range(12)))):
        codes = model.set_output(transform="pandas").transform(given)
        assert isinstance(codes, pd.DataFrame)
        assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
        assert list(codes.index) == index
        np.testing.assert_array_equal(codes.to_numpy(), model.encode(X))
        assert isinstance(model.encode(given), np.ndarray)
    assert isinstance(model.fit_transform(X), pd.DataFrame)
    assert isinstance(model.set_output(transform="default").transform(X), np.ndarray)


def test_codes_as_polars_frames():
    pl = pytest.importorskip("polars")
    model = make().fit(pl.DataFrame(X, schema=["a", "b", "c", "d"]))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    codes = make().fit(X).set_output(transform="polars").transform(X)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == ["autoencoder0", "autoencoder1", "autoencoder2"]
