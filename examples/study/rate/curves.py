"""Rate-distortion curves: the best points of a method, and what is between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from study.rate.points import Point


@dataclass(frozen=True)
class Curve:
    """The points of a method that no other of its points beats in both bytes and error.

    Between them it is a straight line in the logarithms of both.

    Parameters
    ----------
    points : tuple of Point
        From the fewest bytes to the most.
    """

    points: tuple[Point, ...]

    @classmethod
    def of(cls, points: Iterable[Point]) -> Self:
        """Leave out the points that are beaten."""
        best: list[Point] = []
        for point in sorted(points, key=lambda point: (point.bytes_per_image, point.mse)):
            if not best or point.mse < best[-1].mse:
                best.append(point)
        return cls(tuple(best))

    @property
    def bytes(self) -> np.ndarray:
        """Bytes an image of the points, rising."""
        return np.array([point.bytes_per_image for point in self.points])

    @property
    def errors(self) -> np.ndarray:
        """Mean squared errors of the points, falling."""
        return np.array([point.mse for point in self.points])

    def mse_at(self, n_bytes: float) -> float:
        """Return the error at this many bytes an image; NaN outside of the points."""
        log = np.interp(
            np.log(n_bytes), np.log(self.bytes), np.log(self.errors), left=np.nan, right=np.nan
        )
        return float(np.exp(log))

    def bytes_for(self, mse: float) -> float:
        """Return the fewest bytes an image for an error no larger than this.

        An error larger than that of the first point takes the first point's bytes: the method
        cannot do with fewer. NaN if even the last point has a larger error.
        """
        errors, sizes = np.log(self.errors[::-1]), np.log(self.bytes[::-1])
        return float(np.exp(np.interp(np.log(mse), errors, sizes, left=np.nan)))

    def nearest(self, n_bytes: float) -> Point:
        """Return the point whose bytes an image are nearest in ratio."""
        return self.points[int(np.abs(np.log(self.bytes / n_bytes)).argmin())]


def overtaken_at(ours: Curve, theirs: Curve) -> float | None:
    """Return the bytes an image from which their error is smaller than ours, up to the end.

    None if it is larger at the most bytes that both curves reach.
    """
    low = max(ours.bytes[0], theirs.bytes[0])
    high = min(ours.bytes[-1], theirs.bytes[-1])
    if not low <= high:
        return None
    sizes = np.geomspace(low, high, 2001)[1:-1]  # the ends may be outside by rounding
    better = np.array([theirs.mse_at(n) < ours.mse_at(n) for n in sizes])
    if not better[-1]:
        return None
    last_worse = np.flatnonzero(~better)
    return float(sizes[last_worse[-1] + 1] if last_worse.size else sizes[0])
