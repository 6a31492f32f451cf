"""load_idx_digits: data sets in the form of MNIST, whatever their content."""

import gzip
import re

import numpy as np
import pytest
from misbehaving_server import FILES, idx_bytes

from ae_numpy.datasets import load_idx_digits

PARTS = [f"{part}_{kind}" for part in ("train", "test") for kind in ("images", "labels")]


def write_set(directory, rng, name=lambda name: name, labels=np.uint8):
    """Four files of random content; returns the arrays by the names that `Digits` gives them."""
    directory.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", 6), ("test", 4)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{part}_labels"] = rng.integers(1, 27, count, labels)
        for kind, rank in (("images", 3), ("labels", 1)):
            file = f"{part.replace('test', 't10k')}-{kind}-idx{rank}-ubyte"
            (directory / name(file)).write_bytes(idx_bytes(arrays[f"{part}_{kind}"]))
    return arrays


@pytest.fixture(name="rng")
def fixture_rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    "name",
    [
        lambda name: name,
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("t10k", "test"),
        lambda name: name.upper(),
    ],
)
def test_any_content_is_loaded(tmp_path, rng, name):
    arrays = write_set(tmp_path / "kmnist" / "raw", rng, name)
    for directory in (tmp_path / "kmnist" / "raw", tmp_path / "kmnist"):
        digits = load_idx_digits(directory)
        assert digits.name == "kmnist"
        for part in PARTS:
            np.testing.assert_array_equal(getattr(digits, part), arrays[part])


@pytest.mark.parametrize("prefix", ["emnist-letters", "emnist-letters-"])
def test_a_prefix_chooses_and_transposed_images_are_turned(tmp_path, rng, prefix):
    write_set(tmp_path, rng, lambda name: f"emnist-digits-{name}")
    arrays = write_set(
        tmp_path, rng, lambda name: f"emnist-letters-{name}".replace("t10k", "test"), np.int32
    )
    digits = load_idx_digits(tmp_path, prefix=prefix, transpose=True)
    assert digits.name == "emnist-letters"
    np.testing.assert_array_equal(digits.train_images, arrays["train_images"].swapaxes(1, 2))
    np.testing.assert_array_equal(digits.test_images, arrays["test_images"].swapaxes(1, 2))
    assert digits.train_images.flags.c_contiguous
    np.testing.assert_array_equal(digits.train_labels, arrays["train_labels"])
    assert digits.train_labels.dtype == np.uint8


def test_files_that_differ_are_an_error_that_names_them(tmp_path, rng):
    write_set(tmp_path / "a", rng)
    write_set(tmp_path / "b", rng)
    with pytest.raises(ValueError, match=r"a.train-images-.*b.train-images-.* which differ"):
        load_idx_digits(tmp_path)


def test_copies_are_one_file(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        (tmp_path / f"._{name}").write_bytes(b"of another file system")
    assert load_idx_digits(str(tmp_path)).name == tmp_path.name


def test_what_is_missing_and_what_is_there_is_named(tmp_path, rng):
    write_set(tmp_path, rng, lambda name: f"emnist-digits-{name}")
    with pytest.raises(
        FileNotFoundError, match=r"no train-images-idx3-ubyte.*It has emnist-digits-"
    ):
        load_idx_digits(tmp_path)
    with pytest.raises(FileNotFoundError, match="no emnist-mnist-train-images-idx3-ubyte"):
        load_idx_digits(tmp_path, prefix="emnist-mnist-")
    with pytest.raises(FileNotFoundError, match="This is not a directory"):
        load_idx_digits(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        (
            "train-images-idx3-ubyte",
            np.zeros((6, 32, 32), np.uint8),
            "uint8 of shape (6, 32, 32), expected (N, 28, 28) of",
        ),
        ("t10k-images-idx3-ubyte", np.zeros((4, 28, 28), np.float32), "found float32 of shape"),
        ("train-labels-idx1-ubyte", np.zeros(5, np.uint8), "labels of shape (5,), expected (6,)"),
        (
            "t10k-labels-idx1-ubyte",
            np.array([1, 2, 3, -1], np.int32),
            "found the label -1 at 3, expected 0 to 255",
        ),
        (
            "t10k-labels-idx1-ubyte",
            np.array([1, 2, 3, 256], np.int16),
            "found the label 256 at 3, expected 0 to 255",
        ),
        ("t10k-labels-idx1-ubyte", np.ones(4, np.float64), "found float64 labels of shape (4,)"),
    ],
)
def test_unfit_files_are_named(tmp_path, rng, name, array, words):
    write_set(tmp_path, rng)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        load_idx_digits(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}: found ")


def test_arguments_are_refused_by_name(tmp_path):
    for arguments, word in (
        ({"data_dir": None}, "data_dir"),
        ({"data_dir": tmp_path, "prefix": None}, "prefix"),
        ({"data_dir": tmp_path, "transpose": "yes"}, "transpose"),
    ):
        with pytest.raises(TypeError, match=f"{word} must be "):
            load_idx_digits(**arguments)
