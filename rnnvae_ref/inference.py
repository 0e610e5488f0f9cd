r"""Section 2.1: the inference model, Eqs. (6)-(8).

For densities of H the dynamics needs noise: h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t, with eps_t from a law. Eq. (6)
takes q(h_t | x_{t-1}, h_{t-1}) to be the model's own p(h_t | h_{t-1}, x_{t-1}); so p and q are the same function of their law,
and another q is another law. The deltas of Eqs. (1)-(2) are the limit sigma -> 0.
"""

from dataclasses import dataclass

import autograd.numpy as np

from rnnvae_ref.numerics import TIME, untraced
from rnnvae_ref.rnn import f, one_particle, prepare_unpadded


@dataclass(frozen=True)
class Normal:
    r"""eps ~ N(mean, 1) in every coordinate, independent; mean 0 for the model, any other for a second q."""

    mean: float = 0.0

    def sample(self, rng, shape):
        return self.mean + rng.standard_normal(shape)

    def log_p_h(self, eps, sigma):
        r"""Log density of h = f + sigma * eps, summed over the last axis: log N(eps; mean, 1) - log |sigma| each."""
        eps, log_scale = eps - self.mean, np.log(np.abs(sigma))
        return np.sum(-0.5 * eps**2 - 0.5 * np.log(2 * np.pi) - log_scale, axis=-1)


@dataclass(frozen=True)
class Discrete:
    r"""eps takes the value nodes[k] with probability weights[k] in every coordinate, independent."""

    nodes: tuple
    weights: tuple

    def __post_init__(self):
        nodes, weights = (np.array(part, dtype=float) for part in (self.nodes, self.weights))
        paired = nodes.shape == weights.shape == (len(set(self.nodes)),) and len(nodes) and np.isfinite(nodes).all()
        if not paired or not (weights > 0).all() or abs(weights.sum() - 1) > 1e-12:
            raise ValueError(
                f"nodes, all different, and positive weights that sum to 1 must pair up; got {self.nodes}, {self.weights}"
            )

    def sample(self, rng, shape):
        return rng.choice(np.array(self.nodes), size=shape, p=self.weights)

    def log_p_h(self, eps, sigma):
        r"""Log probability of h = f + sigma * eps, summed over the last axis; -inf where eps is no node."""
        off = np.abs(np.expand_dims(untraced(eps), -1) - np.array(self.nodes))
        log_p = np.where(off.min(axis=-1) < 1e-6, np.log(self.weights)[off.argmin(axis=-1)], -np.inf)
        return np.sum(log_p, axis=-1)


TWO_POINT = Discrete((-1.0, 1.0), (0.5, 0.5))


def gauss_hermite(n):
    r"""The law on `n` nodes that agrees with N(0, 1) in every moment up to 2n - 1; n = 2 is the two-point law."""
    from numpy.polynomial.hermite_e import hermegauss  # here: it would be a fifth of the package's start-up

    nodes, weights = hermegauss(n)
    return Discrete(tuple(nodes.tolist()), tuple((weights / weights.sum()).tolist()))


def log_p_h_steps(rnn, theta, X, H, sigma, law):
    r"""log p(h_t | h_{t-1}, x_{t-1}), Eq. (1) with noise, for t = 2..T, nats, (T-1, S, N), sigma other than 0.

    X without padding;  H (T, S, 1, N, D) trajectories;  law of the noise. A density for `Normal`, a probability for `Discrete`.
    """
    X = _prepare(rnn, theta, X, H)
    if not np.all(untraced(sigma) != 0):
        raise ValueError("sigma must not be 0 where densities of H are asked: those of a delta do not exist")
    means = np.reshape(np.array([f(rnn, theta, h, x) for h, x in zip(H[:-1], X[:-1], strict=True)]), H[1:].shape)
    return one_particle(law.log_p_h((H[1:] - means) / sigma, sigma))


def log_q_steps(rnn, theta, X, H, sigma, law):
    r"""Eq. (6).  log q(h_t | x_{t-1}, h_{t-1}) = log p(h_t | x_{t-1}, h_{t-1}) for t = 2..T, nats, (T-1, S, N).

    With the model's own noise law q is its dynamics; with another law it is another q.
    """
    return log_p_h_steps(rnn, theta, X, H, sigma, law)


def log_q(rnn, theta, X, H, sigma, law):
    r"""Eq. (7).  log q(H|X) = sum_t log q(h_t | x_{t-1}, h_{t-1}), t = 2..T, nats per trajectory, (S, N)."""
    return np.sum(log_q_steps(rnn, theta, X, H, sigma, law), axis=TIME)


def log_p_x_steps(rnn, theta, X, H):
    r"""log p(x_t | h_t) of given trajectories, nats, (T, S, N), H (T, S, 1, N, D): the plain formula, step by step."""
    return one_particle(np.array([rnn.emission.log_p(theta, h, x) for h, x in zip(H, _prepare(rnn, theta, X, H), strict=True)]))


def log_joint(rnn, theta, X, H, sigma, law):
    r"""log p(H, X) = sum_{t=2..T} log p(h_t | h_{t-1}, x_{t-1}) + sum_{t=1..T} log p(x_t | h_t), nats, (S, N)."""
    dynamics = np.sum(log_p_h_steps(rnn, theta, X, H, sigma, law), axis=TIME)
    return dynamics + np.sum(log_p_x_steps(rnn, theta, X, H), axis=TIME)


def log_posterior(rnn, theta, X, H, sigma, law, evidence):
    r"""Eq. (8), its right side.  log p(H|X) = log p(H, X) - log p(X), nats, (S, N), by Bayes' rule.

    evidence: log p(X), (N,), from `enumeration.log_p`. It tends to `log_q` as sigma -> 0.
    DEPARTS: with noise they differ, unless prod_t p(x_t|h_t) is the same for all trajectories.
    """
    return log_joint(rnn, theta, X, H, sigma, law) - evidence


def _prepare(rnn, theta, X, H):
    r"""X, checked and without padding, and H (T, S, 1 or L, N, D) that belongs to it."""
    X = prepare_unpadded(rnn, theta, X)
    shape = np.shape(H)
    if len(shape) != 5 or (shape[0], *shape[3:]) != (*X.shape[:2], rnn.hidden):
        wanted = f"({X.shape[0]}, S, 1, {X.shape[1]}, {rnn.hidden})"
        raise ValueError(
            f"H must be trajectories (T, S, 1, N, D) = {wanted}, as F gives for eps (T-1, S, 1, N, D); got shape {shape}"
        )
    return X
