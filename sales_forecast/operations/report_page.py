"""The report as a page that a person reads, and as lines for a terminal.

Takes a summary, gives text. Reads nothing; the page needs nothing from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sales_forecast.data.frequency import counted
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.operations.report import Summary
from sales_forecast.reports.drawing import lines
from sales_forecast.reports.page import aligned, paragraph, table, whole_page

_NONE = "-"
_STEPS = (1, 2, 4, 8, 13, 26, 52)
_SHOWN = 20


def text(of: Summary) -> str:
    """Return the report as lines: what was found, then the scores."""
    parts = [*_facts(of), ""]
    parts += aligned(_score_rows(of)) or ["No forecast was judged yet."]
    parts += [f"alarm of {alarm.week}: {alarm.message}" for alarm in of.alarms]
    return "\n".join(parts)


def page(of: Summary) -> str:
    """Return the report as HTML."""
    parts = [
        f"<h1>Sales forecasts, {of.now:%d %B %Y}</h1>",
        *map(paragraph, _facts(of)),
        f"<h2>What came true</h2>{_pictures(of)}",
        table(_score_rows(of), numbers=True) or "<p>No forecast was judged yet.</p>",
        "<h2>Alarms about this model</h2>",
        table(_alarm_rows(of)) or "<p>None.</p>",
        f"<h2>The weekly job of {of.week}</h2>",
        table(_step_rows(of)) or "<p>It has not run.</p>",
        "<h2>Champions</h2>",
        table(_deployment_rows(of)) or "<p>None is written down.</p>",
    ]
    return whole_page("Sales forecasts", parts)


def _facts(of: Summary) -> Iterator[str]:
    model = of.model
    if of.missed:
        yield f"MISSED: the weekly job of Monday {of.week} has not succeeded."
    else:
        yield f"The weekly job of Monday {of.week} succeeded."
    yield (
        f"The champion is {model.version} ({model.name}), trained on {model.trained_at:%Y-%m-%d} "
        f"with sales until {model.trained_until}."
    )
    if model.note:
        yield model.note
    age = (of.now.date() - of.last).days
    yield f"The newest sales are those until {of.last}, {age} days ago."
    if of.batch is None:
        yield "Nothing was forecast yet. Run `python train.py forecast`."
        return
    late = "" if of.batch.origin == of.last else "NOT OF THE NEWEST SALES: "
    yield f"{late}The newest forecasts know sales until {of.batch.origin}."


def _percent(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}%}" if math.isfinite(value) else _NONE


def _score_rows(of: Summary) -> list[Sequence[str]]:
    steps = [step for step in _STEPS if step in of.of_step]
    if not steps:
        return []
    head = (
        f"{of.unit}s ahead", "judged", "WAPE", "promised", "bias", "skill", "promised", "in 80%",
        "promised",
    )  # fmt: skip
    return [head, *(_score_row(of, step) for step in steps)]


def _score_row(of: Summary, step: int) -> Sequence[str]:
    found, promise = of.of_step[step], of.promises.get(step)
    said = (promise.wape, promise.skill, promise.coverage_80) if promise else (math.nan,) * 3
    wape, skill, inside = map(_percent, said)
    return (
        str(step), f"{found.n:,}", _percent(found.wape), wape, _percent(found.bias),
        _percent(found.skill), skill, _percent(found.coverage_80), inside,
    )  # fmt: skip


def _pictures(of: Summary) -> str:
    if not of.by_period:
        return ""
    labels = [str(target) for target in of.by_period]
    found: list[Measures] = [*of.by_period.values()]
    nearest = min(of.of_step)
    promise = of.promises.get(nearest)
    wape = promise.wape if promise else math.nan
    ahead = f"{counted(nearest, of.unit)} ahead"
    errors = {
        "came true": [one.wape for one in found],
        "growth baseline": [one.baseline_wape for one in found],
        "promised": [wape] * len(found),
    }
    covered = {
        "came true": [one.coverage_80 for one in found],
        "promised": [promise.coverage_80 if promise else math.nan] * len(found),
    }
    return lines(f"WAPE, {ahead}", labels, errors, _percent) + lines(
        f"Sales inside their interval of 80%, {ahead}", labels, covered, _whole
    )


def _whole(value: float) -> str:
    return _percent(value, 0)


def _alarm_rows(of: Summary) -> list[Sequence[str]]:
    newest = sorted(of.alarms, key=lambda alarm: alarm.week, reverse=True)[:_SHOWN]
    rows = [(str(alarm.week), alarm.rule, alarm.subject, alarm.message) for alarm in newest]
    return [(of.unit, "rule", "of", "what it says"), *rows] if rows else []


def _step_rows(of: Summary) -> list[Sequence[str]]:
    rows = [
        (f"{done.at:%Y-%m-%d %H:%M}", step, str(done.outcome.get("told", "all steps")))
        for step, done in of.steps.items()
    ]
    return [("ended (UTC)", "step", "what it says"), *rows] if rows else []


def _deployment_rows(of: Summary) -> list[Sequence[str]]:
    newest = [*of.deployments][: -_SHOWN - 1 : -1]
    rows = [
        (
            row.model_version,
            f"{row.since:%Y-%m-%d %H:%M}",
            f"{row.until:%Y-%m-%d %H:%M}" if row.until else "now",
            row.cause.by,
            row.cause.reason,
        )
        for row in newest
    ]
    return [("model", "from (UTC)", "until", "by", "why"), *rows] if rows else []
