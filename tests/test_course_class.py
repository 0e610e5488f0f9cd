"""The course kit for a whole class: odd files, marks, the notebook, slides, and a set-up without
network.
"""

import contextlib
import csv
import inspect
import json
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from figures import slides
from tests.exercises import classroom, grading, notebook, run, skeleton, solutions
from tests.exercises.exercises import EXERCISES
from tests.exercises.submission import loaded

ROOT = Path(__file__).parent.parent
FUNCTIONS = {function.name: function for exercise in EXERCISES for function in exercise.functions}
SOURCE = inspect.getsource(solutions)
MUSEUM = sorted((ROOT / "tests" / "exercises" / "wrong").glob("*.py"))


def file(folder, text, name="mine.py"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def here(path):
    """(calls of a file's functions in this process, what was said when it was loaded)."""
    submission, reply = loaded(path)
    broken = {"error": f"{path.name} cannot be loaded: {reply.get('error')}", "ended": True}
    call = lambda name, args, own=False: (
        broken if submission is None else run.one_call(submission, name, args, own)
    )
    return call, reply.get("warnings")


def verdict(path, name, seed=5):
    return grading.grade(FUNCTIONS[name], here(path)[0], seed)


LEFTOVERS = """
import nothing_of_the_kind
%matplotlib inline
!pip install torch
print(trajectory(None, None))
log_softmax(np.zeros(2)).sum() == 1.0 or 1 / 0  # my own test
name = int("your name?")
import sys; sys.exit()
"""


def test_leftovers_are_left_out_with_a_warning_and_all_else_is_graded(tmp_path):
    call, warnings = here(file(tmp_path, SOURCE + LEFTOVERS))
    assert {grading.grade(f, call).status for f in FUNCTIONS.values()} == {grading.RIGHT}
    start = SOURCE.count("\n") + 1
    for line, part in [
        (1, "ModuleNotFoundError"),
        (4, "TypeError"),
        (5, "ZeroDivisionError"),
        (6, "invalid literal"),
    ]:
        assert any(f"line {start + line}, `" in text and part in text for text in warnings), (
            warnings
        )
    assert any("%matplotlib inline" in text for text in warnings) and any(
        "ends Python" in text for text in warnings
    )
    lines = grading.lines({"bound": grading.Verdict(grading.RIGHT)}, warnings)
    assert sum(line.startswith("warning: ") for line in lines) == len(warnings) == 6


def method(name):
    return "class Answers:\n" + textwrap.indent(inspect.getsource(getattr(solutions, name)), "    ")


def guarded(name):
    return 'if __name__ == "__main__":\n' + textwrap.indent(
        inspect.getsource(getattr(solutions, name)), "    "
    )


LOST = {
    "def Bound(ell, log_w):\n    return 0.0": "there is no `bound`, but `Bound`",
    "def bound_(ell, log_w):\n    return 0.0": "there is no `bound`, but `bound_`",
    "def buond(ell, log_w):\n    return 0.0": "there is no `bound`, but `buond`",
    method("bound"): "it stands inside of `class Answers` (line 2); begin it at the left margin",
    guarded("bound"): "it stands inside of `if __name__ == '__main__':` (line 2)",
    inspect.getsource(solutions.bound)
    + skeleton.skeleton(): "it stands twice: written in line 1, but empty in line",
    "@no_such_thing\ndef bound(ell, log_w):\n    return 0.0": "its definition fails: NameError",
    "def bound(ell, log_w):\n    raise NotImplementedError('todo')": None,
    "def bound(ell, log_w):\n    'text'\n    pass": None,
    "def bound(ell, log_w):\n    ...": None,
    "def helper(x):\n    return x": None,
}


@pytest.mark.parametrize("source", LOST, ids=range(len(LOST)))
def test_what_cannot_be_found_is_told_and_what_is_empty_is_not_done_yet(tmp_path, source):
    found = verdict(file(tmp_path, source), "bound")
    if LOST[source] is None:
        assert found == grading.Verdict(grading.TODO)
    else:
        assert found.status == grading.WRONG and LOST[source] in found.text, found.text


def test_text_as_windows_writes_it_and_futures_are_read(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(
        b"from __future__ import annotations\r\n# M\xfcller\r\n"
        + SOURCE.replace("\n", "\r\n").encode()
    )
    assert verdict(path, "trajectory").status == grading.RIGHT
    assert "cannot be loaded" not in str(here(path)[1])


def test_a_file_that_ends_python_is_graded_by_its_definitions(tmp_path):
    path = file(tmp_path, SOURCE + "\nweights = trajectory(None, None)\nimport os\nos._exit(3)\n")
    with contextlib.closing(run.Apart(path, limit=20.0)) as call:
        assert grading.grade(FUNCTIONS["bound"], call).status == grading.RIGHT
    assert call.warnings == [
        "loading: it ended Python (exit code 3); only its definitions were run"
    ]


# a class


@pytest.fixture
def quick(monkeypatch):
    """Files are graded in this process: what is tested is what stands around it."""
    graded = []

    def grade_one(path, folder, seed, limit, total):
        graded.append(path.name)
        call, warnings = here(path)
        verdicts = {
            name: grading.grade(FUNCTIONS[name], call, seed)
            for name in ("bound", "gap", "counterexample")
        }
        return grading.record_of(verdicts, path.relative_to(folder).as_posix(), seed, warnings)

    monkeypatch.setattr(classroom, "grade_one", grade_one)
    return graded


def rows_of(path):
    return list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_a_class_becomes_marks_and_one_file_a_student_and_a_stopped_run_goes_on(tmp_path, quick):
    folder, out = tmp_path / "hand in", tmp_path / "marks"
    names = ["Müller (2) [final].py", "=1+1.py", "broken.py"]
    folder.mkdir()
    for name, text in zip(names, (SOURCE, "x = 1", "def f(:\n"), strict=True):
        file(folder, text, name)
    file(folder / "Zoë Ångström_17", json.dumps(notebook.notebook()), "lab.ipynb")
    file(folder / "Zoë Ångström_17", "x = 1", "my_helper.py")
    file(folder / ".ipynb_checkpoints", "x = 1", "lab-checkpoint.py")
    points = classroom.read_points(classroom.HERE / "points.csv") | {5: 30.0}
    grade = lambda seed=0: classroom.grade_class(
        folder, out, points, seed, jobs=1, tell=lambda text: None
    )
    grade()
    assert sorted(quick) == sorted([*names, "lab.ipynb"])
    head, wanted, *rows = rows_of(out / "marks.csv")
    marks = {row[0]: row for row in rows}
    assert head[:3] == ["name", "total", "ex 1"] and wanted[1] == str(78 - 8 + 30)
    assert set(marks) == {*names, "Zoë Ångström_17/lab.ipynb"} - {"=1+1.py"} | {"'=1+1.py"}
    at = head.index("ex 5")
    assert (
        marks[names[0]][at] == "20" and marks["broken.py"][at] == "0"
    )  # two of the three functions were asked
    assert marks["broken.py"][-1].startswith("broken.py cannot be loaded: SyntaxError in line 1")
    assert json.loads((out / f"{names[0]}.json").read_text(encoding="utf-8"))["file"] == names[0]
    quick.clear()
    grade()
    assert quick == []
    file(folder, "y = 2", "=1+1.py")
    (out / "broken.py.json").write_text("{half", encoding="utf-8")
    grade()
    assert sorted(quick) == ["=1+1.py", "broken.py"]
    grade(seed=1)
    assert len(quick) == 6


def test_one_students_folder_costs_nobody_else_the_marks(tmp_path, quick, monkeypatch):
    """A folder that cannot be copied, and things with a file's name that are none."""
    folder, out = tmp_path / "class", tmp_path / "marks"
    folder.mkdir()
    for name in ("anna", "bob", "eve"):
        file(folder / name, "x = 1")
    (folder / "bob" / "gone.py").symlink_to(tmp_path / "nowhere")
    (folder / "bob" / "lib.py").mkdir()
    true = classroom.grade_one

    def grade_one(path, *rest):
        if path.parent.name == "eve":
            raise OSError("the disk is full")
        return true(path, *rest)

    monkeypatch.setattr(classroom, "grade_one", grade_one)
    points = classroom.read_points(classroom.HERE / "points.csv")
    classroom.grade_class(folder, out, points, jobs=1, tell=lambda text: None)
    said = {row[0]: row[-1] for row in rows_of(out / "marks.csv")[2:]}
    assert said["eve/mine.py"] == "mine.py cannot be loaded: the disk is full"
    assert len(said) == 3 and said["bob/mine.py"] == said["anna/mine.py"] == ""


def test_students_find_no_other_file_and_time_is_limited(tmp_path):
    """A file named like a module harms nobody, what a file writes is lost, and a neighbour cannot
    be imported.
    """
    folder, out = tmp_path / "class", tmp_path / "out"
    folder.mkdir()
    right = "import numpy as np\n" + inspect.getsource(solutions.bound)
    file(
        folder,
        "import numpy\nopen('written.txt', 'w').close()\nimport random\n" + right,
        "random.py",
    )
    file(folder, "import time\nfrom random import bound\ntime.sleep(60)\n", "thief.py")
    points = classroom.read_points(classroom.HERE / "points.csv")
    records = classroom.grade_class(
        folder, out, points, limit=20.0, total=0.0, tell=lambda text: None
    )
    assert "the time for this file was up" in json.dumps(records["thief.py"])
    (folder / "thief.py").write_text("from random import bound\n", encoding="utf-8")
    records = classroom.grade_class(
        folder, out, points, limit=30.0, total=90.0, tell=lambda text: None
    )
    five = {name: record["exercises"][4]["functions"]["bound"] for name, record in records.items()}
    assert (
        five["random.py"]["status"] == grading.RIGHT and five["thief.py"]["status"] == grading.TODO
    )
    assert "cannot import name 'bound' from 'random'" in records["thief.py"]["warnings"][0]
    assert sorted(path.name for path in folder.iterdir()) == ["random.py", "thief.py"]
    assert not (ROOT / "written.txt").exists()


@pytest.mark.parametrize(
    "text", ["exercise,points\n1,4\n", "a,b\n", "exercise,points\n" + "1,-1\n" * 11]
)
def test_a_table_of_points_is_checked(tmp_path, text):
    with pytest.raises(
        ValueError, match="must have the columns exercise,points and one row for each of 1 to 11"
    ):
        classroom.read_points(file(tmp_path, text, "points.csv"))


def test_a_table_of_points_may_come_from_a_spreadsheet(tmp_path):
    rows = "\r\n".join(f"{n};{2 * n}" for n in range(1, 12))
    path = tmp_path / "points.csv"
    path.write_text("exercise;points\r\n" + rows, encoding="utf-8-sig")
    assert classroom.read_points(path)[11] == 22.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none"], "DIR must name a folder"),
        ([".", "--seed", "-1"], "--seed must be 0 or larger"),
        ([".", "--out", "inside"], "--out must not lie inside"),
        ([".", "--points", "none.csv"], "none.csv"),
    ],
)
def test_the_class_command_says_what_is_wrong_with_its_arguments(
    tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["classroom", *arguments])
    with pytest.raises(SystemExit, match=sentence):
        classroom.main()


# the notebook


def filled(answers):
    """The lab with other text in the cells that hold these functions: {name: source}."""
    book = notebook.notebook()
    for cell in book["cells"]:
        names = re.findall(r"^def (\w+)\(", "".join(cell["source"]), flags=re.M)
        if cell["id"].endswith("-code") and any(name in answers for name in names):
            stubs = [answers.get(name) for name in names]
            cell["source"] = "\n\n\n".join(text for text in stubs if text).splitlines(keepends=True)
    return book


def solved():
    """The lab with the reference solutions."""
    book = filled({name: inspect.getsource(getattr(solutions, name)) for name in FUNCTIONS})
    book["cells"][2]["source"] += ["\n", "from scipy.special import gammaln, logsumexp"]
    return book


def test_the_notebook_has_sheet_pencil_stub_example_and_check_for_each_exercise():
    cells = notebook.notebook()["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells) == 3 + 6 * len(EXERCISES)
    text = {cell["id"]: "".join(cell["source"]) for cell in cells}
    for exercise in EXERCISES:
        n = f"ex{exercise.number:02d}"
        assert (
            text[f"{n}-sheet"].startswith(f"# Exercise {exercise.number}: ")
            and "write here" in text[f"{n}-pencil"].lower()
        )
        assert all(f"def {f.name}(" in text[f"{n}-code"] for f in exercise.functions)
        assert text[f"{n}-check"] == f"check({exercise.number})" and "#" in text[f"{n}-example"]
    marks = "\n".join(text[cell["id"]] for cell in cells if cell["cell_type"] == "markdown")
    assert "```" not in marks and "$`" not in marks and ">>>" not in marks
    for target in re.findall(r"\]\((?!http)([^)#]+)", marks):
        assert (ROOT / target).is_file(), target


def test_a_notebook_with_the_solutions_is_right_and_one_with_nothing_is_not_done_yet(tmp_path):
    call, warnings = here(file(tmp_path, json.dumps(solved()), "lab.ipynb"))
    assert {grading.grade(f, call).status for f in FUNCTIONS.values()} == {
        grading.RIGHT
    } and warnings == []
    call, warnings = here(file(tmp_path, json.dumps(notebook.notebook()), "lab.ipynb"))
    assert {grading.grade(f, call).status for f in FUNCTIONS.values()} == {
        grading.TODO
    } and warnings == []


@pytest.mark.parametrize("path", MUSEUM, ids=lambda path: path.stem)
def test_a_wrong_notebook_gets_the_same_sentences_as_the_file(tmp_path, path):
    text = path.read_text(encoding="utf-8")
    names = [name for name in FUNCTIONS if f"def {name}(" in text]
    book = file(tmp_path, json.dumps(filled(dict.fromkeys(names, text))), "lab.ipynb")
    assert [verdict(book, name, 4) for name in names] == [verdict(path, name, 4) for name in names]


def cells(*texts):
    return json.dumps(
        {
            "cells": [
                {"cell_type": "code", "execution_count": i, "source": text} for i, text in texts
            ]
        }
    )


def test_messages_say_which_cell_and_line_and_a_cell_that_python_refuses_costs_only_itself(
    tmp_path,
):
    right = "import numpy as np\n" + inspect.getsource(solutions.bound)
    broken = "%%time\ndef bound(ell, log_w):\n    return 1 / 0"
    path = file(tmp_path, cells((7, right), (9, broken), (None, "def evidence(:\n")), "lab.ipynb")
    assert "ZeroDivisionError: division by zero (cell [9], line 3)" in verdict(path, "bound").text
    assert (
        verdict(path, "evidence").text
        == "code cell 3 of the file, line 1: SyntaxError: invalid syntax"
    )
    path = file(
        tmp_path,
        cells((7, right), (8, "%%bash\nls"), (9, "check(5)\nbound?"), (10, "x = !ls")),
        "lab.ipynb",
    )
    assert verdict(path, "bound").status == grading.RIGHT and here(path)[1] == []
    path = file(tmp_path, "{}", "lab.ipynb")
    assert "this is no notebook of format 4" in verdict(path, "bound").text


KERNEL = """
import json, types
ran = [""]
class Shell:
    history_manager = types.SimpleNamespace(input_hist_raw=ran)
space = dict(get_ipython=Shell, display=print)
for cell in json.load(open("lab.ipynb"))["cells"][:9]:
    if cell["cell_type"] == "code":
        ran.append("".join(cell["source"]))
        exec(ran[-1], space)
ran += ["def bound(:", "def bound(ell, log_w):\\n    return 1 / 0", "check(5)"]
space["check"](5)
"""


def test_the_first_cell_finds_the_repository_in_a_zip_and_check_grades_what_has_run(tmp_path):
    with zipfile.ZipFile(tmp_path / "repository.zip", "w") as archive:
        for pattern in (
            "rnnvae_ref/*.py",
            "tests/exercises/*.py",
            "tests/__init__.py",
            "derivations/exercises/*.md",
        ):
            for path in ROOT.glob(pattern):
                archive.write(path, Path("anything-main") / path.relative_to(ROOT))
    file(tmp_path, json.dumps(solved()), "lab.ipynb")
    ran = subprocess.run(
        [sys.executable, "-c", KERNEL], cwd=tmp_path, capture_output=True, text=True
    )
    assert "ready: anything-main" in ran.stdout, ran.stderr
    assert re.search(r"ex  1 .* right\n", ran.stdout)
    assert "bound: ZeroDivisionError: division by zero (cell [7], line 2)" in ran.stdout, ran.stdout
    assert ran.stdout.count("\nex ") == 2


MISSING = [name for name in ("nbconvert", "ipykernel") if not find_spec(name)]


@pytest.mark.skipif(
    MISSING != [], reason=f"Jupyter is optional: {', '.join(MISSING)} not installed"
)
def test_the_notebook_with_the_solutions_gives_eleven_of_eleven_in_jupyter(tmp_path):
    file(tmp_path, json.dumps(solved()), "lab.ipynb")
    (tmp_path / "repository").symlink_to(ROOT)
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--execute",
        "--to",
        "notebook",
        "--output",
        "done.ipynb",
        "lab.ipynb",
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    done = json.loads((tmp_path / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    said = [
        "".join(out["text"]) for c in done if c["id"].endswith("-check") for out in c["outputs"]
    ]
    assert len(said) == 11 and all(re.fullmatch(r"ex [ \d]\d  .* right\n", text) for text in said)


def test_the_notebook_is_never_overwritten(tmp_path, monkeypatch):
    path = file(tmp_path, "my work", "lab.ipynb")
    monkeypatch.setattr(sys, "argv", ["notebook", str(path)])
    with pytest.raises(SystemExit, match="is there already"):
        notebook.main()
    path.unlink()
    notebook.main()
    assert json.loads(path.read_text(encoding="utf-8")) == notebook.notebook("lab.ipynb")


# on the screen, and the set-up


def test_slides_are_the_figures_of_the_lectures_one_file_a_row_in_16_to_9(tmp_path):
    names = slides.on_screen(slides.TEACHING.read_text(encoding="utf-8"))
    assert {"fig01_graphical_models", "fig11_two_readings", "fig13_fork"} <= set(names) and len(
        names
    ) >= 10
    table = (
        "| 0-15 | about figure 9 | figures 13 and 16 |\n| 15-30 | x | figure 3: text, figure 6 |\n"
    )
    assert [int(name[3:5]) for name in slides.on_screen(table)] == [13, 16, 3, 6]
    paths = slides.draw("fig13_fork", tmp_path) + slides.draw("fig11_two_readings", tmp_path)
    assert [path.name for path in paths] == [
        "fig13_fork_1.png",
        "fig13_fork_2.png",
        "fig11_two_readings.png",
    ]
    for path in paths:
        width, height = np.frombuffer(path.read_bytes()[16:24], ">u4")
        assert (width, height) == (1920, 1080)


def test_text_too_small_for_a_screen_is_refused():
    with slides.style.drawing():
        figure, axis = slides.plt.subplots()
        axis.text(0, 0, "small", fontsize=5)
        with pytest.raises(ValueError, match=r"24 pixels high or more; got 5\.0 points"):
            slides.fit(figure)
        slides.plt.close(figure)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_setting_up_needs_no_network_where_the_packages_are_there(tmp_path):
    """A newer requirements.txt alone starts no pip; one with other versions is no error without a
    network.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    wrapper = file(tmp_path / ".venv", "", "x").parent / "bin" / "python"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    version = subprocess.run(
        [sys.executable, "-c", "import numpy; print(numpy.__version__)"],
        capture_output=True,
        text=True,
    )
    for wanted, said in [(version.stdout.strip(), ""), ("0.0.1", "pip failed (no network?)")]:
        file(tmp_path, f"numpy=={wanted}\n", "requirements.txt")
        (tmp_path / ".venv" / ".stamp").unlink(missing_ok=True)
        ran = subprocess.run(
            ["make", ".venv/.stamp", f"PYTHON3={sys.executable}"],
            cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1"},
        )  # fmt: skip
        assert ran.returncode == 0 and (tmp_path / ".venv" / ".stamp").exists(), ran.stderr
        assert said in ran.stdout and bool(said) == ("Installing" in ran.stdout)
