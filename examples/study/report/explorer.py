"""What the explorer computes with, packed into the page: trained models and some test digits."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ae_numpy import Autoencoder
from ae_numpy.datasets import Digits
from ae_numpy.reference import dense_forward, sigmoid_forward
from study.data import pixels
from study.paper import HIDDEN_UNITS
from study.report.levels import LEVELS, N_COUNTED, counts
from study.report.markup import Html
from study.results import Results

MODEL_BYTES = 1_600_000
"""How many bytes of the page the models may take: all seven of one kind, and the small ones."""

DIGITS_PER_CLASS = 6
N_DOTS = 1000
PREFERRED = ("tuned", "corrected", "published")

LoadModel = Callable[[str, int, bool], Autoencoder]


@dataclass(frozen=True)
class Explorer:
    """What is embedded: the script's data, what is in it, and how far the page's errors are off.

    `rounding` is the largest relative difference that the rounded weights make to the mean
    squared error of one of the embedded digits.
    """

    data: Html
    chosen: list[tuple[str, int, bool]]
    rounding: float


def pack(results: Results, digits: Digits, model: LoadModel) -> Explorer:
    """Pack as many models as the page has room for, and the digits to try them on."""
    chosen = choose_models(results)
    shown = choose_digits(digits.test_labels)
    x, x_train = pixels(digits.test_images[shown]), pixels(digits.train_images[:N_COUNTED])
    models, roundings = [], [0.0]
    for protocol, ratio, bias in chosen:
        trained = model(protocol, ratio, bias)
        packed: dict[str, Any] = {
            "protocol": protocol,
            "ratio": ratio,
            "bias": bias,
            "layers": [{"W": _float16(k.W), "b": _float16(k.b)} for k in trained.network_.layers],
            "counts": [_base64(of.astype("<u4")) for of in counts(trained.encode(x_train))],
        }
        if trained.code_size_ == 2:
            codes = trained.encode(pixels(digits.test_images[:N_DOTS]))
            packed["dots"] = _base64(np.round(codes * 255).astype(np.uint8))
        models.append(packed)
        roundings.append(_rounding(trained, x))
    content = {
        "models": models,
        "digits": {
            "images": _base64(digits.test_images[shown]),
            "labels": digits.test_labels[shown].tolist(),
            "numbers": shown,
        },
        "levels": LEVELS,
        "dotLabels": digits.test_labels[:N_DOTS].tolist(),
    }
    # Numbers, base64 and the protocols' names: nothing that could end the script element.
    data = Html(json.dumps(content, separators=(",", ":")))
    return Explorer(data, chosen, max(roundings))


def choose_models(results: Results) -> list[tuple[str, int, bool]]:
    """Choose which models are embedded: (protocol, ratio, bias).

    All with bias of the best protocol there is; of the other kinds the smallest, ratio after
    ratio, as far as `MODEL_BYTES` reaches.
    """
    trained = {(model.protocol, model.bias, model.ratio) for model in results.models}
    protocols = sorted(results.protocols, key=PREFERRED.index)
    kinds = [(protocol, bias) for bias in (True, False) for protocol in protocols]
    by_size = sorted(results.ratios, reverse=True)
    wanted = [(*kinds[0], ratio) for ratio in by_size]
    wanted += [(*kind, ratio) for ratio in by_size for kind in kinds[1:]]
    chosen, n_bytes = [], 0
    for protocol, bias, ratio in filter(trained.__contains__, wanted):
        n_bytes += _bytes(ratio)
        if (protocol, bias) != kinds[0] and n_bytes > MODEL_BYTES:
            break
        chosen.append((protocol, ratio, bias))
    return chosen


def choose_digits(labels: np.ndarray) -> list[int]:
    """Choose test images: the first few of every class, one of each in turn."""
    of_class = [np.flatnonzero(labels == digit)[:DIGITS_PER_CLASS] for digit in range(10)]
    return [
        int(numbers[k]) for k in range(DIGITS_PER_CLASS) for numbers in of_class if k < len(numbers)
    ]


def _bytes(ratio: int) -> int:
    """Return how many characters a model takes: two bytes a number, four characters for three."""
    h = HIDDEN_UNITS[ratio]
    return (2 * 784 * h + h + 784) * 2 * 4 // 3


def _base64(array: np.ndarray) -> str:
    return b64encode(array.tobytes()).decode()


def _float16(array: np.ndarray) -> str:
    return _base64(array.astype("<f2"))


def _rounding(model: Autoencoder, x: np.ndarray) -> float:
    a = x
    for layer in model.network_.layers:
        W, b = (v.astype(np.float16).astype(np.float32) for v in (layer.W, layer.b))
        a = sigmoid_forward(dense_forward(a, W, b))
    page = ((a - x) ** 2).mean(axis=1)
    exact = ((model.reconstruct(x) - x) ** 2).mean(axis=1)
    return float(np.max(np.abs(page / exact - 1)))
