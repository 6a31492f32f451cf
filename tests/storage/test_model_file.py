"""Model files: what is read is what was written, to the bit; incomplete files are refused."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import zipfile
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import small_models

from ae_numpy import Autoencoder
from ae_numpy.storage import npz

X = np.random.default_rng(0).random((11, 5))
make = partial(small_models.make, hidden_layer_sizes=2, epochs=2, random_state=3)
SETTINGS = (
    "hidden_layer_sizes",
    "learning_rate",
    "epochs",
    "batch_size",
    "shuffle",
    "weight_init",
    "backprop",
    "engine",
    "dtype",
    "random_state",
    "verbose",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


MODELS = {
    "plain": {},
    "compiled": {"engine": "numba"},
    "float64": {"dtype": "float64"},
    "deep": {"hidden_layer_sizes": (4, 2, 3)},
    "without bias": {"bias": False},
    "masked": {"bias": [np.array([True, False]), [1, 0, 1, 0, 1]]},
    "batches": {"batch_size": 4, "shuffle": False},
    "the published rule": {"backprop": "raw_error", "weight_init": "fan_out"},
    "a rate per epoch": {"learning_rate": (0.5, 0.25)},
    "rates as an array": {"learning_rate": np.array([0.5, 0.25])},
    "a rate that is no short decimal": {"learning_rate": 0.1 + 0.2},
    "numbers of numpy": {"epochs": np.int64(2), "random_state": np.uint32(3)},
    "dtype as a type": {"dtype": np.float64},
    "untrained": {"epochs": 0},
    "initial parameters": {"initial_parameters": {"b0": [0.1, 0.2], "W1": np.full((2, 5), 1 / 3)}},
    "without a seed": {"random_state": None},
    "numbers of other types": {"learning_rate": Fraction(1, 4), "verbose": np.int8(0)},
    "an integer rate": {"learning_rate": 1},
    "initial parameters of integers": {"initial_parameters": {"b0": np.array([0, 1], np.int8)}},
    "initial parameters by columns": {
        "initial_parameters": {"W0": np.asfortranarray(np.full((5, 2), 1 / 3, np.float32))}
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_bit_for_bit(name, path):
    model = make(**MODELS[name]).fit(X, validation_data=X[:3])
    model.save(path)
    loaded = Autoencoder.load(path)
    network, back = model.network_, loaded.network_
    np.testing.assert_array_equal(back.parameters, network.parameters)
    np.testing.assert_array_equal(back.bias_mask, network.bias_mask)
    assert back.parameters.dtype == network.parameters.dtype
    for attribute in ("layer_sizes", "backprop", "engine", "dtype"):
        assert getattr(back, attribute) == getattr(network, attribute)
    assert loaded.history_ == model.history_
    assert loaded.learning_rates_ == model.learning_rates_
    np.testing.assert_array_equal(loaded.reconstruct(X), model.reconstruct(X))


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_goes_on_as_the_saved_one(name, path):
    model = make(**MODELS[name]).fit(X)
    model.save(path)
    loaded = Autoencoder.load(path)
    # A learning rate per epoch has none for a third.
    model.learning_rate = loaded.learning_rate = 0.25
    np.testing.assert_array_equal(
        loaded.partial_fit(X).network_.parameters, model.partial_fit(X).network_.parameters
    )


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"without a seed"}))
def test_a_loaded_model_fits_as_the_saved_one(name, path):
    model = make(**MODELS[name]).fit(X)
    model.save(path)
    loaded = Autoencoder.load(path)
    np.testing.assert_array_equal(loaded.fit(X).network_.parameters, model.network_.parameters)


def test_settings_come_back_as_given(path):
    model = make(hidden_layer_sizes=(4, 2), learning_rate=0.125, verbose=0).fit(X)
    model.save(path)
    loaded = Autoencoder.load(path)
    for name in SETTINGS:
        assert getattr(loaded, name) == getattr(model, name), name
    assert loaded.bias is True
    assert loaded.initial_parameters is None


def test_a_callable_rate_comes_back_as_the_rates_it_gave(path):
    model = make(learning_rate=lambda epoch: 0.5 / epoch).fit(X)
    model.save(path)
    loaded = Autoencoder.load(path)
    assert tuple(loaded.learning_rate) == loaded.learning_rates_ == (0.5, 0.25)
    np.testing.assert_array_equal(loaded.fit(X).network_.parameters, model.network_.parameters)


def test_a_model_of_a_generator_can_be_saved(path):
    model = make(random_state=np.random.default_rng(0)).fit(X)
    model.save(path)
    loaded = Autoencoder.load(path)
    np.testing.assert_array_equal(loaded.network_.parameters, model.network_.parameters)
    np.testing.assert_array_equal(
        loaded.partial_fit(X).network_.parameters, model.partial_fit(X).network_.parameters
    )


def test_saving_changes_nothing_and_replaces_what_was_there(path):
    first, second = make().fit(X), make(random_state=4).fit(X)
    kept = first.network_.parameters.copy()
    first.save(path)
    second.save(str(path))
    np.testing.assert_array_equal(first.network_.parameters, kept)
    loaded = Autoencoder.load(str(path))
    np.testing.assert_array_equal(loaded.network_.parameters, second.network_.parameters)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_has_the_name_it_was_given(tmp_path):
    make().fit(X).save(tmp_path / "model")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    Autoencoder.load(tmp_path / "model")


def test_a_file_may_be_read_by_whom_the_system_lets(path):
    make().fit(X).save(path)
    other = path.with_suffix(".other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_what_was_there_stays_when_saving_fails(path, monkeypatch):
    make().fit(X).save(path)
    before = path.read_bytes()

    def disk_full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(npz.npy, "write_array", disk_full)
    with pytest.raises(OSError, match="no space left"):
        make(random_state=9).fit(X).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_names_of_features_come_back(path):
    model = make().fit(X)
    model.feature_names_in_ = np.array(["a", "b", "c", "d", "été"], object)
    model.save(path)
    loaded = Autoencoder.load(path)
    np.testing.assert_array_equal(loaded.feature_names_in_, model.feature_names_in_)
    assert loaded.feature_names_in_.dtype == object


def test_an_epoch_without_validation_data_comes_back(path):
    """It has NaN among the errors, and no other NaN may be in a file."""
    model = make().fit(X, validation_data=X).partial_fit(X)
    model.save(path)
    np.testing.assert_equal(Autoencoder.load(path).history_, model.history_)


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_stays_a_link(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path.symlink_to(tmp_path / "elsewhere" / "model.npz")
    make().fit(X).save(path)
    assert path.is_symlink()
    Autoencoder.load(tmp_path / "elsewhere" / "model.npz")


def test_a_name_may_be_as_long_as_the_system_lets(tmp_path):
    path = tmp_path / ("é" * 120 + ".npz")
    make().fit(X).save(path)
    Autoencoder.load(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": "many"}, "epochs must be an integer of at least 0, got 'many'"),
        ({"bias": None}, "bias must be True, False or one boolean array per layer, got None"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(path, changes, words):
    model = make().fit(X)
    model.save(path)
    before = path.read_bytes()
    for name, value in changes.items():
        setattr(model, name, value)
    with pytest.raises(ValueError, match=words):
        model.save(path)
    assert path.read_bytes() == before


def test_objects_are_not_pickled(path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        npz.write_npz(path, "numbers", 1, {}, {"numbers": np.array([{}])})
    assert not path.exists()


# -------------------------------------------------------------------------------------- refusals
#
# A file is taken apart, one thing in it is made wrong, and it is put together again.


def parts_of_a_file(path) -> tuple[dict, dict]:
    """The header and the arrays of a model file."""
    make(initial_parameters={"b0": [0.1, 0.2]}).fit(X, validation_data=X).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    return json.loads(arrays.pop("header").tobytes()), arrays


def npy(array, *, descr=None, shape=None, by_columns=False, version=b"\1\0") -> bytes:
    """An .npy file, which may declare something other than it holds."""
    array = np.asarray(array)
    descr, shape = descr or array.dtype.str, array.shape if shape is None else shape
    text = f"{{'descr': {descr!r}, 'fortran_order': {by_columns}, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + array.tobytes()


def put_together(path, header, arrays, *, extra=(), compression=zipfile.ZIP_STORED) -> None:
    """Write a file of this header and these arrays; bytes given instead are written as they are."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    members = {"header": np.frombuffer(content, np.uint8), **arrays}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, part in [*members.items(), *extra]:
            file.writestr(f"{name}.npy", part if isinstance(part, bytes) else npy(part))


def with_header(**changes):
    """A header that says something else; ... takes an entry away."""

    def write(path):
        header, arrays = parts_of_a_file(path)
        header = {key: v for key, v in (header | changes).items() if v is not ...}
        put_together(path, header, arrays)

    return write


def with_part(outer, **changes):
    """The same for an entry that is itself an object."""

    def write(path):
        header, arrays = parts_of_a_file(path)
        part = {key: v for key, v in (header[outer] | changes).items() if v is not ...}
        put_together(path, header | {outer: part}, arrays)

    return write


def with_raw_header(content):
    def write(path):
        put_together(path, content, parts_of_a_file(path)[1])

    return write


def with_array(name, change):
    """Another array, or its bytes; None takes it away."""

    def write(path):
        header, arrays = parts_of_a_file(path)
        arrays[name] = change(arrays[name])
        put_together(path, header, {key: a for key, a in arrays.items() if a is not None})

    return write


def with_more(*extra, compression=zipfile.ZIP_STORED):
    def write(path):
        put_together(path, *parts_of_a_file(path), extra=extra, compression=compression)

    return write


def with_bytes(change):
    """The bytes of a good file, changed."""

    def write(path):
        parts_of_a_file(path)
        path.write_bytes(change(path.read_bytes()))

    return write


def changed(content: bytes, offset: int, mark: bytes, new: bytes) -> bytes:
    """Overwrite the bytes at an offset from the last mark."""
    at = content.rindex(mark) + offset
    return content[:at] + new + content[at + len(new) :]


def with_one(array, value):
    array = array.copy()
    array[3] = value
    return array


def pickled(array):
    content = io.BytesIO()
    np.save(content, np.array([array, {}], object), allow_pickle=True)
    return content.getvalue()


def bomb(path):
    """64 MB of zeros in 64 kB, under the right name, type and shape."""
    header, arrays = parts_of_a_file(path)
    sizes = [8_000_000, 1, 8_000_000]
    arrays |= {
        "parameters": np.zeros(24_000_001, np.float32),
        "bias_mask": np.zeros(8_000_001, bool),
    }
    compression = zipfile.ZIP_DEFLATED
    put_together(path, header | {"layer_sizes": sizes}, arrays, compression=compression)


def giant(path):
    """Sizes and shape agree, and are beyond any machine."""
    header, arrays = parts_of_a_file(path)
    n = 10**9
    arrays["parameters"] = npy(np.zeros(3, np.float32), shape=(2 * n * n + 2 * n,))
    arrays["bias_mask"] = npy(np.zeros(3, bool), shape=(2 * n,))
    put_together(path, header | {"layer_sizes": [n, n, n]}, arrays)


def overlapping(path):
    """The entry of the mask points to the parameters."""
    parts_of_a_file(path)
    content = path.read_bytes()
    entry = content.rindex(b"parameters.npy") - 46
    other = content.rindex(b"bias_mask.npy") - 46
    place = content[entry + 42 : entry + 46]
    path.write_bytes(content[: other + 42] + place + content[other + 46 :])


def with_members(count):
    """A list of this many members takes much more memory than it has bytes."""

    def write(path):
        with zipfile.ZipFile(path, "w") as file:
            for number in range(count):
                file.writestr(f"{number}.npy", b"")

    return write


def with_a_hole(path):
    """Bytes between two members, which their list leaves out."""
    parts_of_a_file(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        start, last = file.start_dir, file.infolist()[-1].header_offset
    hole = b"anything"
    moved = changed(content, 42, CENTRAL, (last + len(hole)).to_bytes(4, "little"))
    moved = changed(moved, 16, b"PK\5\6", (start + len(hole)).to_bytes(4, "little"))
    path.write_bytes(moved[:last] + hole + moved[last:])


GAPS = "members must fill the file, got bytes before, between or after them"
CENTRAL = b"PK\1\2"  # the mark of an entry in the directory at the end
DEEP = b"[" * 1_000_000
FAULTS = {
    # No archive, or a damaged one.
    "a text": (lambda path: path.write_text("a letter"), "not a zip file"),
    "a web page": (lambda path: path.write_text("<!DOCTYPE html><html>"), "not a zip file"),
    "an empty file": (lambda path: path.write_bytes(b""), "not a zip file"),
    "a single array": (lambda path: path.write_bytes(npy(X)), "not a zip file"),
    "a pickle": (lambda path: path.write_bytes(b"\x80\x04N."), "not a zip file"),
    "an empty archive": (
        lambda path: zipfile.ZipFile(path, "w").close(),
        "must include 'header', got []",
    ),
    "other arrays": (
        lambda path: np.savez(path, images=X),
        "must include 'header', got ['images']",
    ),
    "one byte short": (with_bytes(lambda content: content[:-1]), "not a zip file"),
    "cut in half": (with_bytes(lambda content: content[: len(content) // 2]), "not a zip file"),
    "the beginning missing": (
        with_bytes(lambda content: content[500:]),
        "'header' must be in the file, got offset -500",
    ),
    "a flipped bit": (
        with_bytes(lambda c: changed(c, 150, b"PK\3\4", b"\x55")),
        "Bad CRC-32",
    ),
    "an encrypted member": (with_bytes(lambda c: changed(c, 8, CENTRAL, b"\1")), "encrypted"),
    "a compression that nobody knows": (
        with_bytes(lambda c: changed(c, 10, CENTRAL, b"\x4d")),
        "compressed",
    ),
    "a member larger than the file": (
        with_bytes(lambda c: changed(c, 20, CENTRAL, b"\xff\xff\xff\x7f" * 2)),
        "members must fit into",
    ),
    "members that overlap": (overlapping, "must be an array, got damage"),
    "a member beyond the end": (
        with_bytes(lambda c: changed(c, 42, CENTRAL, b"\xff\xff\xff\x7f")),
        "'initial_b0' must be in the file, got offset 2147483647",
    ),
    "a second file behind it": (with_bytes(lambda content: content + content), GAPS),
    "a text in front of it": (with_bytes(lambda content: b"#!/bin/sh\n" + content), GAPS),
    "a text behind it": (with_bytes(lambda content: content + b"rubbish"), GAPS),
    "a comment": (
        with_bytes(lambda c: changed(c, 20, b"PK\5\6", b"\7\0") + b"rubbish"),
        GAPS,
    ),
    "a hole": (with_a_hole, GAPS),
    "members beyond number": (with_members(5_000), "a list of members of"),
    "a compressed file": (with_more(compression=zipfile.ZIP_DEFLATED), "compressed"),
    "a bomb": (bomb, "compressed"),
    # Members.
    "no header": (lambda path: np.savez(path, **parts_of_a_file(path)[1]), "must include 'header'"),
    "no parameters": (
        with_array("parameters", lambda a: None),
        "arrays must be ['bias_mask', 'initial",
    ),
    "no mask": (with_array("bias_mask", lambda a: None), "arrays must be"),
    "no initial parameters": (with_array("initial_b0", lambda a: None), "arrays must be"),
    "an unknown member": (with_more(("images", X)), "arrays must be"),
    "a member of a long name": (with_more(("x" * 10_000, X)), "arrays must be"),
    # Arrays.
    "an object array": (
        with_array("parameters", pickled),
        "'parameters.npy' must be '<f4' of shape (27,), got '|O'",
    ),
    "an object array of the right name": (
        with_array("initial_b0", lambda a: npy(a, descr="|O")),
        "must be '<f8' of shape (2,)",
    ),
    "a structured array": (
        with_array("parameters", lambda a: npy(a, descr=[("x", "<f4")])),
        "must be '<f4' of shape (27,)",
    ),
    "another dtype": (with_array("parameters", lambda a: a.astype(float)), "must be '<f4'"),
    "another byte order": (with_array("parameters", lambda a: a.astype(">f4")), "must be '<f4'"),
    "a dtype that is none": (
        with_array("parameters", lambda a: npy(a, descr="rubbish")),
        "must be an array, got damage",
    ),
    "another length": (with_array("parameters", lambda a: a[:-1]), "must be '<f4' of shape (27,)"),
    "another dimension": (with_array("bias_mask", lambda a: a[None]), "of shape (7,)"),
    "by columns": (
        with_array("initial_b0", lambda a: npy(a, by_columns=True)),
        "by columns",
    ),
    "a mask of integers": (with_array("bias_mask", lambda a: a.astype("i1")), "must be '|b1'"),
    "a negative length": (with_array("parameters", lambda a: npy(a, shape=(-27,))), "(-27,)"),
    "a huge length": (with_array("parameters", lambda a: npy(a, shape=(10**18,))), "(27,)"),
    "a length that is no integer": (
        with_array("parameters", lambda a: npy(a, shape=(27.0,))),
        "must be an array, got damage",
    ),
    "fewer entries than declared": (
        with_array("parameters", lambda a: npy(a[:-1], shape=(27,))),
        "must have 108 bytes, got 104",
    ),
    "more entries than declared": (
        with_array("parameters", lambda a: npy(a[:3].repeat(18), shape=(27,))),
        "must have 108 bytes, got 216",
    ),
    "giant sizes that agree": (giant, "must have 80000000"),
    "another version of .npy": (
        with_array("parameters", lambda a: npy(a, version=b"\2\0")),
        "other than 1.0",
    ),
    "brackets nested deeply in a shape": (
        with_array(
            "parameters", lambda a: npy(a, shape=Ellipsis).replace(b"Ellipsis", b"(" * 9000)
        ),
        "must be an array, got damage",
    ),
    "bytes that are no array": (
        with_array("parameters", lambda a: b"rubbish"),
        "must be an array, got damage",
    ),
    "a NaN weight": (
        with_array("parameters", lambda a: with_one(a, np.nan)),
        "must hold finite numbers, got nan",
    ),
    "an infinite weight": (
        with_array("parameters", lambda a: with_one(a, -np.inf)),
        "must hold finite numbers, got -inf",
    ),
    "an initial NaN": (
        with_array("initial_b0", lambda a: a * np.nan),
        "'initial_b0.npy' must hold finite numbers, got nan",
    ),
    "neither True nor False": (
        with_array("bias_mask", lambda a: npy(with_one(a.view("u1"), 2), descr="|b1")),
        "must hold the bytes 0 and 1, got 2",
    ),
    # The header.
    "a header of another format": (
        with_header(format="other"),
        "format must be 'ae_numpy model', got 'other'",
    ),
    "a newer version": (with_header(version=2), "version must be 1, got 2; it was written by a"),
    "an older version": (with_header(version=0), "version must be 1, got 0"),
    "a version that is no number": (with_header(version="1"), "version must be 1, got '1'"),
    "True for a version": (with_header(version=True), "version must be 1, got True"),
    "a header that is no JSON": (with_raw_header(b"{'a': 1}"), "header must be JSON, got damage"),
    "a header that is no text": (
        with_raw_header(b"\xff\xfe\x00"),
        "header must be JSON, got damage",
    ),
    "an empty header": (with_raw_header(b""), "header must be JSON, got damage"),
    "a header that is a list": (with_raw_header(b"[1]"), "header must be an object, got [1]"),
    "a header of an endless number": (
        with_raw_header(b"9" * 9999),
        "header must be JSON, got damage",
    ),
    "brackets nested deeply in a header": (with_raw_header(DEEP), "RecursionError"),
    "a huge header": (with_raw_header(bytes(1 << 25)), "must be at most 16777216 bytes"),
    "lists beyond number": (with_header(settings=[[]] * 70_000), "at most 65536 parts, got 70"),
    "objects beyond number": (with_header(settings=[{}] * 70_000), "at most 65536 parts"),
    "keys beyond number": (
        with_header(settings={str(k): 1 for k in range(70_000)}),
        "at most 65536 parts",
    ),
    "brackets in a text": (with_header(settings=']:"}' * 70_000), "settings must be an object"),
    "settings missing": (with_header(settings=...), "got no 'settings'"),
    "a key unknown": (with_header(colour="red"), "got an unknown 'colour'"),
    "sizes that are no list": (with_header(layer_sizes="5, 2, 5"), "three or more positive"),
    "sizes as floats": (with_header(layer_sizes=[5.0, 2.0, 5.0]), "three or more positive"),
    "a negative size": (with_header(layer_sizes=[-5, 2, -5]), "three or more positive"),
    "a size of 0": (with_header(layer_sizes=[5, 0, 5]), "three or more positive"),
    "a single size": (with_header(layer_sizes=[5]), "three or more positive"),
    "an output unlike the input": (with_header(layer_sizes=[5, 2, 4]), "the last as the first"),
    "sizes of other arrays": (with_header(layer_sizes=[5, 3, 5]), "of shape (38,)"),
    "an unknown dtype": (
        with_header(dtype="float16"),
        "dtype must be 'float32' or 'float64', got 'float16'",
    ),
    "a dtype of many fields": (with_header(dtype="f4," * 99_999), "'float32' or 'float64', got"),
    "a dtype that is no Python": (with_header(dtype="(2,f4"), "'float64', got '(2,f4'"),
    "an unknown rule": (
        with_header(backprop="magic"),
        "backprop must be one of ('exact', 'raw_error'), got 'magic'",
    ),
    "an unknown engine": (
        with_header(engine=["numpy"]),
        "engine must be one of ('numpy', 'numba'), got ['numpy']",
    ),
    "rates that are text": (
        with_header(learning_rates=["0.1"]),
        "learning_rates must be finite numbers",
    ),
    "rates that are NaN": (
        with_header(learning_rates=[float("nan")]),
        "learning_rates must be finite numbers",
    ),
    "a negative rate": (
        with_header(learning_rates=[-0.1]),
        "learning_rates must be finite numbers",
    ),
    "a seed that is none": (
        with_header(seed=1.5),
        "seed must be an integer of at least 0, got 1.5",
    ),
    "a negative seed": (with_header(seed=-1), "seed must be an integer of at least 0, got -1"),
    "a history that is a list": (with_header(history=[]), "history must be lists of equal length"),
    "a history without epochs": (with_part("history", epoch=...), "history must be lists of equal"),
    "a history of a number": (with_part("history", seconds=1.5), "history must be lists of equal"),
    "a history cut short": (
        with_part("history", train_mse=[0.1]),
        "history must be lists of equal",
    ),
    "a history from epoch 7": (
        with_part("history", epoch=[7, 8]),
        "history must be lists of equal",
    ),
    "a history of text": (
        with_part("history", seconds=["1", "2"]),
        "history must be lists of equal",
    ),
    "a history with NaN": (
        with_part("history", train_mse=[0.1, float("nan")]),
        "history must be lists of equal",
    ),
    "a negative error": (
        with_part("history", val_mse=[0.1, -0.1]),
        "history must be lists of equal",
    ),
    "an unknown history": (
        with_part("history", accuracy=[0.1, 0.2]),
        "history must be lists of equal",
    ),
    "settings that are a list": (with_header(settings=[]), "settings must be an object, got []"),
    "an unknown setting": (
        with_part("settings", colour=1),
        "settings must have hidden_layer_sizes, bias",
    ),
    "a setting missing": (with_part("settings", epochs=...), "got no 'epochs'"),
    "a setting of the wrong type": (
        with_part("settings", epochs="9"),
        "epochs must be an integer of at least 0, got '9'",
    ),
    "a setting that is an object": (
        with_part("settings", bias={"a": 1}),
        "bias must be True, False or one",
    ),
    "True for a number": (
        with_part("settings", epochs=True),
        "epochs must be an integer of at least 0, got True",
    ),
    "an initial array of a strange name": (
        with_header(initial_parameters={"../b0": [2]}),
        "must be shapes under W0, b0, W1",
    ),
    "an initial shape that is none": (
        with_header(initial_parameters={"b0": 2}),
        "must be shapes under W0, b0, W1",
    ),
    "an initial shape that is negative": (
        with_header(initial_parameters={"b0": [-2]}),
        "must be shapes under W0, b0, W1",
    ),
    "names of features that are numbers": (
        with_header(feature_names=[1, 2, 3, 4, 5]),
        "must be null or a list of strings",
    ),
    "too few names of features": (
        with_header(feature_names=["a"]),
        "feature_names must be 5 names, got 1",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_a_clear_and_cheap_error(path, fault):
    write, words = FAULTS[fault]
    write(path)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"must .*got") as caught:
            Autoencoder.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path} is not a whole ae_numpy model file: ")
    assert words in message
    assert len(message) < 1000
    # The file's size, and that of the text in it once more.
    assert peak < (1 << 20) + 2 * path.stat().st_size


@pytest.mark.parametrize("item", ["ab", 1e9, 257])
def test_a_header_grows_twenty_times_at_most(path, item):
    """Reading takes twenty times the header, and 5 MB for lists, whose number is limited."""
    header, arrays = parts_of_a_file(path)
    put_together(path, header | {"settings": [item] * 200_000 + [[]] * 60_000}, arrays)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="settings must be an object"):
            Autoencoder.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * path.stat().st_size + 5_000_000


def test_the_records_of_a_file_of_gigabytes_are_read(path, monkeypatch):
    """Beyond 2 GiB zip has other records at the end; here beyond 100 bytes."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    parts_of_a_file(path)
    assert b"PK\6\7" in path.read_bytes()[-42:]
    assert Autoencoder.load(path).n_features_in_ == 5
    path.write_bytes(path.read_bytes() + b"rubbish")
    with pytest.raises(ValueError, match=GAPS):
        Autoencoder.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["header", "parameters", "bias_mask"])
def test_two_members_of_one_name_are_refused(path, name):
    header, arrays = parts_of_a_file(path)
    content = np.frombuffer(json.dumps(header).encode(), np.uint8)
    put_together(path, header, arrays, extra=[(name, ({"header": content} | arrays)[name])])
    with pytest.raises(ValueError, match=f"members must differ in name, got two '{name}'"):
        Autoencoder.load(path)


def test_every_truncation_is_refused(path):
    make().fit(X).save(path)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"must .*got"):
            Autoencoder.load(path)


def test_the_files_that_are_put_together_here_are_good_but_for_their_faults(path):
    put_together(path, *parts_of_a_file(path))
    assert Autoencoder.load(path).n_iter_ == 2


def test_a_large_file_is_read_in_parts(path):
    wide = np.random.default_rng(1).random((2, 4000))
    model = make(hidden_layer_sizes=200, epochs=0).fit(wide)
    model.save(path)
    np.testing.assert_array_equal(
        Autoencoder.load(path).network_.parameters, model.network_.parameters
    )


def test_a_header_that_could_not_be_read_is_not_written(path, monkeypatch):
    monkeypatch.setattr(npz, "_MAX_HEADER_BYTES", 100)
    with pytest.raises(ValueError, match="header must be at most 100 bytes"):
        make().fit(X).save(path)
    assert not path.exists()


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        Autoencoder.load(path)


def test_a_directory_keeps_its_own_error(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name):
        Autoencoder.load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices as POSIX has them")
@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(path, kind):
    path = {"a device": "/dev/zero"}.get(kind, path)
    {"a directory": os.mkdir, "a pipe": os.mkfifo}.get(kind, os.stat)(path)
    with pytest.raises(OSError, match=f"must be a regular file: '{path}'"):
        Autoencoder.load(path)


def test_a_disk_that_fails_is_not_called_a_damaged_file(path, monkeypatch):
    make().fit(X).save(path)

    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        Autoencoder.load(path)
