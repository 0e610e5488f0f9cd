r"""How a figure is made, and many of them side by side: each in one process with one thread, so one
core gives the same bytes as many.
"""

import importlib
import json
import math
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version

import matplotlib.pyplot as plt
import numpy as np

from figures import style

NAMES = sorted(path.stem for path in style.HERE.glob("fig[0-9][0-9]_*.py"))
MOST_PROCESSES = 61  # Windows waits for no more at once


def make(name, folder, kinds=("png", "pdf"), study=False, **settings):
    r"""Compute, plot and write one figure. Returns its record and the seconds it took."""
    print(f"{recorded_as(name, study)} ..", flush=True)
    start = time.perf_counter()
    module = importlib.import_module(f"figures.{name}")
    settings = (module.STUDY if study else {}) | settings
    computed = style.rounded(module.compute(np.random.default_rng(0), **settings))
    numbers = json.loads(json.dumps(computed))
    headline = {
        key: {"value": value, "tolerance": tolerance}
        for key, (value, tolerance) in module.headline(numbers).items()
    }
    record = {"figure": recorded_as(name, study), "settings": settings}
    record |= {"headline": style.rounded(headline), "numbers": numbers}
    with style.drawing():
        figure = module.plot(numbers)
        seconds = time.perf_counter() - start
        if folder == style.PUBLISHED:
            record["made"] = where_and_when() | {"seconds": round(seconds, 1)}
        style.write(record, figure, folder, kinds)
        plt.close(figure)
    return record, seconds


def recorded_as(name, study):
    return f"{name}_study" if study else name


def where_and_when():
    r"""The machine and the versions behind published numbers; every figure starts from numpy's
    default_rng(0).
    """
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "autograd")},
    }
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "system": platform.system(),
        "seed": 0,
        **versions,
    }


def in_pool(names, jobs, one):
    r"""(record, seconds) of one(name) for each name, as they are done, in `jobs` processes.

    Always in processes other than this one, started in the same way on every system; so Ctrl-C ends
    a training at once, which `fit` alone would take for the wish to stop early.
    """
    if not names:
        return
    jobs = min(jobs, len(names), MOST_PROCESSES)
    new = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, new, initializer=begin_process, initargs=(jobs,)) as pool:
        try:
            for done in as_completed([pool.submit(one, name) for name in names]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def begin_process(jobs):
    r"""A process of the pool ends with its parent, and shows no running line where others would
    write over it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if jobs > 1:
        sys.stderr.isatty = lambda: False


def cores():
    r"""How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_published(name, study=False):
    r"""What a figure took when it was published; infinity for one that is new, so that it starts
    first.
    """
    record = style.read(style.PUBLISHED / f"{recorded_as(name, study)}.json") or {}
    return record.get("made", {}).get("seconds", math.inf)


def up_to_date(name, settings):
    r"""Whether a figure's files are there, with these settings, and younger than the code. Its JSON
    is written last.
    """
    png, pdf, numbers = (style.OUT / f"{name}.{kind}" for kind in ("png", "pdf", "json"))
    record = style.read(numbers) or {}
    if record.get("settings") != settings or not (png.exists() and pdf.exists()):
        return False
    package = style.HERE.parent / "rnnvae_ref"
    own = [style.HERE / f"{name}.py", *style.HERE.glob("*.mplstyle")]
    shared = [path for path in style.HERE.glob("*.py") if path.stem not in NAMES]
    sources = [*own, *shared, *package.glob("*.py"), *package.glob("datasets/*")]
    return numbers.stat().st_mtime >= max(path.stat().st_mtime for path in sources)
