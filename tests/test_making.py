"""How figures are made side by side, what is out of date, and what a run that was stopped leaves
behind.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest

from figures import __main__ as command
from figures import making, style

NAME = "fig01_graphical_models"


def test_a_pool_gives_the_bytes_that_one_process_gives_and_nothing_else(tmp_path, capfd):
    names = [NAME, "fig11_two_readings"]
    pool = making.in_pool(names, 2, partial(making.make, folder=tmp_path / "pool"))
    made = {record["figure"]: record for record, _ in pool}
    started = capfd.readouterr().out.splitlines()
    assert sorted(started) == [f"{name} .." for name in names]
    for name in names:
        record = making.make(name, tmp_path / "here")[0]
        assert record == made[name] and "made" not in record
    files = [f"{name}.{kind}" for name in names for kind in ("json", "pdf", "png")]
    for folder in ("here", "pool"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == files
    for file in files:
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "pool" / file).read_bytes()


def test_one_thread_in_each_process():
    assert all(
        os.environ[name] == "1"
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    )
    names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"
    code = f"import os, figures; print(*[os.environ[name] for name in {names}])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["1", "1"]


@pytest.fixture
def out(tmp_path, monkeypatch):
    """figures/out with one figure that is up to date."""
    monkeypatch.setattr(style, "OUT", tmp_path / "out")
    style.OUT.mkdir()
    record = {"headline": {}, "numbers": {}, "settings": {}}
    for kind in ("png", "pdf", "json"):
        (style.OUT / f"{NAME}.{kind}").write_text(json.dumps(record), encoding="utf-8")
    assert making.up_to_date(NAME, {})
    return style.OUT


@pytest.mark.parametrize("kind", ["png", "pdf", "json"])
def test_a_missing_file_puts_a_figure_out_of_date(out, kind):
    (out / f"{NAME}.{kind}").unlink()
    assert not making.up_to_date(NAME, {})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"headline": 3}', "\xff"])
def test_a_broken_json_puts_a_figure_out_of_date(out, text):
    (out / f"{NAME}.json").write_bytes(text.encode("latin-1"))
    assert not making.up_to_date(NAME, {})


def test_other_settings_and_newer_code_put_a_figure_out_of_date(out):
    assert not making.up_to_date(NAME, {"seeds": 3})
    newest = max(path.stat().st_mtime for path in (style.HERE.parent / "rnnvae_ref").glob("*.py"))
    os.utime(out / f"{NAME}.json", (newest - 10, newest - 10))
    assert not making.up_to_date(NAME, {})


@pytest.mark.parametrize(
    "source",
    [
        "rnnvae_ref/kernels.py",
        "rnnvae_ref/datasets/nile.csv",
        f"figures/{NAME}.py",
        "figures/style.py",
    ],
)
def test_each_kind_of_source_counts_and_another_figure_does_not(out, tmp_path, monkeypatch, source):
    copy = tmp_path / "project"
    for folder in ("figures", "rnnvae_ref"):
        shutil.copytree(
            style.HERE.parent / folder,
            copy / folder,
            ignore=shutil.ignore_patterns("out", "published", "__pycache__"),
        )
    monkeypatch.setattr(style, "HERE", copy / "figures")
    for path in copy.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    os.utime(out / f"{NAME}.json", (2e9, 2e9))
    os.utime(copy / "figures" / "fig02_two_objectives.py", (3e9, 3e9))
    assert making.up_to_date(NAME, {})
    os.utime(copy / source, (3e9, 3e9))
    assert not making.up_to_date(NAME, {})


def test_the_json_is_written_last_and_what_a_killed_run_left_goes(tmp_path, monkeypatch):
    left, other = tmp_path / ".fig.77.part.png", tmp_path / ".fig_study.77.part.png"
    for path in (
        left,
        other,
        tmp_path / "fig.json",
    ):  # the last of an earlier run, with other settings
        path.touch()
    figure = SimpleNamespace(savefig=lambda part, metadata: part.touch())
    monkeypatch.setattr(
        style.json, "dumps", lambda *_args, **_keywords: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        style.write({"figure": "fig"}, figure, tmp_path)
    monkeypatch.undo()
    assert {path.name for path in tmp_path.glob("fig*")} == {"fig.png", "fig.pdf"}
    style.write({"figure": "fig"}, figure, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "fig.png",
        "fig.pdf",
        "fig.json",
        other.name,
    }


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(style, "OUT", tmp_path / "file" / "out")
    monkeypatch.setattr(sys, "argv", ["figures", "1"])
    with pytest.raises(SystemExit, match=r"out cannot be written \(.+\); is the disk full"):
        command.main()


def test_a_full_disk_is_one_sentence(tmp_path):
    def savefig(_part, metadata):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        SystemExit,
        match=r"fig\.png cannot be written \(No space left on device\); is the disk full, or",
    ) as stop:
        style.write({"figure": "fig"}, SimpleNamespace(savefig=savefig), tmp_path)
    assert "\n" not in str(stop.value) and not list(tmp_path.iterdir())


def test_compare_tells_of_a_missing_and_of_a_broken_json(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(style, "PUBLISHED", tmp_path / "p")
    monkeypatch.setattr(style, "OUT", tmp_path / "o")
    monkeypatch.setattr(command, "NAMES", ["fig01", "fig02", "fig03"])
    for folder, names in [("p", ["fig01", "fig02", "fig03", "fig03_study"]), ("o", ["fig01"])]:
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.json").write_text(
                '{"headline": {"a": {"value": 1, "tolerance": 1}}}'
            )
    (tmp_path / "o" / "fig02.json").write_text("{")
    assert command.compare() == 2
    told = capsys.readouterr().out
    assert all(f"{name} was not compared" in told for name in ("fig02", "fig03"))
    assert "fig03_study" not in told and "All fresh numbers" not in told


@pytest.mark.parametrize("word", ["²", "3²", "0", "-1", "", "fig", "99"])
def test_what_is_no_figure_is_one_sentence(word):
    with pytest.raises(SystemExit, match=r"figures must be among 1\.\."):
        command.chosen([word])


def test_a_figure_that_is_named_twice_is_made_once():
    assert command.chosen(["1", NAME, "01"]) == [NAME]


def test_new_figures_start_first_and_then_those_that_take_longest(out, tmp_path, monkeypatch):
    asked, seconds = [], {"fig01_a": 1.0, "fig02_b": 9.0, "fig04_d": 5.0}
    monkeypatch.setattr(style, "PUBLISHED", tmp_path / "p")
    style.PUBLISHED.mkdir()
    for name, value in seconds.items():
        text = json.dumps({"headline": {}, "made": {"seconds": value}})
        (style.PUBLISHED / f"{name}.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(command, "NAMES", [*seconds, "fig03_c"])
    monkeypatch.setattr(
        command, "in_pool", lambda names, jobs, one: asked.extend([*names, jobs]) or []
    )
    monkeypatch.setattr(command, "compare", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["figures"])
    command.main()
    assert asked == ["fig03_c", "fig02_b", "fig04_d", "fig01_a", making.cores()]


def test_what_ends_a_run_is_one_sentence(monkeypatch):
    for error, sentence in [
        (KeyboardInterrupt, "interrupted; the figures"),
        (command.BrokenProcessPool, "too little memory?"),
    ]:
        monkeypatch.setattr(command, "main", lambda error=error: (_ for _ in ()).throw(error))
        with pytest.raises(SystemExit, match=sentence):
            command.finish()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to signal")
def test_ctrl_c_ends_all_processes_at_once_and_writes_nothing():
    """`fit` takes Ctrl-C for the wish to stop early; a figure must not be drawn from such a
    training.
    """
    words = [sys.executable, "-m", "figures", "7", "--steps", "1000000"]
    run = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout.readline().endswith("..\n")
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(
        timeout=60
    )  # which ends only when no process holds the pipes any more
    assert run.returncode == 1 and "(" not in out
    assert (
        "interrupted; the figures that were finished are kept" in err
        or "a process ended before" in err
    )


@pytest.mark.skipif(os.name == "nt" or shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("words", "command_line"), [
    (["figures"], "-m figures --changed \n"),
    (["-j2", "figures"], "-m figures --changed --jobs 2\n"),
    (["fig07"], "-m figures --changed 07\n"), (["-j2", "study"], "-m figures --study --jobs 2\n"),
])  # fmt: skip
def test_make_asks_python_for_what_is_out_of_date(words, command_line):
    quiet = {
        key: value
        for key, value in os.environ.items()
        if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    run = subprocess.run(
        ["make", "-n", *words],
        cwd=style.HERE.parent,
        env=quiet,
        capture_output=True,
        text=True,
        check=True,
    )
    assert command_line in run.stdout
