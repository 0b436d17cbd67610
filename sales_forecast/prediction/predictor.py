"""One verified bundle and one history: what answers requests.

Takes a bundle and a panel, gives answers by store number and date, with their interval and
their warnings. Immutable: a new model or new weeks make a new `Predictor`. Must not read
files or databases, and must not know HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.manifest import ForecastChoice, IntervalLevel
from sales_forecast.data import calendar
from sales_forecast.data.panel import CONDITIONS, DAYS_PER_PERIOD, Array, Panel
from sales_forecast.errors import InvalidRequest, NotReady, UnknownStore
from sales_forecast.models.base import weeks_sold
from sales_forecast.models.intervals import LEVELS
from sales_forecast.prediction.bounds import Bounds, interval
from sales_forecast.prediction.engines import MAX_STEPS, BaselineEngine, Engine, ModelEngine, young


@dataclass(frozen=True)
class Answer:
    """One answer of `/predict_sales`, in units of sales, rounded to cents."""

    prediction: float
    week_ending: date
    interval_80: tuple[float, float] | None
    """None where too few forecasts have been measured to say anything."""
    interval_95: tuple[float, float] | None
    random_forest: float | None
    """None, as `xgboost`, while the growth baseline is what is served."""
    xgboost: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class WeekForecast:
    """One week of `/forecast_sales`, in units of sales, rounded to cents."""

    week_ending: date
    sales: float
    lower: float | None
    upper: float | None


class Predictor:
    """One verified bundle and one history.

    Attributes:
        version: the version of the bundle.
        origin: the last known week.
        forecasting: what `forecast` can be asked for, and the model that answers.
        warnings: what callers must know of every answer.
    """

    def __init__(self, bundle: Bundle, panel: Panel) -> None:
        """Prepare everything.

        Raises BundleRefused for a bundle of another code version, NotReady for a history that
        holds none of its stores.
        """
        manifest = bundle.manifest
        known = [name for name in manifest.training.series if name in panel.positions]
        if not known:
            raise NotReady(
                f"the database holds none of the {len(manifest.training.series)} stores that "
                f"bundle {manifest.version} was trained on. Load their sales, or train again."
            )
        self.version = manifest.version
        self.origin = panel.last
        self.warnings = (manifest.note,) if manifest.note else ()
        self.forecasting = manifest.answered_by.forecasts
        self._manifest = manifest
        # Stores that are newer than the model are answered for too.
        self._rows = {int(name): row for name, row in panel.positions.items()}
        self._first = panel.first
        self._n_periods = panel.n_periods
        self._ranges = [
            (position, name, *manifest.condition_ranges[name])
            for position, name in enumerate(CONDITIONS)
            if name in manifest.condition_ranges
        ]
        self._series = panel.series
        models = manifest.kind == "models"
        self._engine: Engine = ModelEngine(bundle, panel) if models else BaselineEngine(panel)
        self._wider = self._engine.widening()
        self._young = _warnings_of_young(panel)
        self._bounds = self._measured(manifest.answered_by.predict_sales)
        forecasts = {
            (model, level): weeks
            for model, sales in self._engine.forecasts().items()
            for level, weeks in self._weeks_ahead(panel, sales, self._measured(model)).items()
        }
        self._forecasts = {
            (choice, level): forecasts[model, level]
            for choice, model in self.forecasting.items()
            for level in LEVELS
        }

    def predict(self, store: int, day: date, conditions: Sequence[float]) -> Answer:
        """Answer for the week that contains `day`.

        `conditions`: finite, in the order of `panel.CONDITIONS`. A week within the history is
        answered as it would have been the week before. Raises UnknownStore, InvalidRequest.
        """
        row = self._row(store)
        week_ending = self._week_ending(day)
        week = (week_ending - self._first).days // DAYS_PER_PERIOD
        if week < 1:
            earliest = self._first + timedelta(days=DAYS_PER_PERIOD)
            raise InvalidRequest(
                f"Date {day} is in the week ending {week_ending}; the earliest week that can be "
                f"answered ends {earliest}, one after the first known.",
                {"Date": str(day)},
            )
        step = max(week - self._n_periods + 1, 1)
        warnings = [*self._warnings(row), *self._condition_warnings(conditions)]
        if step > MAX_STEPS:
            warnings.append(
                f"The week ending {week_ending} is {step} weeks after the last known one "
                f"({self.origin}), more than the {MAX_STEPS} that the models know: answered from "
                "the same season of the last known year."
            )
        estimate = self._engine.answer(row, week, conditions)
        if math.isnan(estimate.prediction):
            raise InvalidRequest(
                f"Store {store} has no known sales before the week ending {week_ending}.",
                {"Store": store, "Date": str(day)},
            )
        if not estimate.year_ago_known:
            warnings.append(
                f"Sales of store {store} a year before the week ending {week_ending} are not "
                "known: answered from its last known week."
            )
        return Answer(
            prediction=round(estimate.prediction, 2),
            week_ending=week_ending,
            interval_80=interval(estimate.prediction, self._bounds.at(80, row, step)),
            interval_95=interval(estimate.prediction, self._bounds.at(95, row, step)),
            random_forest=_cents(estimate.random_forest),
            xgboost=_cents(estimate.xgboost),
            warnings=tuple(warnings),
        )

    def forecast(
        self, store: int, steps: int, choice: ForecastChoice = "arima", level: IntervalLevel = 80
    ) -> Sequence[WeekForecast]:
        """Return the `steps` weeks (1..52) after the last known one, by the model of a choice.

        `level`: percent of sales that the intervals are to hold. Raises UnknownStore,
        InvalidRequest.
        """
        row = self._row(store, "store_id")
        if not 1 <= steps <= MAX_STEPS:
            raise InvalidRequest(f"steps must be 1 to {MAX_STEPS}, not {steps}.", {"steps": steps})
        weeks = self._forecasts[choice, level][row]
        if math.isnan(weeks[0].sales):
            raise InvalidRequest(f"Store {store} has no known sales.", {"store_id": store})
        return weeks[:steps]

    def warnings_for(self, store: int) -> tuple[str, ...]:
        """Return what callers must know of every answer for a store. Raises UnknownStore."""
        return self._warnings(self._row(store, "store_id"))

    def _warnings(self, row: int) -> tuple[str, ...]:
        return (*self.warnings, *([self._young[row]] if row in self._young else []))

    def describe(self) -> dict[str, object]:
        """Return what the model is: version, training window, scores beside the baselines."""
        manifest = self._manifest
        training = manifest.training
        return {
            "model_version": self.version,
            "kind": manifest.kind,
            "trained_at": manifest.trained_at.isoformat(),
            "git_commit": manifest.git_commit,
            "training": {
                "first_week": str(training.first_week),
                "last_week": str(training.last_week),
                "stores": len(training.series),
                "data_fingerprint": training.fingerprint,
                "source": training.source,
            },
            "forecast_origin": str(self.origin),
            "answered_by": manifest.answered_by.model_dump(),
            "scores": manifest.scores,
            "warnings": list(self.warnings),
        }

    def _row(self, store: int, field: str = "Store") -> int:
        row = self._rows.get(store)
        if row is None:
            raise UnknownStore(
                f"Store {store} is not in the model. Known stores: {_ranges(sorted(self._rows))}.",
                {field: store},
            )
        return row

    def _week_ending(self, day: date) -> date:
        try:
            return calendar.week_ending(day, self._first.weekday())
        except OverflowError:
            raise InvalidRequest(
                f"Date {day} is in a week that ends after {date.max}.", {"Date": str(day)}
            ) from None

    def _condition_warnings(self, conditions: Sequence[float]) -> list[str]:
        return [
            f"{name} {conditions[position]:g} is outside what the models were trained on "
            f"({low:g} to {high:g})."
            for position, name, low, high in self._ranges
            if not low <= conditions[position] <= high
        ]

    def _weeks_ahead(
        self, panel: Panel, sales: Array, bounds: Bounds
    ) -> dict[int, list[tuple[WeekForecast, ...]]]:
        weeks = [week.item() for week in panel.after(MAX_STEPS)]
        return {
            level: [
                tuple(
                    WeekForecast(week, round(value, 2), *(interval(value, bound) or (None, None)))
                    for week, value, bound in zip(weeks, values, bounds.of(level, row), strict=True)
                )
                for row, values in enumerate(sales.tolist())
            ]
            for level in LEVELS
        }

    def _measured(self, model: str) -> Bounds:
        return Bounds(self._manifest.intervals[model].intervals(), self._series, self._wider)


def _warnings_of_young(panel: Panel) -> dict[int, str]:
    """Return row -> what a caller must know of a store that has no year of sales."""
    weeks = weeks_sold(panel)
    return {
        row: f"Only {weeks[row]} weeks of sales of store {panel.series[row]} are known: answered "
        "from what all stores do at that time of the year, with a wider interval."
        for row in np.flatnonzero(young(panel)).tolist()
    }


def _cents(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _ranges(numbers: Sequence[int]) -> str:
    """Write sorted numbers briefly: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(str(end) for end in part) for part in parts)
