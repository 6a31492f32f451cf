"""Losses that compare vectors: contrastive, triplet, cosine, t-SNE."""

import numpy as np

from .case import case, softmax


def make_infonce(seed, s):
    r = np.random.default_rng(seed)
    return {"W": s * r.normal(size=(4, 3))}, (r.normal(size=(5, 4)), r.normal(size=(5, 4)))


# https://25621.github.io/ai-learning-guides/guides/multimodal-learning/projects/implement-infonce/
@case(
    "InfoNCE, shared encoder",
    make_infonce,
    {
        "temperature forgotten": "factor",
        "temperature multiplied": "factor",
        "second view taken as constant": "missing_term",
        "first view taken as constant": "missing_term",
        "norm held constant": "cross_terms",
        "positive pair not subtracted": None,
        "softmax over the other axis": None,
        "no 1/N": "batch_factor",
        "sign": "sign",
        "similarities not transposed for the second view": None,
    },
    batch=False,
)
def infonce(p, X1, X2, bug=None):
    N, tau = len(X1), 0.5
    u1, u2 = X1 @ p["W"], X2 @ p["W"]
    n1, n2 = (np.sqrt(np.sum(u**2, axis=1, keepdims=True)) for u in (u1, u2))
    v1, v2 = u1 / n1, u2 / n2
    S = v1 @ v2.T / tau
    P = softmax(S)
    loss = -np.mean(np.log(np.diag(P)))
    dS = softmax(S, axis=0) if bug == "softmax over the other axis" else P
    if bug != "positive pair not subtracted":
        dS = dS - np.eye(N)
    if bug == "sign":
        dS = -dS
    dS = dS / (1 if bug == "no 1/N" else N)
    if bug == "temperature multiplied":
        dS = dS * tau
    elif bug != "temperature forgotten":
        dS = dS / tau
    dv1 = dS @ v2
    dv2 = (dS if bug == "similarities not transposed for the second view" else dS.T) @ v1
    du1 = dv1 / n1
    du2 = dv2 / n2
    if bug != "norm held constant":
        du1 = du1 - v1 * np.sum(v1 * dv1, axis=1, keepdims=True) / n1
        du2 = du2 - v2 * np.sum(v2 * dv2, axis=1, keepdims=True) / n2
    if bug == "second view taken as constant":
        du2 = 0 * du2
    if bug == "first view taken as constant":
        du1 = 0 * du1
    return loss, {"W": X1.T @ du1 + X2.T @ du2}


def make_triplet(seed, s):
    r = np.random.default_rng(seed)
    return {k: s * r.normal(size=(6, 3)) for k in ("a", "p", "n")}, ()


# https://stackoverflow.com/questions/33330779 (the negative's sign; the anchor's two parts)
@case(
    "triplet loss",
    make_triplet,
    {
        "negative: 2 (f_n - f_a)": "sign",
        "anchor without the negative": "missing_term",
        "anchor without the positive": "missing_term",
        "satisfied triplets not masked": "mask",
        "mask of the violated triplets turned round": "mask",
        "factor 2 forgotten": "factor",
        "no 1/N": "batch_factor",
        "gradients of p and n exchanged": "swapped",
        "anchor never filled": "zero",
        "all signs": "sign",
    },
    batch=False,
    scales=(1.0, 0.1),
)
def triplet(q, bug=None):
    a, p, n = q["a"], q["p"], q["n"]
    N = len(a)
    m = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1) + 0.5
    loss = np.mean(np.maximum(0, m))
    on = (m > 0)[:, None] * 1.0
    if bug == "satisfied triplets not masked":
        on = np.ones((N, 1))
    if bug == "mask of the violated triplets turned round":
        on = 1 - on
    c = on * (1 if bug == "factor 2 forgotten" else 2) / (1 if bug == "no 1/N" else N)
    if bug == "all signs":
        c = -c
    da, dp, dn = c * (n - p), c * (p - a), c * (a - n)
    if bug == "negative: 2 (f_n - f_a)":
        dn = -dn
    if bug == "anchor without the negative":
        da = c * (a - p)
    if bug == "anchor without the positive":
        da = c * (n - a)
    if bug == "gradients of p and n exchanged":
        dp, dn = dn, dp
    if bug == "anchor never filled":
        da = np.zeros(a.shape)
    return loss, {"a": da, "p": dp, "n": dn}


def make_cosine(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"W": s * r.normal(size=(4, 3)), "b": s * r.normal(size=3)}
    return parameters, (r.normal(size=(6, 4)), r.normal(size=(6, 3)))


# https://honnibal.dev/blog/cosine-derivation, https://math.stackexchange.com/questions/1923613
@case(
    "cosine loss",
    make_cosine,
    {
        "norm held constant": "cross_terms",
        "cos * u / |u|: norm not squared": None,
        "target not divided by the norms": None,
        "norm of the target forgotten": None,
        "gradient of the similarity": "sign",
        "no 1/N": "batch_factor",
        "bias of one sample": "one_sample",
        "difference of the unit vectors": None,
    },
    scales=(1.0, 0.001, 1000.0),
)
def cosine(p, X, Y, bug=None):
    N = len(X)
    u = X @ p["W"] + p["b"]
    nu, ny = np.linalg.norm(u, axis=1, keepdims=True), np.linalg.norm(Y, axis=1, keepdims=True)
    cos = np.sum(u * Y, axis=1, keepdims=True) / (nu * ny)
    loss = np.mean(1 - cos)
    first, second = Y / (nu * ny), cos * u / nu**2
    if bug == "norm held constant":
        second = 0
    if bug == "cos * u / |u|: norm not squared":
        second = cos * u / nu
    if bug == "target not divided by the norms":
        first = Y
    if bug == "norm of the target forgotten":
        first = Y / nu
    du = -(first - second) / (1 if bug == "no 1/N" else N)
    if bug == "gradient of the similarity":
        du = -du
    if bug == "difference of the unit vectors":
        du = (u / nu - Y / ny) / N
    return loss, {"W": X.T @ du, "b": du[0] if bug == "bias of one sample" else du.sum(axis=0)}


def make_tsne(seed, s):
    r = np.random.default_rng(seed)
    P = r.random((6, 6))
    P = (P + P.T) * (1 - np.eye(6))
    return {"Y": s * r.normal(size=(6, 2))}, (P / P.sum(),)


@case(
    "t-SNE",
    make_tsne,
    {
        "2 instead of 4": "factor",
        "q - p": "sign",
        "1/(1 + d) forgotten (SNE's gradient)": None,
        "normalisation of q held constant": "cross_terms",
        "last point only": None,
        "averaged over the points": "factor",
    },
    batch=False,
    scales=(1.0, 0.01),
)
def tsne(p, P, bug=None):
    diff = p["Y"][:, None] - p["Y"][None]
    num = 1 / (1 + np.sum(diff**2, axis=2))
    off = 1 - np.eye(len(P))
    Q = num * off / np.sum(num * off)
    loss = np.sum(P * np.log((P + 1 - off) / (Q + 1 - off)))
    PQ = P if bug == "normalisation of q held constant" else P - Q
    if bug == "q - p":
        PQ = -PQ
    if bug != "1/(1 + d) forgotten (SNE's gradient)":
        PQ = PQ * num
    dY = 4 * np.einsum("ij,ijk->ik", PQ, diff)
    if bug == "2 instead of 4":
        dY = dY / 2
    if bug == "last point only":
        dY = 4 * PQ[:, -1:] * diff[:, -1]
    if bug == "averaged over the points":
        dY = dY / len(P)
    return loss, {"Y": dY}
