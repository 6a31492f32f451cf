"""Functions with hand-written gradients, as people write them, right and with learners' bugs.

`CASES` lists them (`case.py` has the form of a case). The bugs and their kinds were written without
knowledge of the checker: whoever wrote them had read neither its code nor its tests nor its own
table of bugs. Where a bug was found in public, its address is in a comment above the function. All
right gradients were compared with extrapolated central differences, most with the complex step, and
sixteen functions with PyTorch.
"""

from . import (  # noqa: F401
    adversarial,
    classification,
    convolution,
    dynamics,
    graphs,
    metric,
    networks,
    normalisation,
    probabilistic,
    recurrent,
    regression,
    sequences,
    words,
)
from .case import CASES, Case

__all__ = ["CASES", "Case"]
