"""Retrain the paper's fourteen autoencoders from scratch, and print its Table 1 beside ours.

    python examples/reproduce_table1.py

writes table1.md and table1.json into results/. See --help for the protocols, the data and a
quick check.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import paper

import ae_numpy
from ae_numpy.datasets import DataUnavailableError
from ae_numpy.datasets.mnist import SHA256
from ae_numpy.progress import SweepDisplay
from ae_numpy.sweep import run_jobs

QUICK = {"epochs": 2, "n_train": 1000, "n_test": 500}


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        source = _data_source(options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    epochs = options.epochs or (QUICK["epochs"] if options.quick else paper.EPOCHS)
    protocols = paper.PROTOCOLS if options.protocol == "both" else (options.protocol,)
    pairs = [
        paper.Pair(protocol, ratio, options.seed, epochs, source)
        for protocol in protocols
        for ratio in options.ratios
    ]
    started = time.perf_counter()
    models = _train_all(pairs, options.jobs)
    seconds = time.perf_counter() - started
    label = _label(source, epochs, options.quick)
    table = "\n\n".join(_table(models, protocol, label) for protocol in protocols)
    summary = {
        "settings": {
            "protocols": protocols,
            "seed": options.seed,
            "epochs": epochs,
            "quick": options.quick,
        },
        "data": _describe_data(source),
        "versions": _versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_seconds": seconds,
        "models": models,
    }
    (options.out / "table1.md").write_text(table + "\n", encoding="utf-8")
    (options.out / "table1.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(table)
    print(f"\n{len(models)} models in {_minutes(seconds)}; written to {options.out}/table1.*")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--protocol",
        choices=(*paper.PROTOCOLS, "both"),
        default="published",
        help="what the paper's code did (default), what its text says, or both",
    )
    parser.add_argument(
        "--data",
        choices=("auto", "mnist", "stroke-digits"),
        default="auto",
        help="auto (default) takes MNIST where it can be had, else digits that the package draws",
    )
    parser.add_argument("--data-dir", help="directory with the four MNIST files")
    parser.add_argument("--epochs", type=_positive, help=f"default {paper.EPOCHS}")
    parser.add_argument(
        "--ratios",
        type=int,
        nargs="+",
        choices=tuple(paper.HIDDEN_UNITS),
        default=tuple(paper.HIDDEN_UNITS),
        metavar="RATIO",
        help=f"compression ratios, of {', '.join(map(str, paper.HIDDEN_UNITS))} (default all)",
    )
    parser.add_argument("--seed", type=_natural, default=0, help="default 0")
    parser.add_argument(
        "--jobs", type=_positive, default=os.cpu_count(), help="processes (default: all cores)"
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="default results/")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="check in half a minute that everything works; not the paper's numbers",
    )
    return parser


def _positive(text: str) -> int:
    return _at_least(text, 1)


def _natural(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, minimum: int) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected an integer of at least {minimum}, got {text!r}")
    return int(text)


def _data_source(options: argparse.Namespace) -> paper.DataSource:
    """Find out which data can be had, by loading it once."""
    size = {key: QUICK[key] for key in ("n_train", "n_test")} if options.quick else {}
    strokes = paper.DataSource("stroke-digits", **size)
    if options.data == "stroke-digits":
        return strokes
    mnist = paper.DataSource("mnist", options.data_dir, **size)
    try:
        mnist.load()
    except DataUnavailableError as error:
        if options.data == "mnist":
            raise
        print(f"Using stroke digits, because MNIST cannot be had: {error}", file=sys.stderr)
        return strokes
    return mnist


def _train_all(pairs: list[paper.Pair], processes: int) -> list[dict]:
    """Train all pairs, the longest first; return the models in the order of the pairs."""
    longest_first = sorted(pairs, key=lambda pair: -pair.work_per_epoch)
    work = sum(2 * pair.epochs * pair.work_per_epoch for pair in pairs)
    with SweepDisplay(work, n_models=2 * len(pairs)) as display:
        entries = run_jobs(
            paper.train_pair,
            longest_first,
            processes=min(processes, len(pairs)),
            on_report=display.update,
        )
    by_pair = dict(zip(longest_first, entries, strict=True))
    return [entry for pair in pairs for entry in by_pair[pair]]


def _label(source: paper.DataSource, epochs: int, quick: bool) -> str:
    """Say what the numbers are of, and whether they may be compared with the paper's."""
    names = {"mnist": "MNIST", "stroke-digits": "stroke digits (not MNIST)"}
    label = f"{names[source.name]}, {epochs} epochs"
    return f"{label}; a quick check, not the paper's numbers" if quick else label


def _table(models: list[dict], protocol: str, label: str) -> str:
    """Lay out Table 1 in Markdown, ours beside the paper's."""
    lines = [
        f"Mean squared error on the test images, protocol `{protocol}` ({label})",
        "",
        "| compression ratio | bias | ours | paper |",
        "|---:|:---|---:|---:|",
    ]
    for model in models:
        if model["protocol"] == protocol:
            ratio, bias = model["ratio"], model["bias"]
            published = paper.TABLE_1[ratio, bias]
            lines.append(
                f"| {ratio} | {'yes' if bias else 'no'} | {model['mse']:.4f} | {published:.4f} |"
            )
    return "\n".join(lines)


def _describe_data(source: paper.DataSource) -> dict:
    description = {"name": source.name, "n_train": source.n_train, "n_test": source.n_test}
    return {**description, "sha256": SHA256} if source.name == "mnist" else description


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("numpy", "numba")}
    return {
        "ae_numpy": ae_numpy.__version__,
        "python": platform.python_version(),
        **packages,
        "machine": platform.machine(),
    }


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} min {seconds % 60:.0f} s"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
