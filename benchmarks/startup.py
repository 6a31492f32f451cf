"""What comes on top of the training: importing, compiling, preparing; and the memory it takes.

    python benchmarks/startup.py --out benchmarks/results/startup.json

Everything here happens in fresh processes: see startup_tasks.py for what each of them does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from machine import as_markdown, describe, restart_on_one_core
from timing import markdown_table, write_json

_TASKS = Path(__file__).with_name("startup_tasks.py")
_FIT_PARTS = ("import_seconds", "fit_seconds", "process_seconds")


def main() -> int:
    """Do what the command line says; return the exit status."""
    options = _options()
    description = describe()
    print(as_markdown(description))
    imports = [_run("import")["seconds"] for _ in range(options.repeats)]
    print(f"\n### Import\n\n{median(imports):.3f} s on top of NumPy's ({_range(imports)})")
    with tempfile.TemporaryDirectory() as cache:
        first = _run("first_fit", NUMBA_CACHE_DIR=cache)
        later = [_run("first_fit", NUMBA_CACHE_DIR=cache) for _ in range(options.repeats)]
        full = {key: median(result[key] for result in later) for key in _FIT_PARTS}
    print(f"\n### First default fit of a process\n\n{_fit_table(first, full)}")
    shares = _run("overhead", options.samples, options.epochs)
    print(f"\n### Neither steps nor evaluation\n\n{_share_table(shares)}")
    memory = [_run("memory", ratio, 2) for ratio in options.ratios]
    print(f"\n### Peak memory of a process that trains a published pair\n\n{_memory_table(memory)}")
    results = {"import_seconds": imports, "first_fit": {"empty": first, "full": full}}
    results |= {"machine": description, "overhead": shares, "memory": memory}
    write_json(options.out, results)
    return 0


def _run(task: str, *arguments: int, **environment: str) -> Any:
    """Run a task in a fresh process; return the JSON that it prints."""
    command = [sys.executable, str(_TASKS), task, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def _range(values: list[float]) -> str:
    return f"median of {len(values)}, {min(values):.3f} to {max(values):.3f}"


def _fit_table(empty: dict[str, float], full: dict[str, float]) -> str:
    rows = [
        ["empty", *(empty[key] for key in _FIT_PARTS)],
        ["full", *(full[key] for key in _FIT_PARTS)],
    ]
    return markdown_table(["Numba's cache", "imports, s", "fit, s", "whole process, s"], rows)


def _share_table(shares: list[dict[str, float]]) -> str:
    rows = [
        [
            f"h = {entry['hidden']}, batches of {entry['batch_size']}",
            entry["seconds"],
            entry["steps"],
            entry["evaluation"],
            f"{entry['other_share']:.1%}",
        ]
        for entry in shares
    ]
    return markdown_table(["training", "fit, s", "steps, s", "evaluation, s", "the rest"], rows)


def _memory_table(memory: list[dict[str, Any]]) -> str:
    rows = [[f"{entry['ratio']}x", entry["data"], entry["megabytes"]] for entry in memory]
    return markdown_table(["model", "data", "MB"], rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="processes per median")
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ratios", type=int, nargs="+", default=[392, 7], help="for memory")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/startup.json"))
    return parser.parse_args()


if __name__ == "__main__":
    restart_on_one_core()
    raise SystemExit(main())
