r"""Section 3.1 and the end of Appendix A: several particles, Eqs. (17), (26), (27).

All are functions of one table ell = log p(x_t | h_t^l):

    trajectory_mixture   Eq. (26) at H = F(X): log (1/L) sum_l prod_t p(x_t | h_t^l).
                         One particle explains the whole sequence.
    per_step_mixture     Eqs. (17), (27): sum_t log (1/L) sum_l p(x_t | h_t^l).
                         The index l is drawn anew at each step; the trajectories are not.
    sticky_mixture       The index stays with probability rho, else it is drawn anew, uniformly:
                         rho = 1 is (26), rho = 0 is (17).

DEPARTS: (27) does not follow from (26), because the mean over particles is between the log and the
product over t. Without noise each is the exact log likelihood of a normalised model; those of (26)
and (17) differ, and neither bounds the other. Their `_steps`, (T, N), are log p(x_t | x_<t), where
x_<t is x_1 .. x_{t-1}. With noise each is a mean, E_q(H|X)[.], over S draws eps (T-1, S, L, N, D),
or exact with `log_w`. Nats per sequence, (N,)."""

import autograd.numpy as np

from rnnvae_ref.kernels import forward, log_forward
from rnnvae_ref.numerics import (
    PARTICLES, TIME, check, check_array, check_number, increments, log_mean_exp, weighted_mean,
)  # fmt: skip
from rnnvae_ref.rnn import table


def trajectory_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eq. (26) at H = F(X).  log [ (1/L) sum_l prod_t p(x_t | h_t^l) ], nats, (N,).

    Without noise it is the log p(X) of Eq. (18). Eq. (26) for any q is `appendix.eq26`. With noise
    E_q[ log (1/L) sum_l prod_t p(x_t | h_t^l) ] <= log p(X), Jensen's inequality for Eq. (26). If
    the particles share h_1, it is the IWAE bound of Burda et al., 2015, and never falls with L."""
    ell = table(rnn, theta, X, eps, sigma)
    return _over_samples(log_mean_exp(np.sum(ell, axis=TIME), axis=PARTICLES), log_w, eps)


def trajectory_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""The steps of Eq. (26): log sum_l w_t^l p(x_t | h_t^l), nats, (T, N).

    w_t^l is proportional to prod_{s<t} p(x_s | h_s^l)."""
    ell = table(rnn, theta, X, eps, sigma)
    up_to = log_mean_exp(np.cumsum(ell, axis=TIME), axis=PARTICLES)  # log p(x_1 .. x_t)
    return _over_samples(increments(up_to), log_w, eps)


def per_step_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eqs. (17) and (27), as printed.  sum_t log (1/L) sum_l p(x_t | h_t^l).

    DEPARTS: no bound on the log p(X) of Eq. (18); see above."""
    return np.sum(per_step_mixture_steps(rnn, theta, X, eps, sigma, log_w), axis=TIME)


def per_step_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""The steps of Eq. (17): log (1/L) sum_l p(x_t | h_t^l), nats, (T, N)."""
    ell = table(rnn, theta, X, eps, sigma)
    return _over_samples(log_mean_exp(ell, axis=PARTICLES), log_w, eps)


def sticky_mixture(rnn, theta, X, logit_rho, eps=None, sigma=None, log_w=None):
    r"""log of the sum over indices z_1 .. z_T of p(z) prod_t p(x_t | h_t^{z_t}), nats, (N,).

    z is a chain that stays with probability rho.  logit_rho: a number, -inf for Eq. (17), inf for
    Eq. (26), or theta["logit_rho"] to learn it."""
    return np.sum(sticky_mixture_steps(rnn, theta, X, logit_rho, eps, sigma, log_w), axis=TIME)


def sticky_mixture_steps(rnn, theta, X, logit_rho, eps=None, sigma=None, log_w=None):
    r"""log p(x_t | x_<t) of the sticky mixture, nats, (T, N)."""
    check_number("logit_rho", logit_rho, finite=False)
    ell = table(rnn, theta, X, eps, sigma)
    return _over_samples(log_forward(ell, logit_rho), log_w, eps)


def predicted_weights(ell, logit_rho=np.inf):
    r"""log p(z_t = l | x_1 .. x_{t-1}) for t = 1 .. T+1, (T+1, L, N), from a table ell (T, L, N).

    The particles' weights in the next prediction, by default those of Eq. (26)."""
    check_number("logit_rho", logit_rho, finite=False)
    check_array("ell", ell)
    check(np.ndim(ell) == 3 and np.size(ell), "ell must be (T, L, N), not empty", ell)
    return forward(ell, logit_rho)[1]


def _over_samples(a, log_w, eps):
    r"""E_q(H|X)[.] of a (..., [S,] N): a mean over S if eps has five axes, else a itself."""
    if np.ndim(eps) == 5:
        return weighted_mean(a, log_w)
    if log_w is not None:
        raise ValueError("log_w weighs the samples of eps (T-1, S, L, N, D): eps has no axis S")
    return a
