"""What the published measurements claim, and the contenders that need nothing installed."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from figures import style
from tests.benchmarks import from_file, report
from tests.benchmarks.contenders import by_hand, ours, plain
from tests.benchmarks.problems import problem

MISSED = {  # on an Intel Xeon, with PyTorch's MKL
    "against nn.RNN, all shapes",
    "against the better PyTorch, all shapes",
    "against compiled JAX, c1-c4 and g1-g4",
    "against compiled JAX, N = 1 (c5, g5)",
    "peak memory at c4, against the PyTorch loop",
}
NUMBERS = json.loads((style.PUBLISHED / "bench.json").read_text(encoding="utf-8"))["numbers"]


@pytest.mark.parametrize("shape", ["c1", "c3", "g1", "g3"])
def test_contenders_compute_the_same(shape):
    given = problem(shape, T=4)
    (value, gradients), *others = (
        read(step()) for step, read in (contender(*given) for contender in (plain, ours, by_hand))
    )
    for other, g in others:
        assert_allclose(other, value, rtol=1e-10)
        for key in gradients:
            assert_allclose(g[key], gradients[key], rtol=1e-8, atol=1e-12)


def test_faster_than_pytorch_on_all_published_shapes_but_the_largest_and_what_targets_are_missed():
    rows = {what: (value, most) for what, value, most in report.targets(NUMBERS)}
    assert len(NUMBERS["races"]) == 10 and all(
        len(race["seconds"]["ours"]) >= 5 for race in NUMBERS["races"].values()
    )
    missed = {what for what, (value, most) in rows.items() if value > most}
    assert missed == MISSED
    slower = {shape for shape, r in report.ratios(NUMBERS).items() if r["torch"] >= 1.0}
    assert slower == {"c4", "g4"} and rows["against nn.RNN, all shapes"][0] < 1.0


def test_the_table_says_which_targets_are_missed():
    lines = report.table(NUMBERS)
    assert sum("not met" in line for line in lines) == len(MISSED)
    assert any(line.startswith("c5") for line in lines)


def test_the_worst_ratio_is_what_counts():
    slower = json.loads(json.dumps(NUMBERS))
    slower["races"]["g3"]["seconds"]["ours"] = [
        10 * s for s in slower["races"]["g3"]["seconds"]["torch_rnn"]
    ]
    rows = {what: value for what, value, _ in report.targets(slower)}
    assert np.isclose(rows["against nn.RNN, all shapes"], 10.0)


def test_a_file_becomes_a_saved_model_and_the_rows_are_medians_over_pytorchs(tmp_path):
    files = from_file.write(tmp_path)
    assert max(map(len, (tmp_path / "unequal.txt").read_text().split("\n"))) == 2000
    from_file.ours(files["names"], 2)
    assert (tmp_path / "names.txt.npz").exists()
    row = lambda *seconds: {"whole": list(seconds), "training": [2 * s for s in seconds]}
    both = {"ours": row(1.0, 9.0, 2.0), "torch_rnn": row(8.0, 8.0, 8.0)}
    found = report.targets(NUMBERS | {"from file": {"names": both, "unequal": both}})
    rows = {what: value for what, value, _ in found}
    assert rows["from a file to a saved model, against PyTorch"] == 0.25
    assert rows["one line of 2000 among 300 names, against PyTorch"] == 0.25


def test_a_system_that_tells_no_memory_leaves_those_rows_out():
    silent = NUMBERS | {"memory": dict.fromkeys(NUMBERS["memory"])}
    assert not any("memory" in what for what, _, _ in report.targets(silent))
