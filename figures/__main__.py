r"""python -m figures [N ...] [--seeds K] [--steps K] [--study] [--publish] [--compare]"""

import argparse
import importlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np

from figures import style

NAMES = sorted(path.stem for path in style.HERE.glob("fig[0-9][0-9]_*.py"))


def make(name, folder, kinds=("png", "pdf"), study=False, **settings):
    r"""Compute, plot and write one figure. Returns its record and the seconds it took."""
    module, start = importlib.import_module(f"figures.{name}"), time.perf_counter()
    settings = (module.STUDY if study else {}) | settings
    numbers = json.loads(json.dumps(style.rounded(module.compute(np.random.default_rng(0), **settings))))
    headline = {key: {"value": value, "tolerance": tol} for key, (value, tol) in module.headline(numbers).items()}
    record = {"figure": name + "_study" * study, "settings": settings, "headline": style.rounded(headline), "numbers": numbers}
    with style.drawing():
        figure = module.plot(numbers)
        seconds = time.perf_counter() - start
        if folder == style.PUBLISHED:
            record["made"] = where_and_when() | {"seconds": round(seconds, 1)}
        style.write(record, figure, folder, kinds)
        plt.close(figure)
    return record, seconds


def where_and_when():
    r"""The machine and the versions behind published numbers; every figure starts from numpy's default_rng(0)."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "autograd")}}
    return {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "system": platform.system(), "seed": 0, **versions}


def show(record, seconds):
    print(f"{record['figure']}  ({seconds:.1f} s)")
    for key, entry in record["headline"].items():
        print(f"    {key}: {entry['value']:.4g}")


def compare():
    r"""Fresh headline numbers beside the published ones. Returns how many lie outside their tolerance."""
    names = [path.name for path in sorted(style.PUBLISHED.glob("*.json")) if (style.OUT / path.name).exists()]
    if not names:
        raise SystemExit("there is nothing to compare in figures/out yet; make the figures first: python -m figures")
    print(f"\n{'fresh':>10} {'published':>10} {'tolerance':>10}")
    outside = sum(map(compare_one, names))
    print(
        "All fresh numbers lie within tolerance." if not outside else f"{outside} lie outside; see README, 'Numbers that move'."
    )
    return outside


def compare_one(name):
    r"""The same for one figure. A number that the fresh figure lacks lies outside, too."""
    old, new = (json.loads((folder / name).read_text(encoding="utf-8"))["headline"] for folder in (style.PUBLISHED, style.OUT))
    print(name.removesuffix(".json"))
    outside = 0
    for key, entry in old.items():
        value = new[key]["value"] if key in new else float("nan")
        far = not abs(value - entry["value"]) <= entry["tolerance"]
        outside += far
        print(f"{value:10.4g} {entry['value']:10.4g} {entry['tolerance']:10.2g}  {key}{'   <-- outside' if far else ''}")
    return outside


def chosen(words):
    r"""Names of figures from numbers ("3"), names ("fig03_colour_names") or nothing (all)."""
    found = [
        name for word in words for name in NAMES if word == name or (word.isdigit() and name.startswith(f"fig{int(word):02d}_"))
    ]
    if len(found) != len(words):
        raise SystemExit(f"figures must be among 1..{len(NAMES)} or {', '.join(NAMES)}; got {' '.join(words)}")
    return found or NAMES


def positive(word):
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or larger; got {word}")
    return int(word)


def arguments():
    parser = argparse.ArgumentParser(prog="python -m figures", description="Make the figures in figures/out.")
    parser.add_argument("figure", nargs="*", help="its number or name; all of them by default")
    parser.add_argument("--seeds", type=positive, help="training runs for each setting")
    parser.add_argument("--steps", type=positive, help="training steps of each run")
    parser.add_argument("--study", action="store_true", help="the full matrix of settings, for the figures that have one")
    parser.add_argument("--publish", action="store_true", help="write to figures/published, what README shows")
    parser.add_argument("--compare", action="store_true", help="only print fresh against published headline numbers")
    return parser.parse_args()


def main():
    r"""Returns how many numbers lie outside their tolerance, where that was asked for."""
    args = arguments()
    if args.compare:
        return compare()
    settings = {key: getattr(args, key) for key in ("seeds", "steps") if getattr(args, key) is not None}
    folder, kinds = (style.PUBLISHED, ("png",)) if args.publish else (style.OUT, ("png", "pdf"))
    for name in chosen(args.figure):
        if not args.study or hasattr(importlib.import_module(f"figures.{name}"), "STUDY"):
            show(*make(name, folder, kinds, args.study, **settings))
    if not args.figure and not args.publish:
        compare()
    return 0


def finish():
    sys.exit(1 if main() else 0)


if __name__ == "__main__":
    finish()
