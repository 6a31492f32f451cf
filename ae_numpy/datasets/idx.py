"""IDX files, the format in which MNIST is published.

    offset 0    00 00 t r     two zeros, the type t of the entries (8: unsigned bytes), the rank r
    offset 4    r numbers     the dimensions, big-endian, four bytes each
    then        the entries   row-major, big-endian, to the end of the file

A file may be gzipped, which its first bytes say and not its name. Lengths are checked before memory
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

Stream = BinaryIO | gzip.GzipFile

_GZIP_MAGIC = b"\x1f\x8b"
# The types of entries, by their code.
_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
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
        If the file is anything else than one whole IDX array. The message names the file, what
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
    # The header follows from the shape and nothing may stand behind the entries: array and plain
    # file determine each other, so the file need not be unpacked a second time to be hashed.
    digest = hashlib.sha256(_header(array))
    digest.update(_entries(array))
    return digest.hexdigest()


def _header(array: NDArray) -> bytes:
    """Return the bytes of an IDX file before the entries."""
    code = {np.dtype(name).newbyteorder("="): code for code, name in _DTYPES.items()}[array.dtype]
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def _entries(array: NDArray) -> memoryview:
    """Return the bytes of the entries."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder(">")).reshape(-1).view("u1").data


def expect(holds: bool, where: str | os.PathLike[str], found: str, expected: str) -> None:
    """Raise ValueError, which says what was found instead, unless an expectation holds."""
    if not holds:
        raise ValueError(f"{where}: found {found}, expected {expected}")


def _decode(file: BinaryIO, size: int, name: str, max_bytes: int) -> NDArray:
    """Decode an open file of `size` bytes."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if magic != _GZIP_MAGIC:
        return _decode_stream(file, size, name, max_bytes)
    # zlib.error and EOFError are no OSErrors, and BadGzipFile is one although no device failed.
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            return _decode_stream(stream, size, name, max_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        damage = f"found a damaged gzip file ({error}), expected a whole one"
        raise ValueError(f"{name}: {damage}") from error


def _decode_stream(stream: Stream, size: int, name: str, max_bytes: int) -> NDArray:
    """Decode a file of `size` bytes, reading no further than one byte past the entries."""
    shape, dtype = _read_header(stream, name)
    total = stream.tell() + math.prod(shape) * dtype.itemsize
    of_shape = f"{total} for shape {shape}"
    is_gzip = isinstance(stream, gzip.GzipFile)
    expect(is_gzip or size == total, name, f"{size} bytes", of_shape)
    expect(total <= max_bytes, name, f"the shape {shape}, {total} bytes", f"at most {max_bytes}")
    hint = f"more: it cannot hold the {total} bytes of shape {shape}"
    expect(total <= size * _MAX_DEFLATE_RATIO, name, f"a gzip file of {size} bytes", hint)
    entries = np.empty(math.prod(shape), dtype)  # (size,)
    filled = _fill(stream, entries.view("u1").data)
    of_shape = f"{entries.nbytes} for shape {shape}"
    expect(filled == entries.nbytes, name, f"{filled} bytes of entries", of_shape)
    # Asking for one more byte also makes the gzip module verify its checksum.
    expect(not stream.read(1), name, f"more than {total} decompressed bytes", f"{total}")
    return entries.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_header(stream: Stream, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Read the magic number and the dimensions."""
    magic = stream.read(4)
    known = len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in _DTYPES
    hint = " (perhaps a web page)" if magic.lstrip().startswith(b"<") else ""
    types = ", ".join(map(str, _DTYPES))
    expected = f"two zeros, a type of {types} (8: unsigned bytes), the rank 1, 2 or 3"
    is_idx = known and magic[3] in (1, 2, 3)
    expect(is_idx, name, f"{magic!r} at the start{hint}", f"an IDX file: {expected}")
    n_bytes = 4 * magic[3]
    dimensions = stream.read(n_bytes)
    expect(len(dimensions) == n_bytes, name, f"{len(dimensions)} bytes of dimensions", f"{n_bytes}")
    shape = struct.unpack(f">{magic[3]}I", dimensions)
    expect(0 not in shape, name, f"the shape {shape}", "dimensions of at least 1")
    return shape, np.dtype(_DTYPES[magic[2]])


def _fill(stream: Stream, buffer: memoryview) -> int:
    """Read into `buffer` until it is full or the stream ends; the number of bytes read."""
    filled = 0
    # Chunks, because GzipFile.readinto holds all that it is asked for a second time.
    while count := stream.readinto(buffer[filled : filled + _CHUNK]):  # type: ignore[union-attr]
        filled += count
    return filled
