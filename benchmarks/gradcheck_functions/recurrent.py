"""Gated recurrent networks: LSTM and GRU."""

import numpy as np

from .case import case, sigmoid


def make_lstm(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "Wx": s * r.normal(size=(2, 12)),
        "Wh": s * r.normal(size=(3, 12)),
        "b": s * r.normal(size=12),
        "V": s * r.normal(size=(3, 2)),
    }
    return parameters, (r.normal(size=(4, 5, 2)), r.normal(size=(4, 5, 2)))


# https://github.com/CaptainE/RNN-LSTM-in-numpy/issues/1 (a gate without its derivative, no dh_next)
# https://github.com/apache/mxnet/issues/4057 (dc assigned instead of added)
# https://github.com/hanbt/learn_dl/issues/53 (the biases of i and o get f's gradient)
@case(
    "LSTM, 5 steps",
    make_lstm,
    {
        "no dc from the future": "time_steps",
        "no dh from the future": "time_steps",
        "forget gate multiplied by sigmoid(f), not f(1-f)": "activation_derivative",
        "derivatives of all gates missing": "activation_derivative",
        "tanh(c): derivative missing": "activation_derivative",
        "1 - c**2 instead of 1 - tanh(c)**2": "activation_derivative",
        "dc passed back without f": None,
        "c[t] instead of c[t-1] for the forget gate": "time_steps",
        "gates in another order than in the forward pass": "permuted",
        "biases of i and o get f's gradient": None,
        "last time step only": "time_steps",
        "no 1/N": "batch_factor",
    },
)
def lstm(p, X, Y, bug=None):
    N, T, _ = X.shape
    H = len(p["Wh"])
    h = c = np.zeros((N, H))
    cache, loss = [], 0
    for t in range(T):
        h_prev, c_prev = h, c
        z = X[:, t] @ p["Wx"] + h_prev @ p["Wh"] + p["b"]
        i, f, o = (sigmoid(z[:, k * H : (k + 1) * H]) for k in range(3))
        g = np.tanh(z[:, 3 * H :])
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        loss = loss + np.sum((h @ p["V"] - Y[:, t]) ** 2) / (2 * N)
        cache.append((i, f, o, g, c_prev, c, h_prev, h))
    d = {k: np.zeros(v.shape) for k, v in p.items()}
    dh_next = dc_next = np.zeros((N, H))
    for t in reversed(range(T)):
        i, f, o, g, c_prev, c, h_prev, h = cache[t]
        dy = (h @ p["V"] - Y[:, t]) / (1 if bug == "no 1/N" else N)
        dh = dy @ p["V"].T
        if bug != "no dh from the future":
            dh = dh + dh_next
        tc = np.tanh(c)
        dc = dh * o * (1 - tc**2)
        if bug == "tanh(c): derivative missing":
            dc = dh * o
        if bug == "1 - c**2 instead of 1 - tanh(c)**2":
            dc = dh * o * (1 - c**2)
        if bug != "no dc from the future":
            dc = dc + dc_next
        cp = c if bug == "c[t] instead of c[t-1] for the forget gate" else c_prev
        di, df, do, dg = dc * g, dc * cp, dh * tc, dc * i
        if bug != "derivatives of all gates missing":
            di, do, dg = di * i * (1 - i), do * o * (1 - o), dg * (1 - g**2)
            if bug == "forget gate multiplied by sigmoid(f), not f(1-f)":
                df = df * sigmoid(f)
            else:
                df = df * f * (1 - f)
        dz = np.hstack([di, df, do, dg])
        dh_next = dz @ p["Wh"].T
        dc_next = dc if bug == "dc passed back without f" else dc * f
        if bug == "gates in another order than in the forward pass":
            dz = np.hstack([df, di, do, dg])
        if bug == "last time step only" and t < T - 1:
            continue
        d["V"] += h.T @ dy
        d["Wx"] += X[:, t].T @ dz
        d["Wh"] += h_prev.T @ dz
        db = dz.sum(axis=0)
        if bug == "biases of i and o get f's gradient":
            db[:H] = db[2 * H : 3 * H] = db[H : 2 * H]
        d["b"] += db
    return loss, d


def make_gru(seed, s):
    r = np.random.default_rng(seed)
    parameters = {}
    for gate in "zrh":
        parameters["W" + gate] = s * r.normal(size=(2, 3))
        parameters["U" + gate] = s * r.normal(size=(3, 3))
        parameters["b" + gate] = s * r.normal(size=3)
    return parameters, (r.normal(size=(4, 4, 2)), r.normal(size=(4, 3)))


# https://cran.r-project.org/web/packages/rnn/vignettes/GRU_units.html (delta 6 = 1 - delta 5)
# https://github.com/ddbourgin/numpy-ml/issues/42 (two gates read another gate's bias)
@case(
    "GRU, 4 steps",
    make_gru,
    {
        "update gate: h_prev - candidate": "sign",
        "update gate: 1 - dh * h_prev": None,
        "reset gate not applied to dh_prev": None,
        "reset gate's gradient without h_prev": None,
        "path through 1 - z forgotten": "missing_term",
        "paths through the gates to h_prev forgotten": "missing_term",
        "Uh not transposed": "untransposed_weights",
        "dUh transposed": "transposed",
        "reset gate: r(1-r) missing": "activation_derivative",
        "candidate: 1 - h instead of 1 - h**2": "activation_derivative",
        "dUh from h_prev instead of r * h_prev": "wrong_input",
        "last time step only": "time_steps",
        "assigns instead of adding over time": "time_steps",
        "reset gate reads bz": "unused",
        "dbz and dbr exchanged": "swapped",
    },
)
def gru(p, X, Y, bug=None):
    N, T, _ = X.shape
    h = np.zeros((N, 3))
    cache = []
    for t in range(T):
        hp, x = h, X[:, t]
        z = sigmoid(x @ p["Wz"] + hp @ p["Uz"] + p["bz"])
        r = sigmoid(x @ p["Wr"] + hp @ p["Ur"] + p["bz" if bug == "reset gate reads bz" else "br"])
        hh = np.tanh(x @ p["Wh"] + (r * hp) @ p["Uh"] + p["bh"])
        h = (1 - z) * hp + z * hh
        cache.append((x, hp, z, r, hh))
    loss = np.sum((h - Y) ** 2) / (2 * N)
    d = {k: np.zeros(v.shape) for k, v in p.items()}
    dh = (h - Y) / N
    for t in reversed(range(T)):
        x, hp, z, r, hh = cache[t]
        dz = dh * (hh - hp)
        if bug == "update gate: h_prev - candidate":
            dz = dh * (hp - hh)
        if bug == "update gate: 1 - dh * h_prev":
            dz = dh * hh + (1 - dh * hp)
        dz = dz * z * (1 - z)
        dhh = dh * z * (1 - hh if bug == "candidate: 1 - h instead of 1 - h**2" else 1 - hh**2)
        drh = dhh @ (p["Uh"] if bug == "Uh not transposed" else p["Uh"].T)
        dr = drh if bug == "reset gate's gradient without h_prev" else drh * hp
        if bug != "reset gate: r(1-r) missing":
            dr = dr * r * (1 - r)
        rh = hp if bug == "dUh from h_prev instead of r * h_prev" else r * hp
        new = {"Wz": x.T @ dz, "Uz": hp.T @ dz, "bz": dz.sum(0)}
        new |= {"Wr": x.T @ dr, "Ur": hp.T @ dr, "br": dr.sum(0)}
        new |= {"Wh": x.T @ dhh, "Uh": rh.T @ dhh, "bh": dhh.sum(0)}
        if bug == "dUh transposed":
            new["Uh"] = new["Uh"].T
        if bug == "dbz and dbr exchanged":
            new["bz"], new["br"] = new["br"], new["bz"]
        for k in d:
            d[k] = new[k] if bug == "assigns instead of adding over time" else d[k] + new[k]
        if bug == "last time step only":
            break
        dhp = drh if bug == "reset gate not applied to dh_prev" else drh * r
        if bug != "path through 1 - z forgotten":
            dhp = dhp + dh * (1 - z)
        if bug != "paths through the gates to h_prev forgotten":
            dhp = dhp + dz @ p["Uz"].T + dr @ p["Ur"].T
        dh = dhp
    return loss, d
