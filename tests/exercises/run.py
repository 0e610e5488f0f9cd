"""Runs a student's functions: here, or in a process of their own that may hang, crash or exit without harm.

That process reads calls as pickles and writes what came of each.
"""

import contextlib
import copy
import importlib.util
import inspect
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from pathlib import Path

import numpy as np

from tests.exercises import solutions

ROOT = Path(__file__).parents[2]
NAMES = [name for name, f in vars(solutions).items() if inspect.isfunction(f) and f.__module__ == solutions.__name__]


def outcome(function, args, name, file=None):
    """What came of function(*args): a dict with "value", or "error", or "todo"; "printed" and "changed" tell side effects."""
    given, screen = copy.deepcopy(args), io.TextIOWrapper(io.BytesIO())
    try:
        with contextlib.redirect_stdout(screen), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*given)
    except SystemExit:
        return {"error": "it calls sys.exit(); return instead"}
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:
            return {"todo": True}
        return {"error": sentence(error) + line_of(error, file)}
    screen.flush()
    changed = [key for key, new, old in zip(parameters(name), given, args, strict=True) if not same(new, old)]
    return {"value": plain(value), "printed": bool(screen.buffer.getvalue()), "changed": changed}


def sentence(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def line_of(error, file):
    """Where in the student's own file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {lines[-1]})" if lines else ""


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
    return Unknown(type(value).__name__) if own or not isinstance(value, int | float | np.number | None) else value


class Unknown(str):
    """The name of a type that a grader can make nothing of."""


class Here:
    """Calls of functions in this process, {name: function}."""

    def __init__(self, functions):
        self.functions = functions

    def __call__(self, name, args, own=False):
        return outcome(self.functions[name], args, name) if name in self.functions else {"todo": True}


class Apart:
    """Calls of the functions of a student's file in a process of its own. What hangs is ended after `limit` seconds."""

    def __init__(self, path, limit=5.0):
        self.path, self.limit, self.process, self.broken = Path(path), limit, None, None

    def __call__(self, name, args, own=False):
        if self.process is None and self.broken is None:
            self.broken = self.start()
        return self.broken or self.ask((name, args, own))

    def start(self):
        """Load the file. Returns what went wrong, or None."""
        command = [sys.executable, "-c", f"from {__name__} import serve; serve({str(self.path)!r})"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, start_new_session=True)
        reply = self.ask(None, self.limit + 10.0)  # the first start may have to read libraries from a slow disk
        if "error" not in reply:
            return None
        self.close()
        return {"error": f"{self.path.name} cannot be loaded: {reply['error']}", "ended": True}

    def ask(self, call, limit=None):
        """One call, one reply; a process that hangs or ends is replaced at the next call."""
        late, process = threading.Event(), self.process
        timer = threading.Timer(limit or self.limit, lambda: (late.set(), end(process)))
        timer.start()
        try:
            pickle.dump(call, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = self.close()
            hung = f"it did not finish within {limit or self.limit:g} seconds: is there an endless loop?"
            return {"error": hung if late.is_set() else f"it ended Python (exit code {code})", "ended": True}
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
    """Kill a process, and where the system can, all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


def load(path):
    """The student's module."""
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("student", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def loaded(path):
    """(module, reply): what the file is, or one sentence on why it is nothing."""
    try:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            return load(path), {}
    except SystemExit:
        return None, {"error": "it calls sys.exit() when it is loaded"}
    except SyntaxError as error:
        return None, {
            "error": f"{type(error).__name__} in line {error.lineno} of {Path(error.filename or path).name}: {error.msg}"
        }
    except Exception as error:
        return None, {"error": sentence(error) + line_of(error, str(path))}


def one_call(module, name, args, own=False):
    """The student's function, while those of all other exercises are the reference's, unless `own`.

    They are replaced wherever the student's file or a helper file beside it names them.
    """
    if name not in vars(module):
        return {"todo": True}
    theirs = {id(vars(module)[other]): other for other in NAMES if other != name and other in vars(module)}
    spaces = [vars(m) for m in list(sys.modules.values()) if m is module or beside(m, module)]
    swaps = [(space, key, value) for space in spaces for key, value in list(space.items()) if id(value) in theirs]
    missing = [other for other in NAMES if other not in vars(module)]
    vars(module).update({other: getattr(solutions, other) for other in missing})
    for space, key, value in [] if own else swaps:
        space[key] = getattr(solutions, theirs[id(value)])
    try:
        return outcome(vars(module)[name], args, name, module.__file__)
    finally:
        for space, key, value in swaps:
            space[key] = value
        for other in missing:
            del vars(module)[other]


def beside(other, module):
    """Whether a module is a helper file in the student's folder."""
    file = getattr(other, "__file__", None)
    return bool(file) and Path(file).parent == Path(module.__file__).parent and other is not solutions


def serve(path):
    """Answer calls until the other side goes away. Both pipes are moved away from where input() and prints would find them."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    pickle.load(calls)
    module, reply = loaded(path)
    with contextlib.suppress(EOFError):
        while True:
            pickle.dump(reply, answers)
            answers.flush()
            reply = one_call(module, *pickle.load(calls))
