r"""How fast does the Monte-Carlo estimator of Eqs. (14) and (16) approach K, and does it err
without noise?

A random tanh model, D = 2, T = 6, two-point noise, so that K, its gradient in sigma and the spread
of one draw are exact sums over 1024 paths. See: the root mean square error over 200 repetitions
lies on (spread of one draw) / sqrt(S), for the value and for the gradient; with delta dynamics
every estimate equals K, and the error is that of rounding. Falsified by: another slope, a level off
the exact line, or an error without noise. Cells: 2 quantities x 6 sizes x 200 repetitions x 0
steps. Time: 2 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt
from autograd import elementwise_grad, value_and_grad

from figures import style
from rnnvae_ref import RNN, Gaussian, K_noise, enumeration, table
from rnnvae_ref.laws import TWO_POINT

T, D, SIGMA = 6, 2, 0.5
SIZES = [1, 4, 16, 64, 256, 1024]


def compute(rng, *, seeds=200, steps=0):
    rnn = RNN(Gaussian(), D)
    theta, X = rnn.init(rng), rng.standard_normal((T, 1, 1))
    eps, log_w = enumeration.paths(TWO_POINT, T, D)
    estimate = lambda eps, s, log_w=None: value_and_grad(
        lambda s: K_noise(rnn, theta, X, eps, s, log_w)[0]
    )(s)
    truth, at_zero = np.array(estimate(eps, SIGMA, log_w)), estimate(eps, 0.0, log_w)[0]
    errors, without = [], []
    for S in SIZES:
        draws = [TWO_POINT.sample(rng, (T - 1, S, 1, 1, D)) for _ in range(seeds)]
        errors.append(
            np.sqrt(np.mean((np.array([estimate(e, SIGMA) for e in draws]) - truth) ** 2, axis=0))
        )
        without.append(max(abs(estimate(e, 0.0)[0] - at_zero) for e in draws[:20]))
    return {"errors": np.array(errors).T, "spread": spread(rnn, theta, X, eps), "without": without}


def spread(rnn, theta, X, eps):
    r"""The exact standard deviation of one draw of the value and of the gradient; all paths are
    equally likely.
    """
    per_path = lambda s: np.sum(table(rnn, theta, X, s * eps, 1.0), axis=0)[:, 0, 0]
    copies = SIGMA * np.ones((eps.shape[1], 1, 1, 1))  # a sigma of its own for each path
    return [np.std(per_path(copies)), np.std(elementwise_grad(per_path)(copies))]


def slope(numbers, i):
    return np.polyfit(np.log(SIZES), np.log(numbers["errors"][i]), 1)[0]


def headline(numbers):
    level = [
        np.exp(
            np.mean(np.log(np.array(numbers["errors"][i]) * np.sqrt(SIZES) / numbers["spread"][i]))
        )
        for i in (0, 1)
    ]
    return {
        "slope of the error of the value": (slope(numbers, 0), 0.03),
        "slope of the error of the gradient": (slope(numbers, 1), 0.03),
        "error of the value over its exact level": (level[0], 0.1),
        "error of the gradient over its exact level": (level[1], 0.1),
        "largest error without noise, nats": (max(numbers["without"]), 1e-12),
    }


def plot(numbers):
    figure, axis = plt.subplots()
    for i, (name, colour) in enumerate(
        [("value", style.BOUND), ("gradient in $\\sigma$", style.SECOND)]
    ):
        axis.loglog(SIZES, numbers["spread"][i] / np.sqrt(SIZES), color=style.EXACT, lw=1.0)
        axis.loglog(SIZES, numbers["errors"][i], "o", color=colour, ms=6)
        style.note(
            axis,
            0.97,
            0.9 - 0.08 * i,
            f"{name}: slope {slope(numbers, i):.2f}",
            color=colour,
            ha="right",
        )
    axis.set(
        xlabel="draws $S$", ylabel="error of the estimate (rms)", xticks=SIZES, xticklabels=SIZES
    )
    axis.minorticks_off()
    style.note(
        axis, 0.03, 0.05, f"$\\sigma = 0$: at most {max(numbers['without']):.0e} nats, rounding"
    )
    style.note(axis, 0.97, 0.74, "lines: exact spread of one draw / $\\sqrt{S}$", ha="right")
    return figure
