r"""How well does the RNN of Section 1 model real symbols, against n-grams, and how does it depend
on the hidden size?

Data: the 949 xkcd colour names; 700 to train, 100 to choose, 149 to test, end symbols counted.
Training: Adam, step size 0.01, at most 1000 steps; the step is chosen on validation. The n-grams
are interpolated (each order backs off to the one below with weight a / (count + a), a chosen on
validation), so they are strong baselines. See: in the median a small RNN does worse than a
trigram, one with enough hidden units better; none reaches the 4-gram, which on 700 names is hard to
beat. Falsified by: the median of D = 8 below the trigram, or that of 32 or 128 above it. Cells: 3
hidden sizes x 3 seeds x 1000 steps. Time: 15 s.
"""

import numpy as np
from matplotlib import pyplot as plt

from figures import baselines, style
from rnnvae_ref import RNN, Categorical, data, fit, log_likelihood, sample

GRAMS = ["uniform", "unigram", "bigram", "trigram", "4-gram"]
MOST = 3.4  # bits, where the picture ends
STUDY = {"seeds": 10, "steps": 3000, "sizes": [4, 8, 16, 32, 64, 128, 256]}


def compute(rng, *, seeds=3, steps=1000, sizes=(8, 32, 128)):
    names, runs, best = data.colour_names(), [], None
    for D in sizes:
        for run_rng in rng.spawn(seeds):
            rnn, result, row = train(names, D, run_rng, steps)
            runs.append(row)
            if best is None or row["validation"] < best[2]["validation"]:
                best = rnn, result, row
    rnn, result, row = best
    drawn = sample(rnn, result.best, rng, 30, N=12)
    grams = {str(n): baselines.ngram(names, n) for n in range(5)}  # 0 is uniform
    return {
        "runs": runs,
        "chosen": row,
        "baselines": grams,
        "sampled": names.decode(drawn),
        "sizes": list(sizes),
    }


def train(names, D, rng, steps):
    rnn = RNN(Categorical(len(names.alphabet)), D)
    validate = lambda theta: -bits(rnn, theta, names.validation)
    objective = lambda theta, X, _: log_likelihood(rnn, theta, X)
    result = fit(objective, rnn.init(rng), names.train, rng=rng, steps=steps, validate=validate)
    score = {
        part: bits(rnn, result.best, getattr(names, part))
        for part in ("train", "validation", "test")
    }
    return rnn, result, {"D": D, "parameters": sum(v.size for v in result.best.values()), **score}


def bits(rnn, theta, X):
    r"""Bits per character, the end symbol of each name counted."""
    return -log_likelihood(rnn, theta, X).sum() / np.log(2) / (X >= 0).sum()


def median(numbers, D):
    return float(np.median([run["test"] for run in numbers["runs"] if run["D"] == D]))


def headline(numbers):
    found = {
        f"bits a character, D = {D}, median": (median(numbers, D), 0.08) for D in numbers["sizes"]
    }
    found["bits a character, run chosen on validation"] = (numbers["chosen"]["test"], 0.08)
    return found | {
        f"bits a character, {GRAMS[int(n)]}": (value, 1e-6)
        for n, value in numbers["baselines"].items()
    }


def plot(numbers):
    figure, (scores, samples) = plt.subplots(
        1, 2, figsize=(5.2, 3.6), gridspec_kw={"width_ratios": [5, 3]}
    )
    for n, value in numbers["baselines"].items():
        baseline(scores, int(n), value)
    for i, D in enumerate(numbers["sizes"], start=len(GRAMS)):
        chosen = numbers["chosen"]["test"] if D == numbers["chosen"]["D"] else None
        style.strip(
            scores, i, [run["test"] for run in numbers["runs"] if run["D"] == D], style.RNN, chosen
        )
    labels = GRAMS + [f"RNN, D = {D}" for D in numbers["sizes"]]
    scores.set(
        yticks=range(len(labels)),
        yticklabels=labels,
        xlabel="bits a character, held out\n(left is better)",
    )
    scores.set(ylim=(len(labels) - 0.4, -0.6), xlim=(1.8, MOST))
    style.key(figure, "n-gram")
    show_names(samples, numbers)
    return figure


def baseline(axis, y, value):
    r"""A diamond, or its value in words where it lies far to the right."""
    if value < MOST:
        style.mark(axis, y, value)
    else:
        axis.text(MOST, y, f"{value:.2f} →", color=style.BASELINE, ha="right", va="center")


def show_names(axis, numbers):
    axis.axis("off")
    axis.set_title(
        f"drawn from the\nringed RNN, D = {numbers['chosen']['D']}", color=style.RNN, fontsize=10
    )
    for i, name in enumerate(numbers["sampled"]):
        style.note(axis, 0.5, 0.95 - i / 12, name, ha="center", va="center", fontsize=9)
