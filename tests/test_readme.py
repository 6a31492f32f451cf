"""The README's Python blocks run, and print what they promise."""

import contextlib
import io
from pathlib import Path

import pytest
from readme_blocks import code_blocks
from strategies import needs_compiler

README = Path(__file__).parent.parent / "README.md"
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


def test_first_block_prints_a_gradient_beside_its_complex_step_value():
    values = [float(line.split("=")[1]) for line in run(BLOCKS[0]).splitlines()]
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    assert values[0] != 0


def test_both_commands_are_one_line_each():
    commands = [block.strip() for block in code_blocks(README, "bash")]
    assert [command for command in commands if command.endswith("examples/reproduce_table1.py")]
    assert [command for command in commands if command.endswith("-m pytest")]
    assert all("\n" not in command for command in commands)
