"""What an exercise is to the grader, and the mistakes that many exercises share."""

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Function:
    """One function to write: the inputs it is tried on, smallest first, and its exact answer.

    mistakes: sentence -> what it would return with that mistake, called with the exact answer and
    the arguments; or a tuple of such functions, where one mistake has several forms. A mistake is
    named where one of them explains every answer.
    Where many answers are right, judge(answer, *arguments) gives a sentence, or None, and a mistake
    is a condition: (answer, *arguments) -> bool.
    """

    name: str
    cases: callable
    exact: callable = None
    mistakes: dict = field(default_factory=dict)
    judge: callable = None
    forbidden: tuple = None  # (arguments, what a forbidden way returns there, the sentence on it)


@dataclass(frozen=True, eq=False)
class Exercise:
    number: int
    title: str
    functions: tuple


SIGN = {"the sign is wrong": lambda e, *_: -e}
BITS = {
    "these are bits; nats are asked, so take natural logarithms": lambda e, *_: e / np.log(2),
    "these are logarithms to base 10; nats are asked": lambda e, *_: e / np.log(10),
}
PER_STEP = {
    "divided by T: nats per sequence are asked, a sum over t and not a mean": lambda e, a, *_: (
        e / len(a)
    )
}
SMALL = [*(10.0**-k for k in range(3, 17)), 1e-20, 1e-30, 1e-50, 1e-100, 1e-300]
SMALL += [np.finfo(float).eps, np.finfo(float).tiny]


def plus(of):
    """The ways to keep log p from -inf that change it: of(change, *arguments) is the answer."""
    ways = [lambda p, s: p + s, lambda p, s: np.maximum(p, s), lambda p, s: np.clip(p, s, 1 - s)]
    forms = tuple(
        lambda e, *args, way=way, small=small: of(
            lambda log_p: np.log(way(np.exp(log_p), small)), e, *args
        )
        for way in ways
        for small in SMALL
    )
    return {"a small number is added to p, or p is cut off below; stay in logarithms": forms}


def log_mean(rows):
    """log of the mean of exp over a list of numbers, by a loop."""
    top = max(rows)
    return top + math.log(math.fsum(math.exp(v - top) for v in rows) / len(rows))


def exact_log_softmax(z):
    rows = z.reshape(-1, z.shape[-1]).tolist()
    table = [[v - log_mean(row) - math.log(len(row)) for v in row] for row in rows]
    return np.array(table).reshape(z.shape)


def soft_log_sum(a, top, axis):
    """log sum exp along an axis with some other number than the largest taken out: half-stable."""
    return np.log(np.exp(a - top).sum(axis=axis)) + np.squeeze(top, axis)
