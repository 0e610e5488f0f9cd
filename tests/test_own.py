"""figures/own.py: a file of one's own through the models."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from figures import own, style
from rnnvae_ref import data, load, log_likelihood, log_likelihood_steps, particles

ROOT = Path(__file__).parent.parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "OUT", tmp_path / "out")
    yield tmp_path
    plt.close("all")


@pytest.fixture
def names(folder):
    """100 invented names; the letter q occurs once."""
    rng = np.random.default_rng(0)
    syllables = "ka ri to me lu na so vi den mar bo tha".split()
    lines = ["".join(rng.choice(syllables, rng.integers(2, 5))) for _ in range(99)]
    (folder / "my names.txt").write_text("\n".join([*lines, "qari"]), encoding="utf-8")
    return folder / "my names.txt"


@pytest.fixture
def table(folder):
    """60 rows of an oscillation with noise."""
    rng = np.random.default_rng(0)
    rows = [
        f"{1900 + t};{100 + 9 * np.sin(t / 3) + 3 * rng.standard_normal():.2f}" for t in range(60)
    ]
    (folder / "table.csv").write_text("\n".join(["year;flow", *rows]), encoding="utf-8")
    return folder / "table.csv"


def record(path, column=""):
    name = f"own_{path.stem}{column}.json"
    return json.loads((style.OUT / name).read_text(encoding="utf-8"))["numbers"]


def steps_of(rnn):
    return log_likelihood_steps if rnn.particles == 1 else particles.per_step_mixture_steps


def test_a_names_file_is_trained_on_scored_saved_and_drawn_from(names, capsys):
    own.main([str(names), "--steps", "30", "--hidden", "4"])
    out, n = capsys.readouterr().out, record(names)
    assert "lines: 70 train, 15 validation, 15 test" in out and "of 30\n" in out
    assert sorted(p.suffix for p in style.OUT.iterdir()) == [".json", ".npz", ".png"]
    assert [*n["test"]] == [
        *("1-gram", "2-gram", "3-gram", "4-gram"),
        *("Eq. (5)", "Eq. (5), apart", "Eq. (17), L = 2"),
    ]
    rnn, theta, kept = load(style.OUT / "own_my names.npz")
    text = data.characters(names)
    bits = -steps_of(rnn)(rnn, theta, text.test).sum() / np.log(2) / (text.test >= 0).sum()
    assert_allclose(n["test"][n["best"]], bits, rtol=1e-6)
    assert kept.alphabet == text.alphabet and "q" in text.alphabet and len(n["drawn"]) == 12
    for row, value in n["test"].items():
        assert f"{value:9.4f} bits a character  {row}\n" in out
    assert f"chosen on validation: {n['best']}" in out and all(line in out for line in n["drawn"])
    axis = own.plot(n).axes[0]
    assert axis.get_xlabel().startswith("bits a character, held out")
    assert [label.get_text() for label in axis.get_yticklabels()] == [*n["test"]]


def test_a_column_is_trained_on_scored_in_its_units_saved_and_forecast(table, capsys):
    own.main([str(table), "--column", "flow", "--steps", "30", "--hidden", "4"])
    out, n = capsys.readouterr().out, record(table, "_flow")
    assert "60 rows" in out and "nats a step  AR(0)" in out
    rnn, theta, s = load(style.OUT / "own_table_flow.npz")
    raw = s.decode(s.X)[:, 0, 0]
    assert_allclose(n["record"], raw, rtol=1e-6)
    steps = steps_of(rnn)(rnn, theta, s.X)[s.test] - np.log(s.scale)
    assert_allclose(n["test"][n["best"]], steps.mean(), rtol=1e-5)
    mean, scale = raw[s.train].mean(), raw[s.train].std()
    gaussian = -0.5 * ((raw[s.test] - mean) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))
    assert_allclose(n["test"]["AR(0)"], gaussian.mean(), rtol=1e-6)
    assert [*n["fans"]] == ["42", "60"]
    scores, record_axis = own.plot(n | {"fans": {int(k): v for k, v in n["fans"].items()}}).axes
    assert scores.get_xlabel().startswith("nats a step, held out")
    assert_array_equal(record_axis.lines[0].get_ydata(), n["record"])
    for fan in n["fans"].values():
        assert np.shape(fan) == (5, 18) and (np.diff(fan, axis=0) >= 0).all()
        assert 50 < np.min(fan) and np.max(fan) < 150


def test_the_model_and_its_step_are_chosen_on_validation(names, table, monkeypatch):
    true, fits = own.fit, []
    monkeypatch.setattr(
        own, "fit", lambda *a, **k: fits.append((a, k, true(*a, **k))) or fits[-1][2]
    )
    for path, column, seen in (
        (names, [], data.characters(names).train),
        (table, ["--column", "flow"], data.windows(data.series(table, "flow").X[:30], 30)),
    ):
        own.main([str(path), *column, "--steps", "20", "--hidden", "3"])
        saved = "_".join(["own", path.stem, *column[1:]])  # a column of a table has its own
        runs, chosen = fits[-3:], load(style.OUT / f"{saved}.npz")[1]
        best = max(runs, key=lambda run: max(run[2].history["validation"]))[2].best
        assert all(np.array_equal(best[key], chosen[key]) for key in chosen)
        for (_, _, X), _, _ in runs:
            assert_array_equal(X, seen)
    valid = data.characters(names).validation
    theta = fits[0][2].last
    bits = -log_likelihood(
        own.RNN(own.Categorical(len(theta["c"])), 3), theta, valid
    ).sum() / np.log(2)
    assert_allclose(fits[0][1]["validate"](theta), -bits / (valid >= 0).sum(), rtol=1e-12)


def test_a_large_file_is_cut_and_the_output_says_so(names, table, monkeypatch, capsys):
    monkeypatch.setattr(own, "SYMBOLS", 200)
    monkeypatch.setattr(own, "LAST", slice(-40, None))
    own.main([str(names), "--steps", "1", "--hidden", "2"])
    lines = capsys.readouterr().out.split("\n")[0]
    assert sum(int(word) for word in lines.split() if word.isdigit()) < 25
    own.main([str(table), "--column", "flow", "--steps", "1", "--hidden", "2"])
    assert "40 rows" in capsys.readouterr().out and len(record(table, "_flow")["record"]) == 40


def test_own_takes_four_rows_and_three_lines(folder):
    """The least that the readers take; and without a header."""
    (folder / "four.csv").write_text("1\n2\n4\n3\n", encoding="utf-8")
    words = ["--column", "0", "--no-header", "--steps", "2", "--hidden", "2"]
    own.main([str(folder / "four.csv"), *words])
    assert np.isfinite([*record(folder / "four.csv", "_0")["test"].values()]).all()
    (folder / "three.txt").write_text("ab\nb\nc", encoding="utf-8")
    own.main([str(folder / "three.txt"), "--steps", "2", "--hidden", "2"])
    assert np.isfinite([*record(folder / "three.txt")["test"].values()]).all()


def test_own_says_in_one_sentence_what_is_wrong(names, table, folder):
    (folder / "constant.csv").write_text("flow\n" + "1\n" * 20, encoding="utf-8")
    (folder / "one.txt").write_text("one line only", encoding="utf-8")
    for words, message in [
        ([folder / "no.txt"], r"No such file or directory: '.*no\.txt'"),
        ([folder], "must be a file, and is a folder"),
        ([folder / "one.txt"], "at least 3 lines that are not blank, to be split; it has 1"),
        ([table], r"table\.csv is a table: give COLUMN=name, or --column name"),
        ([folder / "TABLE.CSV"], r"TABLE\.CSV is a table"),
        ([table, "--column", "x"], "has no column 'x'; it has year, flow"),
        ([table, "--column", "0"], r"no column '0'; it has year, flow; without .* --no-header\)"),
        ([table, "--column", "flow", "--no-header"], "has no column 'flow'; it has 0, 1"),
        ([folder / "constant.csv", "--column", "flow"], "column 'flow' must vary"),
        ([table, "--column", "flow", "--decimal", "x"], 'decimal must be "." or ","'),
        ([names, "--hidden", "0"], "hidden must be a whole number, 1 or larger; got 0"),
        ([names, "--steps", "-1"], "steps must be a whole number"),
        (
            [names, "--particles", "9", "--hidden", "3", "--steps", "100000"],
            'apart needs "tanh" and particles <= 2',
        ),
    ]:
        with pytest.raises(SystemExit, match=message):
            own.main([str(word) for word in words])


@pytest.mark.skipif(not shutil.which("make") or os.name != "posix", reason="needs make and a shell")
def test_make_own_passes_names_with_blanks_and_asks_for_a_file(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    python.chmod(0o755)
    (tmp_path / "venv" / ".stamp").touch()
    (tmp_path / "my $names.txt").touch()
    command = ["make", "--no-print-directory", "-o", "requirements.txt"]
    command += ["own", f"VENV={tmp_path / 'venv'}"]
    make = lambda *words: subprocess.run(
        [*command, *words], capture_output=True, text=True, cwd=ROOT
    )
    run = make(f"FILE={tmp_path}/my $$names.txt", "COLUMN=a b", "OWN=--hidden 3")
    words = ["-m", "figures.own", f"{tmp_path}/my $names.txt", "--column", "a b", "--hidden", "3"]
    assert run.stdout.splitlines() == [f"[{word}]" for word in words]
    for words in ((), (f"FILE={tmp_path}/my",)):
        run = make(*words)
        assert (
            run.returncode == 2
            and "own needs a file, and '" in run.stdout
            and "quotes" in run.stdout
        )
