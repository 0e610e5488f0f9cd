"""The course kit: the museum of wrong files, the grader in its own process, the skeleton, the sheets."""

import ast
import contextlib
import doctest
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exercises import grading, run, skeleton, solutions
from tests.exercises.exercises import EXERCISES

ROOT = Path(__file__).parent.parent
MUSEUM = sorted((ROOT / "tests" / "exercises" / "wrong").glob("*.py"))
FUNCTIONS = [function for exercise in EXERCISES for function in exercise.functions]


def verdicts(call, seed=0):
    return {function.name: grading.grade(function, call, seed) for function in FUNCTIONS}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_solutions_are_right_with_other_seeds(seed):
    assert {v.status for v in verdicts(run.Here(vars(solutions)), seed).values()} == {grading.RIGHT}


@pytest.mark.parametrize("path", MUSEUM, ids=lambda p: p.stem)
def test_a_museum_piece_turns_only_its_own_exercise_red_and_is_named(path):
    module = run.load(path)
    call = lambda name, args: run.one_call(module, name, args)
    found = grading.graded(verdicts(call, seed=4))
    assert {exercise.number for exercise, v, _, _ in found if v.status == grading.WRONG} == {int(path.stem[2:4])}
    (text,) = [v.text for _, v, _, _ in found if v.status == grading.WRONG]
    assert module.HINT in text and not any(v.status == grading.RIGHT for _, v, _, _ in found)


def test_the_museum_is_large_enough_and_covers_every_exercise():
    assert len(MUSEUM) >= 10
    assert {int(path.stem[2:4]) for path in MUSEUM} == {exercise.number for exercise in EXERCISES}
    assert all(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in MUSEUM)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.mistakes], ids=lambda f: f.name)
def test_every_known_mistake_can_be_told_from_the_right_answer_and_from_the_others(function):
    """On the same data the grader calls each mistake by its own name: hints do not shadow one another."""
    for sentence, wrong in function.mistakes.items():
        answer = lambda *args, wrong=wrong: wrong(function.exact(*args), *args)
        verdict = grading.grade(function, lambda name, args, answer=answer: run.outcome(answer, args), seed=5)
        assert verdict == grading.Verdict(grading.WRONG, sentence)


def test_a_mistake_nobody_knows_shows_the_smallest_input():
    off = dict(vars(solutions)) | {"bound": lambda ell, log_w: solutions.bound(ell, log_w) + 0.125 * (len(ell) > 1)}
    verdict = grading.grade(by_name("bound"), run.Here(off))
    assert re.match(r"got -?\d.*, expected -?\d.* for ell = \[\[.*\]\], log_w = \[.*\]", verdict.text)
    assert (
        len(ast.literal_eval(re.search(r"ell = (\[\[.*?\]\])", verdict.text)[1])) == 2
    )  # not the one-step input, which is right


def by_name(name):
    return next(function for function in FUNCTIONS if function.name == name)


BAD = {
    "def bound(ell, log_w):\n    while True:\n        pass": "did not finish within 0.5 seconds",
    "def bound(ell, log_w):\n    raise SystemExit": "calls sys.exit()",
    "import os\ndef bound(ell, log_w):\n    os._exit(3)": "ended Python (exit code 3)",
    "def bound(ell, log_w):\n    return 1 / 0": "ZeroDivisionError: division by zero (line 2)",
    "def bound(ell, log_w):\n    return": "returns None",
    "def bound(ell, log_w):\n    return [1.0]": "a float is asked; got a list",
    "def bound(ell, log_w):\n    return ell": "a float is asked; got an array of shape (1, 2)",
    "def bound(ell, log_w):\n    return object()": "returns a object",
    "def bound(ell):\n    return 0.0": "TypeError",
    "def bound(ell, log_w):\n    ell += 1\n    return 0.0": "changes its argument ell",
    "bound = 3": "TypeError: 'int' object is not callable",
    "def bound(ell, log_w)\n    return 0.0": "mine.py cannot be loaded: SyntaxError in line 1",
    "import sys\nsys.exit()": "calls sys.exit() when it is loaded",
    "import nothing_of_the_kind": "ModuleNotFoundError",
    "x = 1": None,
}


@pytest.mark.parametrize("source", BAD, ids=range(len(BAD)))
def test_whatever_a_file_does_ends_in_one_sentence(tmp_path, source):
    path = tmp_path / "mine.py"
    path.write_text(source, encoding="utf-8")
    with contextlib.closing(run.Apart(path, limit=0.5)) as call:
        verdict = grading.grade(by_name("bound"), call)
    assert (BAD[source] in verdict.text and "\n" not in verdict.text) if BAD[source] else verdict.status == grading.TODO


def test_after_a_crash_the_next_function_is_graded_and_prints_do_no_harm(tmp_path):
    path = tmp_path / "mine.py"
    right = inspect.getsource(solutions.evidence)
    path.write_text(
        "import os\nimport numpy as np\nfrom scipy.special import logsumexp\n"
        f"def bound(ell, log_w):\n    os._exit(1)\n{right.replace('return', 'print(ell); return')}",
        encoding="utf-8",
    )
    with contextlib.closing(run.Apart(path)) as call:
        first, second = (grading.grade(by_name(name), call) for name in ("bound", "evidence"))
    assert first.status == grading.WRONG
    assert second == grading.Verdict(grading.RIGHT, "it prints; take that out before you hand in")


def test_one_mistake_is_one_red_test_because_other_functions_are_the_references(tmp_path):
    module = run.load(tmp_file(tmp_path, inspect.getsource(solutions) + "\ndef log_softmax(z):\n    return z\n"))
    found = verdicts(lambda name, args: run.one_call(module, name, args))
    assert {name for name, v in found.items() if v.status == grading.WRONG} == {"log_softmax"}


def tmp_file(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def pytest_of(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "pytest", str(ROOT / "tests/exercises"), "-p", "no:cacheprovider", *arguments],
        capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip


def test_the_command_grades_a_skeleton_as_not_done_yet_and_partly_done_work_in_part(tmp_path):
    done = skeleton.skeleton().replace(
        "    raise NotImplementedError\n\n\ndef best_tilt", "    return -1.0\n\n\ndef best_tilt"
    ) + inspect.getsource(solutions.bound)
    path = tmp_file(tmp_path, done)
    ran = pytest_of("--impl", str(path), "--json", str(tmp_path / "out.json"), "--tb=no")
    assert ran.returncode == 1 and "0 right, 1 wrong, 10 not done yet" in ran.stdout
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rows = {row["number"]: row for row in record["exercises"]}
    assert len(rows) == 11 and rows[6]["status"] == "wrong" and (rows[5]["right"], rows[5]["of"]) == (1, 3)
    path.write_text(skeleton.skeleton(), encoding="utf-8")
    ran = pytest_of("--impl", str(path), "-m", "ex3")
    assert ran.returncode == 0 and "0 right, 0 wrong, 1 not done yet" in ran.stdout


def test_the_command_says_what_is_wrong_with_its_arguments(tmp_path):
    ran = pytest_of("--impl", str(tmp_path / "none.py"))
    assert ran.returncode == 4 and "--impl must name a Python file" in ran.stderr


def test_the_skeleton_has_the_signatures_and_docstrings_of_the_solutions_and_no_more():
    tree = ast.parse(skeleton.skeleton())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert list(functions) == [function.name for function in FUNCTIONS] and set(functions) == set(run.NAMES)
    for name, node in functions.items():
        solution = getattr(solutions, name)
        assert [a.arg for a in node.args.args] == list(inspect.signature(solution).parameters)
        assert ast.get_docstring(node) == inspect.getdoc(solution) and len(node.body) == 2


def test_the_skeleton_never_overwrites(tmp_path, monkeypatch):
    path = tmp_file(tmp_path, "my work")
    monkeypatch.setattr(sys, "argv", ["skeleton", str(path)])
    with pytest.raises(SystemExit, match="is there already"):
        skeleton.main()
    assert path.read_text(encoding="utf-8") == "my work"


SHEETS = sorted((ROOT / "derivations" / "exercises").glob("[0-9]*.md"))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"ex{e.number}")
def test_each_exercise_has_a_sheet_whose_examples_are_true(exercise):
    (path,) = [path for path in SHEETS if int(path.stem[:2]) == exercise.number]
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# Exercise {exercise.number}: ") and re.search(r"\d+ minutes, level [123]\.", text)
    assert "\n## Pencil\n" in text and "\n## Code\n" in text and "**Goal.**" in text
    assert all(f"`{function.name}(" in text for function in exercise.functions)
    examples = doctest.testfile(str(path), module_relative=False, globs=dict(vars(solutions)))
    assert examples.failed == 0 and (examples.attempted > 0 or exercise.number == 10)


def test_index_and_answers_cover_every_sheet_and_half_of_them_go_beyond_the_package():
    index = (ROOT / "derivations/exercises/README.md").read_text(encoding="utf-8")
    answers = (ROOT / "derivations/exercises/answers.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[(\d+)\]\((.+?)\) ", index, flags=re.M))
    assert list(rows.values()) == [path.name for path in SHEETS] and len(rows) == len(EXERCISES)
    assert 2 * index.count("| yes |") >= len(EXERCISES)
    for path in SHEETS:
        number, text = int(path.stem[:2]), path.read_text(encoding="utf-8")
        questions = len(re.findall(r"^\d\. ", text, flags=re.M))
        part = re.split(rf"^## {number}\. .+$", answers, flags=re.M)[1].split("\n## ")[0]
        assert len(re.findall(r"^\d\. ", part, flags=re.M)) == questions >= 2, path.name
        minutes, level = re.search(r"(\d+) minutes, level (\d)", text).groups()
        assert re.search(rf"\({path.name}\).*\| {minutes} \| {level} \|", index), path.name
