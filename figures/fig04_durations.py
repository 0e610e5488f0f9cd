r"""What can one particle say about a future that has two humps? One-step predictive densities of
Old Faithful's durations.

Data: 299 eruptions in order; 150 to train, 50 to choose hidden size, seed and stopping step, 99 to
test; nats a step after standardising by the first 150. A long eruption is followed by a short or a
long one with nearly equal chance; a short one always by a long one. See: the RNN of Eq. (5) with
one Gaussian puts, after a long eruption, its one bump between the two humps. The chosen run does no
better than an AR(1) model, and all do far worse than a fixed mixture of two Gaussians, which knows
nothing of the past: this is what Section 3.1 sets out to mend. The bars are standard errors of the
paired difference, step by step, to the chosen run. Falsified by: a one-particle RNN that beats the
mixture. Cells: 3 hidden sizes x 4 seeds x 1000 steps. Time: 6 s.
"""

import numpy as np
from matplotlib import pyplot as plt

from figures import baselines, style
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
        "baselines": scores(d),
        "errors": standard_errors(d, log_likelihood_steps(rnn, theta, d.X)[d.test, 0]),
        "density": predict(rnn, theta, d.X, GRID)[shown, 0] / d.scale,
        "minutes": minutes(GRID),
        "humps": minutes(baselines.two_gaussians(d)[1]),
        "shown": minutes(d.X)[shown, 0, 0],
        "first": shown.start + 1,
    }


def train(d, D, rng, steps):
    rnn = RNN(Gaussian(), D)
    score = lambda theta, part: log_likelihood_steps(rnn, theta, d.X)[part, 0].mean()
    objective = lambda theta, X, _: log_likelihood(rnn, theta, X)
    result = fit(
        objective,
        rnn.init(rng),
        d.X[d.train],
        rng=rng,
        steps=steps,
        validate=lambda theta: score(theta, d.validation),
    )
    parts = {"train": d.train, "validation": d.validation, "test": d.test}
    return (
        rnn,
        result.best,
        {"D": D} | {name: score(result.best, part) for name, part in parts.items()},
    )


def all_baselines(d):
    r"""log p of every step under each baseline; validation chooses the order of the second AR."""
    orders = {p: baselines.autoregression(d, p) for p in range(2, 9)}
    p = max(orders, key=lambda p: orders[p][d.validation].mean())
    gaussian = baselines.log_normal(d.X[:, 0, 0], d.X[d.train].mean(), d.X[d.train].std())
    autoregressions = {"AR(1)": baselines.autoregression(d, 1), f"AR({p})": orders[p]}
    return {"Gaussian": gaussian, **autoregressions, "two Gaussians": baselines.mixture(d)}


def scores(d):
    return {name: steps[d.test].mean() for name, steps in all_baselines(d).items()}


def standard_errors(d, steps):
    r"""Of the paired difference between the chosen RNN and each baseline, on the test part."""
    return {
        name: (steps - other[d.test]).std(ddof=1) / np.sqrt(len(steps))
        for name, other in all_baselines(d).items()
    }


def headline(numbers):
    name = "two Gaussians"
    return {
        "nats a step, run chosen on validation": (numbers["chosen"]["test"], 0.06),
        "nats a step, median of all runs": (
            float(np.median([run["test"] for run in numbers["runs"]])),
            0.06,
        ),
        f"nats a step, chosen run less {name}": (
            numbers["chosen"]["test"] - numbers["baselines"][name],
            0.06,
        ),
        "standard error of that difference": (numbers["errors"][name], 0.02),
    } | {f"nats a step, {name}": (value, 1e-5) for name, value in numbers["baselines"].items()}


def plot(numbers):
    figure, (density, scores) = plt.subplots(
        2, 1, figsize=(5.2, 5.2), gridspec_kw={"height_ratios": [6, 5]}
    )
    show_density(figure, density, numbers)
    labels, sizes = list(numbers["baselines"]), sorted({run["D"] for run in numbers["runs"]})
    for i, name in enumerate(labels):
        style.mark(scores, i, numbers["baselines"][name], numbers["errors"][name])
    for i, D in enumerate(sizes, start=len(labels)):
        chosen = numbers["chosen"]["test"] if D == numbers["chosen"]["D"] else None
        style.strip(
            scores, i, [run["test"] for run in numbers["runs"] if run["D"] == D], style.RNN, chosen
        )
    labels += [f"RNN, D = {D}" for D in sizes]
    scores.set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.3, -0.7))
    scores.set_xlabel(
        "nats a step, held out (right is better)\n"
        "bars: standard error of the difference to the ringed run"
    )
    style.key(figure)
    return figure


def show_density(figure, axis, numbers):
    t = np.arange(numbers["first"], numbers["first"] + len(numbers["shown"]))
    density = np.array(numbers["density"]).T
    blue = axis.pcolormesh(
        t, numbers["minutes"], density, cmap="Blues", rasterized=True, shading="nearest", vmin=0
    )
    figure.colorbar(blue, ax=axis, label="density (1 / minute)", pad=0.02)
    for hump in numbers["humps"]:
        axis.axhline(hump, color=style.ORANGE, lw=1.6, ls=":")
    axis.plot(t, numbers["shown"], ".", color=style.EXACT, ms=6)
    axis.set(
        xlabel="eruption (dots: what came; dotted: the two humps)", ylabel="duration (minutes)"
    )
    axis.set_title(
        f"predicted one step ahead by the RNN with D = {numbers['chosen']['D']}\n"
        "that was chosen on validation"
    )
