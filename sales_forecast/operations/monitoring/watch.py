"""All rules over the errors of a champion: every alarm named, dated and said in words.

Takes errors by whole weeks, gives alarms. Of a week it knows weeks before it and itself alone; only
whether an alarm is confirmed is told by the two weeks after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from sales_forecast.data.alarms import Alarm
from sales_forecast.data.panel import Array
from sales_forecast.operations.monitoring import rules
from sales_forecast.operations.monitoring.errors import Errors, Signal, mean_over
from sales_forecast.operations.monitoring.rules import Sums

CONFIRMING_WEEKS = 2
"""So long an alarm of chain or group waits: a fit to a passing shock forecast 29% worse."""
_NAMED = 3


@dataclass(frozen=True)
class Raised:
    """An alarm, and what the weeks after it say.

    Attributes:
        up: whether sales were above what was expected.
        confirmed: whether the sum grew again in that direction; None while these weeks are unknown,
            or most series sold nothing in them.
    """

    alarm: Alarm
    up: bool
    confirmed: bool | None


def judged_weeks(errors: Errors) -> int:
    """Return how many weeks of errors can be judged: all but those that are measured first."""
    return max(known_weeks(errors) - rules.WARM_UP, 0)


def known_weeks(errors: Errors) -> int:
    """Return of how many weeks there are errors."""
    return int((~np.isnan(mean_over(errors.logs))).sum())


def alarms(errors: Errors) -> tuple[Raised, ...]:
    """Return what the rules raise, oldest first."""
    found = []
    for signal in errors.signals():
        sums = signal.sums(signal.standardised(errors))
        for subject, week in np.argwhere(sums.rings).tolist():
            found.append(_raised(errors, signal, sums, subject, week))
    return tuple(sorted(found, key=lambda of: (of.alarm.week, of.alarm.rule, of.alarm.subject)))


def _raised(errors: Errors, signal: Signal, sums: Sums, subject: int, week: int) -> Raised:
    up = bool(sums.above[subject, week] >= sums.below[subject, week])
    alarm = Alarm(
        week=date.fromisoformat(str(errors.weeks[week])),
        rule=signal.rule.name,
        subject=signal.subjects[subject],
        statistic=round(float(sums.statistic[subject, week]), 2),
        limit=round(float(sums.limit[subject, week]), 2),
        message="",
    )
    words = _in_words(errors, signal, sums, subject, week)
    after = week + CONFIRMING_WEEKS
    grown = (sums.above if up else sums.below)[subject]
    told = after < len(errors.weeks) and not errors.fallen[week + 1 : after + 1].any()
    confirmed = bool(grown[after] > 0) if told else None
    return Raised(Alarm(**{**vars(alarm), "message": words}), up, confirmed)


def _in_words(errors: Errors, signal: Signal, sums: Sums, subject: int, week: int) -> str:
    side = sums.above if sums.above[subject, week] >= sums.below[subject, week] else sums.below
    first = _began(side[subject], week)
    n, name = week + 1 - first, signal.subjects[subject]
    when = f"in the week to {errors.weeks[week]}"
    if n > 1:
        when = f"in the {n} weeks to {errors.weeks[week]}"
    mean = float(np.nanmean(signal.values[subject, first : week + 1]))
    counted = (
        f"{sums.statistic[subject, week]:.2f} standard deviations, the limit is "
        f"{sums.limit[subject, week]:.2f}"
    )
    if signal.rule is rules.COVERAGE:
        return f"Intervals of 80% held {mean:.0%} {when} ({counted})."
    if signal.rule is rules.CHAIN and errors.fallen[week]:
        sold, expected = (np.nansum(of[:, week]) for of in (errors.sold, errors.expected))
        return (
            f"All series together sold {sold:,.0f} in the week to {errors.weeks[week]}, where "
            f"{expected:,.0f} was forecast, and most of them nothing ({counted}). Were these "
            "sales loaded whole?"
        )
    than = "above" if mean > 0 else "below"
    share = abs(np.expm1(mean))
    who = {"chain": "all series", "group": name, "series": f"series {name}"}[signal.rule.name]
    beside = "" if signal.rule is rules.CHAIN else ", measured against the others,"
    told = f"Sales of {who} were {share:.1%} {than} the forecasts{beside} {when} ({counted})."
    return told + _where(errors, signal, name, first, week, up=mean > 0)


def _began(side: Array, week: int) -> int:
    """Return the first week of the sum that stands in a week."""
    zero = np.flatnonzero(side[:week] <= 0)
    return int(zero[-1]) + 1 if len(zero) else 0


def _where(errors: Errors, signal: Signal, name: str, first: int, week: int, *, up: bool) -> str:
    """Name the series that most of it came from."""
    if signal.rule is rules.SERIES:
        return ""
    rows = errors.groups[name] if signal.rule is rules.GROUP else np.arange(len(errors.series))
    weeks = slice(first, week + 1)
    gone = np.nansum(errors.sold[rows, weeks] - errors.expected[rows, weeks], axis=1)
    most = np.argsort(-gone if up else gone, kind="stable")[:_NAMED]
    return f" Most of it: series {', '.join(errors.series[rows[of]] for of in most)}."
