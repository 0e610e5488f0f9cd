"""Section 2.2, Eqs. (9)-(15): each line equals or bounds the one before, exactly."""

import autograd.numpy as np
import pytest
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref import F, bound, enumeration, log_likelihood
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal, gauss_hermite
from rnnvae_ref.likelihood import expected_log_likelihood, log_p_X
from tests.models import EMISSIONS, assert_same, random_model, value_and_gradient

SIGMA = 0.6
TILTED = Discrete(TWO_POINT.nodes, (0.3, 0.7))  # a second q: the same support, another law


def trajectories(model, law, q=None, sigma=SIGMA):
    """All trajectories H under the noise law, with their log probabilities under q (or under the
    law itself).
    """
    return F(*model, enumeration.paths(law, 4, 2)[0], sigma), enumeration.paths(q or law, 4, 2)[1]


def drawn(model, law, S, seed=0):
    """S trajectories from q."""
    return F(*model, law.sample(np.random.default_rng(seed), (3, S, 1, 3, 2)), SIGMA)


def test_eqs_9_10_and_11_are_equal(model):
    rnn, theta, X = model
    for q in (TWO_POINT, TILTED):
        H, log_q = trajectories(model, TWO_POINT, q)
        eq9 = bound.log_evidence(rnn, theta, X, SIGMA, TWO_POINT)
        assert_allclose(bound.log_marginal(rnn, theta, X, SIGMA, TWO_POINT), eq9, rtol=1e-10)
        for log_w in (log_q, np.repeat(log_q[:, None], 3, axis=1)):  # one for each sequence, too
            eq11 = bound.log_importance(rnn, theta, X, H, SIGMA, TWO_POINT, q, log_w)
            assert_allclose(eq11, eq9, rtol=1e-10)


def test_eq12_is_a_lower_bound_for_any_q_and_its_gap_is_a_divergence(model):
    """log p(X) - (12) = KL(q || posterior), which for another q holds the extra KL from q to the
    dynamics (A6).
    """
    rnn, theta, X = model
    log_p = enumeration.log_p(rnn, theta, X, SIGMA, TWO_POINT)
    log_post = enumeration.log_path_posterior(rnn, theta, X, SIGMA, TWO_POINT)
    for q in (TWO_POINT, TILTED):
        H, log_q = trajectories(model, TWO_POINT, q)
        eq12 = bound.jensen(rnn, theta, X, H, SIGMA, TWO_POINT, q, log_q)
        assert (eq12 < log_p).all()
        gap = np.sum(np.exp(log_q)[:, None] * (log_q[:, None] - log_post), axis=0)
        assert_allclose(log_p - eq12, gap, rtol=1e-9)


def test_another_q_pays_its_divergence_from_the_dynamics(model):
    """A6: (12) = E_q[sum_t log p(x_t|h_t)] - KL(q || dynamics); the choice (6) removes the second
    term.
    """
    rnn, theta, X = model
    H, log_q = trajectories(model, TWO_POINT, TILTED)
    _, log_w = trajectories(model, TWO_POINT)
    extra = np.sum(np.exp(log_q) * (log_q - log_w))
    eq12 = bound.jensen(rnn, theta, X, H, SIGMA, TWO_POINT, TILTED, log_q)
    assert_allclose(eq12, bound.K(rnn, theta, X, H, log_q) - extra, rtol=1e-10)
    assert_allclose(extra, 6 * (0.3 * np.log(0.6) + 0.7 * np.log(1.4)), rtol=1e-12)


def test_eq6_is_not_the_best_q(model):
    """A6: some tilt beats q of Eq. (6) on some model, because the best q is the posterior."""
    rnn, theta, X = model
    better = 0
    for p in (0.4, 0.45, 0.55, 0.6):
        q = Discrete(TWO_POINT.nodes, (1 - p, p))
        H, log_q = trajectories(model, TWO_POINT, q)
        K = bound.K(rnn, theta, X, *trajectories(model, TWO_POINT))
        better += (bound.jensen(rnn, theta, X, H, SIGMA, TWO_POINT, q, log_q) > K).sum()
    assert better > 0


def test_a_q_on_another_support_makes_eq12_minus_infinity():
    rnn, theta, X = random_model()
    shifted = Discrete((-0.9, 1.1), (0.5, 0.5))
    H, log_q = trajectories((rnn, theta, X), shifted)
    assert (bound.jensen(rnn, theta, X, H, SIGMA, TWO_POINT, shifted, log_q) == -np.inf).all()


def test_eqs_12_13_and_14_are_equal_for_q_of_eq6_in_value_and_gradient(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array(SIGMA)}
    for law in (TWO_POINT, gauss_hermite(3)):
        eps, log_w = enumeration.paths(law, 4, 2)
        H = lambda th: F(rnn, th, X, eps, th["sigma"])
        eq12 = value_and_gradient(
            lambda th: bound.jensen(rnn, th, X, H(th), th["sigma"], law, law, log_w), theta
        )
        eq13 = value_and_gradient(
            lambda th: bound.factorised(rnn, th, X, H(th), th["sigma"], law, log_w), theta
        )
        eq14 = value_and_gradient(lambda th: bound.K(rnn, th, X, H(th), log_w), theta)
        assert_same(eq12, eq14, rtol=1e-9, atol=1e-10)
        assert_same(eq13, eq14, rtol=1e-9, atol=1e-10)


def test_the_densities_cancel_for_normal_noise_too(model):
    rnn, theta, X = model
    H = drawn(model, Normal(), 7)
    K = bound.K(rnn, theta, X, H)
    assert_allclose(bound.jensen(rnn, theta, X, H, SIGMA, Normal(), Normal()), K, rtol=1e-10)
    assert_allclose(bound.factorised(rnn, theta, X, H, SIGMA, Normal()), K, rtol=1e-10)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_eq12_with_a_shifted_normal_pays_half_the_squared_shift_a_step(emission):
    model = rnn, theta, X = random_model(emission)
    q, S = Normal(0.5), 4000
    eps = q.sample(np.random.default_rng(0), (3, S, 1, 3, 2))
    H = F(*model, eps, SIGMA)
    extra = bound.K(rnn, theta, X, H) - bound.jensen(rnn, theta, X, H, SIGMA, Normal(), q)
    error = (0.5 * eps.sum(axis=(0, 2, 4))).std() / np.sqrt(
        S
    )  # log q - log p = 0.5 sum(eps) - const on each draw
    assert (np.abs(extra - 0.75) < 5 * error).all()  # (T-1) D mean^2 / 2


def test_eq14_by_monte_carlo_is_unbiased_within_its_own_error(model):
    rnn, theta, X = model
    S, law = 20_000, gauss_hermite(3)
    exactly = bound.K(rnn, theta, X, *trajectories(model, law))
    H = drawn(model, law, S)
    error = np.sum(bound.log_p_x_steps(rnn, theta, X, H), axis=0).std(axis=0, ddof=1) / np.sqrt(S)
    assert (np.abs(bound.K(rnn, theta, X, H) - exactly) < 5 * error).all()
    assert (error < 0.05 * np.abs(exactly)).all()  # the band is narrow enough to fail


def test_eq11_by_monte_carlo_is_a_lower_bound_on_average(model):
    rnn, theta, X = model
    eps = TWO_POINT.sample(np.random.default_rng(1), (3, 1000, 3, 1, 3, 2))
    eps = np.moveaxis(eps, 1, 3).reshape(3, 3, 1, 3000, 2)  # a thousand estimates are one batch
    many = rnn, theta, np.tile(X, (1, 1000) + (1,) * (X.ndim - 2))
    H = F(*many, eps, SIGMA)
    estimates = bound.log_importance(*many, H, SIGMA, TWO_POINT, TWO_POINT).reshape(1000, 3)
    error = estimates.std(axis=0) / np.sqrt(1000)
    assert (
        estimates.mean(axis=0) < enumeration.log_p(rnn, theta, X, SIGMA, TWO_POINT) + 5 * error
    ).all()
    assert (
        estimates.mean(axis=0) > bound.K(rnn, theta, X, *trajectories(model, TWO_POINT)) - 5 * error
    ).all()


def test_eq15_equals_eq5_in_value_and_gradient(model):
    rnn, theta, X = model
    eq15 = value_and_gradient(lambda th: bound.K_delta(rnn, th, X), theta)
    assert_same(eq15, value_and_gradient(lambda th: log_likelihood(rnn, th, X), theta))


def test_eq14_tends_to_eq15_as_sigma_vanishes(model):
    rnn, theta, X = model
    eq15 = bound.K_delta(rnn, theta, X)
    at = lambda sigma: bound.K(rnn, theta, X, *trajectories(model, TWO_POINT, sigma=sigma))
    assert_allclose(at(0.0), eq15, rtol=1e-12)
    far, near = (np.abs(at(sigma) - eq15) for sigma in (1e-2, 1e-3))
    assert_allclose(
        far / near, 100.0, rtol=0.05
    )  # the law is symmetric, so the difference is of second order


def test_the_sandwich_14_below_3_below_4(model):
    rnn, theta, X = model
    eq14 = bound.K(rnn, theta, X, *trajectories(model, TWO_POINT))
    eq3 = enumeration.log_p(rnn, theta, X, SIGMA, TWO_POINT)
    log_post = enumeration.log_path_posterior(rnn, theta, X, SIGMA, TWO_POINT)
    eq4 = expected_log_likelihood(
        rnn, theta, X, enumeration.paths(TWO_POINT, 4, 2)[0], SIGMA, log_post
    )
    assert (eq14 < eq3).all() and (eq3 < eq4).all()


@pytest.mark.parametrize("emission", EMISSIONS)
def test_eq15_takes_padding_in_value_and_gradient_and_the_others_refuse_it(emission):
    rnn, theta, X = random_model(emission)
    padded = X.copy()
    padded[2:, 1] = -1 if emission == "categorical" else np.nan
    objective = lambda th: bound.K_delta(rnn, th, padded)
    apart = lambda th: np.concatenate(
        [bound.K_delta(rnn, th, X[:, ::2]), bound.K_delta(rnn, th, X[:2, 1:2])]
    )
    assert_same(value_and_gradient(objective, theta), value_and_gradient(apart, theta))
    with pytest.raises(ValueError, match="X must be without padding here; sequence 1"):
        bound.K(rnn, theta, padded, F(rnn, theta, X)[:, None])


def test_gradients_of_the_bound(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array([0.3, -0.4])}
    eps = Normal().sample(np.random.default_rng(0), (3, 4, 1, 3, 2))
    H = lambda th: F(rnn, th, X, eps, th["sigma"])
    check_grads(lambda th: bound.K(rnn, th, X, H(th)), modes=["rev"], order=1)(theta)
    check_grads(
        lambda th: bound.jensen(rnn, th, X, H(th), th["sigma"], Normal(), Normal(0.2)),
        modes=["rev"],
        order=1,
    )(theta)


def test_several_particles_are_refused(model):
    rnn, theta, X = model
    two = F(rnn, theta, X, np.zeros((3, 5, 2, 3, 2)), SIGMA)
    with pytest.raises(ValueError, match=r"one particle; here L = 2"):
        bound.K(rnn, theta, X, two)
    with pytest.raises(ValueError, match=r"one particle; here L = 2"):
        bound.K_delta(*random_model(L=2))


def test_eq11_by_monte_carlo_is_the_log_of_the_mean(model):
    rnn, theta, X = model
    H = drawn(model, TWO_POINT, 9)
    explained = np.exp(
        np.sum(bound.log_p_x_steps(rnn, theta, X, H), axis=0)
    )  # for q = p the ratio is prod_t p(x_t|h_t)
    assert_allclose(
        bound.log_importance(rnn, theta, X, H, SIGMA, TWO_POINT, TWO_POINT),
        np.log(explained.mean(axis=0)),
        rtol=1e-9,
    )


def test_weights_that_are_no_logs_of_probabilities_are_refused(model):
    rnn, theta, X = model
    H, log_w = trajectories(model, TWO_POINT)
    for wrong, message in [
        (np.exp(log_w), "log_w must be logs of weights that sum to 1; they sum to"),
        (log_w[:1], r"log_w must be float64 with shape \(64,\) or \(64, 3\)"),
        (log_w.tolist(), "log_w must be float64 with shape"),
    ]:
        for call in (
            lambda w: bound.K(rnn, theta, X, H, w),
            lambda w: bound.log_importance(rnn, theta, X, H, SIGMA, TWO_POINT, TWO_POINT, w),
        ):
            with pytest.raises(ValueError, match=message):
                call(wrong)


def test_trajectories_of_another_sigma_are_refused(model):
    rnn, theta, X = model
    H, log_w = trajectories(model, TWO_POINT)
    with pytest.raises(ValueError, match="H must come from q with this sigma"):
        bound.jensen(rnn, theta, X, H, 0.5, TWO_POINT, TWO_POINT, log_w)


def test_eqs_3_and_15_use_no_kernel(model, monkeypatch):
    """So that (5) = (15) and (5) = (3) compare two computations, not one with itself."""
    rnn, theta, X = model

    def gone(*_args):
        raise AssertionError("a kernel was called")

    for module, name in [
        ("rnn", "rollout"),
        ("emissions", "log_categorical"),
        ("emissions", "log_gaussian"),
    ]:
        monkeypatch.setattr(f"rnnvae_ref.{module}.{name}", gone)
    assert (
        np.isfinite(bound.K_delta(rnn, theta, X)).all()
        and np.isfinite(log_p_X(rnn, theta, X)).all()
    )
    with pytest.raises(AssertionError, match="a kernel was called"):
        log_likelihood(rnn, theta, X)
