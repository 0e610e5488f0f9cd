r"""Do particles help on real text? Colour names again (figure 3), by number of parameters.

Data, training and selection as in figure 3, but 700 steps here (1000 at first, shortened to make
room for the control; 1500 in the study). Several particles under Eq. (17) start from
`init(apart=True)`; one particle starts from the usual start and, as a control, from that start,
too. See: with D = 8, four particles do no better than one from the same start, within the spread of
the seeds. In the study, too, the ranges of the seeds of one particle and several overlap at each D:
what helps is a larger D. Falsified by: a median with four particles better than with one from the
same start by more than the spread of the seeds. Cells: 3 settings x 3 seeds x 700 steps. Time: 7 s.
"""

import matplotlib.pyplot as plt
import numpy as np

from figures import style
from rnnvae_ref import RNN, Categorical, data, fit, particles

LIVE = ((1, 8, False), (1, 8, True), (4, 8, True))  # L, D, start apart
SIZES = (8, 16, 32)
STUDY = {
    "seeds": 5,
    "steps": 1500,
    "cells": (
        *((L, D, L > 1) for D in SIZES for L in (1, 2, 4, 8)),
        *((1, D, True) for D in SIZES),  # the control, added afterwards
    ),
}


def compute(rng, *, seeds=3, steps=700, cells=LIVE):
    names = data.colour_names()
    runs = [train(names, *cell, run_rng, steps) for cell in cells for run_rng in rng.spawn(seeds)]
    return {"runs": runs}


def train(names, L, D, apart, rng, steps):
    rnn = RNN(Categorical(len(names.alphabet)), D, particles=L)
    objective = lambda theta, X, _: particles.per_step_mixture(rnn, theta, X)
    symbols = lambda X: (X >= 0).sum()
    bits = lambda theta, X: -objective(theta, X, None).sum() / np.log(2) / symbols(X)
    validate = lambda theta: -bits(theta, names.validation)
    start = rnn.init(rng, apart=apart)
    best = fit(objective, start, names.train, rng=rng, steps=steps, validate=validate).best
    row = {part: bits(best, getattr(names, part)) for part in ("validation", "test")}
    parameters = sum(value.size for value in best.values())
    return {"L": L, "D": D, "apart": apart, "parameters": parameters, **row}


def cells_of(numbers):
    return sorted({(run["D"], run["L"], run["apart"]) for run in numbers["runs"]})


def scores(numbers, *cell):
    return [run["test"] for run in numbers["runs"] if (run["D"], run["L"], run["apart"]) == cell]


def label(D, L, apart):
    return f"D = {D}, L = {L}" + (", start apart" if L == 1 and apart else "")


def headline(numbers):
    return {
        f"bits a character, {label(*cell)}, median": (float(np.median(scores(numbers, *cell))), 0.1)
        for cell in cells_of(numbers)
    }


def plot(numbers):
    cells = cells_of(numbers)
    size = {(run["D"], run["L"], run["apart"]): run["parameters"] for run in numbers["runs"]}
    figure, axis = plt.subplots(figsize=(5.2, 1.2 + 0.3 * len(cells)))
    for row, (D, L, apart) in enumerate(cells):
        colour = style.PER_STEP if L > 1 else style.SKY if apart else style.RNN
        style.strip(axis, row, scores(numbers, D, L, apart), colour)
    labels = [f"{label(*cell)}: {size[cell]}" for cell in cells]
    axis.set(yticks=range(len(cells)), yticklabels=labels, ylim=(len(cells) - 0.5, -0.6))
    axis.tick_params(axis="y", labelsize=9)
    axis.set_xlabel("bits a character, held out (labels: parameters)", loc="right")
    return figure
