"""Four IDX files of the MNIST kind in a folder, under the names that downloads give them.

``train-images-idx3-ubyte`` is also called ``train-images.idx3-ubyte``, is gzipped or not, and is in
a folder of the same name or in ``MNIST/raw``, depending on the program that unpacked it.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.idx import expect, idx_sha256, read_idx
from ae_numpy.validation import flag

_SPLITS = {"train": "train", "t10k": "(t10k|test)"}
_DEPTH = 3  # MNIST/raw/train-images-idx3-ubyte/train-images-idx3-ubyte
_NO_NAMES = {"raw", "gzip"}  # of folders that say how files are kept, not what they are
_MOST_NAMED = 12


def load_idx_digits(
    data_dir: str | os.PathLike[str], *, prefix: str = "", transpose: bool = False
) -> Digits:
    """Load images of 28 x 28 and labels from four IDX files of the MNIST kind.

    Fashion-MNIST, KMNIST and EMNIST are published in this form. What the images show is not
    checked.

    Parameters
    ----------
    data_dir : str or path
        Directory with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same two of
        ``t10k`` or ``test``, plain or gzipped, here or up to three folders below.
    prefix : str
        What the names of the files begin with, such as "emnist-letters".
    transpose : bool
        Whether to exchange rows and columns of the images: EMNIST stores them transposed.

    Returns
    -------
    Digits
        Named by `prefix`, or else by the directory; labels are as they are in the files.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    TypeError, ValueError
        If a file is damaged or holds something else, or several files of one name differ.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         load_idx_digits(empty, prefix="emnist-letters")
    ...     except FileNotFoundError:
    ...         print("not there")
    not there
    """
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, got {prefix!r:.200}")
    transpose = flag(transpose, "transpose")
    directory = directory_of(data_dir)
    files = list(files_in(directory))
    arrays: dict[str, NDArray] = {}
    for split, part in (("train", "train"), ("t10k", "test")):
        (path, images), of_labels = (
            _the_only(directory, files, split, kind, prefix) for kind in ("images", "labels")
        )
        labels = checked_labels(path, images, *of_labels, 255)
        images = np.ascontiguousarray(images.transpose(0, 2, 1) if transpose else images)
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    folders = (part for part in reversed(directory.resolve().parts) if part not in _NO_NAMES)
    return Digits(name=prefix.strip("-_. ") or next(folders, "idx"), **arrays)


def directory_of(data_dir: str | os.PathLike[str]) -> Path:
    """Return the path of a directory, "~" resolved."""
    if not isinstance(data_dir, str | os.PathLike):
        raise TypeError(f"data_dir must be the path of a directory, got {data_dir!r:.200}")
    return Path(os.path.expanduser(data_dir))


def files_in(directory: Path) -> Iterator[Path]:
    """Find the files in a directory and in those below, the nearest first."""
    for depth in range(_DEPTH + 1):  # looked into only if the levels above were not enough
        paths = sorted(directory.glob("*/" * depth + "*"))
        yield from (path for path in paths if path.name[0] != "." and path.is_file())


def named(files: Iterable[Path], split: str, kind: str, prefix: str = "") -> list[Path]:
    """Select the files whose names are those of a split ("train", "t10k") and a kind."""
    pattern = f"{re.escape(_letters(prefix))}{_SPLITS[split]}{kind}(idx\\d?)?(ubyte|int)?(gz)?"
    return [path for path in files if re.fullmatch(pattern, _letters(path.name))]


def what_is_in(directory: Path, files: list[Path]) -> str:
    """Name the files of a directory, for an error."""
    if not directory.is_dir():
        return "This is not a directory"
    names = [str(path.relative_to(directory)) for path in files[:_MOST_NAMED]]
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"It has {', '.join(names) or 'no files'}{more}"


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _the_only(
    directory: Path, files: list[Path], split: str, kind: str, prefix: str
) -> tuple[Path, NDArray]:
    """The array that all files of these names hold, and the first of them."""
    paths = named(files, split, kind, prefix)
    wanted = "-".join(filter(None, (prefix.strip("-_"), split, kind)))
    if not paths:
        raise FileNotFoundError(
            f"{directory}: found no {wanted}-idx{3 if kind == 'images' else 1}-ubyte, plain or "
            f"with .gz added. {what_is_in(directory, files)}; what names begin with is the prefix"
        )
    array = read_idx(paths[0])
    are_same = all(idx_sha256(read_idx(path)) == idx_sha256(array) for path in paths[1:])
    expected = f"one file of {wanted}: name the directory of the one you mean as data_dir"
    expect(are_same, directory, f"{', '.join(map(str, paths))}, which differ", expected)
    return paths[0], array


def checked_labels(
    path: Path, images: NDArray, labels_path: Path, labels: NDArray, highest: int
) -> NDArray[np.uint8]:
    """Return the labels of images: one each, from 0 to `highest`; images are 28 x 28 bytes."""
    are_images = images.dtype == np.uint8 and images.ndim == 3 and images.shape[1:] == (28, 28)
    found = f"{images.dtype} of shape {images.shape}"
    expect(are_images, path, found, "(N, 28, 28) of uint8")
    are_labels = labels.shape == (len(images),) and labels.dtype.kind in "iu"
    found = f"{labels.dtype} labels of shape {labels.shape}"
    expect(are_labels, labels_path, found, f"({len(images)},), one per image, integers")
    index = int(np.argmax((labels < 0) | (labels > highest)))  # the first, or else 0
    found = f"the label {labels[index]} at {index}"
    expect(0 <= labels[index] <= highest, labels_path, found, f"0 to {highest}")
    return labels.astype(np.uint8)
