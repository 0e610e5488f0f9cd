"""The course kit: the museum of wrong files, the grader in its own process, the skeleton, the
sheets.
"""

import ast
import contextlib
import doctest
import inspect
import json
import math
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tests.exercises import conftest, grading, run, skeleton, solutions
from tests.exercises.exercises import EXERCISES
from tests.exercises.paths import peak
from tests.exercises.submission import loaded

ROOT = Path(__file__).parent.parent
MUSEUM = sorted((ROOT / "tests" / "exercises" / "wrong").glob("*.py"))
FUNCTIONS = [function for exercise in EXERCISES for function in exercise.functions]


def verdicts(call, seed=0):
    return {function.name: grading.grade(function, call, seed) for function in FUNCTIONS}


def here(path):
    """Calls of a file's functions in this process."""
    submission, reply = loaded(path)
    broken = {"error": f"{path.name} cannot be loaded: {reply.get('error')}", "ended": True}
    return lambda name, args, own=False: (
        broken if submission is None else run.one_call(submission, name, args, own)
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_solutions_are_right_with_other_seeds(seed):
    assert {v.status for v in verdicts(run.Here(vars(solutions)), seed).values()} == {grading.RIGHT}


@pytest.mark.parametrize("path", MUSEUM, ids=lambda p: p.stem)
def test_a_museum_piece_turns_only_its_own_exercise_red_and_is_named(path):
    found = grading.graded(verdicts(here(path), seed=4))
    assert {exercise.number for exercise, v, _, _ in found if v.status == grading.WRONG} == {
        int(path.stem[2:4])
    }
    (text,) = [v.text for _, v, _, _ in found if v.status == grading.WRONG]
    hint = re.search(r'^HINT = "(.*)"$', path.read_text(encoding="utf-8"), flags=re.M)[1]
    assert hint in text and not any(v.status == grading.RIGHT for _, v, _, _ in found)


def test_the_museum_is_large_enough_and_covers_every_exercise():
    assert len(MUSEUM) >= 10
    assert {int(path.stem[2:4]) for path in MUSEUM} == {exercise.number for exercise in EXERCISES}
    assert all(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in MUSEUM)


@pytest.mark.parametrize(
    "function", [f for f in FUNCTIONS if f.mistakes and not f.judge], ids=lambda f: f.name
)
def test_every_known_mistake_can_be_told_from_the_right_answer_and_from_the_others(function):
    """On the same data the grader calls each mistake by its own name: hints do not shadow one
    another.
    """
    for sentence, ways in function.mistakes.items():
        few = ways[:: max(1, len(ways) // 3)] if isinstance(ways, tuple) else (ways,)
        for wrong in few:  # of the many small numbers that can be added to p, a few
            with np.errstate(all="ignore"):
                answers = [
                    wrong(e, *args) for args, e in zip(*grading.tried(function, 5), strict=True)
                ]
            replies = iter(2 * answers)
            call = lambda name, args, own=False: {
                "value": next(replies),
                "changed": [],
                "printed": False,
            }
            verdict = grading.grade(function, call, seed=5)
            assert verdict == grading.Verdict(grading.WRONG, sentence)


def test_a_mistake_nobody_knows_shows_the_smallest_input():
    off = dict(vars(solutions)) | {
        "bound": lambda ell, log_w: solutions.bound(ell, log_w) + 0.125 * (len(ell) > 1)
    }
    verdict = grading.grade(by_name("bound"), run.Here(off))
    assert re.match(
        r"got -?\d.*, expected -?\d.* for ell = \[\[.*\]\], log_w = \[.*\]", verdict.text
    )
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
    "def bound(ell, log_w):\n    return object()": "returns object; plain NumPy",
    "def bound(ell):\n    return 0.0": "TypeError",
    "def bound(ell, log_w):\n    ell += 1\n    return 0.0": "changes its argument ell",
    "bound = 3": "TypeError: 'int' object is not callable",
    "def bound(ell, log_w)\n    return 0.0": "cannot be loaded: SyntaxError in line 1 of mine.py",
    "import sys\nsys.exit()": None,
    "import nothing_of_the_kind": None,
    "x = 1": None,
    "def bound(ell, log_w):\n    raise NotImplementedError('later')": None,
    "def bound(*args):\n    args[1].sort()\n    return 0.0": "changes its argument log_w",
    "import numpy\ndef bound(ell, log_w):\n    return numpy.array('abc')": "returns array of <U3",
    "def bound(ell, log_w):\n    return 1j": "returns complex",
    "def bound(ell, log_w):\n    return {'a': 1.0}": "a float is asked; got a dict",
    "def bound(ell, log_w):\n    raise ValueError('two\\nlines')": "ValueError: two lines (line 2)",
    "def bound(ell, log_w):\n    exit()": "calls sys.exit()",
    "def bound(ell, log_w):\n    return float(input())": "EOFError",
}


ANSWERS = {
    "three_point": [
        (lambda kappa: 3.0, "two arrays (3,) are asked"),
        (lambda kappa: (["a", "b", "c"], [0.2, 0.6, 0.2]), "got lists of the right length"),
        (
            lambda kappa: (np.array([-1.0, 0.0, 1.0]) * kappa**0.5, np.array([0.6, -0.2, 0.6])),
            "0 or larger",
        ),
        (
            lambda kappa: (np.array([-2.0, 0.0, 0.5]), np.array([0.2, 0.0, 0.8])),
            "the nodes must be (-a, 0, a)",
        ),
        (
            lambda kappa: (np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.0, 0.5])),
            "the fourth moment is 1, it must be 2",
        ),
        (
            lambda kappa: (np.array([-kappa, 0.0, kappa]), np.array([0.5, kappa - 1, 0.5]) / kappa),
            "a is the root of kappa",
        ),
        (
            lambda kappa: (np.array([-2.0, 0.0, 2.0]), np.array([0.2, 0.6, 0.2])),
            "the variance is 1.6, it must be 1",
        ),
    ],
    "best_tilt": [
        (lambda ell, signs: 0.5, "r = 1/2 is the choice of Eq. (6)"),
        (lambda ell, signs: 1.5, "r must lie strictly between 0 and 1"),
        (lambda ell, signs: np.full(2, 0.5), "a float is asked"),
        (
            lambda ell, signs: 1 - solutions.best_tilt(ell, signs),
            "r is the probability of +1, not of -1",
        ),
        (lambda ell, signs: solutions.best_tilt(ell, signs) * 0.999, "refine the grid"),
        (
            lambda ell, signs: peak(ell, signs, ratio=0.0)[1],
            "the term log p(path) - log q(path) is missing",
        ),
        (lambda ell, signs: local_peak(ell, signs), "That is a local maximum"),
    ],
    "counterexample": [
        (lambda: 3.0, "a tuple (theta, X) is asked"),
        (lambda: case(h1=[[1.0], [1.0]]), "start at the same h_1"),
        (lambda: case(X=[[1]]), "with T = 1 both are the same number"),
        (lambda: case(W=[[0.0]]), "the particles meet after the first step"),
        (lambda: case(W=[[5.0]]), "let the particles take turns"),
        (lambda: case(C=[[-0.1, 0.1]]), "(17) must exceed (26) by 0.1"),
        (lambda: case(C=[[-1e308, 1e308]]), "1e+150 is the most"),
        (lambda: case(X=[[1]] * 12), "T up to 10"),
        (lambda: case(X=[[2], [1]]), "holds 2 at step 0"),
        (lambda: case(h1=[1.0, -1.0]), "got shape (2,)"),
        (lambda: case(h1=[[1.0] * 5, [-1.0] * 5]), "D from 1 to 4"),
    ],
    "log_likelihood": [
        (
            lambda theta, X: solutions.log_likelihood(theta, X)[None],
            "an array of shape (1,) is asked; got an array of shape (1, 1)",
        ),
        (lambda theta, X: list(solutions.log_likelihood(theta, X)), "is asked; got a list"),
        (
            lambda theta, X: solutions.log_likelihood(theta, X).astype(np.float32),
            "float64 is asked; got float32",
        ),
        (lambda theta, X: solutions.log_likelihood(theta, X) * (1 + 1e-6), "not to eight digits"),
        (lambda theta, X: solutions.log_likelihood(theta, X) + X[0] + 1.0, "got "),
        (
            lambda theta, X: np.log(np.exp(solutions.log_likelihood(theta, X))),
            "product of p underflows",
        ),
    ],
}


HALF_STABLE = {  # right on small numbers of one level only
    "log_softmax": """
        def log_softmax(z):                                   #! one largest number is subtracted
            z = z - z.max()
            return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        def log_softmax(z):                                   #! subtract the largest of each row
            return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        def log_softmax(z):                                   #! a small number is added to p
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            return np.log(e / e.sum(axis=-1, keepdims=True) + 1e-12)
        def log_softmax(z):                                   #! a probability has become 0
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            return np.log(e / e.sum(axis=-1, keepdims=True))
    """,
    "poisson_log_p": """
        def poisson_log_p(theta, h, x):                       #! x! as an integer product overflows
            z = h @ theta["C"] + theta["c"]
            f = np.array([[np.prod(np.arange(1, k + 1)) for k in row] for row in x])
            return (x * z - np.exp(z) - np.log(f)).sum(axis=1)
        def poisson_log_p(theta, h, x):                       #! x! overflows as a float
            z = h @ theta["C"] + theta["c"]
            f = np.array([[np.prod(np.arange(1.0, k + 1)) for k in row] for row in x])
            return (x * z - np.exp(z) - np.log(f)).sum(axis=1)
    """,
    "poisson_mass": """
        def poisson_mass(theta, h, most):                     #! it stops before `most`
            x = lambda k: np.full((len(h), 1), k)
            return sum(np.exp(poisson_log_p(theta, h, x(k))) for k in range(most))
    """,
    "evidence": """
        def evidence(ell, log_w):                             #! the largest of ell is taken out
            m = ell.max()
            return float(len(ell) * m + np.log(np.sum(np.exp(log_w + (ell - m).sum(0)))))
        def evidence(ell, log_w):                             #! exp(log_w) is 0 for an improbable
            s = ell.sum(0)
            return float(s.max() + np.log(np.exp(log_w) @ np.exp(s - s.max())))
        def evidence(ell, log_w):                             #! exp of large negative numbers is 0
            return float(np.log(np.exp(log_w) @ np.exp(ell.sum(0))))
    """,
    "gap": """
        def gap(ell, log_w):                                  #! that is evidence - bound
            return evidence(ell, log_w) - bound(ell, log_w)
        def gap(ell, log_w):                                  #! that is evidence - bound
            s = log_w + ell.sum(0)
            return float(s.max() + np.log(np.exp(s - s.max()).sum()) - np.exp(log_w) @ ell.sum(0))
        def gap(ell, log_w):                                  #! keep the log of the posterior
            p = np.exp(log_w + ell.sum(0) - evidence(ell, log_w))
            return float(np.exp(log_w) @ (log_w - np.log(p)))
    """,
    "penalty": """
        def penalty(a, c, s, sigma, T):                       #! ZeroDivisionError
            total = ((T - 1) - a**2 * (1 - a ** (2 * (T - 1))) / (1 - a**2)) / (1 - a**2)
            return 0.5 * (c * sigma / s) ** 2 * total
        def penalty(a, c, s, sigma, T):                       #! the closed form is 0/0
            a = np.float64(a)
            total = ((T - 1) - a**2 * (1 - a ** (2 * (T - 1))) / (1 - a**2)) / (1 - a**2)
            return 0.5 * (c * sigma / s) ** 2 * total
    """,
    "trajectory_mixture": """
        def trajectory_mixture(ell):                          #! taken out for all sequences
            s = ell.sum(0); m = s.max()
            return m + np.log(np.exp(s - m).mean(0))
        def trajectory_mixture(ell):                          #! the largest of ell is taken out
            m = ell.max()
            return len(ell) * m + np.log(np.exp((ell - m).sum(0)).mean(0))
    """,
    "per_step_mixture": """
        def per_step_mixture(ell):                            #! taken out for all sequences
            m = ell.max(axis=(1, 2), keepdims=True)
            return (m[:, 0] + np.log(np.exp(ell - m).mean(1))).sum(0)
        def per_step_mixture(ell):                            #! taken out for all steps
            m = ell.max(axis=(0, 1))
            return (m + np.log(np.exp(ell - m).mean(1))).sum(0)
    """,
    "evidence_in_stretches": """
        def evidence_in_stretches(ell, resampled):            #! exp of large negative numbers is 0
            w, total = np.ones(ell.shape[1]), 0.0
            for t, row in enumerate(ell):
                w = w * np.exp(row)
                if t == len(resampled) or resampled[t]:
                    total, w = total + np.log(w.mean()), np.ones(ell.shape[1])
            return float(total)
    """,
}
NAMED = {  # common mistakes
    "trajectory": """
        def trajectory(theta, X):                             #! that is the sigmoid
            return run(theta, X, phi=lambda a: 1 / (1 + np.exp(-a)))
        def trajectory(theta, X):                             #! symbols are counted from 0
            return run(theta, X, read=lambda x: x - 1)
        def trajectory(theta, X):                             #! the first sequence's symbol
            return run(theta, X, read=lambda x: x[0])
        def trajectory(theta, X):                             #! H holds whole numbers
            H = np.zeros((*X.shape, len(theta["h1"])), int)
            H[0] = theta["h1"]
            for t in range(1, len(X)):
                H[t] = np.tanh(H[t - 1] @ theta["W"] + theta["U"][X[t - 1]] + theta["b"])
            return H
        def trajectory(theta, X):                             #! float32
            return run(theta, X).astype(np.float32).astype(float)
        def trajectory(theta, X):                             #! rounded to 4 digits
            return run(theta, X).round(4)
        def run(theta, X, phi=np.tanh, read=lambda x: x):
            H = [np.tile(theta["h1"], (X.shape[1], 1))]
            for x in X[:-1]:
                H.append(phi(H[-1] @ theta["W"] + theta["U"][read(x)] + theta["b"]))
            return np.array(H)
    """,
    "log_likelihood": """
        def log_likelihood(theta, X):                         #! c is left out
            log_p = log_softmax(trajectory(theta, X) @ theta["C"])
            return np.take_along_axis(log_p, X[..., None], -1)[..., 0].sum(0)
        def log_likelihood(theta, X):                         #! for l of shape (1, 1, 2)
            l = log_softmax(trajectory(theta, X) @ theta["C"] + theta["c"])
            raise ValueError(f"for l of shape {l.shape}")
        def log_likelihood(theta, X):                         #! for theta {h1: (1,), W: (1, 1)
            return log_softmax(trajectory(theta, X) @ theta["C"] + theta["c"]).sum(0)
    """,
    "poisson_log_p": """
        def poisson_log_p(theta, h, x):                       #! the rate is exp(h C + c)
            r = h @ theta["C"] + theta["c"]
            return (x * np.log(r) - r - gammaln(x + 1)).sum(1)
        def poisson_log_p(theta, h, x):                       #! the probability itself
            z = h @ theta["C"] + theta["c"]
            return np.exp((x * z - np.exp(z) - gammaln(x + 1)).sum(1))
    """,
    "evidence": """
        def evidence(ell, log_w):                             #! p(X) itself
            return float(np.exp(logsumexp(log_w + ell.sum(0))))
    """,
}
PARTS = [
    (name, sentence.strip(), f"def {name}{body}")
    for table in (HALF_STABLE, NAMED)
    for name, text in table.items()
    for sentence, body in (
        (re.search(r"#! (.*)", part)[1], re.sub(r"#!.*", "", part))
        for part in re.split(rf"^ *def {name}", text, flags=re.M)[1:]
    )
]


@pytest.mark.parametrize(
    ("name", "sentence", "source"), PARTS, ids=[f"{n}-{s[:30]}" for n, s, _ in PARTS]
)
def test_half_stable_and_common_mistakes_are_wrong_and_named(tmp_path, name, sentence, source):
    helper = textwrap.dedent(NAMED["trajectory"][NAMED["trajectory"].index("        def run") :])
    head = "import numpy as np\nfrom scipy.special import gammaln, logsumexp\n" + helper
    call = here(tmp_file(tmp_path, head + textwrap.dedent(source.replace("\n        ", "\n"))))
    verdict = grading.grade(by_name(name), call, seed=5)
    assert verdict.status == grading.WRONG and sentence in verdict.text, verdict.text
    assert len(verdict.text) < 600


def refined(ell, signs):
    """The whole of (0, 1) on a grid, then a search that may go to the border."""
    grid = np.linspace(0.01, 0.99, 99)
    height = lambda r: -solutions.tilted_bound(ell, signs, r)
    r = grid[np.argmin([height(r) for r in grid])]
    ends = max(r - 0.02, 1e-6), min(r + 0.02, 1 - 1e-6)
    return minimize_scalar(height, bounds=ends, method="bounded").x


UNUSUAL = {
    "best_tilt": refined,
    "gap": lambda ell, log_w: np.sum(
        np.exp(log_w) * (solutions.evidence(ell, log_w) - ell.sum(axis=0))
    ),
    "penalty": lambda a, c, s, sigma, T: (
        0.5 * (c * sigma / s) ** 2 * sum(a ** (2 * i) * (T - 1 - i) for i in range(T - 1))
    ),
    "three_point": lambda kappa: (
        np.array([kappa**0.5, -(kappa**0.5), 0]),
        np.array([0.5 / kappa, 0.5 / kappa, 1 - 1 / kappa]),
    ),
    "poisson_log_p": lambda theta, h, x: np.array(
        [
            sum(
                k * z - math.exp(z) - math.log(math.factorial(k))
                for z, k in zip(zs, ks, strict=True)
            )
            for zs, ks in zip((h @ theta["C"] + theta["c"]).tolist(), x.tolist(), strict=True)
        ]
    ),
    "evidence": lambda ell, log_w: np.logaddexp.reduce(log_w + ell.sum(axis=0)),
    "per_step_mixture": lambda ell: np.logaddexp.reduce(ell - math.log(ell.shape[1]), axis=1).sum(
        axis=0
    ),
}


def test_an_answer_that_no_judge_foresaw_does_not_end_the_grading():
    broken = replace(by_name("three_point"), judge=lambda *_: 1 / 0)
    call = run.Here({"three_point": solutions.three_point})
    assert "can make nothing of this answer" in grading.grade(broken, call).text


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_right_answers_are_right_whatever_the_seed(name):
    for seed in range(12):
        verdict = grading.grade(by_name(name), run.Here({name: UNUSUAL[name]}), seed)
        assert verdict == grading.Verdict(grading.RIGHT), (seed, verdict.text)


def test_what_is_said_of_an_answer_is_short_and_shows_the_shapes_of_the_input():
    text = lambda name, answer: grading.grade(by_name(name), run.Here({name: answer})).text
    assert "for ell of shape (1, 2, 1)" in text("per_step_mixture", lambda ell: ell[0])
    late = text("per_step_mixture", lambda ell: solutions.per_step_mixture(ell) / (len(ell) < 900))
    assert "begins with" in late and len(late) < 300
    raised = text(
        "bound", lambda ell, log_w: solutions.bound(ell, log_w) if len(ell) < 2 else 1 / 0
    )
    assert (
        raised.startswith("ZeroDivisionError: division by zero for ell = [[") and len(raised) < 200
    )


def case(**changes):
    theta, X = solutions.counterexample()
    X = np.array(changes.pop("X", X))
    return theta | {key: np.array(value) for key, value in changes.items()}, X


def local_peak(ell, signs):
    """The best r on the other side of 1/2."""
    grid = np.linspace(0.001, 0.499, 499)
    grid = 1 - grid if solutions.best_tilt(ell, signs) < 0.5 else grid
    i = np.argmax([solutions.tilted_bound(ell, signs, r) for r in grid])
    return float(grid[i]) if 0 < i < 498 else solutions.best_tilt(ell, signs)


@pytest.mark.parametrize(
    ("name", "i"), [(name, i) for name in ANSWERS for i in range(len(ANSWERS[name]))]
)
def test_each_wrong_answer_gets_its_own_sentence(name, i):
    answer, sentence = ANSWERS[name][i]
    verdict = grading.grade(by_name(name), run.Here({name: answer}), seed=6)
    assert verdict.status == grading.WRONG and sentence in verdict.text, verdict.text
    assert "\n" not in verdict.text


@pytest.mark.parametrize("value", [lambda v: np.float64(v), lambda v: np.array(v), lambda v: v])
def test_a_number_is_a_number_in_every_form(value):
    right = run.Here({"bound": lambda ell, log_w: value(solutions.bound(ell, log_w))})
    assert grading.grade(by_name("bound"), right).status == grading.RIGHT


def test_right_answers_may_lean_on_helper_files_on_own_signatures_and_on_warnings(tmp_path):
    """A wrong function in a helper file is one red exercise; an own signature that only the
    student's own code uses is right.
    """
    (tmp_path / "helper.py").write_text(
        inspect.getsource(solutions) + "\ndef trajectory(theta, X):\n    return X * 1.0\n"
    )
    path = tmp_file(tmp_path, "from helper import *\nprint('hello')\n")
    found = verdicts(here(path))
    assert {name for name, v in found.items() if v.status == grading.WRONG} == {"trajectory"}
    text = "import numpy as np\nfrom tests.exercises.solutions import trajectory\n"
    text += "def log_softmax(z, axis):\n    np.log(0.0)\n    m = z.max(axis, keepdims=True)\n"
    text += "    return z - m - np.log(np.exp(z - m).sum(axis, keepdims=True))\n"
    text += inspect.getsource(solutions.log_likelihood).replace(
        "log_softmax(", "log_softmax(axis=-1, z="
    )
    own = here(tmp_file(tmp_path, text))
    assert grading.grade(by_name("log_likelihood"), own).status == grading.RIGHT
    only = tmp_file(tmp_path, "import numpy as np\n" + inspect.getsource(solutions.log_likelihood))
    assert (
        grading.grade(by_name("log_likelihood"), here(only)).status == grading.RIGHT
    )  # what it lacks is the reference's


APART = ("while True", "_exit", "    exit()", "input()")  # the others are as well graded here


@pytest.mark.parametrize("source", BAD, ids=range(len(BAD)))
def test_whatever_a_file_does_ends_in_one_sentence(tmp_path, source):
    path = tmp_file(tmp_path, source)
    if any(part in source for part in APART):
        with contextlib.closing(
            run.Apart(path, limit=0.5 if "while True" in source else 20.0)
        ) as call:
            verdict = grading.grade(by_name("bound"), call)
    else:
        verdict = grading.grade(by_name("bound"), here(path))
    assert (
        (BAD[source] in verdict.text and "\n" not in verdict.text)
        if BAD[source]
        else verdict.status == grading.TODO
    )


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
    path = tmp_file(
        tmp_path, inspect.getsource(solutions) + "\ndef log_softmax(z):\n    return z\n"
    )
    found = verdicts(here(path))
    assert {name for name, v in found.items() if v.status == grading.WRONG} == {"log_softmax"}


def tmp_file(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def pytest_of(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "pytest", str(ROOT / "tests/exercises"), "-pno:cacheprovider"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=cwd)


def test_the_command_takes_seed_limit_and_a_path_and_grades_what_is_done_in_part(tmp_path):
    endless = "\n\ndef trajectory(theta, X):\n    while True:\n        pass\n"
    done = skeleton.skeleton().replace(
        "    raise NotImplementedError\n\n\ndef best_tilt", "    return -1.0\n\n\ndef best_tilt"
    ) + inspect.getsource(solutions.bound)
    tmp_file(tmp_path, done + endless)
    options = ["--impl", "mine.py", "--limit", "0.3", "--seed", "7", "--json", "out.json"]
    ran = pytest_of(*options, "-m", "not ex11", "--tb=no", cwd=tmp_path)
    assert ran.returncode == 1 and "0 right, 2 wrong, 8 not done yet" in ran.stdout, ran.stdout
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rows = {row["number"]: row for row in record["exercises"]}
    assert record["seed"] == 7 and list(rows) == list(range(1, 11))
    assert "within 0.3 seconds" in rows[1]["functions"]["trajectory"]["text"]
    assert rows[6]["status"] == "wrong" and (rows[5]["right"], rows[5]["of"]) == (1, 3)


def test_a_skeleton_is_not_done_yet_and_a_broken_file_is_said_once(tmp_path):
    untouched = verdicts(here(tmp_file(tmp_path, skeleton.skeleton())))
    assert grading.lines(untouched)[-1] == "0 right, 0 wrong, 11 not done yet"
    broken = run.Apart(tmp_file(tmp_path, "def broken(:\n    pass\n"))
    assert grading.lines(verdicts(broken))[1:] == [
        "mine.py cannot be loaded: SyntaxError in line 1 of mine.py: invalid syntax"
    ]


def shapes_of(args):
    return str(
        [
            np.shape(part) or part
            for a in args
            for part in (a.values() if isinstance(a, dict) else [a])
        ]
    )


def test_an_answer_kept_by_shape_is_wrong():
    """As from a cache: the same shapes come twice, with other numbers."""
    numbers_only = ("three_point", "penalty", "counterexample")
    for function in (f for f in FUNCTIONS if f.name not in numbers_only):
        kept, right = {}, getattr(solutions, function.name)
        keeping = lambda *args, kept=kept, right=right: kept.setdefault(
            shapes_of(args), right(*args)
        )
        call = run.Here(vars(solutions) | {function.name: keeping})
        assert grading.grade(function, call).status == grading.WRONG, function.name


def test_the_command_says_what_is_wrong_with_its_arguments(tmp_path):
    path = str(tmp_file(tmp_path, "x = 1"))
    for options, sentence in {
        ("impl", ""): "--impl must name a Python file",
        ("impl", str(tmp_path / "none.py")): "--impl must name a Python file or a notebook; there",
        ("seed", -1): "--seed must be 0 or larger",
        ("limit", 0.0): "--limit larger than 0",
        (
            "json",
            str(tmp_path / "no" / "out.json"),
        ): "--json must name a file in a folder that is there",
    }.items():
        given = {"impl": path, "seed": 0, "limit": 1.0, "json": None} | dict([options])
        config = SimpleNamespace(
            stash={},
            addinivalue_line=lambda *_: None,
            getoption=lambda name, *_, given=given: given[name],
        )
        with pytest.raises(pytest.UsageError, match=sentence):
            conftest.pytest_configure(config)


def test_another_seed_is_other_data():
    first, second = (by_name("bound").cases(np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.allclose(first[0][0], second[0][0])


def test_the_skeleton_has_the_signatures_and_docstrings_of_the_solutions_and_no_more():
    tree = ast.parse(skeleton.skeleton())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert list(functions) == [function.name for function in FUNCTIONS] and set(functions) == set(
        run.NAMES
    )
    assert "Vectors are rows, time comes first" in ast.get_docstring(tree)
    for name, node in functions.items():
        solution = getattr(solutions, name)
        assert [a.arg for a in node.args.args] == list(inspect.signature(solution).parameters)
        written = ast.parse(inspect.getsource(solution)).body[0]
        assert ast.get_docstring(node) == ast.get_docstring(written) and len(node.body) == 2


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
    assert text.startswith(f"# Exercise {exercise.number}: ") and re.search(
        r"\d+ minutes, level [123]\.", text
    )
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
