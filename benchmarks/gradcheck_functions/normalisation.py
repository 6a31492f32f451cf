"""Layer norm and group norm."""

import numpy as np

from .case import case


def make_layer_norm(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(4, 5)),
        "gamma": r.normal(size=5),
        "beta": r.normal(size=5),
    }
    return parameters, (r.normal(size=(6, 4)), r.normal(size=(6, 5)))


# https://github.com/tenstorrent/tt-metal/issues/53204 (the mean subtracted twice)
# https://github.com/Oneflow-Inc/oneflow/pull/6149 (gradients of gamma and beta exchanged)
# https://github.com/denizyuret/Knet.jl/issues/288 (gamma forgotten in dx)
@case(
    "layer norm after a dense layer",
    make_layer_norm,
    {
        "mean and variance held constant": "cross_terms",
        "term of the mean missing": "cross_terms",
        "term of the variance missing": "cross_terms",
        "mean subtracted twice": "cross_terms",
        "averages over the batch instead of the features": "cross_terms",
        "1/D missing in the variance's term": "cross_terms",
        "dgamma from x instead of its normalised form": "wrong_input",
        "dgamma and dbeta exchanged": "swapped",
        "gamma forgotten": None,
        "division by the standard deviation forgotten": None,
        "dgamma and dbeta averaged": "batch_factor",
        "dbeta not summed": "not_summed",
        "dW kept in float16": "rounding",
    },
    scales=(1.0, 0.01),
)
def layer_norm(p, X, Y, bug=None):
    N = len(X)
    z = X @ p["W"]
    mu = z.mean(axis=1, keepdims=True)
    std = np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
    xh = (z - mu) / std
    out = p["gamma"] * xh + p["beta"]
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d = (out - Y) / N
    dxh = d if bug == "gamma forgotten" else d * p["gamma"]
    axis = 0 if bug == "averages over the batch instead of the features" else 1
    t1 = dxh.mean(axis=axis, keepdims=True)
    t2 = xh * np.mean(dxh * xh, axis=axis, keepdims=True)
    if bug in ("mean and variance held constant", "term of the mean missing"):
        t1 = 0
    if bug in ("mean and variance held constant", "term of the variance missing"):
        t2 = 0
    if bug == "mean subtracted twice":
        t1 = 2 * t1
    if bug == "1/D missing in the variance's term":
        t2 = t2 * z.shape[1]
    dz = dxh - t1 - t2
    if bug != "division by the standard deviation forgotten":
        dz = dz / std
    dgamma = np.sum(
        d * (z if bug == "dgamma from x instead of its normalised form" else xh), axis=0
    )
    dbeta = d.sum(axis=0)
    if bug == "dgamma and dbeta averaged":
        dgamma, dbeta = dgamma / N, dbeta / N
    if bug == "dgamma and dbeta exchanged":
        dgamma, dbeta = dbeta, dgamma
    if bug == "dbeta not summed":
        dbeta = d
    dW = X.T @ dz
    if bug == "dW kept in float16":
        dW = dW.astype(np.float16)
    return loss, {"W": dW, "gamma": dgamma, "beta": dbeta}


def make_group_norm(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "x": s * r.normal(size=(3, 4, 5)),
        "gamma": r.normal(size=4),
        "beta": r.normal(size=4),
    }
    return parameters, (r.normal(size=(3, 4, 5)),)


# https://github.com/mlpack/mlpack/pull/3028 (a backward pass written after the one of batch norm)
@case(
    "group norm",
    make_group_norm,
    {
        "averages over all channels": "cross_terms",
        "averages over one channel": "cross_terms",
        "term of the variance missing": "cross_terms",
        "mean and variance held constant": "cross_terms",
        "sum instead of mean over the group": "cross_terms",
        "dgamma of the first position only": None,
        "dbeta averaged over the batch": "batch_factor",
        "gamma forgotten": None,
    },
    batch=False,
    scales=(1.0, 0.01),
)
def group_norm(p, Y, bug=None):
    x, (N, C, L), G = p["x"], p["x"].shape, 2
    xg = x.reshape(N, G, -1)
    std = np.sqrt(xg.var(axis=2, keepdims=True) + 1e-5)
    xh = ((xg - xg.mean(axis=2, keepdims=True)) / std).reshape(N, C, L)
    out = p["gamma"][:, None] * xh + p["beta"][:, None]
    loss = np.sum((out - Y) ** 2) / 2
    d = out - Y
    dxh = d if bug == "gamma forgotten" else d * p["gamma"][:, None]
    groups = {"averages over all channels": 1, "averages over one channel": C}.get(bug, G)
    a, b = dxh.reshape(N, groups, -1), xh.reshape(N, groups, -1)
    t1 = a.mean(axis=2, keepdims=True) + 0 * a
    t2 = b * np.mean(a * b, axis=2, keepdims=True)
    if bug == "mean and variance held constant":
        t1, t2 = 0 * t1, 0 * t2
    if bug == "term of the variance missing":
        t2 = 0 * t2
    if bug == "sum instead of mean over the group":
        t1, t2 = t1 * a.shape[2], t2 * a.shape[2]
    dx = ((dxh - (t1 + t2).reshape(N, C, L)).reshape(N, G, -1) / std).reshape(N, C, L)
    dgamma, dbeta = np.sum(d * xh, axis=(0, 2)), np.sum(d, axis=(0, 2))
    if bug == "dgamma of the first position only":
        dgamma = np.sum(d * xh, axis=0)[:, 0]
    if bug == "dbeta averaged over the batch":
        dbeta = dbeta / N
    return loss, {"x": dx, "gamma": dgamma, "beta": dbeta}
