"""Section 2.2, Eqs. (9)-(15): each line of the derivation equals or bounds the one before, exactly."""

import autograd.numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref import F, bound, exact, log_likelihood, table
from rnnvae_ref.inference import TWO_POINT, Discrete, Normal, gauss_hermite
from rnnvae_ref.likelihood import expected_log_likelihood
from tests.models import EMISSIONS, assert_same, random_model, value_and_gradient

SIGMA = 0.6
TILTED = Discrete(TWO_POINT.nodes, (0.3, 0.7))  # a second q: the same support, another law


def on_paths(law, q=None):
    """All paths of the law, with their log probabilities under q (or under the law itself)."""
    return exact.paths(law, 4, 2)[0], exact.paths(q or law, 4, 2)[1]


def test_eqs_9_10_and_11_are_equal(model):
    rnn, theta, X = model
    for q in (TWO_POINT, TILTED):
        eps, log_q = on_paths(TWO_POINT, q)
        eq9 = bound.log_evidence(rnn, theta, X, TWO_POINT, SIGMA)
        assert_allclose(bound.log_marginal(rnn, theta, X, TWO_POINT, SIGMA), eq9, rtol=1e-10)
        assert_allclose(bound.log_importance(rnn, theta, X, eps, SIGMA, TWO_POINT, q, log_q), eq9, rtol=1e-10)


def test_eq12_is_a_lower_bound_for_any_q_and_its_gap_is_a_divergence(model):
    """log p(X) - (12) = KL(q || posterior), which for another q holds the extra KL from q to the dynamics (A6)."""
    rnn, theta, X = model
    log_p = exact.log_p(rnn, theta, X, TWO_POINT, SIGMA)
    log_post = exact.log_posterior(rnn, theta, X, TWO_POINT, SIGMA)
    for q in (TWO_POINT, TILTED):
        eps, log_q = on_paths(TWO_POINT, q)
        eq12 = bound.jensen(rnn, theta, X, eps, SIGMA, TWO_POINT, q, log_q)
        assert (eq12 < log_p).all()
        gap = np.sum(np.exp(log_q)[:, None] * (log_q[:, None] - log_post), axis=0)
        assert_allclose(log_p - eq12, gap, rtol=1e-9)


def test_another_q_pays_its_divergence_from_the_dynamics(model):
    """A6: (12) = E_q[sum_t log p(x_t|h_t)] - KL(q || dynamics); the choice (6) removes the second term."""
    rnn, theta, X = model
    eps, log_q = on_paths(TWO_POINT, TILTED)
    _, log_w = on_paths(TWO_POINT)
    extra = np.sum(np.exp(log_q) * (log_q - log_w))
    eq12 = bound.jensen(rnn, theta, X, eps, SIGMA, TWO_POINT, TILTED, log_q)
    assert_allclose(eq12, bound.K(rnn, theta, X, eps, SIGMA, log_q) - extra, rtol=1e-10)
    assert_allclose(extra, 6 * (0.3 * np.log(0.6) + 0.7 * np.log(1.4)), rtol=1e-12)


def test_eq6_is_not_the_best_q(model):
    """A6: some tilt beats q of Eq. (6) on some model, because the best q is the posterior."""
    rnn, theta, X = model
    better = 0
    for p in (0.4, 0.45, 0.55, 0.6):
        q = Discrete(TWO_POINT.nodes, (1 - p, p))
        eps, log_q = on_paths(TWO_POINT, q)
        K = bound.K(rnn, theta, X, eps, SIGMA, on_paths(TWO_POINT)[1])
        better += (bound.jensen(rnn, theta, X, eps, SIGMA, TWO_POINT, q, log_q) > K).sum()
    assert better > 0


def test_a_q_on_another_support_makes_eq12_minus_infinity():
    rnn, theta, X = random_model()
    shifted = Discrete((-0.9, 1.1), (0.5, 0.5))
    eps, log_q = exact.paths(shifted, 4, 2)
    assert (bound.jensen(rnn, theta, X, eps, SIGMA, TWO_POINT, shifted, log_q) == -np.inf).all()


def test_eqs_12_13_and_14_are_equal_for_q_of_eq6_in_value_and_gradient(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array(SIGMA)}
    for law in (TWO_POINT, gauss_hermite(3)):
        eps, log_w = on_paths(law)
        eq12 = value_and_gradient(lambda th: bound.jensen(rnn, th, X, eps, th["sigma"], law, law, log_w), theta)
        eq13 = value_and_gradient(lambda th: bound.factorised(rnn, th, X, eps, th["sigma"], law, log_w), theta)
        eq14 = value_and_gradient(lambda th: bound.K(rnn, th, X, eps, th["sigma"], log_w), theta)
        assert_same(eq12, eq14, rtol=1e-9, atol=1e-10)
        assert_same(eq13, eq14, rtol=1e-9, atol=1e-10)


def test_the_densities_cancel_for_normal_noise_too(model):
    rnn, theta, X = model
    eps = Normal().sample(np.random.default_rng(0), (3, 7, 1, 3, 2))
    K = bound.K(rnn, theta, X, eps, SIGMA)
    assert_allclose(bound.jensen(rnn, theta, X, eps, SIGMA, Normal(), Normal()), K, rtol=1e-10)
    assert_allclose(bound.factorised(rnn, theta, X, eps, SIGMA, Normal()), K, rtol=1e-10)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_eq12_with_a_shifted_normal_pays_half_the_squared_shift_a_step(emission):
    rnn, theta, X = random_model(emission)
    q, S = Normal(0.5), 4000
    eps = q.sample(np.random.default_rng(0), (3, S, 1, 3, 2))
    samples = bound._log_ratio(rnn, theta, X, eps, SIGMA, Normal(), q)
    eq12 = bound.jensen(rnn, theta, X, eps, SIGMA, Normal(), q)
    extra = bound.K(rnn, theta, X, eps, SIGMA) - eq12  # (T-1) D mean^2 / 2 = 0.75, up to Monte Carlo
    error = (0.5 * eps.sum(axis=(0, 2, 4))).std() / np.sqrt(S)
    assert (np.abs(extra - 0.75) < 5 * error).all() and samples.shape == (S, 3)


def test_eq14_by_monte_carlo_is_unbiased_within_its_own_error(model):
    rnn, theta, X = model
    S, law = 20_000, gauss_hermite(3)
    eps, log_w = on_paths(law)
    exactly = bound.K(rnn, theta, X, eps, SIGMA, log_w)
    drawn = law.sample(np.random.default_rng(0), (3, S, 1, 3, 2))
    per_sample = table(rnn, theta, X, drawn, SIGMA).sum(axis=0)[:, 0]
    error = per_sample.std(axis=0, ddof=1) / np.sqrt(S)
    assert (np.abs(bound.K(rnn, theta, X, drawn, SIGMA) - exactly) < 5 * error).all()
    assert (error < 0.05 * np.abs(exactly)).all()  # the band is narrow enough to fail


def test_eq11_by_monte_carlo_is_a_lower_bound_on_average(model):
    rnn, theta, X = model
    eps = TWO_POINT.sample(np.random.default_rng(1), (3, 1000, 3, 1, 3, 2))
    estimates = np.array([bound.log_importance(rnn, theta, X, eps[:, i], SIGMA, TWO_POINT, TWO_POINT) for i in range(1000)])
    error = estimates.std(axis=0) / np.sqrt(1000)
    assert (estimates.mean(axis=0) < exact.log_p(rnn, theta, X, TWO_POINT, SIGMA) + 5 * error).all()
    assert (
        estimates.mean(axis=0) > bound.K(rnn, theta, X, *on_paths(TWO_POINT)[:1], SIGMA, on_paths(TWO_POINT)[1]) - 5 * error
    ).all()


def test_eq15_equals_eq5_in_value_and_gradient(model):
    rnn, theta, X = model
    eq15 = value_and_gradient(lambda th: bound.K_delta(rnn, th, X), theta)
    assert_same(eq15, value_and_gradient(lambda th: log_likelihood(rnn, th, X), theta))


def test_eq14_tends_to_eq15_as_sigma_vanishes(model):
    rnn, theta, X = model
    eps, log_w = on_paths(TWO_POINT)
    eq15 = bound.K_delta(rnn, theta, X)
    assert_allclose(bound.K(rnn, theta, X, eps, 0.0, log_w), eq15, rtol=1e-12)
    far, near = (np.abs(bound.K(rnn, theta, X, eps, s, log_w) - eq15) for s in (1e-2, 1e-3))
    assert_allclose(far / near, 100.0, rtol=0.05)  # the laws are symmetric, so the difference is of second order


def test_the_sandwich_14_below_3_below_4(model):
    rnn, theta, X = model
    eps, log_w = on_paths(TWO_POINT)
    eq14 = bound.K(rnn, theta, X, eps, SIGMA, log_w)
    eq3 = exact.log_p(rnn, theta, X, TWO_POINT, SIGMA)
    eq4 = expected_log_likelihood(rnn, theta, X, eps, SIGMA, exact.log_posterior(rnn, theta, X, TWO_POINT, SIGMA))
    assert (eq14 < eq3).all() and (eq3 < eq4).all()


def test_steps_sum_to_their_objectives(model):
    rnn, theta, X = model
    eps, log_w = on_paths(TWO_POINT)
    steps, steps_delta = bound.K_steps(rnn, theta, X, eps, SIGMA, log_w), bound.K_delta_steps(rnn, theta, X)
    assert_allclose(steps.sum(axis=0), bound.K(rnn, theta, X, eps, SIGMA, log_w), rtol=1e-12)
    assert_allclose(steps_delta.sum(axis=0), log_likelihood(rnn, theta, X), rtol=1e-12)
    assert steps.shape == steps_delta.shape == (4, 3)


def test_padding_of_eqs_14_and_15():
    rnn, theta, X = random_model()
    padded = X.copy()
    padded[2:, 1] = -1
    eps, log_w = on_paths(TWO_POINT)
    short = exact.paths(TWO_POINT, 2, 2)
    assert_allclose(bound.K_delta(rnn, theta, padded)[1:2], bound.K_delta(rnn, theta, X[:2, 1:2]), rtol=1e-12)
    alone = bound.K(rnn, theta, X[:2, 1:2], short[0], SIGMA, short[1])
    assert_allclose(bound.K(rnn, theta, padded, eps, SIGMA, log_w)[1:2], alone, rtol=1e-12)


def test_gradients_of_the_bound(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array([0.3, -0.4])}
    eps = Normal().sample(np.random.default_rng(0), (3, 4, 1, 3, 2))
    check_grads(lambda th: bound.K(rnn, th, X, eps, th["sigma"]), modes=["rev"], order=1)(theta)
    check_grads(lambda th: bound.jensen(rnn, th, X, eps, th["sigma"], Normal(), Normal(0.2)), modes=["rev"], order=1)(theta)


def test_several_particles_are_refused(model):
    rnn, theta, X = model
    with pytest.raises(ValueError, match=r"one particle, and this RNN or eps has 2"):
        bound.K(rnn, theta, X, np.zeros((3, 5, 2, 3, 2)), SIGMA)


def test_F_and_table_see_the_same_noise(model):
    rnn, theta, X = model
    eps = Normal().sample(np.random.default_rng(0), (3, 4, 1, 3, 2))
    H = F(rnn, theta, X, eps, SIGMA)
    plain = np.sum(bound.log_p_x_steps(rnn, theta, X, H), axis=0).mean(axis=0)
    assert_allclose(bound.K(rnn, theta, X, eps, SIGMA), plain, rtol=1e-12)
    assert np.abs(grad(lambda s: np.sum(bound.K(rnn, theta, X, eps, s)))(SIGMA)) > 0
