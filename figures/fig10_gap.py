r"""How does the gap to the exact log p(X) close with L, under each reading and with resampling?

A linear model (W = 0.6, U = 0.3, C = 1, s = 0.5, sigma = 0.5, T = 8), particles that share h_1 and
have independent Gaussian noise, one sequence drawn from the model; log p(X) from the Kalman filter.
See: the trajectory mixture, with noise Jensen's bound of Eq. (26), rises to it from below (Burda et
al. 2015), and L times its gap tends to half the relative variance of one weight (Maddison et al.
2017, Domke and Sheldon 2018); with resampling the gap is smaller and closes, too; the per-step
mixture, Eq. (17), tends to another number, log prod_t E[p(x_t|h_t)], the dotted line. Falsified by:
the trajectory mixture falling with L or above the line, or (17) closing its gap. Cells: 9 sizes x 3
estimates x 2000 draws x 0 steps. Time: 3 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from figures.beyond import multinomial, resampled
from rnnvae_ref import examples, kalman, sample, table
from rnnvae_ref.numerics import log_mean_exp

T, SIGMA = 8, 0.5
SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def compute(rng, *, seeds=2000, steps=0):
    rnn, theta = examples.linear()
    X = sample(rnn, theta, rng, T, 1, sigma=SIGMA)
    found = {"trajectory": [], "per step": [], "resampled": []}
    for L in SIZES:
        for name, values in estimates(rng, rnn, theta, X, L, seeds).items():
            found[name].append([values.mean(), values.std(ddof=1) / np.sqrt(seeds)])
    ell = table(rnn, theta, X, rng.standard_normal((T - 1, 400_000, 1, 1, 1)), SIGMA)[:, :, 0, 0]
    weight = np.exp(ell.sum(axis=0))
    return found | {
        "log_p": kalman.log_p(rnn, theta, X, SIGMA)[0],
        "K": kalman.K(rnn, theta, X, SIGMA)[0],
        "other law": np.log(np.exp(ell).mean(axis=1)).sum(),
        "limit": weight.var() / (2 * weight.mean() ** 2),
    }


def estimates(rng, rnn, theta, X, L, S):
    r"""S draws of Eq. (26), Eq. (17) and the resampled bound from the same noise, each (S,)."""
    eps, uniforms = rng.standard_normal((T - 1, S, L, 1, 1)), rng.random((T - 1, S, L, 1))
    ell = table(rnn, theta, X, eps, SIGMA)[..., 0]  # (T, S, L)
    return {
        "trajectory": log_mean_exp(ell.sum(axis=0), axis=1),
        "per step": log_mean_exp(ell, axis=2).sum(axis=0),
        "resampled": resampled(rnn, theta, X, eps, SIGMA, multinomial(uniforms)).sum(axis=0)[:, 0],
    }


def headline(numbers):
    gap = lambda name: numbers["log_p"] - numbers[name][-1][0]
    return {
        "exact log p(X), nats": (numbers["log_p"], 1e-5),
        "gap of Eq. (26) at L = 256, nats": (gap("trajectory"), 0.02),
        "gap of the resampled bound at L = 256, nats": (gap("resampled"), 0.02),
        "gap of Eq. (17) at L = 256, nats": (gap("per step"), 0.05),
        "L times the gap of Eq. (26) at L = 256": (256 * gap("trajectory"), 3.0),
        "its limit, half the relative variance of one weight": (numbers["limit"], 1.0),
    }


def plot(numbers):
    figure, (values, scaled) = plt.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
    values.axhline(numbers["log_p"], color=style.EXACT)
    values.text(1, numbers["log_p"] + 0.15, r"exact $\log p(X)$", va="bottom")
    values.axhline(numbers["other law"], color=style.PER_STEP, ls=":", lw=1.0)
    for name, colour, y in [
        ("trajectory", style.TRAJECTORY, 0.24),
        ("resampled", style.SECOND, 0.14),
        ("per step", style.PER_STEP, 0.04),
    ]:
        mean, error = np.array(numbers[name]).T
        values.errorbar(SIZES, mean, 2 * error, color=colour, marker="o", ms=3, lw=1.2)
        equation = {"trajectory": "Eq. (26)", "resampled": "resampled", "per step": "Eq. (17)"}[
            name
        ]
        style.note(values, 0.97, y, equation, color=colour, ha="right")
    values.set(xscale="log", xlabel="particles $L$", ylabel="nats")
    mean, error = np.array(numbers["trajectory"]).T
    scaled.errorbar(
        SIZES,
        SIZES * (numbers["log_p"] - mean),
        2 * error * SIZES,
        color=style.TRAJECTORY,
        marker="o",
        ms=3,
        lw=1.2,
    )
    scaled.axhline(numbers["limit"], color=style.EXACT, lw=1.0)
    scaled.set(xscale="log", xlabel="particles $L$", title=r"$L$ $\times$ gap of Eq. (26)")
    return figure
