"""Make `index.html`, one offline page with a live graph of chapters 1 and 3 of the tour.

The page holds the chapters' numbers and, to check itself against, what `ae_numpy.reference`
computes from them. Its parts are beside this file: `page.html` and `style.css`; `graph.js`, the
computation; `models.js`, the two graphs; `words.js`, formulas; `view.js`, `plots.js` and
`tools.js`, what is drawn; `tasks.js`; `main.js`, the page's state.

    python examples/live/make.py
"""

from __future__ import annotations

import ast
import base64
import hashlib
import itertools
import json
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ae_numpy import reference
from ae_numpy.reference import Array
from ae_numpy.storage.atomic import replacing

HERE = Path(__file__).parent
CHAPTERS = {"neuron": "01_one_neuron.py", "network": "03_computation_graph.py"}
SCRIPTS = ("graph", "models", "words", "view", "plots", "tools", "tasks", "main")

Numbers = dict[str, float]


def chapter_numbers(script: Path) -> dict[str, Any]:
    """Return what a chapter assigns first to each name, where that is a literal."""
    numbers: dict[str, Any] = {}
    for statement in ast.parse(script.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in numbers:
                try:
                    numbers[name] = ast.literal_eval(statement.value)
                except ValueError:  # an expression: computed from the others
                    continue
    return numbers


def entries(name: str, values: Any) -> Numbers:
    """Name every entry of an array: W0[0][1] and so on; a scalar keeps the name itself."""
    values = np.asarray(values, float)
    return {
        name + "".join(f"[{k}]" for k in index): float(values[index])
        for index in itertools.product(*map(range, values.shape))
    }


def passes(x: Array, layers: list[tuple[Array, Array]], target: Array) -> dict[str, Array]:
    """Compute every value and gradient of a network for one sample, by the textbook page.

    Keys are z0, a0, dz0, da0, dW0, db0 and so on, dx and J; batches have one row.
    """
    found, a = {}, x
    for k, (W, b) in enumerate(layers):
        found[f"z{k}"] = reference.dense_forward(a, W, b)
        found[f"a{k}"] = a = reference.sigmoid_forward(found[f"z{k}"])
    found["J"] = reference.half_squared_error_forward(a, target)
    gradient = reference.half_squared_error_backward(a, target)
    for k, (W, _) in reversed(list(enumerate(layers))):
        below = found[f"a{k - 1}"] if k else x
        found[f"da{k}"] = gradient
        found[f"dz{k}"] = reference.sigmoid_backward(gradient, found[f"a{k}"])
        gradient, found[f"dW{k}"], found[f"db{k}"] = reference.dense_backward(
            found[f"dz{k}"], below, W
        )
    return {**found, "dx": gradient}


def neuron_numbers(start: Numbers) -> Numbers:
    """Compute chapter 1's values and gradients, under its names, from the given numbers."""
    x = np.array([[start["x[0]"], start["x[1]"]]])
    w = np.array([[start["w[0]"]], [start["w[1]"]]])
    found = passes(x, [(w, np.array([start["b"]]))], np.array([[start["t"]]]))
    dp = np.repeat(found["dz0"], 2)  # a sum hands its gradient on, unchanged
    return {
        **entries("p", x[0] * w[:, 0]),
        **{name: found[f"{name}0"].item() for name in ("z", "a", "da", "dz", "db")},
        **entries("dp", dp),
        **entries("dw", found["dW0"][:, 0]),
        **entries("dx", found["dx"][0]),
        "J": float(found["J"]),
    }


def network_numbers(start: Numbers) -> Numbers:
    """Compute chapter 3's values and gradients, under its names, from the given numbers."""

    def given(name: str, *shape: int) -> Array:
        indices = itertools.product(*map(range, shape))
        flat = [start[name + "".join(f"[{k}]" for k in index)] for index in indices]
        return np.array(flat).reshape(shape)

    layers = [(given(f"W{k}", 2, 2), given(f"b{k}", 2)) for k in (0, 1)]
    found = passes(given("x", 2)[None], layers, given("t", 2)[None])
    one_row = ("dW", "db", "J")  # these have no axis for samples
    return {
        key: number
        for name, values in found.items()
        for key, number in entries(name, values if name.startswith(one_row) else values[0]).items()
    }


COMPUTE = {"neuron": neuron_numbers, "network": network_numbers}


def page_numbers() -> dict[str, dict[str, Numbers]]:
    """Return for each model the numbers that it starts with, and what follows from them."""
    found = {}
    for model, chapter in CHAPTERS.items():
        literals = chapter_numbers(HERE.parent / chapter)
        literals.setdefault("t", literals["x"])  # an autoencoder's target is its input
        names = ("x", "w", "b", "t") if model == "neuron" else ("x", "W0", "b0", "W1", "b1", "t")
        start = {k: v for name in names for k, v in entries(name, literals[name]).items()}
        found[model] = {"start": start, "numbers": COMPUTE[model](start)}
    return found


def content_hash(text: str) -> str:
    """Return the expression that allows this text in a Content-Security-Policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def make_page() -> str:
    """Put the page together."""
    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    template = Template((HERE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=style,
        style_hash=content_hash(style),
        script=script,
        script_hash=content_hash(script),
        numbers=json.dumps(page_numbers()),
    )


if __name__ == "__main__":
    with replacing(HERE / "index.html") as file:
        file.write(make_page().encode())
