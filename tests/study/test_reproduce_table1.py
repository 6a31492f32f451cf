"""The main job, on few images: its files, its fallback, its protocols."""

import dataclasses
import json
import os

import numpy as np
import pytest
import reproduce_table1
from strategies import needs_compiler
from study import data, training
from study.answers import reservation
from study.bias_worth import in_the_study
from study.data import DataSource
from study.paper import HIDDEN_UNITS
from study.protocols import BIAS_STUDY, PROTOCOLS
from study.results import Results
from study.training import Pair
from study_runs import QUICK, run

from ae_numpy import Autoencoder
from ae_numpy.datasets import DataUnavailableError
from ae_numpy.datasets.idx import idx_sha256, write_idx

pytestmark = needs_compiler

FEW = DataSource("stroke-digits", n_train=60, n_test=20)


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "a b" / "é"
    result = run(*QUICK, "--protocol", "all", "--seeds", 2, "--ratios", 392, 98, "--out", out)
    assert result.returncode == 0, result.stderr
    return result, out


def test_quick_run_trains_both_models_of_each_ratio_and_labels_what_it_is(quick_run):
    result, out = quick_run
    assert "stroke digits (not MNIST)" in result.stdout
    assert "not the paper's numbers" in result.stdout
    summary = json.loads((out / "table1.json").read_text())
    assert summary["data"]["name"] == "stroke-digits"
    assert summary["settings"]["quick"] is True
    assert summary["settings"]["seeds"] == [0, 1]
    assert summary["versions"]["numpy"] == np.__version__
    cells = [(m["protocol"], m["seed"], m["ratio"], m["bias"]) for m in summary["models"]]
    assert len(set(cells)) == len(cells) == 3 * 2 * 2 * 2
    for model in summary["models"]:
        assert model["hidden_units"] * model["ratio"] == 784
        assert len(model["mse_per_epoch"]) == summary["settings"]["epochs"]
        assert model["mse"] == model["mse_per_epoch"][-1]
        assert model["seconds"] > 0
    table = (out / "table1.md").read_text()
    assert table.strip() in result.stdout
    assert "| 392 | yes |" in table


def test_the_bias_study_has_four_kinds_of_models_of_every_seed_and_ratio(quick_run):
    """Half of them are those of `tuned`; only a run of all protocols has it."""
    _, out = quick_run
    summary = json.loads((out / "table1.json").read_text())
    kinds = [(8, False, "constant unit"), (8, True, "decoder biases")]
    kinds += [(7, True, "decoder biases"), (8, False, "plain")]
    kinds += [(units // 4, bias, start) for units, bias, start in kinds]
    found = [(r["hidden_units"], r["bias"], r["start"], r["seed"]) for r in summary["bias_study"]]
    assert sorted(found) == sorted((*kind, seed) for kind in kinds for seed in (0, 1))
    assert len(list((out / "models").glob("*.npz"))) == 2 * 2 * (3 * 2 + 2 + 1)
    tuned = {m["mse"] for m in summary["models"] if m["protocol"] == "tuned"}
    in_both = {run["mse"] for run in summary["bias_study"]} & tuned
    assert in_both == tuned
    units = {(u["hidden_units"], u["start"], u["seed"]) for u in summary["constant_units"]}
    assert units == {(h, start, seed) for h, bias, start, seed in found if not bias}
    assert all(0 <= unit["spread"] <= 1 for unit in summary["constant_units"])
    started = [(r["hidden_units"], r["bias"], r["start"]) for r in summary["start_study"]]
    assert sorted(started) == 2 * [(2, False, "constant unit")] + 2 * [(8, False, "constant unit")]


def test_the_studies_survive_json_and_their_answers_follow_those_of_their_protocols(quick_run):
    result, out = quick_run
    text = (out / "table1.json").read_text()
    results = Results.from_json(text)
    assert results.to_json() == text
    for protocol in ("corrected", "tuned"):
        assert f"{reservation(protocol)}\n\n{in_the_study(results, protocol)}" in result.stdout
    assert results.n_trained == len(list((out / "models").glob("*.npz")))


def test_errors_per_class_add_up_to_the_error(quick_run):
    _, out = quick_run
    results = Results.from_json((out / "table1.json").read_text())
    labels = DataSource("stroke-digits", n_train=1000, n_test=500).load().test_labels
    counts = np.bincount(labels, minlength=10)
    for model in results.models:
        assert np.dot(counts, model.mse_per_class) / 500 == pytest.approx(model.mse, rel=1e-6)


def test_figures_and_report_are_written(quick_run):
    pytest.importorskip("matplotlib")
    _, out = quick_run
    names = {path.name for path in (out / "figures").iterdir()}
    for k in (1, 2, 3, 4):
        assert {f"figure{k}.png", f"figure{k}.pdf"} <= names
    for k in (5, 6, 7, 8):
        assert {f"figure{k}-tuned.png", f"figure{k}-published.pdf"} <= names
    assert "not the paper" in (out / "report.html").read_text()


def test_mnist_asked_for_but_missing_is_an_error_that_says_what_to_do(tmp_path):
    result = run("--data", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "train-images-idx3-ubyte" in result.stderr
    assert "Traceback" not in result.stderr


def write_folder(folder, highest_label=9):
    """Four files of MNIST's kind, with fewer images than a quick check needs."""
    folder.mkdir(parents=True)
    digits = FEW.load()
    for part in ("train", "test"):
        name = part.replace("test", "t10k")
        images, labels = getattr(digits, f"{part}_images"), getattr(digits, f"{part}_labels")
        write_idx(folder / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte", np.minimum(labels, 9) * highest_label // 9)
    return folder


@pytest.mark.parametrize(
    ("folder", "name"), [("fashion-mnist", "fashion-mnist"), ("mnist", "folder mnist")]
)
def test_a_folder_of_other_data_labels_everything(tmp_path, folder, name):
    data = write_folder(tmp_path / folder)
    out = tmp_path / "out"
    settings = ("--ratios", 392, "--epochs", 1, "--jobs", 1)
    result = run("--quick", "--data", data, *settings, "--out", out, figures=False)
    assert result.returncode == 0, result.stderr
    results = Results.from_json((out / "table1.json").read_text())
    assert results.data["name"] == name
    assert (results.data["n_train"], results.data["n_test"]) == (60, 20)
    title = f"{name} (not MNIST)"
    assert results.data["title"] == title
    for text in (result.stdout, *((out / f).read_text() for f in ("table1.md", "report.html"))):
        assert title in text


def test_a_folder_of_mnist_is_mnist(tmp_path, monkeypatch):
    data = str(write_folder(tmp_path / "files"))
    hashes = {"train-images-idx3-ubyte": idx_sha256(FEW.load().train_images)}
    monkeypatch.setattr("study.data.SHA256", hashes)
    assert DataSource.of_folder(data, 10, 5) == DataSource("mnist", data, 10, 5)


def test_a_folder_that_does_not_fit_is_named(tmp_path):
    for folder, words in (
        (write_folder(tmp_path / "letters", 26), "found the label 26, expected labels from 0 to 9"),
        (tmp_path, "which differ, expected one file"),
        (tmp_path / "out", "or a folder that exists"),
    ):
        if folder == tmp_path:
            write_folder(tmp_path / "others", 8)
        result = run("--quick", "--data", folder, "--out", tmp_path / "out")
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_auto_goes_on_with_stroke_digits_and_says_why_in_one_line(monkeypatch, capsys):
    def unavailable(source):
        raise DataUnavailableError("no network")

    monkeypatch.setattr(DataSource, "load", unavailable)
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
        (["--seeds", "0"], "expected an integer of at least 1, got '0'"),
        (["--seeds", "2", "--seed", "1"], "not allowed with argument --seeds"),
        (["--ratios", "5"], "invalid choice: 5"),
        (["--protocol", "other"], "invalid choice: 'other'"),
        (["--dask", "tcp://a", "--jobs", "2"], "not allowed with argument --dask"),
    ],
)
def test_bad_options_are_refused_by_name(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        reproduce_table1._parser().parse_args(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_protocols_hold_fixed(protocol, tmp_path):
    reports = []
    pair = Pair(protocol, seed=3, ratio=392, epochs=2, source=FEW, folder=tmp_path)
    trained = training.train_pair(pair, reports.append)
    assert [report.epoch for report in reports] == [1, 2, 1, 2]
    assert trained == [reports[1], reports[3]]
    with_bias, without = pair.load(True), pair.load(False)
    for model in (with_bias, without):
        rule = "raw_error" if protocol == "published" else "exact"
        assert model.network_.backprop == rule
        assert model.n_iter_ == len(model.history_["val_mse"]) == 2
    for frozen, free in zip(without.network_.layers, with_bias.network_.layers, strict=True):
        assert free.bias_mask.all()
        assert not frozen.bias_mask.any()
        expected = free.b if protocol == "published" else np.zeros_like(frozen.b)
        np.testing.assert_array_equal(frozen.b, expected)
        assert (frozen.W != free.W).any()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_both_models_of_a_pair_start_from_the_same_weights(protocol):
    X = data.pixels(FEW.load().train_images)
    with_bias = PROTOCOLS[protocol].model(98, True, seed=1, epochs=0).fit(X)
    without = PROTOCOLS[protocol].model(98, False, seed=1, epochs=0, twin=with_bias).fit(X)
    n_own = 1 if protocol == "tuned" else 0  # the constant unit
    free, frozen = (
        [model.network_.layers[0].W.T, model.network_.layers[1].W] for model in (with_bias, without)
    )
    for rows, others in zip(free, frozen, strict=True):
        np.testing.assert_array_equal(rows[n_own:], others[n_own:])
        assert (rows[:n_own] != others[:n_own]).all()


def test_a_tuned_model_without_bias_starts_with_a_unit_that_is_a_bias():
    """Its first unit is on for every image, and the pixels start as with the decoder's biases."""
    X = data.pixels(FEW.load().train_images)
    model = PROTOCOLS["tuned"].model(98, False, seed=1, epochs=0).fit(X)
    codes = model.encode(X)
    assert codes[:, 0].min() > 0.9  # 0.05 of the 50 units of light in the darkest image is 2.5
    np.testing.assert_array_equal(model.network_.layers[1].W[0], PROTOCOLS["tuned"].decoder_bias)


def test_the_bias_study_compares_one_unit_fewer_and_a_plain_start():
    X = data.pixels(FEW.load().train_images)
    fewer = BIAS_STUDY.model(98, True, seed=1, epochs=0).fit(X)
    plain = BIAS_STUDY.model(98, False, seed=1, epochs=0).fit(X)
    drawn = PROTOCOLS["corrected"].model(98, False, seed=1, epochs=0)
    drawn = drawn.set_params(weight_init="fan_in", shuffle=True).fit(X)
    assert (fewer.code_size_, plain.code_size_) == (7, 8)
    assert (fewer.network_.layers[1].b == PROTOCOLS["tuned"].decoder_bias).all()
    np.testing.assert_array_equal(plain.network_.parameters, drawn.network_.parameters)
    assert fewer.get_params()["learning_rate"] == plain.get_params()["learning_rate"]


def test_a_pair_trains_what_is_missing_from_the_file_of_its_twin(tmp_path):
    pair = Pair("published", seed=0, ratio=392, epochs=2, source=FEW, folder=tmp_path)
    training.train_pair(pair, lambda progress: None)
    expected = pair.load(False).network_.parameters
    twin = pair.path(True).read_bytes()
    pair.path(False).unlink()
    trained = training.train_pair(pair, lambda progress: None)
    assert [progress.model for progress in trained] == ["published seed 0 392x no bias"]
    np.testing.assert_array_equal(pair.load(False).network_.parameters, expected)
    assert pair.path(True).read_bytes() == twin


def test_a_model_whose_twin_was_trained_anew_is_trained_anew(tmp_path):
    pair = Pair("published", seed=0, ratio=392, epochs=1, source=FEW, folder=tmp_path)
    training.train_pair(pair, lambda progress: None)
    expected = pair.load(False).network_.parameters
    other = pair.load(True)
    other.network_.layers[0].b[:] += 1
    with pytest.warns(UserWarning, match="for other biases than its twin's"):
        assert pair.load(False, twin=other) is None
    assert (pair.load(False, twin=pair.load(True)).network_.parameters == expected).all()


def test_a_damaged_file_is_trained_again_with_a_warning(tmp_path):
    pair = Pair("corrected", seed=0, ratio=392, epochs=1, source=FEW, folder=tmp_path)
    training.train_pair(pair, lambda progress: None)
    expected = pair.load(True).network_.parameters
    pair.path(True).write_bytes(b"not a model")
    with pytest.warns(UserWarning, match="training again what cannot be read"):
        training.train_pair(pair, lambda progress: None)
    np.testing.assert_array_equal(pair.load(True).network_.parameters, expected)


def test_a_model_of_other_settings_is_refused_by_name(tmp_path):
    pair = Pair("corrected", seed=0, ratio=392, epochs=1, source=FEW, folder=tmp_path)
    Autoencoder(HIDDEN_UNITS[392], epochs=1, learning_rate=[0.5], weight_init="fan_out").fit(
        data.pixels(FEW.load().train_images)
    ).save(pair.path(True))
    with pytest.raises(training.SettingsDifferError, match=r"learning_rate .*expected \[0.01\]"):
        pair.load(True)


def test_a_model_of_other_starting_biases_is_refused(tmp_path, monkeypatch):
    pair = Pair("tuned", seed=0, ratio=392, epochs=1, source=FEW, folder=tmp_path)
    training.train_pair(pair, lambda progress: None)
    other = dataclasses.replace(PROTOCOLS["tuned"], decoder_bias=1.0)
    monkeypatch.setitem(PROTOCOLS, "tuned", other)
    with pytest.raises(training.SettingsDifferError, match="other initial_parameters"):
        pair.load(True)


def test_a_new_twin_does_not_hide_other_settings(tmp_path, monkeypatch):
    pair = Pair("published", seed=0, ratio=392, epochs=1, source=FEW, folder=tmp_path)
    training.train_pair(pair, lambda progress: None)
    pair.path(True).unlink()
    faster = dataclasses.replace(PROTOCOLS["published"], learning_rates=lambda epochs: (0.5,))
    monkeypatch.setitem(PROTOCOLS, "published", faster)
    with pytest.raises(training.SettingsDifferError, match=r"learning_rate \[0.01\], expected"):
        training.train_pair(pair, lambda progress: None)


def test_a_ratio_that_is_named_twice_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce_table1, "_data_source", lambda options: FEW)
    arguments = ("--ratios", "7", "392", "7", "--out", str(tmp_path))
    pairs = reproduce_table1._pairs(reproduce_table1._parser().parse_args(arguments))
    assert [pair.ratio for pair in pairs] == [392, 7]


def test_pixels_are_scaled_as_in_the_paper():
    x = data.pixels(np.array([[[0, 255], [51, 102]]], np.uint8))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, [[0.01, 1.0, 0.208, 0.406]], rtol=1e-6)
    assert (data.pixels(np.zeros((1, 28, 28), np.uint8)) == np.float32(0.01)).all()


@pytest.mark.skipif("AE_NUMPY_DATA" not in os.environ, reason="AE_NUMPY_DATA does not name MNIST")
def test_quick_run_on_the_real_mnist_names_it(tmp_path):
    settings = ("--data", "mnist", "--ratios", 7)
    result = run("--quick", *settings, "--out", tmp_path, figures=False)
    assert result.returncode == 0, result.stderr
    assert "(MNIST, 2 epochs; a quick check" in result.stdout
    summary = json.loads((tmp_path / "table1.json").read_text())
    assert summary["data"]["sha256"].keys() >= {"train-images-idx3-ubyte"}
