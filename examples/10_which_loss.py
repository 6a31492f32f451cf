# %% [markdown]
# # 10. Which loss? Squared error against cross-entropy
#
# "With sigmoid outputs, use cross-entropy: it does not stop learning when the outputs saturate."
# Many textbooks say so. Is it true, and does it help our autoencoder? We start both losses where
# the paper starts, and watch.
#
# **At the end you will understand** what cross-entropy is, why its gradient lacks the slope of the
# output, what that changes and what it does not, and whose gradient the rule published with the
# paper is.
#
# **You need** [chapter 8](08_saturation.py): slopes, dead units, the start of the paper.
#
# **This explains**, in the textbook page of the package, the choice of
# [`half_squared_error_forward`](../ae_numpy/reference.py#half_squared_error_forward), and why
# [`sigmoid_backward`](../ae_numpy/reference.py#sigmoid_backward) comes after it.

# %%
import numpy as np
from tour import save
from tour_pictures_training import which_loss

from ae_numpy import Autoencoder, Network
from ae_numpy.datasets import load_stroke_digits
from ae_numpy.gradcheck import check_gradients
from ae_numpy.initialization import initial_parameters
from ae_numpy.reference import half_squared_error_forward, sigmoid_forward

# %% [markdown]
# ## Cross-entropy
#
# Read an output a between 0 and 1 as a probability: the pixel is ink with probability a. If it
# really is ink, t = 1, the loss is -ln(a): nothing if a is 1, and more without limit the closer a
# is to 0. If it is background, t = 0, the loss is -ln(1 - a). A pixel of a grey between them
# counts partly as the one and partly as the other:
#
# $$ J = -\frac{1}{B} \sum \left( t \ln a + (1 - t) \ln (1 - a) \right) $$
#
# This is the *cross-entropy*, summed over pixels and averaged over the B samples, like the half
# squared error. Now the gradient. For one sample, with da/dz = a (1 - a),
#
# $$ \frac{dJ}{da} = -\frac{t}{a} + \frac{1 - t}{1 - a} = \frac{a - t}{a (1 - a)},
#    \qquad \frac{dJ}{dz} = \frac{dJ}{da} \, a (1 - a) = a - t $$
#
# The slope has cancelled. For the squared error it has not: there dJ/dz = (a - t) a (1 - a).


# %%
def squared_error(z: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss and its gradient with respect to z."""
    a = sigmoid_forward(z)
    return half_squared_error_forward(a, t), (a - t) * a * (1 - a) / len(z)


def cross_entropy(z: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss and its gradient with respect to z."""
    a = sigmoid_forward(z)
    return -(t * np.log(a) + (1 - t) * np.log(1 - a)).sum() / len(z), (a - t) / len(z)


rng = np.random.default_rng(0)
z, t = rng.normal(size=(4, 3)), rng.random((4, 3))
for loss in (squared_error, cross_entropy):
    report = check_gradients(loss, z, batch=(t,))
    print(f"gradient of the {loss.__name__}: {report.verdict}")
    assert report.ok

# %% [markdown]
# ## One output that is wrong
#
# An output says a = 0.998, z = 6, and should say 0. The step is the learning rate, 0.5, times the
# gradient. How many steps does it take to get below 0.1?


# %%
def steps_until_low(loss) -> int:
    z, steps = np.array([[6.0]]), 0
    while sigmoid_forward(z) > 0.1:
        z, steps = z - 0.5 * loss(z, np.zeros((1, 1)))[1], steps + 1
    return steps


steps = {loss: steps_until_low(loss) for loss in (squared_error, cross_entropy)}
print({loss.__name__: count for loss, count in steps.items()})
assert steps[squared_error] > 25 * steps[cross_entropy]

# %% [markdown]
# The textbooks are right about this: one saturated output learns about thirty times faster with
# cross-entropy.
#
# ## From the start of the paper
#
# Now a network: 784-8-784, `fan_out` weights and biases, one digit at a time, learning rate 0.01,
# as in [chapter 8](08_saturation.py). The package trains with the squared error only. So
# here is one step with cross-entropy, by hand. It is the package's step, without one factor.


# %%
def sigmoid(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(1000) is infinite, and 1 / infinity is the right answer
        return 1 / (1 + np.exp(-z))


def cross_entropy_step(p: dict[str, np.ndarray], x: np.ndarray, learning_rate: float) -> None:
    """Change the parameters in place; x is one image."""
    a = sigmoid(x @ p["W0"] + p["b0"])
    output = sigmoid(a @ p["W1"] + p["b1"])
    delta1 = output - x  # the squared error has the factor output * (1 - output) here
    delta0 = (p["W1"] @ delta1) * a * (1 - a)
    p["W1"] -= learning_rate * np.outer(a, delta1)
    p["b1"] -= learning_rate * delta1
    p["W0"] -= learning_rate * np.outer(x, delta0)
    p["b0"] -= learning_rate * delta0


H, SEEDS, CHUNK, CHUNKS = 8, (0, 1, 2), 500, 48
digits = load_stroke_digits(n_train=2000, n_test=250)
X = (digits.train_images.reshape(-1, 784) / 255).astype(np.float32)
X_test = (digits.test_images.reshape(-1, 784) / 255).astype(np.float32)
error_of_mean = float(((X.mean(axis=0) - X_test) ** 2).mean())
seen = CHUNK * np.arange(CHUNKS + 1)


def look_at(network: Network) -> tuple[float, int]:
    """The mean squared error on the test digits, and the number of dead units."""
    _, a, output = network.forward(X_test)
    dead = (a * (1 - a)).mean(axis=0) < 0.01  # as in chapter 8
    return float(((output - X_test) ** 2).mean()), int(dead.sum())


def watch(rule: str, learning_rate: float, seed: int, **options) -> np.ndarray:
    """Train with 24,000 digits; (error, dead units) at the start and after each chunk."""
    rates = {"learning_rate": learning_rate, "weight_init": "fan_out", "shuffle": False}
    ae = Autoencoder(H, epochs=0, random_state=seed, **rates, **options).fit(X)
    network = ae.network_
    found = [look_at(network)]
    for chunk in range(CHUNKS):
        first = chunk * CHUNK % len(X)
        if rule == "squared error":
            network = ae.partial_fit(X[first : first + CHUNK]).network_
        else:
            parameters = network.as_dict()  # views: changing them changes the network
            for x in X[first : first + CHUNK]:
                cross_entropy_step(parameters, x, learning_rate)
        found.append(look_at(network))
    return np.array(found)


runs = {
    f"{rule}, rate {rate:g}": [watch(rule, rate, seed) for seed in SEEDS]
    for rule, rate in (("squared error", 0.01), ("cross-entropy", 0.01), ("squared error", 0.05))
}
final = {name: float(np.mean([run[-1, 0] for run in of])) for name, of in runs.items()}
for name, of in runs.items():
    print(f"{name:24} mse after 24,000 digits {[round(float(run[-1, 0]), 4) for run in of]},")
    print(f"{'':24} most dead units {[int(run[:, 1].max()) for run in of]} of {H}")

# %% [markdown]
# ## The picture
#
# Left: the two losses of one output that should be 0. Middle and right: training from
# the start of the paper, one line for each seed.

# %%
z_line = np.linspace(-8, 8, 81)[:, None]
curves = {
    loss.__name__.replace("_", " " if loss is squared_error else "-"): np.array(
        [loss(z_of_one[None], np.zeros((1, 1)))[0] for z_of_one in z_line]
    )
    for loss in (squared_error, cross_entropy)
}
figure = which_loss(z_line[:, 0], curves, seen, runs, error_of_mean)
save(figure, "10_which_loss")

# %% [markdown]
# Three things can be read off.
#
# - *At the same learning rate, cross-entropy gets farther*, with every seed. It leaves the plateau
#   at the mean digit earlier.
# - *The hidden units die all the same*: at some time seven or all eight of them. The slope that has
#   cancelled is that of the *outputs*. The hidden units keep theirs, and the push that kills them,
#   `W1 @ delta1`, has become stronger.
# - *Most of the gain is a larger step.* Without the slope, which is at most 1/4, the gradient is at
#   least four times as large. Give the squared error five times the learning rate, and it does
#   nearly as well. To compare two losses at one learning rate is to compare two step
#   sizes.

# %%
slow, cross, fast = final.values()
for squared, crossed in zip(*list(runs.values())[:2], strict=True):
    assert crossed[-1, 0] < 0.95 * squared[-1, 0]
assert min(run[:, 1].max() for of in runs.values() for run in of) >= H - 1
print(f"of the gain {slow - cross:.4f}, the larger step alone brings {slow - fast:.4f}")
assert 0.5 < (slow - fast) / (slow - cross) < 1

# %% [markdown]
# The start matters more than the loss. With output biases at logit(mean digit), no unit dies, and
# the plain squared error at rate 0.01 ends below all of the lines above.

# %%
mean_digit = X.mean(axis=0).clip(0.01, 0.99)
good_start = {"initial_parameters": {"b1": np.log(mean_digit / (1 - mean_digit))}}
started_well = [watch("squared error", 0.01, seed, **good_start) for seed in SEEDS]
last = [round(float(run[-1, 0]), 4) for run in started_well]
print(f"squared error, rate 0.01, good start: {last}")
assert max(last) < min(run[-1, 0] for of in runs.values() for run in of)
assert max(run[:, 1].max() for run in started_well) == 0

# %% [markdown]
# ## The published rule is two gradients
#
# The paper's code sends down to the hidden layer the raw error, `W1 @ (output - x)`, without the
# slope of the outputs. Compare with `cross_entropy_step`: this *is* the gradient of the
# cross-entropy. But its output layer follows the squared error. So the encoder minimizes one loss
# and the decoder another. Here is the proof, on five digits.

# %%
published = Network((784, H, 784), backprop="raw_error")
published.parameters[:] = initial_parameters(published, "fan_out", seed=0)
_, rule = published.loss_and_gradients(published.as_dict(), X[:5])


def gradients_of(loss) -> dict[str, np.ndarray]:
    """The gradients of a loss, by the chain rule."""
    network = published.as_dict()
    x, a, _ = published.forward(X[:5])
    delta1 = loss(a @ network["W1"] + network["b1"], x)[1]
    delta0 = (delta1 @ network["W1"].T) * a * (1 - a)
    sums = {"W0": x.T @ delta0, "b0": delta0.sum(axis=0)}
    return sums | {"W1": a.T @ delta1, "b1": delta1.sum(axis=0)}


of_squares, of_cross = gradients_of(squared_error), gradients_of(cross_entropy)
for name, array in rule.items():
    loss, expected = ("cross-entropy", of_cross) if name[1] == "0" else ("squares", of_squares)
    np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-15)  # sums, reordered
    print(f"{name}: the published rule is the gradient of the {loss}")
assert not np.allclose(rule["W0"], of_squares["W0"], rtol=0.1)

# %% [markdown]
# ## Which one to use?
#
# If the result is reported as a mean squared error, and if the start and the learning rate are
# chosen well, the squared error is the plain choice: you minimize what you report. If outputs are
# probabilities, as in classification, cross-entropy is: it is what a wrong probability costs.
# Whatever you choose, choose the learning rate for it.
#
# ## Exercises
#
# 1. What is the smallest cross-entropy of an output whose target is t = 0.5? And where is it?
# 2. All samples get the same output a. Which a minimizes the cross-entropy? And the squared error?
# 3. At z = 40, 1 - a is 0 to double precision, and the cross-entropy of t = 0 is infinite. Write it
#    as a function of z that has no such trouble.
#
# Try them before you read on.

# %% [markdown]
# ## Solutions
#
# **1.** At a = t, where the gradient a - t is 0, as for the squared error. But there the loss is
# not 0: it is ln 2 = 0.69. For grey targets the cross-entropy has a floor. So its value says little
# by itself.

# %%
half = np.full((1, 1), 0.5)
at_floor, gradient = cross_entropy(np.zeros((1, 1)), half)
print(f"at a = t = 0.5: loss {at_floor:.4f}, gradient {gradient[0, 0]}")
assert np.isclose(at_floor, np.log(2), rtol=1e-12)
assert gradient == 0
assert cross_entropy(np.full((1, 1), 0.3), half)[0] > at_floor

# %% [markdown]
# **2.** The mean of the targets, for both. The gradients add up over samples: the sum of (a - t) is
# 0 when a is the mean of t, and a factor a (1 - a), the same for all samples, does not change that.
# The plateau of this chapter is at the same height for both losses for this reason.

# %%
for loss in (squared_error, cross_entropy):
    z_mean = np.log(t.mean(axis=0) / (1 - t.mean(axis=0)))
    total = loss(np.tile(z_mean, (4, 1)), t)[1].sum(axis=0)
    print(f"{loss.__name__}: largest summed gradient {np.abs(total).max():.0e}")
    assert np.abs(total).max() < 1e-15

# %% [markdown]
# **3.** With 1 - a = 1 / (1 + exp(z)) and ln a = z + ln(1 - a), the loss is ln(1 + exp(z)) - t z.
# NumPy has ln(exp(0) + exp(z)) without overflow: `np.logaddexp(0, z)`. This is why libraries want
# the *logits* z for their cross-entropy, and not the probabilities a.

# %%
stable = float(np.logaddexp(0, 40.0) - 0 * 40.0)
with np.errstate(divide="ignore"):
    naive = cross_entropy(np.full((1, 1), 40.0), np.zeros((1, 1)))[0]
print(f"z = 40, t = 0: from a {naive}, from z {stable}")
assert naive == np.inf
assert np.isclose(stable, 40, rtol=1e-12)
moderate = np.logaddexp(0, z) - t * z
np.testing.assert_allclose(moderate.sum() / 4, cross_entropy(z, t)[0], rtol=1e-12)
