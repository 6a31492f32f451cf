"""Mistakes that show when samples or time steps are taken out of the batch, or values changed.

If each sample alone is right, the error is in what joins them: a sum, a mean, a loop over time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from ae_numpy.gradcheck.mistakes import is_one_of
from ae_numpy.gradcheck.packing import largest
from ae_numpy.gradcheck.verdict import Cause, cause
from ae_numpy.gradcheck.views import View, Views, least_squares, near, wrong_entries

Found = Iterator[tuple[tuple[str, ...], Cause]]
BACKWARDS = slice(None, None, -1)


def one_sample(views: Views) -> Found:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    for i in [0, views.rows - 1] if views.rows > 1 else []:
        alone = views.part(slice(i, i + 1))
        if alone and (names := _multiples(views, views.full, alone)):
            yield names, cause("one_sample", which="last" if i else "first")


def broadcast(views: Views) -> Found:
    """(N,) against (N, 1): every output is compared with every target, that is with their mean."""
    for name, y in views.arguments.items() if views.rows > 1 else ():
        if name not in views.full.parameters and y.size == views.rows:
            averaged = views.replaced(name, np.full_like(y, y.mean()))
            names = _multiples(views, views.full, averaged) if averaged else ()
            if set(names) - set(_multiples(views, views.full, views.full)):
                yield names, cause("broadcast")


def _multiples(views: Views, view: View, other: View) -> tuple[str, ...]:
    """Wrong arrays whose claimed gradient is 1, B or 1/B times that of another view, plus decay."""
    names, B = [], views.rows
    for name in views.wrong:
        p, e = view.parameters[name], other.expected[name]
        x, fit = least_squares([e, p] if p.size > 3 else [e], view.given[name])
        factor = is_one_of(x[0], 1, B, 1 / B) and near(view.given[name], fit)
        names += [name] if factor and not view.right(name) else []
    return tuple(names)


def repeated_rows(views: Views) -> Found:
    """Indices that occur more than once: only their last contribution is left."""
    for index in views.batch:
        if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and index.size:
            rows, counts = np.unique(index, return_counts=True)
            for name in views.wrong:
                wrong = wrong_entries(views.full, name)
                if not wrong.ndim or rows[0] < 0 or rows[-1] >= len(wrong):
                    continue
                at = set(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)))
                if at and at <= set(rows[counts > 1]) and (min(counts) == 1 or len(at) > 1):
                    yield (name,), cause("repeated_rows")


def _same_loss(views: Views, batch: tuple[Any, ...]) -> bool:
    """Does a change of the batch, such as another order, leave the loss as it is?"""
    a, b = views.loss(views.batch), views.loss(batch)
    return bool(abs(a - b) <= 1e-9 * abs(a))


def in_time(views: Views) -> Found:
    """Right for the first time step alone, wrong for more of them."""
    for axis in (0, 1):
        first = views.part(steps=slice(1), axis=axis) if views.steps(axis) > 1 else None
        active = [name for name, e in first.expected.items() if np.any(e)] if first else []
        if first is None or not active or not all(map(first.right, active)):
            continue
        if not _same_loss(views, views.cut(steps=BACKWARDS, axis=axis)):
            yield views.wrong, cause("steps")
            rest = set(first.expected) - set(active)
            if not any(np.any(first.given[name]) for name in rest):
                yield views.wrong, cause("between_steps")
            return
        if axis:
            yield views.wrong, cause("joined")


def second_use(views: Views) -> Found:
    """A matrix that is used twice, with the gradient of one use: ranks of a single sample."""
    for name in views.wrong:
        shape, ranks = views.here.parameters[name].shape, []
        for view in views.atoms if len(shape) == 2 else ():
            g, e = view.given[name], view.expected[name]
            ranks.append([np.linalg.matrix_rank(m, tol=1e-6 * largest(e)) for m in (e, g, g - e)])
        if ranks and all(min(shape) > e == g + d and g > 0 and d > 0 for e, g, d in ranks):
            yield (name,), cause("second_use", name=name)


def own_term(views: Views) -> Found:
    """An argument that moves the gradient, but not the error of it, or not what is claimed."""
    full, rng = views.full, np.random.default_rng(2)
    moved = {
        other: views.replaced(other, a * rng.uniform(0.7, 1.3, a.shape))
        for other, a in (views.arguments.items() if len(full.parameters) <= 12 else ())
    }
    for name in views.wrong:
        wrong = wrong_entries(full, name)
        for other, view in moved.items():
            if view is None or other == name:
                continue
            g, e, g2, e2 = (
                side[name][wrong] for side in (full.given, full.expected, view.given, view.expected)
            )
            lost, own = near(g, g2, 1e-9), near(g - e, g2 - e2, 1e-5) and not near(g, g2, 1e-4)
            if np.any(g) and not near(e, e2, 1e-4) and (lost or own):
                yield (name,), cause("no_path" if lost else "own_term", name=name, other=other)
                break


def turned(views: Views) -> Found:
    """An array used turned round: where it is its own mirror image, nothing is wrong."""
    for name, a in views.arguments.items():
        ways = [("untransposed", a.swapaxes(i, j)) for i, j in combinations(range(a.ndim), 2)]
        axes = [(k,) for k in range(a.ndim)] + [(a.ndim - 2, a.ndim - 1)]
        ways += [("flipped", np.flip(a, k)) for k in axes if a.ndim > 2]
        for key, image in ways:
            same = image.shape == a.shape and not np.array_equal(image, a)
            if same and _vanishes(views, views.replaced(name, (a + image) / 2)):
                yield views.wrong, cause(key, W=name)


def inactive(views: Views) -> Found:
    """Wrong where units are off: with a bias that switches all of them on, nothing is wrong."""
    for name, b in views.full.parameters.items():
        if b.ndim == 1 and _vanishes(views, views.replaced(name, b + 100 * (1 + largest(b)))):
            yield views.wrong, cause("inactive", b=name)


def _vanishes(views: Views, view: View | None) -> bool:
    """Is what is wrong right in a view, and not because everything is zero there?"""
    return view is not None and all(
        view.right(name)
        and largest(view.expected[name]) > 1e-3 * largest(views.full.expected[name])
        for name in views.wrong
    )


def jacobian(views: Views) -> Found:
    """`check_vjp`: each output is differentiated by its own input only, or J is transposed."""
    for name, (claimed, right) in views.jacobians.items():
        if right.shape[0] == right.shape[1]:
            diagonal = np.eye(len(right), dtype=bool)
            if near(claimed, claimed * diagonal) and np.any(right[~diagonal]):
                yield (name,), cause("diagonal")
            elif near(claimed, right.T) and not near(right, right.T):
                yield (name,), cause("jacobian")
