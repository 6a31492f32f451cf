"""The rate-distortion study: bytes as the package's, curves, what is read off, the program."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rate_distortion
from study.rate import autoencoders, image_codecs, pca
from study.rate.classifier import Classifier, unit_pixels
from study.rate.curves import Curve, overtaken_at
from study.rate.findings import Study, findings
from study.rate.grid import QUICK
from study.rate.measurement import Bench, coded_bytes, first_of_each
from study.rate.points import Point, averaged
from study.rate.table import markdown
from study.rate.work import units

from ae_numpy import Autoencoder
from ae_numpy.codec import Codec
from ae_numpy.codec.tables import Tables
from ae_numpy.datasets import load_stroke_digits

GRID = replace(QUICK, levels=(5,), contexts=(1, 3), steps=(2.0,), n_single=4)


@pytest.fixture(scope="module")
def bench():
    pytest.importorskip("sklearn")
    digits = load_stroke_digits(400, 300)
    return Bench(GRID, digits, Classifier.trained_on(digits))


@pytest.fixture(scope="module")
def components(bench):
    return pca.Components.of(bench.digits.train_images)


def test_autoencoders_are_measured_as_the_codec_of_the_package_would(bench):
    digits = bench.digits
    model = Autoencoder(6, epochs=2, batch_size=8, engine="numpy", random_state=0)
    model.fit(unit_pixels(digits.train_images))
    *found, plain = autoencoders.measure(bench, model, seed=0)
    for one, contexts in zip(found, (1, 3), strict=True):
        codec = Codec(model, levels=5, contexts=contexts).fit(digits.train_images)
        data = codec.compress(digits.test_images)
        rebuilt = codec.decompress(data)
        assert one["setting"] == f"h=6 levels=5 contexts={contexts}"
        assert one["bytes_per_image"] == len(data) / 300
        squares = ((rebuilt / 255 - digits.test_images / 255) ** 2).mean(axis=(1, 2))
        assert one["mse"] == pytest.approx(squares.mean(), rel=1e-12)  # sums in another order
        assert one["mse_sd"] == pytest.approx(squares.std(), rel=1e-12)
        right = bench.classifier.read(rebuilt) == digits.test_labels
        assert one["accuracy"] == right.mean()
        shown = averaged([one])[0].images()
        np.testing.assert_array_equal(shown, rebuilt[first_of_each(digits.test_labels)])
        assert one["decoder_bytes"] == 4 * (7 * 784 + contexts * (6 * 5 + 1))
    assert plain["bytes_per_image"] == 24
    assert plain["mse"] < found[0]["mse"]


def test_the_recipe_is_that_of_table_1_for_any_size_of_the_code():
    ours = autoencoders.untrained(replace(QUICK, epochs=50), 40, seed=2)
    assert ours.hidden_layer_sizes == (40,)
    assert (ours.epochs, ours.random_state, ours.bias, ours.batch_size) == (50, 2, True, 1)
    assert ours.initial_parameters["b1"].tolist() == [-2.0] * 784


def test_pca_decodes_cells_to_the_means_of_the_training_images(bench, components):
    coordinates = components.project(bench.digits.train_images)
    quantiser = pca.Quantiser.fit(coordinates, 2.0)
    symbols = quantiser.symbols(coordinates)
    assert 1 < symbols.shape[1] < 784
    dropped = np.delete(coordinates, quantiser.kept, axis=1)
    assert np.abs(dropped).max() <= 1  # within one cell: half a step from its middle
    decoded = quantiser.coordinates(symbols)
    for unit in (0, symbols.shape[1] - 1):
        own = coordinates[:, quantiser.kept[unit]]
        for symbol in np.unique(symbols[:, unit]):
            cell = symbols[:, unit] == symbol
            # The coordinates are float32.
            assert decoded[cell, unit] == pytest.approx(own[cell].mean(), rel=1e-5, abs=1e-5)
            assert np.ptp(own[cell]) <= 2.0
    outside = quantiser.symbols(np.full((1, 784), 1e3, np.float32))
    assert (outside == quantiser.centres.shape[1] - 1).all()


def test_pca_in_fine_steps_loses_no_more_than_rounding(bench, components):
    coordinates = components.project(bench.digits.train_images[:40])
    rebuilt = components.rebuild(coordinates, np.arange(784))
    # float32 may cross the middle between two grey levels, not more.
    assert np.abs(rebuilt.astype(int) - bench.digits.train_images[:40]).max() <= 1


def test_cells_that_a_component_never_reaches_cost_next_to_nothing():
    symbols = np.array([[0, 0], [9, 1], [4, 0], [0, 1]], np.uint8)
    plain = Tables.fit(symbols, 10)
    tables = pca.possible(plain)
    assert tables.counts[0, 1, :3].tolist() == [64 * 5, 64 * 5, 1]
    assert tables.cheapest(symbols)[1].sum() < plain.cheapest(symbols)[1].sum()
    never = np.array([[5, 7]], np.uint8)
    assert np.array_equal(tables.decode(tables.encode(never), 1), never)
    assert coded_bytes(tables, symbols) > 0


def test_pca_is_measured_at_all_steps_with_all_contexts(bench):
    found = list(pca.measure(bench))
    assert [one["setting"].split()[0] for one in found] == ["step=2", "step=2"]
    assert found[0]["mse"] == found[1]["mse"] < 0.1
    assert found[0]["decoder_bytes"] < found[1]["decoder_bytes"]


@pytest.mark.parametrize("n", [1, 7, 12, 100])
def test_a_mosaic_holds_every_image(n):
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28), np.uint8)
    whole = image_codecs.mosaic(images)
    assert whole.size < 784 * (n + np.ceil(np.sqrt(n)))
    np.testing.assert_array_equal(image_codecs.tiles(whole, n), images)


@pytest.mark.parametrize("name", image_codecs.FORMATS)
def test_formats_write_and_read_mosaics_and_single_images(bench, name):
    one = image_codecs.FORMATS[name]
    if one.package:
        pytest.importorskip(one.package)
    few = {part: getattr(bench.digits, part)[:80] for part in ("test_images", "test_labels")}
    bench = replace(bench, digits=replace(bench.digits, **few))
    for value in one.values[:: len(one.values) - 1] or (0.0,):
        (whole,) = image_codecs.measure_mosaic(bench, name, value)
        (single,) = image_codecs.measure_single(bench, name, value)
        assert whole["method"] == f"{name}, mosaic"
        assert single["header_bytes"] <= single["bytes_per_image"] + 20
        assert (whole["n_images"], single["n_images"]) == (80, 4)
        assert whole["bytes_per_image"] < single["bytes_per_image"]
        assert (whole["mse"] == 0) == one.lossless
        if not one.lossless:
            assert whole["mse"] < 0.1


def test_formats_whose_package_is_missing_are_left_out(monkeypatch):
    all_of_them = units(QUICK, 1)
    monkeypatch.setattr(image_codecs, "find_spec", lambda name: None)
    left = units(QUICK, 1)
    assert {unit.kind for unit in left} == {"PCA", "autoencoder", "mosaic", "single"}
    named = [unit.arguments[0] for unit in left if unit.kind in ("mosaic", "single")]
    assert named == ["xz, lossless"] * 2
    assert set(left) < set(all_of_them)


def test_a_classifier_reads_digits_and_comes_back_from_its_file(bench, tmp_path):
    images, labels = bench.digits.test_images, bench.digits.test_labels
    read = bench.classifier.read(images)
    assert (read == labels).mean() > 0.5  # of few images, in few epochs; chance is 0.1
    bench.classifier.save(tmp_path / "classifier.npz")
    again = Classifier.load(tmp_path / "classifier.npz")
    np.testing.assert_array_equal(again.read(images), read)


# ------------------------------------------------------------------ curves, and what is read off


def point(method, setting, n_bytes, mse, accuracy=0.97, **more):
    psnr = -10 * np.log10(mse) if mse else None
    return Point(method, setting, n_bytes, mse, psnr, accuracy, 100, **more)


def curve(*pairs):
    return Curve.of(point("m", f"q={k}", *pair) for k, pair in enumerate(pairs))


def test_a_curve_leaves_out_what_is_beaten_and_is_straight_in_logarithms():
    found = curve((40, 0.001), (10, 0.01), (20, 0.02), (10, 0.03))
    assert found.bytes.tolist() == [10, 40]
    assert found.mse_at(20) == pytest.approx(0.01 / 10**0.5)
    assert found.bytes_for(0.01 / 10**0.5) == pytest.approx(20)
    assert np.isnan(found.mse_at(9))
    assert np.isnan(found.mse_at(41))
    assert found.bytes_for(0.5) == pytest.approx(10)
    assert np.isnan(found.bytes_for(0.0009))
    assert found.nearest(19).bytes_per_image == 10
    assert found.nearest(21).bytes_per_image == 40


def test_a_curve_is_overtaken_where_the_other_stays_below():
    ours = curve((1, 0.1), (100, 0.01))  # mse = 0.1 / sqrt(bytes)
    steeper = curve((4, 0.2), (100, 0.002))  # crosses where
    at = overtaken_at(ours, steeper)
    assert ours.mse_at(at) == pytest.approx(steeper.mse_at(at), rel=0.01)  # a step is 0.2 %
    assert overtaken_at(steeper, ours) is None
    assert overtaken_at(ours, curve((4, 0.04), (50, 0.001))) == pytest.approx(4, rel=0.01)
    assert overtaken_at(ours, curve((200, 0.01), (300, 0.001))) is None


def made_up():
    codes = [
        point("autoencoder", f"h={h} levels={levels} contexts={k}", size, mse, accuracy,
              decoder_bytes=350_000)
        for h, levels, k, size, mse, accuracy in [
            (56, 4, 1, 10.0, 0.012, 0.90),
            (56, 4, 64, 8.0, 0.012, 0.90),
            (56, 8, 1, 20.0, 0.0051, 0.965),
            (112, 8, 1, 40.0, 0.002, 0.975),
            (112, 8, 64, 36.0, 0.002, 0.975),
        ]
    ]  # fmt: skip
    return Study(
        [
            *codes,
            point("autoencoder, float32 codes", "h=56", 224, 0.005, 0.966),
            point("autoencoder, float32 codes", "h=112", 448, 0.00195, 0.976),
            point("PCA", "step=2 components=90 contexts=1", 8.0, 0.024),
            point("PCA", "step=1 components=90 contexts=1", 40.0, 0.004, 0.97),
            point("AVIF, mosaic", "quality=0", 25.0, 0.008),
            point("AVIF, mosaic", "quality=50", 50.0, 0.0005),
            point("AVIF, single images", "quality=0", 330.0, 0.008, header_bytes=300),
            point("JPEG, mosaic", "quality=1", 60.0, 0.008),
            point("JPEG, mosaic", "quality=9", 99.0, 0.004),
            point("xz, lossless, mosaic", "lossless", 140.0, 0.0),
        ],
        original_accuracy=0.98,
    )


def test_the_findings_say_what_the_points_show():
    said = "\n".join(findings(made_up()))
    for part in (
        "JPEG nowhere (its range begins at 60); "
        "AVIF from 35 bytes an image (22x) on (its range begins at 25).",
        "the autoencoders' error is 0.45 to 0.69 of AVIF's; JPEG does not go that low.",
        "64 contexts save 15 % of the bytes (median; 10 % to 20 %)",
        "AVIF 330 (300) bytes",
        "bytes an image are: xz 140. So a ratio below 5.6x needs no loss at all.",
        "14x is 3.5x as float32 and 39x at 8 levels",
        "7x is 1.75x as float32 and 20x at 8 levels",
        "reads 98.0 % of the originals. The highest ratio at which it reads 95 % of that: "
        "autoencoder 39x (20.0 bytes)",
        "h = 112 never: an image codec takes fewer bytes",
        "for h = 56 at 20 bytes an image (350 kB) after 43,869 images, against AVIF at 28 bytes",
        "in float32 are legible up to 14x.",
    ):
        assert part in said
    assert said.count("\n") == 9


def test_without_image_codecs_the_rest_is_said():
    study = made_up()
    kept = ("autoencoder", "PCA", "xz")
    said = findings(replace(study, points=[p for p in study.points if p.method.startswith(kept)]))
    assert len(said) == 6
    assert not any("AVIF" in sentence for sentence in said)


def test_the_page_has_a_row_for_every_number_compared():
    page = markdown(made_up(), "Made up.")
    assert "| 15 | 0.0067 | 25.3 | 68.4 | 26.2 |" in page
    assert "| 8 | 0.0120 | 14.9 | (60.0) | (25.0) |" in page
    assert "| 36 | 0.0020 | - | - | 35.4 |" in page
    assert "| 7x | 112 | 448 |" in page
    rows = [line for line in page.splitlines() if line.startswith("| AVIF, single images")]
    assert len(rows) == 1


def test_points_are_means_over_seeds_with_intervals_over_seeds_and_images():
    one = {"method": "m", "setting": "s", "bytes_per_image": 9.0, "n_images": 100, "sample": ""}
    seeds = [{**one, "seed": k, "mse": mse, "mse_sd": 0.1, "accuracy": 0.5}
             for k, mse in enumerate((0.01, 0.03))]  # fmt: skip
    (found,) = averaged(seeds)
    assert found.mse == pytest.approx(0.02)
    assert found.psnr == pytest.approx(16.9897, abs=1e-4)
    assert found.intervals["mse over images"] == pytest.approx([0.02 - 0.0196, 0.02 + 0.0196])
    assert found.intervals["accuracy over images"] == pytest.approx([0.402, 0.598])
    low, high = found.intervals["mse over seeds"]
    assert (high - low) / 2 == pytest.approx(
        12.7062 * 0.01, rel=1e-4
    )  # t of one degree, sd/sqrt(2)


# ------------------------------------------------------------------ the program


def test_the_program_measures_what_is_missing_and_writes_all_files(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(rate_distortion, "QUICK_SIZES", (300, 100))
    settings = ["--data", "stroke-digits", "--out", str(tmp_path)]
    quick = ["--quick", "--seeds", "1", "--jobs", "1", *settings]
    assert rate_distortion.main(quick) == 0
    assert "Without any loss" in capsys.readouterr().out
    content = json.loads((tmp_path / "rate_distortion.json").read_text())
    keys = {"method", "setting", "bytes_per_image", "mse", "psnr", "accuracy"}
    assert all(keys <= point.keys() for point in content["points"])
    assert {"autoencoder", "PCA", "xz, lossless, mosaic"} <= {
        p["method"] for p in content["points"]
    }
    assert content["data"]["title"] in (tmp_path / "rate_distortion.md").read_text()
    assert (tmp_path / "rate_distortion.png").stat().st_size > 10_000
    folder = tmp_path / "rate_distortion"
    removed = folder / "autoencoder-8-0.json"
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    before = removed.read_text()
    removed.unlink()
    assert rate_distortion.main(quick) == 0
    assert removed.read_text() == before
    again = {path for path in times if path.stat().st_mtime_ns != times[path]}
    assert again == {removed}
    command = [sys.executable, rate_distortion.__file__, *settings]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "give another folder" in other.stderr
