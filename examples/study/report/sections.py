"""The report's first half: what was asked, what came out, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from study.answers import (
    BiasEffect,
    Cell,
    answer_rq1,
    answer_rq2,
    bias_effects,
    cells,
    expected_outside,
    listing,
)
from study.paper import HIDDEN_UNITS
from study.protocols import PROTOCOLS
from study.report import charts
from study.report.markup import Html, join, table, tabs, tag
from study.results import Results

QUESTIONS = (
    "How does the selection of compression ratio influence reconstruction accuracy of compressed "
    "images?",
    "How does the inclusion/exclusion of bias nodes affect reconstruction accuracy of compressed "
    "images?",
)
"""The paper's research questions in its own words."""

WAYS = {
    "published": "as the paper's code ran",
    "corrected": "as its text describes them",
    "tuned": "as well as {epochs} epochs allow",
}
"""The protocols in a few words."""


def warning(results: Results) -> Html:
    """Say it where the numbers are not to be compared with the paper's."""
    reasons = []
    if results.data["name"] != "mnist":
        reasons.append(f"The images are {results.data['title']}, the paper's are MNIST.")
    if results.settings["quick"]:
        reasons.append(
            f"This was a quick check of the program: {results.settings['epochs']} epochs on "
            f"{results.data['n_train']:,} images."
        )
    if not reasons:
        return Html("")
    headline = tag("strong", "These are not the paper's numbers.")
    return tag("div", tag("p", headline, " ", " ".join(reasons)), class_="warning", role="note")


def protocol_name(protocol: str) -> Html:
    """Return a protocol's name in its colour."""
    return tag("span", protocol, class_=f"protocol {protocol}")


def lead_first(results: Results) -> list[str]:
    """Return the protocols, that of the paper's text first: it is the experiment described."""
    return sorted(results.protocols, key=lambda protocol: protocol != "corrected")


def ways(results: Results) -> str:
    """Name the protocols in a clause."""
    epochs = results.settings["epochs"]
    return listing(WAYS[protocol].format(epochs=epochs) for protocol in results.protocols)


def key_numbers(results: Results) -> Html:
    """Count what was done, in numbers large enough to be seen."""
    data = results.data
    numbers = [
        (f"{len(results.models):,}", "models trained"),
        (str(len(results.protocols)), "ways of training them"),
        (_seeds(results), "seeds each"),
        (f"{data['n_train']:,} + {data['n_test']:,}", "images to train and to test on"),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", number)) for number, name in numbers),
        class_="key-numbers",
    )


def _seeds(results: Results) -> str:
    counts = sorted({len(results.seeds_of(protocol)) for protocol in results.protocols})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def protocol_list(results: Results) -> Html:
    """Say what each protocol is."""
    return tag(
        "ul",
        *(
            tag("li", protocol_name(name), " ", PROTOCOLS[name].summary)
            for name in results.protocols
        ),
        class_="protocols",
    )


def answers(results: Results) -> Html:
    """Put the questions with a picture each, and the answers under every protocol."""
    pictures = (_error_plot(results), _bias_plot(results))
    cards = [
        tag(
            "article",
            tag("h3", tag("span", f"RQ{k}", class_="number"), " ", question),
            picture,
            tag(
                "dl",
                *(
                    tag("div", tag("dt", protocol_name(name)), tag("dd", answer(results, name)))
                    for name in lead_first(results)
                ),
            ),
            class_="answer",
        )
        for k, (question, answer, picture) in enumerate(
            zip(QUESTIONS, (answer_rq1, answer_rq2), pictures, strict=True), 1
        )
    ]
    return tag("div", *cards, class_="answers")


def _error_plot(results: Results) -> Html:
    """Draw the errors with bias by ratio: the paper's, every protocol's mean, PCA's."""
    ours = {name: [c for c in cells(results, name) if c.bias] for name in results.protocols}
    paper = {c.ratio: c.paper for of_protocol in ours.values() for c in of_protocol}
    series = [
        charts.Series("Paper", paper),
        *(charts.Series(name, {c.ratio: c.mean for c in of}) for name, of in ours.items()),
        charts.Series("PCA", results.baselines.pca, dots=False),
    ]
    title = "Mean squared error with bias, by compression ratio; the numbers are in Table 1"
    return _plot(series, results, title, "Mean squared error, with bias")


def _bias_plot(results: Results) -> Html:
    """Draw what biases change by ratio: mean differences and their intervals."""
    series = []
    for name in results.protocols:
        effects = bias_effects(results, name)
        means = {e.ratio: e.mean for e in effects}
        bounds = {e.ratio: (e.low, e.high) for e in effects if not np.isnan(e.low)}
        series.append(charts.Series(name, means, bounds, joined=False))
    title = "Error with bias minus error without, by compression ratio; below 0, biases help"
    return _plot(series, results, title, "Error with bias minus error without")


def _plot(series: Sequence[charts.Series], results: Results, title: str, short: str) -> Html:
    picture = charts.plot(series, sorted(results.ratios), title)
    return join([tag("p", short, class_="plot-title"), picture])


def table_1(results: Results) -> Html:
    """Lay out Table 1: the paper's value beside every protocol's, and PCA's."""
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
    caption = (
        "Table 1. Mean squared error on the test images: the paper's value, and ours as mean over "
        "seeds with its 95 % t interval"
    )
    return join([table(caption, heads, rows, n_row_heads=2, class_="table-1"), _legend(results)])


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
    if not np.isnan(cell.low):
        parts.append(tag("small", f"{cell.low:.4f} to {cell.high:.4f}", class_="interval"))
    if cell.protocol == "published":
        place = f"paper: rank {cell.rank} of {cell.values.size + 1}"
        outside = tag("span", "outside", class_="outside") if cell.outside else ""
        parts.append(tag("small", place, " ", outside, class_="rank"))
    return join(parts, " ")


def _legend(results: Results) -> Html:
    """Say how to read the table, and how many of the paper's values lie outside."""
    marks = [
        tag("span", Html('<span class="mark paper" aria-hidden="true">◆</span> the paper')),
        *(
            tag("span", Html(f'<span class="mark {name}" aria-hidden="true">●</span> '), name)
            for name in results.protocols
        ),
    ]
    parts = [tag("p", *marks, class_="legend")]
    if "published" in results.protocols:
        found = cells(results, "published")
        n_outside = sum(cell.outside for cell in found)
        n_seeds = len(results.seeds_of("published"))
        expected = expected_outside(len(found), n_seeds)
        parts.append(
            tag(
                "p",
                f"The rank is the place of the paper's value among it and our {n_seeds} under ",
                protocol_name("published"),
                f", 1 for the lowest. {n_outside} of {len(found)} lie outside all of ours; by "
                f"chance alone {expected:.1f} would, if the paper's run were one more of the "
                "same kind.",
            )
        )
    return join(parts)


def bias_table(results: Results) -> Html:
    """Lay out what trained biases change, a table per protocol."""
    names = lead_first(results)
    panels = [(name, _bias_table(bias_effects(results, name), name)) for name in names]
    return tabs("bias", "Protocol", panels)


def _bias_table(effects: Sequence[BiasEffect], protocol: str) -> Html:
    bounds = [(protocol, e.mean, e.low, e.high) for e in effects]
    furthest = max(np.nanmax(np.abs(bound[1:])) for bound in bounds)
    pictures = charts.intervals(bounds, furthest or 1.0)
    rows = [
        [
            f"{e.ratio}x",
            f"{e.mean:+.4f}",
            "one seed" if np.isnan(e.low) else f"{e.low:+.4f} to {e.high:+.4f}",
            f"{e.p:.3g}",
            f"{e.p_holm:.3g}",
            picture,
        ]
        for e, picture in zip(effects, pictures, strict=True)
    ]
    n_seeds = len(effects[0].differences)
    caption = (
        f"Error with bias minus error without, {protocol}, {n_seeds} "
        f"{'pairs' if n_seeds > 1 else 'pair'} of models per ratio: below 0, bias helps"
    )
    heads = ["Ratio", "Mean", "95 % interval", "p", "Holm p", "Bias helps ◂ 0 ▸ bias harms"]
    return table(caption, heads, rows)
