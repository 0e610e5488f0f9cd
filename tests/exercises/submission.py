"""What was handed in: a .py or .ipynb file, or the cells that a notebook has run, as a module.

Each statement is run by itself, so that one unused import that fails, an own test or a print that
raises costs no more than itself. Cells are run in the order of the document.
"""

import __future__

import ast
import contextlib
import importlib.util
import io
import json
import re
import sys
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

SETUP = "# This cell finds the repository"  # the first line of the notebook's first cell
TIMING = ("%%time", "%%timeit", "%%capture", "%%prun")  # cell magics whose cell is Python


@dataclass(frozen=True)
class Part:
    """A piece of source text: the whole of a file, or one cell. name is what a traceback shows."""

    name: str
    text: str
    cell: str = ""

    def place(self, line):
        return f"{self.cell}, line {line}" if self.cell else f"line {line}"


def parts_of(path):
    """The parts of a .py or .ipynb file."""
    data = Path(path).read_bytes()
    if Path(path).suffix.lower() != ".ipynb":
        return [Part(str(path), text_of(data))]
    try:
        cells = json.loads(text_of(data))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [cell_part(i, cell) for i, cell in enumerate(code, 1)]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("this is no notebook of format 4 (JSON with a list of cells)") from error


def cell_part(i, cell):
    """Cells are named by the number beside them on the screen, In [7], where they have one."""
    shown = cell.get("execution_count")
    name = f"cell [{shown}]" if shown else f"code cell {i} of the file"
    return Part(f"<{name}>", "".join(cell["source"]), name)


def text_of(data):
    """Text as Python reads it (a byte order mark, a coding line), or else as Windows writes it."""
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError):
        return data.decode("cp1252", errors="replace").replace("\r\n", "\n")


def parsed(part):
    """(statements, the first line that is meant for IPython (%, !, ?), or None)."""
    text, first = part.text, None
    if part.cell and text.startswith("%%"):
        keep = text.split(maxsplit=1)[0] in TIMING
        text = "\n" + text.partition("\n")[2] if keep else ""
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "\s" in a docstring is no fault to tell of
                return ast.parse(text, part.name).body, first
        except SyntaxError as error:
            lines = text.splitlines()
            line = lines[error.lineno - 1] if 0 < (error.lineno or 0) <= len(lines) else ""
            if not re.match(r"\s*[%!?]|.*\?\s*$|\s*\w+ *= *[%!]", line):
                raise
            lines[error.lineno - 1] = re.match(r"\s*", line)[0] + "pass"
            first = first or (error.lineno, line.strip())
            text = "\n".join(lines)


class Submission:
    """A module made from a file. `lost`: name -> why it is not there; `warnings`: what was left
    out.

    Helper files are found in `folder`. Where `plain`, only definitions, imports and values without
    calls are run: a second try for a file that does not end.
    """

    def __init__(self, path, folder=None, plain=False):
        self.path, self.plain = Path(path), plain
        self.folder = Path(folder or self.path.parent)
        self.warnings, self.lost, self.flags, self.bodies = [], {}, 0, []
        self.module = types.ModuleType("student")
        self.module.__file__ = str(path)
        sys.modules["student"] = self.module
        if str(self.folder) not in sys.path:
            sys.path.append(str(self.folder))  # last: a file named random.py must not hide Python's
        self.parts = [part for part in parts_of(path) if not part.text.lstrip().startswith(SETUP)]
        self.names = {part.name: part for part in self.parts}
        notebook = self.path.suffix.lower() == ".ipynb"
        self.offered = (
            dict.fromkeys(("check", "display"), lambda *_, **__: None) if notebook else {}
        )
        vars(self.module).update(self.offered)

    def run(self):
        """Run all parts. A syntax error ends it in a file; a cell with one is left out."""
        for part in self.parts:
            try:
                body, magic = parsed(part)
            except (SyntaxError, ValueError) as error:
                if not part.cell:
                    raise
                self.lose(part, error)
                continue
            if magic and not part.cell:
                self.warnings.append(
                    f"{part.place(magic[0])}, `{magic[1]}`, is not Python; left out"
                )
            self.bodies.append((part, body))
        for part, body in self.bodies:
            for statement in body:
                self.run_one(part, statement)
        self.lost |= self.misplaced()
        for name in self.offered:
            vars(self.module).pop(name, None)
        return self

    def lose(self, part, error):
        """A cell with a syntax error: what it would have defined, and where the error is."""
        why = f"{part.place(getattr(error, 'lineno', 1))}: {type(error).__name__}: {error.args[0]}"
        self.warnings.append(f"{why}; this cell is left out")
        for name in re.findall(r"^def (\w+)\(", part.text, flags=re.M):
            self.lost[name] = why

    def run_one(self, part, statement):
        """One statement; if it fails, it is left out."""
        if self.plain and not is_plain(statement):
            return
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            names = (alias.name for alias in statement.names if hasattr(__future__, alias.name))
            self.flags |= sum(getattr(__future__, name).compiler_flag for name in names)
        try:
            tree = ast.Module([statement], type_ignores=[])
            code = compile(tree, part.name, "exec", flags=self.flags, dont_inherit=True)
            exec(code, vars(self.module))
        except SystemExit:
            self.leave_out(part, statement, "it ends Python")
        except Exception as error:
            if not isinstance(error, NotImplementedError):
                self.leave_out(part, statement, sentence(error))
            for name in defined_by(statement):
                self.lost[name] = f"its definition fails: {sentence(error)} {self.where(error)}"

    def leave_out(self, part, statement, why):
        """Tell of it, unless a notebook has shown it already."""
        if part.cell and isinstance(statement, ast.Expr | ast.Assert):
            return
        source = (ast.get_source_segment(part.text, statement) or "").strip().splitlines() or [""]
        shown = source[0] if len(source[0]) <= 40 else source[0][:37] + ".."
        self.warnings.append(f"{part.place(statement.lineno)}, `{shown}`: {why}; left out")

    def where(self, error):
        """(line 3) or (cell [5], line 3): the last place in the student's own text, or nothing."""
        places, step = [], error.__traceback__
        while step is not None:
            part = self.names.get(step.tb_frame.f_code.co_filename)
            places += [f"({part.place(step.tb_lineno)})"] if part else []
            step = step.tb_next
        return places[-1] if places else ""

    def misplaced(self):
        """What is written, but not where it can be found: name -> a sentence."""
        holders = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If)
        found = {}
        for part, body in self.bodies:
            for holder in (s for s in body if isinstance(s, holders)):
                for inner in ast.walk(holder):
                    if (
                        isinstance(inner, ast.FunctionDef)
                        and inner is not holder
                        and not is_stub(inner)
                    ):
                        place = f"inside of `{heading(holder)}` ({part.place(inner.lineno)})"
                        found[inner.name] = f"it stands {place}; begin it at the left margin"
        return found | self.lost

    def definitions(self, name):
        """All definitions of a function at the left margin, (part, node), as they were run."""
        return [
            (part, node)
            for part, body in self.bodies
            for node in body
            if isinstance(node, ast.FunctionDef) and node.name == name
        ]


def heading(statement):
    if isinstance(statement, ast.If):
        return f"if {ast.unparse(statement.test)}:"
    return f"{'class' if isinstance(statement, ast.ClassDef) else 'def'} {statement.name}"


def defined_by(statement):
    """The names that a statement at the left margin binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_plain(statement):
    """Imports, definitions, and assignments that call nothing but NumPy."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
        return all(ast.unparse(call).startswith(("np.", "numpy.", "math.")) for call in calls)
    return isinstance(
        statement,
        ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef,
    )


def is_stub(node):
    """Whether a function has nothing in it yet: a docstring, pass, .., or NotImplementedError."""
    text = lambda s: isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
    rest = [s for s in node.body if not text(s) and not isinstance(s, ast.Pass)]
    return not rest or (
        isinstance(rest[0], ast.Raise) and "NotImplementedError" in ast.unparse(rest[0])
    )


def sentence(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def loaded(path, folder=None, plain=False):
    """(submission, reply): the file, and {"warnings": ..} or {"error": why it is nothing}."""
    submission = None
    try:
        screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(screen), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            submission = Submission(path, folder, plain)
            submission.run()
    except SyntaxError as error:
        where = f"{type(error).__name__} in line {error.lineno} of {Path(path).name}"
        return None, {"error": f"{where}: {error.msg}"}
    except Exception as error:
        text = str(error) if isinstance(error, ValueError) else sentence(error)
        return None, {"error": text}
    return submission, {"warnings": submission.warnings}
