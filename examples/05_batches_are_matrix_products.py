# %% [markdown]
# # 5. Why batches are matrix products
#
# Chapter 4 sent one sample through the network, as a row. Training shows it many, and the package
# sends them through together, one a row: a *batch*. The formulas become `x @ W` and `x.T @ dz`.
# This chapter gets from the one to the other, without a new idea.
#
# **At the end you will understand** where the transpose in `x.T @ dz` comes from, why the bias
# gradient is a sum over samples, where the 1/B belongs, and how shapes alone can tell you the
# formula.
#
# **You need** [chapter 4](04_the_chain_rule_for_matrices.py): dx = dz @ W.T, and dW is an outer
# product. From [chapter 2](02_a_neuron_that_learns.py): the loss of many samples is a mean.
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#L117) and
# [`dense_backward`](../ae_numpy/reference.py#L142), the averages in
# [`half_squared_error_forward`](../ae_numpy/reference.py#L185) and
# [`half_squared_error_backward`](../ae_numpy/reference.py#L209), and
# [`matmul`](../ae_numpy/reference.py#L250), which is `@` without false alarms about overflow.

# %%
import itertools
import time

import numpy as np
from tour import save
from tour_pictures import sum_of_tables

from ae_numpy import Network, reference

# %% [markdown]
# ## The picture
#
# Above: `dW = x.T @ dz` for three samples. Below: the same `dW` as the sum of one table for each
# sample, its outer product. Follow one sample by its shade: a column of `x.T` and a row of `dz`
# make its table.

# %%
B, I, O = 3, 4, 2  # samples in the batch, inputs and outputs of the layer
rng = np.random.default_rng(3)
x = rng.integers(-2, 4, size=(B, I)).astype(float)
dz = np.array([[1.0, -2.0], [0.5, 0.0], [-1.0, 3.0]])  # as if it had come from the layer above

figure = sum_of_tables(x, dz)
save(figure, "05_batches_are_matrix_products")

# %% [markdown]
# ## Rows are samples
#
# The batch `x` is a matrix of shape (B, I): B samples, one a row, of I numbers each. A layer in
# which every input is connected to every output is called *dense*. It has weights `W` of shape
# (I, O) and biases `b` of shape (O,). Sample by sample, with a loop for every index, it computes
#
# $$ z[n, o] = \sum_i x[n, i] \, W[i, o] + b[o] $$
#
# This is a matrix product: row n of z is row n of x times W. So z = x @ W, with the bias added to
# every row.

# %%
W = rng.integers(-2, 3, size=(I, O)).astype(float)
b = np.array([0.5, -0.5])

z = np.zeros((B, O))
for n in range(B):
    for o in range(O):
        z[n, o] = b[o]
        for i in range(I):
            z[n, o] += x[n, i] * W[i, o]

print("x =\n", x, "\nW =\n", W, "\nz =\n", z)
# Small integers and halves are exact in floating point, so the two are equal, bit for bit.
np.testing.assert_array_equal(reference.dense_forward(x, W, b), z)

# %% [markdown]
# ## Backward, with loops
#
# From above comes `dz`, of the shape of `z`. Go through the forward loop once more, and wherever
# a product was added to `z[n, o]`, hand each factor the other one, times `dz[n, o]`. `W[i, o]`
# is used once *in every sample*. So its paths to the loss lead through all samples, and their
# contributions add up. The same holds for `b[o]`, whose input is 1 in every sample: this is why
# its gradient is a sum over samples, and not a number for each.

# %%
dx, dW, db = np.zeros((B, I)), np.zeros((I, O)), np.zeros(O)
for n in range(B):
    for o in range(O):
        db[o] += dz[n, o] * 1
        for i in range(I):
            dW[i, o] += dz[n, o] * x[n, i]
            dx[n, i] += dz[n, o] * W[i, o]
print("dW =\n", dW, "\ndb =", db)

# %% [markdown]
# ## The sums are matrix products
#
# Write down what the loops added up, and look at which index is summed away:
#
# $$ dW[i, o] = \sum_n x[n, i] \, dz[n, o], \qquad dx[n, i] = \sum_o dz[n, o] \, W[i, o],
#    \qquad db[o] = \sum_n dz[n, o] $$
#
# In a matrix product the index that is summed away is the last of the left matrix and the first of
# the right one. In the first sum n is the first of both: transpose `x`, and it is `x.T @ dz`. In
# the second sum o is the last of both: transpose `W`, and it is `dz @ W.T`, as in chapter 4. That
# is all that a transpose does here: it moves the index that is summed away to the inside.

# %%
np.testing.assert_array_equal(dW, x.T @ dz)
np.testing.assert_array_equal(dx, dz @ W.T)
np.testing.assert_array_equal(db, dz.sum(axis=0))
for by_loops, of_the_page in zip((dx, dW, db), reference.dense_backward(dz, x, W), strict=True):
    np.testing.assert_array_equal(by_loops, of_the_page)

# %% [markdown]
# **The shapes find the formula for you.** `dW` must have the shape of `W`, which is (I, O). You
# have x (B, I) and dz (B, O). There is one way to multiply these two so that (I, O) comes out:
# (I, B) @ (B, O). `dx` must be (B, I), made from dz (B, O) and W (I, O): (B, O) @ (O, I). Beware
# when two of the sizes are equal: then a wrong formula can have the right shape. Test with sizes
# that all differ.
#
# **One sample gives one table of products**, its outer product. For the batch, `dW` is the sum of
# the samples' tables, as the picture shows.

# %%
tables = [np.outer(x[n], dz[n]) for n in range(B)]  # each (I, O)
np.testing.assert_array_equal(sum(tables), dW)

# %% [markdown]
# **Forward copies, backward adds.** The bias was *copied* to every row, and its gradient is the
# *sum* over the rows. The same goes for everything that is used in several places.
#
# ## Where the 1/B belongs
#
# The loss is an average over the samples: $J = \frac{1}{2B} \sum (output - target)^2$. So the
# gradient contains 1/B, once. It enters at the top, in `half_squared_error_backward`, and
# everything below is proportional to what comes from the top. A second 1/B in the layers would
# be wrong, and none at all would be the gradient of another loss.
#
# Hence the gradient of a batch is the *mean* of the gradients of its samples.

# %%
network = Network((I, O, I))
network.parameters[:] = rng.normal(size=network.parameters.size)
X = rng.random((B, I))

_, whole = network.loss_and_gradients(network.as_dict(), X)
singles = [network.loss_and_gradients(network.as_dict(), X[n : n + 1])[1] for n in range(B)]
for name in whole:
    mean = sum(single[name] for single in singles) / B
    # Sums of a few products in another order: a few roundings of 1e-16.
    np.testing.assert_allclose(whole[name], mean, rtol=1e-12, atol=1e-15)
print("the gradient of the batch is the mean of", B, "gradients")

# %% [markdown]
# ## Why take the trouble?
#
# The loops and the matrix product do the same multiplications. But a matrix product is *one*
# call: no Python between the numbers, and the processor loads a weight once and uses it for many
# samples.


# %%
def with_loops(x: np.ndarray, dz: np.ndarray) -> np.ndarray:
    dW = np.zeros((x.shape[1], dz.shape[1]))
    for n in range(len(x)):
        for i in range(x.shape[1]):
            for o in range(dz.shape[1]):
                dW[i, o] += x[n, i] * dz[n, o]
    return dW


def seconds(compute, *arguments) -> float:
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        compute(*arguments)
        best = min(best, time.perf_counter() - start)
    return best


many_x, many_dz = rng.normal(size=(32, 196)), rng.normal(size=(32, 14))
slow = seconds(with_loops, many_x, many_dz)
fast = seconds(lambda x, dz: x.T @ dz, many_x, many_dz)
print(f"loops {slow * 1e3:.1f} ms, matrix product {fast * 1e3:.3f} ms: {slow / fast:.0f} times")
assert fast < slow / 5  # it is in the thousands; a busy machine may disturb it
# Both add up 32 products of size about 1, in different orders.
np.testing.assert_allclose(with_loops(many_x, many_dz), many_x.T @ many_dz, atol=1e-12)

# %% [markdown]
# ## Exercises
#
# 1. Append a column of ones to `x`, and `b` as one more row to `W`. Show that the bias is now a
#    weight like any other, and that `x.T @ dz` contains its gradient.
# 2. Put every sample into the batch twice. What happens to the gradient? What would happen if
#    the loss were a sum over samples and not a mean?
# 3. Somebody writes `dx = dz @ W` and finds that it runs. How is that possible? What comes out?
# 4. Take one step with a batch of two samples, or two steps with one sample each, each with half
#    the learning rate. Are the weights the same afterwards? How does the difference shrink with
#    the rate?


# %% [markdown]
# ## Solutions
#
# **1.** The bias is a weight whose input never changes.

# %%
x_1 = np.hstack([x, np.ones((B, 1))])  # (B, I + 1)
W_b = np.vstack([W, b])  # (I + 1, O)
np.testing.assert_array_equal(x_1 @ W_b, z)
np.testing.assert_array_equal((x_1.T @ dz)[:-1], dW)
np.testing.assert_array_equal((x_1.T @ dz)[-1], db)
print("the last row of x_1.T @ dz is", (x_1.T @ dz)[-1], "and db is", db)

# %% [markdown]
# **2.** With the mean, nothing happens: twice as many paths, each with half the weight. With the
# sum, the gradient doubles, and with it the step. So with a sum the right learning rate depends
# on the batch size, which is why the package has the mean.

# %%
_, twice = network.loss_and_gradients(network.as_dict(), np.vstack([X, X]))
for name in whole:
    np.testing.assert_allclose(twice[name], whole[name], rtol=1e-12, atol=1e-15)
sum_once, sum_twice = B * whole["W0"], 2 * B * twice["W0"]
np.testing.assert_allclose(sum_twice, 2 * sum_once, rtol=1e-12, atol=1e-15)
print("mean: factor", round(float((twice["W0"] / whole["W0"]).mean()), 6), "  sum: factor 2")

# %% [markdown]
# **3.** The layer has as many outputs as inputs, so that `W` is square, and the shapes agree. The
# result is wrong: `sum_o dz[n, o] W[o, i]` takes the weight from o to i where that from i to o
# belongs.

# %%
square = np.array([[1.0, 2.0], [3.0, 4.0]])
wrong, right = dz @ square, dz @ square.T
assert wrong.shape == right.shape
assert not np.allclose(wrong, right)
print("wrong:", wrong[0], "right:", right[0])

# %% [markdown]
# **4.** Not quite the same: the second of the small steps sees weights that the first has moved.
# The difference shrinks with the *square* of the learning rate: half the rate, a quarter of the
# difference.


# %%
def after_steps(batches: list[np.ndarray], learning_rate: float) -> np.ndarray:
    flat = network.parameters.copy()
    for batch in batches:
        _, gradients = network.loss_and_gradients(network.as_dict(flat), batch)
        flat -= learning_rate * network.flatten(gradients)
    return flat


differences = []
for rate in (0.2, 0.1, 0.05):
    one_batch = after_steps([X[:2]], rate)
    one_by_one = after_steps([X[:1], X[1:2]], rate / 2)
    differences.append(np.abs(one_batch - one_by_one).max())
    print(f"rate {rate}: the weights differ by {differences[-1]:.2e}")
for larger, smaller in itertools.pairwise(differences):
    assert 3.6 < larger / smaller < 4.4  # 4 in the limit
