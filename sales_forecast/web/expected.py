"""What is expected of some series: as it was issued and stored or, without that, asked just now.

Takes a selection, gives numbers by period and what is to be said of them. Must not know pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.stored_forecasts import StoredIssue
from sales_forecast.planning.intervals import last_measured_step, quantiles_by_period
from sales_forecast.planning.overrides import Planned
from sales_forecast.prediction.cautions import of_intervals
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.selection import Selection


@dataclass(frozen=True)
class Said:
    """What is expected, by period, and what comes with it."""

    expected: Mapping[date, float]
    quantiles: Mapping[date, Mapping[str, float | None]]
    planned: Planned
    warnings: Sequence[str]
    notes: Sequence[str]
    model: str
    model_version: str
    origin: date
    issued_at: datetime | None = None


def stored(live: Live, predictor: Predictor, selection: Selection, ahead: int) -> Said:
    """Return what is stored, and what people made of it.

    Raises NoForecasts, DatabaseError, NotReady.
    """
    spec, scope = predictor.spec, selection.scope
    issue = live.forecasts.find(spec, scope)
    planned = live.overrides.planned(spec, issue.id, scope)
    at = quantiles_by_period(issue, scope, len(spec.keys))
    return Said(
        expected={of.target: of.sales for of in issue.periods},
        quantiles={of.target: q for of, q in zip(issue.periods, at, strict=True)},
        planned=planned,
        warnings=[*_warnings(issue, predictor, selection)],
        notes=[*_notes(issue, at, selection, ahead)],
        model=issue.model,
        model_version=issue.model_version,
        origin=issue.origin,
        issued_at=issue.issued_at,
    )


def asked_now(predictor: Predictor, selection: Selection, ahead: int) -> Said:
    """Return what the model says of each series now, added up; intervals of a single one."""
    named = [predictor.series.named[row] for row in selection.rows]
    known = [of for of in named if _is_known(predictor, of)]
    means = np.sum([predictor.means(of, ahead, "best") for of in known] or [[0.0] * ahead], axis=0)
    ends = [of.item() for of in predictor.panel.after(ahead)]
    at: dict[date, Mapping[str, float | None]] = {}
    warnings: list[str] = [*predictor.warnings]
    if selection.is_one and known:
        rows = predictor.distribution(known[0], ahead, "best", [*QUANTILES.values()])
        at = {
            end: dict(zip(QUANTILES, of.quantiles, strict=True))
            for end, of in zip(ends, rows, strict=True)
        }
        warnings = [*predictor.warnings_for(known[0], ahead, "best")]
    return Said(
        expected=dict(zip(ends, np.round(means, 2).tolist(), strict=True)) if known else {},
        quantiles=at,
        planned=Planned("", {}),
        warnings=warnings,
        notes=(),
        model=predictor.forecasting["best"],
        model_version=predictor.version,
        origin=predictor.origin,
    )


def _is_known(predictor: Predictor, named: tuple[int | str, ...]) -> bool:
    (mean,) = predictor.means(named, 1, "best")
    return bool(np.isfinite(mean))


def _warnings(issue: StoredIssue, predictor: Predictor, selection: Selection) -> Iterator[str]:
    if issue.origin < predictor.origin:
        yield (
            f"Sales are known until {predictor.origin}, and the stored forecasts begin after "
            f"{issue.origin}: python train.py forecast issues new ones."
        )
    said = json.loads(issue.warnings)
    if said["note"]:
        yield said["note"]
    if selection.is_one and (of := said["series"].get(str(issue.periods[0].series_id))):
        yield of


def _notes(
    issue: StoredIssue,
    at: Sequence[Mapping[str, float | None]],
    selection: Selection,
    ahead: int,
) -> Iterator[str]:
    if all(of["lower_80"] is None for of in at):
        return  # there is no interval of which to say how it came about
    steps = min(max(of.step for of in issue.periods), ahead)
    yield from of_intervals(steps, last_measured_step(issue), selection.spec.frequency.unit)
