r"""fit(): gradient ascent of any objective, by Adam or by SciPy's L-BFGS."""

import sys
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from numbers import Real

import autograd.numpy as np
from autograd import value_and_grad

from rnnvae_ref.data import Series, Text
from rnnvae_ref.numerics import (
    LEAST, MOST, check, check_count, check_number, check_parameters, check_rng, plain_array,
)  # fmt: skip


@dataclass
class Fit:
    r"""What training gives back. last: theta after the last good step, number `step`;  best: theta
    of the best validation, at `best_step`, or `last`;  history: lists "step", "objective" (mean
    nats per sequence of the batch) and "validation";  reason: why training stopped."""

    last: dict
    best: dict = None
    history: dict = field(default_factory=lambda: {"step": [], "objective": [], "validation": []})
    reason: str = None
    step: int = 0
    best_step: int = 0


def fit(objective, theta, X, *, rng, method="adam", steps=1000, step_size=0.01, batch=32, clip=1.0,
        validate=None, every=10, patience=30):  # fmt: skip
    r"""Maximise np.mean(objective(theta, X, rng)) over theta, Eq. (3)'s argmax. Returns a `Fit`.

    objective(theta, X, rng) -> (N,) nats per sequence;  rng: numpy Generator, for minibatches and
    for the objective's noise.  method: "adam" with minibatches of `batch` sequences, cut to the
    longest of them, or "lbfgs" on all data with the noise held fixed.  clip: Adam's gradient of
    nats per sequence is shortened to norm clip * T, with the T of X, where it is longer.
    validate(theta) -> a number, larger is better, asked every `every` steps and at both ends
    (unless the end is an interruption or not finite); training stops after `patience` answers that
    bring nothing better, or one that is not finite. Where the objective raises ValueError, or it or
    its gradient is not finite, Adam stops and L-BFGS tries a shorter step; at the start the error
    is the caller's. Ctrl-C stops both, and `last` is good."""
    _check_inputs(objective, theta, X, rng, method, validate)
    whole = {"steps": steps, "batch": batch, "every": every, "patience": patience}
    for name, value in whole.items():
        check_count(name, value)
    check_number("step_size", step_size, LEAST)
    check_number("clip", clip, LEAST, finite=False)
    result = Fit(theta)
    watch = partial(_watch, result, validate, steps, every, patience)
    try:
        if method == "adam":
            _adam(objective, theta, X, rng, watch, step_size, batch, clip)
        else:
            _lbfgs(objective, theta, X, rng, watch, steps, result)
    except KeyboardInterrupt:
        result.reason = f"interrupted after step {result.step}"
    _show("\n")
    if result.best is None:
        result.best, result.best_step = result.last, result.step
    else:
        origin = f"from step {result.best_step}" if result.best_step else "the untrained start"
        result.reason += f"; `best` is {origin}"
    return result


def _check_inputs(objective, theta, X, rng, method, validate):
    check(isinstance(theta, dict) and theta, "theta must be a dict of float64 arrays", theta)
    check_parameters(theta, dict.fromkeys(theta))
    fits = plain_array(X) and X.ndim in (2, 3) and X.size > 0
    advice = {Series: " (give s.X[s.train])", Text: " (give text.train)"}.get(type(X), "")
    check(fits, f"X must be an array (T, N) or (T, N, M), not empty{advice}", X)
    check_rng(rng)
    known = isinstance(method, str) and method in ("adam", "lbfgs")
    check(known, 'method must be "adam" or "lbfgs"', method)
    check(callable(objective), "objective must be a function of theta, X and rng", objective)
    given = validate is None or callable(validate)
    check(given, "validate must be a function of theta, or None", validate)


def _adam(objective, theta, X, rng, watch, step_size, batch, clip):
    r"""Adam (Kingma and Ba, 2015): m and v are running means of the gradient and of its square."""
    m = v = dict.fromkeys(theta, 0.0)
    for step in count():
        part = minibatch(X, batch, rng)
        value, g, why = value_and_gradient(objective, theta, part, rng, step)
        if watch(step, theta, value, g, why):
            break
        g = clipped(g, clip * len(X))
        m = {k: (1 - 0.9) * g[k] + 0.9 * m[k] for k in theta}
        v = {k: (1 - 0.999) * g[k] ** 2 + 0.999 * v[k] for k in theta}
        m_hat = {k: m[k] / (1 - 0.9 ** (step + 1)) for k in theta}  # as m_0 = 0
        v_hat = {k: v[k] / (1 - 0.999 ** (step + 1)) for k in theta}
        up = {k: step_size * m_hat[k] / (np.sqrt(v_hat[k]) + 1e-8) for k in theta}
        theta = {k: np.asarray(theta[k] + up[k]) for k in theta}


def _lbfgs(objective, theta, X, rng, watch, steps, result):
    r"""SciPy's L-BFGS-B. It minimises, so it is given the objective with the other sign."""
    from autograd.misc.flatten import flatten
    from scipy.optimize import minimize  # here, as its import is slow

    start, unpack = flatten(theta)
    same_rng = partial(np.random.default_rng, int(rng.integers(2**63)))
    at = lambda x, step: value_and_gradient(objective, unpack(x), X, same_rng(), step)[:2]
    good = trial = start, *at(start, 0)  # x, value, gradient
    if watch(0, theta, *good[1:]):
        return

    def loss(x):
        nonlocal trial
        trial = x.copy(), *at(x, result.step + 1)
        if not _finite(*trial[1:]):  # a value so far uphill that x is refused
            g = flatten(good[2])[0]
            return abs(g @ (x - good[0])) - good[1], g
        return -trial[1], -flatten(trial[2])[0]

    def after_step(x):
        nonlocal good
        good = trial
        if watch(result.step + 1, unpack(x), *good[1:]):
            raise StopIteration

    options = {"maxiter": steps}
    end = minimize(loss, start, jac=True, method="L-BFGS-B", callback=after_step, options=options)
    if result.reason is None:  # SciPy stopped of its own accord
        ended = f"L-BFGS: {end.message.lower()}"
        watch(result.step, result.last, *good[1:], ended)


def _watch(result, validate, steps, every, patience, step, theta, value, g, why=None):
    r"""Keep theta, record it, judge it. True where training must stop; `result.reason` says why."""
    if not _finite(value, g):
        bad = "gradient became non-finite" if np.isfinite(value) else f"objective became {value}"
        after = f" ({why})" if why else ""
        result.reason = f"the {bad} at step {step}{after}; `last` is the last good theta"
        return True
    result.last = theta
    result.step = step
    result.reason = "all steps done" if step == steps else why
    recorded = result.history["step"][-1:] == [step]
    if not recorded and (step % every == 0 or result.reason):
        _record(result, value, validate, patience)
    return result.reason is not None


def _record(result, value, validate, patience):
    r"""One more line of history; a theta that validates better than all before is `best`."""
    step = result.step
    score = np.nan if validate is None else validate(result.last)
    check(isinstance(score, Real), "validate must return one number", score)
    for key, entry in zip(result.history, (step, float(value), float(score)), strict=True):
        result.history[key].append(entry)
    _show(f"\rstep {step}: objective {value:.4f}, validation {score:.4f} ")
    if validate is None:
        return
    scores = result.history["validation"]
    since_best = len(scores) - 1 - np.argmax(scores)
    if not np.isfinite(score):
        result.reason = f"validate returned {score} at step {step}, not a finite number"
    elif since_best == 0:
        result.best, result.best_step = result.last, step
    elif since_best >= patience and result.reason is None:
        result.reason = f"validation has not improved for {patience} checks, at step {step}"


def _show(text):
    r"""Progress, where somebody sees it: on a terminal, or in a notebook."""
    if sys.stderr.isatty() or "ipykernel" in sys.modules:
        print(text, end="", file=sys.stderr, flush=True)


def value_and_gradient(objective, theta, X, rng, step):
    r"""(mean over sequences of objective(theta, X, rng), its gradient as a dict, None), or
    (nan, {}, why) where the objective refuses theta; at step 0 that error is the caller's."""

    def mean(theta):
        nats = objective(theta, X, rng)
        fits = np.shape(nats) == X.shape[1:2]
        check(fits, f"objective must return one number per sequence, {X.shape[1:2]}", nats)
        return np.mean(nats)

    try:
        return *value_and_grad(mean)(theta), None
    except ValueError as error:
        if step == 0:
            raise
        return np.nan, {}, str(error)


def minibatch(X, batch, rng):
    r"""`batch` sequences drawn without replacement, cut to the longest of them; or all of X."""
    N = X.shape[1]
    if batch >= N:
        return X
    X = X[:, rng.choice(N, batch, replace=False)]
    padding = X == -1 if X.dtype.kind in "iu" else np.isnan(X)
    some = ~padding.reshape(len(X), -1).all(axis=1)  # some sequence has this step
    return X[: some.nonzero()[0].max(initial=0) + 1]


def _finite(value, g):
    return all((np.abs(part) <= MOST).all() for part in (value, *g.values()))


def clipped(g, most):
    r"""The gradient g (a dict), shortened to norm `most` where it is longer."""
    norm = np.sqrt(sum(np.sum(g[key] ** 2) for key in sorted(g)))
    return g if norm <= most else {key: part * (most / norm) for key, part in g.items()}
