"""The study's figures: the numbers drawn are those of the results, complete or not."""

from dataclasses import replace

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex, to_rgb  # noqa: E402
from study import figures  # noqa: E402
from study.baselines import Baselines  # noqa: E402
from study.figures import RATIO_COLOURS, comparisons, per_class, setting, style, training  # noqa: E402
from study.measures import bias_effects, cells, class_errors  # noqa: E402
from study.paper import HIDDEN_UNITS, RATIOS  # noqa: E402
from study.results import Results, Trained  # noqa: E402

from ae_numpy.datasets import Digits  # noqa: E402

PROTOCOLS = ("published", "corrected", "tuned")


def made_up(protocols=PROTOCOLS, ratios=RATIOS, seeds=3, epochs=6, *, missing=(), **data):
    """Results with numbers that are all different."""
    rng = np.random.default_rng(0)
    models = []
    for protocol in protocols:
        for seed in range(seeds):
            for ratio in ratios:
                for bias in (False, True):
                    errors = rng.uniform(0.9, 1.1, epochs) * 0.01 * ratio**0.3
                    classes = rng.uniform(0.5, 1.5, 10) * errors[-1]
                    classes[list(missing)] = np.nan
                    models.append(
                        Trained(
                            protocol, ratio, HIDDEN_UNITS[ratio], bias, seed, errors[-1],
                            errors.tolist(), classes.tolist(), 1.0,
                        )
                    )  # fmt: skip
    variance = rng.uniform(0.04, 0.08, 10)
    variance[list(missing)] = np.nan
    pca = {ratio: 0.008 * ratio**0.3 for ratio in ratios}
    baselines = Baselines(0.066, variance.tolist(), pca, {r: 1.02 * e for r, e in pca.items()})
    settings = {
        "protocols": list(protocols),
        "seeds": list(range(seeds)),
        "ratios": list(ratios),
        "epochs": epochs,
        "quick": False,
    }
    data = {"name": "mnist", "n_train": 60, "n_test": 1000} | data
    return Results(models, baselines, settings, data, {}, "2026-01-01", 1.0)


def some_digits(classes=range(10)):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.array(list(classes), np.uint8), 3)
    images = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    return Digits(images, labels, images[::2], labels[::2], name="made up")


class Dimmer:
    """A stand-in for a trained model: its output for an image depends on which model it is."""

    def __init__(self, protocol, ratio, bias):
        self.factor = 1 / ratio if bias else 0.5 / ratio

    def reconstruct(self, x):
        return x * self.factor


def texts(drawing):
    return " ".join(text.get_text() for text in drawing.figure.findobj(matplotlib.text.Text))


def lines_called(ax, name):
    return [line for line in ax.lines if line.get_label() == name]


def segments(ax):
    """All intervals of a panel: (x, low, high)."""
    found = [
        (segment[0, 0], segment[0, 1], segment[1, 1])
        for collection in ax.collections
        for segment in getattr(collection, "get_segments", list)()
    ]
    return np.array(found).reshape(-1, 3)


def test_colours_of_the_ratios_are_those_of_viridis_and_differ_in_grey():
    viridis = matplotlib.colormaps["viridis"]
    for colour, place in zip(RATIO_COLOURS.values(), np.linspace(0, 0.83, 7), strict=True):
        np.testing.assert_allclose(to_rgb(colour), viridis(place)[:3], atol=0.005)
    greys = [np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour in RATIO_COLOURS.values()]
    assert np.diff(greys).min() > 0.05
    assert sorted(RATIO_COLOURS) == sorted(RATIOS)


def test_figure_1_shows_a_digit_of_each_class_and_2_counts_all():
    digits = some_digits()
    mosaic = setting.example_digits(digits, "MNIST").figure.axes[0].images[0].get_array()
    assert mosaic.shape == (2 * 28 + 3, 5 * 28 + 4 * 3)
    np.testing.assert_array_equal(mosaic[:28, :28], digits.train_images[0])
    np.testing.assert_array_equal(mosaic[31:, -28:], digits.train_images[27])
    drawing = setting.class_counts(digits, "MNIST")
    train, test = drawing.figure.axes[0].containers
    assert [bar.get_height() for bar in train] == [3] * 10
    np.testing.assert_array_equal(
        [bar.get_y() + bar.get_height() for bar in test],
        3 + np.bincount(digits.test_labels, minlength=10),
    )
    assert "45 images only" in texts(drawing)


@pytest.mark.parametrize("bias", [False, True])
def test_figures_3_and_4_show_the_network(bias):
    drawing = setting.network(bias)
    names = {collection.get_gid() for collection in drawing.figure.axes[0].collections}
    assert ("bias weights 0" in names) == bias
    assert {"dots 0", "dots 1", "dots 2"} <= names
    assert texts(drawing).count("784 units") == 2
    assert "2, 4, 8, 14, 28, 56 or 112 units" in texts(drawing)
    assert drawing.name == ("figure4" if bias else "figure3")


def test_figure_5_has_a_line_for_each_model_and_a_colour_for_each_ratio():
    results = made_up()
    ax = training.training_curves(results, "corrected").figure.axes[0]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 6]
    assert len(lines) == 14
    for ratio in RATIOS:
        for bias in (False, True):
            (line,) = lines_called(ax, f"{ratio}x, {'bias' if bias else 'no bias'}")
            model = results.of("corrected", ratio, bias)[0]
            np.testing.assert_array_equal(line.get_ydata(), model.mse_per_epoch)
            assert line.get_color() == RATIO_COLOURS[ratio]
            assert (line.get_markerfacecolor() == "white") == (not bias)
    ends = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 3]
    expected = [results.mse("corrected", r, b) for r in sorted(RATIOS) for b in (False, True)]
    np.testing.assert_array_equal(ends, expected)
    ranges = segments(ax)
    np.testing.assert_array_equal(ranges[:, 1], np.min(expected, axis=1))
    np.testing.assert_array_equal(ranges[:, 2], np.max(expected, axis=1))


@pytest.mark.parametrize("bias", [False, True])
def test_figures_6_and_7_show_originals_and_what_the_models_make_of_them(bias):
    digits = some_digits([0, 1, 4, 9])
    results = made_up(ratios=(392, 28, 7))
    drawing = training.reconstructions(results, digits, Dimmer, "tuned", bias)
    ax = drawing.figure.axes[0]
    mosaic = ax.images[0].get_array()
    for row, digit in enumerate((0, 1, 4, 9)):
        image = digits.test_images[digits.test_labels == digit][0] / 255 * 0.99 + 0.01
        for column, factor in enumerate((1, *(Dimmer("", r, bias).factor for r in (7, 28, 392)))):
            drawn = mosaic[31 * row : 31 * row + 28, 31 * column : 31 * column + 28]
            np.testing.assert_allclose(drawn, image * factor, rtol=1e-6)
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert columns == ["original", "7x\nh = 112", "28x\nh = 28", "392x\nh = 2"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "4", "9"]
    assert drawing.name == f"figure{7 if bias else 6}-tuned"


@pytest.mark.parametrize("share", [False, True])
def test_figures_8_and_11_have_a_panel_per_ratio_and_two_bars_per_digit(share):
    results = made_up(missing=[5])
    panels = per_class.per_class(results, "published", share=share).figure.axes
    assert [ax.get_title() for ax in panels] == [
        f"{ratio}x (h = {HIDDEN_UNITS[ratio]})" for ratio in sorted(RATIOS)
    ]
    for ax, ratio in zip(panels, sorted(RATIOS), strict=True):
        low, high = [], []
        for bias, bars in zip((False, True), ax.containers, strict=True):
            errors = class_errors(results, "published", ratio, bias)
            heights = errors.share if share else errors.mean
            np.testing.assert_array_equal([bar.get_height() for bar in bars], heights)
            assert to_hex(bars[0].get_edgecolor()) == RATIO_COLOURS[ratio]
            assert (bars[0].get_hatch() is None) == bias
            low += list(errors.share_low if share else errors.low)
            high += list(errors.share_high if share else errors.high)
        there = np.isfinite(low)
        assert there.sum() == 18
        np.testing.assert_allclose(segments(ax)[:, 1], np.array(low)[there])
        np.testing.assert_allclose(segments(ax)[:, 2], np.array(high)[there])
        unit = results.baselines.mean_image if share else 1
        overall = [results.mse("published", ratio, bias).mean() / unit for bias in (False, True)]
        np.testing.assert_allclose([line.get_ydata()[0] for line in ax.lines[:2]], overall)


def test_figure_9_has_every_protocol_every_seed_and_the_references():
    results = made_up()
    ax = comparisons.error_against_ratio(results, list(PROTOCOLS)).figure.axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    for protocol in PROTOCOLS:
        for bias in (False, True):
            (line,) = lines_called(ax, f"{protocol}, {'bias' if bias else 'no bias'}")
            means = [results.mse(protocol, ratio, bias).mean() for ratio in sorted(RATIOS)]
            np.testing.assert_allclose(line.get_ydata(), means)
            np.testing.assert_allclose(line.get_xdata(), sorted(RATIOS), rtol=0.2)
    seeds = [line for line in ax.lines if line.get_marker() == "." and len(line.get_xdata()) == 3]
    assert len(seeds) == 6 * 7
    drawn = sorted(value for line in seeds for value in line.get_ydata())
    assert drawn == sorted(model.mse for model in results.models)
    for line in seeds:
        ratio = min(RATIOS, key=lambda ratio: abs(np.log(ratio / line.get_xdata()[0])))
        assert line.get_color() == RATIO_COLOURS[ratio]
    bounds = [(cell.low, cell.high) for p in PROTOCOLS for cell in cells(results, p)]
    np.testing.assert_allclose(sorted(map(tuple, segments(ax)[:, 1:])), sorted(bounds))
    for name, expected in (
        ("PCA, centred", list(results.baselines.pca.values())[::-1]),
        ("PCA, not centred", list(results.baselines.pca_uncentred.values())[::-1]),
        ("mean image", [results.baselines.mean_image] * 2),
    ):
        np.testing.assert_array_equal(lines_called(ax, name)[0].get_ydata(), expected)


@pytest.mark.parametrize("n_seeds", [3, 10])
def test_figure_10_has_a_panel_per_protocol_and_each_difference(n_seeds):
    results = made_up(PROTOCOLS[1:], seeds=n_seeds)
    for model in results.models:  # a difference that no test can miss
        if model.ratio == 14 and model.bias:
            object.__setattr__(model, "mse", model.mse / 3)
    drawing = comparisons.bias_effect(results, list(PROTOCOLS[1:]))
    assert [ax.get_title() for ax in drawing.figure.axes] == ["corrected", "tuned"]
    for ax, protocol in zip(drawing.figure.axes, PROTOCOLS[1:], strict=True):
        diamonds = [line for line in ax.lines if line.get_marker() == "D"]
        dots = [line for line in ax.lines if line.get_marker() == "."]
        assert len(diamonds) == len(dots) == 7
        for effect, diamond, dot in zip(
            bias_effects(results, protocol), diamonds, dots, strict=True
        ):
            assert sorted(RATIOS)[diamond.get_xdata()[0]] == effect.ratio
            assert diamond.get_ydata()[0] == effect.mean
            assert diamond.get_color() == RATIO_COLOURS[effect.ratio]
            np.testing.assert_array_equal(dot.get_ydata(), effect.differences)
            bottom, top = ax.get_ylim()
            assert bottom < effect.low < effect.high < top
            full = diamond.get_markerfacecolor() != "white"
            assert full == (effect.p_holm <= 0.05)
            assert full or n_seeds == 3 or effect.ratio != 14
    assert ("too few seeds" in drawing.caption) == (n_seeds == 3)
    assert ("sign-flip test" in drawing.caption) == (n_seeds == 10)
    assert "that test" not in drawing.caption


def test_figure_10_says_which_protocols_have_too_few_seeds_for_its_test():
    results = made_up(PROTOCOLS[:2], seeds=10)
    fewer = [m for m in results.models if m.protocol == "published" or m.seed < 3]
    caption = comparisons.bias_effect(replace(results, models=fewer), list(PROTOCOLS[:2])).caption
    place = caption.index("sign-flip test")
    assert "For that test some of these protocols have too few seeds" in caption[place:]


def test_a_partial_quick_run_of_stroke_digits_says_so_in_figure_and_caption():
    results = made_up(("tuned",), (98,), seeds=1, epochs=1, missing=[0, 3], name="stroke-digits")
    results = replace(results, settings={**results.settings, "quick": True})
    digits = some_digits([1, 2])
    drawings = list(figures.drawings(results, digits, Dimmer))
    assert [drawing.number for drawing in drawings] == list(range(1, 12))
    for drawing in drawings:
        drawing.figure.draw_without_rendering()
        if drawing.number not in (3, 4):
            assert "stroke digits (not MNIST)" in texts(drawing)
            assert "stroke digits (not MNIST)" in drawing.caption
            assert drawing.number < 5 or "QUICK CHECK" in texts(drawing)
        if drawing.number >= 8:
            assert "one seed" in drawing.caption.lower()
            assert not any(len(segments(ax)) for ax in drawing.figure.axes)


def test_protocols_with_other_numbers_of_seeds_are_told_apart():
    results = made_up(PROTOCOLS[:2])
    fewer = [m for m in results.models if m.protocol == "published" or m.seed == 0]
    results = replace(results, models=fewer)
    assert "1 to 3 seeds" in style.made_of(results)
    assert "1 seed" in style.made_of(results, "corrected")
    comparisons.error_against_ratio(results, list(PROTOCOLS[:2]))
    assert "some of" not in comparisons.bias_effect(results, list(PROTOCOLS[:2])).caption


def test_files_are_named_small_and_the_same_every_time(tmp_path):
    results, digits = made_up(("corrected",), (28,), seeds=2), some_digits([1, 7])
    before = dict(matplotlib.rcParams)
    drawn = figures.draw_figures(results, digits, Dimmer, tmp_path / "a" / "b")
    assert dict(matplotlib.rcParams) == before
    names = [f"figure{n}" + ("-corrected" if n in (5, 6, 7, 8, 11) else "") for n in range(1, 12)]
    assert [figure.name for figure in drawn] == names
    for figure in drawn:
        assert figure.png == tmp_path / "a" / "b" / f"{figure.name}.png"
        assert figure.png.read_bytes().startswith(b"\x89PNG")
        assert figure.pdf.read_bytes().startswith(b"%PDF")
        assert b"CreationDate" not in figure.pdf.read_bytes()
        assert figure.png.stat().st_size < 150_000
        assert figure.protocol == ("corrected" if "-" in figure.name else None)
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 7}), figures.our_style():
        for drawing in (
            training.training_curves(results, "corrected"),
            per_class.per_class(results, "corrected", share=False),
        ):
            again = style.save(drawing, tmp_path)
            for first, second in zip(
                *((f.png, f.pdf) for f in (drawn[names.index(again.name)], again)), strict=True
            ):
                assert first.read_bytes() == second.read_bytes()
