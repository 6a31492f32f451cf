"""The main job, on few images: its files, its fallback, its protocols."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from strategies import needs_compiler

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

import paper  # noqa: E402
import reproduce_table1  # noqa: E402

from ae_numpy.datasets import DataUnavailableError  # noqa: E402

pytestmark = needs_compiler

FEW = paper.DataSource("stroke-digits", n_train=60, n_test=20)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, EXAMPLES / "reproduce_table1.py", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_quick_run_trains_both_models_of_each_ratio_and_labels_what_it_is(tmp_path):
    result = run(
        *("--quick", "--data", "stroke-digits", "--protocol", "both"),
        *("--ratios", "392", "98", "--out", tmp_path / "a b" / "é"),
    )
    assert result.returncode == 0, result.stderr
    assert "stroke digits (not MNIST)" in result.stdout
    assert "not the paper's numbers" in result.stdout
    summary = json.loads((tmp_path / "a b" / "é" / "table1.json").read_text())
    assert summary["data"]["name"] == "stroke-digits"
    assert summary["settings"]["quick"] is True
    assert summary["versions"]["numpy"] == np.__version__
    cells = [(m["protocol"], m["ratio"], m["bias"]) for m in summary["models"]]
    assert len(set(cells)) == len(cells) == 8
    for model in summary["models"]:
        assert model["hidden_units"] * model["ratio"] == 784
        assert model["seed"] == 0
        assert len(model["mse_per_epoch"]) == summary["settings"]["epochs"]
        assert model["mse"] == model["mse_per_epoch"][-1]
        assert model["seconds"] > 0
    table = (tmp_path / "a b" / "é" / "table1.md").read_text()
    assert table.strip() in result.stdout
    assert "| 392 | yes |" in table


def test_mnist_asked_for_but_missing_is_an_error_that_says_what_to_do(tmp_path):
    result = run("--data", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "train-images-idx3-ubyte" in result.stderr
    assert "Traceback" not in result.stderr


def test_auto_goes_on_with_stroke_digits_and_says_why_in_one_line(monkeypatch, capsys):
    def unavailable(source):
        raise DataUnavailableError("no network")

    monkeypatch.setattr(paper.DataSource, "load", unavailable)
    options = reproduce_table1._parser().parse_args([])
    assert reproduce_table1._data_source(options).name == "stroke-digits"
    assert capsys.readouterr().err == (
        "Using stroke digits, because MNIST cannot be had: no network\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "expected an integer of at least 1, got '0'"),
        (["--seed", "-1"], "expected an integer of at least 0, got '-1'"),
        (["--ratios", "5"], "invalid choice: 5"),
        (["--protocol", "other"], "invalid choice: 'other'"),
    ],
)
def test_bad_options_are_refused_by_name(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        reproduce_table1._parser().parse_args(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("protocol", paper.PROTOCOLS)
def test_what_the_protocols_hold_fixed(protocol, monkeypatch):
    models = {}
    train = paper._train

    def remember(pair, bias, frozen, report):
        models[bias] = train(pair, bias, frozen, report)
        return models[bias]

    monkeypatch.setattr(paper, "_train", remember)
    reports = []
    pair = paper.Pair(protocol, 392, seed=3, epochs=2, source=FEW)
    entries = paper.train_pair(pair, reports.append)
    assert [entry["bias"] for entry in entries] == [False, True]
    assert [report.epoch for report in reports] == [1, 2, 1, 2]
    for model in models.values():
        assert model.network_.backprop == ("raw_error" if protocol == "published" else "exact")
    for without, with_bias in zip(
        models[False].network_.layers, models[True].network_.layers, strict=True
    ):
        assert not without.bias_mask.any()
        expected = with_bias.b if protocol == "published" else np.zeros_like(without.b)
        np.testing.assert_array_equal(without.b, expected)
        assert (without.W != with_bias.W).all()


def test_pixels_are_scaled_as_in_the_paper():
    x = paper.pixels(np.array([[[0, 255], [51, 102]]], np.uint8))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, [[0.01, 1.0, 0.208, 0.406]], rtol=1e-6)
    assert (paper.pixels(np.zeros((1, 28, 28), np.uint8)) == np.float32(0.01)).all()


@pytest.mark.skipif("AE_NUMPY_DATA" not in os.environ, reason="AE_NUMPY_DATA does not name MNIST")
def test_quick_run_on_the_real_mnist_names_it(tmp_path):
    result = run("--quick", "--data", "mnist", "--ratios", "7", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "(MNIST, 2 epochs; a quick check" in result.stdout
    summary = json.loads((tmp_path / "table1.json").read_text())
    assert summary["data"]["sha256"].keys() >= {"train-images-idx3-ubyte"}
