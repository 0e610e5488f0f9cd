r"""What can one particle say about a future that has two humps? One-step predictive densities of Old Faithful's durations.

Data: 299 eruptions in order; 150 to train, 50 to choose hidden size, seed and stopping step, 99 to test; nats a step after
standardising by the first 150. A long eruption is followed by a short or a long one with nearly equal chance; a short one
always by a long one. See: the RNN of Eq. (5) with one Gaussian puts its one bump between the two humps. It does no better
than an AR(1) model and far worse than a fixed mixture of two Gaussians, which knows nothing of the past: this is what
Section 3.1 sets out to mend. The bars are standard errors of the paired difference, step by step, to the chosen run.
Falsified by: a one-particle RNN that beats the mixture.
Cells: 3 hidden sizes x 4 seeds x 1000 steps. Time: 6 s.
"""

import numpy as np
from matplotlib import pyplot as plt

from figures import style
from rnnvae_ref import RNN, Gaussian, data, fit, log_likelihood, log_likelihood_steps, predict

GRID = np.linspace(-2.6, 2.2, 73)
STUDY = {"seeds": 20, "steps": 3000, "sizes": [1, 2, 4, 8, 16]}


def compute(rng, *, seeds=4, steps=1000, sizes=(1, 4, 8)):
    d, runs, best = data.old_faithful(), [], None
    for D in sizes:
        for run_rng in rng.spawn(seeds):
            rnn, theta, row = train(d, D, run_rng, steps)
            runs.append(row)
            if best is None or row["validation"] > best[2]["validation"]:
                best = rnn, theta, row
    rnn, theta, row = best
    shown, minutes = slice(d.test.start, d.test.start + 40), lambda x: x * d.scale + d.mean
    return {
        "runs": runs,
        "chosen": row,
        "baselines": baselines(d),
        "errors": standard_errors(d, log_likelihood_steps(rnn, theta, d.X)[d.test, 0]),
        "density": predict(rnn, theta, d.X, GRID)[shown, 0] / d.scale,
        "minutes": minutes(GRID),
        "humps": minutes(two_gaussians(d)[1]),
        "shown": minutes(d.X)[shown, 0, 0],
        "first": shown.start + 1,
    }


def train(d, D, rng, steps):
    rnn = RNN(Gaussian(), D)
    score = lambda theta, part: log_likelihood_steps(rnn, theta, d.X)[part, 0].mean()
    objective = lambda theta, X, _: log_likelihood(rnn, theta, X)
    result = fit(objective, rnn.init(rng), d.X[d.train], rng=rng, steps=steps, validate=lambda theta: score(theta, d.validation))
    parts = {"train": d.train, "validation": d.validation, "test": d.test}
    return rnn, result.best, {"D": D} | {name: score(result.best, part) for name, part in parts.items()}


def log_normal(x, mean, s):
    return -0.5 * ((x - mean) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)


def autoregression(d, p):
    r"""log p(x_t | x_{t-1} .. x_{t-p}) of the least-squares AR(p) of the training part, (T,), nan for the first p steps."""
    x = d.X[:, 0, 0]
    past = np.stack([x[p - k : len(x) - k] for k in range(1, p + 1)] + [np.ones(len(x) - p)], axis=1)
    seen = d.train.stop - p
    weights = np.linalg.lstsq(past[:seen], x[p:][:seen])[0]
    residual = x[p:] - past @ weights
    return np.concatenate([np.full(p, np.nan), log_normal(residual, 0.0, residual[:seen].std())])


def two_gaussians(d, floor=0.0, sweeps=200):
    r"""Weights, means and scales, (2,) each, of two Gaussians fitted by EM to the training part; no scale below `floor`."""
    x, mean, s, w = d.X[d.train, 0, 0], np.array([-1.0, 1.0]), np.array([0.5, 0.5]), np.array([0.5, 0.5])
    for _ in range(sweeps):
        r = w * np.exp(log_normal(x[:, None], mean, s))
        r /= r.sum(axis=1, keepdims=True)
        w, mean = r.mean(axis=0), (r * x[:, None]).sum(axis=0) / r.sum(axis=0)
        s = np.maximum(floor, np.sqrt((r * (x[:, None] - mean) ** 2).sum(axis=0) / r.sum(axis=0)))
    return w, mean, s


def mixture(d, floor=0.0):
    r"""log p(x_t) of these two, which know nothing of the past, (T,)."""
    w, mean, s = two_gaussians(d, floor)
    return np.log((w * np.exp(log_normal(d.X[:, 0], mean, s))).sum(axis=1))


def all_baselines(d):
    r"""log p of every step under each baseline; the order of the second AR is chosen on validation."""
    orders = {p: autoregression(d, p) for p in range(2, 9)}
    p = max(orders, key=lambda p: orders[p][d.validation].mean())
    gaussian = log_normal(d.X[:, 0, 0], d.X[d.train].mean(), d.X[d.train].std())
    autoregressions = {"AR(1)": autoregression(d, 1), f"AR({p})": orders[p]}
    return {"Gaussian": gaussian, **autoregressions, "two Gaussians": mixture(d)}


def baselines(d):
    return {name: steps[d.test].mean() for name, steps in all_baselines(d).items()}


def standard_errors(d, steps):
    r"""Of the paired difference between the chosen RNN and each baseline, on the test part."""
    return {name: (steps - other[d.test]).std(ddof=1) / np.sqrt(len(steps)) for name, other in all_baselines(d).items()}


def headline(numbers):
    name = "two Gaussians"
    return {
        "nats a step, run chosen on validation": (numbers["chosen"]["test"], 0.06),
        "nats a step, median of all runs": (float(np.median([run["test"] for run in numbers["runs"]])), 0.06),
        f"nats a step, chosen run less {name}": (numbers["chosen"]["test"] - numbers["baselines"][name], 0.06),
        "standard error of that difference": (numbers["errors"][name], 0.02),
    } | {f"nats a step, {name}": (value, 1e-5) for name, value in numbers["baselines"].items()}


def plot(numbers):
    figure, (density, scores) = plt.subplots(2, 1, figsize=(5.2, 5.2), gridspec_kw={"height_ratios": [6, 5]})
    show_density(figure, density, numbers)
    labels, sizes = list(numbers["baselines"]), sorted({run["D"] for run in numbers["runs"]})
    for i, name in enumerate(labels):
        style.mark(scores, i, numbers["baselines"][name], numbers["errors"][name])
    for i, D in enumerate(sizes, start=len(labels)):
        chosen = numbers["chosen"]["test"] if D == numbers["chosen"]["D"] else None
        style.strip(scores, i, [run["test"] for run in numbers["runs"] if run["D"] == D], style.RNN, chosen)
    labels += [f"RNN, D = {D}" for D in sizes]
    scores.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.3, -0.7))
    scores.set_xlabel("nats a step, held out (right is better)\nbars: standard error of the difference to the ringed run")
    style.key(figure)
    return figure


def show_density(figure, axis, numbers):
    t = np.arange(numbers["first"], numbers["first"] + len(numbers["shown"]))
    density = np.array(numbers["density"]).T
    blue = axis.pcolormesh(t, numbers["minutes"], density, cmap="Blues", rasterized=True, shading="nearest", vmin=0)
    figure.colorbar(blue, ax=axis, label="density (1 / minute)", pad=0.02)
    for hump in numbers["humps"]:
        axis.axhline(hump, color=style.ORANGE, lw=1.6, ls=":")
    axis.plot(t, numbers["shown"], ".", color=style.EXACT, ms=6)
    axis.set(xlabel="eruption (dots: what came; dotted: the two humps)", ylabel="duration (minutes)")
    axis.set_title(f"predicted one step ahead by the RNN with D = {numbers['chosen']['D']}\nthat was chosen on validation")
