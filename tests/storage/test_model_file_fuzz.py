"""Anything at all where a model file is expected.

It is read, or refused with ValueError, in memory bounded by its size.
"""

from __future__ import annotations

import io
import json
import random
import re
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ae_numpy import Autoencoder

X = np.random.default_rng(0).random((4, 3))


@pytest.fixture(scope="module", name="good")
def fixture_good(tmp_path_factory) -> bytes:
    """A model file."""
    path = tmp_path_factory.mktemp("good") / "model.npz"
    model = Autoencoder(2, epochs=2, engine="numpy", random_state=0)
    model.initial_parameters = {"b0": [0.1, 0.2]}
    model.fit(X, validation_data=X).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module", name="path")
def fixture_path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "model.npz"


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def file_of(members: dict[str, bytes]) -> bytes:
    """An archive with the right checksums, so that what is in it gets read."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def npy(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def loaded(path):
    """A model, or None and the words of the refusal."""
    try:
        return Autoencoder.load(path), ""
    except ValueError as error:
        return None, str(error)


def check_reading(path, content: bytes) -> bool:
    """Whether a file loads as a model, which must then be usable."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        model, refusal = loaded(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # JSON grows when it is read; a first error imports modules of 2 MB.
    assert peak < (1 << 22) + 30 * len(content)
    if model is None:
        assert re.search("must .*got", refusal, re.DOTALL)
        assert len(refusal) < 1000
        return False
    output = model.reconstruct(X)
    assert output.shape == X.shape
    assert np.isfinite(output).all()
    model.save(path)
    return True


@st.composite
def mutations(draw):
    """What changes bytes: some replaced, removed and inserted at random."""
    changes = draw(
        st.lists(
            st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)),
            min_size=1,
            max_size=4,
        )
    )

    def mutated(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, length, new in changes:
            start = int(place * len(changed))
            changed[start : start + length] = new
        return bytes(changed)

    return mutated


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(start=st.sampled_from([b"", b"PK\3\4", b"PK\5\6", b"\x93NUMPY"]), rest=st.binary())
def test_arbitrary_bytes(path, start, rest):
    assert not check_reading(path, start + rest)


@settings(max_examples=300)
@given(mutated=mutations())
def test_mutated_file(path, good, mutated):
    check_reading(path, mutated(good))


@settings(max_examples=300)
@given(index=st.integers(0, 3), mutated=mutations())
def test_mutated_member(path, good, index, mutated):
    members = members_of(good)
    name = list(members)[index]
    check_reading(path, file_of(members | {name: mutated(members[name])}))


def places(value, at=()):
    """Where something is in JSON: the keys that lead there."""
    yield at
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, (*at, key))


def replaced(value, place, new):
    """The same JSON with something else in one place."""
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], new)
    return copy


@settings(max_examples=200)
@given(data=st.data(), new=json_values)
def test_any_value_anywhere_in_the_header(path, good, data, new):
    members = members_of(good)
    header = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    place = data.draw(st.sampled_from(list(places(header))))
    content = json.dumps(replaced(header, place, new)).encode()
    members["header.npy"] = npy(np.frombuffer(content, np.uint8))
    check_reading(path, file_of(members))


@given(
    name=st.sampled_from(["parameters.npy", "bias_mask.npy", "initial_b0.npy"]),
    array=hnp.arrays(
        st.sampled_from(["f4", "f8", "b1", "u1", "c8", "U3", "M8[s]", ">f4"]),
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=20),
    ),
)
def test_any_array_in_place_of_another(path, good, name, array):
    check_reading(path, file_of(members_of(good) | {name: npy(array)}))


def mutated_at_random(content: bytes, rng: random.Random) -> bytes:
    """Up to three places changed: bits flipped, bytes replaced, removed or inserted."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed))
        if rng.random() < 0.5:
            changed[at] ^= 1 << rng.randrange(8)
        else:
            changed[at : at + rng.randint(0, 8)] = rng.randbytes(rng.randint(0, 8))
    return bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["file", "header.npy", "parameters.npy", "initial_b0.npy"])
def test_thousands_of_mutations(path, good, part):
    rng, members = random.Random(0), members_of(good)
    read = 0
    for _ in range(2_000):
        if part == "file":
            content = mutated_at_random(good, rng)
        else:
            content = file_of(members | {part: mutated_at_random(members[part], rng)})
        read += check_reading(path, content)
    # Some changes leave a model: another number in the header or among the parameters.
    assert 0 < read < 2_000


def test_the_good_file_is_one(path, good):
    assert check_reading(path, good)
    assert check_reading(path, file_of(members_of(good)))
