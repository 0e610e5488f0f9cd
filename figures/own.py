r"""Your own file: which of the paper's models suits it?

    make own FILE=names.txt                  python -m figures.own names.txt
    make own FILE=table.csv COLUMN=flow      python -m figures.own table.csv --column flow

Trains Eq. (5) from the usual start and from `init(apart=True)`, and Eq. (17) from the second; step
and model are chosen on validation. Held-out bits a character, or nats a step in the units of the
file, beside n-grams or autoregressions (AR(0): a Gaussian); draws or forecasts. Of a large file it
takes 150 000 symbols, or the last 5000 rows. Files in figures/out. Ctrl-C ends one training.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from figures import baselines, style
from rnnvae_ref import RNN, Categorical, Gaussian, data, fit, forecast, particles, sample, save
from rnnvae_ref.__main__ import quietly

PARTS, UNITS = ("train", "validation", "test"), ("nats a step", "bits a character")
SYMBOLS, LAST = 150_000, slice(-5000, None)


def text(args):
    r"""A names file: the data, X to train on, the emission, score(steps, part), the baselines."""
    names = data.characters(args.file)
    parts = {part: getattr(names, part) for part in PARTS}
    share = min(1.0, SYMBOLS / sum((X >= 0).sum() for X in parts.values()))
    parts = {part: X[:, : max(1, int(share * X.shape[1]))] for part, X in parts.items()}
    print("lines:", ", ".join(f"{X.shape[1]} {part}" for part, X in parts.items()))
    print("held-out lines that are also in the training part: {} of {}".format(*names.repeated()))
    few = data.Text(names.alphabet, **parts)
    bits = lambda steps, part: -steps(parts[part]).sum() / np.log(2) / (parts[part] >= 0).sum()
    grams = {f"{n}-gram": baselines.ngram(few, n) for n in (1, 2, 3, 4)}
    return few, few.train, Categorical(len(few.alphabet)), bits, grams


def series(args):
    r"""The same of a column of a table."""
    s = data.series(args.file, args.column, header=args.header, decimal=args.decimal, rows=LAST)
    nats = lambda steps, part: steps(s.X)[getattr(s, part)].mean() - np.log(s.scale[0])
    ar = {p: baselines.autoregression(s, p) for p in (0, 1, 2, 5, 10) if 3 * p < s.train.stop}
    best = max(ar, key=lambda p: nats(lambda X: ar[p], "validation"))
    rows = {f"AR({p})": nats(lambda X, p=p: ar[p], "test") for p in sorted({0, best})}
    print(len(s.X), "rows")
    return s, data.windows(s.X[s.train], min(50, s.train.stop)), Gaussian(), nats, rows


def train(name, L, apart, task, args):
    r"""One model: its scores, and itself."""
    _, X, emission, score, _ = task
    rnn, rng = RNN(emission, args.hidden, L), np.random.default_rng(args.seed)
    steps = particles.per_step_mixture_steps  # with one particle Eq. (17) is Eq. (5)
    scored = lambda theta, part: score(lambda X: steps(rnn, theta, X), part)
    sums = lambda theta, X, _: particles.per_step_mixture(rnn, theta, X)
    validate = lambda theta: scored(theta, "validation") * (1 if args.column else -1)
    print(f"{name}, at most {args.steps} steps ..", flush=True)
    run = fit(sums, rnn.init(rng, apart=apart), X, rng=rng, steps=args.steps, validate=validate)
    print(f"    {run.reason}")
    return {part: scored(run.best, part) for part in PARTS}, rnn, run.best


def compute(args):
    r"""All numbers; and the model chosen on validation with its data, as `save` takes them."""
    task, L = (series if args.column else text)(args), args.particles
    models = {"Eq. (5)": (1, False), "Eq. (5), apart": (1, True), f"Eq. (17), L = {L}": (L, True)}
    runs = {name: train(name, *model, task, args) for name, model in models.items()}
    best = (max if args.column else min)(runs, key=lambda name: runs[name][0]["validation"])
    (_, rnn, theta), d, rng = runs[best], task[0], np.random.default_rng(args.seed)
    n = {"test": task[4] | {name: run[0]["test"] for name, run in runs.items()}, "best": best}
    if not args.column:
        n["drawn"] = d.decode(sample(rnn, theta, rng, len(d.train), 12, logit_rho=-np.inf))
        return n, (rnn, theta, d)
    of = {"steps": len(d.X) - d.test.start, "draws": 400, "rng": rng, "logit_rho": -np.inf}
    n["fans"] = {k: forecast(rnn, theta, d, end=k, **of)[..., 0] for k in (d.test.start, len(d.X))}
    return n | {"record": d.decode(d.X)[:, 0, 0]}, (rnn, theta, d)


def plot(n):
    figure, axes = plt.subplots(1 + ("fans" in n), 1, squeeze=False, figsize=(5.2, 4.4))
    for y, (name, value) in enumerate(n["test"].items()):
        colour = style.RNN if "Eq." in name else style.BASELINE
        style.strip(axes[0, 0], y, [value], colour, value if name == n["best"] else None)
    axes[0, 0].set(yticks=range(y + 1), yticklabels=[*n["test"]], ylim=(y + 0.5, -0.5))
    axes[0, 0].set_xlabel(f"{UNITS['drawn' in n]}, held out (ring: chosen on validation)")
    axes[-1, 0].plot(n.get("record", []), color=style.EXACT, lw=1.0)
    for end, fan in n.get("fans", {}).items():
        t = np.arange(end, end + len(fan[0]))
        for low, high, alpha in ((0, 4, 0.25), (1, 3, 0.45)):
            axes[1, 0].fill_between(t, fan[low], fan[high], color=style.RNN, alpha=alpha, lw=0)
        axes[1, 0].set(xlabel="row (bands: 25 to 75 % and 5 to 95 % of what may follow)")
    return figure


def arguments(words):
    about = __doc__ and __doc__.split("\n\n")[2]
    parser = argparse.ArgumentParser("python -m figures.own", description=about)
    parser.add_argument("file", help="UTF-8: a sequence a line; or a CSV file in order of time")
    parser.add_argument("--no-header", dest="header", action="store_false", help="numbers alone")
    parser.add_argument("--column", default="", help="its name; without header its number")
    options = {"decimal": ".", "hidden": 16, "particles": 2, "steps": 1000, "seed": 0}
    for name, value in options.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default {value!r}")
    args = parser.parse_args(words)
    if args.seed < 0:
        parser.error(f"--seed must be 0 or larger; got {args.seed}")
    return args


def main(words=None):
    args = arguments(words)
    name = "_".join(["own", Path(args.file).stem, *re.findall(r"\w+", args.column)])
    try:
        if not args.column and args.file.lower().endswith((".csv", ".tsv")):
            raise ValueError(f"{args.file} is a table: give COLUMN=name, or --column name")
        several = RNN(Categorical(2), args.hidden, args.particles)
        several.init(np.random.default_rng(0), apart=True)  # said before the training, not after
        n, model = compute(args)
        with style.drawing():
            style.write({"figure": name, "numbers": style.rounded(n)}, plot(n), style.OUT, ("png",))
        save(style.OUT / f"{name}.npz", *model)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    rows = [f"{v:9.4f} {UNITS['drawn' in n]}  {row}" for row, v in n["test"].items()]
    chosen = f"chosen on validation: {n['best']}; {style.OUT / name}.*"
    print(*n.get("drawn", []), *rows, chosen, sep="\n")


if __name__ == "__main__":
    quietly(main)
