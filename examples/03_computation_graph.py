# %% [markdown]
# # 3. The chain rule in a network, as a graph
#
# Two inputs, two neurons, two neurons more: the smallest network in which a number has more than
# one path to the loss. A larger one has more numbers, but nothing new.
#
# **At the end you will understand** why gradients are *added* where paths join, why the backward
# pass runs in the reverse order and is not a plain recursion, and why it costs no more than about
# two forward passes, however many weights there are.
#
# **You need** [chapter 1](01_one_neuron.py): a gradient is multiplied by the slope of each
# operation that it comes through. From [chapter 2](02_a_neuron_that_learns.py): what a step is.
#
# **This explains**, in the textbook page of the package, how
# [`dense_backward`](../ae_numpy/reference.py#L142) and
# [`sigmoid_backward`](../ae_numpy/reference.py#L91) follow each other when there is more than one
# layer, and why `dense_backward` returns a gradient for its input `x`.

# %%
import itertools
import math

import numpy as np
from tour import save
from tour_graphs import network_graph

from ae_numpy import Network, reference

# %% [markdown]
# ## The picture
#
# A *layer* is a row of neurons that all read the same numbers. Ours has two layers of two neurons.
# In a network a neuron is also called a *unit*. Layer 0 reads the input `x`, and its results `a0`
# are read by layer 1. What is neither input nor output, here `a0`, is called *hidden*.
#
# Such a drawing is a *computation graph*: circles are operations, boxes are numbers, arrows say
# what is computed from what. Values (blue) flow along the arrows, gradients (orange) against them.

# %%
x = [1.0, 0.2]
W0 = [[0.5, -1.0], [1.0, 2.0]]  # W0[i][o]: from x[i] to unit o of layer 0
b0 = [0.0, 0.5]
W1 = [[1.5, -0.5], [-1.0, 2.0]]
b1 = [-0.5, 0.25]

figure = network_graph(x, [(W0, b0), (W1, b1)])
save(figure, "03_computation_graph")

# %% [markdown]
# ## Forward
#
# Layers are numbered from 0, and everything of a layer carries its number. The weight from unit i
# below to unit o above is `W[i][o]`:
#
# $$ z_0[o] = \sum_i x[i] \, W_0[i, o] + b_0[o], \qquad a_0[o] = \text{sigmoid}(z_0[o]) $$
#
# and the same once more, with `a0` in the place of `x`. The network is to give back its input, so
# the target *is* the input: such a network is called an *autoencoder*.

# %%
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
# This is chapter 1, twice: each unit of layer 1 is a neuron with its own target. The gradient goes
# back through the loss, then through the sigmoid, and what arrives at `z1` is the layer's delta.

# %%
da1 = [a1[o] - t[o] for o in (0, 1)]
dz1 = [da1[o] * a1[o] * (1 - a1[o]) for o in (0, 1)]  # delta of layer 1
dW1 = [[a0[i] * dz1[o] for o in (0, 1)] for i in (0, 1)]  # delta times input
db1 = dz1
show("da1", da1)
show("dz1", dz1)

# %% [markdown]
# ## Where paths join
#
# Now the new thing. The activation `a0[0]` is read by *both* units of layer 1. If it grows by a
# little, `z1[0]` grows by `W1[0][0]` times as much, and `z1[1]` by `W1[0][1]` times as much. `J`
# responds to both. For tiny changes the responses add up. So
#
# $$ da_0[i] = \sum_o dz_1[o] \, W_1[i, o] $$
#
# Forward, a unit adds up over everything that comes *in*. Backward, it adds up over everywhere it
# went *out* to. The same weights serve both times, read in the other direction.

# %%
da0 = [dz1[0] * W1[i][0] + dz1[1] * W1[i][1] for i in (0, 1)]
print(f"da0[0] = {dz1[0] * W1[0][0]:+.4f} {dz1[1] * W1[0][1]:+.4f} = {da0[0]:+.4f}")
print(f"da0[1] = {dz1[0] * W1[1][0]:+.4f} {dz1[1] * W1[1][1]:+.4f} = {da0[1]:+.4f}")

# %% [markdown]
# ## Backward through layer 0
#
# From here on nothing is new. `da0` has arrived, as `da1` had before; layer 0 does with it what
# layer 1 did. A layer need not know what is above it: the gradient that it receives says it all.

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
# Measure: nudge each weight of layer 0, run the whole network forward, see what `J` does. A nudge
# up and a nudge down, and the difference of the two, is more exact than one nudge;
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
    # Rounding in J is some 1e-17; divided by 2e-5 it is some 1e-12, and gradients are above 1e-3.
    assert math.isclose(dW0[i][o], measured, rel_tol=1e-7)

# %% [markdown]
# ## Multiply along a path, add up over the paths
#
# From `W0[0][0]` there are two paths to `J`: both go through hidden unit 0, then one goes through
# each output. Along a path, multiply what every step contributes; then add up the paths. It must
# give `dW0[0][0]` again.

# %%
paths = [
    x[0] * a0[0] * (1 - a0[0]) * W1[0][o] * a1[o] * (1 - a1[o]) * (a1[o] - t[o]) for o in (0, 1)
]
print(
    f"through output 0: {paths[0]:+.6f}, through output 1: {paths[1]:+.6f}, sum {sum(paths):+.6f}"
)
assert math.isclose(sum(paths), dW0[0][0], rel_tol=1e-13)  # the same factors in another order

# %% [markdown]
# So one *could* list all the paths. But their number doubles with every layer of two units.

# %%
for layers in (2, 10, 30):
    print(f"{layers} layers of two units: {2**layers:,} paths from an input, {4 * layers} weights")

# %% [markdown]
# ## Why not a plain recursion?
#
# The program that everybody writes first: give every number a place for its gradient, begin at the
# loss, and let each number pass its gradient down to the numbers that it was computed from, which
# do the same in turn. The gradients that arrive at one number are added up, as they must be. Try
# it on $b = a + a$ and $c = b + b$. As c = 4a, the gradient of `a` should be 4.


# %%
class Box:
    """A number in a graph: its gradient, and the boxes below, each with the local slope to it."""

    def __init__(self, *below: tuple["Box", float]) -> None:
        self.gradient, self.below = 0.0, below


def pass_down(box: Box) -> None:
    """The version that fails."""
    for below, slope in box.below:
        below.gradient += box.gradient * slope
        pass_down(below)


def four_times() -> tuple[Box, Box, Box]:
    a = Box()
    b = Box((a, 1.0), (a, 1.0))  # b = a + a: a is used twice, each time with slope 1
    c = Box((b, 1.0), (b, 1.0))
    return a, b, c


a, b, c = four_times()
c.gradient = 1.0
pass_down(c)
print("by recursion, the gradient of a is", a.gradient)
assert a.gradient == 6.0  # wrong

# %% [markdown]
# It is 6. The first arrow from `c` brings 1 to `b`, and `b` at once passes 1 down both its arrows:
# `a` has 2. The second arrow brings another 1, so that `b` has 2, which is right; and `b` passes
# down its gradient again, all of it, the 1 that `a` has already had once more: `a` has 2 + 4 = 6.
# A box must not pass anything down **before everything has arrived**.
#
# So put the boxes into an order in which each comes before those below it, and let each pass its
# gradient down *once*. For the layers of a network this order is known without searching: from the
# last to the first. In a graph of any shape it is found by sorting, which is called *topological*.


# %%
def in_order(boxes: list[Box]) -> None:
    """The version that works: `boxes` from the loss down, each before those below it."""
    for box in boxes:
        for below, slope in box.below:
            below.gradient += box.gradient * slope


a, b, c = four_times()
c.gradient = 1.0
in_order([c, b, a])
print("in order, the gradient of a is", a.gradient)
assert a.gradient == 4.0

# %% [markdown]
# The `+=` has a price: the gradients must be **cleared** before the next backward pass, those in
# the middle too, or the new ones are added to the old ones. A second pass over the same boxes:

# %%
c.gradient = 1.0
in_order([c, b, a])
print("a second pass without clearing:", a.gradient)
assert a.gradient == 12.0  # b had 2 left over, got 2 more, and passed down 8 in place of 4

# %% [markdown]
# There is a recursion that is right: pass down only *what has just arrived*. But it walks every
# path, and there are too many.


# %%
def pass_down_arrivals(box: Box, arrived: float) -> int:
    """The version that is right and slow; the number of calls."""
    box.gradient += arrived
    return 1 + sum(pass_down_arrivals(below, arrived * slope) for below, slope in box.below)


a, b, c = four_times()
print(pass_down_arrivals(c, 1.0), "calls for 3 boxes, and the gradient of a is", a.gradient)
assert a.gradient == 4.0

doubled = Box()
for _ in range(10):  # 2 a, 4 a, 8 a, ...
    doubled = Box((doubled, 1.0), (doubled, 1.0))
calls = pass_down_arrivals(doubled, 1.0)
print(f"{calls:,} calls for 11 boxes")
assert calls == 2**11 - 1

# %% [markdown]
# The reverse order adds up first and carries *one* number on, and uses each weight twice: once for
# `dW` and once for `dx`. The forward pass uses it once. Hence the cost: about two forward passes,
# for all gradients together. Measuring takes one forward pass (or two) *for each* weight.
#
# ## The same in the package
#
# First with the functions of the textbook page. Look at the order: the backward half is the
# forward half, read from its end. Each gradient is a new array, so there is nothing to clear.

# %%
X = np.array([x])  # (B, I) = (1, 2)
layer_0 = np.array(W0), np.array(b0)  # (I, O), (O,)
layer_1 = np.array(W1), np.array(b1)

A0 = reference.sigmoid_forward(reference.dense_forward(X, *layer_0))
A1 = reference.sigmoid_forward(reference.dense_forward(A0, *layer_1))
loss_of_page = reference.half_squared_error_forward(A1, X)

dA1 = reference.half_squared_error_backward(A1, X)
dZ1 = reference.sigmoid_backward(dA1, A1)
dA0, dW1_of_page, db1_of_page = reference.dense_backward(dZ1, A0, layer_1[0])
dZ0 = reference.sigmoid_backward(dA0, A0)
dX, dW0_of_page, db0_of_page = reference.dense_backward(dZ0, X, layer_0[0])

# The same products, added in another order: equal up to the last digits.
np.testing.assert_allclose(loss_of_page, J, rtol=1e-13)
np.testing.assert_allclose(dW1_of_page, dW1, rtol=1e-13)
np.testing.assert_allclose(db1_of_page, db1, rtol=1e-13)
np.testing.assert_allclose(dW0_of_page, dW0, rtol=1e-13)
np.testing.assert_allclose(db0_of_page, db0, rtol=1e-13)
np.testing.assert_allclose(dX, [dx], rtol=1e-13)

# %% [markdown]
# Then as a `Network`, which calls these functions one after another, for any number of layers.

# %%
network = Network((2, 2, 2))
loss_of_network, gradients = network.loss_and_gradients(
    {"W0": np.array(W0), "b0": np.array(b0), "W1": np.array(W1), "b1": np.array(b1)}, X
)
print("dW0 =", gradients["W0"].round(6).tolist(), "of the network")
for name, by_hand in {"W0": dW0, "b0": db0, "W1": dW1, "b1": db1}.items():
    np.testing.assert_allclose(gradients[name], by_hand, rtol=1e-13, err_msg=name)

# %% [markdown]
# ## Exercises
#
# 1. Let both weights out of hidden unit 0 be zero: W1[0] = [0, 0]. Which gradients become zero,
#    and which do not? Can this unit ever be of use again?
# 2. Let *all* weights and biases be zero. Show that both hidden units receive the same
#    gradients. Why are weights drawn at random?
# 3. Tie the weights: let W1[o][i] be the same number as W0[i][o], one table of numbers used in
#    two places. What is its gradient?
# 4. Write a program that lists all the paths through a network of several layers of two units
#    and adds up their products. Does it give what the backward pass gives?


# %% [markdown]
# ## Solutions
#
# **1.** What hidden unit 0 does no longer matters: `da0[0]` is zero, and so are `dW0[:, 0]` and
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
# **3.** A number that is used in two places has paths through both: its gradients add up. So the
# gradient of W0[i][o] is dW0[i][o] + dW1[o][i]. For NumPy, a table with rows and columns exchanged
# is `W.T`, its *transpose*.


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
# **4.** A path picks one unit in every layer. Here it starts at input 0 and ends at the loss.
# With six layers there are 64 paths, and their sum is `dx[0]` of the backward pass.

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
print(f"{count} paths: {total:.6e}, backward pass: {gradient[0, 0]:.6e}")
assert count == 2**6
assert math.isclose(total, gradient[0, 0], rel_tol=1e-10)  # 64 terms that partly cancel
