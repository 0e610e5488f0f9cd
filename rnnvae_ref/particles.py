r"""Section 3.1 and the end of Appendix A: several particles, Eqs. (17), (26), (27), and the family between them.

All are reductions of one table ell[t, ..., l, n] = log p(x_t | h_t^l):

    trajectory_mixture   Eq. (26): log (1/L) sum_l prod_t p(x_t | h_t^l).  One particle explains the whole sequence.
    per_step_mixture     Eqs. (17), (27): sum_t log (1/L) sum_l p(x_t | h_t^l).  A particle is drawn anew at each step.
    sticky_mixture       a hidden index stays with probability rho, else is drawn anew: rho = 1 is (26), rho = 0 is (17).
    gated_mixture        (17) with weights exp(v . h_t^l) in place of 1/L.
    resampled_bound      (26) with noise and resampling: the form of (17) made a bound.

DEPARTS: (27) does not follow from (26), because the log does not pass prod_t. Each is the exact log likelihood of a normalised
model, but of two different ones, and neither bounds the other. With noise, E_q(H|X)[.] is a mean over S draws eps
(T-1, S, L, N, D), or exact with `log_w`. Nats per sequence, (N,); the `_steps` forms, (T, N), give log p(x_t | x_<t).
"""

import autograd.numpy as np
from autograd import elementwise_grad

from rnnvae_ref.kernels import log_forward
from rnnvae_ref.numerics import PARTICLES, TIME, check_count, check_rng, log_mean_exp, log_sum_exp, untraced, weighted_mean
from rnnvae_ref.rnn import check, f, predictive_states, run, table


def trajectory_mixture(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""Eq. (26).  log (1/L) sum_l prod_t p(x_t | h_t^l) for noise-free particles, where it equals log p(X) of Eq. (18).

    With noise E_q[ log (1/L) sum_l prod_t p(x_t | h_t^l) ] <= log p(X), Jensen's inequality applied to Eq. (26): for particles
    that share h_1 the importance-weighted bound of Burda et al. (2015), non-decreasing in L.
    """
    return _mean(log_mean_exp(np.sum(table(rnn, theta, X, eps, sigma), axis=TIME), axis=PARTICLES), log_w, eps)


def trajectory_mixture_steps(rnn, theta, X, eps=None, sigma=None, log_w=None):
    r"""log sum_l pi_t^l p(x_t | h_t^l), pi_t^l proportional to prod_{s<t} p(x_s | h_s^l), nats, (T, N): the steps of Eq. (26)."""
    up_to = log_mean_exp(np.cumsum(table(rnn, theta, X, eps, sigma), axis=TIME), axis=PARTICLES)
    return _mean(up_to - np.concatenate([np.zeros_like(up_to[:1]), up_to[:-1]]), log_w, eps)


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
    H, ell = run(rnn, theta, X, eps, sigma)
    return _mean(log_sum_exp(ell + gate(theta, H), axis=PARTICLES), log_w, eps)


def gate(theta, H):
    r"""log pi^l = v . h^l - log sum_m exp(v . h^m), (..., L, N, D) -> (..., L, N)."""
    score = np.tensordot(H, theta["v"], 1)
    return score - np.expand_dims(log_sum_exp(score, axis=PARTICLES), PARTICLES)


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
    check(rnn, theta, X, eps, sigma)
    wanted = len(X) - 1, *np.broadcast_shapes(eps.shape[1:-1], (rnn.particles, X.shape[1]))
    if eps.ndim == 5 and np.shape(uniforms) != wanted:
        raise ValueError(f"uniforms must be (T-1, S, L, N) = {wanted}; got shape {np.shape(uniforms)}")
    return np.mean(resampled(rnn, theta, X, eps, sigma, multinomial(uniforms), share), axis=1)


def resampled(rnn, theta, X, eps, sigma, choose, share=1.0):
    r"""The same of every sample, nats, (T, S, N). choose(t, w) gives the ancestors (S, L, N) of particles with weights w."""
    X, observed = check(rnn, theta, X, eps, sigma)
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
    return lambda t, w: np.sum(uniforms[t][:, :, None] > np.cumsum(w, axis=1)[:, None, :-1], axis=2)


def _resample(h, log_w, t, choose, share):
    r"""Where the effective sample size is low, each particle takes its ancestor's state, and equal weights."""
    w = np.exp(untraced(log_w))
    S, L, N = w.shape
    low = effective_sample_size(w)[:, None, :] <= share * L + 1e-9
    ancestors = np.where(low, choose(t, w), np.arange(L)[:, None])
    h = h[np.arange(S)[:, None, None], ancestors, np.arange(N)]
    return h, np.where(low, -np.log(L), log_w)


def sample(rnn, theta, rng, steps, N=None, prefix=None, logit_rho=np.inf):
    r"""x_t ~ p(x_t | h_t^{z_t}), h_{t+1}^l = f(h_t^l, x_t) for all l: draw `N` sequences, or continue each one of `prefix`.

    The index z stays with probability rho, else is drawn anew: logit_rho = inf samples Eq. (26), -inf Eq. (17). After a prefix it
    starts from its filtered posterior. Returns the new steps, (steps, N) or (steps, N, M).
    """
    check_count("steps", steps)
    check_rng(rng)
    h, log_w = _begin(rnn, theta, N, prefix, logit_rho)
    z, columns, drawn = _draw(rng, np.exp(log_w)), np.arange(h.shape[1]), []
    for _ in range(steps):
        drawn.append(rnn.emission.sample(theta, h[z, columns], rng))
        h = f(rnn, theta, h, drawn[-1])
        anew = rng.random(len(z)) > np.exp(-np.logaddexp(0.0, -logit_rho))
        z = np.where(anew, rng.integers(0, rnn.particles, len(z)), z)
    return np.array(drawn)


def predict(rnn, theta, X, grid=None, logit_rho=np.inf):
    r"""p(x_t = . | x_1 .. x_{t-1}) for t = 1 .. T+1, (T+1, N, V) or (T+1, N, G): densities of the particles, rightly weighted."""
    density = rnn.emission.density(theta, predictive_states(rnn, theta, X), grid)  # (T+1, L, N, G)
    weights = np.exp(predicted_weights(table(rnn, theta, X), logit_rho))
    return np.sum(weights[..., None] * density, axis=1)


def filtered_weights(ell, logit_rho=np.inf):
    r"""log p(z_t = l | x_1 .. x_t), (T, L, N), from a table (T, L, N)."""
    predicted = predicted_weights(ell, logit_rho)[:-1] + ell
    return predicted - log_sum_exp(predicted, axis=1)[:, None]


def predicted_weights(ell, logit_rho=np.inf):
    r"""log p(z_t = l | x_1 .. x_{t-1}) for t = 1 .. T+1, (T+1, L, N): the weights of the particles in the next prediction."""
    stay, leave = -np.logaddexp(0.0, -logit_rho), -np.logaddexp(0.0, logit_rho) - np.log(ell.shape[1])
    log_w = [np.full(ell.shape[1:], -np.log(ell.shape[1]))]
    for step in ell:
        joint = log_w[-1] + step
        log_w.append(np.logaddexp(stay + joint - log_sum_exp(joint, axis=0), leave))
    return np.array(log_w)


def smoothed_weights(ell, logit_rho=np.inf):
    r"""p(z_t = l | x_1 .. x_T), (T, L, N): which particle explains which step; the gradient of log p(X) with respect to ell."""
    return elementwise_grad(lambda ell: np.sum(log_forward(ell, logit_rho)))(ell)


def effective_sample_size(w):
    r"""1 / sum_l w_l^2 of weights (..., L, N) that sum to one: between 1 and L."""
    return 1.0 / np.sum(w**2, axis=PARTICLES)


def spread(H):
    r"""Root mean square distance of the particles from their mean, at every step, (T, L, N, D) -> (T, N)."""
    away = H - np.mean(H, axis=1, keepdims=True)
    return np.sqrt(np.mean(np.sum(away**2, axis=-1), axis=1))


def _mean(a, log_w, eps):
    r"""E_q(H|X)[.]: over the samples, if eps has any, (..., [S,] N) -> (..., N)."""
    return weighted_mean(a, log_w) if np.ndim(eps) == 5 else a


def _begin(rnn, theta, N, prefix, logit_rho):
    if (N is None) == (prefix is None):
        raise ValueError("give N to draw new sequences, or prefix to continue given ones, and not both")
    if prefix is None:
        check_count("N", N)
        rnn.check(theta)
        h = theta["h1"][:, None, :] + np.zeros((1, N, 1))
        return h, np.full(h.shape[:2], -np.log(rnn.particles))
    return predictive_states(rnn, theta, prefix)[-1], predicted_weights(table(rnn, theta, prefix), logit_rho)[-1]


def _draw(rng, w):
    return np.sum(rng.random(w.shape[1]) > np.cumsum(w, axis=0)[:-1], axis=0)
