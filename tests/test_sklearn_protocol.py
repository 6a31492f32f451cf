"""What scikit-learn requires of an estimator, without scikit-learn installed."""

from __future__ import annotations

import copy
import pickle
import re
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


# ------------------------------------------------------------------ constructors of derived classes


class Renamed(Autoencoder):
    """Fewer parameters, one of which has a new name and is not stored."""

    def __init__(self, code=3):
        super().__init__(code, epochs=1, engine="numpy", learning_rate=0.5)


class Needed(Autoencoder):
    """A parameter without a default that is not stored."""

    def __init__(self, code):
        super().__init__(code, epochs=1, engine="numpy")


class Fewer(Autoencoder):
    def __init__(self, hidden_layer_sizes=3, epochs=2, tag="x"):
        super().__init__(hidden_layer_sizes, epochs=epochs, engine="numpy")
        self.tag = tag


class Rest(Autoencoder):
    def __init__(self, code=3, **rest):
        super().__init__((4, code, 4), **rest)
        self.code = code


class Wrapped(Rest):
    def __init__(self, code=4, *, note, **rest):
        super().__init__(code, **rest)
        self.note = note


class Arguments(Autoencoder):
    def __init__(self, *args, **rest):
        super().__init__(*args, **({"epochs": 1, "engine": "numpy"} | rest))


class Inherited(Rest):
    pass


SMALL = {"epochs": 1, "engine": "numpy"}
DERIVED = {
    "Renamed(hidden_layer_sizes=2)": Renamed(2),
    "Needed(hidden_layer_sizes=2, ": Needed(2),
    "Fewer(hidden_layer_sizes=2, tag='y')": Fewer(2, tag="y"),
    "Rest(code=2, epochs=1, engine='numpy')": Rest(2, **SMALL),
    "Wrapped(code=2, note='n', epochs=1, engine='numpy')": Wrapped(2, note="n", **SMALL),
    "Arguments(hidden_layer_sizes=2, tol=0.5)": Arguments(2, tol=0.5),
    "Inherited(code=2, epochs=1, engine='numpy')": Inherited(2, **SMALL),
}


@pytest.mark.parametrize("shown", DERIVED)
def test_derived_classes_may_have_constructors_of_their_own(shown, tmp_path):
    model = copy.deepcopy(DERIVED[shown])
    assert repr(model).startswith(shown)
    before = dict(vars(model))
    model.set_params(random_state=3).fit(X).save(tmp_path / "model.npz")
    loaded = type(model).load(tmp_path / "model.npz")
    assert type(loaded) is type(model)
    assert {name: vars(loaded)[name] for name in before} == before | {"random_state": 3}
    assert loaded.mse(X) == model.mse(X) == pickle.loads(pickle.dumps(model)).mse(X)
    assert repr(loaded) == repr(model)
    assert loaded.fit(X).mse(X) == model.mse(X)
    again = model.__sklearn_clone__()
    assert vars(again) == before | {"random_state": 3}
    if shown.startswith("Fewer"):
        assert type(model)(**model.get_params()).get_params() == model.get_params()


@pytest.mark.parametrize("shown", [name for name in DERIVED if not name.startswith("Needed")])
def test_what_a_constructor_makes_of_a_parameter_follows_it(shown):
    model = copy.deepcopy(DERIVED[shown]).set_params(learning_rate=0.25)
    name = "hidden_layer_sizes" if shown.startswith(("Fewer", "Arg")) else "code"
    assert model.set_params(**{name: 1}).fit(X).code_size_ == 1
    assert (model.learning_rate, model.epochs) == (0.25, DERIVED[shown].epochs)


def test_a_constructor_that_refuses_leaves_everything_as_it_was():
    class Picky(Autoencoder):
        def __init__(self, code=3):
            if code > 5:
                raise ValueError("too large")
            super().__init__(code)
            self.code = code

    model = Picky(4)
    with pytest.raises(ValueError, match="too large"):
        model.set_params(code=6)
    assert vars(model) == vars(Picky(4))


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


USES = {
    **{
        method: lambda model, frame, method=method: getattr(model, method)(frame)
        for method in (
            *("encode", "transform", "reconstruct", "predict", "mse", "score", "score_samples"),
            "partial_fit",
        )
    },
    "target of partial_fit": lambda model, frame: model.partial_fit(NAMED, target=frame),
    "target": lambda model, frame: model.fit(NAMED, target=frame),
    "validation_data": lambda model, frame: model.fit(NAMED, validation_data=frame),
    "validation_data[0]": lambda model, frame: model.fit(
        NAMED, target=NAMED, validation_data=(frame, NAMED)
    ),
    "validation_data[1]": lambda model, frame: model.fit(
        NAMED, target=NAMED, validation_data=(NAMED, frame)
    ),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "b", "c", "e"], "unseen at fit time:\n- e\nFeature names seen .* missing:\n- d\n"),
        (["d", "c", "b", "a"], "must be in the same order"),
        ([f"x{i}" for i in range(7)], r"- x4\n- \.\.\.\n"),
    ],
)
def test_other_names_are_refused(use, columns, message):
    model = make().fit(NAMED)
    before = model.network_.parameters
    name = "" if use in vars(Autoencoder) or use == "transform" else f"{use.split(' ')[0]}: "
    with pytest.raises(ValueError, match=f"(?s)^{re.escape(name)}The .*should match.*{message}"):
        USES[use](model, Frame(X, columns))
    assert model.network_.parameters is before


@pytest.mark.parametrize("method", ["decode", "inverse_transform"])
def test_codes_are_checked_by_the_names_of_codes(method):
    model = make().fit(X)
    names = list(model.get_feature_names_out())
    codes = model.encode(X)
    decoded = getattr(model, method)(codes)  # no names, no warning
    for good in (names, [0, 1, 2]):
        np.testing.assert_array_equal(getattr(model, method)(Frame(codes, good)), decoded)
    with pytest.raises(ValueError, match=r"(?s)^Z: The feature names .*in the same order"):
        getattr(model, method)(Frame(codes, names[::-1]))


def test_names_of_all_data_on_one_side_alone_are_a_warning():
    for name in ("target", "validation_data"):
        with pytest.warns(UserWarning, match=f"{name} does not have valid feature names") as one:
            make().fit(NAMED, **{name: X})
        with pytest.warns(UserWarning, match=f"{name} has feature names, but") as other:
            make().fit(X, **{name: NAMED})
        assert one[0].filename == other[0].filename == __file__


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


def test_samples_as_data_frames():
    pd = pytest.importorskip("pandas")
    rows = pd.DataFrame(X, columns=list("abcd"), index=range(100, 112))
    model = make().fit(rows).set_output(transform="pandas")
    codes = model.transform(rows)
    for frame in (model.reconstruct(rows), model.inverse_transform(codes)):
        assert list(frame.columns) == list("abcd")
        assert list(frame.index) == list(rows.index)
        np.testing.assert_array_equal(frame.to_numpy(), model.predict(rows))
    assert isinstance(model.predict(rows), np.ndarray)
    assert isinstance(model.decode(codes), np.ndarray)
    unnamed = make().fit(X).set_output(transform="pandas").inverse_transform(codes.to_numpy())
    assert list(unnamed.columns) == ["x0", "x1", "x2", "x3"]
    assert isinstance(model.set_output(transform="default").reconstruct(rows), np.ndarray)


@pytest.mark.parametrize("container", ["default", "pandas", "polars", None])
def test_the_container_survives_copies_and_files(container, tmp_path):
    if container in ("pandas", "polars"):
        pytest.importorskip(container)
    model = make().fit(X).set_output(transform=container)
    model.save(tmp_path / "model.npz")
    for other in (
        Autoencoder.load(tmp_path / "model.npz"),
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        model.__sklearn_clone__().fit(X),
    ):
        assert type(other.transform(X)) is type(model.transform(X))
        assert vars(other).keys() == vars(model).keys()


def test_codes_as_polars_frames():
    pl = pytest.importorskip("polars")
    model = make().fit(pl.DataFrame(X, schema=["a", "b", "c", "d"]))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    codes = make().fit(X).set_output(transform="polars").transform(X)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == ["autoencoder0", "autoencoder1", "autoencoder2"]
