r"""One look for all figures: the colours, what each stands for, and how a figure becomes files."""

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from rnnvae_ref.numerics import atomic_write

HERE = Path(__file__).parent
OUT, PUBLISHED = HERE / "out", HERE / "published"

# Okabe and Ito's colours. The same colour means the same quantity in every figure.
EXACT = "#000000"  # exact answers and data
RNN = "#0072B2"  # the RNN with one particle, Eq. (5)
BOUND = "#D55E00"  # the bound K, Eqs. (14) and (15)
BASELINE = "#666666"  # what one would try without an RNN
SECOND = "#009E73"  # a second baseline or model
TRAJECTORY, PER_STEP = "#E69F00", "#CC79A7"  # several particles: Eq. (26) and Eq. (17)
SKY, ORANGE, YELLOW, PINK = "#56B4E9", "#E69F00", "#F0E442", "#CC79A7"


def drawing():
    r"""A context in which nothing of the user's own matplotlib settings leaks into a figure."""
    return plt.style.context(["default", str(HERE / "house.mplstyle")])


def rounded(value):
    r"""Arrays to lists of numbers with seven significant digits, ready for JSON."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [rounded(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.7g}")
    return value.item() if isinstance(value, np.generic) else value


def write(record, figure, folder, kinds=("png", "pdf")):
    r"""The figure and its numbers to `folder`, the same bytes for the same numbers. The JSON is
    last: with it all is done.
    """
    clean = {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    }
    check_folder(folder)
    (folder / f"{record['figure']}.json").unlink(missing_ok=True)  # not done any more
    for kind in kinds:
        path = folder / f"{record['figure']}.{kind}"
        with told(path), atomic_write(path) as part:
            figure.savefig(part, metadata=clean[kind])
    path = folder / f"{record['figure']}.json"
    with told(path), atomic_write(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")
    for left in folder.glob(f".{record['figure']}.*.part*"):  # from a run that was killed
        left.unlink(missing_ok=True)


def check_folder(folder):
    r"""Make the folder, and refuse one that cannot be written: before the computing, not after."""
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


@contextmanager
def told(path):
    r"""One sentence where the system does not let us write."""
    try:
        yield
    except OSError as error:
        why = "is the disk full, or the file open in another program?"
        raise SystemExit(f"{path} cannot be written ({error.strerror or error}); {why}") from None


def read(path):
    r"""The record that `write` wrote, or None where it is missing or broken."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("headline"), dict) else None


def note(axis, x, y, words, **look):
    r"""Words at a place given in fractions of the axes."""
    axis.text(x, y, words, transform=axis.transAxes, **look)


def strip(axis, y, values, colour, chosen=None):
    r"""A row of scores: all seeds thin, the median thick, and a ring around the run that was chosen
    on validation.
    """
    axis.plot(values, np.full(len(values), y), "|", ms=10, mew=1.0, color=colour, alpha=0.8)
    axis.plot(np.median(values), y, "|", ms=16, mew=3.0, color=colour)
    if chosen is not None:
        axis.plot(chosen, y, "o", ms=9, mfc="none", mec=EXACT, mew=1.0)


def mark(axis, y, value, error=None):
    r"""A row with one number in it, a baseline's, as a diamond; `error` is a bar to both sides."""
    axis.errorbar(value, y, xerr=error, fmt="D", ms=5, color=BASELINE, capsize=3, elinewidth=1.0)


def key(figure, last="a baseline"):
    r"""What the marks of `strip` and `mark` mean, once, under the figure."""
    handles = [
        Line2D([], [], ls="", marker="|", ms=10, mew=1.0, color=RNN, label="a seed"),
        Line2D([], [], ls="", marker="|", ms=14, mew=3.0, color=RNN, label="median"),
        Line2D(
            [], [], ls="", marker="o", ms=9, mfc="none", mec=EXACT, label="chosen on validation"
        ),
        Line2D([], [], ls="", marker="D", ms=5, color=BASELINE, label=last),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=0.9
    )


def arrow(axis, start, end, colour=EXACT):
    r"""An arrow between two nodes of a graph, stopping short of both."""
    look = {"arrowstyle": "-|>", "color": colour, "shrinkA": 11, "shrinkB": 13, "lw": 1.0}
    axis.annotate("", end, start, arrowprops=look)
