"""The page: template, style, script and sections put together."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from ae_numpy.datasets import Digits
from study.files import write
from study.paper import HIDDEN_UNITS
from study.report import bytes as in_bytes
from study.report import details, gallery, sections, tables
from study.report.explorer import Explorer, LoadModel, pack
from study.report.markup import Html, html
from study.results import Results


def write_report(
    path: Path, results: Results, figures: Sequence[Any], digits: Digits, model: LoadModel
) -> None:
    """Write the report, a single file of HTML that needs no network.

    Parameters
    ----------
    path : path
        Written completely or not at all.
    results : Results
    figures : sequence of Drawn
        Empty if matplotlib is missing; the report says so.
    digits : Digits
        The explorer holds some of the test images.
    model : callable
        ``model(protocol, ratio, bias)``: the trained model of the first seed.
    """
    explorer = pack(results, digits, model)
    style, script = _file("report.css"), _file("explorer.js")
    parts = {
        "style": Html(style),
        "style_hash": _hash(style),
        "script": Html(script),
        "script_hash": _hash(script),
        "data": explorer.data,
        "warning": sections.warning(results),
        "data_title": results.data["title"],
        "ways": sections.ways(results),
        "key_numbers": sections.key_numbers(results),
        "protocols": sections.protocol_list(results),
        "answers": sections.answers(results, figures),
        "table_1": tables.table_1(results),
        "bias_table": tables.bias_table(results),
        "worth_table": tables.worth_table(results),
        "figures": gallery.figures(figures),
        "bytes": in_bytes.section(path.parent),
        "claims": details.claims_table(results),
        "departures": details.departures_list(),
        "slips": details.slips_list(),
        "recipes": details.recipes(results),
        "settings": details.settings(results),
        **_explained(results, explorer),
    }
    template = Template(_file("report.html"))
    page = template.substitute({name: html(part) for name, part in parts.items()})
    write(path, page)


def _explained(results: Results, explorer: Explorer) -> dict[str, str]:
    """Say what the explorer holds, and how exact it is."""
    seeds = {results.seeds_of(protocol)[0] for protocol, _, _ in explorer.chosen}
    with_square = any(HIDDEN_UNITS[ratio] == 2 for _, ratio, _ in explorer.chosen)
    return {
        "n_models": str(len(explorer.chosen)),
        "explorer_seeds": " and ".join(map(str, sorted(seeds))),
        # 5 % more, so that rounding to two digits does not make it less than it is.
        "rounding": f"{105 * explorer.rounding:.2g} %",
        "square_hint": "At 392x the code is a point in a square: move it, and watch the image "
        "follow."
        if with_square
        else "",
    }


def _hash(code: str) -> str:
    """Return the hash of a style or a script; the page's policy allows no other."""
    return f"sha256-{b64encode(sha256(code.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
