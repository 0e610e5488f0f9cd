"""A small run of each figure, computed once for all tests; on a machine with two cores or more in a
process of its own, while other tests run.
"""

import contextlib
import functools
import importlib
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from figures import making, style

SMALL = {
    "fig01_graphical_models": {},
    "fig02_two_objectives": {"seeds": 12},
    "fig03_colour_names": {"seeds": 1, "steps": 200, "sizes": (8, 32)},
    "fig04_durations": {"seeds": 1, "steps": 300, "sizes": (1,)},
    "fig05_forecasts": {"seeds": 1, "steps": 100, "sizes": (4,)},
    "fig06_sigma": {"seeds": 60, "sequences": 6},
    "fig07_learning_sigma": {"seeds": 2, "steps": 50},
    "fig08_estimator": {"seeds": 60},
    "fig09_nile": {"sigmas": (0.0, 30.0, 60.0)},
    "fig10_gap": {"seeds": 400},
    "fig11_two_readings": {},
    "fig12_halves_meet": {"seeds": 400, "sizes": (1, 4, 16, 64)},
    "fig13_fork": {"seeds": 1, "steps": 400},
    "fig14_collapse": {"seeds": 3},
    "fig15_sticky": {"seeds": 1},
    "fig16_two_particles": {"seeds": 1, "steps": 100},
    "fig17_names_particles": {"seeds": 1, "steps": 60},
    "fig18_symbols": {"seeds": 1, "steps": 10, "sizes": (2,), "starts": 2},
    "fig19_another_q": {"steps": 20, "sigmas": (0.0, 0.4), "models": ("tanh",)},
    "fig20_one_table": {},
}
AHEAD = {}  # name -> Future


def published(name):
    return json.loads((style.PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))["numbers"]


def computed(name):
    module = importlib.import_module(f"figures.{name}")
    return style.rounded(module.compute(np.random.default_rng(1), **SMALL[name]))


@functools.cache
def small_run(name):
    return AHEAD[name].result() if name in AHEAD else computed(name)


def numbers_of(name, source):
    return published(name) if source == "published" else small_run(name)


@contextlib.contextmanager
def begun():
    """All of them are on the way, where there is a second core for it."""
    if making.cores() == 1:
        yield
        return
    new = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, new, initializer=making.begin_process, initargs=(2,))
    AHEAD.update({name: pool.submit(computed, name) for name in SMALL})
    yield
    pool.shutdown(wait=False, cancel_futures=True)
