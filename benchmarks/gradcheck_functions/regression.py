"""Quantile, Poisson and Tweedie regression."""

import numpy as np

from .case import case


def make_quantile(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"w": s * r.normal(size=(4, 1)), "b": s * r.normal(size=1)}
    return parameters, (r.normal(size=(9, 4)), s * r.normal(size=9))


@case(
    "quantile regression",
    make_quantile,
    {
        "tau and 1 - tau exchanged": None,
        "tau forgotten": None,
        "multiplied by the residual": None,
        "sign": "sign",
        "no 1/N": "batch_factor",
        "positive residuals only": "missing_term",
        "bias not summed": "not_summed",
        "(N, 1) - (N,) in the backward pass": "broadcast",
    },
    scales=(1.0, 0.001, 1000.0),
)
def quantile(p, X, y, bug=None):
    N, tau = len(y), 0.8
    out = X @ p["w"] + p["b"]
    e = y[:, None] - out
    loss = np.mean(np.maximum(tau * e, (tau - 1) * e))
    if bug == "(N, 1) - (N,) in the backward pass":
        e = y - out
    d = np.where(e > 0, -tau, 1 - tau)
    if bug == "tau and 1 - tau exchanged":
        d = np.where(e > 0, tau - 1, tau)
    if bug == "tau forgotten":
        d = -np.sign(e)
    if bug == "multiplied by the residual":
        d = d * np.abs(e)
    if bug == "sign":
        d = -d
    if bug == "positive residuals only":
        d = np.where(e > 0, -tau, 0)
    d = d / (1 if bug == "no 1/N" else N)
    if bug == "(N, 1) - (N,) in the backward pass":
        return loss, {"w": np.sum(X.T @ d, axis=1, keepdims=True), "b": d.sum(keepdims=True)[0]}
    return loss, {"w": X.T @ d, "b": d if bug == "bias not summed" else d.sum(axis=0)}


def make_counts(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"w": s * r.normal(size=4) / 2, "b": s * r.normal(size=1) / 2}
    return parameters, (r.normal(size=(8, 4)), r.poisson(2, 8).astype(float), r.uniform(0.5, 2, 8))


# https://stats.stackexchange.com/questions/530184 (the gradient's sign, beside another loss)
@case(
    "Poisson regression with exposure",
    make_counts,
    {
        "y - mu": "sign",
        "multiplied by mu, as for a squared error": "activation_derivative",
        "exp forgotten": None,
        "exposure forgotten": None,
        "data not averaged beside the penalty": "batch_factor",
        "penalty forgotten": "weight_decay",
        "penalty on the intercept too": "weight_decay",
        "penalty averaged over the samples": "weight_decay",
        "intercept of the first sample": "one_sample",
        "y forgotten": "missing_term",
    },
)
def poisson(p, X, y, exposure, bug=None):
    N, lam = len(y), 0.1
    eta = X @ p["w"] + p["b"]
    mu = exposure * np.exp(eta)
    loss = np.mean(mu - y * eta) + lam / 2 * np.sum(p["w"] ** 2)
    d = mu - y
    if bug == "y - mu":
        d = -d
    if bug == "multiplied by mu, as for a squared error":
        d = d * mu
    if bug == "exp forgotten":
        d = eta - y
    if bug == "exposure forgotten":
        d = np.exp(eta) - y
    if bug == "y forgotten":
        d = mu
    if bug != "data not averaged beside the penalty":
        d = d / N
    penalty = {"penalty forgotten": 0, "penalty averaged over the samples": lam / N}.get(bug, lam)
    db = d[:1] if bug == "intercept of the first sample" else d.sum(keepdims=True)
    if bug == "penalty on the intercept too":
        db = db + lam * p["b"]
    return loss, {"w": X.T @ d + penalty * p["w"], "b": db}


def make_tweedie(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"w": s * r.normal(size=4) / 2, "b": s * r.normal(size=1) / 2}
    y = r.gamma(2, 1, 8) * (r.random(8) < 0.7)
    return parameters, (r.normal(size=(8, 4)), y, r.uniform(0.5, 2, 8))


@case(
    "Tweedie regression with sample weights",
    make_tweedie,
    {
        "Poisson's gradient": None,
        "squared error's gradient": None,
        "derivative of exp forgotten": "activation_derivative",
        "sample weights forgotten": None,
        "2 - p in both powers": None,
        "no 1/N": "batch_factor",
        "y - mu": "sign",
        "y's term only": "missing_term",
        "kept in float16": "rounding",
    },
)
def tweedie(p, X, y, weight, bug=None):
    N, q = len(y), 1.5
    mu = np.exp(X @ p["w"] + p["b"])
    loss = np.mean(weight * (mu ** (2 - q) / (2 - q) - y * mu ** (1 - q) / (1 - q)))
    d = mu ** (2 - q) - y * mu ** (1 - q)
    if bug == "Poisson's gradient":
        d = mu - y
    if bug == "squared error's gradient":
        d = (mu - y) * mu
    if bug == "derivative of exp forgotten":
        d = d / mu
    if bug == "2 - p in both powers":
        d = mu ** (2 - q) - y * mu ** (2 - q)
    if bug == "y's term only":
        d = -y * mu ** (1 - q)
    if bug == "y - mu":
        d = -d
    if bug != "sample weights forgotten":
        d = d * weight
    d = d / (1 if bug == "no 1/N" else N)
    dw = X.T @ d
    return loss, {
        "w": dw.astype(np.float16) if bug == "kept in float16" else dw,
        "b": d.sum(keepdims=True),
    }
