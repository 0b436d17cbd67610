"""What is known and expected of some series: every number of a picture, and of its table.

Takes the history of a predictor and what is stored of its forecasts, gives periods. Without a
database, or before the first forecasts, it shows what the model says now, and says so. Must not
know HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import numpy as np

from sales_forecast.data.forecasts.former_forecasts import FormerForecasts
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.frequency import Frequency
from sales_forecast.errors import SalesForecastError
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.expected import Said, asked_now, stored
from sales_forecast.web.marks import Marks
from sales_forecast.web.selection import Selection

LAGS: Mapping[str, tuple[int, int]] = {"week": (1, 4), "day": (1, 7)}
"""How far ahead former forecasts are shown, by the unit of a period."""
MOST_SUMMED = 500
"""Of more series together former forecasts are not added up while somebody waits."""


@dataclass(frozen=True)
class Period:
    """One period; sums over the selection, in units of sales.

    Attributes:
        step: periods after the last known one; 0 for one that is known.
        sold: None where nothing is known.
        last_year: what was sold in the period of a year before that compares with it.
        expected: the mean that is forecast; `planned`: what people made of it.
        quantiles: by the names of `forecast_tables.QUANTILES`.
        former: lag -> what was expected so many periods before.
        marks: holidays and what is planned.
    """

    end: date
    step: int
    sold: float | None
    last_year: float | None
    marks: Sequence[str]
    expected: float | None = None
    planned: float | None = None
    quantiles: Mapping[str, float | None] = field(default_factory=dict)
    former: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outlook:
    """Periods before and after the last known one, and what is to be said of them.

    Attributes:
        said: warnings, and what could not be read; `notes`: what is only to be known.
        version: what was seen of the plan, for whoever changes it; None where nothing is stored.
        issued_at: None where the model was asked now.
        changed: what `planned` is called.
    """

    selection: Selection
    frequency: Frequency
    origin: date
    periods: Sequence[Period]
    said: Sequence[str]
    notes: Sequence[str]
    model: str
    model_version: str
    issued_at: datetime | None = None
    version: str | None = None
    changed: str = "plan"

    @property
    def lags(self) -> tuple[int, int]:
        """How far ahead former forecasts are shown."""
        return LAGS[self.frequency.unit]

    @property
    def is_changed(self) -> bool:
        """Whether people made something else of a forecast."""
        return any(of.planned != of.expected for of in self.ahead)

    @property
    def known(self) -> Sequence[Period]:
        """The periods that are known."""
        return [of for of in self.periods if not of.step]

    @property
    def ahead(self) -> Sequence[Period]:
        """The periods that are not."""
        return [of for of in self.periods if of.step]


class Outlooks:
    """Makes outlooks of whatever is served."""

    def __init__(self, live: Live, former: FormerForecasts, scores: StoredScores) -> None:
        self._live = live
        self._former = former
        self._scores = scores

    def of(self, predictor: Predictor, selection: Selection, back: int, ahead: int) -> Outlook:
        """Return so many periods back and ahead. Reads the database: not in the event loop."""
        problems: list[str] = []
        try:
            said = stored(self._live, predictor, selection, ahead)
        except SalesForecastError as error:
            problems.append(f"{error.public} Shown is what the model says now.")
            said = asked_now(predictor, selection, ahead)
        former = self._former_of(predictor, selection, back, problems)
        found = outlook_of(predictor, selection, said, back, ahead, former=former)
        return replace(found, said=[*problems, *found.said])

    def _former_of(
        self, predictor: Predictor, selection: Selection, back: int, problems: list[str]
    ) -> Mapping[date, Mapping[int, float]]:
        lags = LAGS[predictor.panel.frequency.unit]
        found: dict[date, dict[int, float]] = {}
        try:
            if not selection.keys:  # the sum of all was made when they were judged
                for lag in lags:
                    for target, sums in self._scores.by_period(back, lag).items():
                        found.setdefault(target, {})[lag] = sums["forecast"]
            elif len(selection.rows) <= MOST_SUMMED:
                issues = self._former.origins(back + max(lags)).values()
                told = self._former.former(predictor.spec, selection.scope, [*issues], lags)
                for (lag, target), of in told.items():
                    found.setdefault(target, {})[lag] = of.sales
        except SalesForecastError as error:
            if not problems:
                problems.append(error.public)
        return found


def outlook_of(
    predictor: Predictor,
    selection: Selection,
    said: Said,
    back: int,
    ahead: int,
    *,
    former: Mapping[date, Mapping[int, float]],
) -> Outlook:
    """Return so many periods back and ahead, with what is said of those ahead."""
    panel = predictor.panel
    sums, marks = sold_by(predictor, selection), Marks(predictor, selection.rows)
    days = np.timedelta64(panel.frequency.days, "D")
    first = max(panel.n_periods - back, 0)
    ends = [of.item() for of in panel.periods[0] + np.arange(first, panel.n_periods + ahead) * days]
    periods = []
    for place, end in enumerate(ends, first):
        expected = said.expected.get(end)
        periods.append(
            Period(
                end=end,
                step=max(place - panel.n_periods + 1, 0),
                sold=_at(sums, place),
                last_year=_at(sums, marks.year_before(place)),
                marks=marks.of(place),
                expected=expected,
                planned=None if expected is None else said.planned.of(end, expected),
                quantiles=said.quantiles.get(end, {}),
                former={} if place >= panel.n_periods else former.get(end, {}),
            )
        )
    return Outlook(
        selection,
        panel.frequency,
        said.origin,
        periods,
        said.warnings,
        said.notes,
        said.model,
        said.model_version,
        said.issued_at,
        said.planned.version or None,
    )


def sold_by(predictor: Predictor, selection: Selection) -> Sequence[float]:
    """Return what was sold in each period, NaN where nothing is known."""
    y = predictor.panel.y[selection.rows]
    known = ~np.isnan(y)
    sums = np.where(known.any(axis=0), np.where(known, y, 0.0).sum(axis=0), np.nan)
    found: list[float] = np.round(sums, 2).tolist()
    return found


def _at(values: Sequence[float], place: int) -> float | None:
    inside = 0 <= place < len(values) and not np.isnan(values[place])
    return values[place] if inside else None
