"""How often does the gradient checker name the bug that was put in?

Random dense networks (one to three layers, sigmoid or tanh, with and without bias masks, losses
with different reductions) on random batches get one bug each, drawn until it changes at least one
bit of the gradient. Half of the sigmoid networks go through `check_network`, all others through
`check_gradients`; some of the latter do not get the batch. The same function without the bug is
checked too, and must pass. The output is the confusion table.

    python benchmarks/gradcheck_diagnosis.py --trials 60      # per bug; 60 makes more than 1,500

Backpropagation is written out here a second time: the checker's own predictions must not be what
it is tested with.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ae_numpy.gradcheck import GradientReport, check_gradients, check_network
from ae_numpy.network import Network

Arrays = dict[str, np.ndarray]
Function = Callable[..., tuple[Any, Arrays]]
Bug = Callable[["Case"], "Function | None"]


@dataclass
class Case:
    """A random network, its loss, and a batch."""

    rng: np.random.Generator
    sizes: list[int]
    parameters: Arrays
    masks: Arrays
    X: np.ndarray
    T: np.ndarray
    activation: str
    reduction: str
    entry: str  # "network", "batch" or "closure": how the checker is called

    @property
    def depth(self) -> int:
        return len(self.sizes) - 1

    def factor(self, rows: int) -> float:
        """What the sum of squared errors is multiplied by."""
        return {"mean": 0.5 / rows, "sum": 0.5, "all": 1 / (rows * self.sizes[-1])}[self.reduction]

    def forward(self, p: Arrays, X: np.ndarray) -> list[np.ndarray]:
        a = [X]
        for k in range(self.depth):
            z = a[k] @ p[f"W{k}"] + p[f"b{k}"]
            a.append(np.tanh(z) if self.activation == "tanh" else 1 / (1 + np.exp(-z)))
        return a

    def slope(self, a: np.ndarray) -> np.ndarray:
        return 1 - a * a if self.activation == "tanh" else a * (1 - a)

    def loss(self, p: Arrays, X: np.ndarray, T: np.ndarray) -> Any:
        return self.factor(len(X)) * np.sum((self.forward(p, X)[-1] - T) ** 2)

    def gradients(
        self,
        p: Arrays,
        X: np.ndarray,
        T: np.ndarray,
        slope: Callable[[int, np.ndarray], np.ndarray] | None = None,
        carry: Callable[..., np.ndarray] | None = None,
        masked: bool = True,
    ) -> Arrays:
        a, g = self.forward(p, X), {}
        error = 2 * self.factor(len(X)) * (a[-1] - T)
        for k in reversed(range(self.depth)):
            delta = error * (self.slope(a[k + 1]) if slope is None else slope(k, a[k + 1]))
            g[f"W{k}"], g[f"b{k}"] = a[k].T @ delta, delta.sum(axis=0)
            W = p[f"W{k}"]
            error = delta @ W.T if carry is None else carry(delta, error, W, g[f"W{k}"])
        return {k: g[k] * self.masks[k] if masked and k in self.masks else g[k] for k in p}

    def function(self, change: Callable[..., Arrays] | None = None) -> Function:
        """The loss with its gradients, changed by `change(gradients, p, X, T)`."""

        def loss_and_gradients(p: Arrays, X: np.ndarray, T: np.ndarray) -> tuple[Any, Arrays]:
            gradients = self.gradients(p, X, T)
            if change is not None:
                gradients = change(gradients, p, X, T)
            return self.loss(p, X, T), gradients

        return loss_and_gradients

    def check(self, function: Function) -> GradientReport:
        """The report on a function, called the way this case says."""
        if self.entry == "network":
            bias = [self.masks[f"b{k}"] for k in range(self.depth)]
            network = Network(tuple(self.sizes), bias=bias)
            for name, array in network.as_dict().items():
                array[...] = self.parameters[name]
            return check_network(network, self.X, self.T, loss_and_gradients=function)
        if self.entry == "batch":
            batch = (self.X, self.T)
            return check_gradients(function, self.parameters, batch=batch, masks=self.masks)
        return check_gradients(
            lambda p: function(p, self.X, self.T), self.parameters, masks=self.masks
        )


def draw_case(rng: np.random.Generator) -> Case:
    """A random case."""
    depth = int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.integers(1, 6, size=depth + 1)]
    if rng.random() < 0.3:
        sizes[1:] = [sizes[1]] * depth  # square layers let more mistakes pass
    shapes = {f"W{k}": (sizes[k], sizes[k + 1]) for k in range(depth)}
    shapes |= {f"b{k}": (sizes[k + 1],) for k in range(depth)}
    names = [f"{kind}{k}" for k in range(depth) for kind in "Wb"]
    parameters = {name: rng.normal(size=shapes[name]) for name in names}
    masks = {f"b{k}": rng.random(sizes[k + 1]) < rng.choice([0.5, 1.0]) for k in range(depth)}
    rows = int(rng.integers(1, 8))
    entry = str(rng.choice(["network", "batch", "batch", "closure"]))
    sigmoid = entry == "network" or rng.random() < 0.7
    reduction = "mean" if entry == "network" else str(rng.choice(["mean", "sum", "all"]))
    X, T = rng.random((rows, sizes[0])), rng.random((rows, sizes[-1]))
    return Case(rng, sizes, parameters, masks, X, T, "sigmoid" if sigmoid else "tanh", reduction,
                entry)  # fmt: skip


def some(case: Case, gradients: Arrays, change: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """`change` applied to one array, or to all of them."""
    names = list(gradients)
    chosen = names if case.rng.random() < 0.5 else [str(case.rng.choice(names))]
    return {k: change(v) if k in chosen else v for k, v in gradients.items()}


def scaled(factor: Callable[[Case], float | None]) -> Bug:
    """Gradients multiplied by a number."""

    def bug(case: Case) -> Function | None:
        c = factor(case)
        seed = case.rng.integers(2**32)

        def change(g: Arrays, p: Arrays, X: np.ndarray, T: np.ndarray) -> Arrays:
            case.rng = np.random.default_rng(seed)  # the same arrays at every call
            return some(case, g, lambda v: c * v)

        return None if c is None else case.function(change)

    return bug


def on_one(change: Callable[[Case, str, Arrays], np.ndarray | None], kind: str = "Wb") -> Bug:
    """One gradient replaced."""

    def bug(case: Case) -> Function | None:
        names = [name for name in case.parameters if name[0] in kind]
        name = str(case.rng.choice(names))
        seed = case.rng.integers(2**32)

        def changed(g: Arrays, p: Arrays, X: np.ndarray, T: np.ndarray) -> Arrays:
            case.rng = np.random.default_rng(seed)
            replaced = change(replace(case, parameters=p), name, g)
            return g if replaced is None else {**g, name: replaced}

        return case.function(changed)

    return bug


def told(case: Case) -> bool:
    return case.entry != "closure" and len(case.X) > 1


def one_row(row: int) -> Bug:
    def bug(case: Case) -> Function | None:
        if not told(case):
            return None
        rows = slice(row, None if row == -1 else row + 1)
        share = case.factor(len(case.X)) / case.factor(1) if case.rng.random() < 0.5 else 1.0

        def change(g: Arrays, p: Arrays, X: np.ndarray, T: np.ndarray) -> Arrays:
            return {k: share * v for k, v in case.gradients(p, X[rows], T[rows]).items()}

        return case.function(change)

    return bug


def in_layers(**options: Any) -> Bug:
    """Backpropagation with a piece exchanged; only where the checker can know the layers."""

    def bug(case: Case) -> Function | None:
        if case.activation != "sigmoid" or case.entry == "closure":
            return None
        return case.function(lambda g, p, X, T: case.gradients(p, X, T, **options))

    return bug


def wrong_slope(slope: Callable[[np.ndarray], np.ndarray]) -> Bug:
    def bug(case: Case) -> Function | None:
        if case.activation != "sigmoid" or case.entry == "closure":
            return None
        where = {int(case.rng.integers(case.depth))}
        if case.rng.random() < 0.3:
            where = set(range(case.depth))
        chosen = lambda k, a: slope(a) if k in where else case.slope(a)  # noqa: E731
        return case.function(lambda g, p, X, T: case.gradients(p, X, T, slope=chosen))

    return bug


def one_step_later(case: Case) -> Function | None:
    rate = 10 ** case.rng.uniform(-2, 0)

    def change(g: Arrays, p: Arrays, X: np.ndarray, T: np.ndarray) -> Arrays:
        return case.gradients({k: p[k] - rate * g[k] for k in p}, X, T)

    return case.function(change)


def updated_above(case: Case) -> Function | None:
    rate = 10 ** case.rng.uniform(-2, 0)
    return in_layers(carry=lambda delta, e, W, dW: delta @ (W - rate * dW).T)(case)


def unsummed(case: Case) -> Function | None:
    name = f"b{case.rng.integers(case.depth)}"
    if len(case.X) == 1:
        return None

    def change(g: Arrays, p: Arrays, X: np.ndarray, T: np.ndarray) -> Arrays:
        rows = [case.gradients(p, X[i : i + 1], T[i : i + 1])[name] for i in range(len(X))]
        share = case.factor(len(X)) / case.factor(1)
        return {**g, name: share * np.stack(rows)}

    return case.function(change)


def unmasked(case: Case) -> Function | None:
    return case.function(lambda g, p, X, T: case.gradients(p, X, T, masked=False))


def other(case: Case, name: str, g: Arrays) -> np.ndarray | None:
    same = [k for k in g if k != name and g[k].size == g[name].size]
    return g[str(case.rng.choice(same))].reshape(g[name].shape) if same else None


def outputs(case: Case) -> int | None:
    return case.sizes[-1] if case.entry != "closure" and case.sizes[-1] > 1 else None


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


# Name of the bug, how to put it in, and the kind that the diagnosis has to name.
BUGS: tuple[tuple[str, Bug, str], ...] = (
    ("factor 2", scaled(lambda c: 2.0), "factor"),
    ("factor 1/2", scaled(lambda c: 0.5), "factor"),
    ("factor B", scaled(lambda c: len(c.X) if len(c.X) > 1 else None), "batch_factor"),
    ("factor 1/B", scaled(lambda c: 1 / len(c.X) if len(c.X) > 1 else None), "batch_factor"),
    ("factor O", scaled(outputs), "factor"),
    ("factor 1/O", scaled(lambda c: 1 / n if (n := outputs(c)) else None), "factor"),
    (
        "factor B*O",
        scaled(lambda c: n * len(c.X) if (n := outputs(c)) and told(c) else None),
        "factor",
    ),
    ("other factor", scaled(lambda c: c.rng.uniform(0.1, 3.0)), "factor"),
    ("sign", scaled(lambda c: -1.0), "sign"),
    ("zero", on_one(lambda c, n, g: 0 * g[n]), "zero"),
    (
        "transposed",
        on_one(lambda c, n, g: g[n].T.reshape(g[n].shape), kind="W"),
        "transposed",
    ),
    ("another's gradient", on_one(other), "swapped"),
    ("bias not summed", unsummed, "not_summed"),
    ("mask ignored", unmasked, "mask"),
    ("rounded to float32", on_one(lambda c, n, g: g[n].astype(np.float32)), "rounding"),
    ("last sample only", one_row(-1), "one_sample"),
    ("first sample only", one_row(0), "one_sample"),
    ("one step later", one_step_later, "updated_weights"),
    ("layer above updated", updated_above, "updated_weights"),
    ("raw_error", in_layers(carry=lambda delta, e, W, dW: e @ W.T), "raw_error"),
    ("derivative missing", wrong_slope(np.ones_like), "activation_derivative"),
    (
        "derivative of a",
        wrong_slope(lambda a: sigmoid(a) * (1 - sigmoid(a))),
        "activation_derivative",
    ),
    ("derivative of tanh", wrong_slope(lambda a: 1 - a**2), "activation_derivative"),
    (
        "W not transposed",
        in_layers(carry=lambda d, e, W, dW: d @ (W if W.shape[0] == W.shape[1] else W.T)),
        "untransposed_weights",
    ),
    ("weight decay", on_one(lambda c, n, g: g[n] + 0.01 * c.parameters[n]), "weight_decay"),
    (
        "clipped",
        on_one(lambda c, n, g: np.clip(g[n], *(np.array([-0.5, 0.5]) * np.abs(g[n]).max()))),
        "clipped",
    ),
)  # fmt: skip


def off(case: Case, name: str, g: Arrays) -> np.ndarray:
    """One entry, often the largest, wrong by some digits."""
    flat = g[name].ravel().copy()
    k = int(np.argmax(np.abs(flat))) if case.rng.random() < 0.5 else case.rng.integers(flat.size)
    flat[k] *= 1 - 10 ** case.rng.uniform(-6, -1)
    return flat.reshape(g[name].shape)


def noisy(case: Case, name: str, g: Arrays) -> np.ndarray:
    """All entries wrong by some digits."""
    size = 10 ** case.rng.uniform(-6, 0)
    return g[name] * (1 + size * case.rng.normal(size=g[name].shape))


# Nothing in the checker's tables: here the diagnosis must not be certain of anything. (In an array
# of one entry every error is a constant factor; that is "possible".)
STRANGE: tuple[tuple[str, Bug, str], ...] = (
    ("(none) one entry off", on_one(off), ""),
    ("(none) noise", on_one(noisy), ""),
)


@dataclass
class Row:
    """Counts for one bug."""

    trials: int = 0
    certain: int = 0
    possible: int = 0
    passed: int = 0
    wrong_certain: int = 0
    unexplained: int = 0
    false_alarms: int = 0
    together: Counter[str] = field(default_factory=Counter)

    @property
    def named(self) -> int:
        return self.certain + self.possible


def changes_a_bit(case: Case, function: Function) -> bool:
    right = case.gradients(case.parameters, case.X, case.T)
    given = function(case.parameters, case.X, case.T)[1]
    return any(not np.array_equal(given[k], right[k]) for k in right)


def draw(bug: Bug, rng: np.random.Generator) -> Iterator[tuple[Case, Function]]:
    """Cases to which the bug applies and in which it changes at least one bit."""
    while True:
        case = draw_case(rng)
        function = bug(case)
        if function is not None and changes_a_bit(case, function):
            yield case, function


def judge(row: Row, report: GradientReport, kind: str) -> None:
    """Count one report; `kind` is what the diagnosis should have said."""
    row.trials += 1
    named = [f for f in report.diagnosis.findings if kind in f.kinds]
    row.passed += report.ok
    row.certain += any(finding.certain for finding in named)
    row.possible += bool(named) and not any(finding.certain for finding in named)
    row.unexplained += not report.ok and not named
    for finding in report.diagnosis.findings:
        row.wrong_certain += finding.certain and finding not in named and not _same(finding, named)
        row.together.update(k for k in finding.kinds if finding in named and k != kind)


def _same(finding: Any, named: list[Any]) -> bool:
    """The injected cause is listed as "possible" next to this one: the same arrays and numbers."""
    return any(finding.arrays == other.arrays for other in named)


def measure(trials: int, seed: int = 0) -> dict[str, Row]:
    """Confusion counts by bug."""
    table = {}
    for k, (name, bug, kind) in enumerate((*BUGS, *STRANGE)):
        row, cases = Row(), draw(bug, np.random.default_rng([seed, k]))
        for _ in range(trials):
            case, function = next(cases)
            judge(row, case.check(function), kind)
            row.false_alarms += not case.check(case.function()).ok
        table[name] = row
    return table


def main() -> None:
    """Measure and print the table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=60, help="per bug")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    table = measure(options.trials, options.seed)
    print("| injected | trials | named, certain | named, possible | not named | passed | "
          "wrong cause certain | correct code fails | named together with |")  # fmt: skip
    print("|" + "---|" * 9)
    for name, r in table.items():
        together = "; ".join(f"{label} ({n})" for label, n in r.together.most_common(3))
        print(f"| {name} | {r.trials} | {r.certain} | {r.possible} | {r.unexplained} | {r.passed} "
              f"| {r.wrong_certain} | {r.false_alarms} | {together} |")  # fmt: skip
    rows = table.values()
    known = [table[name] for name, _, _ in BUGS]
    total, named = sum(r.trials for r in known), sum(r.named for r in known)
    print(f"\n{total} bugs: {named / total:.1%} named; "
          f"{sum(r.wrong_certain for r in rows)} wrong causes certain; "
          f"{sum(r.passed for r in rows)} passed; correct code failed "
          f"{sum(r.false_alarms for r in rows)} of {sum(r.trials for r in rows)} times; "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
