r"""Are Eq. (5), the RNN's log likelihood, and Eq. (15), the variational bound with a delta q, the
same function?

The two sides share no formula: (5) goes through the kernels with their derivatives by hand, (15)
through the plain loop with autograd's; a test takes the kernels away, and (15) stays. A rounding is
a relative difference of 2.2e-16: of values |(5) - (15)| / |(5)|; of gradients the largest
difference in an array over the largest entry there, the worst of all arrays. See: 200 random
models, both emissions, both transitions: values and gradients (one component of each model is
shown) lie on the diagonal, and what differs is rounding, which a gradient through 40 steps
collects, at worst some hundreds of them. Falsified by: a difference that grows beyond rounding, in
value or in gradient. Cells: 200 models x 1 x 0 steps. Time: 4 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt
from autograd import value_and_grad

from figures import style
from rnnvae_ref import RNN, Categorical, Gaussian, log_likelihood
from rnnvae_ref.bound import K_delta

EPS = np.finfo(float).eps
EDGES = np.linspace(-0.5, 3.0, 22)  # of the histogram, powers of ten
ZERO = -1.0  # where its bar of exact zeros stands


def compute(rng, *, seeds=200, steps=0):
    rows = [compare(rng, i) for i in range(seeds)]
    keys = ("eq5", "eq15", "gradient5", "gradient15", "value_roundings", "gradient_roundings")
    return {key: [row[i] for row in rows] for i, key in enumerate(keys)}


def compare(rng, i):
    r"""One random model: both values, one gradient component of each, and the largest differences
    in roundings.
    """
    D, T, N = (int(rng.integers(1, most)) for most in (33, 41, 9))
    emission = Categorical(int(rng.integers(2, 31))) if i % 2 else Gaussian(int(rng.integers(1, 4)))
    rnn = RNN(emission, D, transition="linear" if i % 4 > 1 and i % 3 == 0 else "tanh")
    theta = rnn.init(rng, scale=0.5 if rnn.transition == "linear" else float(rng.uniform(0.2, 2.0)))
    X = (
        rng.integers(0, emission.symbols, (T, N))
        if i % 2
        else rng.standard_normal((T, N, emission.dimensions))
    )
    (a, da), (b, db) = (
        value_and_grad(lambda th, g=g: np.mean(g(rnn, th, X)))(theta)
        for g in (log_likelihood, K_delta)
    )
    key = list(da)[int(rng.integers(len(da)))]
    apart = max(
        float(np.abs(da[k] - db[k]).max() / np.abs(da[k]).max())
        for k in da
        if np.abs(da[k]).max() > 0
    )
    return a, b, da[key].flat[0], db[key].flat[0], abs(a - b) / abs(a) / EPS, apart / EPS


def headline(numbers):
    return {
        "models": (len(numbers["eq5"]), 0),
        "largest difference of values, in units of rounding": (
            max(numbers["value_roundings"]),
            100,
        ),
        "largest difference of gradients, in units of rounding": (
            max(numbers["gradient_roundings"]),
            1000,
        ),
    }


def plot(numbers):
    figure, (agree, differ) = plt.subplots(1, 2)
    ends = [min(numbers["eq5"]), max(numbers["gradient5"])]
    agree.plot(ends, ends, color=style.EXACT, lw=0.8)
    agree.plot(numbers["eq5"], numbers["eq15"], "o", color=style.RNN, ms=3, alpha=0.6)
    agree.plot(numbers["gradient5"], numbers["gradient15"], "o", color=style.BOUND, ms=3, alpha=0.6)
    style.note(agree, 0.04, 0.96, "a gradient\ncomponent", color=style.BOUND, va="top")
    style.note(agree, 0.45, 0.1, "value (nats)", color=style.RNN)
    agree.set_xscale("symlog", linthresh=10)
    agree.set_yscale("symlog", linthresh=10)
    ticks = {
        "ticks": [-100, -10, 0, 10, 100],
        "ticklabels": ["-100", "-10", "0", "10", "100"],
        "lim": (-500, 200),
    }
    agree.set(**{f"{axis}{key}": value for axis in "xy" for key, value in ticks.items()})
    agree.set(xlabel="Eq. (5)", ylabel="Eq. (15)", title=f"{len(numbers['eq5'])} random models")
    for i, (key, colour, words) in enumerate(
        [("value", style.RNN, "values"), ("gradient", style.BOUND, "gradients")]
    ):
        bars(differ, np.array(numbers[f"{key}_roundings"]), colour)
        style.note(differ, 0.97, 0.9 - 0.09 * i, words, color=colour, ha="right")
    differ.set(
        xticks=[ZERO, 0, 1, 2, 3], xticklabels=["0", "1", "10", "100", "1000"], ylabel="models"
    )
    differ.set(xlabel="|(5) - (15)| in roundings", title="what differs", xlim=(ZERO - 0.3, 3.1))
    return figure


def bars(axis, roundings, colour):
    r"""A histogram over powers of ten, and at the left, by itself, a bar of those that are exactly
    0.
    """
    some = roundings[roundings > 0]
    axis.bar(ZERO, np.sum(roundings == 0), 0.25, color=colour, alpha=0.7)
    axis.hist(np.clip(np.log10(some), EDGES[0], EDGES[-1]), EDGES, color=colour, alpha=0.7)
