r"""The paper's own example, words: do several particles hold several modes with a smaller hidden
state?

The cue language, n = 8 answers, m = 2: a cue names two answers, one of them follows, each with
chance 1/2 (V = 36). *Proved* (C13, C14): one particle needs D = 3; with D = 2 it loses at least
0.124 nats an answer, whatever its parameters. *Written down* (C16): Eq. (17) with L = D = 2, and
one particle with D = 3, lose nothing. *Trained*: what Adam finds from a random start. See: with D =
2 two particles could lose nothing, where one cannot; trained, they lose as much as one. So the
claim of Section 3.1 holds for what exists, not for what is found. Below, the same for the fork in
symbols (C17), nats a step. Falsified by: one particle with D = 2 below the floor; written-down
parameters that lose more than 1e-6; or, against the second half, a median of Eq. (17) lower than
that of *one particle from the same start* by more than the spread of the seeds.

Protocol: 1500 sequences of 20 to train, 300 to choose the stopping step, 500 to test; Adam, step
size 0.03 (0.01 was tried on two seeds and was worse in all settings), batches of 32, 1500 steps,
500 here; nats above the truth at answers only, so that a first step that is a mixture of the h_1^l
counts for nothing. Best found: L-BFGS on P[x, y], with an h of its own for each cue.

The study adds five panels. The protocol of the first two was written before their numbers were
seen, that of the others after short trials with other seeds. Random successors (C18), to confirm on
5 fresh sets what was seen on others: each of 64 symbols has m random successors, h^l = tanh(U_x +
a_l), that is an RNN's second step with a_l = h_1^l W + b; best of 5 starts of L-BFGS, 1000
iterations. With m = 8, D = 6 four particles lose less than one in 5 of 5 sets; with m = 2, D = 2
their median is no lower. Controls with one particle: D = 7 has more parameters than L = 4, D = 24
as many multiply-adds, and "h free" drops the tanh. Chain: the first of these sets as an RNN,
trained as above. Basin: training from the written-down parameters, C and c times 0.2 and each
parameter times 1 + delta n, n ~ N(0, 1), step size 0.01. Text: help texts of Python, windows of 50,
scored from the 11th step on; 1000 steps of size 0.01, batches of 16. Cells: 4 settings x (D = 2, 3,
and the fork) x 2 seeds x 500 steps. Time: 12 s. Study: 5 minutes.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from scipy.optimize import minimize

from figures import style
from figures.baselines import cue_floor, cue_floor_26, log_probabilities
from rnnvae_ref import RNN, Categorical, data, examples, fit, particles, unroll

N, M, T = 8, 2, 20
MIXTURE = {"17": particles.per_step_mixture_steps, "26": particles.trajectory_mixture_steps}
# fmt: off
SETTINGS = {  # L, equation, start apart
    "one particle":        (1, "17", False),
    "one particle, apart": (1, "17", True),
    "(17), L = 2, apart":  (2, "17", True),
    "(26), L = 2, apart":  (2, "26", True),
}
RANDOM = {  # m: (L, D, h free)
    8: ((1, 6, False), (2, 6, False), (4, 6, False), (8, 6, False), (1, 7, False), (1, 10, False), (1, 24, False), (1, 6, True)),
    2: ((1, 2, False), (2, 2, False), (4, 2, False), (1, 3, False)),
}
TEXT = {"one": (1, "17", False), "one, apart": (1, "17", True), "(17), L = 4, apart": (4, "17", True)}
# fmt: on
COLOURS = dict(zip(SETTINGS, (style.RNN, style.SKY, style.PER_STEP, style.TRAJECTORY), strict=True))
STUDY = {"seeds": 5, "steps": 1500, "sizes": (2, 3, 4), "starts": 30, "study": True}
cue = lambda rng, count: data.cue_language(rng, N, M, T, count)
answers = lambda a: a[1::2]


def compute(rng, *, seeds=2, steps=500, sizes=(2, 3), starts=6, study=False):
    first, second, third, *more = rng.spawn(7)
    fork = lambda rng, count: data.symbol_fork(rng, T, count)
    P, fork_P = data.cue_law(N, M)[1], data.symbol_fork_law()[1]
    numbers = {
        "written down": written_down(first),
        "cue": {str(D): cells(first, cue, D, SETTINGS, seeds, steps, answers) for D in sizes},
        "fork": {"3": cells(second, fork, 3, SETTINGS, seeds, steps)},
        "cue found": {str(D): best_found(third, P[N:, :N], D, starts, 1000) for D in sizes[:2]},
        "fork found": {str(D): best_found(third, fork_P, D, starts, 500) for D in (1, 2, 3)},
    }
    return numbers | (all_of_study(more, seeds, steps) if study else {})


def all_of_study(rngs, seeds, steps):
    laws = [random_successors(rngs[0], 8) for _ in range(seeds)]
    chain = lambda rng, count: data.markov_chain(rng, laws[0], T, count)
    settings = {name: SETTINGS[name] for name in list(SETTINGS)[1:3]}
    pairs = {n: data.cue_law(n, 2)[1][n:, :n] for n in (6, 12, 16)}
    return {
        "pairs": {str(n): best_found(rngs[0], P, 2, 10, 1000) for n, P in pairs.items()},
        "random": {
            f"m = {m}, L = {L}, D = {D}" + ", h free" * free: [
                min(best_found(rngs[0], P, D, 5, 1000, L, free)) for P in sets
            ]
            for m, sets in {
                8: laws,
                2: [random_successors(rngs[0], 2) for _ in range(seeds)],
            }.items()
            for L, D, free in RANDOM[m]
        },
        "chain": cells(
            rngs[1],
            chain,
            6,
            {**settings, "(17), L = 4, apart": (4, "17", True)},
            2,
            steps,
            lambda a: a[1:],
        ),
        "basin": {
            f"{L}, {delta}": basin(rngs[2], L, delta, 3, steps // 2)
            for L in (2, 1)
            for delta in (0.0, 0.001, 0.003, 0.01)
        },
        "text": {
            f"{level}, D = {D}": text(rngs[3], level, D, 3)
            for level, D in (("characters", 4), ("characters", 8), ("words", 8))
        },
    }


def written_down(rng):
    r"""What the written-down parameters lose on 500 sequences, and how many they are."""
    (X, truth), (Y, fork_truth) = cue(rng, 500), data.symbol_fork(rng, T, 500)
    models = {"(17)": examples.cue_particles(N, M), "one particle": examples.cue_one_particle(N, M)}
    lost = {
        name: np.mean(answers(truth - MIXTURE["17"](*model, X))) for name, model in models.items()
    }
    models["fork, (17)"] = examples.symbol_fork_particles()
    lost["fork, (17)"] = np.mean(fork_truth - MIXTURE["17"](*models["fork, (17)"], Y))
    return {
        name: [lost[name], sum(v.size for v in theta.values())]
        for name, (_, theta) in models.items()
    }


def cells(rng, draw, D, settings, seeds, steps, scored=lambda a: a):
    r"""What each setting loses after training from random starts, and how far apart its particles
    are at the end.
    """
    sets = {
        part: draw(rng, count)
        for part, count in {"train": 1500, "validation": 300, "test": 500}.items()
    }
    found = {}
    for name, (L, equation, apart) in settings.items():
        rnn, rngs = RNN(Categorical(int(sets["train"][0].max()) + 1), D, L), rng.spawn(seeds)
        starts = [rnn.init(r, apart=apart) for r in rngs]
        found[name] = [
            train(rnn, theta, sets, equation, r, steps, scored)
            for theta, r in zip(starts, rngs, strict=True)
        ]
    return found


def train(rnn, theta, sets, equation, rng, steps, scored, **settings):
    r"""What the test set loses against the truth at the scored steps, nats, by the run's best theta
    on validation; and the spread.
    """
    loss = lambda theta, part: np.mean(
        scored(sets[part][1] - MIXTURE[equation](rnn, theta, sets[part][0]))
    )
    objective = lambda theta, X, _: np.sum(MIXTURE[equation](rnn, theta, X), axis=0)
    settings = {
        "step_size": 0.03,
        "validate": lambda theta: -loss(theta, "validation"),
        "every": 50,
        "patience": steps,
    } | settings
    best = fit(objective, theta, sets["train"][0], rng=rng, steps=steps, **settings).best
    return [
        loss(best, "test"),
        np.mean(particles.spread(unroll(rnn, best, sets["test"][0])[0])[-1]),
    ]


def random_successors(rng, m, V=64):
    r"""P[x, y] = 1/m for m random successors y of each of V symbols x."""
    return rng.permuted(np.tile(np.arange(V) < m, (V, 1)), axis=1) / m


def best_found(rng, P, D, starts, steps, L=1, free=True):
    r"""The smallest losses, sorted, nats: mean over rows of KL(P_x || (1/L) sum_l softmax(h_x^l C +
    c)), by L-BFGS from random starts.

    h_x^l = tanh(U_x + a_l), or one particle with any h_x, `free`.
    """
    K, V = P.shape
    cuts, entropy = np.cumsum([K * D, D * V, V]), -np.sum(P * np.log(np.where(P > 0, P, 1.0))) / K

    def loss(flat):
        U, C, c, a = np.split(flat, cuts)
        h = (a.reshape(L, 1, D) + U.reshape(K, D)).reshape(-1, D)
        h, C = h if free else np.tanh(h), C.reshape(D, V)
        z = h @ C + c
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p = (p / p.sum(axis=1, keepdims=True)).reshape(L, K, V)
        mixture = np.maximum(p.mean(axis=0), 1e-300)
        r = (
            p * (P / (L * mixture)) / K
        )  # each particle's responsibility for each y, times P[x, y] / K
        dz = (r.sum(axis=2, keepdims=True) * p - r).reshape(-1, V)
        dh = (dz @ C.T * (1.0 if free else 1.0 - h**2)).reshape(L, K, D)
        g = [dh.sum(axis=0).ravel(), (h.T @ dz).ravel(), dz.sum(axis=0), dh.sum(axis=1).ravel()]
        return -np.sum(P * np.log(mixture)) / K - entropy, np.concatenate(g)

    settings = {
        "jac": True,
        "method": "L-BFGS-B",
        "options": {"maxiter": steps, "maxfun": 2 * steps},
    }
    return sorted(
        minimize(loss, rng.standard_normal(cuts[-1] + L * D), **settings).fun for _ in range(starts)
    )


def basin(rng, L, delta, seeds, steps):
    r"""Loss an answer before and after training from the written-down parameters, softened and
    disturbed.
    """
    rnn, theta = examples.cue_particles(N, M) if L == 2 else examples.cue_one_particle(N, M)
    sets = {
        part: cue(rng, count)
        for part, count in {"train": 1500, "validation": 300, "test": 500}.items()
    }
    found = []
    for r in rng.spawn(seeds):
        start = {
            k: v * (0.2 if k in "Cc" else 1.0) * (1.0 + delta * r.standard_normal(v.shape))
            for k, v in theta.items()
        }
        before = np.mean(answers(sets["test"][1] - MIXTURE["17"](rnn, start, sets["test"][0])))
        found.append([before, train(rnn, start, sets, "17", r, steps, answers, step_size=0.01)[0]])
    return found


def text(rng, level, D, seeds):
    r"""Held-out nats a word, or bits a character, of n-grams and of one particle and four; and the
    text's source.
    """
    d = data.documentation(level, 500 if level == "words" else 104)
    V, unit = len(d.symbols), 1.0 if level == "words" else np.log(2)
    windows = lambda x: x[: len(x) // 50 * 50, 0].reshape(-1, 50).T.copy()
    sets = {part: (windows(getattr(d, part)), 0.0) for part in ("train", "validation", "test")}
    found = {"source": d.source}
    lines = {part: "".join(chr(256 + v) for v in getattr(d, part)[:, 0]) for part in sets}
    score = lambda n, a, part: (
        -np.mean(log_probabilities([lines["train"]], [lines[part]], n, a, V)) / unit
    )
    for n in (1, 2, 3):
        found[f"{n}-gram"] = [
            score(n, min((0.3, 3.0, 30.0), key=lambda a: score(n, a, "validation")), "test")
        ]
    for name, (L, equation, apart) in TEXT.items():
        run = lambda r, rnn: train(
            rnn,
            rnn.init(r, apart=apart),
            sets,
            equation,
            r,
            1000,
            lambda a: a[10:],
            step_size=0.01,
            batch=16,
        )
        found[name] = [run(r, RNN(Categorical(V), D, L))[0] / unit for r in rng.spawn(seeds)]
    return found


def headline(numbers):
    found = {
        f"written down, {name}: nats above the truth": (v[0], 1e-9)
        for name, v in numbers["written down"].items()
    }
    found["cue language, D = 2: floor of one particle"] = (cue_floor(N), 1e-9)
    found["cue language, D = 2: floor of Eq. (26), L = 2"] = (cue_floor_26(N, 2, T // 2), 1e-9)
    for part, unit in (("cue", "an answer"), ("fork", "a step")):
        for D, v in numbers[f"{part} found"].items():
            found[f"{part}, D = {D}: nats {unit} lost, best found"] = (v[0], 0.05)
        for D, settings in numbers[part].items():
            for name, runs in settings.items():
                found[f"{part}, D = {D}: nats {unit} lost, {name}, median"] = (median(runs), 0.1)
    for n, values in numbers.get("pairs", {}).items():
        found[f"cue, n = {n}, D = 2: nats an answer lost, best found"] = (values[0], 0.05)
    for name, values in numbers.get("random", {}).items():
        found[f"random successors, {name}: nats lost, median"] = (float(np.median(values)), 0.03)
    found |= {
        f"chain: nats a step lost, {name}, median": (median(v), 0.05)
        for name, v in numbers.get("chain", {}).items()
    }
    for name, runs in numbers.get("basin", {}).items():
        found[f"basin, L, delta = {name}: nats an answer lost after training, median"] = (
            float(np.median(runs, axis=0)[1]),
            0.5,
        )
    for level, rows in numbers.get("text", {}).items():
        scores = {name: v for name, v in rows.items() if name != "source"}
        found |= {
            f"text, {level}: {name}, median": (float(np.median(v)), 0.08)
            for name, v in scores.items()
        }
    return found


def median(runs):
    return float(np.median([loss for loss, _ in runs]))


def plot(numbers):
    panels = panels_of(numbers)
    heights = [2.9] + [0.3 + 0.19 * len(rows) for rows in panels.values()]
    figure = plt.figure(figsize=(5.2, 0.8 + sum(heights) + 0.3 * len(heights)))
    top, *others = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights})
    cue_panel(top, numbers)
    for axis, (title, rows) in zip(others, panels.items(), strict=True):
        for y, (_, values, colour, draw) in enumerate(rows):
            draw(axis, y, values, colour)
        axis.set(
            yticks=range(len(rows)),
            yticklabels=[row[0] for row in rows],
            ylim=(len(rows) - 0.5, -0.6),
        )
        axis.tick_params(axis="y", labelsize=8)
        axis.set_xlabel(title, loc="right", fontsize=9)
    known = [Line2D([], [], color=style.EXACT, label="proved: one particle is never below")]
    known += [
        Line2D(
            [],
            [],
            ls="",
            marker="D",
            color=style.BASELINE,
            label="written down, with its parameters",
        )
    ]
    known += [
        Line2D(
            [], [], ls="", marker="o", mfc="none", color=style.RNN, label="best found, one particle"
        )
    ]
    tried = [
        Line2D([], [], ls="", marker="_", ms=9, mew=3, color=c, label=f"trained: {name}")
        for name, c in COLOURS.items()
    ]
    figure.legend(
        handles=known + tried, loc="outside upper left", ncols=2, fontsize=8, columnspacing=1.0
    )
    return figure


def cue_panel(axis, numbers):
    r"""Loss against D: what is proved, written down, found with a free h, and trained."""
    axis.fill_between([1.55, 2.45], 0, cue_floor(N), color=style.EXACT, alpha=0.12, lw=0)
    axis.plot([1.55, 2.45], [cue_floor(N)] * 2, color=style.EXACT)
    for D, settings in numbers["cue"].items():
        for i, (name, runs) in enumerate(settings.items()):
            x, losses = int(D) + 0.13 * (i - 1.0), [loss for loss, _ in runs]
            axis.plot(np.full(len(losses), x), losses, "_", ms=8, color=COLOURS[name])
            axis.plot(x, np.median(losses), "_", ms=10, mew=3.0, color=COLOURS[name])
    for D, found in numbers["cue found"].items():
        axis.plot(int(D) - 0.28, found[0], "o", mfc="none", color=style.RNN)
    for D, name, colour in ((2, "(17)", style.PER_STEP), (3, "one particle", style.RNN)):
        loss, size = numbers["written down"][name]
        axis.plot(D, max(loss, 0.0), "D", ms=7, color=colour, clip_on=False, zorder=3)
        axis.text(D, -0.09, f"{name}, {size}", color=colour, fontsize=8, ha="center", va="center")
    sizes = [int(D) for D in numbers["cue"]]
    axis.set(
        xlim=(1.5, max(sizes) + 0.5),
        ylim=(-0.14, None),
        xticks=sizes,
        xticklabels=[f"D = {D}" for D in sizes],
    )
    axis.set_ylabel("cue language: nats an\nanswer above the truth")


# fmt: off
def panels_of(numbers):
    r"""Every other panel: its title, and its rows (label, values, colour, how they are drawn)."""
    row = lambda label, values, colour, draw=style.strip: (label, values, colour, draw)
    mark = lambda axis, y, values, colour: axis.plot(values, [y], "D", ms=6, color=colour)
    circle = lambda axis, y, values, colour: axis.plot(values[:1], [y], "o", mfc="none", color=colour)
    losses = lambda runs: [loss for loss, _ in runs]
    colour = lambda name: style.PER_STEP if "17" in name or "L = 1" not in name and "L =" in name else style.RNN
    fork = [row("(17), D = 2, written down", numbers["written down"]["fork, (17)"][:1], style.PER_STEP, mark)]
    fork += [row(f"one particle, D = {D}, best found", v, style.RNN, circle) for D, v in numbers["fork found"].items()]
    fork += [row(f"D = {D}, {name}", losses(v), COLOURS[name]) for D, cells in numbers["fork"].items() for name, v in cells.items()]
    panels = {"fork in symbols: nats a step above the truth": fork}
    if "random" in numbers:
        panels |= {
            "random successors: nats above the truth, a mark for each set": [row(k, v, colour(k)) for k, v in numbers["random"].items()],
            "the first set as an RNN, D = 6: nats a step above the truth": [row(k, losses(v), colour(k)) for k, v in numbers["chain"].items()],
            "from the written-down point, disturbed by delta: nats an answer": [
                row(("(17), D = 2, delta = " if k[0] == "2" else "one particle, D = 3, delta = ") + k[3:], [after for _, after in v],
                    style.PER_STEP if k[0] == "2" else style.RNN) for k, v in numbers["basin"].items()],
        }
    for name, scores in numbers.get("text", {}).items():
        unit = "bits a character" if "characters" in name else "nats a word"
        panels[f"help texts of Python, {name}: {unit}, held out"] = [
            row(k, v, style.BASELINE if "gram" in k else colour(k)) for k, v in scores.items() if k != "source"]
    return panels
# fmt: on
