r"""Section 1.1: the model, Eqs. (1)-(2), and how to run it.

    RNN          the structure: an emission, sizes and the kind of transition; no arrays
    init         the parameters: theta, a dict of float64 arrays
    f, F         Eqs. (1) and (2), a plain loop that reads like the paper: the specification
    table        ell = log p(x_t | h_t) for all steps at once, by kernels: fast

Index 0 is the paper's t = 1: `X[t]` is x_{t+1}, and h_1 = theta["h1"] is a parameter."""

import math
from dataclasses import dataclass

import autograd.numpy as np

from rnnvae_ref.emissions import Categorical, Gaussian
from rnnvae_ref.kernels import rollout, traced
from rnnvae_ref.numerics import (
    MOST, PARTICLES, check, check_array, check_count, check_number, check_parameters, check_rng,
    plain_array, untraced,
)  # fmt: skip

MOST_LOG_S = 150  # keeps s^2 and 1 / s^2 well within float64


@dataclass(frozen=True)
class RNN:
    r"""The vanilla RNN h_t = phi(h_{t-1} W + x_{t-1} U + b), x_t ~ emission(h_t).

    emission: `Categorical(V)` or `Gaussian(M)`;  hidden: D;  particles: L, the rows of h_1, which
    give the hidden states h_t^1 .. h_t^L of Section 3.1;  transition: "tanh", or "linear" for
    phi = identity. Vectors are rows."""

    emission: Categorical | Gaussian
    hidden: int
    particles: int = 1
    transition: str = "tanh"

    def __post_init__(self):
        known = isinstance(self.emission, Categorical | Gaussian)
        check(known, "emission must be Categorical(...) or Gaussian(...)", self.emission)
        check_count("hidden", self.hidden)
        check_count("particles", self.particles)
        known = self.transition in ("tanh", "linear")
        check(known, 'transition must be "tanh" or "linear"', self.transition)

    def shapes(self):
        r"""The keys of theta with the shape of each."""
        D = self.hidden
        return {"h1": (self.particles, D), "W": (D, D), "b": (D,)} | self.emission.shapes(D)

    def init(self, rng, scale=1.0, apart=False):
        r"""N(0, sd^2), with sd = scale / sqrt(D) for W, C, scale / 2 for h1, U; the rest is 0.

        `apart`: a start for several particles, tanh only. h_1^l = +-0.9 with signs of its own;
        W = 1.3 I: tanh(1.3 h) has the stable points +-0.75, so h_1 is not forgotten; U is 0.3 of
        the usual one; log s = -1."""
        check_rng(rng)
        check_number("scale", scale, least=0)
        check(isinstance(apart, bool), "apart must be True or False", apart)
        theta = {key: np.zeros(shape) for key, shape in self.shapes().items()}
        spread = {"h1": 0.5, "W": self.hidden**-0.5, "U": 0.5, "C": self.hidden**-0.5}
        for key, s in spread.items():
            theta[key] = scale * s * rng.standard_normal(theta[key].shape)
        if not apart:
            return theta
        # Particle l has the binary digits of l as the signs of h_1^l.
        digits = max(1, int(self.particles - 1).bit_length())
        if self.transition != "tanh" or digits > self.hidden:
            raise ValueError(f'apart needs "tanh" and particles <= 2^hidden; got {self!r}')
        digit = np.arange(self.hidden) % digits
        pattern = (np.arange(self.particles)[:, None] >> digit) & 1
        theta |= {"h1": 0.9 - 1.8 * pattern, "W": 1.3 * np.eye(self.hidden), "U": 0.3 * theta["U"]}
        return theta | ({"log_s": theta["log_s"] - 1} if "log_s" in theta else {})

    def check(self, theta):
        r"""theta fits this structure: keys, shapes, float64, finite; or ValueError with the key."""
        shapes = {key: [shape] for key, shape in self.shapes().items()}
        theta = untraced(theta)
        check_parameters(theta, shapes)
        # sigma: Section 2.3;  logit_rho: the sticky mixture;  v: the gate of figures/beyond.py
        optional = {"sigma": [(), (self.hidden,)], "logit_rho": [()], "v": [(self.hidden,)]}
        for key in theta.keys() - {*shapes, *optional}:
            raise ValueError(f"theta has an unknown key {key!r}; known: {[*shapes, *optional]}")
        check_parameters(theta, {key: optional[key] for key in optional if key in theta})
        log_s = untraced(theta.get("log_s", np.zeros(1)))
        if np.max(np.abs(log_s)) > MOST_LOG_S:
            raise ValueError(f"theta['log_s'] must lie within +-{MOST_LOG_S}; got {log_s}")


def f(rnn, theta, h, x):
    r"""Eq. (1).  h_t = f(h_{t-1}, x_{t-1}) = phi(h_{t-1} W + x_{t-1} U + b).

    h (..., N, D), x (N,) symbols or (N, M) numbers -> (..., N, D)."""
    check_model(rnn, theta)
    check_array("h", h, [(*np.shape(h)[:-1], rnn.hidden)])
    x = rnn.emission.vector(x)
    a = np.dot(h, theta["W"]) + np.dot(x, theta["U"]) + theta["b"]
    return np.tanh(a) if rnn.transition == "tanh" else a


def F(rnn, theta, X, eps=None, sigma=None):
    r"""Eq. (2).  H = F(X): h_1 is a parameter, then h_t = f(h_{t-1}, x_{t-1}) for t = 2..T.

    A plain loop. With `eps` (T-1, [S,] L, N, D) and `sigma` it is one H for each noise path of
    Section 2.3: h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t. H is (T, [S,] L, N, D), H[0] is h_1."""
    X, _ = prepare(rnn, theta, X, eps, sigma)
    front = () if eps is None else eps.shape[1:]
    shape = np.broadcast_shapes(front, (rnn.particles, X.shape[1], rnn.hidden))
    h = theta["h1"][:, None, :] + np.zeros(shape)
    H = [h]
    for t in range(len(X) - 1):
        h = f(rnn, theta, h, X[t])
        h = h if eps is None else h + sigma * eps[t]
        H.append(h)
    return np.array(H)


def table(rnn, theta, X, eps=None, sigma=None):
    r"""ell: log p(x_t^n | h_t^{l,n}) in nats, (T, [S,] L, N).

    Eqs. (5), (16), (17) and `enumeration` are reductions of it.  X: (T, N) integers or (T, N, M)
    floats; a padded tail counts log 1 = 0.  eps (T-1, [S,] L, N, D) with sigma () or (D,): noise
    sigma * eps_t enters h_2 .. h_T, so eps[0] is the paper's eps_2; its axes S, L, N may be 1, and
    with one row of h_1 L is free: particles that share h_1. theta["sigma"] is not read here: to
    learn it, pass it as sigma. ValueError says what does not fit."""
    return unroll(rnn, theta, X, eps, sigma)[1]


def unroll(rnn, theta, X, eps=None, sigma=None):
    r"""H (T, [S,] L, N, D), fast, and the table ell that it gives; arguments as in `table`."""
    X, observed = prepare(rnn, theta, X, eps, sigma)
    theta = traced(theta)  # so that autograd sees one object; see kernels
    noise = None if eps is None else sigma * eps
    H = rollout(theta, X, noise, rnn.transition == "linear")
    ell = rnn.emission.table(theta, H, X)
    check_array("log p(x_t | h_t) of this X and theta", ell)
    mask = observed.reshape(len(X), *(1,) * (ell.ndim - 2), -1)  # (T, [1,] 1, N)
    return H, ell if observed.all() else ell * mask


def one_particle(ell):
    r"""ell (T, [S,] 1, N) -> (T, S, N), with S = 1 where it is absent; ValueError if L > 1."""
    value = untraced(ell)
    fits = plain_array(value) and value.ndim > 2 and value.dtype.kind == "f"
    fits = fits and (value <= MOST).all()
    check(fits, "ell must be a table (T, [S,] L, N) without nan", ell)
    if ell.shape[PARTICLES] != 1:
        L = ell.shape[PARTICLES]
        raise ValueError(f"Eqs. (1)-(16) are for one particle; here L = {L}: see Eqs. (17), (26)")
    return np.reshape(ell, (len(ell), math.prod(ell.shape[1:-2]), ell.shape[-1]))


def initial_state(rnn, theta, N):
    r"""h_1 of each of N sequences, (N, D). One particle."""
    one_particle(np.zeros((1, rnn.particles, N)))  # refuses L > 1
    return np.repeat(theta["h1"], N, axis=0)


def prepare_unpadded(rnn, theta, X):
    r"""X, checked, where padding makes no sense: its sequences must be of one length."""
    filled, observed = prepare(rnn, theta, X)
    if not observed.all():
        n = np.argmin(observed.all(axis=0))
        raise ValueError(f"X must be without padding here; sequence {n} has some")
    return filled


def prepare(rnn, theta, X, eps=None, sigma=None):
    r"""Checks all arguments; X with its padding filled, and the mask (T, N) of real steps."""
    check_model(rnn, theta)
    X, observed = rnn.emission.prepare(X)
    if (eps is None) != (sigma is None):
        raise ValueError("eps and sigma: give both, or neither for noise-free dynamics")
    if eps is not None:
        _check_eps(rnn, X, eps)
        check_sigma(rnn, sigma)
    return X, observed


def check_model(rnn, theta):
    r"""The first two arguments are an RNN and parameters that fit it; or ValueError."""
    check(isinstance(rnn, RNN), "rnn must be an RNN, such as RNN(Categorical(5), hidden=8)", rnn)
    rnn.check(theta)


def check_sigma(rnn, sigma, nonzero=False):
    r"""sigma is a finite number, or (D,) of them, other than 0 if `nonzero`; or ValueError."""
    value = untraced(sigma)
    value = np.array(value, float) if type(value) in (int, float) else value
    check_array("sigma", value, [(), (rnn.hidden,)])
    if nonzero and not np.all(value**2 > 0):  # as a square may underflow
        raise ValueError("sigma must not be 0: a delta has no density")


def _check_eps(rnn, X, eps):
    r"""eps is (T-1, [S,] L, N, D), where S, L or N may be 1; or ValueError."""
    (T, N), L, D = X.shape[:2], rnn.particles, rnn.hidden
    shape = np.shape(eps)
    Ls = shape[-3:-2] if L == 1 else (1, L)  # one row of h1 serves any L
    axes = zip(shape[:1] + shape[-3:], [(T - 1,), Ls, (1, N), (D,)], strict=False)
    fits = len(shape) in (4, 5) and 0 not in shape[1:]
    fits = fits and all(n in sizes for n, sizes in axes)
    wanted = f"eps must be (T-1, [S,] L, N, D) = ({T - 1}, [S,] {L}, {N}, {D})"
    check(fits, f"{wanted}, where S, L or N may be 1", eps)
    check_array("eps", eps)
