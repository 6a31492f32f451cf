"""What a bias is worth: the paper's second question where each kind of model has a good start.

A model without biases can hold one hidden unit constant, whose weights to the pixels are then the
decoder's bias, at the price of that unit. So it should do what a model with biases and one unit
fewer does, and a bias should be worth one unit. `bias_runs` has the models that tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from study.answers import answer_rq2
from study.bias_verdicts import UNAFFECTED
from study.measures import LEVEL, bias_effects
from study.paper import HIDDEN_UNITS
from study.results import Results, Trained
from study.statistics import Interval, t_interval
from study.words import count, extent, listing, percent, signed

# Set before the models of the study were trained: it is the least that this study calls noticeable
# for any claim about biases, for the reason given there.
MARGIN = UNAFFECTED

# Shares of a unit's highest activation. A constant unit moves the sum of a pixel by a thousandth of
# its weight: for weights up to 15 this moves no pixel by one of 255 grey levels. The training ends
# with most units near to that, on either side, so those ten times as far are counted, too.
CONSTANT, NEARLY = 1e-3, 1e-2

KINDS = {
    "bias": (0, True, "decoder biases"),
    "bias, one unit fewer": (1, True, "decoder biases"),
    "no bias": (0, False, "constant unit"),
    "no bias, plain start": (0, False, "plain"),
}
"""The four kinds of models: units that they lack, whether they have biases, and their start."""


@dataclass(frozen=True)
class Worth:
    """What the models of a ratio tell, over seeds.

    Parameters
    ----------
    ratio : int
    errors : dict of arrays
        By kind, shape (n_seeds,).
    difference : Interval
        The error without bias minus that with bias and one unit fewer, as a share of the latter's
        mean.
    unit : Interval
        What the last unit takes from the error of models with bias, as a share of that without it.
    spreads : array
        Those of the most constant units of the models that start plainly: see `ConstantUnit`.
    """

    ratio: int
    errors: dict[str, np.ndarray]
    difference: Interval
    unit: Interval
    spreads: np.ndarray

    @property
    def equivalent(self) -> bool:
        """Whether the whole interval of the difference is within MARGIN: False for one seed.

        A test: two one-sided t tests, each at half of LEVEL, reject a difference as large as that.
        """
        return bool(self.difference.low >= -MARGIN and self.difference.high <= MARGIN)

    def n_constant(self, share: float) -> int:
        """Count the models that start plainly and end with a unit constant to a share."""
        return int((self.spreads <= share).sum())

    def excess(self, kind: str) -> Interval:
        """Return by how much the error of a kind exceeds that of models with bias, as a share."""
        bias = self.errors["bias"]
        return t_interval((self.errors[kind] - bias) / bias.mean(), 1 - LEVEL)


def worths(results: Results) -> list[Worth]:
    """Return what a bias is worth at each ratio, the highest first; nothing without the study."""
    if not results.bias_study:
        return []
    return [_worth(results, ratio) for ratio in sorted(results.ratios, reverse=True)]


def _worth(results: Results, ratio: int) -> Worth:
    errors = {kind: _errors(results, HIDDEN_UNITS[ratio], *KINDS[kind]) for kind in KINDS}
    fewer = errors["bias, one unit fewer"]
    compared = [(errors["no bias"] - fewer) / fewer.mean(), (fewer - errors["bias"]) / fewer.mean()]
    spreads = [
        unit.spread
        for unit in results.constant_units
        if (unit.hidden_units, unit.start) == (HIDDEN_UNITS[ratio], "plain")
    ]
    return Worth(ratio, errors, *(t_interval(d, 1 - LEVEL) for d in compared), np.array(spreads))


def _errors(results: Results, hidden_units: int, fewer: int, bias: bool, start: str) -> np.ndarray:
    """Return the errors of a kind in the order of the seeds."""
    kind = (hidden_units - fewer, bias, start)
    by_seed = {
        run.seed: run.mse
        for run in results.bias_study
        if (run.hidden_units, run.bias, run.start) == kind
    }
    return np.array([by_seed[seed] for seed in sorted(by_seed)])


def answer_worth(results: Results) -> str:
    """Say in sentences what a bias is worth, and what its price is; empty without the study."""
    found = worths(results)
    if not found:
        return ""
    n, shown = found[0].errors["bias"].size, [w for w in found if w.equivalent]
    means = [w.difference.mean for w in found]
    differ = f"by {signed(min(means))} to {signed(max(means))} %"
    if n == 1:
        return (
            f"Models without biases that start with a constant unit differ {differ} from those "
            f"with biases and one unit fewer (1 seed, which has no interval). {_prices(found)}"
        )
    bounds = [abs(bound) for w in found for bound in (w.difference.low, w.difference.high)]
    says = (
        "A bias is worth one hidden unit: models without biases that start with a constant unit do "
        "what models with biases and one unit fewer do"
        if len(shown) == len(found)
        else "Models without biases that start with a constant unit are shown to do what models "
        f"with biases and one unit fewer do at {len(shown)} of {count(len(found), 'ratio')}"
    )
    return (
        f"{says}. Their error differs {differ}, and the furthest bound of a 95 % interval is "
        f"{percent(max(bounds), '.1f')}, where less than {percent(MARGIN)} was to count as equal "
        f"(two one-sided t tests at each ratio, {n} seeds). {_prices(found)}{_limits(found)}"
    )


def _limits(found: Sequence[Worth]) -> str:
    """Say where the test cannot tell one unit, and what the difference is next to it."""
    weak = [w for w in found if w.unit.mean < MARGIN]
    if not weak:
        return ""
    in_units = listing(f"{w.difference.mean / w.unit.mean:+.1f} at {w.ratio}x" for w in weak)
    return (
        f" Where the unit takes less than {percent(MARGIN)}, the test says little, because with "
        "biases h and h - 1 units count as equal, too; as a multiple of what the unit takes, the "
        f"difference there is {in_units}."
    )


def _prices(found: Sequence[Worth]) -> str:
    """Say what the unit is worth, and what happens without a constant unit at the start."""
    gains = listing(f"{percent(w.unit.mean, '.1f')} at {w.ratio}x" for w in found)
    excesses = [w.excess("no bias, plain start").mean for w in found]
    n_models = sum(w.spreads.size for w in found)
    constant, nearly = (_n_constant(found, share) for share in (CONSTANT, NEARLY))
    return (
        f"That unit takes {gains} off the error. Started plainly, {constant} of "
        f"{count(n_models, 'model')} without biases find a unit constant to "
        f"{percent(CONSTANT, 'g')} by themselves, and {nearly} one constant to {percent(NEARLY)}; "
        f"their error is {extent(excesses)} above that with biases."
    )


def _n_constant(found: Sequence[Worth], share: float) -> str:
    """Say how many models that start plainly end with a unit constant to a share, and where."""
    where = [f"{w.n_constant(share)} at {w.ratio}x" for w in found if w.n_constant(share)]
    n_found = sum(w.n_constant(share) for w in found)
    return f"{n_found} ({listing(where)})" if where else str(n_found)


def with_fair_starts(results: Results) -> Results:
    """Let models without bias under `corrected` be those that start with a constant unit."""
    mse = {(run.hidden_units, run.seed): run.mse for run in results.start_study}
    models = [
        replace(m, mse=mse[m.hidden_units, m.seed]) if _is_plain(m) else m for m in results.models
    ]
    return replace(results, models=models)


def _is_plain(model: Trained) -> bool:
    return model.protocol == "corrected" and not model.bias


def share_of_start(results: Results) -> str:
    """Say how much of the effects of biases under `corrected` is the start's."""
    if not results.start_study:
        return ""
    fair = with_fair_starts(results)
    answer = answer_rq2(fair, "corrected")
    by_bias, by_start = bias_effects(results, "corrected"), bias_effects(fair, "corrected")
    gains = listing(
        f"{percent((start.without - plain.without) / plain.without, '+.0f')} at {plain.ratio}x "
        f"({percent(plain.relative, '+.0f')})"
        for plain, start in zip(by_bias, by_start, strict=True)
    )
    return (
        "How much of this is the start's: one constant hidden unit at the start changes the error "
        f"of models without biases by {gains}; in brackets, what trained biases change. "
        f"Compared with models that start so, {answer[0].lower()}{answer[1:]}"
    )


def in_the_study(results: Results, protocol: str) -> str:
    """Return what the bias study adds to the answer under a protocol; empty if nothing."""
    added = {"tuned": answer_worth, "corrected": share_of_start}
    return added[protocol](results) if protocol in added else ""
