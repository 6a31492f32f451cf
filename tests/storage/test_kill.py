"""SIGKILL while a model is saved: the path names the old file or the new one, whole.

The child of a fork saves; its parent, which has imported everything once, kills it and looks. Both
run in their own process, because forking is safe only where there are no threads.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ae_numpy import Autoencoder
from ae_numpy.storage import npz

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, and SIGKILL")

WIDTH = 2000  # the file is large enough, half a megabyte, that a save takes a while


def models() -> dict[str, Autoencoder]:
    """An old and a new model of different sizes, so that a mixture of both cannot be whole."""
    X = np.full((1, WIDTH), 0.5)
    settings = {"epochs": 0, "engine": "numpy", "random_state": 0}
    return {
        "old": Autoencoder(30, **settings).fit(X),
        "new": Autoencoder(40, **settings).fit(X),
    }


def which(path: Path, known: dict[str, Autoencoder]) -> str:
    """Which of the models a file holds, to the bit."""
    parameters = Autoencoder.load(path).network_.parameters
    (name,) = (
        name
        for name, model in known.items()
        if np.array_equal(model.network_.parameters, parameters)
    )
    return name


def forked(work) -> int:
    """Start a child that works until it is killed; return its process id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)  # it was not killed
    return child


def was_killed(child: int) -> bool:
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def leftovers(path: Path) -> list[Path]:
    """Files next to the model, which are removed."""
    found = [other for other in path.parent.iterdir() if other != path]
    for other in found:
        other.unlink()
    return found


# ------------------------------------------------------------------------------ at random moments


def kill_at_random(path: Path, kills: int) -> None:
    """Kill savers; print how many kills found the old file, the new file, an unfinished one."""
    known, rng = models(), random.Random(0)
    started = time.perf_counter()
    known["new"].save(path)
    longest = 3 * (time.perf_counter() - started)
    counts = {"old": 0, "new": 0, "unfinished": 0}
    for _ in range(kills):
        known["old"].save(path)
        reader, writer = os.pipe()

        def save_for_ever(writer=writer):
            os.write(writer, b".")
            while True:
                known["new"].save(path)
                known["old"].save(path)

        child = forked(save_for_ever)
        os.read(reader, 1)
        time.sleep(rng.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        assert was_killed(child)
        for end in (reader, writer):
            os.close(end)
        counts[which(path, known)] += 1
        counts["unfinished"] += len(leftovers(path))
    print(*counts.values())


def run_here(call: str, path: Path) -> str:
    """Run a function of this module in its own process."""
    script = f"import pathlib, sys, test_kill as t; t.{call}"
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sigkill_at_100_random_moments_leaves_the_old_file_or_the_new_one(tmp_path):
    printed = run_here("kill_at_random(pathlib.Path(sys.argv[1]), 100)", tmp_path / "model.npz")
    old, new, unfinished = map(int, printed.split())
    assert old + new == 100
    # The kills prove nothing unless they hit: most do, in the middle of a save.
    assert unfinished > 20
    assert new > 0


# ------------------------------------------------------------------------ at each step of a save


def kill_myself(*args, **kwargs) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_half_way(member, array, **options) -> None:
    """Stand-in for write_array that does not reach the end of the array."""
    member.write(array.tobytes()[: array.nbytes // 2])
    member._fileobj.flush()
    kill_myself()


def kill_afterwards(*args) -> None:
    """Stand-in for os.replace after which nothing comes."""
    REPLACE(*args)
    kill_myself()


REPLACE = os.replace
STEPS = {
    "before anything is written": (npz, "ZipFile", kill_myself, "old"),
    "in the middle of the file": (npz.npy, "write_array", kill_half_way, "old"),
    "before the disk has it": (os, "fsync", kill_myself, "old"),
    "before it takes its name": (os, "replace", kill_myself, "old"),
    "after it took its name": (os, "replace", kill_afterwards, "new"),
}


def kill_at_every_step(path: Path) -> None:
    """Check what is there after a kill at each step, and that the next save is not disturbed."""
    known = models()
    for step, (module, name, replacement, expected) in STEPS.items():
        known["old"].save(path)

        def save_once(module=module, name=name, replacement=replacement):
            setattr(module, name, replacement)
            known["new"].save(path)

        assert was_killed(forked(save_once)), step
        assert which(path, known) == expected, step
        assert all(other.name.endswith(".part") for other in leftovers(path)), step
        known["new"].save(path)
        assert which(path, known) == "new", step
        assert leftovers(path) == [], step


def test_sigkill_at_each_step_of_a_save(tmp_path):
    run_here("kill_at_every_step(pathlib.Path(sys.argv[1]))", tmp_path / "model.npz")


def test_an_interrupt_leaves_no_unfinished_file(tmp_path, monkeypatch):
    model = models()["old"]
    model.save(tmp_path / "model.npz")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(npz.os, "fsync", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        model.save(tmp_path / "model.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
