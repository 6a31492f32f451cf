"""Kernels on disk: found again, compiled anew when a source changes, and never in the way.

Most tests use a small kernel in its own module, which is imported anew whenever another process
would import it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from strategies import needs_compiler
from surroundings import full_disk

import ae_numpy
from ae_numpy.kernels import cache

MODULE = """
import numba
from ae_numpy.kernels.cache import keep

@keep
@numba.njit
def double(x):
    return x + x
"""


@pytest.fixture(name="module")
def fixture_module(tmp_path, monkeypatch):
    """The file of a module with one kernel; its cache is next to it."""
    monkeypatch.setattr(cache, "_warned", False)
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    return path


def double(path: Path):
    """The kernel, as a new process would see it."""
    specification = importlib.util.spec_from_file_location("module", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.double


def hits(kernel) -> int:
    """How often its code was found on disk."""
    return sum(kernel.stats.cache_hits.values())


def assert_works(path: Path, *, warning=None):
    """Import and call the kernel; it warns as expected, once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kernel = double(path)
        assert kernel(21) == 42
        assert kernel(1.5) == 3
    assert [str(one.message) for one in caught if warning not in str(one.message)] == []
    assert len(caught) == (warning is not None)
    return kernel


def spoil(path: Path, suffix: str, change) -> None:
    files = list((path.parent / "__pycache__").glob(f"*{suffix}"))
    assert files
    for file in files:
        file.write_bytes(change(file.read_bytes()))


@needs_compiler
def test_a_kernel_is_found_again(module):
    assert hits(assert_works(module)) == 0
    assert hits(assert_works(module)) == 2


SPOILS = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "a text": lambda content: b"<html>404</html>",
    "zeros": lambda content: bytes(len(content)),
    "zeros at the end": lambda content: content[: len(content) // 2].ljust(len(content), b"\0"),
}
# In the index this only makes entries that are not found, or are of another version.
FLIPS = {
    f"a bit flipped at {place}": lambda content, place=place: bytes(
        byte ^ (8 if index == int(place * len(content)) else 0)
        for index, byte in enumerate(content)
    )
    for place in (0, 0.1, 0.5, 0.9)
}


@needs_compiler
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("fault", SPOILS | FLIPS)
def test_a_spoiled_cache_is_made_anew_without_a_word(module, suffix, fault):
    assert_works(module)
    spoil(module, suffix, (SPOILS | FLIPS)[fault])
    kernel = assert_works(module)
    # Not even damaged code that would run: it might crash, or compute something else.
    assert suffix == ".nbi" or hits(kernel) == 0
    assert hits(assert_works(module)) == 2


@needs_compiler
def test_a_cache_that_is_no_directory_costs_one_warning(module, monkeypatch):
    (module.parent / "__pycache__").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(module / "nowhere"))
    monkeypatch.setenv("HOME", str(module / "nowhere"))
    assert_works(module, warning="cannot be kept on disk (cannot cache function 'double'")
    assert_works(module)  # once in a process


@needs_compiler
def test_a_cache_that_disappears_costs_one_warning(module):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kernel = double(module)
        shutil.rmtree(module.parent / "__pycache__")
        (module.parent / "__pycache__").touch()
        assert kernel(21) == 42
        assert kernel(1.5) == 3
    assert len(caught) == 1
    assert "cannot be kept on disk" in str(caught[0].message)


@needs_compiler
def test_a_full_disk_costs_one_warning(module):
    with full_disk(100):
        assert_works(module, warning="cannot be kept on disk ([Errno 27] File too large)")


@needs_compiler
def test_a_cache_that_may_not_be_written_to_is_read(module, monkeypatch):
    assert_works(module)
    monkeypatch.setattr("numba.core.caching._CacheLocator.ensure_cache_path", lambda self: None)
    monkeypatch.setattr(
        "numba.core.caching.IndexDataCacheFile._open_for_write",
        lambda self, path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")),
    )
    assert hits(assert_works(module)) == 2


COUNTED = """
import numpy as np
from ae_numpy import kernels
from ae_numpy.kernels import loss, sigmoid

kernels.squared_errors(np.ones((2, 3)), np.zeros((2, 3)))
kernels.sigmoid_backward(np.ones(3), np.ones(3))
counters = (loss.fill_errors.stats, sigmoid.multiply_by_slope.stats)
print(*(sum(counter.cache_hits.values()) for counter in counters))
"""


@needs_compiler
def test_a_change_in_one_file_has_the_functions_of_the_others_compiled_anew(tmp_path):
    """Also fails if Numba ever renames its stamp, a private attribute."""
    package = tmp_path / "ae_numpy"
    source = Path(ae_numpy.__file__).parent
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__"))

    def hits():
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": ""}
        done = subprocess.run(
            [sys.executable, "-c", COUNTED],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert hits() == ["0", "0"]
    assert hits() == ["1", "1"]
    with (package / "kernels" / "background.py").open("a") as file:
        file.write("# another line\n")
    assert hits() == ["0", "0"]
