"""How good forecasts turned out to be, over the newest periods.

Takes the scores of a database, gives measures by how far ahead, level and slice. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from sales_forecast.data.forecasts.issuing import Role
from sales_forecast.data.forecasts.score_tables import ALL
from sales_forecast.data.forecasts.stored_scores import ScoreKey, StoredScores
from sales_forecast.data.frequency import Frequency
from sales_forecast.evaluation.error_sums import Measures, measures

_WEEKS = 13
_LAGS = (1, 4, 8, 13)


def newest(scores: StoredScores, frequency: Frequency) -> Mapping[int, Measures]:
    """Return the measures of single series over the newest 13 weeks, by how many periods ahead.

    Raises what `StoredScores.sums` raises.
    """
    found = realised(scores, frequency.periods(_WEEKS), level="series", slice_=ALL)
    return {key.step: measured for key, measured in found.items()}


def some_lags(of_step: Mapping[int, Measures]) -> Mapping[int, Measures]:
    """Return what is told of them: 1, 4, 8 and 13 periods ahead, or what is nearest."""
    told = [step for step in _LAGS if step in of_step] or [*of_step][:1]
    return {step: of_step[step] for step in told}


def realised(
    scores: StoredScores,
    periods: int,
    *,
    level: str | None = None,
    slice_: str | None = None,
    role: Role = "best",
    model_version: str | None = None,
) -> Mapping[ScoreKey, Measures]:
    """Return the measures over the newest periods that were judged, nearest steps first.

    See `StoredScores.sums` for the arguments; raises what it raises.
    """
    found = scores.sums(periods, level=level, slice_=slice_, role=role, model_version=model_version)
    return {key: measures(sums) for key, sums in found.items()}
