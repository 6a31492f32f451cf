"""The same bugs through four gradient checkers: who catches what, and who cries wolf.

Every checker gets the same NumPy function of one flat float64 vector: this library directly,
PyTorch and JAX as a custom function whose backward returns the claimed gradient, SciPy as it is.
Four functions that do not saturate, parameters and data at the scales 1, 1e-3 and 1e3, 26 bugs; a
bug that changes no bit of a gradient is not counted. Each checker runs with its defaults, and then
with the strictest settings of a grid that raise no false alarm on the correct functions (this is
chosen in hindsight, in the peers' favour). `scipy.optimize.check_grad` returns an error and leaves
the verdict to the caller: its default here is "below 1e-6".

    python benchmarks/gradcheck_peers.py        # torch, jax and scipy are compared if installed
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_numpy.gradcheck import check_gradients
from ae_numpy.gradcheck.verdict import CANNOT_TELL, RIGHT, WRONG

Vector = np.ndarray
Gradient = Callable[[Vector], Vector]
SCALES = (1.0, 1e-3, 1e3)
ROWS = 5


@dataclass
class Problem:
    """A loss of a flat vector, its gradient, and the point; W0 and W1 are its blocks."""

    name: str
    scale: float
    sizes: tuple[int, ...]
    activation: str
    seed: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.shapes = list(itertools.pairwise(self.sizes))
        size = sum(rows * columns for rows, columns in self.shapes)
        self.x = self.scale * rng.choice([-1, 1], size) * rng.uniform(0.25, 1, size)
        self.data = self.scale * rng.uniform(-1, 1, (ROWS, self.sizes[0]))
        # Of the size of the output: every parameter is then visible in the loss, at every scale.
        output = self.output(self.x)
        self.target = np.sqrt(np.mean(output**2)) * rng.uniform(-1, 1, output.shape)
        self.noise = rng.normal(size=size)

    def blocks(self, x: Vector) -> list[Vector]:
        ends = np.cumsum([rows * columns for rows, columns in self.shapes])[:-1]
        return [b.reshape(s) for b, s in zip(np.split(x, ends), self.shapes, strict=True)]

    def act(self, k: int, z: Vector) -> Vector:
        c = self.scale ** (2 + k)  # the typical z of layer k
        return {"square": z * z / c, "root": np.sqrt(c * c + z * z)}.get(self.activation, z)

    def slope(self, k: int, z: Vector) -> Vector:
        c = self.scale ** (2 + k)
        slopes = {"square": 2 * z / c, "root": z / np.sqrt(c * c + z * z)}
        return slopes.get(self.activation, np.ones_like(z))

    def output(self, x: Vector) -> Vector:
        a = self.data
        for k, W in enumerate(self.blocks(x)):
            a = self.act(k, a @ W)
        return a

    def loss(self, x: Vector) -> Any:
        return 0.5 * np.sum((self.output(x) - self.target) ** 2) / ROWS

    def gradient(self, x: Vector, rows: slice = slice(None), linear: bool = False) -> Vector:
        a, zs = [self.data[rows]], []
        for k, W in enumerate(self.blocks(x)):
            zs.append(a[-1] @ W)
            a.append(self.act(k, zs[-1]))
        delta, parts = (a[-1] - self.target[rows]) / ROWS, []
        for k in reversed(range(len(zs))):
            delta = delta * (1 if linear else self.slope(k, zs[k]))
            parts.append(np.ravel(a[k].T @ delta))
            delta = delta @ self.blocks(x)[k].T
        return np.concatenate(parts[::-1])


FUNCTIONS = (
    ("least squares", (6, 1), "identity"),
    ("two linear layers", (4, 3, 3), "identity"),
    ("two square layers", (3, 3, 2), "square"),
    ("two root layers", (3, 3, 2), "root"),
)


def problems(seed: int = 0) -> list[Problem]:
    return [
        Problem(name, scale, sizes, activation, seed + k)
        for k, (name, sizes, activation) in enumerate(FUNCTIONS)
        for scale in SCALES
    ]


def one(g: Vector, k: int, value: float) -> Vector:
    g = g.copy()
    g[k] = value
    return g


def blockwise(p: Problem, g: Vector, change: Callable[[Vector], Vector]) -> Vector:
    return np.concatenate([np.ravel(change(block)) for block in p.blocks(g)])


def transposed(p: Problem, g: Vector) -> Vector:
    return blockwise(p, g, lambda b: b.T)


def step_later(p: Problem, x: Vector, g: Vector) -> Vector:
    return p.gradient(x - 0.01 * g * np.max(np.abs(x)) / np.max(np.abs(g)))


Bug = Callable[[Problem, Vector, Vector], Vector]  # problem, point, gradient there
BUGS: dict[str, Bug] = {
    "factor 2": lambda p, x, g: 2 * g,
    "factor 1/2": lambda p, x, g: g / 2,
    "factor B": lambda p, x, g: ROWS * g,
    "factor 1/B": lambda p, x, g: g / ROWS,
    "sign": lambda p, x, g: -g,
    "absolute values": lambda p, x, g: np.abs(g),
    "all zero": lambda p, x, g: 0 * g,
    "first block zero": lambda p, x, g: one(g, slice(0, p.blocks(g)[0].size), 0.0),
    "last entry zero": lambda p, x, g: one(g, -1, 0.0),
    "one entry zero": lambda p, x, g: one(g, 1, 0.0),
    "one entry negated": lambda p, x, g: one(g, 2, -g[2]),
    "smallest entry doubled": lambda p, x, g: one(g, k := np.argmin(np.abs(g)), 2 * g[k]),
    "two entries exchanged": lambda p, x, g: g[[1, 0, *range(2, g.size)]],
    "reversed": lambda p, x, g: g[::-1].copy(),
    "transposed": lambda p, x, g: transposed(p, g),
    "last sample only": lambda p, x, g: p.gradient(x, slice(ROWS - 1, None)),
    "derivative missing": lambda p, x, g: p.gradient(x, linear=True),
    "one step later": lambda p, x, g: step_later(p, x, g),
    "weight decay 0.1 %": lambda p, x, g: g + 1e-3 * x * np.max(np.abs(g)) / np.max(np.abs(x)),
    "clipped at half": lambda p, x, g: np.clip(g, -np.abs(g).max() / 2, np.abs(g).max() / 2),
    "error 1 %": lambda p, x, g: 1.01 * g,
    "error 1e-4": lambda p, x, g: (1 + 1e-4) * g,
    "error 1e-6": lambda p, x, g: (1 + 1e-6) * g,
    "largest entry, 1e-5": lambda p, x, g: one(
        g, k := np.argmax(np.abs(g)), g[k] * (1 + 1e-5)
    ),
    "noise 1e-5": lambda p, x, g: g * (1 + 1e-5 * p.noise),
    "rounded to float32": lambda p, x, g: g.astype(np.float32).astype(np.float64),
}  # fmt: skip


Checker = Callable[[Problem, Gradient], str]  # the verdict: right, wrong or cannot tell


def ours(**options: Any) -> Checker:
    def check(p: Problem, gradient: Gradient) -> str:
        def loss_and_gradients(x: Vector) -> tuple[Any, Vector]:
            return p.loss(x), gradient(x.real)

        return check_gradients(loss_and_gradients, p.x, **options).verdict

    return check


def scipy_checker(threshold: float = 1e-6, relative: bool = False, **options: Any) -> Checker:
    from scipy.optimize import check_grad

    def check(p: Problem, gradient: Gradient) -> str:
        error = check_grad(p.loss, gradient, p.x, **options)
        scale = np.linalg.norm(gradient(p.x)) if relative else 1.0
        return RIGHT if error <= threshold * scale else WRONG

    return check


def torch_checker(**options: Any) -> Checker:
    import torch

    def check(p: Problem, gradient: Gradient) -> str:
        class Loss(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return torch.tensor(p.loss(x.detach().numpy()), dtype=torch.float64)

            @staticmethod
            def backward(ctx: Any, dout: Any) -> Any:
                (x,) = ctx.saved_tensors
                return dout * torch.from_numpy(gradient(x.detach().numpy()))

        x = torch.tensor(p.x, dtype=torch.float64, requires_grad=True)
        passed = torch.autograd.gradcheck(Loss.apply, x, raise_exception=False, **options)
        return RIGHT if passed else WRONG

    return check


def jax_checker(**options: Any) -> Checker:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def check(p: Problem, gradient: Gradient) -> str:
        scalar = jax.ShapeDtypeStruct((), np.float64)
        vector = jax.ShapeDtypeStruct(p.x.shape, np.float64)

        @jax.custom_vjp
        def loss(x: Any) -> Any:
            return jax.pure_callback(lambda v: np.float64(p.loss(np.asarray(v))), scalar, x)

        def backward(x: Any, dout: Any) -> tuple[Any]:
            return (dout * jax.pure_callback(lambda v: gradient(np.asarray(v)), vector, x),)

        loss.defvjp(lambda x: (loss(x), x), backward)
        try:
            check_grads(loss, (p.x,), order=1, modes=["rev"], **options)
        except AssertionError:
            return WRONG
        return RIGHT

    return check


def grid(**choices: list[Any]) -> list[dict[str, Any]]:
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


# The makers, and the settings to choose the strictest from.
CHECKERS: dict[str, tuple[Callable[..., Checker], list[dict[str, Any]]]] = {
    "ae_numpy.gradcheck": (ours, [{"method": "central"}]),
    "torch.autograd.gradcheck": (
        torch_checker,
        grid(eps=[1e-6, 1e-4], atol=[1e-5, 1e-9, 0.0], rtol=[1e-3, 1e-5, 1e-6]),
    ),
    "jax.test_util.check_grads": (
        jax_checker,
        grid(eps=[None, 1e-6], atol=[1e-5, 0.0], rtol=[1e-3, 1e-5, 1e-6]),
    ),
    "scipy.optimize.check_grad": (
        scipy_checker,
        grid(
            threshold=[1e-3, 1e-4, 1e-5, 1e-6, 1e-7],
            relative=[False, True],
            epsilon=[1.5e-8, 1e-6, 1e-10],
        ),
    ),
}


@dataclass
class Result:
    """What one checker with one setting said."""

    settings: dict[str, Any]
    caught: dict[str, list[bool | None]]  # by bug; None where it changed no bit
    seconds: float  # per check
    alarms: int = 0  # "wrong" about a correct function
    undecided: int = 0  # "cannot tell" about a correct function
    correct: int = 0  # number of correct functions


def verdicts(check: Checker) -> tuple[dict[str, list[bool | None]], float]:
    """Caught or not by bug (None: no bit changed), and seconds per check."""
    caught: dict[str, list[bool | None]] = {name: [] for name in BUGS}
    start = time.perf_counter()
    for p, (name, bug) in itertools.product(problems(), BUGS.items()):
        wrong = bug_of(bug, p)
        if np.array_equal(wrong(p.x), p.gradient(p.x)):
            caught[name].append(None)
        else:
            caught[name].append(check(p, wrong) == WRONG)
    count = sum(c is not None for row in caught.values() for c in row)
    return caught, (time.perf_counter() - start) / count


def on_correct(check: Checker, draws: int) -> list[str]:
    """Verdicts on the correct functions: those with the bugs, and more draws of them."""
    seeds = [0, *(1000 + 10 * draw for draw in range(draws))]
    return [check(p, p.gradient) for seed in seeds for p in problems(seed)]


def bug_of(bug: Bug, p: Problem) -> Gradient:
    return lambda x: bug(p, x, p.gradient(x))


def strictest(make: Callable[..., Checker], settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Settings with no false alarm (or fewest) on the correct functions that catch most."""

    def merit(options: dict[str, Any]) -> tuple[int, int]:
        check = make(**options)
        if alarms := on_correct(check, 1).count(WRONG):
            return -alarms, 0
        return 0, sum(c is True for row in verdicts(check)[0].values() for c in row)

    return max(settings, key=merit) if len(settings) > 1 else settings[0]


def main() -> None:
    """Run everything; print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", default=list(CHECKERS), help="names of checkers")
    parser.add_argument("--draws", type=int, default=10, help="draws of the correct functions")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results: dict[str, Result] = {}
    for name in options.only:
        make, settings = CHECKERS[name]
        try:
            make()
        except ImportError as error:
            print(f"{name}: not compared, {error.name} is not installed\n")
            continue
        second = "strict" if len(settings) > 1 else "central"
        for label, chosen in (("defaults", {}), (second, strictest(make, settings))):
            check = make(**chosen)
            said = on_correct(check, options.draws)
            results[f"{name}, {label}"] = Result(
                chosen, *verdicts(check), said.count(WRONG), said.count(CANNOT_TELL), len(said)
            )
    print_tables(results)


def print_tables(results: dict[str, Result]) -> None:
    print("| checker | settings | bugs caught | at scale 1 | at 1e-3 | at 1e3 | false alarms | "
          "cannot tell | ms per check |")  # fmt: skip
    print("|" + "---|" * 9)
    for name, r in results.items():
        settings = ", ".join(f"{k}={v}" for k, v in r.settings.items())
        cells = [_share(r.caught, None), *(_share(r.caught, k) for k in range(len(SCALES)))]
        print(f"| {name} | {settings} | {' | '.join(cells)} | {r.alarms} of {r.correct} | "
              f"{r.undecided} | {1e3 * r.seconds:.1f} |")  # fmt: skip
    print("\n| bug | " + " | ".join(results) + " |")
    print("|" + "---|" * (len(results) + 1))
    for bug in BUGS:
        cells = [_count(r.caught[bug]) for r in results.values()]
        print(f"| {bug} | {' | '.join(cells)} |")


def _share(caught: dict[str, list[bool | None]], scale: int | None) -> str:
    """Caught of counted, at one scale or at all."""
    step = slice(None) if scale is None else slice(scale, None, len(SCALES))
    return _count([c for row in caught.values() for c in row[step]])


def _count(results: list[bool | None]) -> str:
    counted = [c for c in results if c is not None]
    return f"{sum(counted)} of {len(counted)}"


if __name__ == "__main__":
    main()
