"""Self-attention and a linear-chain CRF."""

import numpy as np

from .case import case, one_hot, softmax


def make_attention(seed, s):
    r = np.random.default_rng(seed)
    parameters = {k: s * r.normal(size=(4, 4)) for k in ("Wq", "Wk", "Wv", "Wo")}
    return parameters, (r.normal(size=(3, 5, 4)), r.normal(size=(3, 5, 4)))


# https://prof.lexailabs.com/practice/softmax-backward (what the softmax's backward is, and is not)
# https://github.com/triton-lang/triton/issues/5660 (the mask in the backward pass)
@case(
    "causal self-attention",
    make_attention,
    {
        "1/sqrt(d) forgotten": "factor",
        "1/d instead of 1/sqrt(d)": "factor",
        "diagonal of the softmax's Jacobian only": "cross_terms",
        "sum over the queries in the softmax's backward": "cross_terms",
        "softmax's derivative missing": "activation_derivative",
        "dK = dS Q, not transposed": None,
        "dV = P dO, not transposed": None,
        "dWq and dWk exchanged": "swapped",
        "Wo not transposed": "untransposed_weights",
        "mask leaves the diagonal out": "mask",
        "first sequence only": "one_sample",
        "last token only": "time_steps",
        "dWo from X instead of the heads' output": "wrong_input",
        "Wo updated before it is used": "updated_weights",
        "no 1/N": "batch_factor",
    },
)
def attention(p, X, Y, bug=None):
    N, T, D = X.shape
    Q, K, V = X @ p["Wq"], X @ p["Wk"], X @ p["Wv"]
    S = Q @ K.transpose(0, 2, 1) / np.sqrt(D)
    S = np.where(np.tril(np.ones((T, T))) == 1, S, -1e9)
    P = softmax(S)
    O = P @ V
    out = O @ p["Wo"]
    loss = np.sum((out - Y) ** 2) / (2 * N)
    dout = (out - Y) / (1 if bug == "no 1/N" else N)
    Wo = p["Wo"]
    if bug == "Wo updated before it is used":
        Wo = Wo - 0.1 * np.einsum("btd,bte->de", O, dout)
    dO = dout @ (Wo if bug == "Wo not transposed" else Wo.T)
    dP = dO @ V.transpose(0, 2, 1)
    dV = (P if bug == "dV = P dO, not transposed" else P.transpose(0, 2, 1)) @ dO
    axis = 1 if bug == "sum over the queries in the softmax's backward" else 2
    dS = P * (dP - np.sum(dP * P, axis=axis, keepdims=True))
    if bug == "diagonal of the softmax's Jacobian only":
        dS = dP * P * (1 - P)
    if bug == "softmax's derivative missing":
        dS = np.tril(dP)
    if bug == "mask leaves the diagonal out":
        dS = np.tril(dS, -1)
    if bug == "1/d instead of 1/sqrt(d)":
        dS = dS / D
    elif bug != "1/sqrt(d) forgotten":
        dS = dS / np.sqrt(D)
    dQ = dS @ K
    dK = (dS if bug == "dK = dS Q, not transposed" else dS.transpose(0, 2, 1)) @ Q
    if bug == "first sequence only":
        X, O, dQ, dK, dV, dout = (a[:1] for a in (X, O, dQ, dK, dV, dout))
    if bug == "last token only":
        X, O, dQ, dK, dV, dout = (a[:, -1:] for a in (X, O, dQ, dK, dV, dout))
    if bug == "dWq and dWk exchanged":
        dQ, dK = dK, dQ
    grads = {k: np.einsum("btd,bte->de", X, g) for k, g in (("Wq", dQ), ("Wk", dK), ("Wv", dV))}
    heads = X if bug == "dWo from X instead of the heads' output" else O
    return loss, grads | {"Wo": np.einsum("btd,bte->de", heads, dout)}


def make_crf(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"W": s * r.normal(size=(4, 3)), "A": s * r.normal(size=(3, 3))}
    return parameters, (r.normal(size=(4, 5, 4)), r.integers(0, 3, (4, 5)))


def logsumexp(a, axis):
    m = a.max(axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(a - m), axis=axis)) + m.squeeze(axis)


# https://www.chenk.top/en/ml-math-derivations/16-conditional-random-fields/ (the counts)
@case(
    "linear-chain CRF",
    make_crf,
    {
        "observed transitions forgotten": "missing_term",
        "observed labels forgotten": "missing_term",
        "gradient of the log-likelihood": "sign",
        "dA transposed": "transposed",
        "marginals from the forward pass only": None,
        "best path instead of the expectation": None,
        "last transition left out": "time_steps",
        "no 1/N": "batch_factor",
        "first sequence only": "one_sample",
    },
)
def crf(p, X, y, bug=None):
    N, T, _ = X.shape
    A, K = p["A"], len(p["A"])
    E = X @ p["W"]
    alpha, beta = [E[:, 0]], [np.zeros((N, K))]
    for t in range(1, T):
        alpha.append(logsumexp(alpha[-1][:, :, None] + A, axis=1) + E[:, t])
    for t in range(T - 1, 0, -1):
        beta.insert(0, logsumexp(A + (E[:, t] + beta[0])[:, None, :], axis=2))
    logZ = logsumexp(alpha[-1], axis=1)
    n = np.arange(N)
    score = sum(E[n, t, y[:, t]] for t in range(T)) + sum(
        A[y[:, t - 1], y[:, t]] for t in range(1, T)
    )
    loss = np.mean(logZ - score)
    dE, dA = np.zeros(E.shape), np.zeros((N, K, K))
    for t in range(T):
        dE[:, t] = softmax(alpha[t] + beta[t])
        if bug == "marginals from the forward pass only":
            dE[:, t] = softmax(alpha[t])
        if bug == "best path instead of the expectation":
            dE[:, t] = one_hot(np.argmax(alpha[t] + beta[t], axis=1), K)
        if bug != "observed labels forgotten":
            dE[:, t] -= one_hot(y[:, t], K)
    for t in range(1, T - 1 if bug == "last transition left out" else T):
        pair = alpha[t - 1][:, :, None] + A + (E[:, t] + beta[t])[:, None, :]
        dA += softmax(pair.reshape(N, -1)).reshape(N, K, K)
        if bug != "observed transitions forgotten":
            np.add.at(dA, (n, y[:, t - 1], y[:, t]), -1)
    if bug == "first sequence only":
        X, dE, dA = X[:1], dE[:1], dA[:1]
    dW, dA = np.einsum("ntd,ntk->dk", X, dE), dA.sum(axis=0)
    if bug == "dA transposed":
        dA = dA.T
    sign = -1 if bug == "gradient of the log-likelihood" else 1
    return loss, {k: sign * g / (1 if bug == "no 1/N" else N) for k, g in (("W", dW), ("A", dA))}
