"""Products of all shapes: every block, and the rows and columns left over."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import assert_close

from ae_numpy.kernels import dense, lanes

# Sums of up to 20 products of numbers in [-1, 1], relative to the largest: a few roundings.
TOLERANCE = {"float32": 1e-5, "float64": 1e-14}


def drawn(rng, *shape, dtype):
    return rng.uniform(-1, 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_lanes", [1, 2, 3, 4, 6, 7, 11, 25, 34])
@pytest.mark.parametrize("n_places", [1, 2, 4, 7, 8, 13])
def test_a_product_of_listed_rows_is_that_of_numpy(n_places, n_lanes, dtype):
    rng = np.random.default_rng(0)
    width = n_lanes * lanes.LANE_BYTES // np.dtype(dtype).itemsize
    a, b = drawn(rng, 15, 20, dtype=dtype), drawn(rng, 20, width, dtype=dtype)
    out = drawn(rng, 15, width, dtype=dtype)
    terms = np.sort(rng.permutation(20)[:17]).astype(np.uint32)
    places = rng.permutation(15)[:n_places].astype(np.uint32)
    expected = out.copy()
    expected[places] += a[np.ix_(places, terms)] @ b[terms]
    dense.add_product(a, b, terms, places, out)
    assert_close(out, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("n_rows", [1, 3, 4, 9])
def test_a_product_of_rows_by_rows_is_that_of_numpy(n_rows, n_columns, dtype):
    rng = np.random.default_rng(0)
    width = 5 * lanes.LANE_BYTES // np.dtype(dtype).itemsize
    a, b = drawn(rng, n_rows, width, dtype=dtype), drawn(rng, n_columns, width, dtype=dtype)
    out = np.full((n_rows, n_columns), np.nan, dtype)
    dense.fill_product_transposed(a, b, out)
    assert_close(out, a @ b.T, 4 * TOLERANCE[dtype])  # sums of four times as many products


@pytest.mark.parametrize("features", ["+avx,+avx512f", "+avx,+avx2", "+neon", "+sse2"])
def test_a_lane_is_as_wide_as_the_registers_of_the_machine(monkeypatch, features):
    monkeypatch.setattr(lanes.config, "CPU_FEATURES", features, raising=False)
    expected = {"+avx,+avx512f": (64, 32), "+avx,+avx2": (32, 16), "+neon": (16, 32)}
    assert lanes._registers() == expected.get(features, (16, 16))
