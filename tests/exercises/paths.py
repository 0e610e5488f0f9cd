"""Exercises 5 to 8: sums over all paths, another q, and noise."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, rel_entr

from rnnvae_ref import RNN, Gaussian, kalman
from tests.exercises.kinds import BITS, PER_STEP, SIGN, log_mean

# Exercise 5


def tables(rng):
    """ell and log weights: from two paths of one step to paths of 1000 steps, more than 745 apart.

    The first path is not the likeliest, so that it is no good stand-in for the largest.
    """
    cases = []
    for T, P, level in [(1, 2, 0), (2, 2, 0), (2, 2, 0), (3, 5, -1), (4, 8, -800)]:
        cases.append((level + rng.standard_normal((T, P)), log_weights(rng.standard_normal(P))))
    apart = rng.standard_normal((3, 4)) + np.array([-500.0, 0.0, -900.0, -400.0])
    unlikely = rng.standard_normal((2, 3)) + np.array([0.0, 0.0, 600.0])
    cases.append((apart, log_weights(rng.standard_normal(4))))
    cases.append((unlikely, log_weights(np.array([0.3, -0.2, -900.0]))))
    return [*cases, (3 * rng.standard_normal((1000, 6)) - 1, log_weights(rng.standard_normal(6)))]


def log_weights(a):
    return a - logsumexp(a)


def log_sum(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def sums(ell, log_w):
    """K, log p(X), the divergence and the log posterior, by loops over paths."""
    total, lw = [math.fsum(path) for path in ell.T.tolist()], log_w.tolist()
    log_p = log_sum([a + t for a, t in zip(lw, total, strict=True)])
    post = [a + t - log_p for a, t in zip(lw, total, strict=True)]
    K = math.fsum(math.exp(a) * t for a, t in zip(lw, total, strict=True))
    KL = math.fsum(math.exp(a) * (a - p) for a, p in zip(lw, post, strict=True))
    return K, log_p, KL, np.array(post)


UNWEIGHTED = "the paths are weighted equally; their probabilities are exp(log_w)"
UNDERFLOW = "exp of large negative numbers is 0, and its log -inf: take the largest out first"
BOUND = {
    "that is log p(X): the log of the mean; K is the mean of the logs": lambda e, ell, w: sums(
        ell, w
    )[1],
    UNWEIGHTED: lambda e, ell, w: ell.sum(axis=0).mean(),
    "the weights are log_w where exp(log_w) belongs": lambda e, ell, w: w @ ell.sum(axis=0),
    "the probabilities of the paths are missing": lambda e, ell, w: ell.sum(),
    "log_w is added to the sum over t; K is the mean of that sum": (
        lambda e, ell, w: (w + ell.sum(axis=0)).sum(),
        lambda e, ell, w: (w + ell.sum(axis=0)).mean(),
        lambda e, ell, w: np.exp(w) @ (w + ell.sum(axis=0)),
    ),
    "p is averaged where log p is asked": lambda e, ell, w: np.exp(w) @ np.exp(ell).sum(axis=0),
    "divided by the number of paths; their probabilities are the weights": (
        lambda e, ell, w: e / len(w)
    ),
    "that is the best path alone": lambda e, ell, w: ell.sum(axis=0).max(),
    "that is the likeliest path alone": lambda e, ell, w: ell.sum(axis=0)[np.argmax(w)],
    "the mean is taken over the posterior; q is the dynamics, with weights exp(log_w)": (
        lambda e, ell, w: np.exp(sums(ell, w)[3]) @ ell.sum(axis=0)
    ),
    "that is the gap log p(X) - K": lambda e, ell, w: sums(ell, w)[2],
    **SIGN,
    **BITS,
    **PER_STEP,
}


def naive_evidence(e, ell, w):
    return np.log(np.exp(w) @ np.exp(ell.sum(axis=0)))


def with_largest_of_ell(axis):
    """The largest of ell, and not of the sums, is taken out."""

    def of(e, ell, w):
        m = ell.max(axis=axis, keepdims=True)
        return (ell * 0 + m).sum(axis=0)[0] + np.log(np.exp(w + (ell - m).sum(axis=0)).sum())

    return of


EVIDENCE = {
    "that is K: the mean of the logs; log p(X) is the log of the mean": lambda e, ell, w: sums(
        ell, w
    )[0],
    "the probabilities of the paths are missing": lambda e, ell, w: logsumexp(ell.sum(axis=0)),
    UNWEIGHTED: lambda e, ell, w: sums(ell, 0 * w - np.log(len(w)))[1],
    "log and sum over t are exchanged: prod_t comes first, then the sum over paths": (
        lambda e, ell, w: sum(sums(row[None], w)[1] for row in ell)
    ),
    "log_w is added at each step; a path has one probability": lambda e, ell, w: logsumexp(
        (ell + w).sum(axis=0)
    ),
    "divided by the number of paths; the probabilities of the paths are the weights": (
        lambda e, ell, w: e - np.log(len(w))
    ),
    "log_w stands where exp(log_w) belongs": lambda e, ell, w: np.log(w @ np.exp(ell.sum(axis=0))),
    "p is summed over t where a product over t is asked": lambda e, ell, w: np.log(
        np.exp(w) @ np.exp(ell).sum(axis=0)
    ),
    "that is the best path alone": (
        lambda e, ell, w: (w + ell.sum(axis=0)).max(),
        lambda e, ell, w: ell.sum(axis=0).max(),
    ),
    UNDERFLOW: naive_evidence,
    "the largest of ell is taken out; take out the largest of the sums over t, one a path": (
        with_largest_of_ell(None),
        with_largest_of_ell(1),
    ),
    "exp(log_w) is 0 for an improbable path: add log_w before the largest is taken out": (
        lambda e, ell, w: (
            np.log(np.exp(w) @ np.exp(ell.sum(axis=0) - ell.sum(axis=0).max()))
            + ell.sum(axis=0).max()
        )
    ),
    "the largest is taken out, but not put back: log sum exp z = m + log sum exp(z - m)": (
        lambda e, ell, w: e - (w + ell.sum(axis=0)).max(),
        lambda e, ell, w: e - ell.sum(axis=0).max(),
    ),
    **SIGN,
    **BITS,
    **PER_STEP,
    "that is p(X) itself; its log is asked": lambda e, *_: np.exp(e),
}


def from_posterior(way):
    """The divergence with probabilities where logs are needed: way(w, posterior, log_w)."""

    def of(stable, ell, log_w):
        joint = np.exp(log_w + ell.sum(axis=0))
        post = np.exp(sums(ell, log_w)[3]) if stable else joint / joint.sum()
        return way(np.exp(log_w), post, log_w)

    return lambda e, ell, w: of(True, ell, w), lambda e, ell, w: of(False, ell, w)


def ratio_log_of(w, post):
    return np.sum(w * np.log(w / post))


def with_rel_entr(w, post):
    return rel_entr(w, post).sum()


GAP = {
    "a mean over p: that is KL( p || q ), and KL( q || p ) is a mean over q": (
        lambda e, ell, w: np.exp(sums(ell, w)[3]) @ (sums(ell, w)[3] - w),
        *from_posterior(lambda w, post, log_w: np.sum(post * (np.log(post) - log_w))),
        *from_posterior(lambda w, post, log_w: ratio_log_of(post, w)),
        *from_posterior(lambda w, post, log_w: with_rel_entr(post, w)),
    ),
    "the posterior is not normalised: divide by p(X)": lambda e, ell, w: e - sums(ell, w)[1],
    "the posterior lacks the probability w of the path": lambda e, ell, w: (
        np.exp(w) @ (w - ell.sum(axis=0) + logsumexp(ell.sum(axis=0)))
    ),
    "the mean over q is missing: weigh each path with exp(log_w)": (
        lambda e, ell, w: np.sum(w - sums(ell, w)[3]),
        lambda e, ell, w: np.mean(w - sums(ell, w)[3]),
    ),
    "that is the entropy of the posterior alone, with the mean over q": lambda e, ell, w: (
        -np.exp(w) @ sums(ell, w)[3]
    ),
    "that is log p(X)": lambda e, ell, w: sums(ell, w)[1],
    "that is K": lambda e, ell, w: sums(ell, w)[0],
    "the posterior is that of each step; take the product over t": lambda e, ell, w: sum(
        sums(row[None], w)[2] for row in ell
    ),
    "the probability of an unlikely path becomes 0: keep the log of the posterior": (
        *from_posterior(lambda w, post, log_w: np.sum(w * (log_w - np.log(post)))),
        *from_posterior(lambda w, post, log_w: np.sum(w * (np.log(w) - np.log(post)))),
        *from_posterior(lambda w, post, log_w: ratio_log_of(w, post)),
        *from_posterior(lambda w, post, log_w: with_rel_entr(w, post)),
    ),
    **SIGN,
    **BITS,
    **PER_STEP,
}
DIFFERENCE = (
    (np.array([[-1.0, -2.5], [0.5, 0.25]]), np.log([0.5, 1.5])),  # weights that sum to 2
    lambda ell, w: logsumexp(w + ell.sum(axis=0)) - np.exp(w) @ ell.sum(axis=0),
    "that is evidence - bound; the sheet asks for the sum over the posterior, so that the two are "
    "a check of one another",
)


# Exercise 6


def all_signs(T):
    return 1.0 - 2.0 * np.indices((2,) * (T - 1)).reshape(T - 1, -1).T


def tilts(rng):
    sizes = [(2, 0.5, 0), (2, 0.8, 0), (3, 0.3, 0), (3, 0.3, 0), (5, 0.6, -800), (5, 0.99, 0)]
    normal = lambda T: rng.standard_normal((T, 2 ** (T - 1)))
    signs = lambda T: rng.permutation(all_signs(T))  # the paths may come in any order
    return [(level + normal(T), signs(T), r) for T, r, level in sizes]


def tilted(ell, signs, r, weigh=None, ratio=1.0, coins=None):
    """The bound by a loop over paths; with mistakes: `weigh` for r, `ratio` times log p/q."""
    total = []
    for path, likelihood in zip(signs.tolist(), ell.sum(axis=0).tolist(), strict=True):
        v = r if weigh is None else weigh
        q = math.prod(r if s > 0 else 1 - r for s in path[:coins])
        p, w = 0.5 ** len(path[:coins]), math.prod(v if s > 0 else 1 - v for s in path)
        total.append(w * (likelihood + ratio * math.log(p / q)))
    return math.fsum(total)


def unweighted(e, ell, signs, r):
    log_q = np.where(signs > 0, np.log(r), np.log(1 - r)).sum(axis=1)
    return np.sum(ell.sum(axis=0) - signs.shape[1] * np.log(2) - log_q)


TILTED = {
    "the term E_q[log p(path) - log q(path)] is missing": lambda e, *a: tilted(*a, ratio=0.0),
    "log p(path) and log q(path) are exchanged": lambda e, *a: tilted(*a, ratio=-1.0),
    "the mean is taken over p; Eq. (12) takes it over q": lambda e, *a: tilted(*a, weigh=0.5),
    "the mean over q is missing: weigh each path with q(path)": unweighted,
    "r is the probability of +1, not of -1": lambda e, ell, signs, r: tilted(ell, signs, 1 - r),
    "log p(path) is missing": lambda e, ell, signs, r: e + signs.shape[1] * np.log(2),
    "- log q(path) is missing": lambda e, *a: tilted(*a, ratio=0.0) - a[1].shape[1] * np.log(2),
    "p(path) is 2^-(T-1), not 2^-T: there are T - 1 coins": lambda e, *_: e - np.log(2),
    "p(path) is 2^-(T-1), not 1/2: there are T - 1 coins": lambda e, ell, signs, r: (
        e + (signs.shape[1] - 1) * np.log(2)
    ),
    "log p/q is that of the first coin alone: a path has T - 1 coins": lambda e, *a: tilted(
        *a, coins=1
    ),
    "the log of the mean stands where the mean of the log belongs: that is log p(X)": (
        lambda e, ell, signs, r: log_mean(ell.sum(axis=0).tolist())
    ),
    "that is the term E_q[log p(path) - log q(path)] alone": lambda e, ell, signs, r: tilted(
        0 * ell, signs, r
    ),
    **SIGN,
    **BITS,
    **PER_STEP,
}


TILTS = 1 / (1 + np.exp(-np.linspace(-16, 16, 321)))


def heights(ell, signs, ratio=1.0):
    """tilted_bound on all of TILTS at once, from the number of +1 on each path."""
    plus, T = (signs > 0).sum(axis=1), signs.shape[1]
    log_q = np.log(TILTS)[:, None] * plus + np.log1p(-TILTS)[:, None] * (T - plus)
    return (np.exp(log_q) * (ell.sum(axis=0) + ratio * (-T * np.log(2) - log_q))).sum(axis=1)


def peak(ell, signs, ratio=1.0):
    """(height, r) of the best tilt: a fine grid, and then a search around its best point."""
    height = lambda r: tilted(ell, signs, r, ratio=ratio)
    i = int(np.argmax(heights(ell, signs, ratio)))
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
    if abs(r - at) < 0.01:
        return f"near the best r, but the bound there is {short:.2g} lower: refine the grid"
    local = " That is a local maximum; look at a grid first." if is_local(r, ell, signs) else ""
    return f"r = {r:.6g} gives the bound {best - short:.6f}, but {best:.6f} can be had.{local}"


def is_local(r, ell, signs):
    """Whether the bound is lower 0.01 to both sides."""
    here = tilted(ell, signs, r)
    sides = (min(max(r + step, 1e-12), 1 - 1e-12) for step in (-0.01, 0.01))
    return all(tilted(ell, signs, side) < here for side in sides)


def likelihood_alone(r, ell, signs):
    """Whether r is best for E_q of the likelihood; near a border, that border's side is enough."""
    at = peak(ell, signs, ratio=0.0)[1]
    return abs(r - at) < (1e-3 if 0.02 < at < 0.98 else 0.03)


TILT_MISTAKES = {
    "r = 1/2 is the choice of Eq. (6), not the best q": lambda r, *_: abs(r - 0.5) < 1e-9,
    "r is the probability of +1, not of -1": lambda r, ell, signs: (
        peak(ell, signs)[0] - tilted(ell, signs, 1 - r) <= 1e-6
    ),
    "that makes E_q of the likelihood largest: the term log p(path) - log q(path) is missing": (
        likelihood_alone
    ),
    "that is the height of the bound; the r where it is reached is asked": lambda r, *a: (
        abs(r - peak(*a)[0]) < 1e-5
    ),
    "that makes the bound smallest; the largest is asked": lambda r, ell, signs: (
        tilted(ell, signs, r) <= heights(ell, signs)[24:-24].min() + 1e-3
    ),
}


def tilts_to_find(rng):
    """Random tables whose best r is neither near a border nor near 1/2; and two with two maxima."""
    cases = []
    for T in (2, 3, 5):
        ell = rng.standard_normal((T, 2 ** (T - 1)))
        while not in_the_middle(ell, all_signs(T)):
            ell = rng.standard_normal((T, 2 ** (T - 1)))
        cases.append((ell, all_signs(T)))
    plus = (all_signs(4) > 0).sum(axis=1)
    shape = np.array([1.5, -2.0, -1.0, 1.0])  # by the number of +1; the best r is 0.04 or 0.96
    return [*cases, *((shape[k] * np.eye(4)[:, :1], all_signs(4)) for k in (plus, 3 - plus))]


def in_the_middle(ell, signs):
    r = peak(ell, signs)[1]
    return 0.05 < r < 0.95 and abs(r - 0.5) > 0.05


# Exercise 7


def as_law(answer):
    return tuple(np.asarray(part, float) for part in answer)


def judge_three_point(answer, kappa):
    """The law may come in any order; the moments say what is wrong."""
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    if not (pair and all(np.shape(part) == (3,) for part in answer)):
        return "two arrays (3,) are asked, nodes and weights"
    if not all(isinstance(part, np.ndarray) for part in answer):
        return "two arrays (3,) are asked, nodes and weights; got lists of the right length"
    x, w = as_law(answer)
    if not np.isclose(w.sum(), 1) or (w < -1e-12).any():
        wanted = "the weights must be probabilities, 0 or larger, with the sum 1"
        return f"{wanted}; they are {w} with the sum {w.sum():.6g} for kappa = {kappa:.6g}"
    if not np.allclose(np.sort(x) + np.sort(x)[::-1], 0):
        return f"the nodes must be (-a, 0, a); got {x}"
    for power, wanted, name in [(1, 0, "mean"), (2, 1, "variance"), (4, kappa, "fourth moment")]:
        if not np.isclose(w @ x**power, wanted):
            found = f"the {name} is {w @ x**power:.6g}, it must be {wanted:.6g}"
            return f"{found} for kappa = {kappa:.6g}"
    return None


def law(a=lambda k: k**0.5, p=lambda k: 1 / k):
    """Whether an answer is the law with another a or another p, in any order."""

    def of(answer, kappa):
        x, w = as_law(answer)
        at = np.argsort(x)
        half = p(kappa) / 2
        nodes, weights = [-a(kappa), 0, a(kappa)], [half, 1 - p(kappa), half]
        return np.allclose(x[at], nodes) and np.allclose(w[at], weights)

    return of


THREE_POINT = {
    "is each side's weight halved? both sides together have 1 / kappa": lambda answer, kappa: (
        np.allclose(np.sort(as_law(answer)[1]), np.sort([1 / kappa, 1 - 1 / kappa, 1 / kappa]))
        and as_law(answer)[1].sum() > 1 + 1e-9
    ),
    "nodes and weights are exchanged": lambda answer, kappa: (
        judge_three_point(answer[::-1], kappa) is None
    ),
    "a is the root of kappa, not kappa itself": law(a=lambda k: k),
    "the middle has the weight 1 - 1/kappa, and the ends together 1/kappa": (
        law(p=lambda k: 1 - 1 / k)
    ),
    "this has variance 1, but its fourth moment is always 3: kappa is given": (
        law(a=lambda k: 3**0.5, p=lambda k: 1 / 3)
    ),
}


def linear_models(rng):
    scale = lambda: rng.uniform(0.3, 1.5)
    sizes = [(0, 1), (0, 2), (0, 3), (0, 8), (1.0, 5), (-0.7, 5), (-1.0, 4)]
    return [(a or scale(), scale(), scale(), scale(), T) for a, T in sizes]


def exact_penalty(a, c, s, sigma, T):
    """The package's, from the Riccati recursion without data."""
    rnn = RNN(Gaussian(), 1, transition="linear")
    theta = {"h1": [[0.0]], "W": [[a]], "U": [[0.0]], "b": [0.0], "C": [[c]], "c": [0.0]}
    theta |= {"log_s": [math.log(s)]}
    arrays = {key: np.array(value) for key, value in theta.items()}
    return float(kalman.penalty(rnn, arrays, T, sigma))


def other_penalty(a, c, s, sigma, T, v=0.0, grow=lambda a: a**2, half=0.5, seen=None):
    """The recursion with a mistake; seen(t, T): whether step t of 0..T-1 is counted."""
    total = 0.0
    for t in range(T):
        total += half * (c / s) ** 2 * sigma**2 * v * (seen is None or seen(t, T))
        v = 1 + grow(a) * v
    return total


def stationary(e, a, c, s, sigma, T):
    """v_t = 1 / (1 - a^2) from t = 2 on."""
    v = np.divide(1.0, 1 - a**2) if T > 1 else 0.0
    return (T - 1) * 0.5 * (c / s) ** 2 * sigma**2 * v


def closed_form(e, a, *_):
    return np.nan if abs(a) == 1 and e > 0 else e


PENALTY = {
    "h_1 has no noise, so v_1 = 0, v_2 = 1, and v is summed to T": lambda e, *a: other_penalty(
        *a, v=1.0
    ),
    "the factor 1/2 is missing": lambda e, *a: 2 * e,
    "a must be squared: variances grow with a^2": lambda e, *a: other_penalty(*a, grow=lambda a: a),
    "a^2 is missing: v_t = 1 + a^2 v_{t-1}": lambda e, *a: other_penalty(*a, grow=lambda a: 1.0),
    "v forgets: v_t = 1 + a^2 v_{t-1}, not 1": lambda e, *a: other_penalty(*a, grow=lambda a: 0.0),
    "s must be squared": lambda e, a, c, s, sigma, T: e * s,
    "s^2 is missing": lambda e, a, c, s, sigma, T: e * s**2,
    "s^2 divides; it does not multiply": lambda e, a, c, s, sigma, T: e * s**4,
    "c must be squared": lambda e, a, c, s, sigma, T: e / c,
    "c^2 is missing": lambda e, a, c, s, sigma, T: e / c**2,
    "sigma must be squared": lambda e, a, c, s, sigma, T: e / sigma,
    "sigma^2 is missing: v is in units of sigma^2": lambda e, a, c, s, sigma, T: e / sigma**2,
    "sigma^2 is counted twice: v is in units of sigma^2": lambda e, a, c, s, sigma, T: e * sigma**2,
    "v is summed to T - 1 only: x_T is scored, too": lambda e, a, c, s, sigma, T: other_penalty(
        a, c, s, sigma, T - 1
    ),
    "that is the last step alone: sum over t": lambda e, *a: other_penalty(
        *a, seen=lambda t, T: t == T - 1
    ),
    "divided by T: a sum over t is asked": lambda e, a, c, s, sigma, T: e / T,
    "v starts at 0 and grows: 1 / (1 - a^2) is where it ends": stationary,
    "the closed form is 0/0 where a^2 = 1; that is asked, too": (
        closed_form,
        lambda e, a, *_: np.nan if a == 1 and e > 0 else e,
        lambda e, a, *_: np.nan if a**2 == 1 else e,
        lambda e, a, *_: np.nan if a == 1 else e,
    ),
    "that is K(sigma) - K(0): the sign is wrong": lambda e, *_: -e,
}


# Exercise 8


def draws(rng):
    """The noise is correlated and of unequal scale, as a sample of any noise may be."""
    cases = []
    for S, J in [(4, 1), (6, 2), (6, 2), (50, 3)]:
        mixing = np.tril(np.ones((J, J))) * np.array([1.0, 0.5, 2.0])[:J]
        eps = rng.standard_normal((S, J)) @ mixing + 0.3
        values = eps @ rng.standard_normal(J) + rng.standard_normal(S) - 2
        cases.append((values, eps))
    return cases


def intercept(values, eps):
    """The same number as the intercept of a least-squares fit, without covariances."""
    table = np.column_stack([np.ones(len(eps)), eps])
    return float(np.linalg.lstsq(table, values, rcond=None)[0][0])


def covariance(values, eps):
    return (eps - eps.mean(axis=0)).T @ (values - values.mean()) / len(values)


def beta_hat(values, eps):
    away = eps - eps.mean(axis=0)
    return np.linalg.lstsq(away, values - values.mean(), rcond=None)[0]


def with_beta(of):
    """The estimate with another beta, of(values, eps)."""
    return lambda e, v, eps: v.mean() - eps.mean(axis=0) @ of(v, eps)


CONTROL = {
    "that is the plain mean: nothing is controlled": lambda e, v, eps: v.mean(),
    "mean(eps) beta must be subtracted, not added": lambda e, v, eps: 2 * v.mean() - e,
    "the covariances must be centred: subtract the sample means first": with_beta(
        lambda v, eps: np.linalg.lstsq(eps, v, rcond=None)[0]
    ),
    "eps must be centred in Cov(eps), too": with_beta(
        lambda v, eps: np.linalg.solve(eps.T @ eps / len(v), covariance(v, eps))
    ),
    "beta is taken column by column; the whole of Cov(eps) must be inverted": with_beta(
        lambda v, eps: covariance(v, eps) / eps.var(axis=0)
    ),
    "the covariances are divided by different numbers: by S, and Cov(eps) by S - 1": with_beta(
        lambda v, eps: beta_hat(v, eps) * (len(v) - 1) / len(v)
    ),
    "the covariances are divided by different numbers: by S - 1, and Cov(eps) by S": with_beta(
        lambda v, eps: beta_hat(v, eps) * len(v) / (len(v) - 1)
    ),
    "beta is S times too large: one covariance, or one mean, is not divided by S": with_beta(
        lambda v, eps: beta_hat(v, eps) * len(v)
    ),
    "Cov(eps) is not divided by S": with_beta(lambda v, eps: beta_hat(v, eps) / len(v)),
    "beta lacks Cov(eps)^-1": (
        with_beta(covariance),
        with_beta(lambda v, eps: covariance(v, eps) * len(v) / (len(v) - 1)),
        with_beta(lambda v, eps: covariance(v, eps) * len(v)),
    ),
    "Cov(eps) is multiplied; it must be inverted": with_beta(
        lambda v, eps: np.atleast_2d(np.cov(eps.T, ddof=0)) @ covariance(v, eps)
    ),
    "the values are summed: their mean is asked": (
        lambda e, v, eps: v.sum() - eps.mean(axis=0) @ beta_hat(v, eps),
        lambda e, v, eps: e * len(v),
    ),
    **SIGN,
}
