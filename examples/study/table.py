"""Table 1 in Markdown, ours beside the paper's, and the two answers."""

from __future__ import annotations

from study.answers import Cell, answer_rq1, answer_rq2, cells, expected_outside
from study.results import Results


def table_1(results: Results, protocol: str) -> str:
    """Lay out the cells of a protocol, with its answers to the paper's questions.

    Parameters
    ----------
    results : Results
    protocol : str

    Returns
    -------
    str
    """
    n_seeds = len(results.seeds_of(protocol))
    several = n_seeds > 1
    heads = ["compression ratio", "bias", "ours", "paper"]
    rule = ["---:", ":---", "---:", "---:"]
    if several:
        heads[2:3] = [f"mean of {n_seeds} seeds", "95 % interval", "lowest to highest"]
        rule[2:3] = ["---:"] * 3
        heads, rule = [*heads, f"rank of {n_seeds + 1}"], [*rule, "---:"]
    rows = [heads, rule, *(_row(cell, several) for cell in cells(results, protocol))]
    title = f"Mean squared error on the test images, protocol `{protocol}` ({label(results)})"
    table = "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])
    paragraphs = [
        table,
        *([_ranks(results, protocol)] if several else []),
        f"RQ1: {answer_rq1(results, protocol)}",
        f"RQ2: {answer_rq2(results, protocol)}",
    ]
    return "\n\n".join(paragraphs)


def _ranks(results: Results, protocol: str) -> str:
    """Say how many of the paper's values lie outside all seeds', and how many would by chance."""
    found = cells(results, protocol)
    n_outside, n_seeds = sum(cell.outside for cell in found), len(results.seeds_of(protocol))
    chance = expected_outside(len(found), n_seeds)
    return (
        f"The rank is the place of the paper's value among those of the {n_seeds} seeds: "
        f"{n_outside} of {len(found)} lie outside all of them; by chance {chance:.1f} would."
    )


def _row(cell: Cell, several: bool) -> list[str]:
    row = [str(cell.ratio), "yes" if cell.bias else "no", f"{cell.mean:.4f}", f"{cell.paper:.4f}"]
    if several:
        row[3:3] = [
            f"{cell.low:.4f} to {cell.high:.4f}",
            f"{cell.values.min():.4f} to {cell.values.max():.4f}",
        ]
        row.append(f"{cell.rank}{' (outside)' if cell.outside else ''}")
    return row


def label(results: Results) -> str:
    """Say what the numbers are of, and whether they may be compared with the paper's."""
    text = f"{results.data['title']}, {results.settings['epochs']} epochs"
    quick = results.settings["quick"]
    return f"{text}; a quick check, not the paper's numbers" if quick else text
