"""`check_vjp`: the backward pass of one layer against the derivatives of its forward pass.

A backward pass is a vector-Jacobian product: `backward(dout)` must be `J.T @ dout`. It is right if
and only if `<dout, J v> = <backward(dout), v>` for all `dout` and `v`, the adjoint identity. With a
fixed `dout` that is a gradient check of the scalar `<dout, forward(x)>`, for every entry v = e_i of
x; with the unit vectors as `dout` it is the Jacobian, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ae_numpy.gradcheck.check import ENTRYWISE, Run, require_count
from ae_numpy.gradcheck.evidence import Diagnosis
from ae_numpy.gradcheck.function import NARROW, Problem
from ae_numpy.gradcheck.packing import Array, Packing, as_array, largest
from ae_numpy.gradcheck.report import GradientReport
from ae_numpy.gradcheck.verdict import WRONG, ArrayCheck, Comparison


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    x: Any,
    *,
    max_outputs: int = 100,
    random_state: int | np.random.Generator = 0,
    **options: Any,
) -> GradientReport:
    """Check a layer's `backward(dout)` against its `forward(x)`.

    Two rows per input: under its own name the adjoint identity ``<dout, J e_i> = backward(dout)_i``
    for a random `dout` and every entry i; under "Jacobian of ..." the same for unit vectors
    `dout`, scaled by the largest entry of the Jacobian. For the identity, see Griewank and
    Walther, Evaluating Derivatives, 2008, chapter 3.

    Parameters
    ----------
    forward : callable
        `forward(x) -> out`, or `(out, cache)`. Called with the real x right before each
        backward, so that a layer may keep what it needs.
    backward : callable
        `backward(dout) -> dx`, or `backward(dout, cache)` if forward returned a cache. With
        several inputs it returns as many gradients, in a tuple or a dict like `x`.
    x : array, tuple of arrays, or dict of arrays
        The inputs, parameters among them: `forward(x)`, `forward(*x)` or `forward(**x)`.
    max_outputs : int
        A layer with more outputs has this many rows of its Jacobian checked, chosen at random.
    random_state : int or numpy.random.Generator
        For the random `dout` and the samples.
    **options
        As for `check_gradients`: method, tolerance, max_entries, directions.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        For bad input, as `check_gradients`.

    Examples
    --------
    >>> class Tanh:
    ...     def forward(self, x):
    ...         self.out = np.tanh(x)
    ...         return self.out
    ...
    ...     def backward(self, dout):
    ...         return dout * (1 - self.out**2)
    >>> layer = Tanh()
    >>> check_vjp(layer.forward, layer.backward, np.array([[0.5, -1.0]])).ok
    True
    """
    unknown = sorted(set(options) - {"method", "tolerance", "max_entries", "directions"})
    if unknown:
        raise TypeError(f"check_vjp does not take {unknown}: put what is fixed into forward")
    require_count("max_outputs", max_outputs)
    rng = np.random.default_rng(random_state)
    layer = _Layer(forward, backward, x)
    options["random_state"] = rng
    run = layer.run(rng.standard_normal(layer.shape), options)
    report = run.report()
    if run.method not in ENTRYWISE:
        return report
    jacobian = _jacobian(layer, options, max_outputs, rng)
    new = tuple(array.name for array in jacobian if array.verdict == WRONG)
    diagnosis = report.diagnosis or Diagnosis(unexplained=new)
    return replace(report, arrays=(*report.arrays, *jacobian), diagnosis=diagnosis)


class _Layer:
    """Forward and backward of one layer, whatever way it takes its inputs."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any], x: Any) -> None:
        self._forward, self._backward = forward, backward
        self._kind = type(x) if isinstance(x, (tuple, list, Mapping)) else None
        self.inputs = self._by_name(x)
        out = as_array("forward(x)", self._split(_doubles(self.inputs))[0])
        if out.dtype.kind != "f":
            raise TypeError(
                f"forward(x) has dtype {out.dtype}; floating point was expected: one array, or "
                f"the pair (out, cache)"
            )
        if out.dtype.itemsize < 8:
            raise TypeError(f"forward(x) is {out.dtype} {NARROW}")
        self.shape = out.shape

    def run(self, dout: Array, options: dict[str, Any]) -> Run:
        """The check of `<dout, forward(x)>`."""

        def loss_and_gradients(inputs: dict[str, Array]) -> tuple[Any, Any]:
            out, cache = self._split(inputs)
            loss = np.sum(dout * out)
            if np.iscomplexobj(out):
                return loss, None  # backward is only ever asked after a real forward pass
            return loss, self._gradients(self._backward(dout.copy(), *cache))

        return Run(Problem(loss_and_gradients, self.inputs), **options)

    def _split(self, inputs: dict[str, Array]) -> tuple[Any, tuple[Any, ...]]:
        """Output and, if forward returned a pair, its cache."""
        if self._kind is None:
            result = self._forward(inputs["x"])
        elif issubclass(self._kind, Mapping):
            result = self._forward(**inputs)
        else:
            result = self._forward(*inputs.values())
        if isinstance(result, tuple) and len(result) == 2:
            return result[0], (result[1],)
        return result, ()

    def _by_name(self, arrays: Any) -> dict[str, Any]:
        """Inputs, or the gradients of them, by name."""
        if self._kind is None:
            return {"x": arrays}
        if issubclass(self._kind, Mapping):
            return dict(arrays)
        return {f"x[{i}]": array for i, array in enumerate(arrays)}

    def _gradients(self, returned: Any) -> dict[str, Any]:
        """What backward returned, by name of the input, or an error that says what it is."""
        if self._kind is None:
            if isinstance(returned, tuple):
                raise TypeError(
                    f"backward(dout) returned a tuple of {len(returned)}; x is one array, so one "
                    f"gradient was expected: pass all inputs as x=(x, W, ...), or return dx alone"
                )
        elif issubclass(self._kind, Mapping):
            if not isinstance(returned, Mapping):
                raise TypeError(
                    f"backward(dout) returned a {type(returned).__name__}; x is a dict, so a dict "
                    f"with the gradient of every input was expected"
                )
        elif not isinstance(returned, (tuple, list)) or len(returned) != len(self.inputs):
            count = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
            raise TypeError(
                f"backward(dout) returned a {type(returned).__name__}{count}; a tuple with one "
                f"gradient for each of the {len(self.inputs)} inputs was expected"
            )
        return self._by_name(returned)


def _doubles(inputs: dict[str, Any]) -> dict[str, Array]:
    """Copies of the inputs, widened as the check will hand them over."""
    packing = Packing(inputs)
    return dict(packing.by_name(packing.vector.copy()))


def _jacobian(
    layer: _Layer, options: dict[str, Any], max_outputs: int, rng: np.random.Generator
) -> tuple[ArrayCheck, ...]:
    """One check per input: all rows of the Jacobian that were looked at."""
    size = int(np.prod(layer.shape))
    outputs = np.arange(size)
    if size > max_outputs:
        outputs = np.sort(rng.choice(size, max_outputs, replace=False))
    rows = []
    for output in outputs:
        dout = np.zeros(size)
        dout[output] = 1.0
        rows.append(layer.run(dout.reshape(layer.shape), options).arrays())
    return tuple(_stacked(column, outputs, layer.shape) for column in zip(*rows, strict=True))


def _stacked(rows: tuple[ArrayCheck, ...], outputs: Array, shape: tuple[int, ...]) -> ArrayCheck:
    """The checks of one input for several unit vectors, as one check of the Jacobian."""
    parts = [row.entrywise for row in rows if row.entrywise is not None]
    entries = [row.entries for row in rows if row.entries is not None]
    expected = np.concatenate([part.expected for part in parts])
    comparison = Comparison(
        np.concatenate([part.given for part in parts]),
        expected,
        np.concatenate([part.uncertainty for part in parts]),
        np.full(expected.shape, largest(expected)),
        parts[0].tolerance,
        parts[0].resolution,
    )
    size = rows[0].size
    where = np.concatenate([o * size + e for o, e in zip(outputs, entries, strict=True)])
    gradient = np.stack([row.gradient for row in rows])
    name = f"Jacobian of {rows[0].name}"
    unsummed = any(row.unsummed for row in rows)
    return ArrayCheck(
        name, (*shape, *rows[0].shape), gradient, where, comparison, None, unsummed=unsummed
    )
