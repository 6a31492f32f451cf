"""Image codecs and packers: on single images, and on one mosaic of all of them.

Pillow has JPEG, WebP, AVIF and PNG, imagecodecs JPEG XL, JPEG 2000 and Zstandard. Where one of the
two is missing, its formats are left out.
"""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from study.rate.measurement import Bench, Measured

PACKAGES = {"PIL": "Pillow", "imagecodecs": "imagecodecs"}
"""What to import, and what to install."""

Encode = Callable[[np.ndarray, float], bytes]
Decode = Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class Format:
    """A format with its range of settings, which is empty if it loses nothing.

    Parameters
    ----------
    name : str
    package : str or None
        What must be importable.
    encode : callable
        ``encode(image, value)``, of a uint8 array of two axes.
    decode : callable
    setting : str
        What the values are called.
    values : tuple of float
        From the fewest bytes to the most.
    """

    name: str
    package: str | None
    encode: Encode
    decode: Decode
    setting: str = "lossless"
    values: tuple[float, ...] = ()

    @property
    def lossless(self) -> bool:
        """Whether images come back as they were."""
        return not self.values

    @property
    def available(self) -> bool:
        """Whether its package is installed."""
        return self.package is None or find_spec(self.package) is not None


def _pillow(kind: str, option: str = "", **options: Any) -> tuple[str, Encode, Decode]:
    """Return how Pillow writes and reads a kind of file."""

    def encode(image: np.ndarray, value: float) -> bytes:
        from PIL import Image

        file, setting = io.BytesIO(), {option: int(value)} if option else {}
        Image.fromarray(image).save(file, kind, **options, **setting)
        return file.getvalue()

    def decode(data: bytes) -> np.ndarray:
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(data)).convert("L"))

    return "PIL", encode, decode


def _imagecodecs(kind: str, option: str = "", **options: Any) -> tuple[str, Encode, Decode]:
    """Return how imagecodecs writes and reads a kind of file."""

    def encode(image: np.ndarray, value: float) -> bytes:
        import imagecodecs

        setting = {option: value} if option else {}
        return bytes(getattr(imagecodecs, f"{kind}_encode")(image, **options, **setting))

    def decode(data: bytes) -> np.ndarray:
        import imagecodecs

        return np.asarray(getattr(imagecodecs, f"{kind}_decode")(data))

    return "imagecodecs", encode, decode


def _xz(image: np.ndarray, value: float) -> bytes:
    return lzma.compress(image.tobytes(), preset=9 | lzma.PRESET_EXTREME)


FORMATS = {
    one.name: one
    for one in (
        # Each at the slowest effort that 10,000 images allow: AVIF takes a minute a setting.
        Format(
            "JPEG", *_pillow("JPEG", "quality", optimize=True), "quality", (1, 5, 10, 20, 40, 70)
        ),
        Format("WebP", *_pillow("WEBP", "quality", method=6), "quality", (0, 5, 10, 20, 40, 70)),
        Format(
            "AVIF",
            *_pillow("AVIF", "quality", speed=4, subsampling="4:0:0"),
            "quality",
            (0, 5, 12, 20, 35, 55),
        ),
        Format(
            "JPEG XL",
            *_imagecodecs("jpegxl", "distance", effort=7),
            "distance",
            (25, 18, 12, 8, 5, 3),
        ),
        Format(
            "JPEG 2000",
            *_imagecodecs("jpeg2k", "level", reversible=False),
            "level",
            (14, 16, 18, 20, 23, 26, 30),
        ),
        Format("PNG, lossless", *_pillow("PNG", optimize=True)),
        Format("WebP, lossless", *_pillow("WEBP", lossless=True, quality=100, method=6)),
        Format("JPEG XL, lossless", *_imagecodecs("jpegxl", lossless=True, effort=9)),
        Format("zstd, lossless", *_imagecodecs("zstd", level=22)),
        Format("xz, lossless", None, _xz, lzma.decompress),
    )
}
"""All formats, by name."""

PACKERS = ("zstd, lossless", "xz, lossless")
"""Those that pack bytes and know nothing of images."""


def measure_mosaic(bench: Bench, name: str, value: float) -> Iterator[Measured]:
    """Measure a format on one image of all test images, side by side.

    Without a margin around each: with one to 32 pixels, a multiple of the codecs' blocks, they
    take some 4 % more bytes.
    """
    images, one = bench.digits.test_images, FORMATS[name]
    whole = images if name in PACKERS else mosaic(images)
    data = one.encode(whole, value)
    rebuilt = images if one.lossless else tiles(one.decode(data), len(images))
    yield {
        **_named(one, "mosaic", value),
        "bytes_per_image": len(data) / len(images),
        **bench.measure(rebuilt),
    }


def measure_single(bench: Bench, name: str, value: float) -> Iterator[Measured]:
    """Measure a format on test images one by one; an empty image shows how long its header is."""
    images, one = bench.digits.test_images[: bench.grid.n_single], FORMATS[name]
    data = [one.encode(image, value) for image in images]
    sizes = [len(each) for each in data]
    rebuilt = images if one.lossless else np.stack([one.decode(each) for each in data])
    yield {
        **_named(one, "single images", value),
        "bytes_per_image": float(np.mean(sizes)),
        "header_bytes": len(one.encode(np.zeros((28, 28), np.uint8), value)),
        **bench.measure(rebuilt),
    }


def mosaic(images: np.ndarray) -> np.ndarray:
    """Lay images side by side in rows, as near to a square as it goes; the rest is black."""
    n, height, width = images.shape
    across = math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    cells = np.zeros((down * across, height, width), images.dtype)
    cells[:n] = images
    rows = cells.reshape(down, across, height, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(rows.reshape(down * height, across * width))


def tiles(whole: np.ndarray, n: int) -> np.ndarray:
    """Take the first n images of 28 x 28 pixels out of a mosaic."""
    down, across = (side // 28 for side in whole.shape)
    rows = whole.reshape(down, 28, across, 28).transpose(0, 2, 1, 3)
    return rows.reshape(-1, 28, 28)[:n]


def _named(one: Format, kind: str, value: float) -> Measured:
    setting = one.setting if one.lossless else f"{one.setting}={value:g}"
    return {"method": f"{one.name}, {kind}", "setting": setting}
