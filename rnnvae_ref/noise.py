r"""Section 2.3: noise in the hidden dynamics, Eq. (16), and when it helps.

h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t. K is then a function of sigma and of draws eps that come
from outside, so its gradient in sigma is autograd's. "Often, noise-free dynamics is optimal w.r.t.
K" is a statement about K: the exact log p(X) (`enumeration`, `quadrature`, `kalman`) may prefer
sigma > 0 on the same data, and at fixed parameters K may, too (`examples.counterexample`)."""

import autograd.numpy as np

from rnnvae_ref.enumeration import model_paths
from rnnvae_ref.numerics import TIME, check_count, weighted_mean
from rnnvae_ref.rnn import one_particle, table


def K_noise(rnn, theta, X, eps, sigma, log_w=None):
    r"""Eq. (16).  E_p(eps)[ sum_t log p(x_t | h_t) ], nats per sequence, (N,).

    h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t.  eps (T-1, S, 1, N, D), its N may be 1: S draws, or
    with `log_w` (S,) every path of `enumeration.paths`.  sigma: a number, (D,), or theta["sigma"]
    to learn it. Learn sigma itself, not its logarithm: under a symmetric law the sign does not
    matter, and the gradient in log sigma vanishes like sigma^2."""
    return weighted_mean(_per_draw(rnn, theta, X, eps, sigma), log_w)


def K_estimate(rnn, theta, X, eps, sigma):
    r"""The Monte-Carlo estimate of K from S > 1 draws eps, nats, and its standard error, (N,)."""
    draws = _per_draw(rnn, theta, X, eps, sigma)
    check_count("S, the number of draws in eps,", len(draws), least=2)
    return np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))


def best_path(rnn, theta, X, sigma, law):
    r"""The noise path, one for all sequences, of the largest mean score, (T-1, 1, 1, 1, D).

    A maximum is at least the average: mean_n sum_t log p(x_t | h_t) >= mean_n K(sigma). A fixed
    path is a time-dependent offset of f, so for every family of dynamics that is closed under such
    offsets, noise-free is optimal with respect to K."""
    eps, _ = model_paths(rnn, theta, X, law)
    per_path = np.mean(_per_draw(rnn, theta, X, eps, sigma), axis=-1)
    return eps[:, [np.argmax(per_path)]]


def _per_draw(rnn, theta, X, eps, sigma):
    r"""sum_t log p(x_t | h_t) of every draw, (S, N)."""
    ell = one_particle(table(rnn, theta, X, eps, sigma))
    return np.sum(ell, axis=TIME)
