"""`python -m tests.exercises.skeleton [FILE]`: the file to fill in, made from `solutions.py`, so
that signatures never drift.
"""

import argparse
import ast
from pathlib import Path

from tests.exercises import solutions
from tests.exercises.exercises import EXERCISES

HEAD = '''"""My answers to the exercises in derivations/exercises. Grading: make check IMPL={name}

{conventions}
Helper functions of your own are welcome. A function that still raises NotImplementedError counts as
not done yet.
"""

import numpy as np
'''


def parts():
    """(the tree of solutions.py, name -> signature and docstring with an empty body)."""
    source = Path(solutions.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return tree, {node.name: stub(source, node) for node in functions}


def skeleton(name="mine.py"):
    """The text of the file: signatures and docstrings of the solutions, without their bodies."""
    tree, stubs = parts()
    conventions = ast.get_docstring(tree).split("\n\n", 1)[1]
    text = [HEAD.format(name=name, conventions=conventions)]
    for exercise in EXERCISES:
        text.append(f"\n# Exercise {exercise.number}: {exercise.title}\n")
        text += [stubs[function.name] for function in exercise.functions]
    return "\n".join(text)


def stub(source, node):
    """def line and docstring as they stand, and a body to be written."""
    lines = source.splitlines()[node.lineno - 1 : node.body[0].end_lineno]
    return "\n" + "\n".join(lines) + "\n    raise NotImplementedError\n"


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.exercises.skeleton", description="Write the file to fill in."
    )
    parser.add_argument("file", nargs="?", default="mine.py")
    path = Path(parser.parse_args().file)
    if path.exists():
        raise SystemExit(
            f"{path} is there already, and is left as it is; give another name, or move it away"
        )
    path.write_text(skeleton(path.name), encoding="utf-8")
    print(f"{path} is written. Fill it in, then: make check IMPL={path}")


if __name__ == "__main__":
    main()
