r"""Does the Nile need noise in the hidden state? It depends on the arrow from x.

Yearly flow at Aswan, raw, all 100 years, nats of the whole record. Above, the model without the
arrow x_{t-1} -> h_t: h_t = h_{t-1} + sigma eps_t, x_t ~ N(h_t, R), P_1 = 0, at every sigma with its
own best h_1 and R (R >= sigma^2 / 100: without a limit h_1 = x_1 and R -> 0 give infinity). See: K
is best at sigma = 0, where all years are independent; the truth wants noise. Below, with the arrow:
the deterministic one-unit RNN h_t = (1 - g) h_{t-1} + g x_{t-1} with fitted h_1, g and scale,
beside the steady Kalman filter of the local-level model (R = 15099, Q = 1469.1, started at h_1 =
1120 with P_1 = P_inf): a state-space model whose filter has a finite state is an RNN. Printed only:
the larger family with W, U, b free, |W| <= 1. For a given W the mean is linear in h_1, U and b, so
least squares finds the best ones, and W is searched on a grid: the largest value is at the edge, W
= 1; L-BFGS from one start ends 0.02 nats below, at W = 0.61. For |W| > 1 there is no such value:
h_1 then decides the far future, so its digits can store the record (at W = 1.236 they give -614.55,
and h_1 changed by 1e-6 gives -803.57). The other fits have one maximum each; a test compares them
with a search over their one free ratio. Falsified by: K best at sigma > 0, or an RNN that scores or
predicts far from the filter. Cells: 1 series x 10 values of sigma, and 2 fits, by L-BFGS; 401
values of W. Time: 2 s.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from figures import style
from rnnvae_ref import RNN, Gaussian, data, kalman, log_likelihood, unroll

SIGMAS = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 90.0, 130.0)
R, Q, START = 15099.0, 1469.1, 1120.0
UNIT = RNN(Gaussian(), 1, transition="linear")


def compute(rng, *, seeds=1, steps=500, sigmas=SIGMAS):
    d = data.nile()
    X = d.X * d.scale + d.mean
    level = {"h1": X.mean() / 1000, "log_s": np.log(X.std())}
    no_arrow = lambda p, sigma: kalman.log_p(UNIT, theta_of(p["h1"], p["log_s"]), X, sigma)
    K = lambda p, sigma: kalman.K(UNIT, theta_of(p["h1"], p["log_s"]), X, sigma)
    tied, tied_score = maximise(lambda p: log_likelihood(UNIT, smoothing(p), X), g=0.3, **level)
    free, W = max((least_squares(X, W), W) for W in np.linspace(-1, 1, 401))
    return {
        "flow": X[:, 0, 0],
        "sigma": sigmas,
        "K": [maximise(lambda p, s=s: K(p, s), **level)[1] for s in sigmas],
        "log_p": [maximise(lambda p, s=s: no_arrow(p, s), **level)[1] for s in sigmas],
        "no arrow, best sigma": maximise(lambda p: no_arrow(p, 10 * p["q"]), q=4.0, **level)[1],
        "tied": tied_score,
        "free": free,
        "free, W": W,
        "rnn": unroll(UNIT, smoothing(tied), X)[0][:, 0, 0, 0],
    } | steady_filter(X)


def least_squares(X, W):
    r"""log p(X) of the one-unit linear RNN with this W and the best h_1, U, b and scale.

    The mean of x_t is linear in (h_1, U, b). Its columns are three units side by side: one starts
    at 1 and sees nothing, one has U = 1, one has b = 1.
    """
    one, none = np.eye(3), np.zeros((3, 1))
    theta = {"h1": one[:1], "W": W * one, "U": one[1:2], "b": one[2], "C": none}
    theta |= {"c": none[0], "log_s": none[0]}
    columns = unroll(RNN(Gaussian(), 3, transition="linear"), theta, X)[0][:, 0, 0]  # (T, 3)
    columns = columns / np.linalg.norm(columns, axis=0)
    flow = X[:, 0, 0]
    residual = flow - columns @ np.linalg.lstsq(columns, flow, rcond=None)[0]
    return -0.5 * len(flow) * (np.log(2 * np.pi * np.mean(residual**2)) + 1)


def steady_filter(X):
    r"""The local-level model's Kalman filter at its steady variance: log p(X), predictions, and the
    RNN that equals it.
    """
    P = 0.5 * (Q + np.sqrt(Q**2 + 4 * Q * R))
    theta, P1 = theta_of(START / 1000, 0.5 * np.log(R)), [[P]]
    equal = theta_of(START / 1000, 0.5 * np.log(P + R), W=R / (P + R), U=P / (P + R))
    return {
        "steady filter": kalman.log_p(UNIT, theta, X, np.sqrt(Q), P1)[0],
        "the same as an RNN": log_likelihood(UNIT, equal, X)[0],
        "filter": kalman.filtered(UNIT, theta, X, np.sqrt(Q), P1)[0][:, 0, 0],
    }


def theta_of(h1, log_s, W=1.0, U=0.0, b=0.0):
    r"""theta of the one-unit linear RNN with C = 1, c = 0; h_1 and b in thousands, so that all that
    is fitted is of size one.
    """
    square = lambda v: np.reshape(v, (1, 1))
    theta = {
        "h1": 1000 * square(h1),
        "W": square(W),
        "U": square(U),
        "b": 1000 * np.reshape(b, (1,)),
    }
    return theta | {"C": np.ones((1, 1)), "c": np.zeros(1), "log_s": np.reshape(log_s, (1,))}


def smoothing(p):
    r"""Exponential smoothing with gain g."""
    return theta_of(p["h1"], p["log_s"], W=1 - p["g"], U=p["g"])


def maximise(objective, **start):
    r"""What L-BFGS finds, and its score. With so few parameters differences are quicker than a
    derivative through the filter.
    """
    named = lambda values: dict(zip(start, values, strict=True))
    loss = lambda values: -objective(named(values))[0]
    found = minimize(loss, list(start.values()), method="L-BFGS-B")
    return named(found.x), -found.fun


def headline(numbers):
    return {
        "K without the arrow, best sigma": (numbers["sigma"][int(np.argmax(numbers["K"]))], 1e-9),
        "K without the arrow, at its best": (max(numbers["K"]), 0.005),
        "log p(X) without the arrow, at its best": (numbers["no arrow, best sigma"], 0.005),
        "tied one-unit RNN": (numbers["tied"], 0.005),
        "one-unit RNN, W, U, b free, |W| <= 1": (numbers["free"], 0.005),
        "its W, at the edge": (numbers["free, W"], 0.005),
        "steady Kalman filter": (numbers["steady filter"], 1e-4),
        "the same filter as an RNN": (numbers["the same as an RNN"], 1e-4),
    }


def plot(numbers):
    figure, (left, right) = plt.subplots(2, 1, figsize=(5.2, 5.0))
    left.fill_between(
        numbers["sigma"], numbers["K"], numbers["log_p"], color=style.YELLOW, alpha=0.4, lw=0
    )
    left.plot(numbers["sigma"], numbers["log_p"], color=style.EXACT)
    left.plot(numbers["sigma"], numbers["K"], color=style.BOUND)
    left.axhline(numbers["tied"], color=style.RNN, lw=1.2, ls="--")
    left.text(130, numbers["tied"] + 2, "RNN with the arrow, no noise", color=style.RNN, ha="right")
    left.text(60, -648, r"exact $\log p(X)$, no arrow", va="top")
    left.text(1, -705, "$K$, no arrow", color=style.BOUND, va="top")
    left.text(70, -690, "KL")
    left.set(xlabel=r"$\sigma$", ylabel="nats of the record", ylim=(-725, -630))
    years = np.arange(1871, 1971)
    right.plot(years, numbers["flow"], ".", color=style.EXACT)
    right.plot(years, numbers["filter"], color=style.BASELINE, lw=3.5, alpha=0.5)
    right.plot(years, numbers["rnn"], color=style.RNN, lw=1.2)
    right.text(
        1971,
        1290,
        f"steady filter: {numbers['steady filter']:.2f} nats",
        color=style.BASELINE,
        ha="right",
    )
    right.text(1971, 1210, f"fitted RNN: {numbers['tied']:.2f} nats", color=style.RNN, ha="right")
    right.set(xlabel="year", ylabel="flow, and one-step forecast")
    return figure
