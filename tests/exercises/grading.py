"""From answers to verdicts: right, wrong with a hint, or not done yet."""

import json
from dataclasses import dataclass

import numpy as np

from rnnvae_ref.numerics import atomic_write
from tests.exercises.exercises import EXERCISES
from tests.exercises.run import Unknown, parameters

RIGHT, WRONG, TODO = "right", "wrong", "not done yet"


@dataclass(frozen=True)
class Verdict:
    """Of one function, or of an exercise with its functions together."""

    status: str
    text: str = ""


def grade(function, call, seed=0):
    """The verdict on one function with all others the reference's; what is right with the student's own is right, too."""
    try:
        with np.errstate(all="ignore"):
            verdict, ended = grade_once(function, call, seed)
            if verdict.status == WRONG and not ended:
                again, _ = grade_once(function, lambda name, args: call(name, args, own=True), seed)
                return again if again.status == RIGHT else verdict
            return verdict
    except Exception as error:  # an answer that no judge foresaw must not end the grading
        return Verdict(WRONG, f"the grader can make nothing of this answer ({type(error).__name__})")


def grade_once(function, call, seed):
    """(verdict, whether the process ended), tried on the function's cases, smallest first."""
    cases = function.cases(np.random.default_rng(seed))
    answers = []
    for args in cases:
        reply = call(function.name, args)
        if "todo" in reply:
            return Verdict(TODO), False
        trouble = reply.get("error") or unfit(function, reply, args)
        if trouble:
            return Verdict(WRONG, trouble), "ended" in reply
        answers.append(reply["value"])
    failed = [i for i, args in enumerate(cases) if not fits(function, answers[i], args)]
    if failed:
        return Verdict(WRONG, hint(function, cases, answers, failed[0])), False
    return Verdict(RIGHT, "it prints; take that out before you hand in" if reply["printed"] else ""), False


def unfit(function, reply, args):
    """A sentence if the answer is not of the kind that is asked: changed arguments, type, shape."""
    value = reply["value"]
    if reply["changed"]:
        return f"it changes its argument {', '.join(reply['changed'])}; work on a copy"
    if value is None:
        return "it returns None: is a return missing?"
    if isinstance(value, Unknown):
        return f"it returns {value}; plain NumPy arrays of real numbers, or numbers, are asked"
    if function.exact is None:
        return None
    expected = function.exact(*args)
    if np.ndim(expected) == 0:
        return None if is_number(value) else f"a float is asked; got {kind(value)}"
    if isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32):
        return f"float64 is asked; got {value.dtype}"
    same = isinstance(value, np.ndarray) and value.shape == expected.shape
    return None if same else f"{kind(expected)} is asked; got {kind(value)}"


def is_number(value):
    return isinstance(value, int | float | np.integer | np.floating) or (isinstance(value, np.ndarray) and value.shape == ())


def kind(value):
    """A value's type and shape in words."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    return "a float" if is_number(value) else f"a {type(value).__name__}"


def fits(function, value, args):
    if function.judge is not None:
        return function.judge(value, *args) is None
    return close(value, function.exact(*args))


def close(value, expected):
    return np.shape(value) == np.shape(expected) and np.allclose(value, expected, rtol=1e-7, atol=1e-9)


def hint(function, cases, answers, first):
    """The known mistake that explains every answer; else got and expected on the smallest input that fails."""
    if function.judge is not None:
        return function.judge(answers[first], *cases[first])
    expected = [function.exact(*args) for args in cases]
    for sentence, wrong in function.mistakes.items():
        if all(close(a, wrong(e, *args)) for a, e, args in zip(answers, expected, cases, strict=True)):
            return sentence
    if not np.isfinite(answers[first]).all() and np.isfinite(answers[0]).all():
        return "it gives inf or nan on large numbers: subtract the largest before exp (log-sum-exp), and stay in logarithms"
    got, wanted = (
        np.array2string(np.asarray(v), precision=10, threshold=20).replace("\n", "") for v in (answers[first], expected[first])
    )
    return f"got {got}, expected {wanted} for {inputs(function, cases[first])}"


def inputs(function, args):
    """The arguments, short enough to work through by hand."""
    named = zip(parameters(function.name), args, strict=True)
    return ", ".join(f"{name} = {shown(value)}" for name, value in named)


def shown(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    return np.array2string(np.asarray(value), precision=6, threshold=20, separator=", ").replace("\n", "")


def of_exercise(exercise, verdicts):
    """The exercise's verdict from those of its functions, a dict name -> Verdict."""
    found = {name: v for name, v in verdicts.items() if name in {f.name for f in exercise.functions}}
    wrong = [f"{name}: {v.text}" for name, v in found.items() if v.status == WRONG]
    todo = [name for name, v in found.items() if v.status == TODO]
    if wrong:
        return Verdict(WRONG, "\n".join(wrong))
    if todo:
        return Verdict(TODO, f"still to do: {', '.join(todo)}" if len(todo) < len(found) else "")
    return Verdict(RIGHT, "\n".join(f"{name}: {v.text}" for name, v in found.items() if v.text))


def graded(verdicts):
    """The exercises that were graded, with their verdicts and the share of their functions that is right."""
    rows = []
    for exercise in EXERCISES:
        own = [verdicts[f.name] for f in exercise.functions if f.name in verdicts]
        if own:
            rows.append((exercise, of_exercise(exercise, verdicts), sum(v.status == RIGHT for v in own), len(exercise.functions)))
    return rows


def lines(verdicts):
    """A line an exercise, and one with the sums."""
    texts = {v.text for v in verdicts.values()}
    if len(texts) == 1 and "cannot be loaded" in min(texts):
        return ["", *texts]
    rows, out = graded(verdicts), [""]
    for exercise, verdict, right, of in rows:
        share = f" ({right} of {of} right)" if of > 1 and verdict.status != RIGHT and right else ""
        out.append(f"ex {exercise.number:2}  {exercise.title:38} {verdict.status}{share}")
        out += [f"       {part}" for part in verdict.text.splitlines()]
    count = {status: sum(verdict.status == status for _, verdict, _, _ in rows) for status in (RIGHT, WRONG, TODO)}
    return [*out, ", ".join(f"{n} {status}" for status, n in count.items())]


def write_json(path, verdicts, impl, seed):
    """The same for a script."""
    record = {
        "file": impl,
        "seed": seed,
        "exercises": [
            {
                "number": exercise.number,
                "title": exercise.title,
                "status": verdict.status,
                "right": right,
                "of": of,
                "functions": {f.name: vars(verdicts[f.name]) for f in exercise.functions if f.name in verdicts},
            }
            for exercise, verdict, right, of in graded(verdicts)
        ],
    }
    with atomic_write(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
