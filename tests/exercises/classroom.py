"""`python -m tests.exercises.classroom FOLDER [--out FOLDER] [--points FILE] [--seed K] ..`: a
whole class.

Grades every .py and .ipynb file in FOLDER and below, four at a time, each in a process and a folder
of its own. Writes one JSON file a student, and marks.csv. A run that was stopped goes on where it
was: a file is graded anew only if it, the seed, or the grader has changed.
"""

import argparse
import csv
import hashlib
import io
import json
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rnnvae_ref.numerics import atomic_write
from tests.exercises import grading, run
from tests.exercises.exercises import EXERCISES

HERE = Path(__file__).parent
KINDS = (".py", ".ipynb")


def hand_ins(folder):
    """The files to grade, in order. In a student's own folder, helper files beside one are none."""
    files = [
        path for path in sorted(folder.rglob("*")) if is_hand_in(path.relative_to(folder), path)
    ]
    answers = {path for path in files if defines_something(path)}
    helped = {path.parent for path in answers} - {folder}
    return [path for path in files if path in answers or path.parent not in helped]


def is_hand_in(relative, path):
    """No caches, no check points of Jupyter, no resource forks in zips made on a Mac."""
    hidden = any(part.startswith((".", "__")) for part in relative.parts)
    return path.suffix.lower() in KINDS and path.is_file() and not hidden


def defines_something(path):
    text = path.read_bytes().decode("utf-8", errors="replace")
    return any(re.search(rf"\bdef {name}\b|\b{name} *=[^=]", text) for name in run.NAMES)


def read_points(path):
    """Points for each exercise from a table "exercise,points", or ValueError."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        text = file.read()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text else ","))
    try:
        points = {int(row["exercise"]): float(row["points"]) for row in rows}
    except (KeyError, TypeError, ValueError):
        points = {}
    if set(points) != {e.number for e in EXERCISES} or not all(
        0 <= p < 1e6 for p in points.values()
    ):
        wanted = f"the columns exercise,points and one row for each of 1 to {len(EXERCISES)}"
        raise ValueError(f"{path} must have {wanted}, with points of 0 or more")
    return points


def fingerprint(path, folder, seed, limit):
    """Changes with the file, what stands beside it, the seed and the grader."""
    beside = sorted(path.parent.rglob("*.py")) if path.parent != folder else []
    beside = [other for other in beside if other.is_file()]
    state = hashlib.sha256(f"{seed} {limit}".encode())
    for file in [path, *beside, *sorted(HERE.glob("*.py"))]:
        state.update(file.read_bytes())
    return state.hexdigest()


def grade_one(path, folder, seed, limit, total):
    """The record of one file. It runs in a copy, where it finds no other student's file."""
    with tempfile.TemporaryDirectory() as scratch:
        if path.parent == folder:
            copy = Path(shutil.copy2(path, scratch))
        else:
            own = shutil.copytree(path.parent, Path(scratch) / "own", symlinks=True)
            copy = Path(own) / path.name
        call = run.Apart(copy, limit, total)
        try:
            functions = [f for exercise in EXERCISES for f in exercise.functions]
            verdicts = {f.name: grading.grade(f, call, seed) for f in functions}
        finally:
            call.close()
    return grading.record_of(verdicts, path.relative_to(folder).as_posix(), seed, call.warnings)


def grade_and_keep(path, folder, seed, limit, total, target, key):
    """The record of one file, which is also written; what cannot be graded is said in it."""
    functions = [f.name for exercise in EXERCISES for f in exercise.functions]
    try:
        record = grade_one(path, folder, seed, limit, total)
    except Exception as error:  # one student's folder must not cost the others their marks
        broken = grading.Verdict(grading.WRONG, f"{path.name} cannot be loaded: {error}")
        name = path.relative_to(folder).as_posix()
        record = grading.record_of(dict.fromkeys(functions, broken), name, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    grading.write_json(target, record | {"fingerprint": key})
    return record | {"fingerprint": key}


def marks(record, points):
    """(points of each exercise, what was said): each function has a share of the points."""
    rows = record["exercises"]
    share = {row["number"]: row["right"] / row["of"] for row in rows}
    earned = {number: value * share.get(number, 0.0) for number, value in points.items()}
    said = [
        f"{row['number']} {name}: {verdict['text']}"
        for row in rows
        for name, verdict in row["functions"].items()
        if verdict["status"] == grading.WRONG
    ]
    if len({text.split(": ", 1)[1] for text in said}) == 1 and "cannot be loaded" in said[0]:
        said = [said[0].split(": ", 1)[1]]
    return earned, "\n".join([*said, *(f"warning: {text}" for text in record["warnings"])])


def write_csv(path, records, points):
    """One row a student, for a spreadsheet."""
    numbers = list(points)
    rows = [["name", "total", *(f"ex {n}" for n in numbers), "what was said"]]
    rows.append(["(points)", f"{sum(points.values()):g}", *(f"{points[n]:g}" for n in numbers), ""])
    for name in sorted(records):
        earned, said = marks(records[name], points)
        total = f"{sum(earned.values()):.4g}"
        rows.append([harmless(name), total, *(f"{earned[n]:.4g}" for n in numbers), harmless(said)])
    with atomic_write(path) as part:
        with open(
            part, "w", encoding="utf-8-sig", newline=""
        ) as file:  # so that Excel shows umlauts
            csv.writer(file).writerows(rows)


def harmless(text):
    """A file name must not become a formula in a spreadsheet."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def stored(path, key):
    """The record that an earlier run has left, if it is of the same file and grader."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("fingerprint") == key else None


def grade_class(folder, out, points, seed=0, limit=5.0, total=60.0, jobs=4, tell=print):
    """Grade all files of a folder. Returns the records, name -> record."""
    files, records, waiting = hand_ins(folder), {}, {}
    with ThreadPoolExecutor(jobs) as pool:
        for path in files:
            name = path.relative_to(folder).as_posix()
            target, key = out / f"{name}.json", fingerprint(path, folder, seed, limit)
            records[name] = stored(target, key)
            if records[name] is None:
                args = path, folder, seed, limit, total, target, key
                waiting[pool.submit(grade_and_keep, *args)] = name
        try:
            for job in as_completed(waiting):
                name = waiting[job]
                records[name] = job.result()
                tell(f"{summary(records[name])}  {name}")
        except KeyboardInterrupt:
            tell("stopping, when the files that have begun are graded ..")
            pool.shutdown(cancel_futures=True)
            raise SystemExit("stopped; the same command goes on from here") from None
    write_csv(out / "marks.csv", records, points)
    return records


def summary(record):
    right = sum(row["status"] == grading.RIGHT for row in record["exercises"])
    return f"{right:2} of {len(EXERCISES)} right"


def arguments():
    parser = argparse.ArgumentParser(
        prog="python -m tests.exercises.classroom", description="Grade a class."
    )
    parser.add_argument(
        "folder", type=Path, help="where the .py and .ipynb files are, or folders with them"
    )
    parser.add_argument(
        "--out", type=Path, help="where marks.csv and the JSON files go (FOLDER_marks)"
    )
    parser.add_argument(
        "--points", type=Path, default=HERE / "points.csv", help="the table of points"
    )
    parser.add_argument("--seed", type=int, default=0, help="other data for the same exercises (0)")
    parser.add_argument(
        "--limit", type=float, default=5.0, help="seconds that one call may take (5)"
    )
    parser.add_argument(
        "--total", type=float, default=60.0, help="seconds that one file may take (60)"
    )
    parser.add_argument("--jobs", type=int, default=4, help="files at a time (4)")
    return parser.parse_args()


def main():
    args = arguments()
    folder = args.folder.resolve()
    if not folder.is_dir():
        raise SystemExit(
            f"DIR must name a folder with the files of a class; there is no {args.folder}"
        )
    if args.seed < 0 or args.limit <= 0 or args.total <= 0 or args.jobs < 1:
        raise SystemExit("--seed must be 0 or larger; --limit, --total and --jobs larger than 0")
    out = (args.out or folder.with_name(f"{folder.name}_marks")).resolve()
    if out.is_relative_to(folder):
        raise SystemExit(f"--out must not lie inside of the class's folder; got {out}")
    try:
        points = read_points(args.points)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    settings = (args.seed, args.limit, args.total, args.jobs)
    records = grade_class(folder, out, points, *settings)
    print(f"{len(records)} files; marks and what was said: {out / 'marks.csv'}")


if __name__ == "__main__":
    sys.exit(main())
