"""The map from an equation's number to code, test and figure is complete and true."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnnvae_ref import __main__, equations
from rnnvae_ref.equations import EQUATIONS

ROOT = Path(__file__).parent.parent


def test_the_map_holds_every_equation_once_and_in_order():
    assert [e.number for e in EQUATIONS] == list(range(1, 28))
    assert [e.section for e in EQUATIONS] == sorted(e.section for e in EQUATIONS)


@pytest.mark.parametrize("e", EQUATIONS, ids=lambda e: f"eq{e.number}")
def test_each_function_opens_its_docstring_with_its_number(e):
    opening = e.source().split('r"""')[1].splitlines()[0]
    assert opening.startswith("Eq") and f"({e.number})" in opening


def test_each_test_and_figure_of_the_map_exists():
    for e in EQUATIONS:
        file, name = e.test.split("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")
        assert not e.figure or len(list((ROOT / "figures").glob(f"{e.figure}_*.py"))) == 1


def test_readme_shows_the_map_as_it_is():
    assert equations.markdown() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_an_unknown_number_is_refused():
    with pytest.raises(ValueError, match="number must be that of an equation, 1 to 27; got 28"):
        equations.find(28)


def test_the_command_lists_all_and_shows_one(capsys):
    __main__.main([])
    assert len(capsys.readouterr().out.splitlines()) == len(EQUATIONS)
    __main__.main(["14"])
    out = capsys.readouterr().out
    assert "Eq. (14), Section 2.2" in out and "def K(rnn, theta, X, H, log_w=None):" in out
    with pytest.raises(SystemExit):
        __main__.main(["99"])
    assert "number must be that of an equation" in capsys.readouterr().err


def test_the_command_runs_as_a_module():
    run = subprocess.run([sys.executable, "-m", "rnnvae_ref", "5"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "def log_likelihood" in run.stdout
