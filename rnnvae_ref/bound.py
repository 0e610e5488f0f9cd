r"""Section 2.2: the bound K on log p(X), Eqs. (9)-(15), each line of the derivation as a function.

E_q(H|X)[.] is a mean over trajectories H (T, S, 1, N, D):

    drawn:  H = F(rnn, theta, X, q.sample(rng, (T-1, S, 1, N, D)), sigma), no `log_w`
    exact:  eps, log_w = enumeration.paths(q, T, D);  H = F(rnn, theta, X, eps, sigma)

In Eqs. (11) and (12) p and q are the noise laws of p(H, X) and of q(H|X); (13) has p only. Per
sequence in nats, (N,); E_q(X)[.] is `np.mean`. X may be padded in Eqs. (9) and (15) only."""

import autograd.numpy as np

from rnnvae_ref.enumeration import log_p, model_paths
from rnnvae_ref.inference import log_joint, log_p_h_steps, log_p_x_steps, log_q, log_q_steps
from rnnvae_ref.numerics import (
    TIME, check_log_weights, log_mean_exp, log_sum_exp, untraced, weighted_mean,
)  # fmt: skip
from rnnvae_ref.rnn import F, prepare


def log_evidence(rnn, theta, X, sigma, law):
    r"""Eq. (9).  log p(X) by the chain rule, nats, (N,).

    Each x_t is scored by its predictive, exact by filtering the paths of a discrete law."""
    return log_p(rnn, theta, X, sigma, law)


def log_marginal(rnn, theta, X, sigma, law):
    r"""Eq. (10).  log of the integral over H of p(H, X), a sum over all paths, nats, (N,)."""
    eps, _ = model_paths(rnn, theta, X, law)
    H = F(rnn, theta, X, eps, sigma)
    return log_sum_exp(log_joint(rnn, theta, X, H, sigma, law), axis=0)


def log_importance(rnn, theta, X, H, sigma, p, q, log_w=None):
    r"""Eq. (11).  log E_q(H|X)[ p(H, X) / q(H|X) ], nats, (N,), for noise laws p (model) and q.

    Exact with all paths of q and their `log_w`. Without, H is a sample: the mean of (11) is then
    <= log p(X), a single value may be above. Where q = 0 and p > 0, (11) is less than (10)."""
    log_ratio = _log_ratio(rnn, theta, X, H, sigma, p, q)
    if log_w is None:
        return log_mean_exp(log_ratio, axis=0)
    check_log_weights(log_w, log_ratio.shape)
    return log_sum_exp(log_ratio + np.reshape(log_w, (len(log_w), -1)), axis=0)


def jensen(rnn, theta, X, H, sigma, p, q, log_w=None):
    r"""Eq. (12), the ELBO of any q.  E_q(H|X)[ log( p(H, X) / q(H|X) ) ] <= (11), nats, (N,).

    Both rows of the paper: "Jensen's inequality", and (12) with its products over t; arguments as
    in `log_importance`."""
    return weighted_mean(_log_ratio(rnn, theta, X, H, sigma, p, q), log_w)


def factorised(rnn, theta, X, H, sigma, p, log_w=None):
    r"""Eq. (13).  K with q of Eq. (6), written out as products, nats, (N,).

    E_q[ log ( prod_t p(h_t|h_{t-1},x_{t-1}) p(x_t|h_t) / prod_t p(h_t|h_{t-1},x_{t-1}) ) ]. The
    factors of the dynamics run over t = 2..T, those of the emission over t = 1..T. Eq. (6) makes
    the two products over the dynamics equal, so they cancel, which gives Eq. (14)."""
    dynamics = np.sum(log_p_h_steps(rnn, theta, X, H, sigma, p), axis=TIME)
    emissions = np.sum(log_p_x_steps(rnn, theta, X, H), axis=TIME)
    inference = np.sum(log_q_steps(rnn, theta, X, H, sigma, p), axis=TIME)
    _check_possible(inference)
    return weighted_mean(dynamics + emissions - inference, log_w)


def K(rnn, theta, X, H, log_w=None):
    r"""Eq. (14).  K = E_q(H|X)[ sum_t log p(x_t | h_t) ], nats, (N,), if H is from q of Eq. (6).

    The plain formula; `noise.K_noise`, Eq. (16), is the same and fast."""
    ell = log_p_x_steps(rnn, theta, X, H)  # (T, S, N)
    return weighted_mean(np.sum(ell, axis=TIME), log_w)


def K_delta(rnn, theta, X):
    r"""Eq. (15).  K for noise-free dynamics: H = F(X), then sum_t log p(x_t | h_t), nats, (N,).

    A plain loop without the kernels of `log_likelihood`: a check of (5) = (15) that can fail."""
    filled, observed = prepare(rnn, theta, X)
    H = F(rnn, theta, X)[:, None]  # one trajectory, so one sample
    ell = log_p_x_steps(rnn, theta, filled, H)[:, 0]
    return np.sum(observed * ell, axis=TIME)


def _log_ratio(rnn, theta, X, H, sigma, p, q):
    r"""log p(H, X) - log q(H|X), nats, (S, N)."""
    log_q_H = log_q(rnn, theta, X, H, sigma, q)
    _check_possible(log_q_H)
    log_p_H_X = log_joint(rnn, theta, X, H, sigma, p)
    if type(p) is not type(q):
        raise ValueError("p and q must be of one kind, Normal or Discrete, to have a ratio")
    return log_p_H_X - log_q_H


def _check_possible(log_q_H):
    if not np.isfinite(untraced(log_q_H)).all():
        raise ValueError("H must come from q with this sigma; a trajectory has probability 0")
