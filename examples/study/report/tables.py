"""The report's tables of errors: Table 1, and what biases change."""

from __future__ import annotations

from typing import Any

import numpy as np

from study.answers import ranks
from study.bias_worth import CONSTANT, KINDS, MARGIN, NEARLY, Worth, worths
from study.measures import Cell, bias_effects, cells, testable
from study.paper import HIDDEN_UNITS
from study.report import charts
from study.report.markup import Html, join, prose, table, tabs, tag
from study.report.sections import lead_first, note, protocol_name
from study.results import Results
from study.statistics import Interval
from study.words import count, percent, signed


def table_1(results: Results) -> Html:
    """Lay out Table 1: the paper's value next to every protocol's, and PCA's."""
    by_protocol = {name: cells(results, name) for name in results.protocols}
    models = dict.fromkeys((c.ratio, c.bias) for of in by_protocol.values() for c in of)
    by_model = [
        {name: c for name, of in by_protocol.items() for c in of if (c.ratio, c.bias) == model}
        for model in sorted(models, key=lambda model: (-model[0], model[1]))
    ]
    highest = max(max(c.paper, *c.values) for of_model in by_model for c in of_model.values())
    heads = [
        *("Compression ratio", "Bias", "Paper"),
        *(protocol_name(name) for name in results.protocols),
        *("PCA, centred", "All seeds, from 0"),
    ]
    rows = [_table_1_row(of_model, results, highest) for of_model in by_model]
    return join(
        [
            table(_caption(results), heads, rows, n_row_heads=2, class_="table-1"),
            _legend(results),
        ]
    )


def _caption(results: Results) -> str:
    """Say what the numbers are, and what to compare the paper's with."""
    what = "Table 1. Mean squared error on the test images: the paper's value, and ours"
    if not any(_several(results, name) for name in results.protocols):
        return f"{what}, one run of each model"
    ranked = " and the rank" if _ranked(results) else ""
    return (
        f"{what} as mean over seeds with its 95 % t interval. The paper's value is one run: "
        f"compare it with the dots{ranked}, not with the interval, which is about the mean. Errors "
        "at 28x and 14x fall in steps and need not be normal, as the interval supposes"
    )


def _several(results: Results, protocol: str) -> bool:
    return len(results.seeds_of(protocol)) > 1


def _ranked(results: Results) -> bool:
    """Whether the paper's values are ranked: among the runs of what its code did, if several."""
    return "published" in results.protocols and _several(results, "published")


def _table_1_row(of_model: dict[str, Cell], results: Results, highest: float) -> list[Any]:
    first = next(iter(of_model.values()))
    values = {name: of_model[name].values for name in results.protocols if name in of_model}
    return [
        Html(f"{first.ratio}x <small>{HIDDEN_UNITS[first.ratio]} units</small>"),
        "yes" if first.bias else "no",
        f"{first.paper:.4f}",
        *(_cell(of_model.get(name)) for name in results.protocols),
        f"{results.baselines.pca[first.ratio]:.4f}",
        charts.strip(values, first.paper, highest),
    ]


def _cell(cell: Cell | None) -> Html:
    if cell is None:
        return Html("not trained")
    parts = [tag("b", f"{cell.mean:.4f}")]
    several = cell.values.size > 1
    if several:
        parts.append(tag("small", f"{cell.low:.4f} to {cell.high:.4f}", class_="interval"))
    if several and cell.protocol == "published":
        place = f"paper: rank {cell.rank} of {cell.values.size + 1}"
        outside = tag("span", "outside", class_="outside") if cell.outside else ""
        parts.append(tag("small", place, " ", outside, class_="rank"))
    return join(parts, " ")


def _legend(results: Results) -> Html:
    """Say how to read the table, and how many of the paper's values are outside."""
    marks = [
        tag("span", Html('<span class="mark paper" aria-hidden="true">◆</span> the paper')),
        *(
            tag("span", Html(f'<span class="mark {name}" aria-hidden="true">●</span> '), name)
            for name in results.protocols
        ),
    ]
    rank = tag("p", prose(ranks(results, "published"))) if _ranked(results) else ""
    return join([tag("p", *marks, class_="legend"), rank])


def bias_table(results: Results) -> Html:
    """Lay out what trained biases change, a table per protocol."""
    names = lead_first(results)
    intro = "Models with and without biases are compared seed by seed."
    if any(testable(bias_effects(results, name)) for name in names):
        p = tag("i", "p")
        test = (
            f" {p} is that of an exact sign-flip test; Holm's {p} is adjusted for the number "
            "of ratios."
        )
        intro = join([intro, Html(test)], "")
    panels = [(name, _bias_panel(results, name)) for name in names]
    return join([tag("p", intro), tabs("bias", "Protocol", panels)])


def _bias_panel(results: Results, protocol: str) -> Html:
    effects = bias_effects(results, protocol)
    tested = testable(effects)
    bounds = [(protocol, e.mean, e.low, e.high) for e in effects]
    furthest = max(np.nanmax(np.abs(bound[1:])) for bound in bounds)
    pictures = charts.intervals(bounds, furthest or 1.0)
    rows = [
        [
            f"{e.ratio}x",
            f"{e.mean:+.4f}",
            "one seed" if np.isnan(e.low) else f"{e.low:+.4f} to {e.high:+.4f}",
            *([f"{e.p:.3g}", f"{e.p_holm:.3g}"] if tested else []),
            picture,
        ]
        for e, picture in zip(effects, pictures, strict=True)
    ]
    heads = [
        *("Ratio", "Mean", "95 % interval"),
        *(("p", "Holm p") if tested else ()),
        "Bias helps ◂ 0 ▸ bias harms",
    ]
    caption = (
        f"Error with bias minus error without, {protocol}, "
        f"{count(len(effects[0].differences), 'pair')} of models per ratio: below 0, bias helps"
    )
    return join([table(caption, heads, rows), note(protocol)])


def worth_table(results: Results) -> Html:
    """Lay out the bias study; nothing where it was not trained."""
    found = worths(results)
    if not found:
        return Html("")
    heads = [
        "Ratio",
        *(f"{kind[0].upper()}{kind[1:]}" for kind in KINDS),
        "No bias against bias and one unit fewer",
        f"Within {percent(MARGIN)}",
        "What the unit takes off",
        f"Constant to {percent(CONSTANT, 'g')} and {percent(NEARLY)}, plain start",
    ]
    seeds = count(found[0].errors["bias"].size, "seed")
    caption = (
        f"What a bias is worth, by the recipe of tuned: mean errors over {seeds} of four kinds of "
        "models, differences in percent with 95 % intervals, and how many models that start "
        "plainly end with a constant unit"
    )
    title = tag("h3", "What a bias is worth")
    return join([title, table(caption, heads, map(_worth_row, found), class_="worth")])


def _worth_row(worth: Worth) -> list[Any]:
    n = worth.errors["bias"].size
    return [
        f"{worth.ratio}x",
        *(f"{worth.errors[kind].mean():.5f}" for kind in KINDS),
        _in_percent(worth.difference),
        "one seed" if n == 1 else "yes" if worth.equivalent else "no",
        _in_percent(worth.unit),
        f"{worth.n_constant(CONSTANT)} and {worth.n_constant(NEARLY)} of {n}",
    ]


def _in_percent(interval: Interval) -> Html:
    mean, low, high = map(signed, interval)
    bounds = tag("small", f"{low} to {high}", class_="interval")
    return join([f"{mean} %"] if np.isnan(interval.low) else [f"{mean} %", bounds], " ")
