# %% [markdown]
# # 6. The gradient check, and what it catches
#
# A wrong backward pass seldom crashes. It returns numbers of the right shape, training starts,
# and the loss falls. You need another way to know, and there is one: *measure* the derivative,
# and compare.
#
# **At the end you will understand** why the obvious way to measure has a best nudge, neither large
# nor small; how an imaginary nudge avoids this; what a gradient check catches, and what it cannot
# catch; and how to see a wrong gradient with nothing but a plot.
#
# **You need** [chapter 3](03_computation_graph.py) and
# [chapter 5](05_batches_are_matrix_products.py): the backward pass of a network, for a batch. What
# is needed of Taylor series and of complex numbers is said here.
#
# **This explains**, in the textbook page of the package, the sentence of its first paragraphs
# that everything works "for any floating dtype, complex too". Look at
# [`sigmoid_forward`](../ae_numpy/reference.py#L59), which compares only the real part of z, and
# at [`half_squared_error_forward`](../ae_numpy/reference.py#L185), which squares and takes no
# absolute value. What is checked are [`sigmoid_backward`](../ae_numpy/reference.py#L91),
# [`dense_backward`](../ae_numpy/reference.py#L142) and
# [`half_squared_error_backward`](../ae_numpy/reference.py#L209).

# %%
import numpy as np
from tour import save
from tour_pictures import first_order_errors, measuring_errors

from ae_numpy import Network, reference
from ae_numpy.gradcheck import check_gradients, check_vjp

# %% [markdown]
# ## Measuring a derivative
#
# Chapter 1 nudged a weight up and looked at what the loss does: a *forward difference*. Chapter 3
# nudged it up and down: a *central difference*. With a nudge ε,
#
# $$ \text{forward:} \quad \frac{J(w + \varepsilon) - J(w)}{\varepsilon}, \qquad
#    \text{central:} \quad \frac{J(w + \varepsilon) - J(w - \varepsilon)}{2 \varepsilon} $$
#
# Let us do both for every *parameter* of a small network, which is a word for weights and biases
# together, with nudges from 0.1 down to 1e-15, and see how far they are from what backpropagation
# says. The error is *relative*: divided by the largest entry of the gradient. A third way, the
# *complex step*, is in the code and the picture already; it is explained below.

# %%
rng = np.random.default_rng(0)
network = Network((6, 3, 6))
network.parameters[:] = rng.normal(size=network.parameters.size)
parameters = network.parameters  # all weights and biases in one row
X = rng.random((5, 6))


def loss(flat: np.ndarray) -> complex:
    output = network.forward(X, flat)[-1]
    return reference.half_squared_error_forward(output, X)


gradient = network.backward(network.forward(X), X)  # by backpropagation, in one row too
J = loss(parameters)
eye = np.eye(len(parameters))  # row k has a single 1, and so nudges parameter k alone


def relative_error(measured: list[float]) -> float:
    return np.abs(measured - gradient).max() / np.abs(gradient).max()


def forward_difference(nudge: float) -> list[float]:
    return [(loss(parameters + nudge * e) - J) / nudge for e in eye]


def central_difference(nudge: float) -> list[float]:
    return [
        (loss(parameters + nudge * e) - loss(parameters - nudge * e)) / (2 * nudge) for e in eye
    ]


def complex_step(nudge: float) -> list[float]:
    return [loss(parameters + 1j * nudge * e).imag / nudge for e in eye]


nudges = 10.0 ** np.arange(-1, -16, -1)  # 0.1, 0.01, ...
error_forward = np.array([relative_error(forward_difference(nudge)) for nudge in nudges])
error_central = np.array([relative_error(central_difference(nudge)) for nudge in nudges])
error_complex = np.array([relative_error(complex_step(nudge)) for nudge in nudges])

# %% [markdown]
# ## The picture

# %%
figure = measuring_errors(nudges, error_forward, error_central, error_complex)
save(figure, "06_the_gradient_check")
print("nudge    forward  central  complex")
for row in zip(nudges, error_forward, error_central, error_complex, strict=True):
    print("    ".join(f"{number:.0e}" for number in row))

# %% [markdown]
# Follow the blue line from the left. Each ten times smaller nudge gives one digit more, down to
# 1e-7; the orange line gains two, down to 1e-4. Then both lose a digit each time. In between is the
# best nudge, and it is not the same for both. Why?
#
# **Too large a nudge: truncation.** Near w, a smooth function is a straight line, plus a bend, plus
# smaller and smaller corrections. This is its *Taylor series*, where J'' is the derivative of J',
# and so on:
#
# $$ J(w + \varepsilon) = J + \varepsilon J' + \frac{\varepsilon^2}{2} J''
#    + \frac{\varepsilon^3}{6} J''' + \ldots $$
#
# Put it into the two differences. What they measure is
#
# $$ \text{forward:} \quad J' + \frac{\varepsilon}{2} J'' + \ldots, \qquad
#    \text{central:} \quad J' + \frac{\varepsilon^2}{6} J''' + \ldots $$
#
# and what follows J' is the *truncation error*. A ten times smaller nudge makes it ten times
# smaller in the first, a hundred times in the second, where the terms with J'' cancel.
#
# **Too small a nudge: rounding.** A number in double precision, which NumPy uses unless told
# otherwise, has about 16 digits. With a small nudge, J(w + ε) and J(w) agree in most of them, and
# the difference keeps only the rest: it is wrong by about 1e-16 times J, divided by the nudge. This
# *rounding error* grows when the nudge shrinks.

# %%
slope_forward = np.polyfit(np.log10(nudges[:5]), np.log10(error_forward[:5]), 1)[0]  # to 1e-5
slope_central = np.polyfit(np.log10(nudges[:3]), np.log10(error_central[:3]), 1)[0]  # to 1e-3
print(f"truncation: the nudge to the power {slope_forward:.2f} and {slope_central:.2f}")
best_forward, best_central = error_forward.argmin(), error_central.argmin()
print(f"best forward: {error_forward.min():.0e} with a nudge of {nudges[best_forward]:.0e}")
print(f"best central: {error_central.min():.0e} with a nudge of {nudges[best_central]:.0e}")
assert abs(slope_forward - 1) < 0.05
assert abs(slope_central - 2) < 0.05
# Where truncation meets rounding: near sqrt(1e-16) = 1e-8, and near 1e-16 ** (1/3) = 5e-6.
assert 1e-9 < nudges[best_forward] < 1e-6
assert 1e-7 < nudges[best_central] < 1e-3
assert error_central.min() < error_forward.min() / 10

small = nudges < 1e-9
expected = 1e-16 * J / nudges / np.abs(gradient).max()
print("rounding, measured over expected:", (error_forward / expected)[small].round(1))
assert np.all((error_forward / expected)[small] < 10)  # rounding is noise: about this large
assert np.all((error_forward / expected)[small] > 0.1)

# %% [markdown]
# Is it really the subtraction that loses the digits? Take a function simple enough to do the
# subtraction on paper. For w^3 the forward difference is 3 w^2 + 3 w ε + ε^2, with nothing left to
# subtract. The derivative at 2 is 12:

# %%
w = 2.0
for nudge in (1e-8, 1e-12, 1e-15):
    subtracted = ((w + nudge) ** 3 - w**3) / nudge
    on_paper = 3 * w**2 + 3 * w * nudge + nudge**2
    print(f"nudge {nudge:.0e}: error {abs(subtracted - 12):.0e}, ", end="")
    print(f"subtracted on paper {abs(on_paper - 12):.0e}")
assert abs(subtracted - 12) > 0.1
assert abs(on_paper - 12) < 1e-14

# %% [markdown]
# ## An imaginary nudge
#
# Can the subtraction be avoided for *any* function? Yes, with complex numbers. All you need to know
# of them: i is a number with i^2 = -1, and otherwise you calculate with it as with any other. A
# complex number a + ib has the *real part* a and the *imaginary part* b. Put iε in the place of ε
# into the Taylor series:
#
# $$ J(w + i \varepsilon) = J + i \varepsilon J' - \frac{\varepsilon^2}{2} J''
#    - \frac{i \varepsilon^3}{6} J''' + \ldots $$
#
# The value J is in the real part, the derivative in the imaginary part, and neither disturbs the
# other. Take the imaginary part, Im, and divide by ε:
#
# $$ \frac{\text{Im}\, J(w + i \varepsilon)}{\varepsilon}
#    = J' - \frac{\varepsilon^2}{6} J''' + \ldots $$
#
# This is the complex step. Nothing is subtracted, so no digits are lost; what is left is that every
# operation rounds its own result, in the 16th digit. So the nudge may be as small as you like, and
# with 1e-20 the truncation error, of the order 1e-40, is gone as well. By hand first, for w^3:

# %%
cube = (2 + 1e-20j) ** 3
print("the cube of 2 + 1e-20i is", cube, "and its imaginary part over 1e-20", cube.imag / 1e-20)
assert np.isclose(cube.imag / 1e-20, 12, rtol=1e-15)

at_1e_20 = relative_error(complex_step(1e-20))
print(f"the network, complex step of 1e-20: error {at_1e_20:.0e}")
assert at_1e_20 < 1e-14  # some ten operations in a row, each rounded to 1e-16
assert error_complex[nudges < 1e-7].max() < 1e-14  # for every small nudge, not for a lucky one

# %% [markdown]
# Backpropagation and the complex step have nothing in common but the forward pass. They agree in
# 14 digits, in all 45 parameters. So a wrong digit among these is a mistake, not noise. This is why
# the functions of the textbook page are written so that they work for complex numbers.
#
# ## `check_gradients`
#
# The package does the comparison for any function that returns a loss and its gradients. The
# error of an entry is divided by the largest entry of its array. No fixed amount is forgiven:
# 1e-6 would be much for a gradient of 1e-5.

# %%
report = check_gradients(network.loss_and_gradients, network.as_dict(), batch=(X,))
print(report)
assert report.ok
assert report.max_relative_error < 1e-13

# %% [markdown]
# ## What it catches
#
# Here is a backward pass written by hand, with four switches. Each puts in a mistake that people
# make. All four return arrays of the right shapes.


# %%
def by_hand(p: dict, X: np.ndarray, mistake: str = "") -> tuple[complex, dict]:
    a0 = reference.sigmoid_forward(reference.dense_forward(X, p["W0"], p["b0"]))
    a1 = reference.sigmoid_forward(reference.dense_forward(a0, p["W1"], p["b1"]))
    da1 = (a1 - X) / (1 if mistake == "no mean" else len(X))
    dz1 = da1 * a1 * (1 - a1)
    da0 = (da1 if mistake == "raw error" else dz1) @ p["W1"].T
    dz0 = da0 if mistake == "no sigmoid" else da0 * a0 * (1 - a0)
    db1 = dz1[0] if mistake == "one sample" else dz1.sum(axis=0)
    gradients = {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": a0.T @ dz1, "b1": db1}
    return reference.half_squared_error_forward(a1, X), gradients


mistakes = {
    "no mean": "batch_factor",
    "no sigmoid": "activation_derivative",
    "raw error": "raw_error",
    "one sample": "one_sample",
}
check_gradients(by_hand, network.as_dict(), batch=(X,)).raise_if_failed()
for mistake, kind in mistakes.items():
    report = check_gradients(
        lambda p, X, mistake=mistake: by_hand(p, X, mistake), network.as_dict(), batch=(X,)
    )
    wrong = [array.name for array in report.arrays if array.verdict == "wrong"]
    print(f"\n{mistake}: wrong in {', '.join(wrong)}\n{report.diagnosis}")
    assert not report.ok
    assert any(kind in finding.kinds for finding in report.diagnosis.findings)

# %% [markdown]
# *Which arrays* are wrong tells half the story: a mistake spoils the gradients below it, and
# leaves those above it right. `check_gradients` goes on from there. It computes what well-known
# mistakes would have returned, and looks for the one that gives your numbers.
#
# ## The Taylor plot
#
# There is a test that needs no complex numbers and no package, only the loss and the gradient. A
# gradient is a promise: after a short step, J has changed by the step times the gradient, entry by
# entry, added up. This is the *first-order* prediction, the Taylor series up to its first power.
# What it leaves out is of the order of the *square* of the step's length. So step in some
# direction, shorter and shorter, and plot the error of the prediction. If the gradient is right, a
# ten times shorter step has a *hundred* times smaller error. If it is wrong, the prediction is
# wrong in the first power already, and the error is only *ten* times smaller.

# %%
direction = rng.normal(size=parameters.size)
direction /= np.sqrt((direction**2).sum())  # of length 1
lengths = 10.0 ** np.arange(0, -6.5, -0.5)


def error_of_prediction(mistake: str) -> np.ndarray:
    """How far the change of J is from the predicted one, for every length of the step."""
    _, claimed = by_hand(network.as_dict(), X, mistake)
    predicted = lengths * (network.flatten(claimed) @ direction)
    changed = np.array([loss(parameters + length * direction) - J for length in lengths])
    return np.abs(changed - predicted)


errors = {
    "right": error_of_prediction(""),
    **{name: error_of_prediction(name) for name in mistakes},
}
figure = first_order_errors(lengths, errors)
save(figure, "06_the_gradient_check_taylor")
for name, error in errors.items():
    order = np.polyfit(np.log10(lengths[2:]), np.log10(error[2:]), 1)[0]
    print(f"{name:10}: error like the length to the power {order:.2f}")
    assert abs(order - (2 if name == "right" else 1)) < 0.1

# %% [markdown]
# The lines of the wrong gradients leave that of the right one and are parallel to each other. How
# early they leave it says how wrong they are: a small mistake needs short steps to be seen. And the
# plot looks along one direction, at all arrays together: it tells *that* something is wrong, not
# where.
#
# ## A loss that falls proves nothing
#
# The third mistake is not made up. The paper whose experiment this package repeats was published
# with code that carries the raw error `output - target` down to the hidden layer, without the slope
# of the output's sigmoid. Its networks were trained so, and they did learn. The package has the
# rule as `backprop="raw_error"`. Let us train with both.


# %%
def train(backprop: str, steps: int = 2000) -> tuple[float, float]:
    trained = Network((6, 3, 6), backprop=backprop)
    trained.parameters[:] = parameters
    first, _ = trained.loss_and_gradients(trained.as_dict(), X)
    for _ in range(steps):
        trained.parameters -= 0.5 * trained.backward(trained.forward(X), X)
    last, _ = trained.loss_and_gradients(trained.as_dict(), X)
    return float(first), float(last)


first, last_exact = train("exact")
_, last_raw = train("raw_error")
print(f"loss at first {first:.4f}, then by the gradient {last_exact:.4f}, raw error {last_raw:.4f}")
assert last_exact < first / 2
assert last_raw < last_exact  # the wrong rule takes longer steps

raw = Network((6, 3, 6), backprop="raw_error")
report = check_gradients(raw.loss_and_gradients, network.as_dict(), batch=(X,))
print(report.worst)
assert not report.ok
assert report.max_relative_error > 1  # not a small deviation: as large as the gradient itself

# %% [markdown]
# Both losses fall to less than half. Here the wrong rule even gets further, as it takes longer
# steps. From the loss nobody would suspect it; the check needs one look.
#
# **What a gradient check cannot catch.** It compares the backward pass with *your* forward pass.
# If the forward pass computes the wrong thing, its gradient can be right all the same. It looks
# at *one* point: exercise 3 shows a bad one. And it says nothing of whether training will go
# well: [chapter 8](08_saturation.py) has right gradients that are of no use.

# %% [markdown]
# ## Exercises
#
# 1. Repeat the forward difference with numbers in float32, which have about 7 digits. Which nudge
#    is the best, and how good is it? Could you notice a gradient that is wrong by 0.01 %?
# 2. The complex step of `abs(w)`: what goes wrong? What does `check_gradients` do about it?
# 3. Let all weights and biases be zero, and check the rule `raw_error` there. Why does it pass?
# 4. Somebody wrote `sigmoid_backward` as `da * z * (1 - z)`. Check it by itself, with
#    `check_vjp`. (A *vjp* is a gradient times a table of slopes, as in chapter 4.)


# %% [markdown]
# ## Solutions
#
# **1.** The best nudge is near the square root of 1e-7, and about 3 to 4 digits are left. An error
# of 0.01 % is as large as the noise. Check gradients in double precision, whatever you train in.

# %%
w32 = np.float32(0.3)
slope_at_w = reference.sigmoid_forward(np.array([0.3])).item()
slope_at_w *= 1 - slope_at_w
errors_32 = []
for nudge in 10.0 ** np.arange(-1, -8, -1):
    after, before = (reference.sigmoid_forward(np.array([w32 + d], "f4")) for d in (nudge, 0.0))
    errors_32.append(abs((after - before).item() / nudge / slope_at_w - 1))
    print(f"nudge {nudge:.0e}: error {errors_32[-1]:.0e}")
assert 1 <= int(np.argmin(errors_32)) <= 4  # nudges 1e-2 to 1e-5
assert min(errors_32) > 1e-6  # double precision reaches 1e-8 and better
assert errors_32[-1] > 1e-2

# %% [markdown]
# **2.** The absolute value of a complex number is its distance from 0. A tiny imaginary part
# does not change it, and its own imaginary part is 0: the measured derivative is 0 in place of 1.
# For complex numbers `abs` has no Taylor series (it is not *analytic*), and the complex step needs
# one. `check_gradients` notices, takes central differences in its place, and says so.


# %%
def sum_of_absolutes(w: np.ndarray) -> tuple[float, np.ndarray]:
    return np.abs(w).sum(), np.sign(w.real)


print("complex step of abs at 2:", np.imag(np.abs(2 + 1e-20j)) / 1e-20)
assert np.imag(np.abs(2 + 1e-20j)) == 0
report = check_gradients(sum_of_absolutes, np.array([1.0, -2.0, 3.0]))
print(report)
assert report.ok
assert "central" in str(report)

# %% [markdown]
# **3.** Both rules carry something down through `W1`. Where `W1` is zero, nothing arrives, and
# both say 0 for the layer below, which is right. A wrong rule can be right at a special point;
# take random parameters.

# %%
nothing = {name: np.zeros_like(values) for name, values in network.as_dict().items()}
report_at_zero = check_gradients(raw.loss_and_gradients, nothing, batch=(X,))
print("raw_error at zero:", report_at_zero.verdict)
assert report_at_zero.ok

# %% [markdown]
# **4.** The slope of the sigmoid is a (1 - a), with the activation, not the pre-activation.

# %%
points = rng.normal(size=(4, 3))


def forward_with_cache(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return reference.sigmoid_forward(z), z


wrong = check_vjp(forward_with_cache, lambda da, z: da * z * (1 - z), points)
right = check_vjp(
    forward_with_cache,
    lambda da, z: reference.sigmoid_backward(da, reference.sigmoid_forward(z)),
    points,
)
print("z (1 - z):", wrong.verdict, "  a (1 - a):", right.verdict)
assert not wrong.ok
assert right.ok
