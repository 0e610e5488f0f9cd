"""One contender in a process of its own: reads a command a line as JSON, answers a line of JSON."""

import json
import os
import resource
import sys
import time

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one processor, whatever threads a library starts

import numpy as np

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.problems import problem


def ready(name, shape, **changes):
    """step and read of a contender, run once: caches are warm, and JAX has compiled."""
    start = time.perf_counter()
    step, read = CONTENDERS[name](*problem(shape, **changes))
    step()
    return step, read, time.perf_counter() - start


def timed(step, seconds):
    """Seconds of one step, over as many as fit into `seconds`, at least one."""
    count, start, now = 0, time.perf_counter(), 0.0
    while now < seconds:
        step()
        count, now = count + 1, time.perf_counter() - start
    return now / count


def result(read, step):
    value, gradients = read(step())
    return {"value": float(value), "gradients": {key: np.ravel(g).tolist() for key, g in gradients.items()}}


def memory():
    """The largest this process has been, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def answers(name, shape):
    """The commands of one contender at one problem."""
    step, read, first = ready(name, shape)
    return {
        "first": lambda: first,
        "result": lambda: result(read, step),
        "time": lambda: timed(step, 0.1),
    }


def main(name):
    for line in sys.stdin:
        command, shape = json.loads(line)
        if command == "open":
            known, answer = answers(name, shape), "ready"
        else:
            answer = known[command]()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
