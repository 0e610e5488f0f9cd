"""The claims of figures 18 and 19: symbols, and another q."""

from pathlib import Path

import numpy as np
import pytest

from figures import baselines
from figures import fig18_symbols as symbols
from figures import fig19_another_q as another
from tests.small_runs import numbers_of, published

STUDY = "fig18_symbols_study"


def numbers_at(name, source):
    return published(STUDY) if source == "study" else numbers_of(name, source)


@pytest.mark.parametrize("source", ["published", "study", "fresh"])
def test_fig18_nothing_lies_below_what_is_proved(source):
    n, slack = (
        numbers_at("fig18_symbols", source),
        0.03,
    )  # the test set's; a fraction of what is seen
    floor = baselines.cue_floor(symbols.N)
    assert min(n["cue found"]["2"]) > floor  # an exact loss
    for name, runs in n["cue"]["2"].items():
        least = floor if "one" in name else 0.0
        if "26" in name:
            least = baselines.cue_floor_26(symbols.N, 2, symbols.T // 2)
        assert min(symbols.lost(runs)) > least - slack
    assert n["fork found"]["1"][0] > n["fork found"]["2"][0] > n["fork found"]["3"][0] > 0


@pytest.mark.parametrize("source", ["published", "study", "fresh"])
def test_fig18_what_is_written_down_loses_nothing(source):
    n = numbers_at("fig18_symbols", source)["written down"]
    assert max(abs(loss) for loss, _ in n.values()) < 1e-6
    assert {name: size for name, (_, size) in n.items()} == {
        "(17)": 190, "one particle": 267, "fork, (17)": 170
    }  # fmt: skip


def test_fig18_published_training_does_not_find_it():
    n = published(STUDY)
    for D in ("2", "3", "4"):
        losses = {name: symbols.lost(runs) for name, runs in n["cue"][D].items()}
        assert all(len(values) == 5 for values in losses.values())
        apart, two = losses["one particle, apart"], losses["(17), L = 2, apart"]
        assert min(apart) < max(two) and np.median(two) > min(apart)  # the ranges overlap
    assert min(min(symbols.lost(runs)) for runs in n["cue"]["2"].values()) > 0.5
    spreads = [run[1] for cells in n["cue"].values() for runs in cells.values() for run in runs]
    assert max(spreads) < 1e-6  # the particles have met before the end


def test_fig18_published_random_successors_as_the_protocol_asks():
    n = published(STUDY)["random"]
    of = lambda m, L, D, free="": np.array(n[f"m = {m}, L = {L}, D = {D}{free}"])
    assert len(of(8, 1, 6)) == 5
    assert (of(8, 4, 6) < of(8, 1, 6)).all()  # confirmed, on every set
    assert (of(8, 1, 10) < of(8, 8, 6)).all() and (of(8, 1, 24) < 1e-3).all()  # not worth its flops
    free = np.median(of(8, 1, 6, ", h free"))
    assert (
        abs(np.median(of(8, 4, 6)) - free) < 0.05
    )  # what they gain, one particle gains without tanh
    assert abs(np.median(of(8, 4, 6)) - np.median(of(8, 1, 7))) < 0.05  # or with one unit more
    assert np.median(of(2, 4, 2)) > np.median(of(2, 1, 2)) - 0.05  # no gain with m = 2


def test_fig18_published_text_gains_nothing():
    n = published(STUDY)
    for rows in n["text"].values():
        assert "pydoc_data.topics of Python 3." in rows["source"]
        assert all(len(rows[name]) == 3 for name in symbols.TEXT)
        one = min(np.median(rows[name]) for name in ("one", "one, apart"))
        assert np.median(rows["(17), L = 4, apart"]) > one
    assert set(symbols.gained(n)) == {
        f"{text}: {name}" for text in n["text"] for name in symbols.TEXT
    }


def test_fig18_fresh_counts_and_draws_alike():
    a, b = (symbols.random_successors(np.random.default_rng(0), 8) for _ in range(2))
    assert (a == b).all() and ((a > 0).sum(axis=1) == 8).all() and np.allclose(a.sum(axis=1), 1)
    assert not (a == symbols.random_successors(np.random.default_rng(1), 8)).all()


def test_fig18_no_choice_sees_the_test_set(monkeypatch):
    """Other test sequences: the same theta comes out of training, only its score is another."""
    drawn, kept, spoil = [], [], [False, True]

    def draw(rng, count):
        X, log_p = symbols.cue(rng, count)
        drawn.append(count)
        return (X[:, ::-1], log_p[:, ::-1] + 1.0) if count == 500 and spoil[0] else (X, log_p)

    fit = symbols.fit
    monkeypatch.setattr(symbols, "fit", lambda *a, **k: kept.append(fit(*a, **k)) or kept[-1])
    while spoil:
        rng, settings = np.random.default_rng(0), {"(17)": (2, "17", True)}
        kept.append(symbols.cells(rng, draw, 2, settings, 1, 10, symbols.answers)["(17)"][0][0])
        spoil.pop(0)
    first, honest, second, spoiled = kept
    assert abs(spoiled - honest - 1.0) < 1e-9 and drawn == [1500, 300, 500] * 2
    for key, value in first.best.items():
        np.testing.assert_array_equal(value, second.best[key])


@pytest.mark.parametrize("source", ["published", "fresh"])
def test_fig19_only_q_of_eq6_wants_no_noise(source):
    for n in numbers_of("fig19_another_q", source).values():
        fitted = {name: np.array(values) for name, values in n["fitted"].items()}
        assert np.argmax(fitted["q of (6)"]) == 0 and (np.diff(fitted["q of (6)"]) < 0).all()
        for name in ("sees x_t", "product", "log_p"):
            assert np.argmax(fitted[name]) > 0 and fitted[name].max() > fitted["q of (6)"][0] + 0.05
        K, ahead, product, log_p = fitted.values()
        assert (K <= product + 1e-6).all() and (product <= log_p + 1e-6).all()
        assert (ahead <= log_p + 0.01).all()  # another maximum of theta
        assert np.ptp([values[0] for values in fitted.values()]) < 1e-3  # there all are Eq. (5)


def test_fig19_published_numbers_of_the_nile():
    n = published("fig19_another_q")["Nile, linear"]
    best = {name: max(values) for name, values in n["fitted"].items()}
    known = {"q of (6)": -12.91, "sees x_t": -12.42, "product": -12.39, "log_p": -12.05}
    for name, value in known.items():
        assert abs(best[name] - value) < 0.03
    assert n["sigma"] == list(another.SIGMAS)


def test_the_tables_of_c18_are_those_of_the_study():
    path = Path(__file__).parent.parent / "derivations" / "6_symbols.md"
    text, n = path.read_text(encoding="utf-8"), published(STUDY)
    row = lambda values, digits: " | ".join(f"{value:.{digits}f}" for value in values)
    for D, settings in n["cue"].items():
        medians = [symbols.median(runs) for runs in settings.values()]
        assert f"| $`D = {D}`$ | {row(medians, 3)} |" in text
    for L, D in ((1, 6), (2, 6), (4, 6), (8, 6), (1, 7), (1, 10)):
        value = np.median(n["random"][f"m = 8, L = {L}, D = {D}"])
        assert f"| $`D = {D}`$, $`L = {L}`$ | {value:.3f} |" in text
    for L, D in ((1, 2), (2, 2), (4, 2), (1, 3)):
        value = np.median(n["random"][f"m = 2, L = {L}, D = {D}"])
        assert f"| $`D = {D}`$, $`L = {L}`$ | {value:.3f} |" in text
    for setting, scores in n["text"].items():
        digits = 3 if "words" in setting else 2
        grams = row([scores[name][0] for name in ("2-gram", "3-gram")], 2)
        assert f"| {grams} | {row([np.median(scores[k]) for k in symbols.TEXT], digits)} |" in text
    fork = [round(symbols.median(runs), 3) for runs in n["fork"]["3"].values()]
    assert fork == [0.038, 0.034, 0.034, 0.032] and "0.038, from the start `apart` 0.034" in text
