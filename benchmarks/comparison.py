"""What is compared, the proof that it is the same, and the comparison.

A case is a size of network and of batch. For each case and peer: both sides start from the same
parameters and must arrive at the same ones; every variant of the peer is tried on a part of the
work, which also warms both sides up; then the fastest variant runs against ours, in pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from sides import Array, Task, ours, start
from timing import Job, best_of, paired

LEARNING_RATE = 0.01
_TRIED_SAMPLES = 1000

# float32 rounds in the eighth digit, of parameters a hundred times as large as what a few steps
# change, sums over 784 terms and further steps add theirs: 1e-5 of the largest change is what
# correct sides differ by. A wrong factor, a missing bias or a forgotten last batch is 1e-2 or more.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Case:
    """What to time: ``"training"`` or ``"reconstruction"`` with this many hidden units.

    Of images that are mostly background, or of `dense` ones, whose pixels all differ.
    """

    kind: str
    hidden: int
    batch_size: int = 1
    dense: bool = False

    @property
    def name(self) -> str:
        """The name used on the command line."""
        work = "reconstruct" if self.kind == "reconstruction" else f"b{self.batch_size}"
        return f"{work}-h{self.hidden}" + self.dense * "-dense"

    def variants(self, side: ModuleType, task: Task) -> dict[str, Callable]:
        """Return the ways in which a side can do this."""
        return getattr(side, self.kind)(task)


CASES = (
    *(Case("training", h) for h in (2, 28, 112)),
    *(Case("training", h, B) for B in (32, 128, 1024) for h in (28, 112)),
    *(Case("training", h, B, dense=True) for B in (1, 128) for h in (28, 112)),
    *(Case("reconstruction", h, dense=dense) for dense in (False, True) for h in (28, 112)),
)


@dataclass(frozen=True)
class Effort:
    """How much is run: samples and epochs of a training run, and how often."""

    samples: int = 20_000
    epochs: int = 10
    rounds: int = 5
    slow_samples: int = 2000
    reconstructed: int = 10_000


class DisagreementError(AssertionError):
    """Two sides compute different things."""


def compare(case: Case, peer: ModuleType, X: Array, effort: Effort) -> dict[str, Any]:
    """Verify, warm up, and time ours against a peer.

    Parameters
    ----------
    case : Case
    peer : module of `sides`
    X : float32 array, shape (n, I)
    effort : Effort

    Returns
    -------
    dict
        What was run, and the numbers of `timing.Paired.summary`.

    Raises
    ------
    DisagreementError
        If the two sides do not compute the same.
    """
    task = _task(case, X, effort)
    difference = verify(case, peer, task) if peer.COMPARABLE else None
    _fastest(case, ours, task)
    variant, tried = _fastest(case, peer, task)
    its_task = task
    if case.kind == "training" and case.batch_size == 1 and peer.SLOW_STEPS:
        its_task = task.shortened(effort.slow_samples)
    # A reconstruction takes 10 ms, and the first ones get their memory from the system.
    rounds = effort.rounds * (5 if case.kind == "reconstruction" else 1)
    result = paired(_job(case, ours, task), _job(case, peer, its_task, variant), rounds)
    return {
        "case": case.name,
        "kind": case.kind,
        "hidden": case.hidden,
        "batch_size": case.batch_size,
        "peer": peer.NAME,
        "variant": variant,
        "tried_us": tried,
        "peer_samples": len(its_task.X) * its_task.epochs,
        "relative_difference": difference,
        **result.summary(),
    }


def _task(case: Case, X: Array, effort: Effort) -> Task:
    parameters = start(X.shape[1], case.hidden)
    if case.dense:
        X = np.random.default_rng(0).random(X.shape, np.float32)
    if case.kind == "reconstruction":
        return Task(X[: effort.reconstructed], parameters, 1, 1, LEARNING_RATE)
    X = X[: effort.samples]
    return Task(X, parameters, case.batch_size, effort.epochs, LEARNING_RATE)


def _job(case: Case, side: ModuleType, task: Task, variant: str | None = None) -> Job:
    """Prepare a side for the work, in the variant given or its only one."""
    variants = case.variants(side, task)
    prepare = variants[variant] if variant else next(iter(variants.values()))
    return Job(prepare(), len(task.X) * task.epochs)


def _fastest(case: Case, side: ModuleType, task: Task) -> tuple[str, dict[str, float]]:
    """Try each variant on some of the work; return the best, and what each took per sample."""
    short = task.shortened(max(_TRIED_SAMPLES, 2 * task.batch_size))
    tried = {}
    for name, prepare in case.variants(side, short).items():
        run = prepare()
        run()
        tried[name] = 1e6 * best_of(run, 3) / len(short.X)
    return min(tried, key=lambda name: tried[name]), tried


def verify(case: Case, peer: ModuleType, task: Task) -> float:
    """Have both sides do a little of the work, every variant of it, and compare the results.

    Trained parameters are compared by what the training has changed, array by array: parameters
    that have hardly moved are equal whatever moved them.

    Returns
    -------
    float
        The largest difference, relative to the largest entry of the array it is in.

    Raises
    ------
    DisagreementError
        If it is above `TOLERANCE`.
    """
    few = task.shortened(max(50, 2 * task.batch_size + task.batch_size // 2))
    expected = _outcome(case, few, next(iter(case.variants(ours, few).values())))
    worst = 0.0
    for name, prepare in case.variants(peer, few).items():
        difference = _largest_difference(_outcome(case, few, prepare), expected)
        if not difference < TOLERANCE:
            raise DisagreementError(
                f"{case.name}: {peer.NAME} ({name}) differs from ours by {difference:.1e} of the "
                f"largest entry; expected less than {TOLERANCE:g}"
            )
        worst = max(worst, difference)
    return worst


def _outcome(case: Case, task: Task, prepare: Callable) -> dict[str, Array]:
    """Return the reconstruction, or the changes that training made to the parameters."""
    result = prepare()()
    if case.kind == "reconstruction":
        return {"output": result}
    return {name: result[name] - value for name, value in task.parameters.items()}


def _largest_difference(given: dict[str, Array], expected: dict[str, Array]) -> float:
    return max(
        float(np.max(np.abs(given[name] - array)) / np.max(np.abs(array)))
        for name, array in expected.items()
    )
