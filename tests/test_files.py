"""save and load."""

import os
import stat
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rnnvae_ref import RNN, Categorical, Gaussian, data, forecast, load, log_likelihood, save
from rnnvae_ref.numerics import atomic_write
from rnnvae_ref.sampling import sample
from tests.models import random_model

BAD = r"theta\.npz must be a \.npz file written by save\(\); "


def assert_same_theta(a, b):
    assert set(a) == set(b)
    for key, value in a.items():
        assert_array_equal(value, b[key])


def test_a_model_goes_to_a_file_and_back(tmp_path):
    path = tmp_path / "theta.npz"
    for rnn in (
        RNN(Categorical(3), 2),
        RNN(Categorical(3), 2, 4, "linear"),
        RNN(Gaussian(2, 1e-5), 3, transition="linear"),
        RNN(Gaussian(1, 0.25), 1),
    ):
        theta = rnn.init(np.random.default_rng(0)) | {"sigma": np.array(0.3)}
        save(path, rnn, theta)
        saved, back, kept = load(path)
        assert saved == rnn and kept is None
        assert_same_theta(back, theta)
        assert_same_theta(load(path, rnn)[1], theta)
    assert [p.name for p in tmp_path.iterdir()] == ["theta.npz"]


def test_equal_models_load_whatever_their_repr(tmp_path):
    path = tmp_path / "theta.npz"
    for one, other in [
        (RNN(Categorical(np.int64(5)), np.int32(2)), RNN(Categorical(5), 2)),
        (RNN(Gaussian(1, np.float64(0.1)), 2), RNN(Gaussian(1, 0.1), 2)),
        (RNN(Gaussian(1, 0), 2), RNN(Gaussian(1, 0.0), 2)),
        (RNN(Gaussian(1, Fraction(1, 2)), 2), RNN(Gaussian(1, 0.5), 2)),
    ]:
        theta = one.init(np.random.default_rng(0))
        for mine, yours in ((one, other), (other, one)):
            save(path, mine, theta)
            assert load(path, yours)[0] == mine == yours


def test_a_file_of_version_0_1_is_refused(tmp_path):
    """It holds repr(rnn), which is not read any more."""
    rnn, theta, _ = random_model()
    np.savez(tmp_path / "theta.npz", rnn=repr(rnn), **theta)
    with pytest.raises(ValueError, match=BAD):
        load(tmp_path / "theta.npz")


def test_a_text_comes_back_with_its_alphabet(tmp_path):
    names = data.colour_names()
    rnn = RNN(Categorical(len(names.alphabet)), 4)
    theta = rnn.init(np.random.default_rng(0))
    path = tmp_path / "theta.npz"
    save(path, rnn, theta, data=names)
    _, back, kept = load(path, rnn, names)
    assert kept.alphabet == names.alphabet and kept.lines and kept.train is None
    X = kept.encode(["teal", "dark grey"])
    assert_array_equal(X, names.encode(["teal", "dark grey"]))
    assert_array_equal(log_likelihood(rnn, back, X), log_likelihood(rnn, theta, X))
    save(path, RNN(Categorical(3), 1), RNN(Categorical(3), 1).init(np.random.default_rng(0)),
         data=data.Text("\0a\ud800", lines=False))  # fmt: skip
    assert load(path)[2] == data.Text("\0a\ud800", lines=False)


def test_a_series_comes_back_whole(tmp_path):
    nile = data.nile()
    rnn = RNN(Gaussian(), 2)
    theta = rnn.init(np.random.default_rng(0))
    path = tmp_path / "theta.npz"
    save(path, rnn, theta, nile)
    _, back, kept = load(path, data=nile)
    for key in ("X", "mean", "scale"):
        assert_array_equal(getattr(kept, key), getattr(nile, key))
    assert (kept.train, kept.validation, kept.test) == (nile.train, nile.validation, nile.test)
    run = lambda theta, s: forecast(rnn, theta, s, 3, 10, np.random.default_rng(1))
    assert_array_equal(run(back, kept), run(theta, nile))


def test_a_model_is_not_read_with_another_alphabet_or_other_units(tmp_path):
    path = tmp_path / "theta.npz"
    rnn = RNN(Categorical(3), 2)
    theta = rnn.init(np.random.default_rng(0))
    save(path, rnn, theta, data.Text("\nab"))
    for other, got in [
        (data.Text("\nac"), r"the alphabet '\\nac'"),
        (data.Text("\nab", lines=False), "pieces"),
        (data.nile(), r"mean \["),
    ]:
        with pytest.raises(ValueError, match=rf"theta\.npz was saved with .*, not with .*{got}"):
            load(path, data=other)
    save(path, rnn, theta)
    with pytest.raises(ValueError, match=r"was saved with no data, not with the alphabet '\\nab'"):
        load(path, data=data.Text("\nab"))
    number = RNN(Gaussian(), 1)
    save(path, number, number.init(np.random.default_rng(0)), data.nile())
    with pytest.raises(ValueError, match=r"was saved with mean \[.*, not with mean \["):
        load(path, data=data.old_faithful())


def test_save_refuses_data_that_the_model_is_not_about(tmp_path):
    rnn = RNN(Categorical(3), 2)
    theta = rnn.init(np.random.default_rng(0))
    for wrong, got in [
        (data.Text("\na"), r"the alphabet '\\na'"),
        (data.nile(), "mean"),
        (np.zeros(3), "an array of float64"),
        ("names.txt", "'names.txt'"),
    ]:
        with pytest.raises(ValueError, match=rf"data must be the Text or Series that RNN.*{got}"):
            save(tmp_path / "theta.npz", rnn, theta, wrong)
    assert not list(tmp_path.iterdir())


def test_save_refuses_data_that_would_not_come_back(tmp_path):
    nile, rnn = data.nile(), RNN(Gaussian(), 2)
    theta = rnn.init(np.random.default_rng(0))
    for change, message in [
        ({"train": slice(10, 50)}, "data must be split as series"),
        ({"validation": slice(None, 70)}, "data must be split as series"),
        ({"X": nile.X.astype(int)}, "X must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "theta.npz", rnn, theta, replace(nile, **change))
    assert not list(tmp_path.iterdir())


def test_load_refuses_what_is_not_a_theta_of_this_rnn(tmp_path):
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    save(path, rnn, theta)
    for other in (RNN(rnn.emission, 3), RNN(rnn.emission, 2, transition="linear")):
        with pytest.raises(ValueError, match=r"theta\.npz was saved for RNN\(.*not for RNN\("):
            load(path, other)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:100], whole[:-30], whole[30:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=BAD):
            load(path, rnn)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=BAD):
        load(path, rnn)
    np.savez(path, W=np.zeros(2))
    with pytest.raises(ValueError, match=BAD + "'rnn is not a file"):
        load(path, rnn)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.npz", rnn)


def test_a_damaged_file_loads_nothing_and_names_itself(tmp_path):
    """200 files with three bytes changed: none loads other values, all errors name the file."""
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    save(path, rnn, theta, data.Text("\nab"))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 3)] ^= rng.integers(1, 256, 3).astype(np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            saved, back, kept = load(path)
            assert saved == rnn and kept.alphabet == "\nab"
            assert_same_theta(back, theta)
        except ValueError as error:
            assert "theta.npz" in str(error)
            refused += 1
    assert refused > 150


def test_a_damaged_directory_loses_no_array_in_silence(tmp_path):
    """A length of a comment that swallows the entry of theta["v"], which may be absent."""
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    save(path, rnn, theta | {"v": np.zeros(2)})
    content = bytearray(path.read_bytes())
    entries = [i for i in range(len(content)) if content[i : i + 4] == b"PK\x01\x02"]
    last, end = entries[-1], content.rindex(b"PK\x05\x06")
    assert b"v.npy" in content[last:end]
    content[entries[-2] + 32] = end - last  # the length of its comment
    path.write_bytes(content)
    with pytest.raises(ValueError, match=BAD + "it is compressed, or has comments"):
        load(path)


def test_nothing_is_expanded(tmp_path):
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    np.savez_compressed(path, rnn=repr(rnn), **theta)
    with pytest.raises(ValueError, match=BAD + "it is compressed, or"):
        load(path)
    assert zipfile.ZipFile(path).testzip() is None


def test_save_refuses_a_theta_that_does_not_fit(tmp_path):
    rnn, theta, _ = random_model()
    with pytest.raises(ValueError, match=r"theta\['b'\] must be finite"):
        save(tmp_path / "theta.npz", rnn, theta | {"b": np.full(2, np.nan)})
    assert not list(tmp_path.iterdir())


def test_a_file_with_the_right_name_but_a_wrong_theta_is_refused(tmp_path):
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    save(path, rnn, theta)
    text = str(np.load(path)["rnn"])
    for change, message in [
        ({"W": np.zeros((3, 3))}, r"theta\['W'\] must be float64 with shape \(2, 2\)"),
        ({"b": np.full(2, np.nan)}, r"theta\['b'\] must be finite"),
        ({"unknown": np.zeros(1)}, "theta has an unknown key 'unknown'"),
        ({"rnn": text.replace("symbols", "evil")}, "'evil'"),
        ({"rnn": text.replace("hidden", "size")}, "'size'"),
        ({"rnn": text.replace("3", '"3"')}, "symbols must be a whole number"),
        ({"rnn": "[" * 9999}, ""),
        ({"rnn": "__import__('os')"}, ""),
        ({"W": np.array([[{}, {}], [{}, {}]])}, "allow_pickle=False"),
        ({"data.text": '["abc"]'}, "not enough values"),
        ({"data.text": "[3, true]"}, ""),
        ({"data.text": '["ab", true]'}, "data must be the"),
        ({"data.mean": np.zeros(1)}, "theta has an unknown key 'data.mean'"),
        ({"data.X": np.zeros((3, 1, 1))}, "data.mean is not a file"),
    ]:
        np.savez(path, **{"rnn": text} | theta | change)
        with pytest.raises(ValueError, match=BAD + ".*" + message):
            load(path, rnn)


def test_a_save_that_fails_leaves_the_old_file_whole_and_nothing_else(tmp_path, monkeypatch):
    rnn, theta, _ = random_model()
    path = tmp_path / "theta.npz"
    save(path, rnn, theta)
    before = path.read_bytes()

    def full_disk(file, **_):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("rnnvae_ref.files.np.savez", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(path, rnn, theta)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["theta.npz"]


def test_save_into_a_missing_folder_names_the_path_that_was_given(tmp_path):
    rnn, theta, _ = random_model()
    missing = r"nowhere/theta\.npz cannot be written: its folder does not exist"
    with pytest.raises(FileNotFoundError, match=missing):
        save(tmp_path / "nowhere" / "theta.npz", rnn, theta)


@pytest.mark.skipif(os.name != "posix", reason="modes and links are those of POSIX")
def test_a_written_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with atomic_write(link) as part:
        part.write_text("new")
    assert link.is_symlink() and real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    fresh, plain = tmp_path / "fresh.txt", tmp_path / "plain.txt"
    plain.write_text("")
    with atomic_write(fresh) as part:
        part.write_text("")
    assert fresh.stat().st_mode == plain.stat().st_mode


def test_a_path_is_a_name(tmp_path):
    rnn, theta, _ = random_model()
    for wrong in (None, 1, True, [tmp_path], b"a.npz"):
        for call in (lambda path: save(path, rnn, theta), load):
            with pytest.raises(ValueError, match="path must name a file; got"):
                call(wrong)
    for call in (lambda path: save(path, rnn, theta), load):
        with pytest.raises(IsADirectoryError):
            call(tmp_path)


def test_threads_that_save_one_path_do_not_disturb_one_another(tmp_path):
    rnn, theta, _ = random_model()
    path, trouble = tmp_path / "theta.npz", []

    def work():
        try:
            for _ in range(20):
                save(path, rnn, theta)
        except OSError as error:
            trouble.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble and [p.name for p in tmp_path.iterdir()] == ["theta.npz"]
    assert_same_theta(load(path, rnn)[1], theta)


ELSEWHERE = """
import sys
import numpy as np
from rnnvae_ref import forecast, load, log_likelihood, sample
rnn, theta, names = load(sys.argv[1])
X = sample(rnn, theta, np.random.default_rng(0), 5, prefix=names.encode(["ba"], end=False))
print(names.decode(X), log_likelihood(rnn, theta, names.encode(["ab"]))[0])
rnn, theta, nile = load(sys.argv[2])
print(forecast(rnn, theta, nile, 1, 50, np.random.default_rng(0), levels=(50,))[0, 0, 0])
"""


def test_a_new_process_samples_decodes_scores_and_forecasts_without_the_data(tmp_path):
    text, nile = data.Text("\nab"), data.nile()
    letters, numbers = RNN(Categorical(3), 2), RNN(Gaussian(), 2)
    theta, phi = (rnn.init(np.random.default_rng(0)) for rnn in (letters, numbers))
    save(tmp_path / "a.npz", letters, theta, text)
    save(tmp_path / "b.npz", numbers, phi, nile)
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "a.npz", "b.npz"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    first, median = run.stdout.splitlines()
    prefix = text.encode(["ba"], end=False)
    drawn = text.decode(sample(letters, theta, np.random.default_rng(0), 5, prefix=prefix))
    assert first == f"{drawn} {log_likelihood(letters, theta, text.encode(['ab']))[0]}"
    band = forecast(numbers, phi, nile, 1, 50, np.random.default_rng(0), levels=(50,))
    assert_allclose(float(median), band[0, 0, 0], rtol=1e-12)
    assert 600 < band[0, 0, 0] < 1400  # in the units of the file
