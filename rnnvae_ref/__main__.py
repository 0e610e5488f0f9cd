r"""`python -m rnnvae_ref` evaluates the paper; with a number, one equation.

Exit code 1 if all was printed and some verdict is not the documented one."""

import argparse
import json
import os
import sys

from rnnvae_ref import __version__, paper

INTRODUCTION = """\
The paper's equations, evaluated on a small model:
T = 3 steps, D = 1 hidden unit, two sequences, unless a block says otherwise.
"""
KEY = """
Columns: left side, relation, right side, |left - right|, verdict.
All values are means over all entries, in nats (1 and 2: hidden states).
The left value is this line of the paper.
The right value is the line before, or a second way to compute this line.
Where the paper writes >=, right is this line, left the side it calls larger.
E_q(X)[.] is not written; ratio_l = p(H_l,X) / q(H_l|X).
holds*   true in a reading that the paper leaves open: deltas as the limit
         sigma -> 0 (8, 15); p(X) defined as the mixture of L models (18).
departs  not true as printed: (17) and (27) are no lower bounds; they are the
         log likelihood of another model.
A5 to C5 are propositions, not in the paper: derivations/README.md.
A number shows one equation with its source: python -m rnnvae_ref 14"""


def main(words=None):
    r"""The command. Returns the number of verdicts that are not the documented ones."""
    args = arguments(words)
    case = paper.Case(args.emission, args.seed)
    e = None if args.number is None else paper.EQUATIONS[args.number - 1]
    rows = paper.evaluate(case) if e is None else [paper.evaluated(e, case)]
    if args.json:
        print(json.dumps([vars(row) for row in rows], indent=1))
    else:
        print(table(rows) if e is None else "\n".join([*described(e), *map(line, rows), KEY]))
    return sum(row.verdict != row.documented for row in rows)


def arguments(words):
    r"""What was asked for; an unknown equation or a negative seed is an error of usage."""
    doc = "Evaluate the paper, left side against right side."
    parser = argparse.ArgumentParser(prog="python -m rnnvae_ref", description=doc)
    add = parser.add_argument
    add("number", nargs="?", type=int, help="one equation, 1 to 27, with its source")
    kinds = ("categorical", "gaussian")
    add("--emission", choices=kinds, default=kinds[0], help="what x_t is (default categorical)")
    add("--seed", type=int, default=0, help="of the small model's parameters and data (default 0)")
    add("--json", action="store_true", help="print the rows as JSON")
    add("--version", action="version", version=f"rnnvae_ref {__version__}")
    args = parser.parse_args(words)
    if args.seed < 0:
        parser.error(f"--seed must be 0 or larger; got {args.seed}")
    if args.number not in (None, *range(1, 28)):
        parser.error(f"number must be 1 to 27; got {args.number}")
    return args


def table(rows):
    r"""All rows, in blocks of one setting."""
    lines = [INTRODUCTION.rstrip()]
    for block in paper.BLOCKS:
        lines += ["", block, *(line(row) for row in rows if row.block == block)]
    return "\n".join([*lines, KEY])


def line(row):
    r"""One row in 80 columns."""
    gap = abs(row.left - row.right)
    sides = f"{row.left:10.5f} {row.relation:>2}{row.right:10.5f} {gap:7.0e}"
    return f"{row.number!s:>3} {row.says:37}{sides} {row.verdict}"


def described(e):
    r"""One equation: statement, place, source with that of its steps, setting of the value."""
    place = "Appendix A" if e.section == "A" else f"Section {e.section}"
    source = f"function: {e.name}, rnnvae_ref/{e.name.split('.')[0]}.py:{e.line}"
    lines = [f"Eq. ({e.number}), {place}:  {e.says}", source]
    if paper.checkout():
        lines += [f"derivation: {e.derivation}", f"test: {e.test_id}"]
    return [*lines, "", *e.sources(), e.block]


def quietly(run):
    r"""run(), or 0 where the reader of its output has gone (`| head -4`)."""
    try:
        result = run()
        sys.stdout.flush()
        return result
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(1 if quietly(main) else 0)
