"""The model of Section 1.1: the loop, the door, sampling and prediction."""

import itertools

import autograd.numpy as np
import pytest
from autograd import grad
from numpy.testing import assert_allclose, assert_array_equal

from rnnvae_ref import (
    RNN,
    Categorical,
    F,
    Gaussian,
    examples,
    f,
    log_likelihood,
    predict,
    sample,
    table,
)
from rnnvae_ref.bound import K_delta
from rnnvae_ref.likelihood import log_p_X
from tests import oracles
from tests.models import EMISSIONS, assert_same, random_model, value_and_gradient


def test_eq1_and_eq2_unroll_f_from_h1(model):
    rnn, theta, X = model
    H = F(rnn, theta, X)
    assert H.shape == (4, 1, 3, 2)
    for n in range(3):
        assert_array_equal(H[0, 0, n], theta["h1"][0])
        for t in range(3):
            expected = oracles.next_h(
                theta, H[t, 0, n], X[t, n], rnn.transition == "linear", [0.0, 0.0]
            )
            assert_allclose(H[t + 1, 0, n], expected, rtol=1e-12)


def test_noise_enters_outside_f_as_in_section_2_3(model):
    rnn, theta, X = model
    eps = np.random.default_rng(1).standard_normal((3, 1, 3, 2))
    H = F(rnn, theta, X, eps, 0.7)
    assert_allclose(H[2], f(rnn, theta, H[1], X[1]) + 0.7 * eps[1], rtol=1e-12)


def test_table_equals_loops_over_numbers(model):
    rnn, theta, X = model
    expected = [
        oracles.log_likelihood(theta, X[:, n], rnn.transition == "linear") for n in range(3)
    ]
    assert_allclose(table(rnn, theta, X)[:, 0].sum(axis=0), expected, rtol=1e-12)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_causality_ell_at_s_knows_x_up_to_s_and_the_prediction_at_s_only_x_before_s(emission):
    rnn, theta, X = random_model(emission, T=6)
    grid = None if emission == "categorical" else np.zeros((3, 2))
    for t in range(6):
        changed = X.copy()
        changed[t] = (X[t] + 1) % 3
        same = np.isclose(table(rnn, theta, X), table(rnn, theta, changed), rtol=1e-14, atol=0).all(
            axis=(1, 2)
        )
        assert_array_equal(same, np.arange(6) < t)  # every later step depends on it in these models
        same = np.isclose(
            predict(rnn, theta, X, grid), predict(rnn, theta, changed, grid), rtol=1e-14, atol=0
        ).all(axis=(1, 2))
        assert_array_equal(same, np.arange(7) <= t)


@pytest.mark.parametrize("emission", EMISSIONS)
def test_padding_changes_neither_value_nor_gradient(emission):
    rnn, theta, X = random_model(emission, T=5, N=2)
    empty = -1 if emission == "categorical" else np.nan
    padded = X.copy()
    padded[3:, 1] = empty
    padded = np.concatenate([padded, np.full_like(padded[:2], empty)])
    objective = lambda th: log_likelihood(rnn, th, padded)
    apart = lambda th: np.concatenate(
        [log_likelihood(rnn, th, X[:, :1]), log_likelihood(rnn, th, X[:3, 1:])]
    )
    assert_same(value_and_gradient(objective, theta), value_and_gradient(apart, theta))
    assert (table(rnn, theta, padded)[3:, 0, 1] == 0.0).all()


@pytest.mark.parametrize("T", [1, 2])
def test_one_step_and_one_sequence_are_legal(T):
    for emission in EMISSIONS:
        rnn, theta, X = random_model(emission, T=T, N=1)
        assert_allclose(
            log_likelihood(rnn, theta, X), [oracles.log_likelihood(theta, X[:, 0])], rtol=1e-12
        )
        grid = None if emission == "categorical" else np.zeros((3, 2))
        assert predict(rnn, theta, X, grid).shape == (T + 1, 1, 3)


def test_predict_is_the_law_that_the_table_scores(model):
    rnn, theta, X = model
    ell = table(rnn, theta, X)[:, 0]
    for t, n in np.ndindex(4, 3):
        if isinstance(rnn.emission, Categorical):
            p = predict(rnn, theta, X)[t, n]
            assert_allclose(p.sum(), 1.0, rtol=1e-12)
            assert_allclose(np.log(p[X[t, n]]), ell[t, n], rtol=1e-10)
        else:
            assert_allclose(
                np.log(predict(rnn, theta, X, X[t, n][None])[t, n, 0]), ell[t, n], rtol=1e-10
            )


def test_a_prediction_has_a_gradient_also_where_only_some_of_theta_is_traced():
    rnn, theta, X = random_model()
    of_W = grad(lambda W: predict(rnn, theta | {"W": W}, X)[-1, 0, 0])(theta["W"])
    assert_allclose(of_W, grad(lambda th: predict(rnn, th, X)[-1, 0, 0])(theta)["W"], rtol=1e-12)
    step = np.zeros((2, 2))
    step[0, 1] = 1e-6
    moved = [predict(rnn, theta | {"W": theta["W"] + s * step}, X)[-1, 0, 0] for s in (1, -1)]
    assert_allclose(of_W[0, 1], (moved[0] - moved[1]) / 2e-6, rtol=1e-6)


def test_predictive_density_of_a_gaussian_integrates_to_one():
    rnn, theta, X = random_model("gaussian", M=1)
    grid = np.linspace(-30, 30, 6001)
    assert_allclose(predict(rnn, theta, X, grid).sum(axis=-1) * 0.01, 1.0, rtol=1e-9)


def test_sampled_sequences_have_the_models_probabilities():
    rnn, theta, _ = random_model(T=3, V=2)
    every = np.array(list(itertools.product(range(2), repeat=3))).T
    p = np.exp(log_likelihood(rnn, theta, every))
    X, n = sample(rnn, theta, np.random.default_rng(4), 3, N=20_000), 20_000
    counts = np.bincount(X[0] * 4 + X[1] * 2 + X[2], minlength=8)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


def test_a_continued_prefix_has_the_predicted_probabilities():
    rnn, theta, _ = random_model(V=3)
    prefix, n = np.array([[2], [0]]), 20_000
    p = predict(rnn, theta, prefix)[-1, 0]
    drawn = sample(rnn, theta, np.random.default_rng(5), 1, prefix=np.repeat(prefix, n, axis=1))[0]
    assert (np.abs(np.bincount(drawn, minlength=3) - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


def test_sampled_numbers_have_the_models_mean_and_spread():
    rnn, theta, _ = random_model("gaussian", M=1)
    prefix, n = np.array([[[0.5]], [[-1.0]]]), 20_000
    drawn = sample(rnn, theta, np.random.default_rng(6), 1, prefix=np.repeat(prefix, n, axis=1))[
        0, :, 0
    ]
    mean = F(rnn, theta, np.concatenate([prefix, prefix[:1]]))[2, 0, 0] @ theta["C"] + theta["c"]
    s = np.exp(theta["log_s"])
    assert abs(drawn.mean() - mean) < 5 * s / np.sqrt(n)
    assert abs(drawn.std() - s) < 5 * s / np.sqrt(2 * n)


def test_sampling_is_a_function_of_its_generator():
    rnn, theta, _ = random_model()
    draw = lambda seed: sample(rnn, theta, np.random.default_rng(seed), 5, N=4)
    assert_array_equal(draw(0), draw(0))
    assert (draw(0) != draw(1)).any()


def test_min_scale_is_a_floor_under_the_standard_deviation():
    rnn = RNN(Gaussian(1, min_scale=0.2), 2)
    theta = rnn.init(np.random.default_rng(0)) | {"log_s": np.array([-50.0])}
    assert_allclose(rnn.emission.scale(theta), 0.2)


# the door


def broken(**changes):
    rnn, theta, X = random_model()
    return rnn, {k: v for k, v in (theta | changes).items() if v is not None}, X


THETAS = {
    "theta lacks 'W'": {"W": None},
    "theta has an unknown key 'w'": {"w": np.zeros(2)},
    r"theta\['W'\] must be float64 with shape \(2, 2\); got an array .* shape \(2, 3\)": {
        "W": np.zeros((2, 3))
    },
    r"theta\['b'\] must be float64 .* got an array of int64": {"b": np.zeros(2, int)},
    r"theta\['c'\] must be finite; got nan": {"c": np.array([0.0, np.nan, 0.0])},
    r"theta\['h1'\] must be float64 with shape \(1, 2\)": {"h1": np.zeros(2)},
}


@pytest.mark.parametrize("message", THETAS)
def test_the_door_names_what_is_wrong_with_theta(message):
    with pytest.raises(ValueError, match=message):
        table(*broken(**THETAS[message]))
    with pytest.raises(ValueError, match="theta must be a dict"):
        table(random_model()[0], [1.0], random_model()[2])


def row(t, value):
    return lambda X: np.where((np.arange(4) == t)[:, None], value, X)


SYMBOLS = {
    "sequence 1 holds 7 at step 2": row(2, np.array([0, 7, 0])),
    "got an array of float64": lambda X: X.astype(float),
    r"shape \(4,\)": lambda X: X[:, 0],
    "got list": lambda X: X.tolist(),
    "holds -2 at step 3": row(3, -2),
    "sequence 0 has a gap before step 2": row(1, -1),
    "sequence 0 has a gap before step 3": row(2, -1),
    "sequence 0 is empty": lambda X: np.full_like(X, -1),
    "X is empty": lambda X: X[:0],
}


@pytest.mark.parametrize("message", SYMBOLS)
def test_the_door_names_what_is_wrong_with_symbols(message):
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match=r"X must be \(T, N\) integers in 0\.\.2.*" + message):
        table(rnn, theta, SYMBOLS[message](X))


def at(value, t=2, n=1, m=0):
    def change(X):
        X = X.copy()
        X[t, n, m] = value
        return X

    return change


NUMBERS = {
    "sequence 1 holds .*inf.* at step 2": at(np.inf),
    "sequence 1 holds .*nan.* at step 2": at(np.nan),
    "sequence 1 has a gap before step 3": lambda X: at(np.nan)(at(np.nan, m=1)(X)),
    r"shape \(4, 3, 1\)": lambda X: X[:, :, :1],
    "got an array of int64": lambda X: X.astype(int),
}


@pytest.mark.parametrize("message", NUMBERS)
def test_the_door_names_what_is_wrong_with_numbers(message):
    rnn, theta, X = random_model("gaussian")
    with pytest.raises(ValueError, match=r"X must be \(T, N, 2\) finite floats.*" + message):
        table(rnn, theta, NUMBERS[message](X))


def test_the_door_names_what_is_wrong_with_noise():
    rnn, theta, X = random_model()
    good = np.zeros((3, 5, 1, 3, 2))
    for eps in [
        good[:2],
        good[..., :1],
        good[:, :, :, :2],
        good[0, 0],
        np.zeros((3, 0, 1, 3, 2)),
        3.0,
    ]:
        with pytest.raises(
            ValueError, match=r"eps must be \(T-1, \[S,\] L, N, D\) = \(3, \[S,\] 1, 3, 2\)"
        ):
            table(rnn, theta, X, eps, 0.1)
    with pytest.raises(ValueError, match="eps must be finite; got inf"):
        table(rnn, theta, X, good + np.inf, 0.1)
    with pytest.raises(ValueError, match="sigma must be float64 with shape"):
        table(rnn, theta, X, good, np.ones(3))
    with pytest.raises(ValueError, match="eps and sigma: give both"):
        table(rnn, theta, X, good)
    with pytest.raises(ValueError, match=r"eps must be .* \[S,\] 2, 3, 2"):
        table(*random_model(L=2), np.zeros((3, 5, 3, 3, 2)), 0.1)


def test_the_structure_refuses_nonsense():
    for build, message in [
        (lambda: RNN(Categorical(3), 0), "hidden must be a whole number, 1 or larger; got 0"),
        (lambda: RNN(Categorical(3), 2, 0), "particles must be a whole number, 1 or larger; got 0"),
        (
            lambda: RNN(Categorical(3), 2, 1, "relu"),
            'transition must be "tanh" or "linear"; got \'relu\'',
        ),
        (lambda: RNN(3, 2), "emission must be"),
        (lambda: Categorical(2.0), "symbols must be a whole number"),
        (lambda: Gaussian(1, -0.1), "min_scale must be"),
        (lambda: Gaussian(True), "dimensions must be a whole number"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()


def test_one_particle_functions_refuse_several_and_name_the_equations_that_take_them():
    rnn, theta, X = random_model(L=2)
    for objective in (log_likelihood, log_p_X, K_delta):
        with pytest.raises(ValueError, match=r"here L = 2: see Eqs\. \(17\), \(26\)"):
            objective(rnn, theta, X)


def test_predictions_refuse_padding_and_a_grid_of_the_wrong_shape():
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match="X must be without padding here; sequence 0 has some"):
        predict(rnn, theta, row(3, -1)(X))
    with pytest.raises(ValueError, match="grid must be None"):
        predict(rnn, theta, X, np.zeros(3))
    rnn, theta, X = random_model("gaussian", M=2)
    with pytest.raises(ValueError, match=r"grid must be \(G, 2\)"):
        predict(rnn, theta, X, np.zeros(3))
    with pytest.raises(ValueError, match="steps must be a whole number"):
        sample(rnn, theta, np.random.default_rng(0), 0, N=1)


def test_a_check_of_theta_stands_in_front_of_a_gradient_too():
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match=r"theta\['b'\] must be float64"):
        grad(lambda th: np.sum(log_likelihood(rnn, th, X)))(theta | {"b": np.zeros(3)})


def test_numpy_integers_are_whole_numbers():
    rnn = RNN(Categorical(np.int64(3)), np.int64(2), np.int32(1))
    assert rnn.init(np.random.default_rng(0))["C"].shape == (2, 3)


def test_init_has_the_spread_it_says():
    rnn = RNN(Categorical(200), 100)
    for scale in (1.0, 0.3):
        theta = rnn.init(np.random.default_rng(0), scale=scale)
        for key, spread in {"W": 0.1, "C": 0.1, "U": 0.5}.items():
            assert abs(theta[key].std() - scale * spread) < 5 * scale * spread / np.sqrt(
                2 * theta[key].size
            )
        assert abs(theta["h1"].std() - 0.5 * scale) < 5 * 0.5 * scale / np.sqrt(200)
        assert (theta["b"] == 0).all() and (theta["c"] == 0).all()
    for message, call in {
        "scale must be a finite number": lambda: rnn.init(np.random.default_rng(0), scale=np.nan),
        "rng must be a numpy Generator": lambda: rnn.init(0),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_the_floor_adds_to_the_scale():
    assert_allclose(Gaussian(1, min_scale=0.2).scale({"log_s": np.array([0.0])}), 1.2)


def test_dimensions_are_drawn_independently():
    rnn, theta, _ = random_model("gaussian", M=2)
    drawn = sample(rnn, theta, np.random.default_rng(0), 1, N=5000)[0]
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / np.sqrt(5000)


def test_the_symbol_one_past_the_last_is_refused():
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match="sequence 0 holds 3 at step 1"):
        table(rnn, theta, row(1, 3)(X))


def test_messages_name_the_right_sequence():
    rnn, theta, X = random_model()
    empty, short = X.copy(), X.copy()
    empty[:, 2], short[3:, 2] = -1, -1
    with pytest.raises(ValueError, match="sequence 2 is empty"):
        table(rnn, theta, empty)
    with pytest.raises(ValueError, match="sequence 2 has some"):
        predict(rnn, theta, short)


def test_noise_and_sigma_of_other_types_are_refused():
    rnn, theta, X = random_model()
    eps = np.zeros((3, 1, 3, 2))
    for wrong in (eps.tolist(), np.zeros((3, 1, 1, 1, 3, 2))):
        with pytest.raises(ValueError, match="eps must be"):
            table(rnn, theta, X, wrong, 0.1)
    for wrong in ("0.5", np.ones((1, 2)), np.nan):
        with pytest.raises(ValueError, match="sigma must be"):
            table(rnn, theta, X, eps, wrong)
    assert_allclose(
        table(rnn, theta, X, eps, 1), table(rnn, theta, X)
    )  # a whole number is a number
    with pytest.raises(ValueError, match=r"theta\['b'\] must be float64 .* got list"):
        table(rnn, theta | {"b": [0.0, 0.0]}, X)


def test_sampling_needs_a_generator_and_either_N_or_a_prefix():
    rnn, theta, X = random_model()
    with pytest.raises(ValueError, match="rng must be a numpy Generator"):
        sample(rnn, theta, 0, 2, N=1)
    for N, prefix in [(None, None), (3, X)]:
        with pytest.raises(ValueError, match="give N to draw new sequences, or prefix"):
            sample(rnn, theta, np.random.default_rng(0), 2, N=N, prefix=prefix)
    with pytest.raises(ValueError, match="N must be a whole number"):
        sample(rnn, theta, np.random.default_rng(0), 2, N=0)
    rnn, theta, X = random_model("gaussian", M=1)
    with pytest.raises(ValueError, match="grid must be"):
        predict(rnn, theta, X, np.array([0.0, np.nan]))


def test_a_state_that_overflows_on_the_padding_is_refused():
    rnn, theta = examples.one_unit("linear", 2.0, -1.5, 1.0)
    X = np.zeros((1200, 2, 1))
    X[:3, 1] = 0.5
    assert np.isfinite(log_likelihood(rnn, theta, X[:20])).all()
    X[3:, 1] = np.nan
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="must be finite"):
        log_likelihood(rnn, theta, X)
