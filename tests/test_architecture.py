"""The order of imports: no two files import each other, and none knows more than it should."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from imports import IMPORTS, imported, reached, within

PROJECT = Path(__file__).parents[1]


def test_no_two_files_import_each_other():
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the files


@pytest.mark.parametrize(("twin", "other"), [("reference", "kernels"), ("kernels", "reference")])
def test_the_twins_do_not_know_each_other(twin, other):
    assert not reached(within(twin)) & within(other)


def test_the_checker_knows_the_reference_alone():
    checker = within("gradcheck") - {"ae_numpy.gradcheck", "ae_numpy.gradcheck.network"}
    assert reached(checker) <= checker | within("reference")


def test_the_checker_is_six_modules_deep():
    """Whoever changes the lowest one can keep in mind what is above it."""
    modules, depth = within("gradcheck"), {}
    below = {module: IMPORTS[module] & modules for module in modules}
    for module in TopologicalSorter(below).static_order():
        depth[module] = 1 + max((depth[other] for other in below[module]), default=0)
    assert max(depth.values()) <= 6, depth


def test_what_explains_a_gradient_does_not_measure_it():
    measuring = within("gradcheck.function") | within("gradcheck.derivative")
    assert not reached(within("gradcheck.diagnosis")) & measuring


def test_data_sets_know_nothing_else_but_how_arguments_are_checked():
    allowed = within("datasets") | reached(within("validation"))
    assert reached(within("datasets")) <= allowed
    assert reached(within("validation")) == within("validation") | within("engine")


def test_storage_does_not_know_the_estimator():
    estimator = {"ae_numpy", "ae_numpy.autoencoder", "ae_numpy.sklearn_protocol"}
    assert not reached(within("storage")) & estimator


def test_nothing_knows_the_paper():
    examples = {path.stem for path in (PROJECT / "examples").iterdir()} | {"examples"}
    for module, names in IMPORTS.items():
        assert not examples & {name.partition(".")[0] for name in names}, module


def test_the_table_in_the_readme_has_every_module_in_the_order_of_imports():
    rows = re.findall(r"^\|.*\(ae_numpy/\w+.*$", (PROJECT / "README.md").read_text(), re.MULTILINE)
    linked = [re.findall(r"\(ae_numpy/(\w+(?:\.py)?)\)", row) for row in rows]
    shown = [name for row in linked for name in row]
    there = {path.name for path in (PROJECT / "ae_numpy").iterdir() if path.name[0] not in "_."}
    assert sorted(shown) == sorted(there - {"py.typed"})
    above = {"ae_numpy"}  # whose __init__ any doctest may import
    for row in linked:
        above |= {module for name in row for module in within(name.removesuffix(".py"))}
        for name in row:
            assert reached(within(name.removesuffix(".py"))) <= above, name


# ------------------------------------------------------------------ what is read from a file


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import ae_numpy.training as t, numpy", {"ae_numpy.training", "numpy"}),
        ("from ae_numpy.training import train", {"ae_numpy.training"}),
        ("from ae_numpy import sweep", {"ae_numpy.sweep"}),
        ("from ae_numpy import Autoencoder, reference", {"ae_numpy", "ae_numpy.reference"}),
        ("from ae_numpy.storage import npz", {"ae_numpy.storage.npz"}),
        ("from . import training", {"ae_numpy.training"}),
        ("from .storage.npz import read", {"ae_numpy.storage.npz"}),
        ("def f():\n    from ae_numpy.training import train", {"ae_numpy.training"}),
        ("if TYPE_CHECKING:\n    import ae_numpy.training", {"ae_numpy.training"}),
    ],
)
def test_an_import_is_seen(source, expected):
    assert imported("ae_numpy.network", source) == expected


def test_a_relative_import_in_a_folder_is_one_of_the_folder():
    assert imported("ae_numpy.storage", "from . import npz") == {"ae_numpy.storage.npz"}


def test_a_cycle_is_an_error():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()
