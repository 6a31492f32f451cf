"""Half the squared error: its gradient, and the squared error of each sample."""

import numpy as np

from ae_numpy.kernels.compilation import sums


@sums
def fill_error(output, target, scale, doutput):
    """Twin of half_squared_error_backward for one sample; returns its squared error."""
    squared_error = output.dtype.type(0)
    for j in range(target.size):
        error = output[j] - target[j]
        squared_error += error * error
        doutput[j] = error * scale
    return squared_error


@sums
def fill_errors(output, target, scale, doutput, squared_errors):
    """Twin of half_squared_error_backward; also fills the squared error of each sample."""
    for n in range(len(output)):
        squared_errors[n] = fill_error(output[n], target[n], scale, doutput[n])


def half_squared_error_backward(output, target):
    """Twin of `reference.half_squared_error_backward`.

    Examples
    --------
    >>> half_squared_error_backward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.5]]))
    array([[1. , 1.5]])
    """
    doutput, errors = np.empty_like(output), np.empty(len(output), output.dtype)
    fill_errors(output, target, output.dtype.type(1 / len(output)), doutput, errors)
    return doutput


def squared_errors(output, target):
    """Twin of `reference.squared_errors`.

    Examples
    --------
    >>> squared_errors(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([5.])
    """
    errors = np.empty(len(output), output.dtype)
    fill_errors(output, target, output.dtype.type(1), np.empty_like(output), errors)
    return errors


def half_squared_error_forward(output, target):
    """Twin of `reference.half_squared_error_forward`.

    Examples
    --------
    >>> float(half_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]])))
    2.5
    """
    return squared_errors(output, target).sum() / (2 * len(output))
