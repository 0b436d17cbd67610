"""How good the forecasts of some series turned out to be, beside the growth baseline.

Takes what was said and what was sold over the newest 13 weeks, gives measures by how far ahead. Of
a single series the median is judged, of a sum the mean, as everywhere. Must not know HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

from sales_forecast.data.forecasts.former_forecasts import FormerForecast, FormerForecasts
from sales_forecast.data.forecasts.score_tables import SUMS
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.evaluation.error_sums import Measures, measures
from sales_forecast.evaluation.realised import realised
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.outlook import LAGS, MOST_SUMMED, sold_by
from sales_forecast.web.selection import Selection

WEEKS = 13
"""Over so many the record is."""


class Records:
    """Makes records of what is stored."""

    def __init__(self, former: FormerForecasts, scores: StoredScores) -> None:
        self._former = former
        self._scores = scores

    def of_level(self, predictor: Predictor, level: str) -> Mapping[int, Measures]:
        """Return those of all single series together (`series`), or of their sum (`chain`).

        Raises DatabaseError, NotReady.
        """
        frequency = predictor.panel.frequency
        found = realised(self._scores, frequency.periods(WEEKS), level)
        return {lag: of for lag, of in found.items() if lag in LAGS[frequency.unit]}

    def of(self, predictor: Predictor, selection: Selection) -> Mapping[int, Measures]:
        """Return those of a selection. Raises DatabaseError, NotReady."""
        if not selection.keys:
            return self.of_level(predictor, "chain")
        if len(selection.rows) > MOST_SUMMED:
            return {}
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
        return {
            lag: _measured(lag, days, sold, best, baseline)
            for lag, all_days in told
            if (days := [day for day in all_days if not math.isnan(sold[day])])
        }


def _measured(
    lag: int,
    days: Sequence[date],
    sold: Mapping[date, float],
    best: Mapping[tuple[int, date], FormerForecast],
    baseline: Mapping[tuple[int, date], FormerForecast],
) -> Measures:
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
    sums = {
        "n": len(days),
        "sold": sum(sold[day] for day in days),
        "abs_sold": sum(abs(sold[day]) for day in days),
        "forecast": sum(of.sales for of in said.values()),
        "abs_error": sum(errors.values()),
        "compared_abs_error": sum(errors[day] for day in of_baseline),
        "baseline_abs_error": sum(of_baseline.values()),
        "n_intervals_80": len(inside),
        "inside_80": sum(inside),
    }
    return measures(dict.fromkeys(SUMS, 0.0) | sums)


def _judged(of: FormerForecast) -> float:
    return of.sales if of.median is None else of.median
