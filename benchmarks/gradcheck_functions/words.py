"""Tables of rows: CBOW, negative sampling, a factorisation machine."""

import numpy as np

from .case import case, one_hot, sigmoid, softmax


def make_cbow(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"E": s * r.normal(size=(6, 3)), "U": s * r.normal(size=(6, 3))}
    return parameters, (r.integers(0, 6, (5, 4)), r.integers(0, 6, 5))


# https://github.com/HIPS/autograd/issues/39 (repeated rows)
# https://github.com/apache/mxnet/issues/9172 (repeated rows)
# https://github.com/pytorch/pytorch/issues/1528 (only the last copy of a row gets its gradient)
@case(
    "CBOW with softmax",
    make_cbow,
    {
        "dE[context] += ...: repeated words overwritten": "repeated_rows",
        "dE[context] = ...: assigned": "repeated_rows",
        "1/C of the mean forgotten": "factor",
        "first context word only": None,
        "the centre word's row instead of the context's": None,
        "one-hot not subtracted": None,
        "no 1/N": "batch_factor",
        "1/N twice in dE": "batch_factor",
        "dE and dU exchanged": "swapped",
        "U updated before it is used": "updated_weights",
        "target and prediction exchanged": "sign",
    },
)
def cbow(p, context, y, bug=None):
    N, C = context.shape
    h = p["E"][context].mean(axis=1)
    P = softmax(h @ p["U"].T)
    loss = -np.mean(np.log(P[np.arange(N), y]))
    d = P - one_hot(y, len(p["E"]))
    if bug == "one-hot not subtracted":
        d = P
    if bug == "target and prediction exchanged":
        d = -d
    d = d / (1 if bug == "no 1/N" else N)
    dU = d.T @ h
    U = p["U"] - 0.1 * dU if bug == "U updated before it is used" else p["U"]
    dh = d @ U / (1 if bug == "1/C of the mean forgotten" else C)
    if bug == "1/N twice in dE":
        dh = dh / N
    dE = np.zeros(p["E"].shape)
    if bug == "dE[context] += ...: repeated words overwritten":
        dE[context] += dh[:, None]
    elif bug == "dE[context] = ...: assigned":
        dE[context] = dh[:, None]
    elif bug == "first context word only":
        np.add.at(dE, context[:, 0], dh)
    elif bug == "the centre word's row instead of the context's":
        np.add.at(dE, y, C * dh)
    else:
        np.add.at(dE, context, dh[:, None].repeat(C, axis=1))
    if bug == "dE and dU exchanged":
        dE, dU = dU, dE
    return loss, {"E": dE, "U": dU}


def make_sgns(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"V": s * r.normal(size=(6, 3)), "U": s * r.normal(size=(6, 3))}
    return parameters, (r.integers(0, 6, 5), r.integers(0, 6, 5), r.integers(0, 6, (5, 3)))


# https://junfenglx.github.io/word2vec-train-procedure-explained.html (whose terms are whose)
@case(
    "skip-gram with negative sampling",
    make_sgns,
    {
        "negatives pulled, not pushed": "sign",
        "negatives forgotten in the centre's gradient": "missing_term",
        "positive word forgotten in the centre's gradient": "missing_term",
        "repeated words overwritten": "repeated_rows",
        "s(1-s) instead of 1-s": "activation_derivative",
        "s instead of s - 1 for the positive word": None,
        "negatives averaged": "factor",
        "no 1/N": "batch_factor",
        "first negative only": None,
    },
)
def sgns(p, c, o, n, bug=None):
    N, K = n.shape
    v, uo, un = p["V"][c], p["U"][o], p["U"][n]
    so = sigmoid(np.sum(uo * v, axis=1))
    sn = sigmoid(np.einsum("nkd,nd->nk", un, v))
    loss = -np.mean(np.log(so) + np.sum(np.log(1 - sn), axis=1))
    do, dn = so - 1, sn
    if bug == "s(1-s) instead of 1-s":
        do, dn = -so * (1 - so), sn * (1 - sn)
    if bug == "s instead of s - 1 for the positive word":
        do = so
    if bug == "negatives pulled, not pushed":
        dn = -dn
    if bug == "negatives averaged":
        dn = dn / K
    if bug == "first negative only":
        n, un, dn = n[:, :1], un[:, :1], dn[:, :1]
    if bug != "no 1/N":
        do, dn = do / N, dn / N
    dv = do[:, None] * uo + np.einsum("nk,nkd->nd", dn, un)
    if bug == "negatives forgotten in the centre's gradient":
        dv = do[:, None] * uo
    if bug == "positive word forgotten in the centre's gradient":
        dv = np.einsum("nk,nkd->nd", dn, un)
    dV, dU = np.zeros(p["V"].shape), np.zeros(p["U"].shape)
    if bug == "repeated words overwritten":
        dV[c] += dv
        dU[o] += do[:, None] * v
        dU[n] += dn[:, :, None] * v[:, None]
    else:
        np.add.at(dV, c, dv)
        np.add.at(dU, o, do[:, None] * v)
        np.add.at(dU, n, dn[:, :, None] * v[:, None])
    return loss, {"V": dV, "U": dU}


def make_fm(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "w0": s * r.normal(size=1),
        "w": s * r.normal(size=5),
        "V": s * r.normal(size=(5, 2)),
    }
    return parameters, (r.normal(size=(6, 5)), s * r.normal(size=6))


@case(
    "factorisation machine",
    make_fm,
    {
        "own square not subtracted": "missing_term",
        "own square subtracted twice": None,
        "1/2 forgotten: dV twice as large": "factor",
        "x squared in dw": None,
        "bias not summed": "not_summed",
        "bias never filled": "zero",
        "no 1/N": "batch_factor",
        "y - prediction": "sign",
        "last sample only": "one_sample",
    },
    scales=(1.0, 0.001, 1000.0),
)
def fm(p, X, y, bug=None):
    N = len(X)
    XV = X @ p["V"]
    out = p["w0"] + X @ p["w"] + 0.5 * np.sum(XV**2 - X**2 @ p["V"] ** 2, axis=1)
    loss = np.mean((out - y) ** 2) / 2
    e = (out - y) / (1 if bug == "no 1/N" else N)
    if bug == "y - prediction":
        e = -e
    if bug == "last sample only":
        X, XV, e = X[-1:], XV[-1:], e[-1:]
    dV = X.T @ (e[:, None] * XV)
    own = (X**2).T @ e
    if bug == "own square subtracted twice":
        own = 2 * own
    if bug != "own square not subtracted":
        dV = dV - own[:, None] * p["V"]
    if bug == "1/2 forgotten: dV twice as large":
        dV = 2 * dV
    dw = (X**2).T @ e if bug == "x squared in dw" else X.T @ e
    db = e.sum(keepdims=True)
    if bug == "bias not summed":
        db = e
    if bug == "bias never filled":
        db = np.zeros(1)
    return loss, {"w0": db, "w": dw, "V": dV}
