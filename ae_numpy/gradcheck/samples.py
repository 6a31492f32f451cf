"""Mistakes that show when samples or time steps are taken out of the batch, or values changed.

If each sample alone is right, the error is in what joins them: a sum, a mean, a loop over time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ae_numpy.gradcheck.mistakes import Cause, cause
from ae_numpy.gradcheck.packing import Array, largest
from ae_numpy.gradcheck.views import View, Views, least_squares, near, row, wrong_entries

Found = Iterator[tuple[tuple[str, ...], Cause]]


def one_sample(views: Views) -> Found:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    for i in [0, views.rows - 1] if views.rows > 1 and views.searchable else []:
        alone = views.part(partial(row, i=i))
        if alone and (names := _multiples(views, alone.expected)):
            yield names, cause("one_sample", which="last" if i else "first")


def broadcast(views: Views) -> Found:
    """(N,) against (N, 1): every output is compared with every target, that is with their mean."""
    for k, y in enumerate(views.batch if views.rows > 1 and views.searchable else ()):
        if isinstance(y, np.ndarray) and y.dtype.kind == "f" and y.size == views.rows:
            batch = tuple(np.full_like(y, y.mean()) if j == k else a
                          for j, a in enumerate(views.batch))  # fmt: skip
            names = _multiples(views, views.measured.numerical(views.full.parameters, batch))
            if any(not _multiples(views, views.full.expected, n) for n in names):
                yield names, cause("broadcast")


def _multiples(views: Views, expected: dict[str, Array], only: str = "") -> tuple[str, ...]:
    """Wrong arrays whose claimed gradient is 1, B or 1/B times something, beside a penalty."""
    names, view, B = [], views.full, views.rows
    for name in (only,) if only else views.measured.wrong:
        g, p = view.given[name], view.parameters[name]
        for columns in ([expected[name]], [expected[name], p])[: 2 if p.size > 3 else 1]:
            x, fit = least_squares(columns, g)
            known = min(abs(x[0] * share - 1) for share in (1, B, 1 / B)) < 1e-6
            if known and near(g, fit) and not view.right(name):
                names.append(name)
                break
    return tuple(names)


def repeated_rows(views: Views) -> Found:
    """Indices that occur more than once: only their last contribution is left."""
    for index in views.batch:
        if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and index.size:
            rows, counts = np.unique(index, return_counts=True)
            for name in views.measured.wrong:
                wrong = wrong_entries(views.full, name)
                if wrong.ndim and rows[0] >= 0 and rows[-1] < len(wrong):
                    at = set(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)))
                    if at and at <= set(rows[counts > 1]) and (len(at) > 1 or np.any(counts == 1)):
                        yield (name,), cause("repeated_rows")


def joined(views: Views) -> Found:
    """Arrays that are right for each sample alone and wrong together."""
    full, parts = views.full, views.singles if views.rows > 1 else []
    names = _wrong_together(views, parts)
    if names and len(parts) == views.rows and all(_adds_up(full, parts, name) for name in names):
        yield from _uneven(views, names)
    elif names and _same_loss(views, lambda a: a[::-1]):
        yield names, cause("joined")


def _wrong_together(views: Views, parts: list[View]) -> tuple[str, ...]:
    """The wrong arrays, if in every part all arrays are right that the loss depends on there."""
    active = [[n for n, e in part.expected.items() if np.any(e)] for part in parts]
    right = (all(map(part.right, names)) for part, names in zip(parts, active, strict=True))
    return views.measured.wrong if any(active) and all(right) else ()


def _adds_up(full: View, parts: list[View], name: str) -> bool:
    """Is the right gradient of the batch a sum, or a mean, of those of its samples?"""
    total = np.sum([part.expected[name] for part in parts], axis=0)
    return near(full.expected[name], least_squares([total], full.expected[name])[1], 1e-6)


def _same_loss(views: Views, change: Callable[[Array], Array]) -> bool:
    """Does a change of the batch's arrays, such as another order, leave the loss as it is?"""
    batches = (views.batch, views.cut(change))
    a, b = (views.measured.loss(views.full.parameters, batch) for batch in batches)
    return bool(abs(a - b) <= 1e-9 * abs(a))


def _uneven(views: Views, names: tuple[str, ...]) -> Found:
    """Independent samples, each alone right: a part has the wrong power of the batch size."""
    two, three = (views.part(partial(_repeated, times=times)) for times in (2, 3))
    if two is None or three is None:
        return
    for name in names:
        errors = [view.given[name] - view.expected[name] for view in (two, three)]
        (growth,), fit = least_squares(errors[:1], errors[1])
        # Errors of k equal samples grow as k - 1 where a part is not divided by k, as
        # 1 - 1/k where it is divided once too often, as k (k - 1) where both are sums.
        if near(errors[1], fit, 1e-5) and min(abs(growth - g) for g in (2, 4 / 3, 3)) < 1e-6:
            yield (name,), cause("batch_part")


def _repeated(a: Array, times: int) -> Array:
    return np.repeat(a[:1], times, axis=0)


def in_time(views: Views) -> Found:
    """Right for the first time step alone, wrong for more of them."""
    for axis in (0, 1):
        T = views.steps(axis)
        first = views.part(_cutter(T, axis, slice(1))) if T > 1 and views.searchable else None
        names = _wrong_together(views, [first]) if first else ()
        if first and names and not _same_loss(views, _cutter(T, axis, slice(None, None, -1))):
            yield from ((names, each) for each in _time_causes(views, first, axis))
            return
        if names and axis:
            yield names, cause("joined")


def _cutter(T: int, axis: int, steps: slice) -> Callable[[Array], Array]:
    """Takes some time steps of the arrays that have T of them along an axis."""
    index = (*(slice(None),) * axis, steps)
    return lambda a: a[index] if a.ndim > axis and a.shape[axis] == T else a


def _time_causes(views: Views, first: View, axis: int) -> list[Cause]:
    """What may be wrong between steps; two steps of a few samples may show it."""
    found = [_two_steps(views, axis, i) for i in range(3)]
    if found[0] and all(other == found[0] for other in found):
        return [found[0]]
    early = (n for n, e in first.expected.items() if np.any(first.given[n]) and not np.any(e))
    return [cause("steps")] + ([] if any(early) else [cause("between_steps")])


def _two_steps(views: Views, axis: int, i: int) -> Cause | None:
    """Solve outer(x1, delta1) + outer(x2, delta2) for both deltas, right and claimed."""
    T, B = views.steps(axis), views.steps(1 - axis)

    def cut(a: Array, steps: int) -> Array:
        index = (slice(steps), slice(i, i + 1))[:: 1 - 2 * axis]
        if a.ndim > 1 and a.shape[axis] == T:
            return a[index]
        return a[i : i + 1] if len(a) == B else a

    one, two = (views.part(partial(cut, steps=steps)) for steps in (1, 2))
    if one is None or two is None:
        return None
    arrays = [a for a in two.batch if isinstance(a, np.ndarray)]
    for x in [a.reshape(2, -1) for a in arrays if a.ndim == 3 and a.dtype.kind == "f"][:1]:
        for name in views.measured.wrong:
            right, claimed = _deltas(x, two.expected[name]), _deltas(x, two.given[name])
            alone = _deltas(x[:1], one.expected[name])
            if right is None or claimed is None or alone is None:
                continue
            if found := _carried(two, right, claimed, alone[0]):
                return found
    return None


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
    lost = [largest(delta) < 1e-6 * largest(right) for delta in claimed]
    if any(lost):
        return cause("last_step" if lost[0] else "first_step")
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
    for name in views.measured.wrong:
        shape, ranks = views.here.parameters[name].shape, []
        for view in views.atoms if len(shape) == 2 else ():
            g, e = view.given[name], view.expected[name]
            ranks.append([np.linalg.matrix_rank(m, tol=1e-6 * largest(e)) for m in (e, g, g - e)])
        if ranks and all(min(shape) > e == g + d and g > 0 and d > 0 for e, g, d in ranks):
            yield (name,), cause("second_use", name=name)


def own_term(views: Views) -> Found:
    """An argument that moves the gradient, but not the error of it, or not what is claimed."""
    full = views.full
    moved = list(_moved(views)) if views.searchable and len(full.parameters) <= 12 else []
    for name in views.measured.wrong:
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
            batch = tuple(changed if j == k else b for j, b in enumerate(views.batch))
            if view := views.look(p, batch):
                yield f"batch[{k}]", view


def turned_square(views: Views) -> Found:
    """A square matrix used where its transpose belongs: M @ given = M.T @ expected."""
    points = views.points[1:]
    for matrix, M in views.here.parameters.items():
        for name in views.measured.wrong if M.ndim == 2 and M.shape[0] == M.shape[1] > 1 else ():
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
    full, names = views.full, tuple(views.measured.wrong)
    if not views.searchable or views.measured.unsummed:
        return
    rate, e = 1e-4, full.expected
    given, expected = (np.concatenate([np.ravel(a[n]) for n in names]) for a in (full.given, e))
    for _ in range(12):  # secant steps from a change that is small enough to be linear
        there = views.measured.numerical({n: p - rate * e[n] for n, p in full.parameters.items()})
        change = np.concatenate([np.ravel(there[n]) for n in names]) - expected
        (factor,), fit = least_squares([change], given - expected)
        if not near(given - expected, fit, 0.5) or not np.isfinite(factor):
            return  # the error does not point where an update would have taken the gradient
        rate *= float(factor)
        enough = len(given) > 2 and rate > 0
        if enough and abs(factor - 1) < 1e-9 and near(given - expected, fit, 1e-6):
            yield names, cause("updated", W="the parameters", rate=rate)
            return


def jacobian(views: Views) -> Found:
    """`check_vjp`: each output is differentiated by its own input only, or J is transposed."""
    for name, (claimed, right) in views.measured.jacobians.items():
        if right.shape[0] == right.shape[1]:
            diagonal = np.eye(len(right), dtype=bool)
            if near(claimed, claimed * diagonal) and np.any(right[~diagonal]):
                yield (name,), cause("diagonal")
            elif near(claimed, right.T) and not near(right, right.T):
                yield (name,), cause("jacobian")
