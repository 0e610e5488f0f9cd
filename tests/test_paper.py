"""The map from an equation's number to code, test and figure is complete and true."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import autograd.numpy as np
import pytest

from rnnvae_ref import __main__, paper
from rnnvae_ref.paper import EQUATIONS
from tests.models import EMISSIONS

ROOT = Path(__file__).parent.parent


def test_the_map_holds_every_equation_once_and_in_order():
    assert [e.number for e in EQUATIONS] == list(range(1, 28))
    assert [e.section for e in EQUATIONS] == sorted(e.section for e in EQUATIONS)


@pytest.mark.parametrize("e", EQUATIONS, ids=lambda e: f"eq{e.number}")
def test_each_function_opens_its_docstring_with_its_number(e):
    opening = e.sources()[0].split('r"""')[1].splitlines()[0]
    assert opening.startswith("Eq") and f"({e.number})" in opening


def test_each_test_and_figure_of_the_map_exists():
    for e in EQUATIONS:
        file, name = e.test_id.split("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")
        assert not e.figure or len(list((ROOT / "figures").glob(f"{e.figure}_*.py"))) == 1


def markdown():
    """EQUATIONS as a table with links, for `derivations/README.md`."""
    lines = ["| Eq. | says | function | test | figure |", "|---|---|---|---|---|"]
    for e in EQUATIONS:
        file, test = e.test_id.split("::")
        function = f"[`{e.name}`](../rnnvae_ref/{e.name.split('.')[0]}.py#L{e.line})"
        says = e.says.replace("|", "\\|")  # a bare one would end the cell
        derivation = e.derivation.removeprefix("derivations/")
        number, test = f"[({e.number})]({derivation})", f"[`{test}`](../{file})"
        cells = [number, f"`{says}`", function, test, e.figure]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_map_of_derivations_is_the_table_as_it_is():
    shown = (ROOT / "derivations" / "README.md").read_text(encoding="utf-8")
    assert markdown() in shown, "paste what `python -m tests.test_paper` prints"


def verdicts(*words):
    rows = paper.evaluate(paper.Case(*words))
    return {row.number: row.verdict for row in rows if isinstance(row.number, int)}, rows


@pytest.mark.parametrize("emission", EMISSIONS)
def test_all_verdicts_are_the_documented_ones_for_ten_seeds(emission):
    for seed in range(10):
        found, rows = verdicts(emission, seed)
        assert list(found) == list(range(1, 28)) and all(
            row.verdict == row.documented for row in rows
        )
        assert {n for n, v in found.items() if v == "departs"} == {17, 27}
        assert {n for n, v in found.items() if v == "holds*"} == {8, 15, 18}
    assert len(rows) == 38 and all(np.isfinite([row.left, row.right]).all() for row in rows)


def mean_of_logs(a, axis):
    return np.mean(a, axis=axis)


def off(function):
    """The same function with a mistake: one per cent more."""
    return lambda *args, **kwargs: 1.01 * function(*args, **kwargs)


BREAKS = {
    "rnn.rollout": (off, [1, 2]),
    "rnn.f": (off, [2]),
    "likelihood.f": (off, [3]),
    "likelihood.table": (off, [4, 5]),
    "inference.log_p_h_steps": (off, [6, 7]),
    "inference.log_posterior": (off, [8]),
    "enumeration.log_sum_exp": (off, [9]),
    "bound.log_joint": (off, [10]),
    "bound.log_sum_exp": (off, [10]),
    "bound._log_ratio": (off, [11]),
    "bound.jensen": (lambda g: lambda *args: -g(*args), [12, 13]),
    "bound.factorised": (off, [13, 14]),
    "bound.K": (off, [14, 15, 16]),
    "bound.F": (off, [15]),
    "noise.weighted_mean": (off, [16]),
    "particles.log_mean_exp": (lambda _: mean_of_logs, [17, 27]),
    "appendix.log_mean_exp": (lambda _: mean_of_logs, [18, 25]),
    "appendix.log_ratios_and_weights": (
        lambda g: lambda *args: [1.01 * part for part in g(*args)],
        [19, 22, 25],
    ),
    "appendix.joint_tables": (
        lambda g: lambda *args: [1.01 * part for part in g(*args)],
        [21, 22, 25],
    ),
    "appendix.eq21": (off, [21]),
    "appendix.eq19": (off, [19]),
    "appendix.eq20": (off, [20]),
    "appendix.eq23": (off, [23]),
    "appendix.eq22": (off, [22, 23]),
    "appendix.eq24": (off, [24]),
    "appendix.eq26": (off, [26]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("emission", EMISSIONS)
@pytest.mark.parametrize("target", BREAKS)
def test_a_broken_objective_turns_its_own_rows_red(monkeypatch, capsys, target, emission):
    make, rows = BREAKS[target]
    module, name = target.split(".")
    original = getattr(importlib.import_module(f"rnnvae_ref.{module}"), name)
    monkeypatch.setattr(f"rnnvae_ref.{module}.{name}", make(original))
    case = paper.Case(emission)
    found = [paper.evaluated(paper.EQUATIONS[number - 1], case) for number in rows]
    assert all(row.verdict != row.documented for row in found)
    monkeypatch.setattr(paper, "evaluate", lambda case: found)  # what the command shows and counts
    assert __main__.main(["--emission", emission]) == len(rows)
    assert ("FAILS" in capsys.readouterr().out) or rows == [17, 27]


def test_the_command_prints_a_row_each_in_eighty_columns_and_one_equation_in_full(capsys):
    assert __main__.main([]) == 0
    out = capsys.readouterr().out.splitlines()
    assert sum(line.endswith((" holds", " holds*", " departs")) for line in out) == 38
    assert [line for line in out if line in paper.BLOCKS] == list(paper.BLOCKS)
    assert max(map(len, out)) <= 80 and not any("~" in line for line in out)
    assert __main__.main(["5"]) == 0
    assert "def log_likelihood_steps(" in capsys.readouterr().out
    assert __main__.main(["14"]) == 0
    out = capsys.readouterr().out
    assert (
        "Eq. (14), Section 2.2" in out
        and "def K(rnn, theta, X, H, log_w=None):" in out
        and "holds" in out
    )
    assert "bound.K, rnnvae_ref/bound.py:" in out and "derivations/3_bound.md#eq-14" in out
    assert __main__.main(["--json", "--emission", "gaussian", "--seed", "3"]) == 0
    assert json.loads(capsys.readouterr().out)[16]["verdict"] == "departs"
    with pytest.raises(SystemExit):
        __main__.main(["--seed", "-1"])
    assert "--seed must be 0 or larger; got -1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        __main__.main(["99"])
    assert "number must be 1 to 27; got 99" in capsys.readouterr().err


def test_the_command_runs_as_a_module():
    run = subprocess.run(
        [sys.executable, "-m", "rnnvae_ref", "5"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert "def log_likelihood" in run.stdout


@pytest.mark.parametrize("e", EQUATIONS, ids=lambda e: f"eq{e.number}")
def test_each_number_leads_to_its_derivation(e):
    file, anchor = e.derivation.split("#")
    assert (
        f"### Eq. ({e.number})" in (ROOT / file).read_text(encoding="utf-8")
        and anchor == f"eq-{e.number}"
    )


def test_one_equation_as_json(capsys):
    assert __main__.main(["14", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["number"] == 14 and row["verdict"] == "holds"


def test_a_command_ends_quietly_where_its_reader_has_gone(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert __main__.quietly(lambda: 3) == 3 and __main__.quietly(lambda: print("a line")) == 0


if __name__ == "__main__":
    print(markdown())
