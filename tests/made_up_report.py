"""A report of made-up results and small trained models, for the tests that read it."""

import struct
import zlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from study.baselines import Baselines
from study.data import pixels
from study.paper import HIDDEN_UNITS, RATIOS, TABLE_1
from study.protocols import PROTOCOLS
from study.report import write_report
from study.results import Results, Trained

from ae_numpy import Autoencoder
from ae_numpy.datasets import Digits, load_stroke_digits

PCA = dict(zip(RATIOS, [0.0546, 0.0470, 0.0367, 0.0284, 0.0183, 0.0101, 0.0048], strict=True))


@cache
def few_digits() -> Digits:
    return load_stroke_digits(60, 120)


@cache
def trained_model(protocol: str, ratio: int, bias: bool) -> Autoencoder:
    """A separate model for every cell, trained briefly. No compiler is needed."""
    seed = 100 * list(PROTOCOLS).index(protocol) + 2 * RATIOS.index(ratio) + bias
    model = Autoencoder(
        HIDDEN_UNITS[ratio],
        bias=bias,
        epochs=6,
        batch_size=4,
        learning_rate=0.02,
        weight_init="fan_in",
        engine="numpy",
        random_state=seed,
    )
    return model.fit(pixels(few_digits().train_images))


def made_up_results(protocols=tuple(PROTOCOLS), ratios=RATIOS, seeds=None) -> Results:
    """Errors around the paper's, from different seeds for every protocol."""
    rng = np.random.default_rng(0)
    seeds = seeds or {"published": range(5), "corrected": range(3, 7), "tuned": range(1, 3)}
    models = []
    for protocol in protocols:
        for seed in seeds[protocol]:
            for ratio in ratios:
                for bias in (False, True):
                    mse = TABLE_1[ratio, bias] * rng.uniform(0.9, 1.1)
                    cell = (protocol, ratio, HIDDEN_UNITS[ratio], bias, seed)
                    models.append(Trained(*cell, mse, [2 * mse, mse], [mse] * 10, 1.5))
    return Results(
        models=models,
        baselines=Baselines(0.067, [0.067] * 10, PCA, PCA),
        settings={
            "protocols": list(protocols),
            "seeds": sorted({m.seed for m in models}),
            "ratios": list(ratios),
            "epochs": 50,
            "quick": False,
        },
        data={
            "name": "mnist",
            "title": "MNIST",
            "n_train": 60_000,
            "n_test": 10_000,
            "sha256": {"images": "f00d" * 16},
        },
        versions={"numpy": "9.8.7"},
        date="2026-11-22T12:00:00+00:00",
        wall_seconds=7505.0,
    )


def png(path: Path, width: int, height: int) -> Path:
    """Write a grey picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def drawn_figures(folder: Path) -> list:
    """What `study.figures` returns, without matplotlib."""
    figures = []
    for number, protocol in [(1, None), *((5, protocol) for protocol in PROTOCOLS), (9, None)]:
        name = f"figure{number}-{protocol}"
        caption = f"Caption of {name}, with <script>alert('&')</script> in it."
        path = png(folder / f"{name}.png", 30, 20)
        figures.append(
            SimpleNamespace(
                name=name,
                number=number,
                title=f"Title {number}",
                caption=caption,
                protocol=protocol,
                png=path,
                pdf=path.with_suffix(".pdf"),
            )
        )
    return figures


def report(folder: Path, results: Results | None = None, figures=()) -> str:
    path = folder / "report.html"
    write_report(path, results or made_up_results(), figures, few_digits(), trained_model)
    return path.read_text(encoding="utf-8")
