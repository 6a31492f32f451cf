"""An assignment as a notebook: nbgrader has its marks in the cells' metadata, otter in cells.

A notebook's tests are those of `test_NAME.py`, which lies beside it: a test cell calls one of them
with the names that the notebook has defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

HOLE = re.compile(r"^( *)# BEGIN SOLUTION\n.*?# END SOLUTION\n", re.DOTALL | re.MULTILINE)
# What nbgrader does with a cell: whether it is graded, may be changed, and has a solution.
MARKS = {
    "hole": {"grade": False, "locked": False, "solution": True},
    "test": {"grade": True, "locked": True, "solution": False},
    "code": {"grade": False, "locked": True, "solution": False},
}


# What lies beside the tests of an assignment.
HELPERS = ("hints.py", "items.py", "checks.py")


@dataclass(frozen=True)
class Cell:
    """A cell of a source: its kind is "text", "code", "hole", "checks" (imports) or "test"."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """Name of the function that a hole or a test is about."""
        names = re.findall(r"^def (\w+)", self.text, re.MULTILINE)
        return names[-1 if self.kind == "test" else 0]

    @property
    def points(self) -> int:
        """Points of a test."""
        return int(re.search(r"@item\(points=(\d+)\)", self.text)[1])


def cells_of(source: str) -> Iterator[Cell]:
    """Yield the cells of a source in percent format."""
    for part in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        text = text.strip() + "\n"
        if "[markdown]" in head:
            yield Cell("text", text)
        elif "from checks import" in text:
            yield Cell("checks", text)
        elif "@item(" in text:
            yield Cell("test", text)
        else:
            yield Cell("hole" if HOLE.search(text) else "code", text)


def notebook(cells: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return a notebook, in the form of its file, with numbered cells."""
    numbered = [{"id": f"cell-{k}", **cell} for k, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": numbered, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def markdown(text: str) -> dict[str, Any]:
    """Return a cell of text, which is a comment in the source."""
    text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip()}


def raw(text: str) -> dict[str, Any]:
    """Return a cell that otter reads."""
    return {"cell_type": "raw", "metadata": {}, "source": text}


def code(text: str, **metadata: Any) -> dict[str, Any]:
    """Return a cell of code that has not run."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": []}
    return {**cell, "source": text.strip()}


def for_nbgrader(assignment: str, cells: list[Cell]) -> dict[str, Any]:
    """Return the version from which nbgrader's generate_assignment takes the solutions."""
    found = []
    for k, cell in enumerate(cells):
        if cell.kind == "text":
            found.append(markdown(cell.text))
        elif cell.kind in MARKS:
            marks = {"schema_version": 3, "task": False, "grade_id": f"code_{k}"}
            text = cell.text
            if cell.kind in ("hole", "test"):
                marks["grade_id"] = cell.name
            if cell.kind == "test":
                marks["points"] = cell.points
                text = f"from test_{assignment} import {cell.name}\n\n{cell.name}(globals())"
            found.append(code(text, nbgrader=marks | MARKS[cell.kind]))
    return notebook(found)


def for_otter(assignment: str, cells: list[Cell]) -> dict[str, Any]:
    """Return the version that `otter assign` takes apart."""
    files = "files:\n" + "\n".join(f"- {name}" for name in (*HELPERS, f"test_{assignment}.py"))
    settings = "export_cell: false\ntests:\n  ok_format: false"
    found = [raw(f"# ASSIGNMENT CONFIG\nname: {assignment}\n{settings}\n{files}")]
    for group in questions([cell for cell in cells if cell.kind != "checks"]):
        if group[0].kind == "hole":
            found += question(assignment, group)
        else:
            found.append((markdown if group[0].kind == "text" else code)(group[0].text))
    return notebook(found)


def questions(cells: list[Cell]) -> list[list[Cell]]:
    """Return the cells in groups: holes with the tests that follow them, everything else alone."""
    groups: list[list[Cell]] = []
    for cell in cells:
        open_question = groups and groups[-1][0].kind == "hole"
        if open_question and (cell.kind == "test" or cell.kind == groups[-1][-1].kind == "hole"):
            groups[-1].append(cell)
        else:
            groups.append([cell])
    return groups


def question(assignment: str, group: list[Cell]) -> Iterator[dict[str, Any]]:
    """Yield the cells of one question of otter's."""
    tests = [cell for cell in group if cell.kind == "test"]
    points = [test.points for test in tests]
    yield raw(f"# BEGIN QUESTION\nname: {group[0].name}\npoints: {points}")
    yield raw("# BEGIN SOLUTION")
    yield from (code(cell.text) for cell in group if cell.kind == "hole")
    yield raw("# END SOLUTION")
    yield raw("# BEGIN TESTS")
    for test in tests:
        body = f"    import test_{assignment}\n\n    test_{assignment}.{test.name}(env)"
        yield code(f"def {test.name}(env):\n{body}")
    yield raw("# END TESTS")
    yield raw("# END QUESTION")
