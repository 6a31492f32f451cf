"""Grade submissions: folders of the files that `make.py` wrote for students, filled in.

    python examples/homework/grade.py SUBMISSION... --out DIR

writes DIR/grades.csv with a line for every item and, per submission, DIR/<name>/report.txt and
DIR/<name>/results.json, in the form of Gradescope's autograder. The tests are those of this folder,
whatever lies beside a submission. A submission runs in a scratch folder, within limits of time and
memory, and cannot end the grading of the others. That is no sandbox against malice: see README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from items import ASSIGNMENTS, Item
from make import write_tests
from worker import WAIT

HERE = Path(__file__).parent
COLUMNS = ("submission", "assignment", "item", "points", "max_points", "kinds", "message")
LARGEST = 2**20  # bytes of a submitted file; a solution has a few thousand
KILLED = "The process that graded this item was killed by it: return a result instead."
# One thread each: as many submissions run at once as there are processors.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Grade:
    """What one item of a submission got, and why."""

    item: Item
    kinds: Sequence[str]
    message: str

    @property
    def points(self) -> int:
        """All or nothing."""
        return 0 if self.message else self.item.points


def all_items(tests: Path, assignments: Sequence[str]) -> dict[str, Item]:
    """Return the items by name, such as "dense.forward"."""
    sys.path.insert(0, str(tests))
    modules = {name: importlib.import_module(f"test_{name}") for name in assignments}
    return {
        f"{name}.{test.item.name}": test.item
        for name, module in modules.items()
        for test in vars(module).values()
        if hasattr(test, "item")
    }


def grade(submission: Path, tests: Path, items: dict[str, Item], seconds: int) -> list[Grade]:
    """Run all items on a copy of the submission; start again after each that ends the worker."""
    found: dict[str, tuple[Sequence[str], str]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        scratch = Path(place) / "scratch"
        scratch.mkdir()
        refused = copy_files(submission, scratch)
        while todo := [name for name in items if name not in found]:
            found |= run_worker(scratch, tests, todo, seconds)
            if not found.keys() & todo:
                found[todo[0]] = ["exited"], KILLED
    for name, item in items.items():
        if item.module in refused:
            found[name] = ["missing"], refused[item.module]
    return [Grade(item, *found[name]) for name, item in items.items()]


def copy_files(submission: Path, scratch: Path) -> dict[str, str]:
    """Copy what belongs to the assignments; return for the others why they are not there."""
    refused = {}
    for name in ASSIGNMENTS:
        path = submission / f"{name}.py"
        try:
            if not path.is_file():
                refused[name] = f"{path.name} is missing."
            elif path.stat().st_size > LARGEST:
                refused[name] = f"{path.name} has more than {LARGEST} bytes: was data pasted in?"
            else:
                shutil.copyfile(path, scratch / path.name)
        except OSError as error:
            refused[name] = f"{path.name} cannot be read: {error.strerror}."
    return refused


def run_worker(scratch: Path, tests: Path, todo: list[str], seconds: int) -> dict[str, tuple]:
    """Run some items in a process group of its own; return what was found out before it ended."""
    results = scratch.parent / "results"
    results.write_text("")
    places = {"HOME": str(scratch), "TMPDIR": str(scratch)}
    worker = subprocess.Popen(
        [sys.executable, HERE / "worker.py", tests, results, str(seconds), *todo],
        cwd=scratch, env=os.environ | ONE_THREAD | places, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(timeout=WAIT * seconds * (len(todo) + 1))  # should the worker itself be stopped
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)  # and whatever it has left running
    worker.wait()
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {line["item"]: (line["kinds"], printable(line["message"])) for line in lines}


def printable(text: str) -> str:
    """Return a message in which every character can be written to a file."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def rows(name: str, grades: list[Grade]) -> Iterator[tuple]:
    """Yield the lines of grades.csv for one submission."""
    for g in grades:
        about = name, g.item.module, g.item.name, g.points, g.item.points
        yield (*about, ";".join(g.kinds), g.message)


def gradescope_results(grades: list[Grade]) -> dict:
    """Return results.json: Gradescope adds the scores up."""
    return {
        "tests": [
            {
                "name": f"{g.item.module}: {g.item.title}",
                "score": g.points,
                "max_score": g.item.points,
                "status": "failed" if g.message else "passed",
                "output": g.message or "passed",
                "visibility": "visible",
            }
            for g in grades
        ]
    }


def report(name: str, grades: list[Grade]) -> str:
    """Return what a student reads: points, and for each item what is wrong."""
    lines = [f"{name}: {sum(g.points for g in grades)} of {sum(g.item.points for g in grades)}"]
    for assignment in dict.fromkeys(g.item.module for g in grades):
        own = [g for g in grades if g.item.module == assignment]
        points = f"{sum(g.points for g in own)} of {sum(g.item.points for g in own)}"
        lines += ["", f"{assignment}.py: {points}"]
        for g in own:
            lines.append(f"  {g.points} of {g.item.points}  {g.item.title}")
            lines += [f"          {line}" for line in g.message.splitlines()]
    return "\n".join(lines) + "\n"


def checked_names(submissions: list[Path]) -> dict[str, Path]:
    """Return the submissions by name; each must be a folder, and no two may have the same name."""
    names: dict[str, Path] = {}
    for path in submissions:
        if not path.is_dir():
            raise SystemExit(f"SUBMISSION is {path}, which is not a folder")
        other = names.setdefault(path.resolve().name, path)
        if other is not path:
            raise SystemExit(f"SUBMISSION: {other} and {path} have the same name; rename one")
    return names


def main(arguments: list[str] | None = None) -> None:
    """Grade all submissions, as many at once as there are processors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("submissions", metavar="SUBMISSION", nargs="+", type=Path, help="a student's folder")
    add("--out", metavar="DIR", required=True, type=Path, help="where the results go")
    add("--only", choices=ASSIGNMENTS, nargs="+", default=ASSIGNMENTS, help="some assignments")
    add("--seconds", type=int, default=10, help="of processor time for an item (default: 10)")
    add("--jobs", type=int, default=os.cpu_count(), help="submissions at once")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        parser.error("grading needs Linux or macOS, where processes can be forked")
    names = checked_names(options.submissions)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(options.jobs) as pool:
        tests = Path(place)
        write_tests(tests)
        items = all_items(tests, options.only)
        jobs = {n: pool.submit(grade, p, tests, items, options.seconds) for n, p in names.items()}
        with (options.out / "grades.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for name, job in jobs.items():
                grades = job.result()
                table.writerows(rows(name, grades))
                write_results(options.out / name, name, grades)
                print(report(name, grades).splitlines()[0])


def write_results(folder: Path, name: str, grades: list[Grade]) -> None:
    """Write report.txt and results.json of one submission."""
    folder.mkdir(exist_ok=True)
    (folder / "report.txt").write_text(report(name, grades), "utf-8")
    results = json.dumps(gradescope_results(grades), indent=2)
    (folder / "results.json").write_text(results + "\n", "utf-8")


if __name__ == "__main__":
    main()
