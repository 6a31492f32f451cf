"""The short examples: what they report holds, and each draws its picture."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest
from strategies import needs_compiler

pytest.importorskip("matplotlib", reason="the examples draw their pictures with matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"
MNIST = os.environ.get("AE_NUMPY_DATA")
TITLES = {"": "stroke digits (not MNIST)", MNIST: "MNIST"}

each_data_set = pytest.mark.parametrize(
    "data",
    [
        "",
        pytest.param(
            MNIST, marks=pytest.mark.skipif(not MNIST, reason="AE_NUMPY_DATA names no MNIST")
        ),
    ],
    ids=["strokes", "mnist"],
)


@pytest.fixture
def example(monkeypatch):
    """A function that imports an example as the script that it is."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module
    from matplotlib import pyplot as plt

    plt.close("all")


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


@needs_compiler
@each_data_set
def test_an_unknown_digit_scores_lower(example, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AE_NUMPY_DATA", data)
    picture = tmp_path / "results" / "anomalies.png"
    area = example("anomalies").main(2, picture)
    assert area > 0.75  # measured: 0.88 on stroke digits, 0.85 on MNIST; 0.5 is chance
    said = capsys.readouterr().out
    assert said.startswith(f"{TITLES[data]}: ")
    assert f"area under the ROC curve {area:.3f}" in said
    assert is_png(picture)


def test_the_area_is_the_share_of_pairs_in_order(example):
    rng = np.random.default_rng(0)
    usual, unusual = rng.integers(0, 9, 30), rng.integers(-3, 6, 20)  # with ties
    pairs = np.sign(usual[:, None] - unusual) / 2 + 0.5
    assert example("anomalies").roc_area(usual, unusual) == pytest.approx(pairs.mean(), rel=1e-12)
