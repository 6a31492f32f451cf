"""Model files: one .npz, without pickle, written in one piece.

A file holds a header (JSON: what the arrays mean, and everything that is no array) and the arrays.
"""

from __future__ import annotations

import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ae_numpy.network import Network

if TYPE_CHECKING:
    from ae_numpy.autoencoder import Autoencoder

_FORMAT, _VERSION = "ae_numpy model", 1
Model = TypeVar("Model", bound="Autoencoder")

_SETTINGS = (
    "hidden_layer_sizes",
    "bias",
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


def write_atomically(path: str | os.PathLike, content: Mapping[str, NDArray]) -> None:
    """Write arrays to an .npz file that is there whole, or not at all.

    Parameters
    ----------
    path : str or path
        Replaced if it exists.
    content : mapping of str to array
    """
    path = Path(path)
    # Not of tempfile: its files are for their owner alone, whatever the system's umask.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save_model(model: Autoencoder, path: str | os.PathLike) -> None:
    """Write a fitted model."""
    network = model.network_
    header: dict[str, Any] = {
        "format": _FORMAT,
        "version": _VERSION,
        "layer_sizes": network.layer_sizes,
        "dtype": network.dtype.name,
        "backprop": network.backprop,
        "engine": network.engine,
        "history": model.history_,
        "learning_rates": model.learning_rates_,
        "seed": model._seed,
        "settings": {name: _as_json(getattr(model, name)) for name in _SETTINGS},
    }
    if callable(model.learning_rate):
        header["settings"]["learning_rate"] = model.learning_rates_
    given = model.initial_parameters or {}
    write_atomically(
        path,
        {
            "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
            "parameters": network.parameters,
            "bias_mask": network.bias_mask,
            **{f"initial_{name}": np.asarray(value) for name, value in given.items()},
        },
    )


def _as_json(value: Any) -> Any:
    """Turn a setting into what JSON can hold; a random generator becomes None."""
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, np.dtype | type):
        return np.dtype(value).name
    return value


def load_model(cls: type[Model], path: str | os.PathLike) -> Model:
    """Read a model that `save_model` has written."""
    try:
        with open(path, "rb") as file:  # np.load leaves open what it cannot read
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            arrays = {name: loaded[name] for name in loaded.files}
        header = json.loads(arrays.pop("header").tobytes())
    except (zipfile.BadZipFile, KeyError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path} is not a model file of ae_numpy: {error}") from error
    if header.get("format") != _FORMAT or header.get("version") != _VERSION:
        raise ValueError(
            f"{path} must be {_FORMAT!r} of version {_VERSION}, "
            f"got {header.get('format')!r} of version {header.get('version')!r}"
        )
    network = Network(
        header["layer_sizes"],
        backprop=header["backprop"],
        dtype=header["dtype"],
        engine=header["engine"],
    )
    for name, array in (("parameters", network.parameters), ("bias_mask", network.bias_mask)):
        if name not in arrays or (arrays[name].shape, arrays[name].dtype) != (
            array.shape,
            array.dtype,
        ):
            raise ValueError(f"{path}: {name} must be {array.dtype} of shape {array.shape}")
        array[...] = arrays.pop(name)
    settings = header["settings"]
    if isinstance(settings["hidden_layer_sizes"], list):
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    given = {name.removeprefix("initial_"): array for name, array in arrays.items()}
    model = cls(**settings, initial_parameters=given or None)
    model.network_, model.history_ = network, header["history"]
    model.learning_rates_, model._seed = tuple(header["learning_rates"]), header["seed"]
    return model
