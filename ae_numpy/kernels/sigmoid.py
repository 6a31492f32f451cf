"""The sigmoid and its derivative."""

import math

import numpy as np
from llvmlite import ir

from ae_numpy.kernels.compilation import elementwise
from ae_numpy.kernels.lanes import operation

# exp(r) = sum of r**k / k!. For |r| <= log(2) / 2 the first term left out is below a tenth of the
# last bit when the sum ends with k = 7 (float32) or k = 13 (float64).
_EXP_TAYLOR = tuple(1 / math.factorial(k) for k in range(14))
_LOG2_E = 1 / math.log(2)


@operation(lambda number, n: np.ldexp(number, int(n)))
def _times_power_of_two(_, number, n):
    """Return number * 2**n, where both it and the number are normal: n is added to the exponent."""

    def compiled(context, builder, signature, arguments):
        bits = ir.IntType(number.bitwidth)
        mantissa_bits = bits(23 if number.bitwidth == 32 else 52)
        change = builder.shl(builder.fptosi(arguments[1], bits), mantissa_bits)
        changed = builder.add(builder.bitcast(arguments[0], bits), change)
        return builder.bitcast(changed, arguments[0].type)

    return number(number, n), compiled


@elementwise
def fill_sigmoid(z, a):
    """Twin of sigmoid_forward, for vectors.

    ``np.exp`` inside a loop is a call per entry. This exponential is only arithmetic, so the
    compiler can process a lane of entries at a time: with t = -|z| and n the integer nearest to
    t / log(2), exp(t) = 2**n * exp(r) where r = t - n log(2) is small enough for Taylor's series.
    """
    real = z.dtype.type
    one, half = real(1), real(0.5)
    single = np.finfo(z.dtype).bits == 32
    degree = 7 if single else 13
    underflow = real(-104 if single else -746)  # exp of anything below rounds to 0
    # log(2) in two parts, the first with so few digits that n times it is exact (Cody and Waite,
    # Software Manual for the Elementary Functions, 1980, chapter 6).
    log2_high = real(0.693359375 if single else 0.6931471803691238)
    log2_low = real(-2.12194440e-4 if single else 1.9082149292705877e-10)

    for j in range(z.size):
        t = -abs(z[j])
        t = underflow if t < underflow else t  # in this order, because NaN must stay NaN
        n = np.floor(t * real(_LOG2_E) + half)
        r = (t - n * log2_high) - n * log2_low
        p = real(_EXP_TAYLOR[degree])
        for k in range(degree - 1, 1, -1):
            p = p * r + real(_EXP_TAYLOR[k])
        exp_r = one + (r + r * r * p)
        # 2**n may be too small to be a normal number; 2**(n + 64) is not.
        a[j] = _times_power_of_two(exp_r, n + real(64)) * real(2.0**-64)

    for j in range(z.size):
        e = a[j]
        s = one + e
        y = (one if z[j] >= 0 else e) / s
        # The sum has lost this much of e; adding it back keeps the error below 2 ulp.
        dropped = e - (s - one)
        a[j] = y - y * dropped * (y if z[j] >= 0 else one - y)


def sigmoid_forward(z):
    """Twin of `reference.sigmoid_forward`.

    Examples
    --------
    >>> sigmoid_forward(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = np.asarray(z, order="C")
    a = np.empty_like(z)
    fill_sigmoid(z.reshape(-1), a.reshape(-1))
    return a


@elementwise
def multiply_by_slope(a, da):
    """Turn da into dz: twin of sigmoid_backward."""
    one = a.dtype.type(1)  # the integer 1 would turn float32 into float64
    for j in range(a.size):
        da[j] = da[j] * a[j] * (one - a[j])


def sigmoid_backward(da, a):
    """Twin of `reference.sigmoid_backward`.

    Examples
    --------
    >>> sigmoid_backward(np.array([2.0]), np.array([0.5]))
    array([0.5])
    """
    dz, a = np.array(da, order="C"), np.asarray(a, order="C")
    multiply_by_slope(a.reshape(-1), dz.reshape(-1))
    return dz
