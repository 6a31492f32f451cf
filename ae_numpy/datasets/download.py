"""Downloads of IDX files: mirrors in turn, every wait bounded, nothing kept that is not verified.

`Mirrors` turns a file's name and hash into its array, or into one error that tells what happened
at each mirror. `CachedMirrors` keeps what arrives in a directory, through pooch, which writes to a
temporary file, verifies and moves it into place. Nothing here knows MNIST.
"""

import contextlib
import http.client
import importlib
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ae_numpy.datasets.idx import idx_sha256, parse_idx, read_idx, write_idx

MAX_BYTES = 1 << 26
"""The largest file that is downloaded or unpacked; MNIST's largest has 47 million bytes."""


class DataUnavailableError(OSError):
    """A data set can be had neither from the cache nor from the network.

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


class Mirrors:
    """Addresses that hold the same gzipped IDX files, tried in turn.

    A mirror that gave no complete answer is not asked again; one that answered, if only with 404
    or with a wrong file, is asked for the next file too.

    Parameters
    ----------
    urls : sequence of str
        Each ends in "/" and is completed by the file's name and ".gz".
    connect_seconds : float
        Until the answer begins: name resolution, all addresses of the host, TLS, HTTP header.
    stall_seconds : float
        The longest pause within an answer.
    total_seconds : float
        For the body of one answer.
    max_bytes : int
        The largest answer, and the largest decompressed file, in bytes.

    Examples
    --------
    >>> mirrors = Mirrors(["https://storage.googleapis.com/cvdf-datasets/mnist/"])
    >>> labels = mirrors.fetch("t10k-labels-idx1-ubyte", sha256)  # doctest: +SKIP
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        connect_seconds: float = 5.0,
        stall_seconds: float = 10.0,
        total_seconds: float = 300.0,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.urls = tuple(urls)
        self.connect_seconds = connect_seconds
        self.stall_seconds = stall_seconds
        self.total_seconds = total_seconds
        self.max_bytes = max_bytes
        self._gave_no_answer: dict[str, str] = {}  # mirror -> what happened

    def fetch(self, name: str, sha256: str) -> NDArray[np.uint8]:
        """Return the array of the IDX file whose decompressed content has the given SHA-256.

        Raises DataUnavailableError, naming each mirror and what happened, if none sends it.
        """
        problems = []
        for mirror in self.urls:
            url = f"{mirror}{name}.gz"
            if mirror in self._gave_no_answer:
                problems.append(f"{url}: {self._gave_no_answer[mirror]}")
                continue
            try:
                return _verified(self._receive(url), sha256, url, self.max_bytes)
            except urllib.error.HTTPError as error:
                error.close()
                problems.append(_one_line(f"{url}: HTTP {error.code} {error.reason}"))
            except ValueError as error:
                problems.append(_one_line(error))
            except (OSError, http.client.HTTPException) as error:
                self._gave_no_answer[mirror] = _one_line(_cause(error))
                problems.append(f"{url}: {self._gave_no_answer[mirror]}")
        raise DataUnavailableError(f"{name} cannot be downloaded. {'; '.join(problems)}")

    def _receive(self, url: str) -> bytearray:
        """The body of the answer to a GET request."""
        with _open(url, self.connect_seconds, self.stall_seconds) as response:
            deadline = time.monotonic() + self.total_seconds
            announced = response.length
            if announced is not None and announced > self.max_bytes:
                raise ValueError(
                    f"{url}: found {announced} bytes, expected at most {self.max_bytes}"
                )
            body = bytearray()
            while chunk := response.read1(1 << 16):
                body += chunk
                if len(body) > self.max_bytes:
                    raise ValueError(
                        f"{url}: found an endless body, expected at most {self.max_bytes} bytes"
                    )
                if time.monotonic() > deadline:
                    raise TimeoutError(f"incomplete after {self.total_seconds:g} s")
        if announced is not None and len(body) < announced:
            raise ConnectionError(f"the connection closed after {len(body)} of {announced} bytes")
        return body


class CachedMirrors:
    """Mirrors whose files are kept in a directory, or in memory where it cannot be written.

    Parameters
    ----------
    directory : path
        Made when the first file arrives.
    mirrors : Mirrors
        Where files come from.

    Attributes
    ----------
    problem : str or None
        Why the directory could not be used, for the caller to tell the user once.
    """

    def __init__(self, directory: Path, mirrors: Mirrors) -> None:
        self.directory = directory
        self.mirrors = mirrors
        self.problem: str | None = None

    def fetch(self, name: str, sha256: str) -> NDArray[np.uint8]:
        """Return the array of a file, downloaded unless the directory holds it undamaged."""
        if self.problem is None:
            try:
                path = self._retrieve(name, sha256)
                return read_idx(path, max_bytes=self.mirrors.max_bytes)
            except DataUnavailableError:
                raise
            except (OSError, ValueError) as error:  # read-only, full or failing disk
                # In words: the error itself would keep the array that could not be written.
                self.problem = str(error)
        return self.mirrors.fetch(name, sha256)

    def _retrieve(self, name: str, sha256: str) -> str:
        """Have pooch put the decompressed file into the directory; its path."""
        pooch = _import_pooch()

        def download(url: str, output_file: str, _: object) -> None:
            write_idx(output_file, self.mirrors.fetch(name, sha256))

        url = f"{self.mirrors.urls[0]}{name}.gz"
        path: str = pooch.retrieve(
            url, known_hash=sha256, fname=name, path=self.directory, downloader=download
        )
        return path


def _import_pooch() -> ModuleType:
    """Import pooch, or say how to install it."""
    try:
        return importlib.import_module("pooch")
    except ImportError as error:
        raise DataUnavailableError(
            'downloading needs the package pooch: pip install "ae_numpy[data]"'
        ) from error


def _verified(body: bytearray, sha256: str, url: str, max_bytes: int) -> NDArray[np.uint8]:
    """Decode a downloaded file whose decompressed content must have the given SHA-256."""
    array = parse_idx(body, url, max_bytes)
    found = idx_sha256(array)
    if found != sha256:
        raise ValueError(
            f"{url}: found SHA-256 {found} of the decompressed file, expected {sha256}"
        )
    return array


def _open(url: str, seconds: float, stall_seconds: float) -> http.client.HTTPResponse:
    """Send a GET request, and return within `seconds` with the answer's header or an error."""
    # A timeout of urlopen holds for each address of a host in turn (these hosts have a dozen) and
    # not for name resolution at all. Hence a thread, left behind if it is late.
    opened: Future[http.client.HTTPResponse] = Future()

    def work() -> None:
        try:
            response = urllib.request.urlopen(url, timeout=stall_seconds)
        except Exception as error:
            with contextlib.suppress(InvalidStateError):  # nobody waits any longer
                opened.set_exception(error)
            return
        try:
            opened.set_result(response)
        except InvalidStateError:
            response.close()

    threading.Thread(target=work, daemon=True).start()
    try:
        return opened.result(timeout=seconds)
    except TimeoutError:
        if opened.cancel():
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        return opened.result()


def _cause(error: Exception) -> object:
    """What went wrong with a connection, in the operating system's words where there are any."""
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return f"no valid HTTP answer ({error!r})"
    reason = getattr(error, "reason", error)  # URLError wraps the original error
    return getattr(reason, "strerror", None) or reason


def _one_line(problem: object) -> str:
    """What happened, short enough to stand in an error message beside others."""
    return textwrap.shorten(str(problem) or type(problem).__name__, 400)
