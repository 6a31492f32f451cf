"""The three ways in which the fourteen models are trained, and what they are compared with.

What the published code did departs from the paper's text in two ways; so what it published and
what it describes are two protocols, and a third asks what these models can do. There each kind of
model has a good start of its own. Two studies tell what biases are worth in themselves from what
they do for the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.architecture import Architecture
from ae_numpy.initialization import initial_parameters
from study.paper import HIDDEN_UNITS

N_PIXELS = 784
DECODER_BIAS = -2.0  # most pixels are dark: a pixel of code 0 starts at 0.12
CONSTANT_UNIT_WEIGHT = 0.05


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
    constant_unit : bool
        Whether the first hidden unit starts as a constant in models without bias: see
        `with_constant_unit`.
    fewer_units : int
        How many hidden units models with bias lack at every ratio.
    biases : tuple of bool
        Which kinds of models there are, those with bias first.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    learning_rates: Callable[[int], tuple[float, ...]]
    rate_formula: str
    inherits_biases: bool = False
    decoder_bias: float = field(default=math.nan)
    constant_unit: bool = False
    fewer_units: int = 0
    biases: tuple[bool, ...] = (True, False)

    def hidden_units(self, ratio: int, bias: bool) -> int:
        """Return how many hidden units a model has."""
        return HIDDEN_UNITS[ratio] - bias * self.fewer_units

    def start(self, bias: bool) -> str:
        """Say where a model starts: "decoder biases", "constant unit" or "plain"."""
        if bias:
            return "plain" if math.isnan(self.decoder_bias) else "decoder biases"
        return "constant unit" if self.constant_unit else "plain"

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
            of a pair, but for what either is given.
        epochs : int
        twin : Autoencoder, optional
            The trained model with bias, where the one without inherits its biases.

        Returns
        -------
        Autoencoder
        """
        return Autoencoder(
            self.hidden_units(ratio, bias),
            bias=bias,
            learning_rate=list(self.learning_rates(epochs)),
            epochs=epochs,
            random_state=seed,
            initial_parameters=self._given(ratio, bias, seed, twin),
            **self.settings,
        )

    def _given(
        self, ratio: int, bias: bool, seed: int, twin: Autoencoder | None
    ) -> dict[str, np.ndarray] | None:
        """Return the parameters that a model does not draw."""
        if bias:
            drawn = math.isnan(self.decoder_bias)
            return None if drawn else {"b1": np.full(N_PIXELS, self.decoder_bias)}
        if self.inherits_biases:
            if twin is None:
                raise ValueError(f"{self.name}: a model without bias needs its trained twin")
            return {f"b{k}": layer.b for k, layer in enumerate(twin.network_.layers)}
        if self.constant_unit:
            hidden_units = self.hidden_units(ratio, bias)
            return with_constant_unit(hidden_units, self.settings["weight_init"], seed)
        return None


def with_constant_unit(hidden_units: int, weight_init: str, seed: int) -> dict[str, np.ndarray]:
    """Draw weights whose first hidden unit is nearly constant, and darkens the picture.

    An image of MNIST has about 110 units of light, so a weight of 0.05 from every pixel takes the
    unit to the flat end of the sigmoid. Its weights to the pixels are then added as biases would
    be, and start where those of models with bias do. All others are drawn as usual.

    Parameters
    ----------
    hidden_units : int
    weight_init : {"fan_in", "fan_out"}
    seed : int

    Returns
    -------
    dict of float32 arrays
        ``"W0"``, shape (784, hidden_units), and ``"W1"``, shape (hidden_units, 784).
    """
    architecture = Architecture(
        (N_PIXELS, hidden_units, N_PIXELS),
        np.zeros(hidden_units + N_PIXELS, bool),
        dtype=np.dtype(np.float32),
    )
    encoder, decoder = architecture.views(initial_parameters(architecture, weight_init, seed))
    encoder.W[:, 0] = CONSTANT_UNIT_WEIGHT
    decoder.W[0] = DECODER_BIAS
    return {"W0": encoder.W, "W1": decoder.W}


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
            "the same models and the exact gradient, by the best single recipe found for 50 "
            "epochs, each kind with a good start: decoder biases of -2, or one constant unit",
            {"batch_size": 1, "shuffle": True, "weight_init": "fan_in", "backprop": "exact"},
            _falling,
            "0.05 (1 - e / epochs)² in epoch e = 0, 1, ...",
            decoder_bias=DECODER_BIAS,
            constant_unit=True,
        ),
    )
}
"""The protocols, by name."""

BIAS_STUDY = replace(
    PROTOCOLS["tuned"],
    name="bias-study",
    summary="the recipe of tuned, with one hidden unit fewer where there are biases, and with the "
    "plain start where there are none",
    constant_unit=False,
    fewer_units=1,
)
"""What the models of `tuned` are compared with, to tell what biases are worth."""

START_STUDY = replace(
    PROTOCOLS["corrected"],
    name="start-study",
    summary="the models of corrected without bias, started with one constant unit",
    constant_unit=True,
    biases=(False,),
)
"""What those of `corrected` are compared with, to tell what biases do for the start."""

STUDIES = {study.name: study for study in (BIAS_STUDY, START_STUDY)}
"""What is trained besides the fourteen models, by name."""


def protocol_named(name: str) -> Protocol:
    """Return a protocol, or a study."""
    return STUDIES.get(name) or PROTOCOLS[name]
