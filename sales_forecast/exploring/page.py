"""Findings as a page, as lines and as JSON.

Takes findings, gives text. Computes nothing new.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape

import numpy as np

from sales_forecast.data.frequency import counted
from sales_forecast.exploring.findings import Findings
from sales_forecast.exploring.patterns import MONTHS, WEEKDAYS
from sales_forecast.reports.drawing import lines
from sales_forecast.reports.page import paragraph, table, whole_page

_NONE = "-"
_MOST = 20
_WORDS = {"refused": "REFUSED", "told": "told", "fine": "fine"}


def text(of: Findings) -> str:
    """Return what was found wrong, in lines."""
    return "\n".join([_sentence(of), *(f"{_WORDS[one.level]}: {one.said}" for one in of.checks)])


def as_json(of: Findings) -> str:
    """Return everything as JSON; a number that is none is null."""
    told = {**asdict(of), "refused": of.refused}
    return json.dumps(_plain(told), indent=1, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)


def page(of: Findings, source: str) -> str:
    """Return everything as HTML. `source`: where the sales are from."""
    parts = [
        f"<h1>Sales of {escape(source)}</h1>",
        paragraph(_sentence(of)),
        "<h2>What would be refused, and what is only told</h2>",
        *(paragraph(f"{_WORDS[one.level]}: {one.said}") for one in of.checks),
        "<h2>All sales</h2>",
        lines(
            "Sales a week",
            of.weeks.ends,
            {"sales a week": of.weeks.total.tolist(), "a year before": of.weeks.before.tolist()},
            _short,
        ),
        lines(
            "Series that sell", of.weeks.ends, {"series": [*map(float, of.weeks.selling)]}, _short
        ),
        "<h2>Seasons</h2>",
        *_seasons(of),
        "<h2>Holidays</h2>",
        table(_lift_rows(of), numbers=True) or paragraph("None is known of these sales."),
        "<h2>Covariates against sales</h2>",
        *_covariates(of),
        "<h2>Series by what they are</h2>",
        *_groups(of),
        "<h2>Gaps</h2>",
        table(_gap_rows(of)) or paragraph("There are none."),
        "<h2>What stands out</h2>",
        table(_outlier_rows(of)) or paragraph("Nothing does."),
    ]
    return whole_page(f"Sales of {source}", parts)


def _sentence(of: Findings) -> str:
    shape = of.shape
    return (
        f"{shape.series:,} series from {shape.first} to {shape.last}, "
        f"{counted(shape.periods, shape.unit)}: {counted(shape.rows, 'row')}, "
        f"{shape.sales:,.0f} sold."
    )


def _seasons(of: Findings) -> Iterator[str]:
    yield paragraph(
        f"Within series, sales go with those of the same {of.shape.unit} of the year before by a "
        f"correlation of {_number(of.like_last_year)}."
    )
    yield lines("Months against their year", MONTHS, {"series": of.months.tolist()}, _percent)
    if of.weekdays is not None:
        yield lines(
            "Weekdays against their week", WEEKDAYS, {"series": of.weekdays.tolist()}, _percent
        )


def _lift_rows(of: Findings) -> list[Sequence[str]]:
    rows = [(one.name, f"{one.periods:,}", _percent(one.lift)) for one in of.lifts]
    return [("of", f"{of.shape.unit}s", "against those around"), *rows] if rows else []


def _covariates(of: Findings) -> Iterator[str]:
    if not of.covariates:
        yield paragraph("There are none.")
        return
    yield paragraph(
        "Correlations with the logarithm of sales. Only those within series say what a covariate "
        "may do; those of the change against a year before are free of seasons as well."
    )
    head = ("", "known", "from", "to", "within series", "of changes", "between series")
    yield table(
        [
            head,
            *(
                (
                    f"{one.name}{' (planned)' if one.planned else ''}",
                    f"{one.known:.1%}",
                    *map(_value, (one.least, one.most)),
                    *map(_number, (one.within, one.by_year, one.between)),
                )
                for one in of.covariates
            ),
        ],
        numbers=True,
    )


def _groups(of: Findings) -> Iterator[str]:
    if not of.groups:
        yield paragraph("Nothing tells them apart.")
    for name, groups in of.groups.items():
        yield table(
            [
                (name, "series", "of sales", "zeros", "missing", "varies", "growth"),
                *(
                    (
                        one.name,
                        f"{one.series:,}",
                        *map(_percent, (one.of_sales, one.zeros, one.missing)),
                        _number(one.varies),
                        _percent(one.growth),
                    )
                    for one in groups
                ),
            ],
            numbers=True,
        )


def _gap_rows(of: Findings) -> list[Sequence[str]]:
    found = [(gap, name) for name, gaps in of.shape.gaps.items() for gap in gaps]
    found.sort(key=lambda one: -one[0].periods)
    rows = [(name, str(gap.first), str(gap.last), f"{gap.periods:,}") for gap, name in found]
    if not rows:
        return []
    head = ("series", "from", "to", f"{of.shape.unit}s")
    more = len(rows) - _MOST
    return [head, *rows[:_MOST], *([(f"{more:,} more", "", "", "")] if more > 0 else [])]


def _outlier_rows(of: Findings) -> list[Sequence[str]]:
    rows = [
        (one.series, str(one.period), f"{one.sold:,.0f}", f"{one.usual:,.0f}")
        for one in of.outliers
    ]
    more = of.outlying - len(rows)
    rows += [(f"{more:,} more", "", "", "")] if more > 0 else []
    return [("series", of.shape.unit, "sold", "usual"), *rows] if rows else []


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{sign}"
    return f"{value:,.4g}"


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else _NONE


def _value(value: float) -> str:
    return f"{value:,.6g}" if math.isfinite(value) else _NONE


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else _NONE
