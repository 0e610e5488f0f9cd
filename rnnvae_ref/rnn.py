r"""Section 1.1: the model, Eqs. (1)-(2), and how to run it.

    RNN          the structure: an emission, sizes and the kind of transition; no numbers
    init         the numbers: theta, a dict of float64 arrays
    f, F         Eqs. (1) and (2), a plain loop that reads like the paper: the specification
    table        the one door to ell[t, l, n] = log p(x_t | h_t) for all steps, particles and sequences: the fast way

Index 0 is the paper's t = 1: `X[t]` is x_{t+1}, and h_1 = theta["h1"] is a parameter.
"""

import math
from dataclasses import dataclass

import autograd.numpy as np
import numpy as onp

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.kernels import rollout, traced
from rnnvae_ref.numerics import PARTICLES, check_count, check_rng, describe, untraced


@dataclass(frozen=True)
class RNN:
    r"""The vanilla RNN h_t = phi(h_{t-1} W + x_{t-1} U + b), x_t ~ emission(h_t), with L particles h_t^1 .. h_t^L.

    emission: `Categorical(V)` or `Gaussian(M)`;  hidden: D;  particles: L, the number of rows of h_1 (Section 3.1);
    transition: "tanh", or "linear" for phi = identity, where a Kalman filter knows the answer.
    """

    emission: Categorical | Gaussian
    hidden: int
    particles: int = 1
    transition: str = "tanh"

    def __post_init__(self):
        if not isinstance(self.emission, (Categorical, Gaussian)):
            raise ValueError(f"emission must be Categorical(...) or Gaussian(...); got {describe(self.emission)}")
        check_count("hidden", self.hidden)
        check_count("particles", self.particles)
        if self.transition not in ("tanh", "linear"):
            raise ValueError(f'transition must be "tanh" or "linear"; got {self.transition!r}')

    def shapes(self):
        r"""The keys of theta with the shape of each."""
        D = self.hidden
        return {"h1": (self.particles, D), "W": (D, D), "b": (D,), **self.emission.shapes(D)}

    def init(self, rng, scale=1.0, apart=False):
        r"""A random theta: normal numbers of standard deviation `scale` / sqrt(D) in W and C, `scale` / 2 in h1 and U.

        `apart`: a start that makes several particles useful. h_1^l = +-0.9 in a pattern of its own; W = 1.3 I, as tanh(1.3 h) has
        two attractors, so that h_1 is not forgotten; a small U; and log s = -1, because a large s lets particles merge.
        """
        check_rng(rng)
        if not 0 <= scale < np.inf:
            raise ValueError(f"scale must be a finite number, 0 or larger; got {scale!r}")
        theta = {key: np.zeros(shape) for key, shape in self.shapes().items()}
        spread = {"h1": 0.5, "W": self.hidden**-0.5, "U": 0.5, "C": self.hidden**-0.5}
        theta |= {key: scale * s * rng.standard_normal(theta[key].shape) for key, s in spread.items()}
        return theta | self._apart(theta) if apart else theta

    def _apart(self, theta):
        bits = max(1, (self.particles - 1).bit_length())
        if bits > self.hidden:
            raise ValueError(f"apart needs particles <= 2^hidden = {2**self.hidden}; got {self.particles}")
        pattern = np.arange(self.particles)[:, None] >> (np.arange(self.hidden) % bits) & 1
        start = {"h1": 0.9 * (1.0 - 2.0 * pattern), "W": 1.3 * np.eye(self.hidden), "U": 0.3 * theta["U"]}
        return start | ({"log_s": theta["log_s"] - 1.0} if "log_s" in theta else {})

    def check(self, theta):
        r"""theta fits this structure: keys, shapes, floats, finite; or ValueError with the key that does not."""
        if not isinstance(theta, dict):
            raise ValueError(f"theta must be a dict of arrays; got {describe(theta)}")
        shapes, optional = self.shapes(), {"sigma": [(), (self.hidden,)], "logit_rho": [()], "v": [(self.hidden,)]}
        for key in dict.fromkeys([*shapes, *theta]):
            if key not in theta:
                raise ValueError(f"theta lacks {key!r}; this RNN needs {', '.join(shapes)}")
            if key not in shapes and key not in optional:
                raise ValueError(f"theta has an unknown key {key!r}; this RNN knows {', '.join([*shapes, *optional])}")
            _check_array(f"theta[{key!r}]", theta[key], optional.get(key) or [shapes[key]])

    def activation(self, a):
        return np.tanh(a) if self.transition == "tanh" else a


def f(rnn, theta, h, x):
    r"""Eq. (1).  h_t = f(h_{t-1}, x_{t-1}) = phi(h_{t-1} W + x_{t-1} U + b).

    h (..., N, D), x (N,) symbols or (N, M) numbers -> (..., N, D). Source: Section 1.1; the paper leaves f open, this is
    the vanilla RNN.
    """
    x = rnn.emission.vector(x)
    return rnn.activation(np.dot(h, theta["W"]) + np.dot(x, theta["U"]) + theta["b"])


def F(rnn, theta, X, eps=None, sigma=None):
    r"""Eq. (2).  H = F(X): h_1 is a parameter, then h_t = f(h_{t-1}, x_{t-1}) for t = 2..T, here as a plain loop.

    With `eps` (T-1, [S,] L, N, D) and `sigma`: h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t, as in Section 2.3; eps[0] is eps_2.
    Returns H (T, [S,] L, N, D).
    """
    X, _ = prepare(rnn, theta, X, eps, sigma)
    h = theta["h1"][:, None, :] + np.zeros(_shape(rnn, X, eps))
    H = [h]
    for t in range(len(X) - 1):
        h = f(rnn, theta, h, X[t])
        h = h if eps is None else h + sigma * eps[t]
        H.append(h)
    return np.array(H)


def table(rnn, theta, X, eps=None, sigma=None):
    r"""ell[t, ..., l, n] = log p(x_t^n | h_t^{l,n}) in nats, (T, [S,] L, N): every objective is a reduction of it.

    theta: as `rnn.init` makes it.  X: (T, N) integers or (T, N, M) floats; a padded tail counts log 1 = 0.
    eps (T-1, [S,] L, N, D) with sigma () or (D,): noise sigma * eps_t enters h_2 .. h_T, so eps[0] is the paper's eps_2; its axes
    S, L, N may be 1. A learned theta["sigma"] acts only where it is passed as sigma.
    Raises ValueError where theta, X, eps or sigma do not fit, and says which and why.
    """
    return unroll(rnn, theta, X, eps, sigma)[1]


def unroll(rnn, theta, X, eps=None, sigma=None):
    r"""H (T, [S,] L, N, D), fast, and the table ell that it gives; arguments as in `table`."""
    X, observed = prepare(rnn, theta, X, eps, sigma)
    theta = traced(theta)
    H = states(rnn, theta, X, eps, sigma)
    ell = rnn.emission.table(theta, H, X)
    if observed.all():
        return H, ell
    return H, ell * observed.reshape(len(X), *(1,) * (ell.ndim - 2), -1)


def one_particle(ell):
    r"""ell (T, [S,] 1, N) -> (T, S, N) for the functions of Sections 1 and 2, which know one particle only."""
    if ell.shape[PARTICLES] != 1:
        raise ValueError(
            f"Eqs. (1)-(16) are about one particle, and this RNN or eps has {ell.shape[PARTICLES]}; "
            "several are the business of Eq. (17), the mixture at each step, and Eq. (26), the mixture of trajectories"
        )
    return np.reshape(ell, (ell.shape[0], math.prod(ell.shape[1:-2]), ell.shape[-1]))


def initial_state(rnn, theta, N):
    r"""h_1 of each of N sequences, (N, D). One particle."""
    check_count("N", N)
    rnn.check(untraced(theta))
    one_particle(np.zeros((1, rnn.particles, N)))
    return np.repeat(theta["h1"], N, axis=0)


def states(rnn, theta, X, eps=None, sigma=None):
    r"""H (T, [S,] L, N, D), fast, for arguments that are checked already, and theta as `kernels.traced` gives it."""
    noise = None if eps is None else sigma * eps
    return rollout(theta, X, noise, rnn.transition == "linear")


def prepare_unpadded(rnn, theta, X):
    r"""X, checked, where padding makes no sense: its sequences must be of one length."""
    filled, observed = prepare(rnn, theta, X)
    if not observed.all():
        raise ValueError(f"X must be without padding here; sequence {np.argmin(observed.all(axis=0))} has some")
    return filled


def prepare(rnn, theta, X, eps=None, sigma=None):
    r"""The door: theta, X, eps and sigma fit one another. Returns X with its padding filled, and the mask (T, N)."""
    rnn.check(untraced(theta))
    X, observed = rnn.emission.prepare(X)
    if (eps is None) != (sigma is None):
        raise ValueError("eps and sigma belong together: give both, or neither for noise-free dynamics")
    if eps is not None:
        _check_noise(rnn, X, untraced(eps))
        check_sigma(rnn, sigma)
    return X, observed


def check_sigma(rnn, sigma):
    r"""sigma is a finite number, or (D,) of them; or ValueError."""
    value = np.asarray(untraced(sigma))
    _check_array("sigma", value.astype(float) if value.dtype.kind in "iuf" else value, [(), (rnn.hidden,)])


def _check_noise(rnn, X, eps):
    (T, N), shape = X.shape[:2], np.shape(eps) if isinstance(eps, np.ndarray) else ()
    allowed = [(T - 1,), (1, rnn.particles), (1, N), (rnn.hidden,)]
    if rnn.particles == 1:
        allowed[1] = shape[-3:-2]  # one row of h1 serves any number of particles
    fits = len(shape) in (4, 5) and all(n in sizes for n, sizes in zip(shape[:1] + shape[-3:], allowed, strict=True))
    if not fits or 0 in shape[1:]:
        wanted = f"({T - 1}, [S,] {rnn.particles}, {N}, {rnn.hidden})"
        raise ValueError(f"eps must be (T-1, [S,] L, N, D) = {wanted}, where S, L or N may be 1; got {describe(eps)}")
    _check_array("eps", eps, [shape])


def _check_array(name, value, shapes):
    value = untraced(value)
    value = value if isinstance(value, np.ndarray) or not np.isscalar(value) else np.asarray(value)
    if not isinstance(value, np.ndarray) or value.dtype != np.float64 or value.shape not in shapes:
        raise ValueError(f"{name} must be float64 with shape {' or '.join(map(str, shapes))}; got {describe(value)}")
    if not onp.isfinite(value).all():
        raise ValueError(f"{name} must be finite; got {value[~np.isfinite(value)].flat[0]} among its numbers")


def _shape(rnn, X, eps):
    r"""([S,] L, N, D), the shape of h_t."""
    return np.broadcast_shapes(() if eps is None else eps.shape[1:], (rnn.particles, X.shape[1], rnn.hidden))
