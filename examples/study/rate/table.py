"""The study as Markdown: what was found, and the numbers behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.rate.findings import BYTES_COMPARED, Study, findings
from study.rate.points import Point


def markdown(study: Study, made_of: str) -> str:
    """Return the whole page."""
    parts = [
        "# What a compression ratio is in bytes",
        f"{made_of} Bytes are per image of 784 bytes; errors are mean squared, of pixels from 0 to "
        "1, rounded to 8 bits; accuracy is the share that a classifier of originals reads.",
        "\n".join(f"- {sentence}" for sentence in findings(study)),
        "## At equal bytes",
        "Error of the autoencoders, then the bytes an image that others take for the same error. A "
        "dash: their error does not get that low. In brackets: they cannot do with fewer, and "
        "their error is smaller.",
        _equal_error(study),
        "## The paper's models",
        _papers(study),
        "## Every point on a curve",
        _points([p for curve in study.curves.values() for p in curve.points]),
        "## Single images, and without loss",
        _points(_others(study)),
    ]
    return "\n\n".join(parts) + "\n"


def _others(study: Study) -> list[Point]:
    return [p for p in study.points if p.method.endswith(("single images", "lossless, mosaic"))]


def _equal_error(study: Study) -> str:
    ours = study.curves["autoencoder"]
    others = [name for name in study.curves if name != "autoencoder"]
    rows = []
    for n in BYTES_COMPARED:
        mse = ours.mse_at(n)
        if math.isfinite(mse):
            cells = [_bytes_for(study, name, mse) for name in others]
            rows.append([str(n), f"{mse:.4f}", *cells])
    return _table(["bytes an image", "MSE", *others], rows)


def _bytes_for(study: Study, name: str, mse: float) -> str:
    curve = study.curves[name]
    n_bytes = curve.bytes_for(mse)
    if not math.isfinite(n_bytes):
        return "-"
    return f"({n_bytes:.1f})" if mse > curve.errors[0] else f"{n_bytes:.1f}"


def _papers(study: Study) -> str:
    heads = ["ratio", "h", "float32: bytes", "MSE", "accuracy"]
    heads += ["best levels", "bytes", "ratio in bytes", "MSE", "accuracy", "decoder, kB"]
    rows = [
        [
            f"{best.ratio}x",
            str(best.hidden_units),
            f"{best.plain.bytes_per_image:.0f}",
            f"{best.plain.mse:.4f}",
            f"{best.plain.accuracy:.3f}",
            f"{best.coded.value('levels'):.0f}",
            f"{best.coded.bytes_per_image:.1f}",
            f"{best.coded.ratio:.1f}x",
            f"{best.coded.mse:.4f}",
            f"{best.coded.accuracy:.3f}",
            f"{best.coded.decoder_bytes / 1000:.0f}",
        ]
        for best in study.best
    ]
    return _table(heads, rows)


def _points(points: Sequence[Point]) -> str:
    heads = ["method", "setting", "bytes an image", "header", "MSE", "PSNR", "accuracy"]
    rows = [
        [
            point.method,
            point.setting,
            _with(point, "bytes_per_image over seeds", f"{point.bytes_per_image:.2f}", ".2f"),
            str(point.header_bytes or ""),
            _with(point, "mse over images", f"{point.mse:.5f}", ".5f"),
            "" if point.psnr is None else f"{point.psnr:.1f}",
            _with(point, "accuracy over images", f"{point.accuracy:.4f}", ".4f"),
        ]
        for point in points
    ]
    return _table(heads, rows)


def _with(point: Point, name: str, value: str, form: str) -> str:
    """Add half the width of an interval to a value."""
    if name not in point.intervals:
        return value
    low, high = point.intervals[name]
    return f"{value} ± {(high - low) / 2:{form}}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    n_words = sum(head in ("method", "setting") for head in heads)
    rule = [":---"] * n_words + ["---:"] * (len(heads) - n_words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))
