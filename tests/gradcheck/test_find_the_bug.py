"""The example in `examples/` names every bug in it, the paper's last, and ends with a pass."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "find_the_bug.py"


def test_every_bug_of_the_example_is_named(capsys):
    runpy.run_path(str(EXAMPLE))
    said = capsys.readouterr().out
    causes = (
        "transposed",
        "a sum over the batch where a mean belongs",
        "not summed over the batch",
        "the derivative of the sigmoid is missing at W0",
        "the weights were already updated",
        'the rule "raw_error"',
        "Gradient right",
    )
    places = [said.index(cause) for cause in causes]
    assert places == sorted(places)
    assert "no known cause" not in said
