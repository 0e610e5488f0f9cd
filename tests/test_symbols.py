"""Symbols: what is proved about one particle, what is written down, and what another q gains."""

import itertools
import math
import sys

import numpy as np
import pytest
from scipy.optimize import minimize

from figures import baselines, worlds
from figures import fig18_symbols as symbols
from figures import fig19_another_q as another
from rnnvae_ref import RNN, Gaussian, data, enumeration, particles
from rnnvae_ref.laws import TWO_POINT
from tests import oracles
from tests.models import small_noise


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def least_loss(C, c, S):
    """min over h of KL(u_S || softmax(h C + c)), convex in h, and the h."""
    u = np.bincount(S, minlength=len(c)) / len(S)

    def loss(h):
        log_p = log_softmax(h @ C + c)
        return -u @ log_p - np.log(len(S)), C @ (np.exp(log_p) - u)

    found = minimize(loss, np.zeros(len(C)), jac=True, method="BFGS")
    return found.fun, found.x


def test_c13_the_polynomial_holds_every_set_within_its_bound():
    V, beta = 7, 40.0
    y = np.random.default_rng(0).permutation(np.linspace(-1, 1, V))
    for m in (1, 2, 3):
        powers = np.arange(1, 2 * m)
        C, c = beta * y ** powers[:, None], -beta * y ** (2 * m)
        for S in itertools.combinations(range(V), m):
            product = np.polynomial.polynomial.polyfromroots(np.repeat(y[list(S)], 2))
            log_p = log_softmax(-product[1 : 2 * m] @ C + c)
            loss = -np.mean(log_p[list(S)]) - np.log(m)
            off = np.delete(np.polynomial.polynomial.polyval(y, product), S)
            bound = (V - m) / m * np.exp(-beta * off.min())
            assert -1e-12 < loss <= bound + 1e-12


@pytest.mark.parametrize(("m", "seed"), [(2, 0), (2, 1), (3, 0), (4, 0)])
def test_c13_with_less_units_a_dependence_names_a_set_that_no_h_holds(m, seed):
    D, V = 2 * m - 2, 3 * m
    rng = np.random.default_rng(seed)
    C, c = rng.standard_normal((D, V)), rng.standard_normal(V)
    rows = np.vstack([C, c, np.ones(V)])[:, : D + 3]
    weights = np.linalg.svd(rows)[2][-1]  # sum_v weights_v (C_v, c_v, 1) = 0
    assert np.abs(rows @ weights).max() < 1e-12
    plus, minus = np.flatnonzero(weights > 0), np.flatnonzero(weights < 0)
    small, other = sorted((plus, minus), key=len)
    S = [*small, *np.setdiff1d(np.arange(V), [*small, *other])][:m]
    assert len(small) <= m and len(S) == m
    assert least_loss(C, c, S)[0] >= np.log(2) / m - 1e-9
    C, c = 3 * rng.standard_normal((2 * m - 1, 3 * m)), np.zeros(3 * m)  # with a unit more C13 (i)
    y = np.linspace(-1, 1, 3 * m)
    for k in range(2 * m - 1):
        C[k] = 1e5 * y ** (k + 1)
    h = -np.polynomial.polynomial.polyfromroots(np.repeat(y[S], 2))
    log_p = log_softmax(h[1:-1] @ C - 1e5 * y ** (2 * m))
    assert -np.mean(log_p[S]) - np.log(m) < np.log(2) / m


def crossing(a, b, c, d):
    """Whether the segments a-b and c-d cross, in the plane."""
    side = lambda p, q, r: np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))
    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


@pytest.mark.parametrize("seed", range(3))
def test_c14_good_pairs_do_not_cross_and_are_at_most_3n_less_6(seed):
    """Each symbol has a place in the plane and is preferred near it, so many pairs are good."""
    n, rng = 8, np.random.default_rng(seed)
    y = rng.standard_normal((2, n))
    C, c = 300.0 * y, -150.0 * np.sum(y**2, axis=0)
    good = []
    for pair in itertools.combinations(range(n), 2):
        _, h = least_loss(C, c, list(pair))
        p = np.exp(log_softmax(h @ C + c))[list(pair)]
        if p.min() > 1 - p.sum():
            good.append(pair)
    assert n < len(good) <= 3 * n - 6
    for P, Q in itertools.combinations(good, 2):
        if not {*P} & {*Q}:
            assert not crossing(*(C[:, v] for v in (*P, *Q)))
    assert any(crossing(*(C[:, v] for v in P)) for P in itertools.combinations(range(n), 4))


def test_c14_two_crossing_pairs_lose_log_2_together():
    rng, seen, least = np.random.default_rng(0), 0, np.inf
    while seen < 40:
        C, c = 3 * rng.standard_normal((2, 6)), 2 * rng.standard_normal(6)
        if crossing(*C.T[:4]):
            together = least_loss(C, c, [0, 1])[0] + least_loss(C, c, [2, 3])[0]
            assert together >= np.log(2) - 1e-9
            seen, least = seen + 1, min(least, together)
    assert least < 3.0


def test_c14_the_floor_in_numbers():
    floors = [baselines.cue_floor(n) for n in (4, 6, 8, 12, 16)]
    np.testing.assert_allclose(floors, [0.0, 0.0693, 0.1238, 0.1890, 0.2253], atol=5e-5)


def test_c15_the_floor_of_eq26_and_its_limits():
    floor = baselines.cue_floor_26
    found = [floor(16, 2, A) for A in (10, 25, 100, 1000)]
    np.testing.assert_allclose(found, [0.1117, 0.1515, 0.1877, 0.2132], atol=5e-5)
    assert abs(floor(16, 1, 10) - baselines.cue_floor(16)) < 1e-4
    assert floor(16, 2, 1) < found[0] and floor(16, 4, 25) < found[1] and floor(8, 10**6, 10) == 0
    k, s, p = np.linspace(1e-4, 0.999, 9990), baselines.few_good_pairs(16), (1 + 0.5**0.5) / 2
    weaker = 0.5 * ((2 * p) ** k + (2 - 2 * p) ** k)
    tilted = np.log(s * weaker ** (1 / (1 - k)) + 1 - s)
    known = [-np.min((1 - k) / k * (math.log(2) / A + tilted)) for A in (10, 25, 100, 1000)]
    np.testing.assert_allclose(known, [0.032, 0.084, 0.147, 0.199], atol=5e-4)


def test_c15_the_moment_of_a_bad_pair_is_largest_where_it_says():
    """(2 p_a)^k + (2 p_b)^k over all p_a <= 1 - p_a - p_b, on a grid."""
    a, b = (x.ravel() for x in np.meshgrid(*2 * [np.linspace(0, 1, 1001)]))
    bad = (np.minimum(a, b) <= 1 - a - b) & (a + b <= 1)
    for k in (0.1, 0.5, 0.9):
        x = 1 / (2 + 2 ** (1 / (1 - k)))
        psi = 0.5 * ((2 * x) ** k + (2 - 4 * x) ** k)
        largest = (0.5 * ((2 * a) ** k + (2 * b) ** k))[bad].max()
        assert psi - 2e-3 < largest <= psi + 1e-12


CUES = [(3, 1), (8, 2), (7, 3), (8, 4)]


@pytest.mark.parametrize(("n", "m"), CUES)
@pytest.mark.parametrize("solution", [worlds.cue_particles, worlds.cue_one_particle])
def test_c16_both_solutions_are_the_law_of_the_cue_language(solution, n, m):
    X, log_p = worlds.cue_language(np.random.default_rng(0), n, m, 40, 50)
    for hidden in (None, 2 * m + 2):
        rnn, theta = solution(n, m, hidden)
        rnn.check(theta)
        away = log_p - particles.per_step_mixture_steps(rnn, theta, X)
        assert abs(away.mean()) < 1e-10 and np.abs(away).max() < 1e-9


def test_c16_sizes_of_the_solutions():
    size = lambda model: sum(value.size for value in model[1].values())
    both = worlds.cue_particles, worlds.cue_one_particle
    found = [
        tuple(size(solution(n, m)) for solution in both)
        for n, m in [(8, 2), (16, 2), (8, 3), (8, 4)]
    ]
    assert found == [(190, 267), (690, 967), (469, 739), (738, 1233)]
    for n, m in CUES:
        (two, _), (one, _) = worlds.cue_particles(n, m), worlds.cue_one_particle(n, m)
        assert (two.hidden, two.particles, one.hidden, one.particles) == (m, m, 2 * m - 1, 1)


def test_c16_with_an_unrestricted_f_one_unit_is_enough():
    n, m = 9, 3
    sets = worlds.cue_sets(n, m)
    place = np.append(np.linspace(-0.5, 0.5, n), 1.0)  # of the answers, and of all cues
    y = place[np.append(np.arange(n), np.full(len(sets), n))]
    kappa = 40.0 * n**2
    tag = 1e-6 * np.arange(m)  # by which f knows the particle; the emission does not see it
    h = np.concatenate([np.full((n, m), place[-1]), place[sets]]) + tag
    log_p = log_softmax(2 * kappa * h[..., None] * y - kappa * y**2)  # (V, L, V)
    _, P = worlds.cue_law(n, m)
    np.testing.assert_allclose(np.exp(log_p).mean(axis=1), P, atol=1e-10)
    nearest = place[np.abs(h[..., None] - place).argmin(axis=-1)]
    np.testing.assert_allclose(h - nearest, np.tile(tag, (len(h), 1)), atol=1e-12)  # f can read it


def test_c16_the_trajectory_mixture_of_the_same_particles_is_not_that_law():
    X, log_p = worlds.cue_language(np.random.default_rng(0), 8, 2, 20, 50)
    rnn, theta = worlds.cue_particles(8, 2)
    lost = log_p.sum(axis=0) - particles.trajectory_mixture(rnn, theta, X)
    assert lost.mean() / 10 > baselines.cue_floor_26(8, 2, 10)


def test_the_cue_languages_law_is_what_it_says():
    n, m, N = 5, 2, 4000
    sets = list(itertools.combinations(range(n), m))
    X, log_p = worlds.cue_language(np.random.default_rng(1), n, m, 5, N)
    assert (X[::2] >= n).all() and (X[1::2] < n).all()
    for cue, answer in zip(X[0], X[1], strict=True):
        assert answer in sets[cue - n]
    np.testing.assert_allclose(log_p, np.log([0.1, 0.5, 0.1, 0.5, 0.1])[:, None] + np.zeros(N))
    share = np.mean(X[1] == np.array(sets)[X[0] - n, 0])
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(N)
    first, P = worlds.cue_law(n, m)
    np.testing.assert_allclose([*P.sum(axis=1), first.sum()], 1.0)


def fork_log_law():
    """log P[x, y] of the fork in symbols by loops, in logs throughout; row -1 is the first step."""
    places, rows = [-4 + 8 * v / 31 for v in range(32)], []
    for before in [*places, 0.0]:
        bumps = []
        for z in (1, -1):
            a = [-0.5 * ((y - 0.8 * before - z) / 0.15) ** 2 for y in places]
            total = max(a) + math.log(sum(math.exp(v - max(a)) for v in a))
            bumps.append([v - total for v in a])
        rows.append(np.logaddexp(*bumps) - math.log(2))
    return np.array(rows)


def test_c17_two_particles_are_the_law_of_the_fork_in_symbols():
    law = fork_log_law()
    first, P = worlds.symbol_fork_law()
    np.testing.assert_allclose(np.vstack([P, first]), np.exp(law), rtol=1e-10, atol=1e-300)
    rnn, theta = worlds.symbol_fork_particles()
    pairs = np.array(list(itertools.product(range(32), repeat=2))).T  # every x_1 and x_2
    steps = particles.per_step_mixture_steps(rnn, theta, pairs)
    wanted = np.array([law[-1, pairs[0]], law[tuple(pairs)]])
    np.testing.assert_allclose(steps, wanted, rtol=1e-10, atol=1e-10)
    assert sum(value.size for value in theta.values()) == 170 and rnn.hidden == rnn.particles == 2
    X, log_p = worlds.symbol_fork(np.random.default_rng(0), 25, 100)
    away = log_p - particles.per_step_mixture_steps(rnn, theta, X)
    assert np.abs(away).max() < 1e-10  # h_1 stays where it is for 25 steps


def test_c17_the_rank_of_the_law_says_little_about_what_one_particle_loses():
    assert np.sum(np.linalg.svd(fork_log_law()[:-1])[1] > 1e-4) == 29
    P, rng = worlds.symbol_fork_law()[1], np.random.default_rng(0)
    lost = [symbols.best_found(rng, P, D, starts, 300)[0] for D, starts in ((1, 1), (2, 2), (3, 3))]
    assert lost[0] > 0.5 > lost[1] > 0.05 and 0 < lost[2] < 0.01


def test_best_found_is_the_loss_it_says_and_its_gradient_is_right(monkeypatch):
    """The optimiser is replaced by one that reports value and finite differences at its start."""
    rng = np.random.default_rng(0)
    P = symbols.random_successors(rng, 2, V=5)
    assert (np.sum(P > 0, axis=1) == 2).all() and np.allclose(P.sum(axis=1), 1)
    K, D, L = 5, 3, 2

    def check(loss, x, **_):
        U, C, c, a = np.split(x, np.cumsum([K * D, D * K, K]))
        H = np.tanh(a.reshape(L, 1, D) + U.reshape(K, D))
        mixture = np.log(np.mean(np.exp(log_softmax(H @ C.reshape(D, K) + c)), axis=0))
        value, g = loss(x)
        log_ratio = np.log(np.maximum(P, 1e-9)) - mixture
        np.testing.assert_allclose(value, np.mean(np.sum(P * log_ratio, axis=1)), rtol=1e-7)
        step = 1e-6 * np.eye(len(x))
        slope = [(loss(x + e)[0] - loss(x - e)[0]) / 2e-6 for e in step]
        np.testing.assert_allclose(g, slope, rtol=1e-5, atol=1e-8)
        return type("Found", (), {"fun": value})

    monkeypatch.setattr(symbols, "minimize", check)
    symbols.best_found(rng, P, D, 1, 1, L, False)


def test_bad_input_gets_one_sentence():
    rng = np.random.default_rng(0)
    least = "must be a whole number, {} or larger; got {}"
    for call, words in [
        (lambda: worlds.cue_language(rng, 3, 2, 5, 5), "n " + least.format(4, 3)),
        (lambda: worlds.cue_law(8, 0), "m " + least.format(1, 0)),
        (lambda: worlds.cue_particles(8, 2, 1), "hidden " + least.format(2, 1)),
        (lambda: worlds.cue_one_particle(8, 2, 2), "hidden " + least.format(3, 2)),
        (lambda: worlds.symbol_fork_particles(1), "hidden " + least.format(2, 1)),
        (lambda: worlds.documentation("words", 0), "vocabulary " + least.format(2, 0)),
        (lambda: worlds.documentation("lines"), 'level must be "words" or "characters"; got '),
        (lambda: worlds.symbol_fork(rng, 0, 5), "T " + least.format(1, 0)),
    ]:
        with pytest.raises(ValueError) as error:
            call()
        assert words in str(error.value)


def test_documentation_is_the_text_of_this_python_in_its_order():
    from pydoc_data.topics import topics

    d = worlds.documentation("characters", 200)
    X = np.concatenate([d.train, d.validation, d.test])
    whole = "".join(topics[name] for name in sorted(topics))
    assert "".join(d.symbols[v] for v in X[:, 0]) == whole
    assert sys.version.split()[0] in d.source and f"{len(X)} characters" in d.source
    assert abs(len(d.train) / len(X) - 0.8) < 1e-3 and abs(len(d.test) / len(X) - 0.1) < 1e-3
    words = worlds.documentation("words", 50)
    counts = np.bincount(words.train[:, 0], minlength=50)
    assert len(words.symbols) == 50 == len(counts) and (np.diff(counts[1:]) <= 0).all()
    assert words.symbols[0] == "(other)" and counts[0] > counts[1] and "the" in words.symbols


def test_documentation_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match="comes without pydoc_data"):
        worlds.documentation()


def small_tanh(T=4, N=3, seed=0):
    rng, rnn = np.random.default_rng(seed), RNN(Gaussian(), 1)
    theta = rnn.init(rng) | {"W": np.array([[0.8]]), "C": np.array([[1.5]])}
    return rnn, theta, rng.standard_normal((T, N, 1))


def test_b10_three_q_are_normalised_and_bound_log_p():
    """Every bound by loops over paths and numbers, with q from its definition."""
    rnn, theta, X = small_tanh(T=4, N=1)
    sigma, r = 0.7, np.random.default_rng(1).standard_normal((3, 1))
    plain, x = {key: value.tolist() for key, value in theta.items()}, X[:, 0].tolist()
    steps = lambda signs: [[sigma * e] for e in signs]
    score = lambda signs: oracles.log_likelihood(plain, x[: len(signs) + 1], False, steps(signs))
    rows = []
    for signs in itertools.product((-1.0, 1.0), repeat=3):
        ahead = 1.0
        for t in range(3):  # the sign at t, when all before it and x_t are known
            a, b = (math.exp(score([*signs[:t], e])) for e in (signs[t], -signs[t]))
            ahead *= a / (a + b)
        coins = math.prod(1 / (1 + math.exp(-e * r[t, 0])) for t, e in enumerate(signs))
        q = {"q of (6)": 0.125, "sees x_t": ahead, "product": coins}
        rows.append((score(signs) - 3 * math.log(2), q))
    # the figure keeps the logits of coins divided by 8
    found = {k: another.bound(k, rnn, theta | {"r": r / 8}, X, sigma) for k in another.SMALLER}
    log_p = math.log(sum(math.exp(joint) for joint, _ in rows))
    exact = enumeration.log_p(rnn, theta, X, sigma, TWO_POINT)[0]
    np.testing.assert_allclose([found["log_p"], exact], log_p, rtol=1e-10)
    for name in ("q of (6)", "sees x_t", "product"):
        assert abs(sum(q[name] for _, q in rows) - 1) < 1e-12
        bound = sum(q[name] * (joint - math.log(q[name])) for joint, q in rows)
        np.testing.assert_allclose(found[name], bound, rtol=1e-10)
        assert bound <= log_p


def test_b10_a_product_closes_the_gap_of_eq6_to_the_fourth_order():
    rnn, theta, X = small_tanh()
    _, square = small_noise(rnn, theta, X)
    gaps = []
    for sigma in (0.1, 0.05):
        score = lambda p, s=sigma: another.bound("product", rnn, {**theta, **p}, X, s)
        start = {"r": np.zeros((len(X) - 1, X.shape[1]))}
        _, product = another.maximise(score, [start], X, 200, np.random.default_rng(0))
        K, log_p = (another.bound(name, rnn, theta, X, sigma) for name in ("q of (6)", "log_p"))
        gaps.append([log_p - K, log_p - product])
    (coarse, closed), (fine, finer) = gaps
    np.testing.assert_allclose(fine, 0.05**2 / 2 * square.mean(), rtol=0.05)
    assert 3.5 < coarse / fine < 4.5 and 10 < closed / finer < 22 and closed < coarse / 20


def test_b10_the_numbers_of_the_nile_at_the_theta_of_log_p():
    """Known with another C: what was sigma there counts 0.66 of ours, the rest is the same."""
    nile, rng = data.windows(data.nile().X, 10), np.random.default_rng(0)
    rnn = RNN(Gaussian(), 1, transition="linear")
    fixed = {"C": np.ones((1, 1)), "c": np.zeros(1), "U": np.zeros((1, 1))}
    start = {key: value for key, value in worlds.steep()[1].items() if key not in fixed}
    at = lambda name, p, sigma: another.bound(name, rnn, {**fixed, **p}, nile, sigma)
    log_p = lambda p: at("log_p", p, p["sigma"])
    theta, best = another.maximise(log_p, [start | {"sigma": np.array(0.4)}], nile, 100, rng)
    assert abs(best - -12.0426) < 1e-3 and abs(abs(theta["sigma"]) - 0.42) < 0.01
    sigmas = [0.66 * s for s in (0.0, 0.2, 0.4, 0.5, 0.6, 0.8)]
    K, ahead, log_p = (
        np.array([at(name, theta, s) for s in sigmas]) for name in ("q of (6)", "sees x_t", "log_p")
    )
    np.testing.assert_allclose(K, [-14.05, -14.46, -15.70, -16.63, -17.76, -20.65], atol=0.03)
    np.testing.assert_allclose(log_p, [-14.05, -13.21, -12.35, -12.14, -12.05, -12.14], atol=0.03)
    np.testing.assert_allclose([K[0], ahead[0]], log_p[0], rtol=1e-6)  # without noise: Eq. (5)
    product = lambda p: at("product", {**theta, **p}, sigmas[2])
    best = another.maximise(product, [{"r": np.zeros((9, 10))}], nile, 60, rng)[1]
    assert (ahead <= log_p + 1e-9).all() and K[2] < best < log_p[2]
    assert abs(best - -12.59) < 0.08
