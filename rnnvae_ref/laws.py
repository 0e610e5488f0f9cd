r"""The law of the noise eps, independent over coordinates and steps: `Normal`, or `Discrete`, under
which all noise paths can be listed."""

from dataclasses import dataclass

import autograd.numpy as np

from rnnvae_ref.numerics import check, check_count, check_number, check_rng, untraced


@dataclass(frozen=True)
class Normal:
    r"""eps ~ N(mean, 1) in every coordinate; the model has mean 0, another q another mean."""

    mean: float = 0.0

    def __post_init__(self):
        check_number("mean", self.mean)

    def sample(self, rng, shape):
        check_rng(rng)
        return self.mean + rng.standard_normal(shape)

    def log_p_h(self, eps, sigma, rounding=0.0):
        r"""Log density of h = f + sigma * eps: sum_d [ log N(eps_d; mean, 1) - log |sigma_d| ]."""
        check(rounding < 1e-3, "sigma must be larger than the rounding of H", sigma)
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
            pairs = 0 < len(set(self.nodes)) == len(weights) and nodes.shape == weights.shape[:1]
            sums = (weights > 0).all() and abs(weights.sum() - 1) <= 1e-12
            fits = pairs and sums and np.isfinite(nodes).all()
        except (TypeError, ValueError):
            fits = False
        wanted = "nodes, all different, and positive weights that sum to 1 must pair up"
        check(fits, wanted, (self.nodes, self.weights))

    def sample(self, rng, shape):
        check_rng(rng)
        return rng.choice(np.array(self.nodes, float), size=shape, p=self.weights)

    def log_p_h(self, eps, sigma, rounding=0.0):
        r"""Log probability of h = f + sigma * eps, over all coordinates; -inf if eps is no node.

        rounding: how far eps, computed back from h, may be off. ValueError where two nodes are
        closer than 4 (1e-6 + rounding)."""
        slack = 1e-6 + rounding
        if slack > 0.25 * np.diff(np.sort(self.nodes)).min(initial=np.inf):
            wanted = "sigma, or the gap between the nodes, must be larger to tell them apart"
            raise ValueError(f"{wanted}; got {untraced(sigma)}")
        distance = np.abs(untraced(eps)[..., None] - np.array(self.nodes, float))
        log_weight = np.log(self.weights)[distance.argmin(axis=-1)]
        return np.sum(np.where(distance.min(axis=-1) < slack, log_weight, -np.inf), axis=-1)


TWO_POINT = Discrete((-1.0, 1.0), (0.5, 0.5))


def gauss_hermite(n):
    r"""The law on `n` <= 100 nodes with the moments of N(0, 1) up to 2n - 1; n = 2 is two-point."""
    from numpy.polynomial.hermite_e import hermegauss  # imported here: it is slow

    check_count("n", n, most=100)
    nodes, weights = hermegauss(n)
    return Discrete(tuple(nodes.tolist()), tuple((weights / weights.sum()).tolist()))


def check_law(name, law, kinds=(Normal, Discrete)):
    r"""A noise law, or ValueError."""
    wanted = " or ".join(f"{kind.__name__}(...)" for kind in kinds)
    check(isinstance(law, kinds), f"{name} must be a noise law, {wanted}", law)
