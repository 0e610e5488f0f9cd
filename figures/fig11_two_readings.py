r"""Do Eq. (26), as derived, and Eqs. (17) and (27), as printed, say the same? All 64 sequences of a
small model.

Two particles, D = 2, two symbols, T = 6, no noise: every sequence's log probability under both
readings. See: each sums to one over all sequences, so both are models, but different ones: points
lie on both sides of the diagonal, so neither bounds the other. Right, the two-step example: the
same log weights in another order. Falsified by: all points on one side, or a sum that is not 1.
Cells: 1 model x 64 sequences x 0 steps. Time: 1 s.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from rnnvae_ref import RNN, Categorical
from rnnvae_ref.numerics import log_mean_exp
from rnnvae_ref.particles import per_step_mixture, trajectory_mixture

EXAMPLES = {"(5,1), (5,1)": [[5.0, 1.0], [5.0, 1.0]], "(5,1), (1,5)": [[5.0, 1.0], [1.0, 5.0]]}


def compute(rng, *, seeds=1, steps=0):
    rnn = RNN(Categorical(2), 2, particles=2)
    theta = rnn.init(rng, scale=2.0)
    X = np.array(list(itertools.product(range(2), repeat=6))).T
    examples = {}
    for name, log_weights in EXAMPLES.items():
        ell = np.array(log_weights)  # a step a row, a particle a column
        examples[name] = [log_mean_exp(ell.sum(axis=0), axis=0), log_mean_exp(ell, axis=1).sum()]
    return {
        "26": trajectory_mixture(rnn, theta, X),
        "17": per_step_mixture(rnn, theta, X),
        "examples": examples,
    }


def headline(numbers):
    a, b = np.array(numbers["26"]), np.array(numbers["17"])
    return {
        "sum of the probabilities under Eq. (26)": (np.exp(a).sum(), 1e-6),
        "sum of the probabilities under Eq. (17)": (np.exp(b).sum(), 1e-6),
        "share of sequences on which (17) exceeds (26)": (np.mean(b > a), 0.02),
        "mean of (26) - (17) over data from (26), nats": (np.sum(np.exp(a) * (a - b)), 1e-4),
        "mean of (26) - (17) over data from (17), nats": (np.sum(np.exp(b) * (a - b)), 1e-4),
    }


def plot(numbers):
    figure, (both, example) = plt.subplots(1, 2, gridspec_kw={"width_ratios": [3, 2]})
    a, b = np.array(numbers["26"]), np.array(numbers["17"])
    ends = [min(a.min(), b.min()) - 0.3, max(a.max(), b.max()) + 0.3]
    both.plot(ends, ends, color=style.EXACT, lw=0.8)
    both.plot(a[b > a], b[b > a], "o", color=style.PER_STEP)
    both.plot(a[b <= a], b[b <= a], "o", color=style.TRAJECTORY)
    style.note(both, 0.04, 0.92, f"(17) larger: {np.sum(b > a)}", color=style.PER_STEP)
    look = {"color": style.TRAJECTORY, "ha": "right"}
    style.note(both, 0.97, 0.05, f"(26) larger: {np.sum(b <= a)}", **look)
    both.set(xlabel=r"$\log p(X)$ by Eq. (26)", ylabel=r"$\log p(X)$ by Eq. (17)")
    both.set(title=f"all {len(a)} sequences")
    colours = (style.TRAJECTORY, style.PER_STEP)
    for i, values in enumerate(numbers["examples"].values()):
        for j, (value, colour) in enumerate(zip(values, colours, strict=True)):
            label = ("Eq. (26)", "Eq. (17)")[j] if i == 0 else None
            example.bar(i + 0.4 * j - 0.2, value, 0.38, color=colour, label=label)
            example.text(i + 0.4 * j - 0.2, value + 0.1, f"{value:.2f}", ha="center", fontsize=9)
    example.set(xticks=[0, 1], xticklabels=list(numbers["examples"]))
    example.set(ylabel="nats", ylim=(0, 12.9), title="two steps")
    example.legend(loc="upper right", borderaxespad=0)
    example.tick_params(axis="x", labelsize=9)
    return figure
