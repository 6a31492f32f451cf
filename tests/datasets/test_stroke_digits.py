"""The stroke digits: reproducible to the bit, normalised like MNIST, and about as hard."""

import hashlib
import time

import numpy as np
import pytest

from ae_numpy.datasets.digits import Digits
from ae_numpy.datasets.handwriting import glyphs, load_alphabet, n_uniform, write
from ae_numpy.datasets.stroke_digits import load_stroke_digits

N_TRAIN, N_TEST = 5000, 2000

# SHA-256 of train images, train labels, test images, test labels, one after the other.
SHA256_2000_500 = "1f4cc335deec5ca53d9ef732d2353250a119ee32375004b6351bf66874e3ef68"
SHA256_FULL = "79adae2ffa6b9cb3498230ae554efa841061b03f2719f5edfc69a6d2c1149947"

# Mean squared reconstruction error of MNIST's test images by components, pixels in [0.01, 1].
MNIST_PCA_ERRORS = {
    2: 0.0546,
    4: 0.0470,
    8: 0.0367,
    14: 0.0284,
    28: 0.0183,
    56: 0.0101,
    112: 0.0048,
}


@pytest.fixture(scope="module")
def digits():
    """Seed 0's first images: enough for a classifier and a PCA."""
    return load_stroke_digits(N_TRAIN, N_TEST, seed=0)


def sha256(digits):
    """Hash a set's four arrays in the order of the fields."""
    parts = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def nearest_neighbour_accuracy(digits):
    """Return the share of test images whose nearest training image has their label."""
    train, test = (
        images.reshape(len(images), -1).astype(np.float32) / 255
        for images in (digits.train_images, digits.test_images)
    )
    distance = (train**2).sum(axis=1) - 2 * test @ train.T  # (test, train), up to a row constant
    return (digits.train_labels[distance.argmin(axis=1)] == digits.test_labels).mean()


def pca_errors(digits, sizes):
    """Return the test error of a centred PCA of the training images, for each size."""
    train, test = (
        images.reshape(len(images), -1) / 255 * 0.99 + 0.01
        for images in (digits.train_images, digits.test_images)
    )
    mean = train.mean(axis=0)
    train, test = train - mean, test - mean
    components = np.linalg.eigh(train.T @ train)[1][:, ::-1]  # the largest first
    captured = np.cumsum(((test @ components) ** 2).mean(axis=0))
    return [((test**2).sum(axis=1).mean() - captured[size - 1]) / 784 for size in sizes]


class TestSet:
    def test_shapes_types_and_name(self, digits):
        assert isinstance(digits, Digits)
        assert digits.name == "stroke-digits"
        assert digits.train_images.shape == (N_TRAIN, 28, 28)
        assert digits.test_images.shape == (N_TEST, 28, 28)
        assert digits.train_labels.shape == (N_TRAIN,)
        assert digits.test_labels.shape == (N_TEST,)
        for array in (digits.train_images, digits.train_labels, digits.test_labels):
            assert array.dtype == np.uint8

    def test_an_empty_set(self):
        digits = load_stroke_digits(0, 0)
        assert digits.train_images.shape == digits.test_images.shape == (0, 28, 28)
        assert digits.train_labels.shape == digits.test_labels.shape == (0,)

    def test_classes_are_balanced(self, digits):
        counts = np.bincount(digits.train_labels, minlength=10)
        # Multinomial: standard deviation sqrt(5000 * 0.1 * 0.9) = 21; five of them.
        assert len(counts) == 10
        assert np.abs(counts - N_TRAIN / 10).max() < 106

    def test_classes_come_in_random_order(self, digits):
        labels = digits.train_labels.astype(int)
        followed = np.bincount(10 * labels[:-1] + labels[1:], minlength=100)
        # 50 expected of every pair of neighbours; five standard deviations of 7.
        assert np.abs(followed - N_TRAIN / 100).max() < 36

    def test_training_and_test_set_differ(self, digits):
        train = {image.tobytes() for image in digits.train_images}
        test = {image.tobytes() for image in digits.test_images}
        assert len(train) == N_TRAIN
        assert len(test) == N_TEST
        assert not train & test


class TestReproducibility:
    def test_recorded_hash_of_the_beginning(self, digits):
        beginning = Digits(
            digits.train_images[:2000],
            digits.train_labels[:2000],
            digits.test_images[:500],
            digits.test_labels[:500],
            name=digits.name,
        )
        assert sha256(beginning) == SHA256_2000_500

    @pytest.mark.slow
    def test_recorded_hash_and_time_of_the_full_set(self):
        start = time.process_time()
        full = load_stroke_digits()
        seconds = time.process_time() - start
        assert full.train_images.shape == (60_000, 28, 28)
        assert full.test_images.shape == (10_000, 28, 28)
        assert sha256(full) == SHA256_FULL
        assert seconds < 15

    # 1 and 129 are a batch of one image, alone and after a full batch.
    @pytest.mark.parametrize(("n_train", "n_test"), [(1, 0), (129, 1), (300, 200)])
    def test_a_smaller_set_is_the_beginning_of_a_larger_one(self, digits, n_train, n_test):
        small = load_stroke_digits(n_train, n_test, seed=0)
        np.testing.assert_array_equal(small.train_images, digits.train_images[:n_train])
        np.testing.assert_array_equal(small.train_labels, digits.train_labels[:n_train])
        np.testing.assert_array_equal(small.test_images, digits.test_images[:n_test])
        np.testing.assert_array_equal(small.test_labels, digits.test_labels[:n_test])

    def test_another_seed_gives_another_set(self, digits):
        other = load_stroke_digits(200, 0, seed=1)
        assert (other.train_labels != digits.train_labels[:200]).any()
        assert not (other.train_images == digits.train_images[:200]).all(axis=(1, 2)).any()

    def test_the_global_random_state_is_left_alone(self):
        before = np.random.get_state()  # noqa: NPY002
        load_stroke_digits(10, 10)
        after = np.random.get_state()  # noqa: NPY002
        np.testing.assert_array_equal(before[1], after[1])
        assert before[2:] == after[2:]


class TestNormalisation:
    def test_the_longer_side_is_20_pixels(self, digits):
        inked = digits.train_images > 0

        def extent(marked):  # (N, 28) -> (N,)
            return 28 - marked.argmax(axis=1) - marked[:, ::-1].argmax(axis=1)

        width, height = extent(inked.any(axis=1)), extent(inked.any(axis=2))
        np.testing.assert_array_equal(np.maximum(width, height), 20)
        assert (height == 20).mean() > 0.8
        assert (width == 20).any()

    def test_the_centre_of_mass_is_in_the_middle(self, digits):
        images = digits.train_images.astype(float)
        position = np.arange(28) + 0.5
        mass = images.sum(axis=(1, 2))
        for axis in (1, 2):
            centre = images.sum(axis=axis) @ position / mass
            # Whole-pixel shifts leave half a pixel; a very lopsided digit stops at the edge.
            assert (np.abs(centre - 14) <= 0.5 + 1e-9).mean() > 0.998
            assert np.abs(centre - 14).max() < 1.5

    def test_grey_levels_are_those_of_ink_with_soft_edges(self, digits):
        images = digits.train_images
        assert (images.max(axis=(1, 2)) > 200).all()
        # MNIST: 81 % background; of its inked pixels about a half are near white.
        assert 0.75 < (images == 0).mean() < 0.87
        assert 0.3 < (images[images > 0] > 224).mean() < 0.65
        assert len(np.unique(images)) == 256


class TestDifficulty:
    def test_nearest_neighbour_accuracy(self, digits):
        assert 0.90 <= nearest_neighbour_accuracy(digits) <= 0.99

    def test_nearest_neighbour_accuracy_of_another_seed(self):
        assert 0.90 <= nearest_neighbour_accuracy(load_stroke_digits(5000, 2000, seed=1)) <= 0.99

    def test_pca_errors_are_near_those_of_mnist(self, digits):
        errors = pca_errors(digits, MNIST_PCA_ERRORS)
        for error, expected in zip(errors, MNIST_PCA_ERRORS.values(), strict=True):
            assert expected / 1.4 < error < expected * 1.4


class TestHandwriting:
    def test_every_digit_has_several_variants(self):
        assert list(glyphs()) == list("0123456789")
        for variants in glyphs().values():
            assert len({text for _, text in variants}) >= 5

    def test_every_variant_is_written(self):
        alphabet = load_alphabet()
        lower = np.concatenate([[0], alphabet.upper_bound[:-1]])
        uniform = np.full((len(lower), n_uniform()), 0.5)
        # Just above its lower bound, a variant is chosen; rounding must not hit the one before.
        uniform[:, 0] = (lower + 1e-9) / 10
        labels, _ = write(uniform)
        np.testing.assert_array_equal(labels, alphabet.digit)
        np.testing.assert_array_equal(np.unique(labels), range(10))

    def test_paths_begin_and_end_at_the_outer_control_points(self):
        alphabet = load_alphabet()
        texts = [text for variants in glyphs().values() for _, text in variants]
        for v, text in enumerate(texts):
            points = text.replace("|", " ").split()
            for p, point in ((0, points[0]), (-1, points[-1])):
                pulled = alphabet.weight[v, p] @ alphabet.controls[v][alphabet.nearby[v, p]]
                expected = np.array(point.split(","), dtype=float) / 50 - 1
                np.testing.assert_allclose(pulled, expected, atol=1e-12)

    def test_stamps_are_close_enough_to_make_a_line(self):
        uniform = np.random.default_rng(0).random((500, n_uniform()))
        _, paths = write(uniform)
        step = np.hypot(np.diff(paths.x, axis=1), np.diff(paths.y, axis=1))
        drawn = step < 0.25  # a longer one is a pen lift
        # Between stamps one radius r apart the edge falls back by (1 - sqrt(3/4)) r, which is a
        # tenth of a pixel for the thinnest pen.
        assert drawn.mean() > 0.99
        assert np.quantile((step / paths.radius[:, 1:])[drawn], 0.99) < 1


class TestBadInput:
    @pytest.mark.parametrize("name", ["n_train", "n_test", "seed"])
    @pytest.mark.parametrize("value", [2.5, "3", None, True, np.True_, [1]])
    def test_not_an_integer(self, name, value):
        with pytest.raises(TypeError, match=f"{name} must be an integer of at least 0, got "):
            load_stroke_digits(**{"n_train": 1, "n_test": 1, name: value})

    @pytest.mark.parametrize("name", ["n_train", "n_test", "seed"])
    def test_negative(self, name):
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 0, got -1"):
            load_stroke_digits(**{"n_train": 1, "n_test": 1, name: -1})

    def test_numpy_integers_are_integers(self, digits):
        drawn = load_stroke_digits(np.int64(3), np.uint8(0), seed=np.int32(0))
        np.testing.assert_array_equal(drawn.train_images, digits.train_images[:3])


class TestDigits:
    images = np.zeros((2, 28, 28), dtype=np.uint8)
    labels = np.zeros(2, dtype=np.uint8)

    def test_is_frozen(self):
        digits = Digits(self.images, self.labels, self.images, self.labels, name="blank")
        with pytest.raises(AttributeError):
            digits.name = "other"

    def test_wrong_dtype(self):
        with pytest.raises(TypeError, match="test_labels must be a uint8 array, got int64"):
            Digits(self.images, self.labels, self.images, np.zeros(2, dtype=np.int64), name="")
        with pytest.raises(TypeError, match="train_images must be a uint8 array, got list"):
            Digits([], self.labels, self.images, self.labels, name="")

    def test_wrong_shape(self):
        flat = self.images.reshape(2, -1)
        with pytest.raises(ValueError, match=r"train_images must .* \(N, 28, 28\), got \(2, 784\)"):
            Digits(flat, self.labels, self.images, self.labels, name="")
        with pytest.raises(ValueError, match=r"test_labels must have shape \(2,\).* got \(1,\)"):
            Digits(self.images, self.labels, self.images, self.labels[:1], name="")
