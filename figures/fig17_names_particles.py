r"""Do particles help on real text? Colour names again (figure 3), by number of parameters.

Data, training and selection as in figure 3, several particles under Eq. (17) from `init(apart=True)`. See: with D = 8, four
particles do no better than one, within the spread of the seeds; in the study eight have a better median at D = 8, but
all differences at one D lie within the spread of the seeds: what helps is a larger D.
Falsified by: a median with four particles better than with one by more than the spread of the seeds.
Cells: 2 settings x 3 seeds x 1000 steps. Time: 7 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from rnnvae_ref import RNN, Categorical, data, fit, particles

LIVE = ((1, 8), (4, 8))  # L, D
STUDY = {"seeds": 5, "steps": 1500, "cells": tuple((L, D) for D in (8, 16, 32) for L in (1, 2, 4, 8))}


def compute(rng, *, seeds=3, steps=1000, cells=LIVE):
    names = data.colour_names()
    return {"runs": [train(names, L, D, run_rng, steps) for L, D in cells for run_rng in rng.spawn(seeds)]}


def train(names, L, D, rng, steps):
    rnn = RNN(Categorical(len(names.alphabet)), D, particles=L)
    bits = lambda theta, X: -particles.per_step_mixture(rnn, theta, X).sum() / np.log(2) / (X >= 0).sum()
    objective = lambda theta, X, _: particles.per_step_mixture(rnn, theta, X)
    validate = lambda theta: -bits(theta, names.validation)
    result = fit(objective, rnn.init(rng, apart=L > 1), names.train, rng=rng, steps=steps, validate=validate)
    scores = {part: bits(result.best, getattr(names, part)) for part in ("validation", "test")}
    return {"L": L, "D": D, "parameters": sum(value.size for value in result.best.values()), **scores}


def cells_of(numbers):
    return sorted({(run["D"], run["L"]) for run in numbers["runs"]})


def scores(numbers, D, L):
    return [run["test"] for run in numbers["runs"] if (run["D"], run["L"]) == (D, L)]


def headline(numbers):
    return {
        f"bits a character, D = {D}, L = {L}, median": (float(np.median(scores(numbers, D, L))), 0.1)
        for D, L in cells_of(numbers)
    }


def plot(numbers):
    figure, axis = plt.subplots()
    colours = {1: style.RNN, 2: style.SKY, 4: style.PER_STEP, 8: style.ORANGE}
    for L in sorted({run["L"] for run in numbers["runs"]}):
        runs = [run for run in numbers["runs"] if run["L"] == L]
        axis.plot([run["parameters"] for run in runs], [run["test"] for run in runs], "o", color=colours[L], ms=4, alpha=0.6)
        sizes = sorted({run["D"] for run in runs})
        at = [next(run["parameters"] for run in runs if run["D"] == D) for D in sizes]
        axis.plot(at, [np.median(scores(numbers, D, L)) for D in sizes], "_-", color=colours[L], ms=16, mew=2.5, lw=0.8)
        axis.text(
            0.97,
            0.97 - 0.08 * (L.bit_length() - 1),
            f"$L$ = {L}",
            color=colours[L],
            ha="right",
            va="top",
            transform=axis.transAxes,
        )
    axis.set(xlabel="parameters", ylabel="bits a character, held out", title="one particle and several, Eq. (17)")
    axis.margins(x=0.2, y=0.25)
    return figure
