r"""When do particles collapse into one?

Left: the distance of two particles in random tanh networks (D = 8, fed random numbers), W of norm
g, over time, against the bound g^(t-1) times the first distance. Right: the written-down model of
figure 13, its W scaled to norm g, its emission fitted anew: nats a step of Eq. (17) on the fork.
See: for g < 1 particles meet at least as fast as g^(t-1), and Eq. (17) falls to what one particle
scores; tanh(g h) keeps two attractors only for g > 1. Falsified by: a distance above its bound, or
two modes at g < 1. Cells: 4 norms x 20 networks, 13 norms x 1 model, L-BFGS. Time: 2 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt

from figures import beyond, style, worlds
from figures.baselines import FORK_TRUTH, fork_ceiling
from rnnvae_ref import RNN, Gaussian, fit, particles, unroll

NORMS, GAINS, T = (0.5, 0.8, 1.0, 1.5), np.linspace(0.4, 2.8, 13), 30


def compute(rng, *, seeds=20, steps=200):
    train, test = (worlds.fork(rng, 25, N)[0] for N in (200, 500))
    return {
        "distance": {str(g): np.array([distances(rng, g) for _ in range(seeds)]) for g in NORMS},
        "score": [score(rng, g, train, test, steps) for g in GAINS],
    }


def distances(rng, g):
    r"""||h_t^1 - h_t^2|| at t = 1 .. T over its first value, for a random W of norm g."""
    rnn = RNN(Gaussian(), 8, particles=2)
    theta = rnn.init(rng)
    theta["W"] *= g / np.linalg.norm(theta["W"], 2)
    H, _ = unroll(rnn, theta, rng.standard_normal((T, 1, 1)))
    return beyond.spread(H)[:, 0] / beyond.spread(H)[0, 0]


def score(rng, g, train, test, steps):
    r"""Eq. (17) on the fork for the written-down model with W of norm g: nats a step after fitting
    C, c and log_s.
    """
    rnn, theta = worlds.fork_particles()
    theta["W"] *= g / 2.0
    free = {key: theta[key] for key in ("C", "c", "log_s")}
    objective = lambda part, X, _: particles.per_step_mixture(
        rnn, {**theta, **{k: part[k] for k in free}}, X
    )
    best = fit(
        objective, free | {"log_s": np.zeros(1)}, train, rng=rng, method="lbfgs", steps=steps
    ).last
    return objective(best, test, None).mean() / 25


def headline(numbers):
    return {
        "distance over its bound at t = 30, g = 0.8, largest": (
            max(np.array(numbers["distance"]["0.8"])[:, -1]) / 0.8**29,
            1e-6,
        ),
        "nats a step at g = 0.4": (numbers["score"][0], 0.02),
        "nats a step at g = 2.0": (numbers["score"][8], 0.02),
    }


def plot(numbers):
    figure, (apart, scores) = plt.subplots(1, 2)
    t = np.arange(1, T + 1)
    for g, colour in zip(NORMS, (style.RNN, style.SKY, style.SECOND, style.BOUND), strict=True):
        curves = np.array(numbers["distance"][str(g)])
        apart.semilogy(t, curves.T, color=colour, lw=0.5, alpha=0.4)
        apart.semilogy(t, np.median(curves, axis=0), color=colour, lw=2.0)
        apart.semilogy(t, g ** (t - 1.0), color=colour, lw=1.0, ls=":")
        style.note(
            apart, 0.03, 0.04 + 0.08 * NORMS.index(g), f"$g$ = {g}", color=colour, fontsize=9
        )
    apart.set(xlabel="$t$", title=r"$\|h_t^1 - h_t^2\|$, dotted: bound", ylim=(1e-9, 1e2))
    scores.plot(GAINS, numbers["score"], "o-", color=style.PER_STEP)
    scores.axhline(FORK_TRUTH, color=style.EXACT, lw=1.0)
    scores.axhline(fork_ceiling(1), color=style.EXACT, lw=1.0, ls=":")
    scores.text(2.8, fork_ceiling(1) + 0.03, "one particle's ceiling", ha="right", fontsize=9)
    scores.set(xlabel="norm $g$ of $W$", title="nats a step by Eq. (17)")
    return figure
