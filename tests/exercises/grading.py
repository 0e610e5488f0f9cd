"""From answers to verdicts: right, wrong with a hint, or not done yet."""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rnnvae_ref.numerics import atomic_write
from tests.exercises.exercises import EXERCISES
from tests.exercises.run import Unknown, parameters

RIGHT, WRONG, TODO = "right", "wrong", "not done yet"
DIGITS = {"rtol": 1e-8, "atol": 1e-10}  # tighter than float32, which has seven digits
PRINTS = "it prints; take that out before you hand in"


@dataclass(frozen=True)
class Verdict:
    """Of one function, or of an exercise with its functions together."""

    status: str
    text: str = ""


@lru_cache(maxsize=256)
def tried(function, seed):
    """(cases, exact answers) of a function for a seed, the same for a whole class."""
    cases = function.cases(np.random.default_rng(seed))
    return cases, [function.exact and function.exact(*args) for args in cases]


def grade(function, call, seed=0):
    """The verdict on one function with all others the reference's.

    What is right with the student's own is right, too.
    """
    try:
        with np.errstate(all="ignore"):
            replies = ask(function, call, seed)
            verdict = early(replies[-1]) or judged(function, call, replies, seed)
            if verdict.status == WRONG and "ended" not in replies[-1]:
                own = lambda name, args: call(name, args, own=True)
                again = ask(function, own, seed)
                if not early(again[-1]) and not any(faults(function, again, seed)):
                    verdict = right(function, own, again)
            return (
                verdict if verdict.status != WRONG else explained(function, replies, seed, verdict)
            )
    except Exception as error:  # an answer that no judge foresaw must not end the grading
        name = type(error).__name__
        return Verdict(WRONG, f"the grader can make nothing of this answer ({name})")


def ask(function, call, seed):
    """The replies on the function's cases, smallest first; the last one may have ended it."""
    replies = []
    for args in tried(function, seed)[0]:
        replies.append(call(function.name, args))
        if early(replies[-1]):
            break
    return replies


def early(reply):
    """The verdict where nothing more need be asked, or None."""
    if "todo" in reply:
        return Verdict(WRONG, reply["why"]) if reply.get("why") else Verdict(TODO)
    return Verdict(WRONG, reply["error"]) if "ended" in reply else None


def faults(function, replies, seed):
    """What is wrong with each answer, one by one: a sentence, or None."""
    return (fault(function, *each) for each in zip(replies, *tried(function, seed), strict=True))


def judged(function, call, replies, seed):
    first = next((text for text in faults(function, replies, seed) if text), None)
    return Verdict(WRONG, first) if first else right(function, call, replies)


def explained(function, replies, seed, verdict):
    """The same verdict, with the mistake's name where one explains all answers."""
    cases, expected = tried(function, seed)
    whole = len(replies) == len(cases) and all("value" in reply for reply in replies)
    if not whole or not any(faults(function, replies, seed)):
        return verdict
    changed = next((fault(function, r, (), None) for r in replies if r["changed"]), None)
    if changed:
        return Verdict(WRONG, changed)
    answers = [reply["value"] for reply in replies]
    name = known(function, answers, cases, expected) or inexact(function, answers, expected)
    return Verdict(WRONG, name) if name else verdict


def right(function, call, replies):
    """Right, unless it was reached on a way that the sheet forbids."""
    if function.forbidden:
        args, way, sentence = function.forbidden
        reply = call(function.name, args)
        if close(reply.get("value"), way(*args)):
            return Verdict(WRONG, sentence)
    return Verdict(RIGHT, PRINTS if any(reply["printed"] for reply in replies) else "")


def fault(function, reply, args, expected):
    """A sentence on what is wrong with one answer, or None."""
    if "error" in reply:
        return reply["error"] + (f" for {inputs(function, args)}" if args else "")
    value = reply["value"]
    if reply["changed"]:
        return f"it changes its argument {', '.join(reply['changed'])}; work on a copy"
    if value is None:
        return "it returns None: is a return missing?"
    if isinstance(value, Unknown):
        return f"it returns {value}; plain NumPy arrays of real numbers, or numbers, are asked"
    if function.judge is not None:
        return function.judge(value, *args)
    wrong = misfit(value, expected)
    if wrong:
        return f"{wrong} for {shapes(function, args)}"
    return None if close(value, expected) else differs(function, value, args, expected)


def misfit(value, expected):
    """A sentence if the answer is not of the kind that is asked: type, shape."""
    if np.ndim(expected) == 0:
        return None if is_number(value) else f"a float is asked; got {kind(value)}"
    if isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32):
        return f"float64 is asked; got {value.dtype}"
    same = isinstance(value, np.ndarray) and value.shape == expected.shape
    return None if same else f"{kind(expected)} is asked; got {kind(value)}"


def differs(function, value, args, expected):
    """What was given and what is asked, at the first place where they differ."""
    got, wanted, at = np.asarray(value), np.asarray(expected), ""
    if got.size > 6:
        place = tuple(np.argwhere(~np.isclose(got, wanted, **DIGITS))[0])
        got, wanted, at = got[place], wanted[place], f" at {[int(i) for i in place]}"
    return f"got {exactly(got)}, expected {exactly(wanted)}{at} for {inputs(function, args)}"


def is_number(value):
    if isinstance(value, np.ndarray):
        return value.shape == ()
    return isinstance(value, int | float | np.integer | np.floating)


def kind(value):
    """A value's type and shape in words."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    return "a float" if is_number(value) else f"a {type(value).__name__}"


def close(value, expected):
    if np.shape(value) != np.shape(expected) or value is None:
        return False
    return np.allclose(value, expected, **DIGITS)


def alike(value, wrong):
    """Whether a known mistake gives this answer, with inf and nan at the same places."""
    if np.shape(value) != np.shape(wrong):
        return False
    return np.allclose(value, wrong, **DIGITS, equal_nan=True)


def known(function, answers, cases, expected):
    """The known mistake that explains every answer, or None."""
    for sentence, ways in function.mistakes.items():
        for way in ways if isinstance(ways, tuple) else (ways,):
            if explains(function, way, answers, cases, expected):
                return sentence
    return None


def explains(function, way, answers, cases, expected):
    try:
        if function.judge:
            return all(way(a, *args) for a, args in zip(answers, cases, strict=True))
        triples = zip(answers, expected, cases, strict=True)
        return all(alike(a, way(e, *args)) for a, e, args in triples)
    except Exception:  # a mistake that cannot be made with these inputs
        return False


def inexact(function, answers, expected):
    """A sentence on answers that are right to some digits only: rounded, or almost right."""
    pairs = list(zip(answers, expected, strict=True))
    if function.judge or any(misfit(a, e) or not np.isfinite(a).all() for a, e in pairs):
        return None
    if len({float(v) for _, e in pairs for v in np.ravel(np.round(e))}) < 3:
        return None  # too few different numbers to tell
    for digits in range(9):
        if all(np.allclose(a, np.round(e, digits), rtol=1e-14, atol=1e-14) for a, e in pairs):
            return f"it is rounded to {digits} digits after the point; give back all digits"
    if all(np.array_equal(a, np.trunc(e)) for a, e in pairs):
        return "it holds whole numbers: what stands after the point was cut off"
    if all(np.allclose(a, np.float32(e), rtol=1e-12) for a, e in pairs):
        return "it is in float32; keep float64 throughout"
    if all(np.allclose(a, e, rtol=1e-4, atol=1e-4) for a, e in pairs):
        return (
            "it comes near the exact answer, but not to eight digits: "
            "is something rounded, kept in float32, or approximated?"
        )
    return None


def inputs(function, args):
    """The arguments, short enough to work through by hand."""
    named = zip(parameters(function.name), args, strict=True)
    return ", ".join(f"{name} = {shown(value)}" for name, value in named)


def shapes(function, args):
    """The arguments' shapes, and numbers as they are."""
    named = zip(parameters(function.name), args, strict=True)
    return ", ".join(f"{name} {outline(value)}" for name, value in named)


def outline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {np.shape(part)}" for key, part in value.items()) + "}"
    return f"of shape {np.shape(value)}" if np.ndim(value) else f"= {shown(value)}"


def shown(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    array = np.asarray(value)
    if array.size > 12:
        begin = ", ".join(f"{v:.6g}" for v in array.ravel()[:3])
        return f"an array of shape {array.shape} that begins with {begin}"
    return np.array2string(array, precision=6, separator=", ").replace("\n", "")


def exactly(value):
    return np.array2string(np.asarray(value), precision=10).replace("\n", "")


def of_exercise(exercise, verdicts):
    """The exercise's verdict from those of its functions, a dict name -> Verdict."""
    names = {f.name for f in exercise.functions}
    found = {name: v for name, v in verdicts.items() if name in names}
    wrong = [f"{name}: {v.text}" for name, v in found.items() if v.status == WRONG]
    todo = [name for name, v in found.items() if v.status == TODO]
    if wrong:
        return Verdict(WRONG, "\n".join(wrong))
    if todo:
        left = f"still to do: {', '.join(todo)}" if len(todo) < len(found) else ""
        return Verdict(TODO, left)
    return Verdict(RIGHT, "\n".join(f"{name}: {v.text}" for name, v in found.items() if v.text))


def graded(verdicts):
    """(exercise, verdict, functions that are right, functions) of each exercise that was graded."""
    rows = []
    for exercise in EXERCISES:
        own = [verdicts[f.name] for f in exercise.functions if f.name in verdicts]
        if own:
            count = sum(v.status == RIGHT for v in own)
            rows.append((exercise, of_exercise(exercise, verdicts), count, len(exercise.functions)))
    return rows


def lines(verdicts, warnings=()):
    """A line an exercise, what was left out of the file, and a line with the sums."""
    texts = {v.text for v in verdicts.values()}
    if len(texts) == 1 and "cannot be loaded" in min(texts):
        return ["", *texts]
    rows, out = graded(verdicts), [""]
    for row in rows:
        out += exercise_lines(*row)
    count = dict.fromkeys((RIGHT, WRONG, TODO), 0)
    for _, verdict, _, _ in rows:
        count[verdict.status] += 1
    warned = [f"warning: {text}" for text in warnings or ()]
    return [*out, *warned, ", ".join(f"{n} {status}" for status, n in count.items())]


def exercise_lines(exercise, verdict, right, of):
    share = f" ({right} of {of} right)" if of > 1 and verdict.status != RIGHT and right else ""
    head = f"ex {exercise.number:2}  {exercise.title:38} {verdict.status}{share}"
    return [head, *(f"       {part}" for part in verdict.text.splitlines())]


def record_of(verdicts, impl, seed, warnings=()):
    """The same as a dict for JSON."""
    return {
        "file": impl,
        "seed": seed,
        "warnings": list(warnings or ()),
        "exercises": [
            {
                "number": exercise.number,
                "title": exercise.title,
                "status": verdict.status,
                "right": right,
                "of": of,
                "functions": {
                    f.name: vars(verdicts[f.name]) for f in exercise.functions if f.name in verdicts
                },
            }
            for exercise, verdict, right, of in graded(verdicts)
        ],
    }


def write_json(path, record):
    with atomic_write(path) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
