"""At a kink: does the claim lie between the slopes on its sides?

Near a kink a loss is smooth, and its slopes there are those of the pieces that meet. A claim
between them, along each entry and along random directions, is a subgradient (Clarke, Optimization
and Nonsmooth Analysis, 1983); one outside any is wrong.
"""

from __future__ import annotations

import numpy as np

from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.probe import Probe

# Points at which the pieces are looked for and directions along which they are compared; more
# entries than LARGEST at kinks are left open.
POINTS, DIRECTIONS, LARGEST = 24, 32, 64
# Distance of the points, and of the differences there, relative to the parameters.
AWAY, STEP = 1e-4, 1e-7


def nearest_slopes(probe: Probe, name: str, entries: Array, claimed: Array) -> Array | None:
    """The slopes nearest to the claimed ones that the pieces allow; None if that is left open.

    Where the claim is a subgradient, these are the claimed slopes themselves.
    """
    if not 0 < len(entries) <= LARGEST or not np.isfinite(probe.noise):
        return None
    units = np.array([probe.unit(name, int(i)) for i in entries])
    points = [probe.problem.point + AWAY * probe.everywhere() for _ in range(POINTS)]
    around = np.array([[_slope(probe, name, p, unit) for unit in units] for p in points])
    if not np.all(np.isfinite(around)):
        return None
    low, high = around.min(axis=0), around.max(axis=0)
    rounding = 10 * probe.noise / (STEP * probe.size(name))
    # The pieces bend a little on the way to the points.
    slack = 1e-2 * (high - low) + 1e-3 * np.maximum(np.abs(low), np.abs(high)) + rounding
    nearest = np.clip(claimed, low, high)
    inside = np.abs(claimed - nearest) <= slack
    # One kink along an entry shows two slopes; of many at once, the extreme ones may not be seen.
    two_valued = np.all((around <= low + slack) | (around >= high - slack), axis=0)
    if np.any(~inside & two_valued):
        return np.where(inside, claimed, nearest)
    jumps, few = _span(around - around[0])
    projected = around[0] + (claimed - around[0]) @ jumps.T @ jumps
    if few and np.any(np.abs(projected - claimed) > 2 * slack.max()):
        return projected
    if np.all(inside) and _between(probe, name, units, around, claimed, 2 * slack.max()):
        return claimed
    return None


def _slope(probe: Probe, name: str, point: Array, direction: Array) -> float:
    """The slope of the loss near the kink, by one difference."""
    line = probe.moved(probe.problem.at(point)).line(direction)
    h = STEP * probe.size(name)
    return (line(h).real - line(-h).real) / (2 * h)


def _span(jumps: Array) -> tuple[Array, bool]:
    """Orthonormal directions of the jumps between pieces; are they fewer than points can show?"""
    sizes, directions = np.linalg.svd(jumps, full_matrices=False)[1:]
    rank = int(np.sum(sizes > 1e-2 * sizes[0]))
    return directions[:rank], rank <= POINTS // 2


def _between(
    probe: Probe, name: str, units: Array, around: Array, claimed: Array, slack: float
) -> bool:
    """Is the claimed slope between those of the pieces along random directions?"""
    h = STEP * probe.size(name)
    for weights in probe.rng.standard_normal((DIRECTIONS, len(claimed))):
        line = probe.line(weights @ units)
        sides = [(line(h) - line(0.0)).real / h, (line(0.0) - line(-h)).real / h]
        pieces = np.append(around @ weights, sides)
        reach = slack * np.abs(weights).sum()
        if not pieces.min() - reach <= claimed @ weights <= pieces.max() + reach:
            return False
    return True
