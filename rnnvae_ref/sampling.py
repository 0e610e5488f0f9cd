r"""Draws from the model and its predictions, for one particle and several, without noise and with it."""

import autograd.numpy as np

from rnnvae_ref.inference import Normal
from rnnvae_ref.kernels import traced
from rnnvae_ref.numerics import check_count, check_rng, draw, log_sigmoid
from rnnvae_ref.particles import predicted_weights
from rnnvae_ref.rnn import check_sigma, f, prepare_unpadded, states, table

NORMAL = Normal()


def sample(rnn, theta, rng, steps, N=None, prefix=None, sigma=None, law=NORMAL, logit_rho=np.inf):
    r"""x_t ~ p(x_t | h_t^z), h_{t+1}^l = f(h_t^l, x_t) [+ sigma eps]: draw `N` sequences, or continue each one of `prefix`.

    prefix: (T0, N) integers or (T0, N, M) floats without padding.  sigma, law: noise in the dynamics, for new sequences only.
    With several particles the index z stays with probability rho, else is drawn anew: logit_rho = inf samples Eq. (26),
    -inf Eq. (17). After a prefix z starts from p(z | prefix). Returns the new steps only, (steps, N) or (steps, N, M).
    """
    check_count("steps", steps)
    check_rng(rng)
    h, w = _begin(rnn, theta, N, prefix, sigma, logit_rho)
    columns, drawn = np.arange(h.shape[1]), []
    z = draw(rng.random(h.shape[1]), w.T) if rnn.particles > 1 else 0
    for _ in range(steps):
        drawn.append(rnn.emission.sample(theta, h[z, columns], rng))
        h = f(rnn, theta, h, drawn[-1])
        h = h if sigma is None else h + sigma * law.sample(rng, h.shape)
        z = _next_index(rng, z, rnn.particles, logit_rho)
    return np.array(drawn)


def predict(rnn, theta, X, grid=None, logit_rho=np.inf):
    r"""p(x_t = . | x_1 .. x_{t-1}) for t = 1 .. T+1: the last row is the forecast of what comes next.

    X without padding. Categorical: (T+1, N, V) probabilities. Gaussian: densities on `grid`, (T+1, N, G). Several particles are
    mixed with their weights p(z_t = l | x_<t), which logit_rho decides: inf for Eq. (26), -inf for Eq. (17).
    """
    density = rnn.emission.density(theta, predictive_states(rnn, theta, X), grid)  # (T+1, L, N, G)
    weights = np.exp(predicted_weights(table(rnn, theta, X), logit_rho))
    return np.sum(weights[..., None] * density, axis=1)


def predictive_states(rnn, theta, X):
    r"""h_1 .. h_{T+1}, (T+1, L, N, D), the states that the next step is predicted from. X without padding."""
    X = prepare_unpadded(rnn, theta, X)
    return states(rnn, traced(theta), np.concatenate([X, X[-1:]]))  # h_t never sees x_t, so the extra step is idle


def _begin(rnn, theta, N, prefix, sigma, logit_rho):
    r"""The states (L, N, D) that the first new step is drawn from, and the weights (L, N) of the particles."""
    if (N is None) == (prefix is None):
        raise ValueError("give N to draw new sequences, or prefix to continue given ones, and not both")
    if sigma is not None:
        check_sigma(rnn, sigma)
    if prefix is None:
        check_count("N", N)
        rnn.check(theta)
        h = theta["h1"][:, None, :] + np.zeros((1, N, 1))
        return h, np.full(h.shape[:2], 1.0 / rnn.particles)
    if sigma is not None:
        raise ValueError("prefix must be left out where sigma is given: what noise led to it is not known")
    weights = predicted_weights(table(rnn, theta, prefix), logit_rho)
    return predictive_states(rnn, theta, prefix)[-1], np.exp(weights[-1])


def _next_index(rng, z, particles, logit_rho):
    r"""The particle of each sequence at the next step."""
    if particles == 1:
        return z
    anew = rng.random(len(z)) > np.exp(log_sigmoid(logit_rho))
    return np.where(anew, rng.integers(0, particles, len(z)), z)
