"""Whether the paper's claims about biases hold: one function per claim.

Differences are judged by their t intervals over seeds, in percent of the error without bias. One
is *noticeable* if its interval excludes 0 and its mean is beyond UNAFFECTED, it is *small* if its
whole interval is within UNAFFECTED; otherwise the seeds are too few to tell.
"""

from __future__ import annotations

from study.answers import reservation
from study.measures import LEVEL, BiasEffect, bias_effects
from study.paper import RATIOS
from study.results import Results
from study.statistics import can_reject
from study.verdicts import Verdict
from study.words import listing, percent, signed

# In Table 1 a bias changes the error by less than 1 % at 392x and 196x, called "relatively
# unaffected", and by 5 % (56x) to 38 % (7x) elsewhere, called "noticeable".
UNAFFECTED = 0.05

HIGH_RATIOS, LOWER_RATIOS = (392, 196), (98, 56, 28, 14, 7)


def unaffected_at_high_ratios(results: Results, protocol: str) -> Verdict:
    """The differences at 392x and 196x are small; if one is noticeable, the claim fails."""
    effects = _effects(results, protocol, HIGH_RATIOS)
    holds = True if all(map(is_small, effects)) else None
    return _verdict(protocol, False if any(map(is_noticeable, effects)) else holds, _why(effects))


def noticeable_at_lower_ratios(results: Results, protocol: str) -> Verdict:
    """The differences at all lower ratios are noticeable; if one is small, the claim fails."""
    effects = _effects(results, protocol, LOWER_RATIOS)
    holds = True if all(map(is_noticeable, effects)) else None
    return _verdict(protocol, False if any(map(is_small, effects)) else holds, _why(effects))


def inconsistent_direction(results: Results, protocol: str) -> Verdict:
    """There are noticeable differences in both directions at the lower ratios.

    The claim fails if they are found in one, and no interval reaches beyond UNAFFECTED in the
    other.
    """
    effects = _effects(results, protocol, LOWER_RATIOS)
    shown = {e.mean > 0 for e in effects if is_noticeable(e)}
    no_rise = all(e.high <= _bound(e) for e in effects)
    no_fall = all(e.low >= -_bound(e) for e in effects)
    holds = False if shown and (no_rise or no_fall) else None
    return _verdict(protocol, True if len(shown) == 2 else holds, _why(effects))


def artefact_of_training(results: Results, protocol: str) -> Verdict:
    """No difference at the lower ratios is real: all of them are shown to be small.

    Failing to reject chance does not prove it: the claim fails if the sign-flip test,
    Holm-corrected, rejects chance at a ratio, and is open if it does not but a difference may
    still be large.
    """
    effects = _effects(results, protocol, LOWER_RATIOS)
    n = effects[0].differences.size
    if not can_reject(n, len(RATIOS), LEVEL):
        return _verdict(protocol, None, f"{n} of each model cannot tell an effect from chance.")
    p_values = "sign-flip test, p after Holm: " + listing(
        f"{e.p_holm:.2g} at {e.ratio}x" for e in effects
    )
    real = [e for e in effects if e.p_holm <= LEVEL]
    if real:
        found = listing(f"{e.ratio}x{' (but small)' if is_small(e) else ''}" for e in real)
        return _verdict(protocol, False, f"The difference is real at {found} ({p_values}).")
    if all(map(is_small, effects)):
        why = f"No difference is shown, and all intervals are within {percent(UNAFFECTED)}"
        return _verdict(protocol, True, f"{why} ({p_values}).")
    return _verdict(protocol, None, f"No effect is shown, and none excluded ({p_values}).")


def is_noticeable(effect: BiasEffect) -> bool:
    """Whether the interval excludes 0 and the mean is beyond UNAFFECTED."""
    excludes_zero = effect.low > 0 or effect.high < 0
    return excludes_zero and abs(effect.mean) > _bound(effect)


def is_small(effect: BiasEffect) -> bool:
    """Whether the interval is within UNAFFECTED; False for one seed, which has no interval."""
    return -_bound(effect) <= effect.low and effect.high <= _bound(effect)


def _bound(effect: BiasEffect) -> float:
    return UNAFFECTED * effect.without


def _effects(results: Results, protocol: str, ratios: tuple[int, ...]) -> list[BiasEffect]:
    return [effect for effect in bias_effects(results, protocol) if effect.ratio in ratios]


def _verdict(protocol: str, holds: bool | None, why: str) -> Verdict:
    """Return a verdict that describes all comparisons under a protocol."""
    return Verdict(holds, f"{why} {reservation(protocol)}".strip())


def _why(effects: list[BiasEffect]) -> str:
    n_noticeable, n_small = (sum(map(kind, effects)) for kind in (is_noticeable, is_small))
    return (
        f"With bias {listing(map(_describe, effects))}: {n_noticeable} noticeable, {n_small} "
        f"small, {len(effects) - n_noticeable - n_small} that cannot be told."
    )


def _describe(e: BiasEffect) -> str:
    mean, low, high = (signed(value / e.without) for value in (e.mean, e.low, e.high))
    interval = f" ({low} to {high})" if e.differences.size > 1 else ""
    return f"{'less than 0.1' if mean == '0' else mean} %{interval} at {e.ratio}x"
