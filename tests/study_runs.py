"""The study's program on few images, as the tests start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent.parent / "examples" / "reproduce_table1.py"
QUICK = ("--quick", "--data", "stroke-digits")

# The program as it runs where matplotlib is not installed: it draws no figures, which take longer
# than all the rest.
WITHOUT_MATPLOTLIB = f"""
import runpy, sys
sys.modules["matplotlib"] = None
sys.path[0] = {str(PROGRAM.parent)!r}
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""


def command(*arguments, figures=True):
    """The program with these arguments."""
    program = (PROGRAM,) if figures else ("-c", WITHOUT_MATPLOTLIB)
    return [sys.executable, *map(str, (*program, *arguments))]


def run(*arguments, figures=True):
    """Run the program to its end."""
    started = command(*arguments, figures=figures)
    return subprocess.run(started, capture_output=True, text=True, check=False)
