"""The inner loops of all matrix products: a block of the result that stays in registers.

Code is written for literal numbers of rows and columns, which decide how much of the machine is
used; `dense` chooses them. The products differ in what a register holds:

- `add_block`, a @ b: a lane of a row of b, multiplied by one entry of a.
- `fill_block`, a @ b.T: a lane of a row of a, multiplied by one of a row of b; the total over the
  lane at the end is an entry.
- `update_block`: a lane of a row of W, which is multiplied and changed in one pass.

An entry may have several `sums` that accumulate in parallel, because each must wait for its last
term.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ae_numpy.kernels.lanes import LANE_BYTES, lane_of, multiply_add, operation, splat, total


def _add_meaning(a, b, terms, places, out, m, j, rows, lanes, sums):
    columns = slice(j, j + lanes * (LANE_BYTES // b.itemsize))
    places = places[m : m + rows]
    out[places, columns] += a[np.ix_(places, terms)] @ b[terms, columns]


@operation(_add_meaning)
def add_block(_, a, b, terms, places, out, m, j, rows, lanes, sums):
    """Add a @ b to `rows` places from number m on, `lanes` lanes from column j on.

    `terms` are the indices of the columns of a and rows of b to use, `places` those of the rows of
    a and out.
    """
    arguments = (a, b, terms, places, out, m, j, rows, lanes, sums)
    return types.void(*arguments), _written_by(_Rows)


def _fill_meaning(a, b, out, m, j, rows, columns, sums):
    out[m : m + rows, j : j + columns] = a[m : m + rows] @ b[j : j + columns].T


@operation(_fill_meaning)
def fill_block(_, a, b, out, m, j, rows, columns, sums):
    """Write a @ b.T to `rows` rows from m on, `columns` columns from j on."""
    return types.void(a, b, out, m, j, rows, columns, sums), _written_by(_Entries)


def _update_meaning(W, carried, x, dz, dx, i, rows):
    block = slice(i, i + rows)
    dx[0, block] = W[block] @ carried[0]
    W[block] += np.outer(x[0, block], dz[0])


@operation(_update_meaning)
def update_block(_, W, carried, x, dz, dx, i, rows):
    """Write carried @ W.T to dx, then add x.T @ dz to W: one sample, `rows` rows of W from i on."""
    return types.void(W, carried, x, dz, dx, i, rows), _written_by(_Update)


def _written_by(writer):
    """Return the function that Numba calls to generate the code of a block."""

    def compiled(context, builder, signature, arguments):
        writer(context, builder, signature.args, arguments)
        return context.get_dummy_value()

    return compiled


class _Writer:
    """The elements of the code of all blocks. Subclasses define, in `write`, what it does."""

    write: Callable[..., None]

    def __init__(self, context, builder, kinds, arguments):
        self.builder = builder
        self.index = context.get_value_type(types.intp)
        self.dtype = kinds[0].dtype
        self.lane = lane_of(self.dtype)
        self.write(*(self.value(context, *pair) for pair in zip(kinds, arguments, strict=True)))

    def value(self, context, kind, value):
        """Return an argument as `write` takes it: an array's parts, an index, a Python number."""
        if isinstance(kind, types.Array):
            return context.make_array(kind)(context, self.builder, value)
        if isinstance(kind, types.IntegerLiteral):
            return kind.literal_value
        return context.cast(self.builder, value, kind, types.intp)

    def following(self, first, count):
        """Return indices from the first on."""
        first = self.index(first) if isinstance(first, int) else first
        return [self.builder.add(first, self.index(n)) for n in range(count)]

    def place(self, array, i, j, c=0):
        """Return the address of entry i, j of an array of any layout, or of c lanes after it."""
        strides = cgutils.unpack_tuple(self.builder, array.strides)
        steps = (self.builder.mul(n, stride) for n, stride in zip((i, j), strides, strict=True))
        entry = cgutils.pointer_add(self.builder, array.data, self.builder.add(*steps))
        return self.builder.gep(entry, [self.index(c * self.lane.count)])

    def number(self, array, i, j):
        """Read one entry into all places of a lane."""
        return splat(self.builder, self.builder.load(self.place(array, i, j)), self.lane)

    def load(self, array, i, j, c=0):
        """Read a lane, which may begin anywhere."""
        place = self.builder.bitcast(self.place(array, i, j, c), self.lane.as_pointer())
        return self.builder.load(place, align=self.dtype.bitwidth // 8)

    def store(self, value, array, i, j, c=0):
        """Write a lane."""
        place = self.builder.bitcast(self.place(array, i, j, c), self.lane.as_pointer())
        self.builder.store(value, place, align=self.dtype.bitwidth // 8)

    def new_sums(self, count):
        """Begin sums at zero.

        The compiler moves them from memory to registers once it sees that nothing else reads them.
        """
        places = [cgutils.alloca_once(self.builder, self.lane) for _ in range(count)]
        for place in places:
            self.builder.store(ir.Constant(self.lane, None), place)
        return places

    def add_products(self, factors, pieces, places):
        """Add every factor times every piece, each to its own sum."""
        for (x, y), place in zip(product(factors, pieces), places, strict=True):
            value = multiply_add(self.builder, x, y, self.builder.load(place))
            self.builder.store(value, place)

    def added(self, places):
        """Return the sum of sums."""
        first, *others = [self.builder.load(place) for place in places]
        for other in others:
            first = self.builder.fadd(first, other)
        return first

    def repeat(self, size, step, sums, body):
        """Call body(k, s) for k = 0, step, 2 * step, ... below size, for one s after the other."""
        stride = self.index(step * sums)
        whole = self.builder.mul(self.builder.sdiv(size, stride), stride)
        zero, one = self.index(0), self.index(step)
        with cgutils.for_range_slice(self.builder, zero, whole, stride, intp=self.index) as (k, _):
            for s in range(sums):
                body(self.builder.add(k, self.index(s * step)), s)
        if sums > 1:
            with cgutils.for_range_slice(self.builder, whole, size, one, intp=self.index) as (k, _):
                body(k, 0)


class _Rows(_Writer):
    """Writes `add_block`."""

    def write(self, a, b, terms, places, out, m, j, rows, lanes, sums):
        places = [self.listed(places, row) for row in self.following(m, rows)]
        block = list(product(places, range(lanes)))
        totals = [self.new_sums(sums) for _ in block]

        def multiply(k, s):
            term = self.listed(terms, k)
            pieces = [self.load(b, term, j, c) for c in range(lanes)]
            factors = [self.number(a, row, term) for row in places]
            self.add_products(factors, pieces, [places[s] for places in totals])

        self.repeat(self.builder.extract_value(terms.shape, 0), 1, sums, multiply)
        for (row, c), parts in zip(block, totals, strict=True):
            # Added last, in one rounding: weights are much larger than their changes.
            value = self.builder.fadd(self.load(out, row, j, c), self.added(parts))
            self.store(value, out, row, j, c)

    def listed(self, indices, k):
        """Return entry k of a list of indices."""
        return self.builder.zext(self.builder.load(self.builder.gep(indices.data, [k])), self.index)


class _Entries(_Writer):
    """Writes `fill_block`."""

    def write(self, a, b, out, m, j, rows, columns, sums):
        rows, columns = self.following(m, rows), self.following(j, columns)
        totals = [self.new_sums(sums) for _ in product(rows, columns)]

        def multiply(k, s):
            factors = [self.load(a, i, k) for i in rows]
            pieces = [self.load(b, i, k) for i in columns]
            self.add_products(factors, pieces, [places[s] for places in totals])

        self.repeat(self.builder.extract_value(b.shape, 1), self.lane.count, sums, multiply)
        for (row, column), parts in zip(product(rows, columns), totals, strict=True):
            self.builder.store(total(self.builder, self.added(parts)), self.place(out, row, column))


class _Update(_Writer):
    """Writes `update_block`."""

    def write(self, W, carried, x, dz, dx, i, rows):
        zero, rows = self.index(0), self.following(i, rows)
        totals = [self.new_sums(1) for _ in rows]
        factors = [self.number(x, zero, row) for row in rows]

        def multiply_and_change(k, s):
            passed, change = self.load(carried, zero, k), self.load(dz, zero, k)
            for row, factor, places in zip(rows, factors, totals, strict=True):
                piece = self.load(W, row, k)
                self.add_products([passed], [piece], places)
                self.store(multiply_add(self.builder, factor, change, piece), W, row, k)

        self.repeat(self.builder.extract_value(W.shape, 1), self.lane.count, 1, multiply_and_change)
        for row, parts in zip(rows, totals, strict=True):
            self.builder.store(total(self.builder, self.added(parts)), self.place(dx, zero, row))
