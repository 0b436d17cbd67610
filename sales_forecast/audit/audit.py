"""The audit: does anything that is measured know what came after its cutoff?

Takes a panel and forecasters, gives checks: what was examined, with its numbers, and a sentence
for whatever is not as it should be. It asks the real `backtest` and the real `features`, and it
must not know how any model works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sales_forecast.audit.leaks import ShortLags
from sales_forecast.audit.perturb import Movement, moved, scrambled, shares
from sales_forecast.data.frequency import SEASON_LENGTH, counted
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.protocols import (
    MANY_STEPS_NAME,
    MIN_WEEKS,
    ONE_STEP_NAME,
    RollingOrigin,
    protocols_of,
)
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.features import History, Index, feature_names, features
from sales_forecast.models.base import Forecaster, FutureConditions
from sales_forecast.models.naive import LAST_VALUE
from sales_forecast.models.pooled import fit_profile

_ORIGINS_APART = 4


@dataclass(frozen=True)
class Check:
    """What one check examined, and what it found wrong."""

    examined: str
    problems: tuple[str, ...] = ()


def protocols(panel: Panel) -> tuple[RollingOrigin, RollingOrigin]:
    """Return one step and many steps, with as many windows as the panel holds.

    Raises NotEnoughData with the numbers.
    """
    least = panel.frequency.periods(MIN_WEEKS)
    ahead = panel.n_periods - least
    usual = protocols_of(panel)
    one, many = (usual[name].within(ahead) for name in (ONE_STEP_NAME, MANY_STEPS_NAME))
    if one is None or many is None:
        needed = least + usual[MANY_STEPS_NAME].least
        raise NotEnoughData(
            f"The audit needs at least {needed} {panel.frequency.unit}s of sales; there are "
            f"{panel.n_periods}. Load at least {needed - panel.n_periods} more.",
            {"weeks": panel.n_periods, "needed": needed},
        )
    return one, many


def audit(
    panel: Panel, forecasters: Sequence[Forecaster], progress: Progress = lambda _: None
) -> list[Check]:
    """Return what was found about the backtest, the features, the models, and the audit itself.

    While it runs, it writes into `panel`; see `perturb.scrambled`. Raises NotEnoughData.
    """
    splits = protocols(panel)
    progress("what the backtest hands over, and the features")
    checks = [handed_over(panel, splits), feature_lags(panel)]
    checks += [perturbation(panel, forecasters, split, progress) for split in splits]
    return [*checks, sees_a_leak(panel, splits[-1])]


# Predictions


def perturbation(
    panel: Panel, forecasters: Sequence[Forecaster], split: RollingOrigin, progress: Progress
) -> Check:
    """Check that no prediction of a protocol moves.

    One week ahead, the stores whose next week is missing are not judged: the last cutoff has the
    halves the other way round.
    """
    cutoffs = split.cutoffs(panel)[[0, -1] if split.horizon == 1 else [0]]
    compared = 0
    found: list[Movement] = []
    for half, cutoff in enumerate(cutoffs):
        progress(f"{_ahead(split, panel)}: cutoff {cutoff}")
        count, movements = moved(panel, forecasters, cutoff, split.horizon, half)
        compared += count
        found += movements
    what = "sales and later conditions" if split.horizon == 1 else "sales and conditions"
    return Check(
        f"{_ahead(split, panel)}, {what} replaced after {' and '.join(map(str, cutoffs))}: "
        f"{len(forecasters)} models, {compared:,} predictions, {_largest(found)}",
        tuple(str(movement) for movement in found),
    )


def _largest(found: Sequence[Movement]) -> str:
    largest = max((movement.share for movement in found), default=0.0)
    return f"largest movement {largest:,.2%}"


def sees_a_leak(panel: Panel, split: RollingOrigin) -> Check:
    """Check that a model that is known to cheat is found out: else this audit proves nothing."""
    cheat = ShortLags(panel, LAST_VALUE)
    _, found = moved(panel, [cheat], split.cutoffs(panel)[0], split.horizon)
    return Check(
        f"the audit itself, with a model that knows {cheat.name}: {_largest(found)}",
        () if found else (f"The audit does not see a model that knows {cheat.name}.",),
    )


def _ahead(split: RollingOrigin, panel: Panel) -> str:
    return f"{counted(split.horizon, panel.frequency.unit)} ahead"


# What the backtest hands over


@dataclass(frozen=True)
class _LastWeek:
    """Predicts the latest week that it was ever shown, in days."""

    name: str = "last_week"
    fitted: float = -np.inf

    def fit(self, panel: Panel) -> _LastWeek:
        return _LastWeek(fitted=_days(panel.periods[-1]))

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        del conditions
        latest = max(self.fitted, _days(history.periods[-1]))
        return np.full((history.n_series, horizon), latest)


@dataclass(frozen=True)
class _WeeksOfConditions:
    """Predicts the number of later weeks whose conditions it was told."""

    name: str = "weeks_of_conditions"

    def fit(self, panel: Panel) -> _WeeksOfConditions:
        del panel
        return self

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        weeks = max((values.shape[1] for values in (conditions or {}).values()), default=0)
        return np.full((history.n_series, horizon), float(weeks))


def _days(day: np.datetime64) -> float:
    return float(day.astype("datetime64[D]").astype(np.int64))


def handed_over(panel: Panel, splits: Sequence[RollingOrigin]) -> Check:
    """Check, at every cutoff, what `fit` and `predict` are given by the backtest."""
    last_week, conditions = witnesses = _LastWeek(), _WeeksOfConditions()
    unit = panel.frequency.unit
    examined, problems = [], []
    for split in splits:
        allowed = 1 if split.horizon == 1 else 0
        table = backtest(panel, witnesses, split)
        windows = table.groupby("cutoff")[[last_week.name, conditions.name]].max()
        for cutoff, (last, weeks) in zip(windows.index, windows.to_numpy(), strict=True):
            day = np.datetime64(cutoff, "D")
            where = f"The backtest at cutoff {day}, {_ahead(split, panel)}, gives a model"
            if last > _days(day):
                late = (last - _days(day)) / panel.frequency.days
                problems.append(f"{where} {counted(round(late), unit)} of sales after the cutoff.")
            if weeks > allowed:
                later = counted(round(weeks), f"later {unit}")
                problems.append(f"{where} the conditions of {later} instead of {allowed}.")
        told = f"{counted(allowed, unit)} of conditions"
        examined.append(f"{_ahead(split, panel)}, {len(windows)} cutoffs, {told}")
    return Check(
        f"no later sales are given to fit and predict: {'; '.join(examined)}", tuple(problems)
    )


# Features


def feature_lags(panel: Panel) -> Check:
    """Check that no feature of (series, origin, target) reads a week after its origin.

    A lag shorter than the step would. All later weeks are there to be read.
    """
    least, longest, apart = map(panel.frequency.periods, (MIN_WEEKS, SEASON_LENGTH, _ORIGINS_APART))
    profile = fit_profile(panel.until(panel.periods[least - 1]))
    names = (*feature_names(panel), "log_reference")
    largest = np.zeros(len(names))
    problems: dict[str, str] = {}
    count = 0
    origins = range(least - 1, panel.n_periods - 1, apart)
    for origin in origins:
        steps = np.arange(1, min(longest, panel.n_periods - 1 - origin) + 1)
        series = np.repeat(np.arange(panel.n_series), len(steps))
        rows = series, np.full(len(series), origin), origin + np.tile(steps, panel.n_series)
        before = _features(panel, profile, rows)
        with scrambled(panel, origin + 1):
            after = _features(panel, profile, rows)
        count += before.size
        change = shares(before, after)
        largest = np.maximum(largest, change.max(axis=0))
        for column in np.flatnonzero(change.any(axis=0)):
            row = int(change[:, column].argmax())
            problems.setdefault(
                names[column],
                f"Feature {names[column]} reads weeks after its origin: of store "
                f"{panel.series[series[row]]}, origin {panel.periods[origin]}, "
                f"{counted(int(rows[2][row] - origin), panel.frequency.unit)} ahead, "
                f"{before[row, column]:.4g} became {after[row, column]:.4g} when only later weeks "
                "changed.",
            )
    return Check(
        f"no feature has a lag shorter than its step: {len(names)} features, {len(origins)} "
        f"origins, steps 1 .. {min(longest, panel.n_periods - least)}, {count:,} numbers, "
        f"largest movement {largest.max():,.2%}",
        tuple(problems.values()),
    )


def _features(panel: Panel, profile: Profile, rows: tuple[Index, Index, Index]) -> Array:
    history = History(panel, profile)
    return np.column_stack([features(history, *rows), history.log_reference(*rows)])
