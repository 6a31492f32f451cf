"""IDX files, the format in which MNIST is published.

    offset 0    00 00 t r     two zeros, the type t of the entries (8: unsigned bytes), the rank r
    offset 4    r numbers     the dimensions, big-endian, four bytes each
    then        the entries   row-major, big-endian, to the end of the file

A file may be gzipped: its first bytes decide, not its name. Lengths are checked before memory
is allocated for what they announce, so a damaged or hostile file costs a ValueError and little
else. Ranks above 3 are left out.
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
# The types of entries, by their code.
_DTYPES = {
    code: np.dtype(name)
    for code, name in ((8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8"))
}
# DEFLATE writes at least 2 bits for 258 bytes: nothing gzipped grows by more when unpacked.
_MAX_DEFLATE_RATIO = 1032
_CHUNK = 1 << 18


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 30) -> NDArray:
    """Read an IDX file, plain or gzipped.

    LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998, define the format.

    Parameters
    ----------
    path : str or path
        The file. Its name does not matter: gzip is recognised by content.
    max_bytes : int, default 1 GiB
        The largest decompressed size, in bytes, that is accepted.

    Returns
    -------
    array
        Of the shape and type that the file announces: 1, 2 or 3 dimensions, each at least 1; of
        uint8, int8, int16, int32, float32 or float64, in the byte order of this machine.

    Raises
    ------
    ValueError
        If the file is anything but one whole IDX array. The message names the file, what
        was found and what was expected.
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


def parse_idx(content: bytes | bytearray, name: str, max_bytes: int) -> NDArray:
    """Decode the content of an IDX file, plain or gzipped; errors call it `name`."""
    return _decode(io.BytesIO(content), len(content), name, max_bytes)


def write_idx(path: str | os.PathLike[str], array: NDArray) -> None:
    """Write an array of rank 1 to 3, of a type that `read_idx` reads, as a plain IDX file."""
    with open(path, "wb") as file:
        dump_idx(file, array)


def dump_idx(file: IO[bytes], array: NDArray) -> None:
    """Write the same to an open file."""
    file.write(_header(array))
    file.write(_entries(array))


def idx_sha256(array: NDArray) -> str:
    """SHA-256 of the plain IDX file that holds `array`, in hexadecimal."""
    # The header follows from the shape and nothing may follow the entries: array and plain
    # file determine each other, so the file need not be unpacked a second time to be hashed.
    digest = hashlib.sha256(_header(array))
    digest.update(_entries(array))
    return digest.hexdigest()


def _header(array: NDArray) -> bytes:
    """Return the bytes of an IDX file before the entries."""
    code = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}[array.dtype]
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def _entries(array: NDArray) -> memoryview:
    """Return the bytes of the entries."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder(">")).reshape(-1).view("u1").data


def _decode(file: BinaryIO, size: int, name: str, max_bytes: int) -> NDArray:
    """Decode an open file of `size` bytes."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if magic != _GZIP_MAGIC:
        return _decode_plain(file, size, name, max_bytes)
    # zlib.error and EOFError are not OSErrors; BadGzipFile is one although no device failed.
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return _decode_gzipped(stream, size, name, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{name}: found a damaged gzip file ({error}), expected a whole one"
        ) from error


def _decode_plain(file: BinaryIO, size: int, name: str, max_bytes: int) -> NDArray:
    """Decode a plain file, whose size must be the announced one to the byte."""
    shape, dtype = _read_header(file, name)
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(f"{name}: found {size} bytes, expected {expected} for shape {shape}")
    _require_at_most(max_bytes, expected, name, shape)
    return _read_entries(file, shape, dtype, name)


def _decode_gzipped(stream: gzip.GzipFile, size: int, name: str, max_bytes: int) -> NDArray:
    """Decode a gzipped file of `size` bytes, reading no further than one byte past the entries."""
    shape, dtype = _read_header(stream, name)
    expected = stream.tell() + math.prod(shape) * dtype.itemsize
    _require_at_most(max_bytes, expected, name, shape)
    if expected > size * _MAX_DEFLATE_RATIO:
        raise ValueError(
            f"{name}: found a gzip file of {size} bytes, expected more: "
            f"it cannot hold the {expected} bytes of shape {shape}"
        )
    array = _read_entries(stream, shape, dtype, name)
    # Asking for one more byte also makes the gzip module verify its checksum.
    if stream.read(1):
        raise ValueError(
            f"{name}: found more than {expected} decompressed bytes, "
            f"expected {expected} for shape {shape}"
        )
    return array


def _read_header(stream: BinaryIO | gzip.GzipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Read the magic number and the dimensions."""
    magic = stream.read(4)
    known = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in _DTYPES
    if not known or magic[3] not in (1, 2, 3):
        hint = " (perhaps a web page)" if magic.lstrip().startswith(b"<") else ""
        raise ValueError(
            f"{name}: found {magic!r} at the start{hint}, expected an IDX file: two zeros, a type "
            f"of {', '.join(map(str, _DTYPES))} (8: unsigned bytes), the rank 1, 2 or 3"
        )
    rank = magic[3]
    dimensions = stream.read(4 * rank)
    if len(dimensions) < 4 * rank:
        found = len(dimensions)
        raise ValueError(f"{name}: found {found} bytes of dimensions, expected {4 * rank}")
    shape = struct.unpack(f">{rank}I", dimensions)
    if 0 in shape:
        raise ValueError(f"{name}: found the shape {shape}, expected dimensions of at least 1")
    return shape, _DTYPES[magic[2]]


def _require_at_most(max_bytes: int, size: int, name: str, shape: tuple[int, ...]) -> None:
    """Refuse a file that announces more than `max_bytes`."""
    if size > max_bytes:
        raise ValueError(
            f"{name}: found the shape {shape}, {size} bytes, expected at most {max_bytes}"
        )


def _read_entries(
    stream: BinaryIO | gzip.GzipFile, shape: tuple[int, ...], dtype: np.dtype, name: str
) -> NDArray:
    """Read as many entries as the shape has, which must all be there."""
    entries = np.empty(math.prod(shape), dtype)  # (size,)
    filled = _fill(stream, entries.view("u1").data)
    if filled < entries.nbytes:
        raise ValueError(
            f"{name}: found {filled} bytes of entries, expected {entries.nbytes} for shape {shape}"
        )
    return entries.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


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
