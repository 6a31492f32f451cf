"""The ladder: a module imports only from lower steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ae_numpy
from ae_numpy.engine import ENGINES

ROOT = Path(ae_numpy.__file__).parent
TOP = 9  # the package's own __init__

# A folder stands for all the modules in it; they may import each other.
STEPS = {
    "validation": 0,
    "files": 0,
    "worker_pool": 0,
    "kernel_cache": 0,
    "progress": 0,
    "datasets": 0,
    "reference": 1,
    "kernels": 1,
    "estimator": 1,
    "npz": 1,
    "engine": 2,
    "gradcheck": 2,
    "network": 3,
    "initialization": 4,
    "training": 4,
    "serialize": 4,
    "checkpoint": 5,
    "autoencoder": 6,
    "sweep": 7,
    "plots": 7,
    "testing": 7,
    "__init__": TOP,
}
MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    """The module or folder in the package, by which it stands on the ladder."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_nodes(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports, wherever they stand, but for those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from imported_nodes(child)


def modules_named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.level:
        yield "ae_numpy.<relative>"
    elif node.module == "ae_numpy":
        yield from (f"ae_numpy.{alias.name}" for alias in node.names)
    else:
        yield node.module


def imports_within_the_package(source: str) -> set[str]:
    """What of ae_numpy a source imports: names of modules or folders."""
    names = (name for node in imported_nodes(ast.parse(source)) for name in modules_named(node))
    inside = (name.split(".") for name in names if name.split(".")[0] == "ae_numpy")
    return {parts[1] if len(parts) > 1 else "__init__" for parts in inside}


def steps_too_high(module: str, source: str) -> set[str]:
    others = imports_within_the_package(source) - {module}
    return {other for other in others if STEPS.get(other, TOP) >= STEPS[module]}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_lower_steps(path):
    module = name_of(path)
    assert module in STEPS, f"{module} has no step yet: say which, here and in the design"
    assert steps_too_high(module, path.read_text()) == set()


def test_gradcheck_imports_the_reference_only():
    sources = [path.read_text() for path in MODULES if name_of(path) == "gradcheck"]
    imported = {name for source in sources for name in imports_within_the_package(source)}
    assert imported <= {"gradcheck", "reference"}


def test_datasets_import_nothing_else():
    sources = [path.read_text() for path in MODULES if name_of(path) == "datasets"]
    assert {name for source in sources for name in imports_within_the_package(source)} <= {
        "datasets"
    }


def test_engines_stand_below_their_switch():
    for module in ENGINES.values():
        assert STEPS[module.removeprefix("ae_numpy.")] < STEPS["engine"]


@pytest.mark.parametrize(
    "source",
    [
        "import ae_numpy.autoencoder",
        "from ae_numpy.training import train",
        "from ae_numpy import sweep",
        "from ae_numpy import Autoencoder",
        "import ae_numpy",
        "from . import training",
        "def f():\n    from ae_numpy.initialization import initial_parameters",
        "if True:\n    import numpy, ae_numpy.training as t",
    ],
)
def test_a_step_too_high_is_seen(source):
    assert steps_too_high("network", source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy",
        "from ae_numpy.engine import get_engine",
        "from ae_numpy import reference",
        "if TYPE_CHECKING:\n    from ae_numpy.autoencoder import Autoencoder",
    ],
)
def test_a_lower_step_is_not(source):
    assert not steps_too_high("network", source)
