"""The words for what can be wrong: causes by name, from `causes.toml`."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

KINDS = (
    "sign", "factor", "batch_factor", "transposed", "permuted", "repeated_rows", "not_summed",
    "zero", "one_sample", "swapped", "weight_decay", "l1", "activation_derivative", "wrong_input",
    "untransposed_weights", "updated_weights", "cross_terms", "time_steps", "broadcast", "mask",
    "missing_term", "clipped", "unused", "rounding", "raw_error",
)  # fmt: skip


class Cause(NamedTuple):
    """A mistake: one of `KINDS`, a label in a few words, and a sentence for a student."""

    kind: str
    label: str
    sentence: str
    certain: bool = True


def cause(key: str, /, **details: Any) -> Cause:
    """The words for a cause, its numbers filled in."""
    words = table("causes.toml")[key]
    details = {k: number(v) if isinstance(v, float) else v for k, v in details.items()}
    label, sentence = (words[part].format(**details) for part in ("label", "sentence"))
    return Cause(words["kind"], label, sentence, words.get("certain", True))


@cache
def table(name: str) -> dict[str, Any]:
    """A table of this package."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


def number(value: float) -> str:
    """A number as people write it: a fraction of small whole numbers where it is one."""
    fraction = Fraction(value).limit_denominator(200)
    if value and abs(float(fraction) / value - 1) < 1e-6:
        return str(fraction)
    return f"{value:.6g}"
