"""Hyperparameters of the trees: is any other setting better than the defaults?

Takes a panel and a tree forecaster, gives the best of settings drawn at random. The weeks that
are reported are cut off before anything else. Changes no default: a person commits what is worth
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler

from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.metrics import HOLIDAY_WEIGHT
from sales_forecast.evaluation.protocols import (
    MANY_STEPS_NAME,
    MIN_WEEKS,
    RollingOrigin,
    protocols_of,
)
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.models.trees import TREES, Parameters, TreeForecaster
from sales_forecast.params import DEFAULTS, Params
from sales_forecast.tuning.trials import Found, Trial, describe, relative_errors, standard_errors

# The dice of a fit move its error as much as most settings do. One seed says which third to look
# at; others, which had no part in that, say how good it is.
_FIRST_SEEDS, _FINAL_SEEDS = range(1), range(1, 6)
_FINAL_SHARE = 1 / 3


def choose(names: str | None) -> tuple[TreeForecaster, ...]:
    """Return the trees of a comma-separated list; Random Forest and XGBoost for None.

    Raises SettingsError naming what is unknown, or is not installed.
    """
    if names is None:
        return (*TREES,)
    known = {forecaster.name: forecaster for forecaster in (*TREES, *BOOSTED)}
    wanted = [name.strip() for name in names.split(",")]
    if unknown := sorted(set(wanted) - set(known)):
        raise SettingsError(
            f"--models: {', '.join(unknown)} cannot be tuned. Known: {', '.join(known)}."
        )
    chosen = tuple(known[name] for name in dict.fromkeys(wanted))
    for forecaster in chosen:
        forecaster.make()  # what is not installed is refused now, not in the midst of the work
    return chosen


def searchable(panel: Panel, until: date | None = None, params: Params = DEFAULTS) -> Panel:
    """Return the weeks that a search may see: none of the reported ones, none after `until`.

    Raises NotEnoughData, and SettingsError if `until` is among the reported weeks.
    """
    usual, unit = protocols_of(panel, params), panel.frequency.unit
    reported = max(split.weeks for split in usual.values())
    needed = panel.frequency.periods(MIN_WEEKS) + usual[MANY_STEPS_NAME].least
    unreported = max(panel.n_periods - reported, 0)
    asked = panel.n_periods if until is None else int((panel.periods <= np.datetime64(until)).sum())
    periods = min(unreported, asked)
    if periods < needed:
        limit = f" and until {until}" if asked < unreported else ""
        more = needed + reported - panel.n_periods
        raise NotEnoughData(
            f"A search needs at least {needed} {unit}s of sales before the {reported} "
            f"that are reported{limit}; there are {periods}. "
            f"{'Give a later --until' if limit else f'Load at least {more} more'}.",
            {"weeks": periods, "needed": needed},
        )
    if until is not None and asked > unreported:
        raise SettingsError(
            f"--until {until}: the last {reported} {unit}s are reported, so nothing may be "
            f"chosen on them. Search at the latest until {panel.periods[unreported - 1]}."
        )
    return panel.until(panel.periods[periods - 1])


def protocols(panel: Panel) -> list[RollingOrigin]:
    """Return one step and many steps, with as many windows as a searchable panel holds."""
    ahead = panel.n_periods - panel.frequency.periods(MIN_WEEKS)
    within = [split.within(ahead) for split in protocols_of(panel).values()]
    return [split for split in within if split is not None]


def describe_windows(panel: Panel) -> str:
    """Return what a searchable panel is searched on: three lines with dates and numbers."""
    splits = protocols(panel)
    weeks = max(split.weeks for split in splits)
    holidays = int((panel.holidays[:, -weeks:] > 0).any(axis=0).sum())
    unit = panel.frequency.unit
    judged = f"{weeks} {unit}s are judged, holiday {unit}s among them: {holidays}"
    return "\n".join([*(split.describe(panel) for split in splits), judged])


def draw(forecaster: TreeForecaster, n_trials: int, seed: int) -> list[Parameters]:
    """Return the defaults, then settings of the space: all different, `n_trials` if there are."""
    n_drawn = min(n_trials, len(ParameterGrid(forecaster.space)))
    sampler = ParameterSampler(forecaster.space, n_drawn, random_state=seed)
    drawn = [{**forecaster.parameters, **some} for some in sampler]
    others = [parameters for parameters in drawn if parameters != forecaster.parameters]
    return [forecaster.parameters, *others[: n_trials - 1]]


def search(
    panel: Panel,
    forecaster: TreeForecaster,
    n_trials: int,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Found:
    """Try settings on all windows of both protocols. `panel`: as `searchable` gives it."""
    trials = draw(forecaster, n_trials, seed)
    misses = _misses(panel, forecaster, trials, _FIRST_SEEDS, progress)
    ranked = 1 + np.argsort(relative_errors(misses)[1:], kind="stable")
    best = ranked[: int(np.ceil(_FINAL_SHARE * len(ranked)))]
    finalists = [trials[number] for number in (0, *best)]
    misses = _misses(panel, forecaster, finalists, _FINAL_SEEDS, progress)
    results = zip(finalists, relative_errors(misses), standard_errors(misses), strict=True)
    found = [
        Trial(parameters, float(error), float(spread)) for parameters, error, spread in results
    ]
    # The sort is stable: the defaults, being first, stay before whatever is no better.
    found.sort(key=lambda trial: trial.relative_error)
    return Found(forecaster.name, forecaster.parameters, len(trials), tuple(found))


def _misses(
    panel: Panel,
    forecaster: TreeForecaster,
    trials: Sequence[Parameters],
    seeds: Iterable[int],
    progress: Progress,
) -> Array:
    """Return float64[n_seeds, n_protocols, n_weeks, n_trials]; see `weekly_misses`."""
    seeded = [{**trial, "random_state": seed} for seed in seeds for trial in trials]
    # One backtest of all: what they share, above all the calendar, is then estimated once.
    named = [replace(forecaster, name=describe(some), parameters=some) for some in seeded]

    def report(text: str) -> None:
        progress(f"{forecaster.name}, {len(named)} fits each time: {text}")

    misses = np.stack([weekly_misses(panel, named, split, report) for split in protocols(panel)])
    return np.moveaxis(misses.reshape(*misses.shape[:2], -1, len(trials)), 2, 0)


def weekly_misses(
    panel: Panel, trials: Sequence[TreeForecaster], split: RollingOrigin, progress: Progress
) -> Array:
    """Return float64[n_weeks, n_trials]: weighted absolute errors of a week, summed over stores.

    The weights are those of WMAE; a week that the protocol does not judge has 0.
    """
    table = backtest(panel, trials, split, progress)
    weight = 1 + (HOLIDAY_WEIGHT - 1) * table["holiday"].to_numpy()
    predicted = table[[trial.name for trial in trials]].to_numpy()
    missed = weight[:, None] * np.abs(predicted - table["y"].to_numpy()[:, None])
    misses = np.zeros((panel.n_periods, len(trials)))
    np.add.at(misses, np.searchsorted(panel.periods, table["ds"].to_numpy()), missed)
    return misses
