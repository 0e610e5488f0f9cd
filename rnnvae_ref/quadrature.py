r"""Ground truth for one hidden dimension with Gaussian noise, any emission, tanh or linear: integrals over h on a grid.

Forward, a_1 is all at h_1, and a_{t+1}(h') = sum_h N(h'; f(h, x_t), sigma^2) p(x_t | h) a_t(h): that gives log p(X). Without
the emissions the same recursion gives the marginals of the dynamics, and so K; backward it gives the posterior, and so the
KL. The integrands are smooth and vanish at both ends, so equal weights converge faster than any power of the spacing.
Differentiable in theta and sigma: the grid is chosen on plain numbers and then held fixed. X without padding.
"""

import autograd.numpy as np

from rnnvae_ref.numerics import TIME, log_sum_exp, untraced
from rnnvae_ref.rnn import check_sigma, f, prepare_unpadded

MOST_POINTS, TOLERANCE, WIDTH = 3000, 1e-10, 10.0


def log_p(rnn, theta, X, sigma, points=None):
    r"""log p(X), nats per sequence, (N,), on a grid of `points`: by default as many as bring the error below 1e-10.

    Raises ValueError for D > 1, several particles, sigma = 0, and where 3000 points are too few.
    """
    return np.sum(log_p_steps(rnn, theta, X, sigma, points), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, points=None):
    r"""log p(x_t | x_1 .. x_{t-1}), nats, (T, N)."""
    nodes, dh = _grid(rnn, theta, X, sigma, points)
    a, steps = np.zeros((1, X.shape[1])), []
    for t, x in enumerate(X):
        joint = a + rnn.emission.log_p(theta, nodes[t], x)  # log p(x_t, h_t | x_<t), (G, N)
        steps.append(log_sum_exp(joint, axis=0))
        filtered = joint - steps[-1]
        _check_ends(filtered, t)
        if t < len(X) - 1:
            a = log_sum_exp(filtered + _transition(rnn, theta, nodes[t], nodes[t + 1], x, sigma, dh), axis=1)
    return np.array(steps)


def error(rnn, theta, X, sigma, points):
    r"""How far `log_p` on that many points may be off: its change when the spacing is halved, nats per sequence, (N,)."""
    fine, coarse = (log_p(rnn, theta, X, sigma, n) for n in (2 * points - 1, points))
    return np.abs(fine - coarse)


def K(rnn, theta, X, sigma, points=None):
    r"""Eq. (16) for Gaussian noise, exactly: sum_t E[log p(x_t | h_t)] over the marginals of the dynamics, nats, (N,)."""
    nodes, dh = _grid(rnn, theta, X, sigma, points)
    steps = [
        np.sum(np.exp(a) * rnn.emission.log_p(theta, h, x), axis=0)
        for h, x, a in zip(nodes, X, _marginals(rnn, theta, nodes, X, sigma, dh), strict=True)
    ]
    return np.sum(np.array(steps), axis=TIME)


def kl_q_posterior(rnn, theta, X, sigma, points=None):
    r"""KL( q(H|X) || p(H|X) ), nats per sequence, (N,): summed over steps, the divergence of q's transition from the posterior's.

    p(h_{t+1} | h_t, X) = N(h_{t+1}; f(h_t, x_t), sigma^2) b_{t+1}(h_{t+1}) / z_t(h_t), where b_t(h) = p(x_t .. x_T | h_t = h).
    """
    nodes, dh = _grid(rnn, theta, X, sigma, points)
    marginals, total = _marginals(rnn, theta, nodes, X, sigma, dh), np.zeros(X.shape[1])
    b = rnn.emission.log_p(theta, nodes[-1], X[-1])
    for t in range(len(X) - 2, -1, -1):
        log_q = _transition(rnn, theta, nodes[t], nodes[t + 1], X[t], sigma, dh)  # (G', G, N), over h_{t+1} and h_t
        log_z = log_sum_exp(log_q + b[:, None], axis=0)
        log_posterior = log_q + b[:, None] - log_z
        divergence = np.sum(np.exp(log_q) * (log_q - log_posterior), axis=0)
        total = total + np.sum(np.exp(marginals[t]) * divergence, axis=0)
        b = rnn.emission.log_p(theta, nodes[t], X[t]) + log_z
    return total


def _marginals(rnn, theta, nodes, X, sigma, dh):
    r"""log q(h_t | x_<t) of every step under the dynamics alone, a list of (G, N)."""
    a = [np.zeros((1, X.shape[1]))]
    for t in range(len(X) - 1):
        a.append(log_sum_exp(a[-1] + _transition(rnn, theta, nodes[t], nodes[t + 1], X[t], sigma, dh), axis=1))
    return a


def _transition(rnn, theta, h, h_next, x, sigma, dh):
    r"""log N(h_{t+1}; f(h_t, x_t), sigma^2) dh, (G', G, N)."""
    s = np.abs(np.reshape(sigma, ()))
    z = (h_next[:, None, :, 0] - f(rnn, theta, h, x)[None, :, :, 0]) / s
    return -0.5 * z**2 - np.log(s) - 0.5 * np.log(2 * np.pi) + np.log(dh)


def _grid(rnn, theta, X, sigma, points):
    r"""The nodes of every step, a list of (G, 1, 1) that begins with h_1 alone, and their spacing."""
    prepare_unpadded(rnn, theta, X)
    check_sigma(rnn, sigma)
    if rnn.hidden != 1 or rnn.particles != 1 or not np.all(untraced(sigma) != 0):
        got = f"D = {rnn.hidden}, L = {rnn.particles}, sigma = {untraced(sigma)}"
        raise ValueError(f"quadrature needs D = 1, L = 1 and sigma other than 0; got {got}; see `kalman` and `enumeration`")
    s, plain = float(np.abs(np.reshape(untraced(sigma), ()))), {key: untraced(value) for key, value in untraced(theta).items()}
    low, high = _range(rnn, plain, X, s)
    points = _enough(rnn, plain, X, s, int(2 * (high - low) / s) + 1) if points is None else points
    grid = np.linspace(low, high, points)[:, None, None]
    return [theta["h1"][:, None, :]] + [grid] * (len(X) - 1), grid[1, 0, 0] - grid[0, 0, 0]


def _range(rnn, theta, X, s):
    r"""Where h can be: tanh's range and WIDTH sigma around it; if linear, WIDTH standard deviations around its means."""
    if rnn.transition == "tanh":
        return -1 - WIDTH * s, 1 + WIDTH * s
    means, variance = [theta["h1"][:, None, :]], [0.0]
    for x in X[:-1]:
        means.append(f(rnn, theta, means[-1], x))
        variance.append(theta["W"][0, 0] ** 2 * variance[-1] + s**2)
    reach = WIDTH * np.sqrt(max(s**2, *variance))
    return min(m.min() for m in means) - reach, max(m.max() for m in means) + reach


def _enough(rnn, theta, X, s, points):
    r"""The number of points, doubled until log p(X) changes by less than TOLERANCE."""
    while points <= MOST_POINTS:
        if error(rnn, theta, X, s, points).max() < TOLERANCE:
            return points
        points = 2 * points - 1
    raise ValueError(
        f"sigma = {s} with this theta needs a grid of more than {MOST_POINTS} points; "
        "a larger sigma or a smaller W would do, or `kalman` for a linear Gaussian model"
    )


def _check_ends(filtered, t):
    r"""The mass at both ends of the grid must be nothing."""
    values = untraced(filtered)
    if len(values) > 1 and max(values[0].max(), values[-1].max()) > np.log(TOLERANCE):
        raise ValueError(f"at step {t} the data push h to the end of the grid, {WIDTH} standard deviations away; use `kalman`")
