"""The notebooks of the tour: complete, leading somewhere, and they run in any folder."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from strategies import needs_compiler

nbformat = pytest.importorskip("nbformat", reason="Jupytext and nbformat make the notebooks")
pytest.importorskip("jupytext", reason="Jupytext and nbformat make the notebooks")
nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebooks")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def notebooks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("tour_notebooks")


@pytest.fixture
def make(notebooks, monkeypatch):
    """The command, given its arguments."""

    def make(*arguments):
        monkeypatch.setattr(sys, "argv", ["tour_notebooks.py", *map(str, arguments)])
        notebooks.main()

    return make


def text_of(cells) -> str:
    return "".join(re.sub(r"\s", "", cell.source) for cell in cells)


def test_they_hold_the_scripts_and_their_links_lead_to_files(notebooks, make, tmp_path):
    folder = tmp_path / "some" / "folder"
    make(folder)
    assert sorted(path.stem for path in folder.iterdir()) == [
        script.stem for script in notebooks.SCRIPTS
    ]
    for script in notebooks.SCRIPTS:
        path = folder / f"{script.stem}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [
            cell
            for cell in notebook.cells
            if cell.cell_type == "code" and not cell.metadata.get("jupyter")
        ]
        source = script.read_text(encoding="utf-8")
        parts = re.split(r"^# %%(.*)\n", source, flags=re.MULTILINE)[1:]
        plain = [body for mark, body in zip(parts[::2], parts[1::2], strict=True) if not mark]
        assert text_of(code) == re.sub(r"\s", "", "".join(plain))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                for target in notebooks.LINK.findall(cell.source):
                    assert (folder / target).resolve().exists(), f"{path.name}: {target}"


def test_they_are_made_the_same_every_time(make, tmp_path):
    make(tmp_path / "a", "01_one_neuron")
    make(tmp_path / "b", "01_one_neuron")
    (first,), (second,) = (list((tmp_path / name).iterdir()) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_name_that_is_none_is_refused(make, tmp_path, capsys):
    with pytest.raises(SystemExit):
        make(tmp_path / "out", "01_one_neuron", "99_nothing")
    assert "SCRIPT must be one of 01_one_neuron, " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_imported_comes_before_what_imports_it(notebooks, tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("from numpy import ones\nfrom b import c\nx = 1\n")
    (tmp_path / "b.py").write_text("c = 1\n")
    monkeypatch.setattr(notebooks, "EXAMPLES", tmp_path)
    assert list(notebooks.modules_of("from a import x\nfrom b import c\n")) == ["b", "a"]


@needs_compiler
@pytest.mark.parametrize("number", [0, 1])
def test_they_run_in_any_folder(notebooks, number, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # this checkout, whatever is installed
    script = notebooks.SCRIPTS[number]
    notebook = notebooks.notebook_for(script, tmp_path)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any(output.output_type == "stream" for output in outputs)
    assert list(tmp_path.iterdir()) == []
