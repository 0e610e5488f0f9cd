r"""Is "noise-free is optimal" a statement about noise, or about the inference model of Eq. (6)?

Two models with one hidden unit and two-point noise, where all 2^(T-1) noise paths are summed: everything here is exact. Left, the
Nile in 10 windows of 10 years, standardised, linear, without the arrow x_{t-1} -> h_t. Right, a tanh unit with the arrow, on 40
sequences of 8 steps drawn from `examples.steep` with sigma = 0.5. At each sigma all parameters are fitted anew to each bound (lines)
and, for the Nile, once to log p(X) together with sigma (dotted). Only C = 1 is fixed for the Nile, so that sigma is in units of x.
    q of (6)     K, Eq. (14): q is the model's own dynamics
    sees x_t     q(h_t | h_{t-1}, x_{t-1}, x_t), proportional to p(h_t | h_{t-1}, x_{t-1}) p(x_t | h_t): it looks one step ahead
    product      one coin for each step of each sequence, the same on every path: the best found by L-BFGS, all at once
See: K is best at sigma = 0; both other bounds, and log p(X), want noise. So the choice (6) makes noise-free optimal (B10).
Falsified by: K of (6) best at sigma > 0; another q best at 0; a bound above log p(X); the product below (6).
Cells: 2 models x 7 sigma x 4 fits x 2 starts. Time: 10 s.
"""

import autograd.numpy as np
import matplotlib.pyplot as plt

from figures import style
from rnnvae_ref import RNN, Gaussian, data, enumeration, examples, fit, sample, table
from rnnvae_ref.inference import TWO_POINT
from rnnvae_ref.numerics import log_sigmoid, log_sum_exp

SIGMAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
COLOURS = {
    "q of (6)": style.BOUND,
    "sees x_t": style.SKY,
    "product": style.SECOND,
    "log_p": style.EXACT,
}
BELOW = {
    "sees x_t": "q of (6)",
    "product": "q of (6)",
    "log_p": "product",
}  # a fit begins at the theta of a smaller bound


def compute(rng, *, seeds=1, steps=100, sigmas=SIGMAS):
    nile = data.windows(data.nile().X, 10)
    made = sample(*examples.steep(), rng, 7, 20, sigma=0.5, law=TWO_POINT)
    tied = {"C": np.ones((1, 1)), "c": np.zeros(1), "U": np.zeros((1, 1))}
    return {
        "Nile, linear": curves(
            RNN(Gaussian(), 1, transition="linear"), tied, nile, sigmas, steps, rng
        ),
        "tanh": curves(RNN(Gaussian(), 1), {}, made, sigmas, steps, rng),
    }


def curves(rnn, tied, X, sigmas, steps, rng):
    r"""Mean nats per sequence by every bound at every sigma: with theta fitted to it, and at the
    theta of log p(X), `fixed`.
    """
    first = {key: value for key, value in examples.steep()[1].items() if key not in tied}
    coins = {"r": np.zeros((len(X) - 1, X.shape[1]))}
    score = lambda name, sigma: (
        lambda p: bounds(rnn, {**tied, **p}, X, p["sigma"] if sigma is None else sigma)[name]
    )
    climb = lambda name, sigma, *starts: maximise(score(name, sigma), starts, X, steps, rng)
    fitted, fixed = {name: [] for name in COLOURS}, {name: [] for name in COLOURS}
    own, _ = climb("log_p", None, first | {"sigma": np.array(0.5)})
    at = dict.fromkeys(COLOURS, first)
    for s in sigmas:
        for name in COLOURS:
            more = coins if name == "product" else {}
            starts = [
                {**more, **{k: at[other][k] for k in (*first, *more) if k in at[other]}}
                for other in dict.fromkeys((name, BELOW.get(name, name)))
            ]
            at[name], value = climb(name, s, *starts)
            fitted[name].append(value)
            fixed[name].append(
                maximise(lambda p, s=s: score("product", s)({**own, **p}), [coins], X, steps, rng)[
                    1
                ]
                if more
                else score(name, s)(own)
            )
    return {
        "sigma": sigmas,
        "best sigma of log p(X)": abs(float(own["sigma"])),
        "fitted": fitted,
        "fixed": fixed,
    }


def bounds(rnn, theta, X, sigma):
    r"""log p(X) and E_q[ log p(X, path) - log q(path) ] for three q, mean nats per sequence.
    theta["r"]: logits of the coins.
    """
    theta = dict(theta)
    r, _ = theta.pop("r", np.zeros((len(X) - 1, X.shape[1]))), theta.pop("sigma", None)
    eps, log_w = enumeration.paths(TWO_POINT, len(X), 1)
    ell, up = (
        table(rnn, theta, X, eps, sigma)[:, :, 0],
        eps[:, :, 0, 0, 0].T > 0,
    )  # (T, P, N) and (P, T-1)
    joint = np.sum(ell, axis=0) + log_w[:, None]  # log p(X, path), (P, N)
    log_q = {
        "q of (6)": log_w[:, None] + np.zeros(joint.shape),
        "sees x_t": sum(one_step_ahead(ell[t], t) for t in range(1, len(X))),
        "product": np.dot(1.0 * up, log_sigmoid(r)) + np.dot(1.0 - up, log_sigmoid(-r)),
    }
    bound = {name: np.mean(np.sum(np.exp(q) * (joint - q), axis=0)) for name, q in log_q.items()}
    return bound | {"log_p": np.mean(log_sum_exp(joint, axis=0))}


def one_step_ahead(ell, t):
    r"""log q(eps | its past, x_t) of the t-th noise of every path: p(x_t | h_t) over its sum for
    both signs, (P, N).
    """
    pair = np.reshape(
        ell, (2 ** (t - 1), 2, -1, ell.shape[1])
    )  # paths are ordered by their first noise, then the second ..
    return np.reshape(pair - np.expand_dims(log_sum_exp(pair, axis=1), 1), ell.shape)


def maximise(score, starts, X, steps, rng):
    r"""The theta with the best score that L-BFGS finds from these starts, and its score."""
    objective = lambda p, X, _: score(p) * np.ones(X.shape[1])
    found = [
        fit(objective, start, X, rng=rng, method="lbfgs", steps=steps).last for start in starts
    ]
    return max(((theta, float(score(theta))) for theta in found), key=lambda pair: pair[1])


def best_sigma(numbers, model, name, theta="fitted"):
    return numbers[model]["sigma"][int(np.argmax(numbers[model][theta][name]))]


def headline(numbers):
    found = {}
    for model, n in numbers.items():
        for name in COLOURS:
            found[f"{model}: best sigma, {name}"] = (best_sigma(numbers, model, name), 1e-9)
            found[f"{model}: nats a sequence at its best, {name}"] = (max(n["fitted"][name]), 0.02)
    return found


def plot(numbers):
    figure, axes = plt.subplots(1, 2, figsize=(5.2, 3.4))
    for axis, (model, n) in zip(axes, numbers.items(), strict=True):
        for name, colour in COLOURS.items():
            axis.plot(
                n["sigma"],
                n["fitted"][name],
                color=colour,
                label=name.replace("log_p", r"$\log p(X)$"),
            )
            axis.plot(
                best_sigma(numbers, model, name), max(n["fitted"][name]), "o", color=colour, ms=6
            )
            if "linear" in model:
                axis.plot(n["sigma"], n["fixed"][name], ":", color=colour, lw=1.0)
        top = max(n["fitted"]["log_p"])
        axis.set(xlabel=r"$\sigma$", title=model, ylim=(top - 3.2, top + 0.3))
    axes[0].set_ylabel("nats a sequence")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    return figure
