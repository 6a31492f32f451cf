"""The answers to the paper's questions, in a sentence each.

RQ1: how does the compression ratio influence the error? RQ2: how does a bias? What the paper claims
beyond that is judged in `claims`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from study.measures import (
    BIASES,
    LEVEL,
    BiasEffect,
    Cell,
    Step,
    below_pca,
    bias_effects,
    cells,
    chance_outside,
    means,
    steps,
    testable,
)
from study.paper import EPOCHS
from study.protocols import PROTOCOLS
from study.results import Results
from study.statistics import fewest_that_reject
from study.words import count, extent, listing


def answer_rq1(results: Results, protocol: str) -> str:
    """Say in a sentence how the ratio influences the error, averaged over seeds."""
    by_bias = {bias: steps(results, protocol, bias) for bias in BIASES}
    found = [step for of_kind in by_bias.values() for step in of_kind]
    if not found:
        only = means(results, protocol, True)
        return f"Only {listing(f'{ratio}x' for ratio in only)} was trained, which shows no trend."
    n = len(results.seeds_of(protocol))
    if all(step.mean > 0 for step in found):
        trend = f"The error rises {'in the mean ' if n > 1 else ''}at every step of the ratio"
    elif all(of_kind[-1].errors[1] > of_kind[0].errors[0] for of_kind in by_bias.values()):
        trend = "The error rises with the ratio, but not at every step"
    else:
        trend = "The error does not rise with the ratio throughout"
    if n > 1:
        n_shown = sum(step.rises is True for step in found)
        trend += f", and at {n_shown} of {len(found)} steps the interval of the rise excludes 0"
    parts = [
        f"{name} {course(by_bias[bias])}, better than PCA with as many components "
        f"{_at(len(below_pca(results, protocol, bias)), len(by_bias[bias]) + 1)}"
        for bias, name in BIASES.items()
    ]
    made_of = f"means over {n} seeds" if n > 1 else "one run of each model"
    return f"{trend}: {'; '.join(parts)} ({made_of})."


def course(taken: Sequence[Step]) -> str:
    """Say from where to where the error goes, and name the steps at which its mean falls."""
    first, last = taken[0], taken[-1]
    falls = [
        f"{a}x to {b}x ({step.errors[0]:.4f} to {step.errors[1]:.4f})"
        for step in taken
        for a, b in [step.ratios]
        if not step.mean > 0
    ]
    return (
        f"from {first.errors[0]:.4f} at {first.ratios[0]}x to {last.errors[1]:.4f} at "
        f"{last.ratios[1]}x{f' except from {listing(falls)}' if falls else ''}"
    )


def answer_rq2(results: Results, protocol: str) -> str:
    """Say in a sentence what trained biases change, and at how many ratios that is not chance."""
    effects = bias_effects(results, protocol)
    n, k = effects[0].differences.size, len(effects)
    if not testable(effects):
        return (
            f"{count(n, 'seed')}, fewer than the {fewest_that_reject(k, LEVEL)} that a test needs, "
            f"can tell no effect from chance, so effect sizes only: trained biases "
            f"{_lower_and_raise(effects, k)}{' in the mean' if n > 1 else ''}."
        )
    test = f"exact sign-flip test, Holm-corrected, {n} seeds"
    shown = [effect for effect in effects if effect.p_holm <= LEVEL]
    if not shown:
        return (
            f"No effect of trained biases is shown at any ratio ({test}); in the mean they "
            f"{_lower_and_raise(effects, k)}."
        )
    rest = [f"{effect.ratio}x" for effect in effects if effect not in shown]
    otherwise = f"; at {listing(rest)} no difference is shown" if rest else ""
    return f"Trained biases {_lower_and_raise(shown, k)}{otherwise} ({test})."


def _lower_and_raise(effects: Sequence[BiasEffect], n_ratios: int) -> str:
    """Say at how many ratios the error is lower or higher, and by how much of that without bias."""
    parts: list[str] = []
    for verb, sign in (("lower", -1), ("raise", 1)):
        sizes = [e.relative for e in effects if sign * e.mean > 0]
        if sizes:
            what = f"it at {len(sizes)}" if parts else f"the error {_at(len(sizes), n_ratios)}"
            parts.append(f"{verb} {what}, by {extent(sizes)}")
    return ", and ".join(parts) if parts else "do not change the error"


def _at(n_found: int, n_ratios: int) -> str:
    if n_found == n_ratios:
        return {1: "at the only ratio", 2: "at both ratios"}.get(
            n_ratios, f"at all {n_ratios} ratios"
        )
    return f"at {n_found or 'none'} of {n_ratios} ratios"


def reservation(protocol: str) -> str:
    """Say what a protocol's pairs of models differ in besides having biases; empty if nothing.

    It accompanies every statement about biases.
    """
    of = PROTOCOLS[protocol]
    if of.inherits_biases:
        return (
            "Here the models without bias hold the trained biases of their twins, frozen: this "
            "compares trained biases with frozen ones, and not with none."
        )
    if not isnan(of.decoder_bias):
        return (
            "The recipe was chosen on models with bias, but each kind has a good start of its own: "
            f"those with bias start with decoder biases of {of.decoder_bias:g}, those without with "
            "one constant hidden unit, whose weights to the pixels are the same."
        )
    return ""


def outside(found: Sequence[Cell]) -> str:
    """Say how many of the paper's values lie outside all seeds', and how many would by chance."""
    n_seeds, n_outside = found[0].values.size, sum(cell.outside for cell in found)
    return (
        f"{n_outside} of the paper's {len(found)} values lie outside those of our "
        f"{count(n_seeds, 'seed')}; "
        f"chance puts {len(found) * chance_outside(n_seeds):.1f} there, if the paper's run is one "
        "more of the same kind"
    )


def ranks(results: Results, protocol: str) -> str:
    """Give the ranks of a protocol that has several seeds, and say what they amount to."""
    found = cells(results, protocol)
    n_seeds = found[0].values.size
    return (
        f"The rank is the place of the paper's value among those of the {n_seeds} seeds of "
        f"`{protocol}`, rounded as in the paper: 1 if below all, {n_seeds + 1} if above all. "
        f"{outside(found)}."
    )


def of_another_experiment(results: Results) -> str:
    """Say what was trained if it is not the paper's data and epochs; else nothing."""
    quick, epochs = results.settings["quick"], results.settings["epochs"]
    if results.data["name"] == "mnist" and epochs == EPOCHS and not quick:
        return ""
    kind = "a quick check on" if quick else "of"
    return f"{kind} {results.data['title']} after {count(epochs, 'epoch')}"
