"""Convolution and pooling in one dimension."""

import numpy as np

from .case import case


def make_conv1d(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "K1": s * r.normal(size=(3, 2, 3)),
        "b1": s * r.normal(size=3),
        "K2": s * r.normal(size=(3, 3, 3)),
        "b2": s * r.normal(size=3),
    }
    return parameters, (r.normal(size=(4, 2, 9)), r.normal(size=(4, 3, 5)))


def windows(x, k):
    return np.stack([x[:, :, j : x.shape[2] - k + 1 + j] for j in range(k)], axis=-1)


# https://github.com/NervanaSystems/neon/issues/111 (the wrong index of a loop)
@case(
    "two 1-D convolutions",
    make_conv1d,
    {
        "kernel flipped in dx": "permuted",
        "dK1 and dK2 flipped": "permuted",
        "overlapping windows assigned": None,
        "dx shifted by one": None,
        "channels of K2 exchanged in dx": "untransposed_weights",
        "channels of dK2 exchanged": "transposed",
        "bias averaged over the positions": "factor",
        "bias summed over the batch only": "not_summed",
        "relu's derivative missing": "activation_derivative",
        "relu's step of the gradient, not of z": "activation_derivative",
        "dK2 from the input before the relu": "wrong_input",
        "last sample only": "one_sample",
        "db2 never filled": "zero",
        "no 1/N": "batch_factor",
    },
)
def conv1d(p, X, Y, bug=None):
    N = len(X)
    cols1 = windows(X, 3)
    z1 = np.einsum("nclk,ock->nol", cols1, p["K1"]) + p["b1"][:, None]
    a1 = np.maximum(0, z1)
    cols2 = windows(a1, 3)
    out = np.einsum("nclk,ock->nol", cols2, p["K2"]) + p["b2"][:, None]
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d2 = (out - Y) / (1 if bug == "no 1/N" else N)
    K2 = p["K2"]
    if bug == "kernel flipped in dx":
        K2 = K2[:, :, ::-1]
    if bug == "channels of K2 exchanged in dx":
        K2 = K2.transpose(1, 0, 2)
    da1 = np.zeros(a1.shape)
    for j in range(3):
        part = np.einsum("nol,oc->ncl", d2, K2[:, :, j])
        if bug == "overlapping windows assigned":
            da1[:, :, j : j + d2.shape[2]] = part
        else:
            da1[:, :, j : j + d2.shape[2]] += part
    if bug == "dx shifted by one":
        da1 = np.roll(da1, 1, axis=2)
    d1 = da1 * (z1 > 0)
    if bug == "relu's derivative missing":
        d1 = da1
    if bug == "relu's step of the gradient, not of z":
        d1 = da1 * (da1 > 0)
    if bug == "dK2 from the input before the relu":
        cols2 = windows(z1, 3)
    if bug == "last sample only":
        d1, d2, cols1, cols2 = d1[-1:], d2[-1:], cols1[-1:], cols2[-1:]
    dK1, dK2 = np.einsum("nol,nclk->ock", d1, cols1), np.einsum("nol,nclk->ock", d2, cols2)
    db1, db2 = d1.sum(axis=(0, 2)), d2.sum(axis=(0, 2))
    if bug == "dK1 and dK2 flipped":
        dK1, dK2 = dK1[:, :, ::-1], dK2[:, :, ::-1]
    if bug == "channels of dK2 exchanged":
        dK2 = dK2.transpose(1, 0, 2)
    if bug == "bias averaged over the positions":
        db1, db2 = db1 / d1.shape[2], db2 / d2.shape[2]
    if bug == "bias summed over the batch only":
        db1, db2 = d1.sum(axis=0), d2.sum(axis=0)
    if bug == "db2 never filled":
        db2 = np.zeros(3)
    return loss, {"K1": dK1, "b1": db1, "K2": dK2, "b2": db2}


def make_transposed(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(3, 8)),
        "K": s * r.normal(size=(2, 2, 3)),
        "b": s * r.normal(size=2),
    }
    return parameters, (r.normal(size=(5, 3)), r.normal(size=(5, 2, 9)))


@case(
    "transposed 1-D convolution, stride 2",
    make_transposed,
    {
        "stride forgotten in dx": None,
        "kernel flipped in dx": "permuted",
        "dK flipped": "permuted",
        "channels of dK exchanged": "transposed",
        "channels of K exchanged in dx": "untransposed_weights",
        "tanh's derivative of z, not of a": "activation_derivative",
        "last kernel position assigned": None,
        "bias averaged": "factor",
        "dW from the first sample's input": "wrong_input",
        "no 1/N": "batch_factor",
    },
)
def transposed_conv(p, X, Y, bug=None):
    N, L = len(X), 4
    z = (X @ p["W"]).reshape(N, 2, L)
    a = np.tanh(z)
    out = np.zeros((N, 2, 2 * L + 1)) + p["b"][:, None]
    for j in range(3):
        out[:, :, j : j + 2 * L : 2] += np.einsum("ncl,co->nol", a, p["K"][:, :, j])
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d = (out - Y) / (1 if bug == "no 1/N" else N)
    da, dK = np.zeros(a.shape), np.zeros(p["K"].shape)
    for j in range(3):
        here = d[:, :, j : j + 2 * L : 2]
        dK[:, :, j] = np.einsum("ncl,nol->co", a, here)
        if bug == "stride forgotten in dx":
            here = d[:, :, j : j + L]
        K = p["K"][:, :, 2 - j if bug == "kernel flipped in dx" else j]
        part = np.einsum("nol,co->ncl", here, K.T if bug == "channels of K exchanged in dx" else K)
        da = part if bug == "last kernel position assigned" else da + part
    if bug == "dK flipped":
        dK = dK[:, :, ::-1]
    if bug == "channels of dK exchanged":
        dK = dK.transpose(1, 0, 2)
    dz = da * (1 - (z if bug == "tanh's derivative of z, not of a" else a) ** 2)
    db = d.sum(axis=(0, 2))
    if bug == "bias averaged":
        db = d.sum(axis=0).mean(axis=1)
    if bug == "dW from the first sample's input":
        X = X[:1].repeat(N, axis=0)
    return loss, {"W": X.T @ dz.reshape(N, -1), "K": dK, "b": db}


def make_pool(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(3, 9)),
        "b": s * r.normal(size=9),
        "V": s * r.normal(size=(4, 2)),
    }
    return parameters, (r.normal(size=(5, 3)), r.normal(size=(5, 2)))


# https://ai.stackexchange.com/questions/17107 (windows that overlap)
@case(
    "average pooling, overlapping windows",
    make_pool,
    {
        "1/3 forgotten": "factor",
        "overlapping windows assigned": None,
        "all of it to the largest entry": None,
        "windows one entry too far left": None,
        "relu's derivative missing": "activation_derivative",
        "db of the last sample": "one_sample",
        "no 1/N": "batch_factor",
        "sign": "sign",
    },
)
def avg_pool(p, X, Y, bug=None):
    N = len(X)
    z = X @ p["W"] + p["b"]
    a = np.maximum(z, 0)
    pooled = np.stack([a[:, 2 * i : 2 * i + 3].mean(axis=1) for i in range(4)], axis=1)
    out = pooled @ p["V"]
    loss = np.sum((out - Y) ** 2) / (2 * N)
    d = (out - Y) / (1 if bug == "no 1/N" else N)
    if bug == "sign":
        d = -d
    dp = d @ p["V"].T
    da = np.zeros(a.shape)
    for i in range(4):
        window = slice(2 * i, 2 * i + 3)
        share = dp[:, i : i + 1] / (1 if bug == "1/3 forgotten" else 3)
        if bug == "overlapping windows assigned":
            da[:, window] = share
        elif bug == "all of it to the largest entry":
            best = a[:, window].argmax(axis=1)
            da[np.arange(N), 2 * i + best] += dp[:, i]
        else:
            da[:, window] += share
    if bug == "windows one entry too far left":
        da = np.roll(da, -1, axis=1)
    dz = da if bug == "relu's derivative missing" else da * (z > 0)
    db = dz[-1] if bug == "db of the last sample" else dz.sum(axis=0)
    return loss, {"W": X.T @ dz, "b": db, "V": pooled.T @ d}
