"""The inner loop of every matrix product: a block of the result that stays in registers."""

from __future__ import annotations

from itertools import product

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ae_numpy.kernels.lanes import (
    Lanes,
    address,
    multiply_add,
    operation,
    splat_number,
    vector_type,
)


def _meaning(a, b, out, m, j, rows, lanes, sums):
    width = lanes * (64 // b.itemsize)
    out[m : m + rows, j : j + width] += a[m : m + rows, : len(b)] @ b[:, j : j + width]


@operation(_meaning, prefer_literal=True)
def add_block(_, a, b, out, m, j, rows, lanes, sums):
    """Add a @ b to a block of out: `rows` rows from m on, `lanes` registers from column j on.

    `rows`, `lanes` and `sums` are literal numbers: there is code for each combination of them.
    Every register of the block has so many `sums`, each of every so manieth row of b.
    """
    shape = rows.literal_value, lanes.literal_value, sums.literal_value

    def compiled(context, builder, signature, arguments):
        _Block(context, builder, signature, arguments, shape).write()
        return context.get_dummy_value()

    return types.void(a, b, out, m, j, rows, lanes, sums), compiled


class _Block:
    """Writes the code of one block."""

    def __init__(self, context, builder, signature, arguments, shape):
        self.context, self.builder = context, builder
        self.rows, self.lanes, self.n_sums = shape
        kinds = signature.args
        self.a, self.b, self.out = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(kinds[:3], arguments[:3], strict=True)
        )
        self.m, self.j = (
            context.cast(builder, value, kind, types.intp)
            for kind, value in zip(kinds[3:5], arguments[3:5], strict=True)
        )
        self.dtype = kinds[1].dtype
        vector = vector_type(Lanes(self.dtype))
        self.block = tuple(product(range(self.rows), range(self.lanes)))
        self.sums = {
            place: [cgutils.alloca_once(builder, vector) for _ in range(self.n_sums)]
            for place in self.block
        }

    def write(self):
        """Read the block of out, add the products to it, write it back."""
        builder = self.builder
        zero = ir.Constant(vector_type(Lanes(self.dtype)), None)
        for r, c in self.block:
            first, *others = self.sums[r, c]
            builder.store(self._load(self._piece(self.out, self._row(r), c)), first)
            for other in others:
                builder.store(zero, other)
        n = builder.extract_value(self.b.shape, 0)
        whole = builder.mul(builder.sdiv(n, self._number(self.n_sums)), self._number(self.n_sums))
        with cgutils.for_range_slice(
            builder, self._number(0), whole, self._number(self.n_sums), intp=whole.type
        ) as (k, _):
            for s in range(self.n_sums):
                self._add_products(builder.add(k, self._number(s)), s)
        if self.n_sums > 1:
            with cgutils.for_range(builder, n, start=whole) as loop:
                self._add_products(loop.index, 0)
        for r, c in self.block:
            place = self._piece(self.out, self._row(r), c)
            builder.store(self._summed(self.sums[r, c]), place, align=self.dtype.bitwidth // 8)

    def _add_products(self, k, s):
        """Add column k of a times row k of b to the block's sums number s."""
        pieces = [self._load(self._piece(self.b, k, c)) for c in range(self.lanes)]
        for r in range(self.rows):
            number = splat_number(self.builder, self._entry_of_a(self._row(r), k))
            for c, piece in enumerate(pieces):
                place = self.sums[r, c][s]
                term = multiply_add(self.builder, number, piece, self.builder.load(place))
                self.builder.store(term, place)

    def _summed(self, places):
        """Return the sum of numbers in memory, added up in pairs."""
        values = [self.builder.load(place) for place in places]
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [self.builder.fadd(x, y) for x, y in pairs]
        return values[0]

    def _entry_of_a(self, row, k):
        """Read an entry of a, which may lie transposed."""
        strides = cgutils.unpack_tuple(self.builder, self.a.strides)
        row, column = (
            self.builder.mul(i, stride) for i, stride in zip((row, k), strides, strict=True)
        )
        offset = self.builder.add(row, column)
        return self.builder.load(cgutils.pointer_add(self.builder, self.a.data, offset))

    def _piece(self, array, row, c):
        """Return the address of register c of the block in a row of b or out."""
        return address(self.builder, array, row, self.j, self._number(c), Lanes(self.dtype))

    def _load(self, place):
        return self.builder.load(place, align=self.dtype.bitwidth // 8)

    def _row(self, r):
        return self.builder.add(self.m, self._number(r))

    def _number(self, value):
        return ir.Constant(self.context.get_value_type(types.intp), value)
