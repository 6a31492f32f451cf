"""The report's first half: what was asked, what came out, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from study.answers import answer_rq1, answer_rq2, reservation
from study.bias_worth import in_the_study
from study.measures import bias_effects, cells
from study.paper import EPOCHS
from study.protocols import PROTOCOLS
from study.report import charts, gallery
from study.report.markup import Html, join, prose, tag
from study.results import Results
from study.words import count, listing, plural

QUESTIONS = (
    (
        "How does the selection of compression ratio influence reconstruction accuracy of "
        "compressed images?",
        "“reconstruction accuracy of encoded images monotonically diminishes with the imposition "
        "of higher compression-ratios”",
    ),
    (
        "How does the inclusion/exclusion of bias nodes affect reconstruction accuracy of "
        "compressed images?",
        "“the inclusion or exclusion of bias units [...] is documented to inconsistently affect "
        "image reconstruction performance”",
    ),
)
"""The paper's research questions and its answers, in its own words."""

WAYS = {
    "published": "as the paper's code ran",
    "corrected": "as its text describes them",
    "tuned": f"by the best single recipe that we found for {EPOCHS} epochs",
}
"""The protocols in a few words."""


def warning(results: Results) -> Html:
    """Say so if the numbers must not be compared with the paper's."""
    reasons, epochs = [], results.settings["epochs"]
    if results.data["name"] != "mnist":
        reasons.append(f"The images are {results.data['title']}, the paper's are MNIST.")
    if results.settings["quick"]:
        reasons.append(
            f"This was a quick check of the program: {count(epochs, 'epoch')} on "
            f"{count(results.data['n_train'], 'image')}."
        )
    elif epochs != EPOCHS:
        reasons.append(f"Models were trained for {count(epochs, 'epoch')}, the paper's {EPOCHS}.")
    if not reasons:
        return Html("")
    headline = tag("strong", "These are not the paper's numbers.")
    return tag("div", tag("p", headline, " ", " ".join(reasons)), class_="warning", role="note")


def protocol_name(protocol: str) -> Html:
    """Return a protocol's name in its colour."""
    return tag("span", protocol, class_=f"protocol {protocol}")


def lead_first(results: Results) -> list[str]:
    """Return the protocols, first that of the paper's text: it is the experiment described."""
    return sorted(results.protocols, key=lambda protocol: protocol != "corrected")


def note(protocol: str) -> Html:
    """Show the caveat about comparing biases under a protocol, if there is one."""
    said = reservation(protocol)
    return tag("p", said, class_="hint") if said else Html("")


def _study(results: Results, protocol: str) -> Html:
    """Show what the bias study adds to the answer under a protocol, if anything."""
    said = in_the_study(results, protocol)
    return tag("p", prose(said)) if said else Html("")


def ways(results: Results) -> str:
    """Name the protocols in a clause."""
    return listing(WAYS[protocol] for protocol in results.protocols)


def key_numbers(results: Results) -> Html:
    """Count what was done, in numbers large enough to be seen."""
    data, n_ways = results.data, len(results.protocols)
    counts = sorted({len(results.seeds_of(protocol)) for protocol in results.protocols})
    numbers = [
        (f"{results.n_trained:,}", "models trained"),
        (str(n_ways), f"{plural(n_ways, 'way')} of training them"),
        (
            " to ".join(map(str, dict.fromkeys((counts[0], counts[-1])))),
            f"{plural(counts[-1], 'seed')} each",
        ),
        (f"{data['n_train']:,} + {data['n_test']:,}", "images to train and to test on"),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", number)) for number, name in numbers),
        class_="key-numbers",
    )


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


def answers(results: Results, drawn: Sequence[Any]) -> Html:
    """Ask the questions with a picture each, and give the answers under every protocol.

    The line below a picture says where to find the one with all seeds, if it was drawn.
    """
    numbers = {figure.number for figure in drawn}
    protocols = lead_first(results)
    first = [(protocol_name(name), answer_rq1(results, name)) for name in protocols]
    second = [
        (protocol_name(name), join([answer_rq2(results, name), note(name), _study(results, name)]))
        for name in protocols
    ]
    pictures = (
        _error_plot(results) + _see(9, numbers, "the models without bias, too, and every seed"),
        _bias_plot(results)
        + _see(10, numbers, "every seed")
        + _see(12, numbers, "what a bias is worth where both kinds have a good start"),
    )
    cards = [
        _card(f"RQ{k}", question, papers, Html(picture), found)
        for k, ((question, papers), picture, found) in enumerate(
            zip(QUESTIONS, pictures, (first, second), strict=True), 1
        )
    ]
    return tag("div", *cards, class_="answers")


def _card(
    name: str, question: str, papers: str, picture: Html, found: list[tuple[Html, Any]]
) -> Html:
    return tag(
        "article",
        tag("h3", tag("span", name, class_="number"), " ", question),
        tag("p", f"The paper's answer: {papers}.", class_="said"),
        picture,
        tag("dl", *(tag("div", tag("dt", who), tag("dd", answer)) for who, answer in found)),
        class_="answer",
    )


def _see(number: int, drawn: set[int], what: str) -> Html:
    if number not in drawn:
        return Html("")
    link = tag("a", f"Figure {number}", href=f"#{gallery.place(number)}")
    return tag("p", link, f" shows {what}.", class_="hint")


def _error_plot(results: Results) -> Html:
    """Draw the errors with bias by ratio: the paper's, every protocol's mean, PCA's."""
    ours = {name: [c for c in cells(results, name) if c.bias] for name in results.protocols}
    paper = {c.ratio: c.paper for of_protocol in ours.values() for c in of_protocol}
    series = [
        charts.Series("Paper", paper),
        *(charts.Series(name, {c.ratio: c.mean for c in of}) for name, of in ours.items()),
        charts.Series("PCA", results.baselines.pca, dots=False),
        charts.Series("Mean image", dict.fromkeys(paper, results.baselines.mean_image), dots=False),
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
