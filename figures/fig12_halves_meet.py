r"""Which sigma does the bound with L particles want? The two halves of the paper meet.

Section 2.3 says that K wants no noise; Appendix A adds particles. Linear model (W = 0.6, U = 0.3, C
= 1, s = 0.5, T = 20), particles that share h_1 and have independent noise, four sequences drawn
with sigma = 0.5, exact log p(X) from Kalman. See: the sigma at which Jensen's bound of Eq. (26) is
largest is 0 for L = 1, and moves towards that of the truth as L grows; with resampling few
particles are enough. "Noise-free dynamics is optimal" is a statement about one particle. Falsified
by: a best sigma of Eq. (26) that stays at 0, or that falls with L. Cells: 5 sizes x 2 estimates x
16 values of sigma x 1200 / L draws (at least 8). Time: 6 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from figures.beyond import multinomial, resampled
from rnnvae_ref import examples, kalman, sample, table
from rnnvae_ref.numerics import log_mean_exp

T, N, TRUE = 20, 4, 0.5
SIGMAS, SIZES = np.linspace(0.0, 0.75, 16), (1, 4, 16, 64, 256)


def compute(rng, *, seeds=1200, steps=0, sizes=SIZES):
    rnn, theta = examples.linear()
    X = sample(rnn, theta, rng, T, N, sigma=TRUE)
    found = {"trajectory": {}, "resampled": {}}
    for L in sizes:
        S = max(8, seeds // L)
        eps, uniforms = rng.standard_normal((T - 1, S, L, N, 1)), rng.random((T - 1, S, L, N))
        ell = [table(rnn, theta, X, eps, s) for s in SIGMAS]  # the same draws for every sigma
        found["trajectory"][str(L)] = [log_mean_exp(e.sum(axis=0), axis=1).mean() for e in ell]
        choose = multinomial(uniforms)
        found["resampled"][str(L)] = [
            resampled(rnn, theta, X, eps, s, choose).sum(axis=0).mean() for s in SIGMAS
        ]
    return found | {"log_p": [kalman.log_p(rnn, theta, X, s).mean() for s in SIGMAS]}


def best(curve):
    return SIGMAS[int(np.argmax(curve))]


def headline(numbers):
    found = {"best sigma of log p(X)": (best(numbers["log_p"]), 1e-9)}
    for name in ("trajectory", "resampled"):
        found |= {
            f"best sigma, {name}, L = {L}": (best(numbers[name][str(L)]), 0.11)
            for L in map(int, numbers[name])
        }
    return found


def plot(numbers):
    figure, axes = plt.subplots(1, 2, sharey=True)
    sizes = list(numbers["trajectory"])
    shades = plt.get_cmap("Oranges")(np.linspace(0.35, 0.95, len(sizes)))
    for axis, name, title in zip(
        axes, ("trajectory", "resampled"), ("Eq. (26)", "with resampling"), strict=True
    ):
        axis.plot(SIGMAS, numbers["log_p"], color=style.EXACT)
        for shade, L in zip(shades, sizes, strict=True):
            curve = numbers[name][L]
            axis.plot(SIGMAS, curve, color=shade)
            axis.plot(best(curve), max(curve), "o", color=shade, ms=6, mec=style.EXACT, mew=0.6)
        low, high = numbers["log_p"][0], max(numbers["log_p"])
        axis.set(
            xlabel=r"$\sigma$",
            title=title,
            ylim=(low - 2.0 * (high - low), high + 0.8 * (high - low)),
        )
        style.note(axis, 0.97, 0.92, r"exact $\log p(X)$", ha="right")
    for i, (shade, L) in enumerate(zip(shades, sizes, strict=True)):
        style.note(axes[0], 0.04, 0.34 - 0.075 * i, f"$L$ = {L}", color=shade, fontsize=9)
    axes[0].set_ylabel("nats per sequence (dots: largest)")
    return figure
