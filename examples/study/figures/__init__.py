"""The paper's figures, drawn again from our models, and four that go beyond it.

`setting` draws figures 1 to 4, `training` 5 to 7, `per_class` 8 and 11, `comparisons` 9 and 10,
`bias_worth` 12; `style` is what they share. matplotlib is needed to draw, not to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ae_numpy.datasets import Digits
from study.figures import bias_worth, comparisons, per_class, setting, training
from study.figures.style import RATIO_COLOURS, Drawing, Drawn, data_title, our_style, save
from study.figures.training import Models
from study.results import Results

__all__ = ["RATIO_COLOURS", "Drawn", "draw_figures"]


def draw_figures(results: Results, digits: Digits, model: Models, folder: Path) -> list[Drawn]:
    """Draw all figures that the results allow, as PNG and as PDF.

    Parameters
    ----------
    results : Results
        Figures 5 to 8 and 11 are drawn for every protocol that has models.
    digits : Digits
    model : callable
        ``model(protocol, ratio, bias)``: the trained model of the first seed.
    folder : path
        Created if it does not exist. The same results give the same bytes.

    Returns
    -------
    list of Drawn
        In the order of their numbers.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with our_style():
        return [save(drawing, folder) for drawing in drawings(results, digits, model)]


def drawings(results: Results, digits: Digits, model: Models) -> Iterator[Drawing]:
    """Draw one figure after the other; at most one is in memory at a time."""
    data = data_title(results)
    yield setting.example_digits(digits, data)
    yield setting.class_counts(digits, data)
    yield setting.network(bias=False)
    yield setting.network(bias=True)
    protocols = [name for name in results.protocols if results.seeds_of(name)]
    for protocol in protocols:
        yield training.training_curves(results, protocol)
    for bias in (False, True):
        for protocol in protocols:
            yield training.reconstructions(results, digits, model, protocol, bias)
    for protocol in protocols:
        yield per_class.per_class(results, protocol, share=False)
    if protocols:
        yield comparisons.error_against_ratio(results, protocols)
        yield comparisons.bias_effect(results, protocols)
    for protocol in protocols:
        yield per_class.per_class(results, protocol, share=True)
    if results.bias_study:
        yield bias_worth.bias_worth(results)
