"""One test a function. Without --impl it is the reference solutions that are graded."""

import pytest

from tests.exercises.exercises import EXERCISES
from tests.exercises.grading import TODO, WRONG

FUNCTIONS = [
    pytest.param(
        function,
        id=f"ex{exercise.number}-{function.name}",
        marks=getattr(pytest.mark, f"ex{exercise.number}"),
    )
    for exercise in EXERCISES
    for function in exercise.functions
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function(function, grade):
    verdict = grade(function)
    if verdict.status == TODO:
        pytest.skip(TODO)
    if verdict.status == WRONG:
        pytest.fail(verdict.text, pytrace=False)
