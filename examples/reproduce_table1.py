"""Retrain the paper's autoencoders from scratch: its Table 1, its figures, and its two answers.

    python examples/reproduce_table1.py

trains the fourteen models as the paper's code did, and writes table1.md, table1.json, the figures
and report.html to results/. Finished models are kept there: run again, the command continues where
it stopped; run while another is still at work, it waits for that one to finish. See --help for the
protocols, many seeds, the data and a quick check.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path

from study import run
from study.cluster import dask_executor
from study.data import N_TEST, N_TRAIN, DataSource
from study.locking import alone_in
from study.paper import EPOCHS, RATIOS
from study.protocols import PROTOCOLS, STUDIES
from study.statistics import MOST_FLIPPED
from study.summary import summarise
from study.training import Pair

from ae_numpy.datasets import DataUnavailableError
from ae_numpy.progress import tell
from ae_numpy.sweep import SweepError, WorkerDiedError

QUICK = {"epochs": 2, "n_train": 1000, "n_test": 500}
DATA = ("auto", "mnist", "stroke-digits")
PROTOCOL_SETS = {"both": ("published", "corrected"), "all": (*PROTOCOLS, *STUDIES)}


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _train_and_summarise(options)
    except KeyboardInterrupt:
        tell("interrupted; what is finished is kept")
        return 130
    except (OSError, ValueError, ImportError, SweepError, WorkerDiedError) as error:
        tell(f"error: {error}")
        return 1
    return 0


def _train_and_summarise(options: argparse.Namespace) -> None:
    if options.dask is not None:
        _make_absolute(options)
    started = time.perf_counter()
    pairs = _pairs(options)
    with alone_in(pairs[0].folder):
        with _workers(options) as workers:
            n_trained = run.train(pairs, **workers)
        seconds = time.perf_counter() - started
        summarise(pairs, options.out, quick=options.quick, show=_show)
    there = ", ".join(sorted(path.name for path in options.out.iterdir()))
    _show(f"\nTrained {n_trained} models in {_minutes(seconds)}; {options.out} has {there}")


def _make_absolute(options: argparse.Namespace) -> None:
    """Make paths absolute: workers run in other folders, with other environments."""
    options.out = options.out.absolute()
    data_dir = options.data_dir or os.environ.get("AE_NUMPY_DATA")
    if data_dir:
        options.data_dir = os.path.abspath(os.path.expanduser(data_dir))
    if options.data not in DATA:
        options.data = os.path.abspath(options.data)


def _show(text: str) -> None:
    """Print text, with ? for what standard output cannot encode.

    A stream that fails ends the display, not the run: everything is in the files, too.
    """
    if sys.stdout is None:
        return
    try:
        with suppress(AttributeError):  # the stream may have no encoding
            sys.stdout.reconfigure(errors="replace")
        print(text, flush=True)
    except (OSError, ValueError) as error:
        tell(f"standard output cannot be written: {error}")
        with suppress(OSError, ValueError):  # Python would try to write it again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _pairs(options: argparse.Namespace) -> list[Pair]:
    """Return the pairs to train, in a folder that holds nothing else."""
    source = _data_source(options)
    epochs = options.epochs or (QUICK["epochs"] if options.quick else EPOCHS)
    folder = options.out / "models"
    run.claim_folder(folder, run.settings_of(epochs, source))
    protocols = PROTOCOL_SETS.get(options.protocol, (options.protocol,))
    seeds = range(options.seeds) if options.seeds else [options.seed]
    ratios = [ratio for ratio in RATIOS if ratio in options.ratios]
    return run.make_pairs(protocols, seeds, ratios, epochs, source, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--protocol",
        choices=(*PROTOCOLS, *PROTOCOL_SETS),
        default="published",
        help="published: what the paper's code did (default); corrected: what its text says; "
        "both: these two; tuned: by the best recipe found; all: the three, and a study of what "
        "biases are worth",
    )
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=_natural, default=0, help="one seed (default 0)")
    seeds.add_argument(
        "--seeds",
        type=_n_seeds,
        metavar="N",
        help="the seeds 0 to N-1, with statistics over them; at most "
        f"{MOST_FLIPPED}, because the exact test counts 2^N choices of signs",
    )
    parser.add_argument(
        "--data",
        type=_data,
        default="auto",
        metavar="{" + ",".join(DATA) + ",FOLDER}",
        help="auto (default) takes MNIST where it can be had, else digits that the package draws; "
        "a folder has another data set in four IDX files, such as Fashion-MNIST",
    )
    parser.add_argument("--data-dir", help="directory with the four MNIST files")
    parser.add_argument("--epochs", type=_positive, help=f"default {EPOCHS}")
    parser.add_argument(
        "--ratios",
        type=int,
        nargs="+",
        choices=RATIOS,
        default=RATIOS,
        metavar="RATIO",
        help=f"compression ratios, of {', '.join(map(str, RATIOS))} (default all)",
    )
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=_positive, help="processes (default: all cores)")
    workers.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="train on the Dask cluster of this scheduler, whose workers must see the folders of "
        "results and data under the same paths, and have processors like this machine's",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="default results/")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="check in half a minute that everything works; not the paper's numbers",
    )
    return parser


def _data(text: str) -> str:
    folder = os.path.expanduser(text)
    if text not in DATA and not os.path.isdir(folder):
        expected = f"{', '.join(DATA)} or a folder that exists"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return text if text in DATA else folder


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _n_seeds(text: str) -> int:
    if _positive(text) > MOST_FLIPPED:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_FLIPPED}, got {text}")
    return int(text)


def _natural(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r}")
    return int(text)


def _data_source(options: argparse.Namespace) -> DataSource:
    """Find out which data is available, by loading it once."""
    sizes = QUICK if options.quick else {"n_train": N_TRAIN, "n_test": N_TEST}
    n_train, n_test = sizes["n_train"], sizes["n_test"]
    strokes = DataSource("stroke-digits", None, n_train, n_test)
    if options.data == "stroke-digits":
        return strokes
    if options.data not in DATA:
        return DataSource.of_folder(options.data, n_train, n_test)
    mnist = DataSource("mnist", options.data_dir, n_train, n_test)
    try:
        mnist.load()
    except DataUnavailableError as error:
        if options.data == "mnist":
            raise
        tell(f"Using stroke digits, because MNIST cannot be had: {error}")
        return strokes
    return mnist


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


@contextmanager
def _workers(options: argparse.Namespace) -> Iterator[dict[str, int | Executor]]:
    """Yield the workers, as an argument of `run.train`."""
    if options.dask is None:
        yield {"processes": options.jobs or os.cpu_count() or 1}
        return
    with dask_executor(options.dask) as executor:
        yield {"executor": executor}


if __name__ == "__main__":
    sys.exit(main())
