"""Mistakes that show when samples or time steps are taken out of the batch, or values changed.

If each sample alone is right, the error is in what joins them: a sum, a mean, a loop over time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ae_numpy.gradcheck.mistakes import Cause, cause, is_one_of
from ae_numpy.gradcheck.packing import Array, largest
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
    for k, y in enumerate(views.batch if views.rows > 1 else ()):
        if isinstance(y, np.ndarray) and y.dtype.kind == "f" and y.size == views.rows:
            batch = (*views.batch[:k], np.full_like(y, y.mean()), *views.batch[k + 1 :])
            names = set(views.wrong)
            for view in views.points[1:]:
                averaged = views.look(view.parameters, batch)
                names &= set(_multiples(views, view, averaged) if averaged else ())
            if names - set(_multiples(views, views.full, views.full)):
                yield tuple(names), cause("broadcast")


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
                once, twice = set(rows[counts == 1]), set(rows[counts > 1])
                if at and at <= twice and (once or len(at) > 1):
                    sure = bool(at == twice and once)
                    yield (name,), cause("repeated_rows")._replace(certain=sure)


def joined(views: Views) -> Found:
    """Arrays that are right for each sample alone and wrong together."""
    parts = views.singles if views.rows > 1 else []
    names = _wrong_together(views, parts)
    apart = len(parts) == views.rows and all(_adds_up(views.full, parts, n) for n in names)
    if names and not apart and _same_loss(views, views.cut(BACKWARDS)):
        yield names, cause("joined")


def _wrong_together(views: Views, parts: list[View]) -> tuple[str, ...]:
    """The wrong arrays, if in every part all arrays are right that the loss depends on there."""
    active = [[n for n, e in part.expected.items() if np.any(e)] for part in parts]
    right = (all(map(part.right, names)) for part, names in zip(parts, active, strict=True))
    return views.wrong if any(active) and all(right) else ()


def _adds_up(full: View, parts: list[View], name: str) -> bool:
    """Is the right gradient of the batch a sum, or a mean, of those of its samples?"""
    total = np.sum([part.expected[name] for part in parts], axis=0)
    return near(full.expected[name], least_squares([total], full.expected[name])[1], 1e-6)


def _same_loss(views: Views, batch: tuple[Any, ...]) -> bool:
    """Does a change of the batch, such as another order, leave the loss as it is?"""
    a, b = views.loss(views.batch), views.loss(batch)
    return bool(abs(a - b) <= 1e-9 * abs(a))


def in_time(views: Views) -> Found:
    """Right for the first time step alone, wrong for more of them."""
    for axis in (0, 1):
        T = views.steps(axis)
        first = views.part(steps=slice(1), axis=axis) if T > 1 else None
        names = _wrong_together(views, [first]) if first else ()
        if first and names and not _same_loss(views, views.cut(steps=BACKWARDS, axis=axis)):
            yield from ((names, each) for each in _time_causes(views, first, axis))
            return
        if names and axis:
            yield names, cause("joined")


def _time_causes(views: Views, first: View, axis: int) -> list[Cause]:
    """What may be wrong between steps; two steps of a few samples may show it."""
    found = [_two_steps(views, axis, i) for i in range(2)]
    if found[0] and all(other == found[0] for other in found):
        return [found[0]]
    early = (n for n, e in first.expected.items() if np.any(first.given[n]) and not np.any(e))
    return [cause("steps")] + ([] if any(early) else [cause("between_steps")])


def _two_steps(views: Views, axis: int, i: int) -> Cause | None:
    """Solve outer(x1, delta1) + outer(x2, delta2) for both deltas, right and claimed."""
    one, two = (views.part(slice(i, i + 1), slice(steps), axis) for steps in (1, 2))
    if one is None or two is None:
        return None
    arrays = [a for a in two.batch if isinstance(a, np.ndarray)]
    found: list[Cause | None] = []
    for x in [a.reshape(2, -1) for a in arrays if a.ndim == 3 and a.dtype.kind == "f"][:1]:
        for name in views.wrong:
            right, claimed = _deltas(x, two.expected[name]), _deltas(x, two.given[name])
            alone = _deltas(x[:1], one.expected[name])
            if right is None or claimed is None or alone is None or near(claimed, right, 1e-6):
                continue
            found.append(_carried(two, right, claimed, alone[0]))
    return found[0] if found and all(each == found[0] for each in found) else None


def _deltas(x: Array, dW: Array) -> Array | None:
    """The deltas (T, O) of T steps whose outer products with x (T, I) add up to dW."""
    for matrix in (dW, dW.T) if dW.ndim == 2 else ():  # (I, O), or (O, I); more rows are h's
        if len(matrix) >= x.shape[1]:
            part = matrix[: x.shape[1]]
            deltas = np.linalg.lstsq(x.T, part, rcond=None)[0]
            if near(x.T @ deltas, part, 1e-6):
                return deltas
    return None


def _carried(view: View, right: Array, claimed: Array, alone: Array) -> Cause | None:
    """Right and claimed deltas (2, O) of two steps, and the first one without a second step."""
    first, last, *needed = (largest(delta) > 1e-6 * largest(right) for delta in (*claimed, *right))
    if all(needed) and first != last:
        return cause("last_step" if last else "first_step")
    if not near(claimed[1], right[1], 1e-6):
        return None
    if near(claimed[0], alone, 1e-6):
        return cause("no_future")
    for name, W in view.parameters.items():
        if W.ndim == 2 and W.shape == (right.shape[1],) * 2:
            ways = (right[1] @ W.T, right[1] @ W)
            # What comes back, claimed / right, is the quotient of the ways; the rest of delta is
            # that of one step, or nothing where the loss looks at the last step only.
            for rest in (alone, 0.0 * alone):
                came, comes = claimed[0] - rest, right[0] - rest
                if any(near(came * a, comes * b, 1e-5) for a, b in (ways, ways[::-1])):
                    return cause("untransposed", W=name)
    return None


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
    full = views.full
    moved = list(_moved(views)) if len(full.parameters) <= 12 else []
    for name in views.wrong:
        wrong = wrong_entries(full, name)
        for other, view in moved:
            g, e, g2, e2 = (
                side[name][wrong] for side in (full.given, full.expected, view.given, view.expected)
            )
            if other == name or not np.any(g) or near(e, e2, 1e-4):
                continue
            lost, own = near(g, g2, 1e-9), near(g - e, g2 - e2, 1e-5) and not near(g, g2, 1e-4)
            if lost or own:
                yield (name,), cause("no_path" if lost else "own_term", name=name, other=other)
                break


def _moved(views: Views) -> Iterator[tuple[str, View]]:
    """Views with one parameter, or one array of the batch, changed."""
    p, rng = views.full.parameters, np.random.default_rng(2)
    for name, a in p.items():
        if view := views.look(p | {name: a * rng.uniform(0.7, 1.3, a.shape)}):
            yield name, view
    for k, a in enumerate(views.batch):
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            changed = a * rng.uniform(0.7, 1.3, a.shape)
            batch = (*views.batch[:k], changed, *views.batch[k + 1 :])
            if view := views.look(p, batch):
                yield f"batch[{k}]", view


def turned_square(views: Views) -> Found:
    """A square matrix used where its transpose belongs: M @ given = M.T @ expected."""
    points = views.points[1:]
    for matrix, M in views.here.parameters.items():
        for name in views.wrong if M.ndim == 2 and M.shape[0] == M.shape[1] > 1 else ():
            turned = (_turned(view, name, view.parameters[matrix]) for view in points)
            if points and all(turned):
                yield (name,), cause("untransposed", W=matrix)


def _turned(view: View, name: str, M: Array) -> bool:
    """Is M @ g = M.T @ e along some axis, or the same with the inverse or the transpose of M?"""
    g, e, inverse = view.given[name], view.expected[name], np.linalg.pinv(M)
    for k in range(e.ndim):
        if e.shape[k] == len(M):
            g_, e_ = (np.moveaxis(a, k, 0).reshape(len(M), -1) for a in (g, e))
            if any(near(A @ g_, A.T @ e_, 1e-6) for A in (M, M.T, inverse, inverse.T)):
                return True
    return False


def updated(views: Views) -> Found:
    """The gradient one training step later: everything at p - rate * dp, with the gradient at p."""
    p, e, names = views.full.parameters, views.full.expected, views.wrong
    if not views.searchable or views.unsummed:
        return

    def flat(arrays: dict[str, Array]) -> Array:
        return np.concatenate([np.ravel(arrays[name]) for name in names])

    rate, error = 1e-4, flat(views.full.given) - flat(e)
    for _ in range(12):  # secant steps from a change that is small enough to be linear
        view = views.look({n: p[n] - rate * e[n] for n in p})
        if view is None:
            return
        change = flat(view.expected) - flat(e)
        (factor,), fit = least_squares([change], error)
        if not near(error, fit, 0.5) or not np.isfinite(factor):
            return  # the error does not point where an update would have taken the gradient
        rate *= float(factor)
        enough = len(error) > 2 and rate > 0
        if enough and abs(factor - 1) < 1e-9 and near(error, fit, 1e-6):
            yield names, cause("updated", W="the parameters", rate=rate)
            return


def jacobian(views: Views) -> Found:
    """`check_vjp`: each output is differentiated by its own input only, or J is transposed."""
    for name, (claimed, right) in views.jacobians.items():
        if right.shape[0] == right.shape[1]:
            diagonal = np.eye(len(right), dtype=bool)
            if near(claimed, claimed * diagonal) and np.any(right[~diagonal]):
                yield (name,), cause("diagonal")
            elif near(claimed, right.T) and not near(right, right.T):
                yield (name,), cause("jacobian")
