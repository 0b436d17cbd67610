"""The report as a page that a person reads, and as lines for a terminal.

Takes a summary, gives text. Reads nothing; the page needs nothing from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.operations.drawing import lines
from sales_forecast.operations.report import Summary

_NONE = "-"
_STEPS = (1, 2, 4, 8, 13, 26, 52)
_SHOWN = 20
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ddd;vertical-align:top}
td:first-child{white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#444;margin:.5rem 0}
svg .title{font-weight:600;fill:#222}
.bad{color:#a1260d;font-weight:600}
"""


def text(of: Summary) -> str:
    """Return the report as lines: what was found, then the scores."""
    parts = [*_facts(of), ""]
    parts += _aligned(_score_rows(of)) or ["No forecast was judged yet."]
    parts += [f"alarm of {alarm.week}: {alarm.message}" for alarm in of.alarms]
    return "\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def page(of: Summary) -> str:
    """Return the report as HTML."""
    facts = "".join(f"<p{_class(fact)}>{escape(fact)}</p>" for fact in _facts(of))
    parts = [
        f"<h1>Sales forecasts, {of.now:%d %B %Y}</h1>",
        facts,
        f"<h2>What came true</h2>{_pictures(of)}",
        _table(_score_rows(of), numbers=True) or "<p>No forecast was judged yet.</p>",
        "<h2>Alarms about this model</h2>",
        _table(_alarm_rows(of)) or "<p>None.</p>",
        f"<h2>The weekly job of {of.week}</h2>",
        _table(_step_rows(of)) or "<p>It has not run.</p>",
        "<h2>Champions</h2>",
        _table(_deployment_rows(of)) or "<p>None is written down.</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Sales forecasts</title><style>{_STYLE}</style></head><body>"
        f"{''.join(parts)}</body></html>\n"
    )


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
    age = (of.now.date() - of.last).days
    yield f"The newest sales are those until {of.last}, {age} days ago."
    if of.batch is None:
        yield "Nothing was forecast yet. Run `python train.py forecast`."
        return
    late = "" if of.batch.origin == of.last else "NOT OF THE NEWEST SALES: "
    yield f"{late}The newest forecasts know sales until {of.batch.origin}."


def _class(fact: str) -> str:
    return ' class="bad"' if fact.partition(":")[0].isupper() else ""


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
    ahead = f"{nearest} {of.unit}{'' if nearest == 1 else 's'} ahead"
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


def _table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    if not rows:
        return ""
    head, *body = rows
    kind = ' class="n"' if numbers else ""
    top = "".join(f'<th scope="col"{kind}>{escape(cell)}</th>' for cell in head)
    below = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell in row)}</tr>" for row in body
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{below}</tbody></table>"
