# %% [markdown]
# # 3. The chain rule in a network, as a graph
#
# Two inputs, two hidden units, two outputs: the smallest network in which a number has more than
# one way to the loss. Nothing else has to be understood to understand a large one.
#
# **At the end you will understand** why gradients are *added* where ways meet, why the backward
# pass runs in the reverse order, and why it costs no more than about two forward passes, however
# many weights there are.
#
# **You need** [chapter 1](01_one_neuron.py): a gradient is multiplied by the slope of each box
# that it comes through.
#
# **This explains**, in the textbook page of the package, how
# [`dense_backward`](../ae_numpy/reference.py#L142) and
# [`sigmoid_backward`](../ae_numpy/reference.py#L91) follow each other when there is more than one
# layer, and why `dense_backward` returns a gradient for its input `x`.

# %%
import itertools
import math

import numpy as np
from matplotlib.figure import Figure
from tour import BACKWARD, FORWARD, edge, node, save

from ae_numpy import Network, reference

# %% [markdown]
# ## The network
#
# Layer 0 computes `z0` and `a0` from the input `x`; layer 1 computes `z1` and `a1` from `a0`. The
# weight from unit i below to unit o above is `W[i][o]`:
#
# $$ z_0[o] = \sum_i x[i] \, W_0[i, o] + b_0[o], \qquad a_0[o] = \text{sigmoid}(z_0[o]) $$
#
# and the same once more, with `a0` in the place of `x`. The network is to reproduce its input,
# so the target *is* the input: it is an autoencoder.

# %%
x = [1.0, 0.2]
W0 = [[0.5, -1.0], [1.0, 2.0]]
b0 = [0.0, 0.5]
W1 = [[1.5, -0.5], [-1.0, 2.0]]
b1 = [-0.5, 0.25]
t = x


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


z0 = [x[0] * W0[0][o] + x[1] * W0[1][o] + b0[o] for o in (0, 1)]
a0 = [sigmoid(z) for z in z0]
z1 = [a0[0] * W1[0][o] + a0[1] * W1[1][o] + b1[o] for o in (0, 1)]
a1 = [sigmoid(z) for z in z1]
J = ((a1[0] - t[0]) ** 2 + (a1[1] - t[1]) ** 2) / 2


def show(name: str, numbers: list[float]) -> None:
    print(f"{name:4}", "  ".join(f"{number:+.4f}" for number in numbers))


for name, numbers in {"z0": z0, "a0": a0, "z1": z1, "a1": a1}.items():
    show(name, numbers)
print(f"J    {J:.4f}")
np.testing.assert_allclose(z0, [0.7, -0.1], rtol=1e-14)

# %% [markdown]
# ## Backward through layer 1
#
# This is chapter 1, twice: each output unit is a neuron with its own target. The gradient goes
# back through the loss, then through the sigmoid. What arrives at `z1` is so useful that it has
# a name of its own: textbooks call it *delta*.

# %%
da1 = [a1[o] - t[o] for o in (0, 1)]
dz1 = [da1[o] * a1[o] * (1 - a1[o]) for o in (0, 1)]  # delta of layer 1
dW1 = [[a0[i] * dz1[o] for o in (0, 1)] for i in (0, 1)]
db1 = dz1
show("da1", da1)
show("dz1", dz1)

# %% [markdown]
# ## Where ways meet
#
# Now the new thing. The hidden activation `a0[0]` goes into *both* outputs. If it grows by a
# little, `z1[0]` grows by `W1[0][0]` times as much, and `z1[1]` by `W1[0][1]` times as much. `J`
# feels both. To first order, small effects add up. So
#
# $$ da_0[i] = \sum_o dz_1[o] \, W_1[i, o] $$
#
# Forwards, a unit adds up over everything that comes *in*. Backwards, it adds up over everywhere
# it went *out* to. The same weights serve both times, read in the other direction.

# %%
da0 = [dz1[0] * W1[i][0] + dz1[1] * W1[i][1] for i in (0, 1)]
print(f"da0[0] = {dz1[0] * W1[0][0]:+.4f} {dz1[1] * W1[0][1]:+.4f} = {da0[0]:+.4f}")
print(f"da0[1] = {dz1[0] * W1[1][0]:+.4f} {dz1[1] * W1[1][1]:+.4f} = {da0[1]:+.4f}")

# %% [markdown]
# ## Backward through layer 0
#
# From here on nothing is new. `da0` has arrived, as `da1` had before; layer 0 does with it what
# layer 1 did. A layer need not know what is above it: all that is above is contained in the
# gradient that it receives.

# %%
dz0 = [da0[o] * a0[o] * (1 - a0[o]) for o in (0, 1)]  # delta of layer 0
dW0 = [[x[i] * dz0[o] for o in (0, 1)] for i in (0, 1)]
db0 = dz0
dx = [dz0[0] * W0[i][0] + dz0[1] * W0[i][1] for i in (0, 1)]
show("dz0", dz0)
show("dW0", dW0[0] + dW0[1])
show("dx", dx)

# %% [markdown]
# ## Is it true?
#
# Measure: nudge each weight of layer 0, run the whole network forward, see what `J` does. A
# nudge up and a nudge down, and the difference of the two, is more exact than one nudge;
# [chapter 6](06_the_gradient_check.py) says why.


# %%
def loss(W0: list[list[float]]) -> float:
    a0 = [sigmoid(x[0] * W0[0][o] + x[1] * W0[1][o] + b0[o]) for o in (0, 1)]
    a1 = [sigmoid(a0[0] * W1[0][o] + a0[1] * W1[1][o] + b1[o]) for o in (0, 1)]
    return ((a1[0] - t[0]) ** 2 + (a1[1] - t[1]) ** 2) / 2


for i, o in itertools.product((0, 1), (0, 1)):
    up, down = ([row[:] for row in W0] for _ in range(2))
    up[i][o] += 1e-5
    down[i][o] -= 1e-5
    measured = (loss(up) - loss(down)) / 2e-5
    print(f"dW0[{i}][{o}] = {dW0[i][o]:+.6f}, measured {measured:+.6f}")
    # Rounding in J is some 1e-17; divided by 2e-5 it is some 1e-12, beside gradients above 1e-3.
    assert math.isclose(dW0[i][o], measured, rel_tol=1e-7)

# %% [markdown]
# ## Multiply along a way, add up over the ways
#
# From `W0[0][0]` there are two ways to `J`: both go through hidden unit 0, then one goes through
# each output. Along a way, multiply what every step contributes; then add up the ways. It must
# give `dW0[0][0]` again.

# %%
ways = [
    x[0] * a0[0] * (1 - a0[0]) * W1[0][o] * a1[o] * (1 - a1[o]) * (a1[o] - t[o]) for o in (0, 1)
]
print(f"through output 0: {ways[0]:+.6f}, through output 1: {ways[1]:+.6f}, sum {sum(ways):+.6f}")
assert math.isclose(sum(ways), dW0[0][0], rel_tol=1e-13)  # the same factors in another order

# %% [markdown]
# So one *could* list all the ways. But their number doubles with every layer of two units. The
# backward pass does better: at each unit it adds up the ways first and carries *one* number on.
# That is why it goes from the loss to the input: when it comes to a unit, every way from there
# to the loss has already been summed up.

# %%
for layers in (2, 10, 30):
    print(f"{layers} layers of two units: {2**layers:,} ways from an input, {4 * layers} weights")

# %% [markdown]
# The backward pass visits each weight twice: once for `dW` and once for `dx`. The forward pass
# visits it once. Hence the cost: about two forward passes, for all gradients together. Measuring
# takes one forward pass (or two) *for each* weight.
#
# ## The same in the package
#
# First with the functions of the textbook page. Look at the order: the backward half is the
# forward half, read from its end.

# %%
X = np.array([x])  # (B, I) = (1, 2)
layer_0 = np.array(W0), np.array(b0)  # (I, O), (O,)
layer_1 = np.array(W1), np.array(b1)

A0 = reference.sigmoid_forward(reference.dense_forward(X, *layer_0))
A1 = reference.sigmoid_forward(reference.dense_forward(A0, *layer_1))
loss_of_page = reference.half_squared_error_forward(A1, X)

gradient = reference.half_squared_error_backward(A1, X)  # with respect to A1
delta = reference.sigmoid_backward(gradient, A1)
gradient, dW1_of_page, db1_of_page = reference.dense_backward(delta, A0, layer_1[0])
delta = reference.sigmoid_backward(gradient, A0)  # gradient is that with respect to A0 now
gradient, dW0_of_page, db0_of_page = reference.dense_backward(delta, X, layer_0[0])

# The same products, added in another order: equal up to the last digits.
np.testing.assert_allclose(loss_of_page, J, rtol=1e-13)
np.testing.assert_allclose(dW1_of_page, dW1, rtol=1e-13)
np.testing.assert_allclose(db1_of_page, db1, rtol=1e-13)
np.testing.assert_allclose(dW0_of_page, dW0, rtol=1e-13)
np.testing.assert_allclose(db0_of_page, db0, rtol=1e-13)
np.testing.assert_allclose(gradient, [dx], rtol=1e-13)

# %% [markdown]
# Then as a `Network`, which keeps these functions in a row, for any number of layers. (Its list of
# activations begins with the input: what is `a0` here is `activations[1]` there.)

# %%
network = Network((2, 2, 2))
loss_of_network, gradients = network.loss_and_gradients(
    {"W0": np.array(W0), "b0": np.array(b0), "W1": np.array(W1), "b1": np.array(b1)}, X
)
print("dW0 =", gradients["W0"].round(6).tolist(), "of the network")
for name, by_hand in {"W0": dW0, "b0": db0, "W1": dW1, "b1": db1}.items():
    np.testing.assert_allclose(gradients[name], by_hand, rtol=1e-13, err_msg=name)

# %% [markdown]
# ## The picture
#
# Blue, above: what flows forward. Orange, below: its gradient, which flows back. A number and its
# gradient always stand together. The edges from `x` to `z0` and from `a0` to `z1` show weights.

# %%
figure = Figure(figsize=(10, 6.2), layout="constrained")
axes = figure.subplots()
axes.set(xlim=(-0.7, 14.0), ylim=(-0.1, 8.6))
axes.axis("off")
ROWS = (5.7, 2.1)
columns = {"x": 0, "z0": 3.3, "a0": 5.4, "z1": 8.7, "a1": 10.8}


def at(name: str, row: int) -> tuple[float, float]:
    return columns[name], ROWS[row]


def numbers_at(name: str, row: int, value: float, gradient: float) -> None:
    left, height = at(name, row)
    for text, lift, colour in ((value, 0.62, FORWARD), (gradient, -0.62, BACKWARD)):
        axes.text(left, height + lift, f"{text:.3f}", ha="center", va="center", color=colour)


for below, W, dW, above in (("x", W0, dW0, "z0"), ("a0", W1, dW1, "z1")):
    for i, o in itertools.product((0, 1), (0, 1)):
        weight = f"{W[i][o]:g}", f"{dW[i][o]:.3f}"
        edge(axes, at(below, i), at(above, o), *weight, along=0.5 if i == o else 0.27, size=10)
for name, z, dz, out, b, db in (("z0", z0, dz0, "a0", b0, db0), ("z1", z1, dz1, "a1", b1, db1)):
    for row, outwards in ((0, 1.9), (1, -1.9)):
        edge(axes, at(name, row), at(out, row), f"{z[row]:.3f}", f"{dz[row]:.3f}", size=10)
        bias_at = (columns[name], ROWS[row] + outwards)
        edge(axes, bias_at, at(name, row), f"{b[row]:g}", f"{db[row]:.3f}", along=0.48, size=10)
        node(axes, bias_at, f"b{name[1]}[{row}]", round_=False, size=10)
        node(axes, at(name, row), "$+$", size=14)
        node(axes, at(out, row), r"$\sigma$", size=14)
loss_at = (13.1, sum(ROWS) / 2)
for row in (0, 1):
    node(axes, at("x", row), f"x[{row}]", round_=False, size=10)
    numbers_at("x", row, x[row], dx[row])
    numbers_at("a0", row, a0[row], da0[row])
    edge(axes, at("a1", row), loss_at, f"{a1[row]:.3f}", f"{da1[row]:.3f}", along=0.42, size=10)
node(axes, loss_at, "J", size=13)
axes.text(13.1, loss_at[1] - 0.75, f"{J:.3f}", ha="center", va="center", color=FORWARD)
for name in ("z0", "a0", "z1", "a1"):
    axes.text(columns[name], loss_at[1], name, ha="center", va="center", color="0.45", fontsize=12)
axes.text(9.9, 8.3, "above, forward: the value", color=FORWARD, fontsize=12)
axes.text(9.9, 7.8, "below, backward: its gradient", color=BACKWARD, fontsize=12)
axes.text(9.9, 7.3, "on an arrow into +: a weight or bias", color="0.25", fontsize=11)
save(figure, "03_computation_graph")

# %% [markdown]
# ## Exercises
#
# 1. Let both weights out of hidden unit 0 be zero: W1[0] = [0, 0]. Which gradients become zero,
#    and which do not? Can this unit ever be of use again?
# 2. Let *all* weights and biases be zero. Show that both hidden units receive the same
#    gradients. Why are weights drawn at random?
# 3. Tie the weights: let W1 be the transpose of W0, one matrix used in two places. What is the
#    gradient of that matrix?
# 4. Write a function that lists all the ways through a network of several layers of two units
#    and adds up their products. Does it give what the backward pass gives?


# %% [markdown]
# ## Solutions
#
# **1.** What hidden unit 0 does no longer matters: its `da0` is zero, and so are `dW0[:, 0]` and
# `db0[0]`. But `dW1[0]` is not: it is `a0[0]` times delta. After one step W1[0] is no longer
# zero, and then the unit receives gradients again.

# %%
cut = np.array([[0.0, 0.0], W1[1]])
_, gradients = network.loss_and_gradients(
    {"W0": np.array(W0), "b0": np.array(b0), "W1": cut, "b1": np.array(b1)}, X
)
print("dW0[:, 0] =", gradients["W0"][:, 0], "  dW1[0] =", gradients["W1"][0].round(4))
assert not gradients["W0"][:, 0].any()
assert gradients["b0"][0] == 0
assert gradients["W0"][:, 1].all()
assert gradients["W1"][0].all()

# %% [markdown]
# **2.** With zeros, both hidden units compute the same and are used in the same way. So their
# gradients are the same, and after any number of steps they are still twins: the network has one
# hidden unit, in two copies. Random weights make them different from the start.

# %%
flat = np.zeros_like(network.parameters)
for _ in range(50):
    _, gradients = network.loss_and_gradients(network.as_dict(flat), X)
    flat -= 0.5 * network.flatten(gradients)
W0_after = network.as_dict(flat)["W0"]
print("W0 after 50 steps from zero:", W0_after.round(4).tolist())
assert W0_after.any()
np.testing.assert_array_equal(W0_after[:, 0], W0_after[:, 1])  # the same arithmetic: bit for bit

# %% [markdown]
# **3.** A number that is used in two places has ways through both: its gradients add up. As W1 =
# W0.T, an entry W0[i][o] is also W1[o][i], and the gradient of the one matrix is dW0 + dW1.T.


# %%
def tied_loss_and_gradient(W: np.ndarray) -> tuple[float, np.ndarray]:
    named = {"W0": W, "b0": np.array(b0), "W1": W.T, "b1": np.array(b1)}
    value, gradients = network.loss_and_gradients(named, X)
    return value, gradients["W0"] + gradients["W1"].T


W = np.array(W0)
_, dW_tied = tied_loss_and_gradient(W)
for i, o in itertools.product((0, 1), (0, 1)):
    step = np.zeros((2, 2))
    step[i, o] = 1e-5
    slope = (tied_loss_and_gradient(W + step)[0] - tied_loss_and_gradient(W - step)[0]) / 2e-5
    assert math.isclose(dW_tied[i, o], slope, rel_tol=1e-7)
print("tied: dW =", dW_tied.round(4).tolist())

# %% [markdown]
# **4.** A way picks one unit in every layer. Here it starts at input 0 and ends at the loss.
# With six layers there are 64 ways, and their sum is `dx[0]` of the backward pass.

# %%
rng = np.random.default_rng(0)
weights = rng.normal(size=(6, 2, 2))  # (layer, I, O), no biases
activations = [X]
for W in weights:
    activations.append(reference.sigmoid_forward(activations[-1] @ W))
error = reference.half_squared_error_backward(activations[-1], X)  # (1, 2)

total, count = 0.0, 0
for units in itertools.product((0, 1), repeat=6):
    product, unit = error[0, units[-1]], 0
    for W, a, above in zip(weights, activations[1:], units, strict=True):
        product *= W[unit, above] * a[0, above] * (1 - a[0, above])
        unit = above
    total, count = total + product, count + 1

gradient = error
for W, below, a in reversed(list(zip(weights, activations, activations[1:], strict=False))):
    gradient, _, _ = reference.dense_backward(reference.sigmoid_backward(gradient, a), below, W)
print(f"{count} ways: {total:.6e}, backward pass: {gradient[0, 0]:.6e}")
assert count == 2**6
assert math.isclose(total, gradient[0, 0], rel_tol=1e-10)  # 64 summands that partly cancel
