"""The README's Python blocks run, and print what they promise."""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest
from readme_blocks import code_blocks
from strategies import needs_compiler
from study.paper import TABLE_1
from study.protocols import PROTOCOLS
from study.results import Results

README = Path(__file__).parents[2] / "README.md"
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


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_table_1_has_the_means_of_the_full_run():
    results = Results.from_json((README.parent / "examples/results/table1.json").read_text())
    rows = re.findall(r"^\| (\d+) \| \d+ \| (no|yes) \|(.*)\|$", README.read_text(), re.MULTILINE)
    assert len(rows) == 14
    for ratio, bias, numbers in rows:
        cell = int(ratio), bias == "yes"
        means = [results.mse(protocol, *cell).mean() for protocol in PROTOCOLS]
        expected = [TABLE_1[cell], *means, results.baselines.pca[cell[0]]]
        assert [number.strip() for number in numbers.split("|")] == [f"{x:.4f}" for x in expected]


def test_both_commands_are_one_line_each():
    commands = [block.strip() for block in code_blocks(README, "bash")]
    assert [command for command in commands if command.endswith("examples/reproduce_table1.py")]
    assert [command for command in commands if command.endswith("-m pytest")]
    assert all("\n" not in command for command in commands)
