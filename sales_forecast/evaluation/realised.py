"""How good forecasts turned out to be, over the newest periods.

Takes the scores of a database, gives measures by how far ahead, level and slice. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping

from sales_forecast.data.forecasts import Role
from sales_forecast.data.stored_scores import ScoreKey, StoredScores
from sales_forecast.evaluation.error_sums import Measures, measures


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
