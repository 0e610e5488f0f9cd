r"""What do K and the true log p(X) want the noise to be?

Left, linear dynamics (W = 0.6, U = 0.3, C = 1, s = 0.5), where the Kalman filter is exact; right,
tanh with steeper weights, where quadrature is. Means over 12 sequences each, T = 40, drawn with
sigma = 0.5. See: with linear dynamics K falls from sigma = 0 as an exact parabola, with the same
drop of 30.03 nats at 0.5 for every sequence; the truth rises to a maximum near the sigma that made
the data; the gap is KL(q || posterior). So "noise-free dynamics is optimal" (Section 2.3) is about
K. With tanh it is so for most sequences, not for all: the share on which a little noise raises K is
printed. Without a panel, Proposition B9: on average over data of the noise-free model itself, noise
never raises K, whatever the dynamics. For 240 random tanh models, 60 at each of 4 values of sigma,
by sums over all sequences and all noise paths, the largest average change of K is printed, and
beside it the share of single sequences on which the same noise raises K. Falsified by: a linear K
that rises, a K that wants as much noise as the truth, an estimate far off its line, or an average
change of K above 0 on the model's own data. Cells: 2 models x 12 sequences x 400 draws, 240 models,
0 steps. Time: 4 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style, worlds
from rnnvae_ref import (
    RNN,
    Categorical,
    K_noise,
    enumeration,
    examples,
    kalman,
    log_likelihood,
    noise,
    quadrature,
    sample,
)
from rnnvae_ref.laws import TWO_POINT, Normal

T, TRUE = 40, 0.5
SIGMAS = np.linspace(0.0, 0.75, 16)
MODELS = {"linear": examples.linear, "tanh": worlds.steep}
NOISES = (0.05, 0.3, 1.0, 3.0)
LEAST = 0.3  # the emission's scale where quadrature is used


def compute(rng, *, seeds=400, steps=0, sequences=12):
    panels = {kind: curves(rng, kind, draws=seeds, N=sequences) for kind in MODELS}
    return panels | {"own data": [own_data(rng, 1 + k % 2, s) for k in range(60) for s in NOISES]}


def own_data(rng, D, sigma):
    r"""Of a random tanh model: E_p0[ K(sigma) - K(0) ] over its own noise-free data, exactly, in
    nats, and the share of all 16 sequences on which K(sigma) > K(0)."""
    rnn = RNN(Categorical(2), D)
    theta = rnn.init(rng, scale=2.0)
    X = np.indices((2,) * 4).reshape(4, -1)  # every sequence of four symbols
    eps, log_w = enumeration.paths(TWO_POINT, 4, D)
    log_p0 = log_likelihood(rnn, theta, X)  # K(0)
    gain = K_noise(rnn, theta, X, eps, sigma, log_w) - log_p0
    return [np.exp(log_p0) @ gain, np.mean(gain > 0)]


def curves(rng, transition, draws, N):
    r"""K and log p(X) exactly at every sigma, and at some the Monte-Carlo estimate of K with its
    standard error.

    The draws are shared by all sequences, so the error of their mean is about the mean of their
    errors.
    """
    rnn, theta = MODELS[transition]()
    X = sample(rnn, theta, rng, T, N, sigma=TRUE)
    zero = log_likelihood(rnn, theta, X)
    log_p, K = (
        np.array([zero] + [exact(name, rnn, theta, X, s) for s in SIGMAS[1:]])
        for name in ("log_p", "K")
    )
    eps = Normal().sample(rng, (T - 1, draws, 1, 1, 1))
    estimates = [noise.K_estimate(rnn, theta, X, eps, s) for s in SIGMAS[4::4]]
    return {
        "log_p": log_p.mean(axis=1),
        "K": K.mean(axis=1),
        "first": {
            "K": K[4::4, 0],
            "estimates": [[value[0], error[0]] for value, error in estimates],
        },
        "rises": np.mean(K[1:].max(axis=0) > K[0]),
        "estimates": [[value.mean(), error.mean()] for value, error in estimates],
    }


def exact(name, rnn, theta, X, sigma):
    r"""log_p or K from the oracle that fits; quadrature on a grid that resolves sigma and s, its
    error bounded by a test.
    """
    if rnn.transition == "linear":
        return getattr(kalman, name)(rnn, theta, X, sigma)
    return getattr(quadrature, name)(rnn, theta, X, sigma, points(sigma))


def points(sigma):
    return int(3 * (2 + 2 * quadrature.WIDTH * sigma) / min(sigma, LEAST))


def headline(numbers):
    found = {}
    for name in MODELS:
        log_p, K = np.array(numbers[name]["log_p"]), np.array(numbers[name]["K"])
        at = int(np.argmin(np.abs(SIGMAS - TRUE)))
        found[f"{name}: K lost from sigma = 0 to 0.5, nats"] = (K[0] - K[at], 1e-5)
        found[f"{name}: log p(X) gained from sigma = 0 to its best, nats"] = (
            log_p.max() - log_p[0],
            1e-5,
        )
        found[f"{name}: best sigma of log p(X)"] = (SIGMAS[log_p.argmax()], 1e-9)
        found[f"{name}: best sigma of K"] = (SIGMAS[K.argmax()], 1e-9)
        found[f"{name}: share of sequences on which noise raises K"] = (
            numbers[name]["rises"],
            1e-9,
        )
    gain, rises = np.array(numbers["own data"]).T
    found["240 tanh models, own data: largest average gain of K by noise, nats"] = (
        gain.max(),
        1e-9,
    )
    found["240 tanh models: share of sequences on which noise raises K"] = (rises.mean(), 1e-9)
    return found


def plot(numbers):
    figure, axes = plt.subplots(1, 2)
    for axis, name in zip(axes, MODELS, strict=True):
        log_p, K = numbers[name]["log_p"], numbers[name]["K"]
        axis.fill_between(SIGMAS, K, log_p, color=style.YELLOW, alpha=0.4, lw=0)
        axis.plot(SIGMAS, log_p, color=style.EXACT)
        axis.plot(SIGMAS, K, color=style.BOUND)
        value, error = np.array(numbers[name]["estimates"]).T
        axis.errorbar(SIGMAS[4::4], value, 2 * error, fmt="o", color=style.BOUND, ms=3, capsize=2)
        axis.set(
            xlabel=r"$\sigma$", title=name, ylim=(min(K), max(log_p) + 0.15 * (max(log_p) - min(K)))
        )
    axes[0].set_ylabel("nats per sequence")
    style.note(axes[0], 0.3, 0.91, r"exact $\log p(X)$")
    style.note(axes[0], 0.12, 0.3, "$K$", color=style.BOUND)
    style.note(axes[0], 0.62, 0.5, "KL")
    return figure
