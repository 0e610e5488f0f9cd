r"""python -m figures [N ...] [--seeds K] [--steps K] [--study] [--publish] [--changed] [--jobs K]
[--compare]
"""

import argparse
import importlib
import math
import sys
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from figures import style
from figures.making import NAMES, cores, in_pool, make, seconds_published, up_to_date
from rnnvae_ref.__main__ import quietly


def show(record, seconds):
    print(f"{record['figure']}  ({seconds:.1f} s)")
    for key, entry in record["headline"].items():
        print(f"    {key}: {entry['value']:.4g}", flush=True)


def compare():
    r"""Fresh headline numbers beside the published ones. Returns how many lie outside their
    tolerance or are missing.
    """
    fresh = {
        path.stem: style.read(style.OUT / path.name)
        for path in sorted(style.PUBLISHED.glob("*.json"))
    }
    there = [name for name, record in fresh.items() if record]
    wanted = [name for name in fresh if name in NAMES or (style.OUT / f"{name}.json").exists()]
    missing = [name for name in wanted if name not in there]
    if not there:
        raise SystemExit(
            "figures/out has nothing to compare yet; make the figures first: python -m figures"
        )
    print(f"\n{'fresh':>10} {'published':>10} {'tolerance':>10}")
    outside = sum(compare_one(name, fresh[name]["headline"]) for name in there)
    if outside:
        print(f"{outside} lie outside; see figures/README.md, 'Numbers that move'.")
    for name in missing:
        print(
            f"{name} was not compared: {style.OUT / name}.json is missing or broken; make it again."
        )
    if not outside and not missing:
        print("All fresh numbers lie within tolerance.")
    return outside + len(missing)


def compare_one(name, new):
    r"""The same for one figure. A number that the fresh figure lacks lies outside, too."""
    old = style.read(style.PUBLISHED / f"{name}.json")["headline"]
    print(name)
    outside = 0
    for key, entry in old.items():
        value = new[key]["value"] if key in new else math.nan
        far = not abs(value - entry["value"]) <= entry["tolerance"]
        outside += far
        row = f"{value:10.4g} {entry['value']:10.4g} {entry['tolerance']:10.2g}  {key}"
        print(row + "   <-- outside" * far)
    return outside


def chosen(words):
    r"""Names of figures from numbers ("3"), names ("fig03_colour_names") or nothing (all)."""
    found = {
        word: name
        for word in words
        for name in NAMES
        if word == name or (word.isdecimal() and name.startswith(f"fig{int(word):02d}_"))
    }
    if len(found) != len(set(words)):
        raise SystemExit(
            f"figures must be among 1..{len(NAMES)} or {', '.join(NAMES)}; got {' '.join(words)}"
        )
    return sorted(set(found.values())) or NAMES


def positive(word):
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or larger; got {word}")
    return int(word)


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m figures", description="Make the figures in figures/out."
    )
    add = parser.add_argument
    add("figure", nargs="*", help="its number or name; all of them by default")
    add("--seeds", type=positive, help="training runs for each setting")
    add("--steps", type=positive, help="training steps of each run")
    add("--jobs", type=positive, default=cores(), help="processes at a time (here %(default)s)")
    flags = {
        "--study": "the full matrix of settings, for the figures that have one",
        "--publish": "write to figures/published, what README shows",
        "--changed": "only figures that are older than their code, or not there",
        "--compare": "only print fresh against published headline numbers",
    }
    for flag, words in flags.items():
        add(flag, action="store_true", help=words)
    args = parser.parse_args()
    if args.changed and (args.study or args.publish):
        parser.error("--changed goes neither with --study nor with --publish")
    if args.compare and args.figure:
        parser.error("--compare compares all figures; give no figure with it")
    return args


def main():
    r"""Returns how many numbers lie outside their tolerance, where that was asked for."""
    args = arguments()
    if args.compare:
        return compare()
    make_all(args)
    if not args.figure and not args.publish:
        compare()
    return 0


def make_all(args):
    r"""Make the figures that were asked for, those that take longest first."""
    names = chosen(args.figure)
    if args.study:
        names = [
            name for name in names if hasattr(importlib.import_module(f"figures.{name}"), "STUDY")
        ]
        if not names:
            raise SystemExit("none of these figures has a study")
    settings = {
        key: getattr(args, key) for key in ("seeds", "steps") if getattr(args, key) is not None
    }
    if args.changed:
        wanted, names = names, [name for name in names if not up_to_date(name, settings)]
        print(f"{len(wanted) - len(names)} of {len(wanted)} up to date")
    folder, kinds = (style.PUBLISHED, ("png",)) if args.publish else (style.OUT, ("png", "pdf"))
    one = partial(make, folder=folder, kinds=kinds, study=args.study, **settings)
    names.sort(key=lambda name: -seconds_published(name, args.study))
    style.check_folder(folder)
    for record, seconds in in_pool(names, args.jobs, one):
        show(record, seconds)


def finish():
    try:
        outside = quietly(main)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the figures that were finished are kept") from None
    except BrokenProcessPool:
        raise SystemExit(
            "a process ended before its figure was made: too little memory? (--jobs 1 takes least)"
        ) from None
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    finish()
