r"""What one would try without an RNN: n-grams, autoregressions, mixtures, Markov switching.

Each is fitted to the training part; what it chooses, it chooses on validation.
"""

from functools import cache

import autograd.numpy as np

from rnnvae_ref import data, unroll

# What the fork's own law scores a step: two bumps of standard deviation 0.1 that do not overlap.
FORK_TRUTH = -np.log(2) - 0.5 * np.log(2 * np.pi * np.e * 0.01)


def log_normal(x, mean, s):
    return -0.5 * ((x - mean) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)


def autoregression(d, p):
    r"""log p(x_t | x_{t-1} .. x_{t-p}) of the least-squares AR(p) of the training part, (T,)."""
    return Autoregression(d, p, d.train).steps


class Autoregression:
    r"""Least-squares AR(p) of the part `seen`, which begins the series."""

    def __init__(self, m, p, seen):
        x, self.p = m.X[:, 0, 0], p
        past = np.stack(
            [x[p - k : len(x) - k] for k in range(1, p + 1)] + [np.ones(len(x) - p)], axis=1
        )
        self.weights = np.linalg.lstsq(past[: seen.stop - p], x[p : seen.stop], rcond=None)[0]
        residual = x[p:] - past @ self.weights
        self.s = residual[: seen.stop - p].std()
        self.steps = np.concatenate([np.full(p, np.nan), log_normal(residual, 0.0, self.s)])

    def score(self, part):
        return self.steps[part].mean()

    def sample(self, rng, past, steps, copies):
        r"""(steps, copies) continuations of one past."""
        x = [np.full(copies, v) for v in past[-self.p :]]
        for _ in range(steps):
            mean = sum(w * x[-k - 1] for k, w in enumerate(self.weights[:-1])) + self.weights[-1]
            x.append(mean + self.s * rng.standard_normal(copies))
        return np.array(x[self.p :])


def two_gaussians(d, floor=0.0, sweeps=200):
    r"""Weights, means and scales, (2,) each, of two Gaussians fitted by EM to the training part; no
    scale below `floor`.
    """
    x, mean, s, w = (
        d.X[d.train, 0, 0],
        np.array([-1.0, 1.0]),
        np.array([0.5, 0.5]),
        np.array([0.5, 0.5]),
    )
    for _ in range(sweeps):
        r = w * np.exp(log_normal(x[:, None], mean, s))
        r /= r.sum(axis=1, keepdims=True)
        w, mean = r.mean(axis=0), (r * x[:, None]).sum(axis=0) / r.sum(axis=0)
        s = np.maximum(floor, np.sqrt((r * (x[:, None] - mean) ** 2).sum(axis=0) / r.sum(axis=0)))
    return w, mean, s


def mixture(d, floor=0.0):
    r"""log p(x_t) of these two, which know nothing of the past, (T,)."""
    w, mean, s = two_gaussians(d, floor)
    return np.log((w * np.exp(log_normal(d.X[:, 0], mean, s))).sum(axis=1))


# Markov switching between Gaussians, of two states; or of three, where long eruptions after a short
# one have a Gaussian of their own.
TWO = (np.array([-1.5, 0.8]), np.array([[0.1, 0.9], [0.5, 0.5]]))
THREE = (np.array([-1.5, 0.8, 0.9]), np.array([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))


def markov_switching(d, floor, start, sweeps=100):
    r"""log p(x_t | x_<t) of every step under a hidden Markov chain fitted to the training part by
    EM; zeros stay zeros.
    """
    mean, A = start
    s, first = np.full(len(mean), 0.4), np.full(len(mean), 1.0 / len(mean))
    x = d.X[d.train, 0, 0]
    for _ in range(sweeps):
        p = np.exp(log_normal(x[:, None], mean, s))
        w, step = forward(p, A, first)
        after = np.ones_like(p)
        for t in range(len(x) - 2, -1, -1):
            after[t] = A @ (p[t + 1] * after[t + 1]) / step[t + 1]
        r = w * after
        moves = np.einsum("ti,ij,tj->ij", w[:-1] / step[1:, None], A, p[1:] * after[1:])
        A, first = moves / moves.sum(axis=1, keepdims=True), r[0]
        mean = (r * x[:, None]).sum(axis=0) / r.sum(axis=0)
        s = np.maximum(floor, np.sqrt((r * (x[:, None] - mean) ** 2).sum(axis=0) / r.sum(axis=0)))
    return np.log(forward(np.exp(log_normal(d.X[:, 0], mean, s)), A, first)[1])


def forward(p, A, first):
    r"""Filtered probabilities (T, K) and p(x_t | x_<t), (T,)."""
    w, step, predicted = np.empty_like(p), np.empty(len(p)), first
    for t, row in enumerate(p):
        step[t] = predicted @ row
        w[t] = predicted * row / step[t]
        predicted = w[t] @ A
    return w, step


def ngram(names, n):
    r"""Bits per character on the test part of the interpolated n-gram; n = 0 is uniform."""
    return -ngram_score(names, n, weight(names, n), "test") / np.log(2)


def weight(names, n):
    r"""The weight a of the n-gram's back-off that is best on validation."""
    return max(
        np.geomspace(0.2, 20, 13) if n else [1.0],
        key=lambda a: ngram_score(names, n, a, "validation"),
    )


def ngram_score(names, n, a, part):
    train, lines = names.decode(names.train), names.decode(getattr(names, part))
    return np.mean(log_probabilities(train, lines, n, a, len(names.alphabet)))


def log_probabilities(train, test, n, a, V):
    counts, out = counted(tuple(train), n), []
    for line in test:
        p = 1.0 / V
        for k, context, symbol in contexts(line, n):
            table, total = counts[k].get(context, ({}, 0))
            p = (table.get(symbol, 0) + a * (p if k else 1.0 / V)) / (total + a)
            if k == n - 1:
                out.append(np.log(p))
        out += [np.log(p)] * (len(line) + 1) if n == 0 else []
    return out


@cache
def counted(lines, n):
    r"""counts[k][context of k symbols] = how often each symbol, and any, follows; for all a."""
    counts = [{} for _ in range(n)]
    for line in lines:
        for k, context, symbol in contexts(line, n):
            table = counts[k].setdefault(context, {})
            table[symbol] = table.get(symbol, 0) + 1
    return [{key: (table, sum(table.values())) for key, table in of_k.items()} for of_k in counts]


def contexts(line, n):
    r"""For each symbol of a line, its contexts of 0, 1 .. n-1 symbols; what lies before the line is
    a blank.
    """
    padded = "\0" * n + line + data.END
    for i in range(n, len(padded)):
        for k in range(n):
            yield k, padded[i - k : i], padded[i]


def fork_ceiling(L, T=25):
    r"""The most that Eq. (26), or one particle, can score a step, whatever D: v = 1.01 is the
    variance of z_t + 0.1 n_t.
    """
    u = 2 * np.log(L) / T
    return -0.5 * np.log(2 * np.pi * np.e * 1.01) - 0.5 * np.log(1 - u) - u / 2


def two_bumps(rnn, theta, X):
    r"""log p(X) of one particle whose emission has two bumps, nats per sequence, (N,).

    p(x|h) = N(x; m + a, s^2) / 2 + N(x; m - a, s^2) / 2 with m = h C + c and a = theta["a"] (M,).
    As N(x; m +- a, s^2) = N(x; m, s^2) exp(+-a (x - m) / s^2 - a^2 / 2 s^2), that is the usual
    emission times cosh(a (x - m) / s^2) exp(-a^2 / 2 s^2).
    """
    H, ell = unroll(rnn, {key: theta[key] for key in rnn.shapes()}, X)  # H (T, 1, N, D)
    ell = ell[:, 0]
    residual = X - np.dot(H[:, 0], theta["C"]) - theta["c"]
    tilt = np.dot(residual, theta["a"] * np.exp(-2 * theta["log_s"]))  # (T, N)
    log_cosh = np.logaddexp(tilt, -tilt) - np.log(2)
    shift = 0.5 * np.sum((theta["a"] * np.exp(-theta["log_s"])) ** 2)
    return np.sum(ell + log_cosh - shift, axis=0)


def cue_floor(n):
    r"""The least that one particle with D = 2 loses an answer on the cue language with pairs of n
    answers, C14.
    """
    return 0.5 * np.log(2) * few_good_pairs(n)


def few_good_pairs(n):
    r"""At least this share of the pairs of n answers cannot be told well from D = 2: 3n - 6 edges
    are the most of a plane graph.
    """
    return max(0.0, 1.0 - (3 * n - 6) / (n * (n - 1) / 2))


def cue_floor_26(n, L, answers):
    r"""The same for Eq. (26) with L particles, and sequences of that many answers, C15: the best of
    the bounds for 0 < k < 1.
    """
    k, s = np.linspace(1e-4, 0.99, 9900), few_good_pairs(n)
    x = 1.0 / (
        2.0 + 2.0 ** (1.0 / (1.0 - k))
    )  # the smaller of two probabilities where psi is largest
    psi = 0.5 * ((2 * x) ** k + (2 - 4 * x) ** k)
    tilted = np.log(s * psi ** (1 / (1 - k)) + 1 - s)
    return max(0.0, -np.min((1 - k) / k * (np.log(L) / answers + tilted)))
