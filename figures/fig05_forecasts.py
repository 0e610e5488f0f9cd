r"""What does the trained model expect to follow a given past? Forecasts of a neuron's membrane potential.

Data: membrane.dat from matplotlib, 1.0 to 5.3 s at 500 Hz; 55 % to train, 15 % to choose hidden size, seed and number of
steps (and the order of the AR model), 30 % to test. The spikes are regular at first and irregular later, within the
validation part: so the chosen model is trained once more, for the chosen number of steps, on the first 70 %; the AR models
are fitted to the same. Nats a step after standardising by the training part. Each fan holds the 5, 25, 75 and 95 %
quantiles of 400 continuations of a prefix of the test part, drawn from p(x_t | h_t), x fed back.
See: an RNN that has seen only regular spikes does worse than an AR model when irregular ones come; trained again, it does
far better. Its fans know that a spike may come and that it is short; the AR model's are Gaussian and symmetric.
(Training again was added after a test score of the first kind had been seen; so both kinds are shown, with all seeds.)
Falsified by: AR as good as the RNN that was trained again.
Cells: 2 hidden sizes x 4 seeds x 2 x at most 1500 steps. Time: 15 s.
"""

import numpy as np
from matplotlib import pyplot as plt

from figures import style
from figures.fig04_durations import log_normal
from rnnvae_ref import RNN, Gaussian, data, fit, log_likelihood, log_likelihood_steps, sample

PREFIXES, AHEAD, COPIES, ORDERS = (60, 215, 380, 560), 50, 400, (1, 2, 5, 10)
LEVELS = (5, 25, 75, 95)
STUDY = {"seeds": 10, "steps": 4000, "sizes": [4, 8, 16, 32]}


def compute(rng, *, seeds=4, steps=1500, sizes=(8, 16)):
    m = data.membrane()
    runs = [again(m, *train(m, D, run_rng, steps)) for D in sizes for run_rng in rng.spawn(seeds)]
    rnn, theta, row = max(runs, key=lambda run: run[-1]["validation"])
    models = {p: Autoregression(m, p) for p in ORDERS}
    chosen = max(models.values(), key=lambda ar: ar.validation)
    continuations = {
        "RNN": lambda past: sample(rnn, theta, rng, AHEAD, prefix=np.repeat(past, COPIES, axis=1))[:, :, 0],
        "AR": lambda past: chosen.sample(rng, past[:, 0, 0]),
    }
    ends = [m.test.start + p for p in PREFIXES]
    raw = m.X[:, 0, 0] * m.scale + m.mean
    return {
        "runs": [run[-1] for run in runs],
        "chosen": row,
        "AR": {str(p): ar.test for p, ar in models.items()},
        "order": chosen.p,
        "truth": [raw[end - AHEAD : end + AHEAD] for end in ends],
        "fans": {
            name: [np.percentile(draw(m.X[:end]), LEVELS, axis=1) * m.scale + m.mean for end in ends]
            for name, draw in continuations.items()
        },
    }


def train(m, D, rng, steps):
    r"""One run: the RNN, what it started from, and its scores; the number of steps is the best on validation."""
    rnn, seed = RNN(Gaussian(), D), int(rng.integers(2**32))
    start = rnn.init(rng)
    result = ascend(m, rnn, start, m.train, seed, steps, validate=lambda theta: score(m, rnn, theta, m.validation))
    step = result.history["step"][int(np.argmax(result.history["validation"]))]
    scores = {part: score(m, rnn, result.best, getattr(m, part)) for part in ("validation", "test")}
    return rnn, start, {"D": D, "seed": seed, "step": step, **scores}


def again(m, rnn, start, row):
    r"""The same run on the first 70 %, training and validation part together, for the number of steps that was best."""
    theta = ascend(m, rnn, start, slice(0, m.validation.stop), row["seed"], max(1, row["step"])).last
    return rnn, theta, row | {"test_again": score(m, rnn, theta, m.test)}


def ascend(m, rnn, theta, part, seed, steps, validate=None):
    objective = lambda theta, X, _: log_likelihood(rnn, theta, X)
    return fit(objective, theta, data.windows(m.X[part], 50), rng=np.random.default_rng(seed), steps=steps, validate=validate)


def score(m, rnn, theta, part):
    return log_likelihood_steps(rnn, theta, m.X)[part, 0].mean()


class Autoregression:
    r"""Least-squares AR(p): scored on validation after the first 55 %, on the test part after the first 70 %, as the RNN is."""

    def __init__(self, m, p):
        self.x, self.p = m.X[:, 0, 0], p
        self.validation = self.score(m.train, m.validation)
        self.test = self.score(slice(0, m.validation.stop), m.test)

    def score(self, seen, part):
        x, p = self.x, self.p
        past = np.stack([x[p - k : len(x) - k] for k in range(1, p + 1)] + [np.ones(len(x) - p)], axis=1)
        self.weights = np.linalg.lstsq(past[: seen.stop - p], x[p : seen.stop])[0]
        residual = x[p:] - past @ self.weights
        self.s = residual[: seen.stop - p].std()
        return log_normal(residual, 0.0, self.s)[part.start - p : part.stop - p].mean()

    def sample(self, rng, past):
        r"""(AHEAD, COPIES) continuations of one past."""
        x = [np.full(COPIES, v) for v in past[-self.p :]]
        for _ in range(AHEAD):
            mean = sum(w * x[-k - 1] for k, w in enumerate(self.weights[:-1])) + self.weights[-1]
            x.append(mean + self.s * rng.standard_normal(COPIES))
        return np.array(x[self.p :])


def median(numbers, key):
    return float(np.median([run[key] for run in numbers["runs"]]))


def headline(numbers):
    return {
        "nats a step, chosen run, first 55 %": (numbers["chosen"]["test"], 0.4),
        "nats a step, chosen run, first 70 %": (numbers["chosen"]["test_again"], 0.4),
        "nats a step, median of all runs, first 55 %": (median(numbers, "test"), 0.4),
        "nats a step, median of all runs, first 70 %": (median(numbers, "test_again"), 0.4),
    } | {f"nats a step, AR({p})": (value, 1e-5) for p, value in numbers["AR"].items()}


def plot(numbers):
    figure = plt.figure(figsize=(5.2, 5.6))
    grid = figure.add_gridspec(3, 2, height_ratios=[3, 3, 2])
    for i in range(4):
        fan_chart(figure.add_subplot(grid[i // 2, i % 2]), numbers, i)
    scores = figure.add_subplot(grid[2, :])
    rows = [("RNN, first 55 %", "test"), ("RNN, first 70 %", "test_again")]
    for i, (_, key) in enumerate(rows):
        style.strip(scores, i, [run[key] for run in numbers["runs"]], style.RNN, numbers["chosen"][key])
    style.strip(scores, 2, [numbers["AR"][str(numbers["order"])]], style.BASELINE)
    scores.set(yticks=range(3), yticklabels=[label for label, _ in rows] + [f"AR({numbers['order']}), first 70 %"])
    scores.set(xlabel="nats a step, held out (right is better)", ylim=(2.6, -0.6))
    return figure


def fan_chart(axis, numbers, i):
    before, after = np.arange(-AHEAD, 0) * 2, np.arange(AHEAD) * 2
    for name, colour in [("AR", style.BASELINE), ("RNN", style.RNN)]:
        fan = numbers["fans"][name][i]
        axis.fill_between(after, fan[0], fan[3], color=colour, alpha=0.25, lw=0)
        axis.fill_between(after, fan[1], fan[2], color=colour, alpha=0.35, lw=0)
        if i == 0:
            axis.text(95, {"AR": -6, "RNN": 2}[name], name, color=colour, ha="right")
    axis.plot(np.r_[before, after], numbers["truth"][i], color=style.EXACT, lw=1.0)
    axis.axvline(0, color=style.EXACT, lw=0.6, ls=":")
    axis.set(ylim=(-62, 8), xlabel="ms" if i > 1 else None, ylabel="mV" if i % 2 == 0 else None)
