r"""Appendix A, Eqs. (18)-(26): the derivation with L particles, each line evaluated exactly over a discrete noise law.

Particle l is a model of its own, with its own h_1^l and all else shared; Eq. (18) redefines p(X) as the equal-weight mixture
of these L models. With P noise paths for one particle there are P^L for all together, so this is for small T, D, L.
Every line takes (rnn, theta, X, sigma, p, q) with the noise laws p of the model and q of the inference, on the same nodes; all
but (22) give log p(X), nats per sequence, (N,).
"""

from dataclasses import replace

import autograd.numpy as np

from rnnvae_ref import enumeration
from rnnvae_ref.inference import log_joint, log_q
from rnnvae_ref.numerics import increments, log_mean_exp, log_sum_exp
from rnnvae_ref.rnn import F


def eq18(rnn, theta, X, sigma, p, q):
    r"""Eq. (18).  p(X) = (1/L) sum_l integral dH_l p(H_l, X): L models that differ in h_1, mixed with equal weights."""
    return log_mean_exp(np.array([enumeration.log_p(one, th, X, sigma, p) for one, th in single_particles(rnn, theta)]), axis=0)


def eq19(rnn, theta, X, sigma, p, q):
    r"""Eq. (19).  = (1/L) sum_l integral dH_l [ p(H_l, X) / q(H_l|X) ] q(H_l|X)."""
    log_ratio, log_weight = log_ratios_and_weights(rnn, theta, X, sigma, p, q)
    return log_mean_exp(log_sum_exp(log_ratio + log_weight, axis=1), axis=0)


def eq20(rnn, theta, X, sigma, p, q):
    r"""Eq. (20).  = the same, times the integrals of the other particles' q(H_l'|X), each of which is 1."""
    log_ratio, log_weight = log_ratios_and_weights(rnn, theta, X, sigma, p, q)
    ones = log_sum_exp(log_weight, axis=1)  # (L, N)
    own = log_sum_exp(log_ratio + log_weight, axis=1)
    return log_mean_exp(own + np.sum(ones, axis=0) - ones, axis=0)  # the sum over l' less that of l: prod over l' != l


def eq21(rnn, theta, X, sigma, p, q):
    r"""Eq. (21).  = (1/L) sum_l integral dH [ p(H_l, X) / q(H_l|X) ] q(H_l|X) prod_{l' != l} q(H_l'|X), H = {H_1 .. H_L}."""
    log_ratio, log_weight = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    total = np.array(
        [ratio + own + sum_of_others(log_weight, i) for i, (ratio, own) in enumerate(zip(log_ratio, log_weight, strict=True))]
    )
    return log_mean_exp(log_sum_exp(total, axis=1), axis=0)


def eq22(rnn, theta, X, sigma, p, q):
    r"""Eq. (22).  q(H|X) = prod_l q(H_l|X): its log for every joint path of all particles, nats, (P^L, N)."""
    _, log_weight = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    return np.sum(log_weight, axis=0)


def eq23(rnn, theta, X, sigma, p, q):
    r"""Eq. (23).  = (1/L) sum_l integral dH q(H|X) p(H_l, X) / q(H_l|X)."""
    log_ratio, _ = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    return log_mean_exp(log_sum_exp(log_ratio + eq22(rnn, theta, X, sigma, p, q), axis=1), axis=0)


def eq24(rnn, theta, X, sigma, p, q):
    r"""Eq. (24).  = integral dH q(H|X) ( (1/L) sum_l p(H_l, X) / q(H_l|X) )."""
    log_ratio, _ = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    return log_sum_exp(log_mean_exp(log_ratio, axis=0) + eq22(rnn, theta, X, sigma, p, q), axis=0)


def eq25(rnn, theta, X, sigma, p, q):
    r"""Eq. (25).  log p(X), by the chain rule: each x_t scored by the mixture's exact predictive; E_q(X)[.] of it is np.mean."""
    steps = [enumeration.log_p_steps(one, th, X, sigma, p) for one, th in single_particles(rnn, theta)]
    up_to = np.cumsum(np.array(steps), axis=1)  # log p(x_1 .. x_t) of each model, (L, T, N)
    return np.sum(increments(log_mean_exp(up_to, axis=0)), axis=0)


def eq26(rnn, theta, X, sigma, p, q):
    r"""Eq. (26).  = log E_q(H|X)[ (1/L) sum_l p(H_l, X) / q(H_l|X) ], an equality; `particles` has what one trains."""
    log_ratio, log_weight = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    return np.log(np.sum(np.exp(np.sum(log_weight, axis=0)) * np.mean(np.exp(log_ratio), axis=0), axis=0))


def jensen(rnn, theta, X, sigma, p, q):
    r"""E_q(H|X)[ log (1/L) sum_l p(H_l, X) / q(H_l|X) ] <= (26), Jensen's inequality with the log outside the mean over l."""
    log_ratio, log_weight = all_joint_paths(*log_ratios_and_weights(rnn, theta, X, sigma, p, q))
    return np.sum(np.exp(np.sum(log_weight, axis=0)) * log_mean_exp(log_ratio, axis=0), axis=0)


def single_particles(rnn, theta):
    r"""The L models of one particle each."""
    return [
        (replace(rnn, particles=1), {**{k: theta[k] for k in rnn.shapes()}, "h1": theta["h1"][i : i + 1]})
        for i in range(rnn.particles)
    ]


def log_ratios_and_weights(rnn, theta, X, sigma, p, q):
    r"""log p(H_l, X) / q(H_l|X) and log q(H_l|X) for each particle and each of its paths, both (L, P, N)."""
    eps, _ = enumeration.paths(q, len(X), rnn.hidden)
    ratios, weights = [], []
    for one, th in single_particles(rnn, theta):
        H = F(one, th, X, eps, sigma)
        weights.append(log_q(one, th, X, H, sigma, q))
        ratios.append(log_joint(one, th, X, H, sigma, p) - weights[-1])
    return np.array(ratios), np.array(weights)


def all_joint_paths(*tables):
    r"""Tables (L, P, N) of single particles to (L, P^L, N): entry l of every joint path H = {H_1 .. H_L}."""
    L, P = tables[0].shape[:2]
    index = np.indices((P,) * L).reshape(L, -1)
    return [np.array([row[i] for row, i in zip(table, index, strict=True)]) for table in tables]


def sum_of_others(log_weight, i):
    r"""sum_{l' != i} log q(H_l'|X)."""
    return sum(row for j, row in enumerate(log_weight) if j != i)
