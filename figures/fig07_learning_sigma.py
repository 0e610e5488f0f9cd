r"""Where does gradient ascent take sigma, under K and under the true log p(X)?

The linear model of figure 6, five sequences drawn with sigma = 0.5, all parameters but sigma held
at the truth; ten starts, of either sign; Adam on sigma itself, the same under both objectives, both
exact. See: under K every start goes to 0; under log p(X) the same starts settle at plus or minus
its maximiser, which a one-dimensional search finds, too (a test compares it with a fine grid).
Falsified by: a start that K does not bring to 0, or that the truth does. Cells: 2 objectives x 10
starts x 150 steps. Time: 5 s.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize_scalar

from figures import style
from rnnvae_ref import RNN, Gaussian, examples, fit, kalman, sample

T, TRUE = 40, 0.5
STARTS = np.array([-0.3, 0.5, -1.5, -0.8, -0.1, -0.05, 0.05, 0.2, 1.0, 2.0])


def compute(rng, *, seeds=10, steps=150):
    rnn, theta = examples.linear()
    X = sample(rnn, theta, rng, T, 5, sigma=TRUE)
    best = minimize_scalar(
        lambda s: -kalman.log_p(rnn, theta, X, s).sum(),
        bounds=(0, 2),
        method="bounded",
        options={"xatol": 1e-9},
    )
    starts = STARTS[:seeds]
    return {
        "best": best.x,
        **{
            name: ascend(rng, getattr(kalman, name), theta, X, starts, steps)
            for name in ("K", "log_p")
        },
    }


def ascend(rng, objective, theta, X, starts, steps):
    r"""sigma at every step, (steps + 1, starts): independent copies of the model side by side, one
    for each start.

    Their log likelihoods add up and Adam goes by coordinates, so each copy moves as it would alone.
    """
    n, path = len(starts), []
    rnn = RNN(Gaussian(n), n, transition="linear")
    side_by_side = {
        key: np.kron(np.eye(n), value) if key in "WUC" else np.repeat(value, n, axis=-1)
        for key, value in theta.items()
    }
    fit(
        lambda th, X, _: objective(rnn, side_by_side, X, th["sigma"]),
        {"sigma": np.array(starts)},
        np.repeat(X, n, axis=2),
        rng=rng,
        steps=steps,
        step_size=0.05,
        clip=np.inf,
        every=1,
        patience=steps + 1,
        validate=lambda th: path.append(th["sigma"]) or 0.0,  # only to look on
    )
    return np.array(path)


def headline(numbers):
    last = {name: np.abs(numbers[name][-1]) for name in ("K", "log_p")}
    return {
        "largest |sigma| at the end under K": (last["K"].max(), 1e-2),
        "largest distance of |sigma| from the maximiser under log p(X)": (
            np.abs(last["log_p"] - numbers["best"]).max(),
            1e-3,
        ),
        "the maximiser": (numbers["best"], 1e-5),
    }


def plot(numbers):
    figure, axes = plt.subplots(1, 2, sharey=True)
    for axis, name, colour, title in [
        (axes[0], "K", style.BOUND, "under $K$"),
        (axes[1], "log_p", style.EXACT, r"under $\log p(X)$"),
    ]:
        axis.plot(np.array(numbers[name]), color=colour, lw=0.9)
        axis.set(xlabel="step of Adam", title=title)
        for sign in (-1, 1):
            axis.axhline(sign * numbers["best"], color=style.BASELINE, lw=0.8, ls=":")
    axes[0].set_ylabel(r"$\sigma$")
    axes[0].text(
        0.98,
        numbers["best"] + 0.04,
        r"maximiser of $\log p(X)$",
        ha="right",
        fontsize=9,
        transform=axes[0].get_yaxis_transform(),
    )
    return figure
