"""One core, one thread, and a description of the machine: what every benchmark starts with.

Libraries read the number of cores when they are imported, so a benchmark that wants one of them
starts itself again, on that core, before anything else has been imported. This module imports
nothing but the standard library for the same reason.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "llvmlite", "jax", "jaxlib", "torch", "scikit-learn", "scipy")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_MARK = "AE_NUMPY_BENCHMARK_CORE"
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def restart_on_one_core() -> None:
    """Start this process again, bound to one core and told to use one thread.

    The core is the last of those the process may use, so that ``taskset -c 3 python ...`` chooses.
    Thread variables alone would not do: XLA heeds only the affinity. Where a system has no
    affinity (macOS, Windows) they are all there is, and `describe` says so.
    """
    if _MARK in os.environ:
        return
    core = "none"
    if hasattr(os, "sched_setaffinity"):
        core = str(max(os.sched_getaffinity(0)))
        os.sched_setaffinity(0, {int(core)})
    os.environ |= dict.fromkeys(_THREADS, "1") | {_MARK: core}
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def describe() -> dict[str, str]:
    """Describe the machine and what is installed on it.

    Returns
    -------
    dict of str
        In the order in which it is worth reading.
    """
    core = os.environ.get(_MARK)
    bound = {None: "not bound", "none": "not bound: this system has no CPU affinity"}
    return {
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "caches of a core": _caches(),
        "vector instructions": _vector_instructions(),
        "bound to": bound.get(core, f"core {core}, one thread"),
        "load when started": _load(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def as_markdown(description: dict[str, str]) -> str:
    """Return a description as a Markdown list."""
    return "\n".join(f"- {key}: {value}" for key, value in description.items())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_info(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def _cpu_model() -> str:
    family = _cpu_info("cpu family")
    model = _cpu_info("model name") or platform.processor() or "unknown"
    return f"{model}, family {family}, model {_cpu_info('model	')}" if family else model


def _vector_instructions() -> str:
    flags = _cpu_info("flags").split()
    found = [name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags]
    return found[0] if found else "unknown"


def _caches() -> str:
    levels = []
    for index in sorted(_CACHES.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in _CACHE_FILES)
        if kind != "Instruction":
            levels.append(f"L{level} {size}")
    return ", ".join(levels) or "unknown"


_CACHE_FILES = ("level", "type", "size")


def _load() -> str:
    """Say how busy the machine was: a benchmark on a busy one is not worth keeping."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    restart_on_one_core()
    print(as_markdown(describe()))
