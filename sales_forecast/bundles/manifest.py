"""What a bundle says of itself: the form of `manifest.json`.

Takes and gives plain numbers, so that JSON can hold them; NaN is written as null. Must not
read or write files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from sales_forecast.data.panel import DAYS_PER_PERIOD, Array, Panel
from sales_forecast.features.calendar_effects import CalendarProfile, PooledProcess, Profile
from sales_forecast.features.gaussian import Hyperparameters
from sales_forecast.models.intervals import IntervalFactors, Intervals

FORMAT: Final = 3
Kind = Literal["models", "baseline"]
ForecastModel = Literal["arima", "pooled", "seasonal_naive_growth"]
ForecastChoice = Literal["arima", "best"]
"""What a caller can ask for: ARIMA, or what the gate found best."""
IntervalLevel = Literal[80, 95]
Numbers = tuple[float | None, ...]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class TrainingWindow(_Value):
    """The data that the models were fitted on."""

    first_week: date
    last_week: date
    series: tuple[str, ...]
    fingerprint: str
    source: str


class AnsweredBy(_Value):
    """Which model answers each endpoint."""

    predict_sales: str
    forecast_sales: ForecastModel
    best: ForecastModel
    """Answers `/forecast_sales?model=best`."""

    @property
    def forecasts(self) -> Mapping[ForecastChoice, ForecastModel]:
        """What can be asked of `/forecast_sales`, and the model that answers."""
        return {"arima": self.forecast_sales, "best": self.best}


class Factors(_Value):
    """Interval factors of one model, for steps 1..n."""

    lower: Numbers
    upper: Numbers

    @classmethod
    def of(cls, factors: IntervalFactors) -> Factors:
        """Take them from arrays."""
        return cls(lower=_numbers(factors.lower), upper=_numbers(factors.upper))

    def arrays(self) -> IntervalFactors:
        """Give them as arrays."""
        return IntervalFactors(_array(self.lower), _array(self.upper))


class StoredIntervals(_Value):
    """What was measured of the errors of one model, as plain numbers."""

    factors: Mapping[int, Factors]
    widths: Mapping[str, float]

    @classmethod
    def of(cls, intervals: Intervals) -> StoredIntervals:
        """Take them from arrays."""
        factors = {level: Factors.of(each) for level, each in intervals.factors.items()}
        return cls(factors=factors, widths=intervals.widths)

    def intervals(self) -> Intervals:
        """Give them as arrays."""
        return Intervals(
            {level: each.arrays() for level, each in self.factors.items()}, self.widths
        )


class StoredPanel(_Value):
    """A panel as plain numbers."""

    first_week: date
    series: tuple[str, ...]
    y: tuple[Numbers, ...]
    conditions: Mapping[str, tuple[Numbers, ...]]

    @classmethod
    def of(cls, panel: Panel) -> StoredPanel:
        """Take it from a panel."""
        return cls(
            first_week=panel.first,
            series=panel.series,
            y=tuple(_numbers(row) for row in panel.y),
            conditions={
                name: tuple(_numbers(row) for row in values)
                for name, values in panel.conditions.items()
            },
        )

    def panel(self) -> Panel:
        """Give it as a panel."""
        y = np.array([_array(row) for row in self.y])
        weeks = np.arange(y.shape[1]) * np.timedelta64(DAYS_PER_PERIOD, "D")
        return Panel(
            y=y,
            periods=np.datetime64(self.first_week) + weeks,
            series=self.series,
            conditions={
                name: np.array([_array(row) for row in rows])
                for name, rows in self.conditions.items()
            },
        )


class StoredProfile(_Value):
    """A calendar profile as plain numbers."""

    chain_process: Mapping[str, float]
    store_process: Mapping[str, float]
    last_week: date
    chain: tuple[float, ...]
    """The weight of each week, the last one being `last_week`."""
    stores: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, profile: Profile) -> StoredProfile:
        """Take it from a profile. Raises TypeError for any but that of one pool of weeks."""
        if not isinstance(profile, CalendarProfile):
            raise TypeError(f"a bundle cannot hold a {type(profile).__name__}")
        return cls(
            chain_process=asdict(profile.process.chain),
            store_process=asdict(profile.process.store),
            last_week=date.fromisoformat(str(profile.periods[-1])),
            chain=tuple(profile.chain.tolist()),
            stores={name: tuple(weights.tolist()) for name, weights in profile.stores.items()},
        )

    def profile(self) -> CalendarProfile:
        """Give it as a profile."""
        last = np.datetime64(self.last_week)
        process = PooledProcess(
            Hyperparameters(**self.chain_process), Hyperparameters(**self.store_process), last
        )
        back = np.arange(len(self.chain))[::-1] * np.timedelta64(DAYS_PER_PERIOD, "D")
        stores = {name: np.array(weights) for name, weights in self.stores.items()}
        return CalendarProfile(process, last - back, np.array(self.chain), stores)


class GoldenRow(_Value):
    """One question and the answers of the models as they were trained, in units of sales."""

    series: str
    week_ending: date
    conditions: tuple[float, ...]
    random_forest: float
    xgboost: float


class GoldenForecast(_Value):
    """What the forecast of one series was when it was trained, in units of sales."""

    series: str
    choice: ForecastChoice
    sales: tuple[float, ...]


class Golden(_Value):
    """What a bundle must reproduce before it may answer anyone."""

    history: StoredPanel
    rows: tuple[GoldenRow, ...]
    forecasts: tuple[GoldenForecast, ...]


class Manifest(_Value):
    """Everything about a bundle but the trees themselves."""

    format: Literal[3] = FORMAT
    version: str
    kind: Kind
    """`models`: those that were trained; `baseline`: seasonal naive x growth."""
    note: str = ""
    trained_at: datetime
    git_commit: str | None
    training: TrainingWindow
    feature_names: tuple[str, ...]
    calendar: StoredProfile | None
    """What the models were fitted beside; None for the baseline."""
    theta: Mapping[str, float]
    answered_by: AnsweredBy
    condition_ranges: Mapping[str, tuple[float, float]]
    intervals: Mapping[str, StoredIntervals]
    """Per model that answers."""
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Protocol -> model -> metric -> value."""
    scores_by_series: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Protocol -> model -> series -> WMAE."""
    golden: Golden | None
    checksums: Mapping[str, str] = {}


def _numbers(values: Array) -> Numbers:
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _array(values: Numbers) -> Array:
    return np.array([np.nan if value is None else value for value in values])
