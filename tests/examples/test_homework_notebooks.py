"""The homework's notebooks: the format that nbgrader and otter read, and the tools themselves."""

import csv
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HOMEWORK = Path(__file__).parents[2] / "examples" / "homework"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs fork")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What make.py writes."""
    out = tmp_path_factory.mktemp("homework")
    subprocess.run([sys.executable, HOMEWORK / "make.py", out], check=True)
    return out


@pytest.fixture(scope="module")
def items(made):
    """Points of each test, by assignment, as the tests beside the notebooks say."""
    sys.path.insert(0, str(made / "teacher"))
    names = importlib.import_module("items").ASSIGNMENTS
    found = {}
    for name in names:
        tests = vars(importlib.import_module(f"test_{name}"))
        found[name] = {k: t.item.points for k, t in tests.items() if hasattr(t, "item")}
    sys.path.remove(str(made / "teacher"))
    return found


def cells(folder, name):
    """The cells of a notebook, after a look at its frame."""
    notebook = json.loads((folder / name / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    return notebook["cells"]


def test_nbgraders_cells(made, items):
    for name, points in items.items():
        code = [c for c in cells(made / "nbgrader" / "source", name) if c["cell_type"] == "code"]
        marks = [cell["metadata"]["nbgrader"] for cell in code]
        assert all(mark["schema_version"] == 3 and mark["task"] is False for mark in marks)
        assert set(Counter(mark["grade_id"] for mark in marks).values()) == {1}
        graded = {mark["grade_id"]: mark["points"] for mark in marks if mark["grade"]}
        assert graded == points
        for cell, mark in zip(code, marks, strict=True):
            assert mark["locked"] != mark["solution"]
            assert ("BEGIN SOLUTION" in cell["source"]) == mark["solution"]


def test_otters_cells(made, items):
    for name, points in items.items():
        found = cells(made / "otter", name)
        marks = [cell["source"] for cell in found if cell["cell_type"] == "raw"]
        assert marks.pop(0).startswith("# ASSIGNMENT CONFIG\n")
        heads = [mark for mark in marks if mark.startswith("# BEGIN QUESTION\n")]
        parts = ("SOLUTION", "TESTS")
        order = [f"# {end} {part}" for part in parts for end in ("BEGIN", "END")]
        assert [m for m in marks if m not in heads] == [*order, "# END QUESTION"] * len(heads)
        assert len(set(heads)) == len(heads)
        worth = [n for head in heads for n in json.loads(head.partition("points: ")[2])]
        tests = [c["source"].split("(")[0][4:] for c in found if "(env)" in c["source"]]
        assert dict(zip(tests, worth, strict=True)) == points


def test_what_otter_leaves_of_a_solution_gets_no_points(made, items, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(made / "student")
    for name, points in items.items():
        text = (made / "student" / f"{name}.py").read_text(encoding="utf-8")
        Path(f"{name}.py").write_text(text.replace("raise NotImplementedError", "..."))
        tests = importlib.import_module(f"test_{name}")
        assert all(getattr(tests, test).item.outcome()[1] for test in points)


def run(*command, cwd, place):
    """Run a tool as in its activated environment; it keeps its settings to itself."""
    own = {name: str(place / name) for name in ("JUPYTER_DATA_DIR", "IPYTHONDIR", "HOME")}
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run([sys.executable, "-m", *command], cwd=cwd, env=os.environ | own, check=True)


@pytest.mark.slow
def test_nbgrader_grades_an_assignment(made, items, tmp_path):
    pytest.importorskip("nbgrader", reason='nbgrader is missing: pip install ".[course]"')
    course = tmp_path / "course"
    shutil.copytree(made / "nbgrader", course)
    run("nbgrader", "generate_assignment", "dense", "--create", cwd=course, place=tmp_path)
    for student, version in (("ada", "source"), ("sam", "release")):
        shutil.copytree(course / version / "dense", course / "submitted" / student / "dense")
    (course / "submitted" / "ada" / "dense" / "test_dense.py").write_text("")  # does not count
    run("nbgrader", "autograde", "dense", cwd=course, place=tmp_path)
    run("nbgrader", "export", cwd=course, place=tmp_path)
    with (course / "grades.csv").open(newline="") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {"ada": sum(items["dense"].values()), "sam": 0}
    assert "BEGIN SOLUTION" not in (course / "release" / "dense" / "dense.ipynb").read_text()


@pytest.mark.slow
def test_otter_grades_an_assignment(made, items, tmp_path):
    pytest.importorskip("otter", reason='otter is missing: pip install ".[course]"')
    shutil.copytree(made / "otter" / "dense", tmp_path / "dense")
    dist = tmp_path / "dense" / "dist"
    run("otter", "assign", "--no-pdfs", "dense.ipynb", "dist", cwd=dist.parent, place=tmp_path)
    (package,) = (dist / "autograder").glob("*.zip")
    for version, share in (("autograder", 1), ("student", 0)):
        out = tmp_path / version
        out.mkdir()
        notebook = dist / version / "dense.ipynb"
        run("otter", "run", "-a", package, "-o", out, notebook, cwd=dist, place=tmp_path)
        tests = json.loads((out / "results.json").read_text())["tests"]
        score = sum(test.get("score", 0) for test in tests)
        assert score == share * sum(items["dense"].values())
