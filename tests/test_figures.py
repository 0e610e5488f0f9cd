"""Each figure's claim: on the published numbers exactly, and on a fresh small run."""

import importlib
import json
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from figures import __main__ as command
from figures import style

SMALL = {
    "fig01_graphical_models": {},
    "fig02_two_objectives": {"seeds": 12},
    "fig03_colour_names": {"seeds": 1, "steps": 200, "sizes": (8, 32)},
    "fig04_durations": {"seeds": 1, "steps": 300, "sizes": (1,)},
    "fig05_forecasts": {"seeds": 1, "steps": 100, "sizes": (4,)},
    "fig06_sigma": {"seeds": 100},
    "fig07_learning_sigma": {"seeds": 3, "steps": 200},
    "fig08_estimator": {"seeds": 60},
    "fig09_nile": {"sigmas": (0.0, 30.0, 60.0)},
}


def published(name):
    return json.loads((style.PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))["numbers"]


@pytest.fixture(scope="module")
def fresh():
    """numbers(name): a small run, computed once."""
    kept = {}

    def numbers(name):
        if name not in kept:
            module = importlib.import_module(f"figures.{name}")
            kept[name] = style.rounded(module.compute(np.random.default_rng(1), **SMALL[name]))
        return kept[name]

    return numbers


@pytest.mark.parametrize("name", command.NAMES)
def test_each_figure_draws_from_its_numbers_alone_and_is_published(name, fresh):
    module = importlib.import_module(f"figures.{name}")
    record = json.loads((style.PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    assert record["headline"] == style.rounded(
        {key: {"value": v, "tolerance": tol} for key, (v, tol) in module.headline(record["numbers"]).items()}
    )
    assert {"machine", "python", "numpy", "autograd", "seed", "seconds"} <= set(record["made"])
    assert (style.PUBLISHED / f"{name}.png").exists()
    for word in ("See:", "Falsified by:", "Cells:", "Time:"):
        assert word in module.__doc__
    with style.drawing():
        plt.close(module.plot(json.loads(json.dumps(fresh(name)))))


def test_no_figure_computes_while_it_plots(monkeypatch):
    """plot() works with the package's mathematics taken away."""
    import rnnvae_ref.kernels as kernels

    def gone(*_args):
        raise AssertionError("plot() must not compute")

    monkeypatch.setattr(kernels, "rollout", gone)
    for name in command.NAMES:
        module = importlib.import_module(f"figures.{name}")
        for function in ("log_likelihood", "log_likelihood_steps", "fit", "sample", "predict", "table", "F"):
            monkeypatch.setattr(module, function, gone, raising=False)
        with style.drawing():
            plt.close(module.plot(published(name)))


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig01_only_p_has_the_arrow_to_x_and_q_is_the_posterior_only_without_noise(source, fresh):
    n = published("fig01_graphical_models") if source == "published" else fresh("fig01_graphical_models")
    into_h = {(f"{kind}{t}", f"h{t + 1}") for kind in "hx" for t in (1, 2)}
    assert {tuple(edge) for edge in n["dynamics"]} == into_h
    assert {tuple(edge) for edge in n["emission"]} == {(f"h{t}", f"x{t}") for t in (1, 2, 3)}
    assert n["kl"]["1.0"] > 1e-3 and abs(n["kl"]["0.0"]) < 1e-12


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig02_the_two_objectives_differ_by_rounding_only(source, fresh):
    n = published("fig02_two_objectives") if source == "published" else fresh("fig02_two_objectives")
    assert max(n["value_roundings"]) < 100 and max(n["gradient_roundings"]) < 1e4
    assert np.std(n["eq5"]) > 1 and np.std(n["gradient5"]) > 0.1  # the models do differ from one another
    assert source == "fresh" or len(n["eq5"]) == 200


def test_fig03_published_order_of_models():
    n = published("fig03_colour_names")
    medians = [np.median([run["test"] for run in n["runs"] if run["D"] == D]) for D in (8, 32, 128)]
    uniform, unigram, bigram, trigram, fourgram = (n["baselines"][str(k)] for k in range(5))
    assert fourgram < medians[2] < trigram < medians[0] < bigram < unigram < uniform and fourgram < medians[1] < trigram
    assert len(n["runs"]) == 9


def test_fig03_fresh_baselines_are_right_and_training_helps(fresh):
    n = fresh("fig03_colour_names")
    np.testing.assert_allclose(n["baselines"]["0"], np.log2(30), rtol=1e-6)
    values = [n["baselines"][str(k)] for k in range(5)]
    assert values == sorted(values, reverse=True)
    assert n["chosen"]["test"] < n["baselines"]["1"] - 1.0  # 200 steps are enough to leave the unigram far behind
    assert n["chosen"]["validation"] == min(run["validation"] for run in n["runs"])


def test_fig03_ngrams_are_normalised():
    from figures import fig03_colour_names as fig
    from rnnvae_ref import data

    symbols = "ab" + data.END
    total = 0.0
    for symbol in symbols:  # the last symbol of a line scored after "ba": over the alphabet it sums to one
        line = "ba" if symbol == data.END else "ba" + symbol
        total += np.exp(fig.log_probabilities(["abba", "bab"], [line], 3, 0.7, 3)[2])
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_fig04_published_one_particle_loses_to_two_gaussians_by_far():
    n = published("fig04_durations")
    best = max(run["test"] for run in n["runs"])
    assert best < n["baselines"]["two Gaussians"] - 3 * n["errors"]["two Gaussians"]
    assert n["baselines"]["Gaussian"] + 0.05 < n["chosen"]["test"] < n["baselines"]["AR(1)"] + n["errors"]["AR(1)"]
    assert n["chosen"]["validation"] == max(run["validation"] for run in n["runs"]) and len(n["runs"]) == 15


def test_fig04_fresh_baselines_do_not_move_and_the_theorem_of_one_bump_holds(fresh):
    n = fresh("fig04_durations")
    for name, value in published("fig04_durations")["baselines"].items():
        np.testing.assert_allclose(n["baselines"][name], value, rtol=1e-5)
    assert n["chosen"]["test"] < n["baselines"]["two Gaussians"]
    density, minutes = np.array(n["density"]), np.array(n["minutes"])
    peaks = (density[:, 1:-1] > density[:, :-2]) & (density[:, 1:-1] >= density[:, 2:])
    assert (peaks.sum(axis=1) <= 1).all()  # one Gaussian has one bump
    assert (np.abs(density.sum(axis=1) * (minutes[1] - minutes[0]) - 1) < 0.1).all()


def test_fig04_baselines_are_densities():
    from figures import fig04_durations as fig
    from rnnvae_ref import data

    d = data.old_faithful()
    grid = np.linspace(-8, 8, 4001)
    wide = type(d)(np.concatenate([d.X[d.train], grid[:, None, None]]), d.train, d.validation, d.test, d.mean, d.scale)
    np.testing.assert_allclose(np.exp(fig.mixture(wide, 0.1)[150:]).sum() * 0.004, 1.0, rtol=1e-6)


def test_fig05_published_trained_again_beats_ar_and_trained_on_regular_spikes_only_does_not():
    n = published("fig05_forecasts")
    best_ar = max(n["AR"].values())
    assert n["chosen"]["test"] < best_ar < n["chosen"]["test_again"]
    assert np.median([run["test"] for run in n["runs"]]) < best_ar < np.median([run["test_again"] for run in n["runs"]])
    assert len(n["runs"]) == 8


def test_fig05_fresh_baselines_and_fans(fresh):
    n = fresh("fig05_forecasts")
    for p, value in published("fig05_forecasts")["AR"].items():
        np.testing.assert_allclose(n["AR"][p], value, rtol=1e-5)
    for fans in n["fans"].values():
        assert (np.diff(np.array(fans), axis=1) >= 0).all() and np.array(fans).shape == (4, 4, 50)


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig06_K_falls_and_the_truth_rises(source, fresh):
    n = published("fig06_sigma") if source == "published" else fresh("fig06_sigma")
    from figures.fig06_sigma import SIGMAS

    for curves in n.values():
        log_p, K = np.array(curves["log_p"]), np.array(curves["K"])
        assert SIGMAS[K.argmax()] <= 0.1 < 0.3 <= SIGMAS[log_p.argmax()] <= 0.7 and log_p.max() > log_p[0] + 5
        assert (log_p - K >= -1e-9).all() and (np.diff(K[3:]) < 0).all()
        value, error = np.array(curves["first"]["estimates"]).T
        assert (np.abs(value - curves["first"]["K"]) < 5 * error).all()
    assert n["linear"]["rises"] == 0 and (np.diff(n["linear"]["K"]) < 0).all() and 0 < n["tanh"]["rises"] < 0.5
    np.testing.assert_allclose(n["linear"]["K"][0] - n["linear"]["K"][10], 30.0293, atol=5e-5)  # at sigma = 0.5


def test_fig06_the_error_of_its_quadrature_is_small():
    from figures import fig06_sigma as fig
    from rnnvae_ref import noise, quadrature

    rnn, theta = fig.one_unit("tanh", *fig.WEIGHTS["tanh"])
    X = noise.sample(rnn, theta, np.random.default_rng(0), fig.T, 3, fig.TRUE)
    for sigma in (0.05, 0.2, 1.0):
        assert quadrature.error(rnn, theta, X, sigma, fig.points(sigma)).max() < 1e-8


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig07_K_drives_sigma_to_zero_and_the_truth_to_its_maximiser(source, fresh):
    n = published("fig07_learning_sigma") if source == "published" else fresh("fig07_learning_sigma")
    assert np.abs(n["K"][-1]).max() < 1e-2 and n["best"] > 0.3
    assert np.abs(np.abs(n["log_p"][-1]) - n["best"]).max() < (1e-3 if source == "published" else 2e-2)
    if source == "published":
        assert len(n["K"][0]) == 10 and min(np.abs(n["K"][0])) > 0.04
        assert np.sign(n["log_p"][-1]).tolist() == np.sign(n["log_p"][0]).tolist()


def test_fig07_copies_side_by_side_move_as_they_would_alone():
    from figures import fig07_learning_sigma as fig
    from figures.fig06_sigma import WEIGHTS, one_unit
    from rnnvae_ref import kalman, noise

    rnn, theta = one_unit("linear", *WEIGHTS["linear"])
    X = noise.sample(rnn, theta, np.random.default_rng(0), 10, 2, 0.5)
    run = lambda starts: fig.ascend(np.random.default_rng(0), kalman.log_p, theta, X, np.array(starts), 20)
    np.testing.assert_allclose(run([0.3, -1.0])[:, 1], run([-1.0])[:, 0], rtol=1e-8)


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig08_error_falls_like_one_over_the_root_of_S(source, fresh):
    from figures.fig08_estimator import SIZES

    n = published("fig08_estimator") if source == "published" else fresh("fig08_estimator")
    repetitions = 200 if source == "published" else 60
    for errors, spread in zip(n["errors"], n["spread"], strict=True):
        ratio = np.array(errors) * np.sqrt(SIZES) / spread
        assert (np.abs(ratio - 1) < 5 / np.sqrt(2 * repetitions) * 1.5).all()  # 1.5: the draws are not quite normal
    assert max(n["without"]) < 1e-12 and min(n["spread"]) > 0.1


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig09_the_values_of_the_nile(source, fresh):
    n = published("fig09_nile") if source == "published" else fresh("fig09_nile")
    assert np.argmax(n["K"]) == 0 and (np.diff(n["K"]) < 0).all() and max(n["log_p"]) > n["log_p"][0] + 10
    got = [max(n["K"]), n["no arrow, best sigma"], n["tied"], n["free"]]
    np.testing.assert_allclose(got, [-654.52, -637.60, -638.03, -635.45], atol=6e-3)
    np.testing.assert_allclose([n["steady filter"], n["the same as an RNN"]], -638.0495, atol=5e-5)
    assert np.abs(np.array(n["rnn"]) - n["filter"]).max() < 20  # of about a thousand


def test_a_figure_is_the_same_bytes_twice_and_leaves_nothing_else(tmp_path):
    records = []
    for k in "ab":
        records.append(command.make("fig01_graphical_models", tmp_path / k)[0])
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert names == [f"fig01_graphical_models.{kind}" for kind in ("json", "pdf", "png")]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert records[0] == records[1] and "made" not in records[0]


def test_compare_counts_numbers_outside_their_tolerance(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(style, "PUBLISHED", tmp_path / "p")
    monkeypatch.setattr(style, "OUT", tmp_path / "o")
    for folder, value in [("p", 1.0), ("o", 1.2)]:
        (tmp_path / folder).mkdir()
        headline = {"near": {"value": value, "tolerance": 0.3}, "far": {"value": value, "tolerance": 0.1}}
        (tmp_path / folder / "fig.json").write_text(json.dumps({"headline": headline}))
    assert command.compare() == 1
    out = capsys.readouterr().out
    assert "far   <-- outside" in out and "1 lie outside" in out


def test_the_command_refuses_a_figure_that_is_not_there():
    run = subprocess.run([sys.executable, "-m", "figures", "99"], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode != 0 and "figures must be among 1.." in run.stderr


def test_json_keeps_seven_digits_and_plain_types():
    assert style.rounded({"a": np.array([1 / 3]), "b": np.int64(3), "c": [np.float64(2e-9)]}) == {
        "a": [0.3333333],
        "b": 3,
        "c": [2e-9],
    }
