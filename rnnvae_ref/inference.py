r"""Section 2.1: the inference model, Eqs. (6)-(8).

Without noise q(H|X) is a delta and has no density, so here the dynamics has noise:
h_t = f(h_{t-1}, x_{t-1}) + sigma * eps_t. The distribution of eps_t is the noise *law*. p and q are
one function, `log_p_h_steps`, of a law: with the model's own law it is Eq. (6), with another law it
is another q. sigma -> 0 gives the deltas of Eqs. (1)-(2).
"""

from dataclasses import dataclass

import autograd.numpy as np

from rnnvae_ref.numerics import (
    TIME, check_array, check_count, check_number, check_rng, describe, untraced,
)  # fmt: skip
from rnnvae_ref.rnn import check_sigma, f, one_particle, prepare_unpadded


@dataclass(frozen=True)
class Normal:
    r"""eps ~ N(mean, 1) in every coordinate, independent; 0 for the model, else another q."""

    mean: float = 0.0

    def __post_init__(self):
        check_number("mean", self.mean)

    def sample(self, rng, shape):
        r"""Draws of eps."""
        check_rng(rng)
        return self.mean + rng.standard_normal(shape)

    def log_p_h(self, eps, sigma, rounding=0.0):
        r"""Log density of h = f + sigma * eps: sum_d [ log N(eps_d; mean, 1) - log |sigma_d| ]."""
        log_normal = -0.5 * (eps - self.mean) ** 2 - 0.5 * np.log(2 * np.pi)
        return np.sum(log_normal - np.log(np.abs(sigma)), axis=-1)


@dataclass(frozen=True)
class Discrete:
    r"""eps is nodes[k] with probability weights[k] in every coordinate, independent."""

    nodes: tuple
    weights: tuple

    def __post_init__(self):
        try:
            nodes, weights = (np.array(part, dtype=float) for part in (self.nodes, self.weights))
            pairs = 0 < len(set(self.nodes)) == len(weights) and nodes.shape == weights.shape
            sums = (weights > 0).all() and abs(weights.sum() - 1) <= 1e-12
            fits = pairs and sums and np.isfinite(nodes).all()
        except (TypeError, ValueError):
            fits = False
        if not fits:
            wanted = "nodes, all different, and positive weights that sum to 1 must pair up"
            raise ValueError(f"{wanted}; got {self.nodes}, {self.weights}")

    def sample(self, rng, shape):
        r"""Draws of eps."""
        check_rng(rng)
        return rng.choice(np.array(self.nodes), size=shape, p=self.weights)

    def log_p_h(self, eps, sigma, rounding=0.0):
        r"""Log probability of h = f + sigma * eps, over all coordinates; -inf if eps is no node.

        rounding: how far eps, computed back from h, may be off. ValueError where two nodes are
        closer than 4 (1e-6 + rounding).
        """
        slack = 1e-6 + rounding
        if slack > 0.25 * np.diff(np.sort(self.nodes)).min(initial=np.inf):
            wanted = "sigma, or the gap between the nodes, must be larger to tell them apart"
            raise ValueError(f"{wanted}; got {untraced(sigma)}")
        distance = np.abs(np.expand_dims(untraced(eps), -1) - np.array(self.nodes))
        log_weight = np.log(self.weights)[distance.argmin(axis=-1)]
        return np.sum(np.where(distance.min(axis=-1) < slack, log_weight, -np.inf), axis=-1)


TWO_POINT = Discrete((-1.0, 1.0), (0.5, 0.5))


def gauss_hermite(n):
    r"""The law on `n` <= 100 nodes with the moments of N(0, 1) up to 2n - 1; n = 2 is two-point."""
    from numpy.polynomial.hermite_e import hermegauss  # here: a fifth of the package's start-up

    check_count("n", n, most=100)
    nodes, weights = hermegauss(n)
    return Discrete(tuple(nodes.tolist()), tuple((weights / weights.sum()).tolist()))


def log_p_h_steps(rnn, theta, X, H, sigma, law):
    r"""log p(h_t | h_{t-1}, x_{t-1}), Eq. (1) with noise, for t = 2..T, nats, (T-1, S, N).

    X without padding;  H (T, S, 1, N, D);  sigma other than 0.  A density if the law is `Normal`,
    a probability if it is `Discrete`.
    """
    X = _prepare(rnn, theta, X, H)
    check_sigma(rnn, sigma, nonzero=True)
    check_law("law (or p, q)", law)
    means = [f(rnn, theta, h, x) for h, x in zip(H[:-1], X[:-1], strict=True)]
    means = np.reshape(np.array(means), H[1:].shape)  # for T = 1 the list is empty
    eps = (H[1:] - means) / sigma
    # How far eps may be off: a few units in the last place of h.
    largest, least = np.max(np.abs(untraced(H)), initial=1.0), np.min(np.abs(untraced(sigma)))
    rounding = 8 * np.finfo(float).eps * largest / least
    return one_particle(law.log_p_h(eps, sigma, rounding))


def log_q_steps(rnn, theta, X, H, sigma, law):
    r"""Eq. (6).  log q(h_t | x_{t-1}, h_{t-1}) for t = 2..T, nats, (T-1, S, N).

    With the model's law it is log p(h_t | h_{t-1}, x_{t-1}); with another law it is another q.
    """
    return log_p_h_steps(rnn, theta, X, H, sigma, law)


def log_q(rnn, theta, X, H, sigma, law):
    r"""Eq. (7).  log q(H|X) = sum_t log q(h_t | x_{t-1}, h_{t-1}), t = 2..T, nats, (S, N)."""
    return np.sum(log_q_steps(rnn, theta, X, H, sigma, law), axis=TIME)


def log_p_x_steps(rnn, theta, X, H):
    r"""log p(x_t | h_t) of given trajectories H (T, S, 1, N, D), nats, (T, S, N)."""
    X = _prepare(rnn, theta, X, H)
    ell = [rnn.emission.log_p(theta, h, x) for h, x in zip(H, X, strict=True)]
    return one_particle(np.array(ell))


def log_joint(rnn, theta, X, H, sigma, law):
    r"""log p(H, X), nats, (S, N): the dynamics, t = 2..T, and the emissions, t = 1..T."""
    dynamics = np.sum(log_p_h_steps(rnn, theta, X, H, sigma, law), axis=TIME)
    emissions = np.sum(log_p_x_steps(rnn, theta, X, H), axis=TIME)
    return dynamics + emissions


def log_posterior(rnn, theta, X, H, sigma, law, evidence):
    r"""Eq. (8), its right side.  log p(H|X) = log p(H, X) - log p(X), nats, (S, N), by Bayes' rule.

    evidence: log p(X), (N,), from `enumeration.log_p` with the same sigma and law. The difference
    log_posterior - log_q tends to 0 as sigma -> 0.
    DEPARTS: with noise they differ, unless prod_t p(x_t|h_t) is the same for all trajectories.
    """
    joint = log_joint(rnn, theta, X, H, sigma, law)
    check_array("evidence", evidence, [joint.shape[1:]])
    return joint - evidence


def check_law(name, law, kinds=(Normal, Discrete)):
    r"""A noise law, or ValueError."""
    if not isinstance(law, kinds):
        wanted = " or ".join(f"{kind.__name__}(...)" for kind in kinds)
        raise ValueError(f"{name} must be a noise law, {wanted}; got {describe(law)}")


def _prepare(rnn, theta, X, H):
    r"""X, checked, without padding; ValueError also where H does not belong to it."""
    X = prepare_unpadded(rnn, theta, X)
    (T, N), D, shape = X.shape[:2], rnn.hidden, np.shape(untraced(H))
    if len(shape) != 5 or 0 in shape or (shape[0], *shape[3:]) != (T, N, D):
        wanted = f"trajectories (T, S, 1, N, D) = ({T}, S, 1, {N}, {D}), as F gives"
        raise ValueError(f"H must be {wanted} for eps (T-1, S, 1, N, D); got {describe(H)}")
    check_array("H", H)
    return X
