"""From what was measured to the files that are read: JSON, Markdown, figure."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ae_numpy.progress import tell
from study import run
from study.figures.style import DPI
from study.files import write
from study.rate.classifier import Classifier
from study.rate.figure import draw
from study.rate.findings import Study, findings
from study.rate.measurement import Measured, first_of_each
from study.rate.points import averaged
from study.rate.table import markdown
from study.rate.work import Place, classifier_path
from study.words import count


def summarise(
    found: Sequence[Measured], out: Path, place: Place, n_seeds: int, show: Callable[[str], Any]
) -> None:
    """Show what was found, and write rate_distortion.json, .md and .png.

    Parameters
    ----------
    found : sequence of dict
    out : path
    place : Place
    n_seeds : int
    show : callable
        Receives the sentences.

    Raises
    ------
    OSError
        If something cannot be written.
    """
    digits = place.source.load()
    classifier = Classifier.load(classifier_path(place))
    read = classifier.read(digits.test_images) == digits.test_labels
    study = Study(averaged(found), float(read.mean()))
    sentences = findings(study)
    show("\n".join(f"- {sentence}" for sentence in sentences))
    content = {
        "points": [point.to_json() for point in study.points],
        "original_accuracy": study.original_accuracy,
        "findings": sentences,
        "settings": {"seeds": n_seeds, **place.grid.describe()},
        "data": place.source.describe(),
        "versions": {**run.versions(), **run.machine()},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    words = made_of(place, n_seeds)
    write(out / "rate_distortion.json", json.dumps(content, indent=1) + "\n")
    write(out / "rate_distortion.md", markdown(study, f"{words}."))
    _draw(study, digits.test_images[first_of_each(digits.test_labels)], words, out)


def made_of(place: Place, n_seeds: int) -> str:
    """Describe the study in a line."""
    source, grid = place.source, place.grid
    trained = f"autoencoders trained for {count(grid.epochs, 'epoch')}, {count(n_seeds, 'seed')}"
    return f"{source.title}, {count(source.n_test, 'test image')}; {trained}"


def _draw(study: Study, originals: Any, words: str, out: Path) -> None:
    """Draw the figure; without matplotlib, say so and continue."""
    try:
        figure = draw(study, originals, words)
    except ImportError:
        tell("No figure: it needs matplotlib, pip install 'ae_numpy[plot]'")
        return
    drawn = io.BytesIO()
    options = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
    figure.savefig(drawn, format="png", dpi=DPI, **options)
    write(out / "rate_distortion.png", drawn.getvalue())
