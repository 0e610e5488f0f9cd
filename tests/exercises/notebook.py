"""`python -m tests.exercises.notebook [FILE]`: the lab as one notebook, from the sheets and the
skeleton.

For each exercise: its sheet, a cell for the pencil part, the functions to fill in, the sheet's
example, and check(n), which calls the same grader on the cells that have run.
"""

import argparse
import ast
import doctest
import json
import re
import tempfile
from pathlib import Path

from tests.exercises import grading, run, skeleton
from tests.exercises.exercises import EXERCISES
from tests.exercises.submission import SETUP, Part, parsed

SHEETS = run.ROOT / "derivations" / "exercises"
HEAD = """# Lab: an RNN as a variational model

Eleven exercises on Sohl-Dickstein and Kingma, arXiv:1504.08025. Run the next two cells first. Then,
for each exercise: read the sheet, write the pencil part into the cell below it, fill in the
functions, run their cell, and run `check(n)`. It grades the cells that you have run, in a process
of its own.

{conventions}

Hand in this notebook as it is; `make check IMPL={name}` and `make class` grade it.
"""
FIND = (
    SETUP
    + """, beside the notebook or in a zip, and what Python lacks.
import importlib.util, pathlib, subprocess, sys, zipfile

def is_repository(folder):
    return (folder / "tests" / "exercises" / "notebook.py").is_file()

here = pathlib.Path.cwd()
if not any(map(is_repository, [here, *here.parents, *here.glob("*/"), *here.glob("*/*/")])):
    for file in sorted(here.glob("*.zip")):
        with zipfile.ZipFile(file) as archive:
            if any(name.endswith("tests/exercises/notebook.py") for name in archive.namelist()):
                archive.extractall(here)
places = [here, *here.parents, *sorted(here.glob("*/")), *sorted(here.glob("*/*/"))]
root = next(filter(is_repository, places), None)
if root is None:
    raise SystemExit(f"The repository is not found from {here}. Open this notebook inside of it; "
                     "or, on Colab, upload the repository's zip beside the notebook, or clone it.")
lacking = [name for name in ("numpy", "scipy", "autograd") if not importlib.util.find_spec(name)]
if lacking and subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *lacking]):
    raise SystemExit(f"Python lacks {', '.join(lacking)}: start Jupyter from the "
                     "repository's own .venv")
sys.path.insert(0, str(root))
for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
    del sys.modules[name]  # another package may have that name
from tests.exercises.notebook import checker

check = checker(get_ipython())
print("ready:", root.name)
"""
)


def notebook(name="lab.ipynb"):
    """The notebook as a dict, ready for JSON."""
    tree, stubs = skeleton.parts()
    conventions = ast.get_docstring(tree).split("\n\n", 1)[1].replace("\n", " ")
    head = HEAD.format(name=name, conventions=conventions)
    cells = [markdown("head", head), code("setup", FIND), code("imports", "import numpy as np")]
    for exercise in EXERCISES:
        cells += exercise_cells(exercise, stubs)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def exercise_cells(exercise, stubs):
    """Sheet, pencil cell, task, functions to fill in, example, check."""
    n = f"ex{exercise.number:02d}"
    path = sheet_of(exercise)
    before, _, task = path.read_text(encoding="utf-8").partition("\n## Code\n")
    functions = "\n\n\n".join(stubs[f.name].strip() for f in exercise.functions)
    shown = code(f"{n}-example", example(task))
    shown["metadata"] = {"tags": ["raises-exception"]}  # before it is done: "Run all" goes on
    return [
        markdown(f"{n}-sheet", before),
        markdown(f"{n}-pencil", pencil(exercise, before)),
        markdown(f"{n}-task", "## Code\n" + task),
        code(f"{n}-code", functions),
        shown,
        code(f"{n}-check", f"check({exercise.number})"),
    ]


def pencil(exercise, text):
    """The cell for proofs: a place for each question."""
    places = re.findall(r"^\d\. ", text, flags=re.M)
    return "\n".join([f"*Exercise {exercise.number}, pencil part. Write here:*\n", *places])


def sheet_of(exercise):
    return next(SHEETS.glob(f"{exercise.number:02d}_*.md"))


def example(text):
    """The statements of a sheet's examples, with what they print as comments."""
    lines = []
    for shown in doctest.DocTestParser().get_examples(text):
        source = shown.source.rstrip()
        bare = isinstance(ast.parse(source).body[-1], ast.Expr) and not source.startswith("print(")
        if bare:
            statement, _, remark = source.partition("      #")
            source = f"display({statement.rstrip()})" + (f"  # {remark.strip()}" if remark else "")
        lines += [source, *(f"# {line}" for line in shown.want.splitlines())]
    return "\n".join(lines)


def markdown(name, text):
    text = re.sub(
        r"^```python\n.*?^```\n?", "", text, flags=re.M | re.S
    )  # it has a cell of its own
    text = re.sub(r"```math\n(.*?)\n```", r"$$\n\1\n$$", text, flags=re.S)
    text = re.sub(r"\$`(.+?)`\$", r"$\1$", text)
    text = re.sub(r"\]\((\.\./)?(?!http)([\w./#-]+)\)", from_root, text)
    return cell(name, "markdown", text)


def from_root(match):
    """Links of a sheet, as seen from the root, where the notebook is written."""
    up, path = match.groups()
    return f"](derivations/{'' if up else 'exercises/'}{path})"


def code(name, text):
    return cell(name, "code", text) | {"execution_count": None, "outputs": []}


def cell(name, kind, text):
    lines = text.strip("\n").splitlines(keepends=True)
    return {"cell_type": kind, "id": name, "metadata": {}, "source": lines}


# check(n), inside of a notebook


def checker(shell, limit=5.0):
    """check(n) for a notebook's shell: the verdict on exercise n, or on all of them, and what to
    mend.
    """

    def check(number=None, seed=0):
        numbers = {exercise.number for exercise in EXERCISES}
        if number is not None and number not in numbers:
            raise ValueError(f"exercises are 1 to {len(numbers)}; got {number!r}")
        chosen = [e for e in EXERCISES if number in (None, e.number)]
        print("\n".join(check_cells(cells_of(shell), chosen, seed, limit)))

    return check


def cells_of(shell):
    """(number, text) of the cells that have run, without those that Python refused."""
    texts = shell.history_manager.input_hist_raw
    return [(i, text) for i, text in enumerate(texts) if i and reads(text)]


def reads(text):
    try:
        parsed(Part("<cell>", text, "cell"))
    except (SyntaxError, ValueError):
        return False
    return True


def check_cells(cells, exercises, seed=0, limit=5.0):
    """The lines of the report on some exercises, graded on cells (number, text)."""
    ran = [code("", text) | {"execution_count": number} for number, text in cells]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notebook.ipynb"
        path.write_text(json.dumps({"cells": ran}), encoding="utf-8")
        call = run.Apart(path, limit, folder=Path.cwd())
        try:
            functions = [f for exercise in exercises for f in exercise.functions]
            verdicts = {f.name: grading.grade(f, call, seed) for f in functions}
        finally:
            call.close()
    lines = grading.lines(verdicts, call.warnings)[1:]
    return lines[:-1] if len(exercises) == 1 and len(lines) > 1 else lines


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.exercises.notebook", description="Write the lab."
    )
    parser.add_argument("file", nargs="?", default="lab.ipynb")
    path = Path(parser.parse_args().file)
    if path.exists():
        raise SystemExit(
            f"{path} is there already, and is left as it is; give another name, or move it away"
        )
    text = json.dumps(notebook(path.name), indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    print(f"{path} is written. Open it with Jupyter, VS Code or Colab.")


if __name__ == "__main__":
    main()
