r"""The few lines that everything stands on: sums that stay in logarithms, one draw, the checks."""

import math
import os
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from threading import get_ident

import autograd.numpy as np
import numpy as onp
from autograd.extend import defvjp, primitive
from autograd.tracer import getval as untraced  # the plain value under all of autograd's boxes
from numpy.random import Generator

MOST = 1e150  # no number may be larger: its square, and a sum of squares, still fit float64
LEAST = 1e-150  # the least scale, step size or clip: what must be positive

# The table ell has axes (T, [S,] L, N): time first, so that samples may be left out.
TIME, PARTICLES = 0, -2


@primitive
def log_sum_exp(a, axis):
    r"""log sum_i exp a_i along `axis`, without overflow; -inf, gradient nan, if all a_i are."""
    top = a.max(axis=axis, keepdims=True)
    top = onp.where(onp.isfinite(top), top, 0.0)
    with onp.errstate(divide="ignore"):
        return onp.log(onp.exp(a - top).sum(axis=axis)) + top.squeeze(axis)


@primitive
def log_mean_exp(a, axis):
    r"""log (1/n) sum_i exp a_i along `axis`: the log of the mean, never the mean of logs."""
    return log_sum_exp(a, axis) - math.log(a.shape[axis])


def _share(a, log_total, axis):
    r"""exp(a_i) over the sum or mean, in autograd's operations: it has derivatives, too."""
    return np.exp(a - np.expand_dims(log_total, axis))


defvjp(log_sum_exp, lambda ans, a, axis: lambda g: np.expand_dims(g, axis) * _share(a, ans, axis))
defvjp(
    log_mean_exp,
    lambda ans, a, axis: lambda g: np.expand_dims(g / a.shape[axis], axis) * _share(a, ans, axis),
)


def log_sigmoid(a):
    r"""log 1 / (1 + exp(-a)): the log of a probability whose logit is a."""
    return -np.logaddexp(0.0, -a)


def increments(a):
    r"""a_t - a_{t-1} along the first axis, a_0 = 0: the steps of a sum known up to each t."""
    return a - np.concatenate([np.zeros_like(a[:1]), a[:-1]])


def draw(u, p):
    r"""The index k with p_0 + .. + p_{k-1} <= u < p_0 + .. + p_k: a draw from p if u is uniform.

    u (...) in [0, 1), p (..., K) probabilities. The last index takes what rounding leaves."""
    return np.sum(u[..., None] >= np.cumsum(p, axis=-1)[..., :-1], axis=-1)


def weighted_mean(a, log_w=None):
    r"""E[a] = sum_s w_s a_s, (..., S, N) -> (..., N). Without `log_w` it is the mean of a sample.

    log_w: (S,), or (S, N) where each sequence has its own weights."""
    if log_w is None:
        return np.mean(a, axis=-2)
    check_log_weights(log_w, a.shape[-2:])
    w = np.exp(log_w if log_w.ndim == 2 else log_w[:, None])
    return np.sum(a * w, axis=-2)


def check_log_weights(log_w, shape):
    r"""Log weights (S,) or (S, N) whose exponentials sum to 1, or ValueError."""
    log_w = untraced(log_w)
    fits = plain_array(log_w) and log_w.dtype == onp.float64 and log_w.shape in (shape[:1], shape)
    check(fits, f"log_w must be float64 with shape {shape[:1]} or {shape}", log_w)
    total = onp.ravel(onp.exp(log_w).sum(axis=0))
    if not onp.allclose(total, 1.0, rtol=1e-9):
        off = total[onp.argmax(onp.abs(total - 1.0))]
        raise ValueError(f"log_w must be logs of weights that sum to 1; they sum to {off:.6g}")


def check(fits, wanted, got):
    r"""It fits, or ValueError says what is wanted, and what came."""
    if not fits:
        raise ValueError(f"{wanted}; got {describe(got)}")


def check_count(name, value, least=1, most=math.inf):
    r"""A whole number from `least` to `most`, or ValueError."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    limits = f"{least} or larger" if most == math.inf else f"{least} to {most}"
    check(whole and least <= value <= most, f"{name} must be a whole number, {limits}", value)


def check_number(name, value, least=-math.inf, most=math.inf, finite=True):
    r"""One number between `least` and `most`, not nan, or ValueError; finite=False allows inf."""
    value = untraced(value)
    value = value.item() if plain_array(value) and value.ndim == 0 else value
    real = isinstance(value, Real) and not isinstance(value, bool)
    ok = real and least <= value <= most and (not finite or math.isfinite(value))
    wanted = "a finite number" if finite else "a number, not nan"
    wanted += "" if least == -math.inf else f", {least:g} or larger"
    wanted += "" if most == math.inf else f", {most:g} or smaller"
    check(ok, f"{name} must be {wanted}", value)


def check_array(name, value, shapes=None):
    r"""A float64 array of one of `shapes` (or any), at most MOST in size, or ValueError."""
    value = untraced(value)
    value = onp.asarray(value) if onp.isscalar(value) else value
    fits = plain_array(value) and (shapes is None or value.shape in shapes)
    if not fits or value.dtype != onp.float64:
        wanted = " with shape " + " or ".join(map(str, shapes)) if shapes else ""
        check(False, f"{name} must be float64{wanted}", value)
    fits = onp.abs(value) <= MOST
    if not fits.all():
        bad = value[~fits].flat[0]
        raise ValueError(f"{name} must be finite; got {bad} among its values; {MOST:g} is the most")


def check_parameters(theta, shapes):
    r"""theta has the keys of `shapes`, each array one of its shapes (None: any); or ValueError."""
    theta = untraced(theta)
    check(isinstance(theta, dict), "theta must be a dict of arrays", theta)
    for key, allowed in shapes.items():
        if key not in theta:
            raise ValueError(f"theta lacks {key!r}; this RNN needs {', '.join(shapes)}")
        check_array(f"theta[{key!r}]", theta[key], allowed)


def check_rng(rng):
    r"""A numpy Generator, or ValueError: randomness always comes from one that is passed in."""
    wanted = "rng must be a numpy Generator, such as np.random.default_rng(0)"
    check(isinstance(rng, Generator), wanted, rng)


def plain_array(value):
    r"""A numpy array, and none of its kin that mean something else (masked, matrix)."""
    return type(value) in (onp.ndarray, onp.memmap)


def describe(value):
    r"""What came in, for an error message."""
    value = untraced(value)
    if isinstance(value, onp.ndarray):
        kind = "an array" if plain_array(value) else f"a {type(value).__name__}"
        return f"{kind} of {value.dtype} with shape {value.shape}"
    plain = value is None or isinstance(value, (Real, str))
    return f"{value!r:.60}" if plain else f"{type(value).__name__} {value!r:.60}"


@contextmanager
def atomic_write(path):
    r"""A path to write to, which replaces `path` only when all is written; its mode is kept."""
    path = Path(path).resolve()
    part = path.with_name(f".{path.stem}.{os.getpid()}-{get_ident()}.part{path.suffix}")
    try:
        yield part
        if path.exists():
            part.chmod(path.stat().st_mode)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
