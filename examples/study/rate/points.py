"""Points of the rate-distortion plane: a setting of a method, averaged over seeds."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from study.rate.measurement import Measured
from study.statistics import t_interval

_NORMAL_QUANTILE = 1.96  # of 97.5 %


@dataclass(frozen=True)
class Point:
    """A setting of a method.

    `mse` is the mean over images, pixels from 0 to 1, and seeds; `psnr` is ``-10 log10(mse)``,
    None if nothing is lost. `accuracy` is the share of the images that the classifier reads.
    `decoder_bytes` are needed once for all images, `header_bytes` for each. `intervals` holds 95 %
    intervals over images and, with several seeds, over seeds.
    """

    method: str
    setting: str
    bytes_per_image: float
    mse: float
    psnr: float | None
    accuracy: float
    n_images: int
    decoder_bytes: int = 0
    header_bytes: int = 0
    intervals: dict[str, list[float]] = field(default_factory=dict)
    sample: str = ""

    @property
    def ratio(self) -> float:
        """Bytes of an image, 784, over its compressed bytes."""
        return 784 / self.bytes_per_image

    def value(self, name: str) -> float:
        """Return a number of the setting, such as that of levels.

        Raises
        ------
        KeyError
            If it has none of this name.
        """
        return float(dict(part.split("=") for part in self.setting.split())[name])

    def images(self) -> np.ndarray:
        """Return the sample of its images, shape (N, 28, 28)."""
        return np.frombuffer(b64decode(self.sample), np.uint8).reshape(-1, 28, 28)

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the images."""
        content = asdict(self)
        del content["sample"]
        return content


def averaged(found: Sequence[Measured]) -> list[Point]:
    """Average over seeds what was measured, in its order."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for one in found:
        groups.setdefault((one["method"], one["setting"]), []).append(one)
    return [_point(method, setting, of) for (method, setting), of in groups.items()]


def _point(method: str, setting: str, of_seeds: list[Measured]) -> Point:
    first, n = of_seeds[0], of_seeds[0]["n_images"]
    names = ("mse", "accuracy", "mse_sd", "bytes_per_image")
    mse, accuracy, sd, n_bytes = (float(np.mean([one[k] for one in of_seeds])) for k in names)
    over_images = {
        "mse over images": (mse, sd),
        "accuracy over images": (accuracy, math.sqrt(accuracy * (1 - accuracy))),
    }
    intervals = {
        name: [float(mean + sign * _NORMAL_QUANTILE * sd / math.sqrt(n)) for sign in (-1, 1)]
        for name, (mean, sd) in over_images.items()
    }
    if len(of_seeds) > 1:
        for name in ("bytes_per_image", "mse", "accuracy"):
            _, low, high = t_interval([one[name] for one in of_seeds])
            intervals[f"{name} over seeds"] = [float(low), float(high)]
    return Point(
        method=method,
        setting=setting,
        bytes_per_image=n_bytes,
        mse=mse,
        psnr=-10 * math.log10(mse) if mse > 0 else None,
        accuracy=accuracy,
        n_images=n,
        decoder_bytes=first.get("decoder_bytes", 0),
        header_bytes=first.get("header_bytes", 0),
        intervals=intervals,
        sample=first["sample"],
    )
