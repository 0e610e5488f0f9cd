r"""The few lines of plumbing that everything stands on: names of axes, and sums that stay in logarithms."""

import math
import os
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path

import autograd.numpy as np
import numpy as onp
from autograd.extend import defvjp, primitive
from autograd.tracer import getval as untraced  # the plain value under autograd's boxes, of which a Hessian has two
from numpy.random import Generator

# The table ell has axes (T, [S,] L, N): time first, so that samples may be left out.
TIME, PARTICLES = 0, -2


@primitive
def log_sum_exp(a, axis):
    r"""log sum_i exp a_i along `axis`, without overflow; a row of -inf gives -inf, and has no derivative (nan)."""
    top = a.max(axis=axis, keepdims=True)
    top = onp.where(onp.isfinite(top), top, 0.0)
    return onp.log(onp.exp(a - top).sum(axis=axis)) + top.squeeze(axis)


@primitive
def log_mean_exp(a, axis):
    r"""log (1/n) sum_i exp a_i along `axis` of length n: the log of the mean, never the mean of the logs."""
    return log_sum_exp(a, axis) - math.log(a.shape[axis])


# The derivative is the softmax, here in autograd's own operations, so that it has derivatives, too.
_softmax = lambda a, log_sum, axis: np.exp(a - np.expand_dims(log_sum, axis))
defvjp(log_sum_exp, lambda ans, a, axis: lambda g: np.expand_dims(g, axis) * _softmax(a, ans, axis))
defvjp(log_mean_exp, lambda ans, a, axis: lambda g: np.expand_dims(g / a.shape[axis], axis) * _softmax(a, ans, axis))


def log_sigmoid(a):
    r"""log 1 / (1 + exp(-a)): the log of a probability whose logit is a."""
    return -np.logaddexp(0.0, -a)


def increments(a):
    r"""a_t - a_{t-1} along the first axis, with a_0 = 0: the steps of a sum that is known up to each t."""
    return a - np.concatenate([np.zeros_like(a[:1]), a[:-1]])


def draw(u, p):
    r"""The index k with p_1 + .. + p_{k-1} < u <= p_1 + .. + p_k: a draw from p where u is uniform on [0, 1).

    u (...), p (..., K) probabilities. The last index takes what rounding leaves.
    """
    return np.sum(u[..., None] > np.cumsum(p, axis=-1)[..., :-1], axis=-1)


def weighted_mean(a, log_w=None, axis=-2):
    r"""E[a] = sum_s w_s a_s along `axis`: with `log_w` an exact expectation, without it the mean of a Monte-Carlo sample.

    a (..., S, N);  log_w (S,), or (S, N) where each sequence has weights of its own, or None for 1/S.
    """
    if log_w is None:
        return np.mean(a, axis=axis)
    check_log_weights(log_w, a.shape[-2:])
    return np.sum(a * np.exp(log_w if log_w.ndim == 2 else log_w[:, None]), axis=axis)


def check_log_weights(log_w, shape):
    r"""Log weights (S,) or (S, N) whose exponentials sum to 1, or ValueError."""
    log_w = untraced(log_w)
    if not isinstance(log_w, np.ndarray) or log_w.shape not in (shape[:1], shape):
        raise ValueError(f"log_w must be an array of shape {shape[:1]} or {shape}; got {describe(log_w)}")
    total = np.exp(log_sum_exp(log_w, axis=0))
    if not np.allclose(total, 1.0, rtol=1e-9):
        raise ValueError(f"log_w must hold the logs of weights that sum to 1; they sum to {np.max(total):.6g}")


def check_count(name, value, least=1):
    r"""A whole number, `least` or larger, or ValueError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or larger; got {value!r}")


def check_positive(name, value):
    r"""A number above 0, or ValueError."""
    if not isinstance(value, Real) or isinstance(value, bool) or not value > 0:
        raise ValueError(f"{name} must be a positive number; got {value!r}")


def check_rng(rng):
    r"""A numpy Generator, or ValueError: randomness always comes from one that is passed in."""
    if not isinstance(rng, Generator):
        raise ValueError(f"rng must be a numpy Generator, such as np.random.default_rng(0); got {describe(rng)}")


def describe(value):
    r"""What came in, for an error message."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}"
    return f"{type(value).__name__} {value!r:.60}"


@contextmanager
def atomic_write(path):
    r"""A path to write to, which takes the place of `path` only when all is written; interrupted, `path` stays as it was."""
    path = Path(path)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
