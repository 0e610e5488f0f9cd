"""Exercises 9 to 11: several particles."""

import math

import numpy as np
from scipy.special import logsumexp

from rnnvae_ref import RNN, Categorical, F, particles
from tests.exercises.kinds import BITS, PER_STEP, SIGN, log_mean, soft_log_sum


def particle_tables(rng):
    """Sequences, steps and particles of one level; then each of them more than 745 apart."""
    sizes = [(1, 2, 1), (2, 2, 1), (3, 3, 2), (5, 4, 3)]
    cases = [2.0 * rng.standard_normal(shape) for shape in sizes]
    cases.append(rng.standard_normal((4, 3, 2)) - 900.0)
    far = np.array([-2000.0, 0.0, -6000.0])  # the first is not the largest
    for axis in range(3):
        level = np.expand_dims(far, [i for i in range(3) if i != axis])
        cases.append(rng.standard_normal((3, 3, 3)) + level)
    cases.append(3 * rng.standard_normal((1000, 3, 2)) - 4.0)
    return [(ell,) for ell in cases]


def exact_trajectory_mixture(ell):
    tables = np.moveaxis(ell, 2, 0).swapaxes(1, 2).tolist()  # sequence, particle, step
    return np.array([log_mean([math.fsum(path) for path in table]) for table in tables])


def exact_per_step_mixture(ell):
    tables = np.moveaxis(ell, 2, 0).tolist()
    return np.array([math.fsum(map(log_mean, table)) for table in tables])


def log_L(ell):
    return np.log(ell.shape[1])


UNDERFLOW = "exp of large negative numbers is 0, and its log -inf: take the largest out first"
OWN = "one largest number is taken out for all sequences; each needs its own"
COMMON = {
    "the mean of the logs stands where the log of the mean belongs": lambda e, ell: ell.sum(
        axis=0
    ).mean(axis=0),
    "particles are the second axis, sequences the third: ell is (T, L, N)": (
        lambda e, ell: logsumexp(ell.sum(axis=0), axis=1) - np.log(ell.shape[2]),
        lambda e, ell: (logsumexp(ell, axis=2) - np.log(ell.shape[2])).sum(axis=0),
    ),
    "all sequences are summed up; one number for each is asked": (
        lambda e, *_: e.sum(),
        lambda e, *_: 0 * e + e.sum(),
    ),
    "that is the mean over sequences; one number for each is asked": lambda e, *_: e.mean(),
    "p is summed over t where a product over t is asked": (
        lambda e, ell: np.log(np.exp(ell).sum(axis=0).mean(axis=0)),
        lambda e, ell: np.log(np.exp(ell).mean(axis=1).sum(axis=0)),
    ),
    "the mean is over particles and steps; steps multiply": lambda e, ell: np.log(
        np.exp(ell).mean(axis=(0, 1))
    ),
    "that is the first particle alone": lambda e, ell: ell[:, 0].sum(axis=0),
    **SIGN,
    **BITS,
    **PER_STEP,
}


def trajectory_top(axis):
    """(26) with the largest of the sums over other axes than particles taken out."""

    def of(e, ell):
        s = ell.sum(axis=0)
        return soft_log_sum(s, s.max(axis=axis, keepdims=True) + 0 * s[:1], 0) - log_L(ell)

    return of


def trajectory_top_of_ell(axis):
    """(26) with the largest of ell, and not of the sums over t, taken out."""

    def of(e, ell):
        m = ell.max(axis=axis, keepdims=True)
        inside = np.log(np.exp((ell - m).sum(axis=0)).mean(axis=0))
        return inside + (0 * ell + m).sum(axis=0)[0]

    return of


TRAJECTORY_MIXTURE = {
    **COMMON,
    "- log L is missing: a mean over particles, not a sum": lambda e, ell: e + log_L(ell),
    "log L is added; it must be subtracted": lambda e, ell: e + 2 * log_L(ell),
    "log L is subtracted at each step; the mean is taken once": lambda e, ell: (
        e - (len(ell) - 1) * log_L(ell)
    ),
    "that is Eq. (17): sum over t first, then the mean over particles": lambda e, ell: (
        exact_per_step_mixture(ell)
    ),
    "that is the best particle alone": (
        lambda e, ell: ell.sum(axis=0).max(axis=0),
        lambda e, ell: ell.sum(axis=0).max(axis=0) - log_L(ell),
    ),
    "that is the mean of the probabilities itself; its log is asked": lambda e, *_: np.exp(e),
    UNDERFLOW: lambda e, ell: np.log(np.exp(ell.sum(axis=0)).mean(axis=0)),
    OWN: (trajectory_top(None), trajectory_top((0, 1))),
    "the largest of ell is taken out; take out the largest of the sums over t": tuple(
        trajectory_top_of_ell(axis) for axis in (None, 1, (0, 1), (1, 2), (0, 1, 2))
    ),
}


def step_top(axis):
    """(17) with the largest over other axes than particles taken out."""
    return lambda e, ell: (
        soft_log_sum(ell, ell.max(axis=axis, keepdims=True) + 0 * ell[:, :1], 1) - log_L(ell)
    ).sum(axis=0)


PER_STEP_MIXTURE = {
    **COMMON,
    "- log L is missing: a mean over particles at each step, not a sum": lambda e, ell: (
        e + len(ell) * log_L(ell)
    ),
    "log L is added; it must be subtracted": lambda e, ell: e + 2 * len(ell) * log_L(ell),
    "log L is subtracted once; there is a mean at each step": lambda e, ell: (
        e + (len(ell) - 1) * log_L(ell)
    ),
    "that is Eq. (26): the mean over particles comes first, then the sum over t": lambda e, ell: (
        exact_trajectory_mixture(ell)
    ),
    "that is the best particle of each step": (
        lambda e, ell: ell.max(axis=1).sum(axis=0),
        lambda e, ell: ell.max(axis=1).sum(axis=0) - len(ell) * log_L(ell),
    ),
    "that is the table of the steps; sum it over t": lambda e, ell: (
        logsumexp(ell, axis=1) - log_L(ell)
    ),
    "that is the product of the means itself; its log is asked": lambda e, *_: np.exp(e),
    UNDERFLOW: lambda e, ell: np.log(np.exp(ell).mean(axis=1)).sum(axis=0),
    "the product over t underflows to 0: sum the logs of the means": (
        lambda e, ell: np.log(np.prod(np.exp(logsumexp(ell, axis=1) - log_L(ell)), axis=0)),
        lambda e, ell: np.log(np.prod(np.exp(ell).mean(axis=1), axis=0)),
    ),
    OWN: (step_top((1, 2)),),
    "one largest number is taken out for all steps; each needs its own": (
        step_top((0, 1)),
        step_top(None),
    ),
}


# Exercise 10


def shown_shape(value):
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def judge_counterexample(answer):
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    if not (pair and isinstance(answer[0], dict)):
        return "a tuple (theta, X) is asked, theta a dict of arrays"
    theta, X = answer
    h1 = theta.get("h1")
    if np.ndim(h1) != 2 or not 1 <= np.shape(h1)[1] <= 4:
        wanted = "theta['h1'] must be (2, D), one row a particle, D from 1 to 4"
        return f"{wanted}; got {shown_shape(h1)}"
    if not isinstance(X, np.ndarray) or X.ndim != 2 or X.shape[1] != 1 or not 1 <= len(X) <= 10:
        return f"X must be an array of integers (T, 1), T up to 10; got {shown_shape(X)}"
    rnn = RNN(Categorical(2), np.shape(h1)[1], 2)
    try:
        difference = float(
            particles.per_step_mixture(rnn, theta, X)[0]
            - particles.trajectory_mixture(rnn, theta, X)[0]
        )
    except ValueError as error:
        return str(error)
    if 0.1 <= difference < np.inf:
        return None
    return why_no_counterexample(difference, rnn, theta, X)


def why_no_counterexample(difference, rnn, theta, X):
    H = F(rnn, theta, X)
    if len(X) == 1:
        return "with T = 1 both are the same number: there is one step, and one mean"
    if np.allclose(H[0, 0], H[0, 1]):
        return "the two particles start at the same h_1, so they are one, and (17) = (26)"
    if np.abs(H[1:, 0] - H[1:, 1]).max() < 1e-3:
        return "the particles meet after the first step: W must keep them apart"
    larger = "here Eq. (26) is the larger: let the particles take turns"
    sign = larger if difference < -1e-9 else "(17) must exceed (26) by 0.1"
    return f"{sign}; (17) - (26) = {difference:.4f}"


# Exercise 11


def stretches(rng):
    """From one step to 1000, and particles that are more than 745 apart."""
    sizes = [(1, 2), (2, 2), (4, 3), (6, 3)]
    cases = [(rng.standard_normal((T, L)), rng.random(T - 1) < 0.5) for T, L in sizes]
    mixed = np.array([False, True, False, False, True])
    cases.append((rng.standard_normal((6, 3)), mixed))
    cases.append((rng.standard_normal((6, 3)) - 700.0, mixed))
    cases.append((rng.standard_normal((6, 3)) + np.array([-900.0, 0.0, -2000.0]), mixed))
    overtakes = rng.standard_normal((4, 2)) + np.array([[0, -900], [0, 0], [-2000, 0], [0, 0]])
    cases.append((overtakes, np.array([False, False, False])))  # the last comes back and wins
    return [*cases, (3 * rng.standard_normal((1000, 3)) - 4.0, np.arange(999) % 400 == 399)]


def parts(ell, resampled):
    """The stretches, as tables."""
    ends = [*np.flatnonzero(resampled) + 1, len(ell)]
    return [ell[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def exact_stretches(ell, resampled):
    sums = [[math.fsum(path) for path in part.T.tolist()] for part in parts(ell, resampled)]
    return math.fsum(map(log_mean, sums))


def by_stretch(of):
    """A mistake in each stretch's number, of(its table)."""
    return lambda e, ell, r: sum(of(part) for part in parts(ell, r))


def top_of_ell(axis):
    def of(part):
        m = part.max(axis=axis, keepdims=True)
        shift = (0 * part + m).sum(axis=0)[0]
        return shift + np.log(np.exp((part - m).sum(axis=0)).mean())

    return of


def last(resampled):
    return np.flatnonzero(resampled)[-1] + 1 if resampled.any() else 0


STRETCHES = {
    "weight is dropped: weights must go on multiplying up until the next resampling": (
        lambda e, ell, r: math.fsum(map(log_mean, ell.tolist()))
    ),
    "only steps after which there was a resampling are counted, each by itself": (
        lambda e, ell, r: math.fsum(map(log_mean, ell[np.append(r, True)].tolist()))
    ),
    "cuts are ignored: after a resampling all weights are equal again": lambda e, ell, r: log_mean(
        ell.sum(axis=0).tolist()
    ),
    "weights are not reset: after a resampling all start at 1": lambda e, ell, r: math.fsum(
        log_mean(ell[:b].sum(axis=0).tolist()) for b in [*np.flatnonzero(r) + 1, len(ell)]
    ),
    "only the last stretch is counted": lambda e, ell, r: exact_stretches(
        ell[last(r) :], r[last(r) :]
    ),
    "- log L is missing in each stretch": lambda e, ell, r: (
        e + (1 + r.sum()) * math.log(ell.shape[1])
    ),
    "- log L is subtracted once; there is a mean in each stretch": lambda e, ell, r: (
        e + r.sum() * math.log(ell.shape[1])
    ),
    "- log L is missing in the last stretch": lambda e, ell, r: e + math.log(ell.shape[1]),
    "resampled[t] cuts between rows t and t + 1; here it cuts between t - 1 and t": (
        lambda e, ell, r: exact_stretches(ell, np.append(r[1:], False)[: len(r)])
    ),
    "resampled[t] cuts between rows t and t + 1; here it cuts between t + 1 and t + 2": (
        lambda e, ell, r: exact_stretches(ell, np.append(False, r[:-1])[: len(r)])
    ),
    "True and False are exchanged: True is a cut": lambda e, ell, r: exact_stretches(ell, ~r),
    "the last stretch is left out": lambda e, ell, r: (
        e - exact_stretches(ell[last(r) :], r[last(r) :])
    ),
    "the first row of each stretch but the first is left out": lambda e, ell, r: exact_stretches(
        np.where(np.append(False, r)[:, None], 0.0, ell), r
    ),
    "log L is subtracted at each step; there is one mean in each stretch": lambda e, ell, r: (
        e - (len(ell) - 1 - r.sum()) * math.log(ell.shape[1])
    ),
    "the mean of the logs stands where the log of the mean belongs": lambda e, ell, r: ell.mean(
        axis=1
    ).sum(),
    "that is the best particle of each stretch": by_stretch(lambda part: part.sum(axis=0).max()),
    "the probabilities of the stretches are summed; they multiply": lambda e, ell, r: logsumexp(
        [log_mean(part.sum(axis=0).tolist()) for part in parts(ell, r)]
    ),
    UNDERFLOW: by_stretch(lambda part: np.log(np.exp(part.sum(axis=0)).mean())),
    "the largest of ell is taken out; take out the largest of a stretch's sums": tuple(
        by_stretch(top_of_ell(axis)) for axis in (None, 1)
    ),
    **SIGN,
    **BITS,
    **PER_STEP,
    "that is the estimate itself; its log is asked": lambda e, *_: np.exp(e),
}
