"""Downloads of IDX files, by pooch: mirrors in turn, and only verified files are kept.

Pooch writes to a temporary file, checks its hash and moves it into place. What is added here is
unpacking, more than one mirror, and one error that says what happened at each. Nothing here knows
MNIST.
"""

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ae_numpy.datasets.idx import parse_idx, write_idx

MAX_BYTES = 1 << 26
"""The largest unpacked file that is accepted; MNIST's largest has 47 million bytes."""


class DataUnavailableError(OSError):
    """A data set is not in the cache and cannot be downloaded.

    The message is one line that says what was tried and what to do. A missing or damaged file in
    a directory the user named is not this error: there, nothing should take its place.

    Examples
    --------
    >>> try:
    ...     raise DataUnavailableError("no network")
    ... except DataUnavailableError as error:
    ...     print(f"falling back: {error}")
    falling back: no network
    """


def download_files(
    sha256: Mapping[str, str],
    mirrors: Sequence[str],
    directory: Path,
    timeout: tuple[float, float] = (3.0, 10.0),
) -> None:
    """Put IDX files into a directory, from the mirrors in turn, unless they are there undamaged.

    After a mirror fails, the remaining files come from the next one.

    Parameters
    ----------
    sha256 : mapping of str to str
        The hash of each unpacked file, by name.
    mirrors : sequence of str
        Each ends in "/" and is completed by a file's name and ".gz".
    directory : path
        Created if it does not exist.
    timeout : tuple of float
        Seconds until an address of a mirror must have accepted the connection, and the longest
        pause before and within its answer.

    Raises
    ------
    DataUnavailableError
        If no mirror provides a file, with what happened at each; or without pooch.
    OSError
        If the directory cannot be written.
    """
    missing, problems = list(sha256), []
    for mirror in mirrors:
        try:
            while missing:
                url = f"{mirror}{missing[0]}.gz"
                _retrieve(url, sha256[missing[0]], directory / missing[0], timeout)
                del missing[0]
        except ValueError as error:
            problems.append(f"{url}: {error}")
    if missing:
        raise DataUnavailableError(f"{missing[0]} cannot be downloaded. {'; '.join(problems)}")


def _retrieve(url: str, sha256: str, path: Path, timeout: tuple[float, float]) -> None:
    """Let pooch put one unpacked file in place; ValueError if the mirror has no such file."""
    try:
        import pooch
    except ImportError as error:
        raise DataUnavailableError(
            'downloading needs the package pooch: pip install "ae_numpy[data]"'
        ) from error

    def fetch(url: str, output_file: str, _: object) -> None:
        body, handled = io.BytesIO(), sys.exception()
        try:
            pooch.HTTPDownloader(timeout=timeout)(url, body, None)
        except OSError as error:  # kept apart from those of the directory
            raise ValueError(_root(error, handled)) from error
        write_idx(output_file, parse_idx(body.getvalue(), "the answer", MAX_BYTES))

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # it would announce every download
    try:
        pooch.retrieve(url, sha256, path.name, path.parent, downloader=fetch)
    finally:
        logger.setLevel(level)


def _root(error: BaseException, handled: BaseException | None) -> str:
    """What began a chain of errors: the operating system's words rather than a library's."""
    while error.__context__ not in (None, handled):  # the latter is the caller's own affair
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())
