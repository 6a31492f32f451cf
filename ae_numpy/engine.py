"""Two ways to compute the same thing, chosen by name.

An engine is a module with the functions of `reference`: that module itself (``"numpy"``) or its
compiled twins (``"numba"``). Numba takes longer to import than the rest of the package and may not
be installed, so it is imported only when the engine is first requested.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

ENGINES = {"numpy": "ae_numpy.reference", "numba": "ae_numpy.kernels"}


def get_engine(name: str) -> ModuleType:
    """Return the module that computes under this name.

    Parameters
    ----------
    name : {"numpy", "numba"}

    Returns
    -------
    module
        With the functions of `reference`.

    Raises
    ------
    ValueError
        For any other name.
    ImportError
        If numba is requested but not installed.

    Examples
    --------
    >>> get_engine("numpy").__name__
    'ae_numpy.reference'
    """
    if name not in ENGINES:
        raise ValueError(f"engine must be one of {tuple(ENGINES)}, got {name!r:.200}")
    try:
        return import_module(ENGINES[name])
    except ModuleNotFoundError as error:
        advice = f"pip install {name}, or choose engine='numpy'"
        raise ImportError(f"engine={name!r} needs {name} ({error}): {advice}") from error
