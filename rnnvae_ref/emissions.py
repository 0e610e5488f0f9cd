r"""p(x_t | h_t), the second distribution of Section 1.1. An emission owns all that knows what x is.

Both emissions offer the same few methods:

    prepare(X)             what may come in: X with its padding filled, and which steps were observed
    shapes(D)              the parameters U, C, c (and log_s) it needs
    vector(x)              x_t as a row vector: one-hot, or x itself
    log_p(theta, h, x)     log p(x_t | h_t), the plain formula
    table(theta, H, X)     the same for whole trajectories, fast
    sample, density        draws from p(x_t | h_t), and the distribution itself
"""

from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp

from rnnvae_ref.kernels import log_categorical, log_gaussian, tape
from rnnvae_ref.numerics import check_count, describe, draw, log_sum_exp


@dataclass(frozen=True)
class Categorical:
    r"""p(x | h) = softmax(h C + c)[x] over `symbols` symbols 0..V-1. X is (T, N) integers, -1 after a sequence's end."""

    symbols: int

    def __post_init__(self):
        check_count("symbols", self.symbols)

    def shapes(self, D):
        r"""The parameters that depend on x, and their shapes."""
        return {"U": (self.symbols, D), "C": (D, self.symbols), "c": (self.symbols,)}

    def prepare(self, X):
        r"""X with padding filled by 0, and the mask (T, N) of observed steps. ValueError says what is wrong and where."""
        wanted = f"X must be (T, N) integers in 0..{self.symbols - 1}, with -1 only after the end of a sequence"
        if not isinstance(X, np.ndarray) or X.ndim != 2 or X.dtype.kind not in "iu":
            raise ValueError(f"{wanted}; got {describe(X)}")
        if X.size and X.min() >= 0 and X.max() < self.symbols:
            return X, _all_observed(X)
        bad = (X < -1) | (X >= self.symbols)
        if bad.any():
            t, n = np.argwhere(bad)[0]
            raise ValueError(f"{wanted}; sequence {n} holds {X[t, n]} at step {t}")
        observed = X >= 0
        _check_tail(observed, wanted)
        return np.where(observed, X, 0), observed

    def vector(self, x):
        r"""x_t as a one-hot row, (...) -> (..., V)."""
        return np.eye(self.symbols)[x]

    def log_p(self, theta, h, x):
        r"""log p(x_t | h_t), h (..., N, D) and x (N,) -> (..., N): the logit of x less the log normaliser."""
        logits = np.dot(h, theta["C"]) + theta["c"]
        return np.sum(logits * self.vector(x), axis=-1) - log_sum_exp(logits, axis=-1)

    def table(self, theta, H, X):
        r"""log p(x_t | h_t), H (T, [S,] L, N, D) and X (T, N) -> (T, [S,] L, N)."""
        return log_categorical(theta, H, X, tape(theta, H))

    def density(self, theta, h, grid=None):
        r"""The probabilities p(x | h) of all symbols, (..., D) -> (..., V)."""
        if grid is not None:
            raise ValueError("grid must be None for a categorical emission: its values are the symbols")
        logits = np.dot(h, theta["C"]) + theta["c"]
        return np.exp(logits - log_sum_exp(logits, axis=-1)[..., None])

    def sample(self, theta, h, rng):
        r"""x ~ p(x | h), (..., D) -> (...) integers, by inverting the cumulative sum."""
        return draw(rng.random(h.shape[:-1]), self.density(theta, h))


@dataclass(frozen=True)
class Gaussian:
    r"""p(x | h) = N(x; h C + c, diag(s^2)), s = min_scale + exp(log_s). X is (T, N, M) floats, NaN after an end.

    `min_scale` keeps s above a floor where data has repeated values and the likelihood would grow without bound.
    """

    dimensions: int = 1
    min_scale: float = 0.0

    def __post_init__(self):
        check_count("dimensions", self.dimensions)
        if not 0 <= self.min_scale < np.inf:
            raise ValueError(f"min_scale must be a finite number, 0 or larger; got {self.min_scale}")

    def shapes(self, D):
        r"""The parameters that depend on x, and their shapes."""
        M = self.dimensions
        return {"U": (M, D), "C": (D, M), "c": (M,), "log_s": (M,)}

    def prepare(self, X):
        r"""X with padding filled by 0, and the mask (T, N) of observed steps. ValueError says what is wrong and where."""
        wanted = f"X must be (T, N, {self.dimensions}) finite floats, with NaN only after the end of a sequence"
        if not isinstance(X, np.ndarray) or X.ndim != 3 or X.shape[2] != self.dimensions or X.dtype.kind != "f":
            raise ValueError(f"{wanted}; got {describe(X)}")
        if X.size and onp.isfinite(X).all():
            return X, _all_observed(X)
        missing = np.isnan(X)
        bad = np.isinf(X) | (missing & ~missing.all(axis=2, keepdims=True))
        if bad.any():
            t, n, _ = np.argwhere(bad)[0]
            raise ValueError(f"{wanted}; sequence {n} holds {X[t, n]} at step {t}")
        observed = ~missing.all(axis=2)
        _check_tail(observed, wanted)
        return np.where(missing, 0.0, X), observed

    def vector(self, x):
        r"""x_t as a row: itself, (..., M)."""
        return x

    def scale(self, theta):
        r"""The standard deviation s, (M,)."""
        return self.min_scale + np.exp(theta["log_s"])

    def log_p(self, theta, h, x):
        r"""log p(x_t | h_t), h (..., N, D) and x (..., N, M) -> (..., N): minus half z^2, log s and (1/2) log 2 pi each."""
        s = self.scale(theta)
        z = (x - (np.tensordot(h, theta["C"], 1) + theta["c"])) / s
        return -0.5 * np.sum(z**2, axis=-1) - np.sum(np.log(s)) - 0.5 * self.dimensions * np.log(2 * np.pi)

    def table(self, theta, H, X):
        r"""log p(x_t | h_t), H (T, [S,] L, N, D) and X (T, N, M) -> (T, [S,] L, N)."""
        return log_gaussian(theta, H, X, self.min_scale, tape(theta, H))

    def density(self, theta, h, grid):
        r"""p(x | h) at every point of the grid, (..., D) -> (..., G); the grid is (G,) for one dimension, else (G, M)."""
        points = np.asarray(grid, dtype=float)
        points = points[:, None] if points.ndim == 1 else points
        if points.ndim != 2 or points.shape[1] != self.dimensions or not np.isfinite(points).all():
            raise ValueError(f"grid must be (G, {self.dimensions}) finite floats, or (G,) where that is 1; got {describe(grid)}")
        return np.exp(self.log_p(theta, h[..., None, :], points))

    def sample(self, theta, h, rng):
        r"""x ~ p(x | h), (..., D) -> (..., M)."""
        mean = np.dot(h, theta["C"]) + theta["c"]
        return mean + self.scale(theta) * rng.standard_normal(mean.shape)


def _all_observed(X):
    r"""The mask (T, N) of data without padding, by far the most common, for which the other checks need not be made."""
    return onp.ones(X.shape[:2], dtype=bool)


def _check_tail(observed, wanted):
    r"""Padding is a tail: no sequence is empty, and nothing follows an unobserved step."""
    if observed.size == 0 or not observed[0].all():
        which = "it has no step" if observed.size == 0 else f"sequence {np.argmin(observed[0])} is empty"
        raise ValueError(f"{wanted}, and no empty sequence; {which}")
    gap = observed[1:] & ~observed[:-1]
    if gap.any():
        t, n = np.argwhere(gap)[0]
        raise ValueError(f"{wanted}; sequence {n} has a gap before step {t + 1}")
