"""The three ways in which the fourteen models are trained.

What the published code did departs from the paper's text in two ways; so what it published and
what it describes are two protocols, and a third asks what these models can do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ae_numpy import Autoencoder
from study.paper import HIDDEN_UNITS


@dataclass(frozen=True)
class Protocol:
    """How the models of a protocol are trained; the same for all ratios.

    Parameters
    ----------
    name : str
    summary : str
        What it is, in a sentence.
    settings : mapping
        Arguments of `Autoencoder`.
    learning_rates : callable
        ``learning_rates(epochs)``: the rate of every epoch.
    rate_formula : str
        The same in human-readable form.
    inherits_biases : bool
        Whether the model without bias holds the trained biases of its twin, frozen; else its
        biases are zero.
    decoder_bias : float
        Where the decoder's biases start, in models that have biases. NaN stands for drawn ones.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    learning_rates: Callable[[int], tuple[float, ...]]
    rate_formula: str
    inherits_biases: bool = False
    decoder_bias: float = field(default=math.nan)

    def model(
        self, ratio: int, bias: bool, seed: int, epochs: int, twin: Autoencoder | None = None
    ) -> Autoencoder:
        """Return the untrained model of a cell of Table 1.

        Parameters
        ----------
        ratio : int
            One of the paper's compression ratios.
        bias : bool
            Whether its biases are trained.
        seed : int
            Decides the initial weights and, with shuffling, the orders: the same for both models
            of a pair.
        epochs : int
        twin : Autoencoder, optional
            The trained model with bias, where the one without inherits its biases.

        Returns
        -------
        Autoencoder
        """
        given: dict[str, np.ndarray] = {}
        if not bias and self.inherits_biases:
            if twin is None:
                raise ValueError(f"{self.name}: a model without bias needs its trained twin")
            given = {f"b{k}": layer.b for k, layer in enumerate(twin.network_.layers)}
        elif bias and not math.isnan(self.decoder_bias):
            given = {"b1": np.full(784, self.decoder_bias)}
        return Autoencoder(
            HIDDEN_UNITS[ratio],
            bias=bias,
            learning_rate=list(self.learning_rates(epochs)),
            epochs=epochs,
            random_state=seed,
            initial_parameters=given or None,
            **self.settings,
        )


def _constant(epochs: int) -> tuple[float, ...]:
    return (0.01,) * epochs


# No size of the code gets stuck at this peak. The fall trades the smallest codes, which want a low
# rate for long, against the larger ones, which want a high one for longer.
def _falling(epochs: int) -> tuple[float, ...]:
    return tuple(0.05 * (1 - epoch / epochs) ** 2 for epoch in range(epochs))


# One image at a time in the order of the file, from weights of standard deviation 1 / sqrt(O).
_AS_IN_THE_PAPER = {"batch_size": 1, "shuffle": False, "weight_init": "fan_out"}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "published",
            "as the paper's code ran: the error reaches the hidden layer by a rule that is not "
            "the gradient, and models without bias hold the trained biases of their twins",
            {**_AS_IN_THE_PAPER, "backprop": "raw_error"},
            _constant,
            "0.01",
            inherits_biases=True,
        ),
        Protocol(
            "corrected",
            "as the paper's text describes it: the exact gradient, and no biases where it says so",
            {**_AS_IN_THE_PAPER, "backprop": "exact"},
            _constant,
            "0.01",
        ),
        Protocol(
            "tuned",
            "the same models and the exact gradient, by the best single recipe found for 50 epochs",
            {"batch_size": 1, "shuffle": True, "weight_init": "fan_in", "backprop": "exact"},
            _falling,
            "0.05 (1 - e / epochs)² in epoch e = 0, 1, ...",
            decoder_bias=-2.0,
        ),
    )
}
"""The protocols, by name."""
