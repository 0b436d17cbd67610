"""The roster: every model by name, and who takes part in a training.

Takes names, gives forecasters. Must not fit or judge them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sales_forecast.errors import SettingsError
from sales_forecast.models.averages import AVERAGES
from sales_forecast.models.base import Forecaster
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.models.ensemble import MEMBERS, EnsembleForecaster, MeanForecaster
from sales_forecast.models.ets import ETS
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.names import MEAN_MODEL
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.trees import RANDOM_FOREST, TREES, trees_of
from sales_forecast.params import DEFAULTS, Params


def with_members(*more: Forecaster, trees: Sequence[Forecaster] = TREES) -> tuple[Forecaster, ...]:
    """Return all forecasters of a training, and `more` as further members of the ensemble."""
    members = (*trees, *MEMBERS[len(TREES) :], *more)
    models = (of for of in members if of not in BASELINES)
    mean = MeanForecaster(trees, MEAN_MODEL)
    return (*BASELINES, *AVERAGES, RIDGE, ETS, *models, EnsembleForecaster(members), mean)


ALL_FORECASTERS = with_members()


def roster(params: Params = DEFAULTS, *, large: bool = False) -> tuple[Forecaster, ...]:
    """Return the forecasters of a training; of a `large` panel those that are worth their time.

    The ensemble of a large panel has no Random Forest in it. Raises SettingsError naming what is
    unknown, or is not installed.
    """
    names = params.models.many_series if large else params.models.usual
    place = f"params.yaml: models.{'many_series' if large else 'usual'}"
    chosen = _chosen({*names}, place, trees_of(params.trees))
    if not large:
        return chosen
    return tuple(
        EnsembleForecaster(tuple(of for of in one.members if of.name != RANDOM_FOREST.name))
        if isinstance(one, EnsembleForecaster)
        else one
        for one in chosen
    )


def choose(names: str | None, params: Params = DEFAULTS) -> tuple[Forecaster, ...]:
    """Return the baselines and the forecasters of a comma-separated list.

    None stands for all that a training judges; LightGBM and CatBoost are to be named, and are
    then members of the ensemble, if that is named too. Both trees bring their mean along, and it
    brings both.
    Raises SettingsError naming what is unknown, or is not installed.
    """
    if names is None:
        return roster(params)
    wanted = {name.strip() for name in names.split(",")}
    return _chosen(wanted, "--models", trees_of(params.trees))


def _chosen(wanted: set[str], place: str, trees: Sequence[Forecaster]) -> tuple[Forecaster, ...]:
    known = {forecaster.name for forecaster in with_members(*BOOSTED)}
    if unknown := sorted(wanted - known):
        named = ", ".join(name or repr(name) for name in unknown)
        raise SettingsError(f"{place}: unknown {named}. Known: {', '.join(sorted(known))}.")
    of_trees = {forecaster.name for forecaster in trees}
    if MEAN_MODEL in wanted or of_trees <= wanted:
        wanted |= {*of_trees, MEAN_MODEL}
    boosted = [forecaster for forecaster in BOOSTED if forecaster.name in wanted]
    for forecaster in boosted:
        forecaster.make()  # what is not installed is refused now, not in the midst of the work
    everything = with_members(*boosted, trees=trees)
    return tuple(of for of in everything if of in BASELINES or of.name in wanted)
