"""Feed-forward networks with skips, dropout and smooth activations."""

import numpy as np

from .case import case, sigmoid


def make_residual(seed, s):
    r = np.random.default_rng(seed)
    parameters = {}
    for k in "12":
        parameters["W" + k] = s * r.normal(size=(4, 4))
        parameters["V" + k] = s * r.normal(size=(4, 4))
        parameters["b" + k] = s * r.normal(size=4)
    return parameters, (r.normal(size=(6, 4)), r.normal(size=(6, 4)))


@case(
    "two residual blocks",
    make_residual,
    {
        "skip forgotten": "missing_term",
        "skip only": "missing_term",
        "skip counted twice": None,
        "relu's derivative missing in block 1": "activation_derivative",
        "relu's step of block 2 in block 1": "wrong_input",
        "V not transposed": "untransposed_weights",
        "W not transposed": "untransposed_weights",
        "dW2 from x instead of block 1's output": "wrong_input",
        "V2 updated before it is used": "updated_weights",
        "b2 not in the forward pass": "unused",
        "db1 and db2 exchanged": "swapped",
        "dV1 transposed": "transposed",
        "no 1/N in block 1": "batch_factor",
        "delta clipped to 0.01": "clipped",
    },
)
def residual(p, X, Y, bug=None):
    N = len(X)
    x, cache = X, []
    for k in "12":
        z = x @ p["W" + k] + (0 if bug == "b2 not in the forward pass" and k == "2" else p["b" + k])
        a = np.maximum(0, z)
        cache.append((k, x, z, a))
        x = x + a @ p["V" + k]
    loss = np.sum((x - Y) ** 2) / (2 * N)
    dx = (x - Y) / N
    d = {}
    for k, x, z, a in reversed(cache):
        if bug == "no 1/N in block 1" and k == "1":
            dx = dx * N
        if bug == "delta clipped to 0.01":
            dx = np.clip(dx, -0.01, 0.01)
        d["V" + k] = a.T @ dx
        V, W = p["V" + k], p["W" + k]
        if bug == "V2 updated before it is used" and k == "2":
            V = V - 0.1 * d["V2"]
        da = dx @ (V if bug == "V not transposed" else V.T)
        step = z > 0
        if bug == "relu's step of block 2 in block 1":
            step = cache[1][2] > 0
        if bug == "relu's derivative missing in block 1" and k == "1":
            step = 1
        dz = da * step
        inner = X if bug == "dW2 from x instead of block 1's output" else x
        d["W" + k], d["b" + k] = inner.T @ dz, dz.sum(axis=0)
        through = dz @ (W if bug == "W not transposed" else W.T)
        skips = {"skip forgotten": 0, "skip counted twice": 2}.get(bug, 1)
        dx = dx if bug == "skip only" else skips * dx + through
    if bug == "db1 and db2 exchanged":
        d["b1"], d["b2"] = d["b2"], d["b1"]
    if bug == "dV1 transposed":
        d["V1"] = d["V1"].T
    return loss, d


def make_dropout(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W1": s * r.normal(size=(4, 5)),
        "b1": s * r.normal(size=5),
        "W2": s * r.normal(size=(5, 5)),
        "b2": s * r.normal(size=5),
        "W3": s * r.normal(size=(5, 2)),
    }
    masks = (r.random((2, 6, 5)) < 0.6).astype(float)
    return parameters, (r.normal(size=(6, 4)), *masks, r.normal(size=(6, 2)))


# https://stats.stackexchange.com/questions/207481 (0 and 1/keep, or 0 and 1?)
@case(
    "network with dropout",
    make_dropout,
    {
        "masks forgotten": "mask",
        "mask of layer 1 forgotten": "mask",
        "masks of the two layers exchanged": "mask",
        "dropped units kept, kept ones dropped": "mask",
        "1/keep forgotten": "factor",
        "1/keep twice": "factor",
        "a(1-a) from the activation after dropout": "wrong_input",
        "sigmoid's derivative missing": "activation_derivative",
        "dW2 from the activation before dropout": "wrong_input",
        "dW2 transposed": "transposed",
        "W2 not transposed": "untransposed_weights",
        "biases averaged": "batch_factor",
    },
)
def dropout(p, X, M1, M2, Y, bug=None):
    N, keep = len(X), 0.6
    a1 = sigmoid(X @ p["W1"] + p["b1"])
    h1 = a1 * M1 / keep
    a2 = sigmoid(h1 @ p["W2"] + p["b2"])
    h2 = a2 * M2 / keep
    out = h2 @ p["W3"]
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d3 = (out - Y) / N
    if bug in ("masks forgotten", "mask of layer 1 forgotten"):
        M1 = np.ones(M1.shape)
    if bug == "masks forgotten":
        M2 = np.ones(M2.shape)
    if bug == "masks of the two layers exchanged":
        M1, M2 = M2, M1
    if bug == "dropped units kept, kept ones dropped":
        M1, M2 = 1 - M1, 1 - M2
    if bug == "1/keep forgotten":
        keep = 1
    if bug == "1/keep twice":
        keep = keep**2
    c1, c2 = (h1, h2) if bug == "a(1-a) from the activation after dropout" else (a1, a2)
    s1, s2 = c1 * (1 - c1), c2 * (1 - c2)
    if bug == "sigmoid's derivative missing":
        s1 = s2 = 1
    d2 = d3 @ p["W3"].T * M2 / keep * s2
    d1 = d2 @ (p["W2"] if bug == "W2 not transposed" else p["W2"].T) * M1 / keep * s1
    dW2 = (a1 if bug == "dW2 from the activation before dropout" else h1).T @ d2
    if bug == "dW2 transposed":
        dW2 = dW2.T
    db1, db2 = d1.sum(axis=0), d2.sum(axis=0)
    if bug == "biases averaged":
        db1, db2 = d1.mean(axis=0), d2.mean(axis=0)
    return loss, {"W1": X.T @ d1, "b1": db1, "W2": dW2, "b2": db2, "W3": h2.T @ d3}


def make_smooth(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W1": s * r.normal(size=(4, 5)),
        "b1": s * r.normal(size=5),
        "W2": s * r.normal(size=(5, 5)),
        "b2": s * r.normal(size=5),
        "W3": s * r.normal(size=(5, 3)),
        "b3": s * r.normal(size=3),
    }
    return parameters, (r.normal(size=(6, 4)), r.random((6, 3)))


def elu(z):
    return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)


# https://blog.primen.dk/numerical-gradient-checking/ (the derivative of the activation left out)
# https://github.com/bighuang624/Andrew-Ng-Deep-Learning-notes/issues/10 (factors 2 and 4 left in)
# https://github.com/jcjohnson/pytorch-examples/issues/5 (grad_w2 in place of w2)
@case(
    "ELU, swish, sigmoid output, squared error",
    make_smooth,
    {
        "output's derivative missing: a - y": "activation_derivative",
        "output: z(1-z)": "activation_derivative",
        "swish: sigmoid(z) only": "activation_derivative",
        "swish: derivative missing": "activation_derivative",
        "ELU: 0 for negative z": "activation_derivative",
        "ELU: a instead of a + 1": "activation_derivative",
        "dW2 * 2": "factor",
        "db1 * 4": "factor",
        "dW2 in place of W2": None,
        "W2 updated before it is used": "updated_weights",
        "a1 overwritten by a2": "wrong_input",
        "dW1 from a1 instead of X": "wrong_input",
        "biases not summed": "not_summed",
        "db2 and db1 exchanged": "swapped",
        "rounded to 3 digits": "rounding",
        "norm clipped to 0.1": "clipped",
        "b1 never filled": "zero",
        "N is the number of outputs": "factor",
    },
)
def smooth_mlp(p, X, Y, bug=None):
    N = len(X)
    z1 = X @ p["W1"] + p["b1"]
    a1 = elu(z1)
    z2 = a1 @ p["W2"] + p["b2"]
    a2 = z2 * sigmoid(z2)
    z3 = a2 @ p["W3"] + p["b3"]
    out = sigmoid(z3)
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d3 = (out - Y) / (Y.shape[1] if bug == "N is the number of outputs" else N)
    if bug == "output: z(1-z)":
        d3 = d3 * z3 * (1 - z3)
    elif bug != "output's derivative missing: a - y":
        d3 = d3 * out * (1 - out)
    s2 = sigmoid(z2)
    g2 = s2 + z2 * s2 * (1 - s2)
    if bug == "swish: sigmoid(z) only":
        g2 = s2
    if bug == "swish: derivative missing":
        g2 = 1
    d2 = d3 @ p["W3"].T * g2
    dW2 = (a2 if bug == "a1 overwritten by a2" else a1).T @ d2
    W2 = p["W2"]
    if bug == "dW2 in place of W2":
        W2 = dW2
    if bug == "W2 updated before it is used":
        W2 = W2 - 0.5 * dW2
    g1 = np.where(z1 > 0, 1, a1 + 1)
    if bug == "ELU: 0 for negative z":
        g1 = np.where(z1 > 0, 1, 0)
    if bug == "ELU: a instead of a + 1":
        g1 = np.where(z1 > 0, 1, a1)
    d1 = d2 @ W2.T * g1
    dW1 = X.T @ d1
    if bug == "dW1 from a1 instead of X":
        dW1 = a1[:, :4].T @ d1
    g = {"W1": dW1, "b1": d1.sum(0), "W2": dW2, "b2": d2.sum(0), "W3": a2.T @ d3, "b3": d3.sum(0)}
    if bug == "dW2 * 2":
        g["W2"] = 2 * dW2
    if bug == "db1 * 4":
        g["b1"] = 4 * g["b1"]
    if bug == "b1 never filled":
        g["b1"] = np.zeros(5)
    if bug == "biases not summed":
        g["b1"], g["b2"], g["b3"] = d1, d2, d3
    if bug == "db2 and db1 exchanged":
        g["b1"], g["b2"] = g["b2"], g["b1"]
    if bug == "rounded to 3 digits":
        g = {k: np.round(v, 3) for k, v in g.items()}
    if bug == "norm clipped to 0.1":
        norm = np.sqrt(sum(np.sum(v**2) for v in g.values()))
        g = {k: v * min(1, 0.1 / norm) for k, v in g.items()}
    return loss, g
