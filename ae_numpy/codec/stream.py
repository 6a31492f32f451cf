"""The bytes of compressed images: a head, the sizes of the blocks, the blocks.

    head      magic (8 bytes; no text and no other format begins with them), version (2),
              fingerprint of the codec (8), dtype (1), rank (1), samples (8), and seven dimensions
              of one sample (4 each), 0 where there are fewer
    sizes     of the blocks, in bytes (4 each)
    blocks    one after another

Each of these parts is followed by its CRC-32 (4 bytes). Numbers are little-endian. A block holds
256 samples, the last one the rest. As its size takes 4 bytes, a head cannot announce more than 64
samples per byte present.
"""

import math
import struct
import zlib

import numpy as np

Bytes = bytes | bytearray | memoryview
Unpacked = tuple[np.dtype, tuple[int, ...], list[memoryview]]

DTYPES = ("uint8", "float32", "float64")
MAX_RANK = 8
FINGERPRINT_BYTES = 8

_BLOCK = 256
_MAGIC, _VERSION = b"\x89AEC\r\n\x1a\n", 1
_HEAD = struct.Struct("<8sH8sBBQ7I")
_SIZE = struct.Struct("<I")
_CRC_BYTES = 4


def blocks_of(n_samples: int) -> list[slice]:
    """Return which samples each block holds."""
    return [slice(i, min(i + _BLOCK, n_samples)) for i in range(0, n_samples, _BLOCK)]


def pack(fingerprint: bytes, dtype: np.dtype, shape: tuple[int, ...], blocks: list[bytes]) -> bytes:
    """Build a stream; see `unpack` for its parts.

    Parameters
    ----------
    fingerprint : bytes
    dtype : numpy.dtype
    shape : tuple of int
    blocks : list of bytes

    Returns
    -------
    bytes
    """
    code, rank, zeros = DTYPES.index(dtype.name), len(shape), [0] * (MAX_RANK - len(shape))
    head = _HEAD.pack(_MAGIC, _VERSION, fingerprint, code, rank, *shape, *zeros)
    sizes = b"".join(_SIZE.pack(len(block)) for block in blocks)
    return b"".join(part + _checksum(part) for part in (head, sizes, *blocks))


def unpack(data: Bytes, fingerprint: bytes, n_features: int, *, whole: bool) -> Unpacked:
    """Take a stream apart.

    Parameters
    ----------
    data : bytes-like
    fingerprint : bytes
        Of the codec that reads.
    n_features : int
        Of an image.
    whole : bool
        Whether to refuse a stream that ends too early or too late.

    Returns
    -------
    dtype : numpy.dtype
    shape : tuple of int
        Of the images, the samples first.
    blocks : list of memoryviews
        With their checksums, for `checked`: they may be damaged, or missing.

    Raises
    ------
    TypeError
        If `data` is not bytes.
    ValueError
        If it is foreign, of a newer version or of another codec, or truncated or corrupted before
        the first block. No memory has been allocated then.
    """
    content = memoryview(data).cast("B")
    magic, version = bytes(content[:8]), int.from_bytes(content[8:10], "little")
    if not _MAGIC.startswith(magic):
        raise ValueError(f"data is foreign: found {magic!r} at the start, expected {_MAGIC!r}")
    if version > _VERSION:
        raise ValueError(f"data is of a newer version: found {version}, expected {_VERSION}")
    head, content = _taken(content, _HEAD.size)
    _, _, theirs, code, rank, *dimensions = _HEAD.unpack(head)
    if theirs != fingerprint:
        raise ValueError(f"data is of another codec, {theirs.hex()}, not {fingerprint.hex()}")
    n_samples, *sample = shape = tuple(dimensions[:rank]) or (0,)
    if not n_samples or math.prod(sample) != n_features or code >= len(DTYPES):
        raise ValueError(f"data is corrupted: found shape {shape}, expected {n_features} features")
    sizes, content = _taken(content, _SIZE.size * -(-n_samples // _BLOCK))
    blocks, end = [], 0
    for (size,) in _SIZE.iter_unpack(sizes):
        begin, end = end, end + size + _CRC_BYTES
        blocks.append(content[begin:end])
    if whole and len(content) != end:
        what = "truncated" if len(content) < end else "corrupted"
        raise ValueError(f"data is {what}: found blocks of {len(content)} bytes, expected {end}")
    return np.dtype(DTYPES[code]), shape, blocks


def checked(part: memoryview) -> memoryview:
    """Return a part without the checksum at its end; raise ValueError if they do not match."""
    content, checksum = part[:-_CRC_BYTES], part[-_CRC_BYTES:]
    if checksum != _checksum(content):
        raise ValueError("data is corrupted: found another checksum than expected")
    return content


def _checksum(content: Bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CRC_BYTES, "little")


def _taken(content: memoryview, size: int) -> tuple[memoryview, memoryview]:
    """Return a first part of this size, checked, and what comes after it."""
    end = size + _CRC_BYTES
    if len(content) < end:
        raise ValueError(f"data is truncated: found {len(content)} bytes, expected {end} or more")
    return checked(content[:end]), content[end:]
