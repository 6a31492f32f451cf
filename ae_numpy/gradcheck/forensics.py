"""Which piece of a layer's backward pass is wrong, read off single samples.

For one sample the gradient of W is an outer product, and that of b is delta:

    z = x @ W + b    a = g(z)    e = delta_above @ W_above.T    delta = e * g'(z)
    dW = outer(x, delta)    db = delta

So x, z and delta follow from the right gradients without knowing the loss, a from the layer above,
and what was used in their place from the claimed gradients. A piece is named when it gives the
claimed numbers for all samples that were looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from ae_numpy.gradcheck.packing import Array, largest
from ae_numpy.gradcheck.verdict import Cause, cause
from ae_numpy.gradcheck.views import FORMULAS, View, Views, least_squares, near, value

# Derivatives are divided by each other here: two digits less than elsewhere.
TOLERANCE = 1e-5
# Activations and their derivatives, and what is written for a derivative by mistake, as text.
ACTIVATIONS: dict[str, tuple[str, str]] = FORMULAS["activations"]
WRITTEN: list[str] = FORMULAS["written"]


@dataclass(eq=False)
class Layer:
    """One matrix and what it met in S single samples; claimed are `claim` for dW and `delta_`.

    Attributes
    ----------
    names : tuple of str
        The matrix, and its bias if there is one.
    W, claim : (S, I, O) arrays
    x : (S, I) array
    delta, delta_, z : (S, O) arrays
    above : list of Layer
        The layers that take a = g(z), times mask (dropout), as their input.
    g : str
        The name of the activation, if it is known.
    """

    names: tuple[str, ...]
    W: Array
    claim: Array
    x: Array
    delta: Array
    delta_: Array
    z: Array
    above: list[Layer] = field(default_factory=list)
    g: str = ""
    mask: Array | float = 1.0

    @property
    def a(self) -> Array:
        """The output, before any mask."""
        return value(ACTIVATIONS[self.g][0], self.z) if self.g else self.above[0].x

    @property
    def right(self) -> Array:
        """g'(z): of the activation if that is known, otherwise as it must have been."""
        if self.g:
            return value(ACTIVATIONS[self.g][1], self.z, self.a)
        return self.delta / self.arriving([u.delta for u in self.above])

    @property
    def e(self) -> Array:
        """What arrives at a from the claimed deltas above."""
        return self.arriving([u.delta_ for u in self.above])

    def arriving(self, deltas: list[Array]) -> Array:
        """The gradient that arrives at a if these are the deltas above, (S, O)."""
        carried = [_back(delta, u.W) for delta, u in zip(deltas, self.above, strict=True)]
        return np.sum(carried, axis=0) * self.mask


def _outer(x: Array, delta: Array) -> Array:
    return np.einsum("si,so->sio", x, delta)


def _back(delta: Array, W: Array) -> Array:
    return np.einsum("so,sio->si", delta, W)


def _along(x: Array, dW: Array) -> Array:
    """The delta for which outer(x, delta) is nearest to dW, (S, O)."""
    return np.einsum("si,sio->so", x, dW) / np.sum(x * x, axis=1, keepdims=True)


def _across(delta: Array, dW: Array) -> Array:
    """The x for which outer(x, delta) is nearest to dW, (S, I)."""
    return _back(delta, dW) / np.sum(delta * delta, axis=1, keepdims=True)


def _beside(x: Array, dW: Array) -> Array:
    """What of dW is not an outer product with x."""
    return dW - _outer(x, _along(x, dW))


def _above(delta: Array, dW: Array) -> Array:
    """What of dW is not an outer product with delta."""
    return dW - _outer(_across(delta, dW), delta)


def layer_mistakes(views: Views) -> Iterator[tuple[tuple[str, ...], Cause]]:
    """What is wrong in each layer, for its arrays and for those below that only inherit it."""
    layers = read_layers(views)
    for layer in layers:
        right = near(layer.delta_, layer.delta, TOLERANCE)
        if not right and (each := _wrong_delta(layer, layers)):
            yield _inheriting(layer, layers), each
        if each := _wrong_input(layer, layers):
            yield layer.names[:1], each


def _inheriting(layer: Layer, layers: list[Layer]) -> tuple[str, ...]:
    """The arrays of a layer and of all below it."""
    below = [name for u in layers if layer in u.above for name in _inheriting(u, layers)]
    return (*layer.names, *below)


def read_layers(views: Views) -> list[Layer]:
    """Every matrix whose gradient is an outer product for each sample, joined where a feeds x."""
    samples, layers = views.atoms, list[Layer]()
    waiting = [n for n, p in views.here.parameters.items() if p.ndim in (1, 2) and p.size > 1]
    for _ in range(3):  # what is read gives the inputs of what could not be read before
        for name in list(waiting) if samples else []:
            if layer := _read(name, views, samples, layers):
                layers.append(layer)
                waiting.remove(name)
    layers.sort(key=lambda layer: list(views.here.parameters).index(layer.names[0]))
    for layer in layers:
        _join(layer, layers)
    return layers


def _seen(samples: list[View], name: str, *shape: int) -> tuple[Array, Array, Array]:
    """A parameter, its right and its claimed gradient in every sample, (S, ...) each."""
    sides = ([s.parameters[name], s.expected[name], s.given[name]] for s in samples)
    parameter, expected, given = (np.stack(column) for column in zip(*sides, strict=True))
    shape = (len(samples), *(shape or parameter.shape[1:]))
    return parameter.reshape(shape), expected.reshape(shape), given.reshape(shape)


def _read(name: str, views: Views, samples: list[View], layers: list[Layer]) -> Layer | None:
    """A matrix as a layer, (I, O) or (O, I), with an input that is known or seen beside a bias."""
    shape = views.here.parameters[name].shape
    for axes in [(0, 1, 2), (0, 2, 1)][: len(shape)]:
        W, dW, claim = (m.transpose(axes) for m in _seen(samples, name, *shape[:1], -1))
        keep = np.any(dW, axis=(1, 2))
        if keep.sum() < min(2, len(samples)):
            return None
        biases = {
            b: _seen(samples, b, -1)
            for b, p in views.here.parameters.items()
            if b != name and p.size == max(p.shape, default=1) == W.shape[2]
        }
        for x in _inputs(samples, layers, biases, W, dW):
            rest = partial(_beside, x)
            clean, claim_ = (_without_penalty(d, W, rest) for d in (dW, claim))
            if claim_ is claim:  # no penalty in sight: then at most the right one is in it
                claim_ = claim - (dW - clean)
            delta, delta_ = _along(x, clean), _along(x, claim_)
            if not near(clean[keep], _outer(x, delta)[keep], TOLERANCE):
                continue
            z, names = np.einsum("si,sio->so", x, W), [name]
            for bias, (b, expected, given) in biases.items():
                trained = np.ravel(views.masks[bias])
                if near(expected * trained, delta * trained, TOLERANCE):
                    names, z = [name, bias], z + b
                    delta_ = np.where(trained, given, delta_)
                    break
            else:
                if near(claim_, _outer(_across(delta, claim_), delta), TOLERANCE):
                    delta_ = delta  # then it is the input that is wrong
            seen: list[Any] = [m[keep] for m in (W, claim_, x, delta, delta_, z)]
            return Layer(tuple(names), *seen)
    return None


def _without_penalty(dW: Array, W: Array, rest: Callable[[Array], Array]) -> Array:
    """dW without a multiple of W, seen in the part of both that no outer product explains."""
    (rate,), fit = least_squares([rest(W)], rest(dW))
    return dW - rate * W if near(rest(dW), fit, TOLERANCE) else dW


def _inputs(
    samples: list[View], layers: list[Layer], biases: dict[str, Any], W: Array, dW: Array
) -> Iterator[Array]:
    """What the input of a matrix may be, (S, I): a batch row, an activation, seen beside a bias."""
    for k, a in enumerate(samples[0].batch):
        if isinstance(a, np.ndarray) and a.size == dW.shape[1]:
            yield np.stack([np.ravel(s.batch[k]).astype(float) for s in samples])
    for layer in layers:
        if layer.z.shape == dW.shape[:2]:
            yield from (value(g, layer.z) for g, _ in ACTIVATIONS.values())
    for _, delta, _ in biases.values() if dW.shape[2] > 1 else ():
        # With one output everything is an outer product: that would be no evidence.
        clean = _without_penalty(dW, W, partial(_above, delta))
        if near(clean, _outer(_across(delta, clean), delta), TOLERANCE):
            yield _across(delta, clean)


def _join(layer: Layer, layers: list[Layer]) -> None:
    """Find the layers above, the activation and any mask between."""
    above = [u for u in layers if u is not layer and u.x.shape == layer.z.shape]
    tries: list[tuple[str, Layer | None]] = [(g, None) for g in ACTIVATIONS]
    tries += [(g, u) for g in ACTIVATIONS if g != "the identity" for u in above]
    for layer.g, masked in tries if above else []:
        layer.mask = 1.0 if masked is None else _mask(masked.x, layer.a)
        layer.above = [u for u in above if near(u.x, layer.a * layer.mask, TOLERANCE)]
        e = layer.arriving([u.delta for u in layer.above]) if layer.above else 0.0 * layer.z
        if near(layer.delta, e * layer.right, TOLERANCE):
            return
    layer.g, layer.mask = "", 1.0
    later = above if len(above) == 1 and layers.index(above[0]) > layers.index(layer) else []
    layer.above = [u for u in later if len(u.names) > 1]


def _mask(x: Array, a: Array) -> Array:
    """The mask between an activation and what the next layer got: 0 or one number."""
    quotients = x[x != 0] / a[x != 0]
    scale = float(np.median(quotients)) if quotients.size else 0.0
    return np.where((x == 0) & (np.abs(a) > 1e-9 * largest(a)), 0.0, scale)


def _wrong_delta(layer: Layer, layers: list[Layer]) -> Cause | None:
    """What was used in place of e * g'(z); None if nothing known was, or it was handed down."""
    handed = layer.above and near(layer.delta_, layer.e * layer.right, TOLERANCE)
    if handed or np.count_nonzero(layer.delta_) < 3:
        return None
    slips = _slips(layer, layers) if layer.above else iter(())
    fitting = (each for used, each in slips if near(layer.delta_, used, TOLERANCE))
    return _wrong_slope(layer) or next(fitting, None)


def _wrong_slope(layer: Layer) -> Cause | None:
    """Another derivative than g'(z)."""
    wrong = np.abs(layer.delta_ - layer.delta) > 1e-6 * largest(layer.delta)
    for (g, a, right, e), used in product(_activations(layer), WRITTEN):
        delta = e * value(used, layer.z, a)
        seen = np.count_nonzero(np.isfinite(delta) & (delta != 0) & wrong)
        if (layer.above or seen >= 4) and near(layer.delta_, delta, TOLERANCE):
            extra = "extra_derivative" if right == "1" else "derivative"
            name = "no_derivative" if used == "1" else extra
            return cause(name, g=g, used=used, right=right, W=layer.names[0])
    return None


def _activations(layer: Layer) -> Iterator[tuple[str, Array, str, Array]]:
    """What a layer's activation may be: its name, a, the text of g'(z), and the e that arrives."""
    z, delta = layer.z, layer.delta
    if layer.above:
        right = (w for w in WRITTEN if near(layer.right, value(w, z, layer.a), 1e-4))
        yield layer.g or "the activation", layer.a, next(right, "another"), layer.e
    elif not near(layer.delta_, least_squares([delta], layer.delta_)[1]):  # not just a factor
        for g, (output, slope) in ACTIVATIONS.items():
            a = value(output, z)
            yield from ((g, a, text, delta / value(text, z, a)) for text in (slope, "1"))


def _slips(layer: Layer, layers: list[Layer]) -> Iterator[tuple[Array, Cause]]:
    """Deltas that follow from mistakes above the layer, and the mistakes."""
    claimed, e, right = [u.delta_ for u in layer.above], layer.e, layer.right
    if np.any(layer.mask == 0):
        bare = np.sum([_back(u.delta_, u.W) for u in layer.above], axis=0)
        yield bare * right, cause("unit_mask")
        yield bare * right * np.max(layer.mask), cause("unit_mask")
    for other in layers:
        if other is not layer and other.z.shape == right.shape and other.above:
            yield e * other.right, cause("stale", W=layer.names[0], other=other.names[0])
    for k, u in enumerate(layer.above):
        name = u.names[0]
        if u.W.shape[1] == u.W.shape[2]:
            turned = _back(u.delta_, u.W.transpose(0, 2, 1) - u.W)
            yield (e + turned * layer.mask) * right, cause("untransposed", W=name)
        step, error = _back(u.delta_, u.claim) * layer.mask * right, e * right - layer.delta_
        (rate,), moved = least_squares([step], error)
        if near(moved, error, 1e-3):
            yield e * right - moved, cause("updated", W=name, rate=float(rate))
        for g in [u.g] if u.g else ACTIVATIONS:
            raw = u.delta_ / value(ACTIVATIONS[g][1], u.z, value(ACTIVATIONS[g][0], u.z))
            raised = layer.arriving([*claimed[:k], raw, *claimed[k + 1 :]])
            yield raised * right, cause("raw_error", g=g)
    off = layer.delta == 0
    if np.any(layer.delta_[off]):
        yield np.where(off, layer.delta_, layer.delta), cause("unit_mask")


def _wrong_input(layer: Layer, layers: list[Layer]) -> Cause | None:
    """The gradient is an outer product with delta, and the other side is not x."""
    x, W = _across(layer.delta_, layer.claim), layer.names[0]
    outer = near(layer.claim, _outer(x, layer.delta_), TOLERANCE)
    if not outer or near(x, least_squares([layer.x], x)[1], TOLERANCE):
        return None  # right, wrong in another way, or by a factor only
    for other in layers:
        found = [("the input", other.x), ("z", other.z)]
        found += [("the output", value(g, other.z)) for g, _ in ACTIVATIONS.values()]
        for what, candidate in found:
            if candidate.shape == x.shape and near(x, candidate, TOLERANCE):
                return cause("other_input", W=W, what=what, other=other.names[0])
    return cause("unknown_input", W=W) if layer.delta.shape[1] > 1 else None
