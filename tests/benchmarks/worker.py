"""One contender in a process of its own: a command a line as JSON comes in, an answer a line goes
out.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

if hasattr(os, "sched_setaffinity"):  # one processor, whatever threads a library starts
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np

from tests.benchmarks import from_file
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.problems import problem

SECONDS = 0.2  # the least that one measurement lasts


class Worker:
    """What can be asked of a contender; `open` comes first."""

    def __init__(self, name):
        self.name = name

    def open(self, shape):
        """Set up the problem and run it once, which warms caches and lets JAX compile. Seconds of
        that first run.
        """
        self.step, self.read = CONTENDERS[self.name](*problem(shape))
        start = time.perf_counter()
        self.step()
        return time.perf_counter() - start

    def result(self):
        value, gradients = self.read(self.step())
        return [float(value), {key: np.ravel(g).tolist() for key, g in gradients.items()}]

    def time(self):
        """Seconds of one value and gradient, after one that is not counted: others have had the
        processor since.
        """
        self.step()
        count, start, passed = 0, time.perf_counter(), 0.0
        while passed < SECONDS:
            self.step()
            count, passed = count + 1, time.perf_counter() - start
        return passed / count

    def memory(self, shape):
        """Bytes by which the largest size of this process grows in a value and gradient, its
        imports being done; None where the system does not tell.
        """
        if resource is None:
            return None
        self.open("g1")  # imports, and what a library sets up once
        before = largest()
        self.open(shape)
        return largest() - before

    def two_hundred_steps(self):
        """200 steps of Adam at c1: the parent times the whole process."""
        training = {"ours": ours, "torch_rnn": torch_rnn, "jax_scan": jax_scan}[self.name]
        return float(training(*problem("c1")))

    def from_file(self, task, path):
        """Seconds from a text file to a saved model; the parent times the whole process."""
        if self.name == "torch_rnn":
            import torch  # noqa: F401  its import is counted by the parent only
        start = time.perf_counter()
        getattr(from_file, self.name)(path, from_file.STEPS[task])
        return time.perf_counter() - start


def largest():
    """The largest this process has been, in bytes. On Linux ru_maxrss would begin with the size of
    the parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.search(r"VmHWM:\s*(\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def ours(rnn, theta, X):
    from rnnvae_ref import fit
    from rnnvae_ref.particles import trajectory_mixture

    result = fit(
        lambda theta, X, rng: trajectory_mixture(rnn, theta, X),
        theta,
        X,
        rng=np.random.default_rng(0),
        steps=200,
        every=200,
    )
    return result.history["objective"][-1]


def torch_rnn(rnn, theta, X):
    import torch

    from tests.benchmarks import contenders

    step, _ = contenders.torch_rnn(rnn, theta, X)
    value, parameters = step()
    optimiser = torch.optim.Adam(parameters.values(), lr=0.01)
    for _ in range(200):
        optimiser.step()
        value, _ = step()
    return -value.item()


def jax_scan(rnn, theta, X):
    import jax
    import jax.numpy as jnp

    from tests.benchmarks.contenders import jax_loss

    loss, p, X = jax_loss(theta, X)

    @jax.jit
    def update(i, p, m, v):
        value, g = jax.value_and_grad(loss)(p, X)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        moved = lambda p, m, v: p - 0.01 * m / (1 - 0.9**i) / (jnp.sqrt(v / (1 - 0.999**i)) + 1e-8)
        return value, jax.tree.map(moved, p, m, v), m, v

    m = v = jax.tree.map(jnp.zeros_like, p)
    for i in range(1, 201):
        value, p, m, v = update(float(i), p, m, v)
    return -value


def main(name):
    worker = Worker(name)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, command)(*arguments)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
