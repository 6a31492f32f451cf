"""The homework: what is made, what students are told, and what a submission cannot do."""

import contextlib
import csv
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOMEWORK = Path(__file__).parents[2] / "examples" / "homework"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="grading needs fork")


@pytest.fixture(scope="module")
def homework():
    """The modules of the homework, by name; sys.path is as before afterwards."""
    before = sys.path.copy()
    sys.path.insert(0, str(HOMEWORK))
    yield importlib.import_module
    sys.path[:] = before


@pytest.fixture(scope="module")
def made(homework, tmp_path_factory):
    """What make.py writes."""
    out = tmp_path_factory.mktemp("homework")
    homework("make").main([str(out)])
    return out


def grades(out, *submissions, **options):
    """Grade in a process, as a teacher does: the rows of grades.csv by submission and item."""
    command = [sys.executable, HOMEWORK / "grade.py", *submissions, "--out", out]
    for name, option in options.items():
        command += [f"--{name}", *map(str, option if isinstance(option, tuple) else (option,))]
    own = os.environ | {"TMPDIR": str(out.parent)}  # by which its processes can be told
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=own)
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["submission"], f"{row['assignment']}.{row['item']}"): row for row in rows}


def points(rows, name, assignment=""):
    """All points of a submission, or those of one assignment."""
    return sum(
        int(row["points"])
        for (submission, item), row in rows.items()
        if submission == name and item.startswith(assignment)
    )


# What a file can do to its grader: the text that replaces the body of neuron.py's twice_backward.
MISBEHAVED = {
    "loop": "while True: pass",
    "exit": "raise SystemExit(0)",
    "dies": "__import__('os')._exit(0)",
    "kills": "os = __import__('os'); os.killpg(os.getpgid(os.getppid()), 9)",
    "kills_parent": "os = __import__('os'); os.kill(os.getppid(), 9)\n    while True: pass",
    "forks": "__import__('os').fork()",
    "prints": "while True: print('x' * 10**6)",
    "memory": "return np.ones(10**10)",
    "file": "f = open('big', 'wb')\n    while True: f.write(bytes(10**7))",
    "surrogate": "raise ValueError('\\ud800\\0')",
    "imports": "import random\n    return random.random()",
}
SAID = {
    "loop": ("timeout", "No answer within"),
    "exit": ("exited", "ended at neuron.py, line"),
    "dies": ("exited", "ended in the middle"),
    "kills": ("exited", "killed"),
    "kills_parent": ("exited", "killed"),
    "forks": ("not_written", "nothing is returned"),
    "prints": ("output", "printed, or written to a file at neuron.py, line"),
    "memory": ("memory", "Out of memory at neuron.py, line"),
    "file": ("output", "printed, or written to a file at neuron.py, line"),
    "surrogate": ("exception", "ValueError at neuron.py, line"),
    "imports": ("import", "random: only numpy, math"),
}


@pytest.fixture(scope="module")
def misbehaving_class(made, tmp_path_factory):
    """Submissions of the first assignment, each with one function that misbehaves; graded."""
    place = tmp_path_factory.mktemp("class")
    solution = (made / "teacher" / "neuron.py").read_text(encoding="utf-8")
    body = "    return dy * w, dy * (x + 2 * w)\n"
    for name, text in MISBEHAVED.items():
        (place / name).mkdir()
        (place / name / "neuron.py").write_text(solution.replace(body, f"    {text}\n"))
    names = sorted(place.iterdir())
    return place / "out", grades(place / "out", *names, only="neuron", seconds=1)


@pytest.mark.parametrize("name", MISBEHAVED)
def test_a_function_that_misbehaves_loses_its_own_points(misbehaving_class, name):
    out, rows = misbehaving_class
    kind, said = SAID[name]
    bad = rows[name, "neuron.twice_backward"]
    assert (bad["points"], bad["kinds"]) == ("0", kind), bad["message"]
    assert said in bad["message"]
    assert points(rows, name) == 10  # of 12
    assert "Traceback" not in (out / name / "report.txt").read_text()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the system has no /proc")
def test_nothing_is_left_running(misbehaving_class):
    out, _ = misbehaving_class
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            assert os.fsencode(out.parent) not in process.read_bytes()


# A file that is not as it should be: what is done to neuron.py, and what is said of each item.
SPOILT = {
    "syntax": (
        lambda text: text + "def broken(:\n",
        "syntax",
        r"neuron.py, line \d+: invalid syntax",
    ),
    "import": (lambda text: "import os\n" + text, "import", r"neuron.py, line 1: os: only numpy"),
    "missing": (
        lambda text: text.replace("def descend", "def ascend"),
        "missing",
        "function descend",
    ),
    "exit": (lambda text: text + "raise SystemExit\n", "exited", r"ended at neuron.py, line \d+"),
    "zeros": (lambda text: text + "\0", "syntax", "neuron.py, line"),
}


@pytest.fixture(scope="module")
def all_six(made, tmp_path_factory):
    """The solutions, the starter, and solutions with a spoilt file; graded."""
    place = tmp_path_factory.mktemp("all_six")
    for name, (spoil, _, _) in SPOILT.items():
        shutil.copytree(made / "teacher", place / name)
        path = place / name / "neuron.py"
        path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
        (place / name / "test_neuron.py").write_text("def test_forward(): pass\n")
        (place / name / "checks.py").unlink()
    folders = [made / "teacher", made / "student", *map(place.joinpath, SPOILT)]
    options = {"only": ("neuron", "dense")}
    rows = grades(place / "spoilt", *folders[2:], **options)
    return place, rows | grades(place / "out", *folders[:2])


def test_the_solution_gets_all_points_and_the_starter_none(all_six):
    place, rows = all_six
    assert points(rows, "teacher") == sum(
        int(row["max_points"]) for (name, _), row in rows.items() if name == "teacher"
    )
    assert points(rows, "student") == 0
    assert {row["kinds"] for (name, _), row in rows.items() if name == "student"} == {"not_written"}
    assert "Traceback" not in (place / "out" / "student" / "report.txt").read_text()


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_file_is_named_and_the_others_count(all_six, name):
    _, rows = all_six
    _, kind, said = SPOILT[name]
    row = rows[name, "neuron.descend"]
    assert (row["points"], row["kinds"]) == ("0", kind)
    assert re.search(said, row["message"])
    assert points(rows, name, "neuron.") == (11 if name == "missing" else 0)
    assert points(rows, name, "dense.") == points(rows, "teacher", "dense.")


def test_gradescope_gets_every_item_and_no_sum(all_six):
    place, rows = all_six
    for name in ("teacher", "student"):
        results = json.loads((place / "out" / name / "results.json").read_text())
        assert results.keys() == {"tests"}
        keys = {"name", "score", "max_score", "status", "output", "visibility"}
        assert all(test.keys() == keys for test in results["tests"])
        assert sum(test["score"] for test in results["tests"]) == points(rows, name)
        expected = {"passed" if name == "teacher" else "failed"}
        assert {test["status"] for test in results["tests"]} == expected


def test_gradescopes_scripts(made, tmp_path):
    shutil.copytree(made / "teacher" / "gradescope", tmp_path / "source")
    shutil.copytree(made / "student", tmp_path / "submission")
    for folder in ("results", "venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    script = tmp_path / "source" / "run_autograder"
    subprocess.run(
        [script], check=True, env=os.environ | {"AUTOGRADER": str(tmp_path)}, cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    assert {test["status"] for test in results["tests"]} == {"failed"}


def test_students_see_what_pytest_says_of_each_item(made, tmp_path):
    shutil.copytree(made / "student", tmp_path / "mine")
    path, solution = tmp_path / "mine" / "dense.py", (made / "teacher" / "dense.py").read_text()
    path.write_text(solution.replace("x.T @ dz", "dz.T @ x"))
    command = [sys.executable, "-m", "pytest", "test_dense.py"]
    out = subprocess.run(command, cwd=path.parent, capture_output=True, text=True).stdout
    assert "test_dense.py::test_backward_db PASSED" in out
    assert "test_dense.py::test_backward_dW FAILED" in out
    assert "Kind: W: transposed.\nPlace: b is right and W is not" in out
    assert "Hint: Write the shape" in out
    assert "x.T" not in out
    assert "Traceback" not in out


def test_no_solution_is_in_a_students_files(homework, made):
    make, notebooks = homework("make"), homework("notebooks")
    for name in homework("items").ASSIGNMENTS:
        cells = make.source_cells(name)
        given = "".join(cell.text for cell in cells if cell.kind == "code")
        files = [(made / "student" / f"{prefix}{name}.py").read_text() for prefix in ("", "test_")]
        for hole in notebooks.HOLE.finditer("".join(cell.text for cell in cells)):
            for line in map(str.strip, hole[0].splitlines()[1:-1]):
                if len(line) > 20 and line not in given:  # shorter ones say nothing
                    assert not any(line in text for text in files), line


MUTANTS = [
    (assignment, mutant)
    for assignment, mutants in tomllib.loads((HOMEWORK / "mutants.toml").read_text()).items()
    for mutant in mutants
]


@pytest.fixture(scope="module")
def tests_here(homework, made, tmp_path_factory):
    """The items of an assignment, and a function that writes a student's file for them."""
    place, before = tmp_path_factory.mktemp("mutants"), Path.cwd()
    os.chdir(place)
    sys.path.insert(0, str(made / "teacher"))

    def outcome(assignment, item, change):
        text = (made / "teacher" / f"{assignment}.py").read_text(encoding="utf-8")
        (place / f"{assignment}.py").write_text(change(text), encoding="utf-8")
        return getattr(homework(f"test_{assignment}"), f"test_{item}").item.outcome()

    yield outcome
    os.chdir(before)


def explanation(tests_here, assignment, mutant):
    """Kinds that are named for a mutant, and those that are right."""

    def change(text):
        assert mutant["old"] in text
        return text.replace(mutant["old"], mutant["new"], 1)

    kinds, message = tests_here(assignment, mutant["item"], change)
    assert message, f"{assignment}: {mutant['mistake']} passes"
    return set(kinds), set(filter(None, mutant["kind"].split(";")))


# The fast suite takes every fourth; each kind of item is among them.
@pytest.mark.parametrize(("assignment", "mutant"), MUTANTS[::4])
@pytest.mark.filterwarnings("ignore:divide by zero")  # a mutant's own
def test_a_mistake_loses_points_and_has_its_name(tests_here, assignment, mutant):
    named, right = explanation(tests_here, assignment, mutant)
    assert named == right


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_all_mistakes(tests_here):
    assert len(MUTANTS) >= 60
    found = [explanation(tests_here, *mutant) for mutant in MUTANTS]
    assert all(named <= right for named, right in found)  # no wrong explanation
    assert sum(named == right != set() for named, right in found) >= 0.9 * len(found)
