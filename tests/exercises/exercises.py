"""The exercises: for each function the inputs it is tried on, smallest first, its exact answer, and the known mistakes.

Exact answers come from the package, from autograd or from loops over Python numbers, never from `solutions`. A mistake is a
sentence and what the function would return with it; it is named where it explains every answer that was given.
"""

import math
from dataclasses import dataclass, field

import autograd.numpy as anp
import numpy as np
from autograd import grad
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, logsumexp, pdtr

from rnnvae_ref import RNN, Categorical, F, Gaussian, kalman, log_likelihood, particles


@dataclass(frozen=True)
class Function:
    """One function to write. mistakes: sentence -> what it would return, called with the exact answer and the arguments."""

    name: str
    cases: callable
    exact: callable = None
    mistakes: dict = field(default_factory=dict)
    judge: callable = None  # where many answers are right: (answer, *arguments) -> a sentence, or None


@dataclass(frozen=True)
class Exercise:
    number: int
    title: str
    functions: tuple


def theta_of(rng, D, V):
    shapes = {"h1": (D,), "W": (D, D), "U": (V, D), "b": (D,), "C": (D, V), "c": (V,)}
    return {key: rng.standard_normal(shape) for key, shape in shapes.items()}


def symbols(rng):
    """(theta, X) from one sequence, one unit and one step upwards."""
    sizes = [(1, 1, 1, 2), (2, 1, 1, 2), (3, 2, 1, 2), (4, 2, 2, 3), (7, 3, 4, 5)]
    return [(theta_of(rng, D, V), rng.integers(0, V, (T, N))) for T, N, D, V in sizes]


def long_and_sharp(rng):
    """The same, and 1500 steps, whose product of probabilities underflows; and logits whose exp overflows."""
    theta, X = theta_of(rng, 2, 3), rng.integers(0, 3, (4, 2))
    return [*symbols(rng), (theta, rng.integers(0, 3, (1500, 1))), (theta | {"C": 1000 * theta["C"]}, X)]


def as_model(theta, X):
    """The package's RNN with the same numbers."""
    return RNN(Categorical(len(theta["U"])), len(theta["h1"])), theta | {"h1": theta["h1"][None]}, X


SIGN = {"the sign is wrong": lambda e, *_: -e}
BITS = {"these are bits; nats are asked, so take natural logarithms": lambda e, *_: e / np.log(2)}
PLUS = {"log(p + 1e-8) is not log p; stay in logarithms": lambda e, *_: np.log(np.exp(e) + 1e-8)}
PER_STEP = {"divided by T: nats per sequence are asked, a sum over t and not a mean": lambda e, a, *_: e / len(a)}


def trajectory(theta, X):
    return F(*as_model(theta, X))[:, 0]


# 1 and 2: the model


def other_trajectory(theta, X, inputs, first=None, phi=np.tanh, W=None, b=None):
    """A trajectory with a mistake: given inputs, first states, nonlinearity, W or b."""
    W, b = theta["W"] if W is None else W, theta["b"] if b is None else b
    H = [np.tile(theta["h1"], (X.shape[1], 1))] if first is None else first
    for x in inputs:
        H.append(phi(H[-1] @ W + theta["U"][x] + b))
    return np.array(H)


def doubled(theta, X):
    h1 = np.tile(theta["h1"], (X.shape[1], 1))
    return other_trajectory(theta, X, X[:-1][:-1], [h1, h1])[: len(X)]


TRAJECTORY = {
    "x_t is fed into h_t where x_{t-1} belongs": lambda e, th, X: other_trajectory(th, X, X[1:]),
    "h_1 is used twice: h_2 = f(h_1, x_1), not h_1": lambda e, th, X: doubled(th, X),
    "h_1 is skipped: H[0] is h_1 itself, not f(h_1, x_1)": lambda e, th, X: other_trajectory(th, X, X)[1:],
    "tanh is missing": lambda e, th, X: other_trajectory(th, X, X[:-1], phi=lambda a: a),
    "W is transposed: vectors are rows, h W": lambda e, th, X: other_trajectory(th, X, X[:-1], W=th["W"].T),
    "b is left out": lambda e, th, X: other_trajectory(th, X, X[:-1], b=0.0),
    "b stands outside of tanh": lambda e, th, X: other_trajectory(th, X, X[:-1], phi=lambda a: np.tanh(a - th["b"]) + th["b"]),
    "it starts at 0: h_1 is a parameter": lambda e, th, X: trajectory(th | {"h1": 0 * th["h1"]}, X),
    "all rows are the last state: each row must be an array of its own": lambda e, *_: np.broadcast_to(e[-1], e.shape),
}


def logits(rng):
    return [(rng.standard_normal(3),), (rng.standard_normal((2, 3)),), (1000.0 * rng.standard_normal((4, 2, 3)),)]


def exact_log_softmax(z):
    rows = z.reshape(-1, z.shape[-1]).tolist()
    return np.array([[v - log_mean(row) - math.log(len(row)) for v in row] for row in rows]).reshape(z.shape)


def along(axis):
    return lambda e, z: z - logsumexp(z, axis=axis, keepdims=True)


def score(theta, X, H, shift=0, first=0, of=lambda log_p: log_p):
    """sum_t of log p(x_{t+shift} | h_t) for t >= first, as a likelihood with a mistake."""
    log_p = exact_log_softmax(H @ theta["C"] + theta["c"])
    return of(np.take_along_axis(log_p[first : len(X) - shift], X[first + shift :, :, None], axis=-1)[..., 0]).sum(axis=0)


LIKELIHOOD = {
    **SIGN,
    **BITS,
    "divided by T: nats per sequence are asked, a sum over t and not a mean": lambda e, th, X: e / len(X),
    "h_t has already seen x_t: x_t is fed where x_{t-1} belongs": lambda e, th, X: score(th, X, other_trajectory(th, X, X[1:])),
    "x_{t+1} is scored at h_t: x_t belongs to h_t": lambda e, th, X: score(th, X, trajectory(th, X), shift=1),
    "the first step is left out: h_1 predicts x_1": lambda e, th, X: score(th, X, trajectory(th, X), first=1),
    "p is summed where log p is asked": lambda e, th, X: score(th, X, trajectory(th, X), of=np.exp),
}


# 3: truncated backpropagation


def truncations(rng):
    sizes = [(1, 1, 2, 1), (2, 1, 2, 1), (3, 1, 2, 1), (3, 2, 2, 2), (6, 3, 4, 0), (6, 3, 4, 2), (6, 3, 4, 3), (6, 3, 4, 9)]
    return [(theta_of(rng, D, V), rng.integers(0, V, T), k) for T, D, V, k in sizes]


def by_autograd(theta, X, k, start=lambda t, k: max(t - k, 0), terms=None):
    """Term by term: from h at start(t, k), a constant, to log p(x_t | h_t), differentiated by autograd."""
    H = trajectory(theta, X[:, None])[:, 0]

    def term(W, t):
        h = H[start(t, k)]
        for s in range(start(t, k), t):
            h = anp.tanh(anp.dot(h, W) + theta["U"][X[s]] + theta["b"])
        z = anp.dot(h, theta["C"]) + theta["c"]
        return z[X[t]] - anp.log(anp.sum(anp.exp(z)))

    steps = [t for t in range(len(X)) if start(t, k) < t and (terms is None or t in terms)]  # else h_t counts as a constant
    return sum((grad(term)(theta["W"], t) for t in steps), np.zeros_like(theta["W"]))


def backward(
    theta, X, k, back=lambda W: W.T, left=lambda H, s: H[s - 1], slope=lambda H, s: 1 - H[s] ** 2, hot=lambda x, X, t: x
):
    """The backward pass with a mistake."""
    H, total = trajectory(theta, X[:, None])[:, 0], np.zeros_like(theta["W"])
    for t, x in enumerate(X):
        p = np.exp(exact_log_softmax(H[t] @ theta["C"] + theta["c"]))
        lam = (np.eye(len(p) + 1)[hot(x, X, t)][: len(p)] - p) @ theta["C"].T
        for s in range(t, max(t - k, 0), -1):
            pre = lam * slope(H, s)
            total = total + np.outer(left(H, s), pre)
            lam = pre @ back(theta["W"])
    return total


def chunks(t, k):
    """The start of t's chunk of k steps."""
    return t - t % k if k else t


TRUNCATED = {
    "the state is detached at every step: that is k = 1, whatever k": lambda e, th, X, k: by_autograd(th, X, 1),
    "nothing is truncated: that is the full gradient, whatever k": lambda e, th, X, k: by_autograd(th, X, len(X)),
    "one step too many: that is k + 1": lambda e, th, X, k: by_autograd(th, X, k + 1),
    "one step too few: that is k - 1": lambda e, th, X, k: by_autograd(th, X, max(k - 1, 0)),
    **SIGN,
    "the result is transposed: W_ij leads from h_i to h_j": lambda e, *_: e.T,
    "W stands where its transpose belongs on the way back": lambda e, th, X, k: backward(th, X, k, back=lambda W: W),
    "h_s stands where h_{s-1} belongs": lambda e, th, X, k: backward(th, X, k, left=lambda H, s: H[s]),
    "the derivative of tanh, 1 - h^2, is missing": lambda e, th, X, k: backward(th, X, k, slope=lambda H, s: 1.0),
    "1 - h_{s-1}^2 stands where 1 - h_s^2 belongs": lambda e, th, X, k: backward(th, X, k, slope=lambda H, s: 1 - H[s - 1] ** 2),
    "onehot(x_t) is missing: softmax alone is left": lambda e, th, X, k: backward(th, X, k, hot=lambda x, X, t: len(th["c"])),
    "x_{t-1} stands where x_t is scored": lambda e, th, X, k: backward(th, X, k, hot=lambda x, X, t: X[t - 1]),
    "the sequence is cut into chunks of k steps; here every term goes back k steps": lambda e, th, X, k: by_autograd(
        th, X, k, start=chunks
    ),
    "the last term only: every t has a term": lambda e, th, X, k: by_autograd(th, X, k, terms=[len(X) - 1]),
    "it goes back from T only, k steps: every term goes back k steps of its own": lambda e, th, X, k: by_autograd(
        th, X, k, start=lambda t, k: min(t, max(len(X) - 1 - k, 0))
    ),
    "divided by T: the gradient of a sum over t is asked": lambda e, th, X, k: e / len(X),
}


# 4: a Poisson emission


def counts(rng):
    cases = []
    for N, D, M in [(1, 1, 1), (2, 1, 1), (3, 2, 3)]:
        theta = {"C": rng.standard_normal((D, M)), "c": rng.standard_normal(M)}
        cases.append((theta, rng.uniform(-1, 1, (N, D)), rng.integers(0, 6, (N, M))))
    return [*cases, (theta | {"c": theta["c"] + 6}, rng.uniform(-1, 1, (N, D)), rng.integers(300, 500, (N, M)))]


def exact_poisson(theta, h, x):
    return np.array([math.fsum(map(one_count, z, k)) for z, k in zip(h @ theta["C"] + theta["c"], x.tolist(), strict=True)])


def one_count(log_rate, k):
    return k * log_rate - math.exp(log_rate) - math.fsum(math.log(i) for i in range(1, k + 1))


def masses(rng):
    theta = {"C": rng.standard_normal((2, 1)), "c": rng.standard_normal(1)}
    return [(theta, rng.uniform(-1, 1, (N, 2)), most) for N, most in [(1, 0), (1, 2), (3, 5), (3, 60)]]


def rate(theta, h):
    return np.exp(h @ theta["C"] + theta["c"])[:, 0]


POISSON = {
    **SIGN,
    **BITS,
    "log x! is missing": lambda e, th, h, x: e + gammaln(x + 1).sum(axis=1),
    "log (x-1)! stands where log x! belongs: gammaln(x + 1) = log x!": lambda e, th, h, x: (
        e + (gammaln(x + 1) - gammaln(x)).sum(axis=1)
    ),
    "the rate is exp(h C + c), not h C + c": lambda e, th, h, x: e + (rates(th, h) - h @ th["C"] - th["c"]).sum(axis=1),
    "the mean over dimensions; a sum is asked": lambda e, th, h, x: e / x.shape[1],
}


def rates(theta, h):
    return np.exp(h @ theta["C"] + theta["c"])


MASS = {
    "x = 0 is left out": lambda e, th, h, most: e - np.exp(-rate(th, h)),
    "it stops before `most`": lambda e, th, h, most: pdtr(most - 1, rate(th, h)) if most else 0 * e,
    "that is the log of the mass": lambda e, *_: np.log(e),
}


# 5 and 6: sums over all paths


def tables(rng):
    """ell and log weights, from two paths of one step to many paths far from 0."""
    cases = []
    for T, P, level in [(1, 2, 0), (2, 2, 0), (3, 5, -1), (4, 8, -800)]:
        log_w = rng.standard_normal(P)
        cases.append((level + rng.standard_normal((T, P)), log_w - np.log(np.exp(log_w).sum())))
    return cases


def sums(ell, log_w):
    """K, log p(X) and the divergence, by loops over paths."""
    total, w = ell.sum(axis=0).tolist(), np.exp(log_w).tolist()
    top = max(total)
    log_p = top + math.log(math.fsum(a * math.exp(t - top) for a, t in zip(w, total, strict=True)))
    K = math.fsum(a * t for a, t in zip(w, total, strict=True))
    post = [math.log(a) + t - log_p for a, t in zip(w, total, strict=True)]
    return K, log_p, math.fsum(a * (math.log(a) - p) for a, p in zip(w, post, strict=True)), np.array(post)


BOUND = {
    "that is log p(X): the log of the mean; K is the mean of the logs": lambda e, ell, w: sums(ell, w)[1],
    "the paths are weighted equally; their probabilities are exp(log_w)": lambda e, ell, w: ell.sum(axis=0).mean(),
    "the weights are log_w where exp(log_w) belongs": lambda e, ell, w: w @ ell.sum(axis=0),
    "the probabilities of the paths are missing": lambda e, ell, w: ell.sum(),
    **SIGN,
    **PER_STEP,
}
EVIDENCE = {
    "that is K: the mean of the logs; log p(X) is the log of the mean": lambda e, ell, w: sums(ell, w)[0],
    "the probabilities of the paths are missing": lambda e, ell, w: logsumexp(ell.sum(axis=0)),
    "the paths are weighted equally; their probabilities are exp(log_w)": lambda e, ell, w: sums(ell, 0 * w - np.log(len(w)))[1],
    "log and sum over t are exchanged: prod_t comes first, then the sum over paths": lambda e, ell, w: sum(
        sums(row[None], w)[1] for row in ell
    ),
    **SIGN,
    **BITS,
}
GAP = {
    "a mean over p: that is KL( p || q ), and KL( q || p ) is a mean over q": lambda e, ell, w: (
        np.exp(sums(ell, w)[3]) @ (sums(ell, w)[3] - w)
    ),
    "the posterior is not normalised: divide by p(X)": lambda e, ell, w: e - sums(ell, w)[1],
    **SIGN,
    **BITS,
}


def all_signs(T):
    return 1.0 - 2.0 * np.indices((2,) * (T - 1)).reshape(T - 1, -1).T


def tilts(rng):
    return [
        (rng.standard_normal((T, 2 ** (T - 1))), all_signs(T), r) for T, r in [(2, 0.5), (2, 0.8), (3, 0.3), (5, 0.6), (5, 0.99)]
    ]


def tilted(ell, signs, r, weigh=None, ratio=1.0):
    """The bound by a loop over paths; with mistakes: `weigh` in place of r, `ratio` times log p/q."""
    total = []
    for path, likelihood in zip(signs.tolist(), ell.sum(axis=0).tolist(), strict=True):
        q, w = (math.prod(v if s > 0 else 1 - v for s in path) for v in (r, r if weigh is None else weigh))
        total.append(w * (likelihood + ratio * math.log(0.5 ** len(path) / q)))
    return math.fsum(total)


TILTED = {
    "the term E_q[log p(path) - log q(path)] is missing": lambda e, *a: tilted(*a, ratio=0.0),
    "log p(path) and log q(path) are exchanged": lambda e, *a: tilted(*a, ratio=-1.0),
    "the mean is taken over p; Eq. (12) takes it over q": lambda e, *a: tilted(*a, weigh=0.5),
    "r is the probability of +1, not of -1": lambda e, ell, signs, r: tilted(ell, signs, 1 - r),
    "log p(path) is missing": lambda e, ell, signs, r: e + signs.shape[1] * np.log(2),
    "- log q(path) is missing": lambda e, *a: tilted(*a, ratio=0.0) - a[1].shape[1] * np.log(2),
    "p(path) is 2^-(T-1), not 2^-T: there are T - 1 coins": lambda e, *_: e - np.log(2),
    "the log of the mean stands where the mean of the log belongs: that is log p(X)": lambda e, ell, signs, r: log_mean(
        ell.sum(axis=0).tolist()
    ),
    **SIGN,
}


TILTS = 1 / (1 + np.exp(-np.linspace(-16, 16, 321)))


def peak(ell, signs, ratio=1.0):
    """(height, r) of the best tilt: a fine grid, and then a search around its best point."""
    height = lambda r: tilted(ell, signs, r, ratio=ratio)
    i = int(np.argmax([height(r) for r in TILTS]))
    around = TILTS[max(i - 1, 0)], TILTS[min(i + 1, len(TILTS) - 1)]
    r = minimize_scalar(lambda r: -height(r), bounds=around, options={"xatol": 1e-12}).x
    return max((height(r), r), (height(TILTS[i]), TILTS[i]))


def judge_tilt(r, ell, signs):
    if np.ndim(r) > 0 or not isinstance(r, int | float | np.number | np.ndarray):
        return "a float is asked"
    if not 0 < r < 1:
        return f"r must lie strictly between 0 and 1; got {r:.6g}"
    best, at = peak(ell, signs)
    short = best - tilted(ell, signs, r)
    if short <= 1e-6:
        return None
    if abs(r - 0.5) < 1e-3:
        return "r = 1/2 is the choice of Eq. (6), not the best q"
    if best - tilted(ell, signs, 1 - r) <= 1e-6:
        return "r is the probability of +1, not of -1"
    if abs(r - peak(ell, signs, ratio=0.0)[1]) < 1e-3:
        return "that makes E_q of the likelihood largest: the term log p(path) - log q(path) is missing"
    if abs(r - at) < 0.01:
        return f"near the best r, but the bound there is {short:.2g} lower: refine the grid"
    return f"r = {r:.6g} gives {best - short:.6f}, but {best:.6f} can be had: is it a local maximum?"


def tilts_to_find(rng):
    cases = [(3.0 * rng.standard_normal((T, 2 ** (T - 1))), all_signs(T)) for T in (2, 3, 5)]
    heads = (all_signs(4) > 0).sum(axis=1)
    two_peaks = [np.array([6.0, -8.0, -3.0, 3.0])[k] * np.array([[1.0], [0.0], [0.0], [0.0]]) for k in (heads, 3 - heads)]
    return [*cases, *((ell, all_signs(4)) for ell in two_peaks)]


# 7 and 8: noise


def judge_three_point(answer, kappa):
    """The law may come in any order; the moments say what is wrong."""
    if not (isinstance(answer, tuple | list) and len(answer) == 2 and all(np.shape(part) == (3,) for part in answer)):
        return "two arrays (3,) are asked, nodes and weights"
    x, w = (np.asarray(part, float) for part in answer)
    if not np.isclose(w.sum(), 1) or (w < -1e-12).any():
        halved = ": is each side's weight halved?" if w.sum() > 1 else ""
        return f"the weights must be probabilities, 0 or larger, with the sum 1; they are {w} with the sum {w.sum():.6g}{halved}"
    if not np.allclose(np.sort(x) + np.sort(x)[::-1], 0):
        return f"the nodes must be (-a, 0, a); got {x}"
    for power, wanted, name in [(1, 0, "mean"), (2, 1, "variance"), (4, kappa, "fourth moment")]:
        if not np.isclose(w @ x**power, wanted):
            return f"the {name} is {w @ x**power:.6g}, it must be {wanted:.6g}"
    return None


def linear_models(rng):
    scale = lambda: rng.uniform(0.3, 1.5)
    return [(a or scale(), scale(), scale(), scale(), T) for a, T in [(0, 1), (0, 2), (0, 3), (0, 8), (1.0, 5), (-0.7, 5)]]


def exact_penalty(a, c, s, sigma, T):
    """The package's, from the Riccati recursion without data."""
    rnn = RNN(Gaussian(), 1, transition="linear")
    theta = {"h1": [[0.0]], "W": [[a]], "U": [[0.0]], "b": [0.0], "C": [[c]], "c": [0.0], "log_s": [math.log(s)]}
    return float(kalman.penalty(rnn, {key: np.array(value) for key, value in theta.items()}, T, sigma))


def other_penalty(a, c, s, sigma, T, v=0.0, grow=lambda a: a**2, half=0.5):
    total = 0.0
    for _ in range(T):
        total += half * (c / s) ** 2 * sigma**2 * v
        v = 1 + grow(a) * v
    return total


PENALTY = {
    "h_1 has no noise: v_1 = 0, not 1": lambda e, *a: other_penalty(*a, v=1.0),
    "the factor 1/2 is missing": lambda e, *a: 2 * e,
    "a must be squared: variances grow with a^2": lambda e, *a: other_penalty(*a, grow=lambda a: a),
    "s must be squared": lambda e, a, c, s, sigma, T: e * s,
    "sigma must be squared": lambda e, a, c, s, sigma, T: e / sigma,
    "v is summed to T - 1 only: x_T is scored, too": lambda e, a, c, s, sigma, T: other_penalty(a, c, s, sigma, T - 1),
    **SIGN,
}


def draws(rng):
    cases = []
    for S, K in [(4, 1), (6, 2), (50, 3)]:
        eps = rng.standard_normal((S, K)) + 0.3
        cases.append((eps @ rng.standard_normal(K) + rng.standard_normal(S) - 2, eps))
    return cases


def intercept(values, eps):
    """The same number as the intercept of a least-squares fit, without covariances."""
    return float(np.linalg.lstsq(np.column_stack([np.ones(len(eps)), eps]), values, rcond=None)[0][0])


CONTROL = {
    "that is the plain mean: nothing is controlled": lambda e, v, eps: v.mean(),
    "mean(eps) beta must be subtracted, not added": lambda e, v, eps: 2 * v.mean() - e,
    "the covariances must be centred: subtract the sample means first": lambda e, v, eps: (
        v.mean() - eps.mean(axis=0) @ np.linalg.lstsq(eps, v, rcond=None)[0]
    ),
    "beta is taken column by column; the whole of Cov(eps) must be inverted": lambda e, v, eps: (
        v.mean() - np.sum(eps.mean(axis=0) * covariance(eps, v) / eps.var(axis=0))
    ),
    "the covariances are divided by different numbers: by S, and Cov(eps) by S - 1": lambda e, v, eps: (
        v.mean() - (v.mean() - e) * (len(v) - 1) / len(v)
    ),
    "the covariances are divided by different numbers: by S - 1, and Cov(eps) by S": lambda e, v, eps: (
        v.mean() - (v.mean() - e) * len(v) / (len(v) - 1)
    ),
    "beta lacks Cov(eps)^-1": lambda e, v, eps: v.mean() - eps.mean(axis=0) @ covariance(eps, v),
    "beta lacks Cov(eps)^-1 (covariances by S - 1)": lambda e, v, eps: (
        v.mean() - eps.mean(axis=0) @ covariance(eps, v) * len(v) / (len(v) - 1)
    ),
}


def covariance(eps, values):
    return (eps - eps.mean(axis=0)).T @ (values - values.mean()) / len(values)


# 9 to 11: several particles


def particle_tables(rng):
    sizes = [(1, 2, 1), (2, 2, 1), (3, 3, 2), (5, 4, 3)]
    return [*[(2.0 * rng.standard_normal(shape),) for shape in sizes], (rng.standard_normal((4, 3, 2)) - 900.0,)]


def log_mean(rows):
    top = max(rows)
    return top + math.log(math.fsum(math.exp(v - top) for v in rows) / len(rows))


def exact_trajectory_mixture(ell):
    return np.array([log_mean(ell[:, :, n].sum(axis=0).tolist()) for n in range(ell.shape[2])])


def exact_per_step_mixture(ell):
    return np.array([math.fsum(map(log_mean, ell[:, :, n].tolist())) for n in range(ell.shape[2])])


MEAN_OF_LOGS = {"the mean of the logs stands where the log of the mean belongs": lambda e, ell: ell.sum(axis=0).mean(axis=0)}
TRAJECTORY_MIXTURE = {
    **MEAN_OF_LOGS,
    "- log L is missing: a mean over particles, not a sum": lambda e, ell: e + np.log(ell.shape[1]),
    "log L is subtracted at each step; the mean is taken once": lambda e, ell: e - (len(ell) - 1) * np.log(ell.shape[1]),
    "that is Eq. (17): sum over t first, then the mean over particles": lambda e, ell: exact_per_step_mixture(ell),
    "that is the best particle alone": lambda e, ell: ell.sum(axis=0).max(axis=0),
    **SIGN,
    **BITS,
    **PER_STEP,
}
PER_STEP_MIXTURE = {
    **MEAN_OF_LOGS,
    "- log L is missing: a mean over particles at each step, not a sum": lambda e, ell: e + len(ell) * np.log(ell.shape[1]),
    "log L is subtracted once; there is a mean at each step": lambda e, ell: e + (len(ell) - 1) * np.log(ell.shape[1]),
    "that is Eq. (26): the mean over particles comes first, then the sum over t": lambda e, ell: exact_trajectory_mixture(ell),
    **SIGN,
    **BITS,
    **PER_STEP,
}


def shown_shape(value):
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def judge_counterexample(answer):
    if not (isinstance(answer, tuple | list) and len(answer) == 2 and isinstance(answer[0], dict)):
        return "a tuple (theta, X) is asked, theta a dict of arrays"
    theta, X = answer
    if "h1" not in theta or np.ndim(theta["h1"]) != 2 or not 1 <= np.shape(theta["h1"])[1] <= 4:
        return f"theta['h1'] must be (2, D), one row a particle, D from 1 to 4; got {shown_shape(theta.get('h1'))}"
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.shape[1] != 1 or not 1 <= len(X) <= 10:
        return f"X must be an array of integers (T, 1), T up to 10; got {shown_shape(X)}"
    rnn = RNN(Categorical(2), np.shape(theta["h1"])[1], 2)
    try:
        difference = float(particles.per_step_mixture(rnn, theta, X)[0] - particles.trajectory_mixture(rnn, theta, X)[0])
    except ValueError as error:
        return str(error)
    return None if 0.1 <= difference < np.inf else why_no_counterexample(difference, rnn, theta, X)


def why_no_counterexample(difference, rnn, theta, X):
    H = F(rnn, theta, X)
    if not np.isfinite(difference):
        return "the numbers in theta are too large: the likelihoods are not finite"
    if len(X) == 1:
        return "with T = 1 both are the same number: there is one step, and one mean"
    if np.allclose(H[0, 0], H[0, 1]):
        return "the two particles start at the same h_1, so they are one, and (17) = (26)"
    if np.abs(H[1:, 0] - H[1:, 1]).max() < 1e-3:
        return "the particles meet after the first step: W must keep them apart"
    sign = "here Eq. (26) is the larger: over the whole sequence one particle does better; let them take turns"
    return f"{sign if difference < -1e-9 else '(17) must exceed (26) by 0.1'}; (17) - (26) = {difference:.4f}"


def stretches(rng):
    cases = [(rng.standard_normal((T, L)), rng.random(T - 1) < 0.5) for T, L in [(1, 2), (2, 2), (4, 3), (6, 3)]]
    mixed = np.array([False, True, False, False, True])
    return [*cases, (rng.standard_normal((6, 3)), mixed), (rng.standard_normal((6, 3)) - 700.0, mixed)]


def exact_stretches(ell, resampled):
    ends = [*np.flatnonzero(resampled) + 1, len(ell)]
    parts = zip([0, *ends], ends, strict=False)
    return math.fsum(log_mean(ell[a:b].sum(axis=0).tolist()) for a, b in parts)


STRETCHES = {
    "weight is dropped: weights must go on multiplying up until the next resampling": lambda e, ell, r: math.fsum(
        map(log_mean, ell.tolist())
    ),
    "cuts are ignored: after a resampling all weights are equal again": lambda e, ell, r: log_mean(ell.sum(axis=0).tolist()),
    "weights are not reset: after a resampling all start at 1": lambda e, ell, r: math.fsum(
        log_mean(ell[:b].sum(axis=0).tolist()) for b in [*np.flatnonzero(r) + 1, len(ell)]
    ),
    "only the last stretch is counted": lambda e, ell, r: exact_stretches(ell[last(r) :], r[last(r) :]),
    "- log L is missing in each stretch": lambda e, ell, r: e + (1 + r.sum()) * math.log(ell.shape[1]),
    "- log L is subtracted once; there is a mean in each stretch": lambda e, ell, r: e + r.sum() * math.log(ell.shape[1]),
    "resampled[t] cuts between rows t and t + 1; here it cuts between t - 1 and t": lambda e, ell, r: exact_stretches(
        ell, np.append(r[1:], False)[: len(r)]
    ),
    "resampled[t] cuts between rows t and t + 1; here it cuts between t + 1 and t + 2": lambda e, ell, r: exact_stretches(
        ell, np.append(False, r[:-1])[: len(r)]
    ),
    "True and False are exchanged: True is a cut": lambda e, ell, r: exact_stretches(ell, ~r),
    "the last stretch is left out": lambda e, ell, r: e - exact_stretches(ell[last(r) :], r[last(r) :]),
    "log L is subtracted at each step; there is one mean in each stretch": lambda e, ell, r: (
        e - (len(ell) - 1 - r.sum()) * math.log(ell.shape[1])
    ),
    "the mean of the logs stands where the log of the mean belongs": lambda e, ell, r: ell.mean(axis=1).sum(),
    **SIGN,
    **BITS,
}


def last(resampled):
    return np.flatnonzero(resampled)[-1] + 1 if resampled.any() else 0


EXERCISES = (
    Exercise(1, "One step, and all of them", (Function("trajectory", symbols, trajectory, TRAJECTORY),)),
    Exercise(
        2,
        "The log likelihood",
        (
            Function(
                "log_softmax",
                logits,
                exact_log_softmax,
                {
                    "the softmax runs along the first axis; symbols are the last": along(0),
                    "the softmax runs over all axes; symbols are the last": along(None),
                    **PLUS,
                    "that is the softmax; its log is asked": lambda e, z: np.exp(e),
                    **SIGN,
                    **BITS,
                },
            ),
            Function("log_likelihood", long_and_sharp, lambda th, X: log_likelihood(*as_model(th, X)), LIKELIHOOD),
        ),
    ),
    Exercise(3, "Truncated backpropagation and its bias", (Function("truncated_gradient", truncations, by_autograd, TRUNCATED),)),
    Exercise(
        4,
        "A Poisson emission and its oracle",
        (
            Function("poisson_log_p", counts, exact_poisson, POISSON),
            Function("poisson_mass", masses, lambda th, h, most: pdtr(most, rate(th, h)), MASS),
        ),
    ),
    Exercise(
        5,
        "The bound, the evidence and the gap",
        (
            Function("bound", tables, lambda *a: sums(*a)[0], BOUND),
            Function("evidence", tables, lambda *a: sums(*a)[1], EVIDENCE),
            Function("gap", tables, lambda *a: sums(*a)[2], GAP),
        ),
    ),
    Exercise(
        6,
        "Another q",
        (Function("tilted_bound", tilts, tilted, TILTED), Function("best_tilt", tilts_to_find, judge=judge_tilt)),
    ),
    Exercise(
        7,
        "Heavy-tailed noise",
        (
            Function("three_point", lambda rng: [(2.0,), (3.0,), (rng.uniform(4, 9),)], judge=judge_three_point),
            Function("penalty", linear_models, exact_penalty, PENALTY),
        ),
    ),
    Exercise(8, "A control variate", (Function("control_variate", draws, intercept, CONTROL),)),
    Exercise(
        9,
        "Two readings of several particles",
        (
            Function("trajectory_mixture", particle_tables, exact_trajectory_mixture, TRAJECTORY_MIXTURE),
            Function("per_step_mixture", particle_tables, exact_per_step_mixture, PER_STEP_MIXTURE),
        ),
    ),
    Exercise(10, "A counterexample", (Function("counterexample", lambda rng: [()], judge=judge_counterexample),)),
    Exercise(11, "Resampling now and then", (Function("evidence_in_stretches", stretches, exact_stretches, STRETCHES),)),
)
