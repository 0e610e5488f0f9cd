r"""Appendix A, Eqs. (18)-(26): the derivation with L particles, line by line, evaluated exactly.

Particle l is a model of its own, with its own h_1^l and all else shared; Eq. (18) redefines p(X) as
the equal-weight mixture of these L models. With P noise paths for one particle there are P^L for
all together, so this is for small T, D, L. Every line takes (rnn, theta, X, sigma, p, q) with the
discrete noise laws p of the model and q of the inference, on the same nodes; all but (22) and
`jensen` give log p(X), nats, (N,). Only (18) and (25) allow a padded X and sigma = 0."""

from dataclasses import replace

import autograd.numpy as np

from rnnvae_ref import enumeration
from rnnvae_ref.inference import log_joint, log_q
from rnnvae_ref.laws import Discrete, check_law
from rnnvae_ref.numerics import check, check_count, increments, log_mean_exp, log_sum_exp, untraced
from rnnvae_ref.rnn import F, check_model

MOST_JOINT_PATHS = 1 << 20


def eq18(rnn, theta, X, sigma, p, q):
    r"""Eq. (18).  p(X) = (1/L) sum_l integral dH_l p(H_l, X): L models, one for each h_1."""
    models = single_particles(rnn, theta)
    log_p = [enumeration.log_p(one, th, X, sigma, p) for one, th in models]
    return log_mean_exp(np.array(log_p), axis=0)


def eq19(rnn, theta, X, sigma, p, q):
    r"""Eq. (19).  = (1/L) sum_l integral dH_l [ p(H_l, X) / q(H_l|X) ] q(H_l|X)."""
    log_ratio, log_q_l = log_ratios_and_weights(rnn, theta, X, sigma, p, q)
    return log_mean_exp(log_sum_exp(log_ratio + log_q_l, axis=1), axis=0)


def eq20(rnn, theta, X, sigma, p, q):
    r"""Eq. (20).  = the same, times the integrals of the others' q(H_l'|X), which are 1."""
    log_ratio, log_q_l = log_ratios_and_weights(rnn, theta, X, sigma, p, q)
    own = log_sum_exp(log_ratio + log_q_l, axis=1)  # (L, N)
    log_ones = log_sum_exp(log_q_l, axis=1)
    others = np.sum(log_ones, axis=0) - log_ones  # log of the product over l' != l
    return log_mean_exp(own + others, axis=0)


def eq21(rnn, theta, X, sigma, p, q):
    r"""Eq. (21).  = (1/L) sum_l integral dH ratio_l q(H_l|X) prod_{l'!=l} q(H_l'|X).

    H = {H_1 .. H_L}: the sum is over all joint paths."""
    log_ratio, log_q_l = joint_tables(rnn, theta, X, sigma, p, q)
    others = np.sum(log_q_l, axis=0) - log_q_l  # l' != l
    return log_mean_exp(log_sum_exp(log_ratio + log_q_l + others, axis=1), axis=0)


def eq22(rnn, theta, X, sigma, p, q):
    r"""Eq. (22).  log q(H|X) = sum_l log q(H_l|X) of every joint path, nats, (P^L, N)."""
    _, log_q_l = joint_tables(rnn, theta, X, sigma, p, q)
    return np.sum(log_q_l, axis=0)


def eq23(rnn, theta, X, sigma, p, q):
    r"""Eq. (23).  = (1/L) sum_l integral dH q(H|X) p(H_l, X) / q(H_l|X)."""
    log_ratio, _ = joint_tables(rnn, theta, X, sigma, p, q)
    log_q_H = eq22(rnn, theta, X, sigma, p, q)
    return log_mean_exp(log_sum_exp(log_ratio + log_q_H, axis=1), axis=0)


def eq24(rnn, theta, X, sigma, p, q):
    r"""Eq. (24).  = integral dH q(H|X) ( (1/L) sum_l p(H_l, X) / q(H_l|X) )."""
    log_ratio, _ = joint_tables(rnn, theta, X, sigma, p, q)
    log_q_H = eq22(rnn, theta, X, sigma, p, q)
    return log_sum_exp(log_q_H + log_mean_exp(log_ratio, axis=0), axis=0)


def eq25(rnn, theta, X, sigma, p, q):
    r"""Eq. (25).  log p(X) by the chain rule: the mixture's exact predictive scores each x_t."""
    models = single_particles(rnn, theta)
    steps = [enumeration.log_p_steps(one, th, X, sigma, p) for one, th in models]
    up_to = np.cumsum(np.array(steps), axis=1)  # log p(x_1 .. x_t) of each model, (L, T, N)
    return np.sum(increments(log_mean_exp(up_to, axis=0)), axis=0)


def eq26(rnn, theta, X, sigma, p, q):
    r"""Eq. (26).  = log E_q(H|X)[ (1/L) sum_l p(H_l, X) / q(H_l|X) ], an equality."""
    log_ratio, log_q_l = joint_tables(rnn, theta, X, sigma, p, q)
    q_H = np.exp(np.sum(log_q_l, axis=0))
    top = np.max(untraced(log_ratio), axis=(0, 1))  # exp of it may be too large or small
    return top + np.log(np.sum(q_H * np.mean(np.exp(log_ratio - top), axis=0), axis=0))


def jensen(rnn, theta, X, sigma, p, q):
    r"""E_q(H|X)[ log (1/L) sum_l p(H_l, X) / q(H_l|X) ] <= (26), by Jensen's inequality."""
    log_ratio, log_q_l = joint_tables(rnn, theta, X, sigma, p, q)
    q_H = np.exp(np.sum(log_q_l, axis=0))
    return np.sum(q_H * log_mean_exp(log_ratio, axis=0), axis=0)


def single_particles(rnn, theta):
    r"""The L models of one particle each: a list of (rnn, theta)."""
    check_model(rnn, theta)
    shared = {key: theta[key] for key in rnn.shapes()}
    one = replace(rnn, particles=1)
    return [(one, shared | {"h1": theta["h1"][i : i + 1]}) for i in range(rnn.particles)]


def log_ratios_and_weights(rnn, theta, X, sigma, p, q):
    r"""log p(H_l, X) / q(H_l|X) and log q(H_l|X) of each particle on each path, (L, P, N)."""
    check_law("law (or p, q)", p, (Discrete,))
    eps, _ = enumeration.model_paths(rnn, theta, X, q)
    check({*p.nodes} <= {*q.nodes}, "q must have all nodes of p: a path of q = 0 would be lost", q)
    ratios, log_qs = [], []
    for one, th in single_particles(rnn, theta):
        H = F(one, th, X, eps, sigma)
        log_qs.append(log_q(one, th, X, H, sigma, q))
        ratios.append(log_joint(one, th, X, H, sigma, p) - log_qs[-1])
    return np.array(ratios), np.array(log_qs)


def joint_tables(rnn, theta, X, sigma, p, q):
    r"""The same two tables over all joint paths H = {H_1 .. H_L}, (L, P^L, N)."""
    tables = log_ratios_and_weights(rnn, theta, X, sigma, p, q)
    L, P = tables[0].shape[:2]
    check_count("P^L, the number of joint paths,", P**L, most=MOST_JOINT_PATHS)
    index = np.indices((P,) * L).reshape(L, -1)  # the path of each particle in each joint path
    return [np.array([row[i] for row, i in zip(table, index, strict=True)]) for table in tables]
