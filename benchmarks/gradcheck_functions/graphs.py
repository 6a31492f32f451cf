"""Graph convolution and a bilinear layer."""

import numpy as np

from .case import case, one_hot, softmax


def make_gcn(seed, s):
    r = np.random.default_rng(seed)
    A = (r.random((7, 7)) < 0.4) + np.eye(7)
    A = A / A.sum(axis=1, keepdims=True)
    parameters = {"W1": s * r.normal(size=(4, 3)), "W2": s * r.normal(size=(3, 3))}
    train = np.array([1, 1, 1, 0, 1, 0, 0])
    return parameters, (A, r.normal(size=(7, 4)), r.integers(0, 3, 7), train)


# https://arxiv.org/abs/2408.01408 (the backward pass of a graph convolution, derived)
@case(
    "graph convolution, 2 layers",
    make_gcn,
    {
        "A instead of A.T": "untransposed_weights",
        "A forgotten in the backward pass": None,
        "training mask forgotten": "mask",
        "divided by all nodes": "factor",
        "relu's derivative missing": "activation_derivative",
        "dW1 from X instead of A X": "wrong_input",
        "dW2 from H instead of A H": "wrong_input",
        "W2 not transposed": "untransposed_weights",
        "W2 updated before it is used": "updated_weights",
        "one-hot not subtracted": None,
        "dW2 transposed": "transposed",
    },
    batch=False,
)
def gcn(p, A, X, y, train, bug=None):
    AX = A @ X
    z1 = AX @ p["W1"]
    H = np.maximum(0, z1)
    AH = A @ H
    P = softmax(AH @ p["W2"])
    n = train.sum()
    loss = -np.sum(train * np.log(P[np.arange(len(y)), y])) / n
    d2 = P if bug == "one-hot not subtracted" else P - one_hot(y, 3)
    if bug != "training mask forgotten":
        d2 = d2 * train[:, None]
    d2 = d2 / (len(y) if bug == "divided by all nodes" else n)
    dW2 = (H if bug == "dW2 from H instead of A H" else AH).T @ d2
    W2 = p["W2"] - 0.1 * dW2 if bug == "W2 updated before it is used" else p["W2"]
    dAH = d2 @ (W2 if bug == "W2 not transposed" else W2.T)
    dH = (A if bug == "A instead of A.T" else A.T) @ dAH
    if bug == "A forgotten in the backward pass":
        dH = dAH
    d1 = dH if bug == "relu's derivative missing" else dH * (z1 > 0)
    dW1 = (X if bug == "dW1 from X instead of A X" else AX).T @ d1
    return loss, {"W1": dW1, "W2": dW2.T if bug == "dW2 transposed" else dW2}


def make_bilinear(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"W": s * r.normal(size=(2, 3, 3)), "b": s * r.normal(size=2)}
    return parameters, (r.normal(size=(6, 3)), r.normal(size=(6, 3)), s * r.normal(size=(6, 2)))


@case(
    "bilinear layer",
    make_bilinear,
    {
        "x1 and x2 exchanged in dW": "transposed",
        "x1 used for both": "wrong_input",
        "first sample only": "one_sample",
        "no 1/N": "batch_factor",
        "1/N twice": "batch_factor",
        "bias not summed": "not_summed",
        "factor 2 of the square": "factor",
        "outputs exchanged": "permuted",
        "weight decay forgotten": "weight_decay",
        "weight decay without its factor 2": "weight_decay",
    },
    scales=(1.0, 0.001, 1000.0),
)
def bilinear(p, X1, X2, Y, bug=None):
    N, lam = len(Y), 0.05
    out = np.einsum("ni,kij,nj->nk", X1, p["W"], X2) + p["b"]
    loss = np.sum((out - Y) ** 2) / (2 * N) + lam * np.sum(p["W"] ** 2)
    d = (out - Y) / {"no 1/N": 1, "1/N twice": N**2}.get(bug, N)
    if bug == "factor 2 of the square":
        d = 2 * d
    db = d if bug == "bias not summed" else d.sum(axis=0)
    if bug == "x1 and x2 exchanged in dW":
        X1, X2 = X2, X1
    if bug == "x1 used for both":
        X2 = X1
    if bug == "first sample only":
        X1, X2, d, db = X1[:1], X2[:1], d[:1], d[0]
    dW = np.einsum("nk,ni,nj->kij", d, X1, X2)
    if bug == "outputs exchanged":
        dW, db = dW[::-1], db[::-1]
    decay = {"weight decay forgotten": 0, "weight decay without its factor 2": lam}.get(
        bug, 2 * lam
    )
    return loss, {"W": dW + decay * p["W"], "b": db}
