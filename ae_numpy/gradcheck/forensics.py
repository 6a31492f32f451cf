"""Which piece of a layer's backward pass is wrong, read off single samples.

For one sample the gradient of W is an outer product, and that of b is delta:

    z = x @ W + b    a = g(z)    e = delta_above @ W_above.T    delta = e * g'(z)    dW = outer(x, delta)

So x, z and delta follow from the right gradients without knowing the loss, a from the layer above,
and what was used in their place from the claimed gradients. A piece is named when it gives the
claimed numbers for all samples that were looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ae_numpy.gradcheck.mistakes import Cause, linear, number
from ae_numpy.gradcheck.packing import Array
from ae_numpy.gradcheck.views import View, Views, least_squares, near

# Derivatives of derivatives are divided by each other here: two digits less than elsewhere.
TOLERANCE = 1e-5


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _slope(z: Array) -> Array:
    return _sigmoid(z) * (1 - _sigmoid(z))


# Name: activation, its derivative of z, and how people write that.
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], str]] = {
    "the identity": (lambda z: z, np.ones_like, "1"),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, "1 - a**2"),
    "the sigmoid": (_sigmoid, _slope, "a * (1 - a)"),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, "z > 0"),
    "leaky relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01),
                   "1 or 0.01"),
    "leaky relu (0.1)": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z: np.where(z > 0, 1, 0.1),
                         "1 or 0.1"),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z)),
            "1 or a + 1"),
    "softplus": (lambda z: np.log1p(np.exp(z)), _sigmoid, "sigmoid(z)"),
    "swish": (lambda z: z * _sigmoid(z), lambda z: _sigmoid(z) + z * _slope(z),
              "s + z * s * (1 - s)"),
    "exp": (np.exp, np.exp, "exp(z)"),
    "the square": (lambda z: z**2, lambda z: 2 * z, "2 * z"),
    "the sine": (np.sin, np.cos, "cos(z)"),
}  # fmt: skip

# What people write for the derivative, of z and a = g(z).
WRITTEN: dict[str, Callable[[Array, Array], Array]] = {
    "1": lambda z, a: np.ones_like(a),
    "1 - a**2": lambda z, a: 1 - a**2,
    "a * (1 - a)": lambda z, a: a * (1 - a),
    "1 - z**2": lambda z, a: 1 - z**2,
    "z * (1 - z)": lambda z, a: z * (1 - z),
    "a": lambda z, a: a,
    "1 - a": lambda z, a: 1 - a,
    "z": lambda z, a: z,
    "1 - z": lambda z, a: 1 - z,
    "1 + a**2": lambda z, a: 1 + a**2,
    "1 + a": lambda z, a: 1 + a,
    "a**2": lambda z, a: a**2,
    "z > 0": lambda z, a: (z > 0) * 1.0,
    "z < 0 (the wrong side)": lambda z, a: (z < 0) * 1.0,
    "(a * (1 - a))**2": lambda z, a: (a * (1 - a)) ** 2,
    "(1 - a**2)**2": lambda z, a: (1 - a**2) ** 2,
    "1 - tanh(a)**2": lambda z, a: 1 - np.tanh(a) ** 2,
    "1 - tanh(z)**2": lambda z, a: 1 - np.tanh(z) ** 2,
    "1 - sigmoid(a)**2": lambda z, a: 1 - _sigmoid(a) ** 2,
    "sigmoid(z)": lambda z, a: _sigmoid(z),
    "sigmoid(a)": lambda z, a: _sigmoid(a),
    "sigmoid(z) * (1 - sigmoid(z))": lambda z, a: _slope(z),
    "sigmoid(a) * (1 - sigmoid(a))": lambda z, a: _slope(a),
    "1 or 0.01": lambda z, a: np.where(z > 0, 1, 0.01),
    "1 or 0.1": lambda z, a: np.where(z > 0, 1, 0.1),
    "exp(z)": lambda z, a: np.exp(z),
    "2 * z": lambda z, a: 2 * z,
    "cos(z)": lambda z, a: np.cos(z),
    "cos(a)": lambda z, a: np.cos(a),
    "sin(z)": lambda z, a: np.sin(z),
}


@dataclass(eq=False)
class Layer:
    """One matrix and what it met in S single samples; claimed values have a dash (_) behind.

    Attributes
    ----------
    names : tuple of str
        The matrix, and its bias if there is one.
    W, dW, dW_ : (S, I, O) arrays
    x : (S, I) array
    delta, delta_ : (S, O) arrays
    z : (S, O) array
    above : list of Layer
        The layers that take a = g(z) as their input.
    g : str
        The name of the activation, if it is known.
    mask : (S, O) array
        What a is multiplied by on its way up (dropout).
    """

    names: tuple[str, ...]
    W: Array
    dW: Array
    dW_: Array
    x: Array
    delta: Array
    delta_: Array
    z: Array
    above: list[Layer] = field(default_factory=list)
    g: str = ""
    mask: Array | float = 1.0

    @property
    def a(self) -> Array | None:
        """The output, before any mask."""
        if self.g:
            return ACTIVATIONS[self.g][0](self.z)
        return self.above[0].x if self.above else None

    @property
    def input_right(self) -> bool:
        return near(self.dW_, _outer(self.x, self.delta_), TOLERANCE)

    def carried(self, claimed: bool) -> Array:
        """The gradient that arrives at a from above, (S, O)."""
        deltas = (u.delta_ if claimed else u.delta for u in self.above)
        return np.sum([_back(d, u.W) for d, u in zip(deltas, self.above, strict=True)], axis=0)


def _outer(x: Array, delta: Array) -> Array:
    return np.einsum("si,so->sio", x, delta)


def _back(delta: Array, W: Array) -> Array:
    return np.einsum("so,sio->si", delta, W)


def layer_mistakes(views: Views) -> Iterator[tuple[tuple[str, ...], Cause]]:
    """What is wrong in each layer, for its arrays and for those below that only inherit it."""
    layers = read_layers(views)
    for layer in layers:
        if not near(layer.delta_, layer.delta, TOLERANCE):
            here = _wrong_delta(layer, layers) if layer.above else _wrong_output(layer)
            if cause := _normalised(layer) or here:
                yield _inheriting(layer, layers), cause
        if not layer.input_right and (cause := _wrong_input(layer, layers)):
            yield layer.names[:1], cause
    yield from scale_mistakes(views, layers)


def _inheriting(layer: Layer, layers: list[Layer]) -> tuple[str, ...]:
    """The arrays of a layer and of all below it."""
    names = layer.names
    for below in layers:
        if layer in below.above:
            names += _inheriting(below, layers)
    return names


def read_layers(views: Views) -> list[Layer]:
    """Every matrix whose gradient is an outer product for each sample, joined where a feeds x."""
    samples = views.atoms
    if not samples:
        return []
    layers: list[Layer] = []
    waiting = [n for n, p in samples[0].parameters.items() if p.ndim in (1, 2) and p.size > 1]
    for _ in range(3):  # what is read gives the inputs of what could not be read before
        for name in list(waiting):
            if layer := _read(name, samples, layers):
                layers.append(layer)
                waiting.remove(name)
    for layer in layers:
        _join(layer, layers)
    return layers


def _read(name: str, samples: list[View], layers: list[Layer]) -> Layer | None:
    """A matrix as a layer, (I, O) or (O, I), with a bias or with an input that is known."""
    for turned in (False, True):
        W, dW, dW_ = (_stack([part[name] for part in parts], turned) for parts in zip(
            *((s.parameters, s.expected, s.given) for s in samples), strict=True))  # fmt: skip
        keep = np.any(dW, axis=(1, 2))
        if keep.sum() < min(2, len(samples)):
            return None
        for x in _inputs(name, samples, layers, W, dW):
            clean = _without_penalty(dW, W, x)
            delta = _along(x, clean)
            if not near(clean[keep], _outer(x, delta)[keep], TOLERANCE):
                continue
            claimed_clean = _without_penalty(dW_, W, x)
            claimed, z = _along(x, claimed_clean), np.einsum("si,sio->so", x, W)
            bias = _bias(name, samples, delta)
            if bias:
                claimed = np.stack([np.ravel(s.given[bias]) for s in samples])
                z = z + np.stack([np.ravel(s.parameters[bias]) for s in samples])
            elif near(dW_, _outer(_across(delta, dW_), delta), TOLERANCE):
                claimed = delta
            arrays = (array[keep] for array in (W, clean, claimed_clean, x, delta, claimed, z))
            return Layer((name, bias) if bias else (name,), *arrays)
        if samples[0].parameters[name].ndim < 2:
            break
    return None


def _stack(arrays: list[Array], turned: bool) -> Array:
    """Matrices of all samples, (S, I, O); a vector is a matrix with one column."""
    stack = np.stack([a.reshape(len(a), -1) for a in arrays])
    return stack.transpose(0, 2, 1) if turned else stack


def _along(x: Array, dW: Array) -> Array:
    """The delta for which outer(x, delta) is nearest to dW, (S, O)."""
    return np.einsum("si,sio->so", x, dW) / np.sum(x * x, axis=1, keepdims=True)


def _across(delta: Array, dW: Array) -> Array:
    """The x for which outer(x, delta) is nearest to dW, (S, I)."""
    return np.einsum("sio,so->si", dW, delta) / np.sum(delta * delta, axis=1, keepdims=True)


def _without_penalty(dW: Array, W: Array, x: Array) -> Array:
    """dW without a multiple of W: of the penalty on W, the part across x is seen alone."""
    rest, weights = (m - _outer(x, _along(x, m)) for m in (dW, W))
    (rate,), fit = least_squares([weights], rest)
    return dW - rate * W if near(rest, fit, TOLERANCE) else dW


def _bias(name: str, samples: list[View], delta: Array) -> str:
    """The vector whose gradient is delta."""
    for bias, p in samples[0].parameters.items():
        if bias != name and p.size == max(p.shape, default=1) == delta.shape[1]:
            if near(np.stack([np.ravel(s.expected[bias]) for s in samples]), delta, TOLERANCE):
                return bias
    return ""


def _inputs(
    name: str, samples: list[View], layers: list[Layer], W: Array, dW: Array
) -> Iterator[Array]:
    """What the input of a matrix may be, (S, I): a batch row, an activation, seen beside a bias."""
    for k, a in enumerate(samples[0].batch or ()):
        if isinstance(a, np.ndarray) and a.size == dW.shape[1]:
            yield np.stack([np.ravel(s.batch[k]).astype(float) for s in samples if s.batch])
    for layer in layers:
        if layer.z.shape == dW.shape[:2]:
            yield from (g(layer.z) for g, _, _ in ACTIVATIONS.values())
    for bias, p in samples[0].parameters.items():
        # With one output everything is an outer product: that would be no evidence.
        if bias != name and p.size == max(p.shape, default=1) == dW.shape[2] > 1:
            delta = np.stack([np.ravel(s.expected[bias]) for s in samples])  # (S, O)
            rest, weights = (m - _outer(_across(delta, m), delta) for m in (dW, W))
            (rate,), fit = least_squares([weights], rest)
            clean = dW - rate * W if near(rest, fit, TOLERANCE) else dW
            if near(clean, _outer(_across(delta, clean), delta), TOLERANCE):
                yield _across(delta, clean)


def _join(layer: Layer, layers: list[Layer]) -> None:
    """Find the layers above, and the activation between."""
    above = [u for u in layers if u is not layer and u.x.shape == layer.z.shape]
    tries = [(name, None) for name in ACTIVATIONS]
    tries += [(name, u) for name in ACTIVATIONS if name != "the identity" for u in above]
    for name, masked in tries:
        g, derivative, _ = ACTIVATIONS[name]
        mask = np.ones_like(layer.z) if masked is None else _mask(masked.x, g(layer.z))
        if above:
            layer.above = [u for u in above if near(u.x, g(layer.z) * mask, TOLERANCE)]
            right = layer.carried(False) * mask * derivative(layer.z) if layer.above else mask
            if layer.above and near(layer.delta, right, TOLERANCE):
                layer.g, layer.mask = name, mask
                return
    layer.above = []
    order = layers.index(layer)
    if len(above) == 1 and layers.index(above[0]) > order and len(above[0].names) > 1:
        layer.above = above


def _mask(x: Array, a: Array) -> Array:
    """The mask (dropout, scaled) between an activation and what the next layer got: 0 or one number."""
    quotients = x[x != 0] / a[x != 0]
    scale = float(np.median(quotients)) if quotients.size else 0.0
    return np.where((x == 0) & (np.abs(a) > 1e-9 * np.max(np.abs(a))), 0.0, scale)


def _right(layer: Layer) -> Array:
    """g'(z): of the activation if that is known, otherwise as it must have been."""
    if layer.g:
        return ACTIVATIONS[layer.g][1](layer.z)
    return layer.delta / layer.carried(False)  # then there is no mask


def _wrong_delta(layer: Layer, layers: list[Layer]) -> Cause | None:
    """What was used in place of e * g'(z); None if nothing or nothing known was."""
    e, right, a = layer.carried(True) * layer.mask, _right(layer), layer.a
    if a is None or near(layer.delta_, e * right, TOLERANCE):
        return None
    where = f"the gradient of {layer.names[0]}"
    for written, formula in WRITTEN.items():
        if near(layer.delta_, e * formula(layer.z, a), TOLERANCE):
            return _derivative(layer.g or "the activation", _written(layer, right), written)
    for other in layers:
        if other is not layer and other.z.shape == layer.z.shape:
            if near(layer.delta_, e * _right(other), TOLERANCE):
                return Cause(
                    "wrong_input", f"the activation's derivative is taken at {other.names[0]}",
                    f"In {where}, the derivative was computed from the values of the layer "
                    f"{other.names[0]}: an overwritten or mistaken cache.",
                )  # fmt: skip
    for u in layer.above:
        if u.W.shape[1] == u.W.shape[2]:
            turned = _back(u.delta_, u.W.transpose(0, 2, 1)) - _back(u.delta_, u.W)
            wrong = e + turned * layer.mask
            if near(layer.delta_, wrong * right, TOLERANCE):
                return Cause(
                    "untransposed_weights", f"{u.names[0]} carried the error down untransposed",
                    f"Forward goes x @ {u.names[0]}, so back goes delta @ {u.names[0]}.T; a square "
                    f"matrix hides the mistake.",
                )  # fmt: skip
    return _updated(layer, e, right) or _raw_error(layer, right) or _masked(layer)


def _written(layer: Layer, right: Array) -> str:
    """The right derivative, as people write it."""
    if layer.g:
        return ACTIVATIONS[layer.g][2]
    known = (w for w, formula in WRITTEN.items() if near(right, formula(layer.z, layer.a), 1e-4))
    return next(known, "something else")


def _derivative(g: str, right: str, used: str) -> Cause:
    label = (
        f"the derivative of {g} is missing" if used == "1"
        else f"{used} is used for the derivative of {g}"
    )  # fmt: skip
    return Cause(
        "activation_derivative", label,
        f"delta = e * g'(z): the factor that was used is {used}, the right one is {right} "
        f"(z goes into {g}, a comes out).",
    )  # fmt: skip


def _updated(layer: Layer, e: Array, right: Array) -> Cause | None:
    """The layer above was updated before its weights carried the error down."""
    moves = [right * _back(u.delta_, u.dW_) for u in layer.above]
    (rate, *_), step = least_squares(moves[:1], e * right - layer.delta_)
    if abs(rate) > 0 and near(layer.delta_, e * right - step, TOLERANCE) and near(
        step, e * right - layer.delta_, 1e-3
    ):  # fmt: skip
        return Cause(
            "updated_weights", f"{layer.above[0].names[0]} was already updated",
            f"The error came down through weights after their update with learning rate "
            f"{number(float(rate))}: compute all gradients first, then update.",
        )  # fmt: skip
    return None


def _raw_error(layer: Layer, right: Array) -> Cause | None:
    """The error before its activation's derivative was carried down."""
    u = layer.above[0]
    for g in [u.g] if u.g else ACTIVATIONS:
        raw = u.delta_ / ACTIVATIONS[g][1](u.z)
        if near(layer.delta_, _back(raw, u.W) * right, TOLERANCE):
            return Cause(
                "raw_error", 'the rule "raw_error"',
                f"The raw error of {u.names[0]}, without the derivative of {g}, is carried down: "
                f"e_l = W_(l+1) e_(l+1) instead of W_(l+1) delta_(l+1), delta_l = e_l * g'(z_l).",
            )  # fmt: skip
    return None


def _masked(layer: Layer) -> Cause | None:
    """Units that are switched off pass a gradient all the same."""
    off = layer.delta == 0
    if off.any() and np.any(layer.delta_[off]) and near(layer.delta_[~off], layer.delta[~off]):
        return Cause(
            "mask", "the mask is not applied on the way back",
            "Units that pass nothing forward (dropout, padding) get a gradient: multiply by the "
            "mask that forward used.",
        )  # fmt: skip
    return None


def _normalised(layer: Layer) -> Cause | None:
    """Missing terms of a normalisation over z: each sample's delta must sum to 0."""
    delta, missing = layer.delta, layer.delta_ - layer.delta
    balanced = np.max(np.abs(np.sum(delta, axis=1))) <= 1e-7 * np.max(np.abs(delta))
    if balanced and layer.z.shape[1] > 3 and np.any(missing) and linear(missing, layer.z, 1):
        return Cause(
            "cross_terms", f"terms of the normalisation above {layer.names[0]} are missing",
            "What is missing is, for each sample, a constant plus a multiple of z: the "
            "derivatives of the mean and of the variance that are taken over z.",
        )  # fmt: skip
    return None


def _wrong_output(layer: Layer) -> Cause | None:
    """A wrong derivative where no layer above is seen: right and used, as a quotient."""
    wrong = np.abs(layer.delta_ - layer.delta) > 1e-6 * np.max(np.abs(layer.delta))
    if wrong.sum() < 4 or near(layer.delta_, least_squares([layer.delta], layer.delta_)[1]):
        return None
    z, delta, delta_ = layer.z[wrong], layer.delta[wrong], layer.delta_[wrong]
    for name, (g, derivative, text) in ACTIVATIONS.items():
        for right, label in ((derivative(z), text), (np.ones_like(z), "1")):
            for written, formula in WRITTEN.items():
                if near(delta_ * right, delta * formula(z, g(z)), TOLERANCE):
                    return _derivative(name, label, written)
    return None


def _wrong_input(layer: Layer, layers: list[Layer]) -> Cause | None:
    """delta is right, or wrong for its own reasons, and x is not the input of the layer."""
    x = _across(layer.delta_, layer.dW_)
    if not near(layer.dW_, _outer(x, layer.delta_), TOLERANCE):
        return None
    W = layer.names[0]
    if near(x, least_squares([layer.x], x)[1], TOLERANCE):
        return None  # a factor, and no other input
    for other in layers:
        others = [(other.x, f"the input of {other.names[0]}"), (other.z, f"z of {other.names[0]}")]
        others += [
            (g(other.z), f"the output of {other.names[0]}") for g, _, _ in ACTIVATIONS.values()
        ]
        for candidate, text in others:
            if candidate.shape == x.shape and near(x, candidate, TOLERANCE):
                return Cause(
                    "wrong_input", f"{text} is used as the input of {W}",
                    f"delta fits, but dW = x.T @ delta needs the x that went into {W}: a cache "
                    f"that was overwritten, or another layer's.",
                )  # fmt: skip
    return Cause(
        "wrong_input", f"something else than its input is used for {W}",
        f"For each sample the gradient of {W} is an outer product with the delta of "
        f"its layer, but the other factor is not what went into {W}.", False,
    )  # fmt: skip


def scale_mistakes(views: Views, layers: list[Layer]) -> Iterator[tuple[tuple[str, ...], Cause]]:
    """gamma * x + beta: the gradient of gamma is x * d, that of beta is d; which x was used?"""
    samples = views.atoms
    for gamma in views.measured.wrong:
        for beta in views.measured.right:
            shape = views.here.parameters[gamma].shape
            if len(shape) != 1 or views.here.parameters[beta].shape != shape:
                continue
            d = np.stack([s.expected[beta] for s in samples])
            given = np.stack([s.given[gamma] for s in samples])
            for layer in layers:
                if layer.z.shape == d.shape and near(given, layer.z * d, TOLERANCE):
                    yield (gamma,), Cause(
                        "wrong_input", f"z of {layer.names[0]} is used for {gamma}",
                        f"The gradient of {gamma} needs what {gamma} is multiplied by in forward, "
                        f"after the normalisation.",
                    )  # fmt: skip
