"""Section 2.3, Eq. (16), and the statements B1-B8 about noise."""

import autograd.numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref import (
    RNN,
    Categorical,
    F,
    Gaussian,
    K_noise,
    bound,
    enumeration,
    examples,
    fit,
    kalman,
    log_likelihood,
    noise,
    sample,
)
from rnnvae_ref.inference import TWO_POINT, Discrete, Normal, gauss_hermite
from tests import oracles
from tests.models import EMISSIONS, TRANSITIONS, assert_same, random_model, value_and_gradient

SKEWED = Discrete((-0.5, 2.0), (0.8, 0.2))  # zero mean, unit variance, not symmetric


def exactly(rnn, theta, X, sigma, law):
    eps, log_w = enumeration.paths(law, len(X), rnn.hidden)
    return K_noise(rnn, theta, X, eps, sigma, log_w)


def test_eq16_equals_eq14_and_loops_over_paths(model):
    rnn, theta, X = model
    theta = theta | {"sigma": np.array([0.6, -0.3])}
    for law in (TWO_POINT, SKEWED):
        eps, log_w = enumeration.paths(law, 4, 2)
        eq14 = value_and_gradient(lambda th: bound.K(rnn, th, X, F(rnn, th, X, eps, th["sigma"]), log_w), theta)
        assert_same(value_and_gradient(lambda th: K_noise(rnn, th, X, eps, th["sigma"], log_w), theta), eq14)
        truth = [
            oracles.evidence_bound_and_gap(theta, X[:, n], rnn.transition == "linear", law.nodes, law.weights, 0.6)[1]
            for n in range(3)
        ]
        assert_allclose(exactly(rnn, theta, X, 0.6, law), truth, rtol=1e-11)


def test_eq16_without_noise_is_eq5(model):
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 4, 2)
    assert_allclose(K_noise(rnn, theta, X, eps, 0.0, log_w), log_likelihood(rnn, theta, X), rtol=1e-12)


def test_padding_in_eq16():
    rnn, theta, X = random_model()
    padded = X.copy()
    padded[2:, 1] = -1
    assert_allclose(exactly(rnn, theta, padded, 0.5, TWO_POINT)[1:2], exactly(rnn, theta, X[:2, 1:2], 0.5, TWO_POINT), rtol=1e-12)


def test_gradients_of_eq16(model):
    rnn, theta, X = model
    eps = Normal().sample(np.random.default_rng(0), (3, 4, 1, 3, 2))
    check_grads(lambda th: K_noise(rnn, th, X, eps, th["sigma"]), modes=["rev"], order=1)(
        theta | {"sigma": np.array([0.3, -0.4])}
    )


def test_the_estimate_and_the_gradient_through_it_are_unbiased_within_their_errors(model):
    rnn, theta, X = model
    S, law = 20_000, gauss_hermite(3)
    eps = law.sample(np.random.default_rng(0), (3, S, 1, 3, 2))
    value, error = noise.K_estimate(rnn, theta, X, eps, 0.6)
    assert (np.abs(value - exactly(rnn, theta, X, 0.6, law)) < 5 * error).all() and (error < 0.05 * np.abs(value)).all()
    paths, log_w = enumeration.paths(law, 4, 2)
    truth = grad(lambda s: np.sum(K_noise(rnn, theta, X, paths, s, log_w)))(0.6)
    parts = [grad(lambda s, e=e: np.sum(K_noise(rnn, theta, X, e, s)))(0.6) for e in np.split(eps, 100, axis=1)]
    assert abs(np.mean(parts) - truth) < 5 * np.std(parts, ddof=1) / 10
    assert np.std(parts, ddof=1) / 10 < 0.1 * abs(truth)


def test_an_estimate_needs_two_draws():
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match="S, the number of draws in eps, must be a whole number, 2 or larger; got 1"):
        noise.K_estimate(rnn, theta, X, np.zeros((3, 1, 1, 3, 2)), 0.5)


def test_the_error_of_the_estimate_is_exactly_zero_for_delta_dynamics(model):
    rnn, theta, X = model
    _, error = noise.K_estimate(rnn, theta, X, Normal().sample(np.random.default_rng(0), (3, 8, 1, 3, 2)), 0.0)
    assert (error < 1e-15 * np.abs(log_likelihood(rnn, theta, X))).all()


def test_sampled_sequences_have_the_probabilities_of_the_noisy_model():
    rnn, theta, _ = random_model(T=3, V=2, D=1, seed=3)
    every = np.array([[a, b, c] for a in range(2) for b in range(2) for c in range(2)]).T
    p, n = np.exp(enumeration.log_p(rnn, theta, every, 1.5, TWO_POINT)), 20_000
    X = sample(rnn, theta, np.random.default_rng(4), 3, n, sigma=1.5, law=TWO_POINT)
    counts = np.bincount(X[0] * 4 + X[1] * 2 + X[2], minlength=8)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    without = np.exp(log_likelihood(rnn, theta, every))
    assert (np.abs(counts - n * without) > 5 * np.sqrt(n * p * (1 - p))).any()  # and not those of the model without noise


def linear(D=1, seed=0, M=1, V=None):
    """A random linear model with data: Gaussian emissions, or categorical if V is given."""
    return random_model("gaussian" if V is None else "categorical", "linear", T=4 if D > 1 else 6, D=D, M=M, V=V, seed=seed)


@pytest.mark.parametrize("law", [TWO_POINT, SKEWED, gauss_hermite(3)], ids=["two-point", "skewed", "three nodes"])
def test_b1_with_linear_dynamics_K_is_a_parabola_in_sigma_for_every_law(law):
    rnn, theta, X = linear(D=2, M=2)
    for sigma in (0.3, 1.0, np.array([0.2, -0.9])):
        drop = log_likelihood(rnn, theta, X) - exactly(rnn, theta, X, sigma, law)
        assert_allclose(drop, kalman.penalty(rnn, theta, 4, sigma), rtol=1e-9)


def example():
    """B1's example: a = .6, b = .3, c = 1, s = .5."""
    theta = {"h1": [[0.0]], "W": [[0.6]], "U": [[0.3]], "b": [0.0], "C": [[1.0]], "c": [0.0], "log_s": [np.log(0.5)]}
    return RNN(Gaussian(), 1, transition="linear"), {key: np.array(value) for key, value in theta.items()}


def test_b1_the_drop_of_the_example_is_30_0293():
    rnn, theta = example()
    v = [0.0]
    for _ in range(39):
        v.append(1 + 0.6**2 * v[-1])
    assert_allclose(kalman.penalty(rnn, theta, 40, 0.5), 0.5**2 / (2 * 0.5**2) * sum(v), rtol=1e-12)
    assert_allclose(kalman.penalty(rnn, theta, 40, 0.5), 30.0293, atol=5e-5)


def test_b1_the_truth_prefers_the_sigma_that_made_the_data():
    """Over 300 draws from sigma = .5 the maximiser of log p(X) lies around .5; K's lies at 0 for each."""
    from scipy.optimize import minimize_scalar

    rnn, theta = example()
    X = sample(rnn, theta, np.random.default_rng(0), 40, 300, sigma=0.5)
    grid = np.linspace(0, 1.2, 61)
    curves = np.array([kalman.log_p(rnn, theta, X, s) for s in grid])
    best = grid[curves.argmax(axis=0)]
    assert abs(best.mean() - 0.49) < 5 * 0.12 / np.sqrt(300) + 0.01 and 0.09 < best.std() < 0.15
    assert (np.array([kalman.K(rnn, theta, X, s) for s in grid]).argmax(axis=0) == 0).all()
    together = minimize_scalar(lambda s: -kalman.log_p(rnn, theta, X, s).sum(), bounds=(0, 2), method="bounded").x
    assert abs(together - 0.5) < 5 * 0.12 / np.sqrt(300)


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_b2_one_fixed_noise_path_does_at_least_as_well_as_the_average(emission, transition):
    for seed in range(10):
        rnn, theta, X = random_model(emission, transition, N=5, seed=seed)
        for sigma in (0.1, 1.0, 3.0):
            path = noise.best_path(rnn, theta, X, sigma, TWO_POINT)
            assert path.shape == (3, 1, 1, 1, 2)
            fixed = K_noise(rnn, theta, X, path, sigma).mean()
            assert fixed >= exactly(rnn, theta, X, sigma, TWO_POINT).mean()
            offsets = sigma * path[:, 0, 0, 0]  # the same model, now noise-free with f -> f + offset_t
            h, total = np.repeat(theta["h1"], 5, axis=0), 0.0
            for t in range(4):
                total = total + rnn.emission.log_p(theta, h, X[t])
                if t < 3:
                    a = h @ theta["W"] + rnn.emission.vector(X[t]) @ theta["U"] + theta["b"]
                    h = rnn.activation(a) + offsets[t]
            assert_allclose(total.mean(), fixed, rtol=1e-10)


def test_b2_time_dependent_biases_absorb_the_path_in_a_tanh_model():
    """With h' = h - sigma c_t the offsets become biases: tanh(h' W + x U + b + sigma c_t W), and of the emission."""
    rnn, theta, X = random_model(N=5)
    path = noise.best_path(rnn, theta, X, 0.7, TWO_POINT)
    offset = np.concatenate([np.zeros((1, 2)), 0.7 * path[:, 0, 0, 0]])
    h, total = np.repeat(theta["h1"], 5, axis=0), 0.0
    for t in range(4):
        total = total + rnn.emission.log_p(theta | {"c": theta["c"] + offset[t] @ theta["C"]}, h, X[t])
        a = h @ theta["W"] + rnn.emission.vector(X[t]) @ theta["U"] + theta["b"] + offset[t] @ theta["W"]
        h = np.tanh(a)
    assert_allclose(total, K_noise(rnn, theta, X, path, 0.7), rtol=1e-10)


def test_b3_noise_can_raise_K_at_fixed_parameters():
    rnn, theta, X = examples.counterexample()
    assert_allclose(exactly(rnn, theta, X, 0.0, TWO_POINT), -3.513, atol=5e-4)
    assert_allclose(exactly(rnn, theta, X, 0.1, TWO_POINT), -2.520, atol=5e-4)


def test_b3_three_steps_are_the_fewest():
    """At T = 2 noise enters h_2 alone, whose log density is concave: it cannot help (B4)."""
    for seed in range(50):
        rnn, theta, X = random_model(T=2, D=1, V=2, seed=seed)
        assert (exactly(rnn, theta, X, 1.0, TWO_POINT) <= log_likelihood(rnn, theta, X) + 1e-12).all()


@pytest.mark.parametrize("emission", EMISSIONS)
def test_b4_noise_at_the_last_step_alone_never_helps(emission):
    for seed in range(20):
        rnn, theta, X = random_model(emission, seed=seed)
        eps = np.zeros((3, 16, 1, 1, 2))
        paths, log_w = enumeration.paths(SKEWED, 3, 2)
        eps[2] = paths[1]  # 16 paths, of which the last step uses one factor
        for sigma in (0.1, 2.0):
            assert (K_noise(rnn, theta, X, eps, sigma, log_w) < log_likelihood(rnn, theta, X)).all()


@pytest.mark.parametrize("V", [None, 3])
def test_b5_linear_dynamics_and_log_concave_emission_make_K_concave_and_falling(V):
    for seed in range(10):
        rnn, theta, X = linear(D=1, V=V, seed=seed)
        K = np.array([exactly(rnn, theta, X, s, SKEWED) for s in np.linspace(0, 2, 21)])
        assert (np.diff(K, axis=0) < 1e-12).all() and (np.diff(K, n=2, axis=0) < 1e-12).all()


def test_b6_small_noise_expansion_of_K_and_of_the_truth(model):
    rnn, theta, X = model
    laplacian, squared_gradient = noise.small_noise(rnn, theta, X)
    at_zero = log_likelihood(rnn, theta, X)
    for value, slope in [(exactly, laplacian), (enumeration.log_p, laplacian + squared_gradient)]:
        far, near = (np.abs(value(rnn, theta, X, s, TWO_POINT) - at_zero - 0.5 * s**2 * slope) for s in (0.04, 0.02))
        assert (near < far / 14 + 1e-11).all() and (far < 1e-3 * (1 + np.abs(slope))).all()  # of fourth order, or nothing


def test_b6_K_wants_noise_where_the_laplacian_is_positive():
    rnn, theta, X = examples.counterexample()
    assert noise.small_noise(rnn, theta, X)[0] > 0


def test_b8_the_sign_of_sigma_does_not_matter_and_its_logarithm_learns_slowly(model):
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 4, 2)
    assert_allclose(exactly(rnn, theta, X, -0.4, TWO_POINT), exactly(rnn, theta, X, 0.4, TWO_POINT), rtol=1e-12)
    in_log = grad(lambda r: np.sum(K_noise(rnn, theta, X, eps, np.exp(r), log_w)))
    assert_allclose(in_log(np.log(1e-2)) / in_log(np.log(1e-3)), 100.0, rtol=0.05)  # vanishes like sigma^2
    in_sigma = grad(lambda s: np.sum(K_noise(rnn, theta, X, eps, s, log_w)))
    assert_allclose(in_sigma(1e-2) / in_sigma(1e-3), 10.0, rtol=0.05)  # and like sigma


def test_learning_sigma_under_K_drives_it_to_zero_from_either_side():
    rnn, theta = example()
    X = sample(rnn, theta, np.random.default_rng(0), 20, 5, sigma=0.5)
    for begin in (-1.0, 0.3, 2.0):
        objective = lambda th, X, rng: kalman.K(rnn, theta, X, th["sigma"])
        result = fit(objective, {"sigma": np.array(begin)}, X, rng=np.random.default_rng(0), method="lbfgs")
        assert abs(result.last["sigma"]) < 1e-4


def test_categorical_models_learn_sigma_too():
    rnn = RNN(Categorical(2), 1)
    theta = rnn.init(np.random.default_rng(0)) | {"sigma": np.array(0.7)}
    X = np.random.default_rng(1).integers(0, 2, (5, 30))
    eps, log_w = enumeration.paths(TWO_POINT, 5, 1)
    result = fit(
        lambda th, X, rng: K_noise(rnn, th, X, eps, th["sigma"], log_w), theta, X, rng=np.random.default_rng(2), method="lbfgs"
    )
    assert abs(result.last["sigma"]) < 1e-2
