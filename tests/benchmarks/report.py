"""What the measurements say: targets, a table of ratios, a figure."""

import platform
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from autograd.core import make_vjp

from figures import style
from rnnvae_ref.particles import trajectory_mixture
from tests.benchmarks.problems import SHAPES, SIZES, problem

COLOURS = {
    "plain": style.BASELINE,
    "by_hand": style.ORANGE,
    "torch_rnn": style.BOUND,
    "torch_loop": style.PINK,
    "jax_scan": style.SECOND,
    "floor": style.EXACT,
}
LABELS = {
    "plain": "plain autograd loop",
    "by_hand": "NumPy by hand",
    "torch_rnn": "PyTorch nn.RNN",
    "torch_loop": "PyTorch loop",
    "jax_scan": "JAX, compiled",
    "floor": "matrix products only",
}


def medians(numbers):
    """{shape: {contender: median seconds}}."""
    return {
        shape: {name: float(np.median(s)) for name, s in race["seconds"].items()}
        for shape, race in numbers["races"].items()
    }


def ratios(numbers):
    """{shape: {contender: our median over theirs}}, with "torch" the better of the two PyTorch
    forms.
    """
    found = {}
    for shape, m in medians(numbers).items():
        m["torch"] = min(m["torch_rnn"], m["torch_loop"])
        found[shape] = {name: m["ours"] / seconds for name, seconds in m.items() if name != "ours"}
    return found


def targets(numbers):
    """Rows (what, worst measured, at most), only for the shapes that were run."""
    r = ratios(numbers)
    of = lambda name, shapes: [r[s][name] for s in shapes.split() if s in r]
    every, batched, single = " ".join(SHAPES), "c1 c2 c3 c4 g1 g2 g3 g4", "c5 g5"
    start = {name: float(np.median(s)) for name, s in numbers["start"].items()}
    memory = numbers["memory"] if all(numbers["memory"].values()) else None  # Windows tells none
    file = numbers["from file"]
    rows = [
        ("against nn.RNN, all shapes", of("torch_rnn", every), 0.75),
        ("against the better PyTorch, all shapes", of("torch", every), 1.0),
        ("against the better PyTorch, N = 1 (c5, g5)", of("torch", single), 0.25),
        ("against compiled JAX, c1-c4 and g1-g4", of("jax_scan", batched), 1.0),
        ("against compiled JAX, N = 1 (c5, g5)", of("jax_scan", single), 1.6),
        ("against the matrix products, c3, c4, g3, g4", of("floor", "c3 c4 g3 g4"), 2.0),
        (
            "200 steps from process start, against PyTorch",
            [start["ours"] / start["torch_rnn"]],
            0.2,
        ),
        ("200 steps from process start, against JAX", [start["ours"] / start["jax_scan"]], 0.2),
        ("from a file to a saved model, against PyTorch", file_ratio(file, "names", "whole"), 0.5),
        (
            "one line of 2000 among 300 names, against PyTorch",
            file_ratio(file, "unequal", "training"),
            1.0,
        ),
        ("peak memory at c4, against nn.RNN", memory_ratio(memory, "torch_rnn"), 0.5),
        ("peak memory at c4, against the PyTorch loop", memory_ratio(memory, "torch_loop"), 0.5),
        ("time at T = 1600 over T = 400", [numbers["growth"]["T"]], 5.0),
        ("time at L = 16 over L = 4", [numbers["growth"]["L"]], 5.0),
        ("time at S = 16 over S = 4", [numbers["growth"]["S"]], 5.0),
    ]
    return [(what, max(values), most) for what, values, most in rows if values]


def file_ratio(file, task, part):
    """[our median seconds over PyTorch's]."""
    ours, theirs = (float(np.median(file[task][name][part])) for name in ("ours", "torch_rnn"))
    return [ours / theirs]


def memory_ratio(memory, name):
    return [memory["ours"] / memory[name]] if memory else []


def headline(numbers):
    """Each row of the targets, with half of its value for a tolerance: ratios move from one
    processor to another.
    """
    return {what: {"value": value, "tolerance": 0.5 * value} for what, value, _ in targets(numbers)}


def table(numbers):
    """Milliseconds of ours and the ratio to each contender, shape by shape; then the targets."""
    m, r = medians(numbers), ratios(numbers)
    lines = ["", "one value and gradient: ours in ms, then ours over the other"]
    lines.append(f"{'':4}{'ours':>9}" + "".join(f"{name:>12}" for name in LABELS))
    for shape in m:
        lines.append(
            f"{shape:4}{1e3 * m[shape]['ours']:9.3f}"
            + "".join(f"{r[shape][name]:12.3f}" for name in LABELS)
        )
    compiling = np.median([race["first"]["jax_scan"] for race in numbers["races"].values()])
    lines += ["", f"JAX compiles for {compiling:.2f} s (median), not counted"]
    lines += [
        f"autograd nodes in a gradient: {numbers['nodes']}",
        "",
        f"{'worst':>8} {'at most':>8}",
    ]
    for what, value, most in targets(numbers):
        lines.append(f"{value:8.3f} {most:8.2f}  {what}{'' if value <= most else '   <-- not met'}")
    return lines


def nodes():
    """How many operations autograd records for one value and gradient, at any size."""
    rnn, theta, X = problem("c1")
    vjp, _ = make_vjp(lambda theta: -np.mean(trajectory_mixture(rnn, theta, X)), theta)
    seen, stack = (
        set(),
        [c.cell_contents for c in vjp.__closure__ if hasattr(c.cell_contents, "parents")],
    )
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.parents
    return len(seen)


def processor():
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def plot(numbers):
    """Every contender's time over ours, shape by shape: to the right of 1 they are slower."""
    figure, axis = plt.subplots()
    r = ratios(numbers)
    for name, label in LABELS.items():
        axis.plot(
            [1 / r[s][name] for s in r], range(len(r)), "o", ms=5, color=COLOURS[name], label=label
        )
    axis.axvline(1.0, color=style.RNN, lw=1.5)
    sizes = [f"{s}: {', '.join(map(str, SIZES[s[1]][:3]))}, {SIZES[s[1]][4]}" for s in r]
    axis.set(
        xscale="log", xlabel="time over ours, log scale", yticks=range(len(r)), yticklabels=sizes
    )
    axis.set_title("N, T, D, L", loc="left", x=-0.3)
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=3)
    return figure
