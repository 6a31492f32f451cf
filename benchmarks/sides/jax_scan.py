"""JAX: all epochs in one jitted scan, the parameters carried, the data on the device beforehand.

Several ways of writing the same step are tried: the gradient by `jax.grad` or by hand, the
encoder's weights stored as (I, h) or as (h, I), the loop unrolled or not. Which of them XLA's CPU
backend likes best depends on the sizes.
"""

from __future__ import annotations

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from sides import Array, Parameters, Task, Variants

NAME = "JAX"
COMPARABLE = True
SLOW_STEPS = False
NOTE = "one jitted `lax.scan` over all steps and epochs, data on the device, compiled beforehand"
_UNROLL = {"": 1, ", unrolled by 4": 4}


def training(task: Task) -> Variants:
    """Return the step by `jax.grad`, by hand, and by hand with W0 transposed; each unrolled too."""
    steps = {"jax.grad": _step_by_grad, "by hand": _step_by_hand, "by hand, W0.T": _step_transposed}
    variants: Variants = {}
    for (name, step), (suffix, unroll) in product(steps.items(), _UNROLL.items()):
        if unroll == 1 or task.batch_size == 1:  # a batch is enough work for one iteration
            variants[name + suffix] = partial(_trainer, task, step, unroll)
    return variants


def _trainer(task: Task, step, unroll: int):
    """Move the data, compile, and return what trains."""
    transposed = step is _step_transposed
    start = _carried(task.parameters, transposed)
    batches, rest = _batches(task)
    step = partial(step, jnp.float32(task.learning_rate))

    @jax.jit
    def all_epochs(parameters, batches, rest):
        def epoch(parameters, _):
            parameters, _ = jax.lax.scan(step, parameters, batches, unroll=unroll)
            if len(rest):
                parameters, _ = step(parameters, rest)
            return parameters, None

        return jax.lax.scan(epoch, parameters, None, length=task.epochs)[0]

    compiled = all_epochs.lower(start, batches, rest).compile()

    def train() -> Parameters:
        trained = jax.block_until_ready(compiled(start, batches, rest))
        return _named(trained, transposed)

    return train


def _batches(task: Task):
    """Cut X into whole batches, (n, B, I), and the rest; batches of one sample are (n, I)."""
    n = len(task.X) // task.batch_size * task.batch_size
    whole = task.X[:n]
    if task.batch_size > 1:
        whole = whole.reshape(-1, task.batch_size, task.X.shape[1])
    return jax.device_put(whole), jax.device_put(task.X[n:])


def _carried(parameters: Parameters, transposed: bool):
    W0, b0, W1, b1 = (jax.device_put(parameters[name]) for name in ("W0", "b0", "W1", "b1"))
    return (W0.T if transposed else W0), b0, W1, b1


def _named(carried, transposed: bool) -> Parameters:
    W0, b0, W1, b1 = map(np.asarray, carried)
    return {"W0": W0.T if transposed else W0, "b0": b0, "W1": W1, "b1": b1}


# --------------------------------------------------------------------------------------- steps


def _forward(parameters, x):
    W0, b0, W1, b1 = parameters
    return jax.nn.sigmoid(jax.nn.sigmoid(x @ W0 + b0) @ W1 + b1)


def _samples(x) -> int:
    return 1 if x.ndim == 1 else len(x)


def _loss(parameters, x):
    """J = 1/(2B) * sum((x' - x)**2)."""
    return jnp.sum((_forward(parameters, x) - x) ** 2) / (2 * _samples(x))


def _step_by_grad(rate, parameters, x):
    gradient = jax.grad(_loss)(parameters, x)
    return jax.tree.map(lambda p, dp: p - rate * dp, parameters, gradient), None


def _step_by_hand(rate, parameters, x):
    W0, b0, W1, b1 = parameters
    a = jax.nn.sigmoid(x @ W0 + b0)
    dz0, dz1 = _backward(rate, a, W1, b1, x)
    W0, W1 = W0 - _product_of_columns(x, dz0), W1 - _product_of_columns(a, dz1)
    return (W0, b0 - _sum(dz0), W1, b1 - _sum(dz1)), None


def _step_transposed(rate, parameters, x):
    """Take a step with V0 = W0.T, whose products with x are dots of its rows."""
    V0, b0, W1, b1 = parameters
    a = jax.nn.sigmoid((V0 @ x.T).T + b0)
    dz0, dz1 = _backward(rate, a, W1, b1, x)
    V0, W1 = V0 - _product_of_columns(dz0, x), W1 - _product_of_columns(a, dz1)
    return (V0, b0 - _sum(dz0), W1, b1 - _sum(dz1)), None


def _backward(rate, a, W1, b1, x):
    """Return the gradients with respect to both layers' pre-activations, times rate / B."""
    output = jax.nn.sigmoid(a @ W1 + b1)
    dz1 = (output - x) * output * (1 - output) * (rate / _samples(x))
    return (W1 @ dz1.T).T * a * (1 - a), dz1


def _product_of_columns(x, dz):
    return jnp.outer(x, dz) if x.ndim == 1 else x.T @ dz


def _sum(dz):
    return dz if dz.ndim == 1 else dz.sum(axis=0)


def reconstruction(task: Task) -> Variants:
    """Pass all images at once through the jitted network."""
    return {"jit": partial(_reconstructor, task)}


def _reconstructor(task: Task):
    parameters, X = _carried(task.parameters, False), jax.device_put(task.X)
    forward = jax.jit(lambda parameters, X: _forward(parameters, X))
    compiled = forward.lower(parameters, X).compile()

    def reconstruct() -> Array:
        return np.asarray(jax.block_until_ready(compiled(parameters, X)))

    return reconstruct
