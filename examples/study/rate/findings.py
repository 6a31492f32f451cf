"""What the points say: read off, and said in a sentence each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from study.paper import HIDDEN_UNITS
from study.rate.curves import Curve, overtaken_at
from study.rate.points import Point
from study.words import count, listing, percent

CODECS = ("JPEG", "WebP", "AVIF", "JPEG XL", "JPEG 2000")
BYTES_COMPARED = (6, 8, 15, 20, 30, 36, 50)
"""Bytes an image at which methods are compared."""

LOW_RATE = 30
"""Bytes an image up to which errors are compared with those of image codecs."""

TOLERATED = 0.05
"""How much more error than codes of float32 the best level may cost."""

READS = 0.95
"""The share of what it reads in originals that a classifier still has to read."""


@dataclass(frozen=True)
class Best:
    """A model of the paper's at its best level: the fewest bytes within `TOLERATED`."""

    ratio: int
    plain: Point
    coded: Point

    @property
    def hidden_units(self) -> int:
        """The size of its code."""
        return HIDDEN_UNITS[self.ratio]


@dataclass(frozen=True)
class Study:
    """All points, and the curves through them.

    Parameters
    ----------
    points : list of Point
    original_accuracy : float
        The share of the original test images that the classifier reads.
    """

    points: list[Point]
    original_accuracy: float

    def of(self, method: str) -> list[Point]:
        """Return the points of a method."""
        return [point for point in self.points if point.method == method]

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """The curves of the lossy methods, single images apart: ours, PCA's, the codecs'."""
        curves = {"autoencoder": self.ours(), "PCA": Curve.of(self.of("PCA"))}
        for name in CODECS:
            if points := self.of(f"{name}, mosaic"):
                curves[name] = Curve.of(points)
        return curves

    @property
    def mosaics(self) -> dict[str, Curve]:
        """The curves of the image codecs."""
        return {name: self.curves[name] for name in CODECS if name in self.curves}

    def ours(self, contexts: Sequence[int] | None = None) -> Curve:
        """Return the autoencoders' curve, with some numbers of contexts or all of them."""
        points = self.of("autoencoder")
        return Curve.of(p for p in points if contexts is None or p.value("contexts") in contexts)

    @cached_property
    def best(self) -> list[Best]:
        """The paper's models at their best levels, without contexts, the lowest ratio first."""
        found = []
        for ratio in sorted(HIDDEN_UNITS):
            h = HIDDEN_UNITS[ratio]
            plain = [p for p in self.of("autoencoder, float32 codes") if p.value("h") == h]
            if not plain:
                continue
            of_size = [p for p in self.of("autoencoder") if p.value("h") == h]
            coded = [p for p in of_size if p.value("contexts") == 1]
            near = [p for p in coded if p.mse <= (1 + TOLERATED) * plain[0].mse]
            finest = max(coded, key=lambda p: p.value("levels"))
            coded = min(near or [finest], key=lambda p: p.bytes_per_image)
            found.append(Best(ratio, plain[0], coded))
        return found


def findings(study: Study) -> list[str]:
    """Say what was found, a sentence or two on each question."""
    say: list[Callable[[Study], str]] = [
        overtakes,
        against_codecs,
        against_pca,
        contexts,
        single_images,
        lossless,
        payback,
        papers_ratios,
        legible,
        papers_claim,
    ]
    return [sentence for sentence in (one(study) for one in say) if sentence]


def overtakes(study: Study) -> str:
    """Where each image codec gets better than the autoencoders."""
    parts = []
    for name, curve in study.mosaics.items():
        at = overtaken_at(study.curves["autoencoder"], curve)
        where = "nowhere" if at is None else f"from {at:.0f} bytes an image ({784 / at:.0f}x) on"
        parts.append(f"{name} {where} (its range begins at {curve.bytes[0]:.0f})")
    if not parts:
        return ""
    highest = study.curves["autoencoder"].bytes[-1]
    return (
        "On one mosaic of all images, image codecs have less error than the autoencoders (up to "
        f"{highest:.0f} bytes an image): {'; '.join(parts)}."
    )


def against_codecs(study: Study) -> str:
    """How errors compare at equal bytes, where both methods reach."""
    if not study.mosaics:
        return ""
    ours, ratios = study.curves["autoencoder"], {}
    for n in np.geomspace(ours.bytes[0], min(LOW_RATE, ours.bytes[-1]), 2001)[1:-1]:
        for name, curve in study.mosaics.items():
            if curve.bytes[0] <= n <= curve.bytes[-1]:
                ratios.setdefault(name, []).append(ours.mse_at(n) / curve.mse_at(n))
    found = [f"{_extent(values)} of {name}'s" for name, values in ratios.items()]
    parts = [f"the autoencoders' error is {listing(found)}"] if found else []
    if unreached := [name for name in study.mosaics if name not in ratios]:
        parts.append(
            f"{listing(unreached)} {'do' if len(unreached) > 1 else 'does'} not go that low"
        )
    return f"At {LOW_RATE} bytes an image and below, {'; '.join(parts)}."


def _extent(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.2f}", f"{max(shares):.2f}"
    return low if low == high else f"{low} to {high}"


def against_pca(study: Study) -> str:
    """How bytes compare with PCA's at equal error."""
    ours, theirs = study.curves["autoencoder"], study.curves["PCA"]
    parts = []
    for n in BYTES_COMPARED:
        share = n / theirs.bytes_for(ours.mse_at(n))
        if math.isfinite(share):
            parts.append(f"{share:.2f} at {n}")
    if not parts:
        return ""
    return (
        "At equal error the autoencoders take, of the bytes of PCA under the same coder, "
        f"{listing(parts)} bytes an image."
    )


def contexts(study: Study) -> str:
    """What contexts save in bytes, models and levels being equal."""
    savings: dict[float, list[float]] = {}
    points = study.of("autoencoder")
    alone = {(p.value("h"), p.value("levels")): p for p in points if p.value("contexts") == 1}
    for point in points:
        n, plain = point.value("contexts"), alone[point.value("h"), point.value("levels")]
        if n > 1:
            savings.setdefault(n, []).append(1 - point.bytes_per_image / plain.bytes_per_image)
    parts = [
        f"{n:.0f} contexts save {percent(float(np.median(saved)))} of the bytes (median; "
        f"{percent(min(saved))} to {percent(max(saved))})"
        for n, saved in savings.items()
    ]
    return f"At equal error, {listing(parts)}." if parts else ""


def single_images(study: Study) -> str:
    """What headers cost image codecs on single images."""
    parts = []
    for name in CODECS:
        if points := study.of(f"{name}, single images"):
            least = min(points, key=lambda point: point.bytes_per_image)
            parts.append(f"{name} {least.bytes_per_image:.0f} ({least.header_bytes})")
    if not parts:
        return ""
    return (
        "A single image takes, at the setting of the fewest bytes, and in brackets if it is "
        f"empty: {listing(parts)} bytes."
    )


def lossless(study: Study) -> str:
    """Say how many bytes an image takes without any loss."""
    points = [p for p in study.points if p.method.endswith("lossless, mosaic")]
    points.sort(key=lambda point: point.bytes_per_image)
    parts = [f"{p.method.partition(',')[0]} {p.bytes_per_image:.0f}" for p in points]
    best = points[0]
    return (
        f"Without any loss, bytes an image are: {listing(parts)}. So a ratio below "
        f"{best.ratio:.1f}x needs no loss at all."
    )


def payback(study: Study) -> str:
    """After how many images decoder and tables are paid back, for the paper's largest models."""
    if not study.mosaics or not study.best:
        return ""
    parts = []
    for best in study.best[:2]:
        coded = best.coded
        rivals = {name: curve.bytes_for(coded.mse) for name, curve in study.mosaics.items()}
        rivals = {name: n for name, n in rivals.items() if n > coded.bytes_per_image}
        if rivals:
            name = min(rivals, key=lambda name: rivals[name])
            n_images = coded.decoder_bytes / (rivals[name] - coded.bytes_per_image)
            parts.append(
                f"for h = {best.hidden_units} at {coded.bytes_per_image:.0f} bytes an image "
                f"({coded.decoder_bytes / 1000:,.0f} kB) after {count(round(n_images), 'image')}, "
                f"against {name} at {rivals[name]:.0f} bytes"
            )
        else:
            parts.append(f"for h = {best.hidden_units} never: an image codec takes fewer bytes")
    return (
        "The decoder's weights (float32) and its tables are paid back, at equal error against the "
        f"best image codec: {'; '.join(parts)}."
    )


def papers_ratios(study: Study) -> str:
    """What the paper's ratios are in bytes."""
    parts = [
        f"{best.ratio}x is {784 / (4 * best.hidden_units):.3g}x as float32 and "
        f"{best.coded.ratio:.0f}x at {best.coded.value('levels'):.0f} levels"
        for best in study.best
    ]
    return (
        f"In bytes, {'; '.join(parts)} (the fewest bytes whose error is at most "
        f"{percent(TOLERATED)} above that of float32, without contexts)."
    )


def legible(study: Study) -> str:
    """The highest ratio at which the classifier still reads nearly all."""
    least = READS * study.original_accuracy
    parts = []
    for name, curve in study.curves.items():
        reading = [point for point in curve.points if point.accuracy >= least]
        if reading:
            parts.append(f"{name} {reading[0].ratio:.0f}x ({reading[0].bytes_per_image:.1f} bytes)")
    return (
        f"The classifier reads {percent(study.original_accuracy, '.1f')} of the originals. The "
        f"highest ratio at which it reads {percent(READS)} of that: {listing(parts)}."
    )


def papers_claim(study: Study) -> str:
    """What that says of the paper's sentence that 7x and 14x are legible."""
    whole = study.original_accuracy
    parts = [
        f"at {best.ratio}x it reads {percent(best.plain.accuracy / whole, '.1f')} of what it reads "
        f"in originals, and {percent(best.coded.accuracy / whole, '.1f')} in "
        f"{best.coded.bytes_per_image:.0f} bytes, which is {best.coded.ratio:.0f}x"
        for best in study.best
        if best.ratio in (7, 14)
    ]
    if not parts:
        return ""
    reading = [best.ratio for best in study.best if best.plain.accuracy >= READS * whole]
    most = f"up to {max(reading)}x" if reading else "nowhere"
    return (
        f"The paper calls 7x and 14x legible: {'; '.join(parts)}. By this measure, codes of these "
        f"models in float32 are legible {most}."
    )
