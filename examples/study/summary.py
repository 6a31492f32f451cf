"""From the trained models to the tables, the figures and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from ae_numpy import Autoencoder
from ae_numpy.datasets import Digits
from ae_numpy.progress import tell
from study import run
from study.baselines import fit_baselines
from study.bias_runs import read_studies
from study.data import pixels
from study.figures import Drawn, draw_figures
from study.files import write
from study.paper import HIDDEN_UNITS
from study.protocols import PROTOCOLS
from study.report import write_report
from study.results import Results, read_models
from study.table import table_1
from study.training import Pair

GetModel = Callable[[str, int, bool], Autoencoder]


def summarise(
    pairs: Sequence[Pair], out: Path, *, quick: bool, show: Callable[[str], None]
) -> None:
    """Measure the trained models, show the tables, and write all the output.

    Parameters
    ----------
    pairs : sequence of Pair
        All trained, on one data source.
    out : path
        Gets table1.md, table1.json, the folder figures, and report.html.
    quick : bool
        Whether this is only a check of the program.
    show : callable
        Receives the tables before anything is written, so they are seen even if writing fails.

    Raises
    ------
    OSError
        If something cannot be written.
    """
    tell("Measuring")
    digits = pairs[0].source.load()
    results = collect(pairs, digits, quick=quick)
    tables = "\n\n".join(table_1(results, protocol) for protocol in results.protocols)
    show(tables)
    tell("Drawing, writing")
    write(out / "table1.json", results.to_json())
    write(out / "table1.md", tables + "\n")
    model = _models(pairs)
    write_report(out / "report.html", results, _figures(results, digits, model, out), digits, model)


def collect(pairs: Sequence[Pair], digits: Digits, *, quick: bool) -> Results:
    """Read all models, and measure them on the test images."""
    images, labels = digits.test_images, digits.test_labels
    cells = [pair for pair in pairs if pair.protocol in PROTOCOLS]
    models = [model for pair in cells for model in read_models(pair, images, labels)]
    ratios = {pair.ratio: HIDDEN_UNITS[pair.ratio] for pair in pairs}
    return Results(
        models=models,
        baselines=fit_baselines(pixels(digits.train_images), pixels(images), labels, ratios),
        settings={
            "protocols": list(dict.fromkeys(pair.protocol for pair in cells)),
            "seeds": list(dict.fromkeys(pair.seed for pair in pairs)),
            "ratios": list(ratios),
            "epochs": pairs[0].epochs,
            "quick": quick,
        },
        data=pairs[0].source.describe(),
        versions={**run.versions(), **run.machine()},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=run.wall_seconds(pairs[0].folder),
        **read_studies(pairs, pixels(images)),
    )


def _models(pairs: Sequence[Pair]) -> GetModel:
    """Return a function that gives the model of the first seed of a protocol, ratio and bias."""
    first: dict[tuple[str, int], Pair] = {}
    for pair in pairs:
        first.setdefault((pair.protocol, pair.ratio), pair)

    @cache
    def model(protocol: str, ratio: int, bias: bool) -> Autoencoder:
        return Autoencoder.load(first[protocol, ratio].path(bias))

    return model


def _figures(results: Results, digits: Digits, model: GetModel, out: Path) -> list[Drawn]:
    """Draw all figures; without matplotlib, say so and continue."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        tell("No figures: they need matplotlib, pip install 'ae_numpy[plot]'")
        return []
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    return draw_figures(results, digits, model, folder)
