r"""The figures: a file each, one question each. `python -m figures` makes them all, `python -m
figures 3` one of them.

Each file has compute(rng, *, seeds, steps) -> numbers, plot(numbers) -> Figure and
headline(numbers) -> {name: (value, tolerance)}, the tolerance being how far that number may move
from one processor to another. Shared by several: `worlds` (made data and the parameters that follow
their law), `beyond` (several particles, beyond the paper), `baselines`, `style`.
"""

import os

# Before numpy starts: one thread, so that two runs give the same bytes; the cores make figures
# side by side instead.
for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
