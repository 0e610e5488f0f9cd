r"""Particles with noise and resampling, which make the form of Eq. (17) a bound. Ours, not the paper's.

Between two steps the particles are drawn anew in proportion to their weights. The log of the mean weight, accumulated since
the last resampling, is then the estimate of a particle filter: its exp is unbiased for p(X) of Eq. (18) (Maddison et al., 2017).
"""

import autograd.numpy as np

from rnnvae_ref.numerics import PARTICLES, TIME, draw, log_sum_exp, untraced
from rnnvae_ref.rnn import f, prepare


def resampled_bound(rnn, theta, X, eps, sigma, uniforms, share=1.0):
    r"""E[ sum_t log sum_l w_t^l p(x_t | h_t^l) ] with particles resampled in proportion to their weights, nats, (N,).

    uniforms (T-1, S, L, N) in [0, 1): they choose the ancestors, multinomially. Resampled where the effective sample size is at
    most `share` of L: at every step for share = 1, never for share = 0, which is Eq. (26). For one sample S its exp is unbiased
    for p(X) of Eq. (18): the likelihood estimate of a particle filter (Maddison et al., 2017). The gradient is the usual one,
    which ignores that the choice of ancestors depends on theta. On the plain loop, because it interleaves with the dynamics.
    """
    return np.sum(resampled_bound_steps(rnn, theta, X, eps, sigma, uniforms, share), axis=TIME)


def resampled_bound_steps(rnn, theta, X, eps, sigma, uniforms, share=1.0):
    r"""log p(x_t | x_<t) as the particles estimate it, averaged over the samples, nats, (T, N)."""
    prepare(rnn, theta, X, eps, sigma)
    wanted = len(X) - 1, *np.broadcast_shapes(eps.shape[1:-1], (rnn.particles, X.shape[1]))
    if eps.ndim == 5 and np.shape(uniforms) != wanted:
        raise ValueError(f"uniforms must be (T-1, S, L, N) = {wanted}; got shape {np.shape(uniforms)}")
    return np.mean(resampled(rnn, theta, X, eps, sigma, multinomial(uniforms), share), axis=1)


def resampled(rnn, theta, X, eps, sigma, choose, share=1.0):
    r"""The same of every sample, nats, (T, S, N). choose(t, w) gives the ancestors (S, L, N) of particles with weights w."""
    X, observed = prepare(rnn, theta, X, eps, sigma)
    shape = np.broadcast_shapes(eps.shape[1:], (rnn.particles, X.shape[1], rnn.hidden))
    if eps.ndim != 5:
        raise ValueError(f"eps must have all five axes (T-1, S, L, N, D) here; got shape {eps.shape}")
    h, log_w, steps = theta["h1"][:, None, :] + np.zeros(shape), np.full(shape[:-1], -np.log(shape[1])), []
    for t in range(len(X)):
        joint = log_w + observed[t] * rnn.emission.log_p(theta, h, X[t])
        steps.append(log_sum_exp(joint, axis=PARTICLES))
        log_w = joint - steps[-1][:, None, :]  # what is not resampled keeps its weight
        if t < len(X) - 1:
            h, log_w = _resample(h, log_w, t, choose, share)
            h = f(rnn, theta, h, X[t]) + sigma * eps[t]
    return np.array(steps)


def multinomial(uniforms):
    r"""Ancestors by inverting the cumulative weights at the uniforms given."""
    return lambda t, w: draw(uniforms[t], np.swapaxes(w, 1, 2)[:, None])


def _resample(h, log_w, t, choose, share):
    r"""Where the effective sample size is low, each particle takes its ancestor's state, and equal weights."""
    w = np.exp(untraced(log_w))
    S, L, N = w.shape
    low = effective_sample_size(w)[:, None, :] <= share * L + 1e-9
    ancestors = np.where(low, choose(t, w), np.arange(L)[:, None])
    h = h[np.arange(S)[:, None, None], ancestors, np.arange(N)]
    return h, np.where(low, -np.log(L), log_w)


def effective_sample_size(w):
    r"""1 / sum_l w_l^2 of weights (..., L, N) that sum to one: between 1 and L."""
    return 1.0 / np.sum(w**2, axis=PARTICLES)
