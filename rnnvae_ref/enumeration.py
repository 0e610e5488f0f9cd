r"""Ground truth. Over a discrete noise law Eqs. (9)-(16) are finite sums over all noise paths: no Monte Carlo.

Everything here is differentiable in theta and sigma, and imports no objective.
"""

import autograd.numpy as np

from rnnvae_ref.inference import Discrete
from rnnvae_ref.numerics import TIME, check_count, describe, log_sum_exp, weighted_mean
from rnnvae_ref.rnn import one_particle, table

MOST_PATHS = 1 << 18


def paths(law, T, D):
    r"""Every noise path of T - 1 steps in D dimensions: eps (T-1, P, 1, 1, D) and log weights (P,), P = nodes^((T-1) D).

    Raises ValueError where P would exceed 2^18, or the law has no nodes.
    """
    check_count("T", T)
    if not isinstance(law, Discrete):
        raise ValueError(
            f"law must be Discrete, with nodes to enumerate; got {describe(law)} (gauss_hermite(n) stands in for Normal)"
        )
    n, places = len(law.nodes), (T - 1) * D
    if n**places > MOST_PATHS:
        most = int(np.log(MOST_PATHS) / np.log(n))
        raise ValueError(
            f"{n} nodes in (T-1) D = {places} places make {n}^{places} paths, more than {MOST_PATHS}; "
            f"with {n} nodes (T-1) D may be at most {most}"
        )
    index = np.indices((n,) * places).reshape(places, n**places)
    eps = np.array(law.nodes)[index].reshape(T - 1, D, 1, 1, n**places)
    return np.transpose(eps, (0, 4, 2, 3, 1)), np.log(law.weights)[index].sum(axis=0)


def log_p(rnn, theta, X, sigma, law):
    r"""log p(X), nats per sequence, (N,): the objective of Eqs. (3) and (9), exactly, for a model with noise."""
    return np.sum(log_p_steps(rnn, theta, X, sigma, law), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, law):
    r"""log p(x_t | x_1 .. x_{t-1}), nats, (T, N): the mean of p(x_t | h_t) over the paths, weighted by their past."""
    ell, log_w = _ell(rnn, theta, X, sigma, law)
    log_w, steps = log_w[:, None], []
    for t in range(len(ell)):
        joint = log_w + ell[t]
        steps.append(log_sum_exp(joint, axis=0))
        log_w = joint - steps[-1]  # p(path | x_1 .. x_t)
    return np.array(steps)


def log_path_posterior(rnn, theta, X, sigma, law):
    r"""log p(path | X) of every path, (P, N): the dynamics' weight times the likelihood, over their sum."""
    ell, log_w = _ell(rnn, theta, X, sigma, law)
    joint = np.sum(ell, axis=TIME) + log_w[:, None]
    return joint - log_sum_exp(joint, axis=0)


def kl_q_posterior(rnn, theta, X, sigma, law):
    r"""KL( q(H|X) || p(H|X) ) for q of Eq. (6), nats per sequence, (N,): the gap log p(X) - K, and 0 where Eq. (8) holds."""
    _, log_w = paths(law, len(X), rnn.hidden)
    return weighted_mean(log_w[:, None] - log_path_posterior(rnn, theta, X, sigma, law), log_w)


def _ell(rnn, theta, X, sigma, law):
    eps, log_w = paths(law, len(X), rnn.hidden)
    return one_particle(table(rnn, theta, X, eps, sigma)), log_w
