"""Model files: what is written is what is read, to the bit; what is not whole is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((11, 5))
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


def make(**settings) -> Autoencoder:
    defaults = {"hidden_layer_sizes": 2, "epochs": 2, "random_state": 3, "engine": "numpy"}
    return Autoencoder(**(defaults | settings))


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

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(OSError, match="no space left"):
        make(random_state=9).fit(X).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# -------------------------------------------------------------------------------------- refusals


def rewritten(path, **changes):
    """The file of a model, with other arrays or another header."""
    make().fit(X).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes()) | changes.pop("header", {})
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    arrays = {name: a for name, a in (arrays | changes).items() if a is not None}
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"header": {"format": "something else"}},
        {"header": {"version": 2}},
        {"parameters": np.zeros(3, np.float32)},
        {"parameters": np.zeros(27)},
        {"parameters": None},
        {"bias_mask": None},
        {"bias_mask": np.ones(4, bool)},
    ],
    ids=str,
)
def test_a_file_with_the_wrong_contents_is_refused(path, changes):
    rewritten(path, **changes)
    with pytest.raises(ValueError, match=r"model\.npz.* must be "):
        Autoencoder.load(path)


def npy(path):
    with path.open("wb") as file:
        np.save(file, X)


def truncated(path):
    make().fit(X).save(path)
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path):
    """Bits fell over in the middle of the parameters."""
    make().fit(X).save(path)
    content = bytearray(path.read_bytes())
    with np.load(path) as file:
        at = content.find(file["parameters"].tobytes())
    content[at + 5] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("a letter"),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, images=X),
        npy,
        truncated,
        damaged,
    ],
    ids=["text", "empty", "other arrays", "a single array", "truncated", "damaged"],
)
def test_what_is_no_model_file_is_refused(path, write):
    write(path)
    with pytest.raises(ValueError, match=r"model\.npz is not a model file of ae_numpy"):
        Autoencoder.load(path)


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"model\.npz"):
        Autoencoder.load(path)
