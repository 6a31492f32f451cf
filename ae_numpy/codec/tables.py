"""Symbols to bytes and back: tables of counts, and the entropy coder that uses them.

A sample is a row of symbols, one per unit. There is a table of counts for each unit, or, because
units depend on each other, one for each unit and cluster of samples: then the number of a sample's
cluster is coded first. Nothing here depends on what a symbol represents.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.uint8]

MAX_LEVELS = 256
_K_MEANS_ROUNDS = 15
# Costs are integers, in this fraction of a bit: their sums are exact, so every machine finds the
# same cluster cheapest.
_PARTS_OF_A_BIT = 1 << 16


class Tables:
    """How often each symbol was seen, by cluster and unit.

    Parameters
    ----------
    counts : uint32 array, shape (n_clusters, n_units, levels)
        At least 1 each.
    sizes : uint32 array, shape (n_clusters,)
        How often each cluster was seen, at least 1 each.

    Examples
    --------
    >>> symbols = np.array([[0, 1], [0, 1], [1, 0], [0, 1]], np.uint8)
    >>> tables = Tables.fit(symbols, levels=2)
    >>> tables.counts[0].tolist()
    [[7, 3], [3, 7]]
    >>> np.array_equal(tables.decode(tables.encode(symbols), 4), symbols)
    True
    """

    def __init__(self, counts: NDArray[np.uint32], sizes: NDArray[np.uint32]) -> None:
        self.counts, self.sizes = counts, sizes
        self._costs = np.ascontiguousarray(_costs(counts).transpose(1, 2, 0))  # by cluster last
        self._cluster_costs = _costs(sizes)
        # Integers in float64: the coder gets the same numbers on every machine.
        self._weights, self._cluster_weights = counts.astype(np.float64), sizes.astype(np.float64)

    @classmethod
    def fit(cls, symbols: Symbols, levels: int, contexts: int = 1, random_state: Any = 0) -> Self:
        """Count symbols.

        Parameters
        ----------
        symbols : uint8 array, shape (n_samples, n_units)
        levels : int
            Symbols are below this.
        contexts : int
            Clusters, found by k-means.
        random_state : None, int or numpy.random.Generator
            Where k-means starts.

        Returns
        -------
        Tables
        """
        clusters = np.zeros(len(symbols), np.int64)
        if contexts > 1:
            rng = np.random.default_rng(random_state)
            clusters = _k_means(symbols.astype(np.float32), contexts, rng)
        # Twice the count and a half: nothing is impossible (Krichevsky and Trofimov, 1981).
        counts = np.ones((contexts, symbols.shape[1], levels), np.uint32)
        np.add.at(counts, (clusters[:, np.newaxis], np.arange(symbols.shape[1]), symbols), 2)
        return cls(counts, (1 + 2 * np.bincount(clusters, minlength=contexts)).astype(np.uint32))

    def cheapest(self, symbols: Symbols) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find the cluster whose tables code each sample in the fewest bits.

        Parameters
        ----------
        symbols : uint8 array, shape (n_samples, n_units)

        Returns
        -------
        clusters : int64 array, shape (n_samples,)
        bits : float64 array, shape (n_samples,)
            The ideal length of the sample's symbols and its cluster's number: ``-log2`` of their
            shares.
        """
        costs = np.tile(self._cluster_costs, (len(symbols), 1))  # (n_samples, n_clusters)
        for unit, column in enumerate(symbols.T):
            costs += self._costs[unit, column]
        return costs.argmin(axis=1), costs.min(axis=1) / _PARTS_OF_A_BIT

    def encode(self, symbols: Symbols) -> bytes:
        """Code samples.

        Parameters
        ----------
        symbols : uint8 array, shape (n_samples, n_units)

        Returns
        -------
        bytes
            `decode` restores the samples from them.
        """
        clusters, _ = self.cheapest(symbols)
        stack, family, numbers = self._coder()
        # What goes in last comes out first.
        for row, cluster in zip(symbols[::-1].astype(np.int32), clusters[::-1], strict=True):
            stack.encode_reverse(row, family, self._weights[cluster])
        if numbers:
            stack.encode_reverse(clusters.astype(np.int32), numbers)
        return stack.get_compressed().astype("<u4").tobytes()

    def decode(self, content: bytes | memoryview, n_samples: int) -> Symbols:
        """Decode what `encode` has made of this many samples.

        Parameters
        ----------
        content : bytes
        n_samples : int

        Returns
        -------
        uint8 array, shape (n_samples, n_units)

        Raises
        ------
        ValueError
            If no samples give these bytes.
        """
        stack, family, numbers = self._coder(np.frombuffer(content, "<u4").astype(np.uint32))
        clusters = np.zeros(n_samples, np.int32)
        if numbers:
            clusters = stack.decode(numbers, n_samples)
        symbols = np.empty((n_samples, self.counts.shape[1]), np.uint8)
        for row, cluster in zip(symbols, clusters, strict=True):
            row[:] = stack.decode(family, self._weights[cluster])
        if not stack.is_empty():  # it never runs out of words by itself
            raise ValueError("found words that no samples give")
        return symbols

    def _coder(self, words: NDArray[np.uint32] | None = None) -> tuple[Any, Any, Any]:
        """Return constriction's coder and its models, of a unit and of the cluster's number."""
        try:
            from constriction import stream
        except ImportError as error:
            raise ImportError("no constriction: pip install 'ae_numpy[codec]'") from error
        family, numbers = stream.model.Categorical(perfect=False), None
        if len(self.sizes) > 1:
            numbers = stream.model.Categorical(self._cluster_weights, perfect=False)
        return stream.stack.AnsCoder(words), family, numbers


def _costs(counts: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How many parts of a bit each symbol costs; the last axis runs over the symbols."""
    totals = counts.sum(axis=-1, keepdims=True, dtype=np.int64)
    return np.rint(np.log2(totals / counts) * _PARTS_OF_A_BIT).astype(np.int64)


def _k_means(points: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the cluster of each point: Lloyd's rounds, started at points."""
    centres = points[rng.choice(len(points), k, replace=False)]
    for _ in range(_K_MEANS_ROUNDS):
        # The squared distance, but for what is the same for all centres.
        nearest = ((centres**2).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)
        for cluster in np.unique(nearest):  # an empty one stays where it is
            centres[cluster] = points[nearest == cluster].mean(axis=0)
    return nearest
