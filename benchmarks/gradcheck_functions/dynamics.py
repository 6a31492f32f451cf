"""Gradients through a solver: ODEs, a Kalman filter, least squares."""

import numpy as np

from .case import case


def make_lotka(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"theta": s * r.uniform(0.5, 1.5, 4), "y0": 1 + s * r.uniform(-0.3, 0.3, 2)}
    return parameters, (r.uniform(0.5, 2, (6, 2)),)


def field(y, th):
    return np.array([th[0] * y[0] - th[1] * y[0] * y[1], th[2] * y[0] * y[1] - th[3] * y[1]])


def jacobians(y, th):
    dy = np.array([[th[0] - th[1] * y[1], -th[1] * y[0]], [th[2] * y[1], th[2] * y[0] - th[3]]])
    dth = np.array([[y[0], -y[0] * y[1], 0, 0], [0, 0, y[0] * y[1], -y[1]]])
    return dy, dth


# https://math.stackexchange.com/questions/2608562 (an ODE for the gradient)
@case(
    "Lotka-Volterra, 6 RK4 steps",
    make_lotka,
    {
        "stages taken as independent": "missing_term",
        "weights 1, 1, 1, 1": None,
        "h/2 in the last stage": None,
        "Jacobian not transposed": "untransposed_weights",
        "step h forgotten in dtheta": "factor",
        "last observation only": "time_steps",
        "dtheta of the first step only": "time_steps",
        "dtheta assigned, not added": "time_steps",
        "sign of the residual": "sign",
        "dy0 never filled": "zero",
        "Euler's adjoint": None,
    },
    batch=False,
)
def lotka(p, Y, bug=None):
    h, th, y = 0.1, p["theta"], p["y0"]
    steps, loss = [], 0
    for obs in Y:
        k1 = field(y, th)
        k2 = field(y + h / 2 * k1, th)
        k3 = field(y + h / 2 * k2, th)
        k4 = field(y + h * k3, th)
        steps.append((y, y + h / 2 * k1, y + h / 2 * k2, y + h * k3))
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        loss = loss + np.sum((y - obs) ** 2) / 2
        steps[-1] = (*steps[-1], y - obs)
    lam, dth = np.zeros(2), np.zeros(4)
    for n, (y1, y2, y3, y4, e) in reversed(list(enumerate(steps))):
        if bug != "last observation only" or n == len(steps) - 1:
            lam = lam + (-e if bug == "sign of the residual" else e)
        J, F = zip(*(jacobians(y, th) for y in (y1, y2, y3, y4)), strict=True)
        J = [j if bug == "Jacobian not transposed" else j.T for j in J]
        w = [1.5] * 4 if bug == "weights 1, 1, 1, 1" else [1, 2, 2, 1]
        if bug == "stages taken as independent":
            d = [h / 6 * wi * lam for wi in w]
            back = sum(j @ di for j, di in zip(J, d, strict=True))
        elif bug == "Euler's adjoint":
            d = [h * lam, 0 * lam, 0 * lam, 0 * lam]
            back = h * J[0] @ lam
        else:
            d4 = h / 6 * w[3] * lam
            d3 = h / 6 * w[2] * lam + (h / 2 if bug == "h/2 in the last stage" else h) * J[3] @ d4
            d2 = h / 6 * w[1] * lam + h / 2 * J[2] @ d3
            d1 = h / 6 * w[0] * lam + h / 2 * J[1] @ d2
            d = [d1, d2, d3, d4]
            back = J[0] @ d1 + J[1] @ d2 + J[2] @ d3 + J[3] @ d4
        new = sum(f.T @ di for f, di in zip(F, d, strict=True))
        if bug == "step h forgotten in dtheta":
            new = new / h
        if bug == "dtheta assigned, not added":
            dth = new
        elif bug != "dtheta of the first step only" or n == 0:
            dth = dth + new
        lam = lam + back
    return loss, {"theta": dth, "y0": 0 * lam if bug == "dy0 never filled" else lam}


def make_node(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "W": s * r.normal(size=(3, 3)),
        "b": s * r.normal(size=3),
        "V": s * r.normal(size=(3, 3)),
    }
    return parameters, (r.normal(size=(6, 3)), r.normal(size=(6, 3)))


@case(
    "neural ODE, 5 Euler steps",
    make_node,
    {
        "step h forgotten": None,
        "step h forgotten in dV": "factor",
        "y passed on without itself": "missing_term",
        "path through the field forgotten": "missing_term",
        "last step only": "time_steps",
        "assigned, not added over the steps": "time_steps",
        "y after the step instead of before": "time_steps",
        "V not transposed": "untransposed_weights",
        "W not transposed": "untransposed_weights",
        "tanh: derivative missing": "activation_derivative",
        "tanh: a(1-a)": "activation_derivative",
        "V updated inside the loop": "updated_weights",
        "y clipped to 0.1 on the way back": "clipped",
        "no 1/N": "batch_factor",
        "dV transposed": "transposed",
    },
)
def node(p, X, Y, bug=None):
    N, T, h = len(X), 5, 0.2
    y, cache = X, []
    for _ in range(T):
        a = np.tanh(y @ p["W"] + p["b"])
        cache.append((y, a))
        y = y + h * a @ p["V"]
    loss = np.sum((y - Y) ** 2) / (2 * N)
    d = {k: np.zeros(v.shape) for k, v in p.items()}
    dy, after, V, W = (y - Y) / (1 if bug == "no 1/N" else N), y, p["V"], p["W"]
    if bug == "step h forgotten":
        h = 1
    for y, a in reversed(cache):
        if bug == "y clipped to 0.1 on the way back":
            dy = np.clip(dy, -0.1, 0.1)
        local = {"tanh: derivative missing": 1, "tanh: a(1-a)": a * (1 - a)}.get(bug, 1 - a**2)
        dz = h * dy @ (V if bug == "V not transposed" else V.T) * local
        used = after if bug == "y after the step instead of before" else y
        new = {"W": used.T @ dz, "b": dz.sum(axis=0), "V": h * a.T @ dy}
        if bug == "step h forgotten in dV":
            new["V"] = new["V"] / h
        for k in d:
            d[k] = new[k] if bug == "assigned, not added over the steps" else d[k] + new[k]
        if bug == "last step only":
            break
        if bug == "V updated inside the loop":
            V = V - 0.3 * new["V"]
        through = dz @ (W if bug == "W not transposed" else W.T)
        if bug == "y passed on without itself":
            dy = through
        elif bug != "path through the field forgotten":
            dy = dy + through
        after = y
    if bug == "dV transposed":
        d["V"] = d["V"].T
    return loss, d


def make_kalman(seed, s):
    r = np.random.default_rng(seed)
    parameters = {
        "a": 0.8 + 0.1 * r.normal(),
        "log_q": s * r.normal(),
        "log_r": s * r.normal(),
        "m0": s * r.normal(),
    }
    return parameters, (r.normal(size=8).cumsum(),)


@case(
    "Kalman filter, forward sensitivities",
    make_kalman,
    {
        "gain held constant": "missing_term",
        "log-determinant forgotten": "missing_term",
        "data term of S forgotten": "missing_term",
        "1/2 forgotten": "factor",
        "gradient of the log-likelihood": "sign",
        "last observation only": "time_steps",
        "derivatives by q and r, not their logarithms": "activation_derivative",
        "a**2's derivative without its factor 2": None,
    },
    batch=False,
)
def kalman(p, y, bug=None):
    names = ("a", "log_q", "log_r", "m0")
    a, q, r, m = p["a"], np.exp(p["log_q"]), np.exp(p["log_r"]), p["m0"]
    P, loss, grad = 1.0, 0, np.zeros(4)
    # Derivatives by the four parameters of: the mean, the variance, a, q and r.
    dm, dP = np.array([0, 0, 0, 1.0]), np.zeros(4)
    da, dq, dr = np.array([1.0, 0, 0, 0]), np.array([0, q, 0, 0]), np.array([0, 0, r, 0])
    if bug == "derivatives by q and r, not their logarithms":
        dq, dr = dq / q, dr / r
    for n, obs in enumerate(y):
        two = 1 if bug == "a**2's derivative without its factor 2" else 2
        dm, dP = da * m + a * dm, two * a * da * P + a**2 * dP + dq
        m, P = a * m, a**2 * P + q
        e, S = obs - m, P + r
        de, dS = -dm, dP + dr
        loss = loss + (np.log(S) + e**2 / S) / 2
        new = (dS / S + 2 * e * de / S - e**2 * dS / S**2) / 2
        if bug == "log-determinant forgotten":
            new = (2 * e * de / S - e**2 * dS / S**2) / 2
        if bug == "data term of S forgotten":
            new = (dS / S + 2 * e * de / S) / 2
        if bug == "1/2 forgotten":
            new = 2 * new
        grad = grad + new if bug != "last observation only" or n == len(y) - 1 else grad
        K, dK = P / S, dP / S - P * dS / S**2
        if bug == "gain held constant":
            dK = 0 * dK
        dm, dP = dm + dK * e + K * de, dP * (1 - K) - P * dK
        m, P = m + K * e, (1 - K) * P
    if bug == "gradient of the log-likelihood":
        grad = -grad
    return loss, dict(zip(names, grad, strict=True))


def make_wls(seed, s):
    r = np.random.default_rng(seed)
    parameters = {"log_w": s * r.normal(size=7), "log_lam": s * r.normal(), "y": r.normal(size=7)}
    return parameters, (r.normal(size=(7, 3)), r.normal(size=(4, 3)), r.normal(size=4))


@case(
    "weighted ridge regression, validated",
    make_wls,
    {
        "A's dependence on the weights forgotten": "missing_term",
        "right-hand side's dependence on the weights forgotten": "missing_term",
        "exp's derivative forgotten": "activation_derivative",
        "sign of the regulariser's gradient": "sign",
        "solve forgotten": None,
        "weights forgotten in dy": None,
        "regulariser's entry never filled": "zero",
        "validation error not averaged": "batch_factor",
    },
    batch=False,
)
def wls(p, X, Xv, yv, bug=None):
    w, lam = np.exp(p["log_w"]), np.exp(p["log_lam"])
    A = X.T @ (w[:, None] * X) + lam * np.eye(3)
    beta = np.linalg.solve(A, X.T @ (w * p["y"]))
    e = Xv @ beta - yv
    loss = np.mean(e**2) / 2
    g = Xv.T @ e / (1 if bug == "validation error not averaged" else len(yv))
    u = g if bug == "solve forgotten" else np.linalg.solve(A, g)
    residual = p["y"] - X @ beta
    if bug == "A's dependence on the weights forgotten":
        residual = p["y"]
    if bug == "right-hand side's dependence on the weights forgotten":
        residual = -X @ beta
    dw = (X @ u) * residual
    if bug != "exp's derivative forgotten":
        dw = dw * w
    dlam = -lam * (u @ beta)
    if bug == "sign of the regulariser's gradient":
        dlam = -dlam
    if bug == "regulariser's entry never filled":
        dlam = 0 * dlam
    dy = X @ u if bug == "weights forgotten in dy" else w * (X @ u)
    return loss, {"log_w": dw, "log_lam": dlam, "y": dy}
