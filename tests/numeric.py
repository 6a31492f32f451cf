"""Oracles: derivatives found without backpropagation, and the checks built on them.

Nothing here uses the package's formulas: `loss` is written out again, so that a mistake in the
package cannot hide in the number it is compared with. A check raises AssertionError.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

EPS = np.finfo(np.float64).eps  # 2.2e-16

# For an analytic function, Im f(p + i h) / h = f'(p) - h**2 f'''(p) / 6 + ...: nothing is
# subtracted, so h can be so small that the rest is far below rounding.
COMPLEX_STEP = 1e-30

# A gradient entry is a sum of products of a few dozen factors, each rounded by EPS; with
# pre-activations within +-5, 1 - a keeps all but two digits. So 1e-14 or so is reached; 1e-12
# allows for sums that cancel, and would catch any mistake of formula by ten powers of ten.
TOLERANCE = 1e-12

Arrays = dict[str, np.ndarray]
Gradients = Callable[[Arrays, np.ndarray, np.ndarray], Arrays]


def outputs(parameters: Arrays, X: np.ndarray) -> np.ndarray:
    """Pass X through all layers, for parameters of any dtype and moderate size."""
    a = X
    for layer in range(len(parameters) // 2):
        a = 1 / (1 + np.exp(-(a @ parameters[f"W{layer}"] + parameters[f"b{layer}"])))
    return a


def loss(parameters: Arrays, X: np.ndarray, target: np.ndarray):
    """J = 1 / (2 B) * sum((output - target)**2)."""
    return ((outputs(parameters, X) - target) ** 2).sum() / (2 * len(X))


def complex_step_gradients(parameters: Arrays, X: np.ndarray, target: np.ndarray) -> Arrays:
    """dJ/dp for every single parameter p, each by its own complex step."""
    steps = {name: array.astype(complex) for name, array in parameters.items()}
    gradients = {name: np.empty(array.shape) for name, array in parameters.items()}
    for name, array in steps.items():
        for index in np.ndindex(array.shape):
            array[index] += 1j * COMPLEX_STEP
            gradients[name][index] = loss(steps, X, target).imag / COMPLEX_STEP
            array[index] = array[index].real
    return gradients


def relative_error(given: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference in units of the largest expected entry.

    Zeros must match exactly: against an array of zeros any difference is infinite. So are values
    that are not finite, and arrays of another shape.
    """
    if given.shape != expected.shape or not np.isfinite(given).all():
        return np.inf
    difference = np.abs(given - expected).max()
    return float(difference / np.abs(expected).max()) if difference else 0.0


def assert_close(given: np.ndarray, expected: np.ndarray, tolerance: float, name: str = "") -> None:
    """Compare two arrays, relative to the largest expected entry."""
    error = relative_error(given, expected)
    assert error <= tolerance, f"{name} is off by {error:.2g} of its largest entry"


def trained(parameters: Arrays, bias_masks: Arrays) -> Arrays:
    """For every parameter, whether training moves it: weights always, biases as masked."""
    return {
        name: bias_masks.get(name, np.ones(array.shape, bool)) for name, array in parameters.items()
    }


def check_complex_step(
    gradients: Gradients,
    parameters: Arrays,
    X: np.ndarray,
    target: np.ndarray,
    bias_masks: Arrays,
    *,
    names: list[str] | None = None,
    tolerance: float = TOLERANCE,
) -> None:
    """Every entry of every array is what a complex step of the loss says; 0 where it is held."""
    given = gradients(parameters, X, target)
    assert given.keys() == parameters.keys()
    moves = trained(parameters, bias_masks)
    for name, derivative in complex_step_gradients(parameters, X, target).items():
        if names is None or name in names:
            assert_close(given[name], np.where(moves[name], derivative, 0), tolerance, f"d{name}")
            assert not given[name][~moves[name]].any(), f"d{name} of held biases is not exactly 0"


def check_taylor_remainder(
    gradients: Gradients,
    parameters: Arrays,
    X: np.ndarray,
    target: np.ndarray,
    bias_masks: Arrays,
) -> None:
    """|J(p + h v) - J(p) - h g.v| falls as h**2: with a wrong gradient it falls as h."""
    v = curved_direction(parameters, X, target, trained(parameters, bias_masks))
    given = gradients(parameters, X, target)
    directional = sum((given[name] * v[name]).sum() for name in v)
    start = loss(parameters, X, target)
    h = 2.0 ** -np.arange(7, 20)
    ends = [loss(moved(parameters, v, step), X, target) for step in h]
    remainder = np.abs(ends - start - h * directional)
    # The losses are rounded by a few EPS; where the remainder is 1e4 of them, it has two digits
    # and more, and its logarithm is right to 0.01.
    above = remainder > 1e4 * EPS * start
    assert above.sum() >= 3, "the loss is too flat here to measure a slope"
    slope = np.polyfit(np.log(h[above]), np.log(remainder[above]), 1)[0]
    assert 1.9 <= slope <= 2.1, f"the remainder falls as h**{slope:.3f}"


def moved(parameters: Arrays, direction: Arrays, h: float) -> Arrays:
    """The parameters, moved by h in a direction."""
    return {name: array + h * direction[name] for name, array in parameters.items()}


def curved_direction(
    parameters: Arrays, X: np.ndarray, target: np.ndarray, moves: Arrays
) -> Arrays:
    """Of eight random directions of length 1, that in which the loss is most curved.

    Where it is not curved, the remainder has no quadratic term to measure.
    """
    rng = np.random.default_rng(0)

    def curvature(v: Arrays) -> float:
        there, back = moved(parameters, v, 0.01), moved(parameters, v, -0.01)
        ends = loss(there, X, target) + loss(back, X, target)
        return abs(ends - 2 * loss(parameters, X, target))

    return max((random_direction(rng, moves) for _ in range(8)), key=curvature)


def random_direction(rng: np.random.Generator, moves: Arrays) -> Arrays:
    """A direction of length 1 that is 0 for what is held."""
    v = {name: rng.normal(size=where.shape) * where for name, where in moves.items()}
    length = np.sqrt(sum((array**2).sum() for array in v.values()))
    return {name: array / length for name, array in v.items()}


def check_batch_is_mean_of_samples(
    gradients: Gradients, parameters: Arrays, X: np.ndarray, target: np.ndarray
) -> None:
    """The gradient of a batch is the mean of the gradients of its samples."""
    singles = [gradients(parameters, x[None], t[None]) for x, t in zip(X, target, strict=True)]
    batch = gradients(parameters, X, target)
    for name, given in batch.items():
        samples = np.array([single[name] for single in singles])
        # Samples may cancel, so rounding is measured by the largest of them: a few dozen EPS.
        error = np.abs(given - samples.mean(axis=0)).max()
        assert error <= 1e-13 * np.abs(samples).max(), f"d{name} of a batch is off by {error:.2g}"


def assert_adjoint(u: np.ndarray, Jv: np.ndarray, v: list, JTu: list) -> None:
    """<u, J v> = <J' u, v>: what goes forward and what comes back are transposes."""
    forward = (u * Jv).sum()
    back = sum((a * b).sum() for a, b in zip(JTu, v, strict=True))
    # |u||Jv| bounds the left side; its rounding, and that of a few hundred products on the
    # right, is some dozen EPS of that.
    bound = 1e-13 * np.linalg.norm(u) * np.linalg.norm(Jv)
    assert abs(forward - back) <= bound, f"<u, Jv> = {forward!r}, but <J'u, v> = {back!r}"
