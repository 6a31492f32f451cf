"""From random numbers to pen paths: a glyph is chosen, varied as a hand varies it, and traced.

The variation has three scales. Every control point is moved a little (no two glyphs of one hand
are alike); the plane is bent and stretched smoothly (proportions differ between hands); the whole
is slanted and turned. The pen's width differs from image to image and along the path.

All of it is + - * / and square roots of uniform numbers, which IEEE 754 fixes to the last bit, so
that a seed's images do not depend on the processor. Drawing pixels is left to `stroke_digits`.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Points per path. The longest path is some 60 pixels long: points half a pixel apart.
N_POINTS = 112
# Samples per spline segment, from which the points of a path are picked.
SAMPLES = 64

# Spreads are standard deviations; lengths are in half glyph heights, the unit of the plane.
WIDTH, WIDTH_SPREAD = 0.9, 0.15
SLANT, SLANT_SPREAD = 0.12, 0.23
HALF_TURN_SPREAD = 0.05  # tangent of half the angle of rotation: 6 degrees
BEND_SPREAD, WAVE_SPREAD = 0.10, 0.07
JITTER_SPREAD = 0.10
PEN_RADIUS, PEN_SPREAD, PEN_SKEW, PRESSURE_SPREAD = 0.148, 0.27, 0.05, 0.14
# Under two thirds of a pixel a line turns grey, and broken where it is faint.
THINNEST_PEN = 0.07

N_STYLE = 14  # bell-shaped numbers per image, besides those for the control points


class Paths(NamedTuple):
    """Pen paths of B images: position and pen radius at P points each, all of shape (B, P)."""

    x: Floats
    y: Floats
    radius: Floats


class Alphabet(NamedTuple):
    """The glyph table as arrays, over V variants of at most C control points."""

    digit: NDArray[np.uint8]  # (V,)
    upper_bound: Floats  # (V,): variant v of digit d is chosen by a number in [d, d + 1) below it
    controls: Floats  # (V, C, 2)
    nearby: Indices  # (V, P, 4): the control points that pull at each point of the path
    weight: Floats  # (V, P, 4): how much they do


def write(uniform: Floats) -> tuple[NDArray[np.uint8], Paths]:
    """Write one digit per row of random numbers.

    Parameters
    ----------
    uniform : array, shape (B, n_uniform())
        Independent, uniform in [0, 1). A row decides everything about its image.

    Returns
    -------
    labels : uint8 array, shape (B,)
        The digits written, each as likely as the others.
    paths : Paths
        Where the pen went, y downwards, in units of about half the digit's height.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> labels, paths = write(rng.random((5, n_uniform())))
    >>> labels, paths.x.shape
    (array([0, 0, 2, 2, 1], dtype=uint8), (5, 112))
    """
    alphabet = load_alphabet()
    variant = np.searchsorted(alphabet.upper_bound, 10 * uniform[:, 0], side="right")  # (B,)
    normal = bell(uniform[:, 1:])
    style = normal[:, :N_STYLE].T[..., None]  # (N_STYLE, B, 1)
    jitter = normal[:, N_STYLE:].reshape(len(normal), -1, 2)  # (B, C, 2)

    x, y = np.moveaxis(alphabet.controls[variant] + JITTER_SPREAD * jitter, 2, 0)  # (B, C) each
    x, y = _lean(*_bend(x, y, style[:8]), style[8:11])
    x, y = (_trace(alphabet, variant, coordinate) for coordinate in (x, y))  # (B, P) each
    return alphabet.digit[variant], Paths(x, y, _press(style[11:]))


def n_uniform() -> int:
    """Return how many uniform numbers one image takes."""
    _, n_controls, n_axes = load_alphabet().controls.shape
    return int(1 + 3 * (N_STYLE + n_controls * n_axes))


def bell(uniform: Floats) -> Floats:
    """Turn triples of uniform numbers, (B, 3 n), into bell-shaped ones, (B, n), of variance 1.

    The sum of three uniforms is close to normal, but never beyond 3 standard deviations: an
    unbounded draw would occasionally wreck a digit.
    """
    return 2 * (uniform[:, 0::3] + uniform[:, 1::3] + uniform[:, 2::3] - 1.5)


def _bend(x: Floats, y: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Distort the plane smoothly, by quadratics (tapers, bows) and a cubic (a wave) per axis."""
    xx, xy, yy = x * x - 0.5, x * y, y * y - 0.5
    bend_x = BEND_SPREAD * (s[0] * xy + s[1] * yy + s[2] * xx)
    bend_y = BEND_SPREAD * (s[3] * xy + s[4] * yy + s[5] * xx)
    wave_x = WAVE_SPREAD * s[6] * y * (2 * yy - 0.5)
    wave_y = WAVE_SPREAD * s[7] * x * (2 * xx - 0.5)
    return x + bend_x + wave_x, y + bend_y + wave_y


def _lean(x: Floats, y: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Change the width, slant to the right, and rotate."""
    x = WIDTH * (1 + WIDTH_SPREAD * s[0]) * x - (SLANT + SLANT_SPREAD * s[1]) * y
    t = HALF_TURN_SPREAD * s[2]
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    return cos * x - sin * y, sin * x + cos * y


def _trace(alphabet: Alphabet, variant: Indices, controls: Floats) -> Floats:
    """Return one coordinate along the paths, (B, P), from that of the control points, (B, C)."""
    path = np.zeros((len(variant), N_POINTS))
    for k in range(4):
        pull = np.take_along_axis(controls, alphabet.nearby[variant, :, k], axis=1)  # (B, P)
        path += alphabet.weight[variant, :, k] * pull
    return path


def _press(s: Floats) -> Floats:
    """Return the pen's radius along the paths, (B, P): one mean, pressure that drifts."""
    time = np.linspace(-1, 1, N_POINTS)
    mean = PEN_RADIUS * (1 + PEN_SPREAD * s[0] + PEN_SKEW * (s[0] * s[0] - 1))
    pressure = 1 + PRESSURE_SPREAD * (s[1] * time + s[2] * (2 * time * time - 1))
    radius: Floats = np.maximum(mean * pressure, THINNEST_PEN)
    return radius


@cache
def load_alphabet() -> Alphabet:
    """Compile the glyph table, on first use.

    Returns
    -------
    Alphabet
        Arrays over all variants, in the order of the table.

    Examples
    --------
    >>> alphabet = load_alphabet()
    >>> bool(np.allclose(alphabet.weight.sum(axis=2), 1))
    True
    """
    table = glyphs().values()
    digit = np.repeat(np.arange(len(table), dtype=np.uint8), [len(variants) for variants in table])
    passed = [np.cumsum([share for share, _ in variants]) for variants in table]
    upper_bound = np.concatenate([value + sums / sums[-1] for value, sums in enumerate(passed)])
    drawn = [_parse(text) for variants in table for _, text in variants]
    most = max(len(points) for points, _ in drawn)
    padded = np.stack([np.pad(points, ((0, most - len(points)), (0, 0))) for points, _ in drawn])
    nearby, weight = map(np.stack, zip(*(_path(*variant) for variant in drawn), strict=True))
    return Alphabet(digit, upper_bound, padded, nearby, weight)


def glyphs() -> dict[str, Any]:
    """Read the glyph table: the variants of each digit, a share and a text of strokes each."""
    return tomllib.loads(files(__package__).joinpath("glyphs.toml").read_text("utf-8"))


def _parse(text: str) -> tuple[Floats, list[list[int]]]:
    """Return a variant's distinct control points, (C, 2) in [-1, 1], and its strokes of them."""
    distinct = list(dict.fromkeys(text.replace("|", " ").split()))
    numbered = [[distinct.index(point) for point in stroke.split()] for stroke in text.split("|")]
    return np.array([point.split(",") for point in distinct], float) / 50 - 1, numbered


def _path(points: Floats, strokes: list[list[int]]) -> tuple[Indices, Floats]:
    """Return nearby controls and weights, (P, 4) each, of points evenly spaced on all strokes."""
    pieces = [_spline(stroke) for stroke in strokes]
    nearby, weight = map(np.concatenate, zip(*pieces, strict=True))
    curve = (weight[..., None] * points[nearby]).sum(axis=1)
    step = np.diff(curve, axis=0, prepend=curve[:1])
    length = np.sqrt((step * step).sum(axis=1))
    starts = np.cumsum([len(nearby) for nearby, _ in pieces])[:-1]
    length[starts] = 0  # between strokes the pen is in the air
    passed = np.cumsum(length)
    chosen = np.searchsorted(passed, np.linspace(0, passed[-1], N_POINTS))
    return nearby[chosen], weight[chosen]


def _spline(stroke: list[int]) -> tuple[Indices, Floats]:
    """Return nearby controls and weights, (n, 4) each, of a cubic B-spline along control points."""
    padded = [stroke[0], *stroke, stroke[-1]]
    t = np.linspace(0, 1, SAMPLES)
    u = 1 - t
    basis = np.stack(
        [u * u * u, 4 - 3 * t * t * (1 + u), 4 - 3 * u * u * (1 + t), t * t * t], axis=1
    )
    nearby, weight = [], []
    for k in range(len(stroke) - 1):
        w = basis / 6  # (SAMPLES, 4)
        # Beyond either end is a mirror image, 2 p_end - p_next: it makes the curve pass
        # through the end. Its pull is shared out to the two points that it is made of.
        if k == 0:
            w[:, 1], w[:, 2], w[:, 0] = w[:, 1] + 2 * w[:, 0], w[:, 2] - w[:, 0], 0
        if k == len(stroke) - 2:
            w[:, 2], w[:, 1], w[:, 3] = w[:, 2] + 2 * w[:, 3], w[:, 1] - w[:, 3], 0
        nearby.append(np.tile(padded[k : k + 4], (SAMPLES, 1)))
        weight.append(w)
    return np.concatenate(nearby), np.concatenate(weight)
