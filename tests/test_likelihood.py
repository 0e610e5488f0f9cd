"""Section 1.2, Eqs. (3)-(5)."""

import itertools

import autograd.numpy as np
import pytest
from autograd import grad, hessian
from numpy.testing import assert_allclose

from rnnvae_ref import F, enumeration, log_likelihood, log_likelihood_steps, table
from rnnvae_ref.laws import TWO_POINT
from rnnvae_ref.likelihood import expected_log_likelihood, log_p_X
from tests import oracles
from tests.models import EMISSIONS, TRANSITIONS, assert_same, random_model, value_and_gradient


def test_eq3_equals_loops_over_numbers(model):
    rnn, theta, X = model
    expected = [
        oracles.log_likelihood(theta, X[:, n], rnn.transition == "linear") for n in range(3)
    ]
    assert_allclose(log_p_X(rnn, theta, X), expected, rtol=1e-12)


def test_eqs_3_4_and_5_are_equal_in_value_and_gradient_without_noise(model):
    rnn, theta, X = model
    eq3, eq4, eq5 = (
        value_and_gradient(lambda th, g=g: g(rnn, th, X), theta)
        for g in (log_p_X, expected_log_likelihood, log_likelihood)
    )
    assert_same(eq3, eq5)
    assert_same(eq4, eq5)


def test_eq4_exceeds_eq3_once_there_is_noise(model):
    """A7: with the true posterior, (4) lies above log p(X) by KL(posterior || q)."""
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 4, 2)
    log_post = enumeration.log_path_posterior(rnn, theta, X, 0.5, TWO_POINT)
    eq4 = expected_log_likelihood(rnn, theta, X, eps, 0.5, log_post)
    gap = np.sum(np.exp(log_post) * (log_post - log_w[:, None]), axis=0)
    assert_allclose(eq4 - enumeration.log_p(rnn, theta, X, 0.5, TWO_POINT), gap, rtol=1e-10)
    assert (gap > 0).all()


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_the_probabilities_of_all_sequences_sum_to_one(transition):
    rnn, theta, _ = random_model(transition=transition, V=3)
    every = np.array(list(itertools.product(range(3), repeat=5))).T
    assert_allclose(np.exp(log_likelihood(rnn, theta, every)).sum(), 1.0, rtol=1e-12)
    assert_allclose(
        np.exp(enumeration.log_p(rnn, theta, every[:3], 0.8, TWO_POINT)).sum(), 9.0, rtol=1e-12
    )  # each prefix 9 times


def test_the_density_of_all_pairs_of_numbers_integrates_to_one():
    rnn, theta, _ = random_model("gaussian", M=1)
    x = np.linspace(-25, 25, 501)
    pairs = np.array(np.meshgrid(x, x)).reshape(2, -1, 1)
    assert_allclose(np.exp(log_likelihood(rnn, theta, pairs)).sum() * 0.1**2, 1.0, rtol=1e-9)


def test_steps_are_the_chain_rule(model):
    rnn, theta, X = model
    steps = log_likelihood_steps(rnn, theta, X)
    assert steps.shape == (4, 3)
    for t in range(1, 5):
        assert_allclose(steps[:t].sum(axis=0), log_likelihood(rnn, theta, X[:t]), rtol=1e-12)


def test_h1_is_learned_though_the_argmax_of_eqs_3_to_5_does_not_name_it(model):
    rnn, theta, X = model
    assert np.abs(grad(lambda th: np.mean(log_likelihood(rnn, th, X)))(theta)["h1"]).min() > 0


def test_second_derivatives_come_from_the_plain_loop():
    rnn, theta, X = random_model()
    objective = lambda b: np.mean(log_p_X(rnn, theta | {"b": b}, X))
    slope = grad(objective)
    step = 1e-5 * np.eye(2)
    differences = [(slope(theta["b"] + e) - slope(theta["b"] - e)) / 2e-5 for e in step]
    assert_allclose(hessian(objective)(theta["b"]), differences, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_eq3_takes_padding_in_value_and_gradient(emission):
    rnn, theta, X = random_model(emission)
    padded = X.copy()
    padded[2:, 1] = -1 if emission == "categorical" else np.nan
    objective = lambda th: log_p_X(rnn, th, padded)
    apart = lambda th: np.concatenate([log_p_X(rnn, th, X[:, ::2]), log_p_X(rnn, th, X[:2, 1:2])])
    assert_same(value_and_gradient(objective, theta), value_and_gradient(apart, theta))


def test_every_way_in_has_the_door():
    rnn, theta, X = random_model()
    for call in (log_p_X, log_likelihood, expected_log_likelihood, F):
        with pytest.raises(ValueError, match="theta lacks 'W'"):
            call(rnn, {k: v for k, v in theta.items() if k != "W"}, X)
        with pytest.raises(ValueError, match="X must be"):
            call(rnn, theta, X + 7)
    with pytest.raises(ValueError, match="eps and sigma: give both"):
        F(rnn, theta, X, np.zeros((3, 1, 3, 2)))
    with pytest.raises(ValueError, match=r"log_w \(S, N\) weighs eps by the posterior"):
        expected_log_likelihood(rnn, theta, X, log_w=np.zeros(1))


def test_eq9_filters_by_what_each_path_explained():
    """A path that explains the past well weighs more in the next prediction."""
    rnn, theta, X = random_model(T=3, D=1)
    eps, log_w = enumeration.paths(TWO_POINT, 3, 1)
    p = np.exp(table(rnn, theta, X, eps, 0.8)[:, :, 0])  # (T, P, N)
    w = np.exp(log_w)[:, None] * p[0] * p[1]
    expected = np.log(np.sum(w * p[2], axis=0) / np.sum(w, axis=0))
    assert_allclose(enumeration.log_p_steps(rnn, theta, X, 0.8, TWO_POINT)[2], expected, rtol=1e-10)
