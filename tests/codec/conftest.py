"""A small codec, and images for it: three blocks, the last of them short."""

import numpy as np
import pytest
from small_models import make

from ae_numpy.codec import Codec


@pytest.fixture(scope="session", name="images")
def fixture_images() -> np.ndarray:
    """600 grey images of two kinds, bright on the left or on the right."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (600, 4, 5)) * np.linspace(0, 1, 5)
    return np.where(rng.random((600, 1, 1)) < 0.5, images, images[:, :, ::-1]).astype(np.uint8)


@pytest.fixture(scope="session", name="model")
def fixture_model(images):
    return make(hidden_layer_sizes=6, epochs=20).fit(images.reshape(len(images), -1) / 255)


@pytest.fixture(scope="session", name="codec")
def fixture_codec(model, images) -> Codec:
    return Codec(model, levels=4, contexts=2).fit(images)


@pytest.fixture(scope="session", name="data")
def fixture_data(codec, images) -> bytes:
    return codec.compress(images)
