"""Hypothesis strategies: small random networks, with the data to try them on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import strategies as st

from ae_numpy import Network

# Beyond |z| = 5 the derivative a * (1 - a) loses digits: 1 - a is a difference of near equals.
REACH = 5.0

seeds = st.integers(0, 2**32 - 1)

needs_compiler = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1",
    reason="NUMBA_DISABLE_JIT=1: is about compiled code, or takes minutes without it",
)


def skip_without_compiler(engine: str) -> None:
    """End a test of NaN where kernels run as plain Python, whose scalars warn and raise."""
    if engine == "numba" and os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("NUMBA_DISABLE_JIT=1: only compiled code lets NaN pass without a word")


@dataclass(frozen=True)
class Case:
    """A network with parameters, inputs and targets. `X` is the target of an autoencoder."""

    network: Network
    X: np.ndarray
    target: np.ndarray

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return self.network.as_dict()

    @property
    def bias_masks(self) -> dict[str, np.ndarray]:
        return {f"b{k}": layer.bias_mask for k, layer in enumerate(self.network.layers)}

    def gradients(self, parameters=None, X=None, target=None) -> dict[str, np.ndarray]:
        """The gradients that the network gives."""
        given = self.parameters if parameters is None else parameters
        X, target = self.X if X is None else X, self.target if target is None else target
        return self.network.loss_and_gradients(given, X, target)[1]

    def gradient(self) -> np.ndarray:
        """The same, as one vector."""
        return self.network.flatten(self.gradients())

    @property
    def point(self) -> tuple:
        """The arguments that the checks of `numeric` take after the gradients."""
        return self.parameters, self.X, self.target, self.bias_masks

    def with_network(self, **changes) -> Case:
        """The same parameters and data in a network with other settings."""
        old = self.network
        settings = {
            "bias": [layer.bias_mask for layer in old.layers],
            "backprop": old.backprop,
            "dtype": old.dtype,
            "engine": old.engine,
        }
        network = Network(old.layer_sizes, **(settings | changes))
        network.parameters[:] = old.parameters
        return replace(
            self,
            network=network,
            X=self.X.astype(network.dtype),
            target=self.target.astype(network.dtype),
        )


def make_case(
    layer_sizes, seed, *, n_samples=5, bias=True, binary=False, reach=REACH, **settings
) -> Case:
    """Draw parameters and data; weights are scaled so that no |z| is beyond `reach`.

    All biases are drawn, also those that are held. An equal number of inputs and outputs makes
    an autoencoder, whose target is X.
    """
    rng = np.random.default_rng(seed)
    network = Network(layer_sizes, bias=bias, **settings)
    X = rng.random((n_samples, layer_sizes[0]))
    X = np.round(X) if binary else X
    autoencoder = layer_sizes[0] == layer_sizes[-1]
    target = X if autoencoder else rng.random((n_samples, layer_sizes[-1]))
    a = X
    for layer in network.layers:
        layer.W[...] = rng.normal(size=layer.W.shape) * 2
        layer.b[...] = rng.normal(size=layer.b.shape)
        farthest = np.abs(a @ layer.W + layer.b).max()
        layer.W[...] *= min(1, reach / farthest)
        layer.b[...] *= min(1, reach / farthest)
        a = 1 / (1 + np.exp(-np.clip(a @ layer.W + layer.b, -500, 500)))
    return Case(network, X.astype(network.dtype), target.astype(network.dtype))


@st.composite
def cases(
    draw, *, min_layers=1, max_layers=4, min_samples=1, autoencoder=False, masked=True, **settings
) -> Case:
    """Networks of 1 to 4 layers of 1 to 5 units, with a few samples."""
    n_layers = draw(st.integers(min_layers, max_layers), "layers")
    sizes = draw(st.lists(st.integers(1, 5), min_size=n_layers + 1, max_size=n_layers + 1))
    if autoencoder:
        sizes[-1] = sizes[0]
    return make_case(
        sizes,
        draw(seeds),
        n_samples=draw(st.integers(min_samples, 6)),
        bias=draw(bias_masks(sizes)) if masked else True,
        binary=draw(st.booleans()),
        **settings,
    )


def bias_masks(layer_sizes):
    """Every form that `bias` may have: True, False, or one mask per layer."""
    masks = [st.lists(st.booleans(), min_size=n, max_size=n) for n in layer_sizes[1:]]
    return st.one_of(st.just(True), st.just(False), st.tuples(*masks))
