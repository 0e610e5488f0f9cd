r"""What do the paper's objectives have in common? All reduce one table, log p(x_t | h_t^l).

Three years of the Nile (1914 to 1916) under the local-level model with its usual variances:
h_t = h_{t-1} + sigma eps_t, x_t ~ N(h_t, R), h_1 = x_1. The noise is a coin flip, so four columns
hold all trajectories, and every number is exact. See: the sum down the columns, then the mean over
them, is Eqs. (14) and (16); the sum, then the log of the mean of exp, is Eq. (26). The other order
is Eq. (17). The column without noise gives Eq. (5). In between: the sticky form stays in its column
with probability rho, else draws one anew at each step; the resampled form draws the columns anew by
weight after each step. As the columns are all paths, (26) is log p(X), Eq. (9). (14) is below it.
(17), which is printed as a lower bound, is above it on these years.
Falsified by: (26) off log p(X); (14) or the resampled form above it; (17) not above it.
Cells: 1 model x 1 sequence x 0 steps. Time: 1 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from figures.beyond import resampled
from rnnvae_ref import F, K_noise, bound, data, enumeration, examples, log_likelihood, particles
from rnnvae_ref.laws import TWO_POINT
from rnnvae_ref.rnn import table

YEARS, R, Q = slice(43, 46), 15099.0, 1469.1
SIGMA = np.sqrt(Q)

# key in numbers, name, how it reduces the table, colour, marker
# fmt: off
ROWS = (
    ("5",         "Eq. (5)",         r"$\Sigma_t$, column without noise", style.RNN,        "o"),
    ("14",        "Eqs. (14), (16)", r"mean$_l\;\Sigma_t$",               style.BOUND,      "o"),
    ("resampled", "resampled",       "columns drawn anew by weight",      style.SECOND,     "D"),
    ("26",        "Eq. (26)",        r"log mean$_l$ exp $\Sigma_t$",      style.TRAJECTORY, "o"),
    ("sticky",    "sticky",          r"may change column, $\rho = 1/2$",  style.SECOND,     "s"),
    ("17",        "Eq. (17)",        r"$\Sigma_t$ log mean$_l$ exp",      style.PER_STEP,   "o"),
)
# fmt: on
MINUS = "\N{MINUS SIGN}"
NO_NOISE, ACROSS, BELOW = -0.85, 5.05, -3.0  # places in the picture of the table
COLUMNS = ((NO_NOISE, style.RNN), *((column + 0.5, style.EXACT) for column in range(4)))


def compute(rng, *, seeds=1, steps=0):
    nile = data.nile()
    X = (nile.X * nile.scale + nile.mean)[YEARS]
    rnn, theta = examples.one_unit("linear", 1.0, 0.0, np.sqrt(R))
    theta = theta | {"h1": X[0]}
    eps, log_w = enumeration.paths(TWO_POINT, len(X), 1)  # all four: (T-1, S = 4, L = 1, 1, 1)
    columns = np.swapaxes(eps, 1, 2)[:, 0]  # the same as particles: (T-1, L = 4, 1, 1)
    ell = table(rnn, theta, X, columns, SIGMA)[:, :, 0]
    return {
        "x": X[:, 0, 0],
        "signs": columns[:, :, 0, 0],
        "ell": ell,
        "without noise": table(rnn, theta, X)[:, 0, 0],
        "down": ell.sum(axis=0),
        "across": particles.per_step_mixture_steps(rnn, theta, X, columns, SIGMA)[:, 0],
    } | {name: value[0] for name, value in objectives(rnn, theta, X, eps, log_w, columns).items()}


def objectives(rnn, theta, X, eps, log_w, columns):
    r"""Every objective, and log p(X), in nats, (N,) each."""
    H = F(rnn, theta, X, eps, SIGMA)
    return {
        "5": log_likelihood(rnn, theta, X),
        "14": bound.K(rnn, theta, X, H, log_w),
        "16": K_noise(rnn, theta, X, eps, SIGMA, log_w),
        "26": particles.trajectory_mixture(rnn, theta, X, columns, SIGMA),
        "17": particles.per_step_mixture(rnn, theta, X, columns, SIGMA),
        "sticky": particles.sticky_mixture(rnn, theta, X, 0.0, columns, SIGMA),
        "resampled": mean_over_ancestors(rnn, theta, X, columns),
        "log_p": enumeration.log_p(rnn, theta, X, SIGMA, TWO_POINT),
    }


def mean_over_ancestors(rnn, theta, X, columns):
    r"""The resampled bound, exactly: all 256 ways to choose ancestors after step 2, weighted, (N,).

    After step 1 the columns are still equal, so the choice that is made there is none.
    """
    L, weights = columns.shape[1], []
    ways = np.indices((L,) * L).reshape(L, -1).T  # (S = 256, L)

    def choose(t, w):
        weights.append(w[0, :, 0])
        return ways[:, :, None]

    eps = np.repeat(columns[:, None], len(ways), axis=1)
    steps = resampled(rnn, theta, X, eps, SIGMA, choose)  # (T, S, N)
    return np.prod(weights[-1][ways], axis=1) @ steps.sum(axis=0)


def headline(numbers):
    names = {"log_p": "log p(X)", "sticky": "sticky, rho = 1/2", "resampled": "resampled"}
    keys = ("5", "14", "16", "26", "17", "sticky", "resampled", "log_p")
    return {f"{names.get(key, f'Eq. ({key})')}, nats": (numbers[key], 1e-5) for key in keys}


def plot(numbers):
    figure = plt.figure(figsize=(5.2, 4.7))
    above, below = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    draw_table(above.subplots(), numbers)
    draw_values(below.subplots(), numbers)
    return figure


def draw_table(axis, n):
    r"""The cells; below them the sums over t, to the right the log-means over l."""
    ell = np.column_stack([n["without noise"], n["ell"]])
    for y, (x, row, across) in enumerate(zip(n["x"], ell, n["across"], strict=True)):
        axis.text(-2.05, -y, f"$x_{y + 1}$ = {x:.0f}", ha="center", va="center")
        for (place, _), value in zip(COLUMNS, row, strict=True):
            cell(axis, place, -y, value, (ell.max() - value) / np.ptp(ell))
        arrow(axis, (4.05, -y), (4.5, -y), style.PER_STEP)
        number(axis, ACROSS, -y, across, style.PER_STEP, weight="bold")
    ends = (*COLUMNS, (ACROSS, style.PER_STEP))
    for (place, colour), value in zip(ends, (n["5"], *n["down"], n["17"]), strict=True):
        arrow(axis, (place, -2.4), (place, BELOW + 0.2), colour)
        number(axis, place, BELOW, value, colour, weight="bold")
    words(axis, n["signs"])
    axis.set(xlim=(-2.6, 5.7), ylim=(BELOW - 0.95, 1.45))
    axis.axis("off")


def cell(axis, x, y, value, shade):
    r"""A rectangle, the darker the less likely x_t."""
    face = str(0.97 - 0.35 * shade)
    axis.add_patch(plt.Rectangle((x - 0.48, y - 0.45), 0.96, 0.9, fc=face, ec="none"))
    number(axis, x, y, value, style.EXACT)


def number(axis, x, y, value, colour, **look):
    text = f"{value:.2f}".replace("-", MINUS)
    axis.text(x, y, text, ha="center", va="center", color=colour, **look)


def arrow(axis, start, end, colour):
    look = {"arrowstyle": "-|>", "lw": 1.2, "shrinkA": 0, "shrinkB": 0, "color": colour}
    axis.annotate("", end, start, arrowprops=look)


def words(axis, signs):
    r"""The heads of the columns and of both reductions."""
    at = {"ha": "center", "va": "bottom"}
    for column, flips in enumerate(zip(*signs, strict=True)):
        coin = ", ".join("+" if flip > 0 else MINUS for flip in flips)
        axis.text(column + 0.5, 0.53, f"({coin})", **at)
    axis.text(NO_NOISE, 0.53, "no noise", color=style.RNN, **at)
    axis.text(2.0, 1.0, r"$\ell_{t,l} = \log\;p(x_t \mid h_t^l)$, coin flips $l$", **at)
    axis.text(ACROSS, 0.53, "log mean\nexp over $l$", color=style.PER_STEP, **at)
    axis.text(-2.05, 0.53, "the Nile,\n1914 to 16", **at)
    axis.text(-2.05, BELOW, r"$\Sigma_t$", ha="center", va="center")
    axis.plot([0.1, 0.1, 3.9, 3.9], BELOW - np.array([0.22, 0.32, 0.32, 0.22]), "k", lw=1.0)
    at = {"ha": "center", "va": "center"}
    axis.text(NO_NOISE, BELOW - 0.6, "Eq. (5)", color=style.RNN, **at)
    axis.text(0.5, BELOW - 0.6, "mean: (14)", color=style.BOUND, **at)
    axis.text(2.75, BELOW - 0.6, "log mean exp: (26)", color=style.TRAJECTORY, **at)
    axis.text(ACROSS, BELOW - 0.6, "Eq. (17)", color=style.PER_STEP, **at)


def draw_values(axis, n):
    r"""A row an objective, from the lowest to the highest; the exact log p(X) as a black line."""
    rows = sorted(ROWS, key=lambda row: n[row[0]])
    axis.axvline(n["log_p"], color=style.EXACT, lw=1.2)
    for y, (key, _, _, colour, marker) in enumerate(rows):
        axis.plot(n[key], y, marker, color=colour, ms=8)
        number(axis, -19.97, y, n[key], style.EXACT)
    labels = [f"{name}:  {how}" for _, name, how, _, _ in rows]
    axis.set(yticks=range(len(rows)), yticklabels=labels, ylim=(-0.6, len(rows) - 0.4))
    axis.set(xlim=(-20.8, -19.85), xticks=[-20.7, -20.3])
    axis.set_xlabel("nats; line: exact log p(X)")
    axis.tick_params(axis="y", length=0)
