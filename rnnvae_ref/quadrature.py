r"""Ground truth for one hidden dimension with Gaussian noise: integrals over h on a grid.

Any emission, tanh or linear. Forward, a_1 is all at h_1, and

    a_{t+1}(h') = sum_h N(h'; f(h, x_t), sigma^2) dh p(x_t | h) a_t(h)

gives log p(X). Without the emissions the same recursion gives the marginals of the dynamics, and so
K; backward it gives the posterior, and so the KL. The integrands are smooth and vanish at both
ends, so equal weights converge faster than any power of the spacing. Differentiable in theta and
sigma: the grid is chosen on plain arrays and then held fixed. X without padding."""

import autograd.numpy as np

from rnnvae_ref.numerics import TIME, check_count, log_sum_exp, untraced
from rnnvae_ref.rnn import check_sigma, f, prepare_unpadded

MOST_POINTS, MOST_WORK = 4000, 5e7  # points; entries of all transitions
TOLERANCE, WIDTH = 1e-10, 10.0  # nats, and of mass at the ends; deviations


def log_p(rnn, theta, X, sigma, points=None):
    r"""log p(X), nats per sequence, (N,), on a grid of `points`.

    By default so many that twice as many change it by less than 1e-10; a spacing of at most 2 sigma
    is needed. ValueError for D > 1, L > 1, sigma = 0, and where the grid is too large."""
    return np.sum(log_p_steps(rnn, theta, X, sigma, points), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, points=None):
    r"""log p(x_t | x_1 .. x_{t-1}), nats, (T, N)."""
    T, ell, move = _on_grid(rnn, theta, X, sigma, points)
    a = 0.0  # log p(h_t | x_<t), (G, N)
    steps = []
    for t in range(T):
        joint = a + ell(t)
        steps.append(log_sum_exp(joint, axis=0))
        filtered = joint - steps[-1]
        if t > 0 and np.max(untraced(filtered)[[0, -1]]) > np.log(TOLERANCE):
            where = f"to the end of the grid, {WIDTH} standard deviations away"
            raise ValueError(f"at step {t} the data push h {where}; use `kalman`")
        if t < T - 1:
            a = log_sum_exp(filtered + move(t), axis=1)
    return np.array(steps)


def K(rnn, theta, X, sigma, points=None):
    r"""Eq. (16) for Gaussian noise, exactly: sum_t E[log p(x_t | h_t)], nats, (N,)."""
    T, ell, move = _on_grid(rnn, theta, X, sigma, points)
    marginals = _marginals(T, move)
    steps = [np.sum(np.exp(a) * ell(t), axis=0) for t, a in enumerate(marginals)]
    return np.sum(np.array(steps), axis=TIME)


def kl_q_posterior(rnn, theta, X, sigma, points=None):
    r"""KL( q(H|X) || p(H|X) ), nats per sequence, (N,).

    Summed over steps, the divergence of q's transition from the posterior's, which is q's times
    b_{t+1}(h_{t+1}) / z_t(h_t), where b_t(h) = p(x_t .. x_T | h_t = h)."""
    if points is not None:
        log_p_steps(rnn, theta, X, sigma, points)  # are the data in this grid?
    T, ell, move = _on_grid(rnn, theta, X, sigma, points)
    marginals = _marginals(T, move)
    b = ell(T - 1)
    total = np.zeros(b.shape[1])
    for t in range(T - 2, -1, -1):
        log_q = move(t)
        log_z = log_sum_exp(log_q + b[:, None], axis=0)
        log_posterior = log_q + b[:, None] - log_z
        divergence = np.sum(np.exp(log_q) * (log_q - log_posterior), axis=0)  # at each h_t
        total = total + np.sum(np.exp(marginals[t]) * divergence, axis=0)
        b = ell(t) + log_z
    return total


def _marginals(T, move):
    r"""log mass of q(h_t | x_<t) at the grid's points, a list of (G, N); 0.0 for h_1."""
    a = [0.0]
    for t in range(T - 1):
        a.append(log_sum_exp(a[-1] + move(t), axis=1))
    return a


def _move(rnn, theta, h, h_next, x, sigma, dh):
    r"""log [N(h_{t+1}; f(h_t, x_t), sigma^2) dh], (G', G, N): rows are h_{t+1}, columns h_t."""
    s = np.abs(np.reshape(sigma, ()))
    z = (h_next[:, None, :, 0] - f(rnn, theta, h, x)[None, :, :, 0]) / s
    return -0.5 * z**2 - np.log(s) - 0.5 * np.log(2 * np.pi) + np.log(dh)


def _on_grid(rnn, theta, X, sigma, points):
    r"""T; ell(t), log p(x_t | h_t) at the grid's points, (G, N), and at h_1 alone for t = 0; and
    move(t), the log transition from h_t to h_{t+1}, (G', G, N)."""
    X = prepare_unpadded(rnn, theta, X)
    check_sigma(rnn, sigma)
    if rnn.hidden != 1 or rnn.particles != 1 or not np.all(untraced(sigma) != 0):
        got = f"D = {rnn.hidden}, L = {rnn.particles}, sigma = {untraced(sigma)}"
        raise ValueError(f"quadrature needs D = 1, L = 1 and sigma other than 0; got {got}")
    plain = {key: untraced(value) for key, value in untraced(theta).items()}
    s = float(np.abs(np.reshape(untraced(sigma), ())))
    low, high = _range(rnn, plain, X, s)
    if points is None:
        points = _enough(rnn, plain, X, s, int(2 * (high - low) / s) + 1)
    most = min(MOST_POINTS, int((MOST_WORK / (len(X) * X.shape[1])) ** 0.5))
    check_count("points", points, int(np.ceil((high - low) / (2 * s))) + 1, most)
    grid = np.linspace(low, high, points)[:, None, None]
    dh = grid[1, 0, 0] - grid[0, 0, 0]
    nodes = [theta["h1"][:, None, :]] + [grid] * (len(X) - 1)
    ell = lambda t: rnn.emission.log_p(theta, nodes[t], X[t])
    move = lambda t: _move(rnn, theta, nodes[t], nodes[t + 1], X[t], sigma, dh)
    return len(X), ell, move


def _range(rnn, theta, X, s):
    r"""Where h can be: WIDTH standard deviations around tanh's range, or around a linear mean."""
    if rnn.transition == "tanh":
        return -1 - WIDTH * s, 1 + WIDTH * s
    means, variance = [theta["h1"][:, None, :]], [0.0]
    for x in X[:-1]:
        means.append(f(rnn, theta, means[-1], x))
        variance.append(theta["W"][0, 0] ** 2 * variance[-1] + s**2)
    far = WIDTH * np.sqrt(max(s**2, *variance))
    return min(m.min() for m in means) - far, max(m.max() for m in means) + far


def _enough(rnn, theta, X, s, points):
    r"""The first number of points whose doubling changes log p(X) by less than TOLERANCE."""
    coarse = np.inf
    while points <= MOST_POINTS and points**2 * len(X) * X.shape[1] <= MOST_WORK:
        fine = log_p(rnn, theta, X, s, points)
        if np.abs(fine - coarse).max() < TOLERANCE:
            return (points + 1) // 2
        coarse, points = fine, 2 * points - 1
    raise ValueError(
        f"sigma = {s:g} with this theta and X needs a larger grid than {MOST_POINTS} points or "
        f"{MOST_WORK:.0e} entries: sigma, or the emission's scale, is small against that of h; "
        "try fewer sequences, `kalman`, or `enumeration` with gauss_hermite(n)"
    )
