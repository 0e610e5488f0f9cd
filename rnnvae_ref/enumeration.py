r"""Ground truth: under a discrete noise law Eqs. (9)-(16) are finite sums over all noise paths.

Exact up to rounding, no Monte Carlo. Values can be differentiated in theta and sigma. Nothing here
comes from `likelihood` or `bound`: it checks their equations, but for (9), which is its `log_p`."""

import autograd.numpy as np

from rnnvae_ref.laws import Discrete, check_law
from rnnvae_ref.numerics import TIME, check_count, log_sum_exp, weighted_mean
from rnnvae_ref.rnn import one_particle, prepare, table

MOST_PATHS = 1 << 18


def paths(law, T, D):
    r"""Every noise path of T - 1 steps in D dimensions: P = n^((T-1) D) for a law of n nodes.

    Returns eps (T-1, P, 1, 1, D) and log weights (P,). Raises ValueError where P would exceed 2^18,
    or the law has no nodes (`laws.gauss_hermite(n)` can replace `Normal`)."""
    check_law("law (or p, q)", law, (Discrete,))
    check_count("T", T)
    check_count("D", D)
    n, places = len(law.nodes), (T - 1) * D
    most = int(np.log(MOST_PATHS) / np.log(n) + 1e-9) if n > 1 else np.inf
    check_count(f"(T-1) D, for 2^18 paths of {n} nodes,", places, least=0, most=most)
    index = np.arange(n**places) // n ** np.arange(places)[::-1, None] % n  # node at each place
    eps = np.array(law.nodes, float)[index].reshape(T - 1, D, 1, 1, n**places)
    return np.transpose(eps, (0, 4, 2, 3, 1)), np.log(law.weights)[index].sum(axis=0)


def model_paths(rnn, theta, X, law):
    r"""`paths` for the T of X and the D of rnn, after a check of rnn, theta and X."""
    X, _ = prepare(rnn, theta, X)
    return paths(law, len(X), rnn.hidden)


def log_p(rnn, theta, X, sigma, law):
    r"""log p(X), nats per sequence, (N,): Eqs. (3) and (9), exactly, for a model with noise."""
    return np.sum(log_p_steps(rnn, theta, X, sigma, law), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, law):
    r"""log p(x_t | x_1 .. x_{t-1}) = log sum_path p(path | x_<t) p(x_t | h_t), nats, (T, N)."""
    ell, log_w = _table(rnn, theta, X, sigma, law)
    log_w = log_w[:, None]  # log p(path): nothing is seen yet
    steps = []
    for ell_t in ell:
        joint = log_w + ell_t
        steps.append(log_sum_exp(joint, axis=0))
        log_w = joint - steps[-1]  # now log p(path | x_1 .. x_t)
    return np.array(steps)


def log_path_posterior(rnn, theta, X, sigma, law):
    r"""log p(path | X) of every path, (P, N): prior weight times likelihood, normalised."""
    ell, log_w = _table(rnn, theta, X, sigma, law)
    joint = np.sum(ell, axis=TIME) + log_w[:, None]
    return joint - log_sum_exp(joint, axis=0)


def kl_q_posterior(rnn, theta, X, sigma, law):
    r"""KL( q(H|X) || p(H|X) ) for q of Eq. (6), nats per sequence, (N,).

    It is the gap log p(X) - K, and 0 where Eq. (8) holds."""
    _, log_w = model_paths(rnn, theta, X, law)
    log_ratio = log_w[:, None] - log_path_posterior(rnn, theta, X, sigma, law)
    return weighted_mean(log_ratio, log_w)


def _table(rnn, theta, X, sigma, law):
    r"""log p(x_t | h_t) on every path, (T, P, N), and the log weights of the paths, (P,)."""
    eps, log_w = model_paths(rnn, theta, X, law)
    return one_particle(table(rnn, theta, X, eps, sigma)), log_w
