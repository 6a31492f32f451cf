"""Vector registers, for sums that stay in them from one row of a matrix to the next.

A register of 64 bytes is a type that Numba knows here: 16 numbers in float32, 8 in float64. A
machine with narrower registers takes two or four of them. The compiler makes vector instructions
out of loops by itself, but would write a sum to memory after each row; with these operations a
kernel says what stays.

Each operation is given by what it means, in NumPy, and that is what runs where Numba is told not
to compile (NUMBA_DISABLE_JIT=1); the compiled meaning follows.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, models, register_model

from ae_numpy.kernels.compilation import elementwise


class Lanes(types.Type):
    """Numba's type of a register full of numbers of one dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.count = 512 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, vector_type(lanes))


def vector_type(lanes):
    """Return LLVM's type of these lanes."""
    return ir.VectorType(
        ir.FloatType() if lanes.dtype.bitwidth == 32 else ir.DoubleType(), lanes.count
    )


def operation(meaning, *, prefer_literal=False):
    """Return the decorator for the compiled form of an operation; uncompiled, it is `meaning`."""
    uncompiled = config.DISABLE_JIT  # type: ignore[attr-defined]
    if uncompiled:
        return lambda compiled: meaning
    return intrinsic(prefer_literal=prefer_literal)


@elementwise
def lanes_in(a):
    """Return how many numbers of a's dtype a register holds."""
    return 512 // np.finfo(a.dtype).bits


def address(builder, array, i, j, block, lanes):
    """Return the address of the register that is number `block` from entry i, j on."""
    row = builder.mul(i, builder.extract_value(array.shape, 1))
    offset = builder.add(j, builder.mul(block, ir.Constant(block.type, lanes.count)))
    pointer = builder.gep(array.data, [builder.add(row, offset)])
    return builder.bitcast(pointer, vector_type(lanes).as_pointer())


def _argument_address(context, builder, signature, arguments):
    """Return the same address for the arguments of `load` and `store`."""
    matrix = signature.args[0]
    i, j, block = (
        context.cast(builder, number, kind, types.intp)
        for number, kind in zip(arguments[1:4], signature.args[1:4], strict=True)
    )
    array = context.make_array(matrix)(context, builder, arguments[0])
    return address(builder, array, i, j, block, Lanes(matrix.dtype))


@operation(lambda a, i, j, block: a[i, j + block * (64 // a.itemsize) :][: 64 // a.itemsize].copy())
def load(_, a, i, j, block):
    """Read a register from a C-contiguous matrix: number `block` from a[i, j] on."""

    def compiled(context, builder, signature, arguments):
        place = _argument_address(context, builder, signature, arguments)
        return builder.load(place, align=a.dtype.bitwidth // 8)

    return Lanes(a.dtype)(a, i, j, block), compiled


def _store_meaning(a, i, j, block, lanes):
    start = j + block * (64 // a.itemsize)
    a[i, start : start + 64 // a.itemsize] = lanes


@operation(_store_meaning)
def store(_, a, i, j, block, lanes):
    """Write a register to a C-contiguous matrix, where `load` would read it."""

    def compiled(context, builder, signature, arguments):
        place = _argument_address(context, builder, signature, arguments)
        builder.store(arguments[4], place, align=a.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(a, i, j, block, lanes), compiled


@operation(lambda a, i: None)
def fetch(_, a, i):
    """Ask for the cache line of a[i], to come into the second cache while the work goes on."""

    def compiled(context, builder, signature, arguments):
        vector = context.make_array(a)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        address = builder.bitcast(builder.gep(vector.data, [index]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        read, second_cache, data = number(0), number(2), number(1)
        builder.call(prefetch, [address, read, second_cache, data])
        return context.get_dummy_value()

    return types.void(a, i), compiled


def splat_number(builder, number):
    """Write the code that fills a register with one number."""
    count = 512 // (32 if isinstance(number.type, ir.FloatType) else 64)
    undefined = ir.Constant(ir.VectorType(number.type, count), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, undefined, zeros)


@operation(lambda x: x)
def splat(_, x):
    """Fill a register with one number."""
    return Lanes(x)(x), lambda context, builder, signature, arguments: splat_number(
        builder, *arguments
    )


def multiply_add(builder, x, y, z):
    """Write the code of x * y + z, rounded once where the machine can."""
    product = builder.fmul(x, y, flags=("contract",))
    return builder.fadd(product, z, flags=("contract",))


@operation(lambda x, y, z: x * y + z)
def fma(_, x, y, z):
    """Multiply and add: x * y + z, rounded once where the machine can."""
    return x(x, y, z), lambda context, builder, signature, arguments: multiply_add(
        builder, *arguments
    )


@operation(lambda x, y: x + y)
def add(_, x, y):
    """Add."""
    return x(x, y), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@operation(lambda x: x.sum())
def total(_, x):
    """Sum over a register."""
    name = f"llvm.vector.reduce.fadd.v{x.count}f{x.dtype.bitwidth}"

    def compiled(context, builder, signature, arguments):
        vector = vector_type(x)
        kind = ir.FunctionType(vector.element, [vector.element, vector])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        start = ir.Constant(vector.element, 0.0)
        return builder.call(function, [start, arguments[0]], fastmath=("reassoc",))

    return x.dtype(x), compiled
