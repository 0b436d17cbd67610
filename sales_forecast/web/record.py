"""How good the forecasts of some series turned out to be, beside the growth baseline.

Takes what was said and what was sold over the newest 13 weeks, gives measures by how far ahead. Of
a single series the median is judged, of a sum the mean, as everywhere. Must not know HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sales_forecast.data.forecasts.former_forecasts import FormerForecast, FormerForecasts
from sales_forecast.data.forecasts.score_tables import ALL
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.evaluation.realised import realised
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.outlook import LAGS, MOST_SUMMED, sold_by
from sales_forecast.web.selection import Selection

WEEKS = 13
"""Over so many the record is."""


@dataclass(frozen=True)
class Record:
    """How good forecasts of one lag were; NaN where there is nothing to divide by.

    Attributes:
        n: how many were judged.
        wape: absolute errors over sales; `baseline_wape`: that of the growth baseline.
        bias: what was expected over what was sold, less 1.
        skill: the part of the baseline's errors that was saved.
        coverage_80: the part of sales inside their interval.
    """

    lag: int
    n: int
    wape: float
    bias: float
    baseline_wape: float
    skill: float
    coverage_80: float

    @classmethod
    def of(cls, lag: int, measured: Measures) -> Record:
        """Return what was measured when forecasts were judged."""
        return cls(
            lag,
            measured.n,
            measured.wape,
            measured.bias,
            measured.baseline_wape,
            measured.skill,
            measured.coverage_80,
        )


class Records:
    """Makes records of what is stored."""

    def __init__(self, former: FormerForecasts, scores: StoredScores) -> None:
        self._former = former
        self._scores = scores

    def of_level(self, predictor: Predictor, level: str) -> list[Record]:
        """Return those of all single series together (`series`), or of their sum (`chain`).

        Raises DatabaseError, NotReady.
        """
        frequency = predictor.panel.frequency
        found = realised(self._scores, frequency.periods(WEEKS), level=level, slice_=ALL)
        lags = LAGS[frequency.unit]
        return [Record.of(key.step, of) for key, of in found.items() if key.step in lags]

    def of(self, predictor: Predictor, selection: Selection) -> list[Record]:
        """Return those of a selection. Raises DatabaseError, NotReady."""
        if not selection.keys:
            return self.of_level(predictor, "chain")
        if len(selection.rows) > MOST_SUMMED:
            return []
        panel = predictor.panel
        lags, most = LAGS[panel.frequency.unit], panel.frequency.periods(WEEKS)
        sold = dict(zip(panel.periods.tolist(), sold_by(predictor, selection), strict=True))
        newest = [*sold][-most:]
        best, baseline = (
            self._former.former(
                predictor.spec,
                selection.scope,
                [*self._former.origins(most + max(lags), role).values()],
                lags,
            )
            for role in ("best", "baseline")
        )
        told = [(lag, [day for day in newest if (lag, day) in best]) for lag in lags]
        return [
            _record(lag, days, sold, best, baseline)
            for lag, all_days in told
            if (days := [day for day in all_days if not math.isnan(sold[day])])
        ]


def _record(
    lag: int,
    days: Sequence[date],
    sold: Mapping[date, float],
    best: Mapping[tuple[int, date], FormerForecast],
    baseline: Mapping[tuple[int, date], FormerForecast],
) -> Record:
    whole = sum(sold[day] for day in days)
    said = {day: best[lag, day] for day in days}
    errors = {day: abs(_judged(of) - sold[day]) for day, of in said.items()}
    of_baseline = {
        day: abs(_judged(baseline[lag, day]) - sold[day]) for day in days if (lag, day) in baseline
    }
    inside = [
        of.lower_80 <= sold[day] <= of.upper_80
        for day, of in said.items()
        if of.lower_80 is not None and of.upper_80 is not None
    ]
    compared = sum(errors[day] for day in of_baseline)
    return Record(
        lag=lag,
        n=len(days),
        wape=_over(sum(errors.values()), whole),
        bias=_over(sum(of.sales for of in said.values()) - whole, whole),
        baseline_wape=_over(sum(of_baseline.values()), sum(sold[day] for day in of_baseline)),
        skill=1 - _over(compared, sum(of_baseline.values())),
        coverage_80=_over(sum(inside), len(inside)),
    )


def _judged(of: FormerForecast) -> float:
    return of.sales if of.median is None else of.median


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
