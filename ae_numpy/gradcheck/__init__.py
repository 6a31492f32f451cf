"""Gradient verification for anybody's hand-written backward pass.

`check_gradients` takes any function that returns a loss and its gradients; `check_vjp` one layer's
forward and backward; `check_module` an object that has both; `check_network` a `Network` of this
library. All of them return a `GradientReport`, which says whether the gradient is right, where it
is wrong, and, for the mistakes that people make, which one it is. NumPy is all that is needed;
`report.plot()` needs matplotlib.
"""

from ae_numpy.gradcheck.check import check_gradients, check_network
from ae_numpy.gradcheck.report import GradientReport
from ae_numpy.gradcheck.verdict import ArrayCheck, Diagnosis, Finding, Worst
from ae_numpy.gradcheck.vjp import check_module, check_vjp

__all__ = [
    "ArrayCheck",
    "Diagnosis",
    "Finding",
    "GradientReport",
    "Worst",
    "check_gradients",
    "check_module",
    "check_network",
    "check_vjp",
]
