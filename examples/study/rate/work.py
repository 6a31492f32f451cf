"""The units of work: each is measured once, and kept in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from ae_numpy.progress import tell
from ae_numpy.sweep import Report, run_jobs
from study import run
from study.data import DataSource
from study.files import write
from study.rate import autoencoders, image_codecs, pca
from study.rate.classifier import Classifier
from study.rate.grid import Grid
from study.rate.measurement import Bench, Measured


@dataclass(frozen=True)
class Place:
    """Where a study is kept, and what it is made of: small enough to be sent to a process."""

    folder: Path
    source: DataSource
    grid: Grid


@dataclass(frozen=True)
class Unit:
    """One unit: of a kind, with its arguments.

    ``("autoencoder", h, seed)``, ``("PCA",)``, or ``("mosaic" or "single", format, value)``.
    """

    kind: str
    arguments: tuple = ()

    @property
    def name(self) -> str:
        """What it is called, in files too."""
        return "-".join(map(str, (self.kind, *self.arguments))).replace(" ", "-")

    def measure(self, bench: Bench, folder: Path) -> Iterator[Measured]:
        """Measure it."""
        if self.kind == "autoencoder":
            hidden_units, seed = self.arguments
            model = autoencoders.trained(bench, hidden_units, seed, folder)
            return autoencoders.measure(bench, model, seed)
        if self.kind == "PCA":
            return pca.measure(bench)
        of_kind = {"mosaic": image_codecs.measure_mosaic, "single": image_codecs.measure_single}
        return of_kind[self.kind](bench, *self.arguments)


def units(grid: Grid, n_seeds: int) -> list[Unit]:
    """List all units whose packages are installed: those of the first seed, then the other seeds.

    So a run that was interrupted can be summarised with fewer seeds.
    """
    formats = [one for one in image_codecs.FORMATS.values() if one.available]
    with_values = [
        (one.name, value)
        for one in formats
        for value in one.values[:: grid.settings_of_codecs] or (0.0,)
    ]
    models = [
        Unit("autoencoder", (h, seed))
        for seed in range(n_seeds)
        for h in sorted(grid.hidden_units, reverse=True)
    ]
    return [
        Unit("PCA"),
        *models[: len(grid.hidden_units)],
        *(Unit(kind, which) for kind in ("mosaic", "single") for which in with_values),
        *models[len(grid.hidden_units) :],
    ]


def measured(place: Place, todo: Sequence[Unit], processes: int) -> list[Measured]:
    """Measure what is missing, on several processes, and return all of it.

    Parameters
    ----------
    place : Place
        Its folder must exist.
    todo : sequence of Unit
    processes : int

    Returns
    -------
    list of dict
        In the order of the units.
    """
    missing = [unit for unit in todo if not _path(place, unit).exists()]
    if missing:
        _train_classifier(place)
        tell(f"{len(todo) - len(missing)} of {len(todo)} units are measured")
        run_jobs(
            partial(_measure, place),
            missing,
            processes=min(processes, len(missing)),
            on_report=tell,
            name=lambda unit: unit.name,
        )
    return [one for unit in todo for one in json.loads(_path(place, unit).read_text())]


def _path(place: Place, unit: Unit) -> Path:
    return place.folder / f"{unit.name}.json"


def _measure(place: Place, unit: Unit, report: Report) -> None:
    found = list(unit.measure(_bench(place), place.folder))
    write(_path(place, unit), json.dumps(found))
    report(f"{unit.name}: {len(found)} settings measured")


@lru_cache(maxsize=1)
def _bench(place: Place) -> Bench:
    """Load what all units need, once in a process."""
    return Bench(place.grid, place.source.load(), Classifier.load(classifier_path(place)))


def _train_classifier(place: Place) -> None:
    if not classifier_path(place).exists():
        tell("Training the classifier")
        Classifier.trained_on(place.source.load()).save(classifier_path(place))


def classifier_path(place: Place) -> Path:
    """Return where the classifier is kept."""
    return place.folder / "classifier.npz"


def claim(place: Place) -> None:
    """Create the study's folder, or make sure that it holds one with the same settings."""
    settings = {"data": place.source.describe(), "grid": place.grid.describe()}
    run.claim_folder(place.folder, {**settings, "versions": run.versions()})
