"""The same function looked at again: at other points, on fewer rows, on one sample alone.

A bug is in the code, not at a point. What is said about it must hold wherever the function is
looked at: formulas that agree by chance at one point, or because the parameters are small, differ
at another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ae_numpy.gradcheck.evidence import Measured
from ae_numpy.gradcheck.packing import Array, largest

# Numerical derivatives at other points have 9 digits or more; formulas differ in fewer.
NEAR = 1e-7
# With more parameters than this, another look at all derivatives takes too long.
LARGEST = 2000
# Samples that are looked at alone.
SAMPLES = 6
ALL = slice(None)


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
class View:
    """Parameters, claimed and right gradients at one point and on one batch.

    Attributes
    ----------
    parameters, given, expected : dict of arrays
    batch : tuple
    tolerance : float
        Relative error up to which numbers count as equal.
    """

    parameters: dict[str, Array]
    given: dict[str, Array]
    expected: dict[str, Array]
    batch: tuple[Any, ...]
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
    """Views of one function, made when they are asked for."""

    def __init__(self, measured: Measured) -> None:
        self.measured, self.batch = measured, measured.batch or ()
        self.rows = measured.batch_size or 0
        known = [np.nan_to_num(u) for u in measured.uncertainty.values()]
        scale = max((largest(np.nan_to_num(e)) for e in measured.expected.values()), default=0.0)
        doubt = max((largest(u) for u in known), default=0.0) / scale if scale else 0.0
        tolerance = max(NEAR, measured.tolerance, min(3 * doubt, 1e-4))
        self.here = View(
            measured.parameters, measured.given, measured.expected, self.batch, tolerance
        )
        size = sum(p.size for p in measured.parameters.values())
        self.searchable = measured.entrywise and size <= LARGEST

    def look(
        self, parameters: dict[str, Array], batch: tuple[Any, ...] | None = None
    ) -> View | None:
        """A view of other parameters or another batch; None where the function does not go."""
        if not self.searchable:
            return None
        batch = self.batch if batch is None else batch
        given = self.measured.claimed(parameters, batch)
        expected = self.measured.numerical(parameters, batch)
        arrays = (*given.values(), *expected.values())
        finite = all(np.isfinite(array).all() for array in arrays)
        if finite and self._slope_agrees(parameters, batch, expected):
            return View(parameters, given, expected, batch)
        return None

    def _slope_agrees(
        self, parameters: dict[str, Array], batch: Any, expected: dict[str, Array]
    ) -> bool:
        """Is the loss as steep as the derivatives say? The complex step may not hold elsewhere."""
        rng = np.random.default_rng(3)
        v = {n: m * rng.standard_normal(m.shape) for n, m in self.measured.masks.items()}

        def slope(h: float) -> float:
            ahead, behind = ({n: p + t * v[n] for n, p in parameters.items()} for t in (h, -h))
            return (self.measured.loss(ahead, batch) - self.measured.loss(behind, batch)) / (2 * h)

        size = 1e-4 * max(float(np.sqrt(np.mean(p**2))) for p in parameters.values() if p.size)
        total = sum(float(np.sum(expected[n] * v[n])) for n in expected)
        scale = float(np.sqrt(sum(np.sum(e**2) for e in expected.values())))
        noise = 1e-14 * abs(self.measured.loss(parameters, batch)) / size if size else 0.0
        return bool(abs((4 * slope(size / 2) - slope(size)) / 3 - total) <= 1e-5 * scale + noise)

    def part(self, rows: Any = ALL, steps: slice = ALL, axis: int = 1) -> View | None:
        """A view of a part of the batch, at the plain point."""
        return self.look(self.full.parameters, self.cut(rows, steps, axis))

    def cut(self, rows: Any = ALL, steps: slice = ALL, axis: int = 1) -> tuple[Any, ...]:
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
        still = (n for n in self.measured.right if np.array_equal(view.given[n], given[n]))
        return any(not view.right(name) for name in still)

    def _moved(self, size: float | None, rng: np.random.Generator) -> dict[str, Array]:
        """Every entry moved by up to 30 %, signs kept; brought to a size, if one is given."""
        result = {}
        for name, p in self.here.parameters.items():
            root = float(np.sqrt(np.mean(p**2))) if p.size else 0.0
            scale = 1.0 if size is None or not root else size / root
            moved = p * scale * rng.uniform(0.7, 1.3, p.shape)
            fresh = 0.3 * rng.standard_normal(p.shape)
            result[name] = np.where(self.measured.masks[name], moved if root else fresh, p)
        return result

    @property
    def full(self) -> View:
        """The whole batch at the plainest point: of size 1, if the function goes there."""
        return self.points[min(1, len(self.points) - 1)]

    @cached_property
    def singles(self) -> list[View]:
        """One row of the batch each, of the first few, at the plain point."""
        views = (self.part(slice(i, i + 1)) for i in range(min(self.rows, SAMPLES)))
        return [view for view in views if view]

    @cached_property
    def averages(self) -> bool | None:
        """Is the loss a mean over the rows of the batch (True), or a sum (False)?"""
        twice = self.cut(np.tile(np.arange(self.rows), 2))
        here, doubled = (self.measured.loss(self.full.parameters, b) for b in (self.batch, twice))
        for ratio, answer in ((1.0, True), (2.0, False)):
            if abs(doubled - ratio * here) <= 1e-9 * abs(here):
                return answer
        return None

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
            known = self.singles[i : i + 1] if not T and i < B == len(self.singles) else []
            found += known or [self.look(parameters, self.cut(row, step))]
        return [view for view in found if view] or self.singles
