r"""Do particles let a smaller hidden state represent several modes? The paper's untested claim, on known truth.

The fork: x_t = 0.8 x_{t-1} + z_t + 0.1 n_t with z_t = +-1 by a coin, T = 25. Protocol, written before any test number was looked
at: 1500 sequences to train, 300 to choose the stopping step, 500 to test; Adam, step size 0.01, batches of 64, 1000 steps (as
in the study; 800 here, shortened afterwards to save time); one particle from the usual start, several from
`init(apart=True)`, and in the study from the usual start, too; all seeds shown.
Known: the truth scores +0.1905 nats a step; one particle with one scale, of any size, at most -1.4239; the trajectory
mixture (26) with L = 2, of any size, at most -1.4231 (with L = 4 at most -1.4206). See: Eq. (17) with two particles and D = 4,
38 numbers, reaches the truth, as a written-down model with D = 2 and 16 numbers does; one particle with D = 32 and 1154 numbers
stays at its ceiling, and so does Eq. (26). The claim holds for the objective as printed, (17), not for the one derived, (26).
Falsified by: one particle or Eq. (26) above its ceiling, or Eq. (17) with D = 4 below 0.15 from the recommended start.
Cells: 4 settings x 5 seeds x 800 steps. Time: 13 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from figures.baselines import FORK_TRUTH, fork_ceiling
from rnnvae_ref import RNN, Gaussian, data, examples, fit, particles, sampling

T, GRID = 25, np.linspace(-3.0, 3.0, 241)
MIXTURE = {"17": particles.per_step_mixture, "26": particles.trajectory_mixture}
LIVE = ((1, 4, "17", False), (1, 32, "17", False), (2, 4, "26", True), (2, 4, "17", True))  # L, D, equation, start apart
STUDY = {
    "seeds": 10,
    "steps": 1000,
    "cells": (*LIVE, (1, 8, "17", False), (4, 4, "17", True), (4, 4, "26", True), (2, 4, "sticky", True), (2, 4, "17", False)),
}


def compute(rng, *, seeds=5, steps=800, cells=LIVE):
    sets = {part: data.fork(rng, T, N) for part, N in {"train": 1500, "validation": 300, "test": 500}.items()}
    X, runs, shown = {part: pair[0] for part, pair in sets.items()}, [], {}
    for cell in cells:
        done = [train(X, *cell, run_rng, steps) for run_rng in rng.spawn(seeds)]
        runs += [row for _, _, row in done]
        rnn, theta, _ = max(done, key=lambda run: run[2]["validation"])
        shown[label(*cell)] = sampling.predict(rnn, theta, np.full((1, 1, 1), 0.5), GRID, -np.inf)[1, 0]
    rnn, theta = examples.fork_particles()
    return {
        "cells": [label(*cell) for cell in cells],
        "runs": runs,
        "truth of the test set": sets["test"][1].mean(),
        "written down": particles.per_step_mixture(rnn, theta, X["test"]).mean() / T,
        "density": shown,
        "true density": sum(np.exp(-0.5 * ((GRID - 0.4 - z) / 0.1) ** 2) / (0.1 * np.sqrt(2 * np.pi)) for z in (-1, 1)) / 2,
    }


def label(L, D, equation, apart):
    kind = "one particle" if L == 1 else "sticky" if equation == "sticky" else f"Eq. ({equation})"
    return f"{kind}, L = {L}, D = {D}" + ("" if apart or L == 1 else ", usual start")


def train(X, L, D, equation, apart, rng, steps):
    rnn = RNN(Gaussian(), D, particles=L)
    theta = rnn.init(rng, apart=apart) | ({"logit_rho": np.zeros(())} if equation == "sticky" else {})
    objective = objective_of(rnn, equation)
    score = lambda theta, part: objective(theta, X[part], None).mean() / T
    validate = lambda theta: score(theta, "validation")
    result = fit(objective, theta, X["train"], rng=rng, steps=steps, batch=64, validate=validate, every=25, patience=steps)
    numbers = sum(value.size for value in result.best.values())
    return (
        rnn,
        result.best,
        {
            "cell": label(L, D, equation, apart),
            "parameters": numbers,
            **{part: score(result.best, part) for part in ("validation", "test")},
        },
    )


def objective_of(rnn, equation):
    if equation == "sticky":
        return lambda theta, X, _: particles.sticky_mixture(rnn, theta, X, theta["logit_rho"])
    return lambda theta, X, _: MIXTURE[equation](rnn, theta, X)


def scores(numbers, cell):
    return [run["test"] for run in numbers["runs"] if run["cell"] == cell]


def headline(numbers):
    found = {f"nats a step, {cell}, median": (float(np.median(scores(numbers, cell))), 0.03) for cell in numbers["cells"]}
    found["nats a step, written down, D = 2"] = (numbers["written down"], 1e-5)
    found["nats a step, the truth on the test set"] = (numbers["truth of the test set"], 1e-5)
    return found


def plot(numbers):
    rows = len(numbers["cells"]) + 1
    figure, (density, bars) = plt.subplots(2, 1, figsize=(5.2, 3.2 + 0.3 * rows), gridspec_kw={"height_ratios": [2, 0.35 * rows]})
    density.plot(GRID, numbers["true density"], color=style.EXACT, lw=1.0)
    for cell, colour in [("one particle, L = 1, D = 32", style.RNN), ("Eq. (17), L = 2, D = 4", style.PER_STEP)]:
        density.plot(GRID, numbers["density"][cell], color=colour)
        density.text(0.4, 1.7 if "17" in cell else 0.55, cell.replace(", ", "\n", 1), color=colour, ha="center", fontsize=8)
    density.set(xlabel="$x_2$ after $x_1 = 0.5$", ylabel="predicted density", title="truth in black")
    for i, cell in enumerate(numbers["cells"]):
        colour = style.RNN if cell.startswith("one") else style.TRAJECTORY if "26" in cell else style.PER_STEP
        style.strip(bars, i, scores(numbers, cell), colour)
    style.strip(bars, rows - 1, [numbers["written down"]], style.BASELINE)
    bars.axvline(FORK_TRUTH, color=style.EXACT, lw=1.0)
    bars.axvline(fork_ceiling(1), color=style.EXACT, lw=1.0, ls=":")
    size = {run["cell"]: run["parameters"] for run in numbers["runs"]}
    labels = [f"{cell}\n{size[cell]} parameters" for cell in numbers["cells"]] + ["written down, D = 2\n16 parameters"]
    bars.set(yticks=range(rows), yticklabels=labels, ylim=(rows - 0.5, -0.6), xlim=(-1.55, 0.3))
    bars.tick_params(axis="y", labelsize=8)
    bars.set_xlabel("nats a step, held out (dotted: theorem's ceiling; line: truth)", fontsize=9, loc="right")
    return figure
