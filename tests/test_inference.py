"""Section 2.1, Eqs. (6)-(8): the inference model and its densities."""

import autograd.numpy as np
import pytest
import scipy.integrate
import scipy.stats
from numpy.testing import assert_allclose

from rnnvae_ref import F, enumeration, f
from rnnvae_ref.inference import log_joint, log_p_x_steps, log_posterior, log_q, log_q_steps
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal, gauss_hermite
from tests.models import random_model

SIGMA = np.array([0.4, -0.7])  # either sign, its own for each dimension


STANDARD = Normal()


def noisy(model, S=5, law=STANDARD, sigma=SIGMA):
    rnn, theta, X = model
    eps = law.sample(np.random.default_rng(1), (3, S, 1, 3, 2))
    return eps, F(rnn, theta, X, eps, sigma)


@pytest.mark.parametrize("mean", [0.0, 0.6])
def test_eq6_is_the_normal_density_around_f(model, mean):
    rnn, theta, X = model
    _, H = noisy(model)
    log_density = log_q_steps(rnn, theta, X, H, SIGMA, Normal(mean))
    for t in range(3):
        centre = f(rnn, theta, H[t], X[t]) + SIGMA * mean
        expected = scipy.stats.norm.logpdf(H[t + 1], centre, np.abs(SIGMA)).sum(axis=-1)[:, 0]
        assert_allclose(log_density[t], expected, rtol=1e-10)


def test_eq6_of_a_discrete_law_is_the_probability_of_the_node():
    rnn, theta, X = random_model()
    law = Discrete((-1.0, 0.5), (1 / 3, 2 / 3))
    eps, H = noisy((rnn, theta, X), law=law)
    expected = np.log(np.where(eps < 0, 1 / 3, 2 / 3)).sum(axis=-1)[:, :, 0]
    assert_allclose(log_q_steps(rnn, theta, X, H, SIGMA, law), expected, rtol=1e-12)
    assert (log_q_steps(rnn, theta, X, H + 0.1, SIGMA, law) == -np.inf).all()  # no node there


def test_eq7_is_a_density_of_H():
    """T = 2, D = 1: q(h_2 | h_1, x_1) integrates to one."""
    rnn, theta, X = random_model(T=2, N=1, D=1)
    density = lambda h: np.exp(
        log_q(rnn, theta, X, np.array([theta["h1"][0, 0], h]).reshape(2, 1, 1, 1, 1), 0.3, Normal())
    )[0, 0]
    assert_allclose(scipy.integrate.quad(density, -5, 5)[0], 1.0, rtol=1e-7)


def test_eq7_is_the_product_over_steps_two_to_T(model):
    rnn, theta, X = model
    _, H = noisy(model)
    steps = log_q_steps(rnn, theta, X, H, SIGMA, Normal())
    assert steps.shape == (3, 5, 3)
    assert_allclose(log_q(rnn, theta, X, H, SIGMA, Normal()), steps.sum(axis=0), rtol=1e-12)
    assert (log_q(rnn, theta, X[:1], H[:1], SIGMA, Normal()) == 0).all()  # T = 1: an empty product


def test_eq8_holds_as_sigma_vanishes_and_fails_with_noise(model):
    """A4: q(H|X) is the posterior only where the likelihood does not depend on the path."""
    rnn, theta, X = model
    eps, _ = enumeration.paths(TWO_POINT, 4, 2)
    gaps = []
    for sigma in (0.5, 1e-3, 1e-5):
        H, log_p = F(rnn, theta, X, eps, sigma), enumeration.log_p(rnn, theta, X, sigma, TWO_POINT)
        posterior = log_posterior(rnn, theta, X, H, sigma, TWO_POINT, log_p)
        assert_allclose(
            posterior,
            enumeration.log_path_posterior(rnn, theta, X, sigma, TWO_POINT),
            rtol=1e-9,
            atol=1e-11,
        )
        gaps.append(np.abs(posterior - log_q(rnn, theta, X, H, sigma, TWO_POINT)).max())
    assert gaps[0] > 0.1 and gaps[2] < 1e-3
    assert_allclose(gaps[1] / gaps[2], 100.0, rtol=0.02)  # and it vanishes like sigma
    assert_allclose(enumeration.kl_q_posterior(rnn, theta, X, 0.0, TWO_POINT), 0.0, atol=1e-12)


def test_eq8_holds_with_noise_where_the_emission_ignores_h(model):
    rnn, theta, X = model
    theta = theta | {"C": np.zeros_like(theta["C"])}
    assert_allclose(enumeration.kl_q_posterior(rnn, theta, X, 0.5, TWO_POINT), 0.0, atol=1e-12)


def test_the_joint_is_dynamics_times_emissions(model):
    rnn, theta, X = model
    _, H = noisy(model)
    emissions = sum(rnn.emission.log_p(theta, H[t], X[t])[:, 0] for t in range(4))
    joint, dynamics = (g(rnn, theta, X, H, SIGMA, STANDARD) for g in (log_joint, log_q))
    assert_allclose(joint - dynamics, emissions, rtol=1e-10)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_gauss_hermite_has_the_moments_of_a_normal(n):
    law, moments = gauss_hermite(n), [1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395, 0]
    for k in range(2 * n):
        moment = np.dot(law.weights, np.array(law.nodes) ** k)
        assert_allclose(moment, moments[k], atol=1e-9 * max(1, moments[k]))


def test_two_point_noise_is_gauss_hermite_with_two_nodes():
    assert_allclose(gauss_hermite(2).nodes, TWO_POINT.nodes)
    assert_allclose(gauss_hermite(2).weights, TWO_POINT.weights)


@pytest.mark.parametrize("law", [Normal(0.3), Discrete((-1.0, 2.0), (0.75, 0.25))])
def test_laws_draw_what_they_say(law):
    eps, n = law.sample(np.random.default_rng(0), (40_000,)), 40_000
    mean = law.mean if isinstance(law, Normal) else np.dot(law.nodes, law.weights)
    assert abs(eps.mean() - mean) < 5 * eps.std() / np.sqrt(n)


def test_a_law_must_pair_nodes_with_weights_that_sum_to_one():
    nan = float("nan")
    for nodes, weights in [
        *[((0.0,), (0.5, 0.5)), ((0.0, 1.0), (0.5, 0.6)), ((0.0, 1.0), (0.0, 1.0)), ((), ())],
        *[
            ((0.0, 0.0), (0.5, 0.5)),
            ((0.0, nan), (0.5, 0.5)),
            ((0.0, 1.0), (0.5, nan)),
            ((0.0, 1.0), (0.5, 0.5 + 1e-6)),
        ],
    ]:
        with pytest.raises(
            ValueError, match="nodes, all different, and positive weights that sum to 1"
        ):
            Discrete(nodes, weights)


def test_padding_is_refused_where_densities_of_H_are_asked():
    rnn, theta, X = random_model()
    _, H = noisy((rnn, theta, X))
    with pytest.raises(ValueError, match="X must be without padding"):
        log_q(rnn, theta, np.where((np.arange(4) == 3)[:, None], -1, X), H, SIGMA, Normal())


def test_normal_draws_have_unit_spread():
    eps = Normal(0.3).sample(np.random.default_rng(0), (40_000,))
    assert abs(eps.std() - 1.0) < 5 / np.sqrt(2 * 40_000)


def test_a_node_is_met_only_by_rounding():
    assert Discrete((0.0, 1.0), (0.5, 0.5)).log_p_h(np.array([1.0 + 1e-9]), 1.0) == np.log(0.5)
    assert Discrete((0.0, 1.0), (0.5, 0.5)).log_p_h(np.array([1.0 + 1e-3]), 1.0) == -np.inf


def test_densities_say_what_they_need():
    rnn, theta, X = random_model()
    _, H = noisy((rnn, theta, X))
    with pytest.raises(ValueError, match="sigma must not be 0: a delta has no density"):
        log_q(rnn, theta, X, H, 0.0, Normal())
    for wrong in (H[:, 0], H[1:], H[..., :1], H[:, :, :, :2]):
        for call in (
            lambda h: log_q(rnn, theta, X, h, SIGMA, Normal()),
            lambda h: log_p_x_steps(rnn, theta, X, h),
        ):
            with pytest.raises(
                ValueError, match=r"H must be trajectories \(T, S, 1, N, D\) = \(4, S, 1, 3, 2\)"
            ):
                call(wrong)
    two = np.concatenate([H, H], axis=2)
    for call in (
        lambda h: log_q(rnn, theta, X, h, SIGMA, Normal()),
        lambda h: log_p_x_steps(rnn, theta, X, h),
    ):
        with pytest.raises(ValueError, match=r"Eqs. .*one particle"):
            call(two)
    with pytest.raises(ValueError, match="X must be without padding"):
        log_p_x_steps(rnn, theta, np.where((np.arange(4) == 3)[:, None], -1, X), H)
