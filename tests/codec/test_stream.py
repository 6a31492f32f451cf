"""Anything at all where compressed images or a codec's file are expected.

They are read, or refused by a ValueError that says why, in memory bounded by their size; a damaged
block costs only its own images.
"""

from __future__ import annotations

import io
import re
import tracemalloc
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ae_numpy.codec import Codec
from ae_numpy.codec.stream import blocks_of, pack, unpack

HEAD = 56  # bytes, as the module's docstring adds them up
REFUSALS = "truncated|foreign|corrupted|of another codec|of a newer version"


def parts_of(data: bytes) -> list[bytes]:
    """Head, sizes and blocks, without their checksums."""
    n_samples = int.from_bytes(data[20:28], "little")
    n_blocks = -(-n_samples // 256)
    sizes = data[HEAD + 4 : HEAD + 4 + 4 * n_blocks]
    parts, at = [data[:HEAD], sizes], HEAD + 4 + len(sizes) + 4
    for size in np.frombuffer(sizes, "<u4").tolist():
        parts.append(data[at : at + size])
        at += size + 4
    return parts


def joined(parts: list[bytes]) -> bytes:
    """A stream with the right checksums, so that what is in it gets read."""
    return b"".join(part + zlib.crc32(part).to_bytes(4, "little") for part in parts)


def check_reading(codec, data: bytes, **options) -> bool:
    """Whether the data decompress as a stream."""
    most_images = 64 * len(data)  # as the module's docstring promises
    tracemalloc.start()
    try:
        images, refusal = decompressed(codec, data, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A block at work, and a first error's imports, take less than 2 MB.
    assert peak < (1 << 21) + most_images * 20 * 8
    if images is None:
        assert re.match(f"data is ({REFUSALS})", refusal)
        assert len(refusal) < 300
        return False
    assert len(images) <= most_images
    assert np.isfinite(images).all()
    return True


def decompressed(codec, data: bytes, **options):
    """Images, or None and the words of the refusal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage that was skipped
        try:
            return codec.decompress(data, **options), ""
        except ValueError as error:
            return None, str(error)


# ------------------------------------------------------------------------------ the format


def test_a_stream_is_what_the_docstring_says():
    data = pack(b"codec 42", np.dtype("uint8"), (257, 28, 28), [b"first...", b"2nd."])
    golden = [
        ("894145430d0a1a0a", "magic"),
        ("0100", "version"),
        ("636f646563203432", "fingerprint"),
        ("0003", "dtype, rank"),
        ("0101000000000000", "samples"),
        ("1c0000001c000000" + 5 * "00000000", "dimensions"),
        ("c575be22", "checksum"),
        ("0800000004000000", "sizes"),
        ("8b53a539", "checksum"),
        ("66697273742e2e2e", "first block"),
        ("74114f94", "checksum"),
        ("326e642e", "second block"),
        ("70aa68e4", "checksum"),
    ]
    assert data.hex() == "".join(part for part, _ in golden)
    dtype, shape, blocks = unpack(data, b"codec 42", 784, whole=True)
    assert (dtype, shape, len(blocks)) == (np.uint8, (257, 28, 28), 2)


def test_blocks_hold_256_samples():
    assert [(rows.start, rows.stop) for rows in blocks_of(513)] == [
        (0, 256),
        (256, 512),
        (512, 513),
    ]


# ------------------------------------------------------------------------------ one thing is wrong


def test_every_truncation_is_refused(codec, data):
    for length in range(len(data)):
        with pytest.raises(ValueError, match="data is truncated"):
            codec.decompress(data[:length])


def test_every_changed_byte_is_noticed(codec, data):
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x10
        expected = "foreign" if place < 8 else "newer version" if place < 10 else "corrupted"
        with pytest.raises(ValueError, match=f"data is .*{expected}"):
            codec.decompress(changed)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "foreign"),
        (b"PK\x03\x04" + bytes(100), "foreign"),
        (b"<!DOCTYPE html>", "foreign"),
        (b"", "truncated"),
        (b"\x89AEC", "truncated"),
    ],
    ids=repr,
)
def test_foreign_content(codec, content, words):
    with pytest.raises(ValueError, match=f"data is {words}: found"):
        codec.decompress(content)


def test_bytes_that_are_left_over(codec, data):
    with pytest.raises(ValueError, match=r"data is corrupted: found blocks of \d+ bytes, expected"):
        codec.decompress(data + b"\0")


def test_a_text_is_not_bytes(codec):
    with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
        codec.decompress("data")


def test_another_codec(codec, model, images, data):
    other = model.__class__(6, epochs=1, engine="numpy", random_state=1)
    other.fit(images.reshape(len(images), -1) / 255)
    for others in (
        Codec(other, levels=4, contexts=2).fit(images),
        Codec(model, levels=5, contexts=2).fit(images),
        Codec(model, levels=4).fit(images),
        Codec(model, levels=4, contexts=2).fit(images[1:]),
    ):
        with pytest.raises(ValueError, match=r"of another codec, \w{16}, not \w{16}"):
            others.decompress(data)
    np.testing.assert_array_equal(
        Codec(model, levels=4, contexts=2).fit(images).decompress(data), codec.decompress(data)
    )


def test_a_model_that_was_trained_further_makes_another_codec(codec, images, data, tmp_path):
    codec.save(tmp_path / "codec.npz")
    again = Codec.load(tmp_path / "codec.npz")
    again.model.partial_fit(images.reshape(len(images), -1) / 255)
    with pytest.raises(ValueError, match="of another codec"):
        again.decompress(data)


def with_head(data: bytes, at: int, field: bytes) -> bytes:
    head, *rest = parts_of(data)
    return joined([head[:at] + field + head[at + len(field) :], *rest])


def test_more_samples_than_the_bytes_allow(codec, data):
    for n_samples in (769, 1 << 20, 1 << 40, (1 << 64) - 1):
        forged = with_head(data, 20, n_samples.to_bytes(8, "little"))
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"data is (truncated|corrupted)"):
            codec.decompress(forged)
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("at", "field"),
    [(20, bytes(8)), (18, b"\3"), (19, b"\0"), (19, b"\2"), (19, b"\xff"), (28, b"\5")],
    ids=["no samples", "no dtype", "no rank", "short rank", "long rank", "another shape"],
)
def test_heads_that_make_no_sense(codec, data, at, field):
    with pytest.raises(
        ValueError, match=r"data is corrupted: found shape .*, expected 20 features"
    ):
        codec.decompress(with_head(data, at, field))


def test_words_that_no_samples_give(codec, data):
    parts = parts_of(data)
    forged = joined([*parts[:-1], parts[-1][:-5] + b"\1\2\3\4\5"])
    with pytest.raises(ValueError, match=r"corrupted in block 2 \(samples 512 to 599\)"):
        codec.decompress(forged)


# ------------------------------------------------------------------------------ skipping damage


def skipped(codec, data: bytes) -> tuple[np.ndarray, str]:
    """The images that are left, and what the warning says."""
    with pytest.warns(UserWarning, match="zeros for damaged block") as caught:
        images = codec.decompress(data, damaged="skip")
    assert caught[0].filename == __file__  # of the caller
    return images, str(caught[0].message)


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_damaged_block_costs_its_own_images(codec, data, block):
    parts = parts_of(data)
    place = sum(len(part) + 4 for part in parts[: 2 + block]) + 3
    changed = bytearray(data)
    changed[place] ^= 1
    rows = blocks_of(600)[block]
    which = rf"block {block} \(samples {rows.start} to {rows.stop - 1}\)"
    with pytest.raises(ValueError, match=f"data is corrupted in {which}"):
        codec.decompress(changed)
    images, message = skipped(codec, changed)
    assert re.fullmatch(f"zeros for damaged {which}", message)
    expected = codec.decompress(data)
    expected[rows] = 0
    np.testing.assert_array_equal(images, expected)


def test_what_is_left_of_a_truncated_stream(codec, data):
    images, message = skipped(codec, data[:-1])
    assert "block 2" in message
    np.testing.assert_array_equal(images[:512], codec.decompress(data)[:512])
    assert not images[512:].any()
    images, message = skipped(codec, data[: HEAD + 4 + 12 + 4])
    assert message.count("block") == 3
    assert not images.any()


def test_skipping_where_nothing_is_damaged(codec, data):
    expected = codec.decompress(data)
    np.testing.assert_array_equal(codec.decompress(data, damaged="skip"), expected)
    np.testing.assert_array_equal(codec.decompress(data + b"more", damaged="skip"), expected)


def test_a_head_must_be_whole(codec, data):
    for place in (30, HEAD + 6):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="corrupted"):
            codec.decompress(changed, damaged="skip")


def test_damage_is_raised_or_skipped(codec, data):
    with pytest.raises(ValueError, match="damaged must be 'raise' or 'skip', got 'ignore'"):
        codec.decompress(data, damaged="ignore")


# ------------------------------------------------------------------------------ anything at all


@st.composite
def mutations(draw):
    """What changes bytes: some replaced, removed and inserted at random."""
    place = st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8))
    changes = draw(st.lists(place, min_size=1, max_size=4))

    def mutated(content: bytes) -> bytes:
        changed = bytearray(content)
        for at, length, new in changes:
            start = int(at * len(changed))
            changed[start : start + length] = new
        return bytes(changed)

    return mutated


ways = st.sampled_from(["raise", "skip"])


@given(start=st.sampled_from([b"", b"\x89AEC\r\n\x1a\n\1\0"]), rest=st.binary(), damaged=ways)
def test_arbitrary_bytes(codec, start, rest, damaged):
    assert not check_reading(codec, start + rest, damaged=damaged)


@settings(max_examples=300)
@given(mutated=mutations(), damaged=ways)
def test_mutated_stream(codec, data, mutated, damaged):
    check_reading(codec, mutated(data), damaged=damaged)


@settings(max_examples=400)
@given(index=st.integers(0, 4), mutated=mutations(), damaged=ways, resized=st.booleans())
def test_mutated_part_with_the_right_checksum(codec, data, index, mutated, damaged, resized):
    parts = parts_of(data)
    parts[index] = mutated(parts[index])
    if resized:
        parts[1] = np.array([len(part) for part in parts[2:]], "<u4").tobytes()
    check_reading(codec, joined(parts), damaged=damaged)


@settings(max_examples=200)
@given(content=st.binary(max_size=200), n_samples=st.integers(1, 256))
def test_any_words_with_the_right_checksum(codec, data, content, n_samples):
    head = parts_of(data)[0]
    head = head[:20] + n_samples.to_bytes(8, "little") + head[28:]
    sizes = len(content).to_bytes(4, "little")
    check_reading(codec, joined([head, sizes, content]))


def test_the_good_stream_is_one(codec, data):
    assert check_reading(codec, data)
    assert joined(parts_of(data)) == data


# ------------------------------------------------------------------------------ the codec's file


@pytest.fixture(scope="module", name="path")
def fixture_path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "codec.npz"


@settings(max_examples=150)
@given(member=st.sampled_from(["", "header", "model", "counts", "sizes"]), mutated=mutations())
def test_mutated_codec(codec, path, images, member, mutated):
    codec.save(path)
    content = path.read_bytes()
    if member:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members[f"{member}.npy"] = mutated(members[f"{member}.npy"])
        with zipfile.ZipFile(path, "w") as archive:
            for name, entry in members.items():
                archive.writestr(name, entry)
    else:
        path.write_bytes(mutated(content))
    loaded, refusal = loaded_codec(path)
    if loaded is None:
        words = r"codec.npz is not a whole ae_numpy codec file: .*(found .*expected|must .*got)"
        assert re.search(words, refusal, re.DOTALL)
    else:
        assert loaded.decompress(loaded.compress(images[:2])).shape == (2, 4, 5)


def loaded_codec(path):
    """A codec, or None and the words of the refusal."""
    try:
        return Codec.load(path), ""
    except ValueError as error:
        return None, str(error)
