"""Public plots: what is drawn is what was given."""

import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib import pyplot as plt

from ae_numpy import Autoencoder, Network, plots


@pytest.fixture(autouse=True)
def _figures():
    """Close the figures of a test."""
    yield
    plt.close("all")


@pytest.fixture(scope="module", name="ae")
def fixture_ae():
    X = np.random.default_rng(0).random((20, 9))
    return Autoencoder(2, epochs=3, random_state=0, engine="numpy").fit(X, validation_data=X[:5])


def collections(ax):
    return {collection.get_gid(): collection for collection in ax.collections}


def test_a_history_is_drawn_as_it_is():
    X = np.random.default_rng(0).random((20, 6))
    ae = Autoencoder(2, epochs=4, random_state=0).fit(X, validation_data=X[:5])
    ax = plots.plot_history(
        {"training": ae.history_["train_mse"], "test": ae.history_["val_mse"]},
        styles={"test": {"color": "black", "ls": "--"}},
    )
    assert [line.get_label() for line in ax.lines] == ["training", "test"]
    for line, key in zip(ax.lines, ("train_mse", "val_mse"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(line.get_ydata(), ae.history_[key])
    assert ax.lines[1].get_color() == "black"
    assert not ax.collections


def test_several_runs_are_their_mean_and_their_range():
    runs = np.array([[0.4, 0.2, 0.1], [0.3, 0.3, 0.2], [0.2, 0.1, 0.0]])
    ax = plots.plot_history({"runs": runs})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), runs.mean(axis=0))
    (band,) = ax.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners >= {(1, 0.2), (1, 0.4), (2, 0.1), (2, 0.3), (3, 0.0), (3, 0.2)}


def errors_of(ae):
    return [ae.history_["train_mse"], ae.history_["val_mse"]]


def frame(history):
    return pytest.importorskip("pandas").DataFrame(history)


@pytest.mark.parametrize(
    ("meant", "labels", "expected"),
    [
        (lambda ae: ae, ["train_mse", "val_mse"], errors_of),
        (lambda ae: ae.history_, ["train_mse", "val_mse"], errors_of),
        (lambda ae: frame(ae.history_), ["train_mse", "val_mse"], errors_of),
        (lambda ae: {"a": ae}, ["a train_mse", "a val_mse"], errors_of),
        (
            lambda ae: [ae, ae.history_],
            ["1 train_mse", "1 val_mse", "2 train_mse", "2 val_mse"],
            lambda ae: 2 * errors_of(ae),
        ),
        (
            lambda ae: {"a": ae.history_["val_mse"], 28: {"train_mse": [0.2, 0.1]}},
            ["a", "28 train_mse"],
            lambda ae: [ae.history_["val_mse"], [0.2, 0.1]],
        ),
        (lambda ae: ae.history_["val_mse"], ["mse"], lambda ae: [ae.history_["val_mse"]]),
        (lambda ae: np.array(errors_of(ae)), ["mse"], lambda ae: [np.mean(errors_of(ae), axis=0)]),
    ],
)
def test_of_histories_the_errors_alone_are_drawn(ae, meant, labels, expected):
    ax = plots.plot_history(meant(ae))
    assert [line.get_label() for line in ax.lines] == labels
    for line, errors in zip(ax.lines, expected(ae), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), errors)
    assert (ax.get_legend() is not None) == (len(labels) > 1)


def test_images_stand_in_rows_with_gaps():
    images = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    ax = plots.plot_images(images, columns=2, limits=(0, 100))
    mosaic = ax.images[0].get_array()
    assert mosaic.shape == (2 * 4 + 3, 2 * 5 + 3)
    np.testing.assert_array_equal(mosaic[:4, :5], images[0])
    np.testing.assert_array_equal(mosaic[:4, 8:], images[1])
    np.testing.assert_array_equal(mosaic[7:, :5], images[2])
    assert mosaic.mask.sum() == mosaic.size - images.size
    assert ax.images[0].get_clim() == (0, 100)


def test_reconstructions_stand_beside_their_images():
    images = np.random.default_rng(0).random((3, 9))
    again = {"half": images / 2, "none": 0 * images}
    ax = plots.plot_reconstructions(images, again, row_labels=["a", "b", "c"])
    mosaic = ax.images[0].get_array()
    for column, pictures in enumerate((images, *again.values())):
        for row in range(3):
            drawn = mosaic[6 * row : 6 * row + 3, 6 * column : 6 * column + 3]
            np.testing.assert_array_equal(drawn.ravel(), pictures[row])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["original", "half", "none"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert list(ax.get_xticks()) == [1, 7, 13]


def test_an_estimator_stands_for_its_reconstructions(ae):
    images = np.random.default_rng(0).random((4, 3, 3))
    expected = ae.reconstruct(images.reshape(4, 9))[1].reshape(3, 3)
    for given, title in ((ae, "reconstruction"), ({"2 units": ae}, "2 units")):
        ax = plots.plot_reconstructions(images, given)
        assert ax.get_xticklabels()[1].get_text() == title
        np.testing.assert_array_equal(ax.images[0].get_array()[6:9, 6:9], expected)
    array = plots.plot_reconstructions(images, images / 2).images[0].get_array()
    np.testing.assert_array_equal(array[6:9, 6:9], images[1] / 2)


def test_what_is_masked_stays_blank():
    images = np.ma.masked_greater(np.arange(8.0).reshape(2, 4), 6)
    drawn = plots.plot_images(images).images[0]
    assert drawn.get_array().mask[1, 6]
    assert drawn.get_clim() == (0, 6)


def test_a_network_that_is_given_says_its_sizes_and_whether_it_has_biases(ae):
    for given, bias in ((ae, True), (ae.network_, True), (Network((9, 2, 9), bias=False), False)):
        drawn = collections(plots.plot_network(given))
        assert [len(drawn[f"units {k}"].get_offsets()) for k in range(3)] == [8, 2, 8]
        assert ("bias 0" in drawn) == bias
        assert "bias 0" not in collections(plots.plot_network(given, bias=False))
    drawn = collections(plots.plot_network(np.array([9, 2, 9]), most=np.array([3, 2, 9])))
    assert [len(drawn[f"units {k}"].get_offsets()) for k in range(3)] == [3, 2, 9]
    assert "bias 0" not in drawn


def test_figures_are_those_of_pyplot_unless_axes_are_given(ae):
    for draw in (
        lambda **ax: plots.plot_history(ae, **ax),
        lambda **ax: plots.plot_images(np.eye(4), **ax),
        lambda **ax: plots.plot_reconstructions(np.eye(9), ae, **ax),
        lambda **ax: plots.plot_network(ae, **ax),
    ):
        before = plt.get_fignums()
        draw(ax=plots.new_figure().add_subplot())
        assert plt.get_fignums() == before
        assert draw().figure is plt.gcf()
        assert len(plt.get_fignums()) == len(before) + 1


def test_a_network_has_all_its_units_and_weights():
    drawn = collections(plots.plot_network((3, 2, 4, 1)))
    assert [len(drawn[f"units {k}"].get_offsets()) for k in range(4)] == [3, 2, 4, 1]
    assert [len(drawn[f"weights {k}"].get_segments()) for k in range(3)] == [6, 8, 4]
    assert len(drawn) == 4 + 3


def test_large_layers_are_elided():
    ax = plots.plot_network((784, 5, 784), bias=True, most=(6, 5, 3))
    drawn = collections(ax)
    assert [len(drawn[f"units {k}"].get_offsets()) for k in range(3)] == [6, 5, 3]
    assert [len(drawn[f"weights {k}"].get_segments()) for k in range(2)] == [30, 15]
    assert [len(drawn[f"bias weights {k}"].get_segments()) for k in range(2)] == [5, 3]
    assert {"dots 0", "dots 2", "bias 0", "bias 1"} <= drawn.keys()
    assert not {"dots 1", "bias 2"} & drawn.keys()
    texts = [text.get_text() for text in ax.texts]
    assert sorted(texts) == ["1", "1", "5 units", "784 units", "784 units"]
    for k in (0, 2):  # the dots stand in the gap
        heights = drawn[f"units {k}"].get_offsets()[:, 1]
        assert heights[heights > 0].min() == 1 == -heights[heights < 0].max()


def test_all_draw_into_axes_that_are_given():
    panels = plots.new_figure(8, 6).subplots(2, 2).ravel()
    assert plots.plot_history({"a": [1.0]}, ax=panels[0]) is panels[0]
    assert plots.plot_images(np.eye(4), ax=panels[1]) is panels[1]
    assert plots.plot_reconstructions(np.eye(4), {}, ax=panels[2]) is panels[2]
    assert plots.plot_network((2, 1, 2), ax=panels[3]) is panels[3]
    panels[0].figure.draw_without_rendering()


def test_settings_of_matplotlib_are_left_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.plot_network((2, 1, 2)).figure.draw_without_rendering()
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"ae_numpy\.plots needs.*ae_numpy\[plot\]"):
        plots.plot_history({"a": [1.0]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.plot_history({"a": []}), r"histories\['a'\] must have shape .*, got \[\]"),
        (lambda: plots.plot_history({"a": [[1.0], [1.0, 2.0]]}), r"histories\['a'\].*numbers"),
        (
            lambda: plots.plot_history({"a": np.zeros((1, 1, 1))}),
            r"histories\['a'\].*, got array",
        ),
        (lambda: plots.plot_history({"a": ["0.1"]}), r"histories\['a'\].*hold numbers.*'0.1'"),
        (lambda: plots.plot_history({"a": 0.1}), r"histories\['a'\] must have shape .*, got 0\.1"),
        (lambda: plots.plot_history({}), "histories must hold errors to draw, got {}"),
        (lambda: plots.plot_history([{"epoch": [1]}]), "histories must hold errors.*'epoch'"),
        (lambda: plots.plot_history([]), r"histories must have shape .*, got \[\]"),
        (lambda: plots.plot_history(Network((3, 2))), "histories must .* estimator.* got Network"),
        (lambda: plots.plot_history(Autoencoder()), "histories must .* estimator.* got Autoenc"),
        (lambda: plots.plot_history("train_mse"), "histories must .*, got 'train_mse'"),
        (lambda: plots.plot_images([[1.0], [1.0, 2.0]]), "images must .* rows of different shapes"),
        (lambda: plots.plot_images(Network((3, 2))), "images must hold numbers.*Network"),
        (lambda: plots.plot_images(np.eye(4), limits=(1, 0)), r"limits must .*got \(1, 0\)"),
        (
            lambda: plots.plot_reconstructions(np.eye(4), Autoencoder()),
            "Autoencoder instance is not fitted yet",
        ),
        (
            lambda: plots.plot_reconstructions(np.eye(4), [np.eye(4), np.eye(4)]),
            r"reconstructions.* must be images like .*\(4, 2, 2\), got \(2, 4, 4\)",
        ),
        (
            lambda: plots.plot_reconstructions(np.eye(3 + 1), {}, row_labels="abcd"),
            "row_labels must be one for each of the 4 images, got 'abcd'",
        ),
        (lambda: plots.plot_images(np.zeros((2, 5))), r"images must have shape .*, got \(2, 5\)"),
        (lambda: plots.plot_images(np.zeros((0, 4))), r"images must have shape .*, got \(0, 4\)"),
        (lambda: plots.plot_images(np.zeros(4)), r"images must have shape .*, got \(4,\)"),
        (lambda: plots.plot_images(["a"]), "images must hold numbers, got dtype"),
        (lambda: plots.plot_images(np.eye(4), columns=0), "columns must be .*, got 0"),
        (
            lambda: plots.plot_reconstructions(np.eye(4), {"a": np.zeros((3, 4))}),
            r"reconstructions\['a'\] must be .*\(4, 2, 2\), got \(3, 2, 2\)",
        ),
        (
            lambda: plots.plot_reconstructions(np.eye(4), {}, row_labels=["a"]),
            r"row_labels must be one for each of the 4 images, got \['a'\]",
        ),
        (lambda: plots.plot_network((3,)), r"layer_sizes must be two or more .*, got \(3,\)"),
        (lambda: plots.plot_network((3, 0)), r"layer_sizes must be .*, got \(3, 0\)"),
        (lambda: plots.plot_network((3, 2), most=1), "most must be .*, got 1"),
        (lambda: plots.plot_network((3, 2), most=(2, 2, 2)), r"most must be one for each of the 2"),
        (lambda: plots.plot_network((3, 2), labels=["a"]), r"labels must be one for each of the 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plots.plot_history({"a": [1.0]}, styles=["k"]),
            "styles must be .*, got \\['k'\\]",
        ),
        (lambda: plots.plot_network(Autoencoder()), "layer_sizes must be .*, got Autoencoder"),
        (lambda: plots.plot_images(np.eye(4), limits=1), "limits must be two numbers.* got 1"),
        (lambda: plots.plot_network(784), "layer_sizes must be .*, got 784"),
        (lambda: plots.plot_network((3, 2.5)), r"layer_sizes must be .*, got \(3, 2.5\)"),
        (lambda: plots.plot_network({"W0": np.eye(2)}), "layer_sizes must be .*, got {'W0'"),
        (lambda: plots.plot_images(np.eye(4), ax=plots.new_figure()), "ax must be Axes .*Figure"),
    ],
)
def test_bad_types_are_named_before_a_figure_is_made(call, message):
    with pytest.raises(TypeError, match=message):
        call()
    assert not plt.get_fignums()


def test_a_truth_value_is_not_taken_for_another_argument():
    with pytest.raises(TypeError, match="bias must be True or False, got 3"):
        plots.plot_network((3, 2), bias=3)
