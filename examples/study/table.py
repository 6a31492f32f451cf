"""Table 1 in Markdown, ours next to the paper's, and the two answers."""

from __future__ import annotations

from study.answers import answer_rq1, answer_rq2, ranks, reservation
from study.bias_worth import in_the_study
from study.measures import Cell, cells
from study.results import Results
from study.words import count


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
    spread = [f"mean of {n_seeds} seeds", "95 % interval", "lowest to highest"]
    ours = spread if several else ["ours"]
    place = [f"rank of {n_seeds + 1}"] if several else []
    heads = ["compression ratio", "bias", *ours, "paper", *place]
    rule = ["---:", ":---", *["---:"] * (len(heads) - 2)]
    rows = [heads, rule, *(_row(cell) for cell in cells(results, protocol))]
    title = f"Mean squared error on the test images, protocol `{protocol}` ({label(results)})"
    paragraphs = [
        "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)]),
        ranks(results, protocol) if several else "",
        f"RQ1: {answer_rq1(results, protocol)}",
        f"RQ2: {answer_rq2(results, protocol)} {reservation(protocol)}".strip(),
        in_the_study(results, protocol),
    ]
    return "\n\n".join(filter(None, paragraphs))


def _row(cell: Cell) -> list[str]:
    several = cell.values.size > 1
    spread = [
        f"{cell.low:.4f} to {cell.high:.4f}",
        f"{cell.values.min():.4f} to {cell.values.max():.4f}",
    ]
    return [
        str(cell.ratio),
        "yes" if cell.bias else "no",
        f"{cell.mean:.4f}",
        *(spread if several else []),
        f"{cell.paper:.4f}",
        *([f"{cell.rank}{' (outside)' if cell.outside else ''}"] if several else []),
    ]


def label(results: Results) -> str:
    """Say what was measured, and whether the numbers may be compared with the paper's."""
    text = f"{results.data['title']}, {count(results.settings['epochs'], 'epoch')}"
    quick = results.settings["quick"]
    return f"{text}; a quick check, not the paper's numbers" if quick else text
