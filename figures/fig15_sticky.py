r"""What joins the two readings? The sticky mixture, on data that switch particle with a known
probability.

Sequences from the written-down model of figure 13, whose index stays with probability rho = 0.8,
else is drawn anew; all other parameters held at the truth. See: the held-out log likelihood against
rho: Eq. (17) at the left end, Eq. (26) at the right, its largest value near 0.8, where gradient
ascent of logit rho arrives from three starts. Both the printed and the derived objective lose.
Falsified by: a maximum at an end, or starts that end elsewhere. Cells: 1 model x 22 values of rho,
3 starts, L-BFGS. Time: 1 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style, worlds
from rnnvae_ref import fit, particles, sampling

TRUE, T, RHOS = 0.8, 25, np.concatenate([[0.0], np.linspace(0.05, 0.95, 19), [0.98, 1.0]])
STARTS = (-3.0, 0.0, 4.0)


def compute(rng, *, seeds=3, steps=100):
    rnn, theta = worlds.fork_particles()
    train, test = (
        sampling.sample(rnn, theta, rng, T, N, logit_rho=logit(TRUE)) for N in (300, 500)
    )
    objective = lambda th, X, _: particles.sticky_mixture(rnn, theta, X, th["logit_rho"])
    ends = [
        fit(objective, {"logit_rho": np.array(s)}, train, rng=rng, method="lbfgs", steps=steps).last
        for s in STARTS[:seeds]
    ]
    return {
        "curve": [
            particles.sticky_mixture(rnn, theta, test, logit(rho)).mean() / T for rho in RHOS
        ],
        "learned": [1 / (1 + np.exp(-end["logit_rho"])) for end in ends],
    }


def logit(rho):
    with np.errstate(divide="ignore"):
        return np.log(rho) - np.log1p(-rho)


def headline(numbers):
    return {
        "nats a step by Eq. (17)": (numbers["curve"][0], 1e-5),
        "nats a step by Eq. (26)": (numbers["curve"][-1], 1e-5),
        "nats a step at rho = 0.8": (numbers["curve"][16], 1e-5),
        "learned rho": (float(np.median(numbers["learned"])), 1e-3),
    }


def plot(numbers):
    figure, axis = plt.subplots()
    axis.plot(RHOS, numbers["curve"], color=style.SECOND)
    axis.plot(0.0, numbers["curve"][0], "o", color=style.PER_STEP, ms=7)
    axis.plot(1.0, numbers["curve"][-1], "o", color=style.TRAJECTORY, ms=7)
    low = min(numbers["curve"][:-2])
    axis.axvline(TRUE, color=style.EXACT, lw=1.0)
    axis.plot(
        numbers["learned"], [low + 0.02] * len(numbers["learned"]), "^", color=style.SECOND, ms=8
    )
    axis.text(0.78, low + 0.02, "learned", color=style.SECOND, ha="right", va="center")
    axis.text(0.02, numbers["curve"][0] + 0.01, "Eq. (17)", color=style.PER_STEP, va="bottom")
    axis.text(
        0.78,
        low - 0.03,
        f"Eq. (26), below: at {numbers['curve'][-1]:.2f}",
        color=style.TRAJECTORY,
        ha="right",
    )
    axis.text(0.79, max(numbers["curve"]) + 0.01, r"true $\rho$", ha="right")
    axis.set(
        xlabel=r"$\rho$, the probability to stay",
        ylabel="nats a step, held out",
        ylim=(low - 0.05, max(numbers["curve"]) + 0.05),
    )
    return figure
