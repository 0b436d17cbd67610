"""The gate: a candidate is served only if it is better than what costs nothing.

Takes backtest tables (protocol -> long table), gives a verdict with every number it rests
on, and which model forecasts best. Pure functions: they decide, and do not act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sales_forecast.bundles.manifest import ForecastModel, Kind
from sales_forecast.evaluation import metrics
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import MANY_STEPS_NAME, ONE_STEP_NAME
from sales_forecast.models.names import BASELINE_MODEL, MEAN_MODEL

FORECASTS: Mapping[Kind, tuple[ForecastModel, ...]] = {
    "models": ("arima", "pooled"),
    "baseline": (BASELINE_MODEL,),
}
"""Kind of bundle -> the models that may answer for many steps: the first, or the best if asked."""
SERVED: Mapping[Kind, Mapping[str, str]] = {
    "models": {ONE_STEP_NAME: MEAN_MODEL, MANY_STEPS_NAME: FORECASTS["models"][0]},
    "baseline": {ONE_STEP_NAME: BASELINE_MODEL, MANY_STEPS_NAME: FORECASTS["baseline"][0]},
}
"""Kind of bundle -> protocol -> the model that answers that protocol's questions."""

# Two fits to nearly the same weeks differ by less than this; it says nothing about worse.
CHAMPION_TOLERANCE = 0.01
_ROW_KEY = ["unique_id", "cutoff", "ds", "y"]


@dataclass(frozen=True)
class Check:
    """One comparison: `value` must be below `limit`, both errors in units of sales."""

    what: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the error is below the limit; a NaN is not."""
        return self.value < self.limit

    def __str__(self) -> str:
        verb = "is below" if self.passed else "is not below"
        gap = f" ({100 * (self.value / self.limit - 1):+.1f}%)" if self.limit > 0 else ""
        return f"{self.what}: {self.value:,.0f} {verb} {self.limit:,.0f}{gap}"


@dataclass(frozen=True)
class Verdict:
    """All checks of one candidate."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed (and there was one)."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def shortfalls(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def _errors(table: pd.DataFrame, model: str) -> dict[str, float]:
    y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
    prediction = table[model].to_numpy()
    return {
        "WMAE": metrics.wmae(y, prediction, holiday),
        "RMSE": metrics.rmse(y, prediction),
    }


def _against_baseline(tables: Tables) -> list[Check]:
    checks = []
    for protocol, model in SERVED["models"].items():
        table = tables[protocol]
        limits = _errors(table, BASELINE_MODEL)
        checks += [
            Check(f"{protocol} {metric} of {model} against {BASELINE_MODEL}", value, limits[metric])
            for metric, value in _errors(table, model).items()
        ]
    return checks


def _against_champion(
    tables: Tables, champion: Tables, champion_models: Mapping[str, str]
) -> list[Check]:
    checks = []
    for protocol, model in SERVED["models"].items():
        served = champion_models[protocol]
        if protocol not in champion or served not in champion[protocol].columns:
            continue
        theirs = champion[protocol].set_index(_ROW_KEY)[served].rename("champion")
        common = tables[protocol].join(theirs, on=_ROW_KEY, how="inner")
        if common.empty:
            continue
        value, limit = (_errors(common, name)["WMAE"] for name in (model, "champion"))
        weeks = common["ds"].nunique()
        what = f"{protocol} WMAE of {model} against the champion's {served} on {weeks} equal weeks"
        checks.append(Check(what, value, limit * (1 + CHAMPION_TOLERANCE)))
    return checks


def judge(tables: Tables, champion: Tables | None = None, kind: Kind = "models") -> Verdict:
    """Judge a candidate's tables, with those of the champion (a bundle of `kind`), if any.

    The champion is compared on the (series, cutoff, week, sales) rows that both predicted
    before the week was known; its later fit would have seen those weeks. Tables without the models
    (too few weeks) give a verdict without checks, which does not pass.
    """
    for protocol, model in SERVED["models"].items():
        if protocol not in tables or model not in tables[protocol].columns:
            return Verdict(())
    checks = _against_baseline(tables)
    if champion is not None:
        checks += _against_champion(tables, champion, SERVED[kind])
    return Verdict(tuple(checks))


def best_forecast(tables: Tables, kind: Kind = "models") -> ForecastModel:
    """Return the model of `FORECASTS` with the lowest WMAE over many steps.

    The first of them where another is only as good, or where not all were judged.
    """
    models = FORECASTS[kind]
    table = tables.get(MANY_STEPS_NAME)
    if table is None or not set(models) <= set(table.columns):
        return models[0]
    return min(models, key=lambda model: _errors(table, model)["WMAE"])
