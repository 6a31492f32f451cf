"""Kernels on disk: found again, compiled anew when a source changes, and never in the way.

Most tests use a small kernel in its own module, which is imported anew whenever another process
would import it.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import mock

import pytest
from strategies import needs_compiler
from surroundings import full_disk

import ae_numpy
from ae_numpy import trust
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


@pytest.fixture(name="planted")
def fixture_planted(module):
    """Files of a cache that leave a trace when they are read."""
    assert_works(module)
    trace = module.parent / "trace"
    spoil(module, ".nbi", lambda content: pickle.dumps(Trap(trace)))
    return trace


class Trap:
    """What runs when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return self.trace.touch, ()


SHARED = {
    "a folder that all may write to": lambda folder: folder.chmod(0o777),
    "one of a group": lambda folder: folder.chmod(0o770),
    "a sticky one": lambda folder: folder.chmod(0o1777),
    "one of another user": lambda folder: os.chown(folder, 12345, -1),
    "the folder above": lambda folder: folder.parent.chmod(0o777),
    "a file that all may write to": lambda folder: next(folder.glob("*.nbi")).chmod(0o666),
    "a file of another user": lambda folder: os.chown(next(folder.glob("*.nbi")), 12345, -1),
}


@needs_compiler
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX's rights")
@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
def test_what_others_may_have_written_is_not_read(module, planted, monkeypatch, share):
    monkeypatch.setattr(trust, "_is_private", lambda group: False)
    try:
        share(module.parent / "__pycache__")
    except PermissionError:
        pytest.skip("only root can give files away")
    assert_works(module, warning="others may write to")
    assert not planted.exists()


@needs_compiler
def test_a_trap_in_a_cache_of_our_own_would_have_been_noticed(module, planted):
    """Else the tests above would prove nothing."""
    double(module)(21)
    assert planted.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX's rights")
def test_folders_of_root_of_the_package_and_of_a_private_group_are_our_own(tmp_path, monkeypatch):
    tmp_path.chmod(0o770)
    monkeypatch.setattr(trust, "_is_private", lambda group: True)
    trust.require_ours(tmp_path, "*")
    tmp_path.parent.chmod(0o1777)  # as that of temporary files: nobody can rename ours
    trust.require_ours(tmp_path, "*")
    tmp_path.parent.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    if Path(trust.__file__).stat().st_uid == tmp_path.stat().st_uid:
        trust.require_ours(tmp_path, "*")


def test_a_private_group_has_no_other_member(monkeypatch):
    pwd, grp = pytest.importorskip("pwd"), pytest.importorskip("grp")
    monkeypatch.setattr(os, "geteuid", lambda: 500)
    monkeypatch.setattr(pwd, "getpwuid", lambda user: mock.Mock(pw_name="zoe"))
    for name, members, private in (
        ("zoe", [], True),
        ("zoe", ["zoe"], True),
        ("zoe", ["zoe", "max"], False),
        ("users", [], False),
    ):
        monkeypatch.setattr(
            grp, "getgrgid", lambda _, n=name, m=members: mock.Mock(gr_name=n, gr_mem=m)
        )
        assert trust._is_private(500) == private
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert not trust._is_private(500)


# What a later Numba may lack, as code that runs before the kernels are imported.
LACKING = (
    "del caching.FunctionCache",
    "caching.IndexDataCacheFile.__init__ = lambda self, *args, **options: None",
)


@needs_compiler
@pytest.mark.parametrize("lacking", LACKING)
def test_parts_of_numba_that_are_missing_cost_one_warning(module, lacking):
    code = f"""
import warnings
import numba
from numba.core import caching
numba.njit(lambda x: x)(1)  # has Numba load what it needs itself
{lacking}
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    from module import double
    assert double(21) == 42
print(*(one.message for one in caught))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=module.parent,
        env=os.environ | {"PYTHONPATH": str(Path(ae_numpy.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("cannot be kept on disk") == 1, done.stderr
    assert not any(module.parent.rglob("*.nbc"))


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
