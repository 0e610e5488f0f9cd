r"""Section 2.2: the bound K on log p(X), Eqs. (9)-(15), each line of the derivation as a function.

E_q(H|X)[.] is a mean over trajectories H (T, S, 1, N, D) that come from q: drawn,
`F(rnn, theta, X, law.sample(...), sigma)`, or, for an exact answer, all of them,
`F(rnn, theta, X, eps, sigma)` with `eps, log_w = enumeration.paths(...)` and their log
probabilities under q as `log_w`. Per sequence in nats, (N,); E_q(X)[.] is `np.mean`.
X without padding, but for (15).
"""

import autograd.numpy as np

from rnnvae_ref.enumeration import log_p, model_paths
from rnnvae_ref.inference import log_joint, log_p_h_steps, log_p_x_steps, log_q, log_q_steps
from rnnvae_ref.numerics import (
    TIME, check_log_weights, log_mean_exp, log_sum_exp, untraced, weighted_mean,
)  # fmt: skip
from rnnvae_ref.rnn import F, prepare


def log_evidence(rnn, theta, X, sigma, law):
    r"""Eq. (9).  log p(X) by the chain rule, nats, (N,).

    Each x_t is scored by its predictive, which is exact by filtering the paths of a discrete law.
    """
    return log_p(rnn, theta, X, sigma, law)


def log_marginal(rnn, theta, X, sigma, law):
    r"""Eq. (10).  log of the integral over H of p(H, X), a sum over all paths, nats, (N,)."""
    eps, _ = model_paths(rnn, theta, X, law)
    H = F(rnn, theta, X, eps, sigma)
    return log_sum_exp(log_joint(rnn, theta, X, H, sigma, law), axis=0)


def log_importance(rnn, theta, X, H, sigma, p, q, log_w=None):
    r"""Eq. (11).  log E_q(H|X)[ p(H, X) / q(H|X) ], nats, (N,), for noise laws p (model) and q.

    Exact with `log_w`; with a sample of S trajectories it estimates log p(X) from below. It needs
    q > 0 wherever p > 0.
    """
    log_ratio = _log_ratio(rnn, theta, X, H, sigma, p, q)
    if log_w is None:
        return log_mean_exp(log_ratio, axis=0)
    check_log_weights(log_w, log_ratio.shape)
    return log_sum_exp(log_ratio + np.reshape(log_w, (len(log_w), -1)), axis=0)


def jensen(rnn, theta, X, H, sigma, p, q, log_w=None):
    r"""Eq. (12).  E_q(H|X)[ log p(H, X) / q(H|X) ] <= (11) by Jensen's inequality, nats, (N,).

    Arguments as in `log_importance`. The line that the paper marks "Jensen's inequality", and (12),
    which writes the same as products.
    """
    return weighted_mean(_log_ratio(rnn, theta, X, H, sigma, p, q), log_w)


def factorised(rnn, theta, X, H, sigma, p, log_w=None):
    r"""Eq. (13).  K with q of Eq. (6), written out as products, nats, (N,).

    E_q[ log ( prod_t p(h_t|h_{t-1},x_{t-1}) p(x_t|h_t) / prod_t p(h_t|h_{t-1},x_{t-1}) ) ]. The
    factors of the dynamics run over t = 2..T, those of the emission over t = 1..T. That the
    products over the dynamics cancel is what Eq. (6) is for.
    """
    dynamics = np.sum(log_p_h_steps(rnn, theta, X, H, sigma, p), axis=TIME)
    emissions = np.sum(log_p_x_steps(rnn, theta, X, H), axis=TIME)
    inference = np.sum(log_q_steps(rnn, theta, X, H, sigma, p), axis=TIME)
    _check_possible(inference)
    return weighted_mean(dynamics + emissions - inference, log_w)


def K(rnn, theta, X, H, log_w=None):
    r"""Eq. (14).  K = E_q(H|X)[ sum_t log p(x_t | h_t) ], nats per sequence, (N,), q of Eq. (6).

    The plain formula; `noise.K_noise` is the same as a function of the noise, Eq. (16), and fast.
    """
    ell = log_p_x_steps(rnn, theta, X, H)
    return weighted_mean(np.sum(ell, axis=TIME), log_w)


def K_steps(rnn, theta, X, H, log_w=None):
    r"""E_q(H|X)[ log p(x_t | h_t) ], nats, (T, N). Only their sum, Eq. (14), is a bound."""
    return weighted_mean(log_p_x_steps(rnn, theta, X, H), log_w)


def K_delta(rnn, theta, X):
    r"""Eq. (15).  K for noise-free dynamics: H = F(X), then sum_t log p(x_t | h_t), nats, (N,).

    A plain loop, slow on purpose: it uses none of the kernels of `log_likelihood`, so that
    (5) = (15) is a statement that can fail.
    """
    return np.sum(K_delta_steps(rnn, theta, X), axis=TIME)


def K_delta_steps(rnn, theta, X):
    r"""log p(x_t | h_t) at H = F(X), nats, (T, N): the steps of Eq. (15)."""
    filled, observed = prepare(rnn, theta, X)
    H = F(rnn, theta, X)[:, None]  # one trajectory, so one sample
    return K_steps(rnn, theta, filled, H) * observed


def _log_ratio(rnn, theta, X, H, sigma, p, q):
    r"""log p(H, X) - log q(H|X), nats, (S, N)."""
    below = log_q(rnn, theta, X, H, sigma, q)
    _check_possible(below)
    return log_joint(rnn, theta, X, H, sigma, p) - below


def _check_possible(below):
    r"""No trajectory has probability 0 under q, or ValueError."""
    if not np.isfinite(untraced(below)).all():
        wanted = "H must come from q with this sigma"
        raise ValueError(f"{wanted}; a trajectory has probability 0 under q")
