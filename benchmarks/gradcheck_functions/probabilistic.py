"""Mixtures, predicted variances, a flow and a Gaussian process."""

import numpy as np

from .case import case, softmax


def make_gmm(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "logits": s * r.normal(size=3),
        "mu": s * r.normal(size=(3, 2)),
        "log_sigma": s * r.normal(size=(3, 2)) / 2,
    }
    return parameters, (r.normal(size=(8, 2)),)


# https://nnsvs.github.io/modules/mdn.html (whose layer returns log-weights and log-deviations)
@case(
    "Gaussian mixture",
    make_gmm,
    {
        "responsibilities forgotten: 1/K each": None,
        "responsibilities normalised over the samples": None,
        "best component only": None,
        "weights: pi not subtracted": "missing_term",
        "mu: divided by sigma, not by sigma**2": None,
        "mu: sign": "sign",
        "log sigma: -1 forgotten": "missing_term",
        "log sigma: derivative by sigma": "activation_derivative",
        "no 1/N": "batch_factor",
        "first sample only": "one_sample",
        "weights never filled": "zero",
    },
)
def gmm(p, X, bug=None):
    N = len(X)
    pi, sigma = softmax(p["logits"]), np.exp(p["log_sigma"])
    z = (X[:, None] - p["mu"]) / sigma
    logs = np.log(pi) + np.sum(-(z**2) / 2 - p["log_sigma"] - np.log(2 * np.pi) / 2, axis=2)
    top = logs.max(axis=1, keepdims=True)
    loss = -np.mean(top[:, 0] + np.log(np.sum(np.exp(logs - top), axis=1)))
    R = softmax(logs, axis=0 if bug == "responsibilities normalised over the samples" else 1)
    if bug == "responsibilities forgotten: 1/K each":
        R = np.ones(R.shape) / 3
    if bug == "best component only":
        R = (R.max(axis=1, keepdims=True) == R) * 1.0
    R = R / (1 if bug == "no 1/N" else N)
    if bug == "first sample only":
        R, z = R[:1], z[:1]
    dlogits = -R.sum(axis=0)
    if bug != "weights: pi not subtracted":
        dlogits = dlogits + R.sum() * pi
    if bug == "weights never filled":
        dlogits = np.zeros(3)
    scaled = z if bug == "mu: divided by sigma, not by sigma**2" else z / sigma
    dmu = -np.sum(R[:, :, None] * scaled, axis=0)
    if bug == "mu: sign":
        dmu = -dmu
    dls = -np.sum(R[:, :, None] * (z**2 - (0 if bug == "log sigma: -1 forgotten" else 1)), axis=0)
    if bug == "log sigma: derivative by sigma":
        dls = dls / sigma
    return loss, {"logits": dlogits, "mu": dmu, "log_sigma": dls}


def make_heads(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(3, 5)),
        "b": s * r.normal(size=5),
        "M": s * r.normal(size=(5, 2)),
        "S": s * r.normal(size=(5, 2)),
    }
    return parameters, (r.normal(size=(6, 3)), r.normal(size=(6, 2)))


@case(
    "network with mean and log-variance",
    make_heads,
    {
        "variance: -1 forgotten": "missing_term",
        "variance: 1/2 forgotten": "factor",
        "variance: not divided by the variance": None,
        "mean: not divided by the variance": None,
        "hidden layer without the variance's path": "missing_term",
        "hidden layer without the mean's path": "missing_term",
        "heads exchanged": "swapped",
        "tanh: 1 - a": "activation_derivative",
        "tanh: derivative missing": "activation_derivative",
        "dM from z instead of h": "wrong_input",
        "mean: y - m": "sign",
        "no 1/N": "batch_factor",
    },
)
def heads(p, X, Y, bug=None):
    N = len(X)
    z = X @ p["W"] + p["b"]
    h = np.tanh(z)
    m, v = h @ p["M"], h @ p["S"]
    e = m - Y
    loss = np.sum(v + e**2 * np.exp(-v)) / (2 * N)
    dm = e if bug == "mean: not divided by the variance" else e * np.exp(-v)
    if bug == "mean: y - m":
        dm = -dm
    quad = e**2 if bug == "variance: not divided by the variance" else e**2 * np.exp(-v)
    dv = ((0 if bug == "variance: -1 forgotten" else 1) - quad) / 2
    if bug == "variance: 1/2 forgotten":
        dv = 2 * dv
    dm, dv = (d / (1 if bug == "no 1/N" else N) for d in (dm, dv))
    dh = dm @ p["M"].T + dv @ p["S"].T
    if bug == "hidden layer without the variance's path":
        dh = dm @ p["M"].T
    if bug == "hidden layer without the mean's path":
        dh = dv @ p["S"].T
    local = {"tanh: 1 - a": 1 - h, "tanh: derivative missing": 1}.get(bug, 1 - h**2)
    dz = dh * local
    dM = (z if bug == "dM from z instead of h" else h).T @ dm
    dS = h.T @ dv
    if bug == "heads exchanged":
        dM, dS = dS, dM
    return loss, {"W": X.T @ dz, "b": dz.sum(axis=0), "M": dM, "S": dS}


def make_flow(seed, s):
    r = np.random.default_rng(seed)
    parameters = {k: s * r.normal(size=(2, 2)) for k in ("S", "T")}
    parameters |= {k: s * r.normal(size=2) for k in ("bs", "bt")}
    return parameters, (r.normal(size=(6, 4)),)


@case(
    "affine coupling flow",
    make_flow,
    {
        "log-determinant forgotten": "missing_term",
        "log-determinant's sign": None,
        "exp(s) forgotten": None,
        "x2 forgotten": None,
        "tanh of s: derivative missing": "activation_derivative",
        "gradients of s and t exchanged": "swapped",
        "dT transposed": "transposed",
        "no 1/N": "batch_factor",
        "wrong half as input": "wrong_input",
    },
)
def flow(p, X, bug=None):
    N = len(X)
    x1, x2 = X[:, :2], X[:, 2:]
    s = np.tanh(x1 @ p["S"] + p["bs"])
    t = x1 @ p["T"] + p["bt"]
    y = x2 * np.exp(s) + t
    loss = (np.sum(y**2) / 2 - np.sum(s)) / N
    n = 1 if bug == "no 1/N" else N
    dt = y / n
    ds = dt * x2 * np.exp(s)
    if bug == "exp(s) forgotten":
        ds = dt * x2
    if bug == "x2 forgotten":
        ds = dt * np.exp(s)
    ds = ds + {"log-determinant forgotten": 0, "log-determinant's sign": 1}.get(bug, -1) / n
    if bug != "tanh of s: derivative missing":
        ds = ds * (1 - s**2)
    x = x2 if bug == "wrong half as input" else x1
    d = {"S": x.T @ ds, "T": x.T @ dt, "bs": ds.sum(axis=0), "bt": dt.sum(axis=0)}
    if bug == "gradients of s and t exchanged":
        d = {"S": d["T"], "T": d["S"], "bs": d["bt"], "bt": d["bs"]}
    if bug == "dT transposed":
        d["T"] = d["T"].T
    return loss, d


def make_gp(seed, s):
    r = np.random.default_rng(seed)
    X = r.normal(size=(7, 2))
    parameters = {
        "log_l": s * r.normal(size=2) / 2,
        "log_f": s * r.normal() / 2,
        "log_n": -1 + 0.1 * r.normal(),
    }
    return parameters, (X, np.sin(X[:, 0]) + 0.3 * r.normal(size=7))


# Rasmussen and Williams, Gaussian Processes for Machine Learning, equation 5.9
@case(
    "Gaussian process, marginal likelihood",
    make_gp,
    {
        "log-determinant forgotten": "missing_term",
        "data term forgotten": "missing_term",
        "gradient of the log-likelihood": "sign",
        "1/2 forgotten": "factor",
        "length scales: derivative by l, not log l": "activation_derivative",
        "noise: sigma**2 for 2 sigma**2": "factor",
        "inverse of the covariance without the noise": None,
        "length scales exchanged": "permuted",
        "noise never filled": "zero",
    },
    batch=False,
)
def gp(p, X, y, bug=None):
    l, f, n = np.exp(p["log_l"]), np.exp(p["log_f"]), np.exp(p["log_n"])
    D = (X[:, None] - X[None]) ** 2 / l**2
    Kf = f**2 * np.exp(-np.sum(D, axis=2) / 2)
    K = Kf + n**2 * np.eye(len(y))
    inverse = np.linalg.inv(K)
    alpha = inverse @ y
    loss = y @ alpha / 2 + np.linalg.slogdet(K)[1] / 2
    if bug == "inverse of the covariance without the noise":
        inverse = np.linalg.inv(Kf + 0.01 * np.eye(len(y)))
    dK = (inverse - np.outer(alpha, alpha)) / 2
    if bug == "log-determinant forgotten":
        dK = -np.outer(alpha, alpha) / 2
    if bug == "data term forgotten":
        dK = inverse / 2
    if bug == "gradient of the log-likelihood":
        dK = -dK
    if bug == "1/2 forgotten":
        dK = 2 * dK
    dl = np.einsum("ij,ijk->k", dK * Kf, D)
    if bug == "length scales: derivative by l, not log l":
        dl = dl / l
    if bug == "length scales exchanged":
        dl = dl[::-1]
    dn = 2 * n**2 * np.trace(dK)
    if bug == "noise: sigma**2 for 2 sigma**2":
        dn = dn / 2
    if bug == "noise never filled":
        dn = 0 * dn
    return loss, {"log_l": dl, "log_f": 2 * np.sum(dK * Kf), "log_n": dn}
