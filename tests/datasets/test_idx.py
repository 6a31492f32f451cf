"""IDX files: valid files are read, and anything else is a clear ValueError."""

import functools
import gzip
import hashlib
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from misbehaving_server import idx_bytes

from ae_numpy.datasets.idx import idx_sha256, parse_idx, read_idx, write_idx

squeeze = functools.partial(gzip.compress, mtime=0)  # without the time: the same on every run

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
PLAIN = idx_bytes(IMAGES)
GZIPPED = squeeze(PLAIN)
HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>"
# An IDX header that claims 2**32 - 256 entries, without any.
GIANT_HEADER = bytes([0, 0, 8, 1, 255, 255, 255, 0])

# The codes of the format's definition.
TYPES = {8: np.uint8, 9: np.int8, 11: np.int16, 12: np.int32, 13: np.float32, 14: np.float64}

arrays = st.sampled_from(list(TYPES.values())).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))
)


def naive_decode(content: bytes) -> np.ndarray | None:
    """The array of a plain IDX file; None if the format's definition does not allow it."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        return None
    if content[3] not in (1, 2, 3):
        return None
    dtype = np.dtype(TYPES[content[2]])
    end = 4 + 4 * content[3]
    if len(content) < end:
        return None
    shape = struct.unpack(f">{content[3]}I", content[4:end])
    if 0 in shape or math.prod(shape) * dtype.itemsize != len(content) - end:
        return None
    entries = np.frombuffer(content, dtype.newbyteorder(">"), offset=end)
    return entries.astype(dtype).reshape(shape)


def naive_gunzip(content: bytes) -> bytes:
    """The decompressed content, b"" for anything but a whole gzip file."""
    try:
        return gzip.decompress(content)
    except Exception:
        return b""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file to write to, under a path with a space and letters beyond ASCII."""
    return tmp_path_factory.mktemp("Žiffern 手書き") / "some file"


# What is valid.


@given(array=arrays, compressed=st.booleans())
def test_reads_back_what_was_written(scratch, array, compressed):
    write_idx(scratch, array)
    assert scratch.read_bytes() == idx_bytes(array)
    if compressed:
        scratch.write_bytes(squeeze(scratch.read_bytes()))
    result = read_idx(scratch)
    np.testing.assert_array_equal(result, array, strict=True)
    assert result.flags.writeable


def test_writes_any_memory_layout(scratch):
    write_idx(scratch, IMAGES.T)
    np.testing.assert_array_equal(read_idx(scratch), IMAGES.T, strict=True)


def test_recognises_gzip_by_content_and_not_by_name(tmp_path):
    (tmp_path / "plain.gz").write_bytes(PLAIN)
    (tmp_path / "gzipped").write_bytes(GZIPPED)
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), IMAGES, strict=True)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "gzipped")), IMAGES, strict=True)


def test_reads_gzip_files_of_several_members():
    content = squeeze(PLAIN[:10]) + squeeze(b"") + squeeze(PLAIN[10:])
    np.testing.assert_array_equal(parse_idx(content, "file", 1000), IMAGES, strict=True)


def test_reads_more_than_one_chunk(scratch):
    array = np.arange(600_000, dtype=np.uint32).astype(np.uint8)
    for content in (idx_bytes(array), squeeze(idx_bytes(array))):
        scratch.write_bytes(content)
        np.testing.assert_array_equal(read_idx(scratch), array, strict=True)


def test_hash_is_that_of_the_plain_file():
    assert idx_sha256(IMAGES) == hashlib.sha256(PLAIN).hexdigest()
    assert idx_sha256(IMAGES) != idx_sha256(IMAGES.reshape(2, 4, 3))


# What is not: (content, words the message must contain).

FAULTS = {
    "empty file": (b"", "found b'' at the start"),
    "magic cut short": (PLAIN[:3], "at the start"),
    "bad magic": (b"\1" + PLAIN[1:], "expected an IDX file: two zeros"),
    "entries of no known type": (PLAIN[:2] + b"\x0a" + PLAIN[3:], "a type of 8, 9, 11"),
    "entries of a larger type": (PLAIN[:2] + b"\x0c" + PLAIN[3:], "found 40 bytes, expected 112"),
    "rank 0": (b"\0\0\x08\0", "rank 1, 2 or 3"),
    "rank 4": (b"\0\0\x08\4" + PLAIN[4:], "rank 1, 2 or 3"),
    "dimensions cut short": (PLAIN[:15], "found 11 bytes of dimensions, expected 12"),
    "a dimension of 0": (idx_bytes(IMAGES[:0]), "(0, 3, 4), expected dimensions of at least 1"),
    "other dimensions": (PLAIN[:7] + b"\3" + PLAIN[8:], "expected 52 for shape (3, 3, 4)"),
    "one byte short": (PLAIN[:-1], "found 39 bytes, expected 40"),
    "one byte long": (PLAIN + b"\0", "found 41 bytes, expected 40"),
    "giant dimensions": (b"\0\0\x08\3" + b"\xff" * 12 + PLAIN[16:], "expected 79228162458924"),
    "web page": (HTML, "(perhaps a web page)"),
    "gzipped web page": (squeeze(HTML), "(perhaps a web page)"),
    "gzip header only": (GZIPPED[:10], "damaged gzip file"),
    "gzip magic only": (GZIPPED[:2], "damaged gzip file"),
    "gzip cut short": (GZIPPED[:-1], "damaged gzip file"),
    "gzip cut in half": (GZIPPED[:30], "damaged gzip file"),
    "gzip with a flipped bit": (
        GZIPPED[:25] + bytes([GZIPPED[25] ^ 16]) + GZIPPED[26:],
        "damaged gzip file",
    ),
    "gzip with a wrong checksum": (GZIPPED[:-8] + bytes(4) + GZIPPED[-4:], "damaged gzip file"),
    "gzip followed by rubbish": (GZIPPED + b"rubbish", "damaged gzip file"),
    "gzip of one byte less": (squeeze(PLAIN[:-1]), "found 23 bytes of entries, expected 24"),
    "gzip of one byte more": (squeeze(PLAIN + b"\0"), "found more than 40"),
    "gzip of nothing": (squeeze(b""), "found b'' at the start"),
    "gzip that cannot hold its dimensions": (
        squeeze(b"\0\0\x08\1\0\1\0\0"),
        "cannot hold the 65544 bytes of shape (65536,)",
    ),
    "gzip that claims gigabytes": (squeeze(GIANT_HEADER), "4294967048 bytes, expected at most"),
    "gzip bomb behind valid entries": (squeeze(PLAIN + bytes(1 << 24)), "found more than 40"),
    "gzip bomb of announced size": (
        squeeze(b"\0\0\x08\1\1\0\0\0" + bytes(1 << 24)),
        "expected at most 1048576",
    ),
}


@pytest.mark.parametrize(("content", "words"), FAULTS.values(), ids=FAULTS)
def test_fault_is_a_clear_and_cheap_error(scratch, content, words):
    scratch.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"found .*expected") as caught:
            read_idx(scratch, max_bytes=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words in str(caught.value)
    assert str(scratch) in str(caught.value)
    assert peak < 1 << 20


def test_size_limit_holds_for_plain_files_too(scratch):
    scratch.write_bytes(PLAIN)
    with pytest.raises(ValueError, match="40 bytes, expected at most 39"):
        read_idx(scratch, max_bytes=39)
    np.testing.assert_array_equal(read_idx(scratch, max_bytes=40), IMAGES)


def test_file_that_shrinks_while_it_is_read(scratch, monkeypatch):
    scratch.write_bytes(PLAIN)
    monkeypatch.setattr("ae_numpy.datasets.idx._fill", lambda stream, buffer: len(buffer) - 1)
    with pytest.raises(ValueError, match="found 23 bytes of entries, expected 24"):
        read_idx(scratch)


def test_missing_file_and_directory_keep_their_own_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")
    with pytest.raises(OSError, match=tmp_path.name):
        read_idx(tmp_path)


# Arbitrary and mutated files: the right array or ValueError, in bounded memory.

MAX_GROWTH = 1032  # DEFLATE's greatest ratio; a small file cannot cost more than this
OVERHEAD = 1 << 20


def check_against_naive(content: bytes) -> None:
    """Decode, compare with the naive decoder, and bound the memory by the file's size."""
    plain = naive_gunzip(content) if content[:2] == b"\x1f\x8b" else content
    expected = naive_decode(plain)
    tracemalloc.start()
    try:
        try:
            result = parse_idx(content, "file", 1 << 30)
        except ValueError:
            result = None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_GROWTH * len(content) + OVERHEAD
    assert (result is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(result, expected, strict=True)


@st.composite
def mutated(draw, originals):
    """A file with bytes replaced, removed and inserted at random."""
    content = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 8)))
        content[start:stop] = draw(st.binary(max_size=8))
    return bytes(content)


plain_files = arrays.map(idx_bytes)
prefixes = st.sampled_from(
    [b"", b"\0\0\x08", b"\0\0\x08\1", b"\0\0\x08\3", b"\0\0\x0d\1", b"\x1f\x8b\x08"]
)


@given(prefix=prefixes, rest=st.binary(max_size=60))
def test_arbitrary_bytes(prefix, rest):
    check_against_naive(prefix + rest)


@given(prefix=prefixes, rest=st.binary(max_size=60))
def test_arbitrary_bytes_in_gzip(prefix, rest):
    check_against_naive(squeeze(prefix + rest))


@given(content=mutated(plain_files))
def test_mutated_plain_file(content):
    check_against_naive(content)


@given(content=mutated(plain_files))
def test_mutated_file_in_gzip(content):
    check_against_naive(squeeze(content))


@given(content=mutated(plain_files.map(squeeze)))
def test_mutated_gzip_file(content):
    check_against_naive(content)


@pytest.mark.parametrize("content", [PLAIN, GZIPPED], ids=["plain", "gzipped"])
def test_every_truncation_is_rejected(content):
    for size in range(len(content)):
        with pytest.raises(ValueError, match="found"):
            parse_idx(content[:size], "file", 1000)
