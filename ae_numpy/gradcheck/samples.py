"""Mistakes that show when samples or time steps are taken away from the batch, or changed.

If each sample alone is right, the error is in what joins them: a sum, a mean, a loop over time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ae_numpy.gradcheck.mistakes import Cause, number
from ae_numpy.gradcheck.packing import Array, largest
from ae_numpy.gradcheck.views import View, Views, least_squares, near

Found = Iterator[tuple[tuple[str, ...], Cause]]


def one_sample(views: Views) -> Found:
    """Only one row of the batch contributes: a loop that overwrites where it should add."""
    B, full = views.rows, views.full
    for i, alone in enumerate(views.singles if B > 1 else []):
        if names := _multiples(views, full, alone.expected):
            which = {0: "first", B - 1: "last"}.get(i, f"{i + 1}th")
            yield names, Cause(
                "one_sample", f"only the {which} sample is used",
                "The other samples are lost: a loop assigns (dW = ...) where it should add "
                "(dW += ...), or only one row is read.",
            )  # fmt: skip


def broadcast(views: Views) -> Found:
    """(N,) against (N, 1): every output is compared with every target, that is with their mean."""
    B = views.rows
    for k, y in enumerate(views.batch or ()) if B > 1 and views.searchable else ():
        if isinstance(y, np.ndarray) and y.dtype.kind == "f" and y.size == B:
            mean = np.full_like(y, y.mean())
            batch = tuple(mean if j == k else a for j, a in enumerate(views.batch))
            expected = views.measured.numerical(views.full.parameters, batch)
            names = _multiples(views, views.full, expected)
            if any(not _parallel(views.full, name) for name in names):
                yield names, Cause(
                    "broadcast", f"(N,) and (N, 1) broadcast to ({B}, {B})",
                    "Every output is compared with every target instead of its own: "
                    "give both the same shape before you subtract them.",
                )  # fmt: skip


def _multiples(views: Views, view: View, expected: dict[str, Array]) -> tuple[str, ...]:
    """Wrong arrays whose claimed gradient is 1, B or 1/B times something, beside a penalty."""
    names = []
    for name in views.measured.wrong:
        p = view.parameters[name]
        for columns in ([expected[name]], [expected[name], p])[: 2 if p.size > 3 else 1]:
            x, fit = least_squares(columns, view.given[name])
            known = min(abs(x[0] * share - 1) for share in (1, views.rows, 1 / views.rows)) < 1e-6
            if known and near(view.given[name], fit) and not view.right(name):
                names.append(name)
                break
    return tuple(names)


def _parallel(view: View, name: str) -> bool:
    return near(view.given[name], least_squares([view.expected[name]], view.given[name])[1])


def repeated_rows(views: Views) -> Found:
    """Indices that occur more than once: only their last contribution is left."""
    for index in views.batch or ():
        if not (isinstance(index, np.ndarray) and index.dtype.kind in "iu" and index.size):
            continue
        rows, counts = np.unique(index, return_counts=True)
        for name in views.measured.wrong:
            wrong = wrong_entries(views.full, name)
            if not wrong.ndim or rows[0] < 0 or rows[-1] >= len(wrong):
                continue
            at = set(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1)))
            once = set(rows[counts == 1])
            if at and at <= set(rows[counts > 1]) and (once or len(at) > 1):
                yield (name,), Cause(
                    "repeated_rows", "contributions to the same row overwrite each other",
                    "Only rows whose index occurs more than once in the batch are wrong: "
                    "dE[index] += g keeps the last of them, np.add.at(dE, index, g) adds them all.",
                )  # fmt: skip


def wrong_entries(view: View, name: str) -> Array:
    """True where the claimed gradient is wrong, for what is known of it."""
    g, e = view.given[name], view.expected[name]
    if g.shape != e.shape:
        return np.ones(e.shape, bool)
    return np.abs(g - e) > view.tolerance * max(largest(np.nan_to_num(e)), largest(g))


def joined(views: Views) -> Found:
    """Arrays that are right for each sample alone and wrong together."""
    full, parts = views.full, views.singles if views.rows > 1 else []
    names = _wrong_together(views, parts)
    if names and len(parts) == views.rows and all(_adds_up(full, parts, name) for name in names):
        yield from _uneven(views, names)
    elif names:
        swapped = tuple(a[::-1] if isinstance(a, np.ndarray) and a.ndim else a for a in views.batch)
        if _same_loss(views, swapped):
            yield names, JOINED


JOINED = Cause(
    "cross_terms", "what the samples, or the steps, do to each other is missing or wrong",
    "Each alone is right, several together are not: a mean, a variance, a softmax or a sum joins "
    "them, and its derivative is part of the gradient.", False,
)  # fmt: skip


def _adds_up(full: View, parts: list[View], name: str) -> bool:
    """Is the right gradient of the batch a sum, or a mean, of those of its samples?"""
    total = np.sum([part.expected[name] for part in parts], axis=0)
    return near(full.expected[name], least_squares([total], full.expected[name])[1], 1e-6)


def _same_loss(views: Views, batch: tuple) -> bool:
    a, b = (views.measured.loss(views.full.parameters, each) for each in (views.batch, batch))
    return bool(abs(a - b) <= 1e-9 * abs(a))


def _wrong_together(views: Views, parts: list[View]) -> tuple[str, ...]:
    """The wrong arrays, if in every part all arrays are right that the loss depends on there."""
    active = [[n for n, e in part.expected.items() if np.any(e)] for part in parts]
    if any(active) and all(all(map(v.right, names)) for v, names in zip(parts, active, strict=True)):
        return views.measured.wrong
    return ()


def _uneven(views: Views, names: tuple[str, ...]) -> Found:
    """Independent samples, each alone right: a part has the wrong power of the batch size."""

    def error(times: int) -> dict[str, Array] | None:
        view = views.part(lambda a: np.repeat(a[:1], times, axis=0))
        return view and {name: view.given[name] - view.expected[name] for name in names}

    two, three = error(2), error(3)
    if two is None or three is None:
        return
    for name in names:
        (growth,), fit = least_squares([two[name]], three[name])
        # Errors of k equal samples grow as k - 1 where a part is not divided by k, as
        # 1 - 1/k where it is divided once too often, as k (k - 1) where both are sums.
        if near(three[name], fit, 1e-5) and min(abs(growth - g) for g in (2, 4 / 3, 3)) < 1e-6:
            yield (name,), Cause(
                "batch_factor", "the batch size is missing, or once too often, on a part",
                "One sample alone is right, and with more of them the error grows as if one term "
                "of the gradient had another power of the batch size than the rest.", False,
            )  # fmt: skip


def in_time(views: Views) -> Found:
    """Right for the first time step alone, wrong for more of them."""
    for axis in (0, 1):
        T = views.steps(axis)
        if T < 2 or not views.searchable:
            continue
        order = (slice(None),) * axis + (slice(None, None, -1),)
        turned = _cut_all(views, T, axis, order)
        first = views.part(_cutter(T, axis, (slice(None),) * axis + (slice(1),)))
        names = _wrong_together(views, [first]) if first else ()
        if names and _same_loss(views, turned):
            yield from ((names, JOINED),) if axis else ()
        elif names:
            yield from _in_time(views, names, axis)
            return


def _cutter(T: int, axis: int, index: tuple[slice, ...]):
    """Cuts every array of the batch that has the time steps along an axis."""
    return lambda a: a[index] if a.ndim > axis and a.shape[axis] == T else a


def _cut_all(views: Views, T: int, axis: int, index: tuple[slice, ...]) -> tuple:
    cut = _cutter(T, axis, index)
    return tuple(cut(a) if isinstance(a, np.ndarray) else a for a in views.batch)


def _in_time(views: Views, names: tuple[str, ...], axis: int) -> Found:
    """What is carried from step to step; two steps of a few samples say how."""
    found = [_two_steps(views, axis, i) for i in range(3)]
    cause = found[0] if found[0] and all(other == found[0] for other in found) else None
    yield names, cause or Cause(
        "time_steps", "what one step hands to the next is missing or wrong",
        "One step alone is right, several are not: add what every step contributes (+=), and add "
        "the gradient that comes back from the next step to that of this one.", False,
    )  # fmt: skip
    if cause is None and _first_uses(views, axis):
        return
    if cause is None:
        yield names, Cause(
            "activation_derivative", "the derivative of the activation between two steps",
            "What comes back from the next step must pass that step's activation, and the "
            "transposed recurrent weights, before it is added.", False,
        )  # fmt: skip


def _first_uses(views: Views, axis: int) -> bool:
    """Does an array get a gradient from a single step, although it has no influence there?"""
    T = views.steps(axis)
    first = views.part(_cutter(T, axis, (slice(None),) * axis + (slice(1),)))
    return first is not None and any(
        np.any(first.given[n]) and not np.any(first.expected[n]) for n in views.measured.wrong
    )


def _two_steps(views: Views, axis: int, i: int) -> Cause | None:
    """Solve outer(x1, delta1) + outer(x2, delta2) for both deltas, right and claimed."""
    T = views.steps(axis)

    def sample(steps: int) -> View | None:
        sides = [slice(steps), slice(i, i + 1)]
        index = tuple(sides if axis == 0 else sides[::-1])

        def cut(a: Array) -> Array:
            if a.ndim > 1 and a.shape[axis] == T:
                return a[index]
            return a[i : i + 1] if len(a) == views.steps(1 - axis) else a

        return views.part(cut)

    one, two = sample(1), sample(2)
    if one is None or two is None or not two.batch:
        return None
    x = next((a.reshape(2, -1) for a in two.batch if isinstance(a, np.ndarray) and a.ndim == 3 and a.dtype.kind == "f"), None)
    if x is None:
        return None
    for name in views.measured.wrong:
        right, claimed = (_deltas(x, arrays[name]) for arrays in (two.expected, two.given))
        alone = _deltas(x[:1], one.expected[name])
        if right is not None and claimed is not None and alone is not None:
            if cause := _carried(two, right, claimed, alone[0]):
                return cause
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
    size = largest(right)
    if largest(claimed[0]) < 1e-6 * size:
        return Cause(
            "time_steps", "only the last time step contributes",
            "The contributions of the earlier steps are lost: add them up over time (+=).",
        )  # fmt: skip
    if largest(claimed[1]) < 1e-6 * size:
        return Cause(
            "time_steps", "only the first time step contributes",
            "The loop back over time assigns (dW = ...) where it should add (dW += ...), so only "
            "what it computes last is left.",
        )  # fmt: skip
    if not near(claimed[1], right[1], 1e-6):
        return None
    if near(claimed[0], alone, 1e-6):
        return Cause(
            "time_steps", "no gradient comes back from the next time step",
            "dh of a step is what its output sends plus what the next step sends back.",
        )  # fmt: skip
    for name, W in view.parameters.items():
        if W.ndim == 2 and W.shape == (right.shape[1],) * 2:
            ways = (right[1] @ W.T, right[1] @ W)
            # What comes back, claimed / right, is the quotient of the ways; the rest of delta is
            # that of one step, or nothing where the loss looks at the last step only.
            if any(
                near((claimed[0] - rest) * a, (right[0] - rest) * b, 1e-5)
                for rest in (alone, 0.0 * alone)
                for a, b in (ways, ways[::-1])
            ):
                return Cause(
                    "untransposed_weights", f"{name} carried the gradient back in time untransposed",
                    f"Forward goes h @ {name}, so back goes delta @ {name}.T; a square matrix "
                    f"hides the mistake.",
                )  # fmt: skip
    return None


def second_use(views: Views) -> Found:
    """A matrix that is used twice, with the gradient of one use: ranks of a single sample."""
    for name in views.measured.wrong:
        if views.here.parameters[name].ndim != 2:
            continue
        ranks = [
            [np.linalg.matrix_rank(m, tol=1e-6 * largest(view.expected[name]))
             for m in (view.expected[name], view.given[name], view.given[name] - view.expected[name])]
            for view in views.atoms
        ]  # fmt: skip
        small = min(views.here.parameters[name].shape)
        if ranks and all(small > e == g + d and g > 0 and d > 0 for e, g, d in ranks):
            yield (name,), Cause(
                "missing_term", f"one of the uses of {name} is missing",
                f"For one sample the gradient of {name} is a sum of outer products, one for each "
                f"place where {name} is used, and only some of them are there: add them all.", False,
            )  # fmt: skip


def own_term(views: Views) -> Found:
    """A term of its own: some argument moves the gradient, but not the error of it, or reverse."""
    full = views.full
    if not views.searchable or len(full.parameters) > 12:
        return
    rng = np.random.default_rng(2)
    moved: list[tuple[str, View]] = []
    for other, p in full.parameters.items():
        if view := views.look(full.parameters | {other: p * rng.uniform(0.7, 1.3, p.shape)}):
            moved.append((other, view))
    for k, a in enumerate(views.batch or ()):
        if isinstance(a, np.ndarray) and a.dtype.kind == "f":
            changed = a * rng.uniform(0.7, 1.3, a.shape)
            batch = tuple(changed if j == k else b for j, b in enumerate(views.batch))
            if view := views.look(full.parameters, batch):
                moved.append((f"batch[{k}]", view))
    for name in views.measured.wrong:
        wrong = wrong_entries(full, name)
        for other, view in moved:
            if other == name or not wrong.any():
                continue
            g, e = (side[name][wrong] for side in (full.given, full.expected))
            g2, e2 = (side[name][wrong] for side in (view.given, view.expected))
            if near(e, e2, 1e-4):
                continue
            if near(g, g2, 1e-9) and np.any(g):
                yield (name,), Cause(
                    "missing_term", f"the path through {other} is missing",
                    f"The right gradient of {name} changes with {other}, the claimed one does "
                    f"not: a term, or a whole path back, is missing.", False,
                )  # fmt: skip
                break
            if near(g - e, g2 - e2, 1e-5) and not near(g, g2, 1e-4):
                yield (name,), Cause(
                    "missing_term", f"a term without {other} is missing or wrong",
                    f"What is wrong with {name} does not change with {other}: it is a term of its "
                    f"own, one in which {other} has no part, that is missing, counted twice or "
                    f"has the wrong sign or factor.", False,
                )  # fmt: skip
                break


def turned_square(views: Views) -> Found:
    """A square matrix used where its transpose belongs: M @ given = M.T @ expected."""
    full = views.full
    for matrix, M in full.parameters.items():
        if M.ndim != 2 or M.shape[0] != M.shape[1] or len(M) < 2:
            continue
        for name in views.measured.wrong:
            for view in views.points[1:]:
                M = view.parameters[matrix]
                if not _turned(view.given[name], view.expected[name], M):
                    break
            else:
                if len(views.points) > 1:
                    yield (name,), Cause(
                        "untransposed_weights", f"{matrix} is used where its transpose belongs",
                        f"Back goes through {matrix}.T, or solves with {matrix}.T; a square matrix "
                        f"hides the mistake.",
                    )  # fmt: skip


def _turned(g: Array, e: Array, M: Array) -> bool:
    for k in range(e.ndim):
        if e.shape[k] == len(M):
            g_, e_ = (np.moveaxis(a, k, 0).reshape(len(M), -1) for a in (g, e))
            if near(M @ g_, M.T @ e_, 1e-6) or near(M.T @ g_, M @ e_, 1e-6):
                return True
            if near(np.linalg.pinv(M) @ g_, np.linalg.pinv(M.T) @ e_, 1e-6):
                return True
            if near(np.linalg.pinv(M.T) @ g_, np.linalg.pinv(M) @ e_, 1e-6):
                return True
    return False


def jacobian(views: Views) -> Found:
    """`check_vjp`: each output is differentiated by its own input only."""
    for name, (claimed, right) in views.measured.jacobians.items():
        diagonal = np.eye(len(right), right.shape[1], dtype=bool)
        if right.shape[0] != right.shape[1] or not np.any(right[~diagonal]):
            continue
        if near(claimed, claimed * diagonal) and np.any(claimed):
            yield (name,), Cause(
                "cross_terms", "the Jacobian is taken to be diagonal",
                "Each output is differentiated with respect to the input at the same place alone, "
                "but the others move it too (softmax, a mean, a variance): their terms are missing.",
            )  # fmt: skip
        elif near(claimed, right.T) and not near(right, right.T):
            yield (name,), Cause(
                "untransposed_weights", "the Jacobian is transposed",
                "Backward multiplies by J where J.T belongs; a square J hides the mistake.",
            )  # fmt: skip
