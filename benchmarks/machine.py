"""One core, one thread, and a description of the machine: what every benchmark starts with.

Libraries read the number of cores when they are imported, so a benchmark that wants only one
starts itself again, on that core, before anything else has been imported. This module imports
nothing but the standard library at the start for the same reason.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

WITHOUT_AVX512 = "--without-avx512"
PACKAGES = ("numpy", "numba", "llvmlite", "jax", "jaxlib", "torch", "scikit-learn", "scipy")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_MARK = "AE_NUMPY_BENCHMARK_CORE"
# These make OpenBLAS take the kernels of another machine, up to twice as slow as this one's own.
_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# What a machine without AVX-512 gets: ours (compiled into a separate cache, so that Numba's usual
# one does not mix code of two kinds), NumPy's own loops, OpenBLAS, PyTorch and XLA, each by its
# own setting, which XLA's matrix products ignore. Haswell's kernels are the ones that OpenBLAS
# takes on every x86 machine with AVX2 only.
_WITHOUT_AVX512 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+64bit,+adx,+aes,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,"
    "+fsgsbase,+fxsr,+invpcid,+lzcnt,+mmx,+movbe,+pclmul,+popcnt,+sahf,+sse,+sse2,+sse3,+sse4.1,"
    "+sse4.2,+ssse3,+xsave,+xsaveopt",
    "NUMBA_CACHE_DIR": str(Path(tempfile.gettempdir()) / "ae_numpy-without-avx512"),
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def restart_on_one_core() -> None:
    """Start this process again, bound to one core and told to use one thread.

    Variables that slow OpenBLAS are dropped. With ``--without-avx512`` on the command line, all
    libraries are told not to use these instructions.

    The core is the last of those the process may use, so that ``taskset -c 3 python ...`` chooses.
    Thread variables alone would not do: XLA heeds only the affinity. On systems without
    affinity (macOS, Windows) they are all there is, and `describe` says so.
    """
    if _MARK in os.environ:
        return
    core = "none"
    if hasattr(os, "sched_setaffinity"):
        core = str(max(os.sched_getaffinity(0)))
        os.sched_setaffinity(0, {int(core)})
    for name in _SLOWING:
        os.environ.pop(name, None)
    os.environ |= dict.fromkeys(_THREADS, "1") | {_MARK: core}
    if WITHOUT_AVX512 in sys.argv:
        os.environ |= _WITHOUT_AVX512
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def describe() -> dict[str, str]:
    """Describe the machine and what is installed on it.

    Returns
    -------
    dict of str
        In the order to print it.
    """
    core = os.environ.get(_MARK)
    bound = {None: "not bound", "none": "not bound: this system has no CPU affinity"}
    return {
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "caches of a core": _caches(),
        "vector instructions": _vector_instructions(),
        "BLAS of NumPy": _blas(),
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
    if WITHOUT_AVX512 in sys.argv:
        found = ["avx2 (the machine has avx512f, which all libraries were told not to use)"]
    return found[0] if found else "unknown"


def _blas() -> str:
    """Name the kernels that the BLAS library has chosen, which decide NumPy's speed."""
    try:
        import threadpoolctl
    except ImportError:
        return "unknown: threadpoolctl is not installed"
    import numpy  # noqa: F401

    found = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    return ", ".join(f"{info['internal_api']} {info['architecture']}" for info in found)


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
