"""The study, killed and started again: nothing finished is lost, and no bit differs."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import reproduce_table1
from strategies import needs_compiler
from study_runs import QUICK, command, run

from ae_numpy import Autoencoder

pytestmark = needs_compiler

SETTINGS = (*QUICK, "--protocol", "both", "--ratios", 392, 196)
NOT_BITS = ("date", "wall_seconds")


def results_of(out):
    """All of table1.json but for wall times and dates."""
    results = json.loads((out / "table1.json").read_text())
    for model in results["models"]:
        del model["seconds"]
    return {name: value for name, value in results.items() if name not in NOT_BITS}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    result = run(*SETTINGS, "--jobs", 2, "--out", out, figures=False)
    assert result.returncode == 0, result.stderr
    return results_of(out)


def models_in(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "models").glob("[!.]*.npz")}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_again_and_again_the_results_are_those_of_an_uninterrupted_run(
    uninterrupted, tmp_path
):
    chance = random.Random(0)
    kept = {}
    for _ in range(3):
        n_before = len(kept)
        process = subprocess.Popen(
            command(*SETTINGS, "--jobs", 1, "--out", tmp_path, figures=False),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while len(kept) == n_before and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
            kept = models_in(tmp_path) if (tmp_path / "models").exists() else {}
        time.sleep(chance.random() * 0.2)  # somewhere in the middle of the next training run
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = models_in(tmp_path)
        assert kept.items() <= after.items()
        kept = after
    assert kept
    result = run(*SETTINGS, "--jobs", 1, "--out", tmp_path, figures=False)
    assert result.returncode == 0, result.stderr
    assert kept.items() <= models_in(tmp_path).items()  # none was trained again
    assert results_of(tmp_path) == uninterrupted


def test_a_second_start_trains_only_what_is_missing_and_other_settings_are_refused(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # figures take long and are not looked at
    arguments = (*QUICK, "--ratios", "392", "--jobs", "1", "--out", str(tmp_path))
    assert reproduce_table1.main([*arguments]) == 0
    first = models_in(tmp_path)
    capsys.readouterr()

    assert reproduce_table1.main([*arguments, "--seeds", "2"]) == 0
    assert "2 of 2 models" in capsys.readouterr().err
    both = models_in(tmp_path)
    assert first.items() < both.items()

    assert reproduce_table1.main([*arguments, "--seeds", "2"]) == 0
    assert "4 of 4 models are there" in capsys.readouterr().err
    assert models_in(tmp_path) == both

    broken = tmp_path / "models" / "published-seed1-392x-bias.npz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:1000])
    with pytest.warns(UserWarning, match="training again what cannot be read"):
        assert reproduce_table1.main([*arguments, "--seeds", "2"]) == 0
    assert "1 of 1 models" in capsys.readouterr().err
    assert Autoencoder.load(broken).n_iter_ == 2
    both = models_in(tmp_path)

    assert reproduce_table1.main([*arguments, "--epochs", "3"]) == 1
    assert "holds trainings with epochs 2, not 3" in capsys.readouterr().err
    settings = tmp_path / "models" / "settings.json"
    settings.write_text(settings.read_text()[:20])
    assert reproduce_table1.main([*arguments]) == 1
    assert "settings.json is damaged" in capsys.readouterr().err
    settings.unlink()
    assert reproduce_table1.main([*arguments]) == 1
    assert "has models, but no settings.json" in capsys.readouterr().err
    assert models_in(tmp_path) == both


def test_a_cluster_gives_the_same_results(uninterrupted, scheduler, start, tmp_path):
    _, address = scheduler
    for _ in range(2):
        start("worker", address, "--nthreads", "1", "--no-nanny")
    result = run(*SETTINGS, "--dask", address, "--out", tmp_path / "out", figures=False)
    assert result.returncode == 0, result.stderr
    assert "8 of 8 models" in result.stderr
    assert results_of(tmp_path / "out") == uninterrupted
