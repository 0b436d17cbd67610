"""The roster: every model by name, and who takes part in a training.

Takes names, gives forecasters. Must not fit or judge them.
"""

from __future__ import annotations

from sales_forecast.errors import SettingsError
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.averages import AVERAGES
from sales_forecast.models.base import Forecaster
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.models.ensemble import MEMBERS, EnsembleForecaster, MeanForecaster
from sales_forecast.models.ets import ETS
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.models.names import MEAN_MODEL
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.trees import TREES, XGBOOST


def with_members(*more: Forecaster) -> tuple[Forecaster, ...]:
    """Return all forecasters of a training, and `more` as further members of the ensemble."""
    members = (*MEMBERS, *more)
    models = (of for of in members if of not in BASELINES)
    mean = MeanForecaster(TREES, MEAN_MODEL)
    return (*BASELINES, *AVERAGES, RIDGE, ETS, *models, EnsembleForecaster(members), mean)


ALL_FORECASTERS = with_members()
_OF_MANY = (XGBOOST, ARIMA, POOLED)
_LARGE = (*BASELINES, *AVERAGES, *_OF_MANY, EnsembleForecaster((*_OF_MANY, GROWTH)))


def roster(*, large: bool) -> tuple[Forecaster, ...]:
    """Return the forecasters of a training; of a `large` panel those that are worth their time."""
    return _LARGE if large else ALL_FORECASTERS


def choose(names: str | None) -> tuple[Forecaster, ...]:
    """Return the baselines and the forecasters of a comma-separated list.

    None stands for all that a training judges; LightGBM and CatBoost are to be named, and are
    then members of the ensemble, if that is named too. Both trees bring their mean along, and it
    brings both.
    Raises SettingsError naming what is unknown, or is not installed.
    """
    if names is None:
        return ALL_FORECASTERS
    wanted = {name.strip() for name in names.split(",")}
    known = {forecaster.name for forecaster in with_members(*BOOSTED)}
    if unknown := sorted(wanted - known):
        raise SettingsError(
            f"--models: unknown {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )
    trees = {forecaster.name for forecaster in TREES}
    if MEAN_MODEL in wanted or trees <= wanted:
        wanted |= {*trees, MEAN_MODEL}
    boosted = [forecaster for forecaster in BOOSTED if forecaster.name in wanted]
    for forecaster in boosted:
        forecaster.make()  # what is not installed is refused now, not in the midst of the work
    return tuple(f for f in with_members(*boosted) if f in BASELINES or f.name in wanted)
