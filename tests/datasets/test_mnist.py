"""load_mnist: where the files may come from, what is refused, and what a failure tells the user.

A small data set with its own hashes replaces MNIST, except in the tests that skip unless
AE_NUMPY_DATA names the directory of the real files.
"""

import gzip
import os
import re
import shutil
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from misbehaving_server import FILES, SHA256, closed_port, idx_bytes

from ae_numpy.datasets import mnist
from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.download import DataUnavailableError
from ae_numpy.datasets.idx import write_idx
from ae_numpy.datasets.mnist import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, load_mnist

REAL_DATA = os.environ.get("AE_NUMPY_DATA")
needs_real_data = pytest.mark.skipif(
    not REAL_DATA, reason="needs the real MNIST: set AE_NUMPY_DATA to its directory"
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Without the user's data directory."""
    monkeypatch.delenv("AE_NUMPY_DATA", raising=False)


@pytest.fixture(name="directory")
def fixture_directory(tmp_path):
    """A directory with the four files, two of them gzipped."""
    directory = tmp_path / "meine Daten - データ"
    directory.mkdir()
    for name, content in FILES.items():
        if "images" in name:
            (directory / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (directory / name).write_bytes(content)
    return directory


@pytest.fixture(name="load")
def fixture_load(monkeypatch):
    """`load_mnist` for the small data set, with the test's own cache and mirrors."""

    def load(data_dir=None, download=True, *, cache=Path("no cache"), urls=()) -> Digits:
        monkeypatch.setattr(mnist, "SHA256", SHA256)
        monkeypatch.setattr(mnist, "MIRRORS", urls)
        monkeypatch.setattr(mnist, "cache_directory", lambda: cache)
        return load_mnist(data_dir, download)

    return load


def assert_complete(digits: Digits) -> None:
    """Compare the arrays with the content of the files."""
    assert digits.name == "mnist"
    assert idx_bytes(digits.train_images) == FILES[TRAIN_IMAGES]
    assert idx_bytes(digits.train_labels) == FILES[TRAIN_LABELS]
    assert idx_bytes(digits.test_images) == FILES[TEST_IMAGES]
    assert idx_bytes(digits.test_labels) == FILES[TEST_LABELS]


# A directory the user names: all there, or an error; never another source.


def test_directory_as_argument(load, directory):
    assert_complete(load(directory))
    assert_complete(load(str(directory), download=False))


def test_directory_in_the_environment(load, directory, monkeypatch):
    monkeypatch.setenv("AE_NUMPY_DATA", str(directory))
    assert_complete(load())


def test_argument_goes_before_the_environment(load, directory, monkeypatch, tmp_path):
    monkeypatch.setenv("AE_NUMPY_DATA", str(tmp_path / "elsewhere"))
    assert_complete(load(directory))


def dotted(name: str) -> str:
    """The name that 7-Zip and Kaggle use."""
    return name.replace("-idx", ".idx")


PLACES = {
    "7-Zip": dotted,
    "Kaggle": lambda name: f"{name}/{name}",
    "dotted folder": lambda name: f"{dotted(name)}/{dotted(name)}",
    "torchvision": lambda name: f"MNIST/raw/{name}",
    "no type": lambda name: name.split("-idx")[0] + ".idx",
    "anything": lambda name: f"a/b/c/{SHA256[name][:8]}.bin",
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_hashes_prove_files_wherever_they_are(load, tmp_path, place, gzipped):
    for name, content in FILES.items():
        path = tmp_path / (place(name) + gzipped * ".gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if gzipped else content)
    assert_complete(load(tmp_path))


def test_of_several_files_the_one_with_the_hash_is_taken(load, directory):
    other_set = directory / "FashionMNIST" / "raw"
    other_set.mkdir(parents=True)
    for name in FILES:
        (other_set / name).write_bytes(other(name, lambda array: array[::-1]))
    (directory / TEST_IMAGES).write_bytes(b"<html>")  # with the right one next to it, gzipped
    assert_complete(load(directory))


def test_what_is_there_is_listed_where_nothing_fits(load, tmp_path):
    (tmp_path / "sub").mkdir()
    for k in range(14):
        (tmp_path / "sub" / f"{k:02}.png").touch()
    with pytest.raises(FileNotFoundError, match=r"It has sub.00\.png, .*11\.png and 2 more\."):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="This is not a directory"):
        load(tmp_path / "sub" / "00.png")


def test_a_damaged_file_of_another_name_is_named(load, directory):
    (directory / TRAIN_LABELS).unlink()
    (directory / dotted(TRAIN_LABELS)).write_bytes(FILES[TRAIN_LABELS][:-1])
    with pytest.raises(ValueError, match=f"{re.escape(dotted(TRAIN_LABELS))}: found 27 bytes"):
        load(directory)


def test_what_is_not_a_path_is_refused_by_name(load):
    with pytest.raises(TypeError, match="data_dir must be the path of a directory, got 5"):
        load(5)


def test_tilde_is_the_home_directory(load, directory, monkeypatch):
    monkeypatch.setenv("HOME", str(directory.parent))
    monkeypatch.setenv("USERPROFILE", str(directory.parent))
    assert_complete(load(f"~/{directory.name}"))


def test_missing_files_are_named_and_not_replaced(load, directory, server, tmp_path):
    (directory / TRAIN_LABELS).unlink()
    (directory / f"{TEST_IMAGES}.gz").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load(directory, cache=tmp_path / "cache", urls=[server.url("good")])
    message = str(caught.value)
    assert message.startswith(f"{directory}: found no {TRAIN_LABELS}, {TEST_IMAGES}, plain or")
    assert "AE_NUMPY_DATA" in message
    assert "\n" not in message
    assert not isinstance(caught.value, DataUnavailableError)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("in_environment", [False, True])
def test_missing_directory(load, tmp_path, monkeypatch, in_environment):
    missing = tmp_path / "missing"
    if in_environment:
        monkeypatch.setenv("AE_NUMPY_DATA", str(missing))
    with pytest.raises(FileNotFoundError, match=re.escape(f"{missing}: found no {TRAIN_IMAGES}")):
        load(None if in_environment else missing)


def other(name: str, change) -> bytes:
    """The file with its array changed."""
    header = 16 if "images" in name else 8
    array = np.frombuffer(FILES[name], np.uint8, offset=header)
    return idx_bytes(change(array.reshape(-1, 28, 28) if "images" in name else array))


def with_label_10(labels: np.ndarray) -> np.ndarray:
    """Labels of which the fourth is out of range."""
    return np.where(np.arange(len(labels)) == 3, 10, labels).astype(np.uint8)


# file -> content, words of the error
UNFIT = {
    "web page": (TRAIN_LABELS, b"<html>", "perhaps a web page"),
    "bomb": (TRAIN_LABELS, b"\0\0\x08\1\x10\0\0\0", "found 8 bytes, expected 268435464"),
    "huge": (TRAIN_LABELS, gzip.compress(b"\0\0\x08\1\x10\0\0\0"), "expected at most 67108864"),
    "images of 14 x 56": (
        TRAIN_IMAGES,
        other(TRAIN_IMAGES, lambda images: images.reshape(-1, 14, 56)),
        "shape (20, 14, 56), expected (N, 28, 28)",
    ),
    "images of rank 1": (
        TEST_IMAGES,
        other(TEST_IMAGES, np.ravel),
        "shape (7840,), expected (N, 28, 28)",
    ),
    "labels of rank 2": (
        TRAIN_LABELS,
        other(TRAIN_LABELS, lambda labels: labels[:, None]),
        "labels of shape (20, 1), expected (20,), one per image",
    ),
    "a label too few": (
        TEST_LABELS,
        other(TEST_LABELS, lambda labels: labels[:-1]),
        "labels of shape (9,), expected (10,), one per image",
    ),
    "label out of range": (
        TRAIN_LABELS,
        other(TRAIN_LABELS, with_label_10),
        "found the label 10 at 3, expected 0 to 9",
    ),
    "images of another data set": (
        TEST_IMAGES,
        other(TEST_IMAGES, lambda images: 255 - images),
        f"expected {SHA256[TEST_IMAGES]}: this is not MNIST's file",
    ),
    "labels of the other images": (
        TEST_LABELS,
        FILES[TRAIN_LABELS],
        "labels of shape (20,), expected (10,)",
    ),
}


@pytest.mark.parametrize(("name", "content", "words"), UNFIT.values(), ids=UNFIT)
def test_unfit_file_in_a_directory(load, directory, name, content, words):
    (directory / f"{name}.gz").unlink(missing_ok=True)
    (directory / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        load(directory)
    assert str(caught.value).startswith(f"{directory / name}: found ")


# The cache, and the network.


def test_complete_cache_needs_neither_network_nor_pooch(load, directory, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert_complete(load(cache=directory, urls=[closed_port()]))
    assert_complete(load(cache=directory, download=False))


def test_empty_variable_means_unset(load, directory, monkeypatch):
    monkeypatch.setenv("AE_NUMPY_DATA", "")
    assert_complete(load(cache=directory))


def test_download_fills_the_cache(load, server, tmp_path):
    cache = tmp_path / "user's cache" / "ä"
    assert_complete(load(cache=cache, urls=[server.url("good")]))
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == FILES
    assert_complete(load(cache=cache, download=False))


def test_only_missing_and_spoiled_files_are_downloaded(load, directory, server):
    spoiled = directory / TRAIN_LABELS
    spoiled.write_bytes(b"<html>")
    (directory / f"{TEST_IMAGES}.gz").write_bytes(b"")
    (directory / TEST_LABELS).write_bytes(other(TEST_LABELS, lambda labels: 9 - labels))
    assert_complete(load(cache=directory, urls=[server.url("good")]))
    assert spoiled.read_bytes() == FILES[TRAIN_LABELS]
    assert not (directory / TRAIN_IMAGES).exists()
    assert_complete(load(cache=directory, download=False))


def test_cache_that_cannot_be_written_costs_one_warning(load, server, tmp_path):
    (tmp_path / "file").touch()
    assert_served_with_one_warning(load, tmp_path / "file" / "cache", server)


def test_cache_that_may_not_be_written_costs_one_warning(load, server, tmp_path):
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("needs a user whom permissions bind")
        assert_served_with_one_warning(load, tmp_path, server)
    finally:
        tmp_path.chmod(0o700)


def test_full_disk_costs_one_warning(load, server, tmp_path, monkeypatch):
    def write(path, array):
        if path.startswith(str(tmp_path)):
            raise OSError(28, "No space left on device")
        write_idx(path, array)

    monkeypatch.setattr("ae_numpy.datasets.download.write_idx", write)
    assert_served_with_one_warning(load, tmp_path, server)


def assert_served_with_one_warning(load, cache: Path, server) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_complete(load(cache=cache, urls=[server.url("good")]))
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith(f"The cache {cache} cannot be used (")
    assert not cache.is_dir() or list(cache.iterdir()) == []


# DataUnavailableError: MNIST is unavailable, and a caller may use other data instead.


def test_no_network(load, tmp_path):
    pytest.importorskip("pooch", reason="downloads need pooch")
    urls = [closed_port(), closed_port()]
    with pytest.raises(DataUnavailableError) as caught:
        load(cache=tmp_path, urls=urls)
    message = str(caught.value)
    assert message.startswith(f"MNIST is not in the cache {tmp_path}, and {TRAIN_IMAGES} cannot")
    assert all(f"{url}{TRAIN_IMAGES}.gz: ConnectionRefusedError" in message for url in urls)
    assert "name it as data_dir or in AE_NUMPY_DATA" in message
    assert "\n" not in message


def test_no_download_wanted(load, tmp_path):
    with pytest.raises(DataUnavailableError, match=f"{TEST_LABELS} not in the cache .*download=F"):
        load(cache=tmp_path, download=False)


def test_no_pooch(load, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataUnavailableError, match=r'pip install "ae_numpy\[data\]"'):
        load(cache=tmp_path, urls=[closed_port()])


# The cache directory.


def test_cache_directory_is_the_one_pooch_names():
    pooch = pytest.importorskip("pooch")
    assert mnist.cache_directory() == Path(pooch.os_cache("ae_numpy"))


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/xdg/my cache"}, "/xdg/my cache/ae_numpy"),
        ("linux", {"HOME": "/home/zoë"}, "/home/zoë/.cache/ae_numpy"),
        ("linux", {"HOME": "/home/zoë", "XDG_CACHE_HOME": ""}, "/home/zoë/.cache/ae_numpy"),
        ("darwin", {"HOME": "/Users/zoë"}, "/Users/zoë/Library/Caches/ae_numpy"),
        (
            "win32",
            {"LOCALAPPDATA": "/zoë/AppData/Local"},
            "/zoë/AppData/Local/ae_numpy/ae_numpy/Cache",
        ),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="paths are compared in POSIX form")
def test_cache_directory_of_each_platform(monkeypatch, platform, variables, expected):
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert mnist.cache_directory() == Path(expected)


def test_cache_directory_without_home(monkeypatch, tmp_path):
    # expanduser leaves "~" alone for a user without an account entry and without HOME.
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert tmp_path in mnist.cache_directory().parents


# The real files.


@needs_real_data
def test_real_mnist():
    digits = load_mnist(REAL_DATA)
    assert digits.train_images.shape == (60_000, 28, 28)
    assert digits.test_images.shape == (10_000, 28, 28)
    # Published figures: mean grey level 0.1307 of 1, and the number of images of each digit.
    assert round(digits.train_images.mean() / 255, 4) == 0.1307
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(digits.train_labels).tolist() == counts
    assert digits.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert digits.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


@needs_real_data
def test_real_mnist_loads_fast_and_light():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        load_mnist(REAL_DATA)
        seconds.append(time.perf_counter() - start)
    # About 0.3 s; the best of three, because other work may share the machine.
    assert min(seconds) < 1.5
    tracemalloc.start()
    try:
        load_mnist(REAL_DATA)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    arrays = 70_000 * (28 * 28 + 1)
    assert peak < arrays + 5_000_000


@needs_real_data
def test_real_mnist_with_one_pixel_changed(tmp_path):
    for path in Path(REAL_DATA).iterdir():
        if not path.name.startswith(TEST_IMAGES):
            shutil.copyfile(path, tmp_path / path.name)
    images = load_mnist(REAL_DATA).test_images
    images[-1, -1, -1] ^= 1
    (tmp_path / TEST_IMAGES).write_bytes(idx_bytes(images))
    with pytest.raises(ValueError, match=f"found SHA-256 .*expected {mnist.SHA256[TEST_IMAGES]}"):
        load_mnist(tmp_path)
