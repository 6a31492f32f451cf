"""`Codec`: images to bytes and back, by the codes of an autoencoder.

A compression ratio of an autoencoder counts numbers; a codec counts bytes. It rounds each code to
one of a few levels, and entropy-codes the levels by counts of how often each unit takes each of
them: `tables` converts symbols to bytes and back, `stream` defines where they are in a file. The
decoder needs the codec's own file, which pays off only over many images.
"""

import hashlib
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ae_numpy.autoencoder import Autoencoder
from ae_numpy.codec import stream
from ae_numpy.codec.tables import MAX_LEVELS, Symbols, Tables
from ae_numpy.sklearn_protocol import not_fitted_error
from ae_numpy.storage.npz import Shapes, read_npz, write_npz
from ae_numpy.validation import Rule, checked_integer, each, integer, level_of_the_caller, of

_FORMAT, _VERSION = "ae_numpy codec", 1


class Codec:
    """Compresses images by an autoencoder's codes, quantised and entropy-coded.

    A code ``z`` in [0, 1] becomes the symbol ``round(z * (levels - 1))``, which represents
    ``symbol / (levels - 1)``. A symbol that occurs in a share ``p`` of the training samples costs
    ``-log2(p)`` bits. Compressed images take at most 1 % more than these `bits`, 64 bytes, and 32
    bytes for each block of 256 images.

    The same symbols give the same bytes on every machine, and decoding them uses integers only.
    The network's sums are rounded differently by each engine and machine: pixels may differ by one
    grey level, and where a code is halfway between two levels (about once in a million), an encoder
    may choose the other one.

    Parameters
    ----------
    model : Autoencoder
        Fitted. It is part of the codec: training it further makes it another codec.
    levels : int
        2 to 256.
    contexts : int
        Clusters of samples, each with its own counts. 64 of them save some 10 % of the bytes, but
        need 64 times as many counts.
    random_state : None, int or numpy.random.Generator
        Where the search for clusters starts.

    Raises
    ------
    TypeError, ValueError
        If a parameter is unsuitable.

    Examples
    --------
    >>> from ae_numpy import Autoencoder
    >>> images = np.random.default_rng(0).integers(0, 256, (300, 4, 4), np.uint8)
    >>> model = Autoencoder(3, epochs=1, random_state=0).fit(images.reshape(300, 16) / 255)
    >>> codec = Codec(model, levels=4).fit(images)
    >>> data = codec.compress(images)
    >>> again = codec.decompress(data)
    >>> again.shape, again.dtype
    ((300, 4, 4), dtype('uint8'))
    >>> round(codec.bits(images).sum() / 8), len(data)
    (85, 172)
    """

    # Iterates over the blocks of samples; the command line replaces it to show progress.
    _progress: Callable[[list[slice]], Iterable[slice]] = iter

    def __init__(
        self, model: Autoencoder, *, levels: int = 8, contexts: int = 1, random_state: Any = 0
    ) -> None:
        if not isinstance(model, Autoencoder):
            raise TypeError(f"model must be an Autoencoder, got {type(model).__name__}")
        if checked_integer(levels, "levels", 2) > MAX_LEVELS:
            raise ValueError(f"levels must be at most {MAX_LEVELS}, got {levels}")
        self.model, self.levels = model, int(levels)
        self.contexts, self.random_state = checked_integer(contexts, "contexts", 1), random_state
        self._tables: Tables | None = None

    def fit(self, X: ArrayLike) -> Self:
        """Count how often each unit takes each level.

        Parameters
        ----------
        X : array-like, shape (n_samples, ...)
            Images as `compress` takes them: those the model was trained on.

        Returns
        -------
        self

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `compress`, and if there are fewer samples than `contexts`.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> codec = Codec(model, levels=4).fit(np.eye(6))
        """
        images = self._checked_images(X, "X")
        if len(images) < self.contexts:
            raise ValueError(f"contexts is {self.contexts}, but X has only {len(images)} samples")
        symbols = np.concatenate([*self._blocks(images)])
        self._tables = Tables.fit(symbols, self.levels, self.contexts, self.random_state)
        return self

    def bits(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the ideal length of each sample's code under the counts.

        Parameters
        ----------
        X : array-like, shape (n_samples, ...)
            Images as `compress` takes them.

        Returns
        -------
        float64 array, shape (n_samples,)
            ``-log2`` of the product of the shares of its symbols, in bits; with contexts, in the
            cluster where this is least, and with the number of the cluster.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            As `compress`.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> Codec(model).fit(np.eye(6)).bits(np.eye(6)).shape
        (6,)
        """
        tables, images = self._fitted(), self._checked_images(X, "X")
        return np.concatenate([tables.cheapest(block)[1] for block in self._blocks(images)])

    def compress(self, images: ArrayLike) -> bytes:
        """Compress images.

        Parameters
        ----------
        images : array-like, shape (n_samples, ...)
            Each with as many entries as the model has features: grey levels of dtype uint8, which
            are divided by 255, or float32 or float64 in [0, 1].

        Returns
        -------
        bytes

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        TypeError, ValueError
            If the images have another dtype or shape, or are outside [0, 1].
        ImportError
            If constriction is not installed.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> type(Codec(model).fit(np.eye(6)).compress(np.eye(6)))
        <class 'bytes'>
        """
        tables, images = self._fitted(), self._checked_images(images, "images")
        blocks = [tables.encode(block) for block in self._blocks(images)]
        return stream.pack(self._fingerprint(), images.dtype, images.shape, blocks)

    def decompress(self, data: stream.Bytes, *, damaged: str = "raise") -> NDArray:
        """Decompress images.

        Parameters
        ----------
        data : bytes-like
            The result of `compress`, from this codec or an equal one.
        damaged : {"raise", "skip"}
            What to do if a part is damaged or missing: raise an error, or leave zeros for its
            images and name them in a warning. The first bytes must be intact in any case.

        Returns
        -------
        array
            Of the shape and dtype that `compress` was given, in the machine's byte order.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If `data` is foreign, truncated, corrupted, of another codec or of a newer version.
        TypeError
            If `data` is not bytes.
        ImportError
            If constriction is not installed.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> codec = Codec(model).fit(np.eye(6))
        >>> codec.decompress(codec.compress(np.eye(6))).shape
        (6, 6)
        """
        tables, n_features = self._fitted(), self.model.n_features_in_
        if damaged not in ("raise", "skip"):
            raise ValueError(f"damaged must be 'raise' or 'skip', got {damaged!r:.200}")
        whole, fingerprint = damaged == "raise", self._fingerprint()
        dtype, shape, blocks = stream.unpack(data, fingerprint, n_features, whole=whole)
        images, lost = np.zeros(shape, dtype), []
        pixels = images.reshape(len(images), -1)
        for index, rows in enumerate(self._progress(stream.blocks_of(len(images)))):
            try:
                content = stream.checked(blocks[index])
                pixels[rows] = self._pixels(tables.decode(content, rows.stop - rows.start), dtype)
            except ValueError as error:
                lost.append(f"block {index} (samples {rows.start} to {rows.stop - 1})")
                if whole:
                    raise ValueError(f"data is corrupted in {lost[0]}") from error
        if lost:
            warnings.warn(f"zeros for damaged {', '.join(lost)}", stacklevel=level_of_the_caller())
        return images

    def save(self, path: str | os.PathLike) -> None:
        """Write model, levels and counts to one .npz file, which `load` reads.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If no file can hold the model.
        OSError
            If the file cannot be written; an existing file is unchanged.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> codec = Codec(model).fit(np.eye(6))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     codec.save(f"{folder}/codec.npz")
        ...     again = Codec.load(f"{folder}/codec.npz")
        >>> again.compress(np.eye(6)) == codec.compress(np.eye(6))
        True
        """
        tables = self._fitted()
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(f"{folder}/model.npz")
            model = np.fromfile(f"{folder}/model.npz", np.uint8)
        counts, sizes = tables.counts, tables.sizes
        arrays: dict[str, NDArray] = {"model": model, "counts": counts, "sizes": sizes}
        write_npz(path, _FORMAT, _VERSION, {"sizes": [*counts.shape, len(model)]}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read a codec that `save` has written.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Codec

        Raises
        ------
        ValueError
            If the file is not such a codec.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> from ae_numpy import Autoencoder
        >>> model = Autoencoder(2, epochs=1, random_state=0).fit(np.eye(6))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Codec(model, levels=5).fit(np.eye(6)).save(f"{folder}/codec.npz")
        ...     Codec.load(f"{folder}/codec.npz").levels
        5
        """
        _, arrays = read_npz(path, _FORMAT, _VERSION, _shapes)
        counts, sizes = arrays["counts"], arrays["sizes"]
        try:
            with tempfile.TemporaryDirectory() as folder:
                arrays["model"].tofile(f"{folder}/model.npz")
                model = Autoencoder.load(f"{folder}/model.npz")
            codec = cls(model, levels=counts.shape[2], contexts=len(counts))
            if not (counts.all() and sizes.all() and counts.shape[1] == model.code_size_):
                raise ValueError(f"counts must be the model's and above 0, got {counts.shape}")
        except ValueError as error:
            raise ValueError(f"{path} is not a whole {_FORMAT} file: {error}") from error
        codec._tables = Tables(counts, sizes)
        return codec

    def _fitted(self) -> Tables:
        if self._tables is None:
            raise not_fitted_error("This Codec instance is not fitted yet: call fit first.")
        return self._tables

    def _checked_images(self, X: ArrayLike, name: str) -> NDArray:
        """Return images as an array whose dtype and shape can be compressed."""
        images, n_features = np.asarray(X), self.model.n_features_in_
        if images.dtype.name not in stream.DTYPES:
            raise TypeError(f"{name} must be one of {stream.DTYPES}, got {images.dtype}")
        n_samples, *shape = images.shape or (0,)
        if not n_samples or math.prod(shape) != n_features or len(shape) >= stream.MAX_RANK:
            expected = f"(n_samples, ...), {n_features} entries each, up to {stream.MAX_RANK} axes"
            raise ValueError(f"{name} must have shape {expected}, got {images.shape}")
        return images

    def _blocks(self, images: NDArray) -> Iterator[Symbols]:
        """Yield the quantised codes of each block of images, shape (B, code size)."""
        for rows in self._progress(stream.blocks_of(len(images))):
            X = images[rows].reshape(rows.stop - rows.start, -1)
            if X.dtype == np.uint8:
                X = X / 255
            elif not (X.min() >= 0 and X.max() <= 1):  # NaN is neither
                raise ValueError(f"floats must be in [0, 1], got {X.min():g} to {X.max():g}")
            yield np.rint(self.model.encode(X) * (self.levels - 1)).astype(np.uint8)

    def _pixels(self, symbols: Symbols, dtype: np.dtype) -> NDArray:
        """Return the images that symbols represent, shape (B, n_features)."""
        X = self.model.decode(symbols / (self.levels - 1))
        return (np.rint(255 * X) if dtype == np.uint8 else X).astype(dtype)

    def _fingerprint(self) -> bytes:
        """Return what distinguishes this codec: a hash of everything that decoding depends on."""
        network, tables = self.model.network_, self._fitted()
        digest = hashlib.sha256(repr((network.layer_sizes, tables.counts.shape)).encode())
        digest.update(network.parameters.astype("<f8").tobytes())
        digest.update(tables.counts.astype("<u4").tobytes() + tables.sizes.astype("<u4").tobytes())
        return digest.digest()[: stream.FINGERPRINT_BYTES]


def _shapes(header: dict[str, Any]) -> Shapes:
    """Check a header, and return the dtype and shape of the arrays that belong to it."""
    *counts, model_bytes = _SIZES(header.get("sizes"), "sizes")
    u4 = np.dtype(np.uint32)
    counted = {"counts": (u4, tuple(counts)), "sizes": (u4, (counts[0],))}
    return {"model": (np.dtype(np.uint8), (model_bytes,)), **counted}


_SIZES = Rule("four integers above 0", of(list, lambda x: len(x) == 4, each(integer(1).convert)))
