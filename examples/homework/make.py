"""Make the homework: files with holes, tests, solutions, notebooks, and Gradescope's autograder.

Each assignment has one source in `assignments/`: a Python file in percent format, with the solution
between "# BEGIN SOLUTION" and "# END SOLUTION" and with the tests beside what they test.

    python examples/homework/make.py OUT

    OUT/student/     files with holes, and their tests: python -m pytest
    OUT/teacher/     the solutions, under the same names; gradescope/, ready to zip
    OUT/nbgrader/    a course: nbgrader generate_assignment neuron
    OUT/otter/       notebooks: otter assign --no-pdfs neuron/neuron.ipynb dist
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from items import ASSIGNMENTS
from notebooks import HELPERS, HOLE, Cell, cells_of, for_nbgrader, for_otter

import ae_numpy

HERE = Path(__file__).parent
PYTEST_INI = "[pytest]\naddopts = -v --no-header -rN -p no:cacheprovider\n"


def source_cells(name: str) -> list[Cell]:
    """Return the cells of an assignment."""
    return list(cells_of((HERE / "assignments" / f"{name}.py").read_text(encoding="utf-8")))


def with_holes(text: str) -> str:
    """Return a cell's code without the solution."""
    return HOLE.sub(r"\1# YOUR CODE HERE\n\1raise NotImplementedError\n", text)


def without_marks(text: str) -> str:
    """Return a cell's code with the solution."""
    return re.sub(r"^ *# (BEGIN|END) SOLUTION\n", "", text, flags=re.MULTILINE)


def student_file(cells: list[Cell], *, solved: bool) -> str:
    """Return an assignment as a Python file, with its solution or with holes."""
    fill = without_marks if solved else with_holes
    return "\n\n".join(fill(cell.text) for cell in cells if cell.kind in ("text", "code", "hole"))


def test_file(name: str, cells: list[Cell]) -> str:
    """Return the tests of an assignment as a file for pytest."""
    head = f'"""The tests of {name}.py: python -m pytest test_{name}.py"""\n\nimport numpy as np\n'
    tests = [cell.text for cell in cells if cell.kind in ("checks", "test")]
    return "\n\n".join([head + tests[0], *tests[1:]])


def copy_helpers(folder: Path) -> None:
    """Copy what the tests are made of."""
    for name in HELPERS:
        shutil.copy(HERE / name, folder)


def write_tests(folder: Path) -> None:
    """Write the tests of all assignments, and what they need, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_helpers(folder)
    for name in ASSIGNMENTS:
        (folder / f"test_{name}.py").write_text(test_file(name, source_cells(name)), "utf-8")
    (folder / "pytest.ini").write_text(PYTEST_INI, "utf-8")


def write_files(folder: Path, *, solved: bool) -> None:
    """Write all assignments, with solutions or with holes, and their tests."""
    write_tests(folder)
    for name in ASSIGNMENTS:
        text = student_file(source_cells(name), solved=solved)
        (folder / f"{name}.py").write_text(text, "utf-8")


def write_notebooks(out: Path) -> None:
    """Write the notebooks that nbgrader and otter turn into assignments, with their tests."""
    for tool, convert in (("nbgrader/source", for_nbgrader), ("otter", for_otter)):
        for name in ASSIGNMENTS:
            folder, cells = out / tool / name, source_cells(name)
            folder.mkdir(parents=True, exist_ok=True)
            copy_helpers(folder)
            (folder / f"test_{name}.py").write_text(test_file(name, cells), "utf-8")
            text = json.dumps(convert(name, cells), indent=1, ensure_ascii=False)
            (folder / f"{name}.ipynb").write_text(text + "\n", "utf-8")


def write_gradescope(folder: Path) -> None:
    """Write all that Gradescope's container needs: two scripts, the homework, the package."""
    leave = shutil.ignore_patterns("__pycache__", "gradescope")
    shutil.copytree(HERE / "gradescope", folder, dirs_exist_ok=True)
    shutil.copytree(HERE, folder / "homework", dirs_exist_ok=True, ignore=leave)
    package = Path(ae_numpy.__file__).parent
    shutil.copytree(package, folder / "ae_numpy", dirs_exist_ok=True, ignore=leave)


def main(arguments: list[str] | None = None) -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", type=Path, help="a new folder, or one made before")
    out = parser.parse_args(arguments).out
    write_files(out / "student", solved=False)
    write_files(out / "teacher", solved=True)
    write_gradescope(out / "teacher" / "gradescope")
    write_notebooks(out)


if __name__ == "__main__":
    main()
