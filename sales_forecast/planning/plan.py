"""The plan: forecasts, changed by the overrides that are in force, in the order they were made.

Takes what is forecast and overrides, gives what is planned of every series, in cents. Must not
know a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from sales_forecast.data.facts import Facts
from sales_forecast.data.forecasts.issue_rows import KnownIssue
from sales_forecast.data.forecasts.override_tables import Override, Scope
from sales_forecast.data.forecasts.plan_rows import Baseline, Effect, PlanRows
from sales_forecast.planning.shares import Cents, shares


def in_force(overrides: Iterable[Override], target: date) -> list[Override]:
    """Return the overrides that a period is planned by, in the order in which they were made.

    An override counts until it is undone, or until a newer one of the same level is in force: that
    one is instead of it and not on top of it, so whoever sends one twice changes nothing.
    """
    covering = [of for of in overrides if of.covers(target)]
    undone = {of.undoes for of in covering if of.undoes}
    newest: dict[tuple[tuple[str, str], ...], Override] = {}
    for of in sorted(covering, key=lambda of: of.number):
        if of.kind != "undo" and of.id not in undone:
            newest[tuple(sorted(of.scope.items()))] = of
    return sorted(newest.values(), key=lambda of: of.number)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is planned.

    Attributes:
        cents: int64[n_series, n_targets], as forecast where no override is about it.
        touched: bool[n_series, n_targets]: an override is.
        effects: what each override makes of each period, in their order.
    """

    cents: Cents
    touched: npt.NDArray[np.bool_]
    effects: Sequence[Effect]


def plan_of(baseline: Baseline, overrides: Sequence[Override]) -> Plan:
    """Return what is planned by some overrides.

    Each takes the plan before it: a value is instead of its sum, percent and units are of it and on
    it. The difference goes to the series by their share of that plan, and to those of which none is
    planned by their share of the forecast. Nothing is planned below 0.
    """
    cents, touched = baseline.cents.copy(), np.zeros_like(baseline.known)
    effects = []
    for column, target in enumerate(baseline.targets):
        for of in in_force(overrides, target):
            rows = np.flatnonzero(rows_of(baseline, of.scope) & baseline.known[:, column])
            if not len(rows):
                continue
            part, forecast = cents[rows, column], baseline.cents[rows, column]
            before = int(part.sum())
            after = after_override(of, before)
            weights = part if (part > 0).any() else forecast
            cents[rows, column] = part + shares(after - before, weights.astype(np.float64))
            touched[rows, column] = True
            effects.append(Effect(of.number, target, int(forecast.sum()), before, after))
    return Plan(cents, touched, effects)


def after_override(of: Override, before: int) -> int:
    """Return the sum, in cents, that an override makes of another."""
    amount = of.amount or 0.0
    match of.kind:
        case "value":
            after = round(amount * 100)
        case "percent":
            after = before + round(before * amount / 100)
        case "units":
            after = before + round(amount * 100)
        case "undo":
            return before
    return max(after, min(before, 0))


def rows_of(baseline: Baseline, scope: Scope) -> npt.NDArray[np.bool_]:
    """Return bool[n_series]: which series belong to a level."""
    rows = np.ones(len(baseline.series), dtype=np.bool_)
    for key, value in scope.items():
        rows &= baseline.keys[key] == value
    return rows


def plan_issue(
    rows: PlanRows, issue: int, first: date, last: date, overrides: Sequence[Override] | None = None
) -> tuple[Baseline, Plan]:
    """Return what an issue forecasts from one period to another, and what is planned of it.

    `overrides`: those that may count; by default all that are stored.
    """
    if overrides is None:
        overrides = rows.overrides.find(last_from=first, first_until=last)
    scopes = [of.scope for of in overrides if of.kind != "undo"]
    baseline = rows.baseline(issue, first, last, scopes)
    return baseline, plan_of(baseline, overrides)


def renew(rows: PlanRows, issue: int, first: date, last: date) -> None:
    """Write what is planned of an issue from one period to another, in place of what was."""
    write(rows, issue, first, last, plan_issue(rows, issue, first, last))


def write(
    rows: PlanRows, issue: int, first: date, last: date, planned: tuple[Baseline, Plan]
) -> None:
    """Write what `plan_issue` gave of these periods, in place of what was."""
    baseline, plan = planned
    series, column = np.nonzero(plan.touched)
    targets = np.array(baseline.targets, dtype="datetime64[D]")
    cents = plan.cents[series, column]
    cells = Facts(baseline.series[series], targets[column], (cents / 100,))
    rows.write_plan(issue, first, last, cells, plan.effects)


def renew_all(rows: PlanRows, issue: KnownIssue) -> None:
    """Write what is planned of a new issue: overrides apply to what it expects."""
    left = rows.overrides.find(last_from=issue.origin, first_until=issue.last)
    if left:
        renew(rows, issue.id, min(of.first for of in left), max(of.last for of in left))
