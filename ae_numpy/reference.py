"""Backpropagation on one page: every forward pass, followed by its backward pass.

Here is the whole of it: a network with one hidden layer learns to give back its input. ::

    >>> rng = np.random.default_rng(0)
    >>> x = rng.random((8, 4))  # (B, I): 8 samples, one a row, of 4 numbers each
    >>> W0, b0 = rng.normal(size=(4, 3)), np.zeros(3)  # layer 0, from x to a0
    >>> W1, b1 = rng.normal(size=(3, 4)), np.zeros(4)  # layer 1, from a0 to a1
    >>> for step in range(1001):
    ...     # Forward, from the input to the loss J.
    ...     a0 = 1 / (1 + np.exp(-(x @ W0 + b0)))
    ...     a1 = 1 / (1 + np.exp(-(a0 @ W1 + b1)))
    ...     J = ((a1 - x) ** 2).sum() / (2 * len(x))
    ...     # Backward, from the loss to the parameters: dz0 is dJ/dz0, where z0 = x @ W0 + b0.
    ...     dz1 = (a1 - x) / len(x) * a1 * (1 - a1)
    ...     dW1, db1 = a0.T @ dz1, dz1.sum(axis=0)
    ...     dz0 = dz1 @ W1.T * a0 * (1 - a0)
    ...     dW0, db0 = x.T @ dz0, dz0.sum(axis=0)
    ...     # A step against the gradient.
    ...     for parameter, gradient in ((W0, dW0), (b0, db0), (W1, dW1), (b1, db1)):
    ...         parameter -= gradient
    ...     if step % 500 == 0:
    ...         print(f"step {step}: J = {J:.3f}")
    step 0: J = 0.248
    step 500: J = 0.072
    step 1000: J = 0.035

The functions below are its pieces. Rows are samples: ``B`` of them in a batch, ``I`` inputs and
``O`` outputs of a layer. A gradient is called ``d`` plus the name of the thing, and has its shape:
``dW`` is dJ/dW. A backward function takes the gradient of its outputs and returns the gradient of
its inputs; that is the whole chain rule, and a network is these functions in a row.

Everything here is plain NumPy, unchecked, and works for any floating dtype, complex included, so
that a complex-step check can run through it. ``kernels`` holds the compiled twins, under the same
names. The formulas: Rumelhart, Hinton and Williams, Nature 323 (1986) 533-536, equations 1 to 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "dense_backward",
    "dense_forward",
    "half_squared_error_backward",
    "half_squared_error_forward",
    "matmul",
    "sigmoid_backward",
    "sigmoid_forward",
    "squared_errors",
]

Array = NDArray[Any]


def sigmoid_forward(z: Array) -> Array:
    """Squash every entry into (0, 1): ``a = 1 / (1 + exp(-z))``.

    The naive way is that formula, word for word::

        return 1 / (1 + np.exp(-z))

    It is right until z is below -709, where ``exp(-z)`` overflows. Here the exponential is only
    taken of numbers whose real part is not positive: for positive z the formula is used as
    written, for negative z numerator and denominator are multiplied by ``exp(z)``.

    Parameters
    ----------
    z : array, any shape
        Pre-activations.

    Returns
    -------
    array, of z's shape
        Activations. NaN where z is NaN.

    Examples
    --------
    >>> sigmoid_forward(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    positive = z.real >= 0
    with np.errstate(under="ignore"):  # exp(-1000) is 0, and that is the right answer
        e = np.exp(np.where(positive, -z, z))
    return np.where(positive, 1, e) / (1 + e)


def sigmoid_backward(da: Array, a: Array) -> Array:
    """Carry a gradient back through the sigmoid: ``dz = da * a * (1 - a)``.

    The derivative of the sigmoid needs only its output: with ``a = 1 / (1 + exp(-z))``,
    ``da/dz = exp(-z) / (1 + exp(-z))**2 = a * (1 - a)``.

    Parameters
    ----------
    da : array, any shape
        Gradient with respect to the activations.
    a : array, of da's shape
        The activations that `sigmoid_forward` returned.

    Returns
    -------
    array, of da's shape
        Gradient with respect to the pre-activations, which textbooks call ``delta``.

    Examples
    --------
    >>> sigmoid_backward(np.array([2.0]), np.array([0.5]))
    array([0.5])
    """
    return da * a * (1 - a)


def dense_forward(x: Array, W: Array, b: Array) -> Array:
    """Connect every input to every output: ``z = x @ W + b``.

    Parameters
    ----------
    x : array, shape (B, I)
        One sample a row.
    W : array, shape (I, O)
        Weights.
    b : array, shape (O,)
        Biases, the same for every sample.

    Returns
    -------
    array, shape (B, O)
        Pre-activations.

    Examples
    --------
    >>> dense_forward(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    return matmul(x, W) + b


def dense_backward(dz: Array, x: Array, W: Array) -> tuple[Array, Array, Array]:
    """Carry a gradient back through a dense layer.

    Entry by entry, ``z[n, o] = sum_i x[n, i] * W[i, o] + b[o]``. So ``W[i, o]`` is multiplied by
    ``x[n, i]`` on its path to ``z[n, o]``, in every sample n; ``b[o]`` is multiplied by one; and
    ``x[n, i]`` reaches every output o through ``W[i, o]``. Summing over all paths gives ::

        dW = x.T @ dz        db = sum of dz over samples        dx = dz @ W.T

    Parameters
    ----------
    dz : array, shape (B, O)
        Gradient with respect to the pre-activations.
    x : array, shape (B, I)
        The input that `dense_forward` was given.
    W : array, shape (I, O)
        The weights that `dense_forward` was given, from before any update.

    Returns
    -------
    dx : array, shape (B, I)
    dW : array, shape (I, O)
    db : array, shape (O,)

    Examples
    --------
    >>> dx, dW, db = dense_backward(
    ...     np.array([[1.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    ... )
    >>> dx
    array([[3., 4.]])
    >>> dW
    array([[1.],
           [2.]])
    >>> db
    array([1.])
    """
    dx = matmul(dz, W.T)  # (B, I)
    dW = matmul(x.T, dz)  # (I, O)
    db = dz.sum(axis=0)  # (O,)
    return dx, dW, db


def half_squared_error_forward(output: Array, target: Array) -> Array:
    """Half the squared error, summed over outputs, averaged over samples.

    ``J = 1 / (2 B) * sum((output - target)**2)``. The half cancels the factor 2 that the square
    brings into the gradient.

    Parameters
    ----------
    output : array, shape (B, O)
    target : array, shape (B, O)

    Returns
    -------
    scalar
        The loss J.

    Examples
    --------
    >>> float(half_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]])))
    2.5
    """
    return squared_errors(output, target).sum() / (2 * len(output))


def half_squared_error_backward(output: Array, target: Array) -> Array:
    """Gradient of the half squared error: ``doutput = (output - target) / B``.

    Parameters
    ----------
    output : array, shape (B, O)
    target : array, shape (B, O)

    Returns
    -------
    array, shape (B, O)
        Gradient of J with respect to the output.

    Examples
    --------
    >>> half_squared_error_backward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.5]]))
    array([[1. , 1.5]])
    """
    return (output - target) / len(output)


def squared_errors(output: Array, target: Array) -> Array:
    """Squared error of each sample, summed over its outputs.

    Parameters
    ----------
    output : array, shape (B, O)
    target : array, shape (B, O)

    Returns
    -------
    array, shape (B,)

    Examples
    --------
    >>> squared_errors(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    """
    return ((output - target) ** 2).sum(axis=1)


def matmul(a: Array, b: Array) -> Array:
    """Multiply two matrices: ``a @ b``, without false alarms.

    Parameters
    ----------
    a : array, shape (M, K)
    b : array, shape (K, N)

    Returns
    -------
    array, shape (M, N)
        ``out[m, n] = sum_k a[m, k] * b[k, n]``.

    Examples
    --------
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    # Some BLAS libraries raise floating-point flags for numbers that they compute and throw away
    # (numpy issues 24067 and 28967). A result that is not finite needs no flag to be noticed.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return a @ b
