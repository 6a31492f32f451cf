"""Measure what a compression ratio is in bytes: autoencoders, PCA and image codecs on MNIST.

    python examples/rate_distortion.py

trains autoencoders, quantises and entropy-codes their codes, compresses the same test images by PCA
and by image codecs, and writes rate_distortion.json, .md and .png to results/. What is measured is
kept there: run again, the command continues where it stopped. Image codecs need Pillow and
imagecodecs; without them, they are left out. See --help for the seeds and a quick check.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from study.data import N_TEST, N_TRAIN, DataSource
from study.locking import alone_in
from study.rate.grid import FULL, QUICK
from study.rate.image_codecs import FORMATS, PACKAGES
from study.rate.summary import summarise
from study.rate.work import Place, claim, measured, units

from ae_numpy.datasets import DataUnavailableError
from ae_numpy.progress import tell
from ae_numpy.sweep import SweepError, WorkerDiedError

N_SEEDS = 3
QUICK_SIZES = (1000, 500)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _measure_and_summarise(options)
    except KeyboardInterrupt:
        tell("interrupted; what is finished is kept")
        return 130
    except (
        DataUnavailableError,
        OSError,
        ValueError,
        ImportError,
        SweepError,
        WorkerDiedError,
    ) as error:
        tell(f"error: {error}")
        return 1
    return 0


def _measure_and_summarise(options: argparse.Namespace) -> None:
    if find_spec("constriction") is None:  # before models are trained
        raise ImportError("no constriction: pip install 'ae_numpy[codec]'")
    sizes = QUICK_SIZES if options.quick else (N_TRAIN, N_TEST)
    source = DataSource(options.data, options.data_dir, *sizes)
    folder = options.out / "rate_distortion"
    place = Place(folder, source, QUICK if options.quick else FULL)
    claim(place)
    for name in _missing_packages():
        tell(f"Formats that need {name} are left out: pip install 'ae_numpy[bench]'")
    with alone_in(folder):
        found = measured(place, units(place.grid, options.seeds), options.jobs)
        summarise(found, options.out, place, options.seeds, show=print)


def _missing_packages() -> list[str]:
    missing = {one.package for one in FORMATS.values() if not one.available}
    return sorted(PACKAGES[package] for package in missing if package)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results"), help="default results/")
    parser.add_argument(
        "--seeds",
        type=_positive,
        default=N_SEEDS,
        metavar="N",
        help=f"train every autoencoder from the seeds 0 to N-1 (default {N_SEEDS})",
    )
    parser.add_argument("--data", choices=("mnist", "stroke-digits"), default="mnist")
    parser.add_argument("--data-dir", help="directory with the four MNIST files")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--quick", action="store_true", help="check in a minute that everything works"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
