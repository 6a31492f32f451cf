# %% [markdown]
# # 4. The chain rule for matrices
#
# The graph of a network of 784 inputs is too large to draw, and its sums are too many to write down
# one by one. This chapter derives the chain rule once more, for whole layers, and lets the shapes
# of the arrays lead the way. It begins with one number, where everybody knows the rule.
#
# **At the end you will understand** what a *table of slopes* is, why the tables of functions in a
# row are multiplied as matrices, where the transpose in the backward pass comes from, and why it
# is not an inverse.
#
# **You need** [chapter 3](03_computation_graph.py): multiply along a path, add up over the paths.
# From here on, matrix products: `(A @ B)[i, o]` is the sum over m of `A[i, m] * B[m, o]`, so a
# matrix of shape (I, M) times one of (M, O) has the shape (I, O).
#
# **This explains**, in the textbook page of the package:
# [`dense_backward`](../ae_numpy/reference.py#L142) and
# [`sigmoid_backward`](../ae_numpy/reference.py#L91).

# %%
from collections.abc import Callable

import numpy as np
from tour import save
from tour_pictures import shapes_of_the_passes

from ae_numpy import Network, reference

# %% [markdown]
# ## The picture
#
# Where we are going: the two passes of a network of 4 inputs, 2 hidden units and 3 outputs, for
# one sample, which is a row. A cell is a number, an array is as high and as wide as its shape
# says. On both sides of an `@` the inner sizes agree; the cross multiplies entry by entry.

# %%
figure = shapes_of_the_passes((4, 2, 3))
save(figure, "04_the_chain_rule_for_matrices")

# %% [markdown]
# ## One number: f(g(x))
#
# Let y = g(x) and then J = f(y). If x grows by a little, y grows by g'(x) times as much, and J by
# f'(y) times as much as y. So the slope of f(g(x)) is g'(x) f'(y). Try it with y = x^2 and
# J = sigmoid(y):


# %%
def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


x = 0.7
y = x**2
slope_of_g, slope_of_f = 2 * x, sigmoid(y) * (1 - sigmoid(y))
measured = (sigmoid((x + 1e-6) ** 2) - sigmoid((x - 1e-6) ** 2)) / 2e-6
print(f"{slope_of_g:.4f} times {slope_of_f:.4f} is {slope_of_g * slope_of_f:.6f}")
print(f"measured                {measured:.6f}")
assert np.isclose(slope_of_g * slope_of_f, measured, rtol=1e-8)

# %% [markdown]
# ## Several numbers: tables of slopes
#
# Now let g take 4 numbers and return 2, and let f take these 2 and return 3. Each result may
# respond to each argument. So there is not one slope but a table of them:
#
# $$ T[i, o] = \text{how strongly result } o \text{ responds to argument } i $$
#
# Its shape is (numbers in, numbers out). Here is how to measure it, an argument at a time:


# %%
def table_of_slopes(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Measure it: row i is what the results do when argument i is nudged up and down."""
    nudges = 1e-6 * np.eye(len(x))  # np.eye: ones on the diagonal, zeros elsewhere
    return np.array([(function(x + e) - function(x - e)) / 2e-6 for e in nudges])


def g(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] * x[1] + x[3], x[2] ** 2 - x[3]])


def f(y: np.ndarray) -> np.ndarray:
    return np.array([y[0] + 2 * y[1], y[0] * y[1], y[1] ** 3])


x = np.array([0.5, -1.0, 2.0, 1.5])
of_g = table_of_slopes(g, x)
of_f = table_of_slopes(f, g(x))
of_both = table_of_slopes(lambda x: f(g(x)), x)
print("g:", of_g.shape, " f:", of_f.shape, " f(g(x)):", of_both.shape)
print(of_g.round(4), "\n@\n", of_f.round(4), "\n=\n", (of_g @ of_f).round(4))
# Measured with nudges of 1e-6: some 1e-10 of rounding, in numbers up to 100.
np.testing.assert_allclose(of_g @ of_f, of_both, atol=1e-7)

# %% [markdown]
# **The tables are multiplied as matrices.** It could not be otherwise: from argument i to result o
# there is a path through each of the numbers in the middle; along the path through m, multiply
# `T_g[i, m]` by `T_f[m, o]`; add up over m. *Multiply along a path, add up over the paths* is the
# definition of a matrix product.
#
# (Many books write the table the other way round, results down and arguments across, and call it
# the *Jacobian*. Then the order of the factors is reversed, too.)
#
# ## The tables of a layer
#
# A layer is two functions in a row. The first, z = x @ W + b, has a table that we need not measure:
# z[o] responds to x[i] by W[i, o]. **Its table is W itself.**
#
# The second, a = sigmoid(z), works entry by entry: a[o] responds to z[o] by a[o] (1 - a[o]), and to
# the other entries not at all. Its table has these slopes on the diagonal and zeros elsewhere.

# %%
rng = np.random.default_rng(0)
x = rng.random(4)  # (I,) = (4,)
W0, b0 = rng.normal(size=(4, 2)), rng.normal(size=2)
W1, b1 = rng.normal(size=(2, 3)), rng.normal(size=3)
t = rng.random(3)  # the targets

z0 = x @ W0 + b0  # (2,)
a0 = sigmoid(z0)
z1 = a0 @ W1 + b1  # (3,)
a1 = sigmoid(z1)
J = ((a1 - t) ** 2).sum() / 2

slopes0, slopes1 = a0 * (1 - a0), a1 * (1 - a1)
np.testing.assert_allclose(table_of_slopes(lambda x: x @ W0 + b0, x), W0, atol=1e-8)
np.testing.assert_allclose(table_of_slopes(sigmoid, z0), np.diag(slopes0), atol=1e-8)

# %% [markdown]
# The loss takes 3 numbers and returns one: its table is a column of the 3 slopes a1 - t. So the
# network is five functions in a row, and the responses of J to the 4 inputs are five tables,
# multiplied:
#
# $$ W_0 \; \text{diag}(s_0) \; W_1 \; \text{diag}(s_1) \; (a_1 - t) $$
#
# of the shapes (4, 2), (2, 2), (2, 3), (3, 3) and (3, 1). The result has the shape (4, 1). Here
# $s_0$ and $s_1$ are the slopes of the two sigmoids, and diag puts them on a diagonal.


# %%
def loss(x: np.ndarray) -> np.ndarray:
    a1 = sigmoid(sigmoid(x @ W0 + b0) @ W1 + b1)
    return ((a1 - t) ** 2).sum(keepdims=True) / 2  # (1,)


column = W0 @ np.diag(slopes0) @ W1 @ np.diag(slopes1) @ (a1 - t)[:, None]  # (4, 1)
print("responses of J to x:", column.ravel().round(6))
np.testing.assert_allclose(column, table_of_slopes(loss, x), atol=1e-8)

# %% [markdown]
# ## Begin at the loss
#
# A product of many matrices may be computed from either end: the result is the same, the work is
# not. From the right, every intermediate result is a single column. From the left, it is a matrix
# until the very end. Count the multiplications for 784 inputs, 28 hidden units and 784 outputs,
# where multiplying by a diagonal costs one a number:

# %%
n_in, hidden, n_out = 784, 28, 784
from_the_loss = n_out + hidden * n_out + hidden + n_in * hidden
from_the_input = n_in * hidden + n_in * hidden * n_out + n_in * n_out + n_in * n_out
print(f"from the loss {from_the_loss:,}, from the input {from_the_input:,} multiplications")
assert from_the_input > 400 * from_the_loss

# %% [markdown]
# That is why backpropagation goes *back*. Its intermediate results are the gradients that you know:
# dz1, da0, dz0, dx. And a diagonal matrix need not be built: multiply entry by entry.
#
# ## Where the transpose comes from
#
# A gradient has the shape of its thing, and our things are rows. The step from dz1 to da0 is
# `W1 @ column`, but dz1 is kept as a row, of the shape of z1. Turn the product round: a column
# becomes a row, a matrix its *transpose* `W1.T`, whose rows are the columns of W1, and the order of
# the factors is reversed: **da0 = dz1 @ W1.T**.

# %%
dz1 = (a1 - t) * slopes1  # (3,)
da0 = dz1 @ W1.T  # (3,) @ (3, 2) = (2,)
dz0 = da0 * slopes0  # (2,)
dx = dz0 @ W0.T  # (2,) @ (2, 4) = (4,)
np.testing.assert_allclose(dx, column.ravel(), rtol=1e-12)

# %% [markdown]
# **And the weights?** W[i, o] is used in z[o] only, where it is multiplied by x[i]. So z[o]
# responds to it by x[i], and J by `dW[i, o] = x[i] * dz[o]`: delta times input, for every pair.
# This table of all products of an entry of x and an entry of dz is called the *outer product*.

# %%
dW1, db1 = np.outer(a0, dz1), dz1  # (2, 3), (3,)
dW0, db0 = np.outer(x, dz0), dz0  # (4, 2), (2,)

network = Network((4, 2, 3))
named = {"W0": W0, "b0": b0, "W1": W1, "b1": b1}
J_of_package, gradients = network.loss_and_gradients(named, x[None], t[None])
for name, by_hand in {"W0": dW0, "b0": db0, "W1": dW1, "b1": db1}.items():
    # The same products, added in another order.
    np.testing.assert_allclose(gradients[name], by_hand, rtol=1e-12, err_msg=name)
print(f"J = {J:.6f}, of the package {J_of_package:.6f}; all gradients agree")

# The same two steps in the textbook page, where one sample is a matrix of one row.
dx_of_page, dW_of_page, _ = reference.dense_backward(dz0[None], x[None], W0)
np.testing.assert_allclose(dx_of_page[0], dx, rtol=1e-12)
np.testing.assert_allclose(dW_of_page, dW0, rtol=1e-12)

# %% [markdown]
# ## Is the transpose an inverse?
#
# "Forward we multiplied by W, backward we undo it" sounds right and is wrong. An inverse answers
# *which x gave this z?* The backward pass asks *how strongly does J respond to each x?* W0 has the
# shape (4, 2): it has no inverse at all, as four numbers cannot be found from two. Its transpose
# always exists.
#
# An equation says what the transpose is for. Change x by a little u. Then z changes by u @ W, and
# J by the products of this with dz, added up. Or take dx, and multiply it by u: it must be the same
# change of J.
#
# $$ (u \, W) \cdot dz = u \cdot (dz \, W^T) $$
#
# On the left the change travels forward, on the right the gradient travels backward.

# %%
u = rng.normal(size=4)  # any change
print(f"the change of J: {(u @ W0) @ dz0:.6f} forward, {u @ (dz0 @ W0.T):.6f} backward")
assert np.isclose((u @ W0) @ dz0, u @ (dz0 @ W0.T), rtol=1e-12)
print("W0 @ W0.T is far from ones on the diagonal and zeros elsewhere:\n", (W0 @ W0.T).round(2))
assert not np.allclose(W0 @ W0.T, np.eye(4), atol=0.5)

# %% [markdown]
# ## Exercises
#
# 1. Somebody does it with the inverse, `np.linalg.inv(W)` in place of `W.T`, in a network of 3-3-3
#    units, where that is possible. Is the gradient of x right? For which matrices would it be?
# 2. Leave the sigmoids out: z1 = (x @ W0 + b0) @ W1 + b1. What is the table of the whole network?
#    What can two such layers do that one cannot?
# 3. Let a = z / (the sum of z). Every a responds to every z. Write down the table of slopes, and
#    the backward pass from da to dz.


# %% [markdown]
# ## Solutions
#
# **1.** It is wrong, as measuring shows. The two agree where the transpose *is* the inverse:
# for rotations and reflections, which change no length.

# %%
square, gradient_of_z = rng.normal(size=(3, 3)), rng.normal(size=3)
measured_dx = table_of_slopes(lambda x: np.array([(x @ square) @ gradient_of_z]), np.ones(3))[:, 0]
with_inverse = gradient_of_z @ np.linalg.inv(square)
with_transpose = gradient_of_z @ square.T
print("measured", measured_dx.round(4), "transpose", with_transpose.round(4), end=" ")
print("inverse", with_inverse.round(4))
np.testing.assert_allclose(with_transpose, measured_dx, atol=1e-8)
assert np.abs(with_inverse - measured_dx).max() > 0.1
turn = np.array([[0.6, 0.8], [-0.8, 0.6]])  # a rotation
np.testing.assert_allclose(turn.T, np.linalg.inv(turn), atol=1e-15)

# %% [markdown]
# **2.** It is W0 @ W1, the same at every x. One layer with the weights W0 @ W1 and the biases
# b0 @ W1 + b1 does all that the two can do. It is the sigmoids that make layers worth stacking.

# %%
np.testing.assert_allclose(
    table_of_slopes(lambda x: (x @ W0 + b0) @ W1 + b1, x), W0 @ W1, atol=1e-8
)
np.testing.assert_allclose((x @ W0 + b0) @ W1 + b1, x @ (W0 @ W1) + (b0 @ W1 + b1), rtol=1e-12)

# %% [markdown]
# **3.** With S the sum, a[o] = z[o] / S. It responds to its own z[o] by 1 / S, and to every z[i]
# by -z[o] / S^2, as each z[i] is in S. So T[i, o] = (1 if i is o, else 0) / S - z[o] / S^2, and
# dz = da @ T.T, which is (da - the sum of da * a) / S.

# %%
z, da = np.array([1.0, 2.0, 0.5]), np.array([0.3, -1.0, 2.0])
S = z.sum()
T = np.eye(3) / S - np.tile(z, (3, 1)) / S**2  # every row is z
np.testing.assert_allclose(T, table_of_slopes(lambda z: z / z.sum(), z), atol=1e-8)
np.testing.assert_allclose(da @ T.T, (da - (da * z / S).sum()) / S, rtol=1e-12)
print("the table of z / sum(z):\n", T.round(4))
