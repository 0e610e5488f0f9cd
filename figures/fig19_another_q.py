r"""Is "noise-free is optimal" a statement about noise, or about the inference model of Eq. (6)?

Two models with one hidden unit and two-point noise, exact by summing over all noise paths. Left,
the Nile in 10 windows of 10 years, linear, without the arrow x_{t-1} -> h_t, C = 1. Right, tanh, 20
sequences of 7 steps drawn from `worlds.steep` with sigma = 0.5. At each sigma L-BFGS fits all
parameters anew to each bound; its starts are its theta for the sigma before, and that of a bound
that cannot be larger. q of (6) gives K, Eq. (14); "q sees x_t" is q(h_t | h_{t-1}, x_{t-1}, x_t);
"product" has a coin for each step of each sequence, the same on every path: the best found. See: K
is best at sigma = 0; both other bounds and log p(X) want noise. So it is the choice (6) that makes
noise-free dynamics optimal (B10). Falsified by: K of (6) best at sigma > 0; another q best at 0; a
bound above log p(X). Cells: 2 models x 7 sigma x 4 fits x at most 2 starts. Time: 8 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt

from figures import style, worlds
from rnnvae_ref import RNN, Gaussian, data, enumeration, fit, sample, table
from rnnvae_ref.laws import TWO_POINT
from rnnvae_ref.numerics import log_sigmoid, log_sum_exp

SIGMAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SMALLER = {"q of (6)": None, "sees x_t": "q of (6)", "product": "q of (6)", "log_p": "product"}
LABELS = ("$K$, q of (6)", "$K$, q sees $x_t$", "$K$, product", r"$\log p(X)$")


def compute(rng, *, seeds=1, steps=60, sigmas=SIGMAS, models=("Nile, linear", "tanh")):
    X = {"Nile, linear": data.windows(data.nile().X, 10)}
    X["tanh"] = sample(*worlds.steep(), rng, 7, 20, sigma=0.5, law=TWO_POINT)
    known = {"C": np.ones((1, 1)), "c": np.zeros(1), "U": np.zeros((1, 1))}
    return {m: curves(m, {} if m == "tanh" else known, X[m], sigmas, steps, rng) for m in models}


def curves(model, known, X, sigmas, steps, rng):
    r"""Every bound at every sigma, each at its own theta, mean nats per sequence."""
    rnn = RNN(Gaussian(), 1, transition=model.split()[-1])
    value = lambda name, sigma: lambda p: bound(name, rnn, {**known, **p}, X, sigma)
    first = {key: v for key, v in worlds.steep()[1].items() if key not in known}
    first["r"] = np.zeros((len(X) - 1, X.shape[1]))
    found = {name: [] for name in SMALLER}
    for sigma in sigmas:
        for name, smaller in SMALLER.items():
            starts = [theta for theta, _ in found[name][-1:] + found.get(smaller, [])[-1:]]
            found[name].append(maximise(value(name, sigma), starts or [first], X, steps, rng))
    return {"sigma": sigmas, "fitted": {name: [top for _, top in found[name]] for name in found}}


def bound(name, rnn, theta, X, sigma):
    r"""log p(X), or E_q[ log p(X, path) - log q(path) ] for a q, mean nats per sequence."""
    eps, log_w = enumeration.paths(TWO_POINT, len(X), 1)
    ell = table(rnn, {key: theta[key] for key in rnn.shapes()}, X, eps, sigma)  # (T, P, 1, N)
    joint = np.sum(ell, axis=(0, 2)) + log_w[:, None]  # log p(X, path), (P, N)
    if name == "log_p":
        return np.mean(log_sum_exp(joint, axis=0))
    log_q = log_w[:, None]
    if name == "sees x_t":  # against the path whose eps_t is the other one, t = T .. 2
        other = lambda p, k: p[np.arange(len(p)) ^ 2**k]
        log_q = sum(log_sigmoid(p - other(p, k)) for k, p in enumerate(ell[:0:-1, :, 0]))
    if name == "product":  # a coin's logit is 8 r: so L-BFGS finds it as soon as the parameters
        half, signs = 4 * theta["r"], eps[:, :, 0, 0, 0].T
        log_q = np.dot(signs, half) - np.sum(np.logaddexp(half, -half), axis=0)
    return np.mean(np.sum(np.exp(log_q) * (joint - log_q), axis=0))


def maximise(score, starts, X, steps, rng):
    r"""The theta with the best score that L-BFGS finds from these starts, and its score."""
    objective = lambda p, X, _: score(p) * np.ones(X.shape[1])
    ascend = lambda start: fit(objective, start, X, rng=rng, method="lbfgs", steps=steps).last
    return max(((p, float(score(p))) for p in map(ascend, starts)), key=lambda found: found[1])


def headline(numbers):
    found = {}
    for model, n, name in [(*item, name) for item in numbers.items() for name in SMALLER]:
        top, best = max(zip(n["fitted"][name], n["sigma"], strict=True))
        found[f"{model}: best sigma, {name}"] = (best, 1e-9 if name == "q of (6)" else 0.11)
        found[f"{model}: nats a sequence at its best, {name}"] = (top, 0.05)
    return found


def plot(numbers):
    figure, axes = plt.subplots(1, len(numbers), figsize=(5.2, 3.4), squeeze=False)
    colours = (style.BOUND, style.SKY, style.SECOND, style.EXACT)
    for axis, (model, n) in zip(axes[0], numbers.items(), strict=True):
        for curve, label, colour in zip(n["fitted"].values(), LABELS, colours, strict=True):
            axis.plot(n["sigma"], curve, "-o", c=colour, label=label, markevery=[np.argmax(curve)])
        axis.set(xlabel=r"$\sigma$", title=model, ylim=(max(curve) - 3.2, max(curve) + 0.3))
    axes[0, 0].set_ylabel("nats a sequence")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
