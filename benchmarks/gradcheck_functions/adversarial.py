"""The two losses of a GAN."""

import numpy as np

from .case import case, sigmoid


def make_gan(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(3, 5)),
        "b": s * r.normal(size=5),
        "v": s * r.normal(size=(5, 1)),
    }
    return parameters, (r.normal(size=(6, 3)), r.normal(size=(6, 3)) + 1)


# https://christinakouridi.blog/2019/07/09/vanilla-gan-numpy/ (two backward passes, added)
@case(
    "GAN: discriminator",
    make_gan,
    {
        "fake part forgotten": "missing_term",
        "real part forgotten": "missing_term",
        "fake labelled as real": None,
        "sigmoid's derivative once too often": "activation_derivative",
        "leaky relu: slope 0": "activation_derivative",
        "leaky relu: derivative missing": "activation_derivative",
        "hidden layer of the fake samples for both": "wrong_input",
        "divided by 2N": "factor",
        "sum over the samples": "batch_factor",
        "ascent": "sign",
    },
)
def discriminator(p, real, fake, bug=None):
    N = len(real)

    def forward(x):
        z = x @ p["W"] + p["b"]
        h = np.where(z > 0, z, 0.2 * z)
        return z, h, sigmoid(h @ p["v"])

    passes = [(real, 1, *forward(real)), (fake, 0, *forward(fake))]
    loss = -np.mean(np.log(passes[0][4])) - np.mean(np.log(1 - passes[1][4]))
    d = {k: np.zeros(v.shape) for k, v in p.items()}
    if bug == "fake part forgotten":
        passes = passes[:1]
    if bug == "real part forgotten":
        passes = passes[1:]
    for x, label, z, h, out in passes:
        if bug == "fake labelled as real":
            label = 1
        if bug == "hidden layer of the fake samples for both":
            h = passes[1][3]
        d2 = (out - label) / {"divided by 2N": 2 * N, "sum over the samples": 1}.get(bug, N)
        if bug == "sigmoid's derivative once too often":
            d2 = d2 * out * (1 - out)
        if bug == "ascent":
            d2 = -d2
        slope = 0 if bug == "leaky relu: slope 0" else 0.2
        d1 = d2 @ p["v"].T * np.where(z > 0, 1, slope)
        if bug == "leaky relu: derivative missing":
            d1 = d2 @ p["v"].T
        d["W"] += x.T @ d1
        d["b"] += d1.sum(axis=0)
        d["v"] += h.T @ d2
    return loss, d


def make_generator(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "G1": s * r.normal(size=(2, 4)),
        "b1": s * r.normal(size=4),
        "G2": s * r.normal(size=(4, 3)),
    }
    return parameters, (r.normal(size=(6, 2)),)


# https://www.kdnuggets.com/2018/08/only-numpy-implementing-gans-adam-optimizer.html
@case(
    "GAN: generator",
    make_generator,
    {
        "gradient of the saturating loss": None,
        "tanh of the output: derivative missing": "activation_derivative",
        "discriminator's derivative missing": "activation_derivative",
        "discriminator left out": None,
        "discriminator updated first": "updated_weights",
        "relu's step from the discriminator's layer": "wrong_input",
        "dG2 from z instead of h": "wrong_input",
        "sign": "sign",
        "no 1/N": "batch_factor",
        "clipped to 0.01": "clipped",
    },
)
def generator(p, noise, bug=None):
    N = len(noise)
    r = np.random.default_rng(0)
    D, v = r.normal(size=(3, 4)), r.normal(size=(4, 1))
    z = noise @ p["G1"] + p["b1"]
    h = np.maximum(0, z)
    x = np.tanh(h @ p["G2"])
    q = np.tanh(x @ D)
    out = sigmoid(q @ v)
    loss = -np.mean(np.log(out))
    d = (out - 1) / (1 if bug == "no 1/N" else N)
    if bug == "gradient of the saturating loss":
        d = -out / N
    if bug == "sign":
        d = -d
    dq = d @ v.T
    if bug != "discriminator's derivative missing":
        dq = dq * (1 - q**2)
    if bug == "discriminator updated first":
        D = D - 0.5 * x.T @ dq
    dx = d * np.ones(x.shape) if bug == "discriminator left out" else dq @ D.T
    if bug != "tanh of the output: derivative missing":
        dx = dx * (1 - x**2)
    dz = dx @ p["G2"].T * (z > 0)
    if bug == "relu's step from the discriminator's layer":
        dz = dx @ p["G2"].T * (q > 0)
    G2 = (z if bug == "dG2 from z instead of h" else h).T @ dx
    grads = {"G1": noise.T @ dz, "b1": dz.sum(axis=0), "G2": G2}
    if bug == "clipped to 0.01":
        grads = {k: np.clip(g, -0.01, 0.01) for k, g in grads.items()}
    return loss, grads
