# %% [markdown]
# # 1. One neuron, forward and backward
#
# A *neuron* turns several numbers into one: it multiplies each by a *weight* of its own, adds up,
# and squashes the sum. If the result is wrong, each weight should move a little; but which way,
# and how far? *Backpropagation* answers this for every weight at once. Here it is, for a single
# neuron, with every number written down.
#
# **At the end you will understand** what a gradient says about a weight, why the backward pass
# is a chain of multiplications, and why a weight's gradient is *delta times input*.
#
# **You need** the derivative of a function of one variable, and a little Python.
#
# **This explains**, in the textbook page of the package:
# [`dense_forward`](../ae_numpy/reference.py#L117) and
# [`dense_backward`](../ae_numpy/reference.py#L142),
# [`sigmoid_forward`](../ae_numpy/reference.py#L59) and
# [`sigmoid_backward`](../ae_numpy/reference.py#L91),
# [`half_squared_error_forward`](../ae_numpy/reference.py#L185) and
# [`half_squared_error_backward`](../ae_numpy/reference.py#L209).

# %%
import math

import numpy as np
from tour import save
from tour_graphs import neuron_graph

from ae_numpy import Network, reference

# %% [markdown]
# ## The picture
#
# Two inputs, a weight for each, and a *bias*, which is added. Blue: the values, which flow forward,
# from left to right. Orange: the *gradients*, which flow back; each says how strongly the result at
# the far right responds to this number. At the end of the chapter you will have computed all of
# them.

# %%
x = [2.0, 3.0]  # the inputs
w = [0.5, -0.25]  # the weights
b = 0.75  # the bias
t = 0.0  # the target: what the neuron should say

figure = neuron_graph(x, w, b, t)
save(figure, "01_one_neuron")

# %% [markdown]
# ## Forward: from the inputs to the loss
#
# The neuron multiplies, adds up and squashes:
#
# $$ z = x_0 w_0 + x_1 w_1 + b, \qquad a = \text{sigmoid}(z) = \frac{1}{1 + e^{-z}} $$
#
# The sum `z` is called the *pre-activation*, the result `a` the *activation*. The *sigmoid*, drawn
# as the letter sigma, squashes: whatever `z` is, `a` is between 0 and 1. We want `a` to be the
# target `t`. The *loss* measures how far off it is:
#
# $$ J = \tfrac12 (a - t)^2 $$

# %%
p = [x[0] * w[0], x[1] * w[1]]  # the two products
z = p[0] + p[1] + b
a = 1 / (1 + math.exp(-z))
J = (a - t) ** 2 / 2

print(f"products {p[0]:.4f} and {p[1]:.4f}, z = {z:.4f}, a = {a:.4f}, J = {J:.4f}")
assert p == [1.0, -0.75]
assert z == 1.0
assert round(a, 4) == 0.7311
assert round(J, 4) == 0.2672

# %% [markdown]
# The neuron says 0.7311 and should say 0. The loss is 0.2672.
#
# ## The question
#
# Turn one knob and leave the others alone: let `w[0]` grow by a *nudge* of one millionth. How much
# does `J` grow? Divide the one by the other, and you have how strongly `J` *responds* to `w[0]`.
# For ever smaller nudges this becomes the derivative dJ/dw[0]. We write it `dw[0]`: a `d`, and the
# name of the thing. All such numbers together are the *gradient*.


# %%
def loss(x: list[float], w: list[float], b: float) -> float:
    z = x[0] * w[0] + x[1] * w[1] + b
    a = 1 / (1 + math.exp(-z))
    return (a - t) ** 2 / 2


nudge = 1e-6
measured = {
    "x[0]": (loss([x[0] + nudge, x[1]], w, b) - J) / nudge,
    "x[1]": (loss([x[0], x[1] + nudge], w, b) - J) / nudge,
    "w[0]": (loss(x, [w[0] + nudge, w[1]], b) - J) / nudge,
    "w[1]": (loss(x, [w[0], w[1] + nudge], b) - J) / nudge,
    "b": (loss(x, w, b + nudge) - J) / nudge,
}
for name, response in measured.items():
    print(f"J responds to {name:4} with {response:+.4f}")

# %% [markdown]
# Measuring works, but it takes one more forward pass for every knob, and a network, which is many
# neurons joined, has many.

# %%
largest = Network((784, 112, 784))  # the largest of those that this package was made for
print(f"784 inputs, 112 neurons, then 784: {largest.parameters.size:,} weights and biases")
assert largest.parameters.size == 176_512

# %% [markdown]
# The chain rule gives all the responses in *one* pass, backward.
#
# ## Backward: from the loss to the inputs
#
# Begin at the end and ask each operation one thing only: *if what goes in grows by a little, how
# many times as much does what comes out grow?* This is its *local slope*. The chain rule says that
# slopes in a row multiply. So each operation takes the gradient of what came out of it, multiplies
# it by its own slope, and hands the product to what went in. There are four kinds of operations.
#
# **The loss.** The slope of (a - t)^2 / 2 is a - t; the half has cancelled the 2 of the square.
#
# **The sigmoid.** Its slope can be computed from its result alone. With $a = 1 / (1 + e^{-z})$,
#
# $$ \frac{da}{dz} = \frac{e^{-z}}{(1 + e^{-z})^2}
#    = \frac{1}{1 + e^{-z}} \cdot \frac{e^{-z}}{1 + e^{-z}} = a \, (1 - a) $$
#
# **A sum.** If one of the terms grows by 1, so does the sum: the slope is 1. A sum hands its
# gradient on to every term, unchanged.
#
# **A product** x w. If w grows by 1, the product grows by x: the slope towards w is x, and the
# slope towards x is w. *Each factor receives the other one.*

# %%
da = a - t  #                        the loss
dz = da * a * (1 - a)  #             the sigmoid
dp = [dz, dz]  #                     the sum: the same for every term,
db = dz  #                           the bias too
dw = [dp[0] * x[0], dp[1] * x[1]]  # the products: each factor receives the other one
dx = [dp[0] * w[0], dp[1] * w[1]]

print(f"da = {da:.4f}, slope of the sigmoid = {a * (1 - a):.4f}, dz = {dz:.4f}")
print(f"dw = {dw[0]:.4f}, {dw[1]:.4f}   db = {db:.4f}   dx = {dx[0]:.4f}, {dx[1]:.4f}")

computed = {"x[0]": dx[0], "x[1]": dx[1], "w[0]": dw[0], "w[1]": dw[1], "b": db}
for name in computed:
    # A nudge of 1e-6 leaves out what is proportional to its square: an error of about 1e-6.
    assert math.isclose(computed[name], measured[name], rel_tol=1e-5), name
assert round(dz, 4) == 0.1437
assert [round(d, 4) for d in dw] == [0.2875, 0.4312]

# %% [markdown]
# All five agree with what was measured. Read `dw[0] = 0.2875` as a sentence: *if `w[0]` grows by a
# little, `J` grows by 0.2875 times as much.*
#
# **Why does the input occur in the gradient of its weight?** Textbooks call `dz` *delta*, δ: it
# says how strongly the loss responds to the sum. And how much does the sum grow when `w[0]` grows
# by a little? By `x[0]` times as much, because `w[0]` is multiplied by `x[0]` and by nothing else.
# The two in a row: `dw[0] = dz * x[0]`, delta times input. So `dw[1]` is larger than `dw[0]` as
# `x[1]` is larger than `x[0]`: a weight matters as much as the input it meets, and where the input
# is 0 it does not matter at all. The bias is a weight whose input is always 1: `db = dz * 1`.
#
# ## The same in the package
#
# In the package many inputs go through at once, one a row. Ours has a single row, and a single
# neuron. So `x` is an array of shape (1, 2), `W` of (2, 1), `b` of (1,); chapter 5 says what the
# letters B, I and O stand for. Every forward function has a backward function next to it, which
# takes the gradient of its result and returns the gradients of its arguments.

# %%
X = np.array([x])  # (B, I) = (1, 2)
W = np.array([[w[0]], [w[1]]])  # (I, O) = (2, 1)
bias = np.array([b])  # (O,) = (1,)
target = np.array([[t]])  # (B, O) = (1, 1)

Z = reference.dense_forward(X, W, bias)  # (B, O)
A = reference.sigmoid_forward(Z)  # (B, O)
assert np.isclose(reference.half_squared_error_forward(A, target), J, rtol=1e-15)

dA = reference.half_squared_error_backward(A, target)  # (B, O)
dZ = reference.sigmoid_backward(dA, A)  # (B, O)
dX, dW, dbias = reference.dense_backward(dZ, X, W)  # (B, I), (I, O), (O,)
print("dW =", dW.ravel(), "  db =", dbias, "  dx =", dX.ravel())

# The same few products, perhaps in another order: equal up to the last digits.
np.testing.assert_allclose(dW.ravel(), dw, rtol=1e-14)
np.testing.assert_allclose(dbias, [db], rtol=1e-14)
np.testing.assert_allclose(dX.ravel(), dx, rtol=1e-14)

# %% [markdown]
# One thing the package does differently. Our sigmoid is the formula, word for word: the naive way.
# For z = -1000 it computes e^1000, which is larger than the largest floating-point number, and
# stops with an error, though the answer is simply 0. `sigmoid_forward` takes the exponential of
# negative numbers only, which cannot overflow, and is otherwise the same function.

# %%
try:
    naive = 1 / (1 + math.exp(1000))
except OverflowError as error:
    naive = None
    print("the naive sigmoid of -1000:", error)
print("that of the package:", reference.sigmoid_forward(np.array([-1000.0])))
assert naive is None
assert reference.sigmoid_forward(np.array([-1000.0])) == 0

# %% [markdown]
# ## What the gradient is for
#
# A positive `dw[0]` says that a larger `w[0]` makes the loss larger. So move every weight
# *against* its gradient, a small step: `w -= learning_rate * dw`, where the *learning rate* is a
# small number that you choose. If every weight moves by learning_rate times its gradient, and `J`
# responds with the gradient once more, `J` falls by learning_rate times the sum of the squares of
# all the gradients: exactly so for tiny steps, roughly for small ones.

# %%
learning_rate = 0.1
stepped = loss(
    x,
    [w[0] - learning_rate * dw[0], w[1] - learning_rate * dw[1]],
    b - learning_rate * db,
)
promised = learning_rate * (dw[0] ** 2 + dw[1] ** 2 + db**2)
print(f"J was {J:.4f} and is {stepped:.4f}: it fell by {J - stepped:.4f}, promised {promised:.4f}")
assert stepped < J
assert math.isclose(J - stepped, promised, rel_tol=0.1)  # a step of 0.1 is small, not tiny

# %% [markdown]
# [The next chapter](02_a_neuron_that_learns.py) takes many such steps. The inputs have gradients
# too, `dx`. Nobody moves the inputs. But if they were the activations of other neurons, `dx` is
# what those need for *their* backward pass: [chapter 3](03_computation_graph.py) joins neurons.

# %% [markdown]
# ## Exercises
#
# 1. Let the target be 1 in place of 0. Which gradients change their sign, and which keep it?
# 2. Let `x[0]` be 0. What is `dw[0]` now? What does that mean for the corner pixels of a picture,
#    which are always black?
# 3. Feed the *same* number into both inputs, x[0] = x[1] = 2. What is dJ/dx for that one number?
# 4. Let the bias be 19 in place of 0.75. The neuron is as wrong as it can be. How fast does it
#    learn?
#
# Try them before you read on.


# %% [markdown]
# ## Solutions
#
# **1.** With the target 1, `da` = a - t is negative, and so everything that is multiplied by it
# changes its sign: all of them do. (Of the two `dx`, one was negative, and is positive now.) The
# ratios stay.

# %%
da_1 = a - 1.0
dz_1 = da_1 * a * (1 - a)
dw_1 = [dz_1 * x[0], dz_1 * x[1]]
print(f"target 1: dz = {dz_1:.4f}, dw = {dw_1[0]:.4f}, {dw_1[1]:.4f}")
assert dz_1 < 0 < dz
assert math.isclose(dw_1[1] / dw_1[0], dw[1] / dw[0], rel_tol=1e-12)

# %% [markdown]
# **2.** The input is 0, so delta times input is 0, exactly. The weights of a pixel that is black in
# every picture never move from where they started.

# %%
_, dW_dark, _ = reference.dense_backward(dZ, np.array([[0.0, 3.0]]), W)
print("with x[0] = 0: dW =", dW_dark.ravel())
assert dW_dark[0, 0] == 0

# %% [markdown]
# **3.** The number has two *paths* to the loss, one through each weight. Along each it has an
# effect, and the effects add up: dJ/dx = dx[0] + dx[1]. *Multiply along a path, add up over the
# paths*: the whole of backpropagation is in this sentence.

# %%
same = np.array([[2.0, 2.0]])
A_same = reference.sigmoid_forward(reference.dense_forward(same, W, bias))
dA_same = reference.half_squared_error_backward(A_same, target)
dX_same, _, _ = reference.dense_backward(reference.sigmoid_backward(dA_same, A_same), same, W)
both = (loss([2 + nudge, 2 + nudge], w, b) - loss([2, 2], w, b)) / nudge
print(f"dx[0] + dx[1] = {dX_same.sum():.5f}, measured {both:.5f}")
assert math.isclose(dX_same.sum(), both, rel_tol=1e-5)

# %% [markdown]
# **4.** Hardly at all. `z` is 19.25, `a` differs from 1 by some billionths, and the slope of the
# sigmoid, a (1 - a), is as small as that. The error is as large as it can be, and the gradient
# next to nothing: the neuron is *saturated*. [Chapter 8](08_saturation.py) shows what this does
# to a network.

# %%
A_far = reference.sigmoid_forward(reference.dense_forward(X, W, np.array([19.0])))
dA_far = reference.half_squared_error_backward(A_far, target)
dZ_far = reference.sigmoid_backward(dA_far, A_far)
print(f"a = {A_far.item():.10f}, da = {dA_far.item():.4f}, dz = {dZ_far.item():.1e}")
assert dA_far.item() > 0.9999
assert dZ_far.item() < 1e-8
