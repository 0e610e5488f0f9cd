"""Quadrature and Kalman: against each other, against enumeration, and against one big Gaussian."""

import itertools

import autograd.numpy as np
import pytest
import scipy.stats
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose

from rnnvae_ref import (
    RNN,
    Categorical,
    F,
    Gaussian,
    K_noise,
    data,
    enumeration,
    fit,
    kalman,
    log_likelihood,
    quadrature,
    sample,
)
from rnnvae_ref.laws import gauss_hermite
from tests.models import EMISSIONS, TRANSITIONS, assert_same, random_model, value_and_gradient


def linear(T=4, N=3, D=2, M=2, seed=0):
    return random_model("gaussian", "linear", T=T, N=N, D=D, M=M, seed=seed)


def lively(rnn, theta, X):
    """The same model with a state that lasts and is seen: W = 0.8 and a C of ones; for D = 1."""
    return (
        rnn,
        theta
        | {
            "W": np.array([[0.8]]),
            "C": np.ones_like(theta["C"]) * np.arange(1, 1 + theta["C"].size),
        },
        X,
    )


def dense(rnn, theta, X, n, sigma, P1):
    """The joint Gaussian of one sequence, x_{t-1} fed in as given: mean and covariance of H; mean
    of X, its map from H, its covariance; and X itself. Built from the definition: h_t is affine in
    h_1 and the noise.
    """
    T, D, M = len(X), rnn.hidden, rnn.emission.dimensions
    mean, h = np.zeros(T * D), theta["h1"][0]
    for t in range(T):
        mean[t * D : (t + 1) * D] = h
        h = h @ theta["W"] + X[t, n] @ theta["U"] + theta["b"]
    A = np.zeros(
        (T * D, T * D)
    )  # h = mean + A z with z = (h_1 - m_1, e_2 .. e_T), blocks (W^(t-u))' on columns
    for t in range(T):
        for u in range(t + 1):
            A[t * D : (t + 1) * D, u * D : (u + 1) * D] = np.linalg.matrix_power(
                theta["W"], t - u
            ).T
    Z = np.kron(np.eye(T), np.diag(sigma**2 * np.ones(D)))
    Z[:D, :D] = P1
    B = np.kron(np.eye(T), theta["C"].T)
    S = np.kron(np.eye(T), np.diag(np.exp(2 * theta["log_s"])))
    H = A @ Z @ A.T
    return mean, H, B @ mean + np.tile(theta["c"], T), B, B @ H @ B.T + S, X[:, n].reshape(T * M)


SIGMA = np.array([0.4, -0.7])


@pytest.mark.parametrize(
    "P1", [np.zeros((2, 2)), np.array([[2.0, 0.3], [0.3, 1.0]])], ids=["h1 known", "h1 uncertain"]
)
def test_kalman_filter_equals_the_dense_joint_gaussian(P1):
    rnn, theta, X = linear()
    before, P, mean, cov = kalman.filtered(rnn, theta, X, SIGMA, P1)
    for n, T in itertools.product(range(3), range(1, 5)):
        prior, H, seen, B, V, x = dense(rnn, theta, X[:T], n, SIGMA, P1)
        expected = scipy.stats.multivariate_normal.logpdf(x, seen, V)
        assert_allclose(kalman.log_p(rnn, theta, X[:T], SIGMA, P1)[n], expected, rtol=1e-10)
        gain = H @ B.T @ np.linalg.inv(V)
        last = slice(2 * T - 2, 2 * T)
        posterior = (prior + gain @ (x - seen))[last]
        covariance = (H - gain @ B @ H)[last, last]
        assert_allclose(mean[T - 1, n], posterior, rtol=1e-8, atol=1e-10)
        assert_allclose(cov[T - 1], covariance, rtol=1e-8, atol=1e-10)
        past = slice(0, 2 * T - 2)  # h_T given x_1 .. x_{T-1}
        gain = (H @ B.T)[last, past] @ np.linalg.inv(V[past, past])
        assert_allclose(
            before[T - 1, n], prior[last] + gain @ (x - seen)[past], rtol=1e-8, atol=1e-10
        )
        assert_allclose(P[T - 1], H[last, last] - gain @ (B @ H)[past, last], rtol=1e-8, atol=1e-10)
        noise = V - B @ H @ B.T  # of x given h: K averages over the dynamics, without the data
        spread = np.trace(np.linalg.solve(noise, V - noise))
        K = scipy.stats.multivariate_normal.logpdf(x, seen, noise) - 0.5 * spread
        assert_allclose(kalman.K(rnn, theta, X[:T], SIGMA, P1)[n], K, rtol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_kalman_gap_is_the_divergence(seed):
    rnn, theta, X = linear(seed=seed, T=6, D=3)
    for sigma in (0.3, np.array([0.1, -0.8, 1.5])):
        gap = kalman.log_p(rnn, theta, X, sigma) - kalman.K(rnn, theta, X, sigma)
        assert_allclose(gap, kalman.kl_q_posterior(rnn, theta, X, sigma), rtol=1e-9, atol=1e-9)
        assert (gap > 0).all()


def test_kalman_divergence_holds_where_the_hidden_state_grows():
    """Spectral radius 1.5 over a hundred steps: the covariance of q has entries of 1e35."""
    rnn = RNN(Gaussian(), 2, transition="linear")
    theta = rnn.init(np.random.default_rng(0))
    theta |= {"W": 1.5 * theta["W"] / np.abs(np.linalg.eigvals(theta["W"])).max()}
    theta |= {"U": 0.0 * theta["U"]}
    X = sample(rnn, theta, np.random.default_rng(1), 100, 2, sigma=1.0)
    gap = kalman.log_p(rnn, theta, X, 1.0) - kalman.K(rnn, theta, X, 1.0)
    assert gap.min() > 1e30
    assert_allclose(kalman.kl_q_posterior(rnn, theta, X, 1.0), gap, rtol=1e-9)
    with pytest.raises(ValueError, match=r"\(T - 1\) D, the size of H, must be .* 0 to 4000"):
        kalman.kl_q_posterior(rnn, theta, np.zeros((2002, 1, 1)), 1.0)


def test_the_penalty_of_a_start_is_what_it_costs_K():
    rnn, theta, X = linear(D=2, T=5)
    none, P1 = kalman.K(rnn, theta, X, 0.0), 0.3 * np.eye(2)
    for sigma in (0.0, 0.7):
        cost = kalman.penalty(rnn, theta, 5, sigma, P1)
        assert_allclose(kalman.K(rnn, theta, X, sigma, P1), none - cost, rtol=1e-12)
    assert kalman.penalty(rnn, theta, 5, 0.0, P1) > 0


def test_kalman_divergence_equals_that_of_two_dense_gaussians():
    rnn, theta, X = lively(*linear(D=1, M=1))
    _, H, seen, B, V, x = dense(rnn, theta, X, 0, 0.7, np.zeros((1, 1)))
    free = slice(1, 4)  # h_1 is known
    gain = H @ B.T @ np.linalg.inv(V)
    away, post, prior = (gain @ (x - seen))[free], (H - gain @ B @ H)[free, free], H[free, free]
    kl = 0.5 * (
        np.trace(np.linalg.solve(post, prior))
        - 3
        + np.linalg.slogdet(post)[1]
        - np.linalg.slogdet(prior)[1]
        + away @ np.linalg.solve(post, away)
    )  # fmt: skip
    assert_allclose(kalman.kl_q_posterior(rnn, theta, X, 0.7)[0], kl, rtol=1e-9)


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_quadrature_gap_is_the_divergence(emission, transition):
    for seed in range(3):
        rnn, theta, X = lively(*random_model(emission, transition, D=1, M=2, seed=seed))
        for sigma in (0.3, -1.0):
            gap = quadrature.log_p(rnn, theta, X, sigma) - quadrature.K(rnn, theta, X, sigma)
            assert_allclose(
                gap, quadrature.kl_q_posterior(rnn, theta, X, sigma), rtol=1e-9, atol=1e-9
            )
            assert (gap > 0).all()


def test_quadrature_equals_kalman_on_linear_gaussian_models():
    for seed in range(2):
        rnn, theta, X = lively(*linear(D=1, M=2, T=8, N=2, seed=seed))
        for sigma in (0.2, 1.0):
            assert_allclose(
                quadrature.log_p(rnn, theta, X, sigma),
                kalman.log_p(rnn, theta, X, sigma),
                rtol=1e-9,
            )
            assert_allclose(
                quadrature.K(rnn, theta, X, sigma), kalman.K(rnn, theta, X, sigma), rtol=1e-9
            )
            assert_allclose(
                quadrature.kl_q_posterior(rnn, theta, X, sigma),
                kalman.kl_q_posterior(rnn, theta, X, sigma),
                rtol=1e-8,
            )


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_enumeration_over_gauss_hermite_nodes_converges_to_quadrature(emission, transition):
    rnn, theta, X = lively(*random_model(emission, transition, T=4, D=1, M=1))
    truth, bound = quadrature.log_p(rnn, theta, X, 0.4), quadrature.K(rnn, theta, X, 0.4)
    gaps = []
    for n in (2, 6, 20):
        eps, log_w = enumeration.paths(gauss_hermite(n), 4, 1)
        gaps.append(np.abs(enumeration.log_p(rnn, theta, X, 0.4, gauss_hermite(n)) - truth).max())
    assert_allclose(K_noise(rnn, theta, X, eps, 0.4, log_w), bound, rtol=1e-7)
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-7


def test_twenty_nodes_agree_with_kalman_to_1e_9_at_five_steps():
    rnn, theta, X = lively(*linear(T=5, N=1, D=1, M=1))
    law = gauss_hermite(20)
    assert_allclose(
        enumeration.log_p(rnn, theta, X, 0.4, law), kalman.log_p(rnn, theta, X, 0.4), atol=1e-9
    )
    eps, log_w = enumeration.paths(law, 5, 1)
    assert_allclose(
        K_noise(rnn, theta, X, eps, 0.4, log_w), kalman.K(rnn, theta, X, 0.4), atol=1e-9
    )


def test_gradients_agree_across_the_oracles_and_with_differences():
    rnn, theta, X = lively(*linear(D=1, M=1))
    theta = theta | {"sigma": np.array(0.5)}
    points = 200
    for ours, other in [
        (kalman.log_p, lambda r, th, X, s: quadrature.log_p(r, th, X, s, points)),
        (kalman.K, lambda r, th, X, s: quadrature.K(r, th, X, s, points)),
        (kalman.kl_q_posterior, lambda r, th, X, s: quadrature.kl_q_posterior(r, th, X, s, points)),
    ]:
        one, two = (
            value_and_gradient(lambda th, g=g: g(rnn, th, X, th["sigma"]), theta)
            for g in (ours, other)
        )
        assert_same(one, two, rtol=1e-6, atol=1e-7)
    check_grads(
        lambda th: np.sum(kalman.log_p(*linear()[:1], th, linear()[2], th["sigma"])),
        modes=["rev"],
        order=1,
    )(linear()[1] | {"sigma": SIGMA})
    rnn, theta, X = random_model(D=1)
    objective = lambda th: np.sum(quadrature.log_p(rnn, th, X, th["sigma"], 150))
    check_grads(objective, modes=["rev"], order=1)(theta | {"sigma": np.array(0.5)})


@pytest.mark.parametrize("oracle", [kalman, quadrature])
def test_steps_of_the_oracles_are_causal_and_sum_to_log_p(oracle):
    rnn, theta, X = linear(D=1, M=1)
    steps = oracle.log_p_steps(rnn, theta, X, 0.5)
    for T in (1, 2, 4):
        assert_allclose(steps[:T].sum(axis=0), oracle.log_p(rnn, theta, X[:T], 0.5), rtol=1e-9)


def test_one_step_needs_no_noise():
    rnn, theta, X = linear(T=1, D=1, M=1)
    for oracle in (kalman, quadrature):
        assert_allclose(oracle.log_p(rnn, theta, X, 0.5), log_likelihood(rnn, theta, X), rtol=1e-12)
        assert_allclose(oracle.kl_q_posterior(rnn, theta, X, 0.5), 0.0, atol=1e-12)


def test_halving_the_spacing_of_quadrature_tells_its_error():
    rnn, theta, X = random_model(D=1)
    truth = quadrature.log_p(rnn, theta, X, 0.1)
    for points in (30, 45, 60):
        coarse, fine = (quadrature.log_p(rnn, theta, X, 0.1, n) for n in (points, 2 * points - 1))
        assert_allclose(np.abs(fine - coarse), np.abs(coarse - truth), rtol=0.5, atol=1e-9)
    assert (
        np.abs(quadrature.log_p(rnn, theta, X, 0.1, 30) - truth).max() > 1e-6
    )  # a coarse grid does err


@pytest.mark.parametrize("drift", [2.0, -2.0])
def test_quadrature_follows_dynamics_that_drift(drift):
    rnn, theta, X = random_model("gaussian", "linear", T=6, N=2, D=1, M=1)
    theta = theta | {"W": np.array([[1.0]]), "U": np.array([[0.0]]), "b": np.array([drift])}
    X = X + drift * np.arange(6)[:, None, None] * theta["C"]
    assert_allclose(
        quadrature.log_p(rnn, theta, X, 0.3), kalman.log_p(rnn, theta, X, 0.3), rtol=1e-9
    )


def test_quadrature_refuses_what_it_cannot_do():
    rnn, theta, X = random_model()
    with pytest.raises(
        ValueError, match=r"quadrature needs D = 1, L = 1 and sigma other than 0; got D = 2"
    ):
        quadrature.log_p(rnn, theta, X, 0.5)
    rnn, theta, X = random_model(D=1)
    with pytest.raises(ValueError, match=r"got D = 1, L = 1, sigma = 0\.0"):
        quadrature.log_p(rnn, theta, X, 0.0)
    with pytest.raises(
        ValueError,
        match=r"needs a larger grid than 4000 points or 5e\+07 entries: sigma, or the emission",
    ):
        quadrature.log_p(rnn, theta, X, 1e-4)
    rnn, theta, X = lively(*linear(D=1, M=1))
    with pytest.raises(ValueError, match="the data push h to the end of the grid"):
        quadrature.log_p(rnn, theta, X + 100.0 * (np.arange(4) == 3)[:, None, None], 0.1, 400)
    with pytest.raises(ValueError, match="X must be without padding"):
        quadrature.log_p(rnn, theta, np.where((np.arange(4) == 3)[:, None, None], np.nan, X), 0.5)


def test_kalman_refuses_what_it_cannot_do():
    for rnn, theta, X in (random_model("gaussian"), random_model(transition="linear")):
        with pytest.raises(
            ValueError, match="rnn must be linear and have a Gaussian emission for a Kalman filter"
        ):
            kalman.log_p(rnn, theta, X, 0.5)
    rnn, theta, X = linear()
    with pytest.raises(
        ValueError,
        match=r"P1 must be float64 with shape \(2, 2\); got an array of float64 with shape \(1,\)",
    ):
        kalman.log_p(rnn, theta, X, 0.5, [1.0])
    with pytest.raises(ValueError, match="sigma must be float64 with shape"):
        kalman.log_p(rnn, theta, X, np.ones(3))
    with pytest.raises(ValueError, match="sigma must not be 0"):
        kalman.kl_q_posterior(rnn, theta, X, 0.0)
    with pytest.raises(ValueError, match=r"see Eqs\. "):
        kalman.log_p(*random_model("gaussian", "linear", L=2), 0.5)


def test_without_noise_every_oracle_is_eq5():
    rnn, theta, X = linear()
    assert_allclose(kalman.log_p(rnn, theta, X, 0.0), log_likelihood(rnn, theta, X), rtol=1e-12)
    assert_allclose(kalman.K(rnn, theta, X, 0.0), log_likelihood(rnn, theta, X), rtol=1e-12)
    rnn, theta, X = random_model(D=1)
    assert_allclose(quadrature.log_p(rnn, theta, X, 1e-2), log_likelihood(rnn, theta, X), atol=1e-4)


def test_the_batch_costs_no_more_calls_than_one_sequence():
    """Vectorised over the batch: the result for N sequences is that of each alone."""
    rnn, theta, X = linear(N=6)
    together = kalman.log_p(rnn, theta, X, SIGMA)
    assert_allclose(
        together, [kalman.log_p(rnn, theta, X[:, [n]], SIGMA)[0] for n in range(6)], rtol=1e-12
    )
    rnn, theta, X = random_model(D=1, N=4)
    together = quadrature.log_p(rnn, theta, X, 0.5)
    assert_allclose(
        together, [quadrature.log_p(rnn, theta, X[:, [n]], 0.5)[0] for n in range(4)], rtol=1e-10
    )


# B7: the Nile, raw, in 1e8 cubic metres, all 100 terms


def nile():
    d = data.nile()
    return d.X * d.scale + d.mean


def one_unit(h1, W, U, variance):
    theta = {
        "h1": [[h1]],
        "W": [[W]],
        "U": [[U]],
        "b": [0.0],
        "C": [[1.0]],
        "c": [0.0],
        "log_s": [0.5 * np.log(variance)],
    }
    return RNN(Gaussian(), 1, transition="linear"), {
        key: np.array(value, dtype=float) for key, value in theta.items()
    }


R, Q = 15099.0, 1469.1


def steady():
    """P_inf, the gain and the innovation variance of the local-level model."""
    P = 0.5 * (Q + np.sqrt(Q**2 + 4 * Q * R))
    return P, P / (P + R), P + R


def test_b7_the_local_level_model_of_the_nile():
    rnn, theta = one_unit(0.0, 1.0, 0.0, R)
    assert_allclose(kalman.log_p(rnn, theta, nile(), np.sqrt(Q), [[1e7]]), -641.58558, atol=5e-6)
    P, g, F = steady()
    assert_allclose([P, g, F], [5501.258, 0.267048, 20600.26], rtol=1e-6)
    _, P_past, _, _ = kalman.filtered(rnn, theta, nile(), np.sqrt(Q), [[1e7]])
    assert_allclose(P_past[-1], P, rtol=1e-9)  # the filter forgets its start


def test_b7_exponential_smoothing_is_a_one_unit_rnn():
    """The steady Kalman filter, without an arrow from x, equals a noise-free linear RNN with that
    arrow, in value.
    """
    P, g, F = steady()
    rnn, theta = one_unit(1120.0, 1.0, 0.0, R)
    filtered = kalman.log_p(rnn, theta, nile(), np.sqrt(Q), [[P]])
    rnn, theta = one_unit(1120.0, 1 - g, g, F)
    assert_allclose(log_likelihood(rnn, theta, nile()), filtered, rtol=1e-10)
    assert_allclose(filtered, -638.0495, atol=5e-5)


def test_b7_what_the_arrow_is_worth():
    """K without the arrow is best at sigma = 0, independent Gaussians; log p with the best R, Q,
    h_1; the RNN with the arrow.
    """
    X = nile()
    iid = scipy.stats.norm.logpdf(X, X.mean(), X.std()).sum()
    assert_allclose(iid, -654.52, atol=5e-3)
    rnn, theta = one_unit(X.mean(), 1.0, 0.0, X.var())
    assert_allclose(kalman.K(rnn, theta, X, 0.0), iid, rtol=1e-10)
    slope = grad(lambda s: kalman.K(rnn, theta, X, s)[0])
    assert slope(10.0) < 0 and slope(100.0) < 0

    unit = lambda th, W, U: (
        one_unit(0.0, 0.0, 0.0, 1.0)[1]
        | {"h1": 1e3 * th["h1"], "W": W, "U": U, "log_s": th["log_s"]}
    )
    best = lambda objective, theta: (
        -fit(
            lambda th, X, _: objective(th),
            theta,
            X,
            rng=np.random.default_rng(0),
            method="lbfgs",
            steps=20,
        ).history["objective"][-1]
    )
    start = {"h1": np.array([[1.1]]), "log_s": np.array([4.9])}  # near it: the next test searches
    no_arrow = lambda th: kalman.log_p(rnn, unit(th, np.eye(1), np.zeros((1, 1))), X, 10 * th["q"])
    assert_allclose(-best(no_arrow, start | {"q": np.array(4.0)}), -637.60, atol=5e-3)
    tied = lambda th: log_likelihood(rnn, unit(th, 1 - th["g"], th["g"]), X)
    assert_allclose(-best(tied, start | {"g": np.array([[0.3]])}), -638.03, atol=5e-3)


def gaussian_score(residual, log_det=0.0):
    """The log density of all residuals at the best scale."""
    return -0.5 * len(residual) * (np.log(2 * np.pi * np.mean(residual**2)) + 1) - 0.5 * log_det


def fitted(columns, y):
    """y less its least-squares fit."""
    columns = columns / np.linalg.norm(columns, axis=0)
    return y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]


def run(W, U, drive, first):
    """h_t = W h_{t-1} + U drive_{t-1} from h_1 = first: plain numbers."""
    h = [first]
    for value in drive[:-1]:
        h.append(W * h[-1] + U * value)
    return np.array(h)


def free_score(x, W):
    """The best h_1, U, b and scale for this W: the mean is linear in the first three."""
    one = np.ones_like(x)
    return gaussian_score(
        fitted(np.array([run(W, 0.0, one, 1.0), run(W, 1.0, x, 0.0), run(W, 1.0, one, 0.0)]).T, x)
    )


def test_b7_each_best_value_of_the_nile_is_a_global_maximum():
    """Each family with all but one ratio solved for exactly, and the ratio on a grid."""
    x = nile()[:, 0, 0]
    no_data = np.ones_like(x)
    tied = lambda g: gaussian_score(
        fitted(run(1 - g, 0.0, no_data, 1.0)[:, None], x - run(1 - g, g, x, 0.0))
    )
    assert_allclose(max(tied(g) for g in np.linspace(0.0, 1.99, 400)), -638.03, atol=5e-3)

    def no_arrow(
        ratio,
    ):  # of Q to R; x = h_1 + noise of covariance proportional to I + ratio min(s, t)
        t = np.arange(len(x))
        root = np.linalg.cholesky(np.eye(len(x)) + ratio * np.minimum(t[:, None], t))
        white, one = np.linalg.solve(root, x), np.linalg.solve(root, no_data)
        return gaussian_score(fitted(one[:, None], white), 2 * np.sum(np.log(np.diag(root))))

    assert_allclose(max(no_arrow(r) for r in np.geomspace(1e-4, 1e2, 121)), -637.60, atol=5e-3)
    assert no_arrow(1e12) > no_arrow(1e2) + 10 and no_arrow(1e20) > -632  # R -> 0: no maximum
    Ws = np.linspace(-1.0, 1.0, 201)
    scores = np.array([free_score(x, W) for W in Ws])
    assert_allclose([scores.max(), Ws[scores.argmax()]], [-635.4247, 1.0], atol=5e-5)
    inner = [k for k in range(1, 200) if scores[k] > max(scores[k - 1], scores[k + 1])]
    assert_allclose(Ws[inner], [0.61])  # where a search from W = 0.7 ends
    assert_allclose(scores[inner], -635.4475, atol=5e-4)


def test_b7_with_W_above_one_the_digits_of_h1_store_the_record():
    """Eq. (5) of the one-unit linear RNN far above the best |W| <= 1, until h_1 is moved by a
    millionth.
    """
    rnn, theta = one_unit(
        1158.8138303094283, 1.2360256036893547, -0.28405164965821494, 12748.285815774161
    )
    theta["b"] = np.array([40.900757384982867])
    assert_allclose(log_likelihood(rnn, theta, nile()), -614.5515, atol=5e-4)
    assert log_likelihood(rnn, theta | {"h1": theta["h1"] + 1e-6}, nile()) < -700
    h, x = F(rnn, theta, nile())[:, 0, 0, 0], nile()[:, 0, 0]
    later = [
        sum(0.28405164965821494 * 1.2360256036893547 ** (-k - 1) * x[t + k] for k in range(40))
        for t in range(60)
    ]
    assert np.ptp(h[:60] - later) < 1.0  # h_t is a weighted sum of x_t, x_{t+1} .., and a constant


def test_the_categorical_oracle_of_one_dimension_is_normalised():
    rnn, theta, _ = random_model(D=1, V=2, T=3)
    every = np.array([[a, b, c] for a in range(2) for b in range(2) for c in range(2)]).T
    assert isinstance(rnn.emission, Categorical)
    assert_allclose(np.exp(quadrature.log_p(rnn, theta, every, 0.8)).sum(), 1.0, rtol=1e-9)
