"""The report's second half: the paper's claims judged, what departs from it, how it was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.claims import Claim, claims, departures, slips
from study.paper import HIDDEN_UNITS
from study.protocols import PROTOCOLS
from study.report.markup import Html, html, items, join, prose, table, tag
from study.report.sections import lead_first, protocol_name
from study.results import Results
from study.verdicts import Verdict

VERDICTS = {
    True: ("holds", "✓", "holds"),
    False: ("fails", "✗", "does not hold"),
    None: ("open", "?", "cannot be told"),
}
"""Class, sign and words of a badge, by what was found."""

HOW_TUNED = (
    "In rounds, by training on the first 50,000 training images of MNIST and comparing errors on "
    "the other 10,000. No test image was used for it. The recipes tried are in "
    "`examples/results/recipes.md` of the repository."
)


def claims_table(results: Results) -> Html:
    """Lay out every claim of the paper's text with our verdicts.

    Reasons are shown when a box above is ticked, and on paper.
    """
    names, judged = lead_first(results), claims(results)
    rows = [
        [
            tag("span", prose(claim.text), " ", tag("small", _place(claim.section))),
            *(_verdict(claim.verdicts[name]) for name in names),
            _verdict(claim.own) if claim.own else "",
        ]
        for claim in judged
    ]
    heads = [
        "The paper says",
        *(_head(name, judged) for name in names),
        "the paper's own Table 1",
    ]
    caption = (
        "What the paper's text claims, and whether it holds here (✓), does not hold (✗), or cannot "
        "be told (?). The last column holds the paper's own errors to the same thresholds, where a "
        "claim needs no more than these"
    )
    return join(
        [
            tag("input", type="checkbox", id="reasons"),
            tag("label", "Show the reasons", for_="reasons"),
            table(caption, heads, rows, class_="claims"),
        ]
    )


def _place(section: str) -> str:
    return f"in section {section}" if section[:1].isdigit() else f"in {section}"


def _head(name: str, judged: Sequence[Claim]) -> Html:
    """Return a protocol's name, and how many claims hold under it, do not, or are open."""
    found = [claim.verdicts[name].holds for claim in judged]
    n_hold, n_fail, n_open = (found.count(holds) for holds in (True, False, None))
    counts = (
        f"{n_hold} {'holds' if n_hold == 1 else 'hold'}, "
        f"{n_fail} {'does' if n_fail == 1 else 'do'} not, {n_open} open"
    )
    return join([protocol_name(name), tag("small", counts)], " ")


def badge(holds: bool | None) -> Html:
    """Show a verdict as a sign and in words, not by its colour alone."""
    class_, sign, words = VERDICTS[holds]
    sign = tag("span", sign, aria_hidden="true")
    return tag("span", sign, tag("span", f" {words}", class_="words"), class_=f"badge {class_}")


def _verdict(verdict: Verdict) -> Html:
    return join([badge(verdict.holds), tag("small", prose(verdict.why), class_="why")], " ")


def departures_list() -> Html:
    """List what differs between the paper and its code, and between both and this study."""
    return items(map(prose, departures()))


def slips_list() -> Html:
    """List the paper's slips."""
    return items(map(prose, slips()))


def recipes(results: Results) -> Html:
    """Lay out how each protocol trains."""
    names = results.protocols
    kinds = {name: _recipe(name) for name in names}
    rows = [
        [quantity, *(kinds[name][quantity] for name in names)]
        for quantity in next(iter(kinds.values()))
    ]
    heads = ["Setting", *(protocol_name(name) for name in names)]
    parts = [table("How each protocol trains", heads, rows, class_="recipes")]
    if "tuned" in names:
        parts.append(tag("p", tag("strong", "How the tuned recipe was chosen. "), prose(HOW_TUNED)))
    return join(parts)


def _recipe(name: str) -> dict[str, str]:
    protocol = PROTOCOLS[name]
    settings = protocol.settings
    fan = {"fan_in": "1/√inputs of the layer", "fan_out": "1/√units of the layer"}
    starts_at = protocol.decoder_bias
    return {
        "Learning rate": protocol.rate_formula,
        "Images per step": str(settings["batch_size"]),
        "Order of images": "new in every epoch" if settings["shuffle"] else "that of the file",
        "Spread of initial weights": fan[settings["weight_init"]],
        "Initial output biases": f"{starts_at:g}" if starts_at == starts_at else "drawn as weights",
        "Start without bias": "one constant hidden unit, whose output weights are "
        f"{protocol.decoder_bias:g}"
        if protocol.constant_unit
        else "as with bias",
        "Hidden layer's error": {
            "exact": "the gradient",
            "raw_error": "the raw error: not the gradient",
        }[settings["backprop"]],
        "“Without bias” means": "the twin's trained biases, frozen"
        if protocol.inherits_biases
        else "biases of zero",
    }


def settings(results: Results) -> Html:
    """List settings, versions, hashes, time and date."""
    data, chosen = results.data, results.settings
    seeds = {name: ", ".join(map(str, results.seeds_of(name))) for name in results.protocols}
    run = {
        "Data": f"{data['title']}, {data['n_train']:,} training and {data['n_test']:,} test images",
        "Networks": ", ".join(f"784-{HIDDEN_UNITS[ratio]}-784" for ratio in results.ratios),
        "Epochs": chosen["epochs"],
        **{f"Seeds, {name}": of for name, of in seeds.items()},
        "Errors are in": "units of squared pixels, with pixels from 0.01 to 1 as in the paper; "
        "for pixels from 0 to 1 multiply by 1.0203",
        "Mean image in place of every test image": f"{results.baselines.mean_image:.4f}",
        "Time of the trainings of Table 1, one after the other": _time(
            sum(m.seconds for m in results.models)
        ),
        "Wall time of all trainings": _time(results.wall_seconds),
        "Date": results.date.replace("T", " ").replace("+00:00", " UTC"),
    }
    hashes = {name: tag("code", digest) for name, digest in data["sha256"].items()}
    return join(
        [
            _pairs("The run", run),
            _pairs("Versions", results.versions),
            _pairs("SHA-256 of the data", hashes),
        ]
    )


def _pairs(caption: str, pairs: Mapping[str, Any]) -> Html:
    rows = [[name, html(value)] for name, value in pairs.items()]
    return table(caption, ["What", "Value"], rows, class_="pairs")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
