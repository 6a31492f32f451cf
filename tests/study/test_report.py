"""The report as a file: what is in it, escaped, in one piece, for partial runs, too."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_up_report import (
    PCA,
    drawn_figures,
    few_digits,
    made_up_results,
    report,
    trained_model,
)
from study import claims
from study.answers import answer_rq1, answer_rq2, ranks, reservation
from study.measures import cells
from study.paper import RATIOS, TABLE_1
from study.protocols import PROTOCOLS
from study.report import explorer, write_report
from study.report.charts import Series, plot
from study.report.markup import Html, html, prose, tabs, tag


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("full")
    return report(folder, figures=drawn_figures(folder))


def shown(page: str) -> str:
    """What the page says before its scripts."""
    return page[: page.index("<script")]


class Outline(HTMLParser):
    """Elements with their attributes and text; complains about unclosed ones."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in {"meta", "link", "img", "input", "br"}:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def of(self, *names):
        return [(name, attributes) for name, attributes in self.elements if name in names]


def embedded(page: str) -> dict:
    return json.loads(re.search(r'id="explorer-data">(.*?)</script>', page, re.S).group(1))


def test_questions_come_first_and_each_is_answered_under_every_protocol(full):
    results, text = made_up_results(), shown(full)
    for answer in (answer_rq1, answer_rq2):
        places = [text.index(escape(answer(results, protocol))) for protocol in PROTOCOLS]
        assert places[1] == min(places)  # corrected: the experiment that the text describes
        assert max(places) < text.index('id="explorer"') < text.index('id="table-1"')


def test_table_1_shows_all_cells_of_all_protocols_beside_the_papers(full):
    table = full[full.index('id="table-1"') : full.index('id="figures"')]
    rows = re.findall(
        r"<tr><th scope=\"row\">(\d+)x .*?</th><th scope=\"row\">(\w+)</th>(.*?)</tr>", table, re.S
    )
    assert [(int(ratio), bias == "yes") for ratio, bias, _ in rows] == list(TABLE_1)
    results = made_up_results()
    for protocol in PROTOCOLS:
        for cell, (ratio, _, row) in zip(cells(results, protocol), rows, strict=True):
            assert f"<td>{cell.paper:.4f}</td>" in row
            assert f"<b>{cell.mean:.4f}</b>" in row
            assert f"{cell.low:.4f} to {cell.high:.4f}" in row
            assert f"<td>{PCA[int(ratio)]:.4f}</td>" in row
            assert row.count(f'class="dot {protocol}"') == cell.values.size
    for cell, (_, _, row) in zip(cells(results, "published"), rows, strict=True):
        assert f"rank {cell.rank} of 6" in row
        assert cell.outside == ("outside</span>" in row)
    assert prose(ranks(results, "published")) in table
    assert "compare it with the dots and the rank, not with the interval" in table


def test_all_figures_are_in_the_page_with_their_captions(full, tmp_path):
    images = [attributes for _, attributes in Outline(full).of("img")]
    for image, figure in zip(images, drawn_figures(tmp_path), strict=True):
        assert figure.protocol is None or figure.name in full
        assert image["width"] == "30"
        assert image["height"] == "20"
        assert b64decode(image["src"].removeprefix("data:image/png;base64,"))[1:4] == b"PNG"
    assert {image["alt"] for image in images} == {f.caption for f in drawn_figures(tmp_path)}


def test_all_claims_are_judged_under_every_protocol_in_words(full):
    text = shown(full)
    table = text[text.index('id="claims"') : text.index('id="departures"')]
    found = claims.claims(made_up_results())
    assert len(found) > 8
    judged = [[*claim.verdicts.values(), *filter(None, [claim.own])] for claim in found]
    assert table.count('class="badge') == sum(map(len, judged))
    for claim, own in zip(found, judged, strict=True):
        assert prose(claim.text) in table
        for verdict in own:
            assert prose(verdict.why) in table
    words = {True: "holds", False: "does not hold", None: "cannot be told"}
    for holds, said in words.items():
        n = sum(verdict.holds is holds for own in judged for verdict in own)
        assert len(re.findall(rf'<span class="words"> {said}</span>', table)) == n


def test_heads_count_what_holds_what_does_not_and_what_is_open(full):
    for protocol in PROTOCOLS:
        found = [claim.verdicts[protocol].holds for claim in claims.claims(made_up_results())]
        n_hold, n_fail, n_open = map(found.count, (True, False, None))
        assert n_hold + n_fail + n_open == 16
        said = rf"{protocol}</span> <small>(\d+) holds?, (\d+) do(?:es)? not, (\d+) open</small>"
        assert re.search(said, full).groups() == (str(n_hold), str(n_fail), str(n_open))


def test_each_question_has_the_papers_answer_and_links_to_its_figure(full, tmp_path):
    cards = full[full.index('id="answers"') : full.index('id="explorer"')]
    assert cards.count("The paper&#x27;s answer: “") == 2
    assert '<a href="#figure-9">Figure 9</a>' in cards
    assert 'id="figure-9"' in full
    assert "#figure-10" not in cards  # not drawn
    assert cards.count('class="curve mean-image"') == 2  # the line and its key
    for protocol in ("published", "tuned"):
        assert cards.count(escape(reservation(protocol))) == 1
    assert "#figure-" not in report(tmp_path)


def test_one_seed_has_no_rank_and_none_of_the_papers_values_is_called_outside(tmp_path):
    page = report(tmp_path, made_up_results(("published",), RATIOS, {"published": [0]}))
    table = page[page.index('id="table-1"') : page.index('id="figures"')]
    assert "rank" not in table
    assert "outside" not in table
    assert "interval" not in table
    assert "one run of each model" in table
    assert "<dt>way of training them</dt><dd>1</dd>" in page
    assert "<dt>seed each</dt><dd>1</dd>" in page


@pytest.mark.parametrize("n_seeds", [8, 9])
def test_p_values_are_shown_of_seeds_enough_for_a_test(tmp_path, n_seeds):
    results = made_up_results(("corrected",), RATIOS, {"corrected": range(n_seeds)})
    page = report(tmp_path, results)
    biases = page[page.index('id="biases"') : page.index('id="claims"')]
    assert ("sign-flip" in biases) == ("Holm p" in biases) == (n_seeds == 9)
    assert f"{n_seeds} pairs of models" in biases


def test_departures_slips_settings_versions_hashes_and_times_are_told(full):
    text = shown(full)
    for line in [*claims.departures(), *claims.slips()]:
        assert prose(line) in text
    for fact in ("9.8.7", "f00d" * 16, "2 h 5 min", "2026-11-22", "60,000", "0, 1, 2, 3, 4"):
        assert fact in text
    for recipe in (PROTOCOLS["tuned"].rate_formula, "frozen", "How the tuned recipe was chosen"):
        assert recipe in text
    assert "No test image was used for it" in text
    assert "by the best single recipe that we found for 50 epochs" in text
    assert "not the paper's numbers" not in html(text).replace("&#x27;", "'")


def test_markup_is_closed_labelled_and_without_double_names(full):
    page = Outline(full)
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in page.of("label"):
        assert attributes["for"] in names
    for _, attributes in page.elements:
        for reference in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(reference, names[0]) in names
    for _, attributes in page.of("a"):
        assert attributes["href"].removeprefix("#") in names
    assert all(attributes.get("scope") in ("row", "col") for _, attributes in page.of("th"))
    assert len(page.of("table")) == len(page.of("caption"))
    levels = [int(name[1]) for name, _ in page.of("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert {name for name, _ in page.elements} >= {"header", "nav", "main", "footer"}
    assert page.elements[0] == ("html", {"lang": "en"})


def test_nothing_is_fetched(full):
    for _, attributes in Outline(full).elements:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    for part in ("report.css", "explorer.js"):
        text = (Path(explorer.__file__).parent / part).read_text(encoding="utf-8")
        assert text in full
        ways_out = r"url\(|@import|\bimport\b|\bfetch\b|XMLHttp|WebSocket|sendBeacon|EventSource"
        assert re.findall(ways_out, text) == []
    assert not re.search("https?://", full)
    assert "default-src 'none'" in full


def test_the_policy_allows_the_pages_own_style_and_script_and_no_forms_or_bases(full):
    [policy] = [a["content"] for _, a in Outline(full).of("meta") if "http-equiv" in a]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for directive, element in (("style-src", "style"), ("script-src", "script")):
        code = re.search(rf"<{element}>(.*?)</{element}>", full, re.S).group(1)
        digest = b64encode(sha256(code.encode()).digest()).decode()
        assert rules.pop(directive) == f"'sha256-{digest}'"
    assert rules.pop("img-src") == "data:"
    assert rules == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")


def test_every_column_is_named(full):
    assert re.findall(r"<th[^>]*>\s*</th>", full) == []


def test_whatever_comes_from_elsewhere_is_escaped(tmp_path):
    results = made_up_results(("published",), (392,), {"published": [0]})
    bad = '<b>bold</b> & "co" $style'
    results = replace(
        results,
        data={**results.data, "title": bad, "name": "other", "sha256": {bad: bad}},
        versions={bad: bad},
        date=bad,
    )
    page = report(tmp_path, results, drawn_figures(tmp_path))
    assert "<b>bold" not in page
    assert shown(page).count(escape(bad)) >= 6
    assert "<script>alert" not in page
    Outline(page)


def test_numbers_that_are_not_the_papers_say_so(tmp_path):
    results = made_up_results(("corrected",), (98,))
    page = report(tmp_path, replace(results, settings={**results.settings, "quick": True}))
    assert "not the paper&#x27;s numbers" in page
    assert "quick check" in page
    page = report(tmp_path, replace(results, settings={**results.settings, "epochs": 1}))
    assert "not the paper&#x27;s numbers" in page
    assert "Models were trained for 1 epoch, the paper&#x27;s 50." in page
    other = {**results.data, "name": "stroke-digits", "title": "stroke digits (not MNIST)"}
    page = report(tmp_path, replace(results, data=other))
    assert "not the paper&#x27;s numbers" in page
    assert "quick check" not in page


def test_partial_runs_have_a_report_of_what_there_is(tmp_path):
    page = report(tmp_path, made_up_results(("corrected",), (28, 7), {"corrected": [4]}))
    Outline(page)
    text = shown(page)
    assert "matplotlib is missing" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert "one seed" in text
    assert "point in a square" not in text
    assert text.count('class="dot corrected"') == 4 + 2 + 2 + 3  # Table 1, biases, plots with a key
    kinds = [(m["protocol"], m["ratio"], m["bias"]) for m in embedded(page)["models"]]
    assert kinds == [
        ("corrected", 28, True),
        ("corrected", 7, True),
        ("corrected", 28, False),
        ("corrected", 7, False),
    ]
    assert not any("dots" in model for model in embedded(page)["models"])


def test_embedded_weights_are_the_models_rounded_to_float16(full):
    for packed in embedded(full)["models"]:
        model = trained_model(packed["protocol"], packed["ratio"], packed["bias"])
        for layer, trained in zip(packed["layers"], model.network_.layers, strict=True):
            for name in ("W", "b"):
                values = np.frombuffer(b64decode(layer[name]), "<f2").astype(np.float32)
                expected = getattr(trained, name)
                # Half a unit in the last of 11 binary places; below 2^-14 half of 2^-24.
                np.testing.assert_allclose(values, expected.ravel(), rtol=2**-11, atol=2**-25)
        assert ("dots" in packed) == (packed["ratio"] == 392)


def test_embedded_digits_are_the_first_test_images_of_each_class(full):
    digits, content = few_digits(), embedded(full)["digits"]
    n = len(content["labels"])
    images = np.frombuffer(b64decode(content["images"]), np.uint8).reshape(n, 28, 28)
    np.testing.assert_array_equal(images, digits.test_images[content["numbers"]])
    assert content["labels"] == digits.test_labels[content["numbers"]].tolist()
    assert content["labels"][:10] == list(range(10))
    assert n == 60
    assert explorer.choose_digits(np.array([3, 3, 1])) == [2, 0, 1]


def test_page_stays_small_and_has_the_best_models_whole(full):
    chosen = explorer.choose_models(made_up_results())
    assert chosen[:7] == [("tuned", ratio, True) for ratio in RATIOS]
    weights = sum(len(v) for m in embedded(full)["models"] for k in m["layers"] for v in k.values())
    assert weights == pytest.approx(sum(explorer._bytes(ratio) for _, ratio, _ in chosen), rel=0.01)
    assert explorer.MODEL_BYTES * 0.9 < weights < explorer.MODEL_BYTES * 1.01
    assert {(p, b) for p, _, b in chosen} == {(p, b) for p in PROTOCOLS for b in (False, True)}


def test_rounding_is_told_and_small():
    results = made_up_results(("tuned",), (392, 56))
    packed = explorer.pack(results, few_digits(), trained_model)
    assert 0 < packed.rounding < 1e-3


def test_no_damaged_report_is_left_behind(tmp_path):
    report(tmp_path, made_up_results(("tuned",), (392,)))
    before = (tmp_path / "report.html").read_bytes()

    def missing(*cell):
        raise FileNotFoundError(cell)

    with pytest.raises(FileNotFoundError):
        write_report(tmp_path / "report.html", made_up_results(), [], few_digits(), missing)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes() == before


def test_markup_escapes_all_but_markup():
    assert html("<&>") == "&lt;&amp;&gt;"
    assert html(Html("<i>")) == "<i>"
    element = tag("p", "<", tag("b", 1), class_='"', aria_label="x", hidden=True, lang=None)
    assert element == '<p class="&quot;" aria-label="x" hidden>&lt;<b>1</b></p>'
    assert prose("a `<b>` c") == "a <code>&lt;b&gt;</code> c"
    assert tabs("name", "legend", [("only", "one")]) == "one"


@pytest.mark.parametrize("values", [{7: 0.0}, {7: -0.003}, {7: 1e-9, 14: 3e4}])
def test_plots_keep_within_their_frame(values):
    picture = plot([Series("tuned", values)], sorted(values), "title")
    heights = [float(y) for y in re.findall(r'cy="([^"]+)" r="3.4"', picture)]
    assert len(heights) == len(values)
    assert all(14 <= y <= 262 - 52 for y in heights)
