"""What the READMEs promise: their blocks run and print it, and what they name is there."""

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from readme_blocks import code_blocks
from strategies import needs_compiler
from study.bias_worth import CONSTANT, MARGIN, NEARLY, worths
from study.measures import LEVEL, bias_effects
from study.paper import TABLE_1
from study.protocols import PROTOCOLS
from study.results import Results
from study.words import extent, percent

README = Path(__file__).parents[2] / "README.md"
TESTS = README.parent / "tests"
FAULTS = (TESTS / "README.md").read_text().partition("## Faults")[2].split("\n### ")[1:]
BLOCKS = code_blocks(README, "python")


def run(block):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, str(README), "exec"), {})
    return printed.getvalue()


@needs_compiler
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_block_runs(block):
    assert run(block)


def test_the_first_taste_prints_errors_that_fall():
    errors = ast.literal_eval(run(BLOCKS[0]).splitlines()[0])
    assert len(errors) == 5
    assert sorted(errors, reverse=True) == errors


def test_the_checker_prints_what_the_text_shows():
    shown = code_blocks(README, "text")[0]
    assert shown in run(BLOCKS[1])


def test_what_is_said_of_bytes_was_found():
    section = README.read_text().partition("## Ratios in bytes")[2].partition("\n## ")[0]
    said = re.findall(r"^- (.*(?:\n  .*)*)", section, re.MULTILINE)
    results = README.parent / "examples" / "results" / "rate_distortion.json"
    found = json.loads(results.read_text())["findings"] if results.exists() else []
    assert {" ".join(sentence.split()) for sentence in said} <= set(found)


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README.read_text()):
        assert (README.parent / target).exists(), target


@pytest.mark.parametrize("section", FAULTS, ids=lambda section: section.partition("\n")[0])
def test_every_test_of_a_fault_is_there(section):
    tokens = re.findall(r"`([^`]*(?:test_|\[)[^`]*)`", section)
    assert tokens
    file = test = ""  # what is left out is that of the one before
    for token in tokens:
        reference = re.fullmatch(r"([\w/]+\.py)?(?:(?:::|\.\.\.)(\w+))?(?:\[(.+)\])?", token)
        assert reference, token
        file, test, case = reference[1] or file, reference[2] or test, reference[3]
        source = (TESTS / file).read_text()
        assert re.search(rf"^def \w*{test}\(", source, re.MULTILINE), token
        assert case in (None, "...") or case in source, token


def test_every_file_of_tests_has_its_line():
    table = (TESTS / "README.md").read_text().partition("\n#")[0]
    names = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| `.+?\|", table, re.MULTILINE)))
    files = [
        set(TESTS.glob(f"{name}test_*.py" if name[-1] == "/" else f"{name}.py")) for name in names
    ]
    assert all(files)
    assert set().union(*files) == set(TESTS.rglob("test_*.py"))


def test_table_1_has_the_means_of_the_full_run():
    results = Results.from_json((README.parent / "examples/results/table1.json").read_text())
    rows = re.findall(r"^\| (\d+) \| \d+ \| (no|yes) \|(.*)\|$", README.read_text(), re.MULTILINE)
    assert len(rows) == 14
    for ratio, bias, numbers in rows:
        cell = int(ratio), bias == "yes"
        means = [results.mse(protocol, *cell).mean() for protocol in PROTOCOLS]
        expected = [TABLE_1[cell], *means, results.baselines.pca[cell[0]]]
        assert [number.strip() for number in numbers.split("|")] == [f"{x:.4f}" for x in expected]


def test_the_answer_about_biases_has_the_numbers_of_the_full_run():
    results = Results.from_json((README.parent / "examples/results/table1.json").read_text())
    found = worths(results)
    assert all(worth.equivalent for worth in found)
    furthest = max(np.abs(worth.difference[1:]).max() for worth in found)
    first, last = (percent(worth.unit.mean, ".1f") for worth in (found[0], found[-1]))
    highest = max(worth.excess("no bias, plain start").mean for worth in found)
    shown = [e for e in bias_effects(results, "corrected") if e.p_holm <= LEVEL]
    constant, nearly = (sum(w.n_constant(share) for w in found) for share in (CONSTANT, NEARLY))
    text = " ".join(README.read_text().split())
    for said in (
        f"to within {percent(furthest, '.1f')} at all {len(found)} ratios",
        f"where {percent(MARGIN)} was to count as equal",
        f"from {first} off the error at 392x to {last} at 7x",
        f"{constant} of 70 end with such a unit, constant to 0.1 %, and {nearly} with one constant",
        f"up to {percent(highest)} above models with biases",
        f"lower the error at {len(shown)} of 7 ratios, by {extent(e.relative for e in shown)}",
    ):
        assert said in text


def test_both_commands_are_one_line_each():
    commands = [block.strip() for block in code_blocks(README, "bash")]
    assert [command for command in commands if command.endswith("examples/reproduce_table1.py")]
    assert [command for command in commands if command.endswith("-m pytest")]
    assert all("\n" not in command for command in commands)
