"""Scores as a table and forecasts as pictures, for the terminal, MLflow and the README.

Takes scores and backtest tables, gives text and PNG bytes. Computes nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from sales_forecast.evaluation.figures import png
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.metrics import in_units
from sales_forecast.evaluation.segments import Segment
from sales_forecast.models.names import BASELINE_MODEL

Scores = Mapping[str, Mapping[str, float]]
_COLUMNS = (
    "model",
    "WMAE",
    "to growth",
    "WAPE",
    "RMSE",
    "MAE on holidays",
    "in 80%",
    "in 95%",
    "WQL",
    "sum",
)
_RMSPE = "RMSPE"
_PANELS = 4
_ROOM = {"left": 0.07, "right": 0.98, "bottom": 0.11, "top": 0.9, "wspace": 0.16, "hspace": 0.28}
"""Where the panels lie: to measure every label for that would take as long as to draw."""


def score_table(scores: Scores) -> str:
    """Return a Markdown table, one line a model, with its WMAE relative to the growth baseline.

    RMSPE is a column where some model has one.
    """
    missing = float("nan")
    percentages = any("rmspe" in errors for errors in scores.values())
    growth = scores.get(BASELINE_MODEL, {}).get("wmae", missing) or missing
    rows: list[tuple[str, ...]] = [(*_COLUMNS, _RMSPE) if percentages else _COLUMNS]
    for model, errors in scores.items():
        rows.append(
            (
                model,
                in_units(errors["wmae"]),
                _or_dash(100 * (errors["wmae"] / growth - 1), "{:+.1f}%"),
                _percent(errors.get("wape", missing)),
                in_units(errors["rmse"]),
                in_units(errors["mae_holiday"]) if "mae_holiday" in errors else "-",
                _or_dash(100 * errors.get("coverage_80", missing), "{:.0f}%"),
                _or_dash(100 * errors.get("coverage_95", missing), "{:.0f}%"),
                _or_dash(errors.get("wql", missing), "{:.4f}"),
                _or_dash(errors.get("sum_ratio", missing), "{:.3f}"),
                *([_or_dash(errors.get("rmspe", missing), "{:.4f}")] if percentages else []),
            )
        )
    return _markdown(rows)


def segment_table(segment: Segment, models: Sequence[str]) -> str:
    """Return a Markdown table of WAPE: one line a model and one column a part.

    Where the parts are the worst of many they are lines, with their shares of all sales and of the
    errors of the first of `models`, and `models` (see `segments.leaders`) are the columns.
    """
    if segment.worst:
        return _worst_table(segment, models)
    first = next(iter(segment.parts.values()))
    rows: list[tuple[str, ...]] = [(f"WAPE by {segment.name}", *segment.parts)]
    for model in first.scores:
        values = (part.scores[model].wape for part in segment.parts.values())
        rows.append((model, *map(_percent, values)))
    return _markdown(rows)


def _worst_table(segment: Segment, models: Sequence[str]) -> str:
    shares = ("of sales", f"of {models[0]}'s errors")
    rows: list[tuple[str, ...]] = [(f"WAPE by {segment.name}", *shares, *models)]
    for label, part in segment.parts.items():
        of_all = (_or_dash(100 * share, "{:.1f}%") for share in (part.of_sales, part.of_error))
        values = (part.scores[model].wape for model in models)
        rows.append((label, *of_all, *map(_percent, values)))
    return _markdown(rows)


def _percent(fraction: float) -> str:
    return _or_dash(100 * fraction, "{:.2f}%")


def _markdown(cells: Sequence[tuple[str, ...]]) -> str:
    rows = [tuple(cell.replace("|", r"\|") for cell in row) for row in cells]
    # Below two there is no room for the rule, and it is no table.
    widths = [max(2, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    rule = [
        f"{'-' * (width - 1)}:" if column else "-" * width for column, width in enumerate(widths)
    ]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"| {' | '.join([name, *numbers])} |"


def _or_dash(value: float, form: str) -> str:
    return "-" if pd.isna(value) else form.format(value)


def forecast_plot(tables: Tables, protocol: str, served: str) -> bytes:
    """Draw what was sold beside what had been forecast, for four stores, as a PNG.

    `served`: the model; the growth baseline where it was not judged.
    """
    table = tables[protocol]
    model = served if served in table.columns else BASELINE_MODEL
    sizes = table.groupby("unique_id")["y"].mean().sort_values()
    picks = sizes.index[:: max(len(sizes) // _PANELS, 1)][:_PANELS]
    figure = Figure(figsize=(11, 6.5))
    axes = figure.subplots(2, 2, squeeze=False, gridspec_kw=_ROOM).ravel()
    for ax, series in zip(axes, picks, strict=False):
        _draw(ax, table[table["unique_id"] == series], series, model)
    for ax in axes[len(picks) :]:
        ax.remove()
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="lower center", ncols=len(labels), frameon=False)
    steps = int(table["step"].max())
    kind = "one week ahead" if steps == 1 else f"one to {steps} weeks ahead"
    figure.suptitle(f"Sales a week, and what {model} had forecast {kind}", fontsize=12)
    return png(figure)


def _draw(ax: Axes, rows: pd.DataFrame, series: str, model: str) -> None:
    # Where windows overlap, the latest word on a week is the one to show.
    last = rows.sort_values("cutoff").drop_duplicates("ds", keep="last").sort_values("ds")
    days = last["ds"].to_numpy()
    ax.plot(days, last["y"], color="0.25", linewidth=1.2, label="sold")
    ax.plot(days, last[model], color="tab:blue", linewidth=1.4, label="forecast")
    ax.fill_between(
        days,
        last[f"{model}_lo_80"],
        last[f"{model}_hi_80"],
        color="tab:blue",
        alpha=0.18,
        linewidth=0,
        label="80% interval",
    )
    ax.plot(
        days,
        last[BASELINE_MODEL],
        color="tab:orange",
        linewidth=0.9,
        linestyle="--",
        label="last year x growth",
    )
    ax.set_title(f"Store {series}", loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:.2f} M"))
    locator = AutoDateLocator(maxticks=7)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
