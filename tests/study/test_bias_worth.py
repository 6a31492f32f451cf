"""What a bias is worth: margin, counts and sentences, from errors that are known."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_report import made_up_results, report
from study.answers import answer_rq2
from study.bias_runs import BiasRun, ConstantUnit, least_spread
from study.bias_worth import (
    CONSTANT,
    KINDS,
    MARGIN,
    answer_worth,
    in_the_study,
    share_of_start,
    with_fair_starts,
    worths,
)
from study.measures import bias_effects
from study.paper import HIDDEN_UNITS, RATIOS

from ae_numpy import Autoencoder

LIKE_THEIRS = {
    "bias": 1.0,
    "bias, one unit fewer": 1.1,
    "no bias": 1.1,
    "no bias, plain start": 1.5,
}


def with_studies(times=LIKE_THEIRS, *, n_seeds=10, spread=0.001, ratios=RATIOS, found=3):
    """Results with both studies: errors of each kind, as multiples of those with bias.

    `found` of the plain models have a constant unit, and all that start with one.
    """
    seeds = dict.fromkeys(("published", "corrected", "tuned"), range(n_seeds))
    results = made_up_results(ratios=ratios, seeds=seeds)
    runs, units, started = [], [], []
    for ratio in ratios:
        h, rng = HIDDEN_UNITS[ratio], np.random.default_rng(ratio)
        for seed in range(n_seeds):
            for kind, (fewer, bias, start) in KINDS.items():
                mse = 0.003 * ratio**0.5 * times[kind] * (1 + spread * rng.uniform(-1, 1))
                runs.append(BiasRun(h - fewer, bias, start, seed, mse))
            units.append(ConstantUnit(h, "constant unit", seed, 0.0))
            units.append(ConstantUnit(h, "plain", seed, CONSTANT * (0.9 if seed < found else 1.1)))
            started.append(BiasRun(h, False, "constant unit", seed, 0.001 * ratio**0.5))
    return replace(results, bias_study=runs, constant_units=units, start_study=started)


@pytest.mark.parametrize(
    ("times", "spread", "n_seeds", "equivalent"),
    [
        (1.1, 0.001, 10, True),
        (1.1 * (1 + 0.8 * MARGIN), 0.001, 10, True),
        (1.1 * (1 - 0.8 * MARGIN), 0.001, 10, True),
        (1.1 * (1 + 1.2 * MARGIN), 0.001, 10, False),
        (1.1 * (1 - 1.2 * MARGIN), 0.001, 10, False),
        (1.1, 0.5, 10, False),  # not told from each other is not shown to be equal
        (1.1, 0.001, 1, False),
    ],
)
def test_kinds_are_equivalent_if_the_whole_interval_is_in_the_margin(
    times, spread, n_seeds, equivalent
):
    found = worths(with_studies(LIKE_THEIRS | {"no bias": times}, spread=spread, n_seeds=n_seeds))
    assert [worth.ratio for worth in found] == list(RATIOS)
    assert {worth.equivalent for worth in found} == {equivalent}


def test_errors_are_compared_seed_by_seed_whatever_their_order():
    results = with_studies()
    shuffled = replace(results, bias_study=results.bias_study[::-1])
    for one, other in zip(worths(results), worths(shuffled), strict=True):
        assert one.difference == other.difference
        fewer, bias = one.errors["bias, one unit fewer"], one.errors["bias"]
        assert one.unit.mean == pytest.approx((fewer - bias).mean() / fewer.mean())
        assert one.excess("no bias, plain start").mean == pytest.approx(0.5, abs=0.01)


def test_the_answer_says_what_is_shown():
    answer = answer_worth(with_studies())
    assert answer.startswith("A bias is worth one hidden unit: ")
    assert "Their error differs by " in answer
    assert "less than 5 % was to count as equal" in answer
    assert "That unit takes 9.1 % at 392x" in answer
    assert "Started plainly, 21 (3 at 392x, 3 at 196x," in answer
    assert "of 70 models without biases find a unit constant to 0.1 % by themselves" in answer
    assert "and 70 (10 at 392x, 10 at 196x," in answer
    assert "error is 50 % above that with biases" in answer
    other = answer_worth(with_studies(LIKE_THEIRS | {"no bias": 1.2}))
    assert "are shown to do what models with biases and one unit fewer do at 0 of 7" in other
    assert "1 seed, which has no interval" in answer_worth(with_studies(n_seeds=1))


def test_the_answer_says_where_one_unit_is_less_than_the_margin():
    assert "the test says little" not in answer_worth(with_studies())
    small = {"bias, one unit fewer": 1 + MARGIN / 2, "no bias": 1 + 3 * MARGIN / 4}
    answer = answer_worth(with_studies(LIKE_THEIRS | small, spread=1e-6))
    assert "Where the unit takes less than 5 %, the test says little" in answer
    assert "the difference there is +0.5 at 392x" in answer


def test_without_the_studies_nothing_is_said():
    results = made_up_results()
    assert worths(results) == []
    assert [in_the_study(results, name) for name in results.protocols] == ["", "", ""]
    assert in_the_study(with_studies(), "published") == ""


def test_the_start_is_told_from_the_biases():
    """The errors of the fair start replace those without bias, and no others."""
    results = with_studies()
    fair = with_fair_starts(results)
    for before, after in zip(results.models, fair.models, strict=True):
        if before.protocol == "corrected" and not before.bias:
            assert after.mse == 0.001 * before.ratio**0.5
        else:
            assert after == before
    said = share_of_start(results)
    assert answer_rq2(fair, "corrected")[1:] in said
    effect = bias_effects(results, "corrected")[0]
    change = 0.001 * 392**0.5 / effect.without - 1
    assert f"{100 * change:+.0f} % at 392x ({100 * effect.relative:+.0f} %)" in said


def test_a_unit_that_is_always_off_is_no_constant():
    """Its activations differ by less than 0.001, but it gives the decoder nothing."""
    X = np.random.default_rng(0).uniform(0.1, 1, (50, 6))
    W0 = np.zeros((6, 2))
    W0[:, 0] = -5

    def model(weights):
        given = {"W0": weights}
        return Autoencoder(
            2, bias=False, epochs=0, engine="numpy", dtype="float64", initial_parameters=given
        ).fit(X)

    W0[:, 1] = [1, -1, 1, -1, 1, -1]
    off = model(W0)
    assert np.ptp(off.encode(X)[:, 0]) < CONSTANT < least_spread(off, X)
    assert least_spread(model(-W0), X) < CONSTANT  # the same unit, always on


def test_the_report_has_the_study(tmp_path):
    results = with_studies()
    page = report(tmp_path, results)
    assert answer_worth(results) in page
    rows = page[page.index("What a bias is worth</h3>") :].partition("</table>")[0]
    assert rows.count("<tr>") == 1 + len(RATIOS)
    assert rows.count("3 and 10 of 10") == len(RATIOS)
    assert rows.count(">yes<") == len(RATIOS)
    assert f"{results.n_trained:,}" in page
    assert "What a bias is worth" not in report(tmp_path)


def test_figure_12_draws_every_kind_and_the_margin():
    pytest.importorskip("matplotlib")
    from study.figures.bias_worth import bias_worth

    results = with_studies()
    drawing = bias_worth(results)
    above, below = drawing.figure.axes
    found = worths(results)[::-1]
    lines = {line.get_label(): line.get_ydata() for line in above.lines}
    for kind in KINDS:
        np.testing.assert_allclose(lines[kind], [100 * w.excess(kind).mean for w in found])
    diamonds = [line.get_ydata()[0] for line in below.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(diamonds, [100 * w.difference.mean for w in found])
    (margin,) = (patch for patch in below.patches if patch.get_label() == "margin")
    assert margin.get_height() == pytest.approx(200 * MARGIN)
    assert "margin of 5 %" in drawing.caption
    assert "one seed" in bias_worth(with_studies(n_seeds=1)).caption
