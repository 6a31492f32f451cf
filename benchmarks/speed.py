"""How fast ae_numpy is compared with JAX, PyTorch, scikit-learn and tight NumPy.

    python benchmarks/speed.py --out benchmarks/results/speed.json

prints Markdown tables, and writes the numbers and a plot. Everything runs in one process on one
core, compilation excluded. See README.md next to this file for how the comparison is made.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from types import ModuleType

from comparison import CASES, Case, Effort, compare
from images import DATA, digits
from machine import WITHOUT_AVX512, as_markdown, describe, restart_on_one_core
from sides import PEERS, ours
from speed_report import plot, tables
from timing import write_json


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _options()
    cases = [case for case in CASES if _wanted(case, options.cases)]
    if not cases:
        print(f"error: no case is named so: {[case.name for case in CASES]}", file=sys.stderr)
        return 1
    effort = Effort(options.samples, options.epochs, options.rounds, options.slow_samples)
    description = describe()
    data, X = digits(options.data, max(effort.samples, effort.reconstructed))
    print(f"{as_markdown(description)}\n- data: {data}\n- effort: {asdict(effort)}\n")
    peers, missing = _installed(options.peers)
    results = []
    for case in cases:
        for peer in peers:
            print(f"{case.name} {peer.NAME} ...", file=sys.stderr, flush=True)
            results.append(compare(case, peer, X, effort))
    print(_notes(peers, missing), tables(results), sep="\n\n")
    everything = {"machine": description, "data": data, "effort": asdict(effort)}
    write_json(options.out, everything | {"missing": missing, "results": results})
    _plot(results, options.out.with_suffix(".png"))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    effort = Effort()
    names = " ".join(case.name for case in CASES)
    parser.add_argument("--cases", nargs="+", default=["*"], help=f"patterns of: {names}")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--rounds", type=int, default=effort.rounds, help="pairs of runs")
    parser.add_argument("--samples", type=int, default=effort.samples)
    parser.add_argument("--epochs", type=int, default=effort.epochs)
    parser.add_argument(
        "--slow-samples",
        type=int,
        default=effort.slow_samples,
        help="samples for peers that take long at batch size 1",
    )
    parser.add_argument(WITHOUT_AVX512, action="store_true", help="see machine.py")
    parser.add_argument("--data", choices=DATA, help="MNIST unless there is no copy of it")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/speed.json"))
    return parser.parse_args()


def _wanted(case: Case, patterns: list[str]) -> bool:
    return any(fnmatch(case.name, pattern) for pattern in patterns)


def _installed(names: list[str]) -> tuple[list[ModuleType], list[str]]:
    """Return the peers that can be imported, and the names of those that cannot."""
    peers, missing = [], []
    for name in names:
        try:
            peers.append(import_module(f"sides.{PEERS[name]}"))
        except ImportError:
            missing.append(name)
    return peers, missing


def _notes(peers: list[ModuleType], missing: list[str]) -> str:
    """Say what each side is, and which are missing."""
    lines = [f"- {side.NAME}: {side.NOTE}" for side in (ours, *peers)]
    lines += [f"- {name}: missing, it is not installed" for name in missing]
    return "\n".join(lines)


def _plot(results: list[dict], path: Path) -> None:
    if not results:
        return
    try:
        plot(results, path)
    except ImportError:
        print(f"no plot: {path} needs matplotlib", file=sys.stderr)


if __name__ == "__main__":
    restart_on_one_core()
    raise SystemExit(main())
