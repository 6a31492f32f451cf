"""Make notebooks from the scripts of the tour, as files or, for the documentation, in memory.

    python examples/tour_notebooks.py OUT                      # all of them
    python examples/tour_notebooks.py OUT 01_one_neuron ...    # some

A notebook runs in any folder where `ae_numpy` and matplotlib are installed: what a script imports
from the folder that it is in goes into a first, folded cell.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
from pathlib import Path

try:
    import jupytext
    import nbformat
except ImportError as error:
    raise ImportError('notebooks need jupytext: pip install -e ".[docs]"') from error

EXAMPLES = Path(__file__).parent
SCRIPTS = [*sorted(EXAMPLES.glob("[0-9][0-9]_*.py")), EXAMPLES / "find_the_bug.py"]
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")  # to a file, not to an address

MODULE = """\
# What the chapter imports from {name}.py.
import sys
from types import ModuleType

sys.modules["{name}"] = ModuleType("{name}")
exec(r'''
{source}''', vars(sys.modules["{name}"]))
"""


def read_script(text: str) -> nbformat.NotebookNode:
    """The cells of a script in percent format, pictures described as in the tour's README."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    for cell in notebook.cells:
        picture = re.search(r'save\(.*"(\w+)"\)', cell.source)
        if cell.cell_type == "code" and picture:
            cell.metadata["mystnb"] = {"image": {"alt": description(picture[1])}}
    return notebook


def description(picture: str) -> str:
    """What the README says that a picture shows."""
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"!\[([^]]+)\]\(pictures/{picture}\.png\)", index)
    return found[1] if found else picture.replace("_", " ")


def notebook_for(script: Path, folder: Path) -> nbformat.NotebookNode:
    """A script as a notebook of `folder`: it needs no file beside it, and its links lead on."""

    def link(match: re.Match[str]) -> str:
        target = script.parent / match[1]
        if target in SCRIPTS:
            return f"{target.stem}.ipynb"
        return Path(os.path.relpath(target.resolve(), folder.resolve())).as_posix()

    text = script.read_text(encoding="utf-8")
    notebook = read_script(text)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(link, cell.source)
    for name, source in reversed(modules_of(text).items()):
        cell = nbformat.v4.new_code_cell(MODULE.format(name=name, source=source))
        cell.metadata["jupyter"] = {"source_hidden": True}
        notebook.cells.insert(1, cell)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # random ones would change the file every time
    return notebook


def modules_of(text: str) -> dict[str, str]:
    """Names and sources of what a script imports from this folder, each after what it imports."""
    modules: dict[str, str] = {}
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.ImportFrom):
            path = EXAMPLES / f"{statement.module}.py"
            if path.is_file():
                source = path.read_text(encoding="utf-8")
                modules |= modules_of(source) | {path.stem: source}
    return modules


def main() -> None:
    """Write the notebooks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the folder to write to")
    names = [script.stem for script in SCRIPTS]
    parser.add_argument("names", nargs="*", help="which: all, unless given", metavar="SCRIPT")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"SCRIPT must be one of {', '.join(names)}, got {', '.join(sorted(unknown))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        if script.stem in (arguments.names or names):
            path = arguments.out / f"{script.stem}.ipynb"
            nbformat.write(notebook_for(script, arguments.out), path)
            print(path)


if __name__ == "__main__":
    main()
