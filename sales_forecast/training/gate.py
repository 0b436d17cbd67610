"""The gate: a challenger is served only if it is better than what costs nothing.

Takes backtest tables (protocol -> long table), gives a verdict with every number it rests
on, and which model forecasts best. Pure functions: they decide, and do not act.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from sales_forecast.bundles.manifest import AnsweredBy
from sales_forecast.evaluation import metrics
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import MANY_STEPS_NAME, ONE_STEP_NAME
from sales_forecast.evaluation.scoring import models_in
from sales_forecast.models.naive import BASELINE_NAMES
from sales_forecast.models.names import BASELINE_MODEL, MEAN_MODEL
from sales_forecast.params import DEFAULTS, Gate
from sales_forecast.training.slices import slices

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

    @property
    def excess(self) -> float:
        """By which share of the limit the error is above it; below it, less than none."""
        return self.value / self.limit - 1 if self.limit > 0 else math.inf

    def __str__(self) -> str:
        verb = "is below" if self.passed else "is not below"
        gap = f" ({100 * self.excess:+.1f}%)" if self.limit > 0 else ""
        value, limit = metrics.in_units(self.value), metrics.in_units(self.limit)
        return f"{self.what}: {value} {verb} {limit}{gap}"


@dataclass(frozen=True)
class Verdict:
    """All checks of one challenger.

    Attributes:
        wape_gain: by what share its WAPE is below the champion's, one step ahead on equal weeks;
            None where the two cannot be compared.
    """

    checks: tuple[Check, ...]
    wape_gain: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed (and there was one)."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def shortfalls(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def as_json(self) -> str:
        """Return everything as JSON; a number that is none is null."""
        checks = [
            {
                "what": check.what,
                "value": _or_null(check.value),
                "limit": _or_null(check.limit),
                "passed": check.passed,
            }
            for check in self.checks
        ]
        told = {"passed": self.passed, "wape_gain": self.wape_gain, "checks": checks}
        return json.dumps(told, allow_nan=False)


def _or_null(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _errors(table: pd.DataFrame, model: str) -> dict[str, float]:
    y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
    prediction = table[model].to_numpy()
    return {
        "WMAE": metrics.wmae(y, prediction, holiday),
        "RMSE": metrics.rmse(y, prediction),
    }


def _against_baseline(tables: Tables, serving: AnsweredBy) -> list[Check]:
    checks = []
    for protocol, model in answering(serving).items():
        table = tables[protocol]
        limits = _errors(table, BASELINE_MODEL)
        checks += [
            Check(f"{protocol} {metric} of {model} against {BASELINE_MODEL}", value, limits[metric])
            for metric, value in _errors(table, model).items()
        ]
    return checks


class _Compared(NamedTuple):
    """What both predicted in a protocol: the champion's is the column `champion`."""

    protocol: str
    model: str
    served: str
    rows: pd.DataFrame


def _with_champion(
    tables: Tables, serving: AnsweredBy, champion: Tables, champion_serving: AnsweredBy
) -> Iterator[_Compared]:
    theirs_by = answering(champion_serving)
    for protocol, model in answering(serving).items():
        served = theirs_by[protocol]
        if protocol not in champion or served not in champion[protocol].columns:
            continue
        theirs = champion[protocol].set_index(_ROW_KEY)[served].rename("champion")
        common = tables[protocol].join(theirs, on=_ROW_KEY, how="inner")
        if not common.empty:
            yield _Compared(protocol, model, served, common)


def _against_champion(
    compared: _Compared, groups: Mapping[str, str], gate: Gate
) -> Iterator[Check]:
    protocol, model, served, rows = compared
    value, limit = (_errors(rows, name)["WMAE"] for name in (model, "champion"))
    against = f"{protocol} WMAE of {model} against the champion's {served}"
    what = f"{against} on {rows['ds'].nunique()} equal weeks"
    yield Check(what, value, limit * (1 + gate.champion_tolerance))
    yield from _in_parts(rows, model, groups, against, gate.part_tolerance)


def _wape_gain(compared: _Compared) -> float | None:
    y = compared.rows["y"].to_numpy()
    ours, theirs = (
        metrics.wape(y, compared.rows[name].to_numpy()) for name in (compared.model, "champion")
    )
    return _or_null(1 - ours / theirs) if theirs > 0 else None


def _in_parts(
    common: pd.DataFrame, model: str, groups: Mapping[str, str], against: str, tolerance: float
) -> list[Check]:
    """Return a check of each kind of part: of the part in which the model is the worst."""
    worst: dict[str, Check] = {}
    for part in slices(common, groups):
        rows = common[part.rows]
        value, limit = (_errors(rows, name)["WMAE"] for name in (model, "champion"))
        if value == limit == 0:
            continue  # of a part that sells nothing
        what = f"{against} on {part.name} ({rows['ds'].nunique()} weeks)"
        check = Check(what, value, limit * (1 + tolerance))
        if part.kind not in worst or check.excess > worst[part.kind].excess:
            worst[part.kind] = check
    return [*worst.values()]


def answering(serving: AnsweredBy) -> Mapping[str, str]:
    """Return protocol -> the model that answers that protocol's questions."""
    return {ONE_STEP_NAME: serving.predict_sales, MANY_STEPS_NAME: serving.forecast_sales}


def judge(
    tables: Tables,
    serving: AnsweredBy,
    champion: Tables | None = None,
    champion_serving: AnsweredBy | None = None,
    groups: Mapping[str, str] | None = None,
    *,
    gate: Gate = DEFAULTS.gate,
) -> Verdict:
    """Judge a challenger's tables by the models that would answer, and those of the champion.

    The champion is compared on the (series, cutoff, week, sales) rows that both predicted
    before the week was known; its later fit would have seen those weeks. It is compared, too, where
    the challenger is the worst: on holidays, on a third by size, on one of the `groups` (series ->
    group; see `slices.groups_of`). Tables without the models (too few weeks) give a verdict
    without checks, which does not pass.
    """
    for protocol, model in answering(serving).items():
        if protocol not in tables or model not in tables[protocol].columns:
            return Verdict(())
    checks, wape_gain = _against_baseline(tables, serving), None
    if champion is not None and champion_serving is not None:
        for compared in _with_champion(tables, serving, champion, champion_serving):
            checks += _against_champion(compared, groups or {}, gate)
            if compared.protocol == ONE_STEP_NAME:
                wape_gain = _wape_gain(compared)
    return Verdict(tuple(checks), wape_gain)


def choose(tables: Tables, *, stores: bool) -> AnsweredBy:
    """Return which models answer, by the tables they were judged in.

    The best over many steps, and on panels other than weekly stores the best over one step. For
    weekly stores the mean of both trees answers one step and ARIMA many, whatever is best. The best
    also answers who asks for an ARIMA that could not be judged.
    """
    best = _best(tables, MANY_STEPS_NAME, "arima")
    if stores:
        return AnsweredBy(predict_sales=MEAN_MODEL, forecast_sales="arima", best=best)
    one = _best(tables, ONE_STEP_NAME, MEAN_MODEL)
    judged = any("arima" in table.columns for table in tables.values())
    arima = "arima" if judged else best
    return AnsweredBy(predict_sales=one, forecast_sales=best, best=best, arima=arima)


def _best(tables: Tables, protocol: str, usual: str) -> str:
    """Return the model of the lowest WMAE; the `usual` one where it is as good or not judged."""
    table = tables.get(protocol)
    judged = [] if table is None else models_in(table)
    if table is None or {*judged} <= BASELINE_NAMES:
        return usual
    judged.sort(key=lambda model: model != usual)  # the first of equals is taken
    return min(judged, key=lambda model: _errors(table, model)["WMAE"])
