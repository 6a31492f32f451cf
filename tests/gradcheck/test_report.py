"""The report in its three forms: text, HTML, picture."""

import sys

import numpy as np
import pytest

from ae_numpy.gradcheck import check_gradients

w = {"<W>": np.arange(1.0, 7.0).reshape(2, 3), "b": np.array([1.0, -2.0, 3.0])}


def function(factor=1.0):
    def loss_and_gradients(p):
        gradients = {"<W>": factor * 3 * p["<W>"] ** 2, "b": 2 * p["b"]}
        return np.sum(p["<W>"] ** 3) + np.sum(p["b"] ** 2), gradients

    return loss_and_gradients


def test_the_table_has_all_columns():
    text = str(check_gradients(function(2.0), w))
    header = "parameter  shape   checked  largest error  at      given  expected  verdict"
    row = "<W>        (2, 3)  6 of 6   1.0e+00        (1, 2)  216    108       wrong"
    assert header in text
    assert row in text
    assert "What is wrong:" in text
    assert "<W>: a factor 2" in text


def test_numbers_that_differ_late_are_printed_until_they_differ():
    assert "216.000001" not in str(check_gradients(function(), w))
    assert "108.0001" in str(check_gradients(function(1 + 1e-6), w))


def test_html_has_the_same_words_and_is_escaped():
    report = check_gradients(function(2.0), w)
    page = report._repr_html_()
    assert "&lt;W&gt;" in page
    assert "<W>" not in page
    for word in ("6 of 6", "216", "108", "wrong", "right", "a factor 2"):
        assert word in page


def test_raise_if_failed_has_the_words_of_the_report():
    report = check_gradients(function(2.0), w)
    with pytest.raises(AssertionError) as caught:
        report.raise_if_failed()
    assert str(report) in str(caught.value)
    check_gradients(function(), w).raise_if_failed()


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_plot_has_a_panel_per_parameter(method, tmp_path):
    pytest.importorskip("matplotlib")
    figure = check_gradients(function(2.0), w, method=method).plot()
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["<W> (2, 3): wrong", "b (3,): right"]
    figure.savefig(tmp_path / "report.png")


def test_plot_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"ae_numpy\[plot\]"):
        check_gradients(function(), w).plot()


@pytest.mark.parametrize("method", ["complex_step", "central", "directional"])
def test_plots_of_nothing_and_of_a_line_do_not_warn(method, tmp_path):
    pytest.importorskip("matplotlib")
    empty = check_gradients(lambda w: (np.sum(w), w), np.zeros((0, 3)), method=method)
    straight = check_gradients(lambda w: (np.sum(w), np.ones(3)), np.ones(3), method=method)
    for report in (empty, straight):
        assert report.ok
        report.plot().savefig(tmp_path / "report.png")
    assert "nan" not in str(straight)


def test_empty_and_scalar_parameters_are_no_trouble():
    report = check_gradients(
        lambda p: (p["s"] ** 2, {"s": 2 * p["s"], "e": np.zeros((0, 2))}),
        {"s": np.array(2.0), "e": np.zeros((0, 2))},
    )
    assert report.ok
    assert "0 of 0" in str(report)
