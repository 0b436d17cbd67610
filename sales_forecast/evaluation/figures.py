"""Scores as pictures: where models are good, and how they fade with each step.

Takes scores by segment, gives PNG bytes. Computes nothing new.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.segments import Segment
from sales_forecast.models.names import BASELINE_MODEL

_LOOKS = (("tab:blue", "o"), ("tab:green", "s"), ("tab:purple", "^"))
_BASELINE_LOOK = ("tab:orange", "D")
_ROW, _TITLE, _REST = 0.27, 0.42, 1.1
"""Inches that a part, the title of a segment, and all around them take."""
_MARKS = ((10, (1, 1.5, 2, 3, 4, 5, 7)), (1000, (1, 2, 3, 5)), (math.inf, (1,)))
"""Up to which ratio of the largest to the smallest error which first digits have room."""


def segments_plot(
    whole: Mapping[str, Scores], segments: Sequence[Segment], models: Sequence[str]
) -> bytes:
    """Draw the WAPE of some models in all parts of all segments, as a PNG.

    `whole`: model -> scores on all rows, which are drawn first. All share one scale, so that
    parts of different segments can be compared; it is logarithmic, because young series err ten
    times as much as others.
    """
    blocks: list[tuple[str, Mapping[str, Mapping[str, Scores]]]] = [("", {"all": whole})]
    for segment in segments:
        scores = {label: part.scores for label, part in segment.parts.items()}
        blocks.append((f"by {segment.name}", scores))
    heights = [_ROW * len(parts) + _TITLE for _, parts in blocks]
    with _plain_text():
        figure = Figure(figsize=(8, sum(heights) + _REST), layout="constrained")
        figure.suptitle("WAPE by part of the sales, on a logarithmic scale")
        grid = figure.subplots(
            len(blocks), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
        ).ravel()
        drawn: list[float] = []
        for ax, (title, parts) in zip(grid, blocks, strict=True):
            values = [[found[model].wape for model in models] for found in parts.values()]
            drawn += chain.from_iterable(values)
            _dots(ax, [*parts], values, models)
            ax.set_title(title, loc="left", fontsize=10)
        _ratio_scale(grid[-1], drawn)
        _legend(figure, grid[0])
        return png(figure)


def steps_plot(steps: Segment, models: Sequence[str]) -> bytes:
    """Draw the WAPE of some models by how far ahead the forecast is, as a PNG."""
    with _plain_text():
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        figure.suptitle(f"WAPE by {steps.name}")
        ax = figure.subplots()
        for model, look in _looks(models):
            values = [part.scores[model].wape for part in steps.parts.values()]
            ax.plot([*steps.parts], values, linewidth=1.4, markersize=5, label=model, **look)
        ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
        ax.yaxis.set_major_formatter(_percent)
        ax.tick_params(axis="x", labelsize=8.5)
        ax.grid(axis="y", color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
        _legend(figure, ax)
        return png(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG bytes; equal figures give equal bytes."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ticks, where there are only a few weeks to show
        figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()


def _percent(fraction: float, _: float) -> str:
    return f"{100 * fraction:.4g}%"


def _plain_text() -> AbstractContextManager[None]:
    """Take a dollar sign in a label for one, and not for the begin of a formula."""
    return rc_context({"text.parse_math": False})


def _dots(
    ax: Axes, labels: Sequence[str], values: Sequence[Sequence[float]], models: Sequence[str]
) -> None:
    """Draw a line of dots a label; `values`: of each label, of each model."""
    rows = range(len(labels))
    ax.hlines(rows, [*map(min, values)], [*map(max, values)], color="0.8", zorder=1)
    for (model, look), own in zip(_looks(models), zip(*values, strict=True), strict=True):
        ax.plot(own, rows, linestyle="none", markersize=6, label=model, **look)
    ax.set_yticks(rows, labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.grid(axis="x", color="0.9")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def _ratio_scale(ax: Axes, values: Sequence[float]) -> None:
    """Give all that share the axis a scale of ratios, from a round number to a round number."""
    positive = [value for value in values if value > 0] or [0.1]  # no room for none on it
    low, high = min(positive), max(positive)
    digits = next(digits for ratio, digits in _MARKS if high <= ratio * low)
    powers = range(math.ceil(math.log10(low)) - 1, math.floor(math.log10(high)) + 2)
    marks = [digit * 10.0**power for power in powers for digit in digits]
    ax.set_xlim(
        max(mark for mark in marks if mark < low), min(mark for mark in marks if mark > high)
    )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(marks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(_percent)


def _looks(models: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (model, how it is drawn): the baseline alike in all pictures, the first on top."""
    looks = iter(_LOOKS)
    for behind, model in enumerate(models):
        colour, marker = _BASELINE_LOOK if model == BASELINE_MODEL else next(looks)
        yield model, {"color": colour, "marker": marker, "zorder": 2 + len(models) - behind}


def _legend(figure: Figure, ax: Axes) -> None:
    lines, labels = ax.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(labels), frameon=False)
