"""Which modules of the package import which, read from its files.

Every import counts, wherever it is, including those for a type checker.
"""

from __future__ import annotations

import ast
from importlib.util import resolve_name
from pathlib import Path

import ae_numpy

ROOT = Path(ae_numpy.__file__).parent


def name_of(path: Path) -> str:
    """The module in this file."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(module: str, source: str) -> set[str]:
    """The modules that a source imports."""
    is_folder = FILES[module].name == "__init__.py"
    package = module if is_folder else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            members = (f"{origin}.{alias.name}" for alias in node.names)
            names |= {member if member in FILES else origin for member in members}
    return names


IMPORTS = {module: imported(module, path.read_text()) for module, path in FILES.items()}


def within(folder: str) -> set[str]:
    """The modules of a folder."""
    return {name for name in FILES if f"{name}.".startswith(f"ae_numpy.{folder}.")}


def reached(modules: set[str]) -> set[str]:
    """The modules of the package that these import, directly or through others; and these."""
    found, to_visit = set(), set(modules)
    while to_visit:
        module = to_visit.pop()
        found.add(module)
        to_visit |= IMPORTS[module] & FILES.keys() - found
    return found
