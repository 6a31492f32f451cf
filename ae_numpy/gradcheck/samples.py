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
    """Wrong arrays whose claimed gradient is 1, B or 1/B times something."""
    names = []
    for name in views.measured.wrong:
        (factor,), fit = least_squares([expected[name]], view.given[name])
        known = min(abs(factor * share - 1) for share in (1, views.rows, 1 / views.rows)) < 1e-6
        if known and near(view.given[name], fit) and not view.right(name):
            names.append(name)
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
    names = _right_alone(views, views.singles) if views.rows > 1 else ()
    if not names:
        return
    full, parts = views.full, views.singles
    if len(parts) == views.rows and all(_adds_up(full, parts, name) for name in names):
        yield from _uneven(views, names)
        return
    swapped = tuple(a[::-1] if isinstance(a, np.ndarray) and a.ndim else a for a in views.batch)
    if _same_loss(views, swapped):
        yield names, Cause(
            "cross_terms", "what the samples do to each other is missing or wrong",
            "Each sample alone is right, several together are not: a mean, a variance or a sum "
            "over the batch joins them, and its derivative is part of the gradient.", False,
        )  # fmt: skip
    else:
        yield from _in_time(views, names, axis=0)


def _adds_up(full: View, parts: list[View], name: str) -> bool:
    """Is the right gradient of the batch a sum, or a mean, of those of its samples?"""
    total = np.sum([part.expected[name] for part in parts], axis=0)
    return near(full.expected[name], least_squares([total], full.expected[name])[1], 1e-6)


def _same_loss(views: Views, batch: tuple) -> bool:
    a, b = (views.measured.loss(views.full.parameters, each) for each in (views.batch, batch))
    return bool(abs(a - b) <= 1e-9 * abs(a))


def _right_alone(views: Views, parts: list[View]) -> tuple[str, ...]:
    """Wrong arrays that are right in every part, or of no influence there."""
    return tuple(
        name
        for name in views.measured.wrong
        if parts
        and all(part.right(name) or not np.any(part.expected[name]) for part in parts)
        and any(part.right(name) and np.any(part.expected[name]) for part in parts)
    )


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
    """Right for the first time step alone, wrong for more of them; steps along axis 1."""
    arrays = [a for a in views.batch or () if isinstance(a, np.ndarray)]
    steps = {a.shape[1] for a in arrays if a.ndim > 2 or (a.ndim == 2 and a.dtype.kind in "iu")}
    if len(steps) == 1 and views.searchable:
        (T,) = steps
        first = views.part(lambda a: a[:, :1] if a.ndim > 1 and a.shape[1] == T else a)
        if T > 1 and first and (names := _right_alone(views, [first])):
            yield from _in_time(views, names, axis=1)


def _in_time(views: Views, names: tuple[str, ...], axis: int) -> Found:
    yield names, Cause(
        "time_steps", "what one step hands to the next is missing or wrong",
        "One step alone is right, several are not: add what every step contributes (+=), and add "
        "the gradient that comes back from the next step to that of this one.", False,
    )  # fmt: skip
