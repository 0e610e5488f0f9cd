r"""Draws from the model, predictions and forecasts, for one particle and several."""

import autograd.numpy as np

from rnnvae_ref.laws import Normal, check_law
from rnnvae_ref.numerics import (
    check, check_count, check_number, check_rng, draw, log_sigmoid,
)  # fmt: skip
from rnnvae_ref.particles import predicted_weights
from rnnvae_ref.rnn import check_model, check_sigma, f, prepare, prepare_unpadded, unroll

NORMAL = Normal()


def sample(rnn, theta, rng, steps, N=None, prefix=None, sigma=None, law=NORMAL, logit_rho=np.inf,
           temperature=1.0):  # fmt: skip
    r"""x_t ~ p(x_t | h_t^z), h_{t+1}^l = f(h_t^l, x_t) [+ sigma eps]: draws, (steps, N[, M]).

    `N` new sequences, or what follows each sequence, at its own end, of `prefix`, (T0, N[, M]).
    sigma, law: noise in the dynamics, for new sequences only.  temperature: symbols are drawn with
    probabilities proportional to p(x_t | h_t^z)^(1 / temperature).  logit_rho: the index z of the
    particle stays with probability rho, else it is drawn anew: inf is the model of Eq. (26), -inf
    that of Eq. (17). After a prefix z starts from p(z | prefix)."""
    check_count("steps", steps)
    check_rng(rng)
    check_model(rnn, theta)
    if (N is None) == (prefix is None):
        raise ValueError("give N to draw new sequences, or prefix, not both")
    if sigma is not None:
        check_sigma(rnn, sigma)
        check_law("law", law)
        if prefix is not None:
            raise ValueError("sigma must be None after a prefix: its noise is unknown")
    check_number("logit_rho", logit_rho, finite=False)
    check_number("temperature", temperature, least=1e-100, finite=False)
    fits = temperature == 1 or "log_s" not in theta
    check(fits, "temperature is for symbols, and must be 1 here", temperature)
    if prefix is None:
        check_count("N", N)
        h = np.repeat(theta["h1"][:, None], N, axis=1)  # (L, N, D)
        w = np.full(h.shape[:2], 1.0 / rnn.particles)
    else:
        h, w = _after(rnn, theta, prefix, logit_rho)
    # p(x | h)^(1 / temperature), normalised, is the softmax of all logits / temperature.
    heated = theta | {key: theta[key] / temperature for key in ("C", "c")}
    return _drawn(rnn, theta, rng, steps, h, w, logit_rho, heated, sigma, law)


def forecast(rnn, theta, series, steps, draws, rng, *, levels=(5, 25, 50, 75, 95), end=None,
             logit_rho=np.inf):  # fmt: skip
    r"""Quantiles, `levels` in per cent, of `draws` continuations of series.X[:end], in the units of
    the file, (len(levels), steps, M)."""
    check_count("steps", steps)
    check_count("draws", draws)
    check_rng(rng)
    check(hasattr(series, "X"), "series must be a data.Series", series)
    check_count("end", len(series.X) if end is None else end, most=len(series.X))
    levels = np.ravel(levels)
    for level in levels.tolist():
        check_number("levels", level, least=0, most=100)
    past = _after(rnn, theta, series.X[:end], logit_rho)
    h, w = (np.repeat(a, draws, axis=1) for a in past)
    X = _drawn(rnn, theta, rng, steps, h, w, logit_rho, theta)
    return series.decode(np.percentile(X, levels, axis=1))


def predict(rnn, theta, X, grid=None, logit_rho=np.inf):
    r"""p(x_t = . | x_1 .. x_{t-1}) for t = 1 .. T+1; row T+1 is the forecast. X without padding.

    Categorical: (T+1, N, V) probabilities. Gaussian: densities on `grid`, (T+1, N, G). Several
    particles have weights p(z_t = l | x_<t): those of Eq. (26) at logit_rho = inf, (17) at -inf."""
    H, ell = _unroll_further(rnn, theta, prepare_unpadded(rnn, theta, X))
    density = rnn.emission.density(theta, H, grid)  # (T+1, L, N, G)
    weights = np.exp(predicted_weights(ell, logit_rho))
    return np.sum(weights[..., None] * density, axis=1)


def _unroll_further(rnn, theta, X):
    r"""H (T+1, L, N, D), and the table ell (T, L, N). h_t never sees x_t, so x_{T+1} is idle."""
    H, ell = unroll(rnn, theta, np.concatenate([X, X[-1:]]))
    return H, ell[:-1]


def _after(rnn, theta, X, logit_rho):
    r"""h (L, N, D) and p(z | X) (L, N) at the step after the end of each sequence of X."""
    _, observed = prepare(rnn, theta, X)
    H, ell = _unroll_further(rnn, theta, X)
    w = np.exp(predicted_weights(ell, logit_rho))  # (T+1, L, N)
    after = observed.sum(axis=0), slice(None), np.arange(X.shape[1])  # index T: after T steps
    return np.swapaxes(H[after], 0, 1), w[after].T


def _drawn(rnn, theta, rng, steps, h, w, logit_rho, heated, sigma=None, law=None):
    r"""Draws from the states h (L, N, D) and weights w (L, N) on; `heated` gives p(x_t | h_t)."""
    L, N, _ = h.shape
    z = draw(rng.random(N), w.T) if L > 1 else 0  # the particle of each sequence
    drawn = []
    for _ in range(steps):
        drawn.append(rnn.emission.sample(heated, h[z, np.arange(N)], rng))
        h = f(rnn, theta, h, drawn[-1])
        h = h if sigma is None else h + sigma * law.sample(rng, h.shape)
        if L > 1:
            anew = rng.random(N) > np.exp(log_sigmoid(logit_rho))
            z = np.where(anew, rng.integers(0, L, N), z)
    return np.array(drawn)
