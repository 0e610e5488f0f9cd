r"""python -m figures.slides: the figures that derivations/teaching.md puts on the screen, in 16:9,
in figures/out/slides.

Drawn from the published numbers, so nothing is computed anew. A figure whose panels stand above
one another becomes one file a row. The smallest text is 24 of 1080 pixels high, or more.
"""

import importlib
import json
import re

import matplotlib.pyplot as plt
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text

from figures import style
from figures.__main__ import chosen
from rnnvae_ref.numerics import atomic_write

SLIDES = style.OUT / "slides"
TEACHING = style.HERE.parent / "derivations" / "teaching.md"
PIXELS, SMALLEST = 1080, 24


def on_screen(text):
    r"""Names of the figures in the last column of the lectures' tables, in the order of the
    lectures.
    """
    cells = re.findall(r"^\| \d+-\d+ \|.*\| (.*) \|$", text, flags=re.M)
    lists = [
        words for cell in cells for words in re.findall(r"figures? ((?:\d+(?:, | and )?)+)", cell)
    ]
    numbers = dict.fromkeys(number for words in lists for number in re.findall(r"\d+", words))
    return [name for number in numbers for name in chosen([number])]


def rows_of(figure):
    r"""How many rows of panels a figure has."""
    return max(axis.get_gridspec().nrows for axis in figure.axes)


def keep_row(figure, row):
    r"""Take away the panels of all other rows, and let this one fill the figure."""
    grid = figure.axes[0].get_gridspec()
    one = GridSpec(1, grid.ncols, figure=figure, width_ratios=grid.get_width_ratios())
    for axis in list(figure.axes):
        place = axis.get_subplotspec()
        if place.rowspan.start == row:
            axis.set_subplotspec(one[0, place.colspan.start : place.colspan.stop])
        else:
            axis.remove()


def fit(figure):
    r"""Give a figure the shape of a screen, high enough for its labels. Returns dots per inch."""
    labels = max(
        len(axis.get_yticklabels()) * (axis.get_yscale() == "linear") for axis in figure.axes
    )
    named = any(
        text.get_text().isalpha() for axis in figure.axes for text in axis.get_yticklabels()
    )
    height = min(4.8, max(3.2, 1.0 + 0.34 * labels * named))
    figure.set_size_inches(height * 16 / 9, height)
    least = min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip())
    if least * PIXELS / (72 * height) < SMALLEST:
        raise ValueError(
            f"the text of a slide must be {SMALLEST} pixels high or more; got {least} points"
        )
    return PIXELS / height


def draw(name, folder):
    r"""The slides of one figure. Returns their paths."""
    module = importlib.import_module(f"figures.{name}")
    numbers = json.loads((style.PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))["numbers"]
    paths, row, rows = [], 0, 1
    while row < rows:
        with style.drawing():
            figure = module.plot(numbers)
            rows = rows_of(figure)
            if rows > 1:
                keep_row(figure, row)
            paths.append(folder / (f"{name}_{row + 1}.png" if rows > 1 else f"{name}.png"))
            with atomic_write(paths[-1]) as part:
                figure.savefig(part, dpi=fit(figure), metadata={"Software": None})
            plt.close(figure)
        row += 1
    return paths


def main():
    SLIDES.mkdir(parents=True, exist_ok=True)
    names = on_screen(TEACHING.read_text(encoding="utf-8"))
    count = sum(len(draw(name, SLIDES)) for name in names)
    print(f"{count} slides of {len(names)} figures: {SLIDES.relative_to(style.HERE.parent)}")


if __name__ == "__main__":
    main()
