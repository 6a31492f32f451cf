"""The estimator used with scikit-learn: its own checks, pipelines, grid searches, clones."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from small_models import make

pytest.importorskip("sklearn", "1.6")

from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import check_is_fitted

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((40, 6))


# Without the compiler, its twin of plain NumPy is the fast engine.
COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
ESTIMATORS = {
    "defaults": Autoencoder() if COMPILED else Autoencoder(engine="numpy"),
    "others": Autoencoder(
        (5, 2, 5), engine="numpy", dtype="float64", batch_size=8, early_stopping=True
    ),
    "validating": Autoencoder(
        2, engine="numpy", epochs=9, early_stopping=True, validation_fraction=0.2
    ),
}


def checks() -> Iterator:
    """Every check that scikit-learn has for an estimator like this one, by name."""
    for name, estimator in ESTIMATORS.items():
        with warnings.catch_warnings():  # that it does not inherit from scikit-learn's own base
            warnings.simplefilter("ignore")
            found = list(estimator_checks_generator(estimator))
        assert len(found) > 40
        for index, (model, check) in enumerate(found):
            label = getattr(check, "func", check).__name__
            yield pytest.param(model, check, id=f"{name}-{index}-{label}")


# The checks' data are not images: values outside [0, 1] cause a warning, as they should.
@pytest.mark.filterwarnings("ignore:(X|Z) has values in:UserWarning")
@pytest.mark.filterwarnings("ignore:Estimator Autoencoder does not inherit:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_checks_of_scikit_learn_that_need_scipys_array_api():
    """One is skipped unless this variable is set before anything is imported."""
    code = """
import warnings
from sklearn.utils.estimator_checks import check_estimator
from ae_numpy import Autoencoder
warnings.filterwarnings("ignore", "X has values in", UserWarning)
results = check_estimator(Autoencoder(epochs=2, engine="numpy"), on_skip=None, on_fail=None)
assert len(results) > 40
assert {result["status"] for result in results} == {"passed"}, results
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_not_fitted_is_scikit_learns_own_error():
    with pytest.raises(NotFittedError, match="call fit"):
        make().encode(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(make())
    check_is_fitted(make().fit(X))


def test_clones_are_not_fitted_and_train_alike():
    model = make(bias=[np.ones(3), np.zeros(6)], early_stopping=True).fit(X)
    copy = clone(model)
    assert not hasattr(copy, "network_")
    np.testing.assert_array_equal(copy.fit(X).network_.parameters, model.network_.parameters)


def test_numpys_module_as_random_state_is_cloned():
    assert clone(make(random_state=np.random)).random_state is np.random


def test_targets_reach_a_pipeline():
    noisy = np.clip(X + 0.1, 0, 1)
    pipeline = Pipeline([("ae", make())]).fit(noisy, ae__target=X)
    expected = make().fit(noisy, target=X).network_.parameters
    np.testing.assert_array_equal(pipeline[-1].network_.parameters, expected)
    with pytest.warns(UserWarning, match="y is ignored.*pass it as target"):
        pipeline.fit(noisy, X)


def test_in_a_pipeline():
    pipeline = make_pipeline(MinMaxScaler(), make())
    codes = pipeline.fit_transform(10 * X - 3)
    np.testing.assert_array_equal(codes, make().fit_transform(MinMaxScaler().fit_transform(X)))
    assert pipeline.inverse_transform(codes).shape == X.shape
    assert pipeline.score(10 * X - 3) < 0
    assert list(pipeline.get_feature_names_out()) == [
        "autoencoder0",
        "autoencoder1",
        "autoencoder2",
    ]
    copy = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copy.transform(10 * X - 3), codes)


def test_fit_takes_its_own_arguments_through_a_pipeline(tmp_path):
    pipeline = Pipeline([("ae", make())])
    seen = []
    pipeline.fit(X, ae__validation_data=X[:5], ae__callbacks=[lambda m: seen.append(m.n_iter_)])
    pipeline.fit_transform(X, ae__checkpoint=tmp_path / "run.npz")
    assert seen == [1, 2, 3]
    assert (tmp_path / "run.npz").exists()


def test_in_a_grid_search():
    grid = {"ae__hidden_layer_sizes": [1, (3,), (4, 2, 4)], "ae__learning_rate": [0.1, 1.0]}
    search = GridSearchCV(
        Pipeline([("scale", MinMaxScaler(clip=True)), ("ae", make())]), grid, cv=3
    )
    search.fit(X)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_["ae__learning_rate"]
    assert best == search.best_estimator_["ae"].learning_rate == 1.0
    assert search.transform(X).shape[1] == search.best_estimator_["ae"].code_size_
    assert cross_val_score(make(), X, cv=2).shape == (2,)


def test_names_and_frames_through_a_pipeline():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"), index=range(5, 45))
    pipeline = make_pipeline(MinMaxScaler(), make()).set_output(transform="pandas")
    codes = pipeline.fit_transform(frame)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert list(codes.index) == list(frame.index)
    assert list(pipeline[-1].feature_names_in_) == list("abcdef")
    assert isinstance(clone(pipeline).fit(frame).transform(frame), pd.DataFrame)
    copy = pickle.loads(pickle.dumps(pipeline))
    pd.testing.assert_frame_equal(copy.transform(frame), codes)


def test_the_container_chosen_for_all_of_scikit_learn():
    pd = pytest.importorskip("pandas")
    model = make().fit(X)
    with config_context(transform_output="pandas"):
        assert isinstance(model.transform(X), pd.DataFrame)
        assert isinstance(model.set_output(transform="default").transform(X), np.ndarray)


def test_with_metadata_routing():
    with config_context(enable_metadata_routing=True):
        assert make_pipeline(MinMaxScaler(), make()).fit_transform(X).shape == (40, 3)
