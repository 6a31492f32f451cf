# %% [markdown]
# # 8. Saturation: units that stop learning
#
# A gradient can be right and of no use. The sigmoid is flat at both ends, and a unit that is
# there receives next to nothing, however wrong the network is. Here we watch this happen to
# real units, on digits, with the initial weights of the paper that this package reproduces.
#
# **At the end you will understand** how the size of the initial weights decides where on the
# sigmoid a unit starts; why most units *die* within the first two thousand digits; why the
# error then stands still and falls in steps; and what keeps the units alive.
#
# **You need** [chapter 1](01_one_neuron.py), exercise 4, [chapter 3](03_computation_graph.py): a
# gradient is multiplied by the slope of every operation on its way back; and [chapter
# 7](07_training_an_autoencoder.py): epochs, learning rates, the mean squared error.
#
# **This explains**, in the textbook page of the package, what follows from the factor a (1 - a) in
# [`sigmoid_backward`](../ae_numpy/reference.py#sigmoid_backward), and from the two products of
# [`dense_backward`](../ae_numpy/reference.py#dense_backward).

# %%
import numpy as np
from tour import save
from tour_pictures_training import saturation

from ae_numpy import Autoencoder, reference
from ae_numpy.datasets import load_stroke_digits

# %% [markdown]
# ## The slope of the sigmoid
#
# On its way back through a unit, the gradient is multiplied by a (1 - a). That is at most 1/4,
# at z = 0. Away from 0 it falls quickly. Where it is nearly 0, the unit is called *saturated*.

# %%
for z in (0.0, 2.0, 4.0, 7.0, 10.0):
    a = reference.sigmoid_forward(np.array(z))
    slope = reference.sigmoid_backward(np.array(1.0), a)
    print(f"z = {z:4.1f}: a = {a:.5f}, slope {slope:.5f}")
assert 4000 < 0.25 / slope < 6000  # at z = 10, some five thousand times less than at z = 0

# %% [markdown]
# ## Where a unit starts
#
# The digits are drawn by the package: 784 pixels between 0, the background, and 1, ink. A hidden
# unit computes z = sum of x[i] W[i] over 784 pixels. If the weights are drawn with standard
# deviation s, then z varies from unit to unit with
#
# $$ \text{std}(z) = s \, \sqrt{\sum_i x[i]^2} $$
#
# For a digit the sum of the squares is about 90. The rule `fan_in` takes s = 1/sqrt(I), where I is
# the number of inputs of the layer: 784. The paper takes s = 1/sqrt(O), where O is the number of
# *outputs*, here the hidden units: `fan_out`. Let there be 8 of them: a *compression ratio* of 784
# / 8 = 98.

# %%
H = 8
digits = load_stroke_digits(n_train=2000, n_test=250)
X = (digits.train_images.reshape(-1, 784) / 255).astype(np.float32)  # (2000, 784)
X_test = (digits.test_images.reshape(-1, 784) / 255).astype(np.float32)  # (250, 784)
squares = (X_test**2).sum(axis=1).mean()
print(f"sum of squares {squares:.0f}: expect std(z) {np.sqrt(squares / H):.2f} with fan_out,")
print(f"and {np.sqrt(squares / 784):.2f} with fan_in")
assert round(squares, -1) == 90

SEEDS = (0, 1, 2)


def start(weight_init: str, seed: int, **options) -> Autoencoder:
    """An autoencoder with its initial parameters, not trained yet."""
    ae = Autoencoder(H, weight_init=weight_init, epochs=0, random_state=seed, **options)
    return ae.fit(X)


def pre_activations(ae: Autoencoder) -> np.ndarray:
    layer = ae.network_.layers[0]
    return reference.dense_forward(X_test, layer.W, layer.b)  # (250, H)


def slopes(ae: Autoencoder) -> np.ndarray:
    a = ae.encode(X_test)
    return a * (1 - a)  # (250, H)


starts = {rule: [start(rule, seed) for seed in SEEDS] for rule in ("fan_out", "fan_in")}
z_start = {rule: np.hstack([pre_activations(ae) for ae in starts[rule]]) for rule in starts}
slope_start = {rule: np.hstack([slopes(ae) for ae in starts[rule]]) for rule in starts}
for rule in starts:
    flat = (slope_start[rule] < 0.01).mean()
    print(
        f"{rule:8} std(z) = {z_start[rule].std():.2f}, mean slope {slope_start[rule].mean():.3f},",
        f"slope below 0.01: {flat:.0%}",
    )
# 24 units are few: the standard deviation of what they have is itself uncertain by 15 %.
assert np.isclose(z_start["fan_out"].std(), np.sqrt(squares / H), rtol=0.3)
assert np.isclose(z_start["fan_in"].std(), np.sqrt(squares / 784), rtol=0.3)
assert 0.15 < (slope_start["fan_out"] < 0.01).mean() < 0.25
assert (slope_start["fan_in"] < 0.01).mean() == 0
assert slope_start["fan_out"].mean() < slope_start["fan_in"].mean() / 2

# %% [markdown]
# With `fan_in` every unit starts in the steep middle. With `fan_out` the starts are spread over
# the whole sigmoid: the mean slope is less than half, and for about a fifth of all pairs of a digit
# and a unit it is nearly nothing.
#
# ## Watching them die
#
# We call a unit *dead* if its *mean* slope over the test digits is below 0.01, which is 4 % of
# what it can be. A dead unit has nearly the same activation for every digit, and receives next to
# no gradient from any of them.
#
# Train, one digit at a time, with learning rate 0.01, as the paper did. After every 500 digits
# look at the test digits: how many of the eight units are dead, and what is the error? The third
# start, with output biases at the mean digit, is explained below. So is the *logit*, the inverse of
# the sigmoid: the z for which the sigmoid is a.

# %%
CHUNK, CHUNKS = 500, 48
seen = CHUNK * np.arange(CHUNKS + 1)


def dead_units(ae: Autoencoder) -> int:
    return int((slopes(ae).mean(axis=0) < 0.01).sum())


def watch(ae: Autoencoder) -> tuple[np.ndarray, np.ndarray]:
    """The number of dead units and the test error, at the start and after every chunk."""
    dead, error = [dead_units(ae)], [ae.mse(X_test)]
    for chunk in range(CHUNKS):
        first = chunk * CHUNK % len(X)
        ae.partial_fit(X[first : first + CHUNK])
        dead.append(dead_units(ae))
        error.append(ae.mse(X_test))
    return np.array(dead), np.array(error)


def logit(a: np.ndarray) -> np.ndarray:
    return np.log(a / (1 - a))


mean_digit = X.mean(axis=0)  # (784,)
error_of_mean = ((X_test - mean_digit) ** 2).mean()
b1 = logit(mean_digit.clip(0.01, 0.99))  # a pixel that is always 0 would ask for minus infinity
given = {"initial_parameters": {"b1": b1}}

traces = {rule: [watch(start(rule, seed)) for seed in SEEDS] for rule in starts}
traces["b1 = logit(mean)"] = [watch(start("fan_in", seed, **given)) for seed in SEEDS]
for name, runs in traces.items():
    print(f"{name:16} dead at the start:       {[int(dead[0]) for dead, _ in runs]} of {H}")
    print(f"{'':16} dead after 2,000 digits: {[int(dead[4]) for dead, _ in runs]}")
    print(f"{'':16} error after 2,000:  {[round(float(error[4]), 4) for _, error in runs]}")
    print(f"{'':16} error after 24,000: {[round(float(error[-1]), 4) for _, error in runs]}")
print(f"an output that is always the mean digit has the error {error_of_mean:.4f}")

# %% [markdown]
# ## The picture
#
# Top: where the units start. Bottom: what becomes of them, one line for each of three
# *seeds*, the numbers that the random weights are drawn from.

# %%
figure = saturation(z_start, slope_start, seen, traces, float(error_of_mean))
save(figure, "08_saturation")

# %% [markdown]
# Neither rule *starts* with dead units, and under both of them units die, within the first two
# thousand digits. But with `fan_out` all eight go, with every seed; with `fan_in` some stay.
#
# When all units are dead, the output is the same for every digit, and the best such output is the
# mean digit. That is the *plateau*: the error stays at that of the mean digit. It ends when the
# small gradients have moved a unit far enough to wake up. Then the error falls, towards the best
# that this unit can do, until the next one wakes. The curves in the paper have such steps, and the
# seed decides when they come.

# %%
for dead, error in traces["fan_out"]:
    assert dead[0] == 0
    assert dead[:5].max() == H
    assert np.isclose(error[6], error_of_mean, rtol=0.04)  # the network is stuck
    assert error[dead == H].min() > 0.98 * error_of_mean  # no better while all are dead
for dead, _ in traces["fan_in"]:
    assert dead[0] == 0
    assert H / 2 <= dead[:5].max() < H
last_error = {name: np.mean([error[-1] for _, error in runs]) for name, runs in traces.items()}
assert last_error["fan_in"] < last_error["fan_out"]

# %% [markdown]
# ## Why little reaches the encoder
#
# `fan_out` has a second effect, in the decoder. It feeds 784 pixels, so its weights are drawn
# with 1/28 instead of 1/sqrt(8), ten times smaller. What comes down to the hidden units is
# `da = dz @ W.T`, and it is smaller by that factor at least. Weights that are too large below, and
# too small above: both make the encoder's gradient small.


# %%
def backward_through_the_decoder(ae: Autoencoder) -> np.ndarray:
    """The gradient that arrives at the hidden units, da, for each digit by itself."""
    layer = ae.network_.layers[1]
    code, output = ae.network_.forward(X_test)[1:]
    dz = reference.sigmoid_backward(output - X_test, output)
    da, _, _ = reference.dense_backward(dz, code, layer.W)
    return da  # (250, H)


def encoder_gradient(ae: Autoencoder) -> float:
    network = ae.network_
    gradient = network.backward(network.forward(X_test), X_test)
    return float(np.abs(network.as_dict(gradient)["W0"]).mean())


arriving = {
    rule: np.mean([np.abs(backward_through_the_decoder(ae)).mean() for ae in starts[rule]])
    for rule in starts
}
size = {rule: np.mean([encoder_gradient(ae) for ae in starts[rule]]) for rule in starts}
for rule in starts:
    print(f"{rule:8} mean |da| = {arriving[rule]:.3f}, mean |dW0| = {size[rule]:.5f}")
assert arriving["fan_in"] / arriving["fan_out"] > np.sqrt(784 / H)  # 9.9
assert size["fan_out"] < size["fan_in"] / 20

# %% [markdown]
# ## Why they die
#
# At the start, whatever the digit is, the output is nearly the same: a page of greys, 0.5 on
# average. The digits are mostly background. So the error `output - target` is nearly the same for
# *every* digit, and so is what comes down to a hidden unit: "be smaller", or "be larger", from all
# of them at once.
#
# The weights follow `dW = x.T @ dz`, and no pixel is negative. If `dz` has one sign for all
# digits, so has a unit's whole column of `dW`, and all its weights move in the same direction.
# Then z moves in that direction for all digits, step by step, out to where the sigmoid is flat.
# What stops the unit there is its own slope.
#
# How strong is this *common push*? Split what arrives at a unit into its mean over the digits,
# which is what they want *in common*, and the standard deviation around it, which is what each
# wants *for itself*. Only the second can teach a unit to tell digits apart.


# %%
def common_to_own(ae: Autoencoder) -> float:
    da = backward_through_the_decoder(ae)
    return float(np.abs(da.mean(axis=0)).mean() / da.std(axis=0).mean())


def after_300_digits(weight_init: str, seed: int, **options) -> Autoencoder:
    return start(weight_init, seed, **options).partial_fit(X[:300])


grey = np.mean([ae.reconstruct(X_test).mean() for ae in starts["fan_in"]])
print(f"at the start: mean output {grey:.2f}, mean pixel {X_test.mean():.2f}")
assert abs(grey - 0.5) < 0.05
assert X_test.mean() < 0.15
for rule in starts:
    ratios = [common_to_own(after_300_digits(rule, seed)) for seed in SEEDS]
    print(f"{rule:8} after 300 digits: common / own = {np.round(ratios, 1).tolist()}")
    assert min(ratios) > 1.5

# %% [markdown]
# ## What keeps them alive
#
# If the common push is the cause, take it away. Let the output biases start where the output
# should be on average: sigmoid(b1) = the mean digit. To find this b1, solve the sigmoid for z:
#
# $$ a = \frac{1}{1 + e^{-z}} \quad\Longleftrightarrow\quad z = \ln \frac{a}{1 - a} $$
#
# The right-hand side is called the *logit* of a. Then there is not much left that all digits want.

# %%
assert np.allclose(reference.sigmoid_forward(b1), mean_digit.clip(0.01, 0.99), rtol=1e-6)  # float32
ratios = [common_to_own(after_300_digits("fan_in", seed, **given)) for seed in SEEDS]
print(f"b1 = logit(mean), after 300 digits: common / own = {np.round(ratios, 1).tolist()}")
assert max(ratios) < 0.5
assert max(dead.max() for dead, _ in traces["b1 = logit(mean)"]) == 0
assert last_error["b1 = logit(mean)"] < 0.9 * last_error["fan_in"]

# %% [markdown]
# Not one unit dies, and the error is lower than with either rule alone. A gradient check would have
# said "right" at every point of all these training runs.
#
# ## Exercises
#
# 1. What is std(z) under `fan_out` for 2 and for 112 hidden units? Guess first: which network
#    suffers more at the start?
# 2. Train 28 units with `fan_out` and the published rule, `backprop="raw_error"`, for 1,000
#    digits. This rule sends the error down without the outputs' slopes. How many units die? Why
#    more than with the gradient?
# 3. Start `fan_out` with the output biases at the mean digit. Do its units die?
# 4. A unit sits at z = 4, and a constant gradient da = 1 pulls it to 0 with learning rate 0.1.
#    How many steps does it take? And from z = 6, and from 8?


# %% [markdown]
# ## Solutions
#
# **1.** std(z) is the root of (sum of squares) / h: 6.8 for 2 units, 0.9 for 112. The narrowest
# networks start worst. Here are a thousand units of each kind.

# %%
rng = np.random.default_rng(0)
for h in (2, 112):
    W = rng.normal(scale=h**-0.5, size=(784, 1000))
    a = reference.sigmoid_forward(X_test @ W)
    flat = (a * (1 - a) < 0.01).mean()
    print(f"h = {h}: std(z) = {(X_test @ W).std():.2f}, slope below 0.01: {flat:.0%}")
    assert np.isclose((X_test @ W).std(), np.sqrt(squares / h), rtol=0.1)
    assert (flat > 0.3) == (h == 2)

# %% [markdown]
# **2.** All of them, or nearly. The gradient goes down through the outputs' slopes, which are at
# most 1/4 and shrink as the outputs get dark. The published rule leaves this factor out: what each
# pixel contributes to the push is at least four times as large. ([Chapter 10](10_which_loss.py)
# says whose gradient it is.)

# %%
dead_28 = {}
for rule in ("exact", "raw_error"):
    ae = Autoencoder(28, weight_init="fan_out", backprop=rule, epochs=0, random_state=0).fit(X)
    at_start = dead_units(ae)
    ae.partial_fit(X[:1000])
    dead_28[rule] = dead_units(ae)
    print(f"{rule:9} dead at the start: {at_start}, after 1,000 digits: {dead_28[rule]} of 28")
    assert at_start == 0
assert dead_28["raw_error"] >= 25
assert dead_28["exact"] < dead_28["raw_error"]

# %% [markdown]
# **3.** No. Large initial weights alone do not kill a unit; the push does.

# %%
dead, error = watch(start("fan_out", 0, **given))
print(f"most units dead at any time: {dead.max()}, error after 24,000 digits {error[-1]:.4f}")
assert dead.max() == 0

# %% [markdown]
# **4.** The step is 0.1 times the slope, and the slope falls like exp(-z). So the time grows like
# exp(z): starting 2 farther out takes about exp(2) = 7.4 times as many steps.


# %%
def steps_to_zero(z: float) -> int:
    steps = 0
    while z > 0:
        a = 1 / (1 + np.exp(-z))
        z -= 0.1 * a * (1 - a)
        steps += 1
    return steps


needed = [steps_to_zero(z) for z in (4.0, 6.0, 8.0)]
print("steps from z = 4, 6 and 8:", needed)
assert 5 < needed[1] / needed[0] < 8
assert 6.5 < needed[2] / needed[1] < 8
