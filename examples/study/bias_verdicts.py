"""Whether the paper's claims about biases hold: one function per claim.

Differences are judged by their t intervals over seeds, in percent of the error without bias. One
is *noticeable* if its interval excludes 0 and its mean is beyond UNAFFECTED, it is *small* if its
whole interval lies within UNAFFECTED, and else the seeds are too few to tell.
"""

from __future__ import annotations

from study.answers import LEVEL, BiasEffect, bias_effects, listing
from study.paper import RATIOS
from study.protocols import PROTOCOLS
from study.results import Results
from study.statistics import can_reject
from study.verdicts import Verdict, percent

# In Table 1 a bias changes the error by less than 1 % at 392x and 196x, called "relatively
# unaffected", and by 5 % (56x) to 38 % (7x) elsewhere, called "noticeable".
UNAFFECTED = 0.05

HIGH_RATIOS, LOWER_RATIOS = (392, 196), (98, 56, 28, 14, 7)


def unaffected_at_high_ratios(results: Results, protocol: str) -> Verdict:
    """The differences at 392x and 196x are small; if one is noticeable, the claim fails."""
    effects = _effects(results, protocol, HIGH_RATIOS)
    holds = True if all(map(is_small, effects)) else None
    return Verdict(False if any(map(is_noticeable, effects)) else holds, _why(effects))


def noticeable_at_lower_ratios(results: Results, protocol: str) -> Verdict:
    """The differences at all lower ratios are noticeable; if one is small, the claim fails."""
    effects = _effects(results, protocol, LOWER_RATIOS)
    holds = True if all(map(is_noticeable, effects)) else None
    return Verdict(False if any(map(is_small, effects)) else holds, _why(effects))


def inconsistent_direction(results: Results, protocol: str) -> Verdict:
    """Some noticeable differences at the lower ratios are positive, and some negative.

    The claim fails if all noticeable ones have one direction, and no mean that is as large, but
    of an interval that includes 0, has the other.
    """
    effects = _effects(results, protocol, LOWER_RATIOS)
    shown = {e.mean > 0 for e in effects if is_noticeable(e)}
    found = {e.mean > 0 for e in effects if abs(e.relative) > UNAFFECTED}
    holds = False if shown and shown == found else None
    return Verdict(True if len(shown) == 2 else holds, _why(effects))


def artefact_of_training(results: Results, protocol: str) -> Verdict:
    """The sign-flip test, Holm-corrected, rejects chance at none of the lower ratios."""
    effects = _effects(results, protocol, LOWER_RATIOS)
    n = effects[0].differences.size
    if not can_reject(n, len(RATIOS), LEVEL):
        return Verdict(None, f"The sign-flip test cannot reject chance with {n} of each model.")
    n_rejected = sum(e.p_holm <= LEVEL for e in effects)
    p_values = listing(f"{e.p_holm:.2g} at {e.ratio}x" for e in effects)
    why = (
        f"At {n_rejected} of {len(effects)} lower ratios the difference recurs over {n} seeds as "
        f"it would not by chance (sign-flip test, p after Holm: {p_values})."
    )
    if PROTOCOLS[protocol].inherits_biases:
        why += " But here the models without bias do hold biases, those of their twins."
    return Verdict(n_rejected == 0, why)


def is_noticeable(effect: BiasEffect) -> bool:
    """Whether the interval excludes 0 and the mean is beyond UNAFFECTED."""
    excludes_zero = effect.low > 0 or effect.high < 0
    return excludes_zero and abs(effect.relative) > UNAFFECTED


def is_small(effect: BiasEffect) -> bool:
    """Whether the interval lies within UNAFFECTED; for one seed, without interval, it does not."""
    most = UNAFFECTED * effect.without
    return -most <= effect.low and effect.high <= most


def _effects(results: Results, protocol: str, ratios: tuple[int, ...]) -> list[BiasEffect]:
    return [effect for effect in bias_effects(results, protocol) if effect.ratio in ratios]


def _why(effects: list[BiasEffect]) -> str:
    n_noticeable, n_small = (sum(map(kind, effects)) for kind in (is_noticeable, is_small))
    return (
        f"With bias {listing(map(_describe, effects))}: {n_noticeable} noticeable, {n_small} "
        f"small, {len(effects) - n_noticeable - n_small} that cannot be told."
    )


def _describe(e: BiasEffect) -> str:
    mean, low, high = (percent(value / e.without, "+.1f") for value in (e.mean, e.low, e.high))
    interval = f" ({low} to {high})" if e.differences.size > 1 else ""
    return f"{mean}{interval} at {e.ratio}x"
