"""Faulty surroundings: the package works, with at most one warning."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from strategies import needs_compiler
from surroundings import full_disk

import ae_numpy
from ae_numpy import Autoencoder

X = np.full((4, 3), 0.5)
COMPILES = os.environ.get("NUMBA_DISABLE_JIT") != "1"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def test_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.npz"
    model = Autoencoder(2, epochs=1, engine="numpy").fit(X)
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(OSError, match="File too large"), full_disk(len(before) // 2):
        model.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


# ------------------------------------------------------------------------- a process of its own


@pytest.fixture(name="installation")
def fixture_installation(tmp_path):
    """A copy of the package with nothing compiled, whose cache cannot be written to.

    A file where the directory should be stops everybody; missing permission does not stop root.
    """
    copy = tmp_path / "Ordner mit Žluťoučký 手書き" / "ae_numpy"
    source = Path(ae_numpy.__file__).parent
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (copy, copy / "kernels"):
        (folder / "__pycache__").touch()
    return copy.parent


def run(script: str, directory: Path, *arguments, **options) -> subprocess.CompletedProcess:
    """Run a script in an almost empty environment."""
    nowhere = str(directory / "ae_numpy" / "__pycache__" / "nowhere")
    environment = {
        "PYTHONPATH": str(directory),
        "LANG": "C",
        "LC_ALL": "C",
        "XDG_CACHE_HOME": nowhere,
        "XDG_CONFIG_HOME": nowhere,
        "NUMBA_CACHE_DIR": nowhere,
    }
    kept = {"PATH", "SYSTEMROOT", "OMP_NUM_THREADS", "NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"}
    environment |= {name: value for name, value in os.environ.items() if name in kept}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


HOSTILE = """
import os, sys
import numpy as np
import ae_numpy
from ae_numpy import Autoencoder, kernels

assert os.path.dirname(ae_numpy.__file__) == os.path.join(os.getcwd(), "ae_numpy")
assert kernels.sigmoid_forward(np.zeros(3))[0] == 0.5
kernels.squared_errors(np.ones((2, 3)), np.zeros((2, 3)))
X = np.full((4, 3), 0.5)
model = Autoencoder(2, epochs=2, engine="numpy", verbose=1, random_state=0).fit(X)
model.save("mein Modell - é手.npz")
loaded = Autoencoder.load(os.path.abspath("mein Modell - é手.npz"))
assert (loaded.reconstruct(X) == model.reconstruct(X)).all()
try:
    Autoencoder.load("fehlt - é手.npz")
except FileNotFoundError as error:
    print(error)  # a message with any letters in it can be printed
"""


def test_no_home_no_terminal_no_locale_no_cache_and_a_path_of_any_letters(installation):
    done = run(HOSTILE, installation, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning") == (1 if COMPILES else 0), done.stderr
    assert "epoch 2/2" in done.stderr
    if COMPILES:
        assert "Set NUMBA_CACHE_DIR to a directory of your own" in done.stderr


COMPILED = """
import numpy as np
from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((50, 6))
models = [Autoencoder(2, epochs=2, random_state=0, engine=e).fit(X) for e in ("numpy", "numba")]
assert np.allclose(*(model.network_.parameters for model in models), atol=1e-5)
"""


@pytest.mark.slow
@needs_compiler
def test_a_training_without_a_cache_costs_one_warning(installation):
    """All kernels together give the one warning that one of them gives."""
    done = run(COMPILED, installation, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning") == 1, done.stderr


TRAINING = """
import numpy as np
from ae_numpy import Autoencoder

X = np.full((4, 3), 0.5)
model = Autoencoder(2, epochs=3, engine="numpy", verbose=1, random_state=0).fit(X)
model.save("model.npz")
"""


@posix
@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")], ids=" and ".join)
def test_pipes_that_nobody_reads_from(installation, streams):
    """As in ``train.py 2>&1 | head -1``, when head has seen enough."""
    reader, writer = os.pipe()
    os.close(reader)
    closes = "".join(
        f"import os; os.dup2({writer}, {['', 'stdout', 'stderr'].index(stream)})\n"
        for stream in streams
    )
    try:
        done = run(closes + TRAINING, installation, stdout=subprocess.DEVNULL, pass_fds=[writer])
    finally:
        os.close(writer)
    # Python itself answers 120 where its standard streams cannot be flushed at the end.
    assert done.returncode in (0, 120), done.stderr
    assert "Error" not in done.stderr.replace("BrokenPipeError", "", 1), done.stderr
    assert Autoencoder.load(installation / "model.npz").n_iter_ == 3


@posix
def test_no_streams_at_all(installation):
    """As under pythonw, or in a daemon that has closed them."""
    script = "import sys\nsys.stdout = sys.stderr = None\n" + TRAINING
    done = run(script, installation, stdout=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert Autoencoder.load(installation / "model.npz").n_iter_ == 3
