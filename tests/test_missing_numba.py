"""What a process imports: no more than it needs; all engines but one work without Numba."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ae_numpy

DATA = Path(__file__).parent / "data"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(ae_numpy.__file__).parents[1])}


def run(script: str, *arguments) -> str:
    """What a script prints in its own process."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_after(statement: str) -> set[str]:
    script = f"import json, sys; {statement}; print(json.dumps(list(sys.modules)))"
    return set(json.loads(run(script)))


def test_the_checker_loads_numpy_and_itself_alone():
    added = modules_after("import ae_numpy.gradcheck") - modules_after("import numpy")
    assert {name for name in added if name.startswith("ae_numpy")} <= {
        *("ae_numpy", "ae_numpy.reference"),
        *(name for name in added if name.startswith("ae_numpy.gradcheck")),
    }
    roots = {name.partition(".")[0] for name in added}
    assert roots <= {"ae_numpy", "numpy", *sys.stdlib_module_names}


@pytest.mark.parametrize("statement", ["import ae_numpy", "from ae_numpy import Autoencoder"])
def test_numba_is_not_imported_before_it_computes(statement):
    assert "numba" not in modules_after(statement)


def test_the_package_lists_what_it_has_and_knows_nothing_else():
    assert {"Autoencoder", "Network", "__version__"} <= set(dir(ae_numpy))
    assert ae_numpy.Autoencoder is ae_numpy.autoencoder.Autoencoder
    with pytest.raises(AttributeError, match="module 'ae_numpy' has no attribute 'Encoder'"):
        ae_numpy.Encoder  # noqa: B018


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None  # as if they were not installed

import numpy as np
from ae_numpy import Autoencoder, Network
from ae_numpy.gradcheck import check_network

X = np.random.default_rng(0).random((12, 6))
model = Autoencoder(2, epochs=2, engine="numpy", random_state=np.random.default_rng(0)).fit(X)
model.partial_fit(X).save(sys.argv[1])
assert Autoencoder.load(sys.argv[1]).mse(X) == model.mse(X)
assert check_network(Network((6, 2, 6)), X)
compiled = Autoencoder.load(sys.argv[2])  # its numbers can be read

position = model.random_state.bit_generator.state
models = model.set_params(engine="numba"), compiled
before = [dict(vars(one)) for one in models]
uses = [
    lambda: model.fit(X),
    lambda: Autoencoder(2).partial_fit(X),
    lambda: compiled.partial_fit(X),
    lambda: compiled.encode(X),
    lambda: Network((6, 2, 6), engine="numba").forward(X),
]
for use in uses:
    try:
        use()
    except ImportError as error:
        print(error)
assert [vars(one) for one in models] == before
assert model.random_state.bit_generator.state == position
"""


def test_without_numba_everything_but_its_engine_works(tmp_path):
    said = run(WITHOUT_NUMBA, tmp_path / "model.npz", DATA / "model.npz").splitlines()
    assert len(said) == 5
    for line in said:
        assert line.startswith("engine='numba' needs numba (")
        assert "): pip install numba, or choose engine='numpy'" in line
