"""A confusion matrix as text and as a figure: rows are what was meant, columns what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Truth = Sequence[tuple[str, str]]


def counts(truth: Truth, names: Sequence[str]) -> npt.NDArray[np.int_]:
    """(names, names): how often the row was meant and the column answered."""
    matrix = np.zeros((len(names), len(names)), dtype=np.int_)
    for meant, answered in truth:
        matrix[names.index(meant), names.index(answered)] += 1
    return matrix


def table(truth: Truth, names: Sequence[str]) -> str:
    """As plain text; columns are numbered as the rows."""
    width = max(map(len, names))
    head = " " * (width + 4) + "".join(f"{number:>5}" for number in range(1, len(names) + 1))
    rows = (
        f"{number:>2}  {name:<{width}}" + "".join(f"{count:>5}" for count in row)
        for number, (name, row) in enumerate(zip(names, counts(truth, names), strict=True), 1)
    )
    return "\n".join([head, *rows])


def draw(truth: Truth, names: Sequence[str], folder: Path, stem: str) -> list[Path]:
    """PNG and SVG, in grey, each count written in its field."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    matrix = counts(truth, names)
    labels = [name.replace("_", " ") for name in names]
    figure, axes = plt.subplots(figsize=(7.5, 6.5), layout="constrained")
    axes.imshow(matrix, cmap="Greys")
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if count > matrix.max() / 2 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), labels)
    axes.set_xlabel("answered")
    axes.set_ylabel("meant")
    axes.set_title(f"Requests in words, not learnt: {int(matrix.trace())} of {int(matrix.sum())} understood")
    paths = [folder / f"{stem}.{ending}" for ending in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
    return paths
