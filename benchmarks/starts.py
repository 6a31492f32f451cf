"""Start the main job many times at once in one folder, and look for what it ruins.

    python benchmarks/starts.py [--starts 24] [--rounds 2]

A round has as many starts with the same settings, which must all succeed with the same table, and
as many with settings of two kinds, of which one kind must succeed and the other be refused by name.
Whatever is in the folder afterwards must be whole, and of one kind; otherwise exits with 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ae_numpy import Autoencoder

PROGRAM = Path(__file__).parent.parent / "examples" / "reproduce_table1.py"


def main() -> int:
    """Do the rounds, print a line for each, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--starts", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    complaints = []
    for k in range(options.rounds):
        for kinds in ([2], [2, 3]):
            started = time.perf_counter()
            found = complaints_of(options.starts, kinds)
            seconds = time.perf_counter() - started
            print(
                f"round {k + 1}, {options.starts} starts, epochs {kinds}: {seconds:.0f} s, {found}"
            )
            complaints += found
    return 1 if complaints else 0


def complaints_of(starts: int, kinds: list[int]) -> list[str]:
    """Start all at once, with epochs of these kinds in turn; return what is wrong."""
    with TemporaryDirectory() as folder:
        epochs = [kinds[k % len(kinds)] for k in range(starts)]
        running = [start(Path(folder), n) for n in epochs]
        ends = [
            (n, process.communicate(), process) for n, process in zip(epochs, running, strict=True)
        ]
        settings = json.loads((Path(folder) / "models" / "settings.json").read_text())
        winner = settings["epochs"]
        complaints = []
        for n, (out, errors), process in ends:
            refused = "error: " in errors and f"epochs {winner}, not {n}" in errors
            good = process.returncode == 0 and "| 392 |" in out
            if "Traceback" in errors or not (good if n == winner else refused):
                complaints.append(f"epochs {n}, status {process.returncode}: {errors[-500:]}")
        return complaints + list(unsound(Path(folder), winner))


def start(folder: Path, epochs: int) -> subprocess.Popen[str]:
    """Start the program on few images and one ratio."""
    few = ("--quick", "--data", "stroke-digits", "--ratios", "392", "--jobs", "1")
    command = [sys.executable, PROGRAM, *few, "--epochs", str(epochs), "--out", folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def unsound(folder: Path, epochs: int) -> list[str]:
    """Return the names of files that are not whole, left over, or of other settings."""
    models = list((folder / "models").glob("[!.]*.npz"))
    wrong = [path.name for path in models if Autoencoder.load(path).n_iter_ != epochs]
    if len(models) != 2:
        wrong.append(f"{len(models)} models")
    if json.loads((folder / "table1.json").read_text())["settings"]["epochs"] != epochs:
        wrong.append("table1.json")
    if not (folder / "report.html").read_text().endswith("</html>\n"):
        wrong.append("report.html")
    for picture in (folder / "figures").glob("*"):
        ends = {".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF\n"}
        if not picture.read_bytes().endswith(ends.get(picture.suffix, b"no such file")):
            wrong.append(picture.name)
    return wrong + [path.name for path in folder.rglob("*.part")]


if __name__ == "__main__":
    sys.exit(main())
