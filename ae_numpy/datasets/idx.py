"""IDX files, the format in which MNIST is published.

    offset 0    00 00 08 r    two zeros, 8 for unsigned bytes, the rank r
    offset 4    r numbers     the dimensions, big-endian, four bytes each
    then        the entries   row-major, one byte each, to the end of the file

A file may be gzipped, which is told by its first bytes and not by its name. Lengths are checked
before memory is allocated for what they announce, so a damaged or hostile file costs a ValueError
and little else. Other entry types and ranks above 3 are left out.
"""

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from typing import IO, BinaryIO

import numpy as np
from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b"
_IDX_MAGIC = b"\x00\x00\x08"
# DEFLATE writes at least 2 bits for 258 bytes: nothing gzipped grows by more when unpacked.
_MAX_DEFLATE_RATIO = 1032
_CHUNK = 1 << 18


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 30) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998, define the format.

    Parameters
    ----------
    path : str or path
        The file. Its name does not matter: gzip is recognised by content.
    max_bytes : int, default 1 GiB
        The largest decompressed size, in bytes, that is accepted.

    Returns
    -------
    uint8 array
        Of the shape the file announces: 1, 2 or 3 dimensions, each at least 1.

    Raises
    ------
    ValueError
        If the file is anything else than one whole IDX array of unsigned bytes. The message
        names the file, what was found and what was expected.
    OSError
        If the file cannot be opened or read.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "labels")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    with open(path, "rb") as file:
        return _decode(file, os.fstat(file.fileno()).st_size, os.fspath(path), max_bytes)


def parse_idx(content: bytes | bytearray, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Decode the content of an IDX file, plain or gzipped; errors call it `name`."""
    return _decode(io.BytesIO(content), len(content), name, max_bytes)


def write_idx(path: str | os.PathLike[str], array: NDArray[np.uint8]) -> None:
    """Write a uint8 array of rank 1 to 3 as a plain IDX file."""
    with open(path, "wb") as file:
        dump_idx(file, array)


def dump_idx(file: IO[bytes], array: NDArray[np.uint8]) -> None:
    """Write a uint8 array of rank 1 to 3 to an open file."""
    file.write(_header(array))
    file.write(np.ascontiguousarray(array).data)


def idx_sha256(array: NDArray[np.uint8]) -> str:
    """SHA-256 of the plain IDX file that holds `array`, in hexadecimal."""
    # The header follows from the shape and nothing may stand behind the entries: array and plain
    # file determine each other, so the file need not be unpacked a second time to be hashed.
    digest = hashlib.sha256(_header(array))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _header(array: NDArray[np.uint8]) -> bytes:
    """The bytes of an IDX file that stand before the entries."""
    return _IDX_MAGIC + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape)


def _decode(file: BinaryIO, size: int, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Decode an open file of `size` bytes."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if magic != _GZIP_MAGIC:
        return _decode_plain(file, size, name, max_bytes)
    # zlib.error and EOFError are no OSErrors, and BadGzipFile is one although no device failed.
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return _decode_gzipped(stream, size, name, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{name}: found a damaged gzip file ({error}), expected a whole one"
        ) from error


def _decode_plain(file: BinaryIO, size: int, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Decode a plain file, whose size must be the announced one to the byte."""
    shape = _read_shape(file, name)
    expected = file.tell() + math.prod(shape)
    if size != expected:
        raise ValueError(f"{name}: found {size} bytes, expected {expected} for shape {shape}")
    _require_at_most(max_bytes, expected, name, shape)
    return _read_entries(file, shape, name)


def _decode_gzipped(
    stream: gzip.GzipFile, size: int, name: str, max_bytes: int
) -> NDArray[np.uint8]:
    """Decode a gzipped file of `size` bytes, reading no further than one byte past the entries."""
    shape = _read_shape(stream, name)
    expected = stream.tell() + math.prod(shape)
    _require_at_most(max_bytes, expected, name, shape)
    if expected > size * _MAX_DEFLATE_RATIO:
        raise ValueError(
            f"{name}: found a gzip file of {size} bytes, expected more: "
            f"it cannot hold the {expected} bytes of shape {shape}"
        )
    array = _read_entries(stream, shape, name)
    # Asking for one more byte also makes the gzip module verify its checksum.
    if stream.read(1):
        raise ValueError(
            f"{name}: found more than {expected} decompressed bytes, "
            f"expected {expected} for shape {shape}"
        )
    return array


def _read_shape(stream: BinaryIO | gzip.GzipFile, name: str) -> tuple[int, ...]:
    """Read the magic number and the dimensions."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != _IDX_MAGIC or magic[3] not in (1, 2, 3):
        hint = " (perhaps a web page)" if magic.lstrip().startswith(b"<") else ""
        raise ValueError(
            f"{name}: found {magic!r} at the start{hint}, expected {_IDX_MAGIC!r} and the rank "
            "1, 2 or 3: an IDX file of unsigned bytes"
        )
    rank = magic[3]
    dimensions = stream.read(4 * rank)
    if len(dimensions) < 4 * rank:
        found = len(dimensions)
        raise ValueError(f"{name}: found {found} bytes of dimensions, expected {4 * rank}")
    shape = struct.unpack(f">{rank}I", dimensions)
    if 0 in shape:
        raise ValueError(f"{name}: found the shape {shape}, expected dimensions of at least 1")
    return shape


def _require_at_most(max_bytes: int, size: int, name: str, shape: tuple[int, ...]) -> None:
    """Refuse a file that announces more than `max_bytes`."""
    if size > max_bytes:
        raise ValueError(
            f"{name}: found the shape {shape}, {size} bytes, expected at most {max_bytes}"
        )


def _read_entries(
    stream: BinaryIO | gzip.GzipFile, shape: tuple[int, ...], name: str
) -> NDArray[np.uint8]:
    """Read as many entries as the shape has, which must all be there."""
    entries = np.empty(math.prod(shape), dtype=np.uint8)  # (size,)
    filled = _fill(stream, entries.data)
    if filled < entries.size:
        raise ValueError(
            f"{name}: found {filled} bytes of entries, expected {entries.size} for shape {shape}"
        )
    return entries.reshape(shape)


def _fill(stream: BinaryIO | gzip.GzipFile, buffer: memoryview) -> int:
    """Read into `buffer` until it is full or the stream ends; the number of bytes read."""
    filled = 0
    # Chunks, because GzipFile.readinto holds all that it is asked for a second time.
    while filled < len(buffer):
        count = stream.readinto(buffer[filled : filled + _CHUNK])  # type: ignore[union-attr]
        if not count:
            break
        filled += count
    return filled
