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


def outcome(function, args):
    """What came of function(*args): a dict with "value", or "error", or "todo"; "printed" and "changed" name side effects."""
    given, shown = copy.deepcopy(args), io.StringIO()
    try:
        with contextlib.redirect_stdout(shown), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*given)
    except NotImplementedError:
        return {"todo": True}
    except SystemExit:
        return {"error": "it calls sys.exit(); return instead"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}{line_of(error, getattr(function, '__globals__', {}).get('__file__'))}"}
    changed = [name for name, new, old in zip(parameters(function), given, args, strict=False) if not same(new, old)]
    return {"value": plain(value), "printed": bool(shown.getvalue()), "changed": changed}


def line_of(error, file):
    """Where in the student's own file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {lines[-1]})" if lines else ""


def parameters(function):
    return list(inspect.signature(function).parameters)


def same(a, b):
    """Equal, dicts of arrays included."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def plain(value):
    """Numbers, arrays and containers of them; of anything else, only what it is."""
    if isinstance(value, tuple | list):
        return type(value)([plain(part) for part in value]) if type(value) in (tuple, list) else Unknown(type(value).__name__)
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    numeric = isinstance(value, int | float | np.generic | str | None) or (
        isinstance(value, np.ndarray) and value.dtype != object
    )
    return value if numeric else Unknown(type(value).__name__)


class Unknown(str):
    """The name of a type that a grader can make nothing of."""


class Here:
    """Calls of functions in this process, {name: function}."""

    def __init__(self, functions):
        self.functions = functions

    def __call__(self, name, args):
        return outcome(self.functions[name], args) if name in self.functions else {"todo": True}


class Apart:
    """Calls of the functions of a student's file in a process of its own. What hangs is ended after `limit` seconds."""

    def __init__(self, path, limit=5.0):
        self.path, self.limit, self.process, self.broken = Path(path), limit, None, None

    def __call__(self, name, args):
        if self.process is None and self.broken is None:
            self.broken = self.start()
        return self.broken or self.ask((name, args))

    def start(self):
        """Load the file. Returns what went wrong, or None."""
        command = [sys.executable, "-c", f"from {__name__} import serve; serve({str(self.path)!r})"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        reply = self.ask(None, self.limit + 10.0)  # the first start may have to read libraries from a slow disk
        if "error" not in reply:
            return None
        self.close()
        return {"error": f"{self.path.name} cannot be loaded: {reply['error']}"}

    def ask(self, call, limit=None):
        """One call, one reply; a process that hangs or ends is replaced at the next call."""
        late = threading.Event()
        timer = threading.Timer(limit or self.limit, lambda: (late.set(), self.process.kill()))
        timer.start()
        try:
            pickle.dump(call, self.process.stdin)
            self.process.stdin.flush()
            return pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            code = self.close()
            hung = f"it did not finish within {limit or self.limit:g} seconds: is there an endless loop?"
            return {"error": hung if late.is_set() else f"it ended Python (exit code {code})"}
        finally:
            timer.cancel()

    def close(self):
        """End the process, if there is one. Returns its exit code."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.kill()
        process.communicate()  # closes the pipes
        return process.returncode


def load(path):
    """The student's module."""
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("student", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loaded(path):
    """(module, reply): what the file is, or one sentence on why it is nothing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return load(path), {}
    except SystemExit:
        return None, {"error": "it calls sys.exit() when it is loaded"}
    except SyntaxError as error:
        return None, {"error": f"{type(error).__name__} in line {error.lineno}: {error.msg}"}
    except Exception as error:
        return None, {"error": f"{type(error).__name__}: {error}{line_of(error, str(path))}"}


def one_call(module, name, args):
    """The student's function, while all other exercises' functions in the student's file are the reference's."""
    if name not in vars(module):
        return {"todo": True}
    own = {other: vars(module)[other] for other in NAMES if other in vars(module)}
    vars(module).update({other: getattr(solutions, other) for other in NAMES if other != name})
    try:
        return outcome(own[name], args)
    finally:
        for other in NAMES:
            vars(module).pop(other, None)
        vars(module).update(own)


def serve(path):
    """Answer calls until the other side goes away. Standard output belongs to the answers, so prints go elsewhere."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    pickle.load(sys.stdin.buffer)
    module, reply = loaded(path)
    pickle.dump(reply, out)
    out.flush()
    with contextlib.suppress(EOFError):
        while module is not None:
            name, args = pickle.load(sys.stdin.buffer)
            pickle.dump(one_call(module, name, args), out)
            out.flush()
