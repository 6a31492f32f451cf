"""What was measured, and the same function elsewhere: other points, fewer rows, one sample alone.

A bug is in the code, not at a point. What is said about it must hold wherever the function is
looked at: formulas that agree by chance at one point, or because the parameters are small, differ
at another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ae_numpy.gradcheck.packing import Array, largest, root_mean_square
from ae_numpy.gradcheck.verdict import RIGHT, WRONG, ArrayCheck, table

# Numerical derivatives at other points have 9 digits or more; formulas differ in fewer.
NEAR = 1e-7
# With more parameters than this, another look at all derivatives takes too long.
LARGEST = 2000
# Samples that are looked at alone.
SAMPLES = 6
ALL = slice(None)

Arrays = dict[str, Array]
Batch = tuple[Any, ...]
Checks = tuple[ArrayCheck, ...]

FORMULAS = table("activations.toml")
FUNCTIONS: dict[str, Any] = vars(np) | {"sigmoid": lambda z: 1 / (1 + np.exp(-z))}


def value(formula: str, z: Array, a: Array | None = None) -> Array:
    """One of the formulas of `activations.toml` at z, or w, and a."""
    return eval(formula, FUNCTIONS, {"z": z, "w": z, "a": a}) * np.ones_like(z)


def near(a: Array, b: Array, tolerance: float = NEAR) -> bool:
    """Are two arrays equal, relative to their largest entry, as far as both are known?"""
    if a.shape != b.shape:
        return False
    known = np.isfinite(a) & np.isfinite(b)
    scale = max(largest(a[known]), largest(b[known]))
    return bool(known.any() and np.all(np.abs(a - b)[known] <= tolerance * scale))


def least_squares(columns: Sequence[Array], target: Array) -> tuple[Array, Array]:
    """The coefficients of some arrays, and what they add up to, nearest to a target."""
    A = np.stack([np.ravel(column) for column in columns], axis=1)
    known = np.isfinite(A).all(axis=1) & np.isfinite(np.ravel(target))
    size = np.max(np.abs(A[known]), axis=0, initial=0.0)
    size[size == 0] = 1.0
    x = np.linalg.lstsq(A[known] / size, np.ravel(target)[known], rcond=None)[0] / size
    return x, (A @ x).reshape(target.shape)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a check measured, and what may be asked of the same function elsewhere.

    Attributes
    ----------
    arrays : tuple of ArrayCheck
        One per parameter array.
    method, tolerance, notes : str, float, tuple of str
        As the report has them.
    parameters, masks : dict of arrays
        The user's point, and where it is trained.
    batch, rows : tuple, int
        The function's further arguments, and their rows; 0 if they do not agree on them.
    look : callable
        `look(parameters, batch)`: claimed and right gradients there, of the entries checked here.
    loss, reduction : callable
        `loss(parameters, batch)`; `reduction(parameters)`: of its rows' losses, "mean" or "sum"?
    ignores : callable
        `ignores(name)`: does the loss stay the same when this array moves, and far?
    jacobians : dict of arrays
        `check_vjp` only: by name, the claimed and the measured Jacobian where they differ, together
        (2, outputs, inputs).
    """

    arrays: Checks
    method: str
    tolerance: float
    notes: tuple[str, ...]
    parameters: Arrays
    masks: Arrays
    batch: Batch
    rows: int
    look: Callable[[Arrays, Batch], tuple[Arrays, Arrays]]
    loss: Callable[[Arrays, Batch], float]
    reduction: Callable[[Arrays], str]
    ignores: Callable[[str], bool]
    jacobians: Arrays = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class View:
    """Parameters, claimed and right gradients at one point and on one batch.

    Attributes
    ----------
    parameters, given, expected : dict of arrays
    batch : tuple
    tolerance : float
        Relative error up to which numbers count as equal.
    """

    parameters: Arrays
    given: Arrays
    expected: Arrays
    batch: Batch
    tolerance: float = NEAR

    def right(self, name: str) -> bool:
        """Is the claimed gradient right here?"""
        return near(self.given[name], self.expected[name], self.tolerance)


def wrong_entries(view: View, name: str) -> Array:
    """True where the claimed gradient is wrong, for what is known of it."""
    g, e = view.given[name], view.expected[name]
    if g.shape != e.shape:
        return np.ones(e.shape, bool)
    return np.asarray(np.abs(g - e) > view.tolerance * max(largest(np.nan_to_num(e)), largest(g)))


class Views:
    """Everything a diagnosis may look at, put in order.

    Attributes
    ----------
    measured : Measured
    here : View
        The user's point. Expected entries are NaN where they were not looked at, or where nothing
        can be said about them; with `entrywise` False, given and expected are slopes along
        directions.
    wrong, right, unsummed : tuple of str
        The arrays to be explained, those that are known to be right, and those whose claimed
        gradient has the batch axis in front.
    complete : bool
        True if every entry was measured and has a verdict.
    """

    def __init__(self, measured: Measured) -> None:
        self.measured, arrays, wrong = measured, measured.arrays, measured.jacobians
        self.masks, self.batch, self.rows = measured.masks, measured.batch, measured.rows
        self.wrong = tuple(a.name for a in arrays if a.verdict == WRONG or a.name in wrong)
        sure = (a.name for a in arrays if a.verdict == RIGHT)
        self.right = tuple(name for name in sure if name not in self.wrong)
        self.unsummed = tuple(array.name for array in arrays if array.unsummed)
        self.entrywise = arrays[0].entrywise is not None
        self.searchable = self.entrywise and sum(array.size for array in arrays) <= LARGEST
        expected = {array.name: array.known("expected") for array in arrays}
        self.complete = self.entrywise and all(np.isfinite(e).all() for e in expected.values())
        size = max(largest(np.nan_to_num(e)) for e in expected.values())
        doubt = max(largest(np.nan_to_num(array.known("uncertainty"))) for array in arrays)
        tolerance = max(NEAR, measured.tolerance, min(3 * doubt / size, 1e-4) if size else 0.0)
        given = {array.name: array.claim for array in arrays}
        self.here = View(measured.parameters, given, expected, self.batch, tolerance)

    def look(self, parameters: Arrays, batch: Batch | None = None) -> View | None:
        """A view of other parameters or another batch; None where the function does not go."""
        if not self.searchable:
            return None
        batch = self.batch if batch is None else batch
        try:
            given, expected = self.measured.look(parameters, batch)
        except Exception:  # not every function takes a batch of one row
            return None
        finite = all(np.isfinite(a).all() for a in (*given.values(), *expected.values()))
        return View(parameters, given, expected, batch) if finite else None

    @cached_property
    def arguments(self) -> Arrays:
        """The parameters and the floating-point arrays of the batch, at the plain point."""
        batch = {f"batch[{k}]": a for k, a in enumerate(self.batch) if isinstance(a, np.ndarray)}
        return self.full.parameters | {n: a for n, a in batch.items() if a.dtype.kind == "f"}

    def replaced(self, name: str, array: Array) -> View | None:
        """A view with another array in the place of one of the arguments."""
        if name in self.full.parameters:
            return self.look(self.full.parameters | {name: array})
        batch = (array if name == f"batch[{k}]" else a for k, a in enumerate(self.batch))
        return self.look(self.full.parameters, tuple(batch))

    def part(self, rows: Any = ALL, steps: slice = ALL, axis: int = 1) -> View | None:
        """A view of a part of the batch, at the plain point."""
        return self.look(self.full.parameters, self.cut(rows, steps, axis))

    def cut(self, rows: Any = ALL, steps: slice = ALL, axis: int = 1) -> Batch:
        """Some rows of the batch (an index), and some of its time steps, along an axis."""
        T, B = self.steps(axis), self.steps(1 - axis) or self.rows

        def some(a: Array) -> Array:
            if T and a.ndim > axis and a.shape[axis] == T:
                return a[(rows, steps)[: a.ndim] if axis else (steps, rows)[: a.ndim]]
            return a[rows] if len(a) == B else a

        return tuple(some(a) if isinstance(a, np.ndarray) and a.ndim else a for a in self.batch)

    @cached_property
    def points(self) -> list[View]:
        """The whole batch at the user's point, and at two others, of size 1 if it goes there."""
        found, rng = [self.here], np.random.default_rng(0)
        for size in (1.0, 1.0, None, None):
            view = self.look(self._moved(size, rng)) if len(found) < 3 else None
            if view and not self._frozen(view):
                found.append(view)
        return found

    def _frozen(self, view: View) -> bool:
        """Does the backward pass use values from outside, so that it does not follow here?"""
        given = self.here.given
        still = (n for n in self.right if np.array_equal(view.given[n], given[n]))
        return any(not view.right(name) for name in still)

    def _moved(self, size: float | None, rng: np.random.Generator) -> Arrays:
        """Every entry moved by up to 30 %, signs kept; brought to a size, if one is given."""
        result = {}
        for name, p in self.here.parameters.items():
            root, spread = root_mean_square(p), rng.uniform(0.7, 1.3, p.shape)
            fresh = 0.3 * rng.standard_normal(p.shape)
            moved = p * spread * (size or root) / root if root else fresh
            result[name] = np.where(self.masks[name], moved, p)
        return result

    @property
    def full(self) -> View:
        """The whole batch at the plainest point: of size 1, if the function goes there."""
        return self.points[min(1, len(self.points) - 1)]

    def steps(self, axis: int) -> int:
        """Length of an axis, if it is the same in all arrays that may have time steps there."""
        arrays = [a for a in self.batch if isinstance(a, np.ndarray)]
        long = [a for a in arrays if a.ndim > 2 or (a.ndim == 2 and a.dtype.kind in "iu")]
        lengths = {a.shape[axis] for a in long}
        return lengths.pop() if len(lengths) == 1 else 0

    @cached_property
    def atoms(self) -> list[View]:
        """One row of the batch and one of its time steps each, at new points if rows run out."""
        T, B, rng, found = self.steps(1), self.rows, np.random.default_rng(4), list[View | None]()
        parameters = self.full.parameters
        for i in range(SAMPLES):
            if i and i % max(B, 1) == 0:
                parameters = self._moved(1.0, rng)
            row, step = (slice(i % n, i % n + 1) if n else ALL for n in (B, T))
            found.append(self.look(parameters, self.cut(row, step)))
        return [view for view in found if view]
