"""Margins, penalties, focal loss and smoothed labels."""

import numpy as np

from .case import case, one_hot, sigmoid, softmax


def make_binary(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"w": s * r.normal(size=4), "b": s * r.normal(size=1)}
    return parameters, (r.normal(size=(8, 4)), r.choice([-1.0, 1.0], 8))


# https://twice22.github.io/hingeloss/
@case(
    "squared hinge with L2",
    make_binary,
    {
        "factor 2 of the square forgotten": "factor",
        "margin not masked": "mask",
        "gradient of the plain hinge": None,
        "labels forgotten": None,
        "sign": "sign",
        "penalty forgotten": "weight_decay",
        "penalty / N": "weight_decay",
        "penalty on the bias": "weight_decay",
        "data not averaged beside the penalty": "batch_factor",
        "bias never filled": "zero",
    },
)
def squared_hinge(p, X, y, bug=None):
    N, lam = len(y), 0.2
    m = np.maximum(0, 1 - y * (X @ p["w"] + p["b"]))
    loss = np.mean(m**2) + lam / 2 * np.sum(p["w"] ** 2)
    d = -2 * m * y
    if bug == "factor 2 of the square forgotten":
        d = -m * y
    if bug == "margin not masked":
        d = -2 * (1 - y * (X @ p["w"] + p["b"])) * y
    if bug == "gradient of the plain hinge":
        d = -1.0 * (m > 0) * y
    if bug == "labels forgotten":
        d = -2 * m
    if bug == "sign":
        d = -d
    if bug != "data not averaged beside the penalty":
        d = d / N
    penalty = {"penalty forgotten": 0, "penalty / N": lam / N}.get(bug, lam)
    db = d.sum(keepdims=True)
    if bug == "penalty on the bias":
        db = db + lam * p["b"]
    if bug == "bias never filled":
        db = np.zeros(1)
    return loss, {"w": X.T @ d + penalty * p["w"], "b": db}


# https://z.id.vn/?p=348969 (a loss divided by the number of entries, a gradient that is not)
@case(
    "elastic net, logistic",
    make_binary,
    {
        "L1 forgotten": "l1",
        "L1 without sign": "l1",
        "L1 as squared penalty": "l1",
        "L1 on the intercept": "l1",
        "L2 forgotten": "weight_decay",
        "L2 twice": "weight_decay",
        "L2 subtracted": "weight_decay",
        "data not averaged beside the penalties": "batch_factor",
        "multiplied by s(1-s)": "activation_derivative",
        "y - sigmoid beside the penalties": "sign",
        "class weights forgotten": None,
    },
)
def elastic_net(p, X, y, bug=None):
    N, l1, l2 = len(y), 0.05, 0.3
    t, weight = (y > 0) * 1.0, np.where(y > 0, 2.0, 1.0)
    z = X @ p["w"] + p["b"]
    loss = np.mean(weight * np.log(1 + np.exp(-y * z)))
    loss = loss + l1 * np.sum(np.abs(p["w"])) + l2 / 2 * np.sum(p["w"] ** 2)
    s = sigmoid(z)
    d = s - t
    if bug == "multiplied by s(1-s)":
        d = d * s * (1 - s)
    if bug == "y - sigmoid beside the penalties":
        d = -d
    if bug != "class weights forgotten":
        d = d * weight
    if bug != "data not averaged beside the penalties":
        d = d / N
    lasso = {"L1 forgotten": 0, "L1 without sign": l1, "L1 as squared penalty": l1 * p["w"]}
    ridge = {"L2 forgotten": 0, "L2 twice": 2 * l2, "L2 subtracted": -l2}.get(bug, l2)
    db = d.sum(keepdims=True)
    if bug == "L1 on the intercept":
        db = db + l1 * np.sign(p["b"])
    return loss, {"w": X.T @ d + lasso.get(bug, l1 * np.sign(p["w"])) + ridge * p["w"], "b": db}


@case(
    "focal loss",
    make_binary,
    {
        "modulating factor held constant": "missing_term",
        "gradient of the cross-entropy": None,
        "exponent one too small": None,
        "class weights forgotten": None,
        "label's sign forgotten": None,
        "y - p": "sign",
        "no 1/N": "batch_factor",
    },
)
def focal(p, X, y, bug=None):
    N, gamma = len(y), 2
    alpha = np.where(y > 0, 0.25, 0.75)
    q = sigmoid(y * (X @ p["w"] + p["b"]))
    loss = np.mean(-alpha * (1 - q) ** gamma * np.log(q))
    if bug == "exponent one too small":
        gamma = 1
    if bug == "class weights forgotten":
        alpha = 1
    d = alpha * (1 - q) ** gamma * (gamma * q * np.log(q) - (1 - q))
    if bug == "modulating factor held constant":
        d = -alpha * (1 - q) ** gamma * (1 - q)
    if bug == "gradient of the cross-entropy":
        d = -(1 - q)
    if bug != "label's sign forgotten":
        d = d * y
    if bug == "y - p":
        d = -d
    d = d / (1 if bug == "no 1/N" else N)
    return loss, {"w": X.T @ d, "b": d.sum(keepdims=True)}


def make_smoothing(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"W": s * r.normal(size=(4, 3)), "b": s * r.normal(size=3)}
    return parameters, (r.normal(size=(6, 4)), r.integers(0, 3, 6))


@case(
    "cross-entropy, smoothed labels and temperature",
    make_smoothing,
    {
        "labels not smoothed in the backward pass": None,
        "temperature forgotten": "factor",
        "logarithm's derivative only: -t / P": None,
        "diagonal of the softmax's Jacobian only": "cross_terms",
        "t - P": "sign",
        "divided by N and by the classes": "factor",
        "bias of the last sample": "one_sample",
        "classes rolled by one": "permuted",
    },
)
def smoothing(p, X, y, bug=None):
    N, C, eps, tau = len(y), 3, 0.1, 2.0
    T = (1 - eps) * one_hot(y, C) + eps / C
    P = softmax((X @ p["W"] + p["b"]) / tau)
    loss = -np.sum(T * np.log(P)) / N
    d = P - (one_hot(y, C) if bug == "labels not smoothed in the backward pass" else T)
    if bug == "logarithm's derivative only: -t / P":
        d = -T / P
    if bug == "diagonal of the softmax's Jacobian only":
        d = -T * (1 - P)
    if bug == "t - P":
        d = -d
    if bug == "divided by N and by the classes":
        d = d / C
    d = d / N / (1 if bug == "temperature forgotten" else tau)
    dW, db = X.T @ d, d.sum(axis=0)
    if bug == "classes rolled by one":
        dW, db = np.roll(dW, 1, axis=1), np.roll(db, 1)
    if bug == "bias of the last sample":
        db = d[-1]
    return loss, {"W": dW, "b": db}
