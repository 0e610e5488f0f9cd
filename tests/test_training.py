"""fit."""

import sys

import autograd.numpy as np
import numpy
import pytest
from autograd.extend import defvjp, primitive
from numpy.testing import assert_allclose, assert_array_equal

from figures import worlds
from rnnvae_ref import RNN, Categorical, Gaussian, K_noise, data, fit, log_likelihood
from rnnvae_ref.laws import Normal
from rnnvae_ref.training import clipped, minibatch
from tests.models import random_model


def objective_of(rnn):
    return lambda theta, X, rng: log_likelihood(rnn, theta, X)


def climb(theta, X, rng):
    """An objective whose maximiser is 1 in every coordinate, reached in some steps of L-BFGS."""
    a, b = theta["a"][0], theta["a"][1]
    return -((1.0 - a) ** 2 + 10.0 * (b - a**2) ** 2) * np.ones(X.shape[1])


def run_climb(method, **options):
    start = {"a": np.array([-1.0, 1.0])}
    return fit(
        climb, start, np.zeros((2, 3)), rng=np.random.default_rng(0), method=method, **options
    )


@pytest.fixture(scope="module")
def chain():
    """A Markov chain that one-hidden-layer RNNs can learn, with the true log p of each step."""
    P = np.array([[0.9, 0.1], [0.2, 0.8]])
    return worlds.markov_chain(np.random.default_rng(0), P, 20, 300)


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_fit_reaches_the_truth_of_a_markov_chain(chain, method):
    X, log_p = chain
    rnn = RNN(Categorical(2), 3)
    result = fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        X,
        rng=np.random.default_rng(2),
        method=method,
        steps=150,
    )
    got, truth = log_likelihood(rnn, result.last, X), log_p.sum(axis=0)
    error = (got - truth).std() / np.sqrt(300)
    assert abs((got - truth).mean()) < 0.003 * 20 + 5 * error
    assert got.mean() > truth.mean() - 0.05


def test_fit_of_numbers_reaches_the_truth_of_an_autoregression():
    X, log_p = worlds.autoregression(np.random.default_rng(0), 0.8, 0.5, 20, 200)
    rnn = RNN(Gaussian(), 1, transition="linear")
    result = fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        X,
        rng=np.random.default_rng(2),
        method="lbfgs",
    )
    slope = (result.last["U"] @ result.last["C"]).item()
    assert_allclose(
        [slope, np.exp(result.last["log_s"]).item()], [0.8, 0.5], atol=5 / np.sqrt(X.size)
    )
    assert (
        log_likelihood(rnn, result.last, X).mean() > log_p.sum(axis=0).mean()
    )  # in sample, the fit does at least as well


def test_fit_depends_on_its_generator_alone(chain):
    rnn = RNN(Categorical(2), 3)
    run = lambda seed: fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        chain[0],
        rng=np.random.default_rng(seed),
        steps=20,
    )
    for key, value in run(3).last.items():
        assert_array_equal(value, run(3).last[key])
    assert (run(3).last["W"] != run(4).last["W"]).any()


def test_validation_chooses_best_and_stops_early(chain):
    rnn = RNN(Categorical(2), 3)
    scores = iter([0.0, 5.0, *[1.0] * 100])
    seen = []

    def validate(theta):
        seen.append(theta)
        return next(scores)

    result = fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        chain[0],
        rng=np.random.default_rng(2),
        validate=validate,
        every=2,
        patience=3,
    )
    assert result.best is seen[1] and result.last is seen[4] and len(seen) == 5
    assert result.reason == (
        "validation has not improved for 3 checks, at step 8; `best` is from step 2"
    )
    assert (result.step, result.best_step) == (8, 2)
    assert result.history["step"] == [0, 2, 4, 6, 8] and result.history["validation"] == [
        0.0,
        5.0,
        1.0,
        1.0,
        1.0,
    ]


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_every_step_is_recorded_once_and_the_start_and_the_end_are_validated(method):
    seen = []
    result = run_climb(
        method, steps=5, every=1, validate=lambda theta: seen.append(theta) or 0.0, patience=5
    )
    assert result.history["step"] == [0, 1, 2, 3, 4, 5] and len(seen) == 6
    assert_array_equal(seen[0]["a"], [-1.0, 1.0])
    assert result.last is seen[5] and result.best is seen[0]  # a tie keeps the first
    assert result.reason == "all steps done; `best` is the untrained start"
    assert (result.step, result.best_step) == (5, 0)
    assert run_climb(method, steps=5, every=3).history["step"] == [0, 3, 5]
    assert_allclose(
        result.history["objective"],
        [climb(theta, np.zeros((2, 1)), None)[0] for theta in seen],
        rtol=1e-12,
    )


def test_lbfgs_stops_where_it_has_converged_and_says_so():
    result = run_climb(
        "lbfgs", validate=lambda theta: climb(theta, np.zeros((2, 1)), None)[0], every=7, patience=1
    )
    assert_allclose(result.last["a"], 1.0, atol=1e-3)
    assert result.reason.startswith("L-BFGS: convergence")
    steps = result.history["step"]
    assert (
        steps[:-1] == list(range(0, steps[-1], 7))
        and steps[-1] < 1000
        and result.best is result.last
    )
    falling = iter(range(0, -9, -1))
    worse = run_climb(
        "lbfgs", validate=lambda theta: next(falling), every=steps[-1] - 1, patience=2
    )
    assert_allclose(
        worse.history["objective"][-1],
        climb(worse.last, np.zeros((2, 1)), None)[0],
        rtol=1e-9,
        atol=1e-15,
    )
    assert worse.history["step"] == [0, steps[-1] - 1, steps[-1]]
    assert worse.reason.startswith("L-BFGS: convergence")  # not lost at the last check


def test_lbfgs_stops_early_when_validation_does_not_improve():
    result = run_climb("lbfgs", validate=lambda theta: 0.0, every=1, patience=3)
    assert result.history["step"] == [0, 1, 2, 3]
    assert result.reason.startswith("validation has not improved for 3 checks, at step 3;")


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_a_validation_that_is_not_finite_ends_training_and_says_so(method):
    scores, seen = iter([0.0, 1.0, np.nan]), []
    result = run_climb(method, validate=lambda theta: seen.append(theta) or next(scores), every=1)
    assert result.reason.startswith("validate returned nan at step 2, not a finite number;")
    assert result.best is seen[1] and result.last is seen[2]
    for answer in (None, np.zeros(3), "1", [0.0]):
        with pytest.raises(ValueError, match="validate must return one number; got"):
            run_climb(method, validate=lambda theta: answer)


def spoiled_at(call):
    """The objective `climb` with a gradient of nan at one call, and the list of its calls."""
    calls = []

    @primitive
    def spoiled(x):
        return 1.0 * x

    bad = lambda g: g * (np.nan if calls.append(1) or len(calls) == call else 1.0)
    defvjp(spoiled, lambda ans, x: bad)
    return lambda theta, X, rng: climb({"a": spoiled(theta["a"])}, X, rng), calls


def test_a_gradient_that_is_not_finite_stops_adam_with_the_last_good_theta():
    objective, calls = spoiled_at(3)
    start = {"a": np.array([-1.0, 1.0])}
    result = fit(objective, start, np.zeros((2, 3)), rng=np.random.default_rng(0))
    assert result.reason.startswith("the gradient became non-finite at step 2; `last` is the last")
    assert len(calls) == 3 and np.isfinite(result.last["a"]).all() and result.step == 1


def test_lbfgs_refuses_a_step_to_where_the_gradient_or_the_objective_is_not_finite():
    start = {"a": np.array([-1.0, 1.0])}
    run = lambda f: fit(f, start, np.zeros((2, 3)), rng=np.random.default_rng(0), method="lbfgs")
    for call in range(3, 9):
        objective, calls = spoiled_at(call)
        result = run(objective)
        assert_allclose(result.last["a"], 1.0, atol=1e-3)
        assert result.reason.startswith("L-BFGS: convergence") and len(calls) > call
    for value in (np.nan, np.inf, -np.inf):
        beyond = lambda theta: np.where(theta["a"][0] > 0.5, value, 0.0)
        result = run(lambda theta, X, rng: climb(theta, X, rng) + beyond(theta))
        assert result.step > 3 and 0.3 < result.last["a"][0] <= 0.5
        assert np.isfinite(result.history["objective"]).all()


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_a_theta_that_the_objective_refuses_ends_or_turns_training_and_nothing_is_lost(method):
    """The package's own objectives raise ValueError where numbers leave their range."""
    durations, rnn = data.old_faithful(), RNN(Gaussian(), 2, transition="linear")
    theta, X = rnn.init(np.random.default_rng(2)), durations.X[durations.train]
    options = {"step_size": 10.0} if method == "adam" else {"method": method}
    objective = lambda th, X, _: log_likelihood(rnn, th, X)
    result = fit(objective, theta, X, rng=np.random.default_rng(0), steps=200, **options)
    assert np.isfinite(log_likelihood(rnn, result.last, X)).all()
    if method == "adam":
        assert "the objective became nan at step 1 (log p(x_t | h_t) of this X" in result.reason
    else:
        assert result.reason.startswith("L-BFGS: convergence")
        assert log_likelihood(rnn, result.last, X) > log_likelihood(rnn, theta, X) + 10
    with pytest.raises(ValueError, match="log_s"):  # but what is wrong at first is the caller's
        fit(objective, theta | {"log_s": np.array([-700.0])}, X, rng=np.random.default_rng(0))


def test_lbfgs_without_one_finite_step_keeps_its_start():
    first = {"a": np.array([-1.0, 1.0])}
    only = lambda theta, X, rng: climb(theta, X, rng) + (np.nan if theta["a"][0] != -1.0 else 0.0)
    result = fit(only, first, np.zeros((2, 3)), rng=np.random.default_rng(0), method="lbfgs")
    assert (
        result.step == 0 and result.last is first and result.reason.startswith("L-BFGS: abnormal")
    )


def test_adam_steps_by_step_size_with_the_gradient_clipped_to_clip_times_T():
    """Adam's first step is step_size * g / (|g| + 1e-8): a clip of that size shows in it."""
    move = lambda T, **options: fit(
        lambda theta, X, rng: theta["a"] * np.ones(X.shape[1]),
        {"a": np.array(0.0)},
        np.zeros((T, 3)),
        rng=np.random.default_rng(0),
        steps=1,
        **options,
    ).last["a"]
    assert_allclose(move(4, step_size=0.3), 0.3, rtol=1e-6)
    assert_allclose(move(4, step_size=0.3, clip=1e-8 / 4), 0.15, rtol=1e-6)
    assert_allclose(move(2, step_size=0.2, clip=1e-8), 0.2 * 2 / 3, rtol=1e-6)
    assert_allclose(move(2, step_size=0.2, clip=np.inf), 0.2, rtol=1e-6)


def test_lbfgs_holds_the_noise_fixed_and_adam_does_not():
    drawn = []

    def objective(theta, X, rng):
        drawn.append(rng.random())
        return climb(theta, X, rng)

    run = lambda seed, method: fit(
        objective,
        {"a": np.array([-1.0, 1.0])},
        np.zeros((2, 3)),
        rng=np.random.default_rng(seed),
        method=method,
        steps=5,
    )
    run(0, "lbfgs")
    assert len(drawn) > 5 and len({*drawn}) == 1
    run(1, "lbfgs")
    assert len({*drawn}) == 2
    drawn.clear()
    run(0, "adam")
    assert len({*drawn}) == len(drawn) == 6


def test_history_holds_the_mean_over_the_sequences_of_the_batch():
    rnn, theta, X = random_model()
    result = fit(objective_of(rnn), theta, X, rng=np.random.default_rng(0), steps=1)
    assert_allclose(
        result.history["objective"][0], log_likelihood(rnn, theta, X).mean(), rtol=1e-12
    )


def test_a_minibatch_holds_different_sequences_and_another_choice_each_time():
    batches = []

    def objective(theta, X, rng):
        batches.append(tuple(X[0]))
        return climb(theta, X, rng)

    X = np.tile(np.arange(10.0), (2, 1))
    fit(objective, {"a": np.zeros(2)}, X, rng=np.random.default_rng(0), steps=20, batch=8)
    assert all(len(batch) == len({*batch}) == 8 for batch in batches) and len({*batches}) > 1


def test_without_validation_best_is_last(chain):
    rnn = RNN(Categorical(2), 3)
    result = fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        chain[0],
        rng=np.random.default_rng(2),
        steps=5,
    )
    assert (
        result.best is result.last
        and result.reason == "all steps done"
        and result.history["step"] == [0, 5]
    )


def test_an_objective_that_is_not_finite_stops_adam_with_the_last_good_theta():
    rnn, theta, X = random_model()
    calls, asked = [], []

    def objective(th, X, rng):
        calls.append(1)
        asked.append({key: np.array(value._value) for key, value in th.items()})
        return log_likelihood(rnn, th, X) + (np.nan if len(calls) == 4 else 0.0)

    result = fit(objective, theta, X, rng=np.random.default_rng(0), steps=50)
    assert result.reason == "the objective became nan at step 3; `last` is the last good theta"
    assert len(calls) == 4
    for key, value in asked[2].items():
        assert_array_equal(result.last[key], value)


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_a_first_step_that_fails_returns_the_start(method):
    rnn, theta, X = random_model()
    objective = lambda th, X, rng: log_likelihood(rnn, th, X) + np.inf
    result = fit(objective, theta, X, rng=np.random.default_rng(0), method=method)
    for key, value in theta.items():
        assert_array_equal(result.last[key], value)
    assert result.best is result.last
    assert result.reason == "the objective became inf at step 0; `last` is the last good theta"


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_ctrl_c_returns_what_it_has(method):
    rnn, theta, X = random_model()
    calls = []

    def objective(th, X, rng):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return log_likelihood(rnn, th, X)

    result = fit(objective, theta, X, rng=np.random.default_rng(0), method=method)
    assert result.reason.startswith("interrupted after step")
    assert log_likelihood(rnn, result.last, X).mean() != log_likelihood(rnn, theta, X).mean()


def test_the_noise_of_an_objective_comes_from_the_generator_of_fit():
    """K of Eq. (16) with fresh noise every step; its sigma shrinks."""
    rnn, theta, X = random_model(T=6, N=40, seed=3)
    generator = np.random.default_rng(0)

    def objective(th, X, rng):
        assert rng is generator and X.shape[1] == 32  # the default batch
        return K_noise(rnn, th, X, Normal().sample(rng, (5, 8, 1, X.shape[1], 2)), th["sigma"])

    result = fit(
        objective, theta | {"sigma": np.array(0.5)}, X, rng=generator, steps=150, step_size=0.02
    )
    assert abs(result.last["sigma"]) < 0.1 and result.reason == "all steps done"


def test_progress_shows_on_a_terminal_and_nowhere_else(monkeypatch, capsys, chain):
    rnn = RNN(Categorical(2), 2)
    run = lambda: fit(
        objective_of(rnn),
        rnn.init(np.random.default_rng(1)),
        chain[0],
        rng=np.random.default_rng(2),
        steps=20,
    )
    run()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run()
    out, err = capsys.readouterr()
    assert out == "" and "\rstep 20: objective -" in err and err.endswith("\n")


def test_progress_shows_in_a_notebook(monkeypatch, capsys, chain):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    rnn = RNN(Categorical(2), 2)
    theta = rnn.init(np.random.default_rng(1))
    fit(objective_of(rnn), theta, chain[0], rng=np.random.default_rng(2), steps=20)
    assert "\rstep 20: objective -" in capsys.readouterr().err


def test_a_minibatch_is_cut_to_its_own_longest_sequence():
    rng = np.random.default_rng(0)
    lines = [rng.integers(0, 3, rng.integers(2, 8)) for _ in range(60)] + [rng.integers(0, 3, 90)]
    numbers = [rng.standard_normal((len(line), 2)) for line in lines]
    for X, empty in ((data.pad(lines), lambda X: X < 0), (data.pad(numbers), np.isnan)):
        lengths = []
        for seed in range(30):
            whole = X[:, np.random.default_rng(seed).choice(61, 8, replace=False)]
            cut = minibatch(X, 8, np.random.default_rng(seed))
            assert_array_equal(cut, whole[: len(cut)])
            assert empty(whole[len(cut) :]).all() and not empty(cut[-1]).all()
            lengths.append(len(cut))
        assert min(lengths) < 9 and max(lengths) == 90
        assert minibatch(X, 61, rng) is X
    floats = np.full((3, 4), -1.0)  # -1 is padding among integers only
    assert minibatch(floats, 2, rng).shape == (3, 2)


@pytest.mark.parametrize("emission", ["categorical", "gaussian"])
def test_cutting_a_minibatch_changes_no_value(monkeypatch, emission):
    rng = np.random.default_rng(0)
    lines = [rng.integers(0, 3, rng.integers(2, 8)) for _ in range(60)] + [rng.integers(0, 3, 60)]
    if emission == "gaussian":
        lines = [rng.standard_normal((len(line), 1)) for line in lines]
    X = data.pad(lines)
    rnn = RNN(Categorical(3) if emission == "categorical" else Gaussian(), 4)
    theta = rnn.init(rng)
    run = lambda: fit(
        objective_of(rnn), theta, X, rng=np.random.default_rng(1), steps=20, batch=8, every=1
    )
    cut = run().history["objective"]
    monkeypatch.setattr(
        "rnnvae_ref.training.minibatch",
        lambda X, batch, rng: X[:, rng.choice(X.shape[1], batch, replace=False)],
    )
    assert_allclose(cut, run().history["objective"], rtol=1e-12)


def test_clipping_keeps_the_direction_and_bounds_the_norm():
    g = {"a": np.array([3.0, 0.0]), "b": np.array(4.0)}
    assert clipped(g, 6.0) is g
    assert_allclose(clipped(g, 1.0)["a"], [0.6, 0.0])
    assert_allclose(clipped(g, 1.0)["b"], 0.8)


def test_fit_says_what_is_wrong_with_its_arguments(chain):
    rnn, theta, X = random_model()
    for changes, message in [
        ({"steps": 0}, "steps must be a whole number"),
        ({"batch": 1.5}, "batch must be a whole number"),
        ({"method": "sgd"}, 'method must be "adam" or "lbfgs"; got \'sgd\''),
        ({"step_size": -1.0}, "step_size must be a finite number, 1e-150 or larger"),
        ({"step_size": None}, "step_size must be a finite number, 1e-150 or larger; got None"),
        ({"clip": 0.0}, "clip must be a number, not nan, 1e-150 or larger"),
        ({"clip": "1"}, "clip must be a number, not nan, 1e-150 or larger; got '1'"),
        ({"every": 0}, "every must be a whole number, 1 or larger; got 0"),
        ({"patience": 0.5}, "patience must be a whole number"),
        ({"validate": 3}, "validate must be a function of theta, or None; got 3"),
        ({"method": np.zeros(2)}, 'method must be "adam" or "lbfgs"; got an array'),
        ({"rng": 0}, "rng must be a numpy Generator.*; got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(objective_of(rnn), theta, X, **{"rng": np.random.default_rng(0)} | changes)
    with pytest.raises(
        ValueError, match=r"objective must return one number per sequence, \(3,\); got "
    ):
        fit(
            lambda th, X, rng: np.mean(log_likelihood(rnn, th, X)),
            theta,
            X,
            rng=np.random.default_rng(0),
        )
    with pytest.raises(ValueError, match=r"objective must be a function of .*; got RNN"):
        fit(rnn, theta, X, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="theta lacks 'W'"):
        fit(
            objective_of(rnn),
            {k: v for k, v in theta.items() if k != "W"},
            X,
            rng=np.random.default_rng(0),
        )


@pytest.mark.parametrize("method", ["adam", "lbfgs"])
def test_one_number_may_be_a_float(method):
    objective = lambda theta, X, rng: -((theta["a"] - 1.0) ** 2) * np.ones(3)
    rng, X = np.random.default_rng(0), np.zeros((2, 3))
    result = fit(objective, {"a": 0.5}, X, rng=rng, method=method, steps=300)
    assert_allclose(result.last["a"], 1.0, atol=1e-3)


def test_a_gradient_whose_square_leaves_float64_is_no_step():
    objective = lambda theta, X, rng: 1e170 * theta["a"] * np.ones(3)
    rng, X = np.random.default_rng(0), np.zeros((2, 3))
    with_huge = fit(objective, {"a": np.zeros(())}, X, rng=rng, steps=3)
    assert "gradient became non-finite at step 0" in with_huge.reason


def test_fit_asks_for_float64_arrays_and_for_an_array_of_data_before_anything_else():
    run = lambda theta, X: fit(
        lambda *_: pytest.fail("asked too early"), theta, X, rng=np.random.default_rng(0)
    )
    X, good = np.zeros((2, 3)), np.zeros(2)
    for value, got in [
        (np.zeros(2, int), r"an array of int64 with shape \(2,\)"),
        ([0.0, 1.0], r"list \[0\.0, 1\.0\]"),
        (numpy.ma.zeros(2), "a MaskedArray of float64"),
        (np.zeros(2, np.float32), "an array of float32"),
    ]:
        with pytest.raises(ValueError, match=rf"theta\['b'\] must be float64; got {got}"):
            run({"a": good, "b": value}, X)
    for theta in ({}, None, [good]):
        with pytest.raises(ValueError, match="theta must be a dict of float64 arrays; got"):
            run(theta, X)
    for wrong, got in [
        (data.nile(), r" \(give s\.X\[s\.train\]\); got Series"),
        (data.colour_names(), r" \(give text\.train\); got Text"),
        ([[0.0]], r"; got list \[\[0\.0\]\]"),
        (np.zeros(3), "; got an array of float64"),
        (numpy.ma.zeros((2, 3)), "; got a MaskedArray of float64"),
        (np.zeros((2, 0)), r"; got an array of float64 with shape \(2, 0\)"),
    ]:
        wanted = r"(?s)X must be an array \(T, N\) or \(T, N, M\), not empty"
        with pytest.raises(ValueError, match=wanted + got):
            run({"a": good}, wrong)
