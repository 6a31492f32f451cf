"""The notice that kernels are being compiled."""

from __future__ import annotations

import time

import numpy as np
import pytest
from strategies import needs_compiler

from ae_numpy import Autoencoder, progress

NOTICE = "compiling kernels for this machine"


@pytest.fixture(autouse=True)
def fixture_impatient(monkeypatch):
    """Nothing has been said yet, and a hundredth of a second is long."""
    monkeypatch.setattr(progress, "_SECONDS_OF_COMPILATION", 0.01)
    progress._say_compiling.cache_clear()


def compile_something():
    """Compile a new function, which takes longer than a hundredth of a second."""
    import numba

    @numba.njit
    def double(x):
        return x + x

    assert double(np.ones(3)).sum() == 6


@needs_compiler
def test_a_compilation_is_announced_once(capsys):
    for _ in range(2):
        with progress.compilation_notice():
            compile_something()
    assert capsys.readouterr().err.count(NOTICE) == 1


@needs_compiler
def test_other_work_is_not(capsys):
    with progress.compilation_notice():
        time.sleep(0.05)
    assert NOTICE not in capsys.readouterr().err


@needs_compiler
@pytest.mark.parametrize(("verbose", "said"), [(0, False), (1, True)])
def test_a_first_fit_says_so_if_it_is_to_say_anything(capsys, monkeypatch, verbose, said):
    from ae_numpy import kernels

    def compiling(*args):
        compile_something()
        return train_batches(*args)

    train_batches = kernels.train_batches
    monkeypatch.setattr(kernels, "train_batches", compiling)
    Autoencoder(2, epochs=1, verbose=verbose, random_state=0).fit(np.eye(4))
    assert (NOTICE in capsys.readouterr().err) == said
