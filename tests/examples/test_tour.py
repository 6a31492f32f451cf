"""The tour in `examples/`: every script runs, tests its own claims, draws its picture, in time."""

import ast
import functools
import re
import runpy
import sys
import time
from pathlib import Path

import pytest
from strategies import needs_compiler

pytest.importorskip("matplotlib", reason="the tour draws its pictures with matplotlib")

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))
REFERENCE = ROOT / "ae_numpy" / "reference.py"
LINK = re.compile(r"\[`(\w+)`\]\(\.\./ae_numpy/reference\.py#L(\d+)\)")
SECONDS = 8

# The tour's terms. Other words that it uses are those of school mathematics, or of NumPy.
TERMS = re.split(
    r",\s+",
    """activation, autoencoder, backpropagation, batch, bias, central difference, complex step,
    computation graph, decoder, delta, dense, encoder, epoch, first-order, forward difference,
    gradient, hidden, imaginary part, Jacobian, layer, learning rate, local slope, logit, loss,
    mean image, mse, neuron, nudge, outer product, overfitted, parameter, pre-activation, real part,
    reconstruction, rounding error, sample, saturated, sigmoid, standard deviation, Taylor series,
    topological, transpose, truncation error, unit, weight""",
)

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def cells(text: str) -> list[tuple[str, str]]:
    """The cells of a script in percent format: ("markdown" or "code", what is in it)."""
    head, *rest = re.split(r"^# %%(.*)\n", text, flags=re.MULTILINE)
    assert head == "", "something stands before the first cell"
    kinds = {"": "code", " [markdown]": "markdown"}
    return [(kinds[mark], body) for mark, body in zip(rest[::2], rest[1::2], strict=True)]


def run(script: Path, monkeypatch) -> float:
    """Run as `python script` would, in this process; the seconds of processor time it took."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [str(script)])
    start = time.process_time()  # other people's work on the machine does not count
    runpy.run_path(str(script), run_name="__main__")
    return time.process_time() - start


def test_no_two_chapters_have_one_number():
    numbers = [int(script.name[:2]) for script in SCRIPTS]
    assert len(set(numbers)) == len(numbers) >= 10


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_where_it_is_first_used(term):
    """Where it is explained, it is emphasised."""
    first = re.search(rf"(?<![-\w]){term}s?(?![-\w])", prose(), re.IGNORECASE)
    assert first is not None, "a term that the tour does not use"
    before, after = prose()[: first.start()], prose()[first.end() :]
    assert before.endswith("*"), f"{before[-60:]}>>>{first[0]}<<<{after[:30]}"


@functools.cache
def prose() -> str:
    """What all chapters say, in their order, but for what their heads promise, and formulas."""
    said = []
    for script in SCRIPTS:
        (_, head), *parts = cells(script.read_text(encoding="utf-8"))
        said.append(head.split("# **At the end")[0])
        said += [body for kind, body in parts if kind == "markdown"]
    text = re.sub(r"^# ?", "", "\n".join(said), flags=re.MULTILINE)
    text = re.sub(r"^#+ [^\n]*|\$\$.*?\$\$|`[^`]*`|\]\([^)]*\)", "", text, flags=re.M | re.S)
    return " ".join(text.split())


@needs_compiler
@each_script
def test_its_claims_hold_and_it_draws_its_picture_in_time(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    seconds = run(script, monkeypatch)
    if seconds > SECONDS:  # the first time may have compiled
        seconds = run(script, monkeypatch)
    assert seconds < SECONDS
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert Path("results", "tour", f"{script.stem}.png") in written
    out = capsys.readouterr().out
    for path in written:  # a chapter may have more than one, named after it
        assert re.fullmatch(rf"{script.stem}(_\w+)?\.png", path.name), path
        png = path.read_bytes()
        assert png.startswith(b"\x89PNG")
        assert 900 <= int.from_bytes(png[16:20], "big") <= 1100  # the width, in the PNG header
        assert path.name in out


@each_script
def test_it_opens_as_a_notebook(script):
    parts = cells(script.read_text(encoding="utf-8"))
    kind, first = parts[0]
    assert kind == "markdown"
    assert first.startswith(f"# # {int(script.name[:2])}. ")
    for kind, body in parts:
        if kind == "markdown":
            assert all(line.startswith("#") for line in body.splitlines() if line), body
        else:
            ast.parse(body)
            assert body.strip(), "an empty code cell"


@each_script
def test_it_links_to_the_lines_that_it_explains(script):
    text = script.read_text(encoding="utf-8")
    links = LINK.findall(text)
    assert links
    assert len(links) == text.count("reference.py#"), "a link of another form"
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    for name, number in links:
        assert lines[int(number) - 1].startswith(f"def {name}("), f"{name} is not at line {number}"


@each_script
def test_its_links_to_files_lead_somewhere(script):
    text = script.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s#]+)", text):
        if target.endswith((".py", ".md")) and "://" not in target:
            assert (EXAMPLES / target).is_file(), target


@each_script
def test_it_has_a_picture_tested_claims_exercises_and_tested_solutions(script):
    parts = cells(script.read_text(encoding="utf-8"))

    def position(words: str) -> int:
        (index,) = (index for index, (_, body) in enumerate(parts) if words in body)
        return index

    picture = position(f'"{script.stem}")\n')  # the end of a call of save
    exercises, solutions = position("# ## Exercises\n"), position("# ## Solutions\n")
    assert picture < exercises < solutions
    posed = re.findall(r"^# (\d)\. ", parts[exercises][1], flags=re.MULTILINE)
    assert posed == [str(number + 1) for number in range(len(posed))]
    assert 3 <= len(posed) <= 4
    answers = parts[solutions:]
    prose = "".join(body for kind, body in answers if kind == "markdown")
    assert re.findall(r"\*\*(\d)\.\*\* ", prose) == posed
    for where in (parts[:exercises], answers):
        assert any("assert" in body for kind, body in where if kind == "code")


def test_a_notebook_shows_the_picture_and_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    import tour
    from matplotlib.figure import Figure

    shown = []
    monkeypatch.setattr(tour, "_in_a_notebook", lambda: True)
    ipython = type(sys)("IPython")
    ipython.version_info = (9, 0)  # matplotlib asks for it
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    display = type(sys)("IPython.display")
    display.Image, display.display = bytes, shown.append
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    tour.save(Figure(), "name")
    assert [png[:4] for png in shown] == [b"\x89PNG"]
    assert list(tmp_path.iterdir()) == []
