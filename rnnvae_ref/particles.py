r"""Section 3.1 and the end of Appendix A: several particles, Eqs. (17), (26), (27), and the family between them.

All are reductions of one table ell[t, ..., l, n] = log p(x_t | h_t^l):

    trajectory_mixture   Eq. (26): log (1/L) sum_l prod_t p(x_t | h_t^l).  One particle explains the whole sequence.
    per_step_mixture     Eqs. (17), (27): sum_t log (1/L) sum_l p(x_t | h_t^l).  A particle is drawn anew at each step.
    sticky_mixture       a hidden index stays with probability rho, else is drawn anew: rho = 1 is (26), rho = 0 is (17).
    gated_mixture        (17) with weights exp(v . h_t^l) in place of 1/L.

DEPARTS: (27) does not follow from (26), because the log does not pass prod_t. Each is the exact log likelihood of a normalised
model, but of two different ones, and neither bounds the other. With noise, E_q(H|X)[.] is a mean over S draws eps
(T-1, S, L, N, D), or exact with `log_w`. Nats per sequence, (N,); the `_steps` forms, (T, N), give log p(x_t | x_<t).
"""

import autograd.numpy as np
from autograd import elementwise_grad

from rnnvae_ref.kernels import log_forward
from rnnvae_ref.numerics import (
    PARTICLES,
    TIME,
    increments,
    log_mean_exp,
    log_sigmoid,
    log_sum_exp,
    weighted_mean,
)
from rnnvae_ref.rnn import table, unroll


def trajectory_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eq. (26).  log (1/L) sum_l prod_t p(x_t | h_t^l) for noise-free particles, where it equals log p(X) of Eq. (18).

    With noise E_q[ log (1/L) sum_l prod_t p(x_t | h_t^l) ] <= log p(X), Jensen's inequality applied to Eq. (26): for particles
    that share h_1 the importance-weighted bound of Burda et al. (2015), non-decreasing in L.
    """
    return _mean(log_mean_exp(np.sum(table(rnn, theta, X, eps, sigma), axis=TIME), axis=PARTICLES), log_w, eps)


def trajectory_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""log sum_l pi_t^l p(x_t | h_t^l), pi_t^l proportional to prod_{s<t} p(x_s | h_s^l), nats, (T, N): the steps of Eq. (26)."""
    up_to = log_mean_exp(np.cumsum(table(rnn, theta, X, eps, sigma), axis=TIME), axis=PARTICLES)
    return _mean(increments(up_to), log_w, eps)


def per_step_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eqs. (17) and (27), as printed.  sum_t log (1/L) sum_l p(x_t | h_t^l): weights reset to 1/L at each step.

    DEPARTS: no bound on the log p(X) of Eq. (18); the exact log likelihood of the model that draws a particle anew at each step.
    """
    return _mean(np.sum(log_mean_exp(table(rnn, theta, X, eps, sigma), axis=PARTICLES), axis=TIME), log_w, eps)


def per_step_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""log (1/L) sum_l p(x_t | h_t^l), nats, (T, N): the steps of Eq. (17)."""
    return _mean(log_mean_exp(table(rnn, theta, X, eps, sigma), axis=PARTICLES), log_w, eps)


def sticky_mixture(rnn, theta, X, logit_rho, eps=None, sigma=None, log_w=None):
    r"""log of the sum over indices z_1 .. z_T of p(z) prod_t p(x_t | h_t^{z_t}), z a chain that stays with probability rho.

    logit_rho: a number, -inf for Eq. (17), inf for Eq. (26), or theta["logit_rho"] to learn it.
    """
    return np.sum(sticky_mixture_steps(rnn, theta, X, logit_rho, eps, sigma, log_w), axis=TIME)


def sticky_mixture_steps(rnn, theta, X, logit_rho, eps=None, sigma=None, log_w=None):
    r"""log p(x_t | x_<t) of the sticky mixture, nats, (T, N)."""
    return _mean(log_forward(table(rnn, theta, X, eps, sigma), logit_rho), log_w, eps)


def gated_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""sum_t log sum_l pi_t^l p(x_t | h_t^l), pi_t^l proportional to exp(v . h_t^l), v = theta["v"] (D,); Eq. (17) at v = 0."""
    return np.sum(gated_mixture_steps(rnn, theta, X, eps, sigma, log_w), axis=TIME)


def gated_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""log sum_l pi_t^l p(x_t | h_t^l), nats, (T, N)."""
    H, ell = unroll(rnn, theta, X, eps, sigma)
    return _mean(log_sum_exp(ell + gate(theta, H), axis=PARTICLES), log_w, eps)


def gate(theta, H):
    r"""log pi^l = v . h^l - log sum_m exp(v . h^m), (..., L, N, D) -> (..., L, N)."""
    score = np.tensordot(H, theta["v"], 1)
    return score - np.expand_dims(log_sum_exp(score, axis=PARTICLES), PARTICLES)


def filtered_weights(ell, logit_rho=np.inf):
    r"""log p(z_t = l | x_1 .. x_t), (T, L, N), from a table (T, L, N)."""
    predicted = predicted_weights(ell, logit_rho)[:-1] + ell
    return predicted - log_sum_exp(predicted, axis=1)[:, None]


def predicted_weights(ell, logit_rho=np.inf):
    r"""log p(z_t = l | x_1 .. x_{t-1}) for t = 1 .. T+1, (T+1, L, N): the weights of the particles in the next prediction."""
    stay, leave = log_sigmoid(logit_rho), log_sigmoid(-logit_rho) - np.log(ell.shape[1])
    log_w = [np.full(ell.shape[1:], -np.log(ell.shape[1]))]
    for step in ell:
        joint = log_w[-1] + step
        log_w.append(np.logaddexp(stay + joint - log_sum_exp(joint, axis=0), leave))
    return np.array(log_w)


def smoothed_weights(ell, logit_rho=np.inf):
    r"""p(z_t = l | x_1 .. x_T), (T, L, N): which particle explains which step; the gradient of log p(X) with respect to ell."""
    return elementwise_grad(lambda ell: np.sum(log_forward(ell, logit_rho)))(ell)


def spread(H):
    r"""Root mean square distance of the particles from their mean, at every step, (T, L, N, D) -> (T, N)."""
    away = H - np.mean(H, axis=1, keepdims=True)
    return np.sqrt(np.mean(np.sum(away**2, axis=-1), axis=1))


def _mean(a, log_w, eps):
    r"""E_q(H|X)[.]: over the samples, if eps has any, (..., [S,] N) -> (..., N)."""
    return weighted_mean(a, log_w) if np.ndim(eps) == 5 else a
