"""`pytest tests/exercises --impl mine.py [--seed K] [--limit SECONDS] [--json FILE] [-m ex3]`
grades a file.
"""

from pathlib import Path

import pytest

from tests.exercises import grading, run, solutions
from tests.exercises.exercises import EXERCISES

VERDICTS, WARNINGS = pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("exercises")
    group.addoption(
        "--impl", help="the .py or .ipynb file to grade; without it the reference solutions are"
    )
    group.addoption("--seed", type=int, default=0, help="other data for the same exercises (0)")
    group.addoption("--limit", type=float, default=5.0, help="seconds that one call may take (5)")
    group.addoption("--json", help="write the verdicts to this file")


def pytest_configure(config):
    config.stash[VERDICTS] = {}
    for exercise in EXERCISES:
        config.addinivalue_line("markers", f"ex{exercise.number}: {exercise.title}")
    impl = config.getoption("impl", None)
    if config.getoption("seed", 0) < 0 or config.getoption("limit", 1.0) <= 0:
        raise pytest.UsageError("--seed must be 0 or larger, --limit larger than 0")
    if impl is not None and not Path(impl).is_file():
        raise pytest.UsageError(
            f"--impl must name a Python file or a notebook; there is no {impl} (make skeleton "
            "writes one)"
        )
    out = config.getoption("json", None)
    if out and not Path(out).resolve().parent.is_dir():
        raise pytest.UsageError(f"--json must name a file in a folder that is there; got {out}")


@pytest.fixture(scope="session")
def call(request):
    """Calls a function of the file that is graded, in its own process; the reference's here."""
    impl = request.config.getoption("impl", None)
    if impl is None:
        yield run.Here(vars(solutions))
        return
    apart = run.Apart(Path(impl).resolve(), request.config.getoption("limit"))
    yield apart
    request.config.stash[WARNINGS] = apart.warnings
    apart.close()


@pytest.fixture
def grade(call, request):
    """The verdict on a function, which is also kept for the summary."""

    def graded(function):
        verdict = grading.grade(function, call, request.config.getoption("seed", 0))
        request.config.stash.setdefault(VERDICTS, {})[function.name] = verdict
        return verdict

    return graded


def pytest_terminal_summary(terminalreporter, config):
    impl, verdicts = config.getoption("impl", None), config.stash.get(VERDICTS, {})
    if impl and not verdicts:
        terminalreporter.write_line(f"nothing was graded: exercises are ex1 to ex{len(EXERCISES)}")
    if impl and verdicts:
        warnings = config.stash.get(WARNINGS, [])
        for line in grading.lines(verdicts, warnings):
            terminalreporter.write_line(line)
        if config.getoption("json"):
            record = grading.record_of(
                verdicts, Path(impl).name, config.getoption("seed"), warnings
            )
            grading.write_json(config.getoption("json"), record)
