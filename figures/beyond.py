r"""Several particles, beyond the paper: resampling, a gate, and how far apart they are.

With noise and resampling the form of Eq. (17) is a bound. Between two steps the particles are drawn
anew in proportion to their weights. This is a particle filter: its estimate of the p(X) of Eq. (18)
is unbiased (Del Moral, 2004), so the mean of its log bounds log p(X) (Maddison et al., 2017).
"""

import autograd.numpy as np

from rnnvae_ref.numerics import (
    PARTICLES,
    TIME,
    check,
    check_array,
    check_number,
    draw,
    log_sum_exp,
    untraced,
)
from rnnvae_ref.rnn import f, prepare, unroll


def gated_mixture_steps(rnn, theta, X):
    r"""log sum_l pi_t^l p(x_t | h_t^l), nats, (T, N), pi_t^l proportional to exp(v . h_t^l).

    v = theta["v"] (D,); Eq. (17) at v = 0.
    """
    H, ell = unroll(rnn, theta, X)
    check("v" in theta, "theta must hold the gate's v, (D,)", [*theta])
    score = np.tensordot(H, theta["v"], 1)  # (T, L, N)
    log_pi = score - np.expand_dims(log_sum_exp(score, axis=PARTICLES), PARTICLES)
    return log_sum_exp(ell + log_pi, axis=PARTICLES)


def spread(H):
    r"""Root mean square distance of the particles from their mean, (T, L, N, D) -> (T, N)."""
    check(np.ndim(H) == 4, "H must be (T, L, N, D)", H)
    away = H - np.mean(H, axis=1, keepdims=True)
    return np.sqrt(np.mean(np.sum(away**2, axis=-1), axis=1))


def resampled_bound(rnn, theta, X, eps, sigma, uniforms, share=1.0):
    r"""E[ sum_t log sum_l w_t^l p(x_t | h_t^l) ], nats, (N,), with particles resampled by weight.

    uniforms (T-1, S, L, N) in [0, 1): they choose the ancestors, multinomially. Resampled where the
    effective sample size is at most `share` of L: at every step for share = 1; never for share = 0,
    where it is `trajectory_mixture`, Jensen's bound of Eq. (26). The gradient is the usual one: it
    ignores that the choice of ancestors depends on theta.
    """
    filled, _ = prepare(rnn, theta, X, eps, sigma)
    check_array("uniforms", uniforms, [(len(X) - 1, *_shape(rnn, filled, eps)[:-1])])
    steps = resampled(rnn, theta, X, eps, sigma, multinomial(uniforms), share)
    return np.mean(np.sum(steps, axis=TIME), axis=0)


def resampled(rnn, theta, X, eps, sigma, choose, share=1.0):
    r"""log p(x_t | x_<t) as the particles estimate it, of every sample, nats, (T, S, N).

    choose(t, w) gives the ancestors (S, L, N) of particles with weights w. The mean weight is
    accumulated since the last resampling: what is not resampled keeps its weight.
    """
    X, observed = prepare(rnn, theta, X, eps, sigma)
    check_number("share", share, least=0, most=1)
    check(callable(choose), "choose must be a function, such as multinomial(..)", choose)
    shape = _shape(rnn, X, eps)
    h = theta["h1"][:, None, :] + np.zeros(shape)
    log_w = np.full(shape[:-1], -np.log(shape[1]))
    steps = []
    for t in range(len(X)):
        joint = log_w + observed[t] * rnn.emission.log_p(theta, h, X[t])
        steps.append(log_sum_exp(joint, axis=PARTICLES))
        log_w = joint - steps[-1][:, None, :]
        if t < len(X) - 1:
            h, log_w = _resample(h, log_w, t, choose, share)
            h = f(rnn, theta, h, X[t]) + sigma * eps[t]
    return np.array(steps)


def multinomial(uniforms):
    r"""Ancestors by inverting the cumulative weights at the uniforms given, (T-1, S, L, N)."""
    check_array("uniforms", uniforms)
    if not ((uniforms >= 0) & (uniforms < 1)).all():
        raise ValueError("uniforms must lie in [0, 1), as rng.random gives them")
    return lambda t, w: draw(uniforms[t], np.swapaxes(w, 1, 2)[:, None])


def _shape(rnn, X, eps):
    r"""(S, L, N, D), the shape of h_t; eps needs all its axes here."""
    check(np.ndim(eps) == 5, "eps must have all five axes (T-1, S, L, N, D) here", eps)
    return np.broadcast_shapes(eps.shape[1:], (rnn.particles, X.shape[1], rnn.hidden))


def _resample(h, log_w, t, choose, share):
    r"""Where few particles carry the weight: the ancestor's state, and weight 1/L."""
    w = np.exp(untraced(log_w))
    S, L, N = w.shape
    effective_size = 1.0 / np.sum(w**2, axis=1, keepdims=True)  # between 1 and L
    low = effective_size <= share * L + 1e-9
    ancestors = np.where(low, choose(t, w), np.arange(L)[:, None])
    h = h[np.arange(S)[:, None, None], ancestors, np.arange(N)]
    return h, np.where(low, -np.log(L), log_w)
