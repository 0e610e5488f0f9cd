"""Section 3.1 and Appendix A, Eqs. (17)-(27)."""

import itertools
import math

import autograd.numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal

from figures import beyond
from rnnvae_ref import (
    RNN,
    Categorical,
    F,
    Gaussian,
    appendix,
    enumeration,
    examples,
    fit,
    kalman,
    log_likelihood,
    noise,
    particles,
    sampling,
    table,
    unroll,
)  # fmt: skip
from rnnvae_ref.kernels import log_forward
from rnnvae_ref.laws import TWO_POINT, Discrete, Normal
from rnnvae_ref.numerics import log_mean_exp
from tests import models, oracles
from tests.models import EMISSIONS, TRANSITIONS, assert_same, random_model, value_and_gradient

TILTED = Discrete(TWO_POINT.nodes, (0.3, 0.7))
RHOS = [-np.inf, -1.0, 0.7, np.inf]


def several(emission="categorical", L=2, **sizes):
    return random_model(emission, L=L, **sizes)


def by_hand(reduction, *ell):
    """A reduction of a table written down as log weights: one row for each step, one column for
    each particle.
    """
    return reduction(np.array(ell)[:, :, None])[0]


def trajectory(ell):
    return log_mean_exp(np.sum(ell, axis=0), axis=0)


def per_step(ell):
    return np.sum(log_mean_exp(ell, axis=1), axis=0)


# the two readings


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_both_mixtures_equal_loops_over_numbers(emission, transition):
    rnn, theta, X = random_model(emission, transition, L=3)
    linear = transition == "linear"
    for n in range(3):
        p = [[None] * 3 for _ in range(4)]
        for i in range(3):
            up_to = [0.0] + [
                oracles.log_likelihood(theta, X[: t + 1, n], linear, particle=i) for t in range(4)
            ]
            for t in range(4):
                p[t][i] = math.exp(up_to[t + 1] - up_to[t])
        steps = sum(math.log(sum(row) / 3) for row in p)
        whole = math.log(sum(math.prod(p[t][i] for t in range(4)) for i in range(3)) / 3)
        assert_allclose(particles.per_step_mixture(rnn, theta, X)[n], steps, rtol=1e-10)
        assert_allclose(particles.trajectory_mixture(rnn, theta, X)[n], whole, rtol=1e-10)


def test_one_particle_makes_all_of_them_eq5(model):
    rnn, theta, X = model
    eq5 = value_and_gradient(lambda th: log_likelihood(rnn, th, X), theta)
    for objective in (
        particles.trajectory_mixture,
        particles.per_step_mixture,
        lambda r, th, x: particles.sticky_mixture(r, th, x, 0.3),
    ):
        assert_same(value_and_gradient(lambda th, g=objective: g(rnn, th, X), theta), eq5)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_steps_sum_to_their_objectives_and_are_causal(emission):
    rnn, theta, X = several(emission, L=3, T=5)
    theta = theta | {"v": np.array([0.5, -1.0])}
    for name, args in [
        ("trajectory_mixture", ()),
        ("per_step_mixture", ()),
        ("sticky_mixture", (0.4,)),
    ]:
        steps = getattr(particles, name + "_steps")(rnn, theta, X, *args)
        assert steps.shape == (5, 3)
        for T in (1, 3, 5):
            assert_allclose(
                steps[:T].sum(axis=0),
                getattr(particles, name)(rnn, theta, X[:T], *args),
                rtol=1e-12,
            )
    gated = beyond.gated_mixture_steps
    for T in (1, 3, 5):
        assert_allclose(gated(rnn, theta, X)[:T], gated(rnn, theta, X[:T]), rtol=1e-12)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_padding_changes_no_mixture(emission):
    rnn, theta, X = several(emission, T=5)
    theta = theta | {"v": np.array([0.5, -1.0])}
    padded = X.copy()
    padded[3:, 1] = -1 if emission == "categorical" else np.nan
    for g in (
        particles.trajectory_mixture,
        particles.per_step_mixture,
        lambda r, th, x: np.sum(beyond.gated_mixture_steps(r, th, x), axis=0),
        lambda r, th, x: particles.sticky_mixture(r, th, x, 0.4),
    ):
        objective = lambda th, g=g: g(rnn, th, padded)
        apart = lambda th, g=g: np.concatenate([g(rnn, th, X[:, ::2]), g(rnn, th, X[:3, 1:2])])
        assert_same(value_and_gradient(objective, theta), value_and_gradient(apart, theta))


def test_the_two_step_example_stays_at_plus_and_minus_one_with_scale_one():
    """By hand: densities N(x; +-1, 1) at x_1 = 2 and x_2 = -2, so squares of 1, 9 and 9, 1."""
    two, theta, X = examples.two_steps(-2.0)
    assert F(two, theta, X)[:, :, 0, 0].tolist() == [[1.0, -1.0], [1.0, -1.0]]
    log_2pi = np.log(2 * np.pi)
    assert_allclose(particles.trajectory_mixture(two, theta, X), -5.0 - log_2pi)
    step = np.log((np.exp(-0.5) + np.exp(-4.5)) / 2) - 0.5 * log_2pi
    assert_allclose(particles.per_step_mixture(two, theta, X), 2 * step)


def test_c1_two_steps_and_two_particles_decide_that_neither_bounds_the_other():
    assert_allclose(
        [by_hand(trajectory, [5.0, 1.0], [5.0, 1.0]), by_hand(per_step, [5.0, 1.0], [5.0, 1.0])],
        [9.3072, 8.6500],
        atol=5e-5,
    )
    assert_allclose(
        [by_hand(trajectory, [5.0, 1.0], [1.0, 5.0]), by_hand(per_step, [5.0, 1.0], [1.0, 5.0])],
        [6.0, 8.6500],
        atol=5e-5,
    )


def test_c1_the_sign_at_two_steps_is_that_of_the_covariance():
    p = np.exp(np.random.default_rng(0).normal(size=(2, 3, 500)))
    covariance = np.mean(p[0] * p[1], axis=0) - p[0].mean(axis=0) * p[1].mean(axis=0)
    difference = trajectory(np.log(p)) - per_step(np.log(p))
    assert_array_equal(np.sign(difference), np.sign(covariance))
    assert (covariance > 0).any() and (covariance < 0).any()


def test_c1_how_far_the_readings_can_lie_apart():
    T, L = 6, 4
    ell = np.random.default_rng(0).normal(scale=20.0, size=(T, L, 1000))
    difference, best = trajectory(ell) - per_step(ell), ell.sum(axis=0).max(axis=0)
    assert (difference <= (T - 1) * np.log(L) + 1e-9).all()
    ell[:, 0], ell[:, 1:] = 0.0, -1e3  # one particle explains all
    assert_allclose(trajectory(ell) - per_step(ell), (T - 1) * np.log(L), rtol=1e-12)
    assert difference.min() < -100  # the reverse has no limit
    ell = np.random.default_rng(0).normal(scale=20.0, size=(T, L, 1000))
    assert (trajectory(ell) <= best + 1e-9).all() and (
        trajectory(ell) >= best - np.log(L) - 1e-9
    ).all()
    assert (
        per_step(ell) > best
    ).any()  # the per-step mixture can beat its best particle in hindsight


def every_sequence(V=2, T=4):
    return np.array(list(itertools.product(range(V), repeat=T))).T


@pytest.mark.parametrize("logit_rho", RHOS)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_c2_all_laws_are_normalised_over_all_sequences(transition, logit_rho):
    rnn, theta, _ = random_model(transition=transition, L=3, V=2)
    theta = theta | {"v": np.array([2.0, -1.0])}
    X = every_sequence()
    assert_allclose(
        np.exp(particles.sticky_mixture(rnn, theta, X, logit_rho)).sum(), 1.0, rtol=1e-12
    )
    gated = lambda *args: beyond.gated_mixture_steps(*args).sum(axis=0)
    for g in (particles.trajectory_mixture, particles.per_step_mixture, gated):
        assert_allclose(np.exp(g(rnn, theta, X)).sum(), 1.0, rtol=1e-12)


def test_eq17_is_no_bound_in_either_direction():
    """C2: on some sequences (17) exceeds log p(X) of (18), on others it falls short; on average
    Gibbs' inequality decides.
    """
    rnn, theta, _ = random_model(L=2, V=2, T=4, seed=1)
    theta = theta | {"h1": 3 * theta["h1"]}
    X = every_sequence()
    eq17, log_p = (
        particles.per_step_mixture(rnn, theta, X),
        particles.trajectory_mixture(rnn, theta, X),
    )
    assert (eq17 > log_p + 1e-3).any() and (eq17 < log_p - 1e-3).any()
    assert np.sum(np.exp(log_p) * (log_p - eq17)) > 0  # data from the law of (26)
    assert np.sum(np.exp(eq17) * (eq17 - log_p)) > 0  # data from the law of (17)


def apart_and_remembering():
    """C2's example: the emission sees the second unit only, which is 0 at t = 1 and +-tanh(0.8) at
    t = 2.
    """
    theta = {
        "h1": [[0.8, 0.0], [-0.8, 0.0]],
        "W": [[1.2, 1.0], [0.0, 0.0]],
        "U": [[0.0, 0.0]] * 2,
        "b": [0.0, 0.0],
    }
    theta |= {"C": [[0.0, 0.0], [-1.0, 1.0]], "c": [0.0, 0.0]}
    return RNN(Categorical(2), 2, particles=2), {
        key: np.array(value) for key, value in theta.items()
    }


def test_c2_particles_that_differ_and_remember_can_still_give_one_law():
    rnn, theta = apart_and_remembering()
    p = np.exp(table(rnn, theta, np.ones((2, 1), int)))[:, :, 0]  # of symbol 1
    assert_allclose(p, [[0.5, 0.5], [0.7905, 0.2095]], atol=5e-5)
    for law in (particles.trajectory_mixture, particles.per_step_mixture):
        assert_allclose(np.exp(law(rnn, theta, every_sequence(T=2))), 0.25, rtol=1e-12)
    H = F(rnn, theta, np.ones((30, 1), int))
    assert (beyond.spread(H) > 0.6).all()  # they do remember
    X = every_sequence(T=3)
    three = np.exp(particles.trajectory_mixture(rnn, theta, X)) - np.exp(
        particles.per_step_mixture(rnn, theta, X)
    )
    assert_allclose(np.abs(three), 0.0406, atol=5e-5)


def test_c2_two_particles_differ_only_after_a_past_that_one_explained_better():
    """The step terms differ exactly where the weights do and the predictions do."""
    for seed in range(5):
        rnn, theta, _ = random_model(L=2, V=2, T=4, seed=seed)
        X = every_sequence()
        ell = table(rnn, theta, X)
        weights = particles.predicted_weights(ell)[:-1]
        difference = np.exp(particles.trajectory_mixture_steps(rnn, theta, X)) - np.exp(
            particles.per_step_mixture_steps(rnn, theta, X)
        )
        p = np.exp(ell)
        assert_allclose(difference, (np.exp(weights[:, 0]) - 0.5) * (p[:, 0] - p[:, 1]), atol=1e-14)
        assert_allclose(difference[0], 0.0, atol=1e-14)
        assert (np.abs(difference[1]) > 1e-4).any()


def test_eq27_with_deltas_is_already_wrong_because_eq26_is_an_equality():
    rnn, theta, X = several()
    log_p = log_mean_exp(
        np.array([log_likelihood(one, th, X) for one, th in appendix.single_particles(rnn, theta)]),
        axis=0,
    )
    assert_allclose(particles.trajectory_mixture(rnn, theta, X), log_p, rtol=1e-12)


# Eqs. (18)-(26)


@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("q", [TWO_POINT, TILTED], ids=["q = dynamics", "another q"])
def test_eqs_18_to_26_are_equal_over_a_discrete_law(emission, q):
    rnn, theta, X = random_model(emission, L=2, T=3, D=1, N=2)
    args = rnn, theta, X, 0.7, TWO_POINT, q
    log_p = appendix.eq18(*args)
    for line in (
        appendix.eq19,
        appendix.eq20,
        appendix.eq21,
        appendix.eq23,
        appendix.eq24,
        appendix.eq25,
        appendix.eq26,
    ):
        assert_allclose(line(*args), log_p, rtol=1e-10)
    one = [math.prod(steps) for steps in itertools.product(q.weights, repeat=2)]  # q(H_l|X)
    both = [a * b for a, b in itertools.product(one, repeat=2)]  # Eq. (22): their product
    q_H = np.exp(appendix.eq22(*args))
    assert_allclose(q_H, np.tile(np.reshape(both, (-1, 1)), 2), rtol=1e-12)
    assert_allclose(q_H.sum(axis=0), 1.0, rtol=1e-12)
    assert (appendix.jensen(*args) < log_p).all()


def test_eqs_20_and_21_multiply_by_the_integrals_of_the_other_particles(monkeypatch):
    """They are 1 for every q, so here the tables are of no q: integrals 0.5, 1.2 and 3."""
    rng = np.random.default_rng(0)
    log_ratio, q = rng.standard_normal((3, 4, 2)), rng.random((3, 4, 2))
    integrals = np.array([0.5, 1.2, 3.0])
    q *= integrals[:, None, None] / q.sum(axis=1, keepdims=True)
    tables = log_ratio, np.log(q)
    monkeypatch.setattr(appendix, "log_ratios_and_weights", lambda *_: tables)
    own = np.sum(np.exp(log_ratio) * q, axis=1)  # (L, N)
    others = np.prod(integrals) / integrals
    expected = np.log(np.mean(own * others[:, None], axis=0))
    for line in (appendix.eq20, appendix.eq21):
        assert_allclose(line(*6 * (None,)), expected, rtol=1e-12)


def test_eq18_equals_loops_over_paths():
    rnn, theta, X = random_model(L=3, T=3, D=1, N=2)
    for n in range(2):
        p = [
            math.exp(
                oracles.evidence_bound_and_gap(
                    theta | {"h1": theta["h1"][[i]]}, X[:, n], False, (-1.0, 1.0), (0.5, 0.5), 0.7
                )[0]
            )
            for i in range(3)
        ]
        assert_allclose(
            appendix.eq18(rnn, theta, X, 0.7, TWO_POINT, TWO_POINT)[n],
            math.log(sum(p) / 3),
            rtol=1e-11,
        )


def joint_paths(law, T, L, D):
    """All noise paths of L particles together, as the S axis: eps (T-1, P^L, L, 1, D) and log
    weights.
    """
    eps, log_w = enumeration.paths(law, T, L * D)
    return eps.reshape(T - 1, -1, 1, L, D).transpose(0, 1, 3, 2, 4), log_w


def test_the_trajectory_mixture_with_noise_is_jensens_bound_of_eq26():
    for L, T in [(1, 4), (2, 3), (3, 3)]:
        rnn, theta, X = random_model(L=L, T=T, D=1, N=2)
        eps, log_w = joint_paths(TWO_POINT, T, L, 1)
        value = particles.trajectory_mixture(rnn, theta, X, eps, 0.7, log_w)
        assert_allclose(
            value, appendix.jensen(rnn, theta, X, 0.7, TWO_POINT, TWO_POINT), rtol=1e-10
        )


def test_eq17_with_noise_can_lie_above_log_p_in_expectation():
    rnn, theta, _ = random_model(T=3, D=1, V=2)
    theta = theta | {
        "h1": np.zeros((1, 1)),
        "W": np.array([[-9.0]]),
        "U": np.zeros((2, 1)),
        "b": np.zeros(1),
        "c": np.zeros(2),
    }
    theta = theta | {
        "C": np.array([[2.0, -2.0]])
    }  # h_2 > 0 explains x_2 = 0, and then h_3 < 0 does not explain x_3 = 0
    eps, log_w = joint_paths(TWO_POINT, 3, 4, 1)
    X = np.zeros((3, 1), int)
    above = particles.per_step_mixture(rnn, theta, X, eps, 0.6, log_w) - enumeration.log_p(
        rnn, theta, X, 0.6, TWO_POINT
    )
    assert above > 0.05
    assert particles.trajectory_mixture(rnn, theta, X, eps, 0.6, log_w) < enumeration.log_p(
        rnn, theta, X, 0.6, TWO_POINT
    )


def test_c5_for_particles_that_share_h1_the_bound_rises_with_L_in_exact_expectation():
    rnn, theta, X = random_model(T=3, D=1, N=4)
    bounds = [
        particles.trajectory_mixture(rnn, theta, X, *args(L))
        for L in (1, 2, 4)
        for args in [shared]
    ]
    assert (np.diff(bounds, axis=0) > 0).all()
    assert (bounds[-1] < enumeration.log_p(rnn, theta, X, 1.5, TWO_POINT)).all()


def shared(L):
    eps, log_w = joint_paths(TWO_POINT, 3, L, 1)
    return eps, 1.5, log_w


def test_c5_with_distinct_h1_more_particles_can_be_worse():
    assert_allclose(by_hand(trajectory, [0.0]), 0.0)
    assert_allclose(by_hand(trajectory, [0.0, -5.0]), -0.687, atol=1e-3)


def test_c5_the_gap_closes_like_the_relative_variance_over_2L():
    """Linear, 100 particles: L * gap -> Var(weight) / (2 mean^2), with log p(X) from Kalman."""
    rnn, theta, X = random_model("gaussian", "linear", T=3, N=1, D=1, M=1)
    theta, sigma, L, S = theta | {"C": np.ones((1, 1)), "W": 0.5 * np.ones((1, 1))}, 0.3, 100, 4000
    rng = np.random.default_rng(0)
    eps = rng.standard_normal((2, S, L, 1, 1))
    draws = log_mean_exp(np.sum(table(rnn, theta, X, eps, sigma), axis=0), axis=1)[:, 0]
    weights = np.exp(
        np.sum(table(rnn, theta, X, rng.standard_normal((2, 200_000, 1, 1, 1)), sigma), axis=0)
    )
    limit = weights.var() / (2 * weights.mean() ** 2)
    gap, error = kalman.log_p(rnn, theta, X, sigma)[0] - draws.mean(), draws.std() / np.sqrt(S)
    assert abs(L * gap - limit) < 5 * L * error + 0.1 * limit and limit > 0.05


# the sticky family


@pytest.mark.parametrize("logit_rho", RHOS)
def test_c3_sticky_is_the_sum_over_all_index_paths_and_over_segmentations(logit_rho):
    T, L = 4, 3
    ell = np.random.default_rng(0).normal(scale=2.0, size=(T, L, 1))
    p, rho = np.exp(ell[:, :, 0]), 1 / (1 + np.exp(-logit_rho))
    total = 0.0
    for z in itertools.product(range(L), repeat=T):
        chain = math.prod((rho * (a == b) + (1 - rho) / L) for a, b in itertools.pairwise(z))
        total += chain / L * math.prod(p[t, z[t]] for t in range(T))
    assert_allclose(log_forward(ell, logit_rho).sum(), math.log(total), rtol=1e-12)
    segments = 0.0
    for cuts in itertools.product((False, True), repeat=T - 1):
        ends = [0] + [t + 1 for t in range(T - 1) if cuts[t]] + [T]
        parts = math.prod(np.mean(np.prod(p[a:b], axis=0)) for a, b in itertools.pairwise(ends))
        segments += rho ** (T - 1 - sum(cuts)) * (1 - rho) ** sum(cuts) * parts
    assert_allclose(segments, total, rtol=1e-12)


def test_sticky_is_eq26_at_rho_one_and_eq17_at_rho_zero_also_over_a_thousand_steps():
    ell = np.random.default_rng(0).normal(scale=5.0, size=(1000, 3, 2))
    assert_allclose(log_forward(ell, np.inf).sum(axis=0), trajectory(ell), rtol=1e-12)
    assert_allclose(log_forward(ell, -np.inf).sum(axis=0), per_step(ell), rtol=1e-12)


def test_sticky_lets_a_particle_come_back_from_far_behind():
    """Two thousand nats behind, which no ratio of floats holds: the second particle is ahead again
    at the end.
    """
    ell = np.zeros((3, 2, 1))
    ell[0, 1], ell[1, 0] = -2000.0, -3000.0
    assert_allclose(log_forward(ell, np.inf).sum(), -2000.0 - np.log(2), rtol=1e-12)


def test_c3_in_linear_space_a_particle_is_lost_at_rho_one_only():
    """The recursion of C3 (3) on plain probabilities, where exp(-2000) is 0: right for rho = 0.9,
    wrong for rho = 1.
    """

    def plain(p, rho):
        weights, total = np.full(2, 0.5), 0.0
        for row in p:
            total, filtered = total + np.log(weights @ row), weights * row / (weights @ row)
            weights = rho * filtered + (1 - rho) / 2
        return total

    ell = np.array([[0.0, -2000.0], [-700.0, 0.0], [-700.0, 0.0], [-700.0, 0.0]])
    logs = lambda logit_rho: log_forward(ell[:, :, None], logit_rho).sum()
    assert_allclose(plain(np.exp(ell), 0.9), logs(np.log(9.0)), rtol=1e-12)
    assert_allclose(logs(np.inf), -2000.0 - np.log(2), rtol=1e-12)
    assert abs(plain(np.exp(ell), 1.0) - logs(np.inf)) > 50


def test_sticky_is_stable_where_sequences_lie_far_apart_and_rho_is_extreme():
    """The largest of each sequence is subtracted, not of all; and a logit of -800 or 800 overflows
    nowhere.
    """
    ell = np.random.default_rng(0).standard_normal((3, 2, 2)) - np.array([0.0, 2000.0])
    assert np.isfinite(log_forward(ell, 0.3)).all()
    for logit_rho, limit in [(-800.0, per_step), (800.0, trajectory)]:
        assert_allclose(log_forward(ell, logit_rho).sum(axis=0), limit(ell), rtol=1e-12)
        assert grad(lambda r: np.sum(log_forward(ell, r)))(logit_rho) == 0.0
    check_grads(lambda r: log_forward(ell, r), modes=["rev"], order=1)(0.3)


def test_gradients_of_sticky_are_the_smoothed_posterior_and_check_grads():
    T, L = 4, 3
    ell, rho = np.random.default_rng(0).normal(scale=2.0, size=(T, L, 1)), 1 / (1 + np.exp(-0.7))
    p, marginal, total = np.exp(ell[:, :, 0]), np.zeros((T, L)), 0.0
    for z in itertools.product(range(L), repeat=T):
        weight = math.prod(
            (rho * (a == b) + (1 - rho) / L) for a, b in itertools.pairwise(z)
        ) * math.prod(p[t, z[t]] for t in range(T))
        total += weight
        for t in range(T):
            marginal[t, z[t]] += weight
    smoothed = grad(lambda ell: np.sum(log_forward(ell, 0.7)))(ell)
    assert_allclose(smoothed[:, :, 0], marginal / total, rtol=1e-10)
    steps = lambda ell, r: log_forward(ell, r)
    for shape in [(4, 3, 2), (4, 2, 3, 2)]:
        check_grads(steps, argnum=[0, 1], modes=["rev"], order=1)(
            np.random.default_rng(1).normal(size=shape), 0.3
        )
        check_grads(lambda e: log_forward(e, np.inf), modes=["rev"], order=1)(
            np.random.default_rng(1).normal(size=shape)
        )


def test_rho_is_learned_through_its_logit():
    rnn, theta, X = several(T=6, N=20)
    theta = theta | {"logit_rho": np.array(0.0)}
    objective = lambda th, X, rng: particles.sticky_mixture(rnn, th, X, th["logit_rho"])
    result = fit(objective, theta, X, rng=np.random.default_rng(0), steps=30)
    assert result.last["logit_rho"] != 0.0
    check_grads(lambda th: np.sum(objective(th, X, None)), modes=["rev"], order=1)(theta)


def test_the_gate_is_eq17_at_v_zero_and_its_gradients_are_right():
    rnn, theta, X = several(L=3)
    zero = theta | {"v": np.zeros(2)}
    steps = beyond.gated_mixture_steps
    assert_allclose(
        steps(rnn, zero, X), particles.per_step_mixture_steps(rnn, theta, X), rtol=1e-12
    )
    gated = theta | {"v": np.array([1.0, -2.0])}
    check_grads(lambda th: np.sum(steps(rnn, th, X)), modes=["rev"], order=1)(gated)
    H, ell = unroll(rnn, gated, X)
    score = np.exp(H @ gated["v"])
    expected = np.log(np.sum(score * np.exp(ell), axis=1) / np.sum(score, axis=1))
    assert_allclose(beyond.gated_mixture_steps(rnn, gated, X), expected, rtol=1e-10)


# resampling


def over_ancestors(rnn, theta, X, eps, sigma, share):
    """E over all ancestors of two particles of exp of the estimate, for each noise sample (S, N):
    each choice is a sample.
    """
    T, S, N = len(X), eps.shape[1], X.shape[1]
    choices = np.array(list(itertools.product(range(2), repeat=2 * (T - 1)))).reshape(-1, T - 1, 2)
    log_chance = np.zeros((len(choices) * S, N))

    def choose(t, w):
        nonlocal log_chance
        ancestors = np.repeat(np.repeat(choices[:, t], S, axis=0)[:, :, None], N, axis=2)
        log_chance = log_chance + np.sum(
            np.log(np.take_along_axis(w, ancestors, axis=1)), axis=1
        )  # sums to 1 where unused, too
        return ancestors

    estimate = beyond.resampled(
        rnn, theta, X, np.tile(eps, (1, len(choices), 1, 1, 1)), sigma, choose, share
    ).sum(axis=0)
    return np.exp(log_chance + estimate).reshape(len(choices), S, N).sum(axis=0)


@pytest.mark.parametrize("share", [1.0, 0.9, 0.6, 0.0])
@pytest.mark.parametrize("emission", EMISSIONS)
def test_c5_the_resampled_estimate_is_unbiased_over_all_ancestors_and_noise(emission, share):
    rnn, theta, X = random_model(emission, T=4, D=1, N=2, L=2, M=1)
    theta = theta | {
        "h1": np.array([[1.5], [-1.5]]),
        "C": 1.5 * np.ones_like(theta["C"]) * np.array([[1.0, -1.0, 0.3]])[:, : theta["C"].size],
    }
    without = over_ancestors(
        rnn, theta, X, np.zeros((3, 1, 1, 1, 1)) + np.zeros((1, 1, 2, 1, 1)), 0.0, share
    )[0]
    assert_allclose(np.log(without), particles.trajectory_mixture(rnn, theta, X), rtol=1e-10)
    eps, log_w = joint_paths(TWO_POINT, 4, 2, 1)
    with_noise = np.exp(log_w) @ over_ancestors(rnn, theta, X, eps, 0.8, share)
    assert_allclose(
        np.log(with_noise), appendix.eq18(rnn, theta, X, 0.8, TWO_POINT, TWO_POINT), rtol=1e-10
    )


def test_adaptive_resampling_that_forgets_weights_would_be_biased():
    """The same enumeration with the log-mean taken over the last step only: the most re-invented
    mistake shows.
    """
    rnn, theta, X = random_model(T=4, D=1, N=2, L=2)
    theta = theta | {"h1": np.array([[1.5], [-1.5]])}
    eps = np.zeros((3, 1, 2, 1, 1))
    right = over_ancestors(rnn, theta, X, eps, 0.0, 0.6)[0]
    resample = beyond._resample

    def forget(h, log_w, t, choose, share):
        h, _ = resample(h, log_w, t, choose, share)
        return h, np.full(log_w.shape, -np.log(2))

    beyond._resample = forget
    try:
        wrong = over_ancestors(rnn, theta, X, eps, 0.0, 0.6)[0]
    finally:
        beyond._resample = resample
    assert_allclose(np.log(right), particles.trajectory_mixture(rnn, theta, X), rtol=1e-10)
    assert (np.abs(wrong / right - 1) > 1e-3).all()


def test_resampling_never_is_eq26_and_every_step_has_the_form_of_eq17():
    rnn, theta, X = several(L=3)
    rng = np.random.default_rng(0)
    eps, uniforms = rng.standard_normal((3, 6, 3, 3, 2)), rng.random((3, 6, 3, 3))
    bound = lambda share: beyond.resampled_bound(rnn, theta, X, eps, 0.5, uniforms, share)
    assert_allclose(bound(0.0), particles.trajectory_mixture(rnn, theta, X, eps, 0.5), rtol=1e-10)
    steps = beyond.resampled(
        rnn, theta, X, eps, 0.5, lambda t, w: np.zeros(w.shape, int) + np.arange(3)[:, None]
    )
    assert_allclose(
        steps.sum(axis=0).mean(axis=0),
        particles.per_step_mixture(rnn, theta, X, eps, 0.5),
        rtol=1e-10,
    )


def test_particles_are_resampled_where_the_effective_size_is_at_most_the_share_of_L():
    """Weights 1/2, 1/2 and almost 0 count as two of three particles."""
    log_w = np.log(np.array([0.5, 0.5, 1e-300]))[None, :, None]
    h, first = np.arange(3.0).reshape(1, 3, 1, 1), lambda t, w: np.zeros(w.shape, int)
    for share, found in ((0.66, [0.0, 1.0, 2.0]), (0.67, [0.0, 0.0, 0.0])):
        chosen, weights = beyond._resample(h, log_w, 0, first, share)
        assert_array_equal(chosen.ravel(), found)
        assert_allclose(weights, log_w if share < 2 / 3 else np.full((1, 3, 1), -np.log(3)))


def test_multinomial_ancestors_have_the_frequencies_of_the_weights():
    w = np.array([0.2, 0.5, 0.3])[None, :, None]
    uniforms = np.random.default_rng(0).random((1, 1, 30_000, 1))
    drawn = beyond.multinomial(uniforms)(0, w)
    counts = np.bincount(drawn.ravel(), minlength=3)
    assert (
        np.abs(counts - 30_000 * w[0, :, 0]) < 5 * np.sqrt(30_000 * w[0, :, 0] * (1 - w[0, :, 0]))
    ).all()


def test_resampling_takes_padding_and_gradients_at_fixed_ancestors():
    rnn, theta, X = several(L=3)
    padded = X.copy()
    padded[2:, 1] = -1
    rng = np.random.default_rng(0)
    eps, uniforms = rng.standard_normal((3, 4, 3, 3, 2)), rng.random((3, 4, 3, 3))

    def bound(th, x, cut=slice(None)):
        T = len(x) - 1
        return beyond.resampled_bound(rnn, th, x, eps[:T, :, :, cut], 0.5, uniforms[:T, ..., cut])

    assert_allclose(bound(theta, padded)[1:2], bound(theta, X[:2, 1:2], slice(1, 2)), rtol=1e-12)
    check_grads(lambda th: np.sum(bound(th, X)), modes=["rev"], order=1)(theta)


def test_resampling_says_what_shape_it_needs():
    rnn, theta, X = several()
    with pytest.raises(
        ValueError,
        match=r"eps must have all five axes \(T-1, S, L, N, D\) here; got an array of float64",
    ):
        beyond.resampled_bound(rnn, theta, X, np.zeros((3, 2, 3, 2)), 0.5, np.zeros((3, 1, 2, 3)))
    with pytest.raises(
        ValueError, match=r"uniforms must be float64 with shape \(3, 1, 2, 3\); got an array"
    ):
        beyond.resampled_bound(rnn, theta, X, np.zeros((3, 1, 2, 3, 2)), 0.5, np.zeros((3, 2, 3)))


# sampling and prediction


@pytest.mark.parametrize("logit_rho", [-np.inf, 1.0, np.inf])
def test_sampled_sequences_have_the_probabilities_of_their_law(logit_rho):
    rnn, theta, _ = random_model(L=2, V=2, D=1, seed=2)
    theta = theta | {
        "h1": np.array([[2.0], [-2.0]]),
        "C": np.array([[1.5, -1.5]]),
        "W": np.array([[1.0]]),
    }
    X, n = every_sequence(T=3), 20_000
    p = np.exp(particles.sticky_mixture(rnn, theta, X, logit_rho))
    drawn = sampling.sample(rnn, theta, np.random.default_rng(0), 3, n, logit_rho=logit_rho)
    counts = np.bincount(drawn[0] * 4 + drawn[1] * 2 + drawn[2], minlength=8)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()
    other = np.exp(particles.sticky_mixture(rnn, theta, X, -np.inf if logit_rho > 0 else np.inf))
    assert (
        np.abs(counts - n * other) > 5 * np.sqrt(n * p * (1 - p))
    ).any()  # and not those of another law


@pytest.mark.parametrize("logit_rho", [-np.inf, 1.0, np.inf])
def test_a_continued_prefix_has_the_conditional_probabilities(logit_rho):
    rnn, theta, _ = random_model(L=2, V=2, D=1, seed=2)
    theta = theta | {
        "h1": np.array([[2.0], [-2.0]]),
        "C": np.array([[1.5, -1.5]]),
        "W": np.array([[1.0]]),
    }
    prefix, n, after = np.array([[1], [1]]), 20_000, np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    whole = particles.sticky_mixture(
        rnn, theta, np.concatenate([np.repeat(prefix, 4, axis=1), after]), logit_rho
    )
    p = np.exp(whole - particles.sticky_mixture(rnn, theta, prefix, logit_rho))
    drawn = sampling.sample(
        rnn,
        theta,
        np.random.default_rng(1),
        2,
        prefix=np.repeat(prefix, n, axis=1),
        logit_rho=logit_rho,
    )
    counts = np.bincount(drawn[0] * 2 + drawn[1], minlength=4)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


@pytest.mark.parametrize("logit_rho", RHOS)
@pytest.mark.parametrize("emission", EMISSIONS)
def test_predictions_use_the_weights_that_the_steps_score(emission, logit_rho):
    rnn, theta, X = several(emission, L=3)
    steps = particles.sticky_mixture_steps(rnn, theta, X, logit_rho)
    for t, n in np.ndindex(4, 3):
        if emission == "categorical":
            p = sampling.predict(rnn, theta, X, logit_rho=logit_rho)
            assert_allclose(np.log(p[t, n, X[t, n]]), steps[t, n], rtol=1e-10)
            assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-12)
        else:
            p = sampling.predict(rnn, theta, X, X[t, n][None], logit_rho)
            assert_allclose(np.log(p[t, n, 0]), steps[t, n], rtol=1e-10)


def test_the_spread_is_the_root_mean_square_distance_from_the_mean():
    H = np.array([[[[1.0, 0.0]], [[-1.0, 0.0]]]])
    assert_allclose(beyond.spread(H), [[1.0]])
    assert_allclose(beyond.spread(H + 5.0), [[1.0]])  # around their mean, wherever that is


# training particles


@pytest.mark.parametrize(
    "objective", [particles.trajectory_mixture, particles.per_step_mixture], ids=["(26)", "(17)"]
)
def test_identical_particles_stay_identical_under_training(objective):
    rnn, theta, X = several(N=20, T=6)
    theta = theta | {"h1": np.repeat(theta["h1"][:1], 2, axis=0)}
    result = fit(
        lambda th, X, rng: objective(rnn, th, X), theta, X, rng=np.random.default_rng(0), steps=50
    )
    assert_array_equal(result.last["h1"][0], result.last["h1"][1])
    assert (result.last["h1"] != theta["h1"]).all()


@pytest.mark.parametrize("norm", [0.5, 0.9, 1.5])
def test_c7_particles_contract_at_least_like_the_norm_of_W(norm):
    for seed in range(5):
        rnn, theta, X = several("gaussian", L=2, T=12, D=3, seed=seed)
        theta = theta | {"W": norm * theta["W"] / np.linalg.norm(theta["W"], 2)}
        H = F(rnn, theta, X)
        distance = np.linalg.norm(H[:, 0] - H[:, 1], axis=-1)
        bound = norm ** np.arange(12)[:, None] * distance[0]
        assert (distance <= bound * (1 + 1e-12)).all()
        eps = np.random.default_rng(seed).standard_normal(
            (11, 1, 1, 3, 3)
        )  # shared noise contracts, too
        H = F(rnn, theta, X, eps, 0.5)[:, 0]
        assert (np.linalg.norm(H[:, 0] - H[:, 1], axis=-1) <= bound * (1 + 1e-12)).all()
        unshared = np.random.default_rng(seed).standard_normal((11, 1, 2, 3, 3))
        H = F(rnn, theta, X, unshared, 0.5)[:, 0]
        assert (
            norm > 1 or (np.linalg.norm(H[-1, 0] - H[-1, 1], axis=-1) > bound[-1]).any()
        )  # unshared noise does not


def test_c7_unshared_noise_of_unit_variance_keeps_particles_apart():
    """E ||h^l - h^l'||^2 >= 2 sigma^2 D, exactly over all paths of both; with a smaller variance it
    is false.
    """
    rnn, theta, X = random_model(T=4, D=1, L=2, N=2)
    theta = theta | {"W": np.array([[0.1]])}

    def mean_square(law, sigma=0.7):
        eps, log_w = joint_paths(law, 4, 2, 1)
        H = F(rnn, theta, X, eps, sigma)[..., 0]  # (T, S, L, N)
        return np.tensordot((H[:, :, 0] - H[:, :, 1]) ** 2, np.exp(log_w), (1, 0))

    skewed = Discrete((-0.5, 2.0), (0.8, 0.2))  # mean 0, variance 1
    for law in (TWO_POINT, skewed):
        assert (mean_square(law)[1:] >= 2 * 0.7**2 * (1 - 1e-12)).all()
    half = Discrete((-0.5, 0.5), (0.5, 0.5))
    assert (mean_square(half)[2:] < 2 * 0.7**2).all()


@pytest.mark.parametrize("emission", EMISSIONS)
def test_c7_shared_noise_does_not_stop_the_collapse(emission):
    """C7 (4) with the same noise for all particles: the steps of (17) tend to those of one particle
    on the same path.
    """
    rnn, theta, X = random_model(emission, L=2, T=60, D=3)
    theta = theta | {"W": 0.7 * theta["W"] / np.linalg.norm(theta["W"], 2)}
    eps = np.random.default_rng(0).standard_normal((59, 1, 1, 3, 3))
    steps = particles.per_step_mixture_steps(rnn, theta, X, eps, 0.5)
    one, th = appendix.single_particles(rnn, theta)[0]
    difference = np.abs(steps - table(one, th, X, eps, 0.5)[:, 0, 0])
    assert difference[-1].max() < 1e-6 and difference[0].max() > 1e-3
    if (
        emission == "categorical"
    ):  # the Lipschitz constant of a softmax: twice the longest column of C
        bound = (
            2
            * np.linalg.norm(theta["C"], axis=0).max()
            * np.linalg.norm(theta["h1"][0] - theta["h1"][1])
        )
        assert (difference <= bound * 0.7 ** np.arange(60)[:, None] + 1e-12).all()


def test_c7_a_contracting_network_makes_eq17_and_eq5_agree_in_the_end_not_in_total():
    rnn, theta, X = several("gaussian", L=2, T=60, D=3)
    theta = theta | {"W": 0.7 * theta["W"] / np.linalg.norm(theta["W"], 2)}
    one = appendix.single_particles(rnn, theta)[0]
    difference = particles.per_step_mixture_steps(rnn, theta, X) - log_likelihood_steps(one, X)
    assert np.abs(difference[-1]).max() < 1e-6 and np.abs(difference.sum(axis=0)).min() > 1e-3


def log_likelihood_steps(one, X):
    return table(*one, X)[:, 0]


def test_c7_tanh_of_g_h_has_three_fixed_points_only_for_g_above_one():
    grid = np.linspace(-1.001, 1.001, 20_000)
    for g, expected in [(0.9, 1), (1.0, 1), (1.3, 3), (2.0, 3)]:
        assert np.sum(np.diff(np.sign(np.tanh(g * grid) - grid)) != 0) == expected


@pytest.mark.parametrize("emission", EMISSIONS)
def test_c11_gradients_weigh_by_responsibilities_per_step_or_per_sequence(emission):
    rnn, theta, X = several(emission, L=3)
    ell = table(rnn, theta, X)
    r = np.exp(ell) / np.exp(ell).sum(axis=1, keepdims=True)
    R = np.exp(ell.sum(axis=0)) / np.exp(ell.sum(axis=0)).sum(axis=0)
    weighted = lambda w: value_and_gradient(lambda th: table(rnn, th, X) * w, theta)[1:]
    assert_same(
        value_and_gradient(lambda th: particles.per_step_mixture(rnn, th, X), theta)[1:],
        weighted(r),
    )
    assert_same(
        value_and_gradient(lambda th: particles.trajectory_mixture(rnn, th, X), theta)[1:],
        weighted(np.broadcast_to(R, ell.shape)),
    )


def test_c11_all_weight_goes_to_one_particle_where_predictions_stay_apart():
    """w_T of two particles on data from the first: with W = 1.5 it goes to (1, 0), with ||W|| < 1
    its ratio stays bounded.
    """
    theta = {"h1": np.array([[0.9], [-0.9]]), "U": np.zeros((2, 1)), "b": np.zeros(1)}
    theta |= {"C": np.array([[-0.5, 0.5]]), "c": np.zeros(2)}
    rnn = RNN(Categorical(2), 1, particles=2)
    one = RNN(Categorical(2), 1)
    for W, forgets in [(1.5, False), (0.5, True)]:
        th = theta | {"W": np.array([[W]])}
        X = sampling.sample(one, th | {"h1": th["h1"][:1]}, np.random.default_rng(0), 600, 20)
        ell = table(rnn, th, X)
        log_ratio = np.cumsum(ell[:, 0] - ell[:, 1], axis=0)
        if forgets:
            bound = np.linalg.norm(th["C"][:, 1] - th["C"][:, 0]) * 1.8 / (1 - W)
            assert (np.abs(log_ratio) <= bound).all() and bound < 4
        else:
            p = np.exp(table(rnn, th, np.ones((600, 1), int))[:, :, 0])  # of symbol 1
            kl = np.sum(
                p[:, 0] * np.log(p[:, 0] / p[:, 1])
                + (1 - p[:, 0]) * np.log((1 - p[:, 0]) / (1 - p[:, 1]))
            )
            assert (np.abs(log_ratio[-1] / kl - 1) < 0.5).all() and log_ratio[-1].min() > 50
        weight = 1 / (1 + np.exp(log_ratio[-1]))  # w_T of the second particle
        assert (weight > 0.01).all() if forgets else (weight < 1e-20).all()


def test_c8_at_identical_h1_the_second_variation_is_positive_where_s_is_too_small():
    """(1/2L) sum_l d_l' [sum_t Hess p_t / p_t] d_l along sum_l d_l = 0: by differences of (17),
    against the formula.
    """
    rnn = RNN(Gaussian(), 1, particles=2)
    base = {
        "h1": [[0.3], [0.3]],
        "W": [[1.2]],
        "U": [[0.1]],
        "b": [0.0],
        "C": [[1.0]],
        "c": [0.0],
        "log_s": [np.log(0.4)],
    }
    theta = {key: np.array(value) for key, value in base.items()}
    X = np.random.default_rng(0).standard_normal((5, 200, 1))
    moved = lambda d: np.mean(
        particles.per_step_mixture(rnn, theta | {"h1": np.array([[0.3 + d], [0.3 - d]])}, X)
    )
    second = (moved(1e-3) - 2 * moved(0.0) + moved(-1e-3)) / 1e-6
    one, th = appendix.single_particles(rnn, theta)[0]
    density = lambda h, t: np.exp(table(one, th | {"h1": np.array([[h]])}, X)[t, 0])
    curvature = sum(
        np.mean(
            (density(0.3 + 1e-3, t) - 2 * density(0.3, t) + density(0.3 - 1e-3, t))
            / 1e-6
            / density(0.3, t)
        )
        for t in range(5)
    )
    assert_allclose(second, curvature, rtol=1e-3)
    assert second > 0  # data of variance 1 against s = 0.4: particles are pushed apart
    large = theta | {"log_s": np.array([np.log(3.0)])}
    moved = lambda d: np.mean(
        particles.per_step_mixture(rnn, large | {"h1": np.array([[0.3 + d], [0.3 - d]])}, X)
    )
    assert (moved(1e-3) - 2 * moved(0.0) + moved(-1e-3)) < 0


def test_samples_and_predictions_are_those_of_eq26_unless_told_otherwise():
    """Particle l writes symbol l for ever: under (26) the first step tells all others."""
    theta = {
        "h1": np.array([[0.99], [-0.99]]),
        "W": np.array([[3.0]]),
        "U": np.zeros((2, 1)),
        "b": np.zeros(1),
    }
    theta |= {"C": np.array([[30.0, -30.0]]), "c": np.zeros(2)}
    rnn = RNN(Categorical(2), 1, particles=2)
    X = sampling.sample(rnn, theta, np.random.default_rng(0), 20, 30)
    assert (X == X[0]).all() and 0 < X[0].mean() < 1
    assert_array_equal(sampling.sample(rnn, theta, np.random.default_rng(1), 20, prefix=X[:1]), X)
    assert_allclose(sampling.predict(rnn, theta, X[:1])[1], np.eye(2)[X[0]], atol=1e-9)


def test_the_start_that_sets_particles_apart():
    rnn = RNN(Gaussian(), 4, particles=4)
    theta = rnn.init(np.random.default_rng(0), apart=True)
    assert len({tuple(row) for row in theta["h1"]}) == 4 and (np.abs(theta["h1"]) == 0.9).all()
    assert_array_equal(theta["W"], 1.3 * np.eye(4))
    assert theta["log_s"] == -1.0
    assert_allclose(theta["U"], 0.3 * rnn.init(np.random.default_rng(0))["U"], rtol=1e-15)
    rnn.check(theta)
    X = np.zeros((30, 1, 1))
    H, _ = unroll(rnn, theta, X)
    assert beyond.spread(H)[-1, 0] > 0.5 * beyond.spread(H)[0, 0]  # not forgotten
    H, _ = unroll(rnn, rnn.init(np.random.default_rng(0), scale=0.5), X)
    assert beyond.spread(H)[-1, 0] < 0.01 * beyond.spread(H)[0, 0]  # as the usual start is
    with pytest.raises(
        ValueError, match=r'apart needs "tanh" and particles <= 2\^hidden; got RNN\('
    ):
        RNN(Categorical(3), 1, particles=3).init(np.random.default_rng(0), apart=True)


def test_several_particles_with_noise_average_over_samples():
    rnn, theta, X = several()
    eps = Normal().sample(np.random.default_rng(0), (3, 5, 2, 3, 2))
    for g in (
        particles.trajectory_mixture,
        particles.per_step_mixture,
        lambda *a: particles.sticky_mixture(*a[:3], 0.5, *a[3:]),
    ):
        together = g(rnn, theta, X, eps, 0.4)
        assert_allclose(
            together,
            np.mean([g(rnn, theta, X, eps[:, i], 0.4) for i in range(5)], axis=0),
            rtol=1e-12,
        )


def test_the_gradient_in_sigma_reaches_every_mixture():
    rnn, theta, X = several()
    eps = Normal().sample(np.random.default_rng(0), (3, 5, 2, 3, 2))
    for g in (particles.trajectory_mixture, particles.per_step_mixture):
        check_grads(lambda s, g=g: np.sum(g(rnn, theta, X, eps, s)), modes=["rev"], order=1)(0.4)
        assert abs(grad(lambda s, g=g: np.sum(g(rnn, theta, X, eps, s)))(0.4)) > 0
    assert_allclose(noise.K_noise(*random_model(), eps[:, :, :1], 0.4).shape, (3,))


def test_c6_small_noise_expansion_of_the_bound_with_L_particles():
    """Lambda + sigma^2/2 (Laplacian + (1 - 1/L) |gradient|^2) + O(sigma^4): K at L = 1, log p(X) as
    L grows.
    """
    rnn, theta, X = random_model(T=3, D=1, N=4)
    laplacian, squared_gradient = models.small_noise(rnn, theta, X)
    for L in (1, 2, 4):
        eps, log_w = joint_paths(TWO_POINT, 3, L, 1)
        slope = laplacian + (1 - 1 / L) * squared_gradient
        bound = lambda s, eps=eps, log_w=log_w: particles.trajectory_mixture(
            rnn, theta, X, eps, s, log_w
        )
        far, near = (
            np.abs(bound(s) - log_likelihood(rnn, theta, X) - 0.5 * s**2 * slope)
            for s in (0.04, 0.02)
        )
        assert (near < far / 14 + 1e-11).all() and (far < 1e-4 * (1 + np.abs(slope))).all()


def test_c6_the_threshold_hardly_depends_on_T():
    """1 / (1 + E Laplacian / E |gradient|^2) of the linear example on data drawn with sigma = 0.5,
    in closed form and by draws.
    """
    W, s, sigma, found = 0.6, 0.5, 0.5, []
    for T in (2, 5, 10, 40, 640):
        lag = np.arange(T)[:, None] - np.arange(1, T)
        A = np.where(lag >= 0, W ** np.maximum(lag, 0), 0.0)  # h_t = .. + sum_u A_tu e_u
        residual = sigma**2 * A @ A.T + s**2 * np.eye(
            T
        )  # the covariance of x_t - h_t without noise
        laplacian, squared_gradient = -np.sum(A**2) / s**2, np.trace(A.T @ residual @ A) / s**4
        found.append(1 / (1 + laplacian / squared_gradient))
        if T == 5:
            rnn, theta = examples.linear()
            X = sampling.sample(rnn, theta, np.random.default_rng(0), T, 300, sigma=sigma)
            drawn, squares = models.small_noise(rnn, theta, X[:, :4])
            assert_allclose(drawn, laplacian, rtol=1e-9)
            Lambda = lambda e: np.sum(noise.K_noise(rnn, theta, X, e, 1.0))
            all_squares = np.sum(
                grad(Lambda)(np.zeros((T - 1, 1, 1, 300, 1))) ** 2, axis=(0, 1, 2, 4)
            )
            assert_allclose(all_squares[:4], squares, rtol=1e-9)
            error = all_squares.std(ddof=1) / np.sqrt(300)
            assert abs(all_squares.mean() - squared_gradient) < 5 * error
    assert_allclose(found, [2.0, 1.45, 1.35, 1.31, 1.30], atol=5e-3)


@pytest.mark.parametrize("q", [TWO_POINT, TILTED], ids=["q = dynamics", "another q"])
@pytest.mark.parametrize("L", [1, 2, 3])
def test_c12_the_gap_of_L_particles_is_a_divergence(L, q):
    """KL( prod_l q || mean_l R_l prod_l q ) over all joint paths; with distinct h_1, and with one
    h_1 for all.
    """
    rnn, theta, X = random_model(L=L, T=3, D=1, N=2)
    for h1 in (theta["h1"], np.repeat(theta["h1"][:1], L, axis=0)):
        args = rnn, theta | {"h1": 3 * h1}, X, 0.7, TWO_POINT, q
        log_ratio, log_q = appendix.joint_tables(*args)
        first = np.exp(np.sum(log_q, axis=0))
        second = first * np.mean(np.exp(log_ratio - appendix.eq18(*args)), axis=0)
        assert_allclose(second.sum(axis=0), 1.0, rtol=1e-12)
        kl = np.sum(first * np.log(first / second), axis=0)
        assert_allclose(appendix.eq18(*args) - appendix.jensen(*args), kl, rtol=1e-9)
        assert (kl > 1e-4).all()
        # the mixture it is said to be: an index from its posterior, its path from the true one,
        # the others from q
        own = np.exp(log_ratio + log_q)  # p(H_l, X) of entry l
        others = np.exp(np.sum(log_q, axis=0) - log_q)
        assert_allclose(
            second, np.sum(own * others, axis=0) / np.sum(own * others, axis=(0, 1)), rtol=1e-9
        )
