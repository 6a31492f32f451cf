"""Autoencoders: trained by the recipe of the protocol `tuned`, with bias; then codes made bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.codec.tables import Tables
from study.files import naming
from study.protocols import PROTOCOLS
from study.rate.classifier import unit_pixels
from study.rate.grid import Grid
from study.rate.measurement import Bench, Measured, coded_bytes, table_bytes


def untrained(grid: Grid, hidden_units: int, seed: int) -> Autoencoder:
    """Return a model of any code size, with the settings of the tuned one of Table 1."""
    model = PROTOCOLS["tuned"].model(7, True, seed, grid.epochs)
    return model.set_params(hidden_layer_sizes=(hidden_units,))


def trained(bench: Bench, hidden_units: int, seed: int, folder: Path) -> Autoencoder:
    """Return a trained model; train it and keep it in the folder unless it is there."""
    path = folder / f"autoencoder-h{hidden_units}-seed{seed}.npz"
    if path.exists():
        return Autoencoder.load(path)
    model = untrained(bench.grid, hidden_units, seed)
    model.fit(unit_pixels(bench.digits.train_images))
    with naming(path):
        model.save(path)
    return model


def measure(bench: Bench, model: Autoencoder, seed: int) -> Iterator[Measured]:
    """Measure a model at all levels, with all contexts.

    Symbols, bytes and images are those of `ae_numpy.codec.Codec`, but the images are encoded only
    once for all levels.
    """
    h = model.code_size_
    digits = bench.digits
    train, test = (model.encode(unit_pixels(x)) for x in (digits.train_images, digits.test_images))
    decoder = model.network_.layers[1]
    for levels in bench.grid.levels:
        symbols = _symbols(test, levels)
        seen = bench.measure(rebuilt(model, symbols, levels))
        for contexts in bench.grid.contexts:
            tables = Tables.fit(_symbols(train, levels), levels, contexts)
            yield {
                "method": "autoencoder",
                "setting": f"h={h} levels={levels} contexts={contexts}",
                "seed": seed,
                "bytes_per_image": coded_bytes(tables, symbols) / len(symbols),
                "decoder_bytes": 4 * (decoder.W.size + decoder.b.size) + table_bytes(tables),
                **seen,
            }
    yield {
        "method": "autoencoder, float32 codes",
        "setting": f"h={h}",
        "seed": seed,
        "bytes_per_image": 4 * h,
        "decoder_bytes": 4 * (decoder.W.size + decoder.b.size),
        **bench.measure(_as_images(model.decode(test))),
    }


def rebuilt(model: Autoencoder, symbols: np.ndarray, levels: int) -> np.ndarray:
    """Return the images that symbols stand for, shape (N, 28, 28)."""
    return _as_images(model.decode(symbols / (levels - 1)))


def _symbols(codes: np.ndarray, levels: int) -> np.ndarray:
    return np.rint(codes * (levels - 1)).astype(np.uint8)


def _as_images(X: np.ndarray) -> np.ndarray:
    return np.rint(255 * X).astype(np.uint8).reshape(-1, 28, 28)
