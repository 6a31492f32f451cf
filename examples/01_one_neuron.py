# %% [markdown]
# # 1. One neuron, forward and backward
#
# A neuron turns numbers into one number. If that number is wrong, each weight should move a
# little; but which way, and how far? *Backpropagation* answers this for every weight at once.
# Here it is, for the smallest network there is, with every number written down.
#
# **At the end you will understand** what a gradient says about a weight, why the backward pass
# is a chain of multiplications, and what each box of a computation has to know to take part in it.
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
from matplotlib.figure import Figure
from tour import BACKWARD, FORWARD, edge, node, save

from ae_numpy import Network, reference

# %% [markdown]
# ## Forward: from the inputs to the loss
#
# The neuron has two inputs, `x[0]` and `x[1]`, a weight for each, `w[0]` and `w[1]`, and a bias
# `b`. It multiplies, adds up and squashes the sum:
#
# $$ z = x_0 w_0 + x_1 w_1 + b, \qquad a = \text{sigmoid}(z) = \frac{1}{1 + e^{-z}} $$
#
# The sum `z` is called the *pre-activation*, the result `a` the *activation*. Whatever `z` is, `a`
# lies between 0 and 1. We want `a` to be the target `t`. How far off it is, is measured by the
# *loss*
#
# $$ J = \tfrac12 (a - t)^2 $$

# %%
x = [2.0, 3.0]
w = [0.5, -0.25]
b = 0.75
t = 0.0

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
# Turn one knob and leave the others alone: let `w[0]` grow by one millionth. How much does `J`
# grow? Divide the one by the other, and you have how strongly `J` *responds* to `w[0]`. This
# number is the derivative dJ/dw[0]. We write it `dw[0]`: a `d`, and the name of the thing. All
# such numbers together are the *gradient*.


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
# Measuring works, but it takes one more forward pass for every knob, and a network has many knobs.

# %%
largest = Network((784, 112, 784))  # the largest of those that this package was made for
print(f"784 inputs, 112 hidden units, 784 outputs: {largest.parameters.size:,} weights and biases")
assert largest.parameters.size == 176_512

# %% [markdown]
# The chain rule gives all the responses in *one* pass, backwards.
#
# ## Backward: from the loss to the inputs
#
# Begin at the end and ask of each box one thing only: *if what goes in grows by a little, how
# many times as much does what comes out grow?* This is the box's *local slope*. The chain rule
# says that slopes in a row multiply. So each box takes the gradient of what came out of it,
# multiplies it by its own slope, and hands the product to what went in. There are four kinds of
# boxes.
#
# **The loss.** The slope of (a - t)^2 / 2 is a - t; the half has cancelled the 2 of the square.
#
# **The sigmoid.** Its slope can be had from its result alone. With $a = 1 / (1 + e^{-z})$,
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
# little, `J` grows by 0.2875 times as much.* And `dw[1]` is larger than `dw[0]`, because `x[1]` is
# larger than `x[0]`: a weight matters as much as the input that it multiplies.
#
# ## The same in the package
#
# In the package a batch of samples goes through at once, one sample a row. Ours has a single
# row, and its layer a single unit. So `x` is an array of shape (1, 2), `W` of (2, 1), `b` of
# (1,). Every forward function has a backward function beside it, which takes the gradient of its
# result and returns the gradients of its arguments.

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
# ## What the gradient is for
#
# A positive `dw[0]` says that a larger `w[0]` makes the loss larger. So move every weight
# *against* its gradient, a small step: `w -= learning_rate * dw`. To first order, the loss falls
# by learning_rate times the sum of the squares of all the gradients.

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
# The inputs have gradients too, `dx`. Nobody moves the inputs. But if they were the activations
# of a layer below, `dx` is what that layer needs for *its* backward pass. [The next
# chapter](03_computation_graph.py) does this.
#
# ## The picture
#
# Blue, above an edge: the number that flows forward. Orange, below it: the gradient that flows
# back.

# %%
SLOPE = {"style": "italic", "color": "0.25"}

figure = Figure(figsize=(10, 5.1), layout="constrained")
axes = figure.subplots()
axes.set(xlim=(-0.6, 13.4), ylim=(0.2, 7.0))
axes.axis("off")

places = {"w[0]": (0, 6.2), "x[0]": (0, 4.4), "w[1]": (0, 2.6), "x[1]": (0, 0.8)}
times = [(3.0, 5.3), (3.0, 1.7)]
plus, sigma, error, end = (5.6, 3.5), (7.9, 3.5), (10.7, 3.5), (13.3, 3.5)
b_at, t_at = (5.6, 0.8), (10.7, 0.8)

for i in (0, 1):
    for label, value, gradient in ((f"w[{i}]", w[i], dw[i]), (f"x[{i}]", x[i], dx[i])):
        edge(axes, places[label], times[i], f"{value:g}", f"{gradient:.4f}", along=0.46)
        node(axes, places[label], label, round_=False)
    edge(axes, times[i], plus, f"{p[i]:g}", f"{dp[i]:.4f}")
    node(axes, times[i], r"$\times$", size=16)
edge(axes, b_at, plus, f"{b:g}", f"{db:.4f}", along=0.42)
edge(axes, plus, sigma, f"z = {z:g}", f"dz = {dz:.4f}")
edge(axes, sigma, error, f"a = {a:.4f}", f"da = {da:.4f}", along=0.42)
edge(axes, error, end, f"J = {J:.4f}", "dJ = 1", along=0.6)
edge(axes, t_at, error, f"{t:g}", "", along=0.42)
node(axes, b_at, "b", round_=False)
node(axes, t_at, "t", round_=False)
node(axes, plus, "$+$", size=16)
node(axes, sigma, r"$\sigma$", size=16)
node(axes, error, r"$\frac{1}{2}(a-t)^2$", round_=False, size=12)

axes.text(6.6, 6.65, "above an edge, forward: the value", color=FORWARD, fontsize=12)
axes.text(6.6, 6.15, "below it, backward: the gradient", color=BACKWARD, fontsize=12)
axes.text(6.6, 5.65, "at a box, its slope: what a gradient is multiplied by", fontsize=11, **SLOPE)
for (left, height), slope in (
    (times[0], "the other\nfactor"),
    (times[1], "the other\nfactor"),
    (plus, "1"),
    (sigma, f"a (1 - a)\n= {a * (1 - a):.4f}"),
    (error, f"a - t\n= {a - t:.4f}"),
):
    axes.text(left, height + 0.55, slope, ha="center", va="bottom", fontsize=11, **SLOPE)
save(figure, "01_one_neuron")

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
# turns its sign: all of them do. (Of the two `dx`, one was negative, and is positive now.) The
# ratios stay.

# %%
da_1 = a - 1.0
dz_1 = da_1 * a * (1 - a)
dw_1 = [dz_1 * x[0], dz_1 * x[1]]
print(f"target 1: dz = {dz_1:.4f}, dw = {dw_1[0]:.4f}, {dw_1[1]:.4f}")
assert dz_1 < 0 < dz
assert math.isclose(dw_1[1] / dw_1[0], dw[1] / dw[0], rel_tol=1e-12)

# %% [markdown]
# **2.** A product hands each factor the other one, and the other one is 0: `dw[0]` is 0,
# exactly. The weights of a pixel that is black in every picture never move from where they
# started.

# %%
_, dW_dark, _ = reference.dense_backward(dZ, np.array([[0.0, 3.0]]), W)
print("with x[0] = 0: dW =", dW_dark.ravel())
assert dW_dark[0, 0] == 0

# %% [markdown]
# **3.** The number has two ways (*paths*) to the loss, one through each weight. Along each it
# has an effect, and the effects add up: dJ/dx = dx[0] + dx[1]. *Multiply along a way, add up
# over the ways*: the whole of backpropagation is in this sentence.

# %%
same = np.array([[2.0, 2.0]])
A_same = reference.sigmoid_forward(reference.dense_forward(same, W, bias))
dA_same = reference.half_squared_error_backward(A_same, target)
dX_same, _, _ = reference.dense_backward(reference.sigmoid_backward(dA_same, A_same), same, W)
both = (loss([2 + nudge, 2 + nudge], w, b) - loss([2, 2], w, b)) / nudge
print(f"dx[0] + dx[1] = {dX_same.sum():.5f}, measured {both:.5f}")
assert math.isclose(dX_same.sum(), both, rel_tol=1e-5)

# %% [markdown]
# **4.** Not at all, nearly. `z` is 19.25, `a` differs from 1 by some billionths, and the slope
# of the sigmoid, a (1 - a), is as small as that. The error is as large as can be, and the
# gradient is nothing: the unit is *saturated*. [Chapter 8](08_saturation.py) shows what this
# does to a network.

# %%
A_far = reference.sigmoid_forward(reference.dense_forward(X, W, np.array([19.0])))
dA_far = reference.half_squared_error_backward(A_far, target)
dZ_far = reference.sigmoid_backward(dA_far, A_far)
print(f"a = {A_far.item():.10f}, da = {dA_far.item():.4f}, dz = {dZ_far.item():.1e}")
assert dA_far.item() > 0.9999
assert dZ_far.item() < 1e-8
