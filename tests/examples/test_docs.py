"""The documentation: every public name in full, the chapters with their output, no warnings."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import html
import importlib
import inspect
import itertools
import os
import re
import runpy
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from imports import FILES, reached, within

docscrape = pytest.importorskip("numpydoc.docscrape", reason="numpydoc reads the docstrings")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "examples" / "docs"

# The modules whose names are for users, in the order of imports; each has its own page, or
# shares its folder's.
PUBLIC_MODULES = (
    "ae_numpy",  # what everybody imports
    "ae_numpy.reference",
    "ae_numpy.kernels",
    "ae_numpy.engine",
    "ae_numpy.architecture",
    "ae_numpy.network",
    "ae_numpy.initialization",
    "ae_numpy.training",
    "ae_numpy.storage.model_file",
    "ae_numpy.storage.checkpoint",
    "ae_numpy.autoencoder",
    "ae_numpy.gradcheck",
    "ae_numpy.testing",
    "ae_numpy.datasets",
    "ae_numpy.codec",
    "ae_numpy.sweep",
    "ae_numpy.plots",
)
# The others, whose names are public within the package only: no user imports them, and what they
# promise may change. Their docstrings are as long as readers of the code need.
INTERNAL_MODULES = (
    "ae_numpy.validation",  # checks of arguments, one line each
    "ae_numpy.samples",  # checks of samples
    "ae_numpy.progress",  # what `verbose` shows
    "ae_numpy.trust",  # of the cache of kernels
    "ae_numpy.storage",  # no names of its own
    "ae_numpy.storage.atomic",  # files that are written completely or not at all
    "ae_numpy.storage.npz",  # beneath model files and checkpoints
    "ae_numpy.sklearn_protocol",  # what `Autoencoder` inherits, and is documented there
    "ae_numpy.codec.stream",  # the bytes of `Codec`
    "ae_numpy.codec.tables",  # its entropy coder
    "ae_numpy.codec.__main__",  # its command, for which the page has a section
    "ae_numpy.sweep.processes",  # the processes of `run_jobs`
)
# These compute a formula, follow a rule or read a format: their docstring, or that of their module,
# says where it was published. The kernels name their twins.
WITH_A_SOURCE = (
    "ae_numpy.Network.backward",
    "ae_numpy.datasets.load_mnist",
    "ae_numpy.datasets.read_idx",
    "ae_numpy.gradcheck.check_gradients",
    "ae_numpy.gradcheck.check_vjp",
    "ae_numpy.initialization.initial_parameters",
    "ae_numpy.reference.dense_backward",
    "ae_numpy.reference.dense_forward",
    "ae_numpy.reference.half_squared_error_backward",
    "ae_numpy.reference.half_squared_error_forward",
    "ae_numpy.reference.sigmoid_backward",
    "ae_numpy.reference.sigmoid_forward",
    "ae_numpy.training.EarlyStopping",
    "ae_numpy.training.train",
    "ae_numpy.training.train_batches",
)
TWIN = re.compile(r"Twin of `reference\.(\w+)`")


def names_of(module: ModuleType) -> list[str]:
    """The public names of a module: its `__all__`, or the classes and functions it defines."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, type | FunctionType)
        and value.__module__ == module.__name__
    ]
    return [name for name in names if isinstance(getattr(module, name), type | FunctionType)]


def methods_of(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods of a class, those inherited within the package among them."""
    for name in dir(cls):
        function = inspect.unwrap(getattr(cls, name))
        function = getattr(function, "__func__", function)
        ours = (getattr(function, "__module__", None) or "").startswith("ae_numpy")
        if not name.startswith("_") and isinstance(function, FunctionType) and ours:
            yield name, function


def public_things() -> Iterator[tuple[str, Any, type | None]]:
    """Full name, thing, and the class it belongs to; each thing once."""
    seen = set()
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in names_of(module):
            thing = getattr(module, name)
            if thing not in seen:
                yield f"{module_name}.{name}", thing, None
            if isinstance(thing, type) and thing not in seen:
                for method, function in methods_of(thing):
                    yield f"{module_name}.{name}.{method}", function, thing
            seen.add(thing)


PUBLIC = {name: (thing, owner) for name, thing, owner in public_things()}


# --------------------------------------------------------------------------------- what is asked


def problems(thing: Any, owner: type | None = None) -> list[str]:
    """What the docstring of a class, function or method lacks."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if not text or text.startswith(f"{thing.__name__}("):  # which `dataclass` writes by itself
        return ["no docstring"]
    found = []
    if not text.split("\n\n")[0].endswith("."):
        found.append("no summary")
    if not examples(text) and not (owner and shown_by(owner, thing.__name__)):
        found.append("no example that runs")
    if TWIN.search(text):
        return found
    doc = docscrape.NumpyDocString(text)
    found += wrong_parameters(thing, owner, doc)
    found += arrays_without_shape(doc)
    found += bare_properties(thing, doc)
    if returns_something(thing) and not (doc["Returns"] or doc["Yields"]):
        found.append("no Returns")
    if raises_something(thing) and not doc["Raises"]:
        found.append("no Raises")
    return found


def examples(text: str) -> list[doctest.Example]:
    """The examples of a docstring that are run and can fail: they show a result or assert one."""
    run = [
        example
        for example in doctest.DocTestParser().get_examples(text)
        if not example.options.get(doctest.SKIP)
    ]
    shows = any(example.want or "assert" in example.source for example in run)
    return run if shows else []


def shown_by(owner: type, method: str) -> bool:
    """Whether an example of the class calls the method."""
    code = "".join(example.source for example in examples(inspect.getdoc(owner) or ""))
    return f".{method}(" in code


def wrong_parameters(thing: Any, owner: type | None, doc: Any) -> list[str]:
    """Parameters that the signature has and the docstring lacks, and the reverse."""
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return []
    signature = inspect.signature(thing).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    expected = [stars.get(p.kind, "") + p.name for p in signature]
    if owner is not None:
        expected = [name for name in expected if name not in ("self", "cls")]
    section = "Attributes" if is_record(thing) else "Parameters"
    given = [name for entry in doc[section] for name in entry.name.replace("\\", "").split(", ")]
    if is_strategy(thing):  # Hypothesis hands in the first one
        expected = expected[expected[:1] == ["draw"] :]
    if given[: len(expected)] != expected or (section == "Parameters" and given != expected):
        return [f"{section} are {given}, expected {expected}"]
    return []


def is_record(thing: Any) -> bool:
    """Whether the constructor's parameters are the attributes of a dataclass or named tuple."""
    if not isinstance(thing, type) or "Parameters\n---" in inspect.getdoc(thing):
        return False
    return dataclasses.is_dataclass(thing) or issubclass(thing, tuple)


def is_strategy(thing: Any) -> bool:
    return getattr(thing, "__module__", "") == "ae_numpy.testing"


def arrays_without_shape(doc: Any) -> list[str]:
    """Arrays of which is not said what shape they have."""
    entries = [*doc["Parameters"], *doc["Attributes"], *doc["Returns"], *doc["Yields"]]
    return [
        f"no shape of {entry.name or entry.type}"
        for entry in entries
        if re.search(r"\barray\b|\barray-like\b", entry.type)
        and "shape" not in " ".join([entry.type, *entry.desc])
        and "dict" not in entry.type
    ]


def bare_properties(thing: Any, doc: Any) -> list[str]:
    """Properties described neither by themselves nor by their class."""
    described = {entry.name for entry in doc["Attributes"]}
    return [
        f"no docstring of {name}"
        for name, value in vars(thing).items()
        if isinstance(value, property) and not (name.startswith("_") or value.__doc__)
        if name not in described
    ]


def returns_something(thing: Any) -> bool:
    """Whether a function has a ``return`` with a value, or a ``yield``."""
    return not isinstance(thing, type) and any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Return) and node.value is not None)
        for node in own_nodes(thing)
    )


def raises_something(thing: Any) -> bool:
    """Whether a function, or a constructor, raises an error itself or calls a check that does."""
    if isinstance(thing, type):
        made = [vars(thing).get(name) for name in ("__init__", "__post_init__")]
        return any(isinstance(f, FunctionType) and raises_something(f) for f in made)
    return any(
        (isinstance(node, ast.Raise) and node.exc is not None)
        or (isinstance(node, ast.Call) and is_check(ast.unparse(node.func)))
        for node in own_nodes(thing)
    )


def is_check(function: str) -> bool:
    return re.match(r"(self\.)?_?(checked|check|require|samples)(_|$)", function) is not None


def own_nodes(function: Any) -> Iterator[ast.AST]:
    """The syntax tree of a function, without functions that are defined in it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError):  # written by `dataclass`, which raises nothing
        return
    waiting = list(tree.body[0].body)  # type: ignore[attr-defined]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


# --------------------------------------------------------------------------------- the docstrings


def test_every_module_is_public_or_internal():
    named = {*PUBLIC_MODULES, *INTERNAL_MODULES}
    assert named <= FILES.keys()
    for module in FILES.keys() - named:
        assert module.rpartition(".")[0] in PUBLIC_MODULES[1:], module


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented_in_full(name):
    assert problems(*PUBLIC[name]) == []


@pytest.mark.parametrize("name", WITH_A_SOURCE)
def test_a_formula_has_a_source(name):
    thing, _ = PUBLIC[name]
    text = thing.__doc__ + sys.modules[thing.__module__].__doc__
    assert re.search(r"\b(18|19|20)\d\d\b", text)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_a_module_says_what_it_is_for(module_name):
    assert importlib.import_module(module_name).__doc__


def test_a_twin_has_the_parameters_that_its_reference_documents():
    from ae_numpy import kernels, reference

    twins = [name for name in kernels.__all__ if TWIN.search(getattr(kernels, name).__doc__)]
    assert sorted(twins) == sorted(reference.__all__)
    for name in twins:
        twin, original = getattr(kernels, name), getattr(reference, name)
        assert TWIN.search(twin.__doc__).group(1) == name
        assert list(inspect.signature(twin).parameters) == list(
            inspect.signature(original).parameters
        )


# ------------------------------------------------------------------------- the check itself


class Complete:
    """A class with nothing missing.

    Parameters
    ----------
    size : int

    Examples
    --------
    >>> Complete(3).double()
    6
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def double(self) -> int:
        """Return twice the size.

        Returns
        -------
        int
        """
        return 2 * self.size


def complete(x: np.ndarray, **options: int) -> np.ndarray:
    """Return what was given.

    Parameters
    ----------
    x : array, shape (n,)
    **options

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    ValueError
        If there are options.

    Examples
    --------
    >>> complete(np.ones(1))
    array([1.])
    """
    if options:
        raise ValueError(f"no options were expected, got {options}")
    return x


def test_what_is_complete_has_no_problems():
    assert problems(complete) == []
    assert problems(Complete) == []
    assert problems(Complete.double, Complete) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Return what was given.", "Returns", "no summary"),
        (", shape (n,)\n    **", "\n    **", "no shape of x"),
        ("x : array", "y : array", "Parameters are ['y', '**options'], expected"),
        ("    **options\n", "", "Parameters are ['x'], expected"),
        ("    Returns\n    -------\n    array, shape (n,)\n", "", "no Returns"),
        (
            "    Raises\n    ------\n    ValueError\n        If there are options.\n",
            "",
            "no Raises",
        ),
        (">>> complete(np.ones(1))", "complete(np.ones(1))", "no example that runs"),
        ("np.ones(1))", "np.ones(1))  # doctest: +SKIP", "no example that runs"),
        ("    array([1.])\n", "", "no example that runs"),
        (complete.__doc__, "", "no docstring"),
    ],
)
def test_what_is_missing_is_seen(monkeypatch, old, new, problem):
    text = complete.__doc__
    assert old in text
    monkeypatch.setattr(complete, "__doc__", text.replace(old, new))
    (found,) = problems(complete)
    assert found.startswith(problem)


def test_a_property_without_words_is_seen(monkeypatch):
    monkeypatch.setattr(Complete, "area", property(lambda self: self.size**2), raising=False)
    assert problems(Complete) == ["no docstring of area"]


def test_a_dataclass_that_documents_itself_does_not_count():
    bare = dataclasses.make_dataclass("Bare", ["x"])
    assert problems(bare) == ["no docstring"]


# ------------------------------------------------------------------------------- the pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The documentation as HTML, built without a warning; of the chapters, the first is run."""
    pytest.importorskip("myst_nb", reason="Sphinx and MyST-NB build the documentation")
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib")
    folder = tmp_path_factory.mktemp("docs").resolve()
    command = [sys.executable, "-m", "sphinx", "-M", "html", DOCS.parent, folder, "-c", DOCS]
    built = subprocess.run(
        [*command, "-t", "quick", "-W", "--keep-going", "-q"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


def prose(page: Path) -> str:
    """The text of a page but for its code."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"(?s)<(pre|code|script|style|title)\b.*?</\1>", "", text)
    return re.sub(r"(?s)<.*?>", "", text)


def test_every_public_name_is_in_the_index(pages):
    *_, entries = (pages / "objects.inv").read_bytes().split(b"\n", 4)
    listed = {line.split()[0] for line in zlib.decompress(entries).decode().splitlines()}
    for name, (thing, owner) in PUBLIC.items():
        defined = f"{thing.__module__}.{thing.__qualname__}"
        assert name in listed or defined in listed or owner is not None, name
        if owner is not None:
            places = {name, defined, f"{owner.__module__}.{owner.__name__}.{thing.__name__}"}
            assert places & listed, name


def test_the_modules_are_in_the_order_of_imports():
    index = (DOCS / "api" / "index.rst").read_text(encoding="utf-8")
    pages = re.findall(r"^   (\w+)$", index, flags=re.MULTILINE)
    table = re.findall(r"^   (ae_numpy\.[\w.]+)$", index, flags=re.MULTILINE)
    assert table == list(PUBLIC_MODULES[1:])
    assert pages == [name.rpartition(".")[2] for name in table]
    folders = [within(name.removeprefix("ae_numpy.")) for name in table]
    for position, folder in enumerate(folders):
        assert not reached(folder) & set().union(*folders[position + 1 :]), table[position]


CHAPTERS = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
LINKED = re.compile(r'<a [^>]*href="([^":]+)"')  # without those to other sites
PLACE = re.compile(r' id="([^"]+)"')
INDEX = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


def test_the_command_of_the_readmes_is_that_of_this_test():
    command = "sphinx-build -M html examples results/docs -c examples/docs"
    for text in (INDEX, (ROOT / "README.md").read_text(), (DOCS / "conf.py").read_text()):
        assert command in re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("script", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_is_rendered_in_full(pages, script):
    page = pages / f"{script.stem}.html"
    text, source = page.read_text(encoding="utf-8"), script.read_text(encoding="utf-8")
    for markup in (r"\*\*\S", r"\]\(", r"[$`\\]"):
        assert not re.search(markup, prose(page))
    for name in re.findall(r"\[`(\w+)`\]\(\.\./ae_numpy/reference\.py", source):
        assert f'href="docs/api/reference.html#ae_numpy.reference.{name}"' in text
    chapters = set(re.findall(r"\]\((\d\d_\w+)\.py\)", source))
    for chapter in chapters:
        assert f'href="{chapter}.html' in text
    markdown = markdown_of(source)
    blocks, inline = markdown.count("$$") // 2, markdown.replace("$$", "").count("$") // 2
    assert text.count('<div class="formula">') == blocks
    assert len(re.findall("<math(?![^>]*block)", text)) == inline


def markdown_of(source: str) -> str:
    cells = re.split(r"^# %%(.*)\n", source, flags=re.MULTILINE)[1:]
    texts = (text for mark, text in zip(cells[::2], cells[1::2], strict=True) if mark)
    return re.sub(r"`[^`]*`", "", "".join(texts))


@pytest.mark.parametrize("name", [CHAPTERS[0].stem, "find_the_bug"])
def test_a_page_shows_what_its_cells_print_and_draw(pages, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    page = (pages / f"{name}.html").read_text(encoding="utf-8")
    outputs = "\n".join(re.findall(r'(?s)<div class="output stream.*?</pre>', page))
    shown = html.unescape(re.sub(r"<[^>]*>", "", outputs)).splitlines()
    for line in filter(None, capsys.readouterr().out.splitlines()):
        if line.startswith("picture: "):
            alt = re.search(rf"!\[([^]]+)\]\(pictures/{Path(line).stem}\.png\)", INDEX)[1]
            assert re.search(rf'<img[^>]*alt="{re.escape(html.escape(alt))}"', page)
        else:
            assert line.rstrip() in shown


def test_the_index_has_title_summary_and_picture_of_every_chapter(pages):
    found = re.findall(r"\n## (\d+)\. \[(.+)\]\((.+)\.py\)\n\n\w[^#!]+!\[\w.+\]\((.+)\)", INDEX)
    expected = [
        (*title_of(script), script.stem, f"pictures/{script.stem}.png") for script in CHAPTERS
    ]
    assert found == expected
    page = (pages / "README.html").read_text(encoding="utf-8")
    for *_, name, picture in expected:
        assert f'href="{name}.html"' in page
        assert f'src="_images/{Path(picture).name}"' in page


def title_of(script: Path) -> tuple[str, str]:
    number, title = re.match(r".*\n# # (\d+)\. (.+)\n", script.read_text(encoding="utf-8")).groups()
    return number, title


def test_one_page_leads_to_the_next(pages):
    names = ["README", *(script.stem for script in CHAPTERS), "docs/live", "find_the_bug"]
    for before, after in itertools.pairwise(names):
        page = (pages / f"{before}.html").read_text(encoding="utf-8")
        (following,) = re.findall(r'<link rel="next" title=".*" href="(.*)"', page)
        assert (pages / before).parent.joinpath(following).resolve() == pages / f"{after}.html"


def test_links_lead_to_files_and_places_that_are_there(pages):
    targets = {page: set(LINKED.findall(page.read_text("utf-8"))) for page in pages.rglob("*.html")}
    there = {page.resolve(): set(PLACE.findall(page.read_text("utf-8"))) for page in targets}
    for page, links in targets.items():
        for link in links:
            path, _, place = link.partition("#")
            file = (page.parent / path if path else page).resolve()
            assert file.is_file(), f"{page.name}: {link}"
            assert not place or place in there[file], f"{page.name}: {link}"


def test_the_live_graph_is_there(pages, open_page):
    page = open_page(pages / "live" / "index.html")
    assert page.locator("#cards .card").count()
