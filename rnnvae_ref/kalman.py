r"""Ground truth for linear dynamics with Gaussian emissions and Gaussian noise, any D: the Kalman filter and smoother.

    h_1 ~ N(theta["h1"], P_1),  h_{t+1} = h_t W + x_t U + b + sigma eps_t,  x_t = h_t C + c + s n_t

as row vectors, with x_{t-1} fed in as the RNN does, and P_1 = 0 unless given. A state-space model without that arrow has U = 0.
Covariances do not depend on the data, so one recursion serves the whole batch. Differentiable in theta and sigma. X without
padding; an RNN that is not linear, Gaussian and of one particle is refused.
"""

import autograd.numpy as np

from rnnvae_ref.numerics import TIME, untraced
from rnnvae_ref.rnn import check_sigma, f, initial_state, one_particle, prepare_unpadded, table


def log_p(rnn, theta, X, sigma, P1=None):
    r"""log p(X), nats per sequence, (N,).  sigma: () or (D,), 0 allowed;  P1: (D, D) covariance of h_1, 0 by default."""
    return np.sum(log_p_steps(rnn, theta, X, sigma, P1), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, P1=None):
    r"""log p(x_t | x_1 .. x_{t-1}) = log N(x_t; m_t C + c, C' P_t C + S), nats, (T, N)."""
    m, _, V, _ = _filter(rnn, theta, X, sigma, P1)
    d = X - theta["c"] - np.tensordot(m, theta["C"], 1)  # innovations, (T, N, M)
    quadratic = np.sum(d * np.swapaxes(np.linalg.solve(V, np.swapaxes(d, 1, 2)), 1, 2), axis=2)
    return -0.5 * (quadratic + np.linalg.slogdet(V)[1][:, None] + X.shape[2] * np.log(2 * np.pi))


def filtered(rnn, theta, X, sigma, P1=None):
    r"""The Kalman filter: mean (T, N, D) and covariance (T, D, D) of h_t given x_<t, and the same given x_<=t."""
    m, P, _, gain = _filter(rnn, theta, X, sigma, P1)
    d = X - theta["c"] - np.tensordot(m, theta["C"], 1)
    return m, P, m + np.matmul(d, gain), P - np.matmul(np.matmul(P, theta["C"]), gain)


def _filter(rnn, theta, X, sigma, P1):
    r"""Of h_t given x_<t: means (T, N, D), covariances (T, D, D); of x_t given x_<t: covariances V (T, M, M); gains (T, M, D)."""
    Q, P1, h = _check(rnn, theta, X, sigma, P1)
    P, V, gain = _riccati(rnn, theta, len(X), Q, P1)
    W, C = theta["W"], theta["C"]
    onward = W - np.matmul(C, np.matmul(gain, W))  # h_{t+1} = h_t (I - C gain_t) W + ..
    driven = np.matmul(X - theta["c"], np.matmul(gain, W)) + np.tensordot(X, theta["U"], 1) + theta["b"]
    means = [h]
    for t in range(len(X) - 1):
        means.append(np.dot(means[-1], onward[t]) + driven[t])
    return np.array(means), P, V, gain


def _riccati(rnn, theta, T, Q, P):
    r"""The covariances, which no data enter: P_{t+1} = W' (P_t - P_t C V_t^-1 C' P_t) W + Q, V_t = C' P_t C + S."""
    W, C, S = theta["W"], theta["C"], np.diag(rnn.emission.scale(theta) ** 2)
    WT, CT, Ps, Vs, gains = W.T, C.T, [], [], []
    for _ in range(T):
        CP = np.dot(CT, P)
        Ps.append(P)
        Vs.append(np.dot(CP, C) + S)
        gains.append(np.linalg.solve(Vs[-1], CP))
        P = np.dot(np.dot(WT, P - np.dot(CP.T, gains[-1])), W) + Q
    return np.array(Ps), np.array(Vs), np.array(gains)


def smoothed(rnn, theta, X, sigma, P1=None):
    r"""The Rauch-Tung-Striebel smoother: mean (T, N, D) and covariance (T, D, D) of h_t given all of X."""
    m_past, P_past, m, P = filtered(rnn, theta, X, sigma, P1)
    means, covariances = [m[-1]], [P[-1]]
    for t in range(len(X) - 2, -1, -1):
        back = np.dot(np.linalg.pinv(P_past[t + 1]), np.dot(theta["W"].T, P[t]))  # pinv: without noise it is singular
        means.append(m[t] + np.dot(means[-1] - m_past[t + 1], back))
        covariances.append(P[t] + np.dot(np.dot(back.T, covariances[-1] - P_past[t + 1]), back))
    return np.array(means[::-1]), np.array(covariances[::-1])


def K(rnn, theta, X, sigma, P1=None):
    r"""Eq. (16), exactly: K(sigma) = K(0) - `penalty`, nats per sequence, (N,): with P_1 = 0 a parabola in sigma."""
    Q, P, _ = _check(rnn, theta, X, sigma, P1)
    at_zero = np.sum(one_particle(table(rnn, theta, X))[:, 0], axis=TIME)
    return at_zero - _penalty(rnn, theta, len(X), Q, P)


def penalty(rnn, theta, T, sigma):
    r"""K(0) - K(sigma) = (1/2) sum_t tr(S^-1 C' P_t C), P_1 = 0, P_{t+1} = W' P_t W + diag(sigma^2); nats, for any data."""
    D = rnn.hidden
    return _penalty(rnn, theta, T, _noise(sigma, D), np.zeros((D, D)))


def kl_q_posterior(rnn, theta, X, sigma):
    r"""KL( q(H|X) || p(H|X) ) for P_1 = 0, nats per sequence, (N,), sigma other than 0.

    Summed over steps: E over q(h_t) of the divergence of N(h_t W + x_t U + b, Q) from the posterior's transition, whose
    covariance is V = (Q^-1 + J)^-1 and whose mean follows from log p(x_{t+1} .. x_T | h_{t+1}) = -(1/2) h J h' + h j' + const.
    """
    Q, P, h = _check(rnn, theta, X, sigma, None)
    if not np.all(untraced(np.diag(Q)) > 0):
        raise ValueError(f"the divergence between densities needs sigma other than 0; got {sigma} (without noise it is 0)")
    D, marginals = rnn.hidden, []
    for x in X[:-1]:
        h, P = f(rnn, theta, h, x), np.dot(np.dot(theta["W"].T, P), theta["W"]) + Q  # of h_{t+1} under the dynamics
        marginals.append((h, P - Q))  # its mean's mean and covariance, over h_t
    J, j, total = np.zeros((D, D)), np.zeros(h.shape), np.zeros(len(h))
    for (m, R), x_next, x in zip(marginals[::-1], X[:0:-1], X[-2::-1], strict=True):
        J, j = _see(rnn, theta, J, j, x_next)
        V = np.linalg.inv(np.linalg.inv(Q) + J)
        away = np.dot(np.dot(m, J) - j, V)  # q's mean less the posterior's at the average h_t; varies by J V times R
        shift = np.dot(J, V)
        spread = np.trace(np.linalg.solve(V, Q + np.dot(np.dot(shift.T, R), shift)))
        logdet = np.linalg.slogdet(V)[1] - np.linalg.slogdet(Q)[1]
        total = total + 0.5 * (spread - D + logdet + np.sum(away * np.linalg.solve(V, away.T).T, axis=1))
        J, j = _step_back(rnn, theta, J, j, Q, x)
    return total


def _see(rnn, theta, J, j, x):
    r"""Add log p(x_t | h_t) to the quadratic form."""
    precision = 1.0 / rnn.emission.scale(theta) ** 2
    weighted = theta["C"] * precision
    return J + np.dot(weighted, theta["C"].T), j + np.dot(x - theta["c"], weighted.T)


def _step_back(rnn, theta, J, j, Q, x):
    r"""Integrate over h_{t+1} = h_t W + x_t U + b + noise: the quadratic form in h_t."""
    A = np.linalg.inv(np.eye(len(Q)) + np.dot(J, Q))  # (I + J Q)^-1
    W, drive = theta["W"], np.dot(x, theta["U"]) + theta["b"]
    AJ = np.dot(A, J)
    return np.dot(np.dot(W, AJ), W.T), np.dot(np.dot(j, A.T) - np.dot(drive, AJ), W.T)


def _penalty(rnn, theta, T, Q, P):
    total, weighted = 0.0, theta["C"] / rnn.emission.scale(theta)
    for _ in range(T):
        total = total + 0.5 * np.sum(np.dot(P, weighted) * weighted)
        P = np.dot(np.dot(theta["W"].T, P), theta["W"]) + Q
    return total


def _noise(sigma, D):
    return np.diag(sigma**2 * np.ones(D))


def _check(rnn, theta, X, sigma, P1):
    prepare_unpadded(rnn, theta, X)
    check_sigma(rnn, sigma)
    one_particle(np.zeros((1, rnn.particles, 1)))
    if rnn.transition != "linear" or not hasattr(rnn.emission, "scale"):
        raise ValueError(f"a Kalman filter needs a linear transition and a Gaussian emission; got {rnn!r}")
    D = rnn.hidden
    P1 = np.zeros((D, D)) if P1 is None else np.asarray(P1, dtype=float)
    if P1.shape != (D, D):
        raise ValueError(f"P1 must be ({D}, {D}), the covariance of h_1; got shape {P1.shape}")
    return _noise(sigma, D), P1, initial_state(rnn, theta, X.shape[1])
