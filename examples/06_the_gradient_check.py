# %% [markdown]
# # 6. The gradient check, and what it catches
#
# A wrong backward pass seldom crashes. It returns numbers of the right shape, training starts,
# and the loss falls. You need another way to know, and there is one: *measure* the derivative,
# and compare.
#
# **At the end you will understand** why the obvious way to measure has a best step size, neither
# large nor small; how an imaginary step gets round this; what a gradient check catches, and what
# it cannot catch.
#
# **You need** [chapter 3](03_computation_graph.py): the backward pass of a network.
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
from matplotlib.figure import Figure
from tour import BACKWARD, FORWARD, save

from ae_numpy import Network, reference
from ae_numpy.gradcheck import check_gradients, check_vjp

# %% [markdown]
# ## Measuring a derivative
#
# Let J be the loss as a function of one weight w. Two ways to measure its derivative with a step
# h:
#
# $$ \text{forward:} \quad \frac{J(w + h) - J(w)}{h} = J' + \frac{h}{2} J'' + \ldots $$
# $$ \text{central:} \quad \frac{J(w + h) - J(w - h)}{2h} = J' + \frac{h^2}{6} J''' + \ldots $$
#
# What stands behind J' is the *truncation error*: with a step ten times smaller it is ten times
# smaller in the first, a hundred times in the second, where the term with J'' cancels. So take h
# very small?
#
# A number in double precision has about 16 digits. J(w + h) and J(w) agree in most of them if h is
# small, and the difference keeps only the rest. That is the *rounding error*: about 1e-16 times J,
# divided by h. It *grows* when h shrinks. Let us see it, for every parameter of a small network.

# %%
rng = np.random.default_rng(0)
network = Network((6, 3, 6))
network.parameters[:] = rng.normal(size=network.parameters.size)
parameters = network.parameters  # (P,)
X = rng.random((5, 6))


def loss(flat: np.ndarray) -> complex:
    output = network.forward(X, flat)[-1]
    return reference.half_squared_error_forward(output, X)


activations = network.forward(X)
exact = network.backward(activations, X)  # (P,), by backpropagation
J = loss(parameters)
eye = np.eye(len(parameters))  # a row of it nudges one parameter


def relative_error(measured: list[float]) -> float:
    return np.abs(measured - exact).max() / np.abs(exact).max()


def forward_difference(h: float) -> list[float]:
    return [(loss(parameters + h * e) - J) / h for e in eye]


def central_difference(h: float) -> list[float]:
    return [(loss(parameters + h * e) - loss(parameters - h * e)) / (2 * h) for e in eye]


steps = 10.0 ** np.arange(-1, -16, -1)  # 0.1, 0.01, ...
error_forward = np.array([relative_error(forward_difference(h)) for h in steps])
error_central = np.array([relative_error(central_difference(h)) for h in steps])
print("step     forward  central")
for h, of_forward, of_central in zip(steps, error_forward, error_central, strict=True):
    print(f"{h:.0e}    {of_forward:.0e}    {of_central:.0e}")

# %% [markdown]
# Read the columns from the top. Down to a step of 1e-4 the forward difference gains one digit a
# line, the central difference two: truncation. Then both get worse by a digit a line: rounding.
# In between lies the best step, and it is not the same for both.

# %%
slope_forward = np.polyfit(np.log10(steps[:5]), np.log10(error_forward[:5]), 1)[0]  # to 1e-5
slope_central = np.polyfit(np.log10(steps[:3]), np.log10(error_central[:3]), 1)[0]  # to 1e-3
slope_rounding = np.polyfit(np.log10(steps[8:14]), np.log10(error_forward[8:14]), 1)[0]
print(f"truncation: h to the power {slope_forward:.2f} and {slope_central:.2f}")
print(f"rounding:   h to the power {slope_rounding:.2f}")
best_forward, best_central = error_forward.argmin(), error_central.argmin()
print(f"best forward: {error_forward.min():.0e} at h = {steps[best_forward]:.0e}")
print(f"best central: {error_central.min():.0e} at h = {steps[best_central]:.0e}")
assert abs(slope_forward - 1) < 0.05
assert abs(slope_central - 2) < 0.05
assert abs(slope_rounding + 1) < 0.3  # rounding is noise about a straight line
# Where truncation meets rounding: h near sqrt(1e-16) = 1e-8, and near 1e-16 ** (1/3) = 5e-6.
assert 1e-9 < steps[best_forward] < 1e-6
assert 1e-7 < steps[best_central] < 1e-3
assert error_central.min() < error_forward.min() / 10

# %% [markdown]
# ## A step into the imaginary direction
#
# The trouble is the subtraction of two numbers that nearly agree. Can we do without it? Let the
# step be imaginary: put w + ih in the place of w. Then
#
# $$ J(w + ih) = J + ih J' - \frac{h^2}{2} J'' - \frac{i h^3}{6} J''' + \ldots,
#    \qquad \frac{\text{Im}\, J(w + ih)}{h} = J' - \frac{h^2}{6} J''' + \ldots $$
#
# The value J sits in the real part, the derivative in the imaginary part, and neither disturbs the
# other. Nothing is subtracted. So h may be as small as you like, and with h = 1e-20 the truncation
# error, of the order 1e-40, is gone as well. First by hand: the derivative of w^3 at 2 is 12.

# %%
h = 1e-20
cube = (2 + 1j * h) ** 3
print("the cube of 2 + 1e-20i is", cube, "and its imaginary part over h", cube.imag / h)
assert np.isclose(cube.imag / h, 12, rtol=1e-15)


def complex_step(h: float) -> list[float]:
    return [loss(parameters + 1j * h * e).imag / h for e in eye]


error_complex = np.array([relative_error(complex_step(h)) for h in steps])
at_1e_20 = relative_error(complex_step(1e-20))
print(f"the network, complex step with h = 1e-20: error {at_1e_20:.0e}")
assert at_1e_20 < 1e-14  # some ten operations in a row, each rounded to 1e-16
assert error_complex[steps < 1e-7].max() < 1e-14  # for every small step, not for a lucky one

# %% [markdown]
# Backpropagation and the complex step have nothing in common but the forward pass. They agree in
# 14 digits, in all 45 parameters. So a wrong digit anywhere is a mistake, not noise. For this
# the functions of the textbook page are written such that they work for complex numbers.
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
    h = reference.sigmoid_forward(reference.dense_forward(X, p["W0"], p["b0"]))
    output = reference.sigmoid_forward(reference.dense_forward(h, p["W1"], p["b1"]))
    doutput = (output - X) / (1 if mistake == "no mean" else len(X))
    dz1 = doutput * output * (1 - output)
    dh = (doutput if mistake == "raw error" else dz1) @ p["W1"].T
    dz0 = dh if mistake == "no sigmoid" else dh * h * (1 - h)
    db1 = dz1[0] if mistake == "one sample" else dz1.sum(axis=0)
    gradients = {"W0": X.T @ dz0, "b0": dz0.sum(axis=0), "W1": h.T @ dz1, "b1": db1}
    return reference.half_squared_error_forward(output, X), gradients


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
# *Which arrays* are wrong tells half of the story: a mistake spoils the gradients below it, and
# leaves those above it right. `check_gradients` goes on from there. It computes what well-known
# mistakes would have returned, and looks which of them gives your numbers.
#
# ## A loss that falls proves nothing
#
# The third mistake is not made up. The paper whose experiment this package repeats was published
# with code that carries the raw error `output - target` down to the hidden layer, without the
# output's sigmoid slope. Its networks were trained so, and they did learn. The package has the
# rule as `backprop="raw_error"`. Let us train by both.


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
#
# ## The picture

# %%
figure = Figure(figsize=(10, 6.2), layout="constrained")
axes = figure.subplots()
axes.loglog(steps, error_forward, "o-", color=FORWARD, label="forward difference")
axes.loglog(steps, error_central, "s-", color=BACKWARD, label="central difference")
axes.loglog(steps, error_complex, "^-", color="black", label="complex step")
axes.invert_xaxis()
axes.set(ylim=(1e-17, 1e4))
axes.set_xlabel("step h: smaller to the right", fontsize=12)
axes.set_ylabel("largest error of the measured gradient (relative)", fontsize=12)
axes.tick_params(labelsize=11)
axes.grid(color="0.9")
axes.legend(fontsize=12, loc="upper left", bbox_to_anchor=(0.3, 1), framealpha=1)
axes.text(8e-4, 1e0, "truncation:\nthe step is too large", fontsize=12, ha="center")
axes.text(1.5e-11, 2e-1, "rounding:\ntoo few digits are left", fontsize=12, ha="center")
axes.text(1e-11, 1.5e-14, "no subtraction, no rounding error", fontsize=12, ha="center")
for k, error, colour, beside in (
    (best_forward, error_forward, FORWARD, (16, -16)),
    (best_central, error_central, BACKWARD, (16, -20)),
):
    axes.annotate(
        f"best: h = {steps[k]:.0e}",
        (steps[k], error[k]),
        beside,
        textcoords="offset points",
        fontsize=12,
        color=colour,
        va="center",
    )
axes.set_title("How exactly a derivative can be measured", fontsize=14)
save(figure, "06_the_gradient_check")

# %% [markdown]
# ## Exercises
#
# 1. Repeat the forward difference with numbers in float32, which have about 7 digits. Which step
#    is the best, and how good is it? Could you notice a gradient that is wrong by 0.01 %?
# 2. The complex step of `abs(w)`: what goes wrong? What does `check_gradients` do about it?
# 3. Let all weights and biases be zero, and check the rule `raw_error` there. Why does it pass?
# 4. Somebody wrote `sigmoid_backward` as `da * z * (1 - z)`. Check it as a layer by itself, with
#    `check_vjp`.


# %% [markdown]
# ## Solutions
#
# **1.** The best step is near the root of 1e-7, and about 3 to 4 digits are left. An error of
# 0.01 % is as large as the noise. Check gradients in double precision, whatever you train in.

# %%
w32 = np.float32(0.3)
slope_at_w = reference.sigmoid_forward(np.array([0.3])).item()
slope_at_w *= 1 - slope_at_w
errors_32 = []
for h in 10.0 ** np.arange(-1, -8, -1):
    after, before = (reference.sigmoid_forward(np.array([w32 + d], "f4")) for d in (h, 0.0))
    errors_32.append(abs((after - before).item() / h / slope_at_w - 1))
    print(f"h = {h:.0e}: error {errors_32[-1]:.0e}")
assert 1 <= int(np.argmin(errors_32)) <= 4  # steps 1e-2 to 1e-5
assert min(errors_32) > 1e-6  # double precision reaches 1e-8 and better
assert errors_32[-1] > 1e-2

# %% [markdown]
# **2.** The absolute value of a complex number is its distance from 0. A tiny imaginary part
# does not change it, and its own imaginary part is 0: the measured derivative is 0 in place of 1.
# `abs` is not an analytic function, and the complex step needs one. `check_gradients` notices,
# takes central differences in its place, and says so.


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
