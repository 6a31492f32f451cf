"""`check_vjp` and `check_module`: backward passes of layers against their forward passes.

A backward pass is a vector-Jacobian product: `backward(dout)` must be `J.T @ dout`. It is right if
and only if `<dout, J v> = <backward(dout), v>` for all `dout` and `v`, the adjoint identity. With a
fixed `dout` that is a gradient check of the scalar `<dout, forward(x)>`, for every entry v = e_i of
x. One complex forward pass per entry gives a whole column of the Jacobian on the way; its rows are
what backward returns for unit vectors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ae_numpy.gradcheck.derivative import Slope
from ae_numpy.gradcheck.diagnosis import diagnose
from ae_numpy.gradcheck.function import NARROW, Problem
from ae_numpy.gradcheck.measure import Options, convicted, require_count
from ae_numpy.gradcheck.packing import Array, Packing, as_array, largest
from ae_numpy.gradcheck.report import GradientReport
from ae_numpy.gradcheck.run import Run
from ae_numpy.gradcheck.verdict import WRONG, ArrayCheck, Comparison


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Any,
    *,
    outputs: int = 1,
    max_outputs: int = 100,
    random_state: int | np.random.Generator = 0,
    **options: Any,
) -> GradientReport:
    """Check a layer's `backward(dout)` against its `forward(x)`.

    Two rows per input: under its own name the adjoint identity ``<dout, J e_i> = backward(dout)_i``
    for a random `dout` and every entry i; under "Jacobian of ..." the same for unit vectors
    `dout`, scaled by the largest entry of the Jacobian, where the complex step applies. For the
    identity, see Griewank and Walther, Evaluating Derivatives, 2008, chapter 3.

    Parameters
    ----------
    forward : callable
        Returns `outputs` arrays and, if there is one thing more, a cache: `forward(x) -> out`, or
        `(out, cache)`. Called with the real inputs right before each backward, so that a layer may
        keep what it needs.
    backward : callable
        `backward(dout) -> dx`, with one gradient per output, then the cache if there is one. With
        several inputs it returns as many gradients, in a tuple or a dict like `inputs`.
    inputs : array, tuple of arrays, or dict of arrays
        The inputs, parameters among them: `forward(x)`, `forward(*x)` or `forward(**x)`. They are
        called as forward's signature calls them.
    outputs : int
        Number of arrays that forward returns, such as 2 for a step of an LSTM.
    max_outputs : int
        A layer with more output entries has this many rows of its Jacobian checked, chosen at
        random.
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
    unknown = sorted(set(options) - {option.name for option in fields(Options)})
    if unknown:
        raise TypeError(f"check_vjp does not take {unknown}: put what is fixed into forward")
    require_count("max_outputs", max_outputs)
    require_count("outputs", outputs)
    # A child of its own: the inputs may come from the same seed, and dout must not equal them.
    (rng,) = np.random.default_rng(random_state).spawn(1)
    layer = _Layer(forward, backward, inputs, outputs)
    count = min(layer.size, max_outputs)
    layer.chosen = np.sort(rng.choice(layer.size, count, replace=False))
    problem = layer.problem(rng.standard_normal(layer.size))
    run = Run(problem, Options(**options), random_state=rng)
    try:
        found = run.measured()
        jacobian = _jacobian(layer, run, found.arrays)
        different = {
            a.name: np.reshape([rows.known("given"), rows.known("expected")], (2, layer.size, -1))
            for a, rows in zip(found.arrays, jacobian, strict=False)
            if rows.verdict == WRONG
        }
        diagnosis, arrays = diagnose(replace(found, jacobians=different)), found.arrays + jacobian
        return GradientReport(arrays, found.method, found.tolerance, diagnosis, found.notes)
    finally:
        run.problem.loss(run.problem.point)  # what the layer keeps of it is real, and here


def check_module(module: Any, inputs: Any, **options: Any) -> GradientReport:
    """Check an object with `forward`, `backward` and dicts `params` and `grads`.

    Such are the layers of many courses: `forward(x)` returns the output, `backward(dout)` returns
    the gradient of x (or None) and leaves those of the parameters in `grads`. `params` and `grads`
    may be nested, as a list of the dicts of several layers. The module's own arrays are put back
    afterwards.

    Parameters
    ----------
    module : object
    inputs : array, or tuple or dict of arrays
        What `forward` takes.
    **options
        As for `check_vjp`.

    Returns
    -------
    GradientReport

    Raises
    ------
    TypeError, ValueError
        For a module that lacks one of the four, and for bad input, as `check_vjp`.

    Examples
    --------
    >>> class Linear:
    ...     def __init__(self, W):
    ...         self.params, self.grads = {"W": W}, {}
    ...
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.params["W"]
    ...
    ...     def backward(self, dout):
    ...         self.grads["W"] = self.x.T @ dout
    ...         return dout @ self.params["W"].T
    >>> report = check_module(Linear(np.array([[1.0, 2.0], [3.0, 4.0]])), np.eye(2))
    >>> report.ok, [array.name for array in report.arrays[:2]]
    (True, ['x', 'W'])
    """
    missing = [n for n in ("forward", "backward", "params", "grads") if not hasattr(module, n)]
    if missing:
        lacks = f"module ({type(module).__name__}) has no {' and no '.join(missing)}"
        raise TypeError(f"{lacks}: wrap it in a class that has, or see check_vjp")
    places, own = list(_places(module.params)), Packing(module.params)
    before = [holder[key] for holder, key in places]
    named = _named(module.forward, inputs)
    returned = module.backward(np.ones_like(module.forward(*named.values())))
    # What is no floating point, such as an index, or gets no gradient, is held.
    free = [n for n, x in named.items() if np.asarray(x).dtype.kind == "f" and returned is not None]

    def forward(**arrays: Array) -> Any:
        for (holder, key), name in zip(places, own.names, strict=True):
            holder[key] = arrays.pop(name)
        return module.forward(*{**named, **arrays}.values())

    def backward(*dout: Any) -> dict[str, Any]:
        dx = module.backward(*dout)
        dx = dx if isinstance(dx, (tuple, list)) else (dx,)
        return {**dict(zip(named, dx, strict=False)), **own.gradients_of(module.grads)[0]}

    try:
        point = {**{name: named[name] for name in free}, **own.by_name(own.vector.copy())}
        return check_vjp(forward, backward, point, **options)
    finally:
        for (holder, key), array in zip(places, before, strict=True):
            holder[key] = array


class _Layer:
    """Forward and backward of one layer, whatever way it takes its inputs."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], inputs: Any, outputs: int
    ) -> None:
        self._forward, self._backward, self._outputs = forward, backward, outputs
        # An array is neither.
        self._kind = next((kind for kind in (Mapping, Sequence) if isinstance(inputs, kind)), None)
        self.inputs = _named(forward, inputs)
        packing = Packing(self.inputs)
        self._point, self.columns = packing.vector, dict[int, Array]()
        outs = [as_array("forward(x)", out) for out in self._split(packing.unpack(self._point))[0]]
        for out in outs:
            if out.dtype.kind != "f":
                wanted = "floating point was expected: one array, or the pair (out, cache)"
                raise TypeError(f"forward(x) has dtype {out.dtype}; {wanted}")
            if out.dtype.itemsize < 8:
                raise TypeError(f"forward(x) is {out.dtype} {NARROW}")
        self._packed = Packing(outs)
        self.size = self._packed.vector.size
        self.shape = outs[0].shape if outputs == 1 else (self.size,)
        # Rows of the Jacobian that are kept of each column that a complex step shows.
        self.chosen = np.arange(0)

    def problem(self, dout: Array) -> Problem:
        """The scalar `<dout, forward(x)>`, with what backward claims; `dout` is flat."""

        def loss_and_gradients(inputs: dict[str, Array]) -> tuple[Any, Any]:
            outs, cache = self._split(inputs)
            flat = np.concatenate([np.ravel(out) for out in outs])
            if np.iscomplexobj(flat):
                self._keep(inputs, flat)
                return np.sum(dout * flat), None  # backward only runs after a real forward pass
            returned = self._backward(*self._packed.unpack(dout), *cache)
            return np.sum(dout * flat), self._gradients(returned)

        return Problem(loss_and_gradients, self.inputs)

    def _keep(self, inputs: dict[str, Array], out: Array) -> None:
        """Keep a column of the Jacobian if one entry was stepped, from the point itself."""
        vector = np.concatenate([np.ravel(np.asarray(array)) for array in inputs.values()])
        moved = np.flatnonzero(vector.imag)
        if len(moved) == 1 and np.array_equal(vector.real, self._point):
            self.columns[int(moved[0])] = out.imag[self.chosen] / vector.imag[moved[0]]

    def _split(self, inputs: dict[str, Array]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Outputs and, if forward returned one thing more, its cache."""
        by_name = self._kind is Mapping
        result = self._forward(**inputs) if by_name else self._forward(*inputs.values())
        if self._outputs == 1 and not isinstance(result, tuple):
            return (result,), ()
        count = len(result) if isinstance(result, (tuple, list)) else 1
        if count not in (self._outputs, self._outputs + 1):
            raise TypeError(
                f"forward returned {count} thing{'s' * (count != 1)}; with outputs={self._outputs} "
                f"that many arrays and at most one cache (of all that backward needs) were expected"
            )
        return tuple(result[: self._outputs]), tuple(result[self._outputs :])

    def _gradients(self, returned: Any) -> dict[str, Any]:
        """What backward returned, by name of the input, or an error that says what it is."""
        count = len(returned) if isinstance(returned, (tuple, list)) else None
        if self._kind is Mapping:
            wanted = "the inputs are a dict, so a dict with the gradient of each was expected"
            fits = isinstance(returned, Mapping)
        elif self._kind is Sequence:
            wanted = f"a tuple with one gradient for each of the {len(self.inputs)} was expected"
            fits = count == len(self.inputs)
        else:
            wanted = "x is one array, so one gradient was expected: pass all inputs as (x, W, ...)"
            fits = not isinstance(returned, tuple)
        if not fits:
            of = "" if count is None else f" of {count}"
            raise TypeError(f"backward(dout) returned a {type(returned).__name__}{of}; {wanted}")
        if self._kind is Mapping:
            return dict(returned)
        return dict(zip(self.inputs, returned if self._kind else [returned], strict=True))


def _named(forward: Callable[..., Any], inputs: Any) -> dict[str, Any]:
    """The inputs under the names that forward's signature gives them."""
    if isinstance(inputs, Mapping):
        return dict(inputs)
    values = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    default = ["x"] if len(values) == 1 else [f"x[{i}]" for i in range(len(values))]
    try:
        signature = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):  # a NumPy function has no signature
        signature = []
    names = [p.name for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return dict(zip(names if len(names) >= len(values) else default, values, strict=False))


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    """Holder and key of every array in nested dicts and lists."""
    pairs = container.items() if isinstance(container, Mapping) else enumerate(container)
    for key, value in list(pairs):
        if isinstance(value, (Mapping, list)):
            yield from _places(value)
        else:
            yield container, key


def _jacobian(layer: _Layer, run: Run, arrays: tuple[ArrayCheck, ...]) -> tuple[ArrayCheck, ...]:
    """One check per input: all rows of the Jacobian that were looked at."""
    if not (run.options.entrywise and run.probe.use_complex):
        return ()
    problems = [layer.problem(1.0 * (np.arange(layer.size) == row)) for row in layer.chosen]
    probes = [run.probe.of(p.loss, p.gradients, p.point) for p in problems]
    claims, limits = [p.gradients(p.point) for p in probes], run.options.limits(True)
    result = []
    for check in arrays:
        name, entries = check.name, check.entries

        def slope(k: int, name: str = name, entries: Array = entries) -> Slope:
            row, column = divmod(k, len(entries))
            return probes[row].slope(name, int(entries[column]))

        given = np.stack([np.ravel(claim[name])[entries] for claim in claims])
        start = run.problem.packing.sections[name].start
        columns = [layer.columns[start + int(entry)] for entry in entries]
        expected = np.reshape(columns, given.shape[::-1]).T.ravel()
        zeros, scale = np.zeros(given.size), np.full(given.size, largest(expected))
        compared = Comparison(np.ravel(given), expected, zeros, scale, *limits)
        result.append(ArrayCheck(
            f"Jacobian of {name}", (*layer.shape, *check.shape), given,
            np.ravel(np.add.outer(layer.chosen * check.size, entries)),
            convicted(compared, slope), None, unsummed=check.unsummed,
        ))  # fmt: skip
    return tuple(result)
