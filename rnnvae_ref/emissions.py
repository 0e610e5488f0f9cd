r"""p(x_t | h_t), the second distribution of Section 1.1. Only an emission knows what kind of x is:
`log_p` is the plain formula; `table` is the same for whole trajectories, fast."""

from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp

from rnnvae_ref.kernels import log_categorical, log_gaussian, tape
from rnnvae_ref.numerics import (
    MOST, check, check_array, check_count, check_number, check_parameters, check_rng, draw,
    log_sum_exp, plain_array,
)  # fmt: skip


@dataclass(frozen=True)
class Categorical:
    r"""p(x | h) = softmax(h C + c)[x] over `symbols` symbols 0..V-1.

    X is (T, N) integers, -1 after a sequence's end."""

    symbols: int

    def __post_init__(self):
        check_count("symbols", self.symbols)

    def shapes(self, D):
        r"""The parameters whose shape depends on the kind of x, or on D, with their shapes."""
        return {"U": (self.symbols, D), "C": (D, self.symbols), "c": (self.symbols,)}

    def prepare(self, X):
        r"""X with padding filled by 0, and the mask (T, N) of observed steps; or ValueError."""
        kind = f"(T, N) integers in 0..{self.symbols - 1}"
        wanted = f"X must be {kind}, with -1 only after the end of a sequence"
        check(plain_array(X) and X.ndim == 2 and X.dtype.kind in "iu", wanted, X)
        if X.size and X.min() >= 0 and X.max() < self.symbols:
            return X, onp.ones(X.shape, dtype=bool)
        return _filled(X, (X < -1) | (X >= self.symbols), X >= 0, wanted)

    def vector(self, x):
        r"""x_t as a one-hot row, (...) -> (..., V)."""
        integers = plain_array(x) and x.dtype.kind in "iu"
        fits = integers and ((x >= 0) & (x < self.symbols)).all()
        check(fits, f"x must be integers in 0..{self.symbols - 1}", x)
        return np.eye(self.symbols)[x]

    def log_p(self, theta, h, x):
        r"""The logit of x less the log normaliser, h (..., N, D) and x (N,) -> (..., N)."""
        _check(self, theta, h)
        logits = np.dot(h, theta["C"]) + theta["c"]
        return np.sum(logits * self.vector(x), axis=-1) - log_sum_exp(logits, axis=-1)

    def table(self, theta, H, X):
        r"""log p(x_t | h_t), H (T, [S,] L, N, D) and X (T, N) -> (T, [S,] L, N)."""
        return log_categorical(theta, H, X, tape(theta, H))

    def density(self, theta, h, grid=None):
        r"""The probabilities p(x | h) of all symbols, (..., D) -> (..., V)."""
        if grid is not None:
            raise ValueError("grid must be None for a categorical emission: its x are symbols")
        _check(self, theta, h)
        logits = np.dot(h, theta["C"]) + theta["c"]
        return np.exp(logits - log_sum_exp(logits, axis=-1)[..., None])

    def sample(self, theta, h, rng):
        r"""x ~ p(x | h), (..., D) -> (...) integers."""
        _check(self, theta, h)
        check_rng(rng)
        p = self.density(theta, h)
        return draw(rng.random(p.shape[:-1]), p)


@dataclass(frozen=True)
class Gaussian:
    r"""p(x | h) = N(x; h C + c, diag(s^2)) in M = `dimensions`, s = min_scale + exp(log_s).

    X is (T, N, M) floats, NaN in every coordinate after a sequence's end. A `min_scale` above 0 is
    needed where the mean can fit a coordinate exactly: without it the likelihood is unbounded."""

    dimensions: int = 1
    min_scale: float = 0.0

    def __post_init__(self):
        check_count("dimensions", self.dimensions)
        check_number("min_scale", self.min_scale, least=0)

    def shapes(self, D):
        M = self.dimensions
        return {"U": (M, D), "C": (D, M), "c": (M,), "log_s": (M,)}

    def prepare(self, X):
        r"""X with padding filled by 0, and the mask (T, N) of observed steps; or ValueError."""
        shape = f"(T, N, {self.dimensions})"
        wanted = f"X must be {shape} finite floats, with NaN only after the end of a sequence"
        fits = plain_array(X) and X.ndim == 3 and X.shape[2] == self.dimensions
        check(fits and X.dtype.kind == "f", wanted, X)
        X = X.astype(float, copy=False)
        if X.size and (onp.abs(X) <= MOST).all():
            return X, onp.ones(X.shape[:2], dtype=bool)
        missing = np.isnan(X)
        observed = ~missing.all(axis=2)
        bad = (np.abs(X) > MOST) | (missing & observed[..., None])
        return _filled(X, bad, observed, wanted)

    def vector(self, x):
        r"""x_t as a row: itself, (..., M)."""
        check_array("x", x, [(*np.shape(x)[:-1], self.dimensions)])
        return x

    def scale(self, theta):
        r"""The standard deviation s, (M,)."""
        check_parameters(theta, {"log_s": [(self.dimensions,)]})
        return self.min_scale + np.exp(theta["log_s"])

    def log_p(self, theta, h, x):
        r"""log N(x_t; h_t C + c, diag(s^2)), h (..., N, D) and x (..., N, M) -> (..., N)."""
        _check(self, theta, h)
        s = self.scale(theta)
        mean = np.tensordot(h, theta["C"], 1) + theta["c"]
        z = (self.vector(x) - mean) / s
        half_log_2pi = 0.5 * self.dimensions * np.log(2 * np.pi)
        log_p = -0.5 * np.sum(z**2, axis=-1) - np.sum(np.log(s)) - half_log_2pi
        check_array("log p(x | h) of this x, X and theta", log_p)
        return log_p

    def table(self, theta, H, X):
        r"""log p(x_t | h_t), H (T, [S,] L, N, D) and X (T, N, M) -> (T, [S,] L, N)."""
        return log_gaussian(theta, H, X, self.min_scale, tape(theta, H))

    def density(self, theta, h, grid):
        r"""p(x | h) at all points of a grid (G, M), or (G,) where M = 1: (..., D) -> (..., G)."""
        _check(self, theta, h)
        wanted = f"grid must be (G, {self.dimensions}) finite floats, or (G,) where that is 1"
        fits = plain_array(grid) and grid.dtype.kind == "f" and grid.size > 0
        points = grid[:, None] if fits and grid.ndim == 1 else grid
        check(fits and points.ndim == 2 and points.shape[1] == self.dimensions, wanted, grid)
        check_array("grid", points)
        return np.exp(self.log_p(theta, h[..., None, :], points))

    def sample(self, theta, h, rng):
        r"""x ~ p(x | h), (..., D) -> (..., M)."""
        _check(self, theta, h)
        check_rng(rng)
        mean = np.dot(h, theta["C"]) + theta["c"]
        return mean + self.scale(theta) * rng.standard_normal(mean.shape)


def _check(emission, theta, h):
    r"""h is (..., D), and theta holds the emission's parameters for that D; or ValueError."""
    check_array("h", h, [np.shape(h) or ("..", "D")])
    own = emission.shapes(np.shape(h)[-1])
    check_parameters(theta, {key: [shape] for key, shape in own.items() if key != "U"})


def _filled(X, bad, observed, wanted):
    r"""X with 0 for its padding, and the mask `observed`; or ValueError names what comes first: a
    value that is bad, an empty sequence, a gap."""
    if bad.any():
        t, n = np.argwhere(bad)[0][:2]
        raise ValueError(f"{wanted}; sequence {n} holds {X[t, n]} at step {t}")
    if observed.size == 0 or not observed[0].all():
        which = f"sequence {np.argmin(observed[0])} is empty" if observed.size else "X is empty"
        raise ValueError(f"{wanted}, and no empty sequence; {which}")
    gap = observed[1:] & ~observed[:-1]
    if gap.any():
        t, n = np.argwhere(gap)[0]
        raise ValueError(f"{wanted}; sequence {n} has a gap before step {t + 1}")
    return np.where(observed if X.ndim == 2 else observed[..., None], X, 0), observed
