"""Images to bytes and back: what comes back, and how many bytes it takes."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from small_models import make

from ae_numpy import Autoencoder
from ae_numpy.codec import Codec
from ae_numpy.codec.tables import Tables
from ae_numpy.storage.npz import write_npz

as_floats = {
    "uint8": lambda images: images,
    "float32": lambda images: (images.reshape(len(images), -1) / 255).astype(np.float32),
    "float64": lambda images: images.reshape(len(images), -1) / 255,
}


def most_bytes(codec, images) -> float:
    """What compressed images may take: 1 % above the ideal, 64 bytes, and 32 a block."""
    return 1.01 * codec.bits(images).sum() / 8 + 64 + 32 * -(-len(images) // 256)


# ------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize("dtype", as_floats)
@pytest.mark.parametrize(("levels", "contexts"), [(2, 1), (8, 1), (8, 3), (256, 1), (5, 600)])
def test_what_returns_is_decoded_from_rounded_codes(model, images, dtype, levels, contexts):
    given = as_floats[dtype](images)
    codec = Codec(model, levels=levels, contexts=contexts).fit(given)
    codes = model.encode(images.reshape(len(images), -1) / 255)
    expected = model.decode(np.rint(codes * (levels - 1)) / (levels - 1))
    expected = np.rint(255 * expected) if dtype == "uint8" else expected
    again = codec.decompress(codec.compress(given))
    assert (again.shape, again.dtype) == (given.shape, given.dtype)
    np.testing.assert_array_equal(again, expected.reshape(given.shape).astype(dtype))


@pytest.mark.parametrize("shape", [(256, 20), (257, 2, 2, 5), (1, 20), (3, 1, 1, 5, 1, 1, 4, 1)])
@pytest.mark.parametrize("contexts", [1, 2])
def test_any_shape_in_the_bytes_that_are_promised(model, images, shape, contexts):
    codec = Codec(model, levels=4, contexts=contexts).fit(images)
    given = images[: shape[0]].reshape(shape)
    data = codec.compress(given)
    assert codec.decompress(data).shape == shape
    assert len(data) <= most_bytes(codec, given)


@pytest.mark.parametrize("levels", [2, 16, 256])
@pytest.mark.parametrize("contexts", [1, 2, 64])
def test_the_bytes_are_near_the_ideal(model, images, levels, contexts):
    codec = Codec(model, levels=levels, contexts=contexts).fit(images)
    data = codec.compress(images)
    assert codec.bits(images).sum() / 8 < len(data) <= most_bytes(codec, images)


def test_images_that_were_never_seen(model, images):
    codec = Codec(model, levels=4).fit(images[:1])
    data = codec.compress(images)
    assert len(data) <= most_bytes(codec, images)
    usual = Codec(model, levels=4).fit(images)
    expected = usual.decompress(usual.compress(images))
    np.testing.assert_array_equal(codec.decompress(data), expected)


def test_parts_of_larger_arrays_lists_and_other_byte_orders(codec, images):
    rows = images.reshape(len(images), -1)[:3] / 255
    expected = codec.decompress(codec.compress(rows))
    every_second = np.repeat(rows, 2, axis=1)[:, ::2]
    for given in (every_second, np.asfortranarray(rows), rows.tolist(), rows.astype(">f8")):
        np.testing.assert_array_equal(codec.decompress(codec.compress(given)), expected)


def test_bytes_of_any_kind(codec, data):
    for kind in (bytearray, memoryview):
        np.testing.assert_array_equal(codec.decompress(kind(data)), codec.decompress(data))


def test_decompressing_never_encodes(codec, data, monkeypatch):
    monkeypatch.setattr(Autoencoder, "encode", None)
    codec.decompress(data)


# ------------------------------------------------------------------------------ counts and bits


def test_counts_are_twice_what_was_seen_and_a_half():
    symbols = np.array([[0, 2], [0, 1], [1, 2]], np.uint8)
    tables = Tables.fit(symbols, levels=3)
    assert tables.counts.tolist() == [[[5, 3, 1], [1, 3, 5]]]
    assert tables.sizes.tolist() == [7]


@pytest.mark.parametrize("contexts", [1, 3])
def test_bits_are_those_of_the_cheapest_cluster(contexts):
    symbols = np.random.default_rng(0).integers(0, 4, (50, 6)).astype(np.uint8)
    tables = Tables.fit(symbols, 4, contexts)
    shares = tables.counts / tables.counts.sum(axis=-1, keepdims=True)  # (K, U, levels)
    of_symbols = -np.log2(shares[:, np.arange(6), symbols]).sum(axis=-1)  # (K, n_samples)
    of_clusters = -np.log2(tables.sizes / tables.sizes.sum())
    costs = of_symbols + of_clusters[:, np.newaxis]
    clusters, bits = tables.cheapest(symbols)
    np.testing.assert_array_equal(clusters, costs.argmin(axis=0))
    # A cost is rounded to 2**-16 of a bit, and there are seven of them.
    np.testing.assert_allclose(bits, costs.min(axis=0), rtol=0, atol=7 * 2**-17)


def test_contexts_code_what_units_have_in_common():
    rng = np.random.default_rng(0)
    symbols = np.repeat(rng.integers(0, 4, (1000, 1)), 10, axis=1).astype(np.uint8)
    alone, together = (Tables.fit(symbols, 4, k).cheapest(symbols)[1].mean() for k in (1, 16))
    assert alone == pytest.approx(20, rel=0.01)  # ten units of four levels
    # Four clusters say all there is; the others, started at the same points, are empty.
    assert together == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_that_are_there(seed):
    rng = np.random.default_rng(0)
    symbols = rng.integers(0, 2, (100, 4)).astype(np.uint8)
    symbols[:10] += 2  # most starts are two of the others
    tables = Tables.fit(symbols, 4, 2, seed)
    assert sorted(tables.sizes.tolist()) == [21, 181]


def test_the_seed_decides_the_clusters(model, images, codec, data):
    again = Codec(model, levels=4, contexts=2, random_state=0).fit(images)
    assert again.compress(images) == data
    seeded = [
        Codec(model, contexts=9, random_state=seed).fit(images).compress(images)
        for seed in (1, np.random.default_rng(1), 2)
    ]
    assert seeded[0] == seeded[1] != seeded[2]


# ------------------------------------------------------------------------------ the same bytes


def fixed_tables(contexts: int) -> Tables:
    counts = 1 + np.arange(contexts * 3 * 5, dtype=np.uint32).reshape(contexts, 3, 5) ** 3 % 101
    return Tables(counts, np.arange(1, contexts + 1, dtype=np.uint32))


@pytest.mark.parametrize(
    ("contexts", "golden"),
    [
        (1, "4667a00f2cd9f820a8fc51c698dc20f4c91c05db9a230148ee23d608"),
        (3, "de96cadc501c8b4df4cb020909ac0dd95f11ce604797d700"),
    ],
)
def test_the_same_symbols_give_the_same_bytes_for_ever(contexts, golden):
    symbols = (np.arange(60, dtype=np.uint8) ** 2 % 5).reshape(20, 3)
    tables = fixed_tables(contexts)
    assert tables.encode(symbols).hex() == golden
    np.testing.assert_array_equal(tables.decode(bytes.fromhex(golden), 20), symbols)


# ------------------------------------------------------------------------------ the codec's file


def test_a_loaded_codec_is_the_same(codec, images, data, tmp_path):
    codec.save(tmp_path / "codec.npz")
    again = Codec.load(tmp_path / "codec.npz")
    assert (again.levels, again.contexts) == (codec.levels, codec.contexts)
    assert again.compress(images) == data
    np.testing.assert_array_equal(again.decompress(data), codec.decompress(data))
    assert [path.name for path in tmp_path.iterdir()] == ["codec.npz"]


def saved_with(codec, path, **changes) -> None:
    """A codec's file with other arrays."""
    codec.save(path)
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes())
        arrays = {name: file[name] for name in file if name != "header"} | changes
    sizes = [*arrays["counts"].shape, len(arrays["model"])]
    write_npz(path, header["format"], header["version"], {"sizes": sizes}, arrays)


def test_files_that_are_not_a_codec(codec, model, tmp_path):
    path = tmp_path / "codec.npz"
    model.save(path)
    with pytest.raises(ValueError, match=r"is not a whole ae_numpy codec file: .*'ae_numpy model'"):
        Codec.load(path)
    counts = codec._tables.counts
    for changes in (
        {"model": np.zeros(100, np.uint8)},
        {"counts": counts * 0},
        {"counts": counts[:, 1:].copy()},
        {"counts": counts[:, :, :1].copy()},
        {"sizes": np.zeros(2, np.uint32)},
    ):
        saved_with(codec, path, **changes)
        with pytest.raises(ValueError, match=r"codec.npz is not a whole ae_numpy codec file"):
            Codec.load(path)
    saved_with(codec, path)
    Codec.load(path)


def test_nothing_in_a_file_is_pickled(codec, tmp_path):
    codec.save(tmp_path / "codec.npz")
    with zipfile.ZipFile(tmp_path / "codec.npz") as archive:
        for name in archive.namelist():
            np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"levels": 1}, ValueError, "levels must be an integer of at least 2, got 1"),
        ({"levels": 257}, ValueError, "levels must be at most 256, got 257"),
        ({"levels": 2.5}, TypeError, "levels must be an integer"),
        ({"contexts": 0}, ValueError, "contexts must be an integer of at least 1, got 0"),
        ({"contexts": True}, TypeError, "contexts must be an integer"),
        ({"contexts": 601}, ValueError, "contexts is 601, but X has only 600 samples"),
        ({"model": None}, TypeError, "model must be an Autoencoder, got NoneType"),
        ({"model": Autoencoder()}, ValueError, "Autoencoder instance is not fitted yet"),
    ],
    ids=str,
)
def test_settings_that_are_refused(model, images, settings, error, words):
    with pytest.raises(error, match=words):
        Codec(**({"model": model} | settings)).fit(images)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x: x.astype(int), TypeError, "must be one of .*'uint8'.*, got int64"),
        (lambda x: x > 0, TypeError, "must be one of .*, got bool"),
        (lambda x: x[:, :3], ValueError, r"20 entries each.* got \(600, 3, 5\)"),
        (lambda x: x[:0], ValueError, r"got \(0, 4, 5\)"),
        (lambda x: x[0, 0, 0], ValueError, r"got \(\)"),
        (lambda x: x.reshape(-1, 4, 5, *[1] * 6), ValueError, "up to 8 axes"),
        (lambda x: x / 128, ValueError, r"in \[0, 1\], got 0 to 1.99"),
        (lambda x: x / -255, ValueError, r"in \[0, 1\], got -"),
        (lambda x: x * np.nan, ValueError, r"in \[0, 1\], got nan"),
    ],
)
@pytest.mark.parametrize("use", ["fit", "bits", "compress"])
def test_images_that_are_refused(codec, images, use, change, error, words):
    before = codec._tables
    with pytest.raises(error, match=words):
        getattr(codec, use)(change(images))
    assert codec._tables is before


def test_a_codec_that_is_not_fitted(model, images, data, tmp_path):
    codec = Codec(model)
    for use in (
        lambda: codec.compress(images),
        lambda: codec.decompress(data),
        lambda: codec.bits(images),
        lambda: codec.save(tmp_path / "codec.npz"),
    ):
        with pytest.raises(ValueError, match="Codec instance is not fitted yet: call fit"):
            use()
    assert not [*tmp_path.iterdir()]


def test_without_constriction(codec, images, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    for use in (lambda: codec.compress(images), lambda: codec.decompress(data)):
        with pytest.raises(ImportError, match=r"pip install 'ae_numpy\[codec\]'"):
            use()
    codec.bits(images)  # which needs none


# ------------------------------------------------------------------------------ memory and time


def peak_of(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_images(codec, images):
    few, many = (np.tile(images, (times, 1, 1)) for times in (4, 16))
    compressed = [codec.compress(given) for given in (few, many)]
    growth = len(compressed[1]) - len(compressed[0])
    # The bytes are there twice: as blocks, and joined. A block's own objects (a slice, its numbers,
    # a view) take less than 600 bytes; its pixels as float64, 40,960.
    small = 600 * (len(many) - len(few)) // 256
    peaks = [peak_of(lambda given=given: codec.compress(given)) for given in (few, many)]
    assert peaks[1] - peaks[0] < 2 * growth + small
    peaks = [peak_of(lambda data=data: codec.decompress(data)) for data in compressed]
    assert peaks[1] - peaks[0] < many.nbytes - few.nbytes + small


@pytest.mark.slow
@pytest.mark.skipif("AE_NUMPY_DATA" not in os.environ, reason="needs AE_NUMPY_DATA: MNIST")
@pytest.mark.parametrize(("contexts", "seconds"), [(1, 0.5), (64, 2.0)])
def test_ten_thousand_images_in_half_a_second(contexts, seconds):
    from ae_numpy.datasets import load_mnist

    mnist = load_mnist(download=False)
    model = make(hidden_layer_sizes=112, epochs=1, engine="numba", learning_rate=0.01)
    model.fit(mnist.train_images[:10_000].reshape(10_000, -1) / 255)
    codec = Codec(model, contexts=contexts).fit(mnist.train_images[:10_000])
    codec.decompress(codec.compress(mnist.test_images[:300]))  # compiles
    started = time.process_time()
    data = codec.compress(mnist.test_images)
    compressed = time.process_time()
    codec.decompress(data)
    assert compressed - started < seconds
    assert time.process_time() - compressed < seconds
