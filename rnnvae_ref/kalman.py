r"""Ground truth for linear dynamics with Gaussian emissions and noise, any D: the Kalman filter.

    h_1 ~ N(theta["h1"], P_1)
    h_{t+1} = h_t W + x_t U + b + sigma eps_t
    x_t = h_t C + c + s n_t

as row vectors, P_1 = 0 unless given. A state-space model without the arrow from x_t to h_{t+1} has
U = 0. Covariances do not depend on the data, so one recursion serves the whole batch.
Differentiable in theta and sigma. X without padding; one particle."""

import autograd.numpy as np

from rnnvae_ref.emissions import Gaussian
from rnnvae_ref.numerics import TIME, check, check_array, check_count, untraced
from rnnvae_ref.rnn import (
    F, check_model, check_sigma, initial_state, one_particle, prepare_unpadded, table,
)  # fmt: skip


def log_p(rnn, theta, X, sigma, P1=None):
    r"""log p(X), nats per sequence, (N,).

    sigma: () or (D,), 0 allowed;  P1: (D, D) covariance of h_1, 0 by default."""
    return np.sum(log_p_steps(rnn, theta, X, sigma, P1), axis=TIME)


def log_p_steps(rnn, theta, X, sigma, P1=None):
    r"""log p(x_t | x_1 .. x_{t-1}) = log N(x_t; m_t C + c, C' P_t C + S), nats, (T, N)."""
    d, V, *_ = _filter(rnn, theta, X, sigma, P1)
    d_over_V = np.swapaxes(np.linalg.solve(V, np.swapaxes(d, 1, 2)), 1, 2)
    quadratic = np.sum(d * d_over_V, axis=2)
    logdet = np.linalg.slogdet(V)[1][:, None]
    check_array("log p(x_t | x_<t) of this theta and X", quadratic + logdet)
    return -0.5 * (quadratic + logdet + d.shape[2] * np.log(2 * np.pi))


def filtered(rnn, theta, X, sigma, P1=None):
    r"""Mean (T, N, D) and covariance (T, D, D) of h_t given x_<t, then of h_t given x_<=t."""
    d, _, gain, m, P = _filter(rnn, theta, X, sigma, P1)
    P_after = P - np.matmul(np.matmul(P, theta["C"]), gain)
    return m, P, m + np.matmul(d, gain), P_after


def K(rnn, theta, X, sigma, P1=None):
    r"""Eq. (16), exactly: K of sigma = 0 and P_1 = 0, less `penalty`, nats per sequence, (N,).

    A parabola in sigma for any fixed P_1."""
    X = prepare_unpadded(rnn, theta, X)
    at_zero = np.sum(one_particle(table(rnn, theta, X))[:, 0], axis=TIME)
    return at_zero - penalty(rnn, theta, len(X), sigma, P1)


def penalty(rnn, theta, T, sigma, P1=None):
    r"""What noise and P_1 cost K: (1/2) sum_t tr(S^-1 C' P_t C), nats, the same for any data.

    P_{t+1} = W' P_t W + diag(sigma^2)."""
    Q, P = _Q_and_P1(rnn, theta, sigma, P1)
    check_count("T", T, most=10_000_000)
    W = theta["W"]
    weighted = theta["C"] / rnn.emission.scale(theta)
    total = 0.0
    for _ in range(T):
        total = total + 0.5 * np.sum(np.dot(P, weighted) * weighted)
        P = np.dot(np.dot(W.T, P), W) + Q
    check_array("K(0) - K(sigma) of this theta and T", total)
    return total


def kl_q_posterior(rnn, theta, X, sigma):
    r"""KL( q(H|X) || p(H|X) ) for P_1 = 0, nats per sequence, (N,), sigma not 0, (T - 1) D <= 4000.

    q(H|X), of h_2 .. h_T in one row, is normal with covariance V; p(H|X) has precision V^-1 + R.
    With g and -R the slope and curvature of sum_t log p(x_t | h_t) at q's mean, which is F(X):

        KL = (1/2) [ tr(V R) - log det(1 + V R) + g (V^-1 + R)^-1 g' ]"""
    Q, _ = _Q_and_P1(rnn, theta, sigma)
    X = prepare_unpadded(rnn, theta, X)
    check_sigma(rnn, sigma, nonzero=True)
    check_count("(T - 1) D, the size of H,", (len(X) - 1) * rnn.hidden, least=0, most=4000)
    steps = np.eye(len(X) - 1)
    back = np.eye(len(steps) * rnn.hidden) - np.kron(np.eye(len(steps), k=1), theta["W"])
    onward = np.linalg.inv(back)  # what a step's noise does to all later states
    V = np.dot(np.dot(onward.T, np.kron(steps, Q)), onward)
    weighted = theta["C"] / rnn.emission.scale(theta) ** 2  # C S^-1
    R = np.kron(steps, np.dot(weighted, theta["C"].T))
    precision = R + np.dot(np.dot(back, np.kron(steps, np.linalg.inv(Q))), back.T)
    away = X[1:] - np.dot(F(rnn, theta, X)[1:, 0], theta["C"]) - theta["c"]
    g = np.reshape(np.swapaxes(np.dot(away, weighted.T), 0, 1), (X.shape[1], len(V)))
    pull = np.sum(g.T * np.linalg.solve(precision, g.T), axis=0)
    logdet = np.linalg.slogdet(np.eye(len(V)) + np.dot(V, R))[1]
    kl = 0.5 * (np.sum(V * R) - logdet + pull)
    check_array("the divergence for this theta and X", kl)
    return kl


def _filter(rnn, theta, X, sigma, P1):
    r"""Given x_<t: of x_t innovations d (T, N, M), covariances V (T, M, M), gains (T, M, D); of h_t
    means (T, N, D) and covariances (T, D, D)."""
    X = prepare_unpadded(rnn, theta, X)
    P, V, gain = _riccati(rnn, theta, len(X), *_Q_and_P1(rnn, theta, sigma, P1))
    W, C = theta["W"], theta["C"]
    onward = W - np.matmul(C, np.matmul(gain, W))  # h_{t+1} = h_t (I - C gain_t) W + ..
    driven = np.matmul(X - theta["c"], np.matmul(gain, W))
    driven = driven + np.tensordot(X, theta["U"], 1) + theta["b"]
    means = [initial_state(rnn, theta, X.shape[1])]
    for t in range(len(X) - 1):
        means.append(np.dot(means[-1], onward[t]) + driven[t])
    m = np.array(means)  # of h_t
    return X - theta["c"] - np.tensordot(m, C, 1), V, gain, m, P


def _riccati(rnn, theta, T, Q, P):
    r"""P_{t+1} = W' (P_t - P_t C V_t^-1 C' P_t) W + Q and V_t = C' P_t C + S, from no data."""
    W, C = theta["W"], theta["C"]
    S = np.diag(rnn.emission.scale(theta) ** 2)
    WT, CT = W.T, C.T
    Ps, Vs, gains = [], [], []
    for _ in range(T):
        CP = np.dot(CT, P)
        Ps.append(P)
        Vs.append(np.dot(CP, C) + S)
        gains.append(np.linalg.solve(Vs[-1], CP))
        P = np.dot(np.dot(WT, P - np.dot(CP.T, gains[-1])), W) + Q
    check_array("the covariance of h, which theta['W'] lets grow,", np.array(Ps))
    return np.array(Ps), np.array(Vs), np.array(gains)


def _Q_and_P1(rnn, theta, sigma, P1=None):
    r"""The covariances Q of the noise and P_1 of h_1, after a check of all but X."""
    check_model(rnn, theta)
    one_particle(np.zeros((1, rnn.particles, 1)))
    linear = rnn.transition == "linear" and isinstance(rnn.emission, Gaussian)
    wanted = "rnn must be linear and have a Gaussian emission for a Kalman filter"
    check(linear, wanted, (rnn.transition, rnn.emission))
    check_sigma(rnn, sigma)
    D = rnn.hidden
    P1 = np.zeros((D, D)) if P1 is None else P1
    P1 = np.array(P1, dtype=float) if isinstance(P1, (list, tuple)) else P1
    check_array("P1", P1, [(D, D)])
    plain = untraced(P1)
    least = np.linalg.eigvalsh(plain).min()
    if not np.allclose(plain, plain.T) or least < -1e-9 * np.abs(plain).max():
        wanted = "a covariance, symmetric and without negative eigenvalues"
        raise ValueError(f"P1 must be {wanted}; its least eigenvalue is {least:.3g}")
    return np.diag(sigma**2 * np.ones(D)), P1
