"""Each figure's claim: on the published numbers exactly, and on a fresh small run."""

import ast
import csv
import dataclasses
import importlib
import inspect
import itertools
import json
import math
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures import __main__ as command
from figures import baselines, style, worlds
from rnnvae_ref import (
    RNN,
    Categorical,
    F,
    Gaussian,
    data,
    log_likelihood,
    log_likelihood_steps,
    predict,
)
from rnnvae_ref.training import Fit
from tests.small_runs import numbers_of, published, small_run


@pytest.mark.parametrize("name", command.NAMES)
def test_each_figure_draws_from_its_numbers_alone_and_is_published(name):
    module = importlib.import_module(f"figures.{name}")
    record = json.loads((style.PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    assert record["headline"] == style.rounded(
        {
            key: {"value": v, "tolerance": tol}
            for key, (v, tol) in module.headline(record["numbers"]).items()
        }
    )
    assert {"machine", "python", "numpy", "autograd", "seed", "seconds"} <= set(record["made"])
    assert (style.PUBLISHED / f"{name}.png").exists()
    for word in ("See:", "Falsified by:", "Cells:", "Time:"):
        assert word in " ".join(ast.get_docstring(ast.parse(inspect.getsource(module))).split())
    with style.drawing():
        plt.close(module.plot(json.loads(json.dumps(small_run(name)))))


def test_no_figure_computes_while_it_plots(monkeypatch):
    """plot() works with the package's mathematics taken away."""
    without_kernels(monkeypatch)

    def gone(*_args):
        raise AssertionError("plot() must not compute")

    for name in command.NAMES:
        module = importlib.import_module(f"figures.{name}")
        for function in (
            "log_likelihood",
            "log_likelihood_steps",
            "fit",
            "sample",
            "predict",
            "table",
            "F",
        ):
            monkeypatch.setattr(module, function, gone, raising=False)
        with style.drawing():
            plt.close(module.plot(published(name)))


def without_kernels(monkeypatch):
    """The hand-written kernels raise wherever the package uses them."""

    def gone(*_args):
        raise AssertionError("a kernel was called")

    for module, names in [("rnn", ["rollout"]), ("emissions", ["log_categorical", "log_gaussian"])]:
        for name in names:
            monkeypatch.setattr(f"rnnvae_ref.{module}.{name}", gone)


def with_garbage(series, part, scale=3.0):
    """The same series, but one part of it is noise."""
    X = series.X.copy()
    X[part] = scale * np.random.default_rng(9).standard_normal(X[part].shape)
    return dataclasses.replace(series, X=X)


def recorded(monkeypatch, module, name):
    """A list of (arguments, keywords, result) of every call of module.name."""
    calls, function = [], getattr(module, name)

    def recorder(*args, **keywords):
        calls.append((args, keywords, function(*args, **keywords)))
        return calls[-1][2]

    monkeypatch.setattr(module, name, recorder)
    return calls


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig01_only_p_has_the_arrow_to_x_and_q_is_the_posterior_only_without_noise(source):
    n = numbers_of("fig01_graphical_models", source)
    into_h = {(f"{kind}{t}", f"h{t + 1}") for kind in "hx" for t in (1, 2)}
    into_x = {(f"h{t}", f"x{t}") for t in (1, 2, 3)}
    for row in n.values():
        assert {tuple(edge) for edge in row["q"]} == into_h
        assert {tuple(edge) for edge in row["p"]} == into_h | into_x
    assert n["noise"]["kl"] > 1e-3 and abs(n["delta"]["kl"]) < 1e-12


@pytest.mark.parametrize(
    ("name", "row", "model"),
    [("unroll", 0, "p"), ("log_q_steps", 0, "q"), ("log_p_x_steps", 0, "p")],
)
def test_fig01_each_panel_is_measured_on_its_own_code(name, row, model, monkeypatch):
    """A code without the dependence on h_{t-1} or h_t loses those arrows in its own panels, and
    only there.
    """
    from figures import fig01_graphical_models as fig

    true, function = fig.compute(np.random.default_rng(0)), getattr(fig, name)
    blind = {
        "unroll": lambda rnn, theta, *a: function(rnn, theta | {"h1": 0 * theta["h1"]}, *a),
        "log_q_steps": lambda rnn, theta, X, H, *a: function(
            rnn, theta | {"W": 0 * theta["W"]}, X, H, *a
        ),
        "log_p_x_steps": lambda rnn, theta, X, H: function(rnn, theta, X, 0 * H),
    }
    monkeypatch.setattr(fig, name, blind[name])
    found, kind = fig.compute(np.random.default_rng(0)), ["noise", "delta"][row]
    lost = [edge for edge in true[kind][model] if edge not in found[kind][model]]
    assert lost and all(parent[0] == "h" for parent, _ in lost)
    assert found[kind]["pq".replace(model, "")] == true[kind]["pq".replace(model, "")]


def test_fig01_q_without_noise_is_measured_on_the_recursion(monkeypatch):
    from figures import fig01_graphical_models as fig

    monkeypatch.setattr(fig, "F", lambda rnn, theta, X, *a: 0 * F(rnn, theta, X, *a))
    n = fig.compute(np.random.default_rng(0))
    assert n["delta"]["q"] == [] and len(n["noise"]["q"]) == 4 and len(n["delta"]["p"]) == 7


def test_fig01_a_rollout_that_starts_in_the_middle_goes_on_as_before():
    """So holding h_{t-1} holds all that came earlier: no arrow from further back is missed."""
    from figures import fig01_graphical_models as fig

    rng = np.random.default_rng(2)
    rnn = RNN(Gaussian(), 1)
    theta, X, eps = (
        rnn.init(rng),
        rng.standard_normal((3, 1, 1)),
        rng.standard_normal((2, 1, 1, 1, 1)),
    )
    for sigma in (0.0, 1.0):
        H = F(rnn, theta, X, eps, sigma)
        rolled = fig.rollouts(rnn, theta, X, H, eps, sigma)
        np.testing.assert_allclose([rolled["h2"], rolled["h3"]], H[1:].ravel(), rtol=1e-12)
    looped = fig.recursion(rnn, theta, X, F(rnn, theta, X)[:, None])
    np.testing.assert_allclose(
        [looped["h2"], looped["h3"]], F(rnn, theta, X)[1:].ravel(), rtol=1e-12
    )


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig02_the_two_objectives_differ_by_rounding_only(source):
    n = numbers_of("fig02_two_objectives", source)
    assert max(n["value_roundings"]) < 100 and max(n["gradient_roundings"]) < 1e4
    assert (
        np.std(n["eq5"]) > 1 and np.std(n["gradient5"]) > 0.1
    )  # the models do differ from one another
    assert source == "fresh" or len(n["eq5"]) == 200


def test_fig02_eq15_stays_and_eq5_goes_when_the_kernels_are_taken_away(monkeypatch):
    """The columns of (15) do not come from (5), nor those of (5) from (15): so the figure could
    fail.
    """
    from figures import fig02_two_objectives as fig

    def other(_rnn, theta, X):
        return sum((part**2).sum() for part in theta.values()) + np.zeros(X.shape[1])

    true = small_run("fig02_two_objectives")
    run = lambda: style.rounded(fig.compute(np.random.default_rng(1), seeds=12))
    with monkeypatch.context() as patched:
        patched.setattr(fig, "K_delta", other)
        swapped = run()
    assert (swapped["eq5"], swapped["gradient5"]) == (true["eq5"], true["gradient5"]) and swapped[
        "eq15"
    ] != true["eq15"]
    without_kernels(monkeypatch)
    with pytest.raises(AssertionError, match="a kernel was called"):
        run()
    monkeypatch.setattr(fig, "log_likelihood", other)
    alone = run()
    assert (alone["eq15"], alone["gradient15"]) == (true["eq15"], true["gradient15"]) and alone[
        "eq5"
    ] != true["eq5"]


def test_fig02_counts_roundings_relative_to_the_value_and_to_the_largest_entry_of_an_array(
    monkeypatch,
):
    from figures import fig02_two_objectives as fig

    shifted = lambda rnn, theta, X: log_likelihood(rnn, theta, X) * (1 + 2.0**-40)
    monkeypatch.setattr(fig, "K_delta", shifted)
    n = fig.compute(np.random.default_rng(0), seeds=6)
    np.testing.assert_allclose(n["value_roundings"] + n["gradient_roundings"], 2.0**12, rtol=1e-2)


def test_fig03_published_order_of_models():
    n = published("fig03_colour_names")
    medians = [np.median([run["test"] for run in n["runs"] if run["D"] == D]) for D in (8, 32, 128)]
    uniform, unigram, bigram, trigram, fourgram = (n["baselines"][str(k)] for k in range(5))
    assert (
        fourgram < medians[2] < trigram < medians[0] < bigram < unigram < uniform
        and fourgram < medians[1] < trigram
    )
    assert len(n["runs"]) == 9 and n["chosen"]["validation"] == min(
        run["validation"] for run in n["runs"]
    )


def test_fig03_fresh_baselines_do_not_move_and_training_helps():
    n = small_run("fig03_colour_names")
    np.testing.assert_allclose(n["baselines"]["0"], np.log2(30), rtol=1e-6)
    for order, value in published("fig03_colour_names")["baselines"].items():
        np.testing.assert_allclose(n["baselines"][order], value, rtol=1e-6)
    values = [n["baselines"][str(k)] for k in range(5)]
    assert values == sorted(values, reverse=True)
    assert (
        n["chosen"]["test"] < n["baselines"]["1"] - 1.0
    )  # 200 steps are enough to leave the unigram far behind
    assert n["chosen"]["validation"] == min(run["validation"] for run in n["runs"])


def test_fig03_ngrams_are_normalised():

    symbols = "ab" + data.END
    total = 0.0
    for (
        symbol
    ) in symbols:  # the last symbol of a line scored after "ba": over the alphabet it sums to one
        line = "ba" if symbol == data.END else "ba" + symbol
        total += np.exp(baselines.log_probabilities(["abba", "bab"], [line], 3, 0.7, 3)[2])
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_fig03_the_end_of_a_name_is_scored_and_counted_by_the_rnn_and_by_the_ngrams():
    from figures import fig03_colour_names as fig

    names, rnn = data.colour_names(), RNN(Categorical(30), 2)
    theta = rnn.init(np.random.default_rng(0))
    theta["c"][names.alphabet.index(data.END)] = -4.0  # an end is a surprise
    lines, total = names.decode(names.test), 0.0
    for line in lines[:20]:
        p = predict(rnn, theta, names.encode([line]))[:-1, 0]
        total -= sum(
            np.log2(row[names.alphabet.index(symbol)])
            for row, symbol in zip(p, line + "\n", strict=True)
        )
    per_character = total / sum(len(line) + 1 for line in lines[:20])
    np.testing.assert_allclose(fig.bits(rnn, theta, names.test[:, :20]), per_character, rtol=1e-12)
    for n in (0, 1, 3):
        assert len(baselines.log_probabilities(lines, lines, n, 1.0, 30)) == sum(
            len(line) + 1 for line in lines
        )


def test_fig03_nothing_is_trained_or_chosen_on_the_test_part(monkeypatch):
    from figures import fig03_colour_names as fig

    def run():
        weights.clear()
        n = fig.compute(np.random.default_rng(3), seeds=2, steps=20, sizes=(4, 8))
        tests = [run.pop("test") for run in n["runs"]]
        return (n["runs"], n["chosen"], n["sampled"], [weight for _, _, weight in weights], tests)

    fits, names = recorded(monkeypatch, fig, "fit"), data.colour_names()
    weights = recorded(monkeypatch, baselines, "weight")
    *true, tests = run()
    assert len(weights) > 2 and len(fits) == 4
    assert all(np.array_equal(args[2], names.train) for args, _, _ in fits)
    noise = np.random.default_rng(9).integers(0, 30, names.test.shape)
    other = dataclasses.replace(names, test=np.where(names.test > 0, noise.clip(1), names.test))
    monkeypatch.setattr(fig.data, "colour_names", lambda: other)
    *found, other_tests = run()
    assert found == true and min(np.array(other_tests) - tests) > 0.1


def test_fig04_published_one_particle_loses_to_two_gaussians_by_far():
    n = published("fig04_durations")
    best = max(run["test"] for run in n["runs"])
    assert best < n["baselines"]["two Gaussians"] - 3 * n["errors"]["two Gaussians"]
    assert (
        n["baselines"]["Gaussian"] + 0.05
        < n["chosen"]["test"]
        < n["baselines"]["AR(1)"] + n["errors"]["AR(1)"]
    )
    assert (
        n["chosen"]["validation"] == max(run["validation"] for run in n["runs"])
        and len(n["runs"]) == 12
    )


def test_fig04_published_bump_lies_between_the_humps_after_long_eruptions():
    n = published("fig04_durations")
    low, high = n["humps"]
    np.testing.assert_allclose([low, high], [1.96, 4.26], atol=0.02)
    density, minutes, shown = (np.array(n[key]) for key in ("density", "minutes", "shown"))
    after_long = minutes[density.argmax(axis=1)][1:][shown[:-1] > 4.3]
    assert (
        len(after_long) > 5 and ((after_long > low + 0.3) & (after_long < high - 0.3)).mean() > 0.8
    )


def test_fig04_fresh_baselines_do_not_move_and_the_theorem_of_one_bump_holds():
    n = small_run("fig04_durations")
    for name, value in published("fig04_durations")["baselines"].items():
        np.testing.assert_allclose(n["baselines"][name], value, rtol=1e-5)
    assert n["chosen"]["test"] < n["baselines"]["two Gaussians"]
    density, minutes = np.array(n["density"]), np.array(n["minutes"])
    peaks = (density[:, 1:-1] > density[:, :-2]) & (density[:, 1:-1] >= density[:, 2:])
    assert (peaks.sum(axis=1) <= 1).all()  # one Gaussian has one bump
    assert (np.abs(density.sum(axis=1) * (minutes[1] - minutes[0]) - 1) < 0.1).all()


def test_fig04_baselines_are_densities():

    d = data.old_faithful()
    grid = np.linspace(-8, 8, 4001)
    wide = type(d)(
        np.concatenate([d.X[d.train], grid[:, None, None]]),
        d.train,
        d.validation,
        d.test,
        d.mean,
        d.scale,
    )
    np.testing.assert_allclose(np.exp(baselines.mixture(wide)[150:]).sum() * 0.004, 1.0, rtol=1e-6)


def test_fig04_minutes_rows_and_paired_errors_are_those_of_the_chosen_run(monkeypatch):
    """A known model in place of the trained one: its densities, step by step in minutes, and the
    errors, by hand.
    """
    from figures import fig04_durations as fig

    rnn, d = RNN(Gaussian(), 2), data.old_faithful()
    theta = rnn.init(np.random.default_rng(4))
    score = {"D": 2, "train": 0.0, "validation": 0.0, "test": 0.0}
    monkeypatch.setattr(fig, "train", lambda *_args: (rnn, theta, score))
    n = fig.compute(np.random.default_rng(0), seeds=1, sizes=(2,))
    with open(data.HERE / "old_faithful.csv", encoding="utf-8") as file:
        durations = [float(row["duration_minutes"]) for row in csv.DictReader(file)]
    assert n["first"] == 201
    np.testing.assert_allclose(n["shown"], durations[200:240], rtol=1e-12)
    x, h, steps = (
        (np.array(durations) - np.mean(durations[:150])) / np.std(durations[:150]),
        theta["h1"][0],
        [],
    )
    for t, value in enumerate(x):
        mean, s = h @ theta["C"] + theta["c"], np.exp(theta["log_s"])
        steps.append(
            -0.5 * ((value - mean[0]) / s[0]) ** 2 - np.log(s[0]) - 0.5 * np.log(2 * np.pi)
        )
        if 200 <= t < 240:
            centre, width = (
                mean[0] * np.std(durations[:150]) + np.mean(durations[:150]),
                s[0] * np.std(durations[:150]),
            )
            bump = np.exp(-0.5 * ((np.array(n["minutes"]) - centre) / width) ** 2) / (
                width * np.sqrt(2 * np.pi)
            )
            np.testing.assert_allclose(n["density"][t - 200], bump, rtol=1e-9)
        h = np.tanh(h @ theta["W"] + value * theta["U"][0] + theta["b"])
    for name, other in fig.all_baselines(d).items():
        difference = np.array(steps)[200:] - other[200:]
        np.testing.assert_allclose(
            n["errors"][name], np.sqrt(np.var(difference, ddof=1) / 99), rtol=1e-9
        )


def test_fig04_nothing_is_trained_or_chosen_on_the_test_part(monkeypatch):
    from figures import fig04_durations as fig

    def run():
        n = fig.compute(np.random.default_rng(3), seeds=2, steps=30, sizes=(1, 2))
        tests = [run.pop("test") for run in n["runs"]]
        fitted = {
            name: steps[:200] for name, steps in fig.all_baselines(fig.data.old_faithful()).items()
        }
        return (
            (n["runs"], n["chosen"], n["humps"].tolist(), n["density"][0].tolist()),
            fitted,
            tests,
        )

    fits, d = recorded(monkeypatch, fig, "fit"), data.old_faithful()
    true, fitted, tests = run()
    assert len(fits) == 4 and all(np.array_equal(args[2], d.X[:150]) for args, _, _ in fits)
    garbage = with_garbage(d, slice(200, 299))
    monkeypatch.setattr(fig.data, "old_faithful", lambda: garbage)
    found, other_fitted, other_tests = run()
    assert found == true and max(other_tests) < min(tests)
    assert list(fitted) == list(other_fitted)  # the order of the AR model is in its name
    for name, steps in fitted.items():
        np.testing.assert_array_equal(steps, other_fitted[name])


def test_fig05_published_trained_again_beats_ar_and_the_chosen_run_of_regular_spikes_does_not():
    n = published("fig05_forecasts")
    ar = {seen: n["AR"][seen][str(n["order"])] for seen in ("55", "70")}
    assert ar["55"] == max(n["AR"]["55"].values()) and ar["70"] == max(n["AR"]["70"].values())
    assert n["chosen"]["test"] < ar["55"] and ar["70"] + 0.2 < n["chosen"]["test_again"]
    assert ar["70"] < np.median([run["test_again"] for run in n["runs"]])
    before, after = ([run[key] for run in n["runs"]] for key in ("test", "test_again"))
    assert np.ptp(before) > 1.0 > np.ptp(after)
    assert len(n["runs"]) == 8 and n["chosen"]["validation"] == max(
        run["validation"] for run in n["runs"]
    )


def test_fig05_published_the_50_per_cent_band_does_not_favour_the_rnn():
    from figures import fig05_forecasts as fig

    n = published("fig05_forecasts")
    assert fig.coverage(n, "RNN", 1, 2) < 0.45 and 0.55 < fig.coverage(n, "AR", 1, 2) < 0.7
    assert min(fig.coverage(n, name, 0, 3) for name in ("RNN", "AR")) > 0.85


def test_fig05_coverage_counts_the_points_to_come():
    from figures import fig05_forecasts as fig

    level = lambda value: np.full((1, fig.AHEAD), value)
    fans = {"RNN": [np.concatenate([level(v) for v in (0, 1, 2, 3)])]}
    truth = [np.r_[np.full(fig.AHEAD, 1.5), np.full(10, 1.5), np.full(15, 0.5), np.full(25, 9.0)]]
    assert fig.coverage({"fans": fans, "truth": truth}, "RNN", 1, 2) == 0.2
    assert fig.coverage({"fans": fans, "truth": truth}, "RNN", 0, 3) == 0.5


def test_fig05_fresh_baselines_and_fans():
    n = small_run("fig05_forecasts")
    for seen, orders in published("fig05_forecasts")["AR"].items():
        for p, value in orders.items():
            np.testing.assert_allclose(n["AR"][seen][p], value, rtol=1e-5)
    for fans in n["fans"].values():
        assert (np.diff(np.array(fans), axis=1) >= 0).all() and np.array(fans).shape == (4, 4, 50)


def test_fig05_autoregressions_are_least_squares_of_what_they_saw():
    from figures import fig05_forecasts as fig

    m, p = worlds.membrane(), 2
    x = m.X[:, 0, 0]
    for part, stop in [("55", m.train.stop), ("70", m.validation.stop)]:
        ar = baselines.Autoregression(m, p, fig.parts(m)[part])
        blank = with_garbage(m, slice(stop, None))
        np.testing.assert_array_equal(
            ar.weights, baselines.Autoregression(blank, p, fig.parts(m)[part]).weights
        )
        rows = np.array([[x[t - 1], x[t - 2], 1.0] for t in range(p, stop)])
        weights = np.linalg.solve(rows.T @ rows, rows.T @ x[p:stop])
        np.testing.assert_allclose(ar.weights, weights, rtol=1e-8)
        t = m.test.start
        mean, s = (
            x[t - 1] * weights[0] + x[t - 2] * weights[1] + weights[2],
            np.std(x[p:stop] - rows @ weights),
        )
        expected = -0.5 * ((x[t] - mean) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi)
        np.testing.assert_allclose(ar.steps[t], expected, rtol=1e-8)


def test_fig05_again_trains_on_70_per_cent_for_the_chosen_steps_and_the_fans_are_its(monkeypatch):
    from figures import fig05_forecasts as fig

    m, fits, sampled = (
        worlds.membrane(),
        recorded(monkeypatch, fig, "fit"),
        recorded(monkeypatch, fig, "forecast"),
    )
    n = fig.compute(np.random.default_rng(3), seeds=2, steps=30, sizes=(2,))
    assert (
        len(fits) == 4
        and m.validation.stop == round(0.7 * len(m.X))
        and m.train.stop == round(0.55 * len(m.X))
    )
    for run, first, second in zip(n["runs"], fits[::2], fits[1::2], strict=True):
        np.testing.assert_array_equal(first[0][2], data.windows(m.X[: m.train.stop], 50))
        np.testing.assert_array_equal(second[0][2], data.windows(m.X[: m.validation.stop], 50))
        assert second[1]["steps"] == max(1, run["step"]) and second[1]["validate"] is None
        assert all(
            np.array_equal(first[0][1][key], second[0][1][key]) for key in first[0][1]
        )  # the same start
        score = log_likelihood_steps(RNN(Gaussian(), 2), second[2].last, m.X)[m.test].mean()
        np.testing.assert_allclose(run["test_again"], score, rtol=1e-12)
        assert (
            run["step"] == first[2].history["step"][int(np.argmax(first[2].history["validation"]))]
        )
    fig.again(m, RNN(Gaussian(), 2), fits[0][0][1], n["runs"][0] | {"step": 7})
    assert fits.pop()[1]["steps"] == 7
    best = fits[1 + 2 * int(np.argmax([run["validation"] for run in n["runs"]]))][2].last
    assert len(sampled) == 4 and all(
        np.array_equal(args[1][key], best[key]) for args, _, _ in sampled for key in best
    )


def test_fig05_the_number_of_steps_is_the_best_on_validation(monkeypatch):
    from figures import fig05_forecasts as fig

    def fit(_objective, theta, _X, **_settings):
        return Fit(
            theta,
            theta,
            {"step": [0, 10, 20], "objective": [0.0, 1.0, 2.0], "validation": [1.0, 3.0, 2.0]},
        )

    monkeypatch.setattr(fig, "fit", fit)
    assert fig.train(worlds.membrane(), 2, np.random.default_rng(0), 20)[-1]["step"] == 10


def test_fig05_fans_hold_the_quantiles_they_name_in_millivolts(monkeypatch):
    from figures import fig05_forecasts as fig

    m, asked = worlds.membrane(), []

    def ladder(_rnn, _theta, series, steps, draws, _rng, *, levels, end):
        asked.append((series, steps, draws, levels, end))
        return np.ones((4, 50, 1))

    monkeypatch.setattr(fig, "forecast", ladder)
    n = fig.compute(np.random.default_rng(3), seeds=1, steps=1, sizes=(1,))
    for fan, truth, (series, *settings, end) in zip(
        n["fans"]["RNN"], n["truth"], asked, strict=True
    ):
        assert np.shape(fan) == (4, 50) and settings == [50, 400, (5, 25, 75, 95)]
        np.testing.assert_array_equal(series.X, m.X)
        assert m.test.start < end < len(m.X) - 50
        np.testing.assert_allclose(truth, m.decode(m.X)[end - 50 : end + 50, 0, 0], rtol=1e-12)


def test_fig05_nothing_is_trained_or_chosen_on_the_test_part(monkeypatch):
    from figures import fig05_forecasts as fig

    def run():
        with monkeypatch.context() as patched:
            fits = recorded(patched, fig, "fit")
            n = fig.compute(np.random.default_rng(3), seeds=2, steps=30, sizes=(2,))
        tests = [run.pop("test") + 1j * run.pop("test_again") for run in n["runs"]]
        thetas = [
            value.tolist()
            for _, _, result in fits
            for value in [*result.last.values(), *result.best.values()]
        ]
        return (n["runs"], n["chosen"], n["order"], thetas), tests

    true, tests = run()
    garbage = with_garbage(worlds.membrane(), slice(1505, None))
    monkeypatch.setattr(fig.worlds, "membrane", lambda: garbage)
    found, other_tests = run()
    assert found == true and not set(tests) & set(other_tests)


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig06_K_falls_and_the_truth_rises(source):
    n = numbers_of("fig06_sigma", source)
    from figures.fig06_sigma import SIGMAS

    for name in ("linear", "tanh"):
        curves = n[name]
        log_p, K = np.array(curves["log_p"]), np.array(curves["K"])
        assert (
            SIGMAS[K.argmax()] <= 0.1 < 0.3 <= SIGMAS[log_p.argmax()] <= 0.7
            and log_p.max() > log_p[0] + 5
        )
        assert (log_p - K >= -1e-9).all() and (np.diff(K[3:]) < 0).all()
        value, error = np.array(curves["first"]["estimates"]).T
        assert (np.abs(value - curves["first"]["K"]) < 5 * error).all()
    assert (
        n["linear"]["rises"] == 0
        and (np.diff(n["linear"]["K"]) < 0).all()
        and 0 < n["tanh"]["rises"] < 0.5
    )
    np.testing.assert_allclose(
        n["linear"]["K"][0] - n["linear"]["K"][10], 30.0293, atol=5e-5
    )  # at sigma = 0.5


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig06_noise_never_helps_on_the_models_own_data(source):
    """B9 beside B3: of 240 average changes of K none is above 0, though on single sequences many
    are.
    """
    n = numbers_of("fig06_sigma", source)
    gain, rises = np.array(n["own data"]).T
    assert (
        len(gain) == 240 and gain.max() < 0 and 0.05 < rises.mean() < 0.3 and (rises > 0).sum() > 40
    )
    assert gain.min() < -1


def test_fig06_own_data_are_all_sequences_weighted_by_the_noise_free_model():
    from figures import fig06_sigma as fig
    from tests import oracles

    rnn, rng = RNN(Categorical(2), 1), np.random.default_rng(5)
    theta = rnn.init(np.random.default_rng(5), scale=2.0)
    gain, risen = 0.0, 0
    for x in np.ndindex(2, 2, 2, 2):
        K0 = oracles.log_likelihood(theta, x)
        paths = oracles.noise_paths((-1.0, 1.0), (0.5, 0.5), 0.3, 4, 1)
        change = sum(w * oracles.log_likelihood(theta, x, path=path) for w, path in paths) - K0
        gain, risen = gain + np.exp(K0) * change, risen + (change > 0)
    np.testing.assert_allclose(fig.own_data(rng, 1, 0.3), [gain, risen / 16], rtol=1e-9)


def test_fig06_the_error_of_its_quadrature_is_small():
    from figures import fig06_sigma as fig
    from rnnvae_ref import quadrature, sample

    rnn, theta = worlds.steep()
    X = sample(rnn, theta, np.random.default_rng(0), fig.T, 1, sigma=fig.TRUE)
    for sigma in (0.05, 0.2, 1.0):
        points = fig.points(sigma)
        values = [quadrature.log_p(rnn, theta, X, sigma, n) for n in (points, 2 * points - 1)]
        assert abs(values[0] - values[1]).max() < 1e-8


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig07_K_drives_sigma_to_zero_and_the_truth_to_its_maximiser(source):
    n = numbers_of("fig07_learning_sigma", source)
    assert np.abs(n["K"][-1]).max() < 1e-2 and n["best"] > 0.3
    assert np.abs(np.abs(n["log_p"][-1]) - n["best"]).max() < (
        1e-3 if source == "published" else 2e-2
    )
    if source == "published":
        assert len(n["K"][0]) == 10 and min(np.abs(n["K"][0])) > 0.04
        assert np.sign(n["log_p"][-1]).tolist() == np.sign(n["log_p"][0]).tolist()


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig07_the_maximiser_is_the_best_of_a_fine_grid(source):
    from figures import fig07_learning_sigma as fig
    from rnnvae_ref import examples, kalman, sample

    n = numbers_of("fig07_learning_sigma", source)
    rnn, theta = examples.linear()
    X = sample(
        rnn,
        theta,
        np.random.default_rng(0 if source == "published" else 1),
        fig.T,
        5,
        sigma=fig.TRUE,
    )
    grid = np.linspace(0.0, 3.0, 301)
    log_p = [kalman.log_p(rnn, theta, X, s).sum() for s in grid]
    assert abs(grid[int(np.argmax(log_p))] - n["best"]) <= 0.01
    assert kalman.log_p(rnn, theta, X, n["best"]).sum() >= max(log_p) - 1e-6


def test_fig07_copies_side_by_side_move_as_they_would_alone():
    from figures import fig07_learning_sigma as fig
    from rnnvae_ref import examples, kalman, sample

    rnn, theta = examples.linear()
    X = sample(rnn, theta, np.random.default_rng(0), 10, 2, sigma=0.5)
    run = lambda starts: fig.ascend(
        np.random.default_rng(0), kalman.log_p, theta, X, np.array(starts), 20
    )
    np.testing.assert_allclose(run([0.3, -1.0])[:, 1], run([-1.0])[:, 0], rtol=1e-8)


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig08_error_falls_like_one_over_the_root_of_S(source):
    from figures.fig08_estimator import SIZES

    n = numbers_of("fig08_estimator", source)
    repetitions = 200 if source == "published" else 60
    for errors, spread in zip(n["errors"], n["spread"], strict=True):
        ratio = np.array(errors) * np.sqrt(SIZES) / spread
        assert (
            np.abs(ratio - 1) < 5 / np.sqrt(2 * repetitions) * 1.5
        ).all()  # 1.5: the draws are not quite normal
    assert max(n["without"]) < 1e-12 and min(n["spread"]) > 0.1


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig09_the_values_of_the_nile(source):
    n = numbers_of("fig09_nile", source)
    assert (
        np.argmax(n["K"]) == 0
        and (np.diff(n["K"]) < 0).all()
        and max(n["log_p"]) > n["log_p"][0] + 10
    )
    got = [max(n["K"]), n["no arrow, best sigma"], n["tied"], n["free"]]
    np.testing.assert_allclose(got, [-654.52, -637.60, -638.03, -635.4247], atol=6e-3)
    assert n["free, W"] == 1.0 and n["free"] > -635.43  # not the local maximum -635.4475
    np.testing.assert_allclose([n["steady filter"], n["the same as an RNN"]], -638.0495, atol=5e-5)
    assert np.abs(np.array(n["rnn"]) - n["filter"]).max() < 20  # of about a thousand


def test_fig09_least_squares_finds_the_best_parameters_for_a_W():
    """Its score is Eq. (5) at the parameters, which no other start of L-BFGS exceeds."""
    from figures import fig09_nile as fig
    from rnnvae_ref import fit

    d = data.nile()
    X = d.X * d.scale + d.mean
    objective = lambda p, _X, _rng: log_likelihood(
        fig.UNIT, fig.theta_of(p["h1"], p["log_s"], 0.61, p["U"], p["b"]), X
    )
    for b in (0.0, 0.5):
        start = {"h1": np.array(1.0), "log_s": np.array(5.0), "U": np.array(0.3), "b": np.array(b)}
        found = objective(
            fit(objective, start, X, rng=np.random.default_rng(0), method="lbfgs").last, None, None
        )[0]
        np.testing.assert_allclose(found, fig.least_squares(X, 0.61), atol=1e-4)


def test_compare_counts_numbers_outside_their_tolerance(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(style, "PUBLISHED", tmp_path / "p")
    monkeypatch.setattr(style, "OUT", tmp_path / "o")
    for folder, value in [("p", 1.0), ("o", 1.2)]:
        (tmp_path / folder).mkdir()
        headline = {
            "near": {"value": value, "tolerance": 0.3},
            "far": {"value": value, "tolerance": 0.1},
        }
        (tmp_path / folder / "fig.json").write_text(json.dumps({"headline": headline}))
    assert command.compare() == 1
    out = capsys.readouterr().out
    assert "far   <-- outside" in out and "1 lie outside" in out


def headlines(tmp_path, monkeypatch, published, fresh):
    monkeypatch.setattr(style, "PUBLISHED", tmp_path / "p")
    monkeypatch.setattr(style, "OUT", tmp_path / "o")
    for folder, headline in [("p", published), ("o", fresh)]:
        (tmp_path / folder).mkdir()
        record = {
            "headline": {key: {"value": value, "tolerance": 0.1} for key, value in headline.items()}
        }
        (tmp_path / folder / "fig.json").write_text(json.dumps(record))


def test_compare_counts_a_missing_number_as_outside(tmp_path, monkeypatch, capsys):
    headlines(
        tmp_path,
        monkeypatch,
        {"here": 1.0, "gone": 1.0, "nan": 1.0},
        {"here": 1.0, "new": 5.0, "nan": float("nan")},
    )
    assert command.compare() == 2
    out = capsys.readouterr().out
    assert "gone   <-- outside" in out and "nan   <-- outside" in out and "here   <--" not in out


def test_compare_does_not_pass_when_there_is_nothing_to_compare(tmp_path, monkeypatch):
    headlines(tmp_path, monkeypatch, {"here": 1.0}, {})
    (tmp_path / "o" / "fig.json").unlink()
    with pytest.raises(SystemExit, match="nothing to compare"):
        command.compare()


@pytest.mark.parametrize(
    ("words", "fresh", "code"),
    [(["--compare"], 1.05, 0), (["--compare"], 1.2, 1), ([], 1.05, 0), ([], 1.2, 0)],
)
def test_the_exit_code_of_compare_says_whether_a_number_lies_outside(
    tmp_path, monkeypatch, code, words, fresh
):
    headlines(
        tmp_path, monkeypatch, {"a": 1.0, "b": 1.0, "c": 1.0}, {"a": fresh, "b": fresh, "c": fresh}
    )
    monkeypatch.setattr(command, "NAMES", [])  # a full run of no figures
    monkeypatch.setattr(sys, "argv", ["figures", *words])
    with pytest.raises(SystemExit) as stop:
        command.finish()
    assert stop.value.code == code


@pytest.mark.parametrize("words", [["1", "--study"], ["11", "--compare"]])
def test_the_command_refuses_what_it_would_pass_over(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["figures", *words])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code not in (0, None)


def test_the_command_refuses_a_figure_that_is_not_there(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["figures", "99"])
    with pytest.raises(SystemExit, match=r"figures must be among 1\.\..* got 99"):
        command.main()


@pytest.mark.parametrize(
    "words", [["--seeds", "0"], ["--steps", "0"], ["--seeds", "-1"], ["--steps", "many"]]
)
def test_the_command_refuses_counts_below_one(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["figures", "1", *words])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    assert (
        f"argument {words[0]}: must be a whole number, 1 or larger; got {words[1]}"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("values", [[3.0, 1.0, 2.0, 10.0, 2.5], [4.0, 1.0, 9.0, 2.0]])
def test_strip_marks_every_seed_the_median_and_the_chosen_run(values):
    axis = plt.figure().add_subplot()
    style.strip(axis, 7, values, style.RNN, chosen=1.0)
    seeds, median, ring = axis.lines
    assert list(seeds.get_xdata()) == values and set(seeds.get_ydata()) == {7}
    assert list(median.get_xdata()) == [sorted(values)[2] if len(values) == 5 else 3.0]
    assert median.get_markeredgewidth() > seeds.get_markeredgewidth()
    assert list(ring.get_xdata()) == [1.0] and ring.get_marker() == "o"
    plt.close("all")


def test_json_keeps_seven_digits_and_plain_types():
    assert style.rounded({"a": np.array([1 / 3]), "b": np.int64(3), "c": [np.float64(2e-9)]}) == {
        "a": [0.3333333],
        "b": 3,
        "c": [2e-9],
    }


def log_mean_exp(values):
    return math.log(sum(math.exp(v) for v in values) / len(values))


def log_normal(x, mean, variance):
    return -0.5 * (x - mean) ** 2 / variance - 0.5 * math.log(2 * math.pi * variance)


def resampled_by_hand(x, signs, R, Q):
    """log p(x_1), the log-mean of step 2, and that of step 3 averaged over all choices of four
    ancestors.
    """
    h2 = [x[0] + math.sqrt(Q) * sign for sign in signs[0]]
    w = [math.exp(log_normal(x[1], h, R)) for h in h2]
    third = 0.0
    for ancestors in itertools.product(range(4), repeat=4):
        h3 = [h2[a] + math.sqrt(Q) * sign for a, sign in zip(ancestors, signs[1], strict=True)]
        chance = math.prod(w[a] / sum(w) for a in ancestors)
        third += chance * log_mean_exp([log_normal(x[2], h, R) for h in h3])
    return log_normal(x[0], x[0], R) + math.log(sum(w) / 4) + third


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig20_every_objective_reduces_the_table_as_it_is_drawn(source):
    n = numbers_of("fig20_one_table", source)
    sums, across = np.sum(n["ell"], axis=0), [log_mean_exp(row) for row in n["ell"]]
    wanted = {"down": sums, "across": across, "5": sum(n["without noise"])}
    wanted |= {"14": np.mean(sums), "16": np.mean(sums), "17": sum(across)}
    wanted |= {
        "26": log_mean_exp(sums),
        "log_p": log_mean_exp(sums),
        "sticky": sticky(n["ell"], 0.5),
    }
    wanted["resampled"] = resampled_by_hand(n["x"], n["signs"], 15099.0, 1469.1)
    for key, value in wanted.items():
        np.testing.assert_allclose(
            n[key], value, rtol=0, atol=2e-5, err_msg=key
        )  # seven digits are stored


def sticky(ell, rho):
    """log of the sum over all 64 ways to go through the table from row to row."""
    total = 0.0
    for way in itertools.product(range(4), repeat=3):
        moves = math.prod(rho * (a == b) + (1 - rho) / 4 for a, b in itertools.pairwise(way))
        along = sum(row[column] for row, column in zip(ell, way, strict=True))
        total += moves / 4 * math.exp(along)
    return math.log(total)


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig20_its_table_is_that_of_three_years_of_the_nile_and_17_is_above_log_p(source):
    n = numbers_of("fig20_one_table", source)
    assert n["x"] == [824.0, 702.0, 1120.0]  # 1914 to 1916
    assert {*zip(*n["signs"], strict=True)} == {*itertools.product((-1.0, 1.0), repeat=2)}
    for column, (second, third) in enumerate(zip(*n["signs"], strict=True)):
        for t, noise in enumerate((0, second, second + third)):
            h = 824 + noise * math.sqrt(1469.1)
            assert n["ell"][t][column] == pytest.approx(log_normal(n["x"][t], h, 15099.0))
    assert max(n["14"], n["resampled"]) < n["log_p"] == n["26"] < n["17"]


def test_fig20_shows_each_value_beside_the_objective_that_it_belongs_to():
    from figures import fig20_one_table as fig

    n = published("fig20_one_table")
    with style.drawing():
        figure = fig.plot(n)
    _, values = figure.axes
    names = [label.get_text().split(":")[0] for label in values.get_yticklabels()]
    shown = dict(zip(names, values.texts, strict=True))
    keys = {"Eq. (5)": "5", "Eqs. (14), (16)": "14", "Eq. (26)": "26", "Eq. (17)": "17"}
    for label, key in (keys | {"sticky": "sticky", "resampled": "resampled"}).items():
        assert float(shown[label].get_text().replace("\N{MINUS SIGN}", "-")) == round(n[key], 2)
    plt.close("all")
