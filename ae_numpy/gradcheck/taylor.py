"""The Taylor test: how fast the remainder of a linear model shrinks.

With the right gradient g, `R(h) = |f(p + h v) - f(p) - h g.v|` is the second-order term and
falls with slope 2 in a log-log plot; with a wrong one a first-order term is left over, and the
slope is 1 from where that term takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ae_numpy.gradcheck.numeric import Line
from ae_numpy.gradcheck.packing import Array

HALVINGS = 24


@dataclass(frozen=True, eq=False)
class Remainder:
    """The remainder along one direction.

    Attributes
    ----------
    steps, values : (24,) arrays
        `h` and `R(h)`.
    floor : float
        Rounding error of the remainder: values below it say nothing.
    """

    steps: Array
    values: Array
    floor: float

    @property
    def above(self) -> Array:
        """Which values stand clear of rounding, (24,) bool."""
        return np.isfinite(self.values) & (self.values > 10 * self.floor)

    @property
    def slope(self) -> float:
        """Slope of the smallest steps above the floor; NaN if the remainder is only rounding."""
        steps, values = self.steps[self.above][-6:], self.values[self.above][-6:]
        if len(steps) < 3:
            return float("nan")
        return float(np.polyfit(np.log(steps), np.log(values), 1)[0])

    @property
    def words(self) -> str:
        """The slope in print; a linear loss has no remainder, and so no slope."""
        return "none (all rounding)" if np.isnan(self.slope) else f"{self.slope:.2f}"


def remainder(line: Line, slope: float, step: float, noise: float) -> Remainder:
    """The remainder of `line` about 0 for a claimed derivative `slope`.

    Examples
    --------
    >>> right = remainder(lambda t: np.exp(t), 1.0, 0.1, 1e-16)
    >>> wrong = remainder(lambda t: np.exp(t), 1.01, 0.1, 1e-16)
    >>> print(f"{right.slope:.1f} {wrong.slope:.1f}")
    2.0 1.0
    """
    steps = step / 2.0 ** np.arange(HALVINGS)
    here = line(0.0).real
    values = np.array([abs(line(float(h)).real - here - h * slope) for h in steps])
    return Remainder(steps, values, 2 * noise)
