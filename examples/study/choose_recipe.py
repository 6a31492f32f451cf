"""How the recipe of the protocol `tuned` was chosen: without looking at the test images.

    cd examples && python -m study.choose_recipe --shape power --peak 0.05 --end 2 --hidden 2 28

trains models with bias on the first 50,000 training images by a recipe, and prints their errors on
the 10,000 held out, next to PCA's. results/recipes.md lists the recipes that were tried.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from study.baselines import fit_baselines
from study.data import N_TRAIN, DataSource, pixels
from study.paper import EPOCHS, HIDDEN_UNITS
from study.protocols import PROTOCOLS

N_HELD_BACK = 10_000

# Rates, starting at `peak`, as functions of the share s of the training done, 0 <= s < 1.
SHAPES: dict[str, Callable[[float, float, float], float]] = {
    "power": lambda peak, power, s: peak * (1 - s) ** power,
    "exponential": lambda peak, last, s: peak * (last / peak) ** s,
    "linear": lambda peak, last, s: peak + (last - peak) * s,
    "cosine": lambda peak, last, s: last + (peak - last) * (1 + np.cos(np.pi * s)) / 2,
}


def main() -> None:
    """Train by the recipe of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="power")
    parser.add_argument("--peak", type=float, default=0.05, help="first rate (default 0.05)")
    parser.add_argument("--end", type=float, default=2.0, help="power, or last rate (default 2)")
    parser.add_argument("--decoder-bias", type=float, default=-2.0)
    parser.add_argument("--hidden", type=int, nargs="+", default=list(HIDDEN_UNITS.values()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    digits = DataSource("mnist", options.data_dir).load()
    X = pixels(digits.train_images)
    X_held_back, X = X[N_TRAIN - N_HELD_BACK :], X[: N_TRAIN - N_HELD_BACK]
    labels = digits.train_labels[-N_HELD_BACK:]
    shape, end = SHAPES[options.shape], options.end
    # The named end is that of the last epoch; a power ends at 0, one epoch after it.
    n_steps = EPOCHS if options.shape == "power" else EPOCHS - 1
    rates = tuple(shape(options.peak, end, epoch / n_steps) for epoch in range(EPOCHS))
    recipe = replace(
        PROTOCOLS["tuned"],
        learning_rates=lambda epochs: rates,
        decoder_bias=options.decoder_bias,
    )
    ratios = {ratio: units for ratio, units in HIDDEN_UNITS.items() if units in options.hidden}
    pca = fit_baselines(X, X_held_back, labels, ratios).pca
    for ratio, units in ratios.items():
        model = recipe.model(ratio, bias=True, seed=options.seed, epochs=EPOCHS).fit(X)
        print(f"h = {units}: {model.mse(X_held_back):.5f}, PCA {pca[ratio]:.5f}", flush=True)


if __name__ == "__main__":
    main()
