"""How long a class takes to grade: 100 submissions of all six assignments, with learners' mistakes.

Submission k is the solution with every tenth mistake of `examples/homework/mutants.toml`, from the
k-th on: two in each file, on average, where the solution still has the lines that they change.

    python benchmarks/homework.py [--submissions 100] [--jobs 2]
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

HOMEWORK = Path(__file__).parents[1] / "examples" / "homework"


def write_class(solutions: Path, folder: Path, n: int) -> list[Path]:
    """Write n submissions, each with other mistakes."""
    text = (HOMEWORK / "mutants.toml").read_text(encoding="utf-8")
    mutants = [(name, m) for name, group in tomllib.loads(text).items() for m in group]
    for k in range(n):
        submission = folder / f"student{k:03d}"
        submission.mkdir(parents=True)
        files = {path.name: path.read_text("utf-8") for path in solutions.glob("*.py")}
        for name, mutant in mutants[k % 10 :: 10]:
            file = f"{name}.py"
            files[file] = files[file].replace(mutant["old"], mutant["new"], 1)
        for name, content in files.items():
            (submission / name).write_text(content, "utf-8")
    return sorted(folder.iterdir())


def main() -> None:
    """Make the class, grade it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        subprocess.run([sys.executable, HOMEWORK / "make.py", work / "made"], check=True)
        folders = write_class(work / "made" / "teacher", work / "class", options.submissions)
        command = [sys.executable, HOMEWORK / "grade.py", *folders, "--out", work / "out"]
        command += ["--jobs", str(options.jobs)]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        with (work / "out" / "grades.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    failed = sum(row["points"] == "0" for row in rows)
    print(f"{len(folders)} submissions, {len(rows)} items, {failed} of them failed")
    print(
        f"{seconds:.1f} s by the clock with {options.jobs} at once, {cpu:.1f} s of processor time"
    )


if __name__ == "__main__":
    main()
