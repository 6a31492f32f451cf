"""One .npz file of arrays and a header: replaced atomically, validated before it is used.

The header is JSON and holds everything that is not an array, with the kind and the version of the
file. Nothing in it is pickled. Files are not trusted: what one declares is compared with what is
expected before memory is allocated. So reading takes the size of the arrays, twenty times that of
the header, while JSON is parsed, and a few megabytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ae_numpy.storage.atomic import refuse_what_is_no_file, replacing
from ae_numpy.validation import Rule, shown

Names = Collection[str]
Arrays = Mapping[str, NDArray]
Shapes = Mapping[str, tuple[np.dtype, tuple[int, ...]]]

_HEADER = "header"
_MAX_HEADER_BYTES = 1 << 24  # 100,000 epochs of history take a tenth of this
# Lists, objects and their keys grow most when JSON is parsed, and a header has few of them.
_MAX_HEADER_PARTS = 1 << 16
_STRING_OR_PART = re.compile(rb'"(?>[^"\\]+|\\.)*+"|([\]}:])')
_CHUNK = 1 << 18
# Of zip: a member's header without its name, with its 64-bit sizes, and the last record.
_MEMBER, _SIZES_64, _END = struct.Struct("<26xHH"), 20, struct.Struct("<4s16xH")


def write_npz(
    path: str | os.PathLike, kind: str, version: int, header: Mapping[str, Any], arrays: Arrays
) -> None:
    """Write a header and arrays to an .npz file, whole or not at all.

    Parameters
    ----------
    path : str or path
        See `atomic.replacing`, which writes it.
    kind : str
        What the file is, such as ``"ae_numpy model"``.
    version : int
        Of this kind of file.
    header : mapping
        What JSON can hold.
    arrays : mapping of str to array
        Numbers of any shape, by their names in the file.

    Raises
    ------
    ValueError
        If the header is too large to be read again, or an array holds objects.
    OSError
        If the file cannot be written; an existing file is unchanged.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "arrays.npz")
    ...     write_npz(path, "matrix", 1, {}, {"W": np.eye(2)})
    ...     with np.load(path) as file:
    ...         file["W"]
    array([[1., 0.],
           [0., 1.]])
    """
    content = json.dumps({"format": kind, "version": version, **header}).encode()
    _check_growth(content)
    members = {_HEADER: np.frombuffer(content, np.uint8), **arrays}
    # Like np.savez, which before NumPy 2.1 leaves the archive open if the disk is full.
    with replacing(path) as file, ZipFile(file, "w") as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def read_npz(
    path: str | os.PathLike, kind: str, version: int, expected: Callable[[dict[str, Any]], Shapes]
) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Read what `write_npz` has written, and nothing else.

    Parameters
    ----------
    path : str or path
    kind : str
    version : int
    expected : callable
        Receives the header, without format and version, checks it, and returns the dtype and shape
        of every array that must be present; raises ValueError if the header is not valid.

    Returns
    -------
    header : dict
    arrays : dict of str to array
        Floating-point ones are finite.

    Raises
    ------
    ValueError
        If the file is anything else, or damaged: the error names the file, what was expected, and
        what was found. No more memory than the file's own size has been allocated.
    OSError
        If the file cannot be read, or is no regular file.
    """
    refuse_what_is_no_file(path)  # before a pipe is waited for
    with _InChunks(io.FileIO(path)) as file:
        try:
            with _damage_is_refused("it must be a zip archive"):
                archive = ZipFile(file)
            members = _members(archive, os.fstat(file.fileno()).st_size)
            header = _read_header(archive, members)
            _check_version(header, kind, version)
            shapes = expected(header)
            given, needed = sorted(members), sorted(shapes)
            expect(given == needed, f"arrays must be {shown(needed)}", shown(given))
            for name, (dtype, shape) in shapes.items():  # all, before memory is allocated for any
                _open(archive, members[name], dtype, shape).close()
            arrays = {name: _read(archive, members[name], *shapes[name]) for name in shapes}
            _check_gaps(file, archive)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a whole {kind} file: {error}") from error
    return header, arrays


def expect(holds: bool, expectation: str, found: object) -> None:
    """Raise ValueError, which says what was found instead, unless an expectation holds."""
    if not holds:
        raise ValueError(f"{expectation}, got {found}")


class _InChunks(io.BufferedReader):
    """A file to be read in chunks: zipfile would hold its list of members whatever its length."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _CHUNK:
            raise BadZipFile(f"a list of members of {size} bytes, more than {_CHUNK}")
        return super().read(size)


@contextlib.contextmanager
def _damage_is_refused(expectation: str) -> Iterator[None]:
    """Convert what the libraries raise for damaged bytes into a ValueError like all others.

    zipfile, NumPy and json have no specific error for this: a dozen kinds have been seen, among
    them MemoryError for brackets nested deeply and tokenize.TokenError for brackets left open.
    """
    try:
        yield
    except OSError:  # a fault of the disk, not of the file's content
        raise
    except Exception as error:
        # The text of an error may quote the file, which may hold anything.
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ValueError(f"{expectation}, got damage ({reason})") from error


def _members(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    """Return what is in the archive by name, as declared in its directory."""
    members: dict[str, ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        expect(name not in members, "members must differ in name", f"two {name!r:.60}")
        is_stored = info.compress_type == ZIP_STORED and info.compress_size == info.file_size
        expect(is_stored, "members must be stored as they are", f"{name!r:.60} compressed")
        at = info.header_offset
        expect(0 <= at < size, f"{name!r:.60} must be in the file", f"offset {at}")
        members[name] = info
    total = sum(info.file_size for info in members.values())
    # Members that overlap, or are past the end.
    expect(total <= size, f"members must fit into {size} bytes, the file's size", f"{total} bytes")
    return members


def _read_header(archive: ZipFile, members: dict[str, ZipInfo]) -> dict[str, Any]:
    """Read the member that is JSON."""
    expect(_HEADER in members, f"members must include {_HEADER!r}", shown(sorted(members)))
    info = members.pop(_HEADER)
    _check_size(info.file_size)
    content = _read(archive, info, np.dtype(np.uint8), None).tobytes()
    _check_growth(content)
    with _damage_is_refused("header must be JSON"):
        header = json.loads(content)
    expect(isinstance(header, dict), "header must be an object", shown(header))
    return header


def check_keys(given: Mapping[str, Any], needed: Names, known: Names, where: str) -> None:
    """Raise ValueError unless all needed keys are there, and only known ones."""
    wrong = [f"no {name!r}" for name in needed if name not in given]
    wrong += [f"an unknown {name!r:.60}" for name in sorted(given.keys() - set(known))]
    expect(not wrong, f"{where} must have {', '.join(needed)}", ", ".join(wrong[:3]))


def check_header(header: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Raise ValueError or TypeError unless a header has these keys, and what their rules allow."""
    check_keys(header, rules, rules, "header")
    for name, rule in rules.items():
        rule(header[name], name)


def _check_size(size: int) -> None:
    expect(size <= _MAX_HEADER_BYTES, f"header must be at most {_MAX_HEADER_BYTES} bytes", size)


def _check_growth(content: bytes) -> None:
    """Refuse a header that JSON would make too much of."""
    _check_size(len(content))
    parts = sum(match.lastindex is not None for match in _STRING_OR_PART.finditer(content))
    expect(parts <= _MAX_HEADER_PARTS, f"header must have at most {_MAX_HEADER_PARTS} parts", parts)


def _check_gaps(file: IO[bytes], archive: ZipFile) -> None:
    """Refuse bytes that belong to no member: before, between and after them."""
    end, is_whole = 0, True
    for info in archive.infolist():
        file.seek(info.header_offset)
        name, extra = _MEMBER.unpack(file.read(_MEMBER.size))
        is_whole &= info.header_offset == end and extra <= _SIZES_64 and not info.comment
        end = info.header_offset + _MEMBER.size + name + extra + info.file_size
    file.seek(-_END.size, os.SEEK_END)
    is_whole &= end == archive.start_dir and _END.unpack(file.read()) == (b"PK\5\6", 0)
    expect(is_whole, "members must fill the file", "bytes before, between or after them")


def _check_version(header: dict[str, Any], kind: str, version: int) -> None:
    """Take format and version out of the header."""
    given, number = header.pop("format", None), header.pop("version", None)
    expect(given == kind, f"format must be {kind!r}", shown(given))
    is_number = type(number) is int
    newer = "; it was written by a newer ae_numpy, which can read it"
    found = f"{shown(number)}{newer if is_number and number > version else ''}"
    expect(is_number and number == version, f"version must be {version}", found)


def _open(archive: ZipFile, info: ZipInfo, dtype: np.dtype, shape: tuple | None) -> IO[bytes]:
    """Return a stream at the first entry of an array that is exactly as expected.

    Without a shape it must be a vector of any length.
    """
    name = f"{info.filename!r:.60}"
    with _damage_is_refused(f"{name} must be an array"):
        stream = archive.open(info)
        if npy.read_magic(stream) != (1, 0):
            raise ValueError("a version of the .npy format other than 1.0")
        found, in_columns, given = npy.read_array_header_1_0(stream)
        start = stream.tell()
    if shape is None and len(found) == 1:
        shape = found
    wanted = "(n,)" if shape is None else shape
    is_wanted = (given, found, in_columns) == (dtype, shape, False) and min(found, default=0) >= 0
    got = f"{given.str!r:.60} of shape {found!r:.200}{' by columns' if in_columns else ''}"
    expect(is_wanted, f"{name} must be {dtype.str!r} of shape {wanted}", got)
    entries = info.file_size - start
    declared = math.prod(found) * dtype.itemsize
    expect(declared == entries, f"{name} must have {declared} bytes", entries)
    return stream


def _read(archive: ZipFile, info: ZipInfo, dtype: np.dtype, shape: tuple | None) -> NDArray:
    """Read an array that is exactly as expected."""
    with _open(archive, info, dtype, shape) as stream:
        entries = info.file_size - stream.tell()
        array = np.empty(entries // dtype.itemsize, dtype)
        memory = array.view(np.uint8)
        with _damage_is_refused(f"{info.filename!r:.60} must be an array"):
            for begin in range(0, entries, _CHUNK):  # zipfile checks the sum at the last one
                part = stream.read(min(_CHUNK, entries - begin))
                memory[begin : begin + _CHUNK] = np.frombuffer(part, np.uint8)
    _check_entries(array, info.filename)
    return array if shape is None else array.reshape(shape)


def _check_entries(array: NDArray, name: str) -> None:
    """Refuse what no computation produces: NaN, infinity, truth values other than 0 and 1."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        index = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name!r:.60} must hold finite numbers, got {array[index]}")
    if array.dtype.kind == "b":
        highest = array.view(np.uint8).max(initial=0)
        expect(highest <= 1, f"{name!r:.60} must hold the bytes 0 and 1", highest)
