r"""Draws from the model, predictions and forecasts, for one particle and several."""

import autograd.numpy as np

from rnnvae_ref.inference import Normal
from rnnvae_ref.kernels import traced
from rnnvae_ref.numerics import (
    check_count, check_number, check_positive, check_rng, describe, draw, log_sigmoid,
)  # fmt: skip
from rnnvae_ref.particles import predicted_weights
from rnnvae_ref.rnn import check_model, check_sigma, f, prepare, prepare_unpadded, states, table

NORMAL = Normal()


def sample(rnn, theta, rng, steps, N=None, prefix=None, sigma=None, law=NORMAL, logit_rho=np.inf,
           temperature=1.0):  # fmt: skip
    r"""x_t ~ p(x_t | h_t^z), h_{t+1}^l = f(h_t^l, x_t) [+ sigma eps]: draws, (steps, N[, M]).

    `N` new sequences, or the next steps of each sequence in `prefix`, (T0, N) integers or
    (T0, N, M) floats; a padded one goes on from its own end.
    sigma, law: noise in the dynamics, for new sequences only.  temperature: symbols are drawn with
    probabilities proportional to p(x_t | h_t^z)^(1 / temperature).
    With several particles the index z stays with probability rho, else is drawn anew: logit_rho =
    inf samples Eq. (26), -inf Eq. (17). After a prefix z starts from p(z | prefix).
    """
    check_count("steps", steps)
    check_rng(rng)
    h, w = _begin(rnn, theta, N, prefix, sigma, logit_rho)
    noise = None if sigma is None else lambda: sigma * law.sample(rng, h.shape)
    heated = _heated(rnn, theta, temperature)
    return _drawn(rnn, theta, rng, steps, h, w, logit_rho, heated, noise)


def forecast(rnn, theta, series, steps, draws, rng, *, levels=(5, 25, 50, 75, 95), end=None,
             logit_rho=np.inf):  # fmt: skip
    r"""Bands of what follows series.X[:end], in the units of the file, (len(levels), steps, M).

    The quantiles, `levels` in per cent, of `draws` continuations drawn from the model.
    """
    check_count("steps", steps)
    check_count("draws", draws)
    check_rng(rng)
    if not hasattr(series, "decode") or not hasattr(series, "X"):
        raise ValueError(f"series must be a data.Series; got {describe(series)}")
    check_count("end", len(series.X) if end is None else end, most=len(series.X))
    for level in np.ravel(levels).tolist():
        check_number("levels", level, least=0, most=100)
    h, w = _after(rnn, theta, series.X[:end], logit_rho)
    h, w = np.repeat(h, draws, axis=1), np.repeat(w, draws, axis=1)
    X = _drawn(rnn, theta, rng, steps, h, w, logit_rho, theta)
    return series.decode(np.percentile(X, levels, axis=1))


def predict(rnn, theta, X, grid=None, logit_rho=np.inf):
    r"""p(x_t = . | x_1 .. x_{t-1}) for t = 1 .. T+1: the last row is the forecast of what is next.

    X without padding. Categorical: (T+1, N, V) probabilities. Gaussian: densities on `grid`,
    (T+1, N, G). Several particles are mixed with their weights p(z_t = l | x_<t), which logit_rho
    decides: inf for Eq. (26), -inf for Eq. (17).
    """
    check_model(rnn, theta)
    density = rnn.emission.density(theta, predictive_states(rnn, theta, X), grid)  # (T+1, L, N, G)
    weights = np.exp(predicted_weights(table(rnn, theta, X), logit_rho))
    return np.sum(weights[..., None] * density, axis=1)


def predictive_states(rnn, theta, X):
    r"""h_1 .. h_{T+1}, (T+1, L, N, D): what the next step is predicted from. X without padding."""
    return _states(rnn, theta, prepare_unpadded(rnn, theta, X))


def _states(rnn, theta, X):
    # h_t never sees x_t, so the step that is added is idle.
    return states(rnn, traced(theta), np.concatenate([X, X[-1:]]))


def _begin(rnn, theta, N, prefix, sigma, logit_rho):
    r"""The states (L, N, D) before the first new step, and the weights (L, N) of the particles."""
    check_model(rnn, theta)
    if (N is None) == (prefix is None):
        wanted = "give N to draw new sequences, or prefix to continue given ones"
        raise ValueError(f"{wanted}, and not both")
    if sigma is not None:
        check_sigma(rnn, sigma)
    if prefix is None:
        check_count("N", N)
        rnn.check(theta)
        h = theta["h1"][:, None, :] + np.zeros((1, N, 1))
        return h, np.full(h.shape[:2], 1.0 / rnn.particles)
    if sigma is not None:
        wanted = "prefix must be left out where sigma is given"
        raise ValueError(f"{wanted}: what noise led to it is not known")
    return _after(rnn, theta, prefix, logit_rho)


def _after(rnn, theta, X, logit_rho):
    r"""The same for the step after the end of each sequence of X."""
    filled, observed = prepare(rnn, theta, X)
    log_w = predicted_weights(table(rnn, theta, X), logit_rho)  # (T+1, L, N)
    H = _states(rnn, theta, filled)  # (T+1, L, N, D)
    after = observed.sum(axis=0), slice(None), np.arange(X.shape[1])  # index T is after T steps
    return np.swapaxes(H[after], 0, 1), np.exp(log_w[after]).T


def _heated(rnn, theta, temperature):
    r"""The theta whose symbols have p(x | h)^(1 / temperature), normalised: smaller logits."""
    check_positive("temperature", temperature)
    if "log_s" not in theta:
        return theta | {key: theta[key] / temperature for key in ("C", "c")}
    if temperature != 1:
        raise ValueError(f"temperature is for symbols, and must be 1 here; got {temperature!r}")
    return theta


def _drawn(rnn, theta, rng, steps, h, w, logit_rho, heated, noise=None):
    columns = np.arange(h.shape[1])
    drawn = []
    z = draw(rng.random(len(columns)), w.T) if rnn.particles > 1 else 0
    for _ in range(steps):
        drawn.append(rnn.emission.sample(heated, h[z, columns], rng))
        h = f(rnn, theta, h, drawn[-1])
        h = h if noise is None else h + noise()
        z = _next_index(rng, z, rnn.particles, logit_rho)
    return np.array(drawn)


def _next_index(rng, z, particles, logit_rho):
    r"""The particle of each sequence at the next step."""
    if particles == 1:
        return z
    anew = rng.random(len(z)) > np.exp(log_sigmoid(logit_rho))
    return np.where(anew, rng.integers(0, particles, len(z)), z)
