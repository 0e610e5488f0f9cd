"""Ground truth against loops that share no code with it."""

import autograd.numpy as np
import pytest
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref import K_noise, enumeration
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal, gauss_hermite
from tests import oracles
from tests.models import EMISSIONS, random_model

SKEWED = Discrete((-0.5, 2.0), (0.8, 0.2))  # zero mean, not symmetric


@pytest.mark.parametrize("law", [TWO_POINT, SKEWED], ids=["two-point", "skewed"])
def test_enumeration_equals_loops_over_paths(model, law):
    rnn, theta, X = model
    truth = [
        oracles.evidence_bound_and_gap(
            theta, X[:, n], rnn.transition == "linear", law.nodes, law.weights, 0.6
        )
        for n in range(3)
    ]
    log_p, bound, gap = np.array(truth).T
    eps, log_w = enumeration.paths(law, 4, 2)
    assert_allclose(enumeration.log_p(rnn, theta, X, 0.6, law), log_p, rtol=1e-11)
    assert_allclose(K_noise(rnn, theta, X, eps, 0.6, log_w), bound, rtol=1e-11)
    assert_allclose(enumeration.kl_q_posterior(rnn, theta, X, 0.6, law), gap, rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 0.05, 1.0])
def test_log_p_minus_K_is_the_divergence_of_q_from_the_posterior(model, sigma):
    rnn, theta, X = model
    for law in (TWO_POINT, SKEWED, gauss_hermite(3)):
        eps, log_w = enumeration.paths(law, 4, 2)
        gap = enumeration.log_p(rnn, theta, X, sigma, law) - K_noise(
            rnn, theta, X, eps, sigma, log_w
        )
        assert_allclose(
            gap, enumeration.kl_q_posterior(rnn, theta, X, sigma, law), rtol=1e-10, atol=1e-12
        )


def test_paths_are_all_paths_with_their_probabilities():
    eps, log_w = enumeration.paths(SKEWED, 3, 2)
    assert (
        eps.shape == (2, 16, 1, 1, 2)
        and len(np.unique(eps.reshape(2, 16, 2).transpose(1, 0, 2).reshape(16, 4), axis=0)) == 16
    )
    assert_allclose(np.exp(log_w), np.where(eps < 0, 0.8, 0.2).prod(axis=(0, 2, 3, 4)), rtol=1e-12)
    assert_allclose(np.exp(log_w).sum(), 1.0, rtol=1e-12)


def test_one_step_has_one_empty_path(model):
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 1, 2)
    assert eps.shape == (0, 1, 1, 1, 2) and log_w == [0.0]
    assert_allclose(
        enumeration.log_p(rnn, theta, X[:1], 0.5, TWO_POINT),
        K_noise(rnn, theta, X[:1], eps, 0.5, log_w),
        rtol=1e-12,
    )


def test_steps_are_the_exact_predictives_and_causal(model):
    rnn, theta, X = model
    steps = enumeration.log_p_steps(rnn, theta, X, 0.5, TWO_POINT)
    for T in (1, 2, 3):
        assert_allclose(
            steps[:T].sum(axis=0), enumeration.log_p(rnn, theta, X[:T], 0.5, TWO_POINT), rtol=1e-11
        )


def test_posterior_sums_to_one(model):
    rnn, theta, X = model
    assert_allclose(
        np.exp(enumeration.log_path_posterior(rnn, theta, X, 0.5, TWO_POINT)).sum(axis=0),
        1.0,
        rtol=1e-12,
    )


def test_everything_exact_is_differentiable_in_theta_and_sigma(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array([0.3, 0.5])}
    for value in (enumeration.log_p, enumeration.kl_q_posterior):
        check_grads(
            lambda th, v=value: np.sum(v(rnn, th, X, th["sigma"], TWO_POINT)),
            modes=["rev"],
            order=1,
        )(theta)


def test_too_many_paths_are_refused_with_what_would_do():
    told = r"\(T-1\) D, for 2\^18 paths of 2 nodes, must be a whole number, 0 to 18; got 19"
    with pytest.raises(ValueError, match=told):
        enumeration.paths(TWO_POINT, 20, 1)
    enumeration.paths(TWO_POINT, 10, 2)


def test_a_law_of_one_node_has_one_path_however_long():
    eps, log_w = enumeration.paths(Discrete((2,), (1,)), 50, 3)
    assert eps.shape == (49, 1, 1, 1, 3) and (eps == 2.0).all() and log_w == [0.0]


def test_a_law_without_nodes_is_refused():
    with pytest.raises(
        ValueError, match=r"law \(or p, q\) must be a noise law, Discrete\(\.\.\.\); got Normal"
    ):
        enumeration.paths(Normal(), 3, 1)
    with pytest.raises(ValueError, match="T must be a whole number"):
        enumeration.paths(TWO_POINT, 3.0, 1)
    with pytest.raises(ValueError, match="of 3 nodes, must be a whole number, 0 to 11"):
        enumeration.paths(gauss_hermite(3), 13, 1)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_padded_sequences_have_the_probability_of_what_is_there(emission):
    rnn, theta, X = random_model(emission, T=4, N=2, D=1)
    X[2:, 1] = -1 if emission == "categorical" else np.nan
    exact = enumeration.log_p(rnn, theta, X, 0.5, TWO_POINT)
    assert_allclose(exact[:1], enumeration.log_p(rnn, theta, X[:, :1], 0.5, TWO_POINT), rtol=1e-12)
    assert_allclose(exact[1:], enumeration.log_p(rnn, theta, X[:2, 1:], 0.5, TWO_POINT), rtol=1e-12)
