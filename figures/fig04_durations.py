r"""What can one particle say about a future that has two humps? One-step predictive densities of Old Faithful's durations.

Data: 299 eruptions in order; 150 to train, 50 to choose hidden size, seed and stopping step, 99 to test; nats a step after
standardising by the first 150. A long eruption is followed by a short or a long one with nearly equal chance; a short one
always by a long one. See: the RNN of Eq. (5) with one Gaussian puts its one bump between the two humps. It does no better
than an AR(1) model and far worse than a fixed mixture of two Gaussians, which knows nothing of the past: this is what
Section 3.1 sets out to mend. Falsified by: a one-particle RNN that beats the mixture.
Cells: 3 hidden sizes x 5 seeds x 1000 steps. Time: 13 s.
"""

import numpy as np
from matplotlib import pyplot as plt

from figures import style
from rnnvae_ref import RNN, Gaussian, data, fit, log_likelihood, log_likelihood_steps, predict

FLOORS = (0.05, 0.1, 0.15, 0.2)  # least scale of the mixture's parts, chosen on validation: some durations stand as whole minutes
GRID = np.linspace(-2.6, 2.2, 73)
STUDY = {"seeds": 20, "steps": 3000, "sizes": [1, 2, 4, 8, 16]}


def compute(rng, *, seeds=5, steps=1000, sizes=(1, 4, 8)):
    d, runs, best = data.old_faithful(), [], None
    for D in sizes:
        for run_rng in rng.spawn(seeds):
            rnn, theta, row = train(d, D, run_rng, steps)
            runs.append(row)
            if best is None or row["validation"] > best[2]["validation"]:
                best = rnn, theta, row
    rnn, theta, row = best
    shown = slice(d.test.start, d.test.start + 40)
    return {
        "runs": runs,
        "chosen": row,
        "baselines": baselines(d),
        "errors": standard_errors(d, log_likelihood_steps(rnn, theta, d.X)[d.test, 0]),
        "density": predict(rnn, theta, d.X, GRID)[shown, 0] / d.scale,
        "minutes": GRID * d.scale + d.mean,
        "shown": (d.X * d.scale + d.mean)[shown, 0, 0],
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


def mixture(d, floor, sweeps=200):
    r"""log p(x_t) of two Gaussians fitted to the training part by EM, which know nothing of the past, (T,)."""
    x, mean, s, w = d.X[d.train, 0, 0], np.array([-1.0, 1.0]), np.array([0.5, 0.5]), np.array([0.5, 0.5])
    for _ in range(sweeps):
        r = w * np.exp(log_normal(x[:, None], mean, s))
        r /= r.sum(axis=1, keepdims=True)
        w, mean = r.mean(axis=0), (r * x[:, None]).sum(axis=0) / r.sum(axis=0)
        s = np.maximum(floor, np.sqrt((r * (x[:, None] - mean) ** 2).sum(axis=0) / r.sum(axis=0)))
    return np.log((w * np.exp(log_normal(d.X[:, 0], mean, s))).sum(axis=1))


def all_baselines(d):
    r"""log p of every step under each baseline; the orders and the floor are chosen on validation."""
    on_validation = lambda steps: steps[d.validation].mean()
    orders = {p: autoregression(d, p) for p in range(2, 9)}
    p = max(orders, key=lambda p: on_validation(orders[p]))
    two = max((mixture(d, floor) for floor in FLOORS), key=on_validation)
    gaussian = log_normal(d.X[:, 0, 0], d.X[d.train].mean(), d.X[d.train].std())
    return {"Gaussian": gaussian, "AR(1)": autoregression(d, 1), f"AR({p})": orders[p], "two Gaussians": two}


def baselines(d):
    return {name: steps[d.test].mean() for name, steps in all_baselines(d).items()}


def standard_errors(d, steps):
    r"""Of the paired difference between the chosen RNN and each baseline, on the test part."""
    return {name: (steps - other[d.test]).std(ddof=1) / np.sqrt(len(steps)) for name, other in all_baselines(d).items()}


def headline(numbers):
    return {
        "nats a step, run chosen on validation": (numbers["chosen"]["test"], 0.06),
        "nats a step, median of all runs": (float(np.median([run["test"] for run in numbers["runs"]])), 0.06),
    } | {f"nats a step, {name}": (value, 1e-5) for name, value in numbers["baselines"].items()}


def plot(numbers):
    figure, (density, scores) = plt.subplots(2, 1, figsize=(5.2, 4.6), gridspec_kw={"height_ratios": [3, 2]})
    t = np.arange(numbers["first"], numbers["first"] + len(numbers["shown"]))
    density.pcolormesh(t, numbers["minutes"], np.array(numbers["density"]).T, cmap="Blues", rasterized=True, shading="nearest")
    density.plot(t, numbers["shown"], ".", color=style.EXACT, ms=6)
    density.set(xlabel="eruption", ylabel="duration (minutes)", title="predicted one step ahead (blue), and what came (dots)")
    sizes = sorted({run["D"] for run in numbers["runs"]})
    labels = list(numbers["baselines"]) + [f"RNN, D = {D}" for D in sizes]
    values = [[v] for v in numbers["baselines"].values()] + [[r["test"] for r in numbers["runs"] if r["D"] == D] for D in sizes]
    for i, row in enumerate(values):
        trained = i >= len(numbers["baselines"])
        chosen = numbers["chosen"]["test"] if trained and numbers["chosen"]["D"] == sizes[i - len(values)] else None
        style.strip(scores, i, row, style.RNN if trained else style.BASELINE, chosen)
    scores.set(yticks=range(len(labels)), yticklabels=labels, xlabel="nats a step, held out (right is better)")
    scores.invert_yaxis()
    return figure
