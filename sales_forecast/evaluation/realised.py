"""How good forecasts turned out to be, over the newest periods.

Takes the scores of a database, gives measures by how far ahead. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from sales_forecast.data.forecasts.score_tables import ALL
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.frequency import Frequency
from sales_forecast.evaluation.error_sums import Measures, measures

_WEEKS = 13
_LAGS = (1, 4, 8, 13)


def newest(scores: StoredScores, frequency: Frequency) -> Mapping[int, Measures]:
    """Return the measures of single series over the newest 13 weeks, by how many periods ahead.

    Raises what `StoredScores.sums` raises.
    """
    return realised(scores, frequency.periods(_WEEKS))


def some_lags(of_step: Mapping[int, Measures]) -> Mapping[int, Measures]:
    """Return what is told of them: 1, 4, 8 and 13 periods ahead, or what is nearest."""
    told = [step for step in _LAGS if step in of_step] or [*of_step][:1]
    return {step: of_step[step] for step in told}


def realised(scores: StoredScores, periods: int, level: str = "series") -> Mapping[int, Measures]:
    """Return the measures of all of a level over the newest periods, by how many periods ahead.

    The nearest first. Raises what `StoredScores.sums` raises.
    """
    found = scores.sums(periods, level=level, slice_=ALL)
    return {key.step: measures(sums) for key, sums in found.items()}
