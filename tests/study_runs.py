"""The study's program on few images, as the tests start it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent.parent / "examples" / "reproduce_table1.py"
QUICK = ("--quick", "--data", "stroke-digits")


def command(*arguments):
    """The program with these arguments."""
    return [sys.executable, *map(str, (PROGRAM, *arguments))]


def run(*arguments):
    """Run the program to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
