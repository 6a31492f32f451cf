"""Gradient checkers on functions as people write them: what is caught, named and located.

    python benchmarks/gradcheck_people.py gradcheck_functions      # or a file with CASES
    python benchmarks/gradcheck_people.py gradcheck_functions --peers --list

A bug counts at a scale where it changes the gradient by more than 1e-7 (relative, in the norm).
Caught is "wrong", or an error that refuses the gradient. Named: the bug's kind is among those of a
finding; located: `diagnosis.located`, or the error, says where; narrowed down: it says more than
that whole arrays are wrong. Certain and wrong: a finding is called certain, and none has the bug's
kind. The peers get the function of one flat vector and run with their defaults; CS231n's is the
loop of its assignments, wrong from 1e-5.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradcheck_peers
import numpy as np

from ae_numpy.gradcheck import check_gradients

RESULTS = Path(__file__).parent / "results" / "gradcheck_people.json"
RIGHT, WRONG, CANNOT_TELL, REFUSED = "right", "wrong", "cannot tell", "refused"
WHOLE_ARRAY = re.compile(": (all .* entries are|its one entry is) wrong")  # the table says so too
DRAWS = 5  # points at which a right gradient is checked, a scale
CHANGED = 1e-7  # relative: what changes less is not a bug


@dataclass
class Said:
    """What a checker said of one gradient; `bug` is None where it is right."""

    function: str
    scale: float
    bug: str | None
    kind: str | None
    seconds: float
    verdict: str
    kinds: tuple[str, ...] = ()
    certain: bool = False
    located: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        return self.kind is not None and self.kind in self.kinds

    @property
    def narrowed_down(self) -> bool:
        return any(not WHOLE_ARRAY.search(sentence) for sentence in self.located)


Judge = Callable[[Any, Any, Any, str | None], dict[str, Any]]  # case, parameters, batch, bug


def load(name: str) -> list[Any]:
    """CASES of a module, by its name or by the path of its file."""
    sys.path.insert(0, str(Path(name).parent))
    return importlib.import_module(Path(name).stem).CASES


def flat(arrays: dict[str, Any], parameters: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(arrays[k], float)) for k in parameters])


def changes(case: Any, parameters: Any, batch: Any, bug: str) -> bool:
    """Whether the bug can be seen at this point: in the loss, the shapes or the numbers."""
    loss, right = case.f(parameters, *batch)
    other, wrong = case.f(parameters, *batch, bug=bug)
    if other != loss or any(np.shape(wrong[k]) != np.shape(right[k]) for k in parameters):
        return True
    a, b = flat(right, parameters), flat(wrong, parameters)
    return not np.linalg.norm(b - a) <= CHANGED * np.linalg.norm(a)


def ours(case: Any, parameters: Any, batch: Any, bug: str | None) -> dict[str, Any]:
    rows = batch if case.batch and batch else None
    report = check_gradients(
        lambda p, *b: case.f(p, *(b or batch), bug=bug), parameters, batch=rows
    )
    findings = report.diagnosis.findings
    return {
        "verdict": report.verdict,
        "kinds": tuple(kind for f in findings for kind in f.kinds),
        "certain": any(f.certain for f in findings),
        "located": tuple(report.diagnosis.located),
    }


def peer(check: gradcheck_peers.Checker) -> Judge:
    """A judge out of a peer's adapter, which wants a loss of one flat vector, and the point."""

    def judge(case: Any, parameters: Any, batch: Any, bug: str | None) -> dict[str, Any]:
        ends = np.cumsum([np.size(v) for v in parameters.values()])[:-1]

        def at(x: np.ndarray) -> tuple[float, dict[str, Any]]:
            parts = zip(parameters.items(), np.split(np.asarray(x, float), ends), strict=True)
            return case.f({k: a.reshape(np.shape(v)) for (k, v), a in parts}, *batch, bug=bug)

        problem: Any = SimpleNamespace(loss=lambda x: at(x)[0], x=flat(parameters, parameters))
        return {"verdict": check(problem, lambda x: flat(at(x)[1], parameters))}

    return judge


def cs231n(h: float = 1e-5, threshold: float = 1e-5) -> gradcheck_peers.Checker:
    """Central differences for every entry and the relative error of CS231n's assignments."""

    def check(p: Any, gradient: Callable[[np.ndarray], np.ndarray]) -> str:
        steps = h * np.eye(p.x.size)
        numeric = np.array([p.loss(p.x + e) - p.loss(p.x - e) for e in steps]) / (2 * h)
        g = gradient(p.x)
        error = np.abs(g - numeric) / np.maximum(1e-8, np.abs(g) + np.abs(numeric))
        return RIGHT if error.max() <= threshold else WRONG

    return check


PEERS: dict[str, Callable[[], gradcheck_peers.Checker]] = {
    "torch.autograd.gradcheck": gradcheck_peers.torch_checker,
    "CS231n's loop": cs231n,
    "scipy.optimize.check_grad": gradcheck_peers.scipy_checker,
}


def measure(judge: Judge, cases: list[Any]) -> list[Said]:
    """Every bug that counts, at one point a scale; right gradients at DRAWS points a scale."""
    rows = []
    points = [(case, scale) for case in cases for scale in case.scales]
    for (c, scale), seed in itertools.product(points, range(DRAWS)):
        parameters, batch = c.make(seed, scale)
        bugs = [b for b in c.bugs if seed == 0 and changes(c, parameters, batch, b)]
        for bug in [None, *bugs]:
            start = time.perf_counter()
            try:
                said = judge(c, parameters, batch, bug)
            except Exception as error:
                which = tuple(str(error) for k in parameters if f"'{k}'" in str(error))
                said = {"verdict": REFUSED, "located": which}
            seconds = time.perf_counter() - start
            rows.append(Said(c.name, scale, bug, c.bugs.get(bug), seconds, **said))
    return rows


def counts(rows: list[Said]) -> dict[str, Any]:
    bugs, right = [r for r in rows if r.bug], [r for r in rows if not r.bug]
    kind = [r for r in bugs if r.kind]
    return {
        "cases": len(bugs),
        "caught": sum(r.verdict in (WRONG, REFUSED) for r in bugs),
        "passed": sum(r.verdict == RIGHT for r in bugs),
        "cannot tell": sum(r.verdict == CANNOT_TELL for r in bugs),
        "named": f"{sum(r.named for r in kind)} of {len(kind)}",
        "named or located": sum(r.named or bool(r.located) for r in bugs),
        "named or narrowed down": sum(r.named or r.narrowed_down for r in bugs),
        "certain and wrong": sum(r.certain and not r.named for r in kind),
        "certain, no kind": sum(r.certain for r in bugs if not r.kind),
        "false alarms": f"{sum(r.verdict in (WRONG, REFUSED) for r in right)} of {len(right)}",
        "right, cannot tell": sum(r.verdict == CANNOT_TELL for r in right),
        "ms per check": round(1e3 * sum(r.seconds for r in rows) / len(rows), 1),
    }


def table(title: str, lines: dict[str, dict[str, Any]]) -> None:
    columns = list(next(iter(lines.values())))
    print(f"\n| {title} | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for name, line in lines.items():
        print(f"| {name} | " + " | ".join(str(v) for v in line.values()) + " |")


def groups(rows: list[Said], key: Callable[[Said], str]) -> dict[str, dict[str, Any]]:
    return {k: counts([r for r in rows if key(r) == k]) for k in sorted({key(r) for r in rows})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("functions", help="module with CASES, or the path of its file")
    parser.add_argument("--peers", action="store_true", help="the other checkers as well")
    parser.add_argument("--list", action="store_true", help="print what was not named")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    cases = load(options.functions)
    print(f"{len(cases)} functions, {sum(len(c.bugs) for c in cases)} bugs")
    rows = measure(ours, cases)
    found = {"checkers": {"ae_numpy.gradcheck": counts(rows)}}
    for name, make in PEERS.items() if options.peers else ():
        try:
            found["checkers"][name] = counts(measure(peer(make()), cases))
        except ImportError as error:
            print(f"{name}: not compared, {error.name} is not installed")
    found["kinds"] = groups([r for r in rows if r.bug], lambda r: str(r.kind))
    found["functions"] = groups(rows, lambda r: r.function)
    for title, lines in found.items():
        table(title, lines)
    for r in rows if options.list else ():
        if r.verdict != RIGHT and not r.named:
            print("\n", *(f"{k}={v}" for k, v in asdict(r).items()), sep="  ")
    saved = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    saved[Path(options.functions).stem] = found
    RESULTS.write_text(json.dumps(saved, indent=1) + "\n")


if __name__ == "__main__":
    main()
