"""Answers of the ledger as people and sheets read them: a line each, and a line for each number.

Takes rows as `StoredPredictions` gives them. Must not read any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]
_OF_ANSWER = (
    "id",
    "answered_at",
    "caller",
    "endpoint",
    "model",
    "model_version",
    "bundle_hash",
    "git_commit",
    "fingerprint",
    "origin",
    "corrects",
)
_OF_PERIOD = ("step", "target", "median", "mean")
_AS_JSON = ("covariates", "warnings")
QUANTILES = ("0.025", "0.1", "0.5", "0.9", "0.975")
"""Those that have a column of their own in a sheet; others stand in `quantiles`."""


@dataclass(frozen=True)
class Line:
    """One answer in a list; `first` and `target`: its first median, and of when that is."""

    id: str
    at: datetime
    caller: str | None
    endpoint: str
    series: str
    model: str
    version: str
    target: date | None
    first: float | None
    n_periods: int
    n_warnings: int


def line_of(row: Row) -> Line:
    """Return an answer as one line."""
    answer = row["answer"]
    also = f" and {len(answer) - 1} more" if answer[1:] else ""
    forecast = answer[0]["forecast"] if answer else []
    first = forecast[0] if forecast else None  # what puts another answer right may leave it empty
    return Line(
        id=row["id"],
        at=row["answered_at"],
        caller=row["caller"],
        endpoint=row["endpoint"],
        series=(named(answer[0]["series"]) if answer else "") + also,
        model=row["model"],
        version=row["model_version"],
        target=date.fromisoformat(first["target"]) if first else None,
        first=first["median"] if first else None,
        n_periods=len(forecast),
        n_warnings=len(row["warnings"]),
    )


def named(series: Mapping[str, int | str]) -> str:
    """Write the keys of a series: store_id 1, dept_id 3."""
    return ", ".join(f"{name} {value}" for name, value in series.items()) or "all sales"


def quantiles_of(forecast: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the quantiles that any period of a forecast has, the lowest first."""
    return sorted({name for period in forecast for name in period["quantiles"]}, key=float)


def sheet_of(rows: Iterable[Row], fields: Sequence[str]) -> Iterator[Sequence[object]]:
    """Yield a head, then a row for each series and period of each answer.

    `fields`: the names of the keys of a series.
    """
    shares = [f"q{name}" for name in QUANTILES]
    yield [*_OF_ANSWER, *fields, *_OF_PERIOD, *shares, "quantiles", *_AS_JSON]
    for row in rows:
        yield from _cells(row, fields)


def _cells(row: Row, fields: Sequence[str]) -> Iterator[list[object]]:
    of_answer = [row[name] for name in _OF_ANSWER]
    said = [json.dumps(row[name], ensure_ascii=False) for name in _AS_JSON]
    for one in row["answer"]:
        keys = [one["series"].get(name) for name in fields]
        for period in one["forecast"]:
            of_period = [period.get(name) for name in _OF_PERIOD]
            known = dict(period["quantiles"])
            shares = [known.pop(name, None) for name in QUANTILES]
            others = json.dumps(known) if known else None
            yield [*of_answer, *keys, *of_period, *shares, others, *said]
