"""One interleaved run of all contenders on one processor: a table with targets, a JSON and a
figure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version

import numpy as np
from numpy.testing import assert_allclose

from figures import style
from figures.__main__ import positive
from figures.making import where_and_when
from tests.benchmarks import from_file, report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.problems import SHAPES, problem

ONE_THREAD = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"], "1"
)
ONE_THREAD["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
OPPONENTS = ("ours", "torch_rnn", "jax_scan")


class Contender:
    """A worker process, and questions to it."""

    def __init__(self, name):
        command = [sys.executable, "-m", "tests.benchmarks.worker", name]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
            cwd=style.HERE.parent,
        )

    def ask(self, *command):
        print(json.dumps(command), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(
                f"{' '.join(self.process.args[1:])} ended without an answer to {command}"
            )
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def once(name, *command):
    """One answer from a process that does nothing else, and the seconds of the whole process."""
    start, contender = time.perf_counter(), Contender(name)
    answer = contender.ask(*command)
    contender.close()
    return answer, time.perf_counter() - start


def check_same(results):
    """All contenders give the values and gradients that the plain loop gives, to 1e-8."""
    value, gradients = results["plain"]
    for name, (other, g) in results.items():
        assert_allclose(other, value, rtol=1e-8, err_msg=name)
        for key, expected in gradients.items():
            assert_allclose(
                g[key],
                expected,
                rtol=1e-8,
                atol=1e-8 * np.abs(expected).max(),
                err_msg=f"{name}, {key}",
            )


def race(shape, contenders, rounds):
    """Seconds of one value and gradient, a list of `rounds` for each contender; first runs (JAX
    compiles there) apart.
    """
    first = {name: contender.ask("open", shape) for name, contender in contenders.items()}
    check_same(
        {name: contender.ask("result") for name, contender in contenders.items() if name != "floor"}
    )
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(contender.ask("time"))
    return {"seconds": seconds, "first": first}


def growth(rounds):
    """Seconds and memory of ours as T, L and S grow fourfold, interleaved: ratios of medians."""
    from autograd import grad

    from rnnvae_ref.particles import trajectory_mixture

    def gradient(T=400, L=4, S=4):
        rnn, theta, X = problem("c1", T=T, L=L)
        eps = np.random.default_rng(0).standard_normal((T - 1, S, 1, 1, rnn.hidden))
        run = grad(lambda theta: np.sum(trajectory_mixture(rnn, theta, X, eps, 0.1)))
        return lambda: run(theta)

    runs = {"base": gradient(), "T": gradient(T=1600), "L": gradient(L=16), "S": gradient(S=16)}
    seconds = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name] += [time.perf_counter() - start] * (i > 0)
    medians = {name: float(np.median(s)) for name, s in seconds.items()}
    return {name: medians[name] / medians["base"] for name in ("T", "L", "S")}


def from_files(rounds):
    """{task: {contender: {"whole": seconds of the process, "training": of what it did}}}."""
    with tempfile.TemporaryDirectory() as folder:
        files = from_file.write(folder)
        found = {
            task: {name: {"whole": [], "training": []} for name in ("ours", "torch_rnn")}
            for task in files
        }
        for _ in range(rounds):
            for task, path in files.items():
                for name, row in found[task].items():
                    training, whole = once(name, "from_file", task, path)
                    row["training"].append(training)
                    row["whole"].append(whole)
    return found


def measure(shapes, rounds):
    """Everything, as a dict of numbers."""
    contenders = {name: Contender(name) for name in CONTENDERS}
    races = {}
    for shape in shapes:
        print(f"{shape} ..", end=" ", flush=True, file=sys.stderr)
        races[shape] = race(shape, contenders, rounds)
    for contender in contenders.values():
        contender.close()
    starts = {name: [] for name in OPPONENTS}
    for _ in range(rounds):
        for name in OPPONENTS:
            starts[name].append(once(name, "two_hundred_steps")[1])
    memory = {name: once(name, "memory", "c4")[0] for name in CONTENDERS if name != "floor"}
    print(file=sys.stderr)
    return {
        "races": races,
        "start": starts,
        "from file": from_files(rounds),
        "memory": memory,
        "growth": growth(rounds),
        "nodes": report.nodes(),
    }


def arguments():
    words = "Time one value and gradient; needs PyTorch and JAX."
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=words)
    add = parser.add_argument
    add("shape", nargs="*", choices=[*SHAPES, []], help="c1 .. g5; all of them by default")
    add("--rounds", type=positive, default=7, help="measurements of each contender (7)")
    add("--publish", action="store_true", help="write to figures/published, not figures/out")
    return parser.parse_args()


def main():
    args = arguments()
    numbers = json.loads(json.dumps(style.rounded(measure(args.shape or SHAPES, args.rounds))))
    made = where_and_when() | {name: version(name) for name in ("torch", "jax")}
    made |= {"processor": report.processor(), "rounds": args.rounds}
    print("\n".join(report.table(numbers)))
    record = {"figure": "bench", "headline": report.headline(numbers), "numbers": numbers}
    record["made"] = made
    folder = style.PUBLISHED if args.publish else style.OUT
    if not args.shape:
        with style.drawing():
            style.write(record, report.plot(numbers), folder, ("png",))


if __name__ == "__main__":
    main()
