"""MNIST: 60 000 + 10 000 handwritten digits (LeCun, Cortes and Burges, 1998).

The four IDX files are taken from a directory the user names, else from the user's cache, else
downloaded into it. Whatever their source, name and compression, they are MNIST if and only if the
SHA-256 of each decompressed file is the known one.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ae_numpy.datasets import folder
from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.download import MAX_BYTES, DataUnavailableError, download_files
from ae_numpy.datasets.idx import expect, idx_sha256, read_idx

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each decompressed file, by name."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_ADVICE = (
    f"put {', '.join(SHA256)} (plain, or gzipped with .gz added) into a directory and name it as "
    "data_dir or in AE_NUMPY_DATA"
)


def load_mnist(data_dir: str | os.PathLike[str] | None = None, download: bool = True) -> Digits:
    """Load MNIST (LeCun, Cortes and Burges, 1998) from a directory, the cache, or the network.

    The files are looked for in `data_dir`; if that is None, in the directory the environment
    variable AE_NUMPY_DATA names; if that is unset or empty, in the user's cache; and what the cache
    lacks, or holds damaged, is downloaded into it. A directory that was named is the only source.

    Parameters
    ----------
    data_dir : str or path, optional
        Directory with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
        t10k-labels-idx1-ubyte, plain or gzipped. Their hashes prove them: they may have other
        names, and be up to three folders below, as in MNIST/raw.
    download : bool, default True
        Whether the network may be used, which needs the package pooch.

    Returns
    -------
    Digits
        Named "mnist": images ``(60000, 28, 28)`` and ``(10000, 28, 28)``, labels ``(60000,)`` and
        ``(10000,)``, all uint8.

    Raises
    ------
    FileNotFoundError
        If a directory was named and lacks a file.
    TypeError
        If `data_dir` is not a path.
    ValueError
        If a file in a named directory is damaged or not MNIST's.
    DataUnavailableError
        If no directory was named and MNIST is not in the cache and cannot be downloaded:
        the one error to catch in order to fall back on other data.

    Warns
    -----
    UserWarning
        If the cache cannot be written; the images are then kept in memory only.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         load_mnist(empty)
    ...     except FileNotFoundError:
    ...         print("not there")
    not there
    >>> digits = load_mnist()  # doctest: +SKIP
    >>> digits.train_images.shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    source = data_dir if data_dir is not None else os.environ.get("AE_NUMPY_DATA") or None
    arrays = _from_cache(download) if source is None else _from_directory(source)
    train = arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]
    return Digits(*train, arrays[TEST_IMAGES], arrays[TEST_LABELS], name="mnist")


def cache_directory() -> Path:
    """The user's cache directory for ae_numpy, the one pooch.os_cache names; it need not exist."""
    # Spelled out so that files cached with pooch's help are found without pooch, too.
    variable, base, parts = _PLACES.get(sys.platform, ("XDG_CACHE_HOME", "~/.cache", ["ae_numpy"]))
    # "~" stays where a user has no home: then it is the directory of temporary files.
    path = Path(os.path.expanduser(os.environ.get(variable) or base))
    return (path if path.is_absolute() else Path(tempfile.gettempdir())).joinpath(*parts)


_PLACES = {
    "win32": ("LOCALAPPDATA", "~/AppData/Local", ["ae_numpy", "ae_numpy", "Cache"]),
    "darwin": ("", "~/Library/Caches", ["ae_numpy"]),
}


def _from_directory(data_dir: str | os.PathLike[str]) -> dict[str, NDArray[np.uint8]]:
    """Read the four files from a directory that must hold them all, whatever their names."""
    directory = folder.directory_of(data_dir)
    arrays = _proven(directory)
    if len(arrays) < len(SHA256):
        _refuse(directory, arrays)
    return arrays


def _refuse(directory: Path, arrays: dict[str, NDArray]) -> None:
    """Say what is wrong with the files that are not MNIST's, or that there are none."""
    files = list(folder.files_in(directory))
    suspects = {name: folder.named(files, *name.split("-")[:2])[:1] for name in SHA256}
    absent = [name for name in SHA256 if name not in arrays and not suspects[name]]
    if absent:
        raise FileNotFoundError(
            f"{directory}: found no {', '.join(absent)}, plain or with .gz added, nor MNIST's "
            f"under other names. {folder.what_is_in(directory, files)}. To load MNIST, {_ADVICE}; "
            "or leave both unset, and it is downloaded."
        )
    paths = {name: path for name, [path] in suspects.items() if name not in arrays}
    arrays |= {name: read_idx(path, max_bytes=MAX_BYTES) for name, path in paths.items()}
    # First, because these errors say more than that of the hash, which none of `paths` has.
    for pair in ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS)):
        images, labels = ((paths.get(name, directory), arrays[name]) for name in pair)
        folder.checked_labels(*images, *labels, 9)
    name, path = next(iter(paths.items()))
    found = f"SHA-256 {idx_sha256(arrays[name])} of the decompressed file"
    other = "this is not MNIST's file. For other data sets, use load_idx_digits."
    expect(False, path, found, f"{SHA256[name]}: {other}")


def _proven(directory: Path) -> dict[str, NDArray[np.uint8]]:
    """Read the files of MNIST in a directory, until all are found; any other is passed over."""
    names = {sha256: name for name, sha256 in SHA256.items()}
    arrays: dict[str, NDArray[np.uint8]] = {}
    for path in folder.files_in(directory):
        with suppress(OSError, ValueError):
            array = read_idx(path, max_bytes=MAX_BYTES)
            if name := names.get(idx_sha256(array)):
                arrays[name] = array
        if len(arrays) == len(SHA256):
            break
    return arrays


def _from_cache(may_download: bool) -> dict[str, NDArray[np.uint8]]:
    """Read the four files from the cache, and download what it lacks."""
    cache = cache_directory()
    arrays = _proven(cache)
    missing = {name: SHA256[name] for name in SHA256 if name not in arrays}
    if not missing:
        return arrays
    if not may_download:
        raise DataUnavailableError(
            f"MNIST's {', '.join(missing)} not in the cache {cache}, and download=False. "
            f"Allow the download, or {_ADVICE}."
        )
    try:
        return arrays | _downloaded(cache, missing)
    except DataUnavailableError:
        raise
    except OSError as error:  # read-only, full or failing disk
        problem = str(error)
    with tempfile.TemporaryDirectory() as directory:
        arrays |= _downloaded(Path(directory), missing)
    warnings.warn(
        f"The cache {cache} cannot be used ({problem}): MNIST is kept in memory and will be "
        f"downloaded again next time. To avoid that, {_ADVICE}.",
        stacklevel=3,
    )
    return arrays


def _downloaded(directory: Path, sha256: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """Download files into a directory, and read them."""
    try:
        download_files(sha256, MIRRORS, directory)
    except DataUnavailableError as error:
        raise DataUnavailableError(
            f"MNIST is not in the cache {cache_directory()}, and {error}. "
            f"Without a download, {_ADVICE}."
        ) from error
    return {name: read_idx(directory / name, max_bytes=MAX_BYTES) for name in sha256}
