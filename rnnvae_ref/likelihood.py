r"""Section 1.2: training by maximum likelihood, Eqs. (3)-(5).

Every objective gives one number per sequence, (N,), in nats; E_q(X)[.] is then `np.mean`. `fit`
searches for the argmax of Eqs. (3)-(5), and may end in a local one. The paper's argmax does not
name h_1; h_1 is a parameter, so `fit` learns it, too."""

import autograd.numpy as np

from rnnvae_ref.numerics import TIME, weighted_mean
from rnnvae_ref.rnn import f, initial_state, one_particle, prepare, table


def log_p_X(rnn, theta, X):
    r"""Eq. (3).  log p(X) = sum_t log p(x_t | x_1 .. x_{t-1}) without noise, nats, (N,).

    By the chain rule: h_t is computed from x_1 .. x_{t-1}, x_t is scored, and h_{t+1} follows from
    h_t and x_t. A plain loop without kernels; `log_likelihood` uses them."""
    X, observed = prepare(rnn, theta, X)
    h = initial_state(rnn, theta, X.shape[1])
    total = 0.0
    for x, seen in zip(X, observed, strict=True):
        total = total + seen * rnn.emission.log_p(theta, h, x)
        h = f(rnn, theta, h, x)
    return total


def expected_log_likelihood(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eq. (4).  E_p(H|X)[ sum_t log p(x_t | h_t) ], nats per sequence, (N,).

    p(H|X) is the posterior. Without noise that is delta(H - F(X)). With noise give the trajectories
    by `sigma` and `eps` (T-1, S, 1, N, D), as from `enumeration.paths`, and their posterior weights
    `log_w` (S, N), as from `enumeration.log_path_posterior`, not the prior's.
    DEPARTS from Section 3, "true log likelihood in Eq. (4)": with noise (4) >= log p(X)."""
    if (log_w is None) != (eps is None) or np.ndim(log_w) == 1:
        raise ValueError("log_w (S, N) weighs eps by the posterior: give eps, sigma, log_w or none")
    ell = one_particle(table(rnn, theta, X, eps, sigma))
    return weighted_mean(np.sum(ell, axis=TIME), log_w)


def log_likelihood(rnn, theta, X):
    r"""Eq. (5).  sum_t log p(x_t | h_t) at H = F(X): the usual objective of an RNN, nats, (N,)."""
    return np.sum(log_likelihood_steps(rnn, theta, X), axis=TIME)


def log_likelihood_steps(rnn, theta, X):
    r"""log p(x_t | x_1 .. x_{t-1}) = log p(x_t | h_t), nats, (T, N); sums over t to Eq. (5)."""
    return one_particle(table(rnn, theta, X))[:, 0]
