"""Section 2.3, Eq. (16), and the statements B1-B9 about noise."""

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
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal, gauss_hermite
from tests import models, oracles
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
        eq14 = value_and_gradient(
            lambda th: bound.K(rnn, th, X, F(rnn, th, X, eps, th["sigma"]), log_w), theta
        )
        assert_same(
            value_and_gradient(lambda th: K_noise(rnn, th, X, eps, th["sigma"], log_w), theta), eq14
        )
        truth = [
            oracles.evidence_bound_and_gap(
                theta, X[:, n], rnn.transition == "linear", law.nodes, law.weights, 0.6
            )[1]
            for n in range(3)
        ]
        assert_allclose(exactly(rnn, theta, X, 0.6, law), truth, rtol=1e-11)


def test_eq16_without_noise_is_eq5(model):
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 4, 2)
    assert_allclose(
        K_noise(rnn, theta, X, eps, 0.0, log_w), log_likelihood(rnn, theta, X), rtol=1e-12
    )


def test_padding_in_eq16():
    rnn, theta, X = random_model()
    padded = X.copy()
    padded[2:, 1] = -1
    assert_allclose(
        exactly(rnn, theta, padded, 0.5, TWO_POINT)[1:2],
        exactly(rnn, theta, X[:2, 1:2], 0.5, TWO_POINT),
        rtol=1e-12,
    )


def test_gradients_of_eq16(model):
    rnn, theta, X = model
    eps = Normal().sample(np.random.default_rng(0), (3, 4, 1, 3, 2))
    check_grads(lambda th: K_noise(rnn, th, X, eps, th["sigma"]), modes=["rev"], order=1)(
        theta | {"sigma": np.array([0.3, -0.4])}
    )


def test_gradients_of_eq16_over_two_steps():
    rnn, theta, X = random_model(T=2)
    eps = Normal().sample(np.random.default_rng(0), (1, 4, 1, 3, 2))
    check_grads(lambda s: K_noise(rnn, theta, X, eps, s), modes=["rev"], order=1)(0.3)


def test_the_estimate_and_the_gradient_through_it_are_unbiased_within_their_errors(model):
    rnn, theta, X = model
    S, law = 20_000, gauss_hermite(3)
    eps = law.sample(np.random.default_rng(0), (3, S, 1, 3, 2))
    value, error = noise.K_estimate(rnn, theta, X, eps, 0.6)
    assert (np.abs(value - exactly(rnn, theta, X, 0.6, law)) < 5 * error).all() and (
        error < 0.05 * np.abs(value)
    ).all()
    paths, log_w = enumeration.paths(law, 4, 2)
    truth = grad(lambda s: np.sum(K_noise(rnn, theta, X, paths, s, log_w)))(0.6)
    parts = [
        grad(lambda s, e=e: np.sum(K_noise(rnn, theta, X, e, s)))(0.6)
        for e in np.split(eps, 100, axis=1)
    ]
    assert abs(np.mean(parts) - truth) < 5 * np.std(parts, ddof=1) / 10
    assert np.std(parts, ddof=1) / 10 < 0.1 * abs(truth)


def test_the_error_of_two_draws_is_half_their_distance():
    rnn, theta, X = random_model()
    eps = Normal().sample(np.random.default_rng(0), (3, 2, 1, 3, 2))
    one, other = (K_noise(rnn, theta, X, e, 0.5) for e in np.split(eps, 2, axis=1))
    value, error = noise.K_estimate(rnn, theta, X, eps, 0.5)
    assert_allclose(value, (one + other) / 2, rtol=1e-12)
    assert_allclose(error, np.abs(one - other) / 2, rtol=1e-9)


def test_an_estimate_needs_two_draws():
    rnn, theta, X = random_model()
    with pytest.raises(
        ValueError,
        match="S, the number of draws in eps, must be a whole number, 2 or larger; got 1",
    ):
        noise.K_estimate(rnn, theta, X, np.zeros((3, 1, 1, 3, 2)), 0.5)


def test_the_error_of_the_estimate_is_exactly_zero_for_delta_dynamics(model):
    rnn, theta, X = model
    _, error = noise.K_estimate(
        rnn, theta, X, Normal().sample(np.random.default_rng(0), (3, 8, 1, 3, 2)), 0.0
    )
    assert (error < 1e-15 * np.abs(log_likelihood(rnn, theta, X))).all()


def test_noise_in_samples_is_of_the_law_that_is_given():
    rnn, theta = examples.one_unit("linear", 0.5, 0.0, 1e-9)
    X = sample(
        rnn, theta, np.random.default_rng(0), 3, 50, sigma=0.1, law=Discrete((5.0, 7.0), (0.5, 0.5))
    )
    nodes = (X[1:] - 0.5 * X[:-1]) / 0.1
    assert_allclose(np.unique(np.round(nodes, 4)), [5.0, 7.0])


def test_sampled_sequences_have_the_probabilities_of_the_noisy_model():
    rnn, theta, _ = random_model(T=3, V=2, D=1, seed=3)
    every = np.array([[a, b, c] for a in range(2) for b in range(2) for c in range(2)]).T
    p, n = np.exp(enumeration.log_p(rnn, theta, every, 1.5, TWO_POINT)), 20_000
    X = sample(rnn, theta, np.random.default_rng(4), 3, n, sigma=1.5, law=TWO_POINT)
    counts = np.bincount(X[0] * 4 + X[1] * 2 + X[2], minlength=8)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    without = np.exp(log_likelihood(rnn, theta, every))
    assert (
        np.abs(counts - n * without) > 5 * np.sqrt(n * p * (1 - p))
    ).any()  # and not those of the model without noise


def linear(D=1, seed=0, M=1, V=None):
    """A random linear model with data: Gaussian emissions, or categorical if V is given."""
    return random_model(
        "gaussian" if V is None else "categorical",
        "linear",
        T=4 if D > 1 else 6,
        D=D,
        M=M,
        V=V,
        seed=seed,
    )


@pytest.mark.parametrize(
    "law", [TWO_POINT, SKEWED, gauss_hermite(3)], ids=["two-point", "skewed", "three nodes"]
)
def test_b1_with_linear_dynamics_K_is_a_parabola_in_sigma_for_every_law(law):
    rnn, theta, X = linear(D=2, M=2)
    for sigma in (0.3, 1.0, np.array([0.2, -0.9])):
        drop = log_likelihood(rnn, theta, X) - exactly(rnn, theta, X, sigma, law)
        assert_allclose(drop, kalman.penalty(rnn, theta, 4, sigma), rtol=1e-9)


def example():
    """B1's example: W = .6, U = .3, C = 1, s = .5."""
    theta = {
        "h1": [[0.0]],
        "W": [[0.6]],
        "U": [[0.3]],
        "b": [0.0],
        "C": [[1.0]],
        "c": [0.0],
        "log_s": [np.log(0.5)],
    }
    return RNN(Gaussian(), 1, transition="linear"), {
        key: np.array(value) for key, value in theta.items()
    }


def test_b1_the_drop_of_the_example_is_30_0293():
    rnn, theta = example()
    v = [0.0]
    for _ in range(39):
        v.append(1 + 0.6**2 * v[-1])
    assert_allclose(kalman.penalty(rnn, theta, 40, 0.5), 0.5**2 / (2 * 0.5**2) * sum(v), rtol=1e-12)
    assert_allclose(kalman.penalty(rnn, theta, 40, 0.5), 30.0293, atol=5e-5)


def test_b1_the_truth_prefers_the_sigma_that_made_the_data():
    """Over 300 draws from sigma = .5 the maximiser of log p(X) lies around .5; K's lies at 0 for
    each.
    """
    from scipy.optimize import minimize_scalar

    rnn, theta = example()
    X = sample(rnn, theta, np.random.default_rng(0), 40, 300, sigma=0.5)
    grid = np.linspace(0, 1.2, 61)
    curves = np.array([kalman.log_p(rnn, theta, X, s) for s in grid])
    best = grid[curves.argmax(axis=0)]
    assert abs(best.mean() - 0.49) < 5 * 0.12 / np.sqrt(300) + 0.01 and 0.09 < best.std() < 0.15
    assert (np.array([kalman.K(rnn, theta, X, s) for s in grid]).argmax(axis=0) == 0).all()
    together = minimize_scalar(
        lambda s: -kalman.log_p(rnn, theta, X, s).sum(), bounds=(0, 2), method="bounded"
    ).x
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
            offsets = (
                sigma * path[:, 0, 0, 0]
            )  # the same model, now noise-free with f -> f + offset_t
            h, total = np.repeat(theta["h1"], 5, axis=0), 0.0
            for t in range(4):
                total = total + rnn.emission.log_p(theta, h, X[t])
                if t < 3:
                    a = h @ theta["W"] + rnn.emission.vector(X[t]) @ theta["U"] + theta["b"]
                    h = (np.tanh(a) if rnn.transition == "tanh" else a) + offsets[t]
            assert_allclose(total.mean(), fixed, rtol=1e-10)


def test_b2_time_dependent_biases_absorb_the_path_in_a_tanh_model():
    """With h' = h - sigma c_t the offsets become biases: tanh(h' W + x U + b + sigma c_t W), and of
    the emission.
    """
    rnn, theta, X = random_model(N=5)
    path = noise.best_path(rnn, theta, X, 0.7, TWO_POINT)
    offset = np.concatenate([np.zeros((1, 2)), 0.7 * path[:, 0, 0, 0]])
    h, total = np.repeat(theta["h1"], 5, axis=0), 0.0
    for t in range(4):
        total = total + rnn.emission.log_p(
            theta | {"c": theta["c"] + offset[t] @ theta["C"]}, h, X[t]
        )
        a = (
            h @ theta["W"]
            + rnn.emission.vector(X[t]) @ theta["U"]
            + theta["b"]
            + offset[t] @ theta["W"]
        )
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
        assert (
            exactly(rnn, theta, X, 1.0, TWO_POINT) <= log_likelihood(rnn, theta, X) + 1e-12
        ).all()


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
    laplacian, squared_gradient = models.small_noise(rnn, theta, X)
    at_zero = log_likelihood(rnn, theta, X)
    for value, slope in [(exactly, laplacian), (enumeration.log_p, laplacian + squared_gradient)]:
        far, near = (
            np.abs(value(rnn, theta, X, s, TWO_POINT) - at_zero - 0.5 * s**2 * slope)
            for s in (0.04, 0.02)
        )
        assert (near < far / 14 + 1e-11).all() and (
            far < 1e-3 * (1 + np.abs(slope))
        ).all()  # of fourth order, or nothing


def test_b6_K_wants_noise_where_the_laplacian_is_positive():
    rnn, theta, X = examples.counterexample()
    assert models.small_noise(rnn, theta, X)[0] > 0


def test_b8_the_sign_of_sigma_does_not_matter_and_its_logarithm_learns_slowly(model):
    rnn, theta, X = model
    eps, log_w = enumeration.paths(TWO_POINT, 4, 2)
    assert_allclose(
        exactly(rnn, theta, X, -0.4, TWO_POINT), exactly(rnn, theta, X, 0.4, TWO_POINT), rtol=1e-12
    )
    in_log = grad(lambda r: np.sum(K_noise(rnn, theta, X, eps, np.exp(r), log_w)))
    assert_allclose(
        in_log(np.log(1e-2)) / in_log(np.log(1e-3)), 100.0, rtol=0.05
    )  # vanishes like sigma^2
    in_sigma = grad(lambda s: np.sum(K_noise(rnn, theta, X, eps, s, log_w)))
    assert_allclose(in_sigma(1e-2) / in_sigma(1e-3), 10.0, rtol=0.05)  # and like sigma


def test_learning_sigma_under_K_drives_it_to_zero_from_either_side():
    rnn, theta = example()
    X = sample(rnn, theta, np.random.default_rng(0), 20, 5, sigma=0.5)
    for begin in (-1.0, 0.3, 2.0):
        objective = lambda th, X, rng: kalman.K(rnn, theta, X, th["sigma"])
        result = fit(
            objective, {"sigma": np.array(begin)}, X, rng=np.random.default_rng(0), method="lbfgs"
        )
        assert abs(result.last["sigma"]) < 1e-4


def test_categorical_models_learn_sigma_too():
    rnn = RNN(Categorical(2), 1)
    theta = rnn.init(np.random.default_rng(0)) | {"sigma": np.array(0.7)}
    X = np.random.default_rng(1).integers(0, 2, (5, 30))
    eps, log_w = enumeration.paths(TWO_POINT, 5, 1)
    result = fit(
        lambda th, X, rng: K_noise(rnn, th, X, eps, th["sigma"], log_w),
        theta,
        X,
        rng=np.random.default_rng(2),
        method="lbfgs",
    )
    assert abs(result.last["sigma"]) < 1e-2


def test_b6_student_noise_with_three_degrees_of_freedom_leaves_a_cubic_term():
    """Symmetry and unit variance are not enough: what B6 leaves out is of third order here, of
    fourth for a normal law.

    D = 1, T = 2, two symbols: Lambda(e) = log g(e + 1) with the logistic g, plus a constant.
    """
    g = 1 / (1 + np.exp(-1.0))
    value = lambda u: -np.logaddexp(0.0, -(u + 1.0))
    even = lambda u: 0.5 * (value(u) + value(-u)) - value(0.0)
    beyond = lambda u: even(u) + 0.5 * u**2 * g * (1 - g)  # without the quadratic term
    student = lambda e: (
        2 / np.pi / (1 + e**2) ** 2
    )  # of three degrees of freedom, scaled to variance 1
    normal = lambda e: np.exp(-0.5 * e**2) / np.sqrt(2 * np.pi)
    grid = np.linspace(-12.0, 25.0, 20_000)  # of log e
    integral = lambda f, least=0.0: (
        np.sum(f(np.exp(grid)) * np.exp(grid) * (np.exp(grid) > least)) * (grid[1] - grid[0])
    )
    assert_allclose([2 * integral(lambda e: e**k * student(e)) for k in (0, 2)], 1.0, rtol=1e-4)
    left_out = lambda sigma, density: 2 * integral(lambda e: density(e) * beyond(sigma * e))
    assert (
        7 < left_out(0.02, student) / left_out(0.01, student) < 9
    )  # 8 for a cubic term, 16 for a quartic one
    limit = (
        4
        / np.pi
        * (integral(lambda u: beyond(u) / u**4, least=0.05) + 0.05 * beyond(0.05) / 0.05**4)
    )
    assert_allclose(left_out(0.002, student) / 0.002**3, limit, rtol=0.02)
    assert 15 < left_out(0.2, normal) / left_out(0.1, normal) < 17


def every_sequence(V, T):
    return np.indices((V,) * T).reshape(T, -1)


def test_b9_on_its_own_data_noise_never_raises_K_on_average():
    """Over all sequences and paths: E_p0[K(sigma)] = E_p0[K(0)] - E_eps KL(p_0 || p_eps), for laws
    with a mean of their own, too.
    """
    shifted = Discrete((-0.5, 3.0), (0.6, 0.4))
    for seed in range(10):
        rnn, theta, _ = random_model(D=1 + seed % 2, V=2, T=3, seed=seed)
        theta = {key: 2 * value for key, value in theta.items()}
        X = every_sequence(2, 3)
        log_p0 = log_likelihood(rnn, theta, X)
        for law, sigma in [(TWO_POINT, 0.05), (TWO_POINT, 3.0), (SKEWED, 0.7), (shifted, 1.0)]:
            eps, log_w = enumeration.paths(law, 3, rnn.hidden)
            divergence = 0.0
            for path, w in zip(np.moveaxis(eps, 1, 0), np.exp(log_w), strict=True):
                log_pe = K_noise(rnn, theta, X, path[:, None], sigma)
                assert_allclose(
                    np.exp(log_pe).sum(), 1.0, rtol=1e-12
                )  # along one path the model is a normalised law
                divergence += w * np.sum(np.exp(log_p0) * (log_p0 - log_pe))
            gain = np.exp(log_p0) @ (exactly(rnn, theta, X, sigma, law) - log_p0)
            assert_allclose(gain, -divergence, rtol=1e-8, atol=1e-14)
            assert gain < 0
    rnn, theta, _ = examples.counterexample()
    X = every_sequence(2, 3)
    gain = exactly(rnn, theta, X, 0.1, TWO_POINT) - log_likelihood(rnn, theta, X)
    assert_allclose(np.exp(log_likelihood(rnn, theta, X)) @ gain, -0.3045, atol=5e-5)
    assert X[:, gain > 0].T.tolist() == [[1, 0, 1]]  # B3's own sequence is the only one that gains


def test_b9_noise_gains_at_most_what_the_noise_free_model_lacks():
    """For data of any law q: E_q[K(sigma) - K(0)] <= KL(q || p_0), and on some the noise gains."""
    rng, gained = np.random.default_rng(0), False
    for seed in range(10):
        rnn, theta, _ = random_model(D=1, V=2, T=3, seed=seed)
        theta = {key: 4 * value for key, value in theta.items()}
        X = every_sequence(2, 3)
        log_p0 = log_likelihood(rnn, theta, X)
        for sigma in (0.3, 2.0):
            change = exactly(rnn, theta, X, sigma, TWO_POINT) - log_p0
            q = 0.2 * rng.dirichlet(np.ones(8)) + 0.8 * (np.arange(8) == np.argmax(change))
            assert q @ change <= np.sum(q * (np.log(q) - log_p0)) + 1e-12
            gained = gained or q @ change > 0.05
    assert gained


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_b9_the_laplacian_is_minus_the_squared_gradient_on_average(transition):
    rnn, theta, _ = random_model(transition=transition, T=3, V=2)
    X = every_sequence(2, 3)
    p0 = np.exp(log_likelihood(rnn, theta, X))
    laplacian, squared_gradient = models.small_noise(rnn, theta, X)
    assert_allclose(p0 @ laplacian, -(p0 @ squared_gradient), rtol=1e-9)
    assert (
        p0 @ squared_gradient > 1e-3 and (np.abs(laplacian + squared_gradient) > 1e-3).any()
    )  # on average only


def test_b9_on_data_with_noise_the_likelihood_is_largest_at_their_sigma():
    rnn, theta, _ = random_model(D=1, V=2, T=4, seed=3)
    theta = {key: 2 * value for key, value in theta.items()}
    X, sigmas = every_sequence(2, 4), np.linspace(0.0, 2.0, 21)
    p = np.exp(enumeration.log_p(rnn, theta, X, 0.8, TWO_POINT))
    curve = [p @ enumeration.log_p(rnn, theta, X, s, TWO_POINT) for s in sigmas]
    assert_allclose(sigmas[int(np.argmax(curve))], 0.8)
    K = [p @ exactly(rnn, theta, X, s, TWO_POINT) for s in sigmas]
    assert np.argmax(K) < np.argmax(curve)  # which K need not know
