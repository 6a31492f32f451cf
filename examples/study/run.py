"""From settings to results: what is trained, where it is kept, how it is resumed."""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import llvmlite.binding
import numpy as np

import ae_numpy
from ae_numpy import Autoencoder
from ae_numpy.progress import compilation_notice, tell
from ae_numpy.storage.checkpoint import processor
from ae_numpy.sweep import Report, run_jobs
from study.data import DataSource
from study.display import SweepDisplay
from study.files import naming, write
from study.training import Pair, Progress, SettingsDifferError, train_pair

SETTINGS = "settings.json"
WALL_SECONDS = "wall_seconds.txt"


def make_pairs(
    protocols: Iterable[str],
    seeds: Iterable[int],
    ratios: Iterable[int],
    epochs: int,
    source: DataSource,
    folder: Path,
) -> list[Pair]:
    """Return the units of work in the order of the results: by protocol, seed, ratio."""
    return [
        Pair(protocol, seed, ratio, epochs, source, folder)
        for protocol in protocols
        for seed in seeds
        for ratio in ratios
    ]


def versions() -> dict[str, str]:
    """Return the versions of the packages that train: with others the last bits may differ."""
    return {
        "ae_numpy": ae_numpy.__version__,
        **{name: version(name) for name in ("numpy", "numba")},
    }


def machine() -> dict[str, str]:
    """Return what else decides the last bits: another processor has other vector instructions."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cpu": llvmlite.binding.get_host_cpu_name(),
    }


def features() -> dict[str, bool]:
    """Return the name and features of the processor that kernels are compiled for, each True."""
    return dict.fromkeys(processor("numba"), True)


def settings_of(epochs: int, source: DataSource) -> dict[str, Any]:
    """Return what all models in a folder have in common.

    The processor is among it: another one computes other last bits, and one table must not mix them
    without a word. So a folder belongs to one kind of processor, and so does a cluster.
    """
    ours = {"versions": versions(), "processor": features()}
    return {"epochs": epochs, "data": source.describe(), **ours}


def surroundings() -> dict[str, Any]:
    """Return what the bits of a model depend on besides its settings."""
    return {**versions(), **features()}


def check_surroundings(expected: dict[str, Any]) -> None:
    """Make sure that this process, perhaps on another machine, computes the same bits.

    Raises
    ------
    SettingsDifferError
        If it has other versions or another processor.
    """
    here = surroundings()
    if here != expected:
        where = f"process {os.getpid()} on {platform.node()}"
        only_here = dict(here.items() - expected.items())
        only_there = dict(expected.items() - here.items())
        message = f"the worker ({where}) has {only_here}, expected {only_there}"
        raise SettingsDifferError(message)


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Create a folder for models with these settings, or make sure that it is one.

    Of several processes that do so at once with different settings, one succeeds.

    Parameters
    ----------
    folder : path
    settings : dict
        What all models in the folder have in common; the file settings.json holds it.

    Raises
    ------
    SettingsDifferError
        If the models in the folder have other settings, or unknown ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS
    has_models = any(folder.glob("*.npz"))  # checked before the settings, which are written first
    if not path.exists():
        if has_models:
            message = f"{folder} has models, but no {SETTINGS}: give another folder"
            raise SettingsDifferError(message)
        _write_first(path, json.dumps(settings, indent=1) + "\n")
    found = _read_settings(path)
    if "processor" not in found:  # those of earlier versions do not say
        settings = {key: value for key, value in settings.items() if key != "processor"}
    _check_same(found, settings, path)


def _write_first(path: Path, text: str) -> None:
    """Write a file completely or not at all, unless another process has written it."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(whole, text)
        with naming(path), suppress(FileExistsError):
            try:
                os.link(whole, path)
            except OSError:  # perhaps the file system has no links
                with open(path, "xb") as file:
                    file.write(whole.read_bytes())
    finally:
        with suppress(OSError):
            whole.unlink()


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SettingsDifferError(f"{path} is damaged: {error}; give another folder") from error
    if not isinstance(settings, dict):
        raise SettingsDifferError(f"{path} is damaged: no object; give another folder")
    return settings


def _check_same(found: Any, expected: Any, path: Path, name: str = "") -> None:
    """Compare two trees of settings; name the first leaf that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in [*expected, *(found.keys() - expected.keys())]:
            _check_same(found.get(key), expected.get(key), path, f"{name}.{key}".strip("."))
    elif found != expected:
        raise SettingsDifferError(
            f"{path.parent} holds trainings with {name} {found!r}, not {expected!r}: "
            "give another folder, or the settings that it was begun with"
        )


def train(
    pairs: Sequence[Pair], *, processes: int | None = None, executor: Executor | None = None
) -> int:
    """Train the missing models of the pairs, longest first, on processes or an executor.

    Parameters
    ----------
    pairs : sequence of Pair
    processes : int, optional
        Of this machine; either this or `executor` is given.
    executor : concurrent.futures.Executor, optional

    Returns
    -------
    int
        How many models were missing.

    Raises
    ------
    SettingsDifferError
        If there is a model that was trained with other settings: nothing is trained. If a worker of
        the executor has other versions or another processor: nothing more is trained.
    OSError
        If a model cannot be kept; nothing more is trained then.
    SweepError
        When all pairs are done, if some have failed.
    """
    missing = {pair: len(pair.biases) - len(pair.finished()) for pair in pairs}
    n_missing, n_models = sum(missing.values()), sum(len(pair.biases) for pair in pairs)
    if n_missing < n_models:
        tell(f"{n_models - n_missing} of {n_models} models are there")
    todo = sorted(
        (pair for pair, n in missing.items() if n),
        key=lambda pair: -missing[pair] * pair.work_per_epoch,
    )
    if not todo:
        return 0
    _check_room(todo)
    work = sum(missing[pair] * pair.epochs * pair.work_per_epoch for pair in todo)
    if processes is not None:
        processes = min(processes, len(todo))
        _compile_kernels()
    with _clock(todo[0].folder), SweepDisplay(work, n_models=n_missing) as display:

        def take(pair: Pair, trained: list[Progress] | Exception) -> None:
            if isinstance(trained, Exception):
                raise trained
            for message in trained:
                display.update(message)

        run_jobs(
            partial(_train_pair, surroundings()),
            todo,
            processes=processes,
            executor=executor,
            on_report=display.update,
            on_result=take,
            name=lambda pair: pair.name,
        )
    return n_missing


def _check_room(todo: Sequence[Pair]) -> None:
    """Check, before anything is trained, that the largest of the models could be stored."""
    with naming(todo[0].folder), TemporaryFile(dir=todo[0].folder) as file:
        file.write(bytes(max(pair.model_bytes for pair in todo)))
        file.flush()


def _train_pair(
    expected: dict[str, Any], pair: Pair, report: Report
) -> list[Progress] | OSError | SettingsDifferError:
    """Train a pair; return (do not raise) an error that would make other pairs fail as well."""
    try:
        check_surroundings(expected)
        return train_pair(pair, report)
    except (OSError, SettingsDifferError) as error:
        return error


def _compile_kernels() -> None:
    """Compile the kernels, and say so, before each process would compile them itself."""
    X = np.zeros((2, 784))
    with compilation_notice():
        Autoencoder(9, epochs=1, random_state=0).fit(X, validation_data=X)


def wall_seconds(folder: Path) -> float:
    """Return the total time of all the runs that trained what is in a folder.

    It is 0 if the time was not noted, or the note is damaged.
    """
    try:
        seconds = float((folder / WALL_SECONDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0
    return seconds if seconds >= 0 and math.isfinite(seconds) else 0.0


@contextmanager
def _clock(folder: Path) -> Iterator[None]:
    """Add the time that the block takes, however it is left, to that of earlier runs."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = wall_seconds(folder) + time.perf_counter() - started
        try:
            write(folder / WALL_SECONDS, f"{seconds:.3f}\n")
        except OSError as error:  # a failed note must not hide what ended the block
            tell(f"the time that this took is not noted: {error}")
