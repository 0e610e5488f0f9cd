r"""Is "noise-free is optimal" a statement about noise, or about the inference model of Eq. (6)?

Two models with one hidden unit and two-point noise, where all 2^(T-1) noise paths are summed, so
everything here is exact. Left, the Nile in 10 windows of 10 years, standardised, linear, without
the arrow x_{t-1} -> h_t, C = 1. Right, a tanh unit with the arrow, on 20 sequences of 7 steps that
`examples.steep` with sigma = 0.5 has drawn. At each sigma all parameters are fitted anew to each
bound by L-BFGS (lines); dotted, for the Nile, those that are fitted to log p(X) and sigma together.
    q of (6)     K, Eq. (14): q is the model's own dynamics
    sees x_t     q(h_t | h_{t-1}, x_{t-1}, x_t), proportional to p(h_t | h_{t-1}, x_{t-1})
                 times p(x_t | h_t): it looks one step ahead
    product      a coin for each step of each sequence, the same on every path: the best found
See: K is best at sigma = 0; both other bounds and log p(X) want noise. So it is the choice (6) that
makes noise-free dynamics optimal (B10).
Falsified by: K of (6) best at sigma > 0; another q best at 0; a bound above log p(X).
Cells: 2 models x 7 sigma x 4 fits x 2 starts. Time: 11 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt

from figures import style
from rnnvae_ref import RNN, Gaussian, data, enumeration, examples, fit, sample, table
from rnnvae_ref.laws import TWO_POINT
from rnnvae_ref.numerics import log_sigmoid, log_sum_exp

MODELS = ("Nile, linear", "tanh")
SIGMAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
# A fit begins at its theta for the sigma before, and at that of a bound that cannot be larger.
SMALLER = {"q of (6)": None, "sees x_t": "q of (6)", "product": "q of (6)", "log_p": "product"}
COLOURS = dict(zip(SMALLER, (style.BOUND, style.SKY, style.SECOND, style.EXACT), strict=True))


def compute(rng, *, seeds=1, steps=100, sigmas=SIGMAS, models=MODELS):
    nile = data.windows(data.nile().X, 10)
    made = sample(*examples.steep(), rng, 7, 20, sigma=0.5, law=TWO_POINT)
    known = {"C": np.ones((1, 1)), "c": np.zeros(1), "U": np.zeros((1, 1))}
    linear, tanh = (RNN(Gaussian(), 1, transition=kind) for kind in ("linear", "tanh"))
    found = {"Nile, linear": (linear, known, nile), "tanh": (tanh, {}, made)}
    return {name: curves(*found[name], sigmas, steps, rng) for name in models}


def curves(rnn, known, X, sigmas, steps, rng):
    r"""Every bound at every sigma, mean nats per sequence: fitted, and at one theta, `fixed`."""
    start = {key: value for key, value in examples.steep()[1].items() if key not in known}
    coins = {"r": np.zeros((len(X) - 1, X.shape[1]))}
    bound = lambda name, sigma, more: lambda p: bounds(rnn, {**known, **more, **p}, X, sigma)[name]
    climb = lambda score, *starts: maximise(score, starts, X, steps, rng)
    log_p = lambda p: bounds(rnn, {**known, **p}, X, p["sigma"])["log_p"]
    own, _ = climb(log_p, start | {"sigma": np.array(0.5)})
    fitted, fixed, at = ({name: [] for name in SMALLER} for _ in range(3))
    for sigma in sigmas:
        for name, smaller in SMALLER.items():
            empty = start | (coins if name == "product" else {})
            begin = [*at[name][-1:], *(at[smaller][-1:] if smaller else []), empty]
            begin = [{key: p.get(key, empty[key]) for key in empty} for p in begin[:2]]
            best, value = climb(bound(name, sigma, {}), *begin)
            at[name].append(best)
            fitted[name].append(value)
            there = climb(bound(name, sigma, own), coins)[1] if name == "product" else None
            fixed[name].append(bound(name, sigma, own)({}) if there is None else there)
    best = abs(float(own["sigma"]))
    return {"sigma": sigmas, "best sigma of log p(X)": best, "fitted": fitted, "fixed": fixed}


def bounds(rnn, theta, X, sigma):
    r"""log p(X), and E_q[ log p(X, path) - log q(path) ] for three q, mean nats per sequence.

    theta["r"] (T-1, N) holds the logits of the coins of `product`, fair ones if it is missing.
    """
    r = theta.get("r", np.zeros((len(X) - 1, X.shape[1])))
    eps, log_w = enumeration.paths(TWO_POINT, len(X), 1)
    ell = table(rnn, {key: theta[key] for key in rnn.shapes()}, X, eps, sigma)[:, :, 0]  # (T, P, N)
    joint = np.sum(ell, axis=0) + log_w[:, None]  # log p(X, path), (P, N)
    heads = 1.0 * (eps[:, :, 0, 0, 0].T > 0)  # (P, T-1)
    log_q = {
        "q of (6)": log_w[:, None] + np.zeros(joint.shape),
        "sees x_t": sum(one_step_ahead(ell[t], t) for t in range(1, len(X))),
        "product": np.dot(heads, log_sigmoid(r)) + np.dot(1.0 - heads, log_sigmoid(-r)),
    }
    found = {name: np.mean(np.sum(np.exp(q) * (joint - q), axis=0)) for name, q in log_q.items()}
    return found | {"log_p": np.mean(log_sum_exp(joint, axis=0))}


def one_step_ahead(ell, t):
    r"""log q(eps_t | eps_<t, x_t), every path, (P, N): p(x_t | h_t) over its sum for +1 and -1."""
    # Paths are in the order of their first noise, then of their second ..
    pair = np.reshape(ell, (2 ** (t - 1), 2, -1, ell.shape[1]))
    return np.reshape(pair - np.expand_dims(log_sum_exp(pair, axis=1), 1), ell.shape)


def maximise(score, starts, X, steps, rng):
    r"""The theta with the best score that L-BFGS finds from these starts, and its score."""
    objective = lambda p, X, _: score(p) * np.ones(X.shape[1])
    run = lambda start: fit(objective, start, X, rng=rng, method="lbfgs", steps=steps).last
    found = [run(start) for start in starts]
    return max(((theta, float(score(theta))) for theta in found), key=lambda pair: pair[1])


def best_sigma(numbers, model, name):
    return numbers[model]["sigma"][int(np.argmax(numbers[model]["fitted"][name]))]


def headline(numbers):
    found = {}
    for model, n in numbers.items():
        for name in SMALLER:
            step = 1e-9 if name == "q of (6)" else 0.11  # flat at the top: a neighbour may win
            found[f"{model}: best sigma, {name}"] = (best_sigma(numbers, model, name), step)
            found[f"{model}: nats a sequence at its best, {name}"] = (max(n["fitted"][name]), 0.05)
    return found


def plot(numbers):
    figure, axes = plt.subplots(1, len(numbers), figsize=(5.2, 3.4), squeeze=False)
    labels = {"sees x_t": "$K$, q sees $x_t$", "log_p": r"$\log p(X)$"}
    for axis, (model, n) in zip(axes[0], numbers.items(), strict=True):
        for name, colour in COLOURS.items():
            curve = n["fitted"][name]
            axis.plot(n["sigma"], curve, color=colour, label=labels.get(name, f"$K$, {name}"))
            axis.plot(best_sigma(numbers, model, name), max(curve), "o", color=colour, ms=6)
            if "linear" in model:
                axis.plot(n["sigma"], n["fixed"][name], ":", color=colour, lw=1.0)
        top = max(n["fitted"]["log_p"])
        title = f"{model} (dotted: one theta)" if "linear" in model else model
        axis.set(xlabel=r"$\sigma$", title=title, ylim=(top - 3.2, top + 0.3))
    axes[0, 0].set_ylabel("nats a sequence")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
