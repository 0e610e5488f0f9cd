"""Runs a student's functions: here, or in a process of their own that may hang, crash or exit
without harm.

That process reads calls as pickles and writes what came of each.
"""

import contextlib
import copy
import difflib
import inspect
import io
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from tests.exercises import solutions
from tests.exercises.submission import is_stub, loaded, sentence

ROOT = Path(__file__).parents[2]
NAMES = [
    name
    for name, f in vars(solutions).items()
    if inspect.isfunction(f) and f.__module__ == solutions.__name__
]


def outcome(function, args, name, submission=None):
    """What came of function(*args): a dict with "value", or "error", or "todo"; "printed" and
    "changed" tell side effects.
    """
    given, screen = copy.deepcopy(args), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    where = submission.where if submission else lambda error: ""
    try:
        with (
            contextlib.redirect_stdout(screen),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            value = function(*given)
    except SystemExit:
        return {"error": "it calls sys.exit(); return instead"}
    except Exception as error:
        if isinstance(error, NotImplementedError) and (
            not error.args or raised_in(submission, error)
        ):
            return {"todo": True}
        return {"error": f"{sentence(error)} {where(error)}".strip()}
    screen.flush()
    changed = [
        key
        for key, new, old in zip(parameters(name), given, args, strict=True)
        if not same(new, old)
    ]
    return {"value": plain(value), "printed": bool(screen.buffer.getvalue()), "changed": changed}


def raised_in(submission, error):
    """Whether the student's own text raised it, and not a library that it calls."""
    step = error.__traceback__
    while step.tb_next:
        step = step.tb_next
    return submission is not None and step.tb_frame.f_code.co_filename in submission.names


def parameters(name):
    return list(inspect.signature(getattr(solutions, name)).parameters)


def same(a, b):
    """Equal, dicts of arrays included."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def plain(value):
    """Real numbers, arrays of them, and containers; of anything else, only what it is."""
    if isinstance(value, tuple | list):
        return (tuple if isinstance(value, tuple) else list)(plain(part) for part in value)
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if type(value) is np.ndarray:
        return value if value.dtype.kind in "biuf" else Unknown(f"array of {value.dtype}")
    own = isinstance(value, np.ndarray) or type(value).__module__ not in ("builtins", "numpy")
    return (
        Unknown(type(value).__name__)
        if own or not isinstance(value, int | float | np.number | None)
        else value
    )


class Unknown(str):
    """The name of a type that a grader can make nothing of."""


class Here:
    """Calls of functions in this process, {name: function}."""

    def __init__(self, functions):
        self.functions = functions

    def __call__(self, name, args, own=False):
        return (
            outcome(self.functions[name], args, name) if name in self.functions else {"todo": True}
        )


class Apart:
    """Calls of the functions of a student's file in a process of its own.

    A call that hangs is ended after `limit` seconds; after `total` seconds nothing more is called.
    """

    def __init__(self, path, limit=5.0, total=float("inf"), folder=None):
        self.path, self.limit, self.folder = Path(path), limit, Path(folder or Path(path).parent)
        self.until = time.monotonic() + total
        self.process, self.broken, self.warnings, self.plain = None, None, None, False

    def __call__(self, name, args, own=False):
        if time.monotonic() > self.until:
            return {"error": "not graded: the time for this file was up", "ended": True}
        if self.process is None and self.broken is None:
            self.broken = self.start()
        return self.broken or self.ask((name, args, own))

    def start(self):
        """Load the file; one that does not end, without what it runs. Returns what went wrong, or
        None.
        """
        reply = self.load()
        if "ended" in reply and not self.plain:
            self.plain, first = True, reply["error"]
            reply = self.load()
            reply["warnings"] = [
                f"loading: {first}; only its definitions were run",
                *reply.get("warnings", []),
            ]
        self.warnings = reply.get("warnings", []) if self.warnings is None else self.warnings
        if "error" not in reply:
            return None
        self.close()
        return {"error": f"{self.path.name} cannot be loaded: {reply['error']}", "ended": True}

    def load(self):
        call = f"serve({str(self.path)!r}, {str(self.folder)!r}, {self.plain})"
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import serve; {call}"
        )
        pipe, threads = (
            subprocess.PIPE,
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        )
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=pipe, stdout=pipe, cwd=self.folder, start_new_session=True,
            env=os.environ | dict.fromkeys(threads, "1") | {"MPLBACKEND": "Agg"},
        )  # fmt: skip
        return self.ask(
            None, self.limit + 10.0
        )  # the first start may read libraries from a slow disk

    def ask(self, call, limit=None):
        """One call, one reply; a process that hangs or ends is replaced at the next call."""
        late, process, limit = threading.Event(), self.process, limit or self.limit
        timer = threading.Timer(limit, lambda: (late.set(), end(process)))
        timer.start()
        try:
            pickle.dump(call, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = self.close()
            hung = f"it did not finish within {limit:g} seconds: is there an endless loop?"
            return {
                "error": hung if late.is_set() else f"it ended Python (exit code {code})",
                "ended": True,
            }
        finally:
            timer.cancel()

    def close(self):
        """End the process, if there is one. Returns its exit code."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        with contextlib.suppress(OSError):
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)  # one that ends by itself has an exit code of its own
        end(process)
        process.wait()
        process.stdout.close()
        return process.returncode


def end(process):
    """Kill a process and all that it has started."""
    if os.name == "nt":  # no groups there; taskkill follows the tree
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def one_call(submission, name, args, own=False):
    """The student's function, while those of all other exercises are the reference's, unless `own`.

    They are replaced wherever the student's file or a helper file beside it names them.
    """
    module = submission.module
    if name not in vars(module):
        return {"todo": True, "why": why_missing(submission, name)}
    theirs = {
        id(vars(module)[other]): other for other in NAMES if other != name and other in vars(module)
    }
    spaces = [vars(m) for m in list(sys.modules.values()) if m is module or beside(m, submission)]
    swaps = [
        (space, key, value)
        for space in spaces
        for key, value in list(space.items())
        if id(value) in theirs
    ]
    missing = [other for other in NAMES if other not in vars(module)]
    vars(module).update({other: getattr(solutions, other) for other in missing})
    for space, key, value in [] if own else swaps:
        space[key] = getattr(solutions, theirs[id(value)])
    try:
        return unfinished(submission, name, outcome(vars(module)[name], args, name, submission))
    finally:
        for space, key, value in swaps:
            space[key] = value
        for other in missing:
            vars(module).pop(other, None)


def unfinished(submission, name, reply):
    """The reply; an empty body is not done yet, and an empty body below a full one is told."""
    found = submission.definitions(name)
    empty = bool(found) and is_stub(found[-1][1])
    if "todo" not in reply and not (empty and reply.get("value", 0) is None):
        return reply
    full = [part.place(node.lineno) for part, node in found if not is_stub(node)]
    if empty and full:
        last = found[-1][0].place(found[-1][1].lineno)
        return {
            "todo": True,
            "why": f"it stands twice: written in {full[-1]}, but empty in {last}; "
            "take the empty one out",
        }
    return {"todo": True}


def why_missing(submission, name):
    """A sentence where the function seems to be there, but not to be found; else an empty one."""
    if name in submission.lost:
        return submission.lost[name]
    own = {
        key
        for key, value in vars(submission.module).items()
        if callable(value) and submission.definitions(key)
    }
    bare = {re.sub(r"[\W\d_]", "", key.lower()): key for key in own - set(NAMES)}
    near = difflib.get_close_matches(re.sub("_", "", name), bare, 1, 0.8)
    return f"there is no `{name}`, but `{bare[near[0]]}`: is the name misspelt?" if near else ""


def beside(other, submission):
    """Whether a module is a helper file in the student's folder."""
    file = getattr(other, "__file__", None) or ""
    return os.path.dirname(file) == str(submission.folder) and other is not solutions


def serve(path, folder, only_definitions):
    """Answer calls until the other side goes away. Both pipes are moved away from where input() and
    prints would find them.
    """
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    pickle.load(calls)
    submission, reply = loaded(path, folder, only_definitions)
    with contextlib.suppress(EOFError):
        while True:
            pickle.dump(reply, answers)
            answers.flush()
            reply = one_call(submission, *pickle.load(calls))
