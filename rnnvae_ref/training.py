r"""fit(): gradient ascent of any objective, by autograd's Adam or scipy's L-BFGS; and theta in files."""

import sys
import zipfile
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import autograd.numpy as np
from autograd import value_and_grad
from autograd.misc.optimizers import adam

from rnnvae_ref.data import Series, Text
from rnnvae_ref.numerics import atomic_write, check_count, check_positive, check_rng, describe


@dataclass
class Fit:
    r"""What training gives back.

    last: theta after the last good step;  best: theta of the best validation, or `last` without validation;
    history: a dict of lists "step", "objective" (mean nats per sequence in the batch) and "validation";  reason: why it stopped.
    """

    last: dict
    best: dict = None
    history: dict = field(default_factory=lambda: {"step": [], "objective": [], "validation": []})
    reason: str = "all steps done"


class _Stop(Exception):
    r"""Leaves an optimiser that has no other way out."""


def fit(
    objective,
    theta,
    X,
    *,
    rng,
    method="adam",
    steps=1000,
    step_size=0.01,
    batch=32,
    clip=1.0,
    validate=None,
    every=10,
    patience=30,
):
    r"""Maximise np.mean(objective(theta, X, rng)) over theta, Eq. (3)'s argmax. Returns a `Fit`.

    objective(theta, X, rng) -> (N,) nats per sequence;  rng: numpy Generator, for minibatches and for the objective's noise.
    method: "adam" with minibatches of `batch` sequences and the gradient (of nats per step) clipped to norm `clip`,
    or "lbfgs" on all data, with the draws of noise held fixed.  validate(theta) -> a number, larger is better, asked `every`
    steps and at both ends; training stops when `patience` answers in a row bring nothing better, or when one is not finite.
    An objective or gradient that is not finite ends training with the last theta that was good; so does Ctrl-C.
    """
    _check_inputs(theta, X, rng)
    for name, value in {"steps": steps, "batch": batch, "every": every, "patience": patience}.items():
        check_count(name, value)
    for name, value in {"step_size": step_size, "clip": clip}.items():
        check_positive(name, value)
    if method not in ("adam", "lbfgs"):
        raise ValueError(f'method must be "adam" or "lbfgs"; got {method!r}')
    run = _Run(objective, X, rng, Fit(theta), validate, steps, every, patience)
    try:
        _adam(run, theta, steps, step_size, batch, clip) if method == "adam" else _lbfgs(run, theta, steps)
    except _Stop as stop:
        run.fit.reason = str(stop)
    except KeyboardInterrupt:
        run.fit.reason = f"interrupted after step {run.step}"
    return run.finished()


def _check_inputs(theta, X, rng):
    if not isinstance(theta, dict) or not theta:
        raise ValueError(f"theta must be a dict of float64 arrays; got {describe(theta)}")
    for key, value in theta.items():
        if getattr(value, "dtype", None) != np.float64:
            raise ValueError(f"theta[{key!r}] must be a float64 array; got {describe(value)}")
    advice = {Series: "; give s.X[s.train]", Text: "; give text.train"}.get(type(X), "")
    if not isinstance(X, np.ndarray) or X.ndim not in (2, 3) or X.size == 0:
        raise ValueError(f"X must be an array (T, N) or (T, N, M), not empty; got {describe(X)}{advice}")
    check_rng(rng)


def _adam(run, theta, steps, step_size, batch, clip):
    start, unpack = flatten(theta)

    def gradient(flat, i):
        theta = unpack(flat)
        value, g = run.value_and_grad(theta, run.minibatch(batch), run.rng)
        run.saw(theta, i, value, g)
        return flatten(clipped(g, clip * len(run.X)))[0]

    theta = unpack(adam(gradient, start, num_iters=steps, step_size=step_size))
    run.saw(theta, steps, *run.value_and_grad(theta, run.minibatch(batch), run.rng))


def _lbfgs(run, theta, steps):
    from scipy.optimize import minimize  # here: it would be most of the package's start-up

    start, unpack = flatten(theta)
    seed = int(run.rng.integers(2**63))

    def value_and_gradient(flat):
        value, g = run.value_and_grad(unpack(flat), run.X, np.random.default_rng(seed))
        run.check_finite(value, g)
        run.value, run.g = value, g
        if not run.fit.history["step"]:
            run.saw(theta, 0, value, g)  # the first evaluation is at the start
        return value, flatten(g)[0]

    def after(flat):
        run.saw(unpack(flat), run.step + 1, run.value, run.g)

    result = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", callback=after, options={"maxiter": steps})
    run.fit.reason, run.steps = f"L-BFGS: {result.message.lower()}", run.step
    if run.fit.history["step"][-1] < run.step:
        run.record(-result.fun)


class _Run:
    r"""One training: what it has seen so far."""

    def __init__(self, objective, X, rng, fit, validate, steps, every, patience):
        self.objective, self.X, self.rng, self.fit = objective, X, rng, fit
        self.validate, self.steps, self.every, self.patience = validate, steps, every, patience
        self.best_score, self.since_best, self.step, self.value, self.g = -np.inf, 0, 0, np.nan, {}
        self.value_and_grad = value_and_grad(self.loss)

    def loss(self, theta, X, rng):
        per_sequence = self.objective(theta, X, rng)
        if np.shape(per_sequence) != X.shape[1:2]:
            raise ValueError(f"objective must return one number per sequence, {X.shape[1:2]}; got shape {np.shape(per_sequence)}")
        return -np.mean(per_sequence)

    def minibatch(self, batch):
        N = self.X.shape[1]
        return self.X if batch >= N else self.X[:, self.rng.choice(N, batch, replace=False)]

    def check_finite(self, value, g):
        if not np.isfinite(value) or not all(np.isfinite(part).all() for part in g.values()):
            what = f"objective became {-value}" if not np.isfinite(value) else "gradient became non-finite"
            raise _Stop(f"the {what} at step {self.step}; `last` is the last good theta")

    def saw(self, theta, step, value, g):
        self.step = step
        self.check_finite(value, g)
        self.fit.last = theta
        if step % self.every == 0 or step == self.steps:
            self.record(-value)

    def record(self, value):
        score = np.nan if self.validate is None else self.validate(self.fit.last)
        if not isinstance(score, Real):
            raise ValueError(f"validate must return one number; got {describe(score)}")
        for key, entry in {"step": self.step, "objective": float(value), "validation": float(score)}.items():
            self.fit.history[key].append(entry)
        if sys.stderr.isatty():
            print(f"\rstep {self.step}: objective {value:.4f}, validation {score:.4f} ", end="", file=sys.stderr, flush=True)
        if self.validate is not None:
            self.judge(score)

    def judge(self, score):
        if not np.isfinite(score):
            raise _Stop(f"validate returned {score} at step {self.step}, not a finite number")
        self.since_best += 1
        if score > self.best_score:
            self.best_score, self.since_best, self.fit.best = score, 0, self.fit.last
        if self.since_best >= self.patience and self.step < self.steps:
            raise _Stop(f"validation has not improved for {self.patience} checks, at step {self.step}")

    def finished(self):
        if sys.stderr.isatty():
            print(file=sys.stderr)
        self.fit.best = self.fit.last if self.fit.best is None else self.fit.best
        return self.fit


def flatten(theta):
    r"""theta as one vector, and the way back: autograd's `flatten` for a plain dict only, in a tenth of the time."""
    keys = sorted(theta)
    ends = np.cumsum([0] + [np.size(theta[key]) for key in keys])
    shapes = {key: np.shape(theta[key]) for key in keys}
    unpack = lambda flat: {key: flat[a:b].reshape(shapes[key]) for key, a, b in zip(keys, ends, ends[1:], strict=False)}
    return np.concatenate([np.ravel(theta[key]) for key in keys]), unpack


def clipped(g, most):
    r"""The gradient g (a dict), shortened to norm `most` where it is longer."""
    norm = np.sqrt(sum(np.sum(part**2) for part in g.values()))
    return g if norm <= most else {key: part * (most / norm) for key, part in g.items()}


def save(path, rnn, theta):
    r"""Write theta to a .npz file, with the RNN it belongs to. Whole or not at all: written beside, then renamed."""
    rnn.check(theta)
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: its folder does not exist")
    with atomic_write(path) as part, open(part, "wb") as file:
        np.savez(file, rnn=repr(rnn), **theta)


def load(path, rnn):
    r"""Read the theta that `save` wrote for this RNN. ValueError where the file is none, or is of another RNN."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            theta = dict(arrays)
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a .npz file written by save(); {error}") from error
    saved_for = str(theta.pop("rnn", "an unnamed model"))
    if saved_for != repr(rnn):
        raise ValueError(f"{path} was saved for {saved_for}, not for {rnn!r}")
    rnn.check(theta)
    return theta
