"""Vector registers: their width, their number, and the code of their operations.

A register holds one *lane* of numbers: 64 bytes with AVX-512, which is 16 numbers in float32 and 8
in float64. The compiler makes vector instructions out of loops by itself, but would write a sum to
memory after each row of a matrix; the operations of `blocks`, made of the functions below, keep it
in a register.

Each operation is defined by its meaning in NumPy, which is also what runs if Numba is set not to
compile (NUMBA_DISABLE_JIT=1); the compiled form follows.
"""

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from ae_numpy.kernels.compilation import inlined


def _registers():
    """Return the bytes of a register of the target machine, and how many it has."""
    features = getattr(config, "CPU_FEATURES", None) or binding.get_host_cpu_features().flatten()
    machine = (("+avx512f", (64, 32)), ("+avx,", (32, 16)), ("+neon", (16, 32)))
    return next((found for name, found in machine if name in features + ","), (16, 16))


LANE_BYTES, N_REGISTERS = _registers()


@inlined
def lane_size(a):
    """Return how many numbers of a's dtype fit a lane; `a.itemsize` is not a constant in Numba."""
    return 8 * LANE_BYTES // np.finfo(a.dtype).bits


def whole_lanes(n, dtype):
    """Return n rounded up to whole lanes."""
    lane = LANE_BYTES // dtype.itemsize
    return -(-n // lane) * lane


def operation(meaning):
    """Return the decorator for the compiled form of an operation; uncompiled, it is `meaning`.

    Literal numbers in a call of the operation are known to the compiled form.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return lambda compiled: meaning
    return intrinsic(prefer_literal=True)


def lane_of(dtype):
    """Return LLVM's type of a lane of numbers of Numba's type `dtype`."""
    number = ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
    return ir.VectorType(number, 8 * LANE_BYTES // dtype.bitwidth)


def splat(builder, number, lane):
    """Fill a lane with one number."""
    undefined = ir.Constant(lane, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lane.count), [0] * lane.count)
    return builder.shuffle_vector(first, undefined, zeros)


def multiply_add(builder, x, y, z):
    """Return x * y + z, rounded once where the machine can."""
    product = builder.fmul(x, y, flags=("contract",))
    return builder.fadd(product, z, flags=("contract",))


def total(builder, x):
    """Return the sum over a lane."""
    number = x.type.element
    name = f"llvm.vector.reduce.fadd.v{x.type.count}{number.intrinsic_name}"
    kind = ir.FunctionType(number, [number, x.type])
    function = builder.module.declare_intrinsic(name, fnty=kind)
    return builder.call(function, [ir.Constant(number, 0.0), x], fastmath=("reassoc",))


@operation(lambda a, i: None)
def fetch(_, a, i):
    """Prefetch the cache line of a[i] into the second cache while work continues."""

    def compiled(context, builder, signature, arguments):
        vector = context.make_array(a)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(vector.data, [index]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        read, second_cache, data = number(0), number(2), number(1)
        builder.call(prefetch, [place, read, second_cache, data])
        return context.get_dummy_value()

    return types.void(a, i), compiled


@operation(lambda a: a)
def any_layout(_, a):
    """View a matrix as one whose type allows it to be transposed and written to."""
    kind = types.Array(a.dtype, 2, "A")
    return kind(a), lambda context, builder, signature, arguments: arguments[0]
