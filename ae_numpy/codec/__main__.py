"""Compress files of images with a saved codec, and decompress them."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ae_numpy.codec import Codec
from ae_numpy.datasets.idx import dump_idx, read_idx
from ae_numpy.progress import tell, tracked
from ae_numpy.storage.atomic import replacing


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 for an error, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        with replacing(options.output) as file:  # checked to be writable before the work
            codec = Codec.load(options.codec)
            codec._progress = partial(tracked, what=options.command)
            if options.command == "compress":
                file.write(codec.compress(_read_images(options.input)))
            else:
                images = codec.decompress(options.input.read_bytes(), damaged=options.damaged)
                _write_images(file, images, options.output)
    except KeyboardInterrupt:
        tell("interrupted; nothing was written")
        return 130
    except (ImportError, OSError, TypeError, ValueError) as error:
        tell(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ae_numpy.codec", description=__doc__)
    parser.add_argument("command", choices=("compress", "decompress"))
    parser.add_argument("codec", type=Path, help="file that Codec.save has written")
    parser.add_argument("input", type=Path, help="images in an IDX or .npy file; or their bytes")
    parser.add_argument("output", type=Path, help="the other of these; replaced if it exists")
    what = "skip: leave zeros for images whose bytes are damaged, and say which"
    parser.add_argument("--damaged", choices=("raise", "skip"), default="raise", help=what)
    return parser


def _read_images(path: Path) -> NDArray:
    """Read an .npy file, which stays on disk, if the path ends so, else an IDX file."""
    if path.suffix != ".npy":
        return read_idx(path)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a dozen kinds, depending on the header
        raise ValueError(f"{path}: expected a whole .npy file of numbers ({error})") from error


def _write_images(file: IO[bytes], images: NDArray, path: Path) -> None:
    """Write an .npy file if the path ends so, else an IDX file."""
    if path.suffix == ".npy":
        np.save(file, images)
    elif images.dtype == np.uint8 and images.ndim <= 3:
        dump_idx(file, images)
    else:
        raise ValueError(f"{path} must end in .npy: no IDX file has {images.dtype}, {images.shape}")


if __name__ == "__main__":
    sys.exit(main())
